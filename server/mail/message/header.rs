//! Which header fields a sender may set.

/// Why a header field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The name is not a field name (RFC 5322 §3.6.8), or longer than 76 characters.
    #[error("not a header field name")]
    Name,
    /// The value has a line break or another control character, or is longer than 2000 octets.
    #[error("control characters are not allowed in a header field")]
    Value,
    /// The field is written by the server.
    #[error("this header field is set by the server")]
    Reserved,
}

/// Field names that are the server's, or that another argument sets.
const RESERVED: &[&str] = &[
    "bcc",
    "cc",
    "date",
    "from",
    "in-reply-to",
    "message-id",
    "mime-version",
    "received",
    "references",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
    "auto-submitted",
    "authentication-results",
    "delivered-to",
    "dkim-signature",
    "disposition-notification-to",
    "domainkey-signature",
    "errors-to",
    "return-receipt-to",
    "x-autoreply",
    "envelope-to",
    "x-original-to",
    "apparently-to",
    "received-spf",
];
/// Families of field names that are the server's.
const RESERVED_PREFIXES: &[&str] = &["content-", "resent-", "arc-", "x-restante-", "original-"];

/// Whether a sender may add this header field to a message.
///
/// # Errors
/// [`BadHeader`] says what is wrong.
pub fn header_allowed(name: &str, value: &str) -> Result<(), BadHeader> {
    let is_name = !name.is_empty()
        && name.len() <= 76
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !is_name {
        return Err(BadHeader::Name);
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|p| lower.starts_with(p)) {
        return Err(BadHeader::Reserved);
    }
    if value.len() > 2000 || value.chars().any(super::super::address::is_hidden) {
        return Err(BadHeader::Value);
    }
    Ok(())
}
