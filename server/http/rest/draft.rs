//! A message as a caller writes it, and what it becomes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::time::Time;
use crate::http::body::id_of;
use crate::http::problem::{self, Problem};
use crate::mail::address::Named;
use crate::mail::duration;
use crate::mail::notify::Wanted;
use crate::promise::ask::{Ask, BadAsk, ChoiceOption, Comment, Kind, Settle, Step};
use crate::submission::{Attachment, Question, Request, Source};

/// When nothing is said, a question is open this long, in milliseconds.
const DEADLINE: i64 = 3 * 24 * 3600 * 1000;
/// Octets of the asker's own context.
const CONTEXT: usize = 64 * 1024;

/// A message to be sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Draft)]
pub struct Draft {
    /// One of the account's own addresses; its main one when absent.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    from: Option<Named>,
    /// `"ana@example.org"`, `"Ana <ana@example.org>"` or `{"address", "name"}`. Who is in `to` is asked.
    #[schema(value_type = Vec<Value>)]
    #[serde(default)]
    pub(super) to: Vec<Named>,
    #[schema(value_type = Vec<Value>)]
    #[serde(default)]
    pub(super) cc: Vec<Named>,
    /// Nobody else sees these.
    #[schema(value_type = Vec<Value>)]
    #[serde(default)]
    bcc: Vec<Named>,
    /// One line.
    #[serde(default)]
    subject: Option<String>,
    /// The plain text.
    #[serde(default)]
    text: Option<String>,
    /// The HTML.
    #[serde(default)]
    html: Option<String>,
    /// Markdown, in the place of `html`.
    #[serde(default)]
    markdown: Option<String>,
    #[serde(default)]
    attachments: Vec<AttachmentBody>,
    /// More header fields.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Labels of the sender's own copy.
    #[serde(default)]
    keywords: Vec<String>,
    /// The sender's own; never sent.
    #[serde(default)]
    metadata: Option<Value>,
    /// A message's id here, or a Message-ID.
    #[serde(default)]
    pub(super) in_reply_to: Option<String>,
    /// Not sent before.
    #[serde(default)]
    send_at: Option<Time>,
    /// Held so long that it can be taken back (ISO 8601), up to PT5M.
    #[serde(default)]
    undo: Option<String>,
    /// Withdrawn if not delivered by then.
    #[serde(default)]
    expires_at: Option<Time>,
    /// An unknown local recipient refuses the message.
    #[serde(default)]
    strict: bool,
    /// What is expected back.
    #[serde(default)]
    ask: Option<AskBody>,
    /// Of a reply: everybody who had the message.
    #[serde(default)]
    pub(super) all: Option<bool>,
    /// An earlier message of one's own that this one puts right. A question is replaced: its promise is kept, answers
    /// to the version before no longer count.
    #[serde(default)]
    corrects: Option<String>,
}

/// Something to attach: an upload, or the octets themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentBody {
    /// Of POST /v1/uploads.
    #[serde(default)]
    upload_id: Option<String>,
    /// The octets, in base64.
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    filename: Option<String>,
    /// What the upload said, or the name says, when absent.
    #[serde(default)]
    content_type: Option<String>,
    /// Shown within the text.
    #[serde(default)]
    inline: bool,
    /// How the HTML names it (`cid:`), without angle brackets.
    #[serde(default)]
    content_id: Option<String>,
}

/// What a message expects back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Ask)]
pub struct AskBody {
    /// `text`, `choice` or `form`.
    #[schema(value_type = String)]
    kind: Kind,
    /// Of a choice.
    #[serde(default)]
    options: Vec<OptionBody>,
    /// Of a form: a JSON Schema (2020-12) of an object, without references.
    #[serde(default)]
    schema: Option<Value>,
    /// How long it is open, from the actual sending (ISO 8601); P3D when absent, without end when null.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    deadline: Option<Option<String>>,
    /// `"any"`: the first answer settles. `"all"`: everybody's. `{"quorum": 2}`: two equal choices, or any two texts or
    /// forms. `{"veto": "reject", "quorum": 2}`: that choice settles at once.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    settle: Option<Settle>,
    /// The value it is fulfilled with when nobody has answered in time.
    #[serde(default)]
    on_expiry: Option<Value>,
    /// When those who have not answered are reminded, from the actual sending (ISO 8601).
    #[serde(default)]
    reminders: Vec<String>,
    /// Who else is asked after a time.
    #[serde(default)]
    escalate: Vec<StepBody>,
    /// The asker's own; comes back as it is.
    #[serde(default)]
    context: Option<Value>,
    /// A POST is made to it when the promise is settled (Standard Webhooks 1.0), signed with the key of
    /// `POST /v1/webhooks/secret`.
    #[serde(default)]
    callback_url: Option<String>,
}

/// More people who are asked after a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// From the actual sending (ISO 8601).
    after: String,
    #[schema(value_type = Vec<Value>)]
    to: Vec<Named>,
}

/// One thing that can be chosen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionBody {
    /// What the answer says.
    name: String,
    /// What people read; the name when absent.
    #[serde(default)]
    title: Option<String>,
    /// `required` or `optional`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    comment: Option<Comment>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Draft {
    /// The request it means.
    ///
    /// # Errors
    /// The problem with it.
    pub(super) fn request(self) -> Result<Request, Problem> {
        let attachments = self.attachments.into_iter().enumerate();
        Ok(Request {
            from: self.from,
            to: self.to,
            cc: self.cc,
            bcc: self.bcc,
            subject: self.subject.unwrap_or_default(),
            text: self.text,
            html: self.html,
            markdown: self.markdown,
            attachments: attachments.map(|(n, part)| part.checked(n)).collect::<Result<_, _>>()?,
            headers: self.headers.into_iter().collect(),
            keywords: self.keywords,
            metadata: self.metadata,
            in_reply_to: self.in_reply_to,
            send_at: self.send_at.map(|time| time.0),
            undo: self.undo.as_deref().map(|text| span("/undo", text)).transpose()?,
            expires_at: self.expires_at.map(|time| time.0),
            strict: self.strict,
            ask: self.ask.map(AskBody::question).transpose()?,
            corrects: self.corrects,
            again: None,
            wanted: Wanted::default(),
            automatic: false,
            source: None,
        })
    }
}

/// A duration in milliseconds.
pub(super) fn span(pointer: &str, text: &str) -> Result<i64, Problem> {
    let span = duration::iso(text);
    span.map(|span| span.num_milliseconds()).ok_or_else(|| {
        Problem::at(&problem::INVALID_BODY, pointer, "write a duration such as PT10S, PT4H or P3D")
    })
}

impl AttachmentBody {
    fn checked(self, n: usize) -> Result<Attachment, Problem> {
        let wrong = |field: &str, detail: &str| {
            Problem::at(&problem::INVALID_ATTACHMENT, format!("/attachments/{n}{field}"), detail)
        };
        let source = match (self.upload_id, self.content) {
            (Some(id), None) => {
                Source::Upload(id_of(&id).ok_or_else(|| wrong("/upload_id", "there is no such upload"))?)
            }
            (None, Some(content)) => {
                let octets =
                    STANDARD.decode(content).map_err(|_| wrong("/content", "this is not standard base64"))?;
                Source::Bytes(octets)
            }
            _ => return Err(wrong("", "give either upload_id or content")),
        };
        if self.content_type.as_deref().is_some_and(|media| !is_media_type(media)) {
            return Err(wrong("/content_type", "write a media type such as text/plain"));
        }
        let plain = |id: &String| {
            id.len() <= 200 && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\()".contains(&b))
        };
        if self.content_id.as_ref().is_some_and(|id| id.is_empty() || !plain(id)) {
            return Err(wrong("/content_id", "1 to 200 visible ASCII characters without brackets"));
        }
        Ok(Attachment {
            source,
            filename: self.filename,
            content_type: self.content_type,
            inline: self.inline,
            content_id: self.content_id,
        })
    }
}

/// Whether a text is a media type without parameters (RFC 6838 §4.2).
pub(super) fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        (1..=127).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, sub)| part(kind) && part(sub))
}

impl AskBody {
    fn question(self) -> Result<Question, Problem> {
        let wrong =
            |bad: BadAsk| Problem::at(&problem::INVALID_ASK, format!("/ask{}", bad.pointer), bad.detail);
        let options = self.options.into_iter().map(|option| ChoiceOption {
            title: option.title.unwrap_or_else(|| option.name.clone()),
            name: option.name,
            comment: option.comment,
        });
        let settle = self.settle.unwrap_or(Settle::Any);
        let ask =
            Ask::new(self.kind, options.collect(), self.schema, settle, self.on_expiry).map_err(wrong)?;
        let reminders = self.reminders.iter().enumerate();
        let reminders = reminders.map(|(n, after)| span(&format!("/ask/reminders/{n}"), after));
        let steps = self.escalate.into_iter().enumerate().map(|(n, step)| {
            let to = step.to.into_iter().map(|to| to.address.to_string()).collect();
            Ok(Step { after: span(&format!("/ask/escalate/{n}/after"), &step.after)?, to })
        });
        let steps = steps.collect::<Result<_, Problem>>()?;
        let ask = ask.chased(reminders.collect::<Result<_, _>>()?, steps).map_err(wrong)?;
        let deadline = match self.deadline {
            None => Some(DEADLINE),
            Some(None) => None,
            Some(Some(text)) => Some(span("/ask/deadline", &text)?),
        };
        if deadline == Some(0) {
            return Err(Problem::at(&problem::INVALID_ASK, "/ask/deadline", "longer than nothing, or null"));
        }
        if self.context.as_ref().is_some_and(|context| context.to_string().len() > CONTEXT) {
            return Err(Problem::at(
                &problem::INVALID_ASK,
                "/ask/context",
                format!("at most {CONTEXT} octets"),
            ));
        }
        Ok(Question { ask, deadline, context: self.context, callback_url: self.callback_url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (&'static str, String) {
        let draft: Draft = crate::http::body::parse(text.as_bytes()).unwrap();
        let problem = draft.request().unwrap_err();
        (problem.kind.code, problem.errors[0].pointer.clone())
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, code, pointer) in [
            (r#"{"undo": "soon"}"#, "invalid_body", "/undo"),
            (r#"{"attachments": [{"content": "*"}]}"#, "invalid_attachment", "/attachments/0/content"),
            (r#"{"attachments": [{}]}"#, "invalid_attachment", "/attachments/0"),
            (r#"{"attachments": [{"upload_id": "x"}]}"#, "invalid_attachment", "/attachments/0/upload_id"),
            (
                r#"{"attachments": [{"content": "", "content_type": "a\r\nb/c"}]}"#,
                "invalid_attachment",
                "/attachments/0/content_type",
            ),
            (r#"{"ask": {"kind": "form"}}"#, "invalid_ask", "/ask/schema"),
            (r#"{"ask": {"kind": "choice"}}"#, "invalid_ask", "/ask/options"),
            (
                r#"{"ask": {"kind": "text", "reminders": ["P1D", "soon"]}}"#,
                "invalid_body",
                "/ask/reminders/1",
            ),
            (r#"{"ask": {"kind": "text", "reminders": ["P1D", "PT1H"]}}"#, "invalid_ask", "/ask/reminders"),
            (r#"{"ask": {"kind": "text", "settle": {"quorum": 0}}}"#, "invalid_ask", "/ask/settle/quorum"),
            (
                r#"{"ask": {"kind": "text", "escalate": [{"after": "PT1H", "to": []}]}}"#,
                "invalid_ask",
                "/ask/escalate/0/to",
            ),
            (
                r#"{"ask": {"kind": "choice", "options": [{"name": "a"}], "deadline": "PT0S"}}"#,
                "invalid_ask",
                "/ask/deadline",
            ),
        ] {
            assert_eq!(wrong(text), (code, pointer.into()), "{text}");
        }
    }

    #[test]
    fn a_deadline_may_be_absent_null_or_a_duration() {
        let deadline = |extra: &str| {
            let text = format!(r#"{{"kind": "choice", "options": [{{"name": "a"}}]{extra}}}"#);
            serde_json::from_str::<AskBody>(&text).unwrap().question().unwrap().deadline
        };
        assert_eq!(deadline(""), Some(DEADLINE));
        assert_eq!(deadline(r#", "deadline": null"#), None);
        assert_eq!(deadline(r#", "deadline": "PT1H""#), Some(3_600_000));
    }
}
