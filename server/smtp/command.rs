//! Commands (RFC 5321 §4.1.1), read strictly: what could be understood in two ways is not understood.

use super::reply::Reply;
use super::sasl::Mechanism;
use crate::mail::address::Address;
use crate::mail::notify::{self, BadParameter};

/// The longest command line but for MAIL and RCPT, with its line end (RFC 5321 §4.5.3.1.4).
const MAX_LINE: usize = 512;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// HELO, EHLO or LHLO with the client's name.
    Hello {
        /// What the client calls itself.
        name: String,
        /// Which of them.
        hello: Hello,
    },
    /// MAIL.
    Mail(Mail),
    /// RCPT, and what is to be told about this recipient, if it says.
    Rcpt(Recipient, Option<notify::Recipient>),
    /// DATA.
    Data,
    /// BDAT (RFC 3030): so many octets follow.
    Bdat {
        /// Octets.
        size: u64,
        /// Whether they are the last ones of the message.
        last: bool,
    },
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth {
        /// The mechanism, if it is one of ours.
        mechanism: Option<Mechanism>,
        /// What the client says first.
        initial: Option<String>,
    },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
}

/// How a client greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello {
    /// HELO: no extensions.
    Plain,
    /// EHLO.
    Extended,
    /// LHLO (RFC 2033).
    Local,
}

/// The MAIL command and its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mail {
    /// The reverse-path; none is the null one.
    pub(super) from: Option<Address>,
    /// SIZE (RFC 1870): the octets the client means to send.
    pub(super) size: Option<u64>,
    /// SMTPUTF8 (RFC 6531).
    pub(super) utf8: bool,
    /// RET (RFC 3461): whether the whole message comes back when it fails.
    pub(super) full: Option<bool>,
    /// ENVID (RFC 3461): what the client calls this sending.
    pub(super) envelope_id: Option<String>,
    /// Whether there were parameters at all.
    pub(super) extended: bool,
}

/// The forward-path of RCPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recipient {
    /// An address.
    Address(Address),
    /// `<postmaster>` without a domain, which every server has (RFC 5321 §4.5.1).
    Postmaster,
}

fn syntax(text: &str) -> Reply {
    Reply::new(501, (5, 5, 4), text)
}

/// Reads a command line, without its CRLF.
///
/// # Errors
/// The reply that says what is wrong with it.
pub(super) fn parse(line: &[u8]) -> Result<Command, Reply> {
    let strange = |b: &u8| b.is_ascii_control() && *b != b'\t';
    let Some(line) = std::str::from_utf8(line).ok().filter(|line| !line.bytes().any(|b| strange(&b))) else {
        return Err(Reply::new(
            500,
            (5, 5, 2),
            "Control characters and broken UTF-8 are not allowed in a command",
        ));
    };
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let verb = verb.to_ascii_uppercase();
    let is_path = matches!(verb.as_str(), "MAIL" | "RCPT");
    if !is_path && line.len() + 2 > MAX_LINE {
        return Err(Reply::new(500, (5, 5, 2), "The command line is too long"));
    }
    if !is_path && !line.is_ascii() {
        return Err(Reply::new(500, (5, 5, 2), "Only ASCII is allowed in this command"));
    }
    let alone = |command| {
        if rest.trim().is_empty() { Ok(command) } else { Err(syntax("This command takes no argument")) }
    };
    match verb.as_str() {
        "HELO" | "EHLO" | "LHLO" => {
            let name = rest.trim();
            if name.is_empty() || name.len() > 255 || name.contains([' ', '\t']) {
                return Err(syntax("Say your name: EHLO host.example"));
            }
            let hello = match verb.as_str() {
                "HELO" => Hello::Plain,
                "EHLO" => Hello::Extended,
                _ => Hello::Local,
            };
            Ok(Command::Hello { name: name.to_owned(), hello })
        }
        "MAIL" => mail(rest).map(Command::Mail),
        "RCPT" => rcpt(rest).map(|(to, wanted)| Command::Rcpt(to, wanted)),
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Rset),
        "QUIT" => alone(Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "VRFY" if rest.trim().is_empty() => Err(syntax("VRFY needs an argument")),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        "BDAT" => bdat(rest),
        "STARTTLS" => alone(Command::StartTls),
        "AUTH" => auth(rest),
        // A browser that was talked into coming here is sent away.
        "GET" | "POST" | "PUT" | "HEAD" | "CONNECT" | "OPTIONS" | "HOST:" | "USER-AGENT:" => {
            Err(Reply::new(521, (5, 7, 0), "This is not a web server").and_close())
        }
        "EXPN" | "TURN" | "ETRN" => Err(Reply::new(502, (5, 5, 1), "Not offered here")),
        _ => Err(Reply::new(500, (5, 5, 1), "Unknown command")),
    }
}

/// Cuts `FROM:<path> parameters` into the path, without its brackets, and the parameters.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let rest = rest.trim_start_matches(' ');
    let given = rest.get(..keyword.len())?;
    if !given.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let path = rest[keyword.len()..].trim_start_matches(' ').strip_prefix('<')?;
    // The bracket that ends the path is the first one that is not within quotes.
    let (mut quoted, mut escaped) = (false, false);
    let end = path.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
        None
    })?;
    let parameters = &path[end + 1..];
    (parameters.is_empty() || parameters.starts_with(' ')).then(|| (&path[..end], parameters.trim()))
}

/// Without its size nobody knows where the next command begins: then the conversation ends.
fn bdat(rest: &str) -> Result<Command, Reply> {
    let (size, last) = rest.split_once(' ').map_or((rest, ""), |(size, last)| (size, last.trim()));
    let digits = !size.is_empty() && size.len() <= 19 && size.bytes().all(|b| b.is_ascii_digit());
    match (size.parse().ok().filter(|_| digits), last) {
        (Some(size), "") => Ok(Command::Bdat { size, last: false }),
        (Some(size), last) if last.eq_ignore_ascii_case("LAST") => Ok(Command::Bdat { size, last: true }),
        _ => Err(syntax("Write BDAT size, or BDAT size LAST").and_close()),
    }
}

fn auth(rest: &str) -> Result<Command, Reply> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let Some(mechanism) = words.next() else { return Err(syntax("AUTH needs a mechanism")) };
    let initial = words.next().map(str::to_owned);
    if words.next().is_some() {
        return Err(syntax("AUTH takes a mechanism and one answer"));
    }
    let mechanism = match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Some(Mechanism::Plain),
        "LOGIN" => Some(Mechanism::Login),
        _ => None,
    };
    Ok(Command::Auth { mechanism, initial })
}

fn mail(rest: &str) -> Result<Mail, Reply> {
    let (path, parameters) = path(rest, "FROM:").ok_or_else(|| syntax("Write MAIL FROM:<address>"))?;
    let mut mail = Mail { extended: !parameters.is_empty(), ..Mail::default() };
    let (mut body, mut auth) = (false, false);
    for parameter in parameters.split(' ').filter(|p| !p.is_empty()) {
        let (keyword, value) = parameter.split_once('=').map_or((parameter, None), |(k, v)| (k, Some(v)));
        match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) if mail.size.is_none() => {
                if value.is_empty() || value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(syntax("SIZE takes a number of octets"));
                }
                // Beyond 64 bits it is too large in any case.
                mail.size = Some(value.parse().unwrap_or(u64::MAX));
            }
            ("BODY", Some(value)) if !body => {
                if !value.eq_ignore_ascii_case("7BIT") && !value.eq_ignore_ascii_case("8BITMIME") {
                    return Err(syntax("BODY takes 7BIT or 8BITMIME"));
                }
                body = true;
            }
            ("SMTPUTF8", None) if !mail.utf8 => mail.utf8 = true,
            // Who sent it first, as somebody says (RFC 4954 §5): it counts for nothing here.
            ("AUTH", Some(value)) if !auth && !value.is_empty() => auth = true,
            ("RET", Some(value)) if mail.full.is_none() => {
                mail.full = Some(notify::full(value).map_err(malformed)?);
            }
            ("ENVID", Some(value)) if mail.envelope_id.is_none() => {
                mail.envelope_id = Some(notify::envelope_id(value).map_err(malformed)?);
            }
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH" | "RET" | "ENVID", _) => {
                return Err(syntax("A parameter is wrong or there twice"));
            }
            _ => return Err(Reply::new(555, (5, 5, 4), "A parameter is not known here")),
        }
    }
    if path.is_empty() {
        return Ok(mail);
    }
    let from: Address =
        path.parse().map_err(|_| Reply::new(501, (5, 1, 7), "The sender's address is not valid"))?;
    if !mail.utf8 && !path.is_ascii() {
        return Err(Reply::new(550, (5, 6, 7), "Such an address needs SMTPUTF8"));
    }
    mail.from = Some(from);
    Ok(mail)
}

fn malformed(_: BadParameter) -> Reply {
    syntax("A parameter about notifications (RFC 3461) is malformed")
}

fn rcpt(rest: &str) -> Result<(Recipient, Option<notify::Recipient>), Reply> {
    let (path, parameters) = path(rest, "TO:").ok_or_else(|| syntax("Write RCPT TO:<address>"))?;
    let (mut notify, mut original) = (None, None);
    for parameter in parameters.split(' ').filter(|p| !p.is_empty()) {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match keyword.to_ascii_uppercase().as_str() {
            "NOTIFY" if notify.is_none() => notify = Some(value.parse().map_err(malformed)?),
            "ORCPT" if original.is_none() => original = Some(notify::original(value).map_err(malformed)?),
            "NOTIFY" | "ORCPT" => return Err(syntax("A parameter is there twice")),
            _ => return Err(Reply::new(555, (5, 5, 4), "A parameter is not known here")),
        }
    }
    let wanted = (notify.is_some() || original.is_some())
        .then(|| notify::Recipient { notify: notify.unwrap_or_default(), original });
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok((Recipient::Postmaster, wanted));
    }
    let address =
        path.parse().map_err(|_| Reply::new(550, (5, 1, 3), "The recipient's address is not valid"))?;
    Ok((Recipient::Address(address), wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(line: &str) -> String {
        let mut out = Vec::new();
        match parse(line.as_bytes()) {
            Ok(command) => return format!("{command:?}"),
            Err(reply) => reply.write(&mut out),
        }
        String::from_utf8(out).unwrap()[..9].trim().to_owned()
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(code("ehlo x.org"), "Hello { name: \"x.org\", hello: Extended }");
        assert_eq!(code("HELO [192.0.2.1]"), "Hello { name: \"[192.0.2.1]\", hello: Plain }");
        assert_eq!(parse(b"MAIL FROM:<>"), Ok(Command::Mail(Mail::default())));
        let Ok(Command::Mail(mail)) = parse("mail from: <ö@x.org> SIZE=12 body=8bitmime smtputf8".as_bytes())
        else {
            panic!()
        };
        assert_eq!(
            (mail.from.unwrap().to_string().as_str(), mail.size, mail.utf8),
            ("ö@x.org", Some(12), true)
        );
        assert_eq!(parse(b"RCPT TO:<Postmaster>"), Ok(Command::Rcpt(Recipient::Postmaster, None)));
        let address = "\"a>b\"@x.org".parse().unwrap();
        assert_eq!(parse(b"RCPT TO:<\"a>b\"@x.org>"), Ok(Command::Rcpt(Recipient::Address(address), None)));
        let Ok(Command::Rcpt(_, Some(wanted))) =
            parse(b"RCPT TO:<b@x.org> notify=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@y.org")
        else {
            panic!()
        };
        assert_eq!(
            (wanted.notify.to_string().as_str(), wanted.original.as_deref()),
            ("SUCCESS,DELAY", Some("rfc822;b+c@y.org"))
        );
        let Ok(Command::Mail(mail)) = parse(b"MAIL FROM:<a@x.org> RET=HDRS ENVID=e+2B1") else { panic!() };
        assert_eq!((mail.full, mail.envelope_id.as_deref()), (Some(false), Some("e+1")));
        assert_eq!(code("NOOP anything"), "Noop");
        assert_eq!(code("QUIT "), "Quit");
        assert_eq!(parse(b"bdat 0 last"), Ok(Command::Bdat { size: 0, last: true }));
        assert_eq!(parse(b"BDAT 70"), Ok(Command::Bdat { size: 70, last: false }));
        let initial = Some("AAAA".to_owned());
        assert_eq!(
            parse(b"auth plain AAAA"),
            Ok(Command::Auth { mechanism: Some(Mechanism::Plain), initial })
        );
        assert_eq!(parse(b"AUTH GSSAPI"), Ok(Command::Auth { mechanism: None, initial: None }));
    }

    #[test]
    fn everything_else_is_refused() {
        for (line, expected) in [
            ("", "500 5.5.1"),
            ("EHLO", "501 5.5.4"),
            ("EHLO a b", "501 5.5.4"),
            ("DATA now", "501 5.5.4"),
            ("BDAT", "501 5.5.4"),
            ("BDAT -1", "501 5.5.4"),
            ("BDAT 5 FIRST", "501 5.5.4"),
            ("BDAT 99999999999999999999 LAST", "501 5.5.4"),
            ("XCLIENT ADDR=127.0.0.1", "500 5.5.1"),
            ("XFORWARD NAME=x", "500 5.5.1"),
            ("STARTTLS now", "501 5.5.4"),
            ("AUTH", "501 5.5.4"),
            ("AUTH PLAIN AAAA BBBB", "501 5.5.4"),
            ("EXPN x", "502 5.5.1"),
            ("MAIL FROM:a@x.org", "501 5.5.4"),
            ("MAIL FROM:<a@x.org", "501 5.5.4"),
            ("MAIL FROM:<a@x.org>SIZE=1", "501 5.5.4"),
            ("MAIL TO:<a@x.org>", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> <b@x.org>", "555 5.5.4"),
            ("MAIL FROM:<a@x.org,b@x.org>", "501 5.1.7"),
            ("MAIL FROM:<a\rb@x.org>", "500 5.5.2"),
            ("MAIL FROM:<a\nb@x.org>", "500 5.5.2"),
            ("MAIL FROM:<a\0b@x.org>", "500 5.5.2"),
            ("MAIL FROM:<ö@x.org>", "550 5.6.7"),
            ("MAIL FROM:<a@x.org> SIZE=-1", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> SIZE=1 SIZE=2", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> SIZE", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> BODY=BINARYMIME", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> AUTH=<> AUTH=<>", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> RET=ALL", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> RET", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> ENVID=a+0D+0Ab", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> ENVID=a ENVID=b", "501 5.5.4"),
            ("MAIL FROM:<a@x.org> MT-PRIORITY=3", "555 5.5.4"),
            ("RCPT TO:<>", "550 5.1.3"),
            ("RCPT TO:<@local.test:user@x.org>", "550 5.1.3"),
            ("RCPT TO:<user@x@y.org>", "550 5.1.3"),
            ("RCPT TO:<user@[127.0.0.1]>", "550 5.1.3"),
            ("RCPT TO:<user@x.org.>", "550 5.1.3"),
            ("RCPT TO:<user@x.org> NOTIFY=NEVER,DELAY", "501 5.5.4"),
            ("RCPT TO:<user@x.org> NOTIFY", "501 5.5.4"),
            ("RCPT TO:<user@x.org> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4"),
            ("RCPT TO:<user@x.org> ORCPT=user@x.org", "501 5.5.4"),
            ("RCPT TO:<user@x.org> RRVS=x", "555 5.5.4"),
            ("GET / HTTP/1.1", "521 5.7.0"),
        ] {
            assert_eq!(code(line), expected, "{line:?}");
        }
        assert_eq!(code(&format!("NOOP {}", "x".repeat(506))), "500 5.5.2");
        assert_eq!(code(&format!("NOOP {}", "x".repeat(505))), "Noop");
        assert!(parse(b"MAIL FROM:<\xff@x.org> SMTPUTF8").unwrap_err().is_error());
        let Ok(Command::Mail(mail)) = parse(b"MAIL FROM:<a@x.org> SIZE=18446744073709551616") else {
            panic!()
        };
        assert_eq!(mail.size, Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in prop::collection::vec(any::<u8>(), 0..80), text in "(MAIL FROM:|RCPT TO:|EHLO )[<>@\"\\\\ a-z.=ö]{0,40}") {
            let _ = parse(&line);
            if let Ok(Command::Rcpt(Recipient::Address(address), _)) = parse(text.as_bytes()) {
                prop_assert!(text.contains('<') && !address.as_str().contains(['\r', '\n']));
            }
        }
    }
}
