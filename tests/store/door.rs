//! The one door for writes: all or nothing for each unit, whatever happens to its neighbours or its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use restante::store::db::{Statement, split, sql};
use restante::store::{Error, Store};
use tokio::sync::{Barrier, Notify};

use crate::support::{Database, Engine, until, within};

/// The tests need some table; this one has nothing that hangs on it.
fn put(n: i64) -> Statement {
    sql("insert into domain (name, created_at) values ($1, $2)").bind(n.to_string()).bind(n)
}

async fn kept(store: &Store) -> Vec<i64> {
    let rows: Vec<(i64,)> =
        store.all(sql("select created_at from domain order by created_at")).await.unwrap();
    rows.into_iter().map(|(n,)| n).collect()
}

both!(a_unit_reads_its_own_writes, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    let seen = store.write(async move |tx| {
        tx.run(put(1)).await?;
        let (first,): (i64,) = tx.one(sql("select created_at from domain where name = $1").bind("1")).await?;
        let done = tx
            .batch([
                put(2),
                sql("insert into domain (name, created_at) values ($1, $2), ($3, $4) returning name")
                    .bind("3")
                    .bind(3_i64)
                    .bind("4")
                    .bind(4_i64),
                sql("update domain set created_at = created_at + $1 where created_at > $2 returning created_at")
                    .bind(10_i64)
                    .bind(2_i64),
                sql("select name from domain"),
                sql("delete from domain where name = 'nobody'"),
            ])
            .await?;
        let returned: Vec<(String,)> = done[1].rows()?;
        let all: Vec<(String,)> = done[3].rows()?;
        Ok((first, returned.len(), all.len(), [done[0].affected, done[1].affected, done[2].affected, done[4].affected]))
    });
    assert_eq!(seen.await.unwrap(), (1, 2, 4, [1, 2, 2, 0]));
    assert_eq!(kept(&store).await, [1, 2, 13, 14]);
});

both!(values_are_values_whatever_is_in_them, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    let texts =
        ["it's", "a\\'; delete from domain; --", "$1 ? :x", "\u{1f600} \u{202e}\n\t", "", "\\x00 E'\\n'"];
    let bytes: Vec<u8> = (0..=255).collect();
    store
        .write(async move |tx| {
            let rows = texts.iter().enumerate().map(|(n, text)| {
                let put = sql("insert into blob (digest, size, content, summary, place, created_at) \
                               values ($1, $2, $3, $4, $5, $6)");
                let put = put.bind(vec![n as u8]).bind(i64::MIN + n as i64).bind(&bytes);
                put.bind(*text).bind(None::<String>).bind(i64::MAX)
            });
            tx.batch(rows).await.map(drop)
        })
        .await
        .unwrap();
    let kept: Vec<(i64, Vec<u8>, String, i64)> = store
        .all(sql("select size, content, summary, created_at from blob where place is null order by digest"))
        .await
        .unwrap();
    assert_eq!(kept.len(), texts.len());
    for (n, row) in kept.into_iter().enumerate() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(row, (i64::MIN + n as i64, all, texts[n].to_owned(), i64::MAX));
    }
});

both!(a_failing_unit_fails_alone, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    let calls = (0..64_i64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let unit = store.write(async move |tx| {
                match n % 8 {
                    // In the middle of its text.
                    3 => drop(tx.batch([put(1000 + n), put(1000 + n), put(2000 + n)]).await?),
                    // By its own will, after a write.
                    5 => {
                        tx.run(put(3000 + n)).await?;
                        return Err(Error::NotFound);
                    }
                    // By its own will, without having touched the database.
                    6 => return Err(Error::NotFound),
                    7 => {
                        tx.run(put(4000 + n)).await?;
                        panic!("unit {n}");
                    }
                    _ => {}
                }
                tx.batch([put(n), put(n + 100)]).await.map(drop)
            });
            unit.await
        })
    });
    let (mut ok, mut conflict, mut own, mut panics) = (0, 0, 0, 0);
    for result in join_all(calls).await {
        match result {
            Ok(Ok(())) => ok += 1,
            Ok(Err(Error::Conflict)) => conflict += 1,
            Ok(Err(Error::NotFound)) => own += 1,
            Err(error) if error.is_panic() => panics += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((ok, conflict, own, panics), (32, 8, 16, 8));
    let kept = kept(&store).await;
    assert_eq!(kept.len(), 64);
    assert!(kept.iter().all(|n| *n < 1000 && ![3, 5, 6, 7].contains(&(n % 100 % 8))), "{kept:?}");
});

both!(rows_that_are_not_as_expected_fail_the_unit, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    let result = store.write(async |tx| {
        let none = sql("delete from domain where name = $1").bind("nobody").expect(1);
        tx.batch([put(1), none, put(2)]).await.map(drop)
    });
    assert!(matches!(result.await, Err(Error::Conflict)));
    assert_eq!(kept(&store).await, [0_i64; 0]);
});

both!(a_dropped_caller_leaves_no_half, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    for n in 0..100_i64 {
        let call = store.write(async move |tx| {
            tx.run(put(n)).await?;
            tx.run(put(n + 1000)).await
        });
        // Polled at least once; then dropped wherever it is.
        let _ = tokio::time::timeout(Duration::from_micros(n as u64 % 10 * 100), call).await;
    }
    // What was queued before it is done before it.
    store.write(async |tx| tx.run(put(-1)).await).await.unwrap();
    let kept = kept(&store).await;
    assert!((0..100).all(|n| kept.contains(&n) == kept.contains(&(n + 1000))), "{kept:?}");
    if engine == Engine::Sqlite {
        assert_eq!(kept.len(), 201, "a unit that was queued runs");
    }
});

both!(closing_answers_everybody, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    let calls: Vec<_> = (0..200_i64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.write(async move |tx| tx.run(put(n)).await).await })
        })
        .collect();
    within("closing", store.close()).await;
    let mut ok = 0;
    for call in calls {
        match within("an answer", call).await.unwrap() {
            Ok(_) => ok += 1,
            Err(Error::Busy) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(matches!(store.write(async |_| Ok(())).await, Err(Error::Busy)));
    let again = database.store().await;
    assert_eq!(kept(&again).await.len(), ok);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_busy_and_loses_nothing() {
    let database = Database::new(Engine::Sqlite).await;
    let store = database.store().await;
    let (held, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = tokio::spawn({
        let (store, held, go) = (store.clone(), held.clone(), go.clone());
        async move {
            let unit = store.write(async move |tx| {
                held.notify_one();
                go.notified().await;
                tx.run(put(-1)).await
            });
            unit.await
        }
    });
    within("the first unit", held.notified()).await;
    let calls: Vec<_> = (0..3000_i64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.write(async move |tx| tx.run(put(n)).await).await })
        })
        .collect();
    // Those who find it full are answered while the others wait.
    let (mut busy, mut waiting) = (0, Vec::new());
    for call in calls {
        waiting.push(call);
    }
    super::super::support::until("a refusal", || {
        let refused = waiting.iter().filter(|call| call.is_finished()).count();
        async move { (refused >= 3000 - 1024).then_some(()) }
    })
    .await;
    go.notify_one();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    let mut ok = 1;
    for call in waiting {
        match call.await.unwrap() {
            Ok(_) => ok += 1,
            Err(Error::Busy) => busy += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((ok, busy), (1025, 3000 - 1024));
    assert_eq!(kept(&store).await.len(), ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_group_is_told_to_all_of_it() {
    let database = Database::new(Engine::Sqlite).await;
    let store = database.store().await;
    store.write(async |tx| tx.run(put(0)).await).await.unwrap();
    let calls = (1..9_i64).map(|n| {
        let store = store.clone();
        async move {
            let unit = store.write(async move |tx| {
                if n == 5 {
                    // SQLite undoes the whole transaction by itself, as it does when the disk is full.
                    let ruin = "insert or rollback into domain (name, created_at) values ('0', 0)";
                    tx.run(split(ruin, ruin)).await?;
                }
                tx.run(put(n)).await
            });
            unit.await
        }
    });
    let results = join_all(calls).await;
    let ok: Vec<i64> = (1..).zip(&results).filter(|(_, result)| result.is_ok()).map(|(n, _)| n).collect();
    assert!(results[4].is_err());
    assert_eq!(kept(&store).await[1..], ok, "{results:?}");
    store.write(async |tx| tx.run(put(77)).await).await.unwrap();
}

both!(going_on_after_an_error_is_refused, |engine| async move {
    let database = Database::new(engine).await;
    let store = database.store().await;
    store.write(async |tx| tx.run(put(1)).await).await.unwrap();
    let swallowed = store.write(async |tx| {
        let _ = tx.batch([put(2), put(1)]).await;
        Ok(())
    });
    assert!(matches!(swallowed.await, Err(Error::Broken)));
    let went_on = store.write(async |tx| {
        let _ = tx.batch([put(2), put(1)]).await;
        tx.run(put(3)).await
    });
    assert!(matches!(went_on.await, Err(Error::Broken)));
    // A batch that is dropped half-way.
    let dropped = store.write(async |tx| {
        let mut batch = Box::pin(tx.batch((10..600).map(put)));
        let _ = futures_util::poll!(&mut batch);
        drop(batch);
        Ok(())
    });
    let result = dropped.await;
    let kept = kept(&store).await.len();
    assert!(matches!((&result, kept), (Err(Error::Broken), 1) | (Ok(()), 591)), "{result:?}, {kept} rows");
});

#[tokio::test(flavor = "multi_thread")]
async fn collisions_are_tried_again() {
    let database = Database::new(Engine::Postgres).await;
    let store = database.store().await;
    store.write(async |tx| tx.batch([put(1), put(2)]).await.map(drop)).await.unwrap();
    let (both_hold_one, tries) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    fn add(n: i64) -> Statement {
        sql("update domain set created_at = created_at + 10 where name = $1").bind(n.to_string())
    }
    let mut calls = Vec::new();
    for (n, (first, second)) in [(1, 2), (2, 1)].into_iter().enumerate() {
        let (store, barrier, count) = (store.clone(), both_hold_one.clone(), tries.clone());
        // One after the other, or both choose the same lane, where the second waits for the first to end.
        until("the first to run", || async { (tries.load(Ordering::SeqCst) as usize >= n).then_some(()) })
            .await;
        let tries = count;
        calls.push(tokio::spawn(async move {
            let mut again = false;
            let unit = store.write(async move |tx| {
                tries.fetch_add(1, Ordering::SeqCst);
                tx.run(add(first)).await?;
                if !std::mem::replace(&mut again, true) {
                    barrier.wait().await;
                }
                tx.run(add(second)).await
            });
            unit.await
        }));
    }
    for call in calls {
        assert_eq!(within("a deadlock's end", call).await.unwrap().unwrap(), 1);
    }
    assert_eq!(tries.load(Ordering::SeqCst), 3, "one of the two was the victim, once");
    assert_eq!(kept(&store).await, [21, 22]);
}
