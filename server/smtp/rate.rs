//! How many connections one network makes in a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::throttle::network;

const MINUTE: Duration = Duration::from_secs(60);
/// Networks that are counted at a time; beyond it those that came least lately are forgotten.
const NETWORKS: usize = 10_000;

/// The counts of this process.
#[derive(Debug)]
pub(super) struct Rates {
    most: u32,
    seen: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Rates {
    /// At most so many in a minute.
    pub(super) fn new(most: u32) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Counts one; whether it is within the limit. This machine itself has none.
    pub(super) fn admit(&self, peer: IpAddr, now: Instant) -> bool {
        if peer.to_canonical().is_loopback() {
            return true;
        }
        let network = network(peer);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= NETWORKS && !seen.contains_key(&network) {
            seen.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
            if seen.len() >= NETWORKS
                && let Some(oldest) =
                    seen.iter().min_by_key(|(_, (since, _))| *since).map(|(network, _)| network.clone())
            {
                seen.remove(&oldest);
            }
        }
        let (since, count) = seen.entry(network).or_insert((now, 0));
        if now.duration_since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_counted_for_a_minute() {
        let (rates, start) = (Rates::new(2), Instant::now());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let admit = |text: &str, seconds: u64| rates.admit(ip(text), start + Duration::from_secs(seconds));
        assert!(admit("192.0.2.1", 0) && admit("::ffff:192.0.2.1", 1));
        assert!(!admit("192.0.2.1", 59) && admit("192.0.2.2", 59) && admit("192.0.2.1", 60));
        assert!(admit("2001:db8::1", 0) && admit("2001:db8::2", 0) && !admit("2001:db8::3", 0));
        for _ in 0..10 {
            assert!(admit("127.0.0.1", 0));
        }
        for n in 0..2 * NETWORKS as u32 {
            rates.admit(IpAddr::V4(n.into()), start);
        }
        assert_eq!(rates.seen.lock().unwrap().len(), NETWORKS);
    }
}
