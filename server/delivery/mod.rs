//! The delivery worker: takes what is owed from the one queue and does it, each delivery by itself.
//!
//! Whatever is claimed is leased, and the lease is prolonged while the work lasts; a worker that dies loses it,
//! and another goes on. What cannot be done now is tried again later, what cannot be done at all comes back to its
//! sender as a bounce.

mod answered;
mod asking;
mod bounce;
pub mod capture;
pub mod deposit;
mod digest;
pub mod encryption;
pub mod forward;
mod hands;
mod health;
mod hops;
mod line;
mod local;
mod mx;
pub mod next_hop;
pub mod notice;
mod pump;
mod push;
pub mod question;
pub mod relay;
mod reply;
mod returned;
mod route;
pub mod signature;
mod turns;
pub mod unsubscribe;
pub mod unverified;
mod vacation;
pub mod vapid;
mod webhook;
mod wire;
mod word;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::mail::dkim::Key;
use crate::mail::retry::Schedule;
use crate::store::delivery::Lane;
use crate::submission::Context;
use health::Health;
use hops::Hops;
use next_hop::Way;
use relay::TimeOuts;

/// How the worker works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How mail to the outside leaves; without a way it waits.
    pub relay: Option<Way>,
    /// Ways of their own for some domains (lower-case).
    pub domains: BTreeMap<String, Way>,
    /// Name servers to ask; without any, the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Whether mail hosts in private networks are connected to, when a domain names such.
    pub private_hosts: bool,
    /// Certificates (PEM) of authorities that are trusted beside the well-known ones.
    pub roots: Option<Arc<[u8]>>,
    /// The port of mail hosts.
    pub mx_port: u16,
    /// The port that the domains' MTA-STS policies are fetched from.
    pub sts_port: u16,
    /// Connections to one relay at once.
    pub connections: usize,
    /// Where the web inbox is, for the links in notices.
    pub public_url: String,
    /// When a failed attempt is tried again, and when to give up.
    pub retry: Schedule,
    /// How long a message is tried before its sender is told that it takes long; zero is never.
    pub delay_notice_after: Duration,
    /// Deliveries worked on at once in each lane: into mailboxes here, and to the outside.
    pub at_once: usize,
    /// Deliveries to one outside domain worked on at once, when it is known to take them.
    pub per_destination: usize,
    /// What takes longer than this gives its place to others, within four times `at_once`.
    pub slow_after: Duration,
    /// How long a lease lasts unless it is prolonged: after that long, the work of a worker that died is taken over.
    pub lease: Duration,
    /// How long to wait at most before looking at the queue again, whatever the bell says.
    pub poll: Duration,
    /// How long to wait for what is being worked on when stopping.
    pub drain: Duration,
    /// How long each phase of a transaction with the relay may take.
    pub time_outs: TimeOuts,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            relay: None,
            domains: BTreeMap::new(),
            name_servers: Vec::new(),
            private_hosts: false,
            roots: None,
            mx_port: 25,
            sts_port: 443,
            connections: 20,
            public_url: "http://127.0.0.1:8080".into(),
            retry: Schedule {
                first: seconds(60),
                max: seconds(4 * 3600),
                give_up_after: seconds(5 * 24 * 3600),
            },
            delay_notice_after: seconds(4 * 3600),
            at_once: 64,
            per_destination: 20,
            slow_after: seconds(20),
            lease: seconds(30),
            poll: seconds(15),
            drain: seconds(20),
            time_outs: TimeOuts::default(),
        }
    }
}

/// The worker; clones share its work.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    context: Context,
    settings: Settings,
    hops: Hops,
    health: Health,
    /// The keys that mail is signed with, by domain.
    keys: RwLock<HashMap<String, Vec<Arc<Key>>>>,
    stopping: CancellationToken,
}

/// The lease that everything claimed at once shares, prolonged while any of it is worked on.
struct Lease {
    id: Uuid,
    /// When it ends, in milliseconds.
    until: AtomicI64,
    /// When it began, by both clocks: one stands still while the machine sleeps, the other may be set.
    began: (i64, Instant),
    /// Told when nobody works under it any more.
    over: Arc<Notify>,
}

impl Lease {
    /// Whether it began so short a time ago that nobody can have taken it over.
    fn is_fresh(&self, now: i64, most: Duration) -> bool {
        let (at, instant) = self.began;
        (0..=millis(most)).contains(&now.saturating_sub(at)) && instant.elapsed() <= most
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.over.notify_one();
    }
}

impl Worker {
    /// A worker on this store.
    #[must_use]
    pub fn new(context: Context, settings: Settings) -> Self {
        let hops = Hops::new(&settings, &context);
        let (health, stopping) = (Health::default(), CancellationToken::new());
        let keys = RwLock::default();
        Self(Arc::new(Inner { context, settings, hops, health, keys, stopping }))
    }

    /// Works on everything that is due now, and returns how many deliveries that were. What it makes due in turn
    /// is left for the next step.
    ///
    /// # Errors
    /// The database's: then nothing was claimed in one lane.
    pub async fn step(&self) -> crate::store::Result<usize> {
        let mut worked = 0;
        self.0.hand_out().await?;
        for lane in [Lane::Here, Lane::Outside, Lane::Calls] {
            worked += self.0.clone().sweep(lane).await?;
        }
        Ok(worked)
    }

    /// Works until `shutdown`; then finishes what is being worked on, within bounds, and gives back the rest.
    pub async fn run(self, shutdown: CancellationToken) {
        let inner = self.0;
        inner.take_over().await;
        let stop = async {
            shutdown.cancelled().await;
            inner.stopping.cancel();
        };
        let [here, outside, calls] =
            [Lane::Here, Lane::Outside, Lane::Calls].map(|lane| inner.clone().pump(lane));
        tokio::join!(here, outside, calls, inner.clone().tell(), stop);
        inner.hops.close().await;
    }
}

impl Inner {
    fn now(&self) -> i64 {
        self.context.clock.now_ms()
    }

    /// Where there can be no other worker, what the last one had in hand is due at once, not when its leases end.
    async fn take_over(&self) {
        match self.context.store.take_over(self.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "going on with what was being worked on before"),
            Err(error) => {
                tracing::warn!(%error, "what was being worked on before waits for its leases to end");
            }
        }
    }

    fn lease_ends(&self, now: i64) -> i64 {
        now.saturating_add(millis(self.settings.lease))
    }

    /// Keeps a lease alive until nobody works under it any more.
    async fn keep_alive(self: Arc<Self>, lease: std::sync::Weak<Lease>, id: Uuid, over: Arc<Notify>) {
        loop {
            tokio::select! {
                () = over.notified() => return,
                () = tokio::time::sleep(self.settings.lease / 4) => {}
            }
            let until = self.lease_ends(self.now());
            let renewed = self.context.store.renew(id, until).await;
            let Some(lease) = lease.upgrade() else { return };
            match renewed {
                Ok(_) => lease.until.store(until, Ordering::SeqCst),
                Err(error) => tracing::warn!(%error, "a lease could not be prolonged"),
            }
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
