//! Writing messages: streamed, so that an attachment is never held whole.

use std::io::{self, Read, Write};

use super::Content;
use crate::mail::address::Named;

/// What a message is written from.
pub struct Compose<'a> {
    /// The author.
    pub from: Named,
    /// Who it is to.
    pub to: Vec<Named>,
    /// Who has a copy. (Bcc is the envelope's, and never written.)
    pub cc: Vec<Named>,
    /// Where answers go, when not to the author.
    pub reply_to: Vec<Named>,
    /// The subject.
    pub subject: &'a str,
    /// The Date, in milliseconds since 1970, UTC.
    pub date_ms: i64,
    /// The Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// In-Reply-To, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// References, without angle brackets, oldest first.
    pub references: &'a [String],
    /// More header fields, after [`super::header_allowed`] or the server's own.
    pub headers: &'a [(String, String)],
    /// The plain text body.
    pub text: Option<&'a str>,
    /// The HTML body.
    pub html: Option<&'a str>,
    /// The attachments.
    pub attachments: Vec<Part<'a>>,
}

/// One attachment to write.
pub struct Part<'a> {
    /// The file name.
    pub filename: Option<String>,
    /// The media type; what is not one becomes `application/octet-stream`.
    pub content_type: String,
    /// The id an HTML body names it by, without angle brackets.
    pub content_id: Option<String>,
    /// Whether it belongs into the text.
    pub inline: bool,
    /// Its octets, decoded.
    pub content: Box<dyn Read + Send + 'a>,
}

/// Writes the message, and tells what [`super::parse`] would find in it.
///
/// # Errors
/// Those of the writer and of the attachments' readers.
pub fn compose(message: Compose<'_>, out: &mut dyn Write) -> io::Result<Content> {
    let _ = (message, out);
    Err(io::Error::other("not written yet"))
}
