//! Delivery to each domain's own mail hosts (RFC 5321 §5.1): best preference first, every address of each, until one
//! takes a connection. Hosts that are in no public network are never connected to, and mail is never sent back to
//! ourselves.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Settings;
use super::next_hop::{NextHop, Tls};
use super::relay::{Fault, Handed, Relay, Reply, Signing};
use crate::mail::address::Address;
use crate::mail::status::Status;
use crate::net::address::is_public;
use crate::net::resolve::{MailHost, NoHosts, Resolver};
use crate::store::blob::Stored;

/// Addresses that are tried for one message.
const TRIES: usize = 5;
/// Hosts that are remembered with their idle connections.
const HOSTS: usize = 1000;

/// The way to every domain's own hosts.
pub(super) struct Mx {
    resolver: Resolver,
    /// What we call ourselves.
    name: String,
    settings: Settings,
    memory: Arc<Semaphore>,
    hosts: Mutex<HashMap<(String, IpAddr, Tls), (Relay, Instant)>>,
}

impl Mx {
    /// Asks this resolver, and connects as the settings say.
    pub(super) fn new(resolver: Resolver, name: String, settings: Settings, memory: Arc<Semaphore>) -> Self {
        Self { resolver, name, settings, memory, hosts: Mutex::default() }
    }

    /// Hands one message over to the first host that can be reached.
    #[expect(clippy::too_many_arguments, reason = "the envelope, the message and the way")]
    pub(super) async fn hand(
        &self,
        domain: &str,
        tls: Tls,
        from: Option<&Address>,
        to: &Address,
        stored: &Stored,
        signing: &Signing,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        let candidates = match self.resolver.mail_hosts(domain).await {
            Ok(hosts) => self.candidates(hosts),
            Err(NoHosts::Temporary(text)) => return deferred(Status::new(4, 4, 3), &text),
            Err(error @ NoHosts::Null) => return refused(Status::new(5, 1, 10), &error.to_string()),
            Err(error) => return refused(Status::new(5, 1, 2), &error.to_string()),
        };
        let candidates = match candidates {
            Ok(candidates) => candidates,
            Err(handed) => return handed,
        };
        let ours = ours.shared();
        let mut last = None;
        for (name, address) in candidates {
            match self.relay(&name, address, tls).hand_signed(from, to, stored, signing, ours.clone()).await {
                Handed::Deferred(reply) if reply.fault == Some(Fault::Hop) => last = Some(reply),
                handed => return handed,
            }
        }
        match last {
            Some(reply) => Handed::Deferred(reply),
            None => deferred(Status::new(4, 4, 1), "no mail host of the domain could be tried"),
        }
    }

    /// Whom to try, in order.
    fn candidates(&self, mut hosts: Vec<MailHost>) -> Result<Vec<(String, IpAddr)>, Handed> {
        // RFC 5321 §5.1: what is no better than ourselves leads back to us.
        if let Some(own) = hosts.iter().find(|host| host.name == self.name).map(|host| host.preference) {
            hosts.retain(|host| host.preference < own);
            if hosts.is_empty() {
                return Err(refused(Status::new(5, 4, 6), "the domain's mail comes back to this server"));
            }
        }
        let all = hosts.into_iter().flat_map(|host| {
            let MailHost { name, addresses, .. } = host;
            addresses.into_iter().map(move |address| (name.clone(), address))
        });
        let outside: Vec<_> = all
            .filter(|(_, address)| self.settings.private_hosts || is_public(*address))
            .take(TRIES)
            .collect();
        if outside.is_empty() {
            let text = "the domain's mail hosts have no public address";
            return Err(refused(Status::new(5, 4, 4), text));
        }
        Ok(outside)
    }

    /// The connections to one host.
    fn relay(&self, name: &str, address: IpAddr, tls: Tls) -> Relay {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS {
            let old = Duration::from_secs(60);
            hosts.retain(|_, (_, used)| used.elapsed() < old);
        }
        if hosts.len() >= HOSTS {
            hosts.clear();
        }
        let Settings { time_outs, per_destination, slow_after, mx_port, ref roots, .. } = self.settings;
        let (relay, used) = hosts.entry((name.to_owned(), address, tls)).or_insert_with(|| {
            let hop = NextHop {
                host: name.to_owned(),
                port: mx_port,
                address: Some(SocketAddr::new(address, mx_port)),
                credentials: None,
                tls,
            };
            let (own, memory) = (self.name.clone(), self.memory.clone());
            let relay =
                Relay::sharing(hop, own, time_outs, per_destination, slow_after, memory, roots.clone());
            (relay, Instant::now())
        });
        *used = Instant::now();
        relay.clone()
    }

    /// Says QUIT on every idle connection.
    pub(super) async fn close(&self) {
        let hosts = std::mem::take(&mut *self.hosts.lock().unwrap_or_else(PoisonError::into_inner));
        futures_util::future::join_all(hosts.values().map(|(relay, _)| relay.close())).await;
    }
}

fn deferred(status: Status, text: &str) -> Handed {
    Handed::Deferred(Reply { status: Some(status), fault: Some(Fault::Hop), ..Reply::local(text) })
}

fn refused(status: Status, text: &str) -> Handed {
    Handed::Refused(Reply { status: Some(status), ..Reply::local(text) })
}
