//! Webhooks: programs that are told of the account's events by HTTP (Standard Webhooks 1.0).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::time::Time;
use super::{Answered, created, kept};
use crate::delivery::signature::Signer;
use crate::http::access::Caller;
use crate::http::body::{Id, Json};
use crate::http::idempotency::Once;
use crate::http::page::List;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::store;
use crate::store::webhook::{CALLBACKS, MOST, NewKey, WebhookRow};

/// How long an old key signs beside the new one, in milliseconds: a day.
const OVERLAP: i64 = 24 * 3600 * 1000;
/// Types of one webhook.
const MOST_TYPES: usize = 50;
/// Further header fields of one webhook, and the octets of each.
const MOST_HEADERS: usize = 10;
const LONGEST_HEADER: usize = 2000;
/// Header fields that are the connection's or the standard's.
const OURS: [&str; 14] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
];

/// A webhook. The values of its header fields are never shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhook {
    id: Uuid,
    url: String,
    /// Empty: every type.
    types: Vec<String>,
    /// The names of its header fields.
    headers: Vec<String>,
    enabled: bool,
    /// `gone` (it answered 410), `failing` (for five days) or `user`.
    disabled_reason: Option<String>,
    disabled_at: Option<Time>,
    /// Since when every call has failed.
    failing_since: Option<Time>,
    created_at: Time,
}

/// What calls are signed with.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    /// `whpk_…`: verifies the `v1a` signatures (Ed25519).
    public_key: String,
    /// `whsec_…`: verifies the `v1` signatures (HMAC-SHA256). Shown once, when it is made; null otherwise.
    secret: Option<String>,
    created_at: Time,
}

/// A webhook with its key.
#[derive(Debug, Serialize, ToSchema)]
pub struct WithKey {
    #[serde(flatten)]
    webhook: Webhook,
    #[serde(flatten)]
    key: KeyOf,
}

/// The key of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyOf {
    /// `whpk_…`: verifies the `v1a` signatures (Ed25519).
    public_key: Option<String>,
    /// `whsec_…`: verifies the `v1` signatures (HMAC-SHA256). Shown once, when it is made; null otherwise.
    secret: Option<String>,
}

impl From<&WebhookRow> for Webhook {
    fn from(row: &WebhookRow) -> Self {
        let headers: Vec<(String, String)> = serde_json::from_str(&row.headers).unwrap_or_default();
        Self {
            id: row.id,
            url: row.url.clone(),
            types: row.types(),
            headers: headers.into_iter().map(|(name, _)| name).collect(),
            enabled: row.disabled_at.is_none(),
            disabled_reason: row.disabled_reason.clone(),
            disabled_at: row.disabled_at.map(Time),
            failing_since: row.failing_since.map(Time),
            created_at: Time(row.created_at),
        }
    }
}

/// A webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// `https://…`
    url: String,
    /// Such as `promise.settled`; every type when empty.
    #[serde(default)]
    types: Vec<String>,
    /// Header fields that are sent with each call, such as Authorization; never shown again.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// What is changed of a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedWebhook {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    types: Option<Vec<String>>,
    /// All of them: those that are not named are gone.
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    enabled: Option<bool>,
}

/// A URL that calls may go to.
fn target(state: &AppState, url: &str) -> Result<String, Problem> {
    let url = state.submission.http.permits(url);
    url.map(String::from).map_err(|why| Problem::at(&problem::INVALID_BODY, "/url", why))
}

fn types(given: &[String]) -> Result<String, Problem> {
    let plain = |t: &String| {
        (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_')
    };
    if given.len() > MOST_TYPES || !given.iter().all(plain) {
        let detail = format!("at most {MOST_TYPES} types such as promise.settled");
        return Err(Problem::at(&problem::INVALID_BODY, "/types", detail));
    }
    Ok(given.join(" "))
}

fn headers(given: &BTreeMap<String, String>) -> Result<String, Problem> {
    let wrong = |name: &str, detail: &str| {
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        Problem::at(&problem::INVALID_HEADER, pointer, detail)
    };
    if given.len() > MOST_HEADERS {
        return Err(Problem::at(&problem::INVALID_HEADER, "/headers", format!("at most {MOST_HEADERS}")));
    }
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        let token = (1..=100).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !token || lower.starts_with("webhook-") || OURS.contains(&lower.as_str()) {
            return Err(wrong(name, "this field is not one's own to set"));
        }
        if value.len() > LONGEST_HEADER || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(wrong(name, "one line of visible ASCII"));
        }
    }
    let pairs: Vec<(&String, &String)> = given.iter().collect();
    Ok(json!(pairs).to_string())
}

pub(super) async fn find(state: &AppState, caller: &Caller, id: Uuid) -> Result<WebhookRow, Problem> {
    state.store.webhook(caller.account.id, id).await?.ok_or_else(Problem::not_found)
}

/// A new key, and what signs with it.
fn key(state: &AppState, now: i64) -> Result<(NewKey, Signer), Problem> {
    let key = NewKey { id: state.ids.id(now), secret: state.ids.secret(), seed: state.ids.secret() };
    let signer = Signer::new(&key.secret, &key.seed);
    Ok((key, signer.ok_or_else(|| Problem::internal(&"a key could not be made"))?))
}

/// Lists the account's webhooks.
#[utoipa::path(get, path = "/v1/webhooks", tag = "Webhooks", responses((status = 200, body = List<Webhook>)))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Answered {
    let rows = state.store.webhooks(caller.account.id).await?;
    let items: Vec<Webhook> = rows.iter().map(Webhook::from).collect();
    Ok(axum::Json(List { items, next_cursor: None, as_of: None }).into_response())
}

/// Makes a webhook. The answer has its secret, this once.
#[utoipa::path(post, path = "/v1/webhooks", tag = "Webhooks", request_body = NewWebhook,
    responses((status = 201, body = WithKey), (status = 409, description = "`too_many_webhooks`"),
        (status = 422, description = "`invalid_body`: the address is refused; `invalid_header`")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Json(new): Json<NewWebhook>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let row = WebhookRow {
        account_id: account,
        id: state.ids.id(now),
        url: target(&state, &new.url)?,
        types: types(&new.types)?,
        headers: headers(&new.headers)?,
        cursor: 0,
        told: None,
        failing_since: None,
        disabled_at: None,
        disabled_reason: None,
        created_at: now,
    };
    let (key, signer) = key(&state, now)?;
    let shown = |secret| {
        let key = KeyOf { public_key: Some(signer.public_key()), secret };
        WithKey { webhook: Webhook::from(&row), key }
    };
    let location = format!("/v1/webhooks/{}", row.id);
    // What is kept for a replay has no secret in it.
    let keep = once.keep(account, StatusCode::CREATED, Some(location.clone()), &shown(None), now);
    state.store.with(keep).create_webhook(row.clone(), key).await.map_err(|error| match error {
        store::Error::Conflict => {
            Problem::new(&problem::TOO_MANY_WEBHOOKS, format!("An account has at most {MOST} webhooks."))
        }
        other => other.into(),
    })?;
    Ok(kept(created(&location, &shown(Some(signer.secret())))))
}

/// Shows a webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = WithKey), (status = 404)))]
pub async fn get(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let row = find(&state, &caller, id).await?;
    let keys = state.store.webhook_keys(caller.account.id, id, state.clock.now_ms()).await?;
    let public_key = keys.first().and_then(Signer::of).map(|signer| signer.public_key());
    let key = KeyOf { public_key, secret: None };
    Ok(axum::Json(WithKey { webhook: Webhook::from(&row), key }).into_response())
}

/// Changes a webhook; one that is switched on again is told of what happens from then on.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "Webhooks", params(("id" = String, Path)), request_body = ChangedWebhook,
    responses((status = 200, body = Webhook), (status = 404), (status = 422)))]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Json(body): Json<ChangedWebhook>,
) -> Answered {
    let (mut row, now) = (find(&state, &caller, id).await?, state.clock.now_ms());
    let was_on = row.disabled_at.is_none();
    if let Some(url) = &body.url {
        row.url = target(&state, url)?;
    }
    if let Some(given) = &body.types {
        row.types = types(given)?;
    }
    if let Some(given) = &body.headers {
        row.headers = headers(given)?;
    }
    match body.enabled {
        Some(true) if !was_on => {
            (row.disabled_at, row.disabled_reason, row.failing_since) = (None, None, None);
        }
        Some(false) if was_on => {
            (row.disabled_at, row.disabled_reason) = (Some(now), Some("user".into()));
        }
        _ => {}
    }
    let on_again = !was_on && row.disabled_at.is_none();
    state.store.set_webhook(row.clone(), on_again, now).await?;
    Ok(axum::Json(Webhook::from(&row)).into_response())
}

/// Forgets a webhook, and takes back what it was still owed.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "Webhooks", params(("id" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    state.store.delete_webhook(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn renew(state: &AppState, caller: &Caller, once: &Once, webhook: Uuid) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let (key, signer) = key(state, now)?;
    let shown = |secret| Key { public_key: signer.public_key(), secret, created_at: Time(now) };
    let keep = once.keep(account, StatusCode::OK, None, &shown(None), now);
    state.store.with(keep).rotate_webhook(account, webhook, key, now + OVERLAP, now).await?;
    Ok(kept(axum::Json(shown(Some(signer.secret()))).into_response()))
}

/// Gives a webhook a new key, whose secret the answer has this once; the old one signs beside it for a day.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Key), (status = 404)))]
pub async fn rotate(State(state): State<AppState>, caller: Caller, once: Once, Id(id): Id) -> Answered {
    find(&state, &caller, id).await?;
    renew(&state, &caller, &once, id).await
}

/// Makes the key, or a new one, that signs the calls to the callback addresses of the account's questions. Its secret is
/// in the answer, this once; the old one signs beside it for a day.
#[utoipa::path(post, path = "/v1/webhooks/secret", tag = "Webhooks", responses((status = 200, body = Key)))]
pub async fn renew_secret(State(state): State<AppState>, caller: Caller, once: Once) -> Answered {
    renew(&state, &caller, &once, CALLBACKS).await
}

/// Shows the public key that verifies the calls to the callback addresses of the account's questions.
#[utoipa::path(get, path = "/v1/webhooks/secret", tag = "Webhooks",
    responses((status = 200, body = Key), (status = 404, description = "there is none yet")))]
pub async fn secret(State(state): State<AppState>, caller: Caller) -> Answered {
    let keys = state.store.webhook_keys(caller.account.id, CALLBACKS, state.clock.now_ms()).await?;
    let newest = keys.first().and_then(|row| Some((row.created_at, Signer::of(row)?)));
    let (at, signer) = newest.ok_or_else(Problem::not_found)?;
    let key = Key { public_key: signer.public_key(), secret: None, created_at: Time(at) };
    Ok(axum::Json(key).into_response())
}
