//! Claiming: keeps a lane's hands full, in turn between destinations, and waits for the bell when nothing is due.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use super::hands::{Counts, Hands};
use super::health::{Room, not_tried};
use super::turns::Turns;
use super::{Inner, Lease, millis};
use crate::mail::address::Address;
use crate::mail::dkim::Key;
use crate::store::claim::{Claim, Place};
use crate::store::delivery::{Lane, Leased};
use crate::store::destination::{Blocked, PutOff};
use crate::store::submission::SubmissionRow;
use crate::store::suppression::Suppressed;
use crate::store::{Result, Topic};

/// The first and the longest wait after the store has failed.
const TROUBLE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// How many times as many as may begin may be in hand, with those that take long.
const STUCK: usize = 4;
/// What ends within this time is replaced by one claim.
const LINGER: Duration = Duration::from_millis(1);
/// Destinations whose mail is put off before the next claim.
const PUT_OFF: usize = 16;
/// Between two looks for what a wrong clock has put off.
const WRONG: Duration = Duration::from_secs(60);

/// What was claimed at once, with what all of it needs.
pub(super) struct Batch {
    pub(super) lease: Arc<Lease>,
    submissions: HashMap<(Uuid, Uuid), Arc<SubmissionRow>>,
    /// Addresses that nothing is sent to, lower-cased.
    suppressed: HashMap<String, Suppressed>,
}

impl Batch {
    /// Why nothing is sent to an address.
    pub(super) fn suppressed(&self, address: &Address) -> Option<&Suppressed> {
        self.suppressed.get(&address.key())
    }

    /// The submission a delivery of kind `mail` belongs to.
    pub(super) fn submission(&self, leased: &Leased) -> Option<Arc<SubmissionRow>> {
        self.submissions.get(&(leased.account_id, leased.submission_id?)).cloned()
    }
}

impl Inner {
    /// Leases what is due at these destinations, and reads what the work needs.
    async fn claim(
        self: &Arc<Self>,
        lane: Lane,
        limit: usize,
        places: &[Place],
        now: i64,
    ) -> Result<(Arc<Batch>, Vec<Leased>)> {
        let store = &self.context.store;
        let (id, until, began) = (self.context.ids.id(now), self.lease_ends(now), (now, Instant::now()));
        let claim =
            Claim { now, lease: id, until, lane, limit: limit as i64, per_destination: i64::MAX, busy: &[] };
        let leased = store.claim_from(&claim, places).await?;
        let over = Arc::new(Notify::new());
        let lease = Arc::new(Lease { id, until: AtomicI64::new(until), began, over: over.clone() });
        if leased.is_empty() {
            let (submissions, suppressed) = (HashMap::new(), HashMap::new());
            return Ok((Arc::new(Batch { lease, submissions, suppressed }), leased));
        }
        let weak: Weak<Lease> = Arc::downgrade(&lease);
        tokio::spawn(self.clone().keep_alive(weak, id, over));
        let mut keys: Vec<_> = leased.iter().filter_map(|l| Some((l.account_id, l.submission_id?))).collect();
        keys.sort_unstable();
        keys.dedup();
        let rows = if keys.is_empty() { Vec::new() } else { store.submissions(&keys).await? };
        let submissions = rows.into_iter().map(|row| ((row.account_id, row.id), Arc::new(row))).collect();
        let mut suppressed = HashMap::new();
        if lane == Lane::Outside {
            let key = |leased: &Leased| leased.recipient.parse::<Address>().ok().map(|address| address.key());
            let keys: Vec<String> = leased.iter().filter_map(key).collect();
            let rows = store.suppressed(&keys, now).await?;
            suppressed = rows.into_iter().map(|row| (row.address.clone(), row)).collect();
        }
        Ok((Arc::new(Batch { lease, submissions, suppressed }), leased))
    }

    /// Begins as much of what is due as there is room for; how many deliveries that are.
    async fn begin(self: &Arc<Self>, lane: Lane, turns: &mut Turns, hands: &mut Hands) -> Result<usize> {
        let counts =
            hands.counts(if lane == Lane::Outside { self.settings.slow_after } else { Duration::MAX });
        let at_once = self.at_once(lane);
        let free = at_once.saturating_sub(counts.brisk).min((STUCK * at_once).saturating_sub(counts.all));
        if free == 0 {
            return Ok(0);
        }
        let store = &self.context.store;
        let now = self.now();
        if lane != Lane::Here && store.paused().await?.is_some() {
            // Whoever lets it go on rings; then everything is looked for anew.
            turns.reset();
            return Ok(0);
        }
        let walked = turns.look(store, lane, now, self.settings.poll).await?;
        // Somebody may have asked for one that cannot be reached to be tried anew.
        if lane == Lane::Outside && (walked || self.health.any_blocked(now)) {
            self.health.adopt(store.blocked().await?);
        }
        if lane == Lane::Outside && walked {
            let mut keys: HashMap<String, Vec<Arc<Key>>> = HashMap::new();
            for (domain, key) in store.dkim_keys().await? {
                keys.entry(domain).or_default().push(Arc::new(key));
            }
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
        let overdue = match lane {
            Lane::Here | Lane::Calls => 0,
            Lane::Outside => self.put_off_blocked(turns, hands).await?,
        };
        let places = match lane {
            Lane::Here => {
                // Twice what there is room for, so that few rows are looked at and hands are full all the same.
                let each = (2 * free / turns.names().count().max(1)).clamp(1, free);
                turns.next(free, |_| each)
            }
            Lane::Calls => {
                let mut rooms = Calls::new(self, &counts, at_once, now);
                turns.next(free, |name| rooms.of(name))
            }
            Lane::Outside => {
                // No more than its share at a time: else the oldest mail of all would be taken first, and new mail
                // to a destination that has little would wait for all that others hold.
                let each = (free / turns.names().count().max(1)).max(1);
                let mut rooms = Rooms::new(self, &counts, each, now);
                turns.next(free, |name| rooms.of(name))
            }
        };
        if places.is_empty() {
            return Ok(overdue);
        }
        let (batch, leased) = self.claim(lane, free, &places, self.now()).await?;
        turns.claimed(&places, &leased, free);
        let count = leased.len();
        hands.take(self, &batch, lane, leased);
        Ok(overdue + count)
    }

    /// In hand at once. A call only waits, so that many of them cost little.
    fn at_once(&self, lane: Lane) -> usize {
        match lane {
            Lane::Here | Lane::Outside => self.settings.at_once,
            Lane::Calls => self.settings.at_once * 4,
        }
    }

    /// Puts off what is due at destinations that cannot be reached. What should have ended by now stays: it is
    /// worked on, so that its sender is told; how many deliveries that are.
    async fn put_off_blocked(self: &Arc<Self>, turns: &mut Turns, hands: &mut Hands) -> Result<usize> {
        let now = self.now();
        let blocked = turns.names().filter_map(|name| Some((name.to_owned(), self.blocked(name, now)?)));
        let blocked: Vec<(String, Blocked)> = blocked.take(PUT_OFF).collect();
        let (mut worked, mut done) = (0, HashSet::new());
        for (destination, blocked) in &blocked {
            let until = blocked.blocked_until;
            let off = PutOff {
                destination: destination.clone(),
                name: blocked.name.clone(),
                reason: not_tried(blocked),
                until,
                spread: (until - now) / 4,
                give_up_after: millis(self.settings.retry.give_up_after),
                notice_after: match millis(self.settings.delay_notice_after) {
                    0 => i64::MAX / 4,
                    after => after,
                },
            };
            // What falls due meanwhile is put off the next time: it must not be claimed as what was left.
            let now = self.now();
            let count = self.context.store.put_off(off, now).await?;
            tracing::debug!(%destination, count, "put off: it cannot be reached");
            let overdue = vec![(destination.clone(), self.settings.at_once as i64)];
            let (batch, leased) = self.claim(Lane::Outside, self.settings.at_once, &overdue, now).await?;
            if leased.len() < self.settings.at_once {
                done.insert(destination.as_str());
            }
            worked += leased.len();
            hands.take(self, &batch, Lane::Outside, leased);
        }
        turns.forget(&done);
        Ok(worked)
    }

    /// Works on everything that is due in a lane, once.
    pub(super) async fn sweep(self: Arc<Self>, lane: Lane) -> Result<usize> {
        self.bring_forward(lane).await;
        let (mut hands, mut turns) = (Hands::default(), Turns::default());
        let count = self.begin(lane, &mut turns, &mut hands).await?;
        while let Some(joined) = hands.tasks.join_next_with_id().await {
            hands.done(&joined);
        }
        Ok(count)
    }

    /// Works on a lane until the worker stops.
    pub(super) async fn pump(self: Arc<Self>, lane: Lane) {
        let mut ear = self.context.store.bell().listen(Topic::Queue);
        let (mut hands, mut turns) = (Hands::default(), Turns::default());
        let mut trouble: Option<Duration> = None;
        let mut looked: Option<Instant> = None;
        while !self.stopping.is_cancelled() {
            let looked_at = self.now();
            let mut wait = self.settings.poll;
            match self.begin(lane, &mut turns, &mut hands).await {
                Ok(0) => {
                    trouble = None;
                    if looked.is_none_or(|at| at.elapsed() >= WRONG) {
                        looked = Some(Instant::now());
                        self.bring_forward(lane).await;
                    }
                    wait = self.until_next(lane, looked_at).await.unwrap_or(wait);
                }
                Ok(_) => {
                    trouble = None;
                    continue;
                }
                Err(error) => {
                    // An unhealthy store also suspends sending: what cannot be recorded would be sent twice.
                    wait = trouble.map_or(TROUBLE.0, |last| (last * 2).min(TROUBLE.1));
                    trouble = Some(wait);
                    turns.reset();
                    tracing::warn!(%error, "the queue cannot be read; trying again in {wait:?}");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.stopping.cancelled() => {}
                    }
                    continue;
                }
            }
            if lane == Lane::Outside && !hands.tasks.is_empty() {
                // What becomes slow meanwhile makes room for others.
                wait = wait.min(self.settings.slow_after);
            }
            tokio::select! {
                () = self.stopping.cancelled() => {}
                Some(joined) = hands.tasks.join_next_with_id() => {
                    hands.done(&joined);
                    if lane == Lane::Outside {
                        tokio::time::sleep(LINGER).await;
                    }
                }
                () = ear.wait(wait) => {}
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
        let next = self.context.store.due_after(lane, looked_at).await.ok()??;
        let ms = (next - self.now()).max(0);
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
        for leased in hands.abort().await {
            let now = self.now();
            // Its lease ends by itself if this fails.
            let _ = self.context.store.give_back(leased, now).await;
        }
    }
}

/// So many in hand for so many connections: more than those, so that none of them waits for a claim or a commit; one, to
/// see whether a destination is back.
fn fed(connections: usize) -> usize {
    if connections > 1 { connections * 3 } else { connections }
}

/// How much more each destination may have in hand.
struct Rooms<'a> {
    worker: &'a Inner,
    counts: &'a Counts,
    /// What has only begun, by next hop.
    hops: HashMap<String, usize>,
    /// How many more may begin at destinations that are not known to be well: together they never take more than
    /// half of all hands, however many they are.
    unproven: usize,
    /// The share of one destination.
    each: usize,
    now: i64,
}

impl<'a> Rooms<'a> {
    fn new(worker: &'a Inner, counts: &'a Counts, each: usize, now: i64) -> Self {
        let at_once = worker.settings.at_once;
        let (mut hops, mut unproven) = (HashMap::new(), (at_once / 2).max(1));
        // Of those that take long there may be more; but never so many that nobody else is left a place.
        let mut stuck = STUCK * at_once / 2;
        for (name, (all, brisk)) in &counts.of {
            if let Some(hop) = worker.hops.shared(name) {
                *hops.entry(hop.to_owned()).or_default() += brisk;
            }
            if let Room::Window { proven: true, .. } = worker.health.room(name, usize::MAX, now) {
                continue;
            }
            unproven = unproven.saturating_sub(*brisk);
            stuck = stuck.saturating_sub(*all);
        }
        Self { worker, counts, hops, unproven: unproven.min(stuck), each, now }
    }

    fn of(&mut self, name: &str) -> usize {
        let Inner { health, hops, settings, .. } = self.worker;
        let Room::Window { most, proven } = health.room(name, settings.per_destination, self.now) else {
            return 0;
        };
        let in_hand = self.counts.of.get(name).map_or(0, |(all, _)| *all);
        // What has not proven itself gets no more than is needed to see.
        let most = if proven { fed(most) } else { most };
        let mut room = most.saturating_sub(in_hand).min(self.each);
        if !proven {
            room = room.min(self.unproven);
        }
        let hop = hops.shared(name);
        if let Some(hop) = hop {
            let Room::Window { most, .. } = health.room(hop, settings.connections, self.now) else {
                return 0;
            };
            room = room.min(fed(most).saturating_sub(self.hops.get(hop).copied().unwrap_or(0)));
            *self.hops.entry(hop.to_owned()).or_default() += room;
        }
        if !proven {
            self.unproven -= room;
        }
        room
    }
}

/// How much more each endpoint may have in hand. A call only waits, but one that hangs waits for long: those that are not
/// known to answer at once never take more than half of all places together, and those that are known to be slow no
/// more than a quarter.
struct Calls<'a> {
    worker: &'a Inner,
    counts: &'a Counts,
    unproven: usize,
    slow: usize,
    now: i64,
}

impl<'a> Calls<'a> {
    fn new(worker: &'a Inner, counts: &'a Counts, at_once: usize, now: i64) -> Self {
        let (mut unproven, mut slow) = ((at_once / 2).max(1), (at_once / 4).max(1));
        for (name, (all, _)) in &counts.of {
            if let Room::Window { proven: true, .. } = worker.health.room(name, usize::MAX, now) {
                continue;
            }
            unproven = unproven.saturating_sub(*all);
            if worker.health.is_slow(name) {
                slow = slow.saturating_sub(*all);
            }
        }
        Self { worker, counts, unproven, slow, now }
    }

    fn of(&mut self, name: &str) -> usize {
        let Inner { health, settings, .. } = self.worker;
        let Room::Window { most, proven } = health.room(name, settings.per_destination, self.now) else {
            return 0;
        };
        let mut room = most.saturating_sub(self.counts.of.get(name).map_or(0, |(all, _)| *all));
        if !proven {
            room = room.min(self.unproven);
            if health.is_slow(name) {
                room = room.min(self.slow);
                self.slow -= room;
            }
            self.unproven -= room;
        }
        room
    }
}

/// When the next attempt is due after `attempts` tries, but not beyond `last`.
pub(super) fn next_attempt(worker: &Inner, attempts: i64, now: i64, last: i64) -> i64 {
    let tries = u32::try_from(attempts).unwrap_or(u32::MAX);
    let gap = worker.settings.retry.delay(tries, worker.context.ids.chance());
    now.saturating_add(millis(gap)).min(last)
}
