//! Delivery to each domain's own mail hosts (RFC 5321 §5.1): best preference first, every address of each, until one
//! takes a connection. Hosts that are in no public network are never connected to, and mail is never sent back to
//! ourselves.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::next_hop::{NextHop, Tls};
use super::relay::{Fault, Handed, Relay, Reply, Terms};
use super::{Settings, millis};
use crate::mail::address::Address;
use crate::mail::status::Status;
use crate::mail::sts::{Mode, Policy};
use crate::net::address::is_public;
use crate::net::http::{Client, Reach};
use crate::net::resolve::{MailHost, NoHosts, Resolver};
use crate::net::sts::{Kept, Policies};
use crate::store;
use crate::store::blob::Stored;
use crate::store::policy::KeptPolicy;
use crate::submission::Context;

/// Addresses that are tried for one message.
const TRIES: usize = 5;
/// Hosts that are remembered with their idle connections.
const HOSTS: usize = 1000;

/// A mail host: its name, one of its addresses, and how the way there is encrypted.
type Host = (String, IpAddr, Tls);

/// The way to every domain's own hosts.
pub(super) struct Mx {
    resolver: Resolver,
    policies: Policies,
    context: Context,
    settings: Settings,
    memory: Arc<Semaphore>,
    hosts: Mutex<HashMap<Host, (Relay, Instant)>>,
}

impl Mx {
    /// Asks this resolver, and connects as the settings say.
    pub(super) fn new(
        resolver: Resolver,
        context: Context,
        settings: Settings,
        memory: Arc<Semaphore>,
    ) -> Self {
        let reach = if settings.private_hosts { Reach::Anywhere } else { Reach::Public };
        let roots = settings.roots.as_deref().map(certificates).unwrap_or_default();
        let client = Client::new(reach, &roots).resolving(resolver.clone());
        let policies = Policies::new(resolver.clone(), client, settings.sts_port);
        Self { resolver, policies, context, settings, memory, hosts: Mutex::default() }
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
        terms: &Terms,
        ours: impl Future<Output = bool> + Send,
    ) -> Handed {
        let hosts = match self.resolver.mail_hosts(domain).await {
            Ok(hosts) => hosts,
            Err(NoHosts::Temporary(text)) => return deferred(Status::new(4, 4, 3), &text),
            Err(error @ NoHosts::Null) => return refused(Status::new(5, 1, 10), &error.to_string()),
            Err(error) => return refused(Status::new(5, 1, 2), &error.to_string()),
        };
        let policy = match self.policy(domain).await {
            Ok(policy) => policy.filter(|policy| policy.mode == Mode::Enforce),
            Err(error) => {
                tracing::error!(%error, %domain, "its MTA-STS policy cannot be read");
                let reply = Reply::local("what is known of the domain cannot be read at the moment");
                return Handed::Deferred(Reply { status: Some(Status::new(4, 3, 0)), ..reply });
            }
        };
        let candidates = match self.candidates(hosts, policy.as_deref()) {
            Ok(candidates) => candidates,
            Err(handed) => return handed,
        };
        let ours = ours.shared();
        let mut last = None;
        for (name, address) in candidates {
            let tls = match tls {
                // RFC 8461 §4.2: TLS with a certificate for the host's name.
                Tls::Opportunistic if policy.is_some() => Tls::Required,
                // Who publishes TLSA speaks TLS (RFC 7672 §2.2); falling back to clear would be an attacker's work.
                Tls::Opportunistic if self.resolver.has_tlsa(&name, self.settings.mx_port).await => {
                    Tls::Encrypted
                }
                tls => tls,
            };
            match self.relay(&name, address, tls).hand_on(from, to, stored, terms, ours.clone()).await {
                Handed::Deferred(reply) if reply.fault == Some(Fault::Hop) => last = Some(reply),
                handed => return handed,
            }
        }
        match last {
            Some(reply) => Handed::Deferred(reply),
            None => deferred(Status::new(4, 4, 1), "no mail host of the domain could be tried"),
        }
    }

    /// What a domain asks for. A policy outlives this process: else whoever suppresses its record would only have to wait
    /// for a restart (RFC 8461 §10.2).
    async fn policy(&self, domain: &str) -> store::Result<Option<Arc<Policy>>> {
        let (store, now) = (&self.context.store, self.context.clock.now_ms());
        if !self.policies.remembers(domain) {
            let kept = store.sts_policy(domain, now).await?.map(|kept| Kept {
                id: kept.id,
                text: kept.policy,
                left: Duration::from_millis(u64::try_from(kept.expires_at - now).unwrap_or_default()),
            });
            self.policies.remember(domain, kept);
        }
        let (policy, kept) = self.policies.of(domain).await;
        if let Some(kept) = kept {
            let expires_at = now.saturating_add(millis(kept.left));
            let kept = KeptPolicy { id: kept.id, policy: kept.text, expires_at };
            if let Err(error) = store.keep_sts_policy(domain, kept).await {
                tracing::warn!(%error, %domain, "its MTA-STS policy holds only until this process ends");
            }
        }
        Ok(policy)
    }

    /// Whom to try, in order.
    fn candidates(
        &self,
        mut hosts: Vec<MailHost>,
        policy: Option<&Policy>,
    ) -> Result<Vec<(String, IpAddr)>, Handed> {
        // RFC 5321 §5.1: what is no better than ourselves leads back to us.
        if let Some(own) =
            hosts.iter().find(|host| host.name == *self.context.domain).map(|host| host.preference)
        {
            hosts.retain(|host| host.preference < own);
            if hosts.is_empty() {
                return Err(refused(Status::new(5, 4, 6), "the domain's mail comes back to this server"));
            }
        }
        if let Some(policy) = policy {
            hosts.retain(|host| policy.names(&host.name));
            if hosts.is_empty() {
                let text = "none of the domain's mail hosts is one that its MTA-STS policy names";
                return Err(deferred(Status::new(4, 7, 5), text));
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
            let (own, memory) = (self.context.domain.to_string(), self.memory.clone());
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

/// The certificates in a PEM text; what is none is left out.
fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).map(|der| der.to_vec()).collect()
}

fn deferred(status: Status, text: &str) -> Handed {
    Handed::Deferred(Reply { status: Some(status), fault: Some(Fault::Hop), ..Reply::local(text) })
}

fn refused(status: Status, text: &str) -> Handed {
    Handed::Refused(Reply { status: Some(status), ..Reply::local(text) })
}
