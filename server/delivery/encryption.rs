//! Message encryption for web push (RFC 8291): for the browser alone, whoever carries it (`aes128gcm`, RFC 8188).

use ring::aead::{self, AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::SystemRandom;

/// Octets of one record, which is all there ever is: push services take no more (RFC 8291 §4).
const RECORD: u32 = 4096;
/// Octets of text that fit: without the header, the delimiter and the tag.
pub const MOST: usize = 3993;
/// Octets of a point of P-256, uncompressed.
pub const POINT: usize = 65;
/// Octets of an authentication secret.
pub const SECRET: usize = 16;

/// What a browser gives with its subscription.
#[derive(Clone, Copy)]
pub struct Receiver<'a> {
    /// Its public key: a point of P-256, uncompressed.
    pub public: &'a [u8],
    /// Its authentication secret.
    pub auth: &'a [u8],
}

/// Octets of what is derived.
struct Octets(usize);

impl KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(key: &Prk, info: &[&[u8]]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    key.expand(info, Octets(N)).ok()?.fill(&mut octets).ok()?;
    Some(octets)
}

impl Receiver<'_> {
    /// Whether something can be encrypted for it: the key is a point of the curve, the secret is one.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.encrypt([0; 16], b"").is_some()
    }

    /// The body of a push; none if the keys are no good, or the text is longer than [`MOST`]. The salt must be new.
    #[must_use]
    pub fn encrypt(&self, salt: [u8; 16], text: &[u8]) -> Option<Vec<u8>> {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
        let public = own.compute_public_key().ok()?;
        let theirs = UnparsedPublicKey::new(&ECDH_P256, self.public);
        agree_ephemeral(own, &theirs, |shared| self.seal(public.as_ref(), shared, salt, text)).ok()?
    }

    /// RFC 8291 §3.4, with our public key and what was agreed on with theirs.
    fn seal(&self, own: &[u8], shared: &[u8], salt: [u8; 16], text: &[u8]) -> Option<Vec<u8>> {
        if text.len() > MOST || self.auth.len() != SECRET || self.public.len() != POINT {
            return None;
        }
        let agreed = Salt::new(HKDF_SHA256, self.auth).extract(shared);
        let input: [u8; 32] = expand(&agreed, &[b"WebPush: info\0", self.public, own])?;
        let key = Salt::new(HKDF_SHA256, &salt).extract(&input);
        let content: [u8; 16] = expand(&key, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce: [u8; aead::NONCE_LEN] = expand(&key, &[b"Content-Encoding: nonce\0"])?;
        // The delimiter of the last record.
        let mut record = [text, &[2]].concat();
        LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content).ok()?)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)
            .ok()?;
        Some([&salt[..], &RECORD.to_be_bytes(), &[POINT as u8], own, &record].concat())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_example_of_the_standard() {
        let public =
            octets("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = octets("BTBZMqHH6r4Tts7J_aSIgg");
        let own =
            octets("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let shared = octets("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let salt = octets("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let receiver = Receiver { public: &public, auth: &auth };
        let body = receiver.seal(&own, &shared, salt, b"When I grow up, I want to be a watermelon").unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBr\
             u3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_what_is_too_long() {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = own.compute_public_key().unwrap();
        let public = public.as_ref();
        let receiver = Receiver { public, auth: &[9; 16] };
        assert!(receiver.is_good());
        assert_eq!(receiver.encrypt([3; 16], &[b'x'; MOST]).unwrap().len(), RECORD as usize);
        assert_eq!(receiver.encrypt([3; 16], &[b'x'; MOST + 1]), None);
        let off = [&[4][..], &[1; 64]].concat();
        for (public, auth) in
            [(&off[..], &[9; 16][..]), (&public[1..], &[9; 16]), (public, &[9; 15]), (&[], &[])]
        {
            assert!(!Receiver { public, auth }.is_good());
        }
    }
}
