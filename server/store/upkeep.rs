//! Upkeep: the work on the store that nobody waits for.

use std::pin::pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Result, Store};
use crate::mail::clock::Clock;

/// How long an email waits at most to be indexed while nothing else does. (A search sees it at once.)
const INDEX: Duration = Duration::from_secs(1);
/// Emails of one look at what is not indexed.
const INDEXED: i64 = 256;
/// Looks at what is not indexed between two at what can be deleted.
const CLEAN: u32 = 60;
/// Rows and blobs of one look at what can be deleted.
const CLEANED: i64 = 1000;

impl Store {
    /// Indexes, collects and prunes until `stop`. Every node may do so.
    pub async fn upkeep(self, clock: Clock, stop: CancellationToken) {
        let mut stopped = pin!(stop.clone().cancelled_owned());
        let mut round = 0_u32;
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(INDEX) => {}
            }
            round = round.wrapping_add(1);
            let mut more = true;
            while more && !stop.is_cancelled() {
                let indexed = self.index_some(INDEXED, clock.now_ms()).await;
                more = worked("indexing", indexed.map(|count| count > 0));
            }
            if !round.is_multiple_of(CLEAN) || stop.is_cancelled() {
                continue;
            }
            let collected = self.collect_some(CLEANED, clock.now_ms()).await;
            worked("collecting", collected.map(|count| count > 0));
            let mut more = true;
            while more && !stop.is_cancelled() {
                let pruned = self.prune_some(CLEANED, clock.now_ms()).await;
                more = worked("pruning", pruned.map(|count| count > 0));
            }
        }
    }
}

/// Whether something was done; what failed is done later.
fn worked(what: &str, done: Result<bool>) -> bool {
    match done {
        Ok(more) => more,
        Err(error) => {
            tracing::warn!(%error, "{what} failed and is tried again later");
            false
        }
    }
}
