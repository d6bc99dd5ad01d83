//! The nodes of one PostgreSQL database: who else is there, whether the database answers, and short notices between
//! them that are written nowhere.
//!
//! One connection of its own asks the database once a second, so that a node that is cut off knows it within
//! seconds and refuses work at once, instead of letting every request wait for its own time-out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Where nodes say that they are there, and tell their notices.
pub(super) const CHANNEL: &str = "restante_nodes";
/// Between two questions to the database.
const ASK: Duration = Duration::from_secs(1);
/// How long it may take to answer one.
const ANSWER: Duration = Duration::from_secs(3);
/// When it has failed to for so long it counts as away. Shorter outages, as a restart, are waited for.
const AWAY: Duration = Duration::from_secs(5);
/// Questions between two signs of life to the other nodes.
const LIFE: u32 = 5;
/// A node that gave none for so long is gone.
const GONE: Duration = Duration::from_secs(16);
/// Notices that may wait to be told, and to be heard.
const NOTICES: usize = 64;
/// Nodes that are remembered.
const NODES: usize = 1000;

/// The nodes of one database; clones share them.
#[derive(Clone, Default)]
pub struct Nodes(Option<Arc<Inner>>);

struct Inner {
    me: Uuid,
    /// When each other node was last heard.
    others: Mutex<HashMap<Uuid, Instant>>,
    count: AtomicU32,
    away: watch::Sender<bool>,
    /// Whether this node says that it is there.
    joined: AtomicBool,
    closed: CancellationToken,
    out: mpsc::Sender<String>,
    heard: broadcast::Sender<Arc<str>>,
}

impl Nodes {
    /// This node among those of a PostgreSQL database.
    pub(super) fn among(options: &PgConnectOptions) -> Self {
        let mut name = [0; 16];
        // Without randomness the nodes take each other for themselves, and each has the whole limit.
        let _ = getrandom::fill(&mut name);
        let (inner, waiting) = Inner::new(Uuid::new_v8(name));
        tokio::spawn(ask(options.clone(), Arc::downgrade(&inner), inner.closed.clone(), waiting));
        Self(Some(inner))
    }

    /// Makes this node known to the others, as one that takes requests.
    pub fn join(&self) {
        if let Some(inner) = &self.0 {
            inner.joined.store(true, Ordering::Relaxed);
            let _ = inner.out.try_send(String::new());
        }
    }

    /// Falls silent.
    pub(super) fn close(&self) {
        if let Some(inner) = &self.0 {
            inner.closed.cancel();
        }
    }

    /// How many other nodes take requests; none on SQLite.
    pub fn others(&self) -> u32 {
        self.0.as_ref().map_or(0, |inner| inner.count.load(Ordering::Relaxed))
    }

    /// Whether the database has not answered for seconds.
    pub fn away(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| *inner.away.borrow())
    }

    /// Returns once the database counts as away.
    pub(super) async fn lost(&self) {
        let Some(inner) = &self.0 else { return std::future::pending().await };
        let mut away = inner.away.subscribe();
        if away.wait_for(|away| *away).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells the other nodes something: under 7,900 octets. It may get lost.
    pub fn tell(&self, notice: String) {
        if let Some(inner) = &self.0 {
            let _ = inner.out.try_send(notice);
        }
    }

    /// Hears what other nodes tell from now on; none on SQLite.
    pub fn listen(&self) -> Option<broadcast::Receiver<Arc<str>>> {
        self.0.as_ref().map(|inner| inner.heard.subscribe())
    }

    /// Takes what came on [`CHANNEL`].
    pub(super) fn hear(&self, payload: &str) {
        let Some(inner) = &self.0 else { return };
        let (name, notice) = payload.split_once(' ').unwrap_or((payload, ""));
        let Ok(node) = Uuid::try_parse(name) else { return };
        if node == inner.me {
            return;
        }
        if inner.alive(node) && inner.joined.load(Ordering::Relaxed) {
            // It does not know us yet.
            let _ = inner.out.try_send(String::new());
        }
        if !notice.is_empty() {
            let _ = inner.heard.send(notice.into());
        }
    }
}

impl Inner {
    fn new(me: Uuid) -> (Arc<Self>, mpsc::Receiver<String>) {
        let (out, waiting) = mpsc::channel(NOTICES);
        let inner = Self {
            me,
            others: Mutex::default(),
            count: AtomicU32::new(0),
            away: watch::Sender::new(false),
            joined: AtomicBool::new(false),
            closed: CancellationToken::new(),
            out,
            heard: broadcast::channel(NOTICES).0,
        };
        (Arc::new(inner), waiting)
    }

    /// Remembers that a node is there; whether that is news.
    fn alive(&self, node: Uuid) -> bool {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let room = others.len() < NODES || others.contains_key(&node);
        let new = room && others.insert(node, Instant::now()).is_none();
        self.count.store(u32::try_from(others.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        new
    }

    fn forget_the_gone(&self) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.retain(|_, heard| heard.elapsed() < GONE);
        self.count.store(u32::try_from(others.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// Asks the database once a second and tells the notices, as long as somebody holds the nodes.
async fn ask(
    options: PgConnectOptions,
    nodes: Weak<Inner>,
    closed: CancellationToken,
    mut waiting: mpsc::Receiver<String>,
) {
    let (mut connection, mut round): (Option<PgConnection>, _) = (None, 0_u32);
    // Since the first failure, not since the last answer: whoever was frozen asks once more first.
    let mut failing: Option<Instant> = None;
    loop {
        let notice = tokio::select! {
            () = closed.cancelled() => break,
            notice = tokio::time::timeout(ASK, waiting.recv()) => notice,
        };
        let Some(inner) = nodes.upgrade() else { break };
        let notice = match notice {
            Ok(Some(notice)) => Some(notice),
            Ok(None) => break,
            Err(_) => {
                round = round.wrapping_add(1);
                (round.is_multiple_of(LIFE) && inner.joined.load(Ordering::Relaxed)).then(String::new)
            }
        };
        let asked = tokio::time::timeout(ANSWER, say(&options, &mut connection, inner.me, notice)).await;
        if let Ok(Ok(())) = asked {
            failing = None;
            if inner.away.send_replace(false) {
                tracing::info!("the database answers again");
            }
        } else {
            connection = None;
            let since = *failing.get_or_insert_with(Instant::now);
            if since.elapsed() >= AWAY && !inner.away.send_replace(true) {
                tracing::error!("the database does not answer; requests are refused until it does");
            }
        }
        inner.forget_the_gone();
    }
    if let Some(open) = connection {
        let _ = tokio::time::timeout(ANSWER, open.close()).await;
    }
}

async fn say(
    options: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    me: Uuid,
    notice: Option<String>,
) -> sqlx::Result<()> {
    let open = match connection {
        Some(open) => open,
        None => {
            let mut open = options.clone().application_name("restante node").connect().await?;
            // A sign of life is worth no sync.
            open.execute("set synchronous_commit = off").await?;
            connection.insert(open)
        }
    };
    match notice {
        None => open.execute("select 1").await.map(drop),
        Some(notice) => {
            let payload = format!("{} {notice}", me.simple());
            sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(payload).execute(open).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nodes_that_fall_silent_are_forgotten_and_newcomers_are_greeted() {
        let (inner, mut waiting) = Inner::new(Uuid::from_u128(1));
        let nodes = Nodes(Some(inner.clone()));
        nodes.join();
        assert_eq!(waiting.try_recv().unwrap(), "");
        let mut heard = nodes.listen().unwrap();
        nodes.hear(&Uuid::from_u128(1).simple().to_string());
        nodes.hear("rubbish");
        assert_eq!(nodes.others(), 0);
        for _ in 0..2 {
            nodes.hear(&format!("{} a=1", Uuid::from_u128(2).simple()));
            assert_eq!(&*heard.recv().await.unwrap(), "a=1");
        }
        assert_eq!(nodes.others(), 1);
        assert_eq!(waiting.try_recv().unwrap(), "", "greeted");
        assert!(waiting.try_recv().is_err(), "once");
        for n in 0..2 * NODES as u128 {
            nodes.hear(&Uuid::from_u128(100 + n).simple().to_string());
        }
        assert_eq!(nodes.others() as usize, NODES);
        assert!(!inner.alive(Uuid::from_u128(2)), "known, also when there is no room for more");
        *inner.others.lock().unwrap() = [
            (Uuid::from_u128(2), Instant::now().checked_sub(GONE).unwrap()),
            (Uuid::from_u128(3), Instant::now()),
        ]
        .into();
        inner.forget_the_gone();
        assert_eq!(nodes.others(), 1);
        assert_eq!(Nodes::default().others(), 0);
        assert!(!Nodes::default().away() && Nodes::default().listen().is_none());
    }
}
