//! The schema as each database has it is kept in `tests/schema/`, so that a change of a migration shows what it does.
//! `RESTANTE_UPDATE=1` writes the files anew.

use std::path::Path;

use sqlx::{AssertSqlSafe, Row as _};

use crate::support::{Database, Engine, database};

/// Compares a dump with the one that is kept.
fn compare(name: &str, dump: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema").join(name);
    if std::env::var_os("RESTANTE_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, dump).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(dump.lines()).position(|(kept, now)| kept != now);
    assert!(
        kept == dump,
        "tests/schema/{name} is not what the migrations make (from line {:?}); RESTANTE_UPDATE=1 writes it anew",
        differs.map(|line| line + 1)
    );
}

#[tokio::test]
async fn sqlite() {
    let database = Database::new(Engine::Sqlite).await;
    database.store().await.close().await;
    let file = database.dir().join("data/restante.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let rows = sqlx::query(
        "select sql from sqlite_schema where sql is not null and name not like '\\_sqlx%' escape '\\' \
         and name not like 'sqlite\\_%' escape '\\' order by type desc, name",
    );
    let mut dump = String::new();
    for row in rows.fetch_all(&pool).await.unwrap() {
        let text: String = row.get(0);
        dump.push_str(text.trim());
        dump.push_str(";\n");
    }
    compare("sqlite.sql", &dump);
}

#[tokio::test]
async fn postgres() {
    let database = Database::new(Engine::Postgres).await;
    let url = database.url().unwrap();
    let mut connection = database::connect(url.rsplit('/').next().unwrap()).await;
    let mut dump = String::new();
    for text in [
        "select c.table_name || '.' || c.column_name || ' ' || c.data_type || \
         case when c.is_nullable = 'NO' then ' not null' else '' end || coalesce(' default ' || c.column_default, '') \
         from information_schema.columns c where c.table_schema = 'public' and c.table_name not like '\\_sqlx%' \
         order by c.table_name, c.ordinal_position",
        "select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint \
         where connamespace = 'public'::regnamespace and conrelid::regclass::text not like '\\_sqlx%' order by 1",
        "select indexdef from pg_indexes where schemaname = 'public' and tablename not like '\\_sqlx%' order by 1",
        "select pg_get_triggerdef(t.oid) from pg_trigger t where not tgisinternal order by 1",
        "select pg_get_functiondef(p.oid) from pg_proc p where pronamespace = 'public'::regnamespace order by 1",
    ] {
        for row in sqlx::query(AssertSqlSafe(text)).fetch_all(&mut connection).await.unwrap() {
            dump.push_str(&row.get::<String, _>(0));
            dump.push('\n');
        }
        dump.push('\n');
    }
    compare("postgres.sql", dump.trim_end());
}
