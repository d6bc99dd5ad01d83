//! Answering: who may, and what becomes of it.

use serde_json::Value;
use uuid::Uuid;

use super::ask::{Ask, BadAnswer, LONGEST_COMMENT};
use crate::store::account::Account;
use crate::store::idempotency::{Answer as Kept, Key};
use crate::store::promise::{Judged, NewAnswer, PromiseRow};
use crate::store::{self, Store};

/// What somebody says to a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// An answer.
    Value {
        /// One of the options.
        value: Value,
        /// What is said with it.
        comment: Option<String>,
    },
    /// No answer, and why.
    Decline(String),
}

/// One answer on its way in.
#[derive(Debug, Clone)]
pub struct Answering<'a> {
    /// Its id.
    pub id: Uuid,
    /// Who answers.
    pub by: &'a Account,
    /// What they say.
    pub given: Given,
    /// `api`, `web` or `email`.
    pub via: &'static str,
    /// How the sender was verified.
    pub verified: Value,
    /// Milliseconds.
    pub now: i64,
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such promise, or the account has nothing to do with it.
    #[error("there is no such promise")]
    NotFound,
    /// The asker can never answer its own ask.
    #[error("the one who asked cannot answer")]
    Asker,
    /// It is a promise of something else.
    #[error("this promise is not waiting for an answer")]
    NotAnAsk,
    /// It is settled, or its deadline has passed.
    #[error("the question is settled")]
    AlreadySettled,
    /// The same person has answered before.
    #[error("you have answered this question before")]
    AlreadyAnswered,
    /// The question has been replaced since.
    #[error("the question was corrected since")]
    OldRevision,
    /// It does not fit the question.
    #[error(transparent)]
    BadAnswer(#[from] BadAnswer),
    /// The store's.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Gives an answer. `keep` is the response to be kept under the caller's idempotency key.
///
/// # Errors
/// [`Refused`].
pub async fn answer(
    store: &Store,
    promise: Uuid,
    answering: Answering<'_>,
    keep: Option<(Key, Kept)>,
) -> Result<PromiseRow, Refused> {
    let by = answering.by;
    let row = store.promise(by.id, promise).await?.ok_or(Refused::NotFound)?;
    // Also one who was asked by themselves, among others.
    if row.account_id == by.id {
        return Err(Refused::Asker);
    }
    let ask = ask_of(&row)?;
    let (value, comment, decline) = match answering.given {
        Given::Value { value, comment } => {
            let value = ask.judge(&value, comment.as_deref())?;
            let comment = value.get("comment").and_then(Value::as_str).map(str::to_owned);
            (Some(value.to_string()), comment, None)
        }
        Given::Decline(why) => {
            let why = why.trim();
            if why.is_empty() || why.len() > LONGEST_COMMENT {
                let detail = format!("Say why, in 1 to {LONGEST_COMMENT} octets.");
                return Err(BadAnswer { pointer: "/decline", detail }.into());
            }
            (None, None, Some(why.to_owned()))
        }
    };
    let asked = store.asked_of(by.id, &[promise]).await?;
    let by_address = asked.first().map_or_else(|| by.address.clone(), |asked| asked.address.clone());
    let answer = NewAnswer {
        id: answering.id,
        by_account: by.id,
        by_address,
        via: answering.via,
        value,
        comment,
        decline,
        verified: answering.verified.to_string(),
        revision: row.revision,
    };
    match store.answer(promise, answer, keep, answering.now).await? {
        Judged::Accepted => store.promise(by.id, promise).await?.ok_or(Refused::NotFound),
        Judged::AlreadySettled => Err(Refused::AlreadySettled),
        Judged::AlreadyAnswered => Err(Refused::AlreadyAnswered),
        Judged::OldRevision => Err(Refused::OldRevision),
    }
}

/// What a promise asks.
///
/// # Errors
/// [`Refused::NotAnAsk`].
pub fn ask_of(row: &PromiseRow) -> Result<Ask, Refused> {
    let ask = row.ask.as_deref().ok_or(Refused::NotAnAsk)?;
    serde_json::from_str(ask).map_err(|_| Refused::NotAnAsk)
}
