//! What is known of one message: its fields, its texts, and where its attachments lie.

use serde::{Deserialize, Serialize};

use super::Encoding;
use crate::mail::{html, reply};

/// The longest preview, in characters.
const MAX_PREVIEW: usize = 200;
/// How much of a text a preview is made from, in octets.
const PREVIEW_SOURCE: usize = 16 << 10;

/// What one message's bytes say, with limits on everything.
///
/// All texts are decoded to Unicode and free of NUL; ids are without their angle brackets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// Message-ID.
    pub message_id: Option<String>,
    /// The first id of In-Reply-To.
    pub in_reply_to: Option<String>,
    /// The ids of References, oldest first.
    pub references: Vec<String>,
    /// The author: the first address of From.
    pub from: Option<Mailbox>,
    /// Sender.
    pub sender: Option<Mailbox>,
    /// Reply-To.
    pub reply_to: Vec<Mailbox>,
    /// To.
    pub to: Vec<Mailbox>,
    /// Cc.
    pub cc: Vec<Mailbox>,
    /// The subject, decoded, on one line; empty when there is none.
    pub subject: String,
    /// The time of the Date field, in milliseconds since 1970, UTC.
    pub date_ms: Option<i64>,
    /// The header fields, decoded, in their order.
    pub headers: Vec<(String, String)>,
    /// The plain text body, with `\n` line ends and none at its end.
    pub text: Option<String>,
    /// The HTML body, as sent: never to be shown without cleaning.
    pub html: Option<String>,
    /// Whether a limit cut something off from the texts, fields or parts (the stored bytes are whole).
    pub truncated: bool,
    /// The text body without what it quotes.
    pub reply_text: Option<String>,
    /// How sure the quote stripping is, 0.0 to 1.0.
    pub reply_confidence: Option<f32>,
    /// The attachments, in their order.
    pub attachments: Vec<Attachment>,
    /// Whether a machine sent it, so that no machine may answer (RFC 3834).
    pub automatic: bool,
    /// Whether it is a report, such as a delivery status notification (`multipart/report`, RFC 6522).
    pub report: bool,
    /// The id of the mailing list it came through (RFC 2919).
    pub list_id: Option<String>,
    /// How many Received fields it has: the hops it made.
    pub received: u32,
    /// The size of the whole message in octets.
    pub size: u64,
}

/// A name and an address as they stand in a header field, which may be wrong in any way: for showing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// The display name.
    pub name: Option<String>,
    /// The address, as found; empty when there was none.
    pub address: String,
}

/// One attachment, and where its octets lie in the message, so that it can be streamed without parsing again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file name it was given, without directories.
    pub filename: Option<String>,
    /// The media type, lower-case, without parameters.
    pub content_type: String,
    /// The decoded size in octets.
    pub size: u64,
    /// Whether it is shown as part of the text rather than offered beside it.
    pub inline: bool,
    /// The id an HTML body names it by (RFC 2392), without angle brackets.
    pub content_id: Option<String>,
    /// Where the encoded octets start in the message.
    pub offset: u64,
    /// How many encoded octets there are.
    pub length: u64,
    /// How they are encoded.
    pub encoding: Encoding,
}

impl Content {
    /// The first words of what is new in the message, at most 200 characters, on one line.
    #[must_use]
    pub fn preview(&self) -> String {
        let texts = [self.reply_text.as_deref(), self.text.as_deref()];
        if let Some(text) = texts.into_iter().flatten().find(|t| !t.trim().is_empty()) {
            return one_line(head(text, PREVIEW_SOURCE), MAX_PREVIEW);
        }
        // Much of an HTML body may be its head and styles.
        let html = self.html.as_deref().unwrap_or("");
        one_line(&html::text(head(html, 16 * PREVIEW_SOURCE)), MAX_PREVIEW)
    }

    /// Fills in what follows from the texts: what is new in them.
    pub(super) fn finish(&mut self) {
        let stripped = match (&self.text, &self.html) {
            (Some(text), _) => reply::strip(text),
            (None, Some(html)) => reply::strip(&html::text(html)),
            (None, None) => return,
        };
        self.reply_text = Some(stripped.text);
        self.reply_confidence = Some(stripped.confidence);
    }
}

/// The first octets of a text, at most `max`, ending between two characters.
pub(super) fn head(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// The text on one line of at most `max` characters, its blanks collapsed.
fn one_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if length > 0 {
            out.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length + 1 >= max {
                out.push('…');
                return out;
            }
            out.push(c);
            length += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previews_are_short_lines_of_what_is_new() {
        let mut content =
            Content { text: Some("Yes,\r\n  do it.\n\n> Shall I?".into()), ..Content::default() };
        content.finish();
        assert_eq!(content.preview(), "Yes, do it.");
        let long = Content { text: Some("ä".repeat(1000)), ..Content::default() }.preview();
        assert_eq!(long.chars().count(), 200);
        assert!(long.ends_with("ä…"));
        let mut html =
            Content { html: Some("<style>x</style><p>Hello <b>you</b></p>".into()), ..Content::default() };
        html.finish();
        assert_eq!(html.preview(), "Hello you");
        assert_eq!(Content::default().preview(), "");
    }

    #[test]
    fn contents_survive_json_and_lacking_fields() {
        let content = Content { subject: "x".into(), reply_confidence: Some(0.6), ..Content::default() };
        let json = serde_json::to_string(&content).unwrap();
        assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
        assert_eq!(serde_json::from_str::<Content>("{}").unwrap(), Content::default());
    }
}
