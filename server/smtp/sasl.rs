//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN: an address of an account, and one of its API tokens; never its password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a client proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// An address.
    pub(super) name: String,
    /// A token.
    pub(super) secret: String,
}

/// A mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
}

/// Base64 as it is written here: no blanks, nothing left out.
fn text(line: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(line).ok()?).ok()
}

/// Reads the one message of PLAIN: whom to act for, who it is, and the secret.
pub(super) fn plain(line: &str) -> Option<Credentials> {
    let message = text(line)?;
    let mut parts = message.split('\0');
    let (act_for, name, secret) = (parts.next()?, parts.next()?, parts.next()?);
    // To act for somebody else is not on offer.
    let alone = act_for.is_empty() || act_for == name;
    let whole = alone && parts.next().is_none() && !name.is_empty() && !secret.is_empty();
    whole.then(|| Credentials { name: name.to_owned(), secret: secret.to_owned() })
}

/// Reads one answer of LOGIN.
pub(super) fn answer(line: &str) -> Option<String> {
    text(line).filter(|text| !text.is_empty() && !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<(String, String)> {
        plain(&STANDARD.encode(message)).map(|read| (read.name, read.secret))
    }

    #[test]
    fn plain_is_read_strictly() {
        let ana = Some(("ana@x.org".to_owned(), "rst_1".to_owned()));
        assert_eq!(read("\0ana@x.org\0rst_1"), ana);
        assert_eq!(read("ana@x.org\0ana@x.org\0rst_1"), ana);
        for wrong in ["", "\0", "\0a", "\0a\0", "\0\0b", "bo@x.org\0ana@x.org\0rst_1", "\0a\0b\0c"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert!(plain("====").is_none() && plain("AGE A").is_none() && plain("/w==").is_none());
        assert_eq!(answer(&STANDARD.encode("ana@x.org")).as_deref(), Some("ana@x.org"));
        assert_eq!(answer(&STANDARD.encode("a\0b")), None);
    }
}
