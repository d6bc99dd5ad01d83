//! HTML bodies: made safe, made text, made from Markdown.

mod allowed;
mod clean;
mod text;
mod token;

pub use clean::{markdown, safe};
pub use text::text;

/// The characters of `text` that mean something in HTML, written as references: for text and for quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The addresses of the pictures that [`safe`] has held back in this HTML of its own.
pub fn held_pictures(safe: &str) -> impl Iterator<Item = String> {
    let values = safe.split(" data-src=\"").skip(1);
    values.filter_map(|rest| rest.split_once('"')).map(|(value, _)| unescape(value))
}

/// Character references (`&amp;`, `&#65;`) as the characters they stand for.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.as_bytes().iter().take(34).position(|&b| b == b';');
        let name = end.map_or("", |end| &rest[1..end]);
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#') {
            mail_parser::decoders::html::add_html_token(&mut out, &rest.as_bytes()[..name.len() + 2], false);
            rest = &rest[name.len() + 2..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}
