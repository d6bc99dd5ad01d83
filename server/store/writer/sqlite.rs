//! SQLite's only writer.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::put::Kinds;
use super::{Fate, Job, answer};
use crate::store::bell::Bell;
use crate::store::db::{Engine, Tally, Tx};
use crate::store::{Error, Result};

/// Units that share a commit.
const GROUP: usize = 128;
/// Prepared texts kept; a batch that leads its unit counts three times (by what goes before it).
const CACHE: usize = 1000;

/// Memory for pages, in kibibytes (written negative): the ends of every index that a message goes into.
const CACHED: &str = "-16000";
/// Pages of the log after which they are copied into the database: each copying costs two more syncs, and a page that
/// was written often is copied once.
const CHECKPOINT: &str = "4000";

/// Goes before the first unit of a group.
const BEGIN: &str = "begin immediate; savepoint unit; ";
/// Ends the unit before (a commit ends the last one) and starts the next.
const NEXT: &str = "release unit; savepoint unit; ";
const UNDO: &str = "rollback to unit";

pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let options = options
        .clone()
        .statement_cache_capacity(CACHE)
        .pragma("temp_store", "memory") // where savepoints keep the pages they may have to restore
        .pragma("cache_size", CACHED)
        .pragma("wal_autocheckpoint", CHECKPOINT)
        .row_buffer_size(1024)
        .disable_statement_logging();
    let mut conn = options.connect().await?;
    durable(&mut conn).await?;
    Ok(conn)
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

pub(super) async fn serve(
    options: SqliteConnectOptions,
    conn: SqliteConnection,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    load: Arc<AtomicUsize>,
    bell: Bell,
    callers: Handle,
    tally: Arc<Tally>,
) {
    let mut kinds = Kinds::default();
    let sqlite = |conn| Tx::new(Engine::Sqlite { conn, lead: "" }, tally.clone());
    let mut tx = Some(sqlite(conn));
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        if tx.is_none() {
            match connect(&options).await {
                Ok(conn) => tx = Some(sqlite(conn)),
                Err(error) => {
                    tracing::error!(%error, "the database cannot be opened again; writes are refused");
                }
            }
        }
        let mut fate = Some(Fate::Refused);
        if let Some(open) = &mut tx {
            match commit(open, &mut group, &mut kinds).await {
                Ok(()) => fate = None,
                Err(error) => {
                    tracing::error!(%error, units = group.len(), "nothing could be written; its callers are told");
                    // The disk being full says nothing against the connection.
                    let database = error.as_database_error().is_some();
                    fate = Some(if open.full { Fate::Full } else { Fate::of(error) });
                    if !database {
                        tx = None;
                    }
                }
            }
        }
        answer(std::mem::take(&mut group), fate, &load, &bell, &callers);
    }
    if let Some(Tx { engine: Engine::Sqlite { conn, .. }, .. }) = tx {
        let _ = conn.close().await;
    }
}

/// Runs every unit under its own savepoint, or several of the same kind under one, and commits them together.
async fn commit(tx: &mut Tx, group: &mut [Box<dyn Job>], kinds: &mut Kinds) -> sqlx::Result<()> {
    let (mut result, mut begun, mut at) = (Ok(()), false, 0);
    tx.full = false;
    Kinds::sort(group);
    while at < group.len() && result.is_ok() {
        let before = if begun { NEXT } else { BEGIN };
        lead(tx, before);
        let mut alone = 1;
        if let Some((units, statements)) = kinds.joined(&group[at..]) {
            if tx.joined(units, statements).await {
                group[at..at + units].iter_mut().for_each(|job| job.ran());
                (begun, at) = (true, at + units);
                continue;
            }
            // One of them is to blame: each is run by itself.
            begun = true;
            result = execute(tx, UNDO).await;
            alone = units;
        }
        for job in &mut group[at..at + alone] {
            if result.is_err() {
                break;
            }
            lead(tx, if begun { NEXT } else { BEGIN });
            let keep = job.run(tx).await;
            lead(tx, "");
            begun |= tx.touched;
            if !keep && tx.touched {
                // Fails if SQLite has rolled back everything by itself (disk full, I/O error).
                result = execute(tx, UNDO).await;
            }
        }
        at += alone;
    }
    if result.is_ok() && begun {
        result = execute(tx, "commit").await;
    }
    match &result {
        Ok(()) => tx.committed(),
        Err(_) => drop(execute(tx, "rollback").await),
    }
    result
}

/// Sets what goes down in front of the next statement.
fn lead(tx: &mut Tx, next: &'static str) {
    if let Engine::Sqlite { lead, .. } = &mut tx.engine {
        *lead = next;
    }
}

async fn execute(tx: &mut Tx, text: &'static str) -> sqlx::Result<()> {
    match &mut tx.engine {
        Engine::Sqlite { conn, .. } => conn.execute(text).await.map(drop),
        Engine::Postgres(_) => Ok(()),
    }
}
