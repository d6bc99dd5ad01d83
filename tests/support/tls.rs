//! Certificates of the tests' own, and a client that trusts them.

use std::path::PathBuf;
use std::sync::Arc;

use restante::smtp::Tls;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dir::Dir;

/// A certificate for `mail.test`, in files.
pub(crate) struct Pki {
    dir: Dir,
    trusted: CertificateDer<'static>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut pki = Self { dir: Dir::new(), trusted: CertificateDer::from(Vec::new()) };
        pki.renew();
        pki
    }

    /// Another certificate in the same files, and the only one that is trusted from now on.
    pub(crate) fn renew(&mut self) {
        let made = rcgen::generate_simple_self_signed(["mail.test".to_owned()]).unwrap();
        let Tls { certificate, key } = self.files();
        // The key first: for a moment they do not fit together, as when somebody copies them.
        std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(certificate, made.cert.pem()).unwrap();
        self.trusted = made.cert.der().clone();
    }

    /// Where they are.
    pub(crate) fn files(&self) -> Tls {
        let at = |name: &str| -> PathBuf { self.dir.path().join(name) };
        Tls { certificate: at("certificate.pem"), key: at("key.pem") }
    }

    /// Shakes hands with a server; the error is what the client says of it.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<S>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("mail.test").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
