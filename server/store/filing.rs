//! Filing: what is kept of a message when it comes into an account (RFC 8621 §4), and the row that is made of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::blob::Digest;
use super::db::{Statement, Value, insert, sql};
use super::event::Event;
use crate::mail::message::{Content, Mailbox};
use crate::mail::thread;

/// What a row of a list shows of a message, made once when the message is accepted and kept with everything that
/// must still happen to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Head {
    pub digest: Digest,
    pub size: u64,
    pub message_id: String,
    /// What threads are made of (see [`thread::key`]).
    pub thread_key: String,
    pub subject: String,
    pub from: Option<Mailbox>,
    /// The first [`SHOWN`] of each.
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub preview: String,
    pub sent_at: Option<i64>,
    pub has_attachment: bool,
}

/// Recipients of each field that a list shows; the message has them all.
pub const SHOWN: usize = 10;

impl Head {
    /// What is shown of `content`; `fallback_id` stands in where the message has no Message-ID.
    pub fn of(content: &Content, digest: Digest, fallback_id: &str) -> Self {
        let message_id = content.message_id.as_deref().unwrap_or(fallback_id);
        let shown = |list: &[Mailbox]| list.iter().take(SHOWN).cloned().collect();
        Self {
            digest,
            size: content.size,
            message_id: message_id.to_owned(),
            thread_key: thread::key(message_id, content.in_reply_to.as_deref(), &content.references)
                .to_owned(),
            subject: content.subject.clone(),
            from: content.from.clone(),
            to: shown(&content.to),
            cc: shown(&content.cc),
            preview: content.preview(),
            sent_at: content.date_ms,
            has_attachment: content.attachments.iter().any(|part| !part.inline),
        }
    }

    /// The thread it belongs to in an account.
    pub fn thread(&self, account: Uuid) -> Uuid {
        thread::id(account, &self.thread_key)
    }
}

/// An email to be filed.
#[derive(Debug, Clone)]
pub struct NewEmail {
    /// Who holds it.
    pub account_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// What a list shows of it.
    pub head: Arc<Head>,
    /// Overrides the thread the head gives (a stranger's reply to a secret address).
    pub thread_id: Option<Uuid>,
    /// Where it is filed.
    pub mailbox_id: Uuid,
    /// The submission, or the digest of what came from outside: at most one copy of each.
    pub source_id: Vec<u8>,
    /// Sent by this account.
    pub outgoing: bool,
    /// Milliseconds.
    pub received_at: i64,
    /// Marked as seen.
    pub seen: bool,
    /// Of what this account sent.
    pub submission_id: Option<Uuid>,
    /// The question it carries, and whose promise that is.
    pub promise: Option<(Uuid, Uuid)>,
    /// JSON.
    pub metadata: Option<String>,
}

/// The column of recipients, as JSON.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Recipients {
    pub(super) to: Vec<Mailbox>,
    pub(super) cc: Vec<Mailbox>,
}

impl NewEmail {
    /// Its thread.
    pub fn thread_id(&self) -> Uuid {
        self.thread_id.unwrap_or_else(|| self.head.thread(self.account_id))
    }

    /// The entry of the account's log that tells of it.
    pub fn event(&self) -> Event {
        let kind = if self.outgoing { "message.updated" } else { "message.received" };
        Event::new(self.account_id, kind, json!({ "message_id": self.id, "thread_id": self.thread_id() }))
    }

    /// The row. Comes after the bump of the account's log; `Conflict` when the account has this source already.
    pub fn insert(&self) -> Statement {
        let [
            account,
            id,
            thread,
            mailbox,
            source,
            outgoing,
            digest,
            size,
            message,
            subject,
            from_name,
            from_address,
            recipients,
            preview,
            sent_at,
            received_at,
            has_attachment,
            seen,
            flagged,
            submission,
            promise,
            asker,
            metadata,
        ] = self.columns();
        sql("insert into email (account_id, id, thread_id, mailbox_id, source_id, outgoing, digest, size, message_id, \
             subject, from_name, from_address, recipients, preview, sent_at, received_at, has_attachment, seen, \
             flagged, submission_id, promise_id, asker_id, metadata, modseq) \
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
             $21, $22, $23, modseq from account where id = $1")
        .bind(account)
        .bind(id)
        .bind(thread)
        .bind(mailbox)
        .bind(source)
        .bind(outgoing)
        .bind(digest)
        .bind(size)
        .bind(message)
        .bind(subject)
        .bind(from_name)
        .bind(from_address)
        .bind(recipients)
        .bind(preview)
        .bind(sent_at)
        .bind(received_at)
        .bind(has_attachment)
        .bind(seen)
        .bind(flagged)
        .bind(submission)
        .bind(promise)
        .bind(asker)
        .bind(metadata)
        .expect(1)
    }

    /// Several rows at once, each with the modification sequence that its account has given out for it.
    pub fn insert_all(emails: &[(&NewEmail, i64)]) -> Vec<Statement> {
        let rows = emails.iter().map(|(email, modseq)| {
            let mut row = Vec::from(email.columns());
            row.push((*modseq).into());
            row
        });
        insert(
            "insert into email (account_id, id, thread_id, mailbox_id, source_id, outgoing, digest, size, \
             message_id, subject, from_name, from_address, recipients, preview, sent_at, received_at, has_attachment, \
             seen, flagged, submission_id, promise_id, asker_id, metadata, modseq) values",
            rows.collect(),
        )
    }

    /// Every column but the modification sequence, in the order of the inserts above.
    fn columns(&self) -> [Value; 23] {
        let head = &self.head;
        let recipients = Recipients { to: head.to.clone(), cc: head.cc.clone() };
        [
            self.account_id.into(),
            self.id.into(),
            self.thread_id().into(),
            self.mailbox_id.into(),
            (&self.source_id).into(),
            self.outgoing.into(),
            head.digest.into(),
            (head.size as i64).into(),
            (&head.message_id).into(),
            (&head.subject).into(),
            head.from.as_ref().and_then(|from| from.name.clone()).into(),
            head.from.as_ref().map(|from| from.address.clone()).into(),
            serde_json::to_string(&recipients).unwrap_or_default().into(),
            (&head.preview).into(),
            head.sent_at.into(),
            self.received_at.into(),
            head.has_attachment.into(),
            self.seen.into(),
            false.into(),
            self.submission_id.into(),
            self.promise.map(|(promise, _)| promise).into(),
            self.promise.map(|(_, asker)| asker).into(),
            self.metadata.clone().into(),
        ]
    }
}
