//! What the tests stand on: databases, a running app, its clients, and the peers it talks to.

#[macro_use]
pub(crate) mod database;

pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod dir;
pub(crate) mod dns;
pub(crate) mod mail;
pub(crate) mod mta;
pub(crate) mod postfix;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod s3;
pub(crate) mod tls;

use std::time::Duration;

pub(crate) use database::{Database, Engine};

/// Longer than anything a test waits for takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a future, but not for ever; `what` names it when it does not come.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Asks again and again until the answer is there; for what tells nobody when it changes (another process).
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    within(what, async {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
}

/// Whether the long forms are asked for (`tests/run --long`).
pub(crate) fn long() -> bool {
    std::env::var_os("RESTANTE_LONG").is_some_and(|value| value == "1")
}
