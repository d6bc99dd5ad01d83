//! The one HTTP client for what others name: every address is checked when it is connected to, there are no redirects
//! and no proxies, and the whole exchange has one deadline.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::address::is_public;
use super::names::Names;
#[cfg(test)]
use super::names::These;
use super::resolve::Resolver;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;
/// How long one of them may take to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Ports on which something speaks that is not HTTP, and could be talked into something.
const NOT_HTTP: &[u16] = &[0, 1, 7, 9, 19, 21, 22, 23, 25, 53, 110, 119, 143, 465, 563, 587, 993, 995];
/// Octets of a URL.
const LONGEST: usize = 2000;
/// Octets of a response's header section.
const HEAD: usize = 64 * 1024;

/// Whom a client may talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only the public Internet.
    Public,
    /// Any address: for targets that the person at the keyboard, or the settings, name.
    Anywhere,
}

/// Why there is no response. What is said of a target that is refused tells nothing about our network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none that may be talked to.
    #[error("the address is refused: {0}")]
    Refused(&'static str),
    /// The name leads nowhere.
    #[error("the name cannot be resolved")]
    NoSuchName,
    /// Nobody answers there.
    #[error("the connection failed")]
    Connect,
    /// The certificate is not good, or there is no TLS.
    #[error("the TLS handshake failed")]
    Tls,
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// What came back is no HTTP, or it ended early.
    #[error("the answer cannot be read")]
    Garbled,
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Unfit,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// GET, POST, …
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long everything may take together, from the look-up to the last octet.
    pub within: Duration,
    /// Octets of the response's body that are read; one that is longer is cut.
    pub most: usize,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether that is all of it.
    pub whole: bool,
    /// Who answered.
    pub remote: SocketAddr,
}

/// The client; clones share its certificates.
#[derive(Clone)]
pub struct Client {
    reach: Reach,
    tls: Arc<ClientConfig>,
    names: Names,
}

impl Client {
    /// A client that trusts the public certificate authorities, and `more` (DER) beside them.
    #[must_use]
    pub fn new(reach: Reach, more: &[Vec<u8>]) -> Self {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in more {
            // One that cannot be read trusts nobody.
            let _ = roots.add(certificate.clone().into());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = versions
            .expect("ring has every cipher suite of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { reach, tls: Arc::new(tls), names: Names::System }
    }

    #[cfg(test)]
    fn with_names(self, names: These) -> Self {
        Self { names: Names::These(names), ..self }
    }

    /// The same client, which looks names up with this resolver.
    #[must_use]
    pub fn resolving(self, resolver: Resolver) -> Self {
        Self { names: Names::Resolver(Box::new(resolver)), ..self }
    }

    /// Whether a URL could be called, as far as that shows without a look-up; its addresses are checked at each call.
    ///
    /// # Errors
    /// [`Error::Refused`]: why not.
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        target(self.reach, url).map(drop)
    }

    /// The same for a text: whether it is a URL, of an ordinary length, that could be called.
    ///
    /// # Errors
    /// Why not, for whoever wrote it.
    pub fn permits(&self, text: &str) -> Result<Url, String> {
        if text.len() > LONGEST || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!("a URL has at most {LONGEST} characters, without spaces"));
        }
        let url: Url =
            text.parse().map_err(|_| "this is no URL such as https://example.com/hook".to_owned())?;
        self.check(&url).map_err(|error| error.to_string())?;
        Ok(url)
    }

    /// Makes one request, and reads what comes back.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn call(&self, call: Call) -> Result<Answer, Error> {
        let within = call.within;
        tokio::time::timeout(within, self.exchange(call)).await.unwrap_or(Err(Error::TimedOut))
    }

    async fn exchange(&self, call: Call) -> Result<Answer, Error> {
        let (host, port) = target(self.reach, &call.url)?;
        let (stream, remote) = self.connect(&host, port).await?;
        if call.url.scheme() == "https" {
            let name = match &host {
                Host::Domain(name) => {
                    ServerName::try_from(name.clone()).map_err(|_| Error::Refused("its host"))?
                }
                Host::Ipv4(v4) => ServerName::from(IpAddr::from(*v4)),
                Host::Ipv6(v6) => ServerName::from(IpAddr::from(*v6)),
            };
            let tls =
                TlsConnector::from(self.tls.clone()).connect(name, stream).await.map_err(|_| Error::Tls)?;
            speak(tls, call, remote).await
        } else {
            speak(stream, call, remote).await
        }
    }

    /// Connects to an address that was looked up here and now: what the name means a moment later does not matter.
    async fn connect(&self, host: &Host<String>, port: u16) -> Result<(TcpStream, SocketAddr), Error> {
        let addresses = match host {
            Host::Ipv4(v4) => vec![(*v4, port).into()],
            Host::Ipv6(v6) => vec![(*v6, port).into()],
            Host::Domain(name) => self.names.of(name, port).await?,
        };
        if addresses.is_empty() {
            return Err(Error::NoSuchName);
        }
        // A name that leads inside as well as outside is not tried at all.
        if self.reach == Reach::Public && !addresses.iter().all(|address| is_public(address.ip())) {
            return Err(Error::Refused("it is not an address of the public Internet"));
        }
        for address in addresses.into_iter().take(ADDRESSES) {
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                let _ = stream.set_nodelay(true);
                return Ok((stream, address));
            }
        }
        Err(Error::Connect)
    }
}

/// The host and port of a URL that may be called.
fn target(reach: Reach, url: &Url) -> Result<(Host<String>, u16), Error> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Refused("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Refused("it holds a user name or a password"));
    }
    let host = url.host().ok_or(Error::Refused("it has no host"))?.to_owned();
    let port = url.port_or_known_default().ok_or(Error::Refused("its port"))?;
    if NOT_HTTP.contains(&port) {
        return Err(Error::Refused("its port is not one of HTTP"));
    }
    if reach == Reach::Anywhere {
        return Ok((host, port));
    }
    let inside = match &host {
        Host::Ipv4(v4) => !is_public((*v4).into()),
        Host::Ipv6(v6) => !is_public((*v6).into()),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let local = ["localhost", "local", "internal", "home.arpa", "lan", "intranet"];
            name.is_empty()
                || !name.contains('.')
                || local.iter().any(|end| name == *end || name.ends_with(&format!(".{end}")))
        }
    };
    if inside { Err(Error::Refused("it is not an address of the public Internet")) } else { Ok((host, port)) }
}

async fn speak<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    call: Call,
    remote: SocketAddr,
) -> Result<Answer, Error> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .max_headers(100)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Error::Garbled)?;
    // It ends with the request: dropped, the connection is closed.
    let connection = tokio::spawn(connection);
    let answer = ask(&mut sender, call, remote).await;
    connection.abort();
    answer
}

async fn ask(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    call: Call,
    remote: SocketAddr,
) -> Result<Answer, Error> {
    let host = call.url.host_str().unwrap_or_default();
    let host = call.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = match call.url.query() {
        Some(query) => format!("{}?{query}", call.url.path()),
        None => call.url.path().to_owned(),
    };
    let mut request = Request::builder().method(call.method).uri(path).header(HOST, host);
    request = request.header(CONTENT_LENGTH, call.body.len());
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(call.body))).map_err(|_| Error::Unfit)?;
    let response: Response<_> = sender.send_request(request).await.map_err(|_| Error::Garbled)?;
    let (parts, body) = response.into_parts();
    let (mut read, mut whole) = (Vec::new(), true);
    let mut body = std::pin::pin!(Limited::new(body, call.most));
    // One that is too long, or breaks off, is cut; for most callers what was read so far is enough.
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => read.extend_from_slice(&data),
            Ok(Err(_)) => {}
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    Ok(Answer { status: parts.status, headers: parts.headers, body: read, whole, remote })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn call(url: &str) -> Call {
        let url = url.parse().unwrap();
        let (within, most) = (Duration::from_secs(10), 1000);
        Call { method: Method::POST, url, headers: vec![], body: b"hi".to_vec(), within, most }
    }

    /// Answers one connection with these bytes, again and again with `forever`.
    async fn peer(bytes: &'static [u8], forever: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
            while !forever.is_empty() && stream.write_all(forever).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        format!("http://{at}/x?y=1")
    }

    #[tokio::test]
    async fn nothing_inside_is_called_however_it_is_written() {
        let client = Client::new(Reach::Public, &[]);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://169.254.169.254/latest",
            "http://100.64.0.1/",
            "http://198.18.0.1/",
            "http://255.255.255.255/",
            "http://\u{2460}27.0.0.1/",
            "http://127\u{3002}0\u{3002}0\u{3002}1/",
            "http://loc\u{ad}alhost/",
            "http://intranet/",
            "http://x.internal/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "http://example.org:25/",
            "http://example.org:0/",
            "http://u:p@example.org/",
            "http://example.org\\@127.0.0.1/..//@",
        ] {
            let Ok(parsed) = Url::parse(url) else { continue };
            if parsed.host_str() == Some("example.org") && parsed.path().contains('@') {
                // The backslash is a slash: the host is the one that stands there.
                assert!(client.check(&parsed).is_ok());
                continue;
            }
            assert!(matches!(client.check(&parsed), Err(Error::Refused(_))), "{url}");
            assert!(matches!(client.call(call(url)).await, Err(Error::Refused(_))), "{url}");
        }
        assert!(client.check(&"https://hooks.example.com/x".parse().unwrap()).is_ok());
    }

    #[tokio::test]
    async fn an_answer_is_read_and_a_long_one_cut() {
        let client = Client::new(Reach::Anywhere, &[]);
        let url = peer(b"HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok", b"").await;
        let answer = client.call(call(&url)).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_slice(), answer.headers["x-a"].to_str().unwrap()),
            (201, &b"ok"[..], "b")
        );
        let url = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"xxxxxxxxxxxxxxxx").await;
        assert!(client.call(call(&url)).await.unwrap().body.len() <= 1000);
        let url =
            peer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", b"")
                .await;
        assert_eq!(client.call(call(&url)).await.unwrap().status.as_u16(), 302, "and it is not followed");
    }

    #[tokio::test]
    async fn whatever_never_ends_is_ended() {
        let client = Client::new(Reach::Anywhere, &[]);
        for (bytes, forever) in [
            (&b""[..], &b"HTTP/1.1 100 Continue\r\n\r\n"[..]),
            (b"HTTP/1.1 200 OK\r\n", b"X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
            (b"what is this\r\n\r\n", b""),
        ] {
            let url = peer(bytes, forever).await;
            let mut call = call(&url);
            call.within = Duration::from_secs(2);
            assert!(matches!(client.call(call).await, Err(Error::TimedOut | Error::Garbled)));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut silent = call(&format!("http://{}/", listener.local_addr().unwrap()));
        silent.within = Duration::from_millis(300);
        assert!(matches!(client.call(silent).await, Err(Error::TimedOut)));
        let closed =
            format!("http://{}/", { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() });
        assert!(matches!(client.call(call(&closed)).await, Err(Error::Connect)));
    }

    fn leading(to: &'static [&'static str]) -> These {
        Arc::new(move |_: &str| to.iter().map(|address| address.parse().unwrap()).collect())
    }

    #[tokio::test]
    async fn where_a_name_leads_is_decided_when_it_is_connected_to() {
        let url = "http://rebound.example.com/";
        for to in
            [&["127.0.0.1"][..], &["8.8.8.8", "10.0.0.1"], &["::ffff:169.254.169.254"], &["64:ff9b::7f00:1"]]
        {
            let client = Client::new(Reach::Public, &[]).with_names(leading(to));
            // Nothing shows before the look-up, so a name that has changed its meaning since is no way in.
            assert!(client.check(&url.parse().unwrap()).is_ok());
            let error = client.call(call(url)).await.unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{to:?}");
            assert!(!error.to_string().contains(to[0]), "{error}");
        }
        let (asked, to) =
            (Arc::new(std::sync::atomic::AtomicUsize::new(0)), peer(b"HTTP/1.1 204 No\r\n\r\n", b"").await);
        let counted = asked.clone();
        let names: These = Arc::new(move |_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            vec![IpAddr::from([127, 0, 0, 1])]
        });
        let client = Client::new(Reach::Anywhere, &[]).with_names(names);
        let answer = client.call(call(&to.replace("127.0.0.1", "once.example.com"))).await.unwrap();
        assert_eq!((answer.status.as_u16(), asked.load(std::sync::atomic::Ordering::SeqCst)), (204, 1));
    }

    /// A TLS server for hooks.example.com; its certificate ends in that year.
    async fn over_tls(ends: i32) -> (u16, Vec<u8>) {
        let mut parameters = rcgen::CertificateParams::new(vec!["hooks.example.com".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(ends, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.clone()], secret.into()).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        });
        (port, certificate.to_vec())
    }

    #[tokio::test]
    async fn a_certificate_must_be_good() {
        let (port, good) = over_tls(2100).await;
        let (stale, expired) = over_tls(2020).await;
        let get = async |trusted: &[Vec<u8>], host: &str, port: u16| {
            let client = Client::new(Reach::Anywhere, trusted).with_names(leading(&["127.0.0.1"]));
            client.call(call(&format!("https://{host}:{port}/"))).await.map(|answer| answer.status.as_u16())
        };
        assert_eq!(get(std::slice::from_ref(&good), "hooks.example.com", port).await.unwrap(), 204);
        for (trusted, host, port) in [
            (vec![], "hooks.example.com", port),
            (vec![good.clone()], "other.example.com", port),
            (vec![good], "127.0.0.1", port),
            (vec![expired], "hooks.example.com", stale),
        ] {
            assert!(matches!(get(&trusted, host, port).await, Err(Error::Tls)), "{host}");
        }
    }
}
