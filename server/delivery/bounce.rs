//! Bounces and delay notices: the delivery status notification (RFC 3464) that tells a sender of a failure or a
//! delay, filed into the sender's inbox in the unit that records it.

use std::io::Read as _;
use std::sync::Arc;

use super::Inner;
use super::relay::Reply;
use super::work::Failure;
use crate::mail::address::{Address, Named};
use crate::mail::dsn::{self, Report};
use crate::mail::message::Content;
use crate::mail::notify::Wanted;
use crate::mail::status::Status;
use crate::mail::{clock, thread};
use crate::store::blob::{Blob, Stored};
use crate::store::delivery::{Filed, Leased};
use crate::store::email::{Head, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::submission::SubmissionRow;
use crate::store::{Error, Result};

/// Octets of the original's header section that a bounce carries.
const HEADER: u64 = 64 * 1024;
/// Octets of a message that comes back whole, where its sender asked for it.
const WHOLE: u64 = 1 << 20;
/// What a bounce may be at most.
const LIMIT: u64 = 4 << 20;

/// What a sender is told of a delivery.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// It will not be tried again.
    Failed(Failure),
    /// It takes long.
    Delayed {
        /// Why, as a code.
        status: Status,
        /// What happened last.
        reply: Reply,
        /// Until when it is tried, in milliseconds.
        until: i64,
    },
    /// The next hop, which tells nothing of what comes then, has taken it.
    Relayed(Reply),
    /// It is in a mailbox here.
    Delivered,
}

impl Told {
    fn status(&self) -> Status {
        match self {
            Told::Failed(failure) => failure.status,
            Told::Delayed { status, .. } => *status,
            Told::Relayed(reply) => reply.status.unwrap_or(Status::new(2, 0, 0)),
            Told::Delivered => Status::new(2, 1, 5),
        }
    }

    fn reply(&self) -> Reply {
        match self {
            Told::Failed(failure) => failure.reply.clone(),
            Told::Delayed { reply, .. } | Told::Relayed(reply) => reply.clone(),
            Told::Delivered => Reply::default(),
        }
    }

    /// What tells its message from others about the same delivery.
    fn tag(&self) -> &'static str {
        match self {
            Told::Failed(_) => "bounce",
            Told::Delayed { .. } => "delayed",
            Told::Relayed(_) => "relayed",
            Told::Delivered => "delivered",
        }
    }

    /// Whether it is no failure: then nothing is told to a machine.
    fn is_mild(&self) -> bool {
        !matches!(self, Told::Failed(_))
    }
}

impl Inner {
    /// What tells a delivery's sender of its failure or delay; none when there is no sender to tell, or when a
    /// machine wrote it and it only takes long.
    pub(super) async fn report(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        told: &Told,
    ) -> Result<Option<Filed>> {
        let store = &self.context.store;
        let Ok(to) = submission.mail_from.parse::<Address>() else { return Ok(None) };
        let (head, now) = (submission.head()?, self.now());
        let original = store.content(&head.digest).await?;
        if told.is_mild() && original.automatic {
            return Ok(None);
        }
        let stored = self.stored(&head.digest).await?;
        let (leased, words, worker) = (leased.clone(), told.clone(), self.clone());
        let (account, created_at) = (leased.account_id, submission.created_at);
        // Another for another attempt: what has failed may be tried again, and fail again.
        let (tag, tried) = (told.tag(), leased.attempts);
        let message_id = format!("{tag}.{}.{tried}@{}", leased.id.simple(), self.context.domain);
        let mut source_id = leased.id.as_bytes().to_vec();
        source_id.extend_from_slice(format!("{tag}{tried}").as_bytes());
        let named = message_id.clone();
        let wanted = submission.wanted();
        let written = tokio::task::spawn_blocking(move || {
            worker.write_report(&leased, &to, &original, &stored, &words, &wanted, created_at, now, &named)
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
    fn write_report(
        &self,
        leased: &Leased,
        to: &Address,
        original: &Content,
        stored: &Stored,
        told: &Told,
        wanted: &Wanted,
        arrival_ms: i64,
        now: i64,
        message_id: &str,
    ) -> Result<(Blob, Content)> {
        let mut header = Vec::new();
        let full = matches!(told, Told::Failed(_)) && wanted.full == Some(true) && stored.size() <= WHOLE;
        stored.reader(0)?.take(if full { WHOLE } else { HEADER }).read_to_end(&mut header)?;
        let end = header.windows(4).position(|w| w == b"\r\n\r\n").map_or_else(
            // A section that is longer is cut after a whole line.
            || header.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1),
            |at| at + 2,
        );
        if !full {
            header.truncate(end);
        }
        let about = leased.recipient.parse::<Address>().map(|to| wanted.of(&to)).unwrap_or_default();
        let domain = &*self.context.domain;
        let from: Address = format!("mailer-daemon@{domain}")
            .parse()
            .map_err(|_| Error::Unusable("mail.domain is not a domain".into()))?;
        let from = Named::new(Some("Mail delivery"), from.clone()).unwrap_or_else(|_| from.into());
        let reply = told.reply();
        let diagnostic = reply.code.map(|code| format!("{code} {}", reply.text));
        let (action, human, until) = match told {
            Told::Failed(failure) => {
                ("failed", explanation(&leased.recipient, &original.subject, failure), None)
            }
            Told::Delayed { until, .. } => {
                ("delayed", patience(&leased.recipient, &original.subject, &reply, *until), Some(*until))
            }
            Told::Relayed(_) => ("relayed", passed_on(&leased.recipient, &original.subject, &reply), None),
            Told::Delivered => ("delivered", arrived(&leased.recipient, &original.subject), None),
        };
        let report = Report {
            reporting_mta: domain,
            from,
            to: to.clone().into(),
            date_ms: now,
            message_id,
            original,
            original_bytes: &header,
            full,
            envelope_id: wanted.envelope_id.as_deref(),
            original_recipient: about.original.as_deref(),
            recipient: &leased.recipient,
            action,
            status: told.status(),
            remote: reply.remote.as_deref(),
            diagnostic: diagnostic.as_deref(),
            arrival_ms,
            last_attempt_ms: now,
            will_retry_until_ms: until,
            human: &human,
        };
        let mut spool = self.context.store.spool(LIMIT);
        let content = dsn::compose(&report, &mut spool)?;
        Ok((spool.finish()?, content))
    }
}

/// A subject as it is written in a sentence.
fn quoted(subject: &str) -> String {
    if subject.is_empty() { "without a subject".to_owned() } else { format!("“{subject}”") }
}

/// Who said what.
fn said(reply: &Reply) -> String {
    let who = reply.remote.as_ref().map(|remote| format!("{remote} said: ")).unwrap_or_default();
    let code = reply.code.map(|code| format!("{code} ")).unwrap_or_default();
    let text = if reply.text.is_empty() { "(nothing more was said)" } else { &reply.text };
    format!("    {who}{code}{text}")
}

/// That it takes long, for a person to read.
fn patience(recipient: &str, subject: &str, reply: &Reply, until: i64) -> String {
    format!(
        "Your message {} has not reached {recipient} yet. You need not do anything: it is tried again and again until \
         {}, and you will be told if it cannot be delivered.\n\nThe last attempt ended so:\n\n{}\n",
        quoted(subject),
        clock::at(until).to_rfc2822(),
        said(reply),
    )
}

/// That another server has it now, for a person to read.
fn passed_on(recipient: &str, subject: &str, reply: &Reply) -> String {
    format!(
        "Your message {} for {recipient} was handed to the next server on its way. That server does not tell when it \
         arrives; you will hear of it if it fails.\n\n{}\n",
        quoted(subject),
        said(reply),
    )
}

/// That it has arrived, for a person to read.
fn arrived(recipient: &str, subject: &str) -> String {
    format!(
        "Your message {} is in the mailbox of {recipient}. Nobody may have seen it yet.\n",
        quoted(subject)
    )
}

/// What happened and what to do, for a person to read.
fn explanation(recipient: &str, subject: &str, failure: &Failure) -> String {
    let (subject, said) = (quoted(subject), said(&failure.reply));
    let what = match failure.class {
        "expired" if failure.code == "gave_up" => "It was tried again and again. The last attempt ended so:",
        "permanent" if failure.tried => "The server that takes mail for this address refused it:",
        _ => "The reason:",
    };
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
        ("too_large", _) => "Send it without its attachments, or in parts.",
        ("suppressed", _) => {
            "Mail to this address came back before. Whoever runs this server can take it off the list (suppressions)."
        }
        ("poison", _) => "Whoever runs this server finds the reason in its log.",
        _ => "The text above says what the other side objects to; whoever runs it can tell more.",
    };
    format!(
        "Your message {subject} could not be delivered to {recipient}. It will not be tried again.\n\n\
         {what}\n\n{said}\n\n{fix}\n"
    )
}
