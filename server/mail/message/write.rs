//! Header fields as they are written: folded, and with encoded words where they are not ASCII (RFC 2047, RFC 2231).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::field::clean_line;
use crate::mail::address::Named;

/// Where a line is folded (RFC 5322 §2.1.1 asks for 78 characters at most).
const WIDTH: usize = 76;
/// The octets of one encoded word: 75 characters at most, `=?utf-8?B?` and `?=` among them.
const WORD: usize = 45;

/// A header section being written.
#[derive(Default)]
pub(in crate::mail) struct Header {
    text: String,
    /// Where the current line starts.
    line: usize,
}

impl Header {
    /// The octets written, without the empty line that ends a header section.
    pub(in crate::mail) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn start(&mut self, name: &str) {
        self.line = self.text.len();
        self.text.push_str(name);
        self.text.push(':');
    }

    /// Writes something that cannot be broken, on a new line if this one would grow too long.
    fn put(&mut self, piece: &str) {
        if self.text.len() - self.line + 1 + piece.len() > WIDTH
            && !self.text[self.line..].trim_end().ends_with(':')
        {
            self.text.push_str("\r\n");
            self.line = self.text.len();
        }
        self.text.push(' ');
        self.text.push_str(piece);
    }

    fn end(&mut self) {
        self.text.push_str("\r\n");
        self.line = self.text.len();
    }

    /// A field of free text.
    pub(in crate::mail) fn text(&mut self, name: &str, value: &str) {
        let value = clean_line(value);
        self.start(name);
        let plain = value.bytes().all(|b| matches!(b, b' '..=b'~'))
            && !value.contains("=?")
            && !value.contains("  ")
            && value.split(' ').all(|w| w.len() <= 400);
        if plain {
            value.split(' ').for_each(|word| self.put(word));
        } else {
            encoded_words(&value).iter().for_each(|word| self.put(word));
        }
        self.end();
    }

    /// A field whose value is already as it has to be written: ASCII, short, without line breaks.
    pub(in crate::mail) fn raw(&mut self, name: &str, value: &str) {
        self.start(name);
        self.put(value);
        self.end();
    }

    /// A field of addresses; none at all when there are none.
    pub(in crate::mail) fn addresses(&mut self, name: &str, addresses: &[Named]) {
        if addresses.is_empty() {
            return;
        }
        self.start(name);
        for (n, named) in addresses.iter().enumerate() {
            let comma = if n + 1 < addresses.len() { "," } else { "" };
            match &named.name {
                None => self.put(&format!("{}{comma}", named.address)),
                Some(name) => {
                    phrase(&clean_line(name)).iter().for_each(|word| self.put(word));
                    self.put(&format!("<{}>{comma}", named.address));
                }
            }
        }
        self.end();
    }

    /// A field of message ids; none at all when there are none.
    pub(in crate::mail) fn ids<'a>(&mut self, name: &str, ids: impl IntoIterator<Item = &'a str>) {
        let mut ids = ids.into_iter().filter(|id| is_id(id)).peekable();
        if ids.peek().is_none() {
            return;
        }
        self.start(name);
        ids.for_each(|id| self.put(&format!("<{id}>")));
        self.end();
    }

    /// A field with one parameter that may be any text.
    pub(in crate::mail) fn parameter(
        &mut self,
        name: &str,
        value: &str,
        parameter: &str,
        text: Option<&str>,
    ) {
        self.start(name);
        let Some(text) = text else {
            self.put(value);
            return self.end();
        };
        self.put(&format!("{value};"));
        let simple =
            text.len() <= 60 && text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\'));
        if simple && !text.contains("=?") && !text.contains("  ") {
            self.put(&format!("{parameter}=\"{text}\""));
            return self.end();
        }
        let pieces = percent_encoded(text);
        for (n, piece) in pieces.iter().enumerate() {
            let charset = if n == 0 { "utf-8''" } else { "" };
            let end = if n + 1 < pieces.len() { ";" } else { "" };
            if pieces.len() == 1 {
                self.put(&format!("{parameter}*={charset}{piece}"));
            } else {
                self.put(&format!("{parameter}*{n}*={charset}{piece}{end}"));
            }
        }
        self.end();
    }
}

/// Whether the text can stand between angle brackets as a message id.
pub(in crate::mail) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 900
        && !id.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>'))
}

/// The text cut into pieces of at most `max` octets, between characters.
fn pieces(text: &str, max: usize) -> Vec<&str> {
    let mut rest = text;
    let mut all = Vec::new();
    while rest.len() > max {
        let (piece, tail) = rest.split_at((0..=max).rev().find(|&n| rest.is_char_boundary(n)).unwrap_or(max));
        all.push(piece);
        rest = tail;
    }
    all.push(rest);
    all
}

fn encoded_words(text: &str) -> Vec<String> {
    pieces(text, WORD).into_iter().map(|piece| format!("=?utf-8?B?{}?=", STANDARD.encode(piece))).collect()
}

/// A display name: as it is, quoted, or in encoded words.
fn phrase(name: &str) -> Vec<String> {
    let graphic = name.bytes().all(|b| matches!(b, b' '..=b'~')) && name.len() <= 60;
    if !graphic || name.contains(['"', '\\']) || name.contains("=?") || name.contains("  ") {
        return encoded_words(name);
    }
    let atoms =
        name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'_' | b'\'' | b'+'));
    vec![if atoms { name.to_owned() } else { format!("\"{name}\"") }]
}

/// The text in the octets of RFC 2231, in pieces short enough for a line each.
fn percent_encoded(text: &str) -> Vec<String> {
    pieces(text, 16)
        .into_iter()
        .map(|piece| {
            let mut out = String::new();
            for &byte in piece.as_bytes() {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
                    out.push(char::from(byte));
                } else {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            out
        })
        .collect()
}
