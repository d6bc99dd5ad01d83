//! The certificate of the door, read again whenever its files have changed (TLS 1.2 and 1.3; older ones are refused).

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

/// Where a certificate and its key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate cannot be used; names the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct BadCertificate {
    file: PathBuf,
    why: String,
}

/// A certificate in use.
#[derive(Debug)]
pub struct Certificate {
    tls: Tls,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    /// When the files that are in use were last changed.
    changed: [Option<SystemTime>; 2],
    /// When those were that could not be used, so that each trouble is told of once.
    bad: Option<[Option<SystemTime>; 2]>,
}

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn read(tls: Tls) -> Result<Self, BadCertificate> {
        let changed = changed(&tls);
        let config = config(&tls)?;
        Ok(Self { tls, state: Mutex::new(State { config, changed, bad: None }) })
    }

    /// For one handshake: with what the files hold now, or held last when that could be used.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let now = changed(&self.tls);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now != state.changed && state.bad != Some(now) {
            match config(&self.tls) {
                Ok(config) => {
                    tracing::info!(certificate = %self.tls.certificate.display(), "the certificate was read again");
                    *state = State { config, changed: now, bad: None };
                }
                Err(error) => {
                    tracing::error!(%error, "the new certificate cannot be used; the last one stays");
                    state.bad = Some(now);
                }
            }
        }
        TlsAcceptor::from(state.config.clone())
    }
}

fn changed(tls: &Tls) -> [Option<SystemTime>; 2] {
    [&tls.certificate, &tls.key].map(|file| fs::metadata(file).and_then(|facts| facts.modified()).ok())
}

fn config(tls: &Tls) -> Result<Arc<ServerConfig>, BadCertificate> {
    let bad = |file: &PathBuf, why: String| BadCertificate { file: file.clone(), why };
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&tls.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(&tls.certificate, "there is no certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| bad(&tls.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| bad(&tls.certificate, error.to_string()))?;
    Ok(Arc::new(config))
}
