//! Reading messages as they come, however broken or hostile.

use std::borrow::Cow;
use std::io::{self, Write};

use mail_parser::decoders::charsets::map::charset_decoder;

use super::content::head;
use super::field::{Field, Section, file_name};
use super::structure::{Leaf, walk};
use super::{Attachment, Content, Encoding, Mailbox, decode_part};
use crate::mail::html;

/// The most octets of a text or HTML body.
pub(super) const MAX_TEXT: usize = 2 << 20;
/// The most octets of a subject.
const MAX_SUBJECT: usize = 4 << 10;

/// Why octets are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Internet message: no header field at octet {at}")]
pub struct BadMessage {
    /// Where reading stopped.
    pub at: usize,
}

/// Reads a message. What goes beyond the limits is left out and marked as [`Content::truncated`].
///
/// The time it takes grows with the size of the message and nothing else; attachments are not decoded into memory.
///
/// # Errors
/// [`BadMessage`] when it does not start with a header field.
pub fn parse(raw: &[u8]) -> Result<Content, BadMessage> {
    let section = Section::read(raw, 0, raw.len());
    if section.fields.is_empty() && !section.truncated {
        return Err(BadMessage { at: section.body });
    }
    let mut content = fields(&section);
    content.size = raw.len() as u64;
    let structure = walk(raw, &section);
    content.truncated |= structure.truncated;
    bodies(raw, &structure.leaves, &mut content);
    content.finish();
    Ok(content)
}

/// What the header section says.
pub(super) fn fields(section: &Section<'_>) -> Content {
    let text = |name: &str| section.first(name).map(Field::text);
    let addresses = |name: &str| -> Vec<Mailbox> {
        section
            .fields
            .iter()
            .filter(|f| f.name.eq_ignore_ascii_case(name))
            .take(4)
            .flat_map(|f| f.addresses())
            .collect()
    };
    let value = |name: &str| {
        let text = text(name).unwrap_or_default().to_ascii_lowercase();
        text.split([';', ' ', '(']).next().unwrap_or("").to_owned()
    };
    let list = text("list-id").map(|id| match (id.rfind('<'), id.rfind('>')) {
        (Some(start), Some(end)) if start < end => id[start + 1..end].to_owned(),
        _ => id,
    });
    let list_id = list.filter(|id| !id.is_empty()).map(|id| head(&id, 255).to_owned());
    let submitted = value("auto-submitted");
    Content {
        message_id: section.first("message-id").and_then(|f| f.ids().into_iter().next()),
        in_reply_to: section.first("in-reply-to").and_then(|f| f.ids().into_iter().next()),
        references: section.first("references").map(Field::ids).unwrap_or_default(),
        from: section.first("from").and_then(|f| f.addresses().into_iter().next()),
        sender: section.first("sender").and_then(|f| f.addresses().into_iter().next()),
        reply_to: addresses("reply-to"),
        to: addresses("to"),
        cc: addresses("cc"),
        subject: text("subject").map(|s| head(&s, MAX_SUBJECT).trim_end().to_owned()).unwrap_or_default(),
        date_ms: section.first("date").and_then(Field::date_ms),
        headers: section.fields.iter().map(|f| (f.name.to_owned(), f.text())).collect(),
        truncated: section.truncated,
        automatic: !matches!(submitted.as_str(), "" | "no")
            || text("x-autoreply").is_some_and(|v| !v.eq_ignore_ascii_case("no"))
            || text("x-autorespond").is_some()
            || matches!(value("precedence").as_str(), "bulk" | "list" | "junk" | "auto_reply")
            || list_id.is_some(),
        report: section.first("content-type").is_some_and(|f| f.parameters().essence == "multipart/report"),
        list_id,
        received: section.received,
        ..Content::default()
    }
}

/// Sorts the leaves into texts and attachments.
fn bodies(raw: &[u8], leaves: &[Leaf], content: &mut Content) {
    let is_body = |n: usize, leaf: &Leaf| {
        matches!(leaf.content_type.as_str(), "text/plain" | "text/html")
            && !leaf.attached
            && (n == 0 || leaf.name.is_none())
            && !(leaf.related && leaf.content_id.is_some())
    };
    let is_html = |leaf: &Leaf| leaf.content_type == "text/html";
    // Whether an alternative has a form of each kind: then the other kind need not be made from it.
    let has = |alternative: Option<usize>, html: bool| {
        alternative.is_some()
            && leaves
                .iter()
                .enumerate()
                .any(|(n, l)| l.alternative == alternative && is_html(l) == html && is_body(n, l))
    };
    let (mut plain, mut rich): (Option<String>, Option<String>) = (None, None);
    let any_plain = leaves.iter().enumerate().any(|(n, l)| is_body(n, l) && !is_html(l));
    let any_html = leaves.iter().enumerate().any(|(n, l)| is_body(n, l) && is_html(l));
    let append = |to: &mut Option<String>, text: &str, truncated: &mut bool| {
        let to = to.get_or_insert_default();
        if !to.is_empty() {
            to.push('\n');
        }
        let room = head(text, MAX_TEXT.saturating_sub(to.len()));
        *truncated |= room.len() < text.len();
        to.push_str(room);
    };
    for (n, leaf) in leaves.iter().enumerate() {
        if !is_body(n, leaf) {
            content.attachments.push(attachment(raw, leaf));
            continue;
        }
        let full = |body: &Option<String>| body.as_ref().is_some_and(|b| b.len() >= MAX_TEXT);
        if full(&plain) || full(&rich) {
            content.truncated = true;
            continue;
        }
        let (text, cut) = decode_text(&raw[leaf.start..leaf.end], leaf.encoding, leaf.charset.as_deref());
        content.truncated |= cut;
        if is_html(leaf) {
            append(&mut rich, &text, &mut content.truncated);
            if any_plain && !has(leaf.alternative, false) {
                append(&mut plain, &html::text(&text), &mut content.truncated);
            }
        } else {
            append(&mut plain, &text, &mut content.truncated);
            if any_html && !has(leaf.alternative, true) && !text.is_empty() {
                append(&mut rich, &format!("<pre>{}</pre>", html::escape(&text)), &mut content.truncated);
            }
        }
    }
    content.text = plain.map(|mut text| {
        text.truncate(text.trim_end_matches('\n').len());
        text
    });
    content.html = rich;
}

fn attachment(raw: &[u8], leaf: &Leaf) -> Attachment {
    let encoded = &raw[leaf.start..leaf.end];
    Attachment {
        filename: leaf.name.as_deref().and_then(file_name),
        content_type: leaf.content_type.clone(),
        size: decode_part(leaf.encoding, encoded, io::sink()).unwrap_or(0),
        inline: !leaf.attached && (leaf.inlined || (leaf.related && leaf.content_id.is_some())),
        content_id: leaf.content_id.clone(),
        offset: leaf.start as u64,
        length: encoded.len() as u64,
        encoding: leaf.encoding,
    }
}

/// A writer that takes so many octets and no more.
struct Capped {
    octets: Vec<u8>,
    max: usize,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.max - self.octets.len());
        self.octets.extend_from_slice(&bytes[..taken]);
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body as Unicode with `\n` line ends, and whether something was cut off.
fn decode_text(encoded: &[u8], encoding: Encoding, charset: Option<&str>) -> (String, bool) {
    let mut decoded = Capped { octets: Vec::new(), max: MAX_TEXT };
    let cut = decode_part(encoding, encoded, &mut decoded).is_err();
    let octets = decoded.octets;
    let unmarked = charset.is_none_or(|c| {
        matches!(c.to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii" | "")
    });
    let decoder = charset
        .filter(|_| !unmarked || std::str::from_utf8(&octets).is_err())
        .and_then(|c| charset_decoder(c.as_bytes()));
    let mut text = match decoder {
        Some(decode) => decode(&octets),
        None => String::from_utf8_lossy(&octets).into_owned(),
    };
    if cut {
        // The cut may have gone through a character.
        text.truncate(text.trim_end_matches('\u{fffd}').len());
    }
    (clean_text(&text), cut)
}

/// A text with `\n` line ends and without control characters other than tab.
pub(super) fn clean_text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                clean.push('\n');
            }
            '\n' | '\t' => clean.push(c),
            '\0' => clean.push('\u{fffd}'),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// The header section of a message, at most about `max` octets of it, every line ended by CRLF, and nothing in it that is no field.
pub(in crate::mail) fn header_section(raw: &[u8], max: usize) -> Vec<u8> {
    let raw = canonical(&raw[..raw.len().min(max)]);
    let mut out = Vec::with_capacity(raw.len());
    for field in Section::read(&raw, 0, raw.len()).fields {
        out.extend_from_slice(field.name.as_bytes());
        out.push(b':');
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
    out
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
