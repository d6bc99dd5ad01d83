//! Connections: bounded in number, cut when they dawdle, folded up while they wait, let finish when the door closes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::fold::{self, Again, Folded};
use super::line::Line;
use super::peer::Socket;

/// Connections at once.
const CONNECTIONS: usize = 20_000;
/// How long a request's head may take, and a connection may idle.
const HEAD: Duration = Duration::from_secs(30);
/// Octets of a request's head.
const HEAD_OCTETS: usize = 64 * 1024;
/// How long what has begun may take to finish when the door closes.
const DRAIN: Duration = Duration::from_secs(20);
/// The pause after an accept that failed, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then finishes what has begun.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_OCTETS).keep_alive(true);
    // Else hyper keeps a second buffer for each request that is being answered, to read that nobody is there any more.
    // Whatever takes long asks the line itself.
    http.half_close(true);
    let door = Arc::new(Door { http, router, shutdown: shutdown.clone() });
    while let Some(Ok(place)) = shutdown.run_until_cancelled(places.clone().acquire_owned()).await {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { break };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                let _ = shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (door, socket) = (door.clone(), Socket(peer.ip(), Line::new(stream)));
        connections.spawn(async move {
            door.attend(socket).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}

struct Door {
    http: http1::Builder,
    router: Router,
    shutdown: CancellationToken,
}

/// How a connection's service says that a request waits. Nothing is written, and the connection is let go.
#[derive(Debug, thiserror::Error)]
#[error("the request waits")]
struct Folds;

impl Door {
    /// Serves a connection to its end. While one of its requests waits there is nothing of it but that request's octets.
    async fn attend(self: Arc<Self>, socket: Socket) {
        let (mut before, mut again) = (Bytes::new(), None);
        loop {
            // Boxed, so that who waits does not keep the room for it.
            let talked = Box::pin(self.talk(&socket, before, again)).await;
            let Some((mut folded, rest)) = talked else { return };
            if !folded.parked.rung(&self.shutdown, socket.1.closed()).await {
                return;
            }
            let (mut octets, known) = folded.unfold();
            octets.extend_from_slice(&rest);
            (before, again) = (octets.into(), Some(known));
        }
    }

    /// Speaks HTTP until the connection ends, or one of its requests waits: that request, and what was read after it.
    /// `before` is read before what comes over the line, and begins with the request that comes `again`.
    async fn talk(&self, socket: &Socket, before: Bytes, again: Option<Again>) -> Option<(Folded, Bytes)> {
        let folds = Arc::new(Mutex::new((again, None)));
        let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(socket.clone());
            answer(self.router.clone(), request, folds.clone())
        });
        let line = TokioIo::new(socket.1.clone().after(before));
        let mut connection = self.http.serve_connection(line, service);
        let ended = tokio::select! {
            biased;
            ended = &mut connection => ended,
            () = self.shutdown.cancelled() => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        // Another error is the client's: a request that cannot be read is answered by hyper, a lost one by nobody.
        ended.err()?;
        let folded = folds.lock().unwrap_or_else(PoisonError::into_inner).1.take()?;
        // Copied, so that the buffer is let go.
        let rest = Bytes::copy_from_slice(&connection.into_parts().read_buf);
        Some((folded, rest))
    }
}

/// Answers a request, or folds it up.
async fn answer(
    router: Router,
    mut request: Request,
    folds: Arc<Mutex<(Option<Again>, Option<Folded>)>>,
) -> Result<Response, Folds> {
    let again = folds.lock().unwrap_or_else(PoisonError::into_inner).0.take();
    let head = fold::keep(&mut request, again);
    let Ok(mut response) = router.oneshot(request).await;
    let Some(folded) = head.and_then(|head| Folded::of(&head, &mut response)) else { return Ok(response) };
    folds.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(folded);
    Err(Folds)
}
