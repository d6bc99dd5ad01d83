//! The signatures of Standard Webhooks 1.0: symmetric (v1, HMAC-SHA256) and asymmetric (v1a, Ed25519).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::store::webhook::KeyRow;

/// What signs calls.
pub struct Signer {
    secret: Vec<u8>,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// What a row holds; none if it is damaged.
    #[must_use]
    pub fn of(row: &KeyRow) -> Option<Self> {
        Self::new(&row.secret, &row.seed)
    }

    /// A signer with this secret, and this seed of an Ed25519 key.
    #[must_use]
    pub fn new(secret: &[u8], seed: &[u8]) -> Option<Self> {
        Some(Self { secret: secret.to_vec(), pair: Ed25519KeyPair::from_seed_unchecked(seed).ok()? })
    }

    /// The secret as its owner is shown it: `whsec_…`.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.secret))
    }

    /// What verifies the asymmetric signature: `whpk_…`.
    #[must_use]
    pub fn public_key(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.pair.public_key()))
    }

    /// Both signatures, as `webhook-signature` has them.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> [String; 2] {
        let signed = format!("{id}.{seconds}.{body}");
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret), signed.as_bytes());
        let signature = self.pair.sign(signed.as_bytes());
        [format!("v1,{}", STANDARD.encode(mac)), format!("v1a,{}", STANDARD.encode(signature))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signer = Signer::new(&secret, &[7; 32]).unwrap();
        let [symmetric, asymmetric] =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(symmetric, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let public = STANDARD.decode(signer.public_key().trim_start_matches("whpk_")).unwrap();
        let verifies = |text: &str| {
            let signature = STANDARD.decode(asymmetric.trim_start_matches("v1a,")).unwrap();
            ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public)
                .verify(text.as_bytes(), &signature)
                .is_ok()
        };
        assert!(verifies(r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#));
        assert!(!verifies(r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265331.{"test": 2432232314}"#));
        assert_eq!(signer.secret(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
}
