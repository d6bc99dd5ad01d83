//! The mail delivery agent: files a message into an inbox here, in one unit with everything that follows from it.

use std::sync::Arc;

use uuid::Uuid;

use super::Inner;
use crate::store::delivery::{Asked, Filed, Leased, Outcome};
use crate::store::email::NewEmail;
use crate::store::mailbox::{Role, role_id};
use crate::store::submission::SubmissionRow;
use crate::store::{Error, Result};

impl Inner {
    /// Files the recipient's copy and settles the delivery.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        account: Uuid,
    ) -> Result<()> {
        let (now, head) = (self.now(), submission.head()?);
        let promise = leased.subject_id.map(|promise| (promise, leased.account_id));
        let email = NewEmail {
            account_id: account,
            id: self.context.ids.id(now),
            mailbox_id: role_id(account, Role::Inbox),
            source_id: submission.id.as_bytes().to_vec(),
            head,
            thread_id: None,
            outgoing: false,
            received_at: now,
            seen: false,
            submission_id: None,
            promise,
            metadata: None,
        };
        let notices = self.notices_of(&email, false).await?;
        let asked = promise.map(|(promise_id, asker_id)| Asked {
            promise_id,
            asker_id,
            address: leased.recipient.clone(),
        });
        let source = email.source_id.clone();
        let filed = Filed { email, blob: None, asked, notices };
        match self.finish_mail(leased, Outcome::Delivered, None, Some(filed)).await {
            // Another of its addresses was a recipient as well, or an earlier attempt was not recorded.
            Err(Error::Conflict) if !self.context.store.holders(&[account], &source).await?.is_empty() => {
                self.finish_mail(leased, Outcome::Delivered, None, None).await
            }
            done => done,
        }
    }
}
