//! Whose turn it is: destinations that are known to have something due, in the order in which they are served.
//!
//! What falls due is looked up as it falls due; all destinations are walked only now and then, as a net for rows that
//! were committed late. So a claim costs the same, however many destinations wait.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::claim::Place;
use crate::store::delivery::{Lane, Leased};
use crate::store::{Result, Store};

/// What fell due so many milliseconds before the last look is looked at again: it may have been committed since.
const OVERLAP: i64 = 5000;
/// Destinations remembered at once.
const KNOWN: usize = 10_000;

/// The destinations of one lane.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<String>,
    known: HashSet<String>,
    /// When was last looked, in milliseconds.
    seen: Option<i64>,
    walked: Option<Instant>,
    /// There were more than are remembered.
    more: bool,
}

impl Turns {
    /// Finds what has fallen due; whether all destinations were walked.
    pub(super) async fn look(&mut self, store: &Store, lane: Lane, now: i64, poll: Duration) -> Result<bool> {
        // A clock that went back by much would hide what is due.
        let last = self.seen.filter(|seen| *seen <= now + OVERLAP);
        let walk = last.is_none()
            || self.walked.is_none_or(|at| at.elapsed() >= poll)
            || self.more && self.known.len() < KNOWN / 2;
        let since = last.filter(|_| !walk).map(|seen| seen - OVERLAP);
        let found = store.ready(lane, now, since, KNOWN as i64).await?;
        self.more = found.len() >= KNOWN || (self.more && !walk);
        for name in found {
            if self.known.len() < KNOWN && self.known.insert(name.clone()) {
                self.order.push_back(name);
            }
        }
        self.seen = Some(now);
        if walk {
            self.walked = Some(Instant::now());
        }
        Ok(walk)
    }

    /// At most `most` destinations that have room, each with how much. They go to the end of the line; whoever got
    /// nothing keeps its place before them, so that a shared limit is shared in turn.
    pub(super) fn next(&mut self, most: usize, mut room: impl FnMut(&str) -> usize) -> Vec<Place> {
        let (mut places, mut passed) = (Vec::new(), VecDeque::new());
        while places.len() < most {
            let Some(name) = self.order.pop_front() else { break };
            match room(&name) {
                0 => passed.push_back(name),
                some => places.push((name, some as i64)),
            }
        }
        passed.append(&mut self.order);
        passed.extend(places.iter().map(|(name, _)| name.clone()));
        self.order = passed;
        places
    }

    /// What came of a claim: a destination that gave less than it was asked for has nothing more due.
    pub(super) fn claimed(&mut self, places: &[Place], leased: &[Leased], limit: usize) {
        if leased.len() >= limit {
            return;
        }
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for one in leased {
            *counts.entry(&one.destination).or_default() += 1;
        }
        let exhausted = |(name, most): &&Place| counts.get(name.as_str()).copied().unwrap_or(0) < *most;
        let gone: HashSet<&str> = places.iter().filter(exhausted).map(|(name, _)| name.as_str()).collect();
        self.forget(&gone);
    }

    /// These have nothing more that may be done.
    pub(super) fn forget(&mut self, gone: &HashSet<&str>) {
        if !gone.is_empty() {
            self.order.retain(|name| !gone.contains(name.as_str()));
            self.known.retain(|name| !gone.contains(name.as_str()));
        }
    }

    /// Begins anew: after an error nothing is known.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The destinations that are known, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_shared_in_turn() {
        let order: VecDeque<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        let mut turns = Turns { order, ..Turns::default() };
        let mut served = Vec::new();
        for _ in 0..5 {
            // All of them together have room for two; "c" has none at all.
            let mut left = 2;
            let places = turns.next(4, |name| {
                let some = if name == "c" { 0 } else { left.min(1) };
                left -= some;
                some
            });
            served.extend(places.into_iter().map(|(name, _)| name));
        }
        assert_eq!(served.concat(), "abdeabdeab");
        assert_eq!(turns.next(1, |name| usize::from(name == "c")), [("c".to_owned(), 1)]);
    }
}
