//! Bounces: the delivery status notification (RFC 3464) that tells a sender of a failure, filed into the sender's
//! inbox in the unit that settles the delivery.

use std::io::Read as _;
use std::sync::Arc;

use super::Inner;
use super::work::Failure;
use crate::mail::address::{Address, Named};
use crate::mail::dsn::{self, Report};
use crate::mail::message::Content;
use crate::mail::thread;
use crate::store::blob::{Blob, Stored};
use crate::store::delivery::{Filed, Leased};
use crate::store::email::{Head, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::submission::SubmissionRow;
use crate::store::{Error, Result};

/// Octets of the original's header section that a bounce carries.
const HEADER: u64 = 64 * 1024;
/// What a bounce may be at most.
const LIMIT: u64 = 4 << 20;

impl Inner {
    /// The bounce for a failed delivery; none when there is no sender to tell.
    pub(super) async fn bounce(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        failure: &Failure,
    ) -> Result<Option<Filed>> {
        let store = &self.context.store;
        let Ok(to) = submission.mail_from.parse::<Address>() else { return Ok(None) };
        let (head, now) = (submission.head()?, self.now());
        let original = store.content(&head.digest).await?;
        let stored = self.stored(&head.digest).await?;
        let (leased, failure, worker) = (leased.clone(), failure.clone(), self.clone());
        let (account, created_at) = (leased.account_id, submission.created_at);
        let message_id = format!("bounce.{}@{}", leased.id.simple(), self.context.domain);
        let source_id = leased.id.as_bytes().to_vec();
        let named = message_id.clone();
        let written = tokio::task::spawn_blocking(move || {
            worker.write_bounce(&leased, &to, &original, &stored, &failure, created_at, now, &named)
        });
        let (blob, content) = written.await.map_err(|_| Error::Broken)??;
        let email = NewEmail {
            account_id: account,
            id: self.context.ids.id(now),
            head: Arc::new(Head::of(&content, blob.digest, &message_id)),
            // The thread of what it tells of, whatever the original's References were.
            thread_id: Some(thread::id(account, &head.thread_key)),
            mailbox_id: role_id(account, Role::Inbox),
            source_id,
            outgoing: false,
            received_at: now,
            seen: false,
            submission_id: None,
            promise: None,
            metadata: None,
        };
        let notices = self.notices_of(&email, true).await?;
        Ok(Some(Filed {
            email,
            blob: Some(blob.summarised(&content)),
            asked: None,
            notices,
            unverified: None,
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "everything a report tells of")]
    fn write_bounce(
        &self,
        leased: &Leased,
        to: &Address,
        original: &Content,
        stored: &Stored,
        failure: &Failure,
        arrival_ms: i64,
        now: i64,
        message_id: &str,
    ) -> Result<(Blob, Content)> {
        let mut header = Vec::new();
        stored.reader(0)?.take(HEADER).read_to_end(&mut header)?;
        let end = header.windows(4).position(|w| w == b"\r\n\r\n").map_or_else(
            // A section that is longer is cut after a whole line.
            || header.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1),
            |at| at + 2,
        );
        header.truncate(end);
        let domain = &*self.context.domain;
        let from: Address = format!("mailer-daemon@{domain}")
            .parse()
            .map_err(|_| Error::Unusable("mail.domain is not a domain".into()))?;
        let from = Named::new(Some("Mail delivery"), from.clone()).unwrap_or_else(|_| from.into());
        let human = explanation(&leased.recipient, &original.subject, failure);
        let diagnostic = failure.reply.code.map(|code| format!("{code} {}", failure.reply.text));
        let report = Report {
            reporting_mta: domain,
            from,
            to: to.clone().into(),
            date_ms: now,
            message_id,
            original,
            original_headers: &header,
            recipient: &leased.recipient,
            action: "failed",
            status: failure.status,
            remote: failure.reply.remote.as_deref(),
            diagnostic: diagnostic.as_deref(),
            arrival_ms,
            last_attempt_ms: now,
            will_retry_until_ms: None,
            human: &human,
        };
        let mut spool = self.context.store.spool(LIMIT);
        let content = dsn::compose(&report, &mut spool)?;
        Ok((spool.finish()?, content))
    }
}

/// What happened and what to do, for a person to read.
fn explanation(recipient: &str, subject: &str, failure: &Failure) -> String {
    let subject =
        if subject.is_empty() { "without a subject".to_owned() } else { format!("“{subject}”") };
    let what = match failure.class {
        "expired" if failure.code == "gave_up" => "It was tried again and again. The last attempt ended so:",
        "permanent" if failure.tried => "The server that takes mail for this address refused it:",
        _ => "The reason:",
    };
    let who = failure.reply.remote.as_ref().map(|remote| format!("{remote} said: ")).unwrap_or_default();
    let code = failure.reply.code.map(|code| format!("{code} ")).unwrap_or_default();
    let text = if failure.reply.text.is_empty() { "(nothing more was said)" } else { &failure.reply.text };
    let fix = match (failure.code, failure.status.subject) {
        ("expired", _) => "Send it again if it still matters.",
        ("gave_up", _) => "Send it again later, or reach the recipient another way.",
        ("unknown_recipient" | "bad_address", _) | ("refused", 1) => {
            "Check the address for a spelling mistake, and send it again."
        }
        ("refused", 2) => "The recipient's mailbox does not take mail at the moment; reach them another way.",
        ("not_supported_by_relay", _) => {
            "Send it to an address, and with a subject, without special characters."
        }
        ("poison", _) => "Whoever runs this server finds the reason in its log.",
        _ => "The text above says what the other side objects to; whoever runs it can tell more.",
    };
    format!(
        "Your message {subject} could not be delivered to {recipient}. It will not be tried again.\n\n\
         {what}\n\n    {who}{code}{text}\n\n{fix}\n"
    )
}
