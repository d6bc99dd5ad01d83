//! The schema: migrations that only go forward, shared ones and those of one engine on one number line.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, PgPool, SqlSafeStr};

use super::{Error, Result};

type Text = (i64, &'static str, &'static str);

macro_rules! migrations {
    ($($path:literal = $number:literal $name:literal),* $(,)?) => {
        &[$(($number, $name, include_str!(concat!("../../migrations/", $path)))),*]
    };
}

const SHARED: &[Text] = migrations![
    "0001_accounts.sql" = 1 "accounts",
    "0002_mail.sql" = 2 "mail",
    "0003_queue.sql" = 3 "queue",
    "0004_forwarding.sql" = 4 "forwarding",
    "0006_upkeep.sql" = 6 "upkeep",
    "0009_pause.sql" = 9 "pause",
    "0013_asks.sql" = 13 "asks",
    "0016_inbox.sql" = 16 "inbox",
    "0017_destinations.sql" = 17 "destinations",
    "0018_returns.sql" = 18 "returns",
    "0019_authentication.sql" = 19 "authentication",
    "0020_webhooks.sql" = 20 "webhooks",
    "0023_convenience.sql" = 23 "convenience",
    "0024_earliest.sql" = 24 "earliest",
    "0025_policies.sql" = 25 "policies",
    "0026_push.sql" = 26 "push",
    "0028_audit.sql" = 28 "audit",
    "0029_due.sql" = 29 "due",
];
const POSTGRES: &[Text] =
    migrations!["postgres/0005_search.sql" = 5 "search", "postgres/0007_writer.sql" = 7 "writer"];
const SQLITE: &[Text] = migrations!["sqlite/0005_search.sql" = 5 "search"];

/// The migrations of SQLite.
pub fn sqlite() -> Migrator {
    joined(SQLITE)
}

/// The migrations of PostgreSQL.
pub fn postgres() -> Migrator {
    joined(POSTGRES)
}

fn joined(own: &[Text]) -> Migrator {
    let mut all: Vec<_> = SHARED.iter().chain(own).collect();
    all.sort_by_key(|(number, ..)| *number);
    let migration = |&&(number, name, text): &&Text| {
        let text = AssertSqlSafe(text).into_sql_str();
        Migration::new(number, name.into(), MigrationType::Simple, text, false)
    };
    Migrator::with_migrations(all.iter().map(migration).collect())
}

/// Brings a SQLite database up to date, all or nothing: one that a migration fails or dies in is as it was.
pub(crate) async fn migrate_sqlite(connection: &mut SqliteConnection, migrator: &Migrator) -> Result<()> {
    let mut tx = connection.begin_with("begin immediate").await?;
    checked(migrator.run(&mut *tx).await)?;
    Ok(tx.commit().await?)
}

/// The same for PostgreSQL; of several nodes one migrates, the others wait for it.
pub(crate) async fn migrate_postgres(pool: &PgPool) -> Result<()> {
    let mut tx = pool.begin().await?;
    // Held until the commit; the migrator's own lock would be given back before it.
    sqlx::query("select pg_advisory_xact_lock(730564)").execute(&mut *tx).await?;
    let mut migrator = postgres();
    checked(migrator.set_locking(false).run(&mut *tx).await)?;
    Ok(tx.commit().await?)
}

/// Says what a failed migration means for whoever runs the server.
fn checked(result: Result<(), MigrateError>) -> Result<()> {
    result.map_err(|error| match error {
        MigrateError::VersionMissing(version) => Error::Unusable(format!(
            "the database has migration {version}, which this version does not know: it was written by a newer \
             version of restante. Nothing was changed; start the newer version, or restore a backup made before it"
        )),
        MigrateError::VersionMismatch(version) => Error::Unusable(format!(
            "migration {version} in the database differs from this version's. Nothing was changed; start the \
             version that wrote the database"
        )),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Error::Database(error),
        other => Error::Unusable(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let old = Migrator::with_migrations(sqlite().iter().take(2).cloned().collect());
        migrate_sqlite(&mut connection, &old).await.unwrap();
        let more = sqlite().iter().cloned().collect::<Vec<_>>();
        let text =
            AssertSqlSafe("create table half (a bigint); create table domain (b bigint)").into_sql_str();
        let bad = Migration::new(9999, "bad".into(), MigrationType::Simple, text, false);
        let new = Migrator::with_migrations(more.into_iter().chain([bad]).collect());
        assert!(matches!(migrate_sqlite(&mut connection, &new).await, Err(Error::Database(_))));
        // The old version finds what it knows and nothing else.
        migrate_sqlite(&mut connection, &old).await.unwrap();
        let left = "select count(*) from sqlite_schema where name in ('half', 'delivery', 'search')";
        let (left,): (i64,) = sqlx::query_as(left).fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0);
        migrate_sqlite(&mut connection, &sqlite()).await.unwrap();
        assert!(matches!(migrate_sqlite(&mut connection, &old).await, Err(Error::Unusable(_))));
    }
}
