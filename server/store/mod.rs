//! The store: everything Restante remembers, and the only SQL.
//!
//! Reads use a pool and never wait for a write. Writes go through one door, [`Store::write`], whose result comes
//! once it is durable.

pub mod account;
pub mod bell;
pub mod blob;
pub mod db;
pub mod delivery;
pub mod email;
pub mod event;
pub mod fanout;
pub mod forwarding;
pub mod idempotency;
pub mod mailbox;
pub mod promise;
pub mod schema;
pub mod submission;
pub mod thread;
pub mod token;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

pub use bell::{Bell, Ear, Topic};
use db::{Record, Statement, Tx};
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
    /// A unit went on after a statement had failed: nothing of it was written.
    #[error("went on after an error")]
    Broken,
    /// The database or a row in it cannot be used as it is; says why and what to do.
    #[error("{0}")]
    Unusable(String),
    /// A blob could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
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
            _ => Error::Database(error),
        }
    }
}

/// Where the store is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://…`, or `sqlite:PATH`; none is `restante.db` in the data directory.
    pub url: Option<String>,
    /// Where the SQLite file and the blobs live.
    pub data_dir: PathBuf,
}

/// Everything remembered; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>, Arc<[Statement]>);

struct Inner {
    engine: Engine,
    bell: Bell,
    blobs: blob::Blobs,
}

enum Engine {
    Sqlite { writer: Writer, reads: SqlitePool },
    Postgres(PgPool),
}

/// Connections that only read, on SQLite.
const READERS: u32 = 4;
/// Connections of one node to PostgreSQL.
const CONNECTIONS: u32 = 20;
/// Prepared texts each connection keeps.
const TEXTS: usize = 500;

impl Store {
    /// Opens the store, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a database that is newer than this version, or damaged.
    pub async fn open(settings: &Settings) -> Result<Self> {
        private_dir(&settings.data_dir)?;
        let blobs = blob::Blobs::open(settings.data_dir.join("blobs"))?;
        let url = settings.url.as_deref().unwrap_or_default();
        let (engine, bell) = if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options: PgConnectOptions = url.parse()?;
            postgres(options).await?
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
            sqlite(&file).await?
        };
        Ok(Self(Arc::new(Inner { engine, bell, blobs }), Arc::new([])))
    }

    /// Runs `unit`, all or nothing; its result comes once it is durable. The unit does nothing but SQL, and may
    /// run again after a collision, so it borrows what it captured; ids and times come from outside.
    ///
    /// # Errors
    /// The unit's; [`Error::Busy`] when too much waits.
    pub async fn write<T, U>(&self, mut unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnMut(&mut Tx) -> Result<T> + Send + 'static,
    {
        let also = self.1.clone();
        let unit = async move |tx: &mut Tx| {
            let done = unit(tx).await?;
            if !also.is_empty() {
                tx.batch(also.iter().cloned()).await?;
            }
            Ok(done)
        };
        match &self.0.engine {
            Engine::Sqlite { writer, .. } => writer.write(unit).await,
            Engine::Postgres(pool) => writer::retry(pool, &self.0.bell, unit).await,
        }
    }

    /// The same store, whose every unit also runs these statements at its end: how an answer is kept in the
    /// transaction of what it tells of, by an operation that knows nothing of answers.
    #[must_use]
    pub fn with(&self, also: Vec<Statement>) -> Self {
        Self(self.0.clone(), also.into())
    }

    /// Every row of a read.
    ///
    /// # Errors
    /// The database's.
    pub async fn all<R: Record>(&self, statement: Statement) -> Result<Vec<R>> {
        let mut done = match &self.0.engine {
            Engine::Sqlite { reads, .. } => {
                let (text, args) = statement.sqlite();
                db::sqlite_read(&mut *reads.acquire().await?, text, args).await?
            }
            Engine::Postgres(pool) => {
                let (text, args) = statement.postgres();
                db::postgres(&mut *pool.acquire().await?, text, args).await?
            }
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

    /// Whether the database answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<()> {
        let _: (i64,) = self.one(db::sql("select count(*) from domain where name = ''")).await?;
        Ok(())
    }

    /// Takes no more writes and returns when those that wait are answered.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite { writer, reads } => {
                reads.close().await;
                writer.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
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

async fn sqlite(file: &std::path::Path) -> Result<(Engine, Bell)> {
    private_file(file)?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10));
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    schema::checked(schema::sqlite().run(&mut connection).await)?;
    connection.close().await?;
    let bell = Bell::default();
    let writer = Writer::open(options.clone(), bell.clone()).await?;
    let reads = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(
            options
                .create_if_missing(false)
                .read_only(true)
                .statement_cache_capacity(TEXTS)
                .disable_statement_logging(),
        )
        .await?;
    Ok((Engine::Sqlite { writer, reads }, bell))
}

async fn postgres(options: PgConnectOptions) -> Result<(Engine, Bell)> {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(
            options.application_name("restante").statement_cache_capacity(TEXTS).disable_statement_logging(),
        )
        .await?;
    schema::checked(schema::postgres().run(&pool).await)?;
    let bell = Bell::across(&pool);
    Ok((Engine::Postgres(pool), bell))
}
