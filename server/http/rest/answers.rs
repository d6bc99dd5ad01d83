//! Answering: giving, taking back, passing on, and asking for a correction.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::draft::span;
use super::promises::{MOST_ASKED, Promise, message_of, of, shown};
use super::{Answered, kept};
use crate::auth::Via;
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::body::{Id, Json};
use crate::http::idempotency::Once;
use crate::http::problem::{self, At, Problem};
use crate::mail::address::Named;
use crate::promise::ask::LONGEST_COMMENT;
use crate::promise::settle::{Answering, By, Given, Refused, answer as give};
use crate::store;
use crate::store::idempotency::Answer as Kept;
use crate::store::promise::Whole;
use crate::store::settle::Keep;
use crate::submission::again;

/// An answer: a value, why there is none, or what must be corrected first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// `{"choice": "approve"}` or `"approve"`; a text; or what the form's schema describes.
    #[serde(default)]
    value: Option<Value>,
    /// What is said with it.
    #[serde(default)]
    comment: Option<String>,
    /// Why it is not answered.
    #[serde(default)]
    decline: Option<String>,
    /// What must be corrected first: the question stays open, and whoever asked is told.
    #[serde(default)]
    correction: Option<String>,
    /// Held so long that it can be taken back (ISO 8601), up to PT5M; it counts after that.
    #[serde(default)]
    undo: Option<String>,
    /// The version of the question it is for; the one the account was given last when absent.
    #[serde(default)]
    revision: Option<i64>,
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
            Refused::Delegated => {
                Self::new(&problem::ALREADY_DELEGATED, "You have passed this question on to somebody else.")
            }
            Refused::BadAnswer(bad) => {
                let detail = bad.to_string();
                let errors = bad.errors.into_iter().map(|(pointer, detail)| At { pointer, detail });
                Self { errors: errors.collect(), ..Self::new(&problem::INVALID_ANSWER, detail) }
            }
            Refused::Store(error) => error.into(),
        }
    }
}

/// Answers a question, declines to, or asks for a correction. Only somebody who was asked may.
#[utoipa::path(post, path = "/v1/promises/{id}/answer", tag = "Promises", params(("id" = String, Path)), request_body = NewAnswer,
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_settled`, `already_answered`, `already_delegated`"),
        (status = 422, description = "`invalid_answer`, `not_asked`")))]
pub async fn answer(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Id(id): Id,
    Json(new): Json<NewAnswer>,
) -> Answered {
    let undo = new.undo.as_deref().map(|text| span("/undo", text)).transpose()?;
    let given = match (new.value, new.decline, new.correction) {
        (Some(value), None, None) => Given::Value { value, comment: new.comment },
        (None, Some(why), None) if new.comment.is_none() => Given::Decline(why),
        (None, None, Some(what)) if new.comment.is_none() && undo.is_none() => {
            return correct(&state, &caller, id, &what).await;
        }
        _ => {
            let detail = "give either value (with or without comment), decline or correction";
            return Err(Problem::at(&problem::INVALID_ANSWER, "", detail));
        }
    };
    let (account, now) = (&caller.account, state.clock.now_ms());
    let (via, verified) = match caller.via {
        Via::Token(_) => ("api", json!({ "token": true })),
        Via::Session(_) => ("web", json!({ "session": true })),
    };
    let (answer, by, revision) = (state.ids.id(now), By::Account(account), new.revision);
    let answering = Answering { id: answer, by, given, revision, via, verified, undo, now };
    // The response is made of what the answer led to, and kept in its transaction.
    let keep: Option<Keep> = match once.0 {
        Some(key) => {
            let row = state.store.promise(account.id, id).await?.ok_or_else(Problem::not_found)?;
            let (message, account) = (message_of(&state, account.id, &row).await?, account.id);
            Some((key, Arc::new(move |whole: &Whole| response(account, whole.clone(), message))))
        }
        None => None,
    };
    let row = give(&state.store, id, answering, keep).await?;
    Ok(kept(axum::Json(of(&state, account.id, row).await?).into_response()))
}

fn response(account: Uuid, whole: Whole, message: Option<Uuid>) -> Kept {
    let body = serde_json::to_string(&shown(account, whole, message)).unwrap_or_default();
    Kept { status: 200, location: None, body }
}

/// The question, as somebody sees it who may still answer it.
async fn open(state: &AppState, account: Uuid, id: Uuid) -> Result<Whole, Problem> {
    let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
    if row.account_id == account {
        return Err(Refused::Asker.into());
    }
    if row.kind != "answer" {
        return Err(Refused::NotAnAsk.into());
    }
    if row.state != "pending" || row.deadline.is_some_and(|deadline| deadline <= state.clock.now_ms()) {
        return Err(Refused::AlreadySettled.into());
    }
    let whole = state.store.whole(row).await?;
    let mut mine = whole.respondents.iter().filter(|person| person.person_id == account);
    if mine.clone().next().is_none() {
        return Err(Refused::NotFound.into());
    }
    let current = whole.row.revision;
    if whole.answers.iter().any(|answer| answer.by_account == account && answer.revision == current) {
        return Err(Refused::AlreadyAnswered.into());
    }
    if mine.all(|person| person.state == "delegated") {
        return Err(Refused::Delegated.into());
    }
    Ok(whole)
}

async fn correct(state: &AppState, caller: &Caller, id: Uuid, what: &str) -> Answered {
    let (account, what) = (&caller.account, what.trim());
    if what.is_empty() || what.len() > LONGEST_COMMENT {
        let detail = format!("Say what, in 1 to {LONGEST_COMMENT} octets.");
        return Err(Problem::at(&problem::INVALID_ANSWER, "/correction", detail));
    }
    let question = open(state, account.id, id).await?;
    if question.corrections.len() >= CORRECTIONS {
        let detail = format!("At most {CORRECTIONS} corrections are asked for; decline, or write a message.");
        return Err(Problem::at(&problem::INVALID_ANSWER, "/correction", detail));
    }
    let asked = state.store.asked_of(account.id, &[id]).await?.pop().ok_or_else(Problem::not_found)?;
    Box::pin(again::correction(&state.submission, account, &question.row, &asked, what)).await?;
    let row = state.store.promise(account.id, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(of(state, account.id, row).await?).into_response())
}

/// Corrections that are asked for of one question.
const CORRECTIONS: usize = 50;

/// Takes an answer back that was given with `undo`, as long as it does not count.
#[utoipa::path(delete, path = "/v1/promises/{id}/answer", tag = "Promises", params(("id" = String, Path)),
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_answered`: it counts")))]
pub async fn take_back(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let account = caller.account.id;
    let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
    let taken = state.store.take_back(row.account_id, id, account, state.clock.now_ms()).await;
    taken.map_err(|error| match error {
        store::Error::Conflict => Problem::new(&problem::ALREADY_ANSWERED, "The answer counts already."),
        other => other.into(),
    })?;
    let row = state.store.promise(account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(of(&state, account, row).await?).into_response())
}

/// To whom a question is passed on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delegate {
    #[schema(value_type = String)]
    to: Named,
    /// What is said with it.
    #[serde(default)]
    comment: Option<String>,
}

/// Passes a question on: somebody else is asked in the caller's place.
#[utoipa::path(post, path = "/v1/promises/{id}/delegate", tag = "Promises", params(("id" = String, Path)), request_body = Delegate,
    responses((status = 200, body = Promise), (status = 404), (status = 409, description = "`already_settled`, `already_answered`, `already_delegated`"),
        (status = 422, description = "`unknown_recipient`, `no_relay`, `not_asked`")))]
pub async fn delegate(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Json(body): Json<Delegate>,
) -> Answered {
    let (account, to) = (&caller.account, &body.to.address);
    let question = open(&state, account.id, id).await?;
    if body.comment.as_ref().is_some_and(|comment| comment.len() > LONGEST_COMMENT) {
        let detail = format!("At most {LONGEST_COMMENT} octets.");
        return Err(Problem::at(&problem::INVALID_BODY, "/comment", detail));
    }
    let key = to.key();
    if question.respondents.iter().any(|person| person.address.to_lowercase() == key) {
        return Err(Problem::at(&problem::NOBODY_LEFT, "/to", "They are asked already."));
    }
    if question.respondents.len() >= MOST_ASKED {
        let detail = format!("At most {MOST_ASKED} people are asked one question.");
        return Err(Problem::at(&problem::TOO_MANY_RECIPIENTS, "/to", detail));
    }
    match state.store.resolve(to).await? {
        store::account::Resolved::Local(person) if person == question.row.account_id => {
            return Err(Problem::at(&problem::NOT_ASKED, "/to", "Whoever asks does not answer."));
        }
        store::account::Resolved::Local(person) if person == account.id => {
            return Err(Problem::at(&problem::NOBODY_LEFT, "/to", "That is you."));
        }
        store::account::Resolved::Local(_) | store::account::Resolved::Outside => {}
        _ => return Err(Problem::at(&problem::UNKNOWN_RECIPIENT, "/to", "Nobody here has this address.")),
    }
    let comment = body.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    Box::pin(again::delegate(&state.submission, &question, account, to, comment)).await?;
    let row = state.store.promise(account.id, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(of(&state, account.id, row).await?).into_response())
}
