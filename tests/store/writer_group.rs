//! Group commit: what waits together is committed together, and a unit that fails is alone in that.

use futures_util::future::join_all;
use restante::store::db::{Statement, split, sql};
use restante::store::event::Event;
use restante::store::{Error, Store};
use serde_json::json;
use uuid::Uuid;

use crate::support::app::App;
use crate::support::{Database, Engine};

fn put(n: i64) -> Statement {
    sql("insert into domain (name, created_at) values ($1, $2)").bind(n.to_string()).bind(n)
}

async fn kept(store: &Store) -> Vec<i64> {
    let rows: Vec<(i64,)> =
        store.all(sql("select created_at from domain order by created_at")).await.unwrap();
    rows.into_iter().map(|(n,)| n).collect()
}

both!(units_that_wait_share_a_commit, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    let before = store.tallied();
    let one = Uuid::from_u128(1);
    let calls = (0..400_i64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let unit = store.write_for([one], async move |tx| {
                match n % 50 {
                    // By the database, after a write; by its own will, after a write and before any.
                    7 => tx.batch([put(n + 10_000), put(n + 10_000)]).await.map(drop),
                    8 => {
                        tx.run(put(n + 20_000)).await?;
                        Err(Error::NotFound)
                    }
                    9 => Err(Error::Busy),
                    _ => tx.run(put(n)).await.map(drop),
                }
            });
            (n, unit.await)
        })
    });
    for joined in join_all(calls).await {
        let (n, result) = joined.unwrap();
        match n % 50 {
            7 => assert!(matches!(result, Err(Error::Conflict)), "{n}: {result:?}"),
            8 => assert!(matches!(result, Err(Error::NotFound)), "{n}: {result:?}"),
            9 => assert!(matches!(result, Err(Error::Busy)), "{n}: {result:?}"),
            _ => assert!(result.is_ok(), "{n}: {result:?}"),
        }
    }
    assert_eq!(kept(&store).await, (0..400).filter(|n| !(7..=9).contains(&(n % 50))).collect::<Vec<_>>());
    let commits = store.tallied().commits - before.commits;
    assert!(commits <= 200, "{commits} commits of 400 units");
});

both!(units_of_the_same_statements_go_down_together_and_fail_alone, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    for n in 0..10 {
        store.put([], vec![put(n)], vec![]).await.unwrap();
    }
    let before = store.tallied();
    let calls = (100..500_i64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            // Every fiftieth is there already, and the statement before it must not be kept either.
            let name = if n % 50 == 0 { n / 50 } else { n };
            (n, store.put([], vec![put(n + 1000), put(name)], vec![]).await)
        })
    });
    for joined in join_all(calls).await {
        let (n, result) = joined.unwrap();
        match n % 50 {
            0 => assert!(matches!(result, Err(Error::Conflict)), "{n}: {result:?}"),
            _ => assert!(result.is_ok(), "{n}: {result:?}"),
        }
    }
    let good = (100..500).filter(|n| n % 50 > 0);
    let all: Vec<i64> = (0..10).chain(good.clone()).chain(good.map(|n| n + 1000)).collect();
    assert_eq!(kept(&store).await, all);
    let done = store.tallied();
    let (units, calls) = (done.units - before.units, done.calls - before.calls);
    println!("{engine:?}: {units} units in {calls} calls");
    if engine == Engine::Sqlite {
        assert!(calls < 300, "{calls} calls for {units} units");
    }
});

both!(accounts_that_write_to_each_other_never_collide, |engine| async move {
    let app = App::start(engine).await;
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(app.person(&format!("P{n}")).await.id);
    }
    let before = app.store.tallied();
    let now = app.now();
    let calls = (0..800_usize).map(|n| {
        let (store, from, to) = (app.store.clone(), people[n % 8], people[(n * 5 + n / 8) % 8]);
        tokio::spawn(async move {
            let unit = store.write_for([from, to], async move |tx| {
                let events = [from, to].map(|account| (Event::new(account, "test", json!({})), vec![]));
                // In the order of the call, not of the ids: the lane has locked them in order before.
                for event in events {
                    tx.tell(vec![event], now).await?;
                }
                Ok(())
            });
            unit.await
        })
    });
    for joined in join_all(calls).await {
        joined.unwrap().unwrap();
    }
    assert_eq!(app.store.tallied().units - before.units, 800, "no unit was run twice");
    let mut told = 0;
    for person in people {
        let events = app.store.events(person, 0, &[], 10_000).await.unwrap();
        assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
        told += events.len();
    }
    assert_eq!(told, 1600);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_refuses_and_goes_on_when_there_is_room() {
    let database = Database::new(Engine::Sqlite).await;
    let store = database.store().await;
    let pages: (i64,) = store.one(split("pragma page_count", "select 0")).await.unwrap();
    let limit = async |pages: i64| {
        let text: &'static str = format!("pragma max_page_count = {pages}").leak();
        let _: (i64,) = store.write(async move |tx| tx.one(split(text, text)).await).await.unwrap();
    };
    limit(pages.0 + 20).await;
    let large = |n: i64| {
        sql("insert into domain (name, created_at) values ($1, $2)")
            .bind(format!("{n}:{}", "x".repeat(20_000)))
            .bind(n)
    };
    let mut accepted = Vec::new();
    let mut refused = 0;
    for n in 0..50 {
        match store.write(async move |tx| tx.run(large(n)).await).await {
            Ok(_) => accepted.push(n),
            Err(Error::Full) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(!accepted.is_empty() && refused > 40, "{} accepted, {refused} refused", accepted.len());
    assert_eq!(kept(&store).await, accepted, "what was accepted is there, and nothing else");
    limit(1_000_000).await;
    store.write(async move |tx| tx.run(large(100)).await).await.unwrap();
    accepted.push(100);
    assert_eq!(kept(&store).await, accepted);
    store.close().await;
    assert_eq!(kept(&database.store().await).await, accepted);
}
