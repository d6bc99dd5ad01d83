//! Voluntary application server identification (RFC 8292): who pushes, proved to push services by one key of this
//! installation. A browser's subscription is bound to it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use url::Url;

use crate::store::{Error, Result, Store};

/// How long a token is good, in seconds; the standard allows a day.
const LASTS: i64 = 12 * 3600;

/// The key.
pub struct Vapid(EcdsaKeyPair);

impl Vapid {
    /// The installation's key, made when it is first asked for.
    ///
    /// # Errors
    /// The database's; [`Error::Unusable`]: what is kept is no key.
    pub async fn of(store: &Store, now: i64) -> Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let new = || {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random);
            key.map(|key| key.as_ref().to_vec()).map_err(|_| Error::Unusable("there is no chance".into()))
        };
        let kept = store.push_key(new, now).await?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, kept, &random);
        pair.map(Self).map_err(|_| Error::Unusable("the key of web push is damaged".into()))
    }

    /// The public key, as browsers take it (`applicationServerKey`).
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// The `Authorization` of a push to this endpoint, at this time in milliseconds; `subject` is how whoever runs the
    /// push service reaches whoever runs this one.
    #[must_use]
    pub(super) fn authorization(&self, endpoint: &Url, subject: &str, now: i64) -> Option<String> {
        let encoded = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let claims = json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": now.div_euclid(1000) + LASTS,
            "sub": subject,
        });
        let signed = format!("{}.{}", encoded(&json!({ "typ": "JWT", "alg": "ES256" })), encoded(&claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(format!("vapid t={signed}.{signature}, k={}", self.public_key()))
    }
}
