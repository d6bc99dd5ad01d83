//! The bell: nobody sleeps through what concerns them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use restante::store::{Error, Store, Topic};
use uuid::Uuid;

use crate::support::app::App;
use crate::support::{Engine, until, within};

const LONG: Duration = Duration::from_secs(3600);

async fn ring(store: &Store, topic: Topic) {
    let unit = store.write(async move |tx| {
        tx.ring(topic);
        tx.run(restante::store::db::sql("update domain set created_at = 1 where name = 'nobody'")).await
    });
    unit.await.unwrap();
}

both!(a_unit_rings_once_it_is_durable_and_only_then, |engine| async move {
    let app = App::start(engine).await;
    let topic = Topic::Account(Uuid::from_u128(1));
    let mut ear = app.store.bell().listen(topic);
    let failed = app.store.write(async move |tx| {
        tx.ring(topic);
        Err::<(), _>(Error::NotFound)
    });
    assert!(failed.await.is_err());
    let (waited, _) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(50), ear.wait(LONG)),
        ring(&app.store, Topic::Account(Uuid::from_u128(2))),
    );
    // On PostgreSQL everything is rung once, when the listener has connected.
    assert!(waited.is_err() || engine == Engine::Postgres, "a unit that failed rang");
    ring(&app.store, topic).await;
    within("the bell", ear.wait(LONG)).await;
});

#[tokio::test(flavor = "multi_thread")]
async fn another_node_hears_it() {
    let app = App::start(Engine::Postgres).await;
    let other = app.database.store().await;
    let topics = [Topic::Queue, Topic::Account(Uuid::from_u128(3)), Topic::Promise(Uuid::from_u128(4))];
    let mut ears = topics.map(|topic| other.bell().listen(topic));
    for _ in 0..3 {
        for (topic, ear) in topics.iter().zip(&mut ears) {
            ring(&app.store, *topic).await;
            within("the bell from the other node", ear.wait(LONG)).await;
        }
    }
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rung_goes_out_gathered() {
    let app = App::start(Engine::Postgres).await;
    let mut listener = sqlx::postgres::PgListener::connect(&app.database.url().unwrap()).await.unwrap();
    listener.listen("restante_bell").await.unwrap();
    let heard = tokio::spawn(async move {
        let (mut notices, mut topics) = (0, HashSet::new());
        while !topics.contains(&Uuid::from_u128(9999)) {
            let note = listener.recv().await.unwrap();
            notices += 1;
            for topic in note.payload().split_whitespace() {
                topics.insert(Uuid::try_parse(&topic[1..]).unwrap());
            }
        }
        (notices, topics)
    });
    let (began, before) = (Instant::now(), app.store.tallied());
    // Many at once, as under load: few are more than one notice apart.
    for _ in 0..10 {
        let rings = (0..100).map(|n| ring(&app.store, Topic::Account(Uuid::from_u128(n))));
        futures_util::future::join_all(rings).await;
    }
    let commits = app.store.tallied().commits - before.commits;
    ring(&app.store, Topic::Account(Uuid::from_u128(9999))).await;
    let (notices, topics) = within("all notices", heard).await.unwrap();
    println!("{notices} notices tell of {commits} commits in {:?}", began.elapsed());
    assert_eq!(topics.len(), 101);
    // One each five milliseconds, at most.
    assert!(notices <= began.elapsed().as_millis() / 5 + 1, "{notices} notices");
    assert!(u128::from(commits) > notices, "{notices} notices of {commits} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_killed_comes_back_and_misses_nothing() {
    let app = App::start(Engine::Postgres).await;
    let other = app.database.store().await;
    for n in 0..5 {
        let topic = Topic::Account(Uuid::from_u128(n));
        let mut ear = other.bell().listen(topic);
        // Both nodes listen; both lose it.
        let listeners = "select pid::text from pg_stat_activity \
                         where datname = current_database() and application_name = 'restante bell'";
        until("the listeners", || async { (app.database.look(listeners).len() == 2).then_some(()) }).await;
        let killed = app.database.look(
            "select pg_terminate_backend(pid)::text from pg_stat_activity \
             where datname = current_database() and application_name = 'restante bell'",
        );
        assert_eq!(killed, ["true", "true"]);
        ring(&app.store, topic).await;
        within("the bell", ear.wait(LONG)).await;
    }
    other.close().await;
}
