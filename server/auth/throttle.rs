//! The brake on guessing: failures are counted by address and by peer, in the store, so that every node brakes alike.

use std::net::IpAddr;

use crate::store::{Result, Store};

/// What a sign-in is counted against.
#[derive(Debug, Clone)]
pub struct Subjects {
    address: String,
    peer: String,
}

impl Subjects {
    /// The address that signs in (lower-cased) and the network it comes from.
    #[must_use]
    pub fn new(address: &str, peer: IpAddr) -> Self {
        let address: String = address.chars().filter(|c| !c.is_control()).take(254).collect();
        Self { address: format!("address:{address}"), peer: format!("peer:{}", network(peer)) }
    }

    /// Until when, in milliseconds, this must wait.
    ///
    /// # Errors
    /// The store's.
    pub async fn blocked_until(&self, store: &Store, now: i64) -> Result<Option<i64>> {
        store.blocked_until(&[self.address.clone(), self.peer.clone()], now).await
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// The store's.
    pub async fn failed(&self, store: &Store, now: i64) -> Result<()> {
        store.strike(vec![self.address.clone(), self.peer.clone()], now).await
    }

    /// Forgets the address's failures. The peer's stay: one good password must not excuse guessing at others.
    ///
    /// # Errors
    /// The store's.
    pub async fn succeeded(&self, store: &Store) -> Result<()> {
        store.unstrike(self.address.clone()).await
    }
}

/// An IPv4 address, or the /64 that one IPv6 customer has.
#[must_use]
pub fn network(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_is_one_peer() {
        let net = |text: &str| network(text.parse().unwrap());
        assert_eq!(net("2001:db8::1"), net("2001:db8::ffff:1"));
        assert_ne!(net("2001:db8:0:1::1"), net("2001:db8::1"));
        assert_eq!(net("::ffff:192.0.2.1"), net("192.0.2.1"));
    }
}
