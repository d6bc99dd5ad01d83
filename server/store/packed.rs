//! Emails of a list in one value. sqlx hands over each row of SQLite by itself and copies each of its columns, which
//! costs a page several times what reading it does; so SQLite writes the rows as one JSON text.

use serde::{Deserialize, Deserializer};

use super::db::Statement;
use super::email::EmailRow;
use super::{Engine, Error, Result, Store};

/// What stands before a `select` of the columns of an [`EmailRow`], which it takes in the order of the fields; a `)`
/// comes after it.
const HEAD: &str = "select json_group_array(json_array(hex(account_id), hex(id), hex(thread_id), hex(mailbox_id), \
     mailbox_role, outgoing, hex(digest), size, message_id, subject, from_name, from_address, recipients, preview, \
     sent_at, received_at, has_attachment, seen, flagged, modseq, \
     iif(submission_id is null, null, hex(submission_id)), iif(promise_id is null, null, hex(promise_id)), \
     iif(asker_id is null, null, hex(asker_id)), metadata, keywords, snoozed_until)) from (";

impl Store {
    /// Every row of a read of [`email_columns`](super::email::email_columns), newest first.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn email_rows(&self, list: Statement) -> Result<Vec<EmailRow>> {
        let mut rows: Vec<EmailRow> = match &self.0.engine {
            Engine::Sqlite(_) => {
                let (json,): (String,) = self.one(list.within(HEAD, ")")).await?;
                serde_json::from_str(&json)
                    .map_err(|error| Error::Unusable(format!("a damaged email: {error}")))?
            }
            Engine::Postgres(..) => self.all(list).await?,
        };
        rows.sort_by_key(|row| std::cmp::Reverse((row.received_at, row.id)));
        Ok(rows)
    }
}

/// SQLite's truth: 0 or 1.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    u8::deserialize(from).map(|flag| flag != 0)
}

/// Hexadecimal digits.
pub(super) fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let digits = <&str>::deserialize(from)?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    bytes.ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
}
