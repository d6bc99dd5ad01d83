//! The bell: nobody sleeps through what concerns them.

use std::time::Duration;

use restante::store::{Error, Store, Topic};
use uuid::Uuid;

use crate::support::app::App;
use crate::support::{Engine, within};

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
