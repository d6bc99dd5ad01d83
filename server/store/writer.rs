//! The one door for writes: group commit on SQLite, a transaction per unit on PostgreSQL.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor, PgPool};
use tokio::sync::{mpsc, oneshot, watch};

use super::bell::{Bell, Topic};
use super::db::{Engine, Tx};
use super::{Error, Result};

/// Units that may wait; one more is answered `Busy`.
const QUEUE: usize = 1024;
/// Units that share a commit.
const GROUP: usize = 128;
/// Prepared texts kept; a batch that leads its unit counts twice (with and without its savepoint).
const CACHE: usize = 1000;
const TRIES: u32 = 5;

const BEGIN: &str = "begin immediate; savepoint unit";
/// Ends the unit before (a commit ends the last one) and starts the next.
const NEXT: &str = "release unit; savepoint unit; ";
const UNDO: &str = "rollback to unit";

/// Runs `unit` in a transaction of its own on PostgreSQL, again after a collision.
pub(crate) async fn retry<T>(
    pool: &PgPool,
    bell: &Bell,
    mut unit: impl AsyncFnMut(&mut Tx) -> Result<T>,
) -> Result<T> {
    for attempt in 0..TRIES {
        match transact(pool, bell, &mut unit).await {
            Err(Error::Database(e)) if passing(&e) => {
                let most = 5 << attempt;
                // Jitter, or those that collided once collide again.
                let wait = most / 2 + u64::from(std::process::id() ^ attempt) % (most / 2 + 1);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            result => return result,
        }
    }
    Err(Error::Busy)
}

async fn transact<T>(
    pool: &PgPool,
    bell: &Bell,
    unit: &mut impl AsyncFnMut(&mut Tx) -> Result<T>,
) -> Result<T> {
    let mut tx = Tx::new(Engine::Postgres(pool.begin().await?));
    let result = unit(&mut tx).await;
    let (broken, rings) = (tx.broken, std::mem::take(&mut tx.rings));
    let Engine::Postgres(inner) = tx.engine else { return Err(Error::Broken) };
    match result {
        Ok(_) if broken => Err(Error::Broken),
        // A connection lost here leaves us not knowing, so this is not tried again.
        Ok(value) => match inner.commit().await {
            Err(e) if lost(&e) => Err(Error::Database(sqlx::Error::Protocol(format!("commit: {e}")))),
            done => {
                done?;
                bell.ring(rings);
                Ok(value)
            }
        },
        Err(error) => Err(error), // dropping `inner` rolls back
    }
}

/// A collision, or a lost connection.
fn passing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    matches!(code.as_deref(), Some("40001" | "40P01")) || lost(error)
}

fn lost(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    matches!(code.as_deref(), Some(c) if c.starts_with("08") || c.starts_with("57P"))
        || matches!(error, sqlx::Error::Io(_))
}

/// SQLite's only writer, on a thread of its own: a unit's future never moves, so it need not be
/// `Send`, and a unit is plain `async |tx| …`.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: Arc<Mutex<Option<mpsc::Sender<Box<dyn Job>>>>>,
    running: watch::Receiver<()>,
}

impl Writer {
    pub(crate) async fn open(options: SqliteConnectOptions, bell: Bell) -> Result<Self> {
        let options = options
            .statement_cache_capacity(CACHE)
            .pragma("temp_store", "memory") // where savepoints keep the pages they may have to restore
            .row_buffer_size(1024)
            .disable_statement_logging();
        let mut conn = options.connect().await?;
        durable(&mut conn).await?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (thread, running) = watch::channel(());
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let _ends_with = thread;
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let tx = Tx::new(Engine::Sqlite { conn, lead: "" });
                match runtime {
                    Ok(runtime) => runtime.block_on(serve(tx, waiting, bell)),
                    Err(error) => tracing::error!(%error, "the store's writer could not start"),
                }
            })
            .map_err(sqlx::Error::Io)?;
        Ok(Self { queue: Arc::new(Mutex::new(Some(queue))), running })
    }

    /// Takes no more units and returns when those that wait are answered.
    pub(crate) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.running.clone().changed().await;
    }

    pub(crate) async fn write<T, U>(&self, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnMut(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Unit { unit, result: None, rings: Vec::new(), caller });
        match &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(queue) => queue.try_send(job).map_err(|_| Error::Busy)?,
            None => return Err(Error::Busy),
        }
        match answer.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::Database(sqlx::Error::WorkerCrashed)),
        }
    }
}

/// Promise 1 of the design, asserted: a commit is on the disk before anybody is told of it.
async fn durable(conn: &mut SqliteConnection) -> Result<()> {
    let (journal,): (String,) = sqlx::query_as("pragma journal_mode").fetch_one(&mut *conn).await?;
    let (synchronous,): (i64,) = sqlx::query_as("pragma synchronous").fetch_one(&mut *conn).await?;
    if journal != "wal" || synchronous != 2 {
        return Err(Error::Unusable(format!(
            "the database runs with journal_mode={journal}, synchronous={synchronous}; it must be wal and 2 (full)"
        )));
    }
    Ok(())
}

/// A unit that waits, whatever its result.
trait Job: Send {
    /// Whether it is to be kept.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>>;
    /// Answers the caller; `lost` says that the whole group came to nothing.
    fn answer(self: Box<Self>, lost: Option<&str>, bell: &Bell);
}

struct Unit<U, T> {
    unit: U,
    result: Option<std::thread::Result<Result<T>>>,
    rings: Vec<Topic>,
    caller: oneshot::Sender<std::thread::Result<Result<T>>>,
}

impl<T, U> Job for Unit<U, T>
where
    T: Send,
    U: AsyncFnMut(&mut Tx) -> Result<T> + Send,
{
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>> {
        Box::pin(async move {
            let mut result = AssertUnwindSafe((self.unit)(tx)).catch_unwind().await;
            if tx.broken && matches!(result, Ok(Ok(_))) {
                result = Ok(Err(Error::Broken));
            }
            let keep = matches!(result, Ok(Ok(_)));
            self.rings = std::mem::take(&mut tx.rings);
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, lost: Option<&str>, bell: &Bell) {
        if lost.is_none() && matches!(self.result, Some(Ok(Ok(_)))) {
            bell.ring(self.rings);
        }
        let result = match (self.result, lost) {
            (Some(Ok(Ok(_))) | None, Some(why)) => {
                Ok(Err(Error::Database(sqlx::Error::Protocol(why.to_owned()))))
            }
            (Some(result), _) => result,
            (None, None) => Ok(Err(Error::Busy)),
        };
        let _ = self.caller.send(result); // a caller that went away changes nothing
    }
}

async fn serve(mut tx: Tx, mut waiting: mpsc::Receiver<Box<dyn Job>>, bell: Bell) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        let lost = commit(&mut tx, &mut group).await.err().map(|e| e.to_string());
        for job in group.drain(..) {
            job.answer(lost.as_deref(), &bell);
        }
    }
    if let Engine::Sqlite { conn, .. } = tx.engine {
        let _ = conn.close().await;
    }
}

/// Runs every unit under its own savepoint and commits them together.
async fn commit(tx: &mut Tx, group: &mut [Box<dyn Job>]) -> sqlx::Result<()> {
    execute(tx, BEGIN).await?;
    let mut result = Ok(());
    for job in group {
        tx.broken = false;
        lead(tx, NEXT);
        let keep = job.run(tx).await;
        let touched = lead(tx, "").is_empty();
        if !keep && touched {
            // Fails if SQLite has rolled back everything by itself (disk full, I/O error).
            result = execute(tx, UNDO).await;
        }
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        result = execute(tx, "commit").await;
    }
    if result.is_err() {
        let _ = execute(tx, "rollback").await;
    }
    result
}

/// Sets the lead; the one that was there.
fn lead(tx: &mut Tx, next: &'static str) -> &'static str {
    match &mut tx.engine {
        Engine::Sqlite { lead, .. } => std::mem::replace(lead, next),
        Engine::Postgres(_) => "",
    }
}

async fn execute(tx: &mut Tx, text: &'static str) -> sqlx::Result<()> {
    match &mut tx.engine {
        Engine::Sqlite { conn, .. } => conn.execute(text).await.map(drop),
        Engine::Postgres(_) => Ok(()),
    }
}
