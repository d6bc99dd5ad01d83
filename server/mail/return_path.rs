//! Return addresses: a reverse-path of its own for each delivery (variable envelope return path), so that what comes
//! back is known to be about it, whatever it says.
//!
//! `b+` and 61 characters of base32: the account's and the delivery's ids and 48 bits that only this server can make.
//! A local part may have 64 octets and may lose its case on the way, so there is no room for more; guesses are made
//! one by one at the SMTP door, and the ids themselves cannot be guessed.

use uuid::Uuid;

use super::address::Address;
use super::id::mac;

/// What a return address's local part begins with.
const TAG: &str = "b+";
/// Octets of proof.
const PROOF: usize = 6;
/// Octets in all, and the characters they are written in.
const OCTETS: usize = 32 + PROOF;
const LENGTH: usize = (OCTETS * 8).div_ceil(5);
/// RFC 4648 §6, lower-case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The delivery that a return address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnPath {
    /// Whose message it is.
    pub account_id: Uuid,
    /// The delivery.
    pub delivery_id: Uuid,
}

impl ReturnPath {
    fn proof(&self, key: &[u8; 32]) -> [u8; PROOF] {
        let whole = mac(key, &[b"return-path", self.account_id.as_bytes(), self.delivery_id.as_bytes()]);
        let mut proof = [0; PROOF];
        proof.copy_from_slice(&whole[..PROOF]);
        proof
    }

    /// As an address of this domain; none where that would be too long.
    #[must_use]
    pub fn address(&self, key: &[u8; 32], domain: &str) -> Option<Address> {
        let mut octets = [0; OCTETS];
        octets[..16].copy_from_slice(self.account_id.as_bytes());
        octets[16..32].copy_from_slice(self.delivery_id.as_bytes());
        octets[32..].copy_from_slice(&self.proof(key));
        let digit = |n: usize| {
            let value = (0..5).fold(0, |value, bit| {
                let at = n * 5 + bit;
                let octet = octets.get(at / 8).copied().unwrap_or(0);
                value << 1 | usize::from(octet >> (7 - at % 8) & 1)
            });
            char::from(ALPHABET[value])
        };
        let text: String = (0..LENGTH).map(digit).collect();
        format!("{TAG}{text}@{domain}").parse().ok()
    }

    /// Whether a local part has the form of one.
    #[must_use]
    pub fn is_one(local: &str) -> bool {
        local.len() == TAG.len() + LENGTH
            && local.split_at_checked(TAG.len()).is_some_and(|(tag, _)| tag.eq_ignore_ascii_case(TAG))
    }

    /// Reads one out of a local part, in whatever case; none unless it was made with this key.
    #[must_use]
    pub fn read(local: &str, key: &[u8; 32]) -> Option<Self> {
        if !Self::is_one(local) {
            return None;
        }
        let mut octets = [0_u8; OCTETS];
        for (n, digit) in local.bytes().skip(TAG.len()).enumerate() {
            let value = ALPHABET.iter().position(|c| *c == digit.to_ascii_lowercase())?;
            for bit in (0..5).filter(|bit| value >> (4 - bit) & 1 == 1) {
                let at = n * 5 + bit;
                // What is left over of the last character is zero.
                *octets.get_mut(at / 8)? |= 1 << (7 - at % 8);
            }
        }
        let id = |from: usize| Uuid::from_slice(octets.get(from..from + 16)?).ok();
        let path = Self { account_id: id(0)?, delivery_id: id(16)? };
        // Without a branch on each octet, so that the time tells nothing of them.
        let differs =
            path.proof(key).iter().zip(&octets[32..]).fold(0, |all, (one, other)| all | (one ^ other));
        (differs == 0).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_with_the_key_is_read() {
        let (key, other) = ([7; 32], [8; 32]);
        let path = ReturnPath {
            account_id: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            delivery_id: Uuid::from_u128(u128::MAX - 5),
        };
        let address = path.address(&key, "example.org").unwrap();
        let local = address.local();
        assert_eq!(local.len(), 63);
        assert_eq!(ReturnPath::read(local, &key), Some(path));
        assert_eq!(ReturnPath::read(&local.to_uppercase(), &key), Some(path));
        assert_eq!(ReturnPath::read(local, &other), None);
        for n in TAG.len()..local.len() {
            for with in *ALPHABET {
                let mut changed = local.as_bytes().to_vec();
                if changed[n] != with {
                    changed[n] = with;
                    let changed = String::from_utf8(changed).unwrap();
                    assert_eq!(ReturnPath::read(&changed, &key), None, "{changed}");
                }
            }
        }
        for bad in ["", "b+", &local[..62], &format!("{local}a"), &local.replace('+', "-"), "b+ü"] {
            assert!(!ReturnPath::is_one(bad) || ReturnPath::read(bad, &key).is_none(), "{bad}");
        }
    }
}
