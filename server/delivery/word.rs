//! A word to an account: a message of the system's own, filed into the inbox.

use std::sync::Arc;

use super::Inner;
use super::notice::ask;
use crate::mail::address::Address;
use crate::store::delivery::Filed;
use crate::store::email::{Head, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::{Error, Result};
use uuid::Uuid;

/// What such a message may be at most.
const LIMIT: u64 = 1 << 20;

impl Inner {
    /// A message to an account, to be filed in the unit of what it tells of.
    pub(super) async fn word(&self, account: Uuid, subject: &str, text: &str) -> Result<Filed> {
        let (context, now) = (&self.context, self.now());
        let to = context.store.account(account).await?.ok_or(Error::NotFound)?.address;
        let to: Address =
            to.parse().map_err(|_| Error::Unusable("an account's address is damaged".into()))?;
        let id = context.ids.id(now);
        let message_id = format!("notify.{}@{}", id.simple(), context.domain);
        let mut spool = context.store.spool(LIMIT);
        // Small enough to be written here.
        let content = ask(&to, &context.domain, &message_id, subject, text, now, &mut spool)?;
        let blob = spool.finish()?;
        let email = NewEmail {
            account_id: account,
            id,
            head: Arc::new(Head::of(&content, blob.digest, &message_id)),
            thread_id: None,
            mailbox_id: role_id(account, Role::Inbox),
            source_id: id.as_bytes().to_vec(),
            outgoing: false,
            received_at: now,
            seen: false,
            submission_id: None,
            promise: None,
            metadata: None,
        };
        let notices = self.notices_of(&email, true).await?;
        Ok(Filed { email, blob: Some(blob.summarised(&content)), asked: None, notices, unverified: None })
    }
}
