//! Promises: waited for, answered, canceled.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Answered;
use super::time::Time;
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::wait::{self, Next, Waiting, Waits};
use crate::http::{AppState, HeaderMap};
use crate::mail::address::Named;
use crate::promise::escalate::escalation;
use crate::promise::settle::ask_of;
use crate::store::promise::{AnswerRow, PromiseRow, RespondentRow, Side, Whole};
use crate::store::{self, Topic};
use crate::submission::again;

/// Between two reminders that are asked for, in milliseconds.
const REMIND: i64 = 60_000;
/// People whom one question is put to, by whomever.
pub(super) const MOST_ASKED: usize = 1000;

/// The durable handle of something not finished.
#[derive(Debug, Serialize, ToSchema)]
pub struct Promise {
    pub(super) id: Uuid,
    /// `delivery` or `answer`.
    pub(super) kind: String,
    /// `pending`, `fulfilled` or `rejected`; once settled it never changes.
    pub(super) state: String,
    /// `asker` or `asked`.
    pub(super) role: &'static str,
    /// The id, in the caller's account, of the message it belongs to.
    pub(super) message_id: Option<Uuid>,
    pub(super) value: Option<Value>,
    pub(super) answers: Vec<Answer>,
    /// Everybody who is asked.
    pub(super) asked: Vec<Asked>,
    pub(super) held: Option<HeldAnswer>,
    pub(super) corrections: Vec<Correction>,
    /// Why it was rejected.
    pub(super) reason: Option<Reason>,
    pub(super) revision: i64,
    pub(super) created_at: Time,
    pub(super) deadline: Option<Time>,
    pub(super) settled_at: Option<Time>,
    /// The asker's own.
    pub(super) context: Option<Value>,
}

/// What somebody gave back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    /// Whose address was asked.
    by: String,
    at: Time,
    /// `api`, `web`, `email`, `link` or `expiry`.
    via: String,
    /// Null for a decline.
    value: Option<Value>,
    /// What was said with it.
    comment: Option<String>,
    /// Why it was declined.
    decline: Option<String>,
    /// How it is known who answered.
    verified: Value,
    /// The version of the question it was given for; only answers to the last one count.
    revision: i64,
}

/// Somebody who is asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Asked {
    address: String,
    /// `waiting`, `answered`, `declined`, `undeliverable` or `delegated`.
    state: String,
    answered: bool,
    declined: bool,
    /// Who passed it on to them.
    delegated_by: Option<String>,
}

/// What somebody wants corrected before answering.
#[derive(Debug, Serialize, ToSchema)]
pub struct Correction {
    by: String,
    what: String,
    /// The version of the question it is about.
    revision: i64,
    at: Time,
}

/// The caller's answer, as long as it can be taken back: it does not count yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldAnswer {
    until: Time,
    value: Option<Value>,
    comment: Option<String>,
    decline: Option<String>,
}

/// Why a promise was rejected.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reason {
    /// `expired`, `declined`, `undeliverable` or `canceled`.
    code: String,
    detail: Option<String>,
}

fn parsed(text: Option<&str>) -> Option<Value> {
    text.and_then(|json| serde_json::from_str(json).ok())
}

impl From<AnswerRow> for Answer {
    fn from(row: AnswerRow) -> Self {
        Self {
            by: row.by_address,
            at: Time(row.at),
            via: row.via,
            value: parsed(row.value.as_deref()),
            comment: row.comment,
            decline: row.decline,
            verified: parsed(Some(&row.verified)).unwrap_or_default(),
            revision: row.revision,
        }
    }
}

fn asked(respondents: &[RespondentRow]) -> Vec<Asked> {
    let by =
        |person| respondents.iter().find(|other| other.person_id == person).map(|row| row.address.clone());
    let asked = respondents.iter().map(|row| Asked {
        address: row.address.clone(),
        answered: row.state == "answered",
        declined: row.state == "declined",
        state: row.state.clone(),
        delegated_by: row.delegated_by.and_then(by),
    });
    asked.collect()
}

/// A promise as an account sees it; `message_id` is its own copy of the message.
pub(super) fn shown(account: Uuid, whole: Whole, message_id: Option<Uuid>) -> Promise {
    let row = whole.row;
    let value = parsed(row.value.as_deref());
    let (held, given): (Vec<_>, Vec<_>) =
        whole.answers.into_iter().partition(|answer| answer.held_until.is_some());
    let held = held.into_iter().find(|answer| answer.by_account == account && row.state == "pending");
    let mut answers: Vec<Answer> = given.into_iter().map(Answer::from).collect();
    let expired = row.settled_via.as_deref() == Some("expiry");
    if row.kind == "answer"
        && row.state == "fulfilled"
        && (expired || answers.iter().all(|a| a.value.is_none()))
    {
        answers.push(Answer {
            by: String::new(),
            at: Time(row.settled_at.unwrap_or(row.created_at)),
            via: "expiry".into(),
            comment: None,
            value: value.clone(),
            decline: None,
            verified: json!({}),
            revision: row.revision,
        });
    }
    Promise {
        id: row.id,
        kind: row.kind,
        state: row.state,
        role: if row.account_id == account { "asker" } else { "asked" },
        message_id,
        value,
        answers,
        asked: asked(&whole.respondents),
        held: held.map(|answer| HeldAnswer {
            until: Time(answer.held_until.unwrap_or(answer.at)),
            value: parsed(answer.value.as_deref()),
            comment: answer.comment,
            decline: answer.decline,
        }),
        corrections: whole
            .corrections
            .into_iter()
            .map(|row| Correction {
                by: row.by_address,
                what: row.what,
                revision: row.revision,
                at: Time(row.at),
            })
            .collect(),
        reason: row.reason_code.map(|code| Reason { code, detail: row.reason_detail }),
        revision: row.revision,
        created_at: Time(row.created_at),
        deadline: row.deadline.map(Time),
        settled_at: row.settled_at.map(Time),
        context: parsed(row.context.as_deref()),
    }
}

/// A promise as this account sees it.
pub(super) async fn of(state: &AppState, account: Uuid, row: PromiseRow) -> Result<Promise, Problem> {
    let message = message_of(state, account, &row).await?;
    Ok(shown(account, state.store.whole(row).await?, message))
}

/// Promises as the API shows them, read for all of them at once.
pub(super) async fn all_of(
    state: &AppState,
    account: Uuid,
    rows: Vec<PromiseRow>,
) -> Result<Vec<Promise>, Problem> {
    let foreign: Vec<Uuid> = rows.iter().filter(|row| row.account_id != account).map(|row| row.id).collect();
    let asked = if foreign.is_empty() { Vec::new() } else { state.store.asked_of(account, &foreign).await? };
    let shown = |whole: Whole| {
        let message = if whole.row.account_id == account {
            Some(whole.row.email_id)
        } else {
            asked.iter().find(|asked| asked.promise_id == whole.row.id).map(|asked| asked.email_id)
        };
        shown(account, whole, message)
    };
    Ok(state.store.wholes(rows).await?.into_iter().map(shown).collect())
}

/// The account's own copy of the message of a promise.
pub(super) async fn message_of(
    state: &AppState,
    account: Uuid,
    row: &PromiseRow,
) -> Result<Option<Uuid>, Problem> {
    if row.account_id == account {
        return Ok(Some(row.email_id));
    }
    Ok(state.store.asked_of(account, &[row.id]).await?.pop().map(|asked| asked.email_id))
}

/// How long to wait.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Seconds, 0 to 60, to wait until it is settled. `Prefer: wait=25` does the same.
    #[param(maximum = 60)]
    wait: Option<u64>,
}

/// Tells the state of a promise now, or as soon as it is settled.
#[utoipa::path(get, path = "/v1/promises/{id}", tag = "Promises", params(("id" = String, Path), Patience),
    responses((status = 200, body = Promise), (status = 404)))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    waiting: Waiting,
    Id(id): Id,
    Params(query): Params<Patience>,
) -> Answered {
    let account = caller.account.id;
    let most = wait::seconds(query.wait, &headers)?;
    let mut waits = Waits::begin(&state, waiting, [Topic::Promise(id)], most);
    let row = loop {
        let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
        if row.state != "pending" {
            break row;
        }
        match waits.next(&state).await {
            Next::Look => {}
            Next::Over => break row,
            Next::Parked(response) => return Ok(response),
        }
    };
    Ok(axum::Json(of(&state, account, row).await?).into_response())
}

/// Which promises are listed.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// `asker` (the default) or `asked`.
    role: Option<String>,
    /// `pending`, `fulfilled` or `rejected`.
    state: Option<String>,
    /// `delivery` or `answer`.
    kind: Option<String>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    cursor: Option<String>,
}

fn one_of(name: &str, value: Option<&str>, words: &[&str]) -> Result<(), Problem> {
    if value.is_none_or(|value| words.contains(&value)) {
        return Ok(());
    }
    let detail = format!("{name} is one of {}", words.join(", "));
    Err(Problem::at(&problem::INVALID_PARAMETER, format!("?{name}"), detail))
}

/// Lists promises, newest first.
#[utoipa::path(get, path = "/v1/promises", tag = "Promises", params(Query), responses((status = 200, body = List<Promise>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Query>) -> Answered {
    let account = caller.account.id;
    one_of("role", query.role.as_deref(), &["asker", "asked"])?;
    one_of("state", query.state.as_deref(), &["pending", "fulfilled", "rejected"])?;
    one_of("kind", query.kind.as_deref(), &["delivery", "answer"])?;
    let side = if query.role.as_deref() == Some("asked") { Side::Asked } else { Side::Asker };
    let bound = serde_json::to_string(&query).unwrap_or_default();
    let page = Page::read(account, "promises", &bound, query.limit, query.cursor.as_deref())?;
    let before = page.after.map(|(_, id)| id);
    let (in_state, kind) = (query.state.as_deref(), query.kind.as_deref());
    let mut rows = state.store.promises(account, side, in_state, kind, before, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    let items = all_of(&state, account, rows).await?;
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// Takes a question back: its promise is rejected as `canceled`.
#[utoipa::path(post, path = "/v1/promises/{id}/cancel", tag = "Promises", params(("id" = String, Path)),
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_settled`")))]
pub async fn cancel(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let account = caller.account.id;
    state.store.cancel_promise(account, id, state.clock.now_ms()).await.map_err(|error| match error {
        store::Error::Conflict => Problem::new(
            &problem::ALREADY_SETTLED,
            "The promise is settled; or it is one of delivery, which POST /v1/messages/{id}/cancel takes back.",
        ),
        other => other.into(),
    })?;
    let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(of(&state, account, row).await?).into_response())
}

/// The caller's own question, which is open.
async fn own_open(state: &AppState, account: Uuid, id: Uuid) -> Result<Whole, Problem> {
    let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
    if row.account_id != account {
        return Err(Problem::new(&problem::NOT_ASKED, "Only whoever asked may do this."));
    }
    if row.kind != "answer" || row.state != "pending" {
        return Err(Problem::new(&problem::ALREADY_SETTLED, "The question is settled, or there is none."));
    }
    Ok(state.store.whole(row).await?)
}

/// The occasion of a message: the request's key, else the time.
fn occasion(once: &Once, now: i64) -> Vec<u8> {
    once.0.as_ref().map_or_else(|| now.to_be_bytes().to_vec(), |key| key.key.clone().into_bytes())
}

async fn changed(state: &AppState, account: Uuid, id: Uuid) -> Answered {
    let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(of(state, account, row).await?).into_response())
}

/// Reminds those who have not answered, now; at most once a minute.
#[utoipa::path(post, path = "/v1/promises/{id}/remind", tag = "Promises", params(("id" = String, Path)),
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_settled`, `nobody_left`"),
        (status = 429, description = "`throttled`")))]
pub async fn remind(State(state): State<AppState>, caller: Caller, once: Once, Id(id): Id) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let question = own_open(&state, account, id).await?;
    if question.respondents.iter().all(|person| person.state != "waiting") {
        return Err(Problem::new(&problem::NOBODY_LEFT, "Everybody who was asked has answered."));
    }
    if let Some(last) = question.row.reminded_at.filter(|last| last + REMIND > now) {
        let wait = (last + REMIND - now).div_euclid(1000) + 1;
        return Err(Problem::new(&problem::THROTTLED, "They were reminded a moment ago.").retry_after(wait));
    }
    Box::pin(again::remind(&state.submission, &question, &occasion(&once, now))).await?;
    changed(&state, account, id).await
}

/// Whom to ask as well.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalate {
    /// Those of the question's next step when absent.
    #[schema(value_type = Vec<Value>)]
    #[serde(default)]
    to: Vec<Named>,
}

/// Puts a question to more people, now.
#[utoipa::path(post, path = "/v1/promises/{id}/escalate", tag = "Promises", params(("id" = String, Path)), request_body = Escalate,
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_settled`, `nobody_left`")))]
pub async fn escalate(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Id(id): Id,
    Json(body): Json<Escalate>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let question = own_open(&state, account, id).await?;
    let fresh = |to: &[String]| escalation(&question, to).is_some();
    let to: Vec<String> = if body.to.is_empty() {
        let ask = ask_of(&question.row)?;
        ask.escalate.into_iter().map(|step| step.to).find(|to| fresh(to)).unwrap_or_default()
    } else {
        body.to.iter().map(|to| to.address.to_string()).collect()
    };
    if to.len() + question.respondents.len() > MOST_ASKED {
        let detail = format!("At most {MOST_ASKED} people are asked one question.");
        return Err(Problem::at(&problem::TOO_MANY_RECIPIENTS, "/to", detail));
    }
    if !fresh(&to) {
        return Err(Problem::new(&problem::NOBODY_LEFT, "Everybody named is asked already."));
    }
    Box::pin(again::escalate(&state.submission, &question, &to, &occasion(&once, now))).await?;
    changed(&state, account, id).await
}
