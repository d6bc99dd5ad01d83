//! Beyond one PostgreSQL: every mail table partitions by account, and everything works on it as before.

use std::fmt::Write as _;

use restante::promise::ask::{Ask, ChoiceOption};
use restante::store::email::Filter;
use restante::submission::{Question, Request};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::support::app::App;
use crate::support::{Engine, database};

/// What belongs to an account and grows with its mail. The rest (accounts, addresses, domains, tokens, sessions, reply
/// addresses, blobs) is what one looks an account up by, or is shared.
const MAIL: [&str; 17] = [
    "mailbox",
    "upload",
    "email",
    "email_keyword",
    "event",
    "idempotency",
    "submission",
    "delivery",
    "attempt",
    "promise",
    "asked",
    "answer",
    "forwarding",
    "search",
    "search_tail",
    "token",
    "session",
];

/// Has a table partitioned by account; its rows, indexes and triggers stay.
fn partition(table: &str, triggers: &[(String, String)]) -> String {
    let mut text = format!(
        "alter table {table} rename to {table}_whole; \
         create table {table} (like {table}_whole including defaults including constraints) partition by hash (account_id);"
    );
    for part in 0..4 {
        _ = write!(
            text,
            "create table {table}_{part} partition of {table} for values with (modulus 4, remainder {part});"
        );
    }
    _ = write!(text, "insert into {table} select * from {table}_whole; drop table {table}_whole;");
    for (_, definition) in triggers.iter().filter(|(of, _)| of == table) {
        _ = write!(text, "{definition};");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_table_partitions_by_account() {
    let app = App::start(Engine::Postgres).await;
    let url = app.database.url().unwrap();
    let mut admin = database::connect(url.rsplit('/').next().unwrap()).await;
    let triggers: Vec<(String, String)> = sqlx::query_as(
        "select tgrelid::regclass::text, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    // A partitioned table's unique keys must hold the account: PostgreSQL refuses the others.
    let keys: Vec<(String, String)> = sqlx::query_as(
        "select tablename::text, indexdef from pg_indexes where schemaname = 'public' order by indexdef",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let by_secret = |table: &str, index: &str| {
        matches!(table, "token" | "session" | "forwarding") && index.contains("digest)")
    };
    for table in MAIL {
        admin.execute(AssertSqlSafe(partition(table, &triggers))).await.unwrap();
        for (_, index) in keys.iter().filter(|(of, index)| of == table && !by_secret(of, index)) {
            admin
                .execute(AssertSqlSafe(index.clone()))
                .await
                .unwrap_or_else(|error| panic!("{index}: {error}"));
        }
    }
    admin.close().await.unwrap();

    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let option = ChoiceOption { name: "yes".into(), title: "Yes".into(), comment: None };
    let ask = Ask::choice(vec![option], None).unwrap();
    let asking = Request {
        to: vec![bo.address.parse().unwrap()],
        subject: "Partitioned?".into(),
        text: Some("Every account has its place.".into()),
        ask: Some(Question { ask, deadline: Some(60_000), context: None, callback_url: None }),
        ..Request::default()
    };
    let accepted = app.submit(&ana, asking).await;
    app.settle().await;
    let found = Filter { query: Some("place".parse().unwrap()), ..Filter::default() };
    for person in [&ana, &bo] {
        assert_eq!(app.store.emails(person.id, &found, None, 10).await.unwrap().len(), 1);
        assert_eq!(app.store.threads(person.id, &found, None, 10).await.unwrap().len(), 1);
    }
    assert_eq!(app.store.index_some(10, app.now()).await.unwrap(), 2);
    assert_eq!(app.store.emails(bo.id, &found, None, 10).await.unwrap().len(), 1);
    app.minutes(2);
    app.settle().await;
    let promise = app.store.promise(bo.id, accepted.answer_promise.unwrap()).await.unwrap().unwrap();
    assert_eq!(promise.state, "rejected");
}
