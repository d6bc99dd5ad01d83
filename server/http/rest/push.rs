//! Web push: browsers that are told of messages and questions (RFC 8030, 8291, 8292).

use axum::extract::State;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::time::Time;
use super::{Answered, created};
use crate::auth::Via;
use crate::delivery::encryption::Receiver;
use crate::delivery::vapid::Vapid;
use crate::http::access::Caller;
use crate::http::body::{Id, Json};
use crate::http::page::List;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::store;
use crate::store::push::{MOST, PushRow};

/// The key that a browser subscribes with.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushKey {
    /// `applicationServerKey`: a point of P-256, in base64url.
    public_key: String,
}

/// A browser that is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct Push {
    id: Uuid,
    endpoint: String,
    /// `question` and `message`.
    kinds: Vec<String>,
    /// Since when every push has failed.
    failing_since: Option<Time>,
    created_at: Time,
}

/// What a push is encrypted with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushKeys {
    /// The browser's public key, in base64url.
    p256dh: String,
    /// Its authentication secret, in base64url.
    auth: String,
}

/// A subscription as the browser's `PushSubscription` writes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPush {
    /// `https://…`
    endpoint: String,
    /// When it ends, in milliseconds since 1970; usually null.
    #[serde(default, rename = "expirationTime")]
    expiration_time: Option<f64>,
    keys: PushKeys,
    /// What is told: `question`, `message`; both when absent.
    #[serde(default)]
    kinds: Option<Vec<String>>,
}

impl From<PushRow> for Push {
    fn from(row: PushRow) -> Self {
        Self {
            id: row.id,
            kinds: row.kinds.split(' ').map(str::to_owned).collect(),
            endpoint: row.endpoint,
            failing_since: row.failing_since.map(Time),
            created_at: Time(row.created_at),
        }
    }
}

fn octets(pointer: &str, text: &str) -> Result<Vec<u8>, Problem> {
    let wrong = || Problem::at(&problem::INVALID_BODY, pointer, "this is no base64url");
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| wrong())
}

fn kinds(given: Option<&[String]>) -> Result<String, Problem> {
    let Some(given) = given else { return Ok("question message".into()) };
    let known = ["question", "message"];
    if given.is_empty() || !given.iter().all(|kind| known.contains(&kind.as_str())) {
        let detail = "question, message or both";
        return Err(Problem::at(&problem::INVALID_BODY, "/kinds", detail));
    }
    let wanted: Vec<&str> = known.into_iter().filter(|kind| given.iter().any(|one| one == kind)).collect();
    Ok(wanted.join(" "))
}

/// Shows the public key that a browser subscribes with.
#[utoipa::path(get, path = "/v1/push/key", tag = "Web push", responses((status = 200, body = PushKey)))]
pub async fn key(State(state): State<AppState>, _: Caller) -> Answered {
    let vapid = Vapid::of(&state.store, state.clock.now_ms()).await?;
    Ok(axum::Json(PushKey { public_key: vapid.public_key() }).into_response())
}

/// Lists the browsers that are told.
#[utoipa::path(get, path = "/v1/push", tag = "Web push", responses((status = 200, body = List<Push>)))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Answered {
    let rows = state.store.subscriptions(caller.account.id).await?;
    let items: Vec<Push> = rows.into_iter().map(Push::from).collect();
    Ok(axum::Json(List { items, next_cursor: None, as_of: None }).into_response())
}

/// Has a browser told from now on, until it is deleted, its push service says that it is gone, or the session or token that
/// asks for it ends. A browser that is known gets the keys and kinds given now, so that it may ask again at every start.
///
/// What it gets is JSON: `kind` (`question`, `message`, or `answered`, which takes the place of the question of the same
/// tag), `tag`, `title`, `body`, `url`. It holds the sender's name and the subject, and nothing of the text.
#[utoipa::path(post, path = "/v1/push", tag = "Web push", request_body = NewPush,
    responses((status = 201, body = Push), (status = 200, body = Push, description = "it was known"),
        (status = 409, description = "`too_many_subscriptions`"),
        (status = 422, description = "`invalid_body`: the address is refused, or a key is none")))]
pub async fn create(State(state): State<AppState>, caller: Caller, Json(new): Json<NewPush>) -> Answered {
    let now = state.clock.now_ms();
    let endpoint = state.submission.http.permits(&new.endpoint);
    let endpoint = endpoint.map_err(|why| Problem::at(&problem::INVALID_BODY, "/endpoint", why))?;
    let (p256dh, auth) = (octets("/keys/p256dh", &new.keys.p256dh)?, octets("/keys/auth", &new.keys.auth)?);
    if !(Receiver { public: &p256dh, auth: &auth }).is_good() {
        let detail = "p256dh is a point of P-256 (65 octets), auth has 16 octets";
        return Err(Problem::at(&problem::INVALID_BODY, "/keys", detail));
    }
    if new.expiration_time.is_some_and(|at| at <= now as f64) {
        let detail = "this subscription is over; subscribe anew";
        return Err(Problem::at(&problem::INVALID_BODY, "/expirationTime", detail));
    }
    let (Via::Session(credential_id) | Via::Token(credential_id)) = caller.via;
    let row = PushRow {
        account_id: caller.account.id,
        id: state.ids.id(now),
        endpoint: endpoint.into(),
        p256dh,
        auth,
        kinds: kinds(new.kinds.as_deref())?,
        credential_id,
        failing_since: None,
        created_at: now,
    };
    let (row, fresh) = state.store.subscribe(row).await.map_err(|error| match error {
        store::Error::Conflict => {
            let detail = format!("An account has at most {MOST} browsers that are told.");
            Problem::new(&problem::TOO_MANY_SUBSCRIPTIONS, detail)
        }
        other => other.into(),
    })?;
    let shown = Push::from(row);
    let mut response = created(&format!("/v1/push/{}", shown.id), &shown);
    if !fresh {
        *response.status_mut() = StatusCode::OK;
    }
    Ok(response)
}

/// Ends a subscription, and takes back what it was still owed.
#[utoipa::path(delete, path = "/v1/push/{id}", tag = "Web push", params(("id" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    state.store.unsubscribe(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
