//! The message submission agent (RFC 6409): takes what somebody wants to send, checks and composes it, and has it
//! accepted in one transaction with everything that must still happen to it.

pub mod again;
mod compose;
pub mod letter;
mod policy;
pub mod respond;

pub use policy::check_keyword;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::mail::address::Named;
use crate::mail::clock::Clock;
use crate::mail::id::Ids;
use crate::mail::message::Content;
use crate::mail::notify::Wanted;
use crate::mail::status::Status;
use crate::net::http::Client;
use crate::net::resolve::Resolver;
use crate::promise::ask::Ask;
use crate::promise::escalate::Timer;
use crate::store::account::Account;
use crate::store::blob::{Blob, Digest};
use crate::store::delivery::{Lane, NewDelivery};
use crate::store::email::{Head, NewEmail};
use crate::store::idempotency::{Answer, Key};
use crate::store::mailbox::{Role, role_id};
use crate::store::promise::NewPromise;
use crate::store::respondent::Again;
use crate::store::submission::Acceptance;
use crate::store::{self, Store};

/// What a message may be, and what its names are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The whole composed message, in octets.
    pub message_bytes: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// How long nothing more is sent to an address that does not exist; zero is never.
    pub suppress_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // Files of 25 MiB with their text: in base64 three octets are four, and lines end.
            message_bytes: 36 * 1024 * 1024,
            recipients: 1000,
            suppress_for: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// What every operation on mail works with; clones share it.
#[derive(Clone)]
pub struct Context {
    /// Everything remembered.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Ids and chance.
    pub ids: Ids,
    /// Limits.
    pub settings: Arc<Settings>,
    /// The server's own domain.
    pub domain: Arc<str>,
    /// Whether mail for outside addresses has a way out.
    pub relays: bool,
    /// Calls what others name: webhooks and callback addresses.
    pub http: Client,
    /// Looks names up; none on a machine that names no name servers.
    pub names: Option<Resolver>,
}

/// What somebody wants to send.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The sender's name and address; none: the account's own.
    pub from: Option<Named>,
    /// To.
    pub to: Vec<Named>,
    /// Cc.
    pub cc: Vec<Named>,
    /// Who gets a copy that nobody sees.
    pub bcc: Vec<Named>,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
    /// Markdown, in the place of HTML (and of the text, if there is none).
    pub markdown: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// More header fields.
    pub headers: Vec<(String, String)>,
    /// Labels of the sender's copy.
    pub keywords: Vec<String>,
    /// The sender's own notes, never sent.
    pub metadata: Option<Json>,
    /// What it answers: our id of a message, or a Message-ID.
    pub in_reply_to: Option<String>,
    /// Not sent before, in milliseconds.
    pub send_at: Option<i64>,
    /// Held so long that it can be taken back, in milliseconds.
    pub undo: Option<i64>,
    /// Withdrawn if not delivered by then, in milliseconds.
    pub expires_at: Option<i64>,
    /// An unknown recipient here refuses the message.
    pub strict: bool,
    /// What it expects back.
    pub ask: Option<Question>,
    /// The earlier message of the sender's that it puts right, by its id here.
    pub corrects: Option<String>,
    /// A question of the sender's that it is about.
    pub again: Option<Again>,
    /// What the sender wants to be told of its delivery (RFC 3461).
    pub wanted: Wanted,
    /// A machine sends it in the account's name (RFC 3834), so that no machine answers.
    pub automatic: bool,
    /// Where it comes from, when that may come twice (a reply by mail): it is accepted once.
    pub source: Option<Digest>,
}

/// What a message expects back, with what is not part of the question itself.
#[derive(Debug, Clone)]
pub struct Question {
    /// The question.
    pub ask: Ask,
    /// After the sending, in milliseconds; none: no deadline.
    pub deadline: Option<i64>,
    /// The asker's own; comes back with the answer.
    pub context: Option<Json>,
    /// Who is told by HTTP when it is settled.
    pub callback_url: Option<String>,
}

/// A file to be sent.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where its bytes are.
    pub source: Source,
    /// Its name.
    pub filename: Option<String>,
    /// Its media type; none: the upload's, or what the name says.
    pub content_type: Option<String>,
    /// Shown within the message.
    pub inline: bool,
    /// The name the HTML knows it by, without <>.
    pub content_id: Option<String>,
}

/// Where a file's bytes are.
#[derive(Clone)]
pub enum Source {
    /// Something the account uploaded.
    Upload(Uuid),
    /// Here.
    Bytes(Vec<u8>),
    /// A part of a stored message, as it lies there.
    Part(Digest, crate::mail::message::Attachment),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Upload(id) => write!(f, "Upload({id})"),
            Source::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Source::Part(_, part) => write!(f, "Part({})", part.length),
        }
    }
}

/// A message that is safe.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The sender's copy.
    pub id: Uuid,
    /// Its thread, in the sender's account.
    pub thread_id: Uuid,
    /// Its Message-ID, without <>.
    pub message_id: String,
    /// `accepted`, `scheduled` or `held`.
    pub state: &'static str,
    /// Milliseconds.
    pub send_at: Option<i64>,
    /// Milliseconds.
    pub undo_until: Option<i64>,
    /// Each recipient's delivery: id and address.
    pub deliveries: Vec<(Uuid, String)>,
    /// The promise of delivery.
    pub delivery_promise: Uuid,
    /// The promise of an answer.
    pub answer_promise: Option<Uuid>,
}

/// Why a message is not accepted: nothing of it was kept.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says it")]
pub enum Refusal {
    #[error("there are no recipients")]
    NoRecipients,
    #[error("there are {0} recipients, the limit is {1}")]
    TooManyRecipients(usize, usize),
    #[error("the message is larger than {0} octets")]
    TooLarge(u64),
    #[error("{0} is not an address of this account")]
    NotYourAddress(String),
    #[error("{0} is unknown here")]
    UnknownRecipient(String),
    #[error("{0} is outside, and this server has no relay")]
    NoRelay(String),
    #[error("the question is settled already")]
    Settled,
    #[error("{pointer}: {detail}")]
    Invalid { pointer: String, detail: String },
    #[error("there is no message {0}")]
    NoParent(String),
    #[error("there is no message {0} of yours")]
    NoEarlier(String),
    #[error("there is no upload {0}")]
    NoUpload(Uuid),
    /// The idempotency key, or the source, was accepted before.
    #[error("this was accepted before")]
    Repeated,
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Refusal {
    /// The stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoRecipients => "no_recipients",
            Refusal::TooManyRecipients(..) => "too_many_recipients",
            Refusal::TooLarge(_) => "message_too_large",
            Refusal::NotYourAddress(_) => "not_your_address",
            Refusal::UnknownRecipient(_) => "unknown_recipient",
            Refusal::NoRelay(_) => "no_relay",
            Refusal::Settled => "already_settled",
            Refusal::Invalid { .. } => "invalid",
            Refusal::NoParent(_) | Refusal::NoEarlier(_) => "unknown_message",
            Refusal::NoUpload(_) => "unknown_upload",
            Refusal::Repeated => "repeated",
            Refusal::Store(store::Error::Busy) => "busy",
            Refusal::Store(store::Error::Away) => "database_away",
            Refusal::Store(store::Error::Full) => "storage_full",
            Refusal::Store(_) => "internal",
        }
    }

    /// The enhanced status code (RFC 3463) that says it in mail.
    pub fn status(&self) -> Status {
        let (class, subject, detail) = match self {
            Refusal::NoRecipients
            | Refusal::Invalid { .. }
            | Refusal::NoParent(_)
            | Refusal::NoEarlier(_)
            | Refusal::NoUpload(_) => (5, 5, 4),
            Refusal::TooManyRecipients(..) => (5, 5, 3),
            Refusal::TooLarge(_) => (5, 3, 4),
            Refusal::NotYourAddress(_) => (5, 7, 1),
            Refusal::UnknownRecipient(_) => (5, 1, 1),
            Refusal::NoRelay(_) => (5, 4, 4),
            Refusal::Settled => (5, 7, 0),
            Refusal::Repeated => (2, 0, 0),
            Refusal::Store(_) => (4, 3, 0),
        };
        Status { class, subject, detail }
    }
}

/// The first answer to a request, made before the commit and kept with it under the caller's key.
pub type Keep<'a> = (Key, &'a (dyn Fn(&Accepted) -> Answer + Sync));

/// Checks, composes and accepts one message. When this returns, it is safe.
///
/// # Errors
/// [`Refusal`]; nothing was kept.
pub async fn submit(
    context: &Context,
    account: &Account,
    mut request: Request,
    keep: Option<Keep<'_>>,
) -> Result<Accepted, Refusal> {
    let now = context.clock.now_ms();
    let corrects = policy::corrects(context, account, &mut request).await?;
    let from = policy::sender(&context.store, account, request.from.as_ref()).await?;
    let recipients = policy::recipients(context, account, &request).await?;
    let parent = compose::parent(&context.store, account.id, request.in_reply_to.as_deref()).await?;
    let id = context.ids.id(now);
    let message_id = format!("{}@{}", id.simple(), from.address.domain());
    let (blob, content) =
        compose::message(context, account.id, &request, &from, parent, &message_id, now).await?;
    let (acceptance, accepted) =
        prepare(context, account, &request, &from, &recipients, corrects, id, (blob, &content), now);
    let acceptance =
        Acceptance { idempotency: keep.map(|(key, answer)| (key, answer(&accepted))), ..acceptance };
    match context.store.accept(acceptance).await {
        Ok(()) => Ok(accepted),
        Err(store::Error::Conflict) => match corrects {
            Some((promise, _)) if !policy::open(&context.store, account.id, promise).await? => {
                Err(Refusal::Settled)
            }
            _ => Err(Refusal::Repeated),
        },
        Err(error) => Err(error.into()),
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that one acceptance is made of")]
fn prepare(
    context: &Context,
    account: &Account,
    request: &Request,
    from: &Named,
    recipients: &[policy::Recipient],
    corrects: Option<(Uuid, i64)>,
    id: Uuid,
    (blob, content): (Blob, &Content),
    now: i64,
) -> (Acceptance, Accepted) {
    let ids = &context.ids;
    let submission = ids.id(now);
    let head = Head::of(content, blob.digest, &id.to_string());
    let undo_until = request.undo.map(|undo| now + undo);
    let send_at = request.send_at.filter(|at| *at > now);
    let due_at = [Some(now), undo_until, send_at].into_iter().flatten().max().unwrap_or(now);
    let delivery_promise = NewPromise {
        id: ids.id(now),
        kind: "delivery",
        ask: None,
        unanswered: 0,
        deadline: None,
        context: None,
        callback_url: None,
    };
    let kept = corrects.map(|(promise, _)| promise);
    let asks = request.ask.as_ref().map(|question| {
        (question, answer_promise(question, kept.unwrap_or_else(|| ids.id(now)), recipients, due_at))
    });
    let timers: Vec<NewDelivery> = asks
        .iter()
        .flat_map(|(question, promise)| timers(account.id, &question.ask, promise, due_at))
        .map(|timer| NewDelivery { id: ids.id(now), created_at: now, ..timer })
        .collect();
    let asks = asks.map(|(_, promise)| promise);
    let (answer_promise, again) = match (corrects, asks) {
        (Some((_, revision)), Some(promise)) => (None, Some(Again::Corrects { promise, revision })),
        (_, new) => (new, request.again.clone()),
    };
    let question = answer_promise.as_ref().map(|new| new.id).or(again.as_ref().map(Again::promise));
    let asked_by = |recipient: &policy::Recipient| question.filter(|_| recipient.asked);
    let delivery = |recipient: &policy::Recipient| NewDelivery {
        account_id: account.id,
        id: ids.id(now),
        kind: "mail",
        lane: if recipient.local { Lane::Here } else { Lane::Outside },
        // Here the senders take turns, outside the domains do.
        destination: if recipient.local {
            account.id.to_string()
        } else {
            recipient.address.domain().to_owned()
        },
        recipient: recipient.address.to_string(),
        submission_id: Some(submission),
        email_id: None,
        subject_id: asked_by(recipient),
        digest: None,
        due_at,
        created_at: now,
    };
    let mut deliveries: Vec<NewDelivery> = recipients.iter().map(delivery).collect();
    let accepted = Accepted {
        id,
        thread_id: head.thread(account.id),
        message_id: head.message_id.clone(),
        state: if undo_until.is_some() {
            "held"
        } else if send_at.is_some() {
            "scheduled"
        } else {
            "accepted"
        },
        send_at,
        undo_until,
        deliveries: deliveries.iter().map(|delivery| (delivery.id, delivery.recipient.clone())).collect(),
        delivery_promise: delivery_promise.id,
        answer_promise: question,
    };
    deliveries.extend(timers);
    let source = request.source;
    let email = NewEmail {
        account_id: account.id,
        id,
        head: Arc::new(head),
        thread_id: None,
        mailbox_id: role_id(account.id, Role::Sent),
        source_id: source.map_or_else(|| submission.as_bytes().to_vec(), |source| source.to_vec()),
        outgoing: true,
        received_at: now,
        seen: true,
        submission_id: Some(submission),
        promise: question.map(|promise| (promise, account.id)),
        metadata: request.metadata.as_ref().map(Json::to_string),
    };
    let acceptance = Acceptance {
        id: submission,
        blob,
        email,
        keywords: request.keywords.clone(),
        mail_from: from.address.to_string(),
        bcc: json!(request.bcc.iter().map(|bcc| bcc.address.to_string()).collect::<Vec<_>>()).to_string(),
        send_at,
        undo_until,
        expires_at: request.expires_at,
        wanted: request.wanted.kept(),
        deliveries,
        delivery_promise,
        answer_promise,
        again,
        idempotency: None,
        now,
    };
    (acceptance, accepted)
}

fn answer_promise(
    question: &Question,
    id: Uuid,
    recipients: &[policy::Recipient],
    sent_at: i64,
) -> NewPromise {
    let mut ask = question.ask.clone();
    let asked = recipients.iter().filter(|recipient| recipient.asked);
    ask.asked = asked.map(|recipient| recipient.address.to_string()).collect();
    NewPromise {
        id,
        kind: "answer",
        unanswered: ask.asked.len() as i64,
        ask: Some(json!(ask).to_string()),
        deadline: question.deadline.map(|after| sent_at + after),
        context: question.context.as_ref().map(Json::to_string),
        callback_url: question.callback_url.clone(),
    }
}

/// Everything timed of a question is a delivery like any other. What would come after the deadline never does.
fn timers(account: Uuid, ask: &Ask, promise: &NewPromise, sent_at: i64) -> Vec<NewDelivery> {
    let reminders = ask.reminders.iter().map(|after| (Timer::Remind, sent_at + after));
    let steps = ask.escalate.iter().enumerate().map(|(n, step)| (Timer::Escalate(n), sent_at + step.after));
    let chased =
        reminders.chain(steps).filter(|(_, at)| promise.deadline.is_none_or(|deadline| *at < deadline));
    let deadline = promise.deadline.map(|deadline| (Timer::Deadline, deadline));
    chased
        .chain(deadline)
        .map(|(timer, at)| NewDelivery {
            recipient: timer.name(),
            ..NewDelivery::timer(account, Uuid::nil(), promise.id, at, at)
        })
        .collect()
}
