//! Each test its own database: a SQLite file, or a PostgreSQL database cloned from a migrated template.

use restante::mail::id;
use restante::store::{self, Store, schema};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};

use super::dir::Dir;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A database of one test's own; it goes away with this value.
pub(crate) struct Database {
    dir: Dir,
    /// On PostgreSQL: the database's name.
    name: Option<String>,
}

/// Runs one asynchronous body on both engines: `both!(name, |engine| async move { … })` makes the tests
/// `name::sqlite` and `name::postgres`.
macro_rules! both {
    ($name:ident, |$engine:ident| async move $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing of its module")]
            use super::*;

            async fn body($engine: $crate::support::Engine) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                body($crate::support::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                body($crate::support::Engine::Postgres).await;
            }
        }
    };
}

impl Database {
    /// Makes an empty, migrated database.
    pub(crate) async fn new(engine: Engine) -> Self {
        let name = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(clone().await),
        };
        Self { dir: Dir::new(), name }
    }

    /// Makes one without a schema, on PostgreSQL.
    pub(crate) async fn empty() -> Self {
        let mut admin = connect("postgres").await;
        let name = new_name();
        execute(&mut admin, format!("drop database if exists {name} with (force)")).await;
        execute(&mut admin, format!("create database {name}")).await;
        admin.close().await.unwrap();
        Self { dir: Dir::new(), name: Some(name) }
    }

    /// Where a store finds it; the blobs are in a directory of their own.
    pub(crate) fn settings(&self) -> store::Settings {
        store::Settings { url: self.url(), data_dir: self.dir.path().join("data"), blobs: None }
    }

    /// As `database.url` takes it: none is SQLite in the data directory.
    pub(crate) fn url(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("{}/{name}", server()))
    }

    /// A directory that goes away with the database.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Reads texts from it, apart from whatever runs, wherever that is (also where something is dropped).
    pub(crate) fn look(&self, query: &'static str) -> Vec<String> {
        let (name, file) = (self.name.clone(), self.dir.path().join("data/restante.db"));
        apart(async move {
            match name {
                Some(name) => {
                    let mut connection = connect(&name).await;
                    sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
                }
                None => {
                    let options = SqliteConnectOptions::new().filename(file).read_only(true);
                    let mut connection = options.connect().await.unwrap();
                    sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
                }
            }
        })
    }

    /// Writes to it behind the store's back, as whoever damages a database does.
    pub(crate) fn write(&self, statement: &'static str) {
        let (name, file) = (self.name.clone(), self.dir.path().join("data/restante.db"));
        apart(async move {
            match name {
                Some(name) => drop(connect(&name).await.execute(statement).await.unwrap()),
                None => {
                    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
                    connection.execute(statement).await.unwrap();
                    connection.close().await.unwrap();
                }
            }
        });
    }

    /// Opens it.
    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.settings()).await.unwrap()
    }
}

/// The PostgreSQL server of the tests.
///
/// # Panics
/// When there is none: a test that is left out without a word proves nothing.
pub(crate) fn server() -> String {
    let server = std::env::var("TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "TEST_POSTGRES is not set. Run tests/run, which starts a PostgreSQL of its own, or set it to a server on \
             which databases may be made, as postgres://postgres@127.0.0.1:5432"
        )
    });
    server.trim_end_matches('/').to_owned()
}

/// A connection to one of the server's databases.
pub(crate) async fn connect(database: &str) -> PgConnection {
    let options: PgConnectOptions = format!("{}/{database}", server()).parse().unwrap();
    options
        .disable_statement_logging()
        .connect()
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL of TEST_POSTGRES, database {database}: {error}"))
}

async fn execute(connection: &mut PgConnection, text: String) {
    connection.execute(AssertSqlSafe(text.clone())).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// A new database with the schema in it.
async fn clone() -> String {
    let mut admin = connect("postgres").await;
    let template = template(&mut admin).await;
    let name = new_name();
    execute(&mut admin, format!("drop database if exists {name} with (force)")).await;
    execute(&mut admin, format!("create database {name} template {template}")).await;
    admin.close().await.unwrap();
    name
}

fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("restante_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The migrated template, named after the migrations in it and made by the first who needs it.
async fn template(admin: &mut PgConnection) -> String {
    let migrator = schema::postgres();
    let parts: Vec<&[u8]> = migrator.iter().map(|migration| migration.checksum.as_ref()).collect();
    let name = format!("restante_template_{}", id::hex(&id::digest(&parts)[..8]));
    execute(admin, "select pg_advisory_lock(7305)".into()).await;
    let there: Option<(i32,)> = sqlx::query_as("select 1 from pg_database where datname = $1")
        .bind(&name)
        .fetch_optional(&mut *admin)
        .await
        .unwrap();
    if there.is_none() {
        // Made under another name, so that one whose making was interrupted is never taken for it.
        let making = format!("{name}_making");
        execute(admin, format!("drop database if exists {making} with (force)")).await;
        execute(admin, format!("create database {making}")).await;
        let mut connection = connect(&making).await;
        migrator.run(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        execute(admin, format!("alter database {making} rename to {name}")).await;
    }
    execute(admin, "select pg_advisory_unlock(7305)".into()).await;
    name
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        if std::thread::panicking() {
            eprintln!("the database {name} is left for a look");
            return;
        }
        apart(async move {
            let mut admin = connect("postgres").await;
            execute(&mut admin, format!("drop database if exists {name} with (force)")).await;
        });
    }
}

/// Runs a future on a thread of its own, because a runtime may be running on this one.
fn apart<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(future)
    });
    thread.join().unwrap()
}
