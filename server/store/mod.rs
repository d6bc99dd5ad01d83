//! The store: everything Restante remembers, and the only SQL.
//!
//! Reads use a pool and never wait for a write. Writes go through one door, [`Store::write`], whose result comes
//! once it is durable.

pub mod account;
pub mod audit;
pub mod backup;
pub mod bell;
pub mod blob;
pub mod calls;
pub mod claim;
pub mod collect;
pub mod correspondent;
pub mod db;
pub mod delivery;
pub mod destination;
pub mod dkim;
pub mod draft;
pub mod email;
pub mod event;
pub mod fanout;
mod filing;
mod filter;
pub mod forwarding;
pub mod idempotency;
pub mod link;
pub mod mailbox;
pub mod mute;
pub mod nodes;
pub mod operate;
mod packed;
pub mod pause;
mod pipeline;
pub mod policy;
pub mod promise;
pub mod prune;
pub mod push;
mod readers;
pub mod remote;
pub mod respondent;
pub mod returns;
pub mod schema;
pub mod search;
mod secret;
pub mod settle;
pub mod snooze;
mod spool;
pub mod submission;
pub mod suppression;
pub mod tally;
pub mod thread;
mod together;
pub mod token;
pub mod tracking;
pub mod unverified;
mod upkeep;
pub mod vacation;
pub mod webhook;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use uuid::Uuid;

pub use bell::{Bell, Ear, Topic};
pub use db::Tallied;
use db::{Record, Statement, Tally, Trouble, Tx};
use nodes::Nodes;
use readers::Readers;
use together::Together;
use writer::Writer;

/// The store's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row, or it belongs to someone else.
    #[error("nothing there")]
    NotFound,
    /// It is there already, or it is no longer as the caller believed.
    #[error("already there")]
    Conflict,
    /// Too much waits, or the store is closing: nothing was written, ask again.
    #[error("the store is busy")]
    Busy,
    /// The database has not answered for a while, so it was not asked.
    #[error("the database does not answer")]
    Away,
    /// A unit went on after a statement had failed: nothing of it was written.
    #[error("went on after an error")]
    Broken,
    /// The disk is full: nothing was written.
    #[error("there is no room left")]
    Full,
    /// The database or a row in it cannot be used as it is; says why and what to do.
    #[error("{0}")]
    Unusable(String),
    /// A blob could not be read or written.
    #[error(transparent)]
    Io(std::io::Error),
    /// The database's own error.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Error::NotFound,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Error::Busy,
            sqlx::Error::Database(e) if e.is_unique_violation() => Error::Conflict,
            sqlx::Error::Database(e) if e.code().is_some_and(|code| full(&code)) => {
                // Told here, because callers see only that it did not work.
                tracing::error!(%error, "the database has no room");
                Error::Full
            }
            sqlx::Error::Database(e) if e.code().is_some_and(|code| exhausted(&code)) => {
                tracing::error!(%error, "the database cannot do it now");
                Error::Busy
            }
            _ => Error::Database(error),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.get_ref(), Some(why) if why.is::<remote::Unavailable>()) {
            tracing::error!(%error, "blobs cannot be stored or read at the moment");
            return Error::Busy;
        }
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            tracing::error!(%error, "the disk is full");
            return Error::Full;
        }
        Error::Io(error)
    }
}

/// The disk is full: PostgreSQL's 53100, SQLite's FULL.
fn full(code: &str) -> bool {
    code == "53100" || code == "13"
}

/// Something else has run out, as memory or connections: PostgreSQL's class 53; SQLite's IOERR, whose extended codes
/// end in that byte.
fn exhausted(code: &str) -> bool {
    match code.len() {
        5 => code.starts_with("53"),
        _ => code.parse::<u32>().is_ok_and(|code| code & 0xff == 10),
    }
}

/// Where the store is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://…`, or `sqlite:PATH`; none is `restante.db` in the data directory.
    pub url: Option<String>,
    /// Where the SQLite file and the blobs live.
    pub data_dir: PathBuf,
    /// The object store of the larger blobs, if they are not files.
    pub blobs: Option<remote::Location>,
}

/// Everything remembered; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>, Arc<[Statement]>);

struct Inner {
    engine: Engine,
    writer: Writer,
    tally: Arc<Tally>,
    bell: Bell,
    nodes: Nodes,
    blobs: blob::Blobs,
    /// By a token's digest.
    credentials: Together<[u8; 32], token::Credential<token::TokenRow>>,
    domains: account::Domains,
    /// Of the SQLite database.
    file: Option<PathBuf>,
    /// What return addresses are proved by, once it was read.
    return_key: tokio::sync::OnceCell<[u8; 32]>,
    /// What pushes are signed with, once it was read.
    push_key: tokio::sync::OnceCell<Vec<u8>>,
}

enum Engine {
    Sqlite(Readers<SqliteConnection>),
    /// Those that read, and the few that ring the bell.
    Postgres(Readers<PgConnection>, PgPool),
}

/// Connections that only read, on SQLite.
const READERS: usize = 4;
/// Connections of one node to PostgreSQL that read, and those that ring; the writer has its own.
const CONNECTIONS: usize = 12;
const RINGERS: u32 = 3;
/// The waits before a read is tried again on a new connection, in milliseconds.
const READ_AGAIN: [u64; 6] = [0, 100, 300, 1000, 2000, 4000];
/// Prepared texts each connection keeps.
const TEXTS: usize = 500;

impl Store {
    /// Opens the store, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a database that is newer than this version, or damaged.
    pub async fn open(settings: &Settings) -> Result<Self> {
        private_dir(&settings.data_dir)?;
        let blobs = blob::Blobs::open(settings.data_dir.join("blobs"), settings.blobs.clone())?;
        let url = settings.url.as_deref().unwrap_or_default();
        let tally = Arc::new(Tally::default());
        let mut database = None;
        let mut nodes = Nodes::default();
        let (engine, writer, bell) = if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options: PgConnectOptions = url.parse()?;
            nodes = Nodes::among(&options);
            postgres(options, &nodes, &tally).await?
        } else {
            let file = match url.strip_prefix("sqlite:") {
                Some(path) => PathBuf::from(path.trim_start_matches("//")),
                None if url.is_empty() => settings.data_dir.join("restante.db"),
                None => {
                    return Err(Error::Unusable(
                        "database.url must begin with postgres:// or sqlite:; leave it out for a SQLite file in data_dir"
                            .into(),
                    ));
                }
            };
            let opened = sqlite(&file, &tally).await?;
            database = Some(file);
            opened
        };
        let (return_key, push_key) = (tokio::sync::OnceCell::new(), tokio::sync::OnceCell::new());
        let (credentials, domains) = (Together::default(), account::Domains::default());
        let inner = Inner {
            engine,
            writer,
            tally,
            bell,
            nodes,
            blobs,
            credentials,
            domains,
            file: database,
            return_key,
            push_key,
        };
        Ok(Self(Arc::new(inner), Arc::new([])))
    }

    /// Runs `unit`, all or nothing; its result comes once it is durable. The unit does nothing but SQL, and may
    /// run again after a collision, so it borrows what it captured; ids and times come from outside.
    ///
    /// # Errors
    /// The unit's; [`Error::Busy`] when too much waits.
    pub async fn write<T, U>(&self, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnMut(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.write_for([], unit).await
    }

    /// As [`Store::write`], for a unit that writes to the logs of `accounts`, of which the first decides with whom
    /// it waits: the accounts are locked before it, in the order of their ids, and it shares its commit with others.
    /// (An account that is left out may make two units wait for each other; one of them is then run again.)
    ///
    /// # Errors
    /// The unit's; [`Error::Busy`] when too much waits; [`Error::Away`].
    pub async fn write_for<T, U>(&self, accounts: impl Into<Vec<Uuid>>, mut unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnMut(&mut Tx) -> Result<T> + Send + 'static,
    {
        if self.0.nodes.away() {
            return Err(Error::Away);
        }
        let also = self.1.clone();
        let unit = async move |tx: &mut Tx| {
            let done = unit(tx).await?;
            if !also.is_empty() {
                tx.batch(also.iter().cloned()).await?;
            }
            Ok(done)
        };
        self.0.writer.write(accounts.into(), unit).await
    }

    /// Runs statements as one unit of [`Store::write_for`], and rings these topics once it is durable. Units of the
    /// same statements may go down in one call, so this is the way for what comes often.
    ///
    /// # Errors
    /// As of [`Store::write_for`]; [`Error::Conflict`] also when a statement did not write what it is expected to.
    pub async fn put(
        &self,
        accounts: impl Into<Vec<Uuid>>,
        mut statements: Vec<Statement>,
        rings: Vec<Topic>,
    ) -> Result<()> {
        if self.0.nodes.away() {
            return Err(Error::Away);
        }
        statements.extend(self.1.iter().cloned());
        self.0.writer.put(accounts.into(), statements, rings).await
    }

    /// How much the write door has done.
    pub fn tallied(&self) -> Tallied {
        self.0.tally.read()
    }

    /// The same store, whose every unit also runs these statements at its end: how an answer is kept in the
    /// transaction of what it tells of, by an operation that knows nothing of answers.
    #[must_use]
    pub fn with(&self, also: Vec<Statement>) -> Self {
        Self(self.0.clone(), self.1.iter().cloned().chain(also).collect())
    }

    /// Every row of a read.
    ///
    /// # Errors
    /// The database's; [`Error::Busy`] or [`Error::Away`] while it cannot be reached.
    pub async fn all<R: Record>(&self, statement: Statement) -> Result<Vec<R>> {
        // Boxed, because what waits for something to read keeps room for the read all the while.
        let mut done = match &self.0.engine {
            Engine::Sqlite(reads) => {
                let (text, args) = statement.sqlite();
                let read = reads.read(async |connection| db::sqlite_read(connection, text, args).await);
                Box::pin(read).await?
            }
            Engine::Postgres(..) if self.0.nodes.away() => return Err(Error::Away),
            Engine::Postgres(reads, _) => Box::pin(read(reads, &self.0.nodes, statement)).await?,
        };
        done.pop().map_or_else(|| Ok(Vec::new()), |done| done.rows())
    }

    /// The first row of a read, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn first<R: Record>(&self, statement: Statement) -> Result<Option<R>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// The first row of a read.
    ///
    /// # Errors
    /// [`Error::NotFound`] without one; the database's.
    pub async fn one<R: Record>(&self, statement: Statement) -> Result<R> {
        self.first(statement).await?.ok_or(Error::NotFound)
    }

    /// The bell that says "look again".
    pub fn bell(&self) -> &Bell {
        &self.0.bell
    }

    /// The nodes that share the database.
    pub fn nodes(&self) -> &Nodes {
        &self.0.nodes
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<()> {
        let _: (i64,) = self.one(db::sql("select count(*) from domain where name = ''")).await?;
        Ok(())
    }

    /// Whether the object store of the larger blobs, if there is one, lets us in.
    ///
    /// # Errors
    /// [`Error::Unusable`]: why it does not.
    pub async fn check_blobs(&self) -> Result<()> {
        match self.0.blobs.remote() {
            Some(remote) => remote.check().await,
            None => Ok(()),
        }
    }

    /// Takes no more writes and returns when those that wait are answered.
    pub async fn close(&self) {
        self.0.nodes.close();
        self.0.writer.close().await;
        match &self.0.engine {
            Engine::Sqlite(reads) => reads.close().await,
            Engine::Postgres(reads, pool) => {
                reads.close().await;
                pool.close().await;
            }
        }
    }

    pub(crate) fn blobs(&self) -> &blob::Blobs {
        &self.0.blobs
    }
}

/// Makes a directory that only its owner can enter.
fn private_dir(dir: &std::path::Path) -> Result<()> {
    if !dir.exists() {
        std::fs::create_dir_all(dir)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Makes a file that only its owner can read, before SQLite would make it for everybody; its journal takes the
/// same permissions.
fn private_file(file: &std::path::Path) -> Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file)?;
    Ok(())
}

async fn sqlite(file: &std::path::Path, tally: &Arc<Tally>) -> Result<(Engine, Writer, Bell)> {
    private_file(file)?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10));
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    backup::before_migration(&mut connection, file).await?;
    schema::migrate_sqlite(&mut connection, &schema::sqlite()).await?;
    connection.close().await?;
    let bell = Bell::default();
    let writer = Writer::sqlite(options.clone(), bell.clone(), tally.clone()).await?;
    let options = options.create_if_missing(false).read_only(true).statement_cache_capacity(TEXTS);
    let reads = Readers::new(options.disable_statement_logging(), READERS);
    Ok((Engine::Sqlite(reads), writer, bell))
}

async fn postgres(
    options: PgConnectOptions,
    nodes: &Nodes,
    tally: &Arc<Tally>,
) -> Result<(Engine, Writer, Bell)> {
    let options =
        options.application_name("restante").statement_cache_capacity(TEXTS).disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(RINGERS)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.clone())
        .await?;
    schema::migrate_postgres(&pool).await?;
    let bell = Bell::across(&pool, options.clone(), nodes.clone());
    let writer = Writer::postgres(&options, &bell, tally)?;
    Ok((Engine::Postgres(Readers::new(options, CONNECTIONS), pool), writer, bell))
}

/// A read is tried again where its connection was lost.
async fn read(reads: &Readers<PgConnection>, nodes: &Nodes, statement: Statement) -> Result<Vec<db::Done>> {
    let (text, args) = statement.postgres();
    for wait in READ_AGAIN {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let (text, args) = (text.clone(), args.clone());
        let read = reads.read(async |connection| db::timed(db::postgres(connection, text, args)).await);
        // A read that a silent network has swallowed is not waited for.
        let done = tokio::select! {
            done = read => done,
            () = nodes.lost() => return Err(Error::Away),
        };
        match done {
            Err(Error::Database(error)) if Trouble::of(&error) == Some(Trouble::Lost) => {
                tracing::warn!(%error, "the database could not be read; trying again");
            }
            done => return done,
        }
    }
    Err(Error::Busy)
}
