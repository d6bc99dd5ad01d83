//! A wire between a server and what it depends on, which can be cut or go silent.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the wire does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// It carries everything.
    Whole,
    /// It carries nothing, and closes nothing: packets are dropped.
    Silent,
    /// It closes what there was, and refuses what comes.
    Cut,
}

/// The wire; it is gone with this value.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    wire: watch::Sender<Wire>,
}

impl Proxy {
    /// A wire to a server.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, (wire, state)) = (listener.local_addr().unwrap(), watch::channel(Wire::Whole));
        tokio::spawn(async move {
            let mut gone = state.clone();
            loop {
                tokio::select! {
                    _ = gone.wait_for(|_| false) => return,
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        tokio::spawn(carry(client, server, state.clone()));
                    }
                }
            }
        });
        Self { address, wire }
    }

    /// Makes the wire so.
    pub(crate) fn be(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut wire: watch::Receiver<Wire>) {
    // A connection begun in the silence is never answered, as long as it lasts.
    if wire.wait_for(|wire| *wire != Wire::Silent).await.is_err() || *wire.borrow() == Wire::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut cut = wire.clone();
    tokio::select! {
        () = one_way(from_client, to_server, wire.clone()) => {}
        () = one_way(from_server, to_client, wire) => {}
        _ = cut.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Wire>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // What was sent into the silence arrives after it, as TCP would send it again.
        if wire.wait_for(|wire| *wire != Wire::Silent).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
