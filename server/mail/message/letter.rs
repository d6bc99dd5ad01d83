//! What a submission server does to a message that a mail program made (RFC 6409 §8): what must be in it is added, what
//! must not leave is taken out, and what could be read in two ways is refused.

use super::Mailbox;
use super::field::Section;

/// Fields that a message has at most once (RFC 5322 §3.6).
const ONCE: [&str; 9] =
    ["from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject"];
/// Fields that are taken out: who gets it in secret, and what the last hop writes.
const OUT: [&str; 3] = ["bcc", "resent-bcc", "return-path"];

/// Why a message cannot be submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLetter {
    /// From is not there, or does not name exactly one author.
    #[error("a message needs one From with one address")]
    From,
    /// Sender names none or several.
    #[error("Sender names one address")]
    Sender,
    /// A field that may be there once is there twice.
    #[error("a header field that may be there once is there twice")]
    Twice,
    /// The header section is too large.
    #[error("the header section is too large")]
    Large,
}

/// A message that can leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Its octets.
    pub bytes: Vec<u8>,
    /// How many more they are than those of the mail program, at most.
    pub added: u64,
    /// Its author.
    pub from: Mailbox,
    /// Who sent it for the author.
    pub sender: Option<Mailbox>,
}

/// Completes a message: `trace` before it, `message_id` (without <>) and `date` where it has none.
///
/// # Errors
/// [`BadLetter`].
pub fn completed(raw: &[u8], trace: &str, message_id: &str, date: &str) -> Result<Completed, BadLetter> {
    let section = Section::read(raw, 0, raw.len());
    if section.truncated {
        return Err(BadLetter::Large);
    }
    let count = |name: &str| section.fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).count();
    if ONCE.iter().any(|name| count(name) > 1) || count("date") > 1 {
        return Err(BadLetter::Twice);
    }
    let one = |name: &str, bad: BadLetter| match section.first(name) {
        None => Ok(None),
        Some(field) => match <[Mailbox; 1]>::try_from(field.addresses()) {
            Ok([mailbox]) if !mailbox.address.is_empty() => Ok(Some(mailbox)),
            _ => Err(bad),
        },
    };
    let from = one("from", BadLetter::From)?.ok_or(BadLetter::From)?;
    let sender = one("sender", BadLetter::Sender)?;
    let mut bytes = trace.as_bytes().to_vec();
    if section.first("message-id").is_none_or(|field| field.ids().is_empty()) {
        bytes.extend_from_slice(format!("Message-ID: <{message_id}>\r\n").as_bytes());
    }
    if count("date") == 0 {
        bytes.extend_from_slice(format!("Date: {date}\r\n").as_bytes());
    }
    let added = bytes.len() as u64 + 2;
    for field in &section.fields {
        let empty_id = field.name.eq_ignore_ascii_case("message-id") && field.ids().is_empty();
        if !empty_id && !OUT.iter().any(|out| field.name.eq_ignore_ascii_case(out)) {
            bytes.extend_from_slice(field.name.as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(field.value);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(raw.get(section.body..).unwrap_or_default());
    Ok(Completed { bytes, added, from, sender })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(raw: &str) -> Result<String, BadLetter> {
        completed(raw.as_bytes(), "Received: x\r\n", "made@up", "today")
            .map(|done| String::from_utf8(done.bytes).unwrap())
    }

    #[test]
    fn what_is_missing_is_added_and_secrets_go() {
        assert_eq!(
            complete("From: a@x.org\r\nBCC: c@x.org,\r\n d@x.org\r\nSubject: a\r\n b\r\nReturn-Path: <e@x>\r\n\r\nbody\r\n"),
            Ok("Received: x\r\nMessage-ID: <made@up>\r\nDate: today\r\nFrom: a@x.org\r\nSubject: a\r\n b\r\n\r\nbody\r\n".into())
        );
        let whole = "Message-Id: <1@x.org>\r\nDate: Mon\r\nFrom: A <a@x.org>\r\n\r\nbody";
        assert_eq!(complete(whole), Ok(format!("Received: x\r\n{whole}")));
        let header_alone = "From: a@x.org\r\nDate: Mon\r\nMessage-ID: <>\r\n";
        assert!(complete(header_alone).unwrap().ends_with("From: a@x.org\r\nDate: Mon\r\n\r\n"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (raw, why) in [
            ("Subject: x\r\n\r\n", BadLetter::From),
            ("From: a@x.org\r\nFrom: b@x.org\r\n\r\n", BadLetter::Twice),
            ("From: a@x.org, b@x.org\r\n\r\n", BadLetter::From),
            ("From: \r\n\r\n", BadLetter::From),
            ("From: a@x.org\r\nSender: a@x.org, b@x.org\r\n\r\n", BadLetter::Sender),
            ("From: a@x.org\r\nTo: b@x.org\r\nTo: c@x.org\r\n\r\n", BadLetter::Twice),
        ] {
            assert_eq!(complete(raw), Err(why), "{raw}");
        }
        let many = format!("From: a@x.org\r\n{}\r\n", "X: y\r\n".repeat(2000));
        assert_eq!(complete(&many), Err(BadLetter::Large));
    }
}
