//! Where mail for the outside goes next, and how: the setting `relay.url` (RFC 5321 §2.1 calls it a relay).

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use url::Url;

/// Whether the way to the next hop is encrypted (RFC 3207, RFC 8314).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tls {
    /// Never.
    None,
    /// If the next hop offers it; its certificate is not checked, because without it nothing would be.
    Opportunistic,
    /// STARTTLS, or nothing is sent; whose certificate it is is not checked.
    Encrypted,
    /// STARTTLS with a valid certificate, or nothing is sent.
    Required,
    /// TLS from the first octet, with a valid certificate.
    Implicit,
}

/// The relay that takes mail for the outside.
#[derive(Clone, PartialEq, Eq)]
pub struct NextHop {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where it is, if that is not to be looked up.
    pub address: Option<SocketAddr>,
    /// User and password, for AUTH (RFC 4954).
    pub credentials: Option<(String, String)>,
    /// How the way there is encrypted.
    pub tls: Tls,
}

impl fmt::Debug for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextHop")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why `relay.url` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNextHop {
    /// Not of the known forms.
    #[error(
        "relay.url must be smtp://[user:password@]host[:port][?tls=none|opportunistic|required], smtps://…, mx, mx?tls=required or capture"
    )]
    Form,
    /// A password would travel in clear.
    #[error("relay.url: a password needs tls=required or smtps://; say tls=none if it may travel in clear")]
    Clear,
}

impl FromStr for NextHop {
    type Err = BadNextHop;

    fn from_str(text: &str) -> Result<Self, BadNextHop> {
        let url = Url::parse(text).map_err(|_| BadNextHop::Form)?;
        let implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(BadNextHop::Form),
        };
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or(BadNextHop::Form)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(BadNextHop::Form);
        }
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, decoded(password)?)),
            _ => return Err(BadNextHop::Form),
        };
        let mut asked = None;
        for (name, value) in url.query_pairs() {
            asked = Some(match (&*name, &*value) {
                ("tls", "none") if !implicit => Tls::None,
                ("tls", "opportunistic") if !implicit => Tls::Opportunistic,
                ("tls", "required") if !implicit => Tls::Required,
                ("tls", "required") => Tls::Implicit,
                _ => return Err(BadNextHop::Form),
            });
        }
        let tls = asked.unwrap_or(match (&credentials, implicit) {
            (_, true) => Tls::Implicit,
            (Some(_), false) => Tls::Required,
            (None, false) => Tls::Opportunistic,
        });
        if credentials.is_some() && tls == Tls::Opportunistic {
            return Err(BadNextHop::Clear);
        }
        let port = url.port().unwrap_or(if implicit { 465 } else { 25 });
        // An IPv6 address stands in brackets in a URL, and without them everywhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, address: None, credentials, tls })
    }
}

/// How mail leaves: what `relay.url` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Everything to one next hop.
    Hop(NextHop),
    /// To each domain's own mail hosts (RFC 5321 §5.1), encrypted in this way.
    Mx(Tls),
    /// Not at all: it is kept in an account here, to be looked at.
    Capture,
}

impl From<NextHop> for Way {
    fn from(hop: NextHop) -> Self {
        Way::Hop(hop)
    }
}

impl FromStr for Way {
    type Err = BadNextHop;

    fn from_str(text: &str) -> Result<Self, BadNextHop> {
        match text.to_ascii_lowercase().as_str() {
            "mx" | "mx?tls=opportunistic" => Ok(Way::Mx(Tls::Opportunistic)),
            "mx?tls=required" => Ok(Way::Mx(Tls::Required)),
            "capture" => Ok(Way::Capture),
            _ => text.parse().map(Way::Hop),
        }
    }
}

/// A part of a URL with its `%xx` read.
fn decoded(part: &str) -> Result<String, BadNextHop> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|b| char::from(b).to_digit(16)).map(|d| d as u8).ok_or(BadNextHop::Form);
        bytes.push(digit()? * 16 + digit()?);
    }
    String::from_utf8(bytes).map_err(|_| BadNextHop::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(text: &str) -> Result<NextHop, BadNextHop> {
        text.parse()
    }

    #[test]
    fn the_forms_of_the_setting_are_read() {
        let plain = hop("smtp://127.0.0.1:2526").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.tls), ("127.0.0.1", 2526, Tls::Opportunistic));
        assert_eq!(hop("smtp://relay.example").unwrap().port, 25);
        assert_eq!(hop("smtp://[::1]:25").unwrap().host, "::1");
        let full = hop("smtps://us%40er:p%C3%A4ss@relay.example").unwrap();
        assert_eq!((full.port, full.tls), (465, Tls::Implicit));
        assert_eq!(full.credentials, Some(("us@er".into(), "päss".into())));
        assert_eq!(hop("smtp://u:p@relay.example").unwrap().tls, Tls::Required);
        assert_eq!(hop("smtp://u:p@relay.example?tls=none").unwrap().tls, Tls::None);
    }

    #[test]
    fn other_settings_are_refused_with_what_to_write() {
        assert_eq!("MX".parse(), Ok(Way::Mx(Tls::Opportunistic)));
        assert_eq!("mx?tls=required".parse(), Ok(Way::Mx(Tls::Required)));
        assert_eq!("capture".parse(), Ok(Way::Capture));
        assert!(matches!("smtp://h:25".parse(), Ok(Way::Hop(_))));
        assert_eq!("mx?tls=none".parse::<Way>(), Err(BadNextHop::Form));
        assert_eq!(hop("smtp://u:p@relay.example?tls=opportunistic"), Err(BadNextHop::Clear));
        for bad in [
            "",
            "relay.example",
            "http://relay.example",
            "smtp://",
            "smtp://relay/x",
            "smtp://u@relay",
            "smtp://relay?tls=maybe",
            "smtp://relay?x=1",
            "smtps://relay?tls=none",
            "smtp://u:%zz@relay",
        ] {
            assert_eq!(hop(bad), Err(BadNextHop::Form), "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{0:?} {0}", hop("smtp://user:secret@relay.example").unwrap());
        assert!(!shown.contains("secret") && !shown.contains("user"), "{shown}");
    }
}
