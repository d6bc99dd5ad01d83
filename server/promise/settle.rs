//! Answering: who may, and what becomes of it.

use serde_json::Value;
use uuid::Uuid;

use super::ask::{Ask, BadAnswer, LONGEST_COMMENT};
use crate::store::account::Account;
use crate::store::promise::PromiseRow;
use crate::store::settle::{Judged, Keep, NewAnswer};
use crate::store::{self, Store};

/// The longest an answer can be held to be taken back, in milliseconds.
pub const LONGEST_UNDO: i64 = 5 * 60 * 1000;

/// What somebody says to a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// An answer.
    Value {
        /// One of the options, a text, or a form filled in.
        value: Value,
        /// What is said with it.
        comment: Option<String>,
    },
    /// No answer, and why.
    Decline(String),
}

/// Who answers.
#[derive(Debug, Clone)]
pub enum By<'a> {
    /// An account here.
    Account(&'a Account),
    /// Somebody who was given a secret by mail.
    Secret(Holder),
}

/// Somebody who was given a secret by mail, which stands for one who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who asked.
    pub asker: Uuid,
    /// Whom the secret stands for: an account here, or a respondent outside.
    pub person: Uuid,
    /// The address it was sent to.
    pub address: String,
}

/// One answer on its way in.
#[derive(Debug, Clone)]
pub struct Answering<'a> {
    /// Its id; the same id again is the same answer.
    pub id: Uuid,
    /// Who answers.
    pub by: By<'a>,
    /// What they say.
    pub given: Given,
    /// The version of the question it is for; none: the one that the account was given last.
    pub revision: Option<i64>,
    /// `api`, `web`, `email` or `link`.
    pub via: &'static str,
    /// How the sender was verified.
    pub verified: Value,
    /// Held so long that it can be taken back, in milliseconds.
    pub undo: Option<i64>,
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
    /// Somebody else is asked instead now.
    #[error("you have passed this question on")]
    Delegated,
    /// It does not fit the question.
    #[error(transparent)]
    BadAnswer(#[from] BadAnswer),
    /// The store's.
    #[error(transparent)]
    Store(store::Error),
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound => Refused::NotFound,
            other => Refused::Store(other),
        }
    }
}

/// Gives an answer. `keep` makes the response that is kept under the caller's idempotency key.
///
/// # Errors
/// [`Refused`].
pub async fn answer(
    store: &Store,
    promise: Uuid,
    answering: Answering<'_>,
    keep: Option<Keep>,
) -> Result<PromiseRow, Refused> {
    let (asker, person) = match &answering.by {
        By::Account(account) => (account.id, account.id),
        By::Secret(holder) => (holder.asker, holder.person),
    };
    let row = store.promise(asker, promise).await?.ok_or(Refused::NotFound)?;
    // Also one who was asked by themselves, among others.
    if row.account_id == person {
        return Err(Refused::Asker);
    }
    let asker = row.account_id;
    let ask = ask_of(&row)?;
    let (value, comment, decline) = match answering.given {
        Given::Value { value, comment } => {
            let value = ask.judge(&value, comment.as_deref())?;
            let inner = value.get("choice").and(value.get("comment")).and_then(Value::as_str);
            let comment = inner.map(str::to_owned).or(comment);
            (Some(value.to_string()), comment.filter(|text| !text.trim().is_empty()), None)
        }
        Given::Decline(why) => {
            let why = why.trim();
            if why.is_empty() || why.len() > LONGEST_COMMENT {
                let detail = format!("Say why, in 1 to {LONGEST_COMMENT} octets.");
                return Err(BadAnswer::at("/decline", detail).into());
            }
            (None, None, Some(why.to_owned()))
        }
    };
    if answering.undo.is_some_and(|undo| !(0..=LONGEST_UNDO).contains(&undo)) {
        return Err(BadAnswer::at("/undo", "Between PT0S and PT5M.").into());
    }
    let (by_address, seen) = match &answering.by {
        By::Account(account) => {
            let asked = store.asked_of(account.id, &[promise]).await?;
            let address =
                asked.first().map_or_else(|| account.address.clone(), |asked| asked.address.clone());
            (address, asked.first().map_or(row.revision, |asked| asked.revision))
        }
        By::Secret(holder) => (holder.address.clone(), row.revision),
    };
    let answer = NewAnswer {
        id: answering.id,
        by_account: person,
        by_address,
        via: answering.via,
        value,
        comment,
        decline,
        verified: answering.verified.to_string(),
        revision: answering.revision.unwrap_or(seen),
        held_until: answering.undo.filter(|undo| *undo > 0).map(|undo| answering.now + undo),
    };
    match store.answer(asker, promise, answer, keep, answering.now).await? {
        Judged::Accepted | Judged::Repeated => store.promise(asker, promise).await?.ok_or(Refused::NotFound),
        Judged::AlreadySettled => Err(Refused::AlreadySettled),
        Judged::AlreadyAnswered => Err(Refused::AlreadyAnswered),
        Judged::OldRevision => Err(Refused::OldRevision),
        Judged::Delegated => Err(Refused::Delegated),
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
