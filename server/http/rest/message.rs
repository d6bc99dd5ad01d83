//! One message in full.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::promises::{self, Answer, Reason};
use super::summary::{Address, Around, Base};
use super::time::Time;
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::mail::html;
use crate::mail::id::{digest, hex};
use crate::mail::message::{Content, Mailbox};
use crate::promise::ask::{ChoiceOption, Comment, Kind, Settle};
use crate::promise::settle::ask_of;
use crate::store::email::EmailRow;
use crate::store::promise::PromiseRow;

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
    /// SPF, DKIM and DMARC, once this version checks them.
    authentication: Option<Value>,
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
    /// `choice`.
    #[schema(value_type = String)]
    kind: Kind,
    options: Vec<Choice>,
    /// `any`.
    #[schema(value_type = String)]
    settle: Settle,
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

/// Somebody who was asked and has got the question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Asked {
    address: String,
    answered: bool,
    declined: bool,
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
    let ask = match around.promise(&row) {
        Some(promise) => Some(ask_full(state, row.account_id, promise).await?),
        None => None,
    };
    let bcc = around.submission(&row).map(crate::store::submission::SubmissionRow::bcc).unwrap_or_default();
    let mut base = around.base(&row);
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
        authentication: None,
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
async fn html_safe(id: Uuid, content: &Content) -> Result<Option<String>, Problem> {
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

async fn ask_full(state: &AppState, account: Uuid, promise: &PromiseRow) -> Result<AskFull, Problem> {
    let ask = ask_of(promise)?;
    let asked = state.store.asked(promise.account_id, promise.id).await?;
    let shown = promises::of(state, account, promise.clone()).await?;
    Ok(AskFull {
        promise_id: promise.id,
        kind: ask.kind,
        options: ask.options.into_iter().map(Choice::from).collect(),
        settle: ask.settle,
        deadline: shown.deadline,
        on_expiry: ask.on_expiry,
        state: shown.state,
        value: shown.value,
        reason: shown.reason,
        settled_at: shown.settled_at,
        role: shown.role,
        asked: asked
            .into_iter()
            .map(|row| Asked {
                address: row.address,
                answered: row.answered_at.is_some(),
                declined: row.declined_at.is_some(),
            })
            .collect(),
        answers: shown.answers,
        context: shown.context,
    })
}
