//! What is being worked on: one task for each delivery, or for several that are filed together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::Inner;
use super::pump::Batch;
use crate::store::delivery::{Lane, Leased};

/// Deliveries to mailboxes here that are filed in one unit, at most.
const TOGETHER: usize = 32;

/// What is being worked on in one lane.
#[derive(Default)]
pub(super) struct Hands {
    pub(super) tasks: JoinSet<()>,
    held: HashMap<Id, Held>,
}

/// What one task works on.
struct Held {
    leased: Vec<Leased>,
    since: Instant,
}

/// How much is in hand.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// In all.
    pub(super) all: usize,
    /// Of those, what has only begun: the others are waited for, but are in nobody's way.
    pub(super) brisk: usize,
    /// By destination: in all, and what has only begun.
    pub(super) of: HashMap<String, (usize, usize)>,
}

impl Hands {
    /// Begins the work: what goes into mailboxes here together, everything else by itself.
    pub(super) fn take(&mut self, worker: &Arc<Inner>, batch: &Arc<Batch>, lane: Lane, claimed: Vec<Leased>) {
        // A question's recipients, and what has failed before, must not stand or fall with others.
        let plain = |leased: &Leased| {
            lane == Lane::Here && leased.kind == "mail" && leased.subject_id.is_none() && leased.attempts == 1
        };
        let (together, alone): (Vec<_>, Vec<_>) = claimed.into_iter().partition(plain);
        let single = alone.into_iter().map(|leased| vec![leased]);
        for mut group in std::iter::once(together).chain(single) {
            while !group.is_empty() {
                let most = group.len().min(TOGETHER);
                // Powers of two, so that few different statements come about.
                let rest = group.split_off(1 << most.ilog2());
                let together = std::mem::replace(&mut group, rest);
                let (worker, batch) = (worker.clone(), batch.clone());
                let task = match <[Leased; 1]>::try_from(together.clone()) {
                    Ok([leased]) => self.tasks.spawn(worker.work(batch, leased)),
                    Err(together) => self.tasks.spawn(worker.work_together(batch, together)),
                };
                self.held.insert(task.id(), Held { leased: together, since: Instant::now() });
            }
        }
    }

    /// One is done: a panic is told of, and costs its own delivery an attempt, nothing else.
    pub(super) fn done(&mut self, joined: &Result<(Id, ()), JoinError>) {
        let id = match joined {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let held = self.held.remove(&id).map(|held| held.leased).unwrap_or_default();
        if let Err(error) = joined
            && error.is_panic()
        {
            for leased in held {
                tracing::error!(delivery = %leased.id, account = %leased.account_id, "working on a delivery panicked");
            }
        }
    }

    /// How much is in hand; what takes longer than `slow` counts apart.
    pub(super) fn counts(&self, slow: Duration) -> Counts {
        let mut counts = Counts::default();
        for held in self.held.values() {
            let brisk = held.since.elapsed() < slow;
            for leased in &held.leased {
                let of = match counts.of.get_mut(&leased.destination) {
                    Some(of) => of,
                    None => counts.of.entry(leased.destination.clone()).or_default(),
                };
                of.0 += 1;
                of.1 += usize::from(brisk);
                counts.all += 1;
                counts.brisk += usize::from(brisk);
            }
        }
        counts
    }

    /// Ends all work half-way; what was in hand.
    pub(super) async fn abort(mut self) -> Vec<Leased> {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.held.into_values().flat_map(|held| held.leased).collect()
    }
}
