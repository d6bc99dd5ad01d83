//! E-mail addresses: RFC 5321 `Mailbox`, with the UTF-8 local parts and domains of RFC 6531.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The longest local part, in octets (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The longest address that fits a path of 256 octets with its angle brackets (RFC 5321 §4.5.3.1.3).
const MAX_ADDRESS: usize = 254;
/// The longest display name, in characters.
const MAX_NAME: usize = 256;

/// One e-mail address (`Mailbox` of RFC 5321 §4.1.2): a local part and a domain.
///
/// Address literals, source routes and comments are refused, so that one text has one reading.
/// The domain is kept in lower case, the local part as given, except that needless quotes are dropped.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    text: String,
    at: usize,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Local part above 64 octets, whole address above 254, or display name above 256 characters.
    #[error("the address is too long")]
    TooLong,
    /// There is no `@`, or nothing on one side of it.
    #[error("an address needs a local part, an @ and a domain")]
    Incomplete,
    /// The local part is neither a dot-atom nor a quoted string (RFC 5321 §4.1.2).
    #[error("the part before the @ is not valid")]
    Local,
    /// The domain is not a host name; address literals are not accepted.
    #[error("the part after the @ is not a domain name")]
    Domain,
    /// A control character, line break, or character that changes how the text is shown.
    #[error("control characters are not allowed")]
    Control,
    /// The display name, or what surrounds the angle brackets, cannot be read as one name and one address.
    #[error("write one address, as ana@example.org or Ana <ana@example.org>")]
    Name,
}

/// Whether a character has no place in an address or a name: controls, line and paragraph separators, and
/// the invisible and direction-changing characters that make one name look like another.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_whitespace() && !is_hidden(c))
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_domain(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| {
                if c.is_ascii() {
                    c.is_ascii_alphanumeric() || c == '-'
                } else {
                    c.is_alphanumeric() || is_mark(c)
                }
            })
    };
    // A last label of digits only is an IPv4 address, not a name.
    text.split('.').all(label)
        && !text.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()))
}

/// Combining marks of scripts that need them (most of General Category M lies in these blocks or is `Alphabetic`).
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{094D}' | '\u{09CD}' | '\u{0A4D}' | '\u{0ACD}' | '\u{0B4D}' | '\u{0BCD}' | '\u{0C4D}'
        | '\u{0CCD}' | '\u{0D4D}' | '\u{0E47}'..='\u{0E4E}' | '\u{1DC0}'..='\u{1DFF}' | '\u{3099}' | '\u{309A}')
}

/// Reads a quoted local part without its quotes: the content, or `None` when it is not valid.
fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut content = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => content.push(chars.next().filter(|c| (' '..='~').contains(c))?),
            '"' => return None,
            c => content.push(c),
        }
    }
    (!content.is_empty()).then_some(content)
}

fn quote(content: &str) -> String {
    let mut quoted = String::with_capacity(content.len() + 2);
    quoted.push('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

impl Address {
    /// The part before the `@`, quoted when it has to be.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part after the `@`, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The whole address as written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What addresses are looked up and compared by: the whole address in lower case, tags kept.
    #[must_use]
    pub fn key(&self) -> String {
        self.text.to_lowercase()
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        // Refused before anything is copied; quotes that will be dropped may take a little room.
        if text.len() > 2 * MAX_ADDRESS {
            return Err(BadAddress::TooLong);
        }
        if text.chars().any(is_hidden) {
            return Err(BadAddress::Control);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(BadAddress::Incomplete)?;
        if local.is_empty() || domain.is_empty() {
            return Err(BadAddress::Incomplete);
        }
        let local = if local.starts_with('"') {
            let content = unquote(local).ok_or(BadAddress::Local)?;
            if is_dot_atom(&content) { content } else { quote(&content) }
        } else if is_dot_atom(local) {
            local.to_owned()
        } else {
            return Err(BadAddress::Local);
        };
        let domain = domain.to_lowercase();
        if !is_domain(&domain) {
            return Err(BadAddress::Domain);
        }
        if local.len() > MAX_LOCAL || local.len() + 1 + domain.len() > MAX_ADDRESS {
            return Err(BadAddress::TooLong);
        }
        Ok(Self { at: local.len(), text: format!("{local}@{domain}") })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an e-mail address")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// An address with the name of whom it belongs to (`mailbox` of RFC 5322 §3.4).
///
/// JSON has it as an object `{"name", "address"}`; read, it may also be a text, `ana@x.org` or `Ana <ana@x.org>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Named {
    /// What the owner is called; never empty.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Named {
    /// Joins a name and an address.
    ///
    /// # Errors
    /// [`BadAddress::Control`] or [`BadAddress::TooLong`] for such a name.
    pub fn new(name: Option<&str>, address: Address) -> Result<Self, BadAddress> {
        let name = name.map(str::trim).filter(|n| !n.is_empty());
        if let Some(name) = name {
            if name.chars().any(is_hidden) {
                return Err(BadAddress::Control);
            }
            if name.chars().count() > MAX_NAME {
                return Err(BadAddress::TooLong);
            }
        }
        Ok(Self { name: name.map(str::to_owned), address })
    }
}

impl From<Address> for Named {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}

impl FromStr for Named {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.chars().any(is_hidden) {
            return Err(BadAddress::Control);
        }
        let text = text.trim();
        let Some(rest) = text.strip_suffix('>') else { return Ok(text.parse::<Address>()?.into()) };
        let (name, address) = rest.rsplit_once('<').ok_or(BadAddress::Name)?;
        let name = name.trim();
        let name = if name.starts_with('"') {
            unquote(name).ok_or(BadAddress::Name)?
        } else if name.contains(['<', '>', '"', ',', ';', '@']) {
            return Err(BadAddress::Name);
        } else {
            name.to_owned()
        };
        Self::new(Some(&name), address.trim().parse()?)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} <{}>", quote(name), self.address),
            None => self.address.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Object {
            #[serde(default)]
            name: Option<String>,
            address: Address,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Named;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an e-mail address, or an object with `name` and `address`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Named, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
                let object = Object::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Named::new(object.name.as_deref(), object.address).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, BadAddress> {
        text.parse()
    }

    #[test]
    fn ordinary_addresses_are_read() {
        let address = parse("Ana+Tag@Example.ORG").unwrap();
        assert_eq!((address.local(), address.domain()), ("Ana+Tag", "example.org"));
        assert_eq!(address.to_string(), "Ana+Tag@example.org");
        assert_eq!(address.key(), "ana+tag@example.org");
        assert_eq!(parse("用户@例え.jp").unwrap().domain(), "例え.jp");
        assert_eq!(parse("Ö@x.org").unwrap().key(), "ö@x.org");
        assert_eq!(parse("a@localhost").unwrap().domain(), "localhost");
    }

    #[test]
    fn quotes_are_dropped_when_needless_and_kept_when_needed() {
        assert_eq!(parse("\"ana\"@x.org").unwrap(), parse("ana@x.org").unwrap());
        assert_eq!(parse("\"a\\n\\a\"@x.org").unwrap(), parse("ana@x.org").unwrap());
        let odd = parse("\"user@ext\"@x.org").unwrap();
        assert_eq!((odd.local(), odd.domain()), ("\"user@ext\"", "x.org"));
        assert_eq!(parse(&odd.to_string()).unwrap(), odd);
    }

    #[test]
    fn tricks_are_refused() {
        for bad in [
            "",
            "@",
            "a@",
            "@x.org",
            "a",
            "a b@x.org",
            "a@x.org.",
            "a@.org",
            "a@x..org",
            "a..b@x.org",
            ".a@x.org",
            "a.@x.org",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "<a@x.org>",
            "@x.org:a@y.org",
            "a@b@x.org",
            "a@x.org, b@x.org",
            "a@x_y.org",
            "a@-x.org",
            "a@x.org\r\nDATA",
            "a\0@x.org",
            "a\u{2028}@x.org",
            "a\u{85}@x.org",
            "a\u{202e}@x.org",
            "\"a@x.org",
            "\"a\"b\"@x.org",
            "\"\"@x.org",
            "a\"b@x.org",
            "a(c)@x.org",
            "a@x.org(c)",
            "a@x.org;",
            "a\\@x.org",
            "a:b@x.org",
            "a@x.o rg",
        ] {
            assert!(parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(parse(&format!("{}@x.org", "a".repeat(65))), Err(BadAddress::TooLong));
        assert!(parse(&format!("{}@x.org", "a".repeat(64))).is_ok());
        assert!(parse(&format!("a@{}.org", "a.".repeat(130))).is_err());
        assert_eq!(parse(&"a".repeat(1_000_000)), Err(BadAddress::TooLong));
    }

    #[test]
    fn names_are_read_from_texts_and_objects() {
        let named = |json: &str| serde_json::from_str::<Named>(json);
        let ana = named(r#""Ana Sá <ana@x.org>""#).unwrap();
        assert_eq!(ana.name.as_deref(), Some("Ana Sá"));
        assert_eq!(named(r#"{"name":"Ana Sá","address":"ana@x.org"}"#).unwrap(), ana);
        assert_eq!(serde_json::to_string(&ana).unwrap(), r#"{"name":"Ana Sá","address":"ana@x.org"}"#);
        assert_eq!(ana.to_string().parse::<Named>().unwrap(), ana);
        assert_eq!(named(r#""ana@x.org""#).unwrap().name, None);
        assert_eq!(named(r#"{"name":"  ","address":"ana@x.org"}"#).unwrap().name, None);
        assert_eq!(named(r#""\"Sá, Ana\" <ana@x.org>""#).unwrap().name.as_deref(), Some("Sá, Ana"));
        for bad in [
            r#""A <a@x.org>, B <b@x.org>""#,
            r#""a@x.org, b@x.org""#,
            r#"{"address":"a@x.org","bcc":"b@x.org"}"#,
            r#"{"name":"a\r\nBcc: b@x.org","address":"a@x.org"}"#,
            r#"{"name":"a\u0085b","address":"a@x.org"}"#,
            r#"{"name":"a"}"#,
            r#"["a@x.org"]"#,
            "7",
        ] {
            assert!(named(bad).is_err(), "{bad} was accepted");
        }
    }
}
