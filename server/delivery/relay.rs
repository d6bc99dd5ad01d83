//! Handing a message to the next hop by SMTP (RFC 5321): one recipient per transaction, a total time-out for each
//! phase, and the reply kept as it was given.
//!
//! Only a parsed 5xx about the message or its envelope is final. Everything else, above all whatever happens after
//! the final dot without a reply, is not known to have failed: it is tried again, with the same bytes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::Address as WireAddress;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::next_hop::{NextHop, Tls};
use super::wire::Wire;
use crate::mail::address::Address;
use crate::mail::message::canonical;
use crate::mail::status::{self, Status};
use crate::store::blob::Stored;

/// How long each phase may take in all (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy)]
pub struct TimeOuts {
    /// From the first packet to the end of the greeting, TLS and AUTH included, each.
    pub connect: Duration,
    /// MAIL, RCPT and DATA, each.
    pub command: Duration,
    /// The content and the reply to its final dot; besides, a second for each 16 KiB.
    pub content: Duration,
}

impl Default for TimeOuts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(30), command: seconds(300), content: seconds(600) }
    }
}

/// What the next hop said, or why it said nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Who: name, address and port; none when nobody was reached.
    pub remote: Option<String>,
    /// The reply code, if there was a reply.
    pub code: Option<u16>,
    /// The enhanced code (RFC 3463): its own, or ours when it gave none.
    pub status: Option<Status>,
    /// Its text, or what happened; at most 500 characters on one line.
    pub text: String,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// The next hop has taken the message, and answers for it.
    Taken(Reply),
    /// Not now, or not known: to be tried again.
    Deferred(Reply),
    /// Never: trying again makes no sense.
    Refused(Reply),
    /// Never, by our own judgement of what the next hop can do.
    Unfit(Reply),
    /// Nothing was handed over, because the lease was no longer ours.
    Withheld,
}

/// Content octets in memory at once, over all transactions.
const MEMORY: usize = 64 << 20;
const KIB: usize = 1024;
/// Idle connections kept, and for how long.
const IDLE: usize = 16;
const IDLE_FOR: Duration = Duration::from_secs(20);
/// Octets given to the client at a time.
const CHUNK: usize = 64 * KIB;

/// The way to the next hop; clones share its idle connections.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    hop: NextHop,
    /// Our name in EHLO.
    name: String,
    time_outs: TimeOuts,
    idle: Mutex<Vec<Idle>>,
    memory: Semaphore,
}

struct Idle {
    line: Line,
    since: Instant,
}

/// An open connection, and whom it reaches.
struct Line {
    smtp: AsyncSmtpConnection,
    remote: String,
}

/// Why a phase did not end with the reply it needs.
struct Trouble {
    code: Option<u16>,
    text: String,
}

impl Relay {
    /// A way to `hop`; `name` is what we call ourselves in EHLO.
    #[must_use]
    pub fn new(hop: NextHop, name: String, time_outs: TimeOuts) -> Self {
        let memory = Semaphore::new(MEMORY / KIB);
        Self(Arc::new(Inner { hop, name, time_outs, idle: Mutex::default(), memory }))
    }

    /// Hands over one message for one recipient; a null reverse-path is `None`. `ours` is awaited right before DATA:
    /// whether the lease still is.
    pub async fn hand(
        &self,
        from: Option<&Address>,
        to: &Address,
        content: &Stored,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        let wanted = usize::try_from(content.size()).unwrap_or(MEMORY).min(MEMORY) / KIB + 1;
        let permits = u32::try_from(wanted.min(MEMORY / KIB)).unwrap_or(u32::MAX);
        let Ok(_memory) = self.0.memory.acquire_many(permits).await else {
            return Handed::Deferred(Reply::local("the worker is stopping"));
        };
        let stored = content.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(usize::try_from(stored.size()).unwrap_or_default());
            stored.reader(0)?.read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = match read.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                tracing::error!(%error, "a stored message cannot be read");
                return Handed::Deferred(Reply::local("the stored message cannot be read at the moment"));
            }
            Err(_) => return Handed::Deferred(Reply::local("reading the stored message failed")),
        };
        // A lone LF would end the message early at a loose server; stored bytes have none.
        let bytes = canonical(&bytes);

        if let Some(mut line) = self.idle() {
            let first = line.mail(&self.0, from, to, &bytes).await;
            let gone = matches!(&first, Err(Step::Trouble(t)) if t.code.is_none() || t.code == Some(421));
            // An idle connection may have been closed meanwhile, which says nothing about this message.
            if !gone {
                return self.rest(line, first, to, &bytes, ours).await;
            }
        }
        match self.connect().await {
            Ok(mut line) => {
                let first = line.mail(&self.0, from, to, &bytes).await;
                self.rest(line, first, to, &bytes, ours).await
            }
            // Whatever a server says before MAIL is about us or itself, not about the message.
            Err((remote, trouble)) => Handed::Deferred(trouble.reply(remote)),
        }
    }

    /// Everything after MAIL, and what it comes to.
    async fn rest(
        &self,
        mut line: Line,
        mail: Result<(), Step>,
        to: &Address,
        bytes: &[u8],
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        let done = match mail {
            Ok(()) => line.transfer(&self.0, to, bytes, ours).await,
            Err(step) => Err(step),
        };
        let remote = Some(line.remote.clone());
        match done {
            Ok(response) => {
                let reply = reply(remote, &response);
                self.keep(line);
                Handed::Taken(reply)
            }
            Err(Step::Withheld) => {
                self.reset(line).await;
                Handed::Withheld
            }
            Err(Step::Unfit(reply)) => {
                self.keep(line);
                Handed::Unfit(Reply { remote, ..reply })
            }
            Err(Step::Trouble(trouble)) => {
                let reusable = trouble.code.is_some_and(|code| code != 421);
                let handed = trouble.judge(remote);
                if reusable {
                    self.reset(line).await;
                }
                handed
            }
        }
    }

    fn idle(&self) -> Option<Line> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < IDLE_FOR);
        idle.pop().map(|idle| idle.line)
    }

    fn keep(&self, line: Line) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && !line.smtp.has_broken() {
            idle.push(Idle { line, since: Instant::now() });
        }
    }

    /// Ends a transaction that came to nothing, so that the connection can carry the next one.
    async fn reset(&self, mut line: Line) {
        let reset = timeout(self.0.time_outs.connect, line.smtp.command(Rset)).await;
        if matches!(reset, Ok(Ok(_))) {
            self.keep(line);
        }
    }

    /// Says QUIT on every idle connection.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.0.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let quit = idle.into_iter().map(|mut idle| async move {
            let _ = timeout(Duration::from_secs(1), idle.line.smtp.command(Quit)).await;
        });
        futures_util::future::join_all(quit).await;
    }

    async fn connect(&self) -> Result<Line, (Option<String>, Trouble)> {
        let Inner { hop, name, time_outs, .. } = &*self.0;
        let client = ClientId::Domain(name.clone());
        let limit = time_outs.connect;
        if hop.tls == Tls::Implicit {
            let tls = parameters(hop).map_err(|t| (None, t))?;
            let open = AsyncSmtpConnection::connect_tokio1(
                (hop.host.as_str(), hop.port),
                Some(limit),
                &client,
                Some(tls),
                None,
            );
            let smtp = phase(limit, "connecting", open).await.map_err(|t| (Some(hop.to_string()), t))?;
            let mut line = Line { smtp, remote: hop.to_string() };
            line.authenticate(hop, limit).await.map_err(|t| (Some(hop.to_string()), t))?;
            return Ok(line);
        }
        let stream = match timeout(limit, TcpStream::connect((hop.host.as_str(), hop.port))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err((None, Trouble::new(format!("cannot reach {hop}: {error}")))),
            Err(_) => {
                return Err((None, Trouble::new(format!("cannot reach {hop}: no answer within {limit:?}"))));
            }
        };
        let remote = match stream.peer_addr() {
            Ok(peer) if peer.ip().to_string() != hop.host => format!("{} ({peer})", hop.host),
            Ok(peer) => peer.to_string(),
            Err(_) => hop.to_string(),
        };
        let told = |trouble| (Some(remote.clone()), trouble);
        let wire = Wire::new(stream).map_err(|e| told(Trouble::new(format!("connection lost: {e}"))))?;
        let open = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &client);
        let smtp = phase(limit, "waiting for the greeting", open).await.map_err(told)?;
        let mut line = Line { smtp, remote: remote.clone() };
        let wanted = matches!(hop.tls, Tls::Opportunistic | Tls::Required);
        if wanted && line.smtp.can_starttls() {
            let tls = parameters(hop).map_err(told)?;
            phase(limit, "STARTTLS", line.smtp.starttls(tls, &client)).await.map_err(told)?;
        } else if hop.tls == Tls::Required {
            return Err(told(Trouble::new("the relay offers no STARTTLS, which relay.url requires".into())));
        }
        line.authenticate(hop, limit).await.map_err(told)?;
        Ok(line)
    }
}

fn parameters(hop: &NextHop) -> Result<TlsParameters, Trouble> {
    TlsParameters::builder(hop.host.clone())
        .dangerous_accept_invalid_certs(hop.tls == Tls::Opportunistic)
        .build()
        .map_err(|error| Trouble::new(format!("TLS: {error}")))
}

/// Why a transaction ended before its end.
enum Step {
    Trouble(Trouble),
    Unfit(Reply),
    Withheld,
}

impl From<Trouble> for Step {
    fn from(trouble: Trouble) -> Self {
        Step::Trouble(trouble)
    }
}

impl Line {
    async fn authenticate(&mut self, hop: &NextHop, limit: Duration) -> Result<(), Trouble> {
        let Some((user, password)) = &hop.credentials else { return Ok(()) };
        let credentials = Credentials::new(user.clone(), password.clone());
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        let auth = phase(limit, "AUTH", self.smtp.auth(&mechanisms, &credentials)).await;
        auth.map(drop).map_err(|trouble| Trouble {
            text: format!("the relay refused to authenticate us (see relay.url): {}", trouble.text),
            ..trouble
        })
    }

    /// Begins a transaction.
    async fn mail(
        &mut self,
        relay: &Inner,
        from: Option<&Address>,
        to: &Address,
        bytes: &[u8],
    ) -> Result<(), Step> {
        let info = self.smtp.server_info();
        let header = &bytes[..header_end(bytes)];
        let mut parameters = Vec::new();
        let unfit = |status, text: &str| {
            Step::Unfit(Reply { status: Some(status), text: text.into(), ..Reply::default() })
        };
        if from.is_some_and(|a| !a.as_str().is_ascii()) || !to.as_str().is_ascii() || !header.is_ascii() {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let text = "the address or header needs SMTPUTF8 (RFC 6531), which the relay does not offer";
                return Err(unfit(Status::new(5, 6, 7), text));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !bytes.is_ascii() {
            if !info.supports_feature(Extension::EightBitMime) {
                let text = "the content needs 8BITMIME (RFC 6152), which the relay does not offer";
                return Err(unfit(Status::new(5, 6, 3), text));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let command = Mail::new(from.map(on_the_wire), parameters);
        let response = phase(relay.time_outs.command, "MAIL", self.smtp.command(command)).await?;
        Ok(expect(&response, "MAIL", |code| code == 250)?)
    }

    /// The rest of the transaction: its result is the reply to the final dot.
    async fn transfer(
        &mut self,
        relay: &Inner,
        to: &Address,
        bytes: &[u8],
        ours: impl Future<Output = bool> + Send,
    ) -> Result<Response, Step> {
        let limit = relay.time_outs.command;
        let rcpt = Rcpt::new(on_the_wire(to), vec![]);
        let response = phase(limit, "RCPT", self.smtp.command(rcpt)).await?;
        expect(&response, "RCPT", |code| matches!(code, 250 | 251))?;
        if !ours.await {
            return Err(Step::Withheld);
        }
        let response = phase(limit, "DATA", self.smtp.command(Data)).await?;
        expect(&response, "DATA", |code| code == 354)?;
        // The client writes CRLF before the final dot, so a last line's own would become an empty line.
        let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        let limit = relay.time_outs.content + Duration::from_secs(body.len() as u64 / (16 * KIB as u64));
        let sent = self.smtp.message_iter(body.chunks(CHUNK));
        let response = phase(limit, "the content", sent).await?;
        expect(&response, "the content", |code| (200..300).contains(&code))?;
        Ok(response)
    }
}

/// The validated address in the client's own type.
fn on_the_wire(address: &Address) -> WireAddress {
    WireAddress::new_dangerous(address.local(), address.domain())
}

/// Where the header section ends.
fn header_end(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(bytes.len())
}

/// Runs one phase with its total time-out. Dropping it half-way leaves the connection unusable, so its owner drops
/// that as well.
async fn phase<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Trouble> {
    match timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let code = error.status().map(u16::from);
            let text = match (code, std::error::Error::source(&error)) {
                (Some(_), Some(text)) => text.to_string(),
                (Some(_), None) => String::new(),
                (None, _) => format!("{what}: {error}"),
            };
            Err(Trouble { code, text })
        }
        Err(_) => Err(Trouble::new(format!("{what}: no answer within {limit:?}"))),
    }
}

/// A positive reply that is none for this command is garbage: nothing is known.
fn expect(response: &Response, what: &str, fits: impl Fn(u16) -> bool) -> Result<(), Trouble> {
    let code = u16::from(response.code());
    if fits(code) {
        return Ok(());
    }
    Err(Trouble::new(format!("{what}: unexpected reply {code} {}", joined(response))))
}

fn joined(response: &Response) -> String {
    response.message().collect::<Vec<_>>().join(" ")
}

fn reply(remote: Option<String>, response: &Response) -> Reply {
    let text = joined(response);
    Reply {
        remote,
        code: Some(response.code().into()),
        status: status::from_reply(&text),
        text: one_line(&text),
    }
}

impl Trouble {
    fn new(text: String) -> Self {
        Self { code: None, text }
    }

    fn reply(self, remote: Option<String>) -> Reply {
        Reply {
            remote,
            code: self.code,
            // 4.4.2: bad connection, what RFC 3463 has for one that said nothing usable.
            status: status::from_reply(&self.text).or(self.code.is_none().then_some(Status::new(4, 4, 2))),
            text: one_line(&self.text),
        }
    }

    /// What a failed transaction comes to.
    fn judge(self, remote: Option<String>) -> Handed {
        // 530, 534, 535, 538 (RFC 4954): about our credentials, not about this message, so nothing bounces.
        let final_ =
            matches!(self.code, Some(500..=599)) && !matches!(self.code, Some(530 | 534 | 535 | 538));
        let reply = self.reply(remote);
        if final_ { Handed::Refused(reply) } else { Handed::Deferred(reply) }
    }
}

impl Reply {
    /// What happened here, without anybody's reply.
    #[must_use]
    pub fn local(text: &str) -> Self {
        Self { text: one_line(text), ..Self::default() }
    }
}

/// At most 500 characters, no controls.
pub(crate) fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    clean.trim().to_owned()
}
