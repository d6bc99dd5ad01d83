//! The SMTP door (RFC 5321): mail from outside for addresses here, and replies to secret addresses. It relays nothing.

mod command;
mod data;
mod input;
mod reply;
mod session;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::submission::Context;
use session::Session;

/// Messages read at once; each is held in memory while it is.
const PARSING: usize = 4;

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
            command: Duration::from_secs(300),
            data: Duration::from_secs(1800),
            session: Duration::from_secs(3600),
            close: Duration::from_secs(2),
        }
    }
}

/// The door; clones share its limits.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    context: Context,
    settings: Settings,
    connections: Arc<Semaphore>,
    parsing: Semaphore,
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
        let connections = Arc::new(Semaphore::new(settings.connections));
        let (parsing, peers) = (Semaphore::new(PARSING), Mutex::default());
        Self(Arc::new(Inner { context, settings, connections, parsing, peers }))
    }

    /// Takes connections until `shutdown`, and returns when the last session is over: each finishes the message it
    /// is receiving and is then told to come back.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let sessions = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let (stream, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: the next call would fail as well.
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let place = self.place(remote.ip());
            let (Ok(permit), Some(place)) = (self.0.connections.clone().try_acquire_owned(), place) else {
                // One write into an empty socket buffer: if that does not go, the client learns by the hang-up.
                let _ = stream.try_write(b"421 4.7.0 Too many connections, come back later\r\n");
                continue;
            };
            // Replies are small and waited for.
            let _ = stream.set_nodelay(true);
            let (door, shutdown) = (self.clone(), shutdown.clone());
            sessions.spawn(async move {
                let _held = (permit, place);
                let pause = if remote.ip().to_canonical().is_loopback() {
                    Duration::ZERO
                } else {
                    door.0.settings.time_outs.greeting
                };
                door.hold(stream, remote.ip(), pause, &shutdown).await;
            });
        }
        drop(listener);
        sessions.close();
        sessions.wait().await;
    }

    /// Holds one session on a connection that was made elsewhere.
    pub async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        remote: IpAddr,
        shutdown: &CancellationToken,
    ) {
        self.hold(stream, remote, self.0.settings.time_outs.greeting, shutdown).await;
    }

    async fn hold(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        remote: IpAddr,
        pause: Duration,
        shutdown: &CancellationToken,
    ) {
        match Session::new(&self.0, stream, remote).run(pause, shutdown).await {
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
