//! Delivery status notifications (RFC 3464): how a sender is told.

use std::io::{self, Write};

use super::address::Named;
use super::message::Content;
use super::status::Status;

/// What a notification about one recipient says.
pub struct Report<'a> {
    /// The name of the server that reports.
    pub reporting_mta: &'a str,
    /// Who reports.
    pub from: Named,
    /// Who is told: the sender of the original.
    pub to: Named,
    /// The time of the report, in milliseconds since 1970, UTC.
    pub date_ms: i64,
    /// The Message-ID of the report, without angle brackets.
    pub message_id: &'a str,
    /// The message it is about.
    pub original: &'a Content,
    /// The header section of that message.
    pub original_headers: &'a [u8],
    /// Whom it did not reach.
    pub recipient: &'a str,
    /// `failed` or `delayed`.
    pub action: &'a str,
    /// Why, as a code.
    pub status: Status,
    /// The server that answered, if one did.
    pub remote: Option<&'a str>,
    /// What it answered.
    pub diagnostic: Option<&'a str>,
    /// When the original was accepted, in milliseconds since 1970, UTC.
    pub arrival_ms: i64,
    /// When delivery was last tried, in milliseconds since 1970, UTC.
    pub last_attempt_ms: i64,
    /// Until when it will be tried, if it is only delayed, in milliseconds since 1970, UTC.
    pub will_retry_until_ms: Option<i64>,
    /// The explanation for a person to read.
    pub human: &'a str,
}

/// Writes the notification, and tells what [`super::message::parse`] would find in it.
///
/// # Errors
/// Those of the writer.
pub fn compose(report: &Report<'_>, out: &mut dyn Write) -> io::Result<Content> {
    let _ = (report, out);
    Err(io::Error::other("not written yet"))
}
