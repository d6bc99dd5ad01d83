//! Backups that can be trusted, and schemas that are never half changed.

use std::path::{Path, PathBuf};

use restante::store::blob::INLINE;
use restante::store::email::Filter;
use restante::store::{Error, Settings, Store, backup, schema};
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, SqliteConnection};

use super::search::file;
use crate::support::app::App;
use crate::support::database::connect;
use crate::support::mail::letter;
use crate::support::{Database, Engine};

fn why(result: Result<impl std::fmt::Debug, Error>) -> String {
    match result {
        Err(Error::Unusable(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Some file of a backup's blobs.
fn some_file(blobs: &Path) -> PathBuf {
    let dirs = std::fs::read_dir(blobs).unwrap().map(|dir| dir.unwrap().path());
    dirs.flat_map(|dir| std::fs::read_dir(dir).unwrap()).next().unwrap().unwrap().path()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_mail_comes_is_whole() {
    let app = App::start(Engine::Sqlite).await;
    let bo = app.person("Bo").await;
    let large = |n: usize| {
        letter("a@b.test", "bo@example.org", &format!("n{n}"), &[], &"Words.\n".repeat(INLINE / 4 + n))
    };
    for n in 0..8 {
        file(&app, &bo, &large(n)).await;
    }
    app.store.index_some(4, app.now()).await.unwrap();
    let to = app.database.dir().join("backup");
    let coming = async {
        for n in 8..20 {
            file(&app, &bo, &large(n)).await;
        }
    };
    let (made, ()) = tokio::join!(app.store.backup(&to, app.now()), coming);
    let made = made.unwrap();
    assert!((8..=20).contains(&made.messages) && made.files as i64 == made.messages, "{made:?}");
    assert_eq!(backup::verify(&to).await.unwrap(), made);
    assert!(why(app.store.backup(&to, app.now()).await).contains("not empty"));

    let data_dir = app.database.dir().join("restored");
    assert_eq!(backup::restore(&to, &data_dir, None, app.now()).await.unwrap(), made);
    assert!(why(backup::restore(&to, &data_dir, None, app.now()).await).contains("already"));
    let restored = Store::open(&Settings { url: None, data_dir, blobs: None }).await.unwrap();
    let pause = restored.paused().await.unwrap().unwrap();
    assert_eq!((pause.since, pause.reason.as_str()), (app.now(), "restored"));
    let query = Filter { query: Some("words from:b.test".parse().unwrap()), ..Filter::default() };
    let rows = restored.emails(bo.id, &query, None, 100).await.unwrap();
    assert_eq!(rows.len() as i64, made.messages);
    for row in rows {
        let content = restored.content(&row.digest().unwrap()).await.unwrap();
        assert_eq!(content.subject, row.subject);
        let stored = restored.blob(&row.digest().unwrap()).await.unwrap().unwrap();
        let read = std::io::read_to_string(stored.reader(0).unwrap()).unwrap();
        assert!(read.as_bytes() == large(row.subject[1..].parse().unwrap()));
    }
    restored.close().await;

    // What is damaged is not restored.
    let elsewhere = app.database.dir().join("elsewhere");
    let refused = async |says: &str| {
        let why = why(backup::restore(&to, &elsewhere, None, app.now()).await);
        assert!(why.contains(says), "{why}");
        assert!(!elsewhere.join("restante.db").exists());
    };
    let blob = some_file(&to.join("blobs"));
    let bytes = std::fs::read(&blob).unwrap();
    std::fs::write(&blob, [&bytes[..bytes.len() - 1], b"!"].concat()).unwrap();
    refused("missing or damaged").await;
    std::fs::remove_file(&blob).unwrap();
    refused("missing or damaged").await;
    std::fs::write(&blob, bytes).unwrap();
    let database = std::fs::read(to.join("restante.db")).unwrap();
    std::fs::write(to.join("restante.db"), &database[..database.len() / 2]).unwrap();
    refused("not as it was written").await;
    std::fs::write(to.join("restante.db"), database).unwrap();
    backup::verify(&to).await.unwrap();
    let manifest = std::fs::read_to_string(to.join("backup.json")).unwrap();
    let newer = manifest.replace(&format!("\"schema\": {}", made.schema), "\"schema\": 9999");
    std::fs::write(to.join("backup.json"), newer).unwrap();
    refused("newer version").await;
    std::fs::remove_file(to.join("backup.json")).unwrap();
    refused("no whole backup").await;
}

#[tokio::test]
async fn on_postgresql_it_is_said_how() {
    let app = App::start(Engine::Postgres).await;
    let to = app.database.dir().join("backup");
    assert!(why(app.store.backup(&to, app.now()).await).contains("pg_dump"));
}

#[tokio::test]
async fn a_database_is_copied_before_its_schema_changes() {
    let database = Database::new(Engine::Sqlite).await;
    let data_dir = database.settings().data_dir;
    std::fs::create_dir_all(data_dir.join("backups")).unwrap();
    for old in ["before-0001.db", "before-0002.db", "before-0003.db"] {
        std::fs::write(data_dir.join("backups").join(old), "old").unwrap();
    }
    let url = |file: &Path| format!("sqlite:{}", file.display());
    let file = data_dir.join("restante.db");
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", url(&file))).await.unwrap();
    let old: Vec<_> = schema::sqlite().iter().filter(|migration| migration.version <= 4).cloned().collect();
    Migrator::with_migrations(old).run(&mut connection).await.unwrap();
    sqlx::query("insert into domain (name, created_at) values ('old.test', 7)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(data_dir.join("backups"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for _ in 0..2 {
        let store = database.store().await;
        assert!(store.local_domains().await.unwrap().iter().eq(["old.test"]));
        store.close().await;
        assert_eq!(
            names(),
            ["before-0002.db", "before-0003.db", "before-0005.db"],
            "once, and the last three"
        );
    }
    let copy = data_dir.join("backups/before-0005.db");
    let mut connection = SqliteConnection::connect(&url(&copy)).await.unwrap();
    let (last, domains): (i64, i64) =
        sqlx::query_as("select max(version), (select count(*) from domain) from _sqlx_migrations")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!((last, domains), (4, 1), "the old version can go on with the copy");
}

both!(an_older_version_refuses_a_newer_database, |engine| async move {
    let database = Database::new(engine).await;
    database.store().await.close().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'from the future', true, '\\x00', 0)";
    match database.url() {
        Some(url) => {
            let mut connection = connect(url.rsplit('/').next().unwrap()).await;
            sqlx::query(newer).execute(&mut connection).await.unwrap();
        }
        None => {
            let file = database.settings().data_dir.join("restante.db");
            let mut connection =
                SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
            sqlx::query(newer).execute(&mut connection).await.unwrap();
        }
    }
    let Err(Error::Unusable(why)) = Store::open(&database.settings()).await else { panic!("it was opened") };
    assert!(why.contains("9999") && why.contains("newer version"), "{why}");
});

#[tokio::test]
async fn several_nodes_migrate_one_database_once() {
    // A database without any schema, and nodes that find it so at the same time.
    let database = Database::new(Engine::Postgres).await;
    let url = database.url().unwrap();
    let mut connection = connect(url.rsplit('/').next().unwrap()).await;
    sqlx::query("drop schema public cascade").execute(&mut connection).await.unwrap();
    sqlx::query("create schema public").execute(&mut connection).await.unwrap();
    let settings = database.settings();
    let nodes = (0..4).map(|_| Store::open(&settings));
    for node in futures_util::future::join_all(nodes).await {
        let node = node.unwrap();
        assert!(!node.has_administrator().await.unwrap());
        node.close().await;
    }
}
