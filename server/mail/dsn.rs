//! Delivery status notifications (RFC 3464): how a sender is told.

use std::io::{self, Write};

use super::address::{Named, is_hidden};
use super::message::{self, Content, Header, quoted_printable};
use super::status::Status;
use super::{clock, id, thread};

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
    /// The header section of that message, or the whole of it.
    pub original_bytes: &'a [u8],
    /// Whether it is the whole of it (RFC 3461 §4.3).
    pub full: bool,
    /// What its sender called this sending (RFC 3461 §4.4).
    pub envelope_id: Option<&'a str>,
    /// Whom its first sender meant, as `type;address` (RFC 3461 §4.2).
    pub original_recipient: Option<&'a str>,
    /// Whom it did not reach.
    pub recipient: &'a str,
    /// `failed`, `delayed`, `delivered` or `relayed`.
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

/// How far into a report is looked for what it says, in octets.
const READ: u64 = 256 << 10;

/// Whether a report (RFC 3464 §2.3.3) says that a mail has failed for good; one that says nothing of the kind (it is
/// only delayed, or was relayed) does not.
///
/// # Errors
/// The reader's.
pub fn has_failed(report: impl io::Read) -> io::Result<bool> {
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(report, READ), &mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut action = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("action").then(|| value.trim().to_ascii_lowercase())
    });
    Ok(action.any(|action| action.starts_with("failed")))
}

/// The most octets of the original's header section that are returned.
const MAX_HEADERS: usize = 64 << 10;

/// Text for a field that takes no encoded words: ASCII, its blanks collapsed, within a length.
fn ascii(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let words =
        words.map(|w| w.chars().take(200).map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>());
    words.take(200).collect::<Vec<_>>().join(" ").replace("=?", "= ?")
}

/// A recipient with the type of its address (RFC 3464 §2.3.2, RFC 6533 §3).
fn recipient(address: &str) -> String {
    let address: String = address.chars().filter(|c| !is_hidden(*c) && !c.is_whitespace()).collect();
    format!("{}; {address}", if address.is_ascii() { "rfc822" } else { "utf-8" })
}

/// Writes the notification, and tells what [`super::message::parse`] would find in it.
///
/// It is `multipart/report` of three parts: an explanation, the facts for programs, and the original's header section.
///
/// # Errors
/// Those of the writer.
pub fn compose(report: &Report<'_>, out: &mut dyn Write) -> io::Result<Content> {
    let boundary = format!("=_{}", id::hex(&id::digest(&[b"report", report.message_id.as_bytes()])[..15]));
    let date = |ms: i64| clock::at(ms).to_rfc2822();
    let original = report.original;
    let mut raw = Vec::new();

    let mut header = Header::default();
    header.raw("Date", &date(report.date_ms));
    header.addresses("From", std::slice::from_ref(&report.from));
    header.addresses("To", std::slice::from_ref(&report.to));
    let what = match report.action {
        "delayed" => "Delayed",
        "delivered" => "Delivered",
        "relayed" => "Handed on",
        _ => "Not delivered",
    };
    header.text("Subject", &format!("{what}: {}", original.subject));
    header.ids("Message-ID", [report.message_id]);
    header.ids("In-Reply-To", original.message_id.as_deref());
    let references = thread::references(
        original.message_id.as_deref(),
        original.in_reply_to.as_deref(),
        &original.references,
    );
    header.ids("References", references.iter().map(String::as_str));
    header.raw("Auto-Submitted", "auto-replied");
    header.raw("MIME-Version", "1.0");
    header.parameter(
        "Content-Type",
        "multipart/report; report-type=delivery-status",
        "boundary",
        Some(&boundary),
    );
    raw.extend(header.into_bytes());

    let mut part = |header: Header, body: &[u8]| {
        raw.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        raw.extend(header.into_bytes());
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(body);
    };
    let mut human = Header::default();
    human.raw("Content-Type", "text/plain; charset=utf-8");
    human.raw("Content-Transfer-Encoding", "quoted-printable");
    part(human, &quoted_printable(report.human));

    let mut facts = Header::default();
    if let Some(id) = report.envelope_id {
        facts.raw("Original-Envelope-Id", &ascii(id));
    }
    facts.raw("Reporting-MTA", &ascii(&format!("dns; {}", report.reporting_mta)));
    facts.raw("Arrival-Date", &date(report.arrival_ms));
    let mut facts = facts.into_bytes();
    facts.extend_from_slice(b"\r\n");
    let mut about = Header::default();
    if let Some(original) = report.original_recipient {
        about.raw("Original-Recipient", &ascii(original));
    }
    about.raw("Final-Recipient", &recipient(report.recipient));
    about.raw("Action", &ascii(report.action));
    about.raw("Status", &report.status.to_string());
    if let Some(remote) = report.remote {
        about.text("Remote-MTA", &ascii(&format!("dns; {remote}")));
    }
    if let Some(diagnostic) = report.diagnostic {
        about.text("Diagnostic-Code", &ascii(&format!("smtp; {diagnostic}")));
    }
    about.raw("Last-Attempt-Date", &date(report.last_attempt_ms));
    if let Some(until) = report.will_retry_until_ms {
        about.raw("Will-Retry-Until", &date(until));
    }
    facts.extend(about.into_bytes());
    let mut kind = Header::default();
    let global = !report.recipient.is_ascii();
    kind.raw(
        "Content-Type",
        if global { "message/global-delivery-status" } else { "message/delivery-status" },
    );
    if global {
        kind.raw("Content-Transfer-Encoding", "8bit");
    }
    part(kind, &facts);

    let mut kind = Header::default();
    kind.raw(
        "Content-Type",
        if report.full { "message/rfc822" } else { "text/rfc822-headers; charset=utf-8" },
    );
    kind.raw("Content-Transfer-Encoding", "8bit");
    if report.full {
        part(kind, &message::canonical(report.original_bytes));
    } else {
        part(kind, &message::header_section(report.original_bytes, MAX_HEADERS));
    }
    raw.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());

    out.write_all(&raw)?;
    out.flush()?;
    message::parse(&raw).map_err(io::Error::other)
}

/// What a report says about one recipient (RFC 3464 §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The address as the sender knew it.
    pub recipient: String,
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`; lower-case.
    pub action: String,
    /// Why, as a code.
    pub status: Status,
    /// The server that answered the one that reports.
    pub remote: Option<String>,
    /// What it answered, without its type.
    pub diagnostic: Option<String>,
}

/// Recipients of one report that are read.
const MAX_FACTS: usize = 100;

impl Fact {
    /// Whether the delivery has failed for good.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.action == "failed"
    }

    /// The SMTP reply code that the diagnostic begins with.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        let code = self.diagnostic.as_deref()?.get(..3)?;
        code.parse().ok().filter(|code| (200..600).contains(code))
    }
}

/// Reads the facts of a `message/delivery-status` part; what has neither an action nor a status is left out.
#[must_use]
pub fn read(part: &[u8]) -> Vec<Fact> {
    let text = String::from_utf8_lossy(part).replace("\r\n", "\n");
    let mut facts = Vec::new();
    for group in text.split("\n\n").filter(|group| !group.trim().is_empty()).take(MAX_FACTS + 1) {
        let unfolded = group.replace("\n ", " ").replace("\n\t", " ");
        let field = |name: &str| {
            unfolded.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        // `type; value`
        let typed = |name: &str| {
            field(name).map(|value| value.split_once(';').map_or(value.clone(), |(_, v)| v.trim().to_owned()))
        };
        let Some(recipient) = typed("Original-Recipient").or_else(|| typed("Final-Recipient")) else {
            continue;
        };
        let (Some(action), Some(status)) = (field("Action"), field("Status")) else { continue };
        // A comment may follow the code.
        let Some(Ok(status)) = status.split_whitespace().next().map(str::parse) else { continue };
        facts.push(Fact {
            recipient: recipient.trim_matches(['<', '>']).to_owned(),
            action: action.split_whitespace().next().unwrap_or_default().to_ascii_lowercase(),
            status,
            remote: typed("Remote-MTA"),
            diagnostic: typed("Diagnostic-Code"),
        });
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::message::parse;

    fn original() -> Content {
        Content {
            message_id: Some("o@x.org".into()),
            references: vec!["r@x.org".into()],
            subject: "Grüße".into(),
            ..Content::default()
        }
    }

    fn report<'a>(original: &'a Content, recipient: &'a str) -> Report<'a> {
        Report {
            reporting_mta: "mx.x.org",
            from: "Mail delivery <postmaster@x.org>".parse().unwrap(),
            to: "ana@x.org".parse().unwrap(),
            date_ms: 1_795_424_400_000,
            message_id: "d@x.org",
            original,
            full: false,
            envelope_id: None,
            original_recipient: None,
            original_bytes: b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nX: a\n\tb\n\nbody",
            recipient,
            action: "failed",
            status: Status::new(5, 1, 1),
            remote: Some("mx.y.org (192.0.2.1)"),
            diagnostic: Some("550-5.1.1 no such\r\n550 5.1.1 user \u{fc}"),
            arrival_ms: 1_795_424_400_000,
            last_attempt_ms: 1_795_424_400_000,
            will_retry_until_ms: None,
            human: "It could not be delivered to bo@y.org.\nThe server said: no.",
        }
    }

    #[test]
    fn a_report_tells_persons_and_programs() {
        let original = original();
        let mut raw = Vec::new();
        let content = compose(&report(&original, "bo@y.org"), &mut raw).unwrap();
        assert_eq!(content, parse(&raw).unwrap());
        assert!(content.report && content.automatic);
        assert_eq!(content.subject, "Not delivered: Grüße");
        assert_eq!(content.in_reply_to.as_deref(), Some("o@x.org"));
        assert_eq!(content.references, ["r@x.org", "o@x.org"]);
        assert_eq!(
            content.text.as_deref(),
            Some("It could not be delivered to bo@y.org.\nThe server said: no.")
        );
        let part = |n: usize| {
            let a = &content.attachments[n];
            (
                a.content_type.as_str(),
                std::str::from_utf8(&raw[a.offset as usize..][..a.length as usize]).unwrap(),
            )
        };
        assert_eq!(
            part(0),
            (
                "message/delivery-status",
                "Reporting-MTA: dns; mx.x.org\r\nArrival-Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n\
                 Final-Recipient: rfc822; bo@y.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\
                 Remote-MTA: dns; mx.y.org (192.0.2.1)\r\n\
                 Diagnostic-Code: smtp; 550-5.1.1 no such 550 5.1.1 user ?\r\n\
                 Last-Attempt-Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
            )
        );
        assert_eq!(
            part(1),
            ("text/rfc822-headers", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX: a\r\n\tb\r\n")
        );
    }

    #[test]
    fn what_is_written_is_read_and_so_is_what_others_write() {
        let original = original();
        let mut raw = Vec::new();
        let content = compose(&report(&original, "bo@y.org"), &mut raw).unwrap();
        let part = &content.attachments[0];
        let facts = read(&raw[part.offset as usize..][..part.length as usize]);
        assert_eq!(facts.len(), 1);
        assert_eq!((facts[0].recipient.as_str(), facts[0].status), ("bo@y.org", Status::new(5, 1, 1)));
        assert!(facts[0].is_failure());
        assert_eq!((facts[0].code(), facts[0].remote.as_deref()), (Some(550), Some("mx.y.org (192.0.2.1)")));

        let two = b"Reporting-MTA: dns; a\n\nFinal-Recipient: RFC822; <C@y.org>\nACTION: Delayed (again)\nStatus: 4.2.2 (full)\n\n\
                    Original-recipient: rfc822;d@y.org\nFinal-Recipient: rfc822; x@z.org\nAction: failed\nStatus: 5.0.0\n\
                    Diagnostic-Code: X-Postfix; host said:\n    no\n";
        let facts = read(two);
        assert_eq!(facts.len(), 2);
        assert_eq!((facts[0].recipient.as_str(), facts[0].action.as_str()), ("C@y.org", "delayed"));
        assert_eq!((facts[1].recipient.as_str(), facts[1].code()), ("d@y.org", None));
        assert_eq!(facts[1].diagnostic.as_deref(), Some("host said:    no"));
        for nothing in [
            &b""[..],
            b"\n\n\n",
            b"Final-Recipient: rfc822; a@b",
            b"\xff\xfe:",
            b"Action: failed\nStatus: x\n",
        ] {
            assert!(read(nothing).is_empty());
        }
        assert!(
            read("Final-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.0.0\n\n".repeat(10_000).as_bytes())
                .len()
                <= 101
        );
    }

    #[test]
    fn what_was_asked_for_stands_in_it() {
        let original = original();
        let whole = b"Subject: x\r\n\r\nthe body\r\n";
        let asked = Report {
            original_bytes: whole,
            full: true,
            envelope_id: Some("QQ=31 4"),
            original_recipient: Some("rfc822;b+c@y.org"),
            ..report(&original, "bo@y.org")
        };
        let mut raw = Vec::new();
        let content = compose(&asked, &mut raw).unwrap();
        let text = String::from_utf8(raw.clone()).unwrap();
        assert!(
            text.contains("\r\nOriginal-Envelope-Id: QQ=31 4\r\nReporting-MTA: dns; mx.x.org\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nOriginal-Recipient: rfc822;b+c@y.org\r\nFinal-Recipient:"), "{text}");
        let back = content.attachments.last().unwrap();
        assert_eq!(back.content_type, "message/rfc822");
        let octets = &raw[back.offset as usize..][..back.length as usize];
        assert_eq!(octets, whole, "all of it");
    }

    #[test]
    fn hostile_originals_break_nothing() {
        let original =
            Content { subject: "a\r\nBcc: x@y.org".into(), message_id: Some("a b>".into()), ..original() };
        let mut hostile = report(&original, "b\u{f6}@y.org\r\nX: y");
        hostile.original_bytes = b"--=_x: y\r\n--=_x--\r\nA: b\r\n";
        hostile.will_retry_until_ms = Some(0);
        let mut raw = Vec::new();
        let content = compose(&hostile, &mut raw).unwrap();
        let text = String::from_utf8(raw).unwrap();
        assert!(!text.contains("\r\nBcc") && !text.contains("\r\nX: y"), "{text}");
        assert!(text.contains("Final-Recipient: utf-8; bö@y.orgX:y"));
        assert_eq!(content.attachments.len(), 2);
        assert_eq!(content.in_reply_to, None);
    }
}
