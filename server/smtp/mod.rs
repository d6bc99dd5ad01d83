//! The SMTP doors: mail from outside for addresses here and replies to secret addresses (RFC 5321), the same from a mail
//! server beside this one (LMTP, RFC 2033), and submission by whoever has an account here (RFC 6409, RFC 8314). What is not
//! submitted is relayed nowhere.

mod accept;
mod auth;
mod check;
mod command;
mod data;
mod filter;
mod input;
mod listen;
mod rate;
mod receive;
mod reply;
mod sasl;
mod session;
mod stream;
mod tls;
mod trace;

pub use check::{Checks, NoDns};
pub use filter::Filter;
pub use listen::{At, Listener};
pub use tls::{BadCertificate, Certificate, Tls};

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::submission::Context;
use rate::Rates;
use session::Session;
use stream::Stream;

/// What is said to whoever comes too often.
const TOO_MANY: &[u8] = b"421 4.7.0 Too many connections, come back later\r\n";
/// Messages read at once; each is held in memory while it is.
const PARSING: usize = 4;

/// What is spoken at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SMTP, by other mail servers.
    Relay,
    /// Submission by mail programs; STARTTLS and AUTH come first.
    Submission,
    /// The same with TLS from the beginning.
    Submissions,
    /// LMTP, by a mail server that is trusted.
    Lmtp,
}

impl Kind {
    /// Whether what comes is sent on in an account's name.
    fn submits(self) -> bool {
        matches!(self, Kind::Submission | Kind::Submissions)
    }
}

/// Where the door is, and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Connections at once; further ones are told to come back (421).
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// New connections from one network (an IPv4 address, an IPv6 /64) in a minute, but not from this machine.
    pub connections_per_minute: u32,
    /// Recipients of one transaction (452 beyond; the client sends the rest in another).
    pub recipients: usize,
    /// Errors in one session before it is cut.
    pub errors: u32,
    /// How long things may take.
    #[serde(skip)]
    pub time_outs: TimeOuts,
}

/// How long a client may take (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeOuts {
    /// How long the greeting waits for clients that talk before it. Not for those on the same machine, unless
    /// the connection is handed in by [`Door::converse`].
    pub greeting: Duration,
    /// For the handshake of TLS.
    pub handshake: Duration,
    /// For the next command, and for the next octets of a message.
    pub command: Duration,
    /// For a whole message.
    pub data: Duration,
    /// For a session that brings no message.
    pub session: Duration,
    /// For the client to hang up after the last reply.
    pub close: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 2525)),
            connections: 256,
            connections_per_address: 128,
            connections_per_minute: 600,
            recipients: 100,
            errors: 20,
            time_outs: TimeOuts::default(),
        }
    }
}

impl Default for TimeOuts {
    fn default() -> Self {
        Self {
            greeting: Duration::from_millis(100),
            handshake: Duration::from_secs(30),
            command: Duration::from_secs(300),
            data: Duration::from_secs(1800),
            session: Duration::from_secs(3600),
            close: Duration::from_secs(2),
        }
    }
}

/// What a door may work with.
#[derive(Clone, Default)]
pub struct Means {
    /// For TLS.
    pub certificate: Option<Arc<Certificate>>,
    /// For SPF, DKIM and DMARC.
    pub checks: Option<Arc<Checks>>,
    /// Against spam.
    pub filter: Option<Arc<Filter>>,
}

/// The door; clones share its limits.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    context: Context,
    settings: Settings,
    connections: Arc<Semaphore>,
    means: Means,
    parsing: Semaphore,
    rates: Rates,
    peers: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those of its address.
struct Place {
    door: Arc<Inner>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.door.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

impl Door {
    /// A door to this store.
    #[must_use]
    pub fn new(context: Context, settings: Settings) -> Self {
        Self::with(context, settings, Means::default())
    }

    /// A door that speaks TLS and checks what comes, as far as it has the means; without a certificate nobody can sign in.
    #[must_use]
    pub fn with(context: Context, settings: Settings, means: Means) -> Self {
        let connections = Arc::new(Semaphore::new(settings.connections));
        let (parsing, peers) = (Semaphore::new(PARSING), Mutex::default());
        let rates = Rates::new(settings.connections_per_minute);
        Self(Arc::new(Inner { context, settings, connections, means, parsing, rates, peers }))
    }

    /// Takes connections until `shutdown`, and returns when the last session is over: each finishes the message it
    /// is receiving and is then told to come back.
    pub async fn serve(self, listener: impl Into<Listener>, shutdown: CancellationToken) {
        self.serve_as(Kind::Relay, listener.into(), shutdown).await;
    }

    /// As [`Door::serve`], for one kind of client.
    pub async fn serve_as(self, kind: Kind, listener: Listener, shutdown: CancellationToken) {
        let sessions = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let (socket, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: the next call would fail as well.
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let place = self.place(remote);
            let permit = self.0.connections.clone().try_acquire_owned();
            let (Ok(permit), Some(place), true) = (permit, place, self.0.rates.admit(remote, Instant::now()))
            else {
                // One write into an empty socket buffer: if that does not go, the client learns by the hang-up.
                socket.turn_away(TOO_MANY);
                continue;
            };
            let (door, shutdown) = (self.clone(), shutdown.clone());
            sessions.spawn(async move {
                let _held = (permit, place);
                let pause = if remote.to_canonical().is_loopback() {
                    Duration::ZERO
                } else {
                    door.0.settings.time_outs.greeting
                };
                door.hold(kind, socket, remote, pause, &shutdown).await;
            });
        }
        drop(listener);
        sessions.close();
        sessions.wait().await;
    }

    /// Holds one session on a connection that was made elsewhere.
    pub async fn converse(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        remote: IpAddr,
        shutdown: &CancellationToken,
    ) {
        if self.0.rates.admit(remote, Instant::now()) {
            self.hold(Kind::Relay, stream, remote, self.0.settings.time_outs.greeting, shutdown).await;
        } else {
            let _ = stream.write_all(TOO_MANY).await;
        }
    }

    async fn hold(
        &self,
        kind: Kind,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        remote: IpAddr,
        pause: Duration,
        shutdown: &CancellationToken,
    ) {
        match Session::new(&self.0, kind, Stream::Plain(stream), remote).run(pause, shutdown).await {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                ) =>
            {
                tracing::debug!(%remote, "the client hung up");
            }
            Err(error) => tracing::info!(%remote, %error, "a connection broke"),
        }
    }

    /// Counts a connection of this address, unless it has too many.
    fn place(&self, peer: IpAddr) -> Option<Place> {
        let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = peers.entry(peer).or_insert(0);
        if *count >= self.0.settings.connections_per_address {
            return None;
        }
        *count += 1;
        Some(Place { door: self.0.clone(), peer })
    }
}

impl Inner {
    /// The largest message taken, in octets.
    fn limit(&self) -> u64 {
        self.context.settings.message_bytes
    }
}
