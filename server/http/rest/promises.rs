//! Promises: waited for, answered, canceled.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::time::Time;
use super::{Answered, kept, not_yet};
use crate::auth::Via;
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::wait::{self, Wait};
use crate::http::{AppState, HeaderMap};
use crate::promise::settle::{Answering, Given, Refused, answer as give, ask_of};
use crate::store::idempotency::Answer as Kept;
use crate::store::promise::{AnswerRow, PromiseRow, Side};
use crate::store::{self, Topic};

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
    /// `api`, `web`, `email` or `expiry`.
    via: String,
    /// Null for a decline.
    value: Option<Value>,
    /// Why it was declined.
    decline: Option<String>,
    /// How it is known who answered.
    verified: Value,
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
            decline: row.decline,
            verified: parsed(Some(&row.verified)).unwrap_or_default(),
        }
    }
}

fn shown(account: Uuid, row: PromiseRow, message_id: Option<Uuid>, mut answers: Vec<Answer>) -> Promise {
    let value = parsed(row.value.as_deref());
    // A fulfilled question that nobody answered was fulfilled by its deadline.
    if row.kind == "answer"
        && row.state == "fulfilled"
        && !answers.iter().any(|answer| answer.value.is_some())
    {
        answers.push(Answer {
            by: String::new(),
            at: Time(row.settled_at.unwrap_or(row.created_at)),
            via: "expiry".into(),
            value: value.clone(),
            decline: None,
            verified: json!({}),
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
    let answers = state.store.answers(row.account_id, row.id).await?;
    Ok(shown(account, row, message, answers.into_iter().map(Answer::from).collect()))
}

async fn message_of(state: &AppState, account: Uuid, row: &PromiseRow) -> Result<Option<Uuid>, Problem> {
    if row.account_id == account {
        return Ok(Some(row.email_id));
    }
    Ok(state.store.asked_of(account, &[row.id]).await?.pop().map(|asked| asked.email_id))
}

/// How long to wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Seconds, 0 to 60, to wait until it is settled. `Prefer: wait=25` does the same.
    wait: Option<u64>,
}

/// Tells the state of a promise now, or as soon as it is settled.
#[utoipa::path(get, path = "/v1/promises/{id}", tag = "Promises", params(("id" = String, Path), Patience),
    responses((status = 200, body = Promise), (status = 404)))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Params(query): Params<Patience>,
) -> Answered {
    let account = caller.account.id;
    let most = wait::seconds(query.wait, &headers)?;
    let mut wait = Wait::begin(&state, Topic::Promise(id), most);
    let row = loop {
        let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
        if row.state != "pending" || !wait.again(&state).await {
            break row;
        }
    };
    Ok(axum::Json(of(&state, account, row).await?).into_response())
}

/// Which promises are listed.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// `asker` (the default) or `asked`.
    role: Option<String>,
    /// `pending`, `fulfilled` or `rejected`.
    state: Option<String>,
    /// `delivery` or `answer`.
    kind: Option<String>,
    /// 1 to 200; 50 when absent.
    #[serde(skip_serializing)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing)]
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
    let mut items = Vec::with_capacity(rows.len());
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let asked = if ids.is_empty() || side == Side::Asker {
        Vec::new()
    } else {
        state.store.asked_of(account, &ids).await?
    };
    let keys: Vec<(Uuid, Uuid)> =
        rows.iter().filter(|row| row.kind == "answer").map(|row| (row.account_id, row.id)).collect();
    let mut answers = if keys.is_empty() { Vec::new() } else { state.store.answers_of(&keys).await? };
    for row in rows {
        let message = match side {
            Side::Asker => Some(row.email_id),
            Side::Asked => asked.iter().find(|asked| asked.promise_id == row.id).map(|asked| asked.email_id),
        };
        let (mine, rest) = answers.into_iter().partition(|answer: &AnswerRow| answer.promise_id == row.id);
        answers = rest;
        items.push(shown(account, row, message, mine.into_iter().map(Answer::from).collect()));
    }
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// An answer: a value, or why there is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// `{"choice": "approve"}`, or `"approve"`.
    #[serde(default)]
    value: Option<Value>,
    /// What is said with it.
    #[serde(default)]
    comment: Option<String>,
    /// Why it is not answered.
    #[serde(default)]
    decline: Option<String>,
    #[serde(default)]
    #[schema(ignore)]
    correction: Option<Value>,
    #[serde(default)]
    #[schema(ignore)]
    undo: Option<Value>,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::not_found(),
            Refused::Asker => Self::new(&problem::NOT_ASKED, "Whoever asks does not answer."),
            Refused::NotAnAsk => Self::new(&problem::NOT_ASKED, "This promise does not wait for an answer."),
            Refused::AlreadySettled => {
                Self::new(&problem::ALREADY_SETTLED, "The promise is settled, or its deadline has passed.")
            }
            Refused::AlreadyAnswered => {
                Self::new(&problem::ALREADY_ANSWERED, "You have answered this question.")
            }
            Refused::OldRevision => {
                Self::new(&problem::CONFLICT, "The question has been corrected since you read it.")
            }
            Refused::BadAnswer(bad) => Self::at(&problem::INVALID_ANSWER, bad.pointer, bad.detail),
            Refused::Store(error) => error.into(),
        }
    }
}

/// Answers a question, or declines to. Only somebody who was asked may.
#[utoipa::path(post, path = "/v1/promises/{id}/answer", tag = "Promises", params(("id" = String, Path)), request_body = NewAnswer,
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_settled`, `already_answered`"),
        (status = 422, description = "`invalid_answer`, `not_asked`")))]
pub async fn answer(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Id(id): Id,
    Json(new): Json<NewAnswer>,
) -> Answered {
    not_yet("/correction", new.correction.as_ref())?;
    not_yet("/undo", new.undo.as_ref())?;
    let given = match (new.value, new.decline) {
        (Some(value), None) => Given::Value { value, comment: new.comment },
        (None, Some(why)) if new.comment.is_none() => Given::Decline(why),
        _ => {
            let detail = "give either value (with or without comment) or decline";
            return Err(Problem::at(&problem::INVALID_ANSWER, "", detail));
        }
    };
    let (account, now) = (&caller.account, state.clock.now_ms());
    let (via, verified) = match caller.via {
        Via::Token(_) => ("api", json!({ "token": true })),
        Via::Session(_) => ("web", json!({ "session": true })),
    };
    let answering = Answering { id: state.ids.id(now), by: account, given, via, verified, now };
    // The answer to the caller is kept in the transaction of the answer, so it is made before it.
    let keep = match once.0 {
        Some(key) => foreseen(&state, id, &answering).await?.map(|promise| {
            let body = serde_json::to_string(&promise).unwrap_or_default();
            (key, Kept { status: 200, location: None, body })
        }),
        None => None,
    };
    let row = give(&state.store, id, answering, keep).await?;
    Ok(kept(axum::Json(of(&state, account.id, row).await?).into_response()))
}

/// The promise as it will be once this answer is given; nothing for an answer that does not fit.
async fn foreseen(state: &AppState, id: Uuid, answering: &Answering<'_>) -> Result<Option<Promise>, Problem> {
    let (by, now) = (answering.by, answering.now);
    let mut row = state.store.promise(by.id, id).await?.ok_or_else(Problem::not_found)?;
    let Ok(ask) = ask_of(&row) else { return Ok(None) };
    let (value, decline) = match &answering.given {
        Given::Value { value, comment } => match ask.judge(value, comment.as_deref()) {
            Ok(value) => (Some(value), None),
            Err(_) => return Ok(None),
        },
        Given::Decline(why) => (None, Some(why.trim().to_owned())),
    };
    row.unanswered -= i64::from(value.is_none());
    if value.is_some() {
        row.state = "fulfilled".into();
        row.value = value.as_ref().map(Value::to_string);
        row.settled_at = Some(now);
    } else if row.unanswered <= 0 {
        row.state = "rejected".into();
        row.reason_code = Some("declined".into());
        row.settled_at = Some(now);
    }
    let asked = state.store.asked_of(by.id, &[id]).await?.pop();
    let mut answers: Vec<Answer> =
        state.store.answers(row.account_id, id).await?.into_iter().map(Answer::from).collect();
    answers.push(Answer {
        by: asked.as_ref().map_or_else(|| by.address.clone(), |asked| asked.address.clone()),
        at: Time(now),
        via: answering.via.into(),
        value,
        decline,
        verified: answering.verified.clone(),
    });
    Ok(Some(shown(by.id, row, asked.map(|asked| asked.email_id), answers)))
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
