//! Claiming: keeps a lane's hands full, in turn between destinations, and waits for the bell when nothing is due.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use uuid::Uuid;

use super::{Inner, Lease, millis};
use crate::store::claim::Claim;
use crate::store::delivery::{Lane, Leased};
use crate::store::submission::SubmissionRow;
use crate::store::{Result, Topic};

/// The first and the longest wait after the store has failed.
const TROUBLE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Between two looks for what a wrong clock has put off.
const WRONG: Duration = Duration::from_secs(60);

/// What was claimed at once, with what all of it needs.
pub(super) struct Batch {
    pub(super) lease: Arc<Lease>,
    submissions: HashMap<(Uuid, Uuid), Arc<SubmissionRow>>,
}

impl Batch {
    /// The submission a delivery of kind `mail` belongs to.
    pub(super) fn submission(&self, leased: &Leased) -> Option<Arc<SubmissionRow>> {
        self.submissions.get(&(leased.account_id, leased.submission_id?)).cloned()
    }
}

/// Deliveries to mailboxes here that are filed in one unit, at most.
const TOGETHER: usize = 32;

/// What is being worked on in one lane.
#[derive(Default)]
struct Hands {
    tasks: JoinSet<()>,
    held: HashMap<Id, Vec<Leased>>,
}

impl Hands {
    /// Begins the work: what goes into mailboxes here together, everything else by itself.
    fn take(&mut self, worker: &Arc<Inner>, batch: &Arc<Batch>, lane: Lane, claimed: Vec<Leased>) {
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
                self.held.insert(task.id(), together);
            }
        }
    }

    /// One is done: a panic is told of, and costs its own delivery an attempt, nothing else.
    fn done(&mut self, joined: &Result<(Id, ()), JoinError>) {
        let id = match joined {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let held = self.held.remove(&id).unwrap_or_default();
        if let Err(error) = joined
            && error.is_panic()
        {
            for leased in held {
                tracing::error!(delivery = %leased.id, account = %leased.account_id, "working on a delivery panicked");
            }
        }
    }

    /// How many deliveries are being worked on.
    fn count(&self) -> usize {
        self.held.values().map(Vec::len).sum()
    }

    /// Destinations that have more than this in hand.
    fn busy(&self, most: usize) -> Vec<String> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for leased in self.held.values().flatten() {
            *counts.entry(&leased.destination).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count > most).map(|(name, _)| name.to_owned()).collect()
    }
}

impl Inner {
    /// Leases what is due, and reads what the work needs.
    async fn claim(
        self: &Arc<Self>,
        lane: Lane,
        limit: usize,
        busy: &[String],
    ) -> Result<(Arc<Batch>, Vec<Leased>)> {
        let (store, now) = (&self.context.store, self.now());
        let (id, until) = (self.context.ids.id(now), self.lease_ends(now));
        let per_destination = self.per_claim(lane) as i64;
        let claim = Claim { now, lease: id, until, lane, limit: limit as i64, per_destination, busy };
        let leased = store.claim(claim).await?;
        let over = Arc::new(Notify::new());
        let lease = Arc::new(Lease { id, until: AtomicI64::new(until), over: over.clone() });
        if leased.is_empty() {
            return Ok((Arc::new(Batch { lease, submissions: HashMap::new() }), leased));
        }
        let weak: Weak<Lease> = Arc::downgrade(&lease);
        tokio::spawn(self.clone().keep_alive(weak, id, over));
        let mut keys: Vec<_> = leased.iter().filter_map(|l| Some((l.account_id, l.submission_id?))).collect();
        keys.sort_unstable();
        keys.dedup();
        let rows = if keys.is_empty() { Vec::new() } else { store.submissions(&keys).await? };
        let submissions = rows.into_iter().map(|row| ((row.account_id, row.id), Arc::new(row))).collect();
        Ok((Arc::new(Batch { lease, submissions }), leased))
    }

    /// In hand at once. A call only waits, so that many of them cost little.
    fn at_once(&self, lane: Lane) -> usize {
        match lane {
            Lane::Here | Lane::Outside => self.settings.at_once,
            Lane::Calls => self.settings.at_once * 4,
        }
    }

    /// Of one destination at once, by one claim. Outside it is half of what may be worked on at once, because what
    /// is in hand and what one claim adds must not be more than that together.
    fn per_claim(&self, lane: Lane) -> usize {
        match lane {
            Lane::Here => self.settings.at_once,
            Lane::Outside | Lane::Calls => (self.settings.per_destination / 2).max(1),
        }
    }

    /// In hand, beyond this many a destination gets no more.
    fn per_hand(&self, lane: Lane) -> usize {
        match lane {
            Lane::Here => self.settings.at_once,
            Lane::Outside | Lane::Calls => {
                self.settings.per_destination - self.per_claim(lane).min(self.settings.per_destination)
            }
        }
    }

    /// Works on everything that is due in a lane, once.
    pub(super) async fn sweep(self: Arc<Self>, lane: Lane) -> Result<usize> {
        self.bring_forward(lane).await;
        let mut hands = Hands::default();
        let (batch, leased) = self.claim(lane, self.at_once(lane), &[]).await?;
        let count = leased.len();
        hands.take(&self, &batch, lane, leased);
        drop(batch);
        while let Some(joined) = hands.tasks.join_next_with_id().await {
            hands.done(&joined);
        }
        Ok(count)
    }

    /// Works on a lane until the worker stops.
    pub(super) async fn pump(self: Arc<Self>, lane: Lane) {
        let mut ear = self.context.store.bell().listen(Topic::Queue);
        let mut hands = Hands::default();
        let mut trouble: Option<Duration> = None;
        let mut looked: Option<Instant> = None;
        while !self.stopping.is_cancelled() {
            let mut wait = self.settings.poll;
            let free = self.at_once(lane).saturating_sub(hands.count());
            if free > 0 {
                let looked_at = self.now();
                match self.claim(lane, free, &hands.busy(self.per_hand(lane))).await {
                    Ok((batch, leased)) => {
                        trouble = None;
                        if !leased.is_empty() {
                            hands.take(&self, &batch, lane, leased);
                            continue;
                        }
                        if looked.is_none_or(|at| at.elapsed() >= WRONG) {
                            looked = Some(Instant::now());
                            self.bring_forward(lane).await;
                        }
                        wait = self.until_next(lane, looked_at).await.unwrap_or(wait);
                    }
                    Err(error) => {
                        // An unhealthy store also suspends sending: what cannot be recorded would be sent twice.
                        wait = trouble.map_or(TROUBLE.0, |last| (last * 2).min(TROUBLE.1));
                        trouble = Some(wait);
                        tracing::warn!(%error, "the queue cannot be read; trying again in {wait:?}");
                        tokio::select! {
                            () = tokio::time::sleep(wait) => {}
                            () = self.stopping.cancelled() => {}
                        }
                        continue;
                    }
                }
            }
            tokio::select! {
                () = self.stopping.cancelled() => {}
                Some(joined) = hands.tasks.join_next_with_id() => hands.done(&joined),
                () = ear.wait(wait), if free > 0 => {}
            }
            while let Some(joined) = hands.tasks.try_join_next_with_id() {
                hands.done(&joined);
            }
        }
        self.drain(hands).await;
    }

    /// Lets nothing wait for a time that only a wrong clock has set.
    async fn bring_forward(&self, lane: Lane) {
        let (retry, now) = (&self.settings.retry, self.now());
        // Retries are at most a quarter longer than the longest.
        let latest = now.saturating_add(millis(retry.max * 2)).saturating_add(millis(self.settings.lease));
        match self.context.store.bring_forward(lane, now, latest, millis(retry.first)).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(
                    count,
                    "deliveries were put off by a clock that was wrong; they are due again"
                );
            }
            Err(error) => tracing::warn!(%error, "what a wrong clock has put off could not be looked for"),
        }
    }

    /// How long until something else is due. What is due already waits for a destination that is busy, and that
    /// tells us itself.
    async fn until_next(&self, lane: Lane, looked_at: i64) -> Option<Duration> {
        let next = self.context.store.next_due(lane).await.ok()??;
        let ms = if next > looked_at { (next - self.now()).max(0) } else { return None };
        Some(Duration::from_millis(ms.unsigned_abs()).min(self.settings.poll))
    }

    /// Waits for what is being worked on, within bounds, and gives back the rest.
    async fn drain(&self, mut hands: Hands) {
        let finish = async {
            while let Some(joined) = hands.tasks.join_next_with_id().await {
                hands.done(&joined);
            }
        };
        let _ = tokio::time::timeout(self.settings.drain, finish).await;
        hands.tasks.abort_all();
        while hands.tasks.join_next().await.is_some() {}
        for leased in hands.held.into_values().flatten() {
            let now = self.now();
            // Its lease ends by itself if this fails.
            let _ = self.context.store.give_back(leased, now).await;
        }
    }
}

/// When the next attempt is due after `attempts` tries, but not beyond `last`.
pub(super) fn next_attempt(worker: &Inner, attempts: i64, now: i64, last: i64) -> i64 {
    let tries = u32::try_from(attempts).unwrap_or(u32::MAX);
    let gap = worker.settings.retry.delay(tries, worker.context.ids.chance());
    now.saturating_add(millis(gap)).min(last)
}
