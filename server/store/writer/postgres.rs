//! One lane to PostgreSQL: a connection of its own, which comes back by itself.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use futures_util::TryFutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Fate, Job, answer};
use crate::store::bell::Bell;
use crate::store::db::{Engine, Tally, Trouble, Tx, timed};
use crate::store::{Error, Result};

/// Runs of a unit that collides with others, before it is answered `Busy`.
const TRIES: u32 = 6;
/// How long a group waits for a database that is away, before its callers are told.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between attempts to reach it.
const GAPS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
const CONNECT: Duration = Duration::from_secs(10);
/// The server ends a transaction whose node says nothing for so long (frozen, or cut off), because of its locks.
const FROZEN: &str = "set idle_in_transaction_session_timeout = '10s'";
/// Rows of writers that ended without taking theirs away, in milliseconds.
const STALE: i64 = 30 * 24 * 60 * 60 * 1000;

pub(super) async fn serve(
    options: PgConnectOptions,
    most: usize,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    load: Arc<AtomicUsize>,
    bell: Bell,
    callers: Handle,
    tally: Arc<Tally>,
) {
    let mut lane = Lane { options, tally, tx: None, mark: None, seq: 0, load, bell, callers };
    let mut group = Vec::with_capacity(most);
    while waiting.recv_many(&mut group, most).await > 0 {
        lane.run(std::mem::take(&mut group)).await;
    }
    lane.close().await;
}

struct Lane {
    options: PgConnectOptions,
    tally: Arc<Tally>,
    /// None until it is needed, and after the connection was lost.
    tx: Option<Tx>,
    mark: Option<Mark>,
    /// The number of the last group.
    seq: i64,
    load: Arc<AtomicUsize>,
    bell: Bell,
    callers: Handle,
}

/// Where this lane leaves the number of its last commit, and the server's process that may still be at it.
struct Mark {
    id: Uuid,
    pid: i32,
    started: String,
}

/// Why a transaction was not committed.
enum Halt {
    /// One of several units failed: they are run again, each under a savepoint.
    Unit,
    Collision,
    Lost(sqlx::Error),
    /// Lost, but in the commit.
    Doubt(sqlx::Error),
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        match Trouble::of(&error) {
            Some(Trouble::Collision) => Halt::Collision,
            Some(Trouble::Lost) => Halt::Lost(error),
            None => Halt::Failed(error),
        }
    }
}

impl Lane {
    /// Runs a group until it is committed or hopeless, and answers its callers.
    async fn run(&mut self, mut group: Vec<Box<dyn Job>>) {
        let since = Instant::now();
        let (mut careful, mut collisions, mut gap) = (false, 0, GAPS.0);
        let fate = loop {
            match self.transact(&mut group, careful).await {
                Ok(()) => break None,
                Err(Halt::Unit) => careful = true,
                Err(Halt::Collision) if group.len() > 1 => {
                    // Each alone locks little and for a short time.
                    for job in group {
                        Box::pin(self.run(vec![job])).await;
                    }
                    return;
                }
                Err(Halt::Collision) => {
                    collisions += 1;
                    if collisions == TRIES {
                        break Some(Fate::Refused);
                    }
                    tokio::time::sleep(jitter(Duration::from_millis(10 << collisions))).await;
                }
                Err(Halt::Lost(error)) => {
                    self.tx = None;
                    if since.elapsed() > PATIENCE {
                        tracing::error!(%error, "the database is away; what waited to be written is refused");
                        break Some(Fate::Refused);
                    }
                    tracing::warn!(%error, "the connection to the database was lost; trying again");
                    tokio::time::sleep(jitter(gap)).await;
                    gap = (gap * 2).min(GAPS.1);
                }
                Err(Halt::Doubt(error)) => {
                    tracing::warn!(%error, "the connection was lost during a commit; asking whether it was kept");
                    self.tx = None;
                    match self.kept(since).await {
                        Some(true) => break None,
                        Some(false) => {}
                        None => break Some(Fate::Unknown),
                    }
                }
                Err(Halt::Failed(error)) => {
                    tracing::error!(%error, "nothing could be written; its callers are told");
                    self.undo().await;
                    break Some(Fate::of(error));
                }
            }
        };
        if fate.is_none()
            && let Some(tx) = &self.tx
        {
            tx.committed();
        }
        answer(group, fate, &self.load, &self.bell, &self.callers);
    }

    /// Runs the units of a group in one transaction.
    async fn transact(&mut self, group: &mut [Box<dyn Job>], careful: bool) -> Result<(), Halt> {
        self.connected().await?;
        let (Some(tx), Some(mark)) = (&mut self.tx, &self.mark) else {
            return Err(Halt::Failed(sqlx::Error::WorkerCrashed));
        };
        self.seq += 1;
        execute(tx, begin(mark.id, self.seq, group)).await?;
        let alone = group.len() == 1;
        for job in group {
            if careful {
                execute(tx, "savepoint unit".into()).await?;
            }
            let keep = job.run(tx).await;
            match tx.trouble.take() {
                Some(Trouble::Lost) => return Err(Halt::Lost(sqlx::Error::WorkerCrashed)),
                Some(Trouble::Collision) => {
                    self.undo().await;
                    return Err(Halt::Collision);
                }
                None => {}
            }
            if keep || !tx.touched {
                continue;
            }
            if careful {
                execute(tx, "rollback to savepoint unit".into()).await?;
            } else {
                self.undo().await;
                return if alone { Ok(()) } else { Err(Halt::Unit) };
            }
        }
        match execute(tx, "commit".into()).await {
            Err(error) => Err(match Halt::from(error) {
                Halt::Lost(error) => Halt::Doubt(error),
                Halt::Collision => {
                    self.undo().await;
                    Halt::Collision
                }
                halt => halt,
            }),
            Ok(()) => Ok(()),
        }
    }

    async fn undo(&mut self) {
        if let Some(tx) = &mut self.tx
            && execute(tx, "rollback".into()).await.is_err()
        {
            self.tx = None;
        }
    }

    /// Makes the connection if there is none. Whatever the last one was still doing is ended first.
    async fn connected(&mut self) -> sqlx::Result<()> {
        if self.tx.is_some() {
            return Ok(());
        }
        let connect = tokio::time::timeout(CONNECT, self.options.connect()).await;
        let mut conn = connect.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
        conn.execute(FROZEN).await?;
        if let Some(mark) = &self.mark {
            sqlx::query(
                "select pg_terminate_backend(pid) from pg_stat_activity \
                 where pid = $1 and backend_start::text = $2 and pid <> pg_backend_pid()",
            )
            .bind(mark.pid)
            .bind(&mark.started)
            .execute(&mut conn)
            .await?;
        } else {
            let stale = format!("delete from writer where at < {NOW} - {STALE}");
            conn.execute(AssertSqlSafe(stale)).await?;
        }
        let (id, pid, started): (Uuid, i32, String) = sqlx::query_as(
            "select gen_random_uuid(), pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()",
        )
        .fetch_one(&mut conn)
        .await?;
        let id = self.mark.as_ref().map_or(id, |mark| mark.id);
        self.mark = Some(Mark { id, pid, started });
        self.tx = Some(Tx::new(Engine::Postgres(conn), self.tally.clone()));
        Ok(())
    }

    /// Whether the last group was committed; none if the database could not be asked in time.
    async fn kept(&mut self, since: Instant) -> Option<bool> {
        let mut gap = GAPS.0;
        loop {
            match self.last().await {
                Ok(last) => return Some(last == Some(self.seq)),
                Err(error) => {
                    tracing::warn!(%error, "the database cannot be asked what it has kept; trying again");
                    self.tx = None;
                }
            }
            if since.elapsed() > PATIENCE {
                return None;
            }
            tokio::time::sleep(jitter(gap)).await;
            gap = (gap * 2).min(GAPS.1);
        }
    }

    /// The number of the last commit that was kept. Waits for the lock that a commit under way holds.
    async fn last(&mut self) -> Result<Option<i64>> {
        self.connected().await?;
        let (Some(Tx { engine: Engine::Postgres(conn), .. }), Some(mark)) = (&mut self.tx, &self.mark) else {
            return Err(Error::Broken);
        };
        let last = sqlx::query_as("select seq from writer where id = $1 for update");
        let last = last.bind(mark.id).fetch_optional(conn);
        let last: Option<(i64,)> = timed(last.map_err(Error::Database)).await?;
        Ok(last.map(|(seq,)| seq))
    }

    async fn close(mut self) {
        if let (Some(Tx { engine: Engine::Postgres(mut conn), .. }), Some(mark)) =
            (self.tx.take(), &self.mark)
        {
            // A row that stays does no harm: it is taken away later.
            let _ = sqlx::query("delete from writer where id = $1").bind(mark.id).execute(&mut conn).await;
            let _ = conn.close().await;
        }
    }
}

/// The server's own time in milliseconds: it is only compared with itself.
const NOW: &str = "(extract(epoch from now()) * 1000)::bigint";

/// Begins a transaction, numbers it, and locks all accounts of its group in the order of their ids, as every group
/// does, so that no two groups wait for each other. Numbers and ids need not be bound, so it is one call.
fn begin(mark: Uuid, seq: i64, group: &[Box<dyn Job>]) -> String {
    let mut text = format!(
        "begin; insert into writer (id, seq, at) values ('{mark}', {seq}, {NOW}) \
         on conflict (id) do update set seq = excluded.seq, at = excluded.at"
    );
    let mut accounts: Vec<Uuid> = group.iter().flat_map(|job| job.accounts()).copied().collect();
    accounts.sort_unstable();
    accounts.dedup();
    for (n, account) in accounts.iter().enumerate() {
        let lead = if n == 0 { "; select id from account where id in (" } else { ", " };
        _ = write!(text, "{lead}'{account}'");
    }
    if !accounts.is_empty() {
        text.push_str(") order by id for no key update");
    }
    text
}

async fn execute(tx: &mut Tx, text: String) -> sqlx::Result<()> {
    let Engine::Postgres(conn) = &mut tx.engine else { return Ok(()) };
    match timed(conn.execute(AssertSqlSafe(text)).map_err(Error::Database)).await {
        Err(Error::Database(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Between half and all of it, or those that collided once collide again.
fn jitter(most: Duration) -> Duration {
    let mut chance = [0; 2];
    // Without randomness it is only the same wait.
    let _ = getrandom::fill(&mut chance);
    most / 2 + most / 2 * u32::from(u16::from_ne_bytes(chance)) / u32::from(u16::MAX)
}
