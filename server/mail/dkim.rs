//! DKIM signatures (RFC 6376, RFC 8463): relaxed canonicalization of header and body, ed25519 and RSA.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{self, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use sha2::{Digest as _, Sha256};

/// Fields that are signed where they are there (RFC 6376 §5.4.1).
const SIGNED: [&str; 17] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "sender",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
];
/// Fields that nobody can add one more of without breaking the signature (RFC 6376 §8.15).
const SEALED: [&str; 4] = ["from", "subject", "date", "to"];
/// How many fields of one name are signed.
const MOST: usize = 20;

/// A domain's key, and where its public half is published.
pub struct Key {
    domain: String,
    selector: String,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key for DKIM: give an RSA key of at least 2048 bits as PKCS #8 (BEGIN PRIVATE KEY)")]
pub struct BadKey;

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, {})", self.domain, self.selector)
    }
}

impl Key {
    /// An ed25519 key (RFC 8463) from its 32 secret octets.
    ///
    /// # Errors
    /// They are not 32.
    pub fn ed25519(domain: &str, selector: &str, seed: &[u8]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
        Ok(Self { domain: domain.into(), selector: selector.into(), pair: Pair::Ed25519(pair) })
    }

    /// An RSA key from PKCS #8 DER.
    ///
    /// # Errors
    /// It is none, or too short.
    pub fn rsa(domain: &str, selector: &str, pkcs8: &[u8]) -> Result<Self, BadKey> {
        let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)?;
        Ok(Self { domain: domain.into(), selector: selector.into(), pair: Pair::Rsa(pair) })
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Ed25519(_) => "ed25519-sha256",
            Pair::Rsa(_) => "rsa-sha256",
        }
    }

    /// The name of the TXT record that publishes it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The text of that record (RFC 6376 §3.6.1).
    #[must_use]
    pub fn record(&self) -> String {
        match &self.pair {
            Pair::Ed25519(pair) => {
                format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(pair.public_key().as_ref()))
            }
            Pair::Rsa(pair) => {
                format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public_key_info(pair.public_key().as_ref())))
            }
        }
    }

    /// The field that signs a message, with its line end; to be put in front of it. The same message, key and time (in
    /// seconds since 1970, UTC) give the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8], at: i64) -> Option<Vec<u8>> {
        let (header, body) = parts(message);
        let fields = fields(header);
        let mut names: Vec<&str> = Vec::new();
        for name in SIGNED {
            let there = fields.iter().filter(|field| field.name == name).count().min(MOST);
            names.extend(std::iter::repeat_n(name, there));
        }
        names.extend(SEALED);
        let hash = STANDARD.encode(Sha256::digest(body_relaxed(body)));
        let unsigned = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={}; s={};\r\n\tt={at}; h={};\r\n\tbh={hash};\r\n\tb=",
            self.algorithm(),
            self.domain,
            self.selector,
            names.join(":\r\n\t "),
        );
        let signed = signed_octets(&fields, &names, &unsigned);
        let signature = match &self.pair {
            // RFC 8463 §3: the hash is what is signed.
            Pair::Ed25519(pair) => pair.sign(&Sha256::digest(&signed)).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = ring::rand::SystemRandom::new();
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, &signed, &mut signature).ok()?;
                signature
            }
        };
        let mut field = unsigned.into_bytes();
        for (n, line) in STANDARD.encode(signature).as_bytes().chunks(72).enumerate() {
            field.extend_from_slice(if n == 0 { b"" } else { b"\r\n\t " });
            field.extend_from_slice(line);
        }
        field.extend_from_slice(b"\r\n");
        Some(field)
    }
}

/// The DER of a PEM text with one key in PKCS #8.
///
/// # Errors
/// It has none.
pub fn pkcs8(pem: &str) -> Result<Vec<u8>, BadKey> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----").ok_or(BadKey)?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(BadKey)?;
    let text: String = body.split_whitespace().collect();
    STANDARD.decode(text).map_err(|_| BadKey)
}

/// An RSAPublicKey as a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
fn public_key_info(key: &[u8]) -> Vec<u8> {
    // rsaEncryption, with NULL parameters.
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let tagged = |tag: u8, content: &[u8]| {
        let mut der = vec![tag];
        let length = content.len().to_be_bytes();
        let digits = &length[length.iter().position(|&b| b != 0).unwrap_or(length.len() - 1)..];
        match digits {
            [short] if *short < 128 => der.push(*short),
            _ => {
                der.push(0x80 | digits.len() as u8);
                der.extend_from_slice(digits);
            }
        }
        der.extend_from_slice(content);
        der
    };
    let mut bits = vec![0];
    bits.extend_from_slice(key);
    let mut info = ALGORITHM.to_vec();
    info.extend(tagged(0x03, &bits));
    tagged(0x30, &info)
}

/// One field, unfolded or not.
struct Field<'m> {
    /// Lower-case.
    name: String,
    raw: &'m [u8],
}

/// The header section and the body, without the empty line between them.
fn parts(message: &[u8]) -> (&[u8], &[u8]) {
    match message.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => (&message[..at + 2], &message[at + 4..]),
        None => (message, b""),
    }
}

fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let (mut fields, mut start): (Vec<Field<'_>>, usize) = (Vec::new(), 0);
    while start < header.len() {
        let mut end = start;
        loop {
            end = header[end..].iter().position(|&b| b == b'\n').map_or(header.len(), |at| end + at + 1);
            if !matches!(header.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let raw = &header[start..end];
        if let Some(colon) = raw.iter().position(|&b| b == b':') {
            let name = String::from_utf8_lossy(&raw[..colon]).trim().to_ascii_lowercase();
            fields.push(Field { name, raw });
        }
        start = end;
    }
    fields
}

/// RFC 6376 §3.4.2: lower-case name, unfolded, runs of blanks made one, none at the ends.
fn field_relaxed(raw: &[u8], out: &mut Vec<u8>) {
    let colon = raw.iter().position(|&b| b == b':').unwrap_or(raw.len());
    out.extend(raw[..colon].trim_ascii().to_ascii_lowercase());
    out.push(b':');
    let value = raw.get(colon + 1..).unwrap_or_default();
    let mut words =
        value.split(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        out.extend_from_slice(first);
    }
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
}

/// RFC 6376 §3.4.4: runs of blanks made one, none at line ends, no empty lines at the end.
fn body_relaxed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut kept = 0;
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    if body.is_empty() {
        return out;
    }
    for line in body.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let start = out.len();
        for &byte in line {
            match byte {
                b' ' | b'\t' if out.len() > start && out[out.len() - 1] == b' ' => {}
                b' ' | b'\t' => out.push(b' '),
                byte => out.push(byte),
            }
        }
        if out.len() > start && out[out.len() - 1] == b' ' {
            out.pop();
        }
        let empty = out.len() == start;
        out.extend_from_slice(b"\r\n");
        if !empty {
            kept = out.len();
        }
    }
    out.truncate(kept);
    out
}

/// RFC 6376 §3.7: the fields as they are named, the last of a name first, then the signature's own without its end.
fn signed_octets(fields: &[Field<'_>], names: &[&str], own: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut used = vec![false; fields.len()];
    for name in names {
        let found = fields.iter().enumerate().rev().find(|(n, field)| !used[*n] && field.name == *name);
        if let Some((n, field)) = found {
            used[n] = true;
            field_relaxed(field.raw, &mut out);
            out.extend_from_slice(b"\r\n");
        }
    }
    field_relaxed(own.as_bytes(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    /// RFC 8463 appendix A: the message, without its signatures.
    const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
        To: Suzie Q <suzie@shopping.example.net>\r\n\
        Subject: Is dinner ready?\r\n\
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
        Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n\
        Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const PRIVATE: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

    /// What the signature of a field says, and whether it is good for the message.
    fn check(message: &str, field: &str, verify: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        let tag = |name: &str| {
            let value = field.split_once(':').unwrap().1;
            let found = value.split(';').find_map(|tag| {
                let (key, value) = tag.split_once('=')?;
                (key.trim() == name).then(|| value.split_whitespace().collect::<String>())
            });
            found.unwrap()
        };
        let (header, body) = parts(message.as_bytes());
        if tag("bh") != STANDARD.encode(Sha256::digest(body_relaxed(body))) {
            return false;
        }
        let names = tag("h");
        let names: Vec<&str> = names.split(':').collect();
        let own = &field[..field.rfind("b=").unwrap() + 2];
        let signed = signed_octets(&fields(header), &names, own);
        verify(&signed, &STANDARD.decode(tag("b")).unwrap())
    }

    fn ed25519(public: &[u8]) -> impl Fn(&[u8], &[u8]) -> bool + use<> {
        let public = public.to_vec();
        move |signed, signature| {
            UnparsedPublicKey::new(&ED25519, &public).verify(&Sha256::digest(signed), signature).is_ok()
        }
    }

    #[test]
    fn the_example_of_the_standard_is_good() {
        let field = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
            d=football.example.com; i=@football.example.com;\r\n \
            q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
            subject : date : message-id : from : subject : date;\r\n \
            bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
            b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n \
            Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n";
        let public = STANDARD.decode(PUBLIC).unwrap();
        assert!(check(MESSAGE, field, ed25519(&public)));
        assert!(!check(&MESSAGE.replace("hungry", "angry"), field, ed25519(&public)));
        assert!(!check(&MESSAGE.replace("dinner", "supper"), field, ed25519(&public)));
    }

    #[test]
    fn what_is_signed_is_good_and_the_same_each_time() {
        let seed = STANDARD.decode(PRIVATE).unwrap();
        let key = Key::ed25519("football.example.com", "brisbane", &seed).unwrap();
        assert_eq!(key.name(), "brisbane._domainkey.football.example.com");
        assert_eq!(key.record(), format!("v=DKIM1; k=ed25519; p={PUBLIC}"));
        let field = String::from_utf8(key.sign(MESSAGE.as_bytes(), 1_528_637_909).unwrap()).unwrap();
        assert_eq!(key.sign(MESSAGE.as_bytes(), 1_528_637_909).unwrap(), field.as_bytes());
        assert!(field.lines().all(|line| line.len() < 100), "{field}");
        let good = ed25519(&STANDARD.decode(PUBLIC).unwrap());
        assert!(check(MESSAGE, &field, &good));
        // Folding and blanks may change on the way; what is said may not, and nothing can be added.
        let folded = MESSAGE
            .replace("Is dinner ready?", "Is \r\n\tdinner   ready?")
            .replace("Joe.\r\n", "Joe. \t\r\n\r\n\r\n");
        assert!(check(&folded, &field, &good));
        assert!(!check(&MESSAGE.replace("To: ", "Subject: Free!\r\nTo: "), &field, &good));
        assert!(!check(&format!("From: evil@x.test\r\n{MESSAGE}"), &field, &good));
        assert!(!check(&MESSAGE.replace("game.", "match."), &field, &good));
    }

    #[test]
    fn rsa_keys_are_read_and_sign() {
        let key = Key::rsa("x.org", "r1", &pkcs8(RSA).unwrap()).unwrap();
        let record = key.record();
        let info = STANDARD.decode(record.split_once("p=").unwrap().1).unwrap();
        // The key itself is behind 24 octets of its envelope.
        let public = info[24..].to_vec();
        let good = move |signed: &[u8], signature: &[u8]| {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(signed, signature).is_ok()
        };
        let field = String::from_utf8(key.sign(MESSAGE.as_bytes(), 1).unwrap()).unwrap();
        assert!(check(MESSAGE, &field, &good));
        assert!(!check(&MESSAGE.replace("hungry", "angry"), &field, &good));
        assert_eq!(pkcs8("-----BEGIN RSA PRIVATE KEY-----"), Err(BadKey));
        assert!(Key::rsa("x.org", "r1", b"nonsense").is_err());
        assert!(Key::ed25519("x.org", "r1", b"short").is_err());
    }

    #[test]
    fn bodies_are_canonicalized_as_the_standard_says() {
        for (body, relaxed) in [
            ("", ""),
            ("\r\n", ""),
            ("\r\n\r\n", ""),
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("no end", "no end\r\n"),
            (" \r\n\t\r\n", ""),
        ] {
            assert_eq!(body_relaxed(body.as_bytes()), relaxed.as_bytes(), "{body:?}");
        }
    }

    const RSA: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCtMB/DAnz2aCP1\n\
        4u2AIRfoS+tVVg9aWjumQsQUskym6a+i5xhMCLcto6n5OIAi7CGWhnprPLiRjJS6\n\
        D1NGdNeWcp8cQNDEKyz8Mp4fcXMx9NvYQC4Fm6U9gny/rs1fYD5ZGQWklD10doQc\n\
        Z6efU9kOba3FMediizBGtcHyYl5YirQrSvIBndzaKSQ7iRafpOBIH+S9YJQTTryY\n\
        XvB1K9vhCKUY8FJU44euqaOpq9mlrmIssQ7V4WLQMN1c/yrInb3hWicPhAnX9J9V\n\
        WQzd6Kwt1dVWiUDtBWBtKpEgtBtHtbs9eMBkKBYfgXcFHlc2pEGT32wef4z6YM17\n\
        wo7/6yVVAgMBAAECggEAFGFgp3n0OyoDq1SmVsjuL425lqv/OAZ81QKv4PCfgRfo\n\
        bY7s5suyxLnpD3U07QclJ7nRD6wQWz50JRYXGmg3E5MPAsvk1WTwUQhi37fh0rvq\n\
        IB9jWxEXJ68in4sCS4o/pAwEBDtWpQ0qXE5dZSxAk4hYJefKvye6iWOrvGqTiC8u\n\
        0p5iuJ9JJVnUSu60oikVeDBijsVMEXmr+U0jumPEOCJT0mrsjG0WxqaswLTM0q+O\n\
        G9FekF2gU9VRb1abQFyhoH302Bi5tU65xbmYux4kBQjyfgEDmh3eHmXyCQB3bnB6\n\
        SGdPcnm4JOcZClkxaQZ458WwTxN2pa7kTm7Jh7c+MQKBgQDY/GCkOpAj1FapS+3D\n\
        KpvEMmKD+qQ7SX94uBkMC0IUzIXGtExGAauKftavQAuBOALrm58pCx0/yPyWm+U1\n\
        xZX7eDxb3Oni7Lnzm1wDZUhfRipN4VktZuIM+lM9T0FnTaVN37F+f1yj7/iKr5tD\n\
        PfkVpq7lwIuOtJ7RtxG17AxHsQKBgQDMU8dMPfh+nyu1hdvz0lHoc3N65U/h9ig1\n\
        wuBCfAELAawOOcu9rU+RDLCcSWBt9IQTukXKv26yj2LFrskG+qcZWYmQNdP1HDnD\n\
        fJm/QC8jP8BTATD8TwucAHHBk2AVXNgU144383G+ZRoS6lzOG4J0BiG1mfvNknWY\n\
        o/M+0SRE5QKBgQC+briuSYtpNpkcGbxAtethBEs7w0RRmA6ctw2caWEEef7KRkBO\n\
        jHatpOXrhozSSoMdnkXQMqXn7g/oakd+qrsXqQ1oHfjSpKoKJ4ZYoJIks6K7GRQ3\n\
        6XxooWVegGlJLXbvYmwXNdXrNtdtd/MOz5wEqXYDw7l3dAOS0FVl0RVx8QKBgDuC\n\
        6zk5k3bNxV1Jb5bEWzbo6WmSAII/v9ZovAihNWyPQB2kl8LXB6WnnIjolj1wSke0\n\
        qT80Inm/aXVKQyLVPnYTrg1ioClz3x8g22boutH5b3q9jhburuLw/jDzS7jtIcJw\n\
        Revl6+sYZ0+7Euy09nn0jzzlbIGjdrzOg7p4D6hBAoGBAI0viXV1DrsCGoG+H76+\n\
        a3WdUU/6g42ecZhst1vpB3QIWPziKU4IGdOQoBpnsVqEivMA8q/VgKEmn7c9Itsw\n\
        cUjwT+T3rwc7TM7XSOj7OFEfZFPzukeel5c3ugrSxmE7/xdvHeTdmNqgq6PCgQY1\n\
        Gcx/qlMoCTd569FquCe2cawD\n\
        -----END PRIVATE KEY-----";
}
