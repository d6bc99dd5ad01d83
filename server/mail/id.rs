//! Ids and secrets: the one place where chance comes from.

use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A source of ids, secrets and chance. Clones share it.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// `None`: the operating system's randomness. Otherwise the state of SplitMix64.
    seed: Option<u64>,
    /// The last id given, its version and variant bits taken out: 48 bits of time, 74 of chance.
    last: u128,
}

const CHANCE_BITS: u32 = 74;

impl State {
    fn fill(&mut self, bytes: &mut [u8]) {
        match &mut self.seed {
            None => getrandom::fill(bytes)
                .expect("a system without randomness cannot make a secret, so nothing may go on"),
            Some(state) => {
                for chunk in bytes.chunks_mut(8) {
                    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    let mut z = *state;
                    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                    z ^= z >> 31;
                    chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl Ids {
    /// Ids from the operating system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(State { seed: None, last: 0 })))
    }

    /// Ids that a test can foresee: the same seed gives the same ids. Not for secrets.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { seed: Some(seed), last: 0 })))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new id (UUID version 7, RFC 9562 §5.7), greater than every earlier one of this source, whatever the clock does.
    #[must_use]
    pub fn id(&self, now_ms: i64) -> Uuid {
        self.with(|state| {
            // The top bit of the chance is left clear, so that ids of one millisecond have room to grow.
            let chance = (u128::from_be_bytes(state.bytes()) >> (128 - CHANCE_BITS)) >> 1;
            let ms = u128::from(u64::try_from(now_ms).unwrap_or(0) & 0xFFFF_FFFF_FFFF);
            let fresh = (ms << CHANCE_BITS) | chance;
            // A step of chance rather than one: the neighbour of an id is not guessable either.
            let value = if fresh > state.last { fresh } else { state.last + 1 + (chance >> 41) };
            state.last = value;
            let time_and_a = value >> 62;
            let bits = ((time_and_a >> 12) << 80)
                | (0x7 << 76)
                | ((time_and_a & 0xFFF) << 64)
                | (0b10 << 62)
                | (value & ((1 << 62) - 1));
            Uuid::from_u128(bits)
        })
    }

    /// 256 bits that nobody can guess.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.with(State::bytes)
    }

    /// A new API token: `rst_` and 256 bits in hexadecimal. Shown once; only its digest is stored.
    #[must_use]
    pub fn token(&self) -> String {
        format!("rst_{}", hex(&self.secret()))
    }

    /// A new secret part of a reply address: 128 bits as 32 lower-case hexadecimal digits, because a local part
    /// may lose its case on the way.
    #[must_use]
    pub fn reply_token(&self) -> String {
        hex(&self.with(State::bytes::<16>))
    }

    /// A number from 0.0 up to but not including 1.0, for jitter.
    #[must_use]
    pub fn chance(&self) -> f64 {
        let bits = u32::from_be_bytes(self.with(State::bytes));
        f64::from(bits) / 4_294_967_296.0
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"));
        }
    }
    text
}

/// The id that follows from what it names (UUID version 8, RFC 9562 §5.8): the same kind, account and key always give the same id.
#[must_use]
pub fn derived(kind: &str, account: Uuid, key: &[u8]) -> Uuid {
    let digest = digest(&[kind.as_bytes(), account.as_bytes(), key]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// SHA-256 of the parts, each with its length before it, so that no two lists of parts are hashed alike.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-SHA256 (RFC 2104) of the parts, each with its length before it: only who has the key can make it.
#[must_use]
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let mut octets = [0; 32];
    octets.copy_from_slice(mac.sign().as_ref());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_grow_even_when_the_clock_goes_back() {
        for ids in [Ids::system(), Ids::seeded(7)] {
            let mut last = Uuid::nil();
            for n in 0..10_000_i64 {
                let id =
                    ids.id(if n % 3 == 0 { 1_700_000_000_000 } else { 1_700_000_000_000 + n / 1000 - 5 });
                assert!(id > last, "{id} after {last}");
                assert_eq!(id.get_version_num(), 7);
                assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
                last = id;
            }
            let (seconds, nanos) = last.get_timestamp().unwrap().to_unix();
            assert_eq!((seconds, nanos / 1_000_000), (1_700_000_000, 4));
        }
    }

    #[test]
    fn seeded_sources_agree_and_system_ones_do_not() {
        assert_eq!(Ids::seeded(1).token(), Ids::seeded(1).token());
        assert_ne!(Ids::seeded(1).token(), Ids::seeded(2).token());
        assert_ne!(Ids::system().token(), Ids::system().token());
        let ids = Ids::system();
        assert_eq!(ids.token().len(), 68);
        let reply = ids.reply_token();
        assert!(reply.len() == 32 && reply.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&ids.chance()));
        }
    }

    #[test]
    fn derived_ids_follow_from_their_parts() {
        let account = Uuid::from_u128(5);
        let id = derived("thread", account, b"key");
        assert_eq!(id, derived("thread", account, b"key"));
        assert_eq!(id.get_version_num(), 8);
        assert_ne!(id, derived("thread", account, b"kez"));
        assert_ne!(id, derived("thread", Uuid::from_u128(6), b"key"));
        assert_ne!(id, derived("mailbox", account, b"key"));
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(hex(&digest(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
