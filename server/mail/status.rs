//! Enhanced status codes (RFC 3463), such as `5.1.1`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An enhanced status code: `class.subject.detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Status {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// Which of the conditions of that subject.
    pub detail: u16,
}

/// A text that is not an enhanced status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3463 status code")]
pub struct BadStatus;

impl Status {
    /// The code of these three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Whether trying again makes no sense (class 5).
    #[must_use]
    pub fn is_permanent(self) -> bool {
        self.class == 5
    }
}

/// The enhanced code at the start of an SMTP reply's text, with or without the three-digit code before it (RFC 2034 §4).
#[must_use]
pub fn from_reply(text: &str) -> Option<Status> {
    let mut words = text.split([' ', '-', '\r', '\n']).filter(|w| !w.is_empty());
    let first = words.next()?;
    let is_code = first.len() == 3 && first.bytes().all(|b| b.is_ascii_digit());
    if is_code { words.next()? } else { first }.parse().ok()
}

impl FromStr for Status {
    type Err = BadStatus;

    fn from_str(text: &str) -> Result<Self, BadStatus> {
        let mut parts = text.split('.').map(|part| {
            let plain = !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
            if plain { part.parse::<u16>().map_err(|_| BadStatus) } else { Err(BadStatus) }
        });
        let mut next = || parts.next().unwrap_or(Err(BadStatus));
        let (class, subject, detail) = (next()?, next()?, next()?);
        match (class, parts.next()) {
            (2 | 4 | 5, None) => Ok(Self { class: class as u8, subject, detail }),
            _ => Err(BadStatus),
        }
    }
}

impl TryFrom<String> for Status {
    type Error = BadStatus;

    fn try_from(text: String) -> Result<Self, BadStatus> {
        text.parse()
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.to_string()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_written() {
        assert_eq!("5.1.1".parse(), Ok(Status::new(5, 1, 1)));
        assert_eq!(Status::new(4, 4, 7).to_string(), "4.4.7");
        assert_eq!("4.7.500".parse(), Ok(Status::new(4, 7, 500)));
        for bad in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.1000", "5..1", "5.1.-1", "5.1.+1", "x"] {
            assert_eq!(bad.parse::<Status>(), Err(BadStatus), "{bad}");
        }
        assert_eq!(serde_json::to_string(&Status::new(5, 7, 1)).unwrap(), "\"5.7.1\"");
        assert_eq!(serde_json::from_str::<Status>("\"5.7.1\"").unwrap(), Status::new(5, 7, 1));
    }

    #[test]
    fn replies_are_searched_only_where_the_code_stands() {
        assert_eq!(from_reply("550 5.1.1 no such user"), Some(Status::new(5, 1, 1)));
        assert_eq!(from_reply("550-5.1.1 no such\r\n550 5.1.1 user"), Some(Status::new(5, 1, 1)));
        assert_eq!(from_reply("5.2.2 mailbox full"), Some(Status::new(5, 2, 2)));
        assert_eq!(from_reply("550 host 5.1.1 is unknown"), None);
        assert_eq!(from_reply("250"), None);
        assert_eq!(from_reply(""), None);
    }
}
