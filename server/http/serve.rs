//! Connections: bounded in number, cut when they dawdle, let finish when the door closes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

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
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_OCTETS).keep_alive(true);
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
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let router = router.clone();
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Socket(peer.ip()));
                let answered = router.oneshot(request).await;
                answered.map_err(|never: Infallible| never)
            }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Its error is the client's: a request that cannot be read is answered by hyper, a lost one by nobody.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}
