//! The MTA-STS policies of domains (RFC 8461): found by DNS, fetched over HTTPS, and held as long as they say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use tokio::time::Instant;
use url::Url;

use super::http::{Call, Client};
use super::resolve::Resolver;
use crate::mail::sts::{Policy, id};

/// Domains remembered at once.
const KEPT: usize = 2000;
/// How long fetching one may take (RFC 8461 §3.3 suggests a minute; mail waits for it).
const WITHIN: Duration = Duration::from_secs(20);
/// Octets of a policy that are read.
const MOST: usize = 64 << 10;
/// A policy that could not be fetched is not asked for again within this time (RFC 8461 §3.3: five minutes or more).
const AGAIN: Duration = Duration::from_secs(300);

/// A policy as it is kept elsewhere, for when this process is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Of the record that it was fetched for.
    pub id: String,
    /// Its text.
    pub text: String,
    /// How long it still holds.
    pub left: Duration,
}

/// What is known of one domain.
#[derive(Clone, Default)]
struct Known {
    /// The policy, until it is too old.
    policy: Option<(Arc<Policy>, Instant)>,
    /// The record's id it was fetched for.
    id: String,
    /// Whether the policy is the one of that id: fetching it may have failed.
    good: bool,
    /// When fetching it was last tried.
    tried: Option<Instant>,
}

/// The policies of all domains, as far as they were needed. They are remembered here; who asks keeps them for later.
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

    /// Whether something is remembered of a domain, if only that it had no policy.
    #[must_use]
    pub fn remembers(&self, domain: &str) -> bool {
        self.with(|known| known.contains_key(domain))
    }

    /// Remembers what was kept of a domain, or that nothing was.
    pub fn remember(&self, domain: &str, kept: Option<Kept>) {
        let known = kept.and_then(|kept| {
            let until = Instant::now().checked_add(kept.left)?;
            let policy = Some((Arc::new(Policy::read(&kept.text)?), until));
            Some(Known { policy, id: kept.id, good: true, tried: None })
        });
        // Somebody else may have remembered it meanwhile, and known better.
        if !self.remembers(domain) {
            self.put(domain, known.unwrap_or_default());
        }
    }

    /// A domain's policy; none where it has none, or it cannot be fetched and none is kept (RFC 8461 §5.1). And what is
    /// to be kept of it, where it was fetched just now.
    pub async fn of(&self, domain: &str) -> (Option<Arc<Policy>>, Option<Kept>) {
        let now = Instant::now();
        let known = self.with(|known| known.get(domain).cloned());
        let fresh = known
            .as_ref()
            .and_then(|known| known.policy.as_ref())
            .filter(|(_, until)| *until > now)
            .map(|(policy, _)| policy.clone());
        let records = self.resolver.texts(&format!("_mta-sts.{domain}")).await.unwrap_or_default();
        let mut ids = records.iter().filter_map(|record| id(record));
        // Several records are none (RFC 8461 §3.1); then what is kept still holds.
        let (Some(id), None) = (ids.next(), ids.next()) else { return (fresh, None) };
        if let Some(known) = &known
            && known.id == id
            && ((known.good && fresh.is_some())
                || known.tried.is_some_and(|tried| now.duration_since(tried) < AGAIN))
        {
            return (fresh, None);
        }
        let tried = Some(now);
        match self.fetch(domain).await {
            Ok((policy, text)) => {
                let left = Duration::from_secs(policy.max_age);
                let (policy, until) = (Arc::new(policy), now.checked_add(left).unwrap_or(now));
                let kept = Kept { id: id.clone(), text, left };
                self.put(domain, Known { policy: Some((policy.clone(), until)), id, good: true, tried });
                ((until > now).then_some(policy), Some(kept))
            }
            Err(reason) => {
                tracing::warn!(%domain, %reason, "its MTA-STS policy cannot be fetched");
                let policy = known.and_then(|known| known.policy);
                self.put(domain, Known { policy, id, good: false, tried });
                (fresh, None)
            }
        }
    }

    fn put(&self, domain: &str, one: Known) {
        let now = Instant::now();
        self.with(|known| {
            if known.len() >= KEPT {
                known.retain(|_, one| one.policy.as_ref().is_some_and(|(_, until)| *until > now));
            }
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(domain.to_owned(), one);
        });
    }

    async fn fetch(&self, domain: &str) -> Result<(Policy, String), String> {
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
        match Policy::read(&text) {
            Some(policy) => Ok((policy, text)),
            None => Err("it is no policy".to_owned()),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
