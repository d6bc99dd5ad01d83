//! Ending notices with one click (RFC 8058): a link that only this server can make, for one forwarding.

use uuid::Uuid;

use crate::mail::id::{digest, hex, mac};

/// Hexadecimal digits of the proof.
const PROOF: usize = 32;

/// What proves a link: HMAC-SHA256 (RFC 2104), cut to 128 bits.
fn proof(key: &[u8; 32], account: Uuid, forwarding: Uuid) -> String {
    let mut proof = hex(&mac(key, &[b"unsubscribe", account.as_bytes(), forwarding.as_bytes()]));
    proof.truncate(PROOF);
    proof
}

/// The link that ends the notices of a forwarding.
#[must_use]
pub fn link(public_url: &str, key: &[u8; 32], account: Uuid, forwarding: Uuid) -> String {
    let proof = proof(key, account, forwarding);
    format!("{public_url}/u/{}{}{proof}", account.simple(), forwarding.simple())
}

/// The account and the forwarding of a link's secret; none unless it was made with this key.
#[must_use]
pub fn read(key: &[u8; 32], secret: &str) -> Option<(Uuid, Uuid)> {
    if secret.len() != 64 + PROOF || !secret.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let secret = secret.to_ascii_lowercase();
    let account = Uuid::try_parse(&secret[..32]).ok()?;
    let forwarding = Uuid::try_parse(&secret[32..64]).ok()?;
    // Compared as hashes, so that time tells nothing of the proof.
    let same = digest(&[&secret.as_bytes()[64..]]) == digest(&[proof(key, account, forwarding).as_bytes()]);
    same.then_some((account, forwarding))
}

/// The header fields that have a mail program offer it (RFC 2369 §3.2, RFC 8058 §3).
#[must_use]
pub fn headers(link: &str) -> [(String, String); 2] {
    [
        ("List-Unsubscribe".to_owned(), format!("<{link}>")),
        ("List-Unsubscribe-Post".to_owned(), "List-Unsubscribe=One-Click".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_links_are_read() {
        let (key, account, forwarding) = ([7; 32], Uuid::from_u128(1), Uuid::from_u128(2));
        let link = link("https://x.test", &key, account, forwarding);
        let secret = link.strip_prefix("https://x.test/u/").unwrap();
        assert_eq!(read(&key, secret), Some((account, forwarding)));
        assert_eq!(read(&key, &secret.to_uppercase()), Some((account, forwarding)));
        assert_eq!(read(&[8; 32], secret), None);
        let flipped = |at: usize| {
            let mut bytes = secret.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            String::from_utf8(bytes).unwrap()
        };
        for bad in
            [flipped(0), flipped(40), flipped(95), secret[..95].into(), format!("{secret}0"), "ö".repeat(48)]
        {
            assert_eq!(read(&key, &bad), None, "{bad}");
        }
    }
}
