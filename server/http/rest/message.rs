//! One message in full.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::promises::{self, Answer, Asked, Correction, HeldAnswer, Reason};
use super::summary::{Address, Around, Base};
use super::time::Time;
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::mail::authentication::Authentication;
use crate::mail::html;
use crate::mail::id::{digest, hex};
use crate::mail::message::{Content, Mailbox};
use crate::promise::ask::{ChoiceOption, Comment, Kind, Settle};
use crate::promise::settle::ask_of;
use crate::store::email::EmailRow;
use crate::store::promise::{AskedRow, PromiseRow};

/// A message in full.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    #[serde(flatten)]
    base: Base,
    /// The mailboxes it is in.
    mailboxes: Vec<String>,
    /// Of one's own: the blind copies, which no one else sees.
    bcc: Vec<Address>,
    reply_to: Vec<Address>,
    /// With angle brackets.
    in_reply_to: Option<String>,
    /// With angle brackets, oldest first.
    references: Vec<String>,
    headers: Vec<Field>,
    /// The plain text.
    text: Option<String>,
    /// The HTML as it was sent: never show it without cleaning.
    html: Option<String>,
    /// The HTML, cleaned; addresses of remote images are in data-src.
    html_safe: Option<String>,
    /// The text without what it quotes.
    reply_text: Option<String>,
    /// How sure that is, 0 to 1.
    reply_confidence: Option<f32>,
    attachments: Vec<Attachment>,
    /// What SPF, DKIM and DMARC said when it came by SMTP from outside; null where that was not checked.
    #[schema(value_type = Option<Object>)]
    authentication: Option<Authentication>,
    /// It came to a secret reply address, but it is not known to be the reply of whoever was given it. They were asked.
    unverified: bool,
    /// Whether nothing outside tells of what comes in its thread.
    muted: bool,
    /// The sender's own.
    metadata: Option<Value>,
    /// The question it carries.
    ask: Option<AskFull>,
}

/// A header field, decoded.
#[derive(Debug, Serialize, ToSchema)]
pub struct Field {
    name: String,
    value: String,
}

/// Something attached.
#[derive(Debug, Serialize, ToSchema)]
pub struct Attachment {
    /// Its number, for /attachments/{n}.
    n: usize,
    filename: Option<String>,
    content_type: String,
    /// Octets, decoded.
    size: u64,
    /// Part of the text rather than beside it.
    inline: bool,
    content_id: Option<String>,
}

/// A question in full, with what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskFull {
    promise_id: Uuid,
    /// `text`, `choice` or `form`.
    #[schema(value_type = String)]
    kind: Kind,
    options: Vec<Choice>,
    /// Of a form: its JSON Schema.
    schema: Option<Value>,
    /// `"any"`, `"all"`, `{"quorum"}` or `{"veto", "quorum"}`.
    #[schema(value_type = Value)]
    settle: Settle,
    /// The version of the question now.
    revision: i64,
    /// Whether this message carries an earlier version, which was corrected since.
    superseded: bool,
    deadline: Option<Time>,
    /// The value it is fulfilled with when nobody answers in time.
    on_expiry: Option<Value>,
    /// `pending`, `fulfilled` or `rejected`.
    state: String,
    value: Option<Value>,
    reason: Option<Reason>,
    settled_at: Option<Time>,
    /// `asker` or `asked`.
    role: &'static str,
    asked: Vec<Asked>,
    answers: Vec<Answer>,
    /// The caller's answer, as long as it can be taken back.
    held: Option<HeldAnswer>,
    corrections: Vec<Correction>,
    /// After how many seconds those who have not answered are reminded.
    reminders: Vec<i64>,
    escalate: Vec<Step>,
    context: Option<Value>,
}

/// One thing that can be chosen.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    /// What the answer says.
    name: String,
    /// What people read.
    title: String,
    /// `required`, `optional` or null.
    #[schema(value_type = Option<String>)]
    comment: Option<Comment>,
}

impl From<ChoiceOption> for Choice {
    fn from(option: ChoiceOption) -> Self {
        Self { name: option.name, title: option.title, comment: option.comment }
    }
}

/// More people who are asked after a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// Seconds after the sending.
    after: i64,
    to: Vec<String>,
}

fn addresses(list: &[Mailbox]) -> Vec<Address> {
    list.iter().cloned().map(Address::from).collect()
}

fn bracketed(id: &str) -> String {
    format!("<{id}>")
}

/// A message in full and its entity tag.
pub(super) async fn full(state: &AppState, row: EmailRow) -> Result<(Message, String), Problem> {
    let rows = [row];
    let around = Around::read(state, rows[0].account_id, &rows).await?;
    let [row] = rows;
    let content = state.store.content(&row.digest()?).await?;
    let (authentication, unverified, muted) =
        state.store.evidence(row.account_id, row.id, row.thread_id, &row.digest()?).await?;
    let ask = match around.promise(&row) {
        Some(promise) => Some(ask_full(state, &row, promise, around.asked(&row)).await?),
        None => None,
    };
    let bcc = around.submission(&row).map(crate::store::submission::SubmissionRow::bcc).unwrap_or_default();
    let mut base = around.base(row.clone());
    base.to = addresses(&content.to);
    base.cc = addresses(&content.cc);
    let message = Message {
        mailboxes: vec![base.mailbox.clone()],
        base,
        bcc: bcc.into_iter().map(|address| Address { name: None, address }).collect(),
        reply_to: addresses(&content.reply_to),
        in_reply_to: content.in_reply_to.as_deref().map(bracketed),
        references: content.references.iter().map(|id| bracketed(id)).collect(),
        attachments: content.attachments.iter().enumerate().map(attachment).collect(),
        html_safe: html_safe(row.id, &content).await?,
        headers: content.headers.into_iter().map(|(name, value)| Field { name, value }).collect(),
        text: content.text,
        html: content.html,
        reply_text: content.reply_text,
        reply_confidence: content.reply_confidence,
        authentication,
        unverified,
        muted,
        metadata: row.metadata.as_deref().and_then(|json| serde_json::from_str(json).ok()),
        ask,
    };
    let json = serde_json::to_vec(&message).unwrap_or_default();
    // The number is what If-Match looks at; the rest tells of what changes without it, such as deliveries.
    let etag = format!("W/\"{}-{}\"", row.modseq, &hex(&digest(&[&json]))[..16]);
    Ok((message, etag))
}

fn attachment((n, part): (usize, &crate::mail::message::Attachment)) -> Attachment {
    Attachment {
        n,
        filename: part.filename.clone(),
        content_type: part.content_type.clone(),
        size: part.size,
        inline: part.inline,
        content_id: part.content_id.clone(),
    }
}

/// Cleaning takes time in proportion to the text, so it is kept off the async threads.
pub(super) async fn html_safe(id: Uuid, content: &Content) -> Result<Option<String>, Problem> {
    let Some(text) = content.html.clone() else { return Ok(None) };
    let cids: Vec<(String, usize)> = content
        .attachments
        .iter()
        .enumerate()
        .filter_map(|(n, part)| Some((part.content_id.clone()?, n)))
        .collect();
    let cleaned = tokio::task::spawn_blocking(move || {
        html::safe(&text, &|cid| {
            let (_, n) = cids.iter().find(|(known, _)| known == cid)?;
            Some(format!("/v1/messages/{id}/attachments/{n}?inline=1"))
        })
    });
    cleaned.await.map(Some).map_err(|error| Problem::internal(&error))
}

async fn ask_full(
    state: &AppState,
    row: &EmailRow,
    promise: &PromiseRow,
    asked: Option<&AskedRow>,
) -> Result<AskFull, Problem> {
    let ask = ask_of(promise)?;
    let shown = promises::of(state, row.account_id, promise.clone()).await?;
    let own = row.account_id == promise.account_id;
    let sent_before = |at: Option<i64>| at.is_some_and(|at| row.received_at < at);
    let superseded = if own {
        promise.revision > 1 && sent_before(state.store.asked_last(promise).await?)
    } else {
        asked.is_some_and(|asked| asked.revision < promise.revision)
            || (promise.revision > 1 && sent_before(state.store.asked_last(promise).await?))
    };
    Ok(AskFull {
        promise_id: promise.id,
        kind: ask.kind,
        options: ask.options.into_iter().map(Choice::from).collect(),
        schema: ask.schema,
        settle: ask.settle,
        revision: shown.revision,
        superseded,
        deadline: shown.deadline,
        on_expiry: ask.on_expiry,
        state: shown.state,
        value: shown.value,
        reason: shown.reason,
        settled_at: shown.settled_at,
        role: shown.role,
        asked: shown.asked,
        answers: shown.answers,
        held: shown.held,
        corrections: shown.corrections,
        reminders: ask.reminders.into_iter().map(|ms| ms / 1000).collect(),
        escalate: ask
            .escalate
            .into_iter()
            .map(|step| Step { after: step.after / 1000, to: step.to })
            .collect(),
        context: shown.context,
    })
}
