//! The schema: migrations that only go forward, shared ones and those of one engine on one number line.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

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
];
const POSTGRES: &[Text] =
    migrations!["postgres/0005_search.sql" = 5 "search", "postgres/0007_writer.sql" = 7 "writer"];
const SQLITE: &[Text] = migrations!["sqlite/0005_search.sql" = 5 "search"];
const POSTGRES: &[Text] =
    migrations!["postgres/0005_search.sql" = 5 "search", "postgres/0007_writer.sql" = 7 "writer"];

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

/// Says what a failed migration means for whoever runs the server.
pub(crate) fn checked(result: Result<(), MigrateError>) -> Result<()> {
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
