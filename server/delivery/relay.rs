//! Handing a message to the next hop by SMTP (RFC 5321): one recipient per transaction, a total time-out for each
//! phase, and the reply kept as it was given.
//!
//! Only a parsed 5xx about the message or its envelope is final. Everything else, above all whatever happens after
//! the final dot without a reply, is not known to have failed: it is tried again, with the same bytes.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Quit, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::line::{Line, Offers, Step, Trouble, parameters, phase, reply};
use super::next_hop::{NextHop, Tls};
use super::wire::Wire;
use crate::mail::address::Address;
use crate::mail::dkim::Key;
use crate::mail::message::canonical;
use crate::mail::notify;
use crate::mail::status::Status;
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
    /// Whose fault it was, where it was not what the next hop says of this message.
    pub fault: Option<Fault>,
    /// Whether the next hop was told what the sender wants to know, and will tell it (RFC 3461).
    pub tells: bool,
}

/// What failed, where nobody has judged the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There was no connection that could take mail: not reached, no greeting, no TLS, no AUTH.
    Hop,
    /// The transaction ended without a reply, or with 421.
    Transfer,
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

/// What content in memory is counted by, in KiB.
pub(super) fn memory() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MEMORY / KIB))
}

/// Content octets in memory at once, over all transactions.
const MEMORY: usize = 64 << 20;
const KIB: usize = 1024;
/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// The way to the next hop; clones share its idle connections.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    hop: NextHop,
    /// Our name in EHLO.
    name: String,
    time_outs: TimeOuts,
    idle: Mutex<Vec<Idle>>,
    /// How many idle connections are kept.
    most_idle: usize,
    /// Connections that may be used at once; one that takes long gives its place to another.
    connections: Semaphore,
    slow_after: Duration,
    memory: Arc<Semaphore>,
    /// Certificates (PEM) that are trusted beside the well-known ones.
    roots: Option<Arc<[u8]>>,
}

struct Idle {
    line: Line,
    since: Instant,
}

/// On what terms a message is handed over: the same at each attempt, so that every attempt sends the same octets.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    /// The keys of its sender's domain, which sign it (RFC 6376).
    pub(super) keys: Vec<Arc<Key>>,
    /// When it is signed, in seconds since 1970, UTC.
    pub(super) at: i64,
    /// What the sender wants to be told about this recipient (RFC 3461).
    pub(super) wanted: notify::Recipient,
    /// RET: whether the whole message comes back when it fails; none: nothing was said.
    pub(super) full: Option<bool>,
    /// ENVID.
    pub(super) envelope_id: Option<String>,
}

impl Terms {
    fn sign<'m>(&self, message: Cow<'m, [u8]>) -> Cow<'m, [u8]> {
        let mut signed: Vec<u8> =
            self.keys.iter().filter_map(|key| key.sign(&message, self.at)).flatten().collect();
        if signed.is_empty() {
            return message;
        }
        signed.extend_from_slice(&message);
        signed.into()
    }
}

impl Relay {
    /// A way to `hop`; `name` is what we call ourselves in EHLO.
    #[must_use]
    pub fn new(hop: NextHop, name: String, time_outs: TimeOuts) -> Self {
        Self::sharing(hop, name, time_outs, 20, Duration::MAX, memory(), None)
    }

    /// The same with so many connections at once; one that is used for longer than `slow_after` does not count.
    /// The memory for content is shared with other relays.
    pub(super) fn sharing(
        hop: NextHop,
        name: String,
        time_outs: TimeOuts,
        connections: usize,
        slow_after: Duration,
        memory: Arc<Semaphore>,
        roots: Option<Arc<[u8]>>,
    ) -> Self {
        let (idle, most_idle) = (Mutex::default(), connections.max(1));
        let connections = Semaphore::new(most_idle);
        Self(Arc::new(Inner {
            hop,
            name,
            time_outs,
            idle,
            most_idle,
            connections,
            slow_after,
            memory,
            roots,
        }))
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
        self.hand_on(from, to, content, &Terms::default(), ours).await
    }

    /// The same on these terms: with signatures in front of the message, and what is to be told of it.
    pub(super) async fn hand_on(
        &self,
        from: Option<&Address>,
        to: &Address,
        content: &Stored,
        terms: &Terms,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        let wanted = usize::try_from(content.size()).unwrap_or(MEMORY).min(MEMORY) / KIB + 1;
        let permits = u32::try_from(wanted.min(MEMORY / KIB)).unwrap_or(u32::MAX);
        let Ok(_memory) = self.0.memory.acquire_many(permits).await else {
            return Handed::Deferred(Reply::local("the worker is stopping"));
        };
        let bytes = match read(content).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "a stored message cannot be read");
                return Handed::Deferred(Reply::local("the stored message cannot be read at the moment"));
            }
        };
        // A lone LF would end the message early at a loose server; stored bytes have none.
        let bytes = terms.sign(canonical(&bytes));
        let Ok(permit) = self.0.connections.acquire().await else {
            return Handed::Deferred(Reply::local("the worker is stopping"));
        };
        let mut transaction = pin!(self.transact(from, to, &bytes, terms, ours));
        if let Ok(handed) = timeout(self.0.slow_after, &mut transaction).await {
            return handed;
        }
        // It is waited for, but not at the cost of others.
        drop(permit);
        transaction.await
    }

    async fn transact(
        &self,
        from: Option<&Address>,
        to: &Address,
        bytes: &[u8],
        terms: &Terms,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        if let Some(mut line) = self.idle() {
            let first = line.mail(self.0.time_outs, from, to, bytes, terms).await;
            let gone = matches!(&first, Err(Step::Trouble(t)) if t.code.is_none() || t.code == Some(421));
            // An idle connection may have been closed meanwhile, which says nothing about this message.
            if !gone {
                return self.rest(line, first, from, to, bytes, terms, ours).await;
            }
        }
        match self.connect().await {
            Ok(mut line) => {
                let first = line.mail(self.0.time_outs, from, to, bytes, terms).await;
                self.rest(line, first, from, to, bytes, terms, ours).await
            }
            // Whatever a server says before MAIL is about us or itself, not about the message.
            Err((remote, trouble)) => {
                Handed::Deferred(Reply { fault: Some(Fault::Hop), ..trouble.reply(remote) })
            }
        }
    }

    /// Everything after MAIL, and what it comes to.
    #[expect(clippy::too_many_arguments, reason = "the envelope, the message and its terms")]
    async fn rest(
        &self,
        mut line: Line,
        mail: Result<(), Step>,
        from: Option<&Address>,
        to: &Address,
        bytes: &[u8],
        terms: &Terms,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        let done = match mail {
            Ok(()) => line.transfer(self.0.time_outs, from, to, bytes, terms, ours).await,
            Err(step) => Err(step),
        };
        let remote = Some(line.remote.clone());
        match done {
            Ok(response) => {
                let reply = Reply { tells: line.offers.dsn, ..reply(remote, &response) };
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
        if idle.len() < self.0.most_idle && !line.smtp.has_broken() {
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
        let Inner { hop, name, time_outs, roots, .. } = &*self.0;
        let client = ClientId::Domain(name.clone());
        let limit = time_outs.connect;
        if hop.tls == Tls::Implicit {
            let tls = parameters(hop, roots.as_deref()).map_err(|t| (None, t))?;
            let open = AsyncSmtpConnection::connect_tokio1(
                (hop.host.as_str(), hop.port),
                Some(limit),
                &client,
                Some(tls),
                None,
            );
            let smtp = phase(limit, "connecting", open).await.map_err(|t| (Some(hop.to_string()), t))?;
            let mut line = Line { smtp, remote: hop.to_string(), offers: Offers::default() };
            line.ask(&client, limit).await.map_err(|t| (Some(hop.to_string()), t))?;
            line.authenticate(hop, limit).await.map_err(|t| (Some(hop.to_string()), t))?;
            return Ok(line);
        }
        let open = async {
            match hop.address {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect((hop.host.as_str(), hop.port)).await,
            }
        };
        let stream = match timeout(limit, open).await {
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
        let mut line = Line { smtp, remote: remote.clone(), offers: Offers::default() };
        let wanted = hop.tls != Tls::None;
        if wanted && line.smtp.can_starttls() {
            let tls = parameters(hop, roots.as_deref()).map_err(told)?;
            phase(limit, "STARTTLS", line.smtp.starttls(tls, &client)).await.map_err(told)?;
        } else if matches!(hop.tls, Tls::Required | Tls::Encrypted) {
            let text = "it offers no STARTTLS, and nothing is sent there without (relay.url, or its domain's policy)";
            return Err(told(Trouble::new(text.into())));
        }
        line.ask(&client, limit).await.map_err(told)?;
        line.authenticate(hop, limit).await.map_err(told)?;
        Ok(line)
    }
}

/// The octets of a message; those of a file are read where it may wait.
async fn read(content: &Stored) -> std::io::Result<Vec<u8>> {
    if let Stored::Inline(bytes) = content {
        return Ok(bytes.clone());
    }
    let stored = content.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::with_capacity(usize::try_from(stored.size()).unwrap_or_default());
        stored.reader(0)?.read_to_end(&mut bytes).map(|_| bytes)
    });
    read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
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
