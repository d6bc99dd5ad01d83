//! What the sender of a message wants to be told about its delivery (RFC 3461): the parameters that MAIL and RCPT take.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::Address;

/// The longest ENVID and ORCPT, as they are written (RFC 3461 §4.4, §4.2).
const ENVID: usize = 100;
const ORCPT: usize = 500;

/// NOTIFY (RFC 3461 §4.1): when a report is wanted; none of them is `NEVER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Once it was delivered, or handed to somebody who tells nothing.
    pub success: bool,
    /// When it has failed.
    pub failure: bool,
    /// When it takes long.
    pub delay: bool,
}

impl Default for Notify {
    /// What is told where nobody says what they want.
    fn default() -> Self {
        Self { success: false, failure: true, delay: true }
    }
}

/// A parameter that does not have the form RFC 3461 gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a DSN parameter is malformed")]
pub struct BadParameter;

impl FromStr for Notify {
    type Err = BadParameter;

    fn from_str(text: &str) -> Result<Self, BadParameter> {
        let mut notify = Self { success: false, failure: false, delay: false };
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(notify);
        }
        for word in text.split(',') {
            let which = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut notify.success,
                "FAILURE" => &mut notify.failure,
                "DELAY" => &mut notify.delay,
                _ => return Err(BadParameter),
            };
            *which = true;
        }
        Ok(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let words: Vec<&str> = words.iter().filter(|(wanted, _)| *wanted).map(|(_, word)| *word).collect();
        if words.is_empty() { f.write_str("NEVER") } else { f.write_str(&words.join(",")) }
    }
}

/// What is wanted for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recipient {
    /// When a report is wanted.
    pub notify: Notify,
    /// ORCPT (RFC 3461 §4.2): whom the first sender meant, as `type;address`, decoded.
    pub original: Option<String>,
}

/// What is wanted for one message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// RET (RFC 3461 §4.3): whether a report of failure returns the whole message; none: nothing was said.
    pub full: Option<bool>,
    /// ENVID (RFC 3461 §4.4): what the sender calls this sending, decoded.
    pub envelope_id: Option<String>,
    /// By address, in the form that addresses are compared in; who is not here is told as usual.
    pub recipients: BTreeMap<String, Recipient>,
}

impl Wanted {
    /// What is wanted for this recipient.
    #[must_use]
    pub fn of(&self, address: &Address) -> Recipient {
        self.recipients.get(&address.key()).cloned().unwrap_or_default()
    }

    /// As it is kept; none where nothing out of the ordinary is wanted.
    #[must_use]
    pub fn kept(&self) -> Option<String> {
        (*self != Self::default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// From what is kept; what cannot be read wants nothing out of the ordinary.
    #[must_use]
    pub fn read(kept: Option<&str>) -> Self {
        kept.and_then(|kept| serde_json::from_str(kept).ok()).unwrap_or_default()
    }
}

/// Reads RET: whether the whole message is to come back.
///
/// # Errors
/// [`BadParameter`].
pub fn full(text: &str) -> Result<bool, BadParameter> {
    match text.to_ascii_uppercase().as_str() {
        "FULL" => Ok(true),
        "HDRS" => Ok(false),
        _ => Err(BadParameter),
    }
}

/// Reads ENVID.
///
/// # Errors
/// [`BadParameter`].
pub fn envelope_id(text: &str) -> Result<String, BadParameter> {
    if text.is_empty() || text.len() > ENVID {
        return Err(BadParameter);
    }
    xtext(text)
}

/// Reads ORCPT, into `type;address`.
///
/// # Errors
/// [`BadParameter`].
pub fn original(text: &str) -> Result<String, BadParameter> {
    let (kind, address) = text.split_once(';').ok_or(BadParameter)?;
    let named = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.len() > ORCPT || kind.is_empty() || address.is_empty() || !kind.chars().all(named) {
        return Err(BadParameter);
    }
    Ok(format!("{kind};{}", xtext(address)?))
}

/// Decodes xtext (RFC 3461 §4): `+` and two hexadecimal digits stand for one octet; only printable ASCII may.
fn xtext(text: &str) -> Result<String, BadParameter> {
    let mut octets = text.bytes();
    let mut decoded = String::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'+' => {
                let mut digit = || match octets.next() {
                    Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
                    Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
                    _ => Err(BadParameter),
                };
                digit()? * 16 + digit()?
            }
            b'=' => return Err(BadParameter),
            other => other,
        };
        if !(b' '..=b'~').contains(&octet) {
            return Err(BadParameter);
        }
        decoded.push(char::from(octet));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_the_standard_has_them() {
        for (text, shown) in [
            ("NEVER", "NEVER"),
            ("never", "NEVER"),
            ("delay,Failure", "FAILURE,DELAY"),
            ("SUCCESS", "SUCCESS"),
            ("SUCCESS,FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"),
        ] {
            assert_eq!(text.parse::<Notify>().unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", "NEVER,FAILURE", "FAILURE,", "FAIL", "SUCCESS FAILURE"] {
            assert_eq!(bad.parse::<Notify>(), Err(BadParameter), "{bad:?}");
        }
        assert_eq!(Notify::default().to_string(), "FAILURE,DELAY");
        assert_eq!((full("full"), full("HDRS"), full("ALL")), (Ok(true), Ok(false), Err(BadParameter)));
        assert_eq!(original("rfc822;ana+2Btag@x.org").as_deref(), Ok("rfc822;ana+tag@x.org"));
        assert_eq!(envelope_id("QQ+3D314159+20x").as_deref(), Ok("QQ=314159 x"));
        let long = "x".repeat(101);
        for bad in ["", "a+2", "a+zz", "a+0D+0Ab", "a=b", "a+E4", &long] {
            assert_eq!(envelope_id(bad), Err(BadParameter), "{bad:?}");
        }
        let long = format!("rfc822;{}", "x".repeat(494));
        for bad in ["", "ana@x.org", ";x", "rfc822;", "rf c;x", "rfc822;a+0A", &long] {
            assert_eq!(original(bad), Err(BadParameter), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let never = Recipient { notify: "NEVER".parse().unwrap(), original: Some("rfc822;b@x.org".into()) };
        let wanted = Wanted {
            full: Some(true),
            envelope_id: Some("e".into()),
            recipients: [("a@x.org".to_owned(), never.clone())].into(),
        };
        assert_eq!(Wanted::read(wanted.kept().as_deref()), wanted);
        assert_eq!(wanted.of(&"A@x.org".parse().unwrap()), never);
        assert_eq!(wanted.of(&"b@x.org".parse().unwrap()), Recipient::default());
        assert_eq!(Wanted::default().kept(), None);
        assert_eq!(Wanted::read(Some("{")), Wanted::default());
    }
}
