//! The next hops: which of them takes mail for a destination.

use std::collections::HashMap;
use std::sync::Arc;

use super::Settings;
use super::mx::Mx;
use super::next_hop::{NextHop, Tls, Way};
use super::relay::{Handed, Relay, Reply, Terms, memory};
use crate::mail::address::Address;
use crate::net::resolve::Resolver;
use crate::store::blob::Stored;
use crate::submission::Context;

/// The ways to the outside.
pub(super) struct Hops {
    default: Option<Hop>,
    domains: HashMap<String, Hop>,
}

enum Hop {
    /// A relay, and what it is called.
    Relay(String, Relay),
    /// Each domain's own mail hosts.
    Mx(Arc<Mx>, Tls),
    /// Nowhere.
    Capture,
    /// A way that cannot be gone now, and why.
    Broken(String),
}

impl Hops {
    /// The ways that the settings name.
    pub(super) fn new(settings: &Settings, context: &Context) -> Self {
        let memory = memory();
        let mut relays: HashMap<String, Relay> = HashMap::new();
        let mut relay = |hop: &NextHop| {
            let memory = memory.clone();
            // Told apart by everything that is shown of it, and the user.
            let user = hop.credentials.as_ref().map(|(user, _)| user.as_str()).unwrap_or_default();
            let relay = relays.entry(format!("{hop:?} {user}")).or_insert_with(|| {
                let (connections, slow) = (settings.connections, settings.slow_after);
                let roots = settings.roots.clone();
                Relay::sharing(
                    hop.clone(),
                    context.domain.to_string(),
                    settings.time_outs,
                    connections,
                    slow,
                    memory,
                    roots,
                )
            });
            Hop::Relay(hop.to_string(), relay.clone())
        };
        let ways = || settings.domains.values().chain(&settings.relay);
        let mx = ways().any(|way| matches!(way, Way::Mx(_))).then(|| {
            let resolver = Resolver::new(&settings.name_servers);
            resolver.map(|resolver| {
                Arc::new(Mx::new(resolver, context.clone(), settings.clone(), memory.clone()))
            })
        });
        let mut hop = |way: &Way| match (way, &mx) {
            (Way::Hop(hop), _) => relay(hop),
            (Way::Capture, _) => Hop::Capture,
            (Way::Mx(tls), Some(Ok(mx))) => Hop::Mx(mx.clone(), *tls),
            (Way::Mx(_), Some(Err(error))) => Hop::Broken(error.to_string()),
            (Way::Mx(_), None) => Hop::Broken("there is no resolver".into()),
        };
        let default = settings.relay.as_ref().map(&mut hop);
        let domains = settings.domains.iter().map(|(domain, way)| (domain.clone(), hop(way))).collect();
        Self { default, domains }
    }

    fn of(&self, destination: &str) -> Option<&Hop> {
        self.domains.get(destination).or(self.default.as_ref())
    }

    /// Whether there is a way to a destination.
    pub(super) fn reach(&self, destination: &str) -> bool {
        self.of(destination).is_some()
    }

    /// Whether what is for a destination is kept here.
    pub(super) fn captures(&self, destination: &str) -> bool {
        matches!(self.of(destination), Some(Hop::Capture))
    }

    /// The name of the next hop, where it is one that takes mail for several destinations.
    pub(super) fn shared(&self, destination: &str) -> Option<&str> {
        match self.of(destination) {
            Some(Hop::Relay(name, _)) => Some(name),
            _ => None,
        }
    }

    /// Hands one message over for one recipient.
    pub(super) async fn hand(
        &self,
        destination: &str,
        from: Option<&Address>,
        to: &Address,
        stored: &Stored,
        terms: &Terms,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        match self.of(destination) {
            Some(Hop::Relay(_, relay)) => relay.hand_on(from, to, stored, terms, ours).await,
            Some(Hop::Mx(mx, tls)) => mx.hand(destination, *tls, from, to, stored, terms, ours).await,
            Some(Hop::Broken(text)) => Handed::Deferred(Reply::local(text)),
            Some(Hop::Capture) | None => {
                Handed::Deferred(Reply::local("this server has no relay (relay.url)"))
            }
        }
    }

    /// Says QUIT on every idle connection.
    pub(super) async fn close(&self) {
        for hop in self.domains.values().chain(&self.default) {
            match hop {
                Hop::Relay(_, relay) => relay.close().await,
                Hop::Mx(mx, _) => mx.close().await,
                Hop::Capture | Hop::Broken(_) => {}
            }
        }
    }
}
