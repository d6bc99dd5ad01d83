//! Header fields: cut apart in linear time under limits, then read by mail-parser one at a time.

use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};

use super::Mailbox;
use super::content::head;

/// The most fields kept of one header section.
pub(super) const MAX_FIELDS: usize = 1000;
/// The most octets kept of one header section.
pub(super) const MAX_SECTION: usize = 256 << 10;
/// The most octets of a field with parameters; their continuations (RFC 2231) are put together in quadratic time.
const MAX_PARAMETERS: usize = 8 << 10;
/// The most addresses kept of one field.
const MAX_ADDRESSES: usize = 2000;
/// The most ids kept of References.
const MAX_IDS: usize = 200;
/// The longest id: what fits a line (RFC 5322 §2.1.1).
const MAX_ID: usize = 990;

/// One header field, as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// What follows the colon, folded, without the last line end.
    pub(super) value: &'a [u8],
}

/// A header section.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    /// The fields within the limits.
    pub(super) fields: Vec<Field<'a>>,
    /// Where the body starts.
    pub(super) body: usize,
    /// How many Received fields there are, also beyond the limits.
    pub(super) received: u32,
    /// Whether fields were left out.
    pub(super) truncated: bool,
}

/// The end of the line that starts at `at`: just after its LF, or the end of everything.
pub(super) fn line_end(raw: &[u8], at: usize) -> usize {
    raw[at..].iter().position(|&b| b == b'\n').map_or(raw.len(), |n| at + n + 1)
}

/// A line without its CRLF or LF.
pub(super) fn trim_line(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The field name at the start of a line, and where its value starts.
fn name(line: &[u8]) -> Option<(&str, usize)> {
    let colon = line.iter().take(256).position(|&b| b == b':')?;
    let name = line[..colon].trim_ascii_end();
    let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    valid.then(|| std::str::from_utf8(name).ok().map(|name| (name, colon + 1)))?
}

impl<'a> Section<'a> {
    /// Reads the header section that starts at `at` and ends before `end`. It ends at an empty line, or before a line that is no field.
    pub(super) fn read(raw: &'a [u8], at: usize, end: usize) -> Self {
        let mut section = Section::default();
        let raw = &raw[..end];
        let mut next = at;
        while next < end {
            let start = next;
            next = line_end(raw, start);
            let line = trim_line(&raw[start..next]);
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = name(line) else {
                if start == at && (line.starts_with(b"From ") || line.starts_with(b">From ")) {
                    // The separator line of an mbox file.
                    continue;
                }
                next = start;
                break;
            };
            while next < end && matches!(raw[next], b' ' | b'\t') {
                let line = line_end(raw, next);
                // A line of blanks only is meant as the empty one by some senders, but is a folded line by the letter.
                next = line;
            }
            if name.eq_ignore_ascii_case("received") {
                section.received = section.received.saturating_add(1);
            }
            if section.fields.len() >= MAX_FIELDS || next - at > MAX_SECTION {
                section.truncated = true;
            } else {
                section.fields.push(Field { name, value: trim_line(&raw[start + value..next]) });
            }
        }
        section.body = next;
        section
    }

    /// The first field of that name.
    pub(super) fn first(&self, name: &str) -> Option<Field<'a>> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).copied()
    }
}

/// Text without NUL and other control characters; blanks for line breaks; without characters at its ends that are not seen.
pub(super) fn clean_line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter_map(|c| match c {
            '\t' | '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect();
    spaced.trim().to_owned()
}

impl Field<'_> {
    fn stream<T>(self, max: usize, read: impl FnOnce(&mut MessageStream<'_>) -> T) -> T {
        let mut bytes = self.value[..self.value.len().min(max)].to_vec();
        bytes.extend_from_slice(b"\r\n");
        read(&mut MessageStream::new(&bytes))
    }

    /// The value as text on one line, its encoded words decoded (RFC 2047).
    pub(super) fn text(self) -> String {
        self.stream(usize::MAX, |stream| match stream.parse_unstructured() {
            HeaderValue::Text(text) => clean_line(&text),
            _ => String::new(),
        })
    }

    /// The addresses of the value, those of groups too.
    pub(super) fn addresses(self) -> Vec<Mailbox> {
        self.stream(usize::MAX, |stream| {
            let all = match stream.parse_address() {
                HeaderValue::Address(Address::List(list)) => list,
                HeaderValue::Address(Address::Group(groups)) => {
                    groups.into_iter().flat_map(|g| g.addresses).collect()
                }
                _ => Vec::new(),
            };
            let line = |text: Option<std::borrow::Cow<'_, str>>| text.map(|t| clean_line(head(&t, MAX_ID)));
            all.into_iter()
                .take(MAX_ADDRESSES)
                .map(|a| Mailbox {
                    name: line(a.name).filter(|n| !n.is_empty()),
                    address: line(a.address).unwrap_or_default(),
                })
                .filter(|m| m.name.is_some() || !m.address.is_empty())
                .collect()
        })
    }

    /// The ids of the value, without their angle brackets: of very many the first and the last ones.
    pub(super) fn ids(self) -> Vec<String> {
        let text = String::from_utf8_lossy(self.value);
        let id = |id: &str| -> Option<String> {
            // White space can only come from folding.
            let id: String = id.chars().filter(|c| !c.is_whitespace()).collect();
            (!id.is_empty() && id.len() <= MAX_ID && !id.chars().any(|c| c.is_control() || c == '<'))
                .then_some(id)
        };
        let mut ids: Vec<String> = Vec::new();
        let mut rest = &*text;
        while let Some(start) = rest.find('<') {
            rest = &rest[start + 1..];
            let Some(end) = rest.find('>') else { break };
            ids.extend(id(&rest[..end]));
            rest = &rest[end + 1..];
        }
        if ids.is_empty() {
            // Some programs leave the brackets out.
            ids = text
                .split_whitespace()
                .filter(|word| word.contains('@'))
                .filter_map(|w| id(w.trim_matches(['<', '>'])))
                .collect();
        }
        if ids.len() > MAX_IDS {
            ids.drain(1..=ids.len() - MAX_IDS);
        }
        ids
    }

    /// The time of the value, in milliseconds since 1970, UTC.
    pub(super) fn date_ms(self) -> Option<i64> {
        self.stream(256, |stream| match stream.parse_date() {
            HeaderValue::DateTime(date) if date.is_valid() => date.to_timestamp().checked_mul(1000),
            _ => None,
        })
    }

    /// The value with its parameters: `text/plain; charset=utf-8`.
    pub(super) fn parameters(self) -> Parameters {
        self.stream(MAX_PARAMETERS, |stream| match stream.parse_content_type() {
            HeaderValue::ContentType(value) => {
                let essence = match value.subtype() {
                    Some(subtype) => format!("{}/{subtype}", value.ctype()),
                    None => value.ctype().to_owned(),
                };
                let get = |name| value.attribute(name).map(str::to_owned);
                Parameters {
                    essence: clean_line(&essence).to_ascii_lowercase(),
                    name: get("filename").or_else(|| get("name")),
                    charset: get("charset"),
                    boundary: get("boundary"),
                }
            }
            _ => Parameters::default(),
        })
    }
}

/// A value with parameters, those that matter.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// What stands before the parameters, in lower case.
    pub(super) essence: String,
    /// The file name (`filename` or `name`).
    pub(super) name: Option<String>,
    /// The character set.
    pub(super) charset: Option<String>,
    /// The boundary of a multipart.
    pub(super) boundary: Option<String>,
}

/// A file name without directories and what cannot be seen, at most 200 octets.
pub(super) fn file_name(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or("");
    let name: String = name.chars().filter(|c| !crate::mail::address::is_hidden(*c)).collect();
    let name = head(name.trim(), 200).trim();
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(raw: &str) -> Vec<(String, String)> {
        Section::read(raw.as_bytes(), 0, raw.len())
            .fields
            .iter()
            .map(|f| (f.name.to_owned(), f.text()))
            .collect()
    }

    fn field(value: &str) -> Field<'_> {
        Field { name: "X", value: value.as_bytes() }
    }

    #[test]
    fn fields_are_unfolded_and_decoded() {
        let raw = "From x Mon\r\nSubject: a\r\n b\r\nX-Two : =?utf-8?q?=C3=A4?=\r\n =?utf-8?b?w7Y=?=\r\nno field\r\nA: b\r\n";
        assert_eq!(section(raw), [("Subject".into(), "a b".into()), ("X-Two".to_owned(), "äö".to_owned())]);
        assert_eq!(Section::read(b"A: b\r\n\r\nbody", 0, 12).body, 8);
        assert_eq!(Section::read(b"A: b\n\nbody", 0, 10).body, 6);
        assert_eq!(field("=?utf-8?q?a=0D=0ABcc:_x@y=00?=").text(), "a  Bcc: x@y");
    }

    #[test]
    fn ids_are_found_in_any_wrapping() {
        assert_eq!(field("<a@x>\r\n <b@x> (c)").ids(), ["a@x", "b@x"]);
        assert_eq!(field("a@x").ids(), ["a@x"]);
        assert_eq!(field("<>< ><a").ids(), [""; 0]);
        let many: String = (0..500).map(|n| format!("<{n}@x>\r\n ")).collect();
        let ids = field(&many).ids();
        assert_eq!(
            (ids.len(), ids[0].as_str(), ids[1].as_str(), ids[199].as_str()),
            (200, "0@x", "301@x", "499@x")
        );
    }

    #[test]
    fn addresses_names_and_parameters_are_read() {
        let bo = Mailbox { name: Some("Bo, B".into()), address: "bo@x".into() };
        assert_eq!(field("\"Bo, B\" <bo@x>, G: c@x, d@x;").addresses()[0], bo);
        assert_eq!(field("G: c@x, d@x;").addresses().len(), 2);
        let p = field("TEXT/Html; charset=\"iso-8859-1\"; name*0*=utf-8''%C3%A4; name*1=b.txt; boundary=x")
            .parameters();
        assert_eq!(
            (p.essence.as_str(), p.charset.as_deref(), p.name.as_deref()),
            ("text/html", Some("iso-8859-1"), Some("äb.txt"))
        );
        assert_eq!(file_name("..\\a/b\u{202e}.txt").as_deref(), Some("b.txt"));
        assert_eq!(file_name("/.."), None);
        assert_eq!(field("Mon, 23 Nov 2026 10:00:00 +0100").date_ms(), Some(1_795_424_400_000));
        assert_eq!(field("Mon, 99 Nov 2026 10:00:00 +0100").date_ms(), None);
        assert_eq!(field("").date_ms(), None);
    }
}
