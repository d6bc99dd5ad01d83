//! The MTA-STS policies of domains (RFC 8461): found by DNS, fetched over HTTPS, and kept as long as they say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use tokio::time::Instant;
use url::Url;

use super::http::{Call, Client};
use super::resolve::Resolver;
use crate::mail::sts::{Policy, id};

/// Policies kept at once.
const KEPT: usize = 2000;
/// How long fetching one may take (RFC 8461 §3.3 suggests a minute; mail waits for it).
const WITHIN: Duration = Duration::from_secs(20);
/// Octets of a policy that are read.
const MOST: usize = 64 << 10;
/// A policy that could not be fetched is not asked for again within this time (RFC 8461 §3.3: five minutes or more).
const AGAIN: Duration = Duration::from_secs(300);

/// What is known of one domain.
#[derive(Clone)]
struct Known {
    /// The policy, until it is too old.
    policy: Option<(Arc<Policy>, Instant)>,
    /// The record's id it was fetched for.
    id: String,
    /// Whether the policy is the one of that id: fetching it may have failed.
    good: bool,
    /// When fetching it was last tried.
    tried: Instant,
}

/// The policies of all domains, as far as they were needed; kept in memory only, so a restart asks anew.
pub struct Policies {
    resolver: Resolver,
    client: Client,
    port: u16,
    known: Mutex<HashMap<String, Known>>,
}

impl Policies {
    /// Looks records up with `resolver`, and fetches policies from this port (443, but for tests) with `client`.
    #[must_use]
    pub fn new(resolver: Resolver, client: Client, port: u16) -> Self {
        Self { resolver, client, port, known: Mutex::default() }
    }

    /// A domain's policy; none where it has none, or it cannot be fetched and none is kept (RFC 8461 §5.1).
    pub async fn of(&self, domain: &str) -> Option<Arc<Policy>> {
        let now = Instant::now();
        let kept = self.with(|known| known.get(domain).cloned());
        let fresh = kept
            .as_ref()
            .and_then(|known| known.policy.as_ref())
            .filter(|(_, until)| *until > now)
            .map(|(policy, _)| policy.clone());
        let records = self.resolver.texts(&format!("_mta-sts.{domain}")).await.unwrap_or_default();
        let mut ids = records.iter().filter_map(|record| id(record));
        // Several records are none (RFC 8461 §3.1); then what is kept still holds.
        let (Some(id), None) = (ids.next(), ids.next()) else { return fresh };
        if let Some(known) = &kept
            && known.id == id
            && ((known.good && fresh.is_some()) || now.duration_since(known.tried) < AGAIN)
        {
            return fresh;
        }
        let fetched = self.fetch(domain).await;
        let good = fetched.is_ok();
        let policy = match fetched {
            Ok(policy) => {
                let until = now.checked_add(Duration::from_secs(policy.max_age)).unwrap_or(now);
                Some((Arc::new(policy), until))
            }
            Err(reason) => {
                tracing::warn!(%domain, %reason, "its MTA-STS policy cannot be fetched");
                kept.and_then(|known| known.policy)
            }
        };
        let found = policy.as_ref().filter(|(_, until)| *until > now).map(|(policy, _)| policy.clone());
        self.with(|known| {
            if known.len() >= KEPT {
                known.retain(|_, one| one.policy.as_ref().is_some_and(|(_, until)| *until > now));
            }
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(domain.to_owned(), Known { policy, id, good, tried: now });
        });
        found
    }

    async fn fetch(&self, domain: &str) -> Result<Policy, String> {
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        let url = format!("https://mta-sts.{domain}{port}/.well-known/mta-sts.txt");
        let url: Url = url.parse().map_err(|_| "it is no host name".to_owned())?;
        let call =
            Call { method: Method::GET, url, headers: vec![], body: vec![], within: WITHIN, most: MOST };
        let answer = self.client.call(call).await.map_err(|error| error.to_string())?;
        if answer.status != hyper::StatusCode::OK {
            return Err(format!("the answer is {}", answer.status));
        }
        if !answer.whole {
            return Err("it is too long, or ended early".to_owned());
        }
        let text = String::from_utf8(answer.body).map_err(|_| "it is no text".to_owned())?;
        Policy::read(&text).ok_or_else(|| "it is no policy".to_owned())
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
