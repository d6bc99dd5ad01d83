//! Writing messages: streamed, so that an attachment is never held whole.

use std::io::{self, Read, Write};

use super::encoding::{encode_base64, encode_quoted_printable};
use super::field::{Section, file_name};
use super::parse::{clean_text, fields};
use super::write::{Header, is_id};
use super::{Attachment, Content, Encoding, header_allowed};
use crate::mail::address::Named;
use crate::mail::{clock, html, id};

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
    /// The Date, in milliseconds since 1970, UTC; written to the second.
    pub date_ms: i64,
    /// The Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// In-Reply-To, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// References, without angle brackets, oldest first.
    pub references: &'a [String],
    /// More header fields: those [`super::header_allowed`] lets a sender set, and the server's own.
    pub headers: &'a [(String, String)],
    /// The plain text body.
    pub text: Option<&'a str>,
    /// The HTML body; without a plain text one, that is made from it.
    pub html: Option<&'a str>,
    /// The attachments.
    pub attachments: Vec<Part<'a>>,
}

/// One attachment to write.
pub struct Part<'a> {
    /// The file name.
    pub filename: Option<String>,
    /// The media type; one that is not valid, or that must not be encoded (`multipart/*`, `message/*`), becomes
    /// `application/octet-stream`.
    pub content_type: String,
    /// The id an HTML body names it by, without angle brackets.
    pub content_id: Option<String>,
    /// Whether it belongs into the text.
    pub inline: bool,
    /// Its octets, decoded.
    pub content: Box<dyn Read + Send + 'a>,
}

/// A writer that knows how much it wrote.
struct Output<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The boundary of the multipart at a level of a message. Bodies are encoded whenever a line of theirs starts with `--`,
/// and encoded bodies have no such lines, so it cannot occur in one.
fn boundary(message_id: &str, level: &str) -> String {
    format!("=_{}", id::hex(&id::digest(&[b"boundary", message_id.as_bytes(), level.as_bytes()])[..15]))
}

/// Writes the message, and tells what [`super::parse`] would find in it.
///
/// # Errors
/// Those of the writer and of the attachments' readers.
pub fn compose(message: Compose<'_>, out: &mut dyn Write) -> io::Result<Content> {
    let mut out = Output { out, written: 0 };
    let (related, mixed): (Vec<_>, Vec<_>) = message.attachments.into_iter().partition(|part| {
        part.inline && message.html.is_some() && part.content_id.as_deref().is_some_and(is_id)
    });

    let mut header = Header::default();
    header.raw("Date", &clock::at(message.date_ms).to_rfc2822());
    header.addresses("From", &[message.from]);
    header.addresses("To", &message.to);
    header.addresses("Cc", &message.cc);
    header.addresses("Reply-To", &message.reply_to);
    header.text("Subject", message.subject);
    header.ids("Message-ID", [message.message_id]);
    header.ids("In-Reply-To", message.in_reply_to);
    header.ids("References", message.references.iter().map(String::as_str));
    for (name, value) in message.headers {
        // A name that would break the section is left out, whoever gave it; reserved ones here are the server's own.
        if !matches!(header_allowed(name, ""), Err(super::BadHeader::Name)) {
            header.text(name, value);
        }
    }
    header.raw("MIME-Version", "1.0");

    let html_text = message.html.map(clean_text);
    let text = match (message.text, &html_text) {
        (Some(text), _) => clean_text(text),
        (None, Some(html)) => html::text(html),
        (None, None) => String::new(),
    };
    let text = text.trim_end_matches('\n').to_owned();

    let mut writer =
        Writer { out: &mut out, header: Some(header), content: Content::default(), id: message.message_id };
    let is_mixed = !mixed.is_empty();
    if is_mixed {
        writer.open("mixed", "mixed")?;
    }
    if let Some(html) = &html_text {
        writer.open("alternative", "alternative")?;
        writer.text("plain", &text)?;
        writer.next("alternative")?;
        let is_related = !related.is_empty();
        if is_related {
            writer.open("related", "related")?;
        }
        writer.text("html", html)?;
        for part in related {
            writer.next("related")?;
            writer.attachment(part)?;
        }
        if is_related {
            writer.close("related")?;
        }
        writer.close("alternative")?;
    } else {
        writer.text("plain", &text)?;
    }
    for part in mixed {
        writer.next("mixed")?;
        writer.attachment(part)?;
    }
    if is_mixed {
        writer.close("mixed")?;
    }
    if !is_mixed && html_text.is_none() {
        writer.out.write_all(b"\r\n")?;
    }
    let mut content = writer.content;
    out.flush()?;
    content.size = out.written;
    // The same limits as for what is read: bodies are kept whole in the bytes, and shown up to a size.
    let mut limit = |text: String| {
        let kept = super::content::head(&text, super::parse::MAX_TEXT);
        content.truncated |= kept.len() < text.len();
        kept.to_owned()
    };
    let (text, html) = (limit(text), html_text.map(&mut limit));
    content.text = Some(text);
    content.html = html;
    content.finish();
    Ok(content)
}

/// Writes the parts of one message.
struct Writer<'w, 'o> {
    out: &'w mut Output<'o>,
    /// The header section of the message, until its first part completes it.
    header: Option<Header>,
    content: Content,
    id: &'w str,
}

impl Writer<'_, '_> {
    /// Ends the header section of a part, or of the message itself.
    fn head(&mut self, header: Header, first: bool) -> io::Result<()> {
        let bytes = header.into_bytes();
        if first {
            self.content = fields(&Section::read(&bytes, 0, bytes.len()));
        }
        self.out.write_all(&bytes)?;
        self.out.write_all(b"\r\n")
    }

    /// The header section to go on with: the message's, or a new part's.
    fn header(&mut self) -> (Header, bool) {
        let first = self.header.is_some();
        (self.header.take().unwrap_or_default(), first)
    }

    fn open(&mut self, subtype: &str, level: &str) -> io::Result<()> {
        let boundary = boundary(self.id, level);
        let (mut header, first) = self.header();
        header.parameter("Content-Type", &format!("multipart/{subtype}"), "boundary", Some(&boundary));
        self.head(header, first)?;
        write!(self.out, "--{boundary}\r\n")
    }

    fn next(&mut self, level: &str) -> io::Result<()> {
        write!(self.out, "\r\n--{}\r\n", boundary(self.id, level))
    }

    fn close(&mut self, level: &str) -> io::Result<()> {
        write!(self.out, "\r\n--{}--\r\n", boundary(self.id, level))
    }

    fn text(&mut self, subtype: &str, text: &str) -> io::Result<()> {
        let (mut header, first) = self.header();
        header.raw("Content-Type", &format!("text/{subtype}; charset=utf-8"));
        let simple = text.split('\n').all(|line| {
            line.len() <= 76
                && !line.starts_with("--")
                && !line.starts_with("From ")
                && !line.starts_with('.')
                && !line.ends_with([' ', '\t'])
                && line.bytes().all(|b| b == b'\t' || matches!(b, b' '..=b'~'))
        });
        let ascii = text.bytes().filter(u8::is_ascii).count();
        if simple {
            header.raw("Content-Transfer-Encoding", "7bit");
            self.head(header, first)?;
            self.out.write_all(text.replace('\n', "\r\n").as_bytes())
        } else if ascii >= text.len() / 6 * 5 {
            header.raw("Content-Transfer-Encoding", "quoted-printable");
            self.head(header, first)?;
            self.out.write_all(&encode_quoted_printable(text))
        } else {
            header.raw("Content-Transfer-Encoding", "base64");
            self.head(header, first)?;
            encode_base64(text.replace('\n', "\r\n").as_bytes(), self.out).map(drop)
        }
    }

    fn attachment(&mut self, part: Part<'_>) -> io::Result<()> {
        let (mut header, first) = self.header();
        let (content_type, charset) = media_type(&part.content_type);
        let filename = part.filename.as_deref().and_then(file_name);
        let content_id = part.content_id.filter(|id| is_id(id));
        match charset {
            Some(charset) => header.raw("Content-Type", &format!("{content_type}; charset={charset}")),
            None => header.raw("Content-Type", &content_type),
        }
        header.raw("Content-Transfer-Encoding", "base64");
        header.parameter(
            "Content-Disposition",
            if part.inline { "inline" } else { "attachment" },
            "filename",
            filename.as_deref(),
        );
        header.ids("Content-ID", content_id.as_deref());
        self.head(header, first)?;
        let offset = self.out.written;
        let size = encode_base64(part.content, self.out)?;
        self.content.attachments.push(Attachment {
            filename,
            content_type,
            size,
            inline: part.inline,
            content_id,
            offset,
            length: self.out.written - offset,
            encoding: Encoding::Base64,
        });
        Ok(())
    }
}

/// The media type of an attachment as it may be written, and its character set.
fn media_type(given: &str) -> (String, Option<&str>) {
    let token = |t: &str| {
        !t.is_empty()
            && t.len() <= 60
            && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    let (essence, parameters) = given.split_once(';').unwrap_or((given, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let valid = essence.split_once('/').is_some_and(|(kind, subtype)| {
        token(kind) && token(subtype) && !matches!(kind, "multipart" | "message")
    });
    if !valid {
        return ("application/octet-stream".to_owned(), None);
    }
    let charset = parameters.split(';').find_map(|p| {
        let (name, value) = p.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("charset") && token(value)).then_some(value)
    });
    (essence, charset)
}
