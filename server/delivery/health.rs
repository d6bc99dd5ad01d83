//! How well destinations and next hops are: how many deliveries each may have in hand, and how long one that cannot
//! be reached is left alone.
//!
//! Each begins with a few, has one more after each success, and half as many after each failure (slow start, as in
//! congestion control). One that fails again and again is blocked, for longer each time: whatever waits for it is put
//! off together, and then one delivery is tried for all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::relay::{Fault, Handed};
use super::{Inner, millis};
use crate::mail::retry::Schedule;
use crate::net::http::{Answer, Call, Error as NetError};
use crate::store::destination::Blocked;

/// In hand at once, before anything is known.
const FIRST: usize = 2;
/// Failures in a row at which one that was well before is blocked.
const PATIENCE: u32 = 3;
/// A call that took no longer than this was answered at once.
const AT_ONCE: Duration = Duration::from_secs(2);
/// States remembered; beyond it those that say nothing are forgotten.
const REMEMBERED: usize = 20_000;
/// The longest that a relay which takes everything is left alone: all mail waits for it.
const RELAY: Duration = Duration::from_secs(300);

/// One destination or next hop.
#[derive(Debug, Clone)]
struct State {
    /// Deliveries in hand at once.
    window: usize,
    /// Whether its last delivery came to an end that it had chosen.
    proven: bool,
    /// Failures in a row, since it was last blocked.
    strikes: u32,
    /// While it cannot be reached.
    blocked: Option<Blocked>,
}

impl Default for State {
    fn default() -> Self {
        Self { window: FIRST, proven: false, strikes: 0, blocked: None }
    }
}

/// What one may have in hand now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Nothing, before it is tried again.
    Blocked {
        /// Milliseconds.
        until: i64,
    },
    /// So many; `proven` says whether its last one ended well.
    Window { most: usize, proven: bool },
}

/// All of them; the worker's own, and what other nodes found out.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<HashMap<String, State>>);

/// What is known of one, from now on if nothing is.
fn state_of<'s>(states: &'s mut HashMap<String, State>, name: &str) -> &'s mut State {
    if states.len() >= REMEMBERED && !states.contains_key(name) {
        states.retain(|_, state| state.blocked.is_some() || state.strikes > 0);
        if states.len() >= REMEMBERED {
            states.retain(|_, state| state.blocked.is_some());
        }
    }
    states.entry(name.to_owned()).or_default()
}

impl Health {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, State>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What one may have in hand.
    pub(super) fn room(&self, name: &str, most: usize, now: i64) -> Room {
        self.with(|states| match states.get(name) {
            None => Room::Window { most: FIRST.min(most), proven: false },
            Some(State { blocked: Some(blocked), .. }) if blocked.blocked_until > now => {
                Room::Blocked { until: blocked.blocked_until }
            }
            // One for all, to see whether it is back.
            Some(State { blocked: Some(_), .. }) => Room::Window { most: 1, proven: false },
            Some(state) => Room::Window { most: state.window.min(most), proven: state.proven },
        })
    }

    /// Why nothing is tried there at this time.
    pub(super) fn blocked(&self, name: &str, now: i64) -> Option<Blocked> {
        self.with(|states| states.get(name)?.blocked.clone()).filter(|blocked| blocked.blocked_until > now)
    }

    /// Whether there is any at which nothing is tried at this time.
    pub(super) fn any_blocked(&self, now: i64) -> bool {
        let blocked =
            |state: &State| state.blocked.as_ref().is_some_and(|blocked| blocked.blocked_until > now);
        self.with(|states| states.values().any(blocked))
    }

    /// One ended as its destination wanted; whether it was blocked before.
    pub(super) fn well(&self, name: &str, most: usize) -> bool {
        self.with(|states| {
            let state = state_of(states, name);
            state.window = (state.window + 1).min(most.max(1));
            (state.proven, state.strikes) = (true, 0);
            state.blocked.take().is_some()
        })
    }

    /// One took its time, well or not: one at a time from now on, until one does not.
    pub(super) fn slow(&self, name: &str) {
        self.with(|states| {
            let state = state_of(states, name);
            (state.window, state.proven, state.strikes) = (1, false, state.strikes.saturating_add(1));
        });
    }

    /// Whether the last one took its time, or came to nothing.
    pub(super) fn is_slow(&self, name: &str) -> bool {
        self.with(|states| states.get(name).is_some_and(|state| state.strikes > 0))
    }

    /// One came to nothing, for no reason of its own; what is to be remembered if it is blocked now.
    pub(super) fn failed(
        &self,
        name: &str,
        reason: &str,
        schedule: &Schedule,
        chance: f64,
        now: i64,
    ) -> Option<Blocked> {
        self.with(|states| {
            let state = state_of(states, name);
            state.window = (state.window / 2).max(1);
            if state.blocked.as_ref().is_some_and(|blocked| blocked.blocked_until > now) {
                // Others that were in hand when it was blocked: they tell nothing new.
                return None;
            }
            state.strikes += 1;
            if state.proven && state.strikes < PATIENCE {
                return None;
            }
            let before = state.blocked.take();
            let failures = before.as_ref().map_or(0, |blocked| blocked.failures) + 1;
            let delay = schedule.delay(u32::try_from(failures).unwrap_or(u32::MAX), chance);
            let blocked = Blocked {
                name: name.to_owned(),
                failures,
                since: before.map_or(now, |blocked| blocked.since),
                blocked_until: now.saturating_add(millis(delay)),
                reason: reason.to_owned(),
            };
            *state = State { window: 1, proven: false, strikes: 0, blocked: Some(blocked.clone()) };
            Some(blocked)
        })
    }

    /// Takes over what the database says: what other nodes found, and what an operator has cleared.
    pub(super) fn adopt(&self, rows: Vec<Blocked>) {
        self.with(|states| {
            let known: HashMap<String, Blocked> =
                rows.into_iter().map(|blocked| (blocked.name.clone(), blocked)).collect();
            for (name, state) in states.iter_mut() {
                if state.blocked.is_some() && !known.contains_key(name) {
                    state.blocked = None;
                }
            }
            for (name, blocked) in known {
                let state = states.entry(name).or_default();
                if state.blocked.as_ref().is_none_or(|own| own.blocked_until < blocked.blocked_until) {
                    (state.window, state.proven) = (1, false);
                    state.blocked = Some(blocked);
                }
            }
        });
    }
}

impl Inner {
    /// Remembers how a next hop and a destination are.
    pub(super) async fn learn(&self, destination: &str, handed: &Handed) {
        let hop = self.hops.shared(destination);
        let (well, failed) = match handed {
            Handed::Taken(_) | Handed::Refused(_) => (vec![Some(destination), hop], None),
            Handed::Deferred(reply) => match reply.fault {
                None => (vec![Some(destination), hop], None),
                Some(Fault::Hop) => (vec![], Some((hop.unwrap_or(destination), reply))),
                Some(Fault::Transfer) => (vec![hop], Some((destination, reply))),
            },
            Handed::Unfit(_) => (vec![hop], None),
            Handed::Withheld => return,
        };
        for name in well.into_iter().flatten() {
            let most =
                if hop == Some(name) { self.settings.connections } else { self.settings.per_destination };
            if self.health.well(name, most) {
                tracing::info!(%name, "reached again");
                if let Err(error) = self.context.store.unblock(name).await {
                    tracing::warn!(%error, "that it is reached again could not be recorded");
                }
            }
        }
        let Some((name, reply)) = failed else { return };
        let schedule = if hop == Some(name) { self.relay_schedule() } else { self.settings.retry };
        let chance = self.context.ids.chance();
        let Some(blocked) = self.health.failed(name, &reply.text, &schedule, chance, self.now()) else {
            return;
        };
        let seconds = (blocked.blocked_until - self.now()) / 1000;
        tracing::warn!(%name, failures = blocked.failures, reason = %blocked.reason, "nothing is sent there for {seconds} s");
        if let Err(error) = self.context.store.block(blocked).await {
            tracing::warn!(%error, "that it cannot be reached could not be recorded");
        }
    }

    /// Makes a call, and remembers whether its endpoint takes its time.
    pub(super) async fn call_out(&self, destination: &str, call: Call) -> Result<Answer, NetError> {
        let began = Instant::now();
        let answer = self.context.http.call(call).await;
        if began.elapsed() <= AT_ONCE {
            self.health.well(destination, self.settings.per_destination);
        } else {
            self.health.slow(destination);
        }
        answer
    }

    /// How long a relay for everything is left alone.
    fn relay_schedule(&self) -> Schedule {
        let retry = self.settings.retry;
        Schedule { first: retry.first.min(RELAY), max: retry.max.min(RELAY), ..retry }
    }

    /// Why nothing is tried for a destination at this time.
    pub(super) fn blocked(&self, destination: &str, now: i64) -> Option<Blocked> {
        let hop = self.hops.shared(destination).and_then(|hop| self.health.blocked(hop, now));
        hop.or_else(|| self.health.blocked(destination, now))
    }
}

/// What senders read while nothing is tried there.
pub(super) fn not_tried(blocked: &Blocked) -> String {
    format!("not tried: {} could not be reached. {}", blocked.name, blocked.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        first: Duration::from_secs(60),
        max: Duration::from_secs(3600),
        give_up_after: Duration::from_secs(86_400),
    };

    #[test]
    fn a_new_one_has_few_and_a_good_one_more() {
        let health = Health::default();
        assert_eq!(health.room("x.test", 20, 0), Room::Window { most: 2, proven: false });
        assert_eq!(health.room("x.test", 1, 0), Room::Window { most: 1, proven: false });
        for _ in 0..50 {
            assert!(!health.well("x.test", 20));
        }
        assert_eq!(health.room("x.test", 20, 0), Room::Window { most: 20, proven: true });
        assert_eq!(health.failed("x.test", "lost", &SCHEDULE, 0.5, 0), None);
        assert_eq!(health.room("x.test", 20, 0), Room::Window { most: 10, proven: true });
    }

    #[test]
    fn one_that_fails_is_left_alone_for_longer_each_time_and_then_tried_with_one() {
        let health = Health::default();
        let blocked = health.failed("x.test", "refused", &SCHEDULE, 0.5, 1000).unwrap();
        assert_eq!((blocked.failures, blocked.blocked_until), (1, 61_000));
        assert_eq!(health.room("x.test", 20, 60_999), Room::Blocked { until: 61_000 });
        assert_eq!(health.failed("x.test", "another in hand", &SCHEDULE, 0.5, 2000), None);
        assert_eq!(health.room("x.test", 20, 61_000), Room::Window { most: 1, proven: false });
        let blocked = health.failed("x.test", "refused", &SCHEDULE, 0.5, 61_000).unwrap();
        assert_eq!((blocked.failures, blocked.blocked_until, blocked.since), (2, 181_000, 1000));
        assert!(health.well("x.test", 20), "it was blocked");
        assert_eq!(health.room("x.test", 20, 61_001), Room::Window { most: 2, proven: true });
        for n in 0..3 {
            let blocked = health.failed("x.test", "lost", &SCHEDULE, 0.5, 70_000);
            assert_eq!(blocked.is_some(), n == 2, "one that was well is given three chances");
        }
    }

    #[test]
    fn one_that_is_slow_has_one_place_until_it_is_not() {
        let health = Health::default();
        for _ in 0..5 {
            health.well("hook", 20);
        }
        health.slow("hook");
        assert_eq!(
            (health.room("hook", 20, 0), health.is_slow("hook")),
            (Room::Window { most: 1, proven: false }, true)
        );
        health.well("hook", 20);
        assert_eq!(
            (health.room("hook", 20, 0), health.is_slow("hook")),
            (Room::Window { most: 2, proven: true }, false)
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let health = Health::default();
        for n in 0..REMEMBERED + 10 {
            health.slow(&n.to_string());
        }
        assert!(health.with(|states| states.len()) <= REMEMBERED);
    }

    #[test]
    fn other_nodes_and_operators_are_believed() {
        let (one, other) = (Health::default(), Health::default());
        let blocked = one.failed("x.test", "refused", &SCHEDULE, 0.5, 0).unwrap();
        other.adopt(vec![blocked]);
        assert_eq!(other.room("x.test", 20, 1), Room::Blocked { until: 60_000 });
        other.adopt(vec![]);
        assert_eq!(other.room("x.test", 20, 1), Room::Window { most: 1, proven: false });
    }
}
