//! Rate limits: a token bucket for each account, and for each address without a credential.
//!
//! Several nodes tell each other once a second how much their busy callers took, and each then takes that away from
//! its own bucket. Nothing is written for a request, and on one node nothing is exchanged.

mod bucket;
mod quota;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use bucket::Standing;
use bucket::{BUCKETS, Buckets};
pub use quota::{Quota, RateLimit};

use super::problem::{self, Problem};
use super::{AppState, HeaderMap, HeaderValue};
use crate::auth::throttle;

/// Between two exchanges with other nodes, in milliseconds.
const EXCHANGE: i64 = 1000;
/// Callers of one kind that the other nodes are told of at one exchange.
const TOLD: usize = 2000;
/// Octets of one notice to the other nodes.
const NOTICE: usize = 7000;

/// The buckets of one door.
pub struct Limits(Option<Mutex<Kinds>>);

struct Kinds {
    accounts: Buckets<Uuid>,
    /// By address, or the network of one customer.
    addresses: Buckets<String>,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// One who showed a credential.
    Account(Uuid),
    /// One who did not, or a wrong one.
    Address(IpAddr),
}

impl Limits {
    /// The buckets that a setting asks for.
    pub fn new(limit: RateLimit) -> Self {
        Self(limit.0.map(|quota| {
            let (accounts, addresses) = (Buckets::new(quota, BUCKETS), Buckets::new(quota, BUCKETS));
            Mutex::new(Kinds { accounts, addresses })
        }))
    }

    /// Takes one request from its caller's bucket; none without a limit. `others` is how many other nodes there are.
    pub fn take(&self, caller: Caller, others: u32, now: i64) -> Option<Standing> {
        let mut kinds = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match caller {
            Caller::Account(account) => kinds.accounts.take(&account, others, now),
            Caller::Address(address) => kinds.addresses.take(&throttle::network(address), others, now),
        })
    }

    /// What the other nodes have to be told, in notices.
    fn tell(&self, others: u32) -> Vec<String> {
        let Some(kinds) = &self.0 else { return Vec::new() };
        let (accounts, addresses) = {
            let mut kinds = kinds.lock().unwrap_or_else(PoisonError::into_inner);
            (kinds.accounts.exchange(others, TOLD), kinds.addresses.exchange(others, TOLD))
        };
        let mut notices: Vec<String> = Vec::new();
        let mut add = |kind: char, key: &str, count: u32| {
            if notices.last().is_none_or(|notice| notice.len() > NOTICE) {
                notices.push(String::new());
            }
            if let Some(notice) = notices.last_mut() {
                // Writing to a text does not fail.
                let _ = write!(notice, "{kind}{key}={count} ");
            }
        };
        accounts.iter().for_each(|(account, count)| add('a', &account.simple().to_string(), *count));
        addresses.iter().for_each(|(address, count)| add('n', address, *count));
        notices
    }

    /// Takes away what another node told.
    fn told(&self, notice: &str, now: i64) {
        let Some(kinds) = &self.0 else { return };
        let mut kinds = kinds.lock().unwrap_or_else(PoisonError::into_inner);
        for word in notice.split_ascii_whitespace() {
            let Some((key, count)) = word.rsplit_once('=') else { continue };
            let Ok(count) = count.parse() else { continue };
            if let Some(account) = key.strip_prefix('a').and_then(|id| Uuid::try_parse(id).ok()) {
                kinds.accounts.took_elsewhere(&account, count, now);
            } else if let Some(network) = key.strip_prefix('n') {
                kinds.addresses.took_elsewhere(&network.to_owned(), count, now);
            }
        }
    }
}

impl Standing {
    /// Says where the caller stands: `RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds).
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(seconds(self.reset)));
    }
}

/// Takes one request from its caller's bucket, and says where that leaves it.
///
/// # Errors
/// `rate_limited`: the bucket is empty.
pub fn charge(state: &AppState, caller: Caller, standing: &mut Option<Standing>) -> Result<(), Problem> {
    let others = state.store.nodes().others();
    *standing = state.limits.take(caller, others, state.clock.now_ms());
    match standing {
        Some(Standing { admitted: false, limit, wait, .. }) => {
            let whose = match caller {
                Caller::Account(_) => "This account",
                Caller::Address(_) => "This address",
            };
            let detail = format!("{whose} may make {limit} requests at once and has made them.");
            Err(Problem::new(&problem::RATE_LIMITED, detail).retry_after(seconds(*wait)))
        }
        _ => Ok(()),
    }
}

/// Exchanges with the other nodes until `shutdown`.
pub async fn exchange(state: AppState, shutdown: CancellationToken) {
    let nodes = state.store.nodes().clone();
    let Some(mut heard) = nodes.listen() else { return };
    if state.limits.0.is_none() {
        return;
    }
    nodes.join();
    let mut tick = tokio::time::interval(Duration::from_millis(EXCHANGE.unsigned_abs()));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {
                state.limits.tell(nodes.others()).into_iter().for_each(|notice| nodes.tell(notice));
            }
            notice = heard.recv() => match notice {
                Ok(notice) => state.limits.told(&notice, state.clock.now_ms()),
                // What was missed only lets a little more through.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(ms: i64) -> i64 {
    ms.max(0).saturating_add(999) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let limit = "3000/3s".parse().unwrap();
        let (here, there) = (Limits::new(limit), Limits::new(limit));
        let account = Uuid::from_u128(7);
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..100 {
            here.take(Caller::Account(account), 1, 0).unwrap();
        }
        for _ in 0..40 {
            here.take(Caller::Address(address), 1, 0).unwrap();
        }
        for n in 0..1000 {
            for _ in 0..30 {
                here.take(Caller::Account(Uuid::from_u128(1000 + n)), 1, 0).unwrap();
            }
        }
        let notices = here.tell(1);
        assert!(notices.len() > 1 && notices.iter().all(|notice| notice.len() < 7900));
        notices.iter().for_each(|notice| there.told(notice, 0));
        assert_eq!(there.take(Caller::Account(account), 1, 0).unwrap().reset, 101);
        assert_eq!(there.take(Caller::Address(address), 1, 0).unwrap().reset, 41);
        assert_eq!(there.take(Caller::Account(Uuid::from_u128(1999)), 1, 0).unwrap().reset, 31);
        there.told("rubbish a=1 axyz=2 n=-1 =", 0);
        assert!(here.tell(1).is_empty());
        assert!(Limits::new(RateLimit(None)).take(Caller::Account(account), 0, 0).is_none());
    }
}
