//! The account's log: no gap and no number twice, whoever writes at the same time. And what is kept under a key.

use futures_util::future::join_all;
use restante::store::Error;
use restante::store::email::Filter;
use restante::store::event::{Event, append_all};
use restante::store::idempotency::{Answer, Key};
use serde_json::json;

use super::{digest, message};
use crate::support::app::App;

both!(the_sequence_has_no_gaps, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let writers = (0..60).map(|n| {
        let (store, now) = (app.store.clone(), app.now());
        // Some touch both accounts, named in either order.
        let accounts = match n % 3 {
            0 => vec![ana.id],
            1 => vec![ana.id, bo.id],
            _ => vec![bo.id, ana.id],
        };
        tokio::spawn(async move {
            let unit = store.write(async move |tx| {
                let event =
                    |account: &_| (Event::new(*account, "message.updated", json!({ "n": n })), vec![]);
                tx.batch(append_all(accounts.iter().map(event).collect(), now)).await?;
                if n % 10 == 9 { Err(Error::NotFound) } else { Ok(()) }
            });
            unit.await
        })
    });
    let writers: Vec<_> = writers.collect();
    // Whoever reads meanwhile sees a beginning of the log, never a hole in it.
    let (mut cursor, mut seen) = (0, Vec::new());
    while seen.len() < 54 {
        let page = app.store.events(ana.id, cursor, &[], 7).await.unwrap();
        cursor = page.last().map_or(cursor, |event| event.seq);
        seen.extend(page.into_iter().map(|event| event.seq));
        tokio::task::yield_now().await;
    }
    let results = join_all(writers).await;
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(Ok(())))).count(), 54);
    assert_eq!(seen, (1..=54).collect::<Vec<_>>());
    assert_eq!(app.store.modseq(ana.id).await.unwrap(), 54);
    assert_eq!(app.store.modseq(bo.id).await.unwrap(), 36);
    assert_eq!(app.store.oldest_event(ana.id).await.unwrap(), Some(1));
    let none = app.store.events(ana.id, 0, &["message.received".into(), "x".into()], 10).await.unwrap();
    assert_eq!(none.len(), 0);
    let some = app
        .store
        .events(ana.id, 50, &["message.received".into(), "message.updated".into()], 10)
        .await
        .unwrap();
    assert_eq!(some.len(), 4);
});

both!(one_key_is_used_once, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let key = Key { key: "k-1".into(), fingerprint: digest("request") };
    let calls = (0..12).map(|n| {
        let from = if n < 10 { &ana } else { &bo };
        let mut sent = message(&app, from, &[&bo], "Once", false);
        let answer = Answer { status: 202, location: Some(format!("/{n}")), body: format!("{{\"n\":{n}}}") };
        sent.acceptance.idempotency = Some((key.clone(), answer));
        let store = app.store.clone();
        tokio::spawn(async move { store.accept(sent.acceptance).await })
    });
    let results = join_all(calls.collect::<Vec<_>>()).await;
    let ok: Vec<_> =
        results.iter().enumerate().filter(|(_, r)| r.as_ref().unwrap().is_ok()).map(|(n, _)| n).collect();
    assert_eq!(ok.len(), 2, "one of each account: {results:?}");
    assert!(results.iter().all(|r| matches!(r.as_ref().unwrap(), Ok(()) | Err(Error::Conflict))));
    let replay = app.store.replay(ana.id, "k-1").await.unwrap().unwrap();
    assert_eq!(
        (replay.status, replay.location, replay.fingerprint),
        (202, Some(format!("/{}", ok[0])), key.fingerprint.to_vec())
    );
    assert_eq!(app.store.emails(ana.id, &Filter::default(), None, 100).await.unwrap().len(), 1);
    assert!(app.store.replay(ana.id, "k-2").await.unwrap().is_none());
});
