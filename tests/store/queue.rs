//! The queue: turns between destinations, leases that end, and writes that only the holder may make.

use std::collections::HashSet;

use futures_util::future::join_all;
use restante::store::Error;
use restante::store::db::sql;
use restante::store::delivery::{Finish, Lane, NewDelivery, Outcome};
use restante::store::destination::PutOff;
use restante::store::email::Filter;
use restante::store::operate::{Act, Open};
use restante::store::tracking::State;
use uuid::Uuid;

use super::{claim, claim_lane, later, message, told};
use crate::support::app::{App, Person};

/// Notices to outside addresses, which need no submission behind them.
async fn notices(app: &App, person: &Person, destination: &str, count: usize) -> Vec<Uuid> {
    let rows: Vec<_> = (0..count)
        .map(|n| NewDelivery {
            account_id: person.id,
            id: app.id(),
            kind: "notice",
            lane: Lane::Outside,
            destination: destination.to_owned(),
            recipient: format!("r{n}@{destination}"),
            submission_id: None,
            email_id: None,
            subject_id: None,
            digest: None,
            due_at: app.now(),
            created_at: app.now(),
        })
        .collect();
    let ids = rows.iter().map(|row| row.id).collect();
    app.store.write(async move |tx| tx.batch(NewDelivery::insert(&rows)).await.map(drop)).await.unwrap();
    ids
}

both!(a_destination_that_holds_many_delays_nobody, |engine| async move {
    let app = App::start(engine).await;
    let ana = app.person("Ana").await;
    notices(&app, &ana, "dead.test", 300).await;
    app.seconds(1);
    notices(&app, &ana, "alive.test", 2).await;
    notices(&app, &ana, "other.test", 1).await;
    let first = claim_lane(&app, Lane::Outside, 10, 4, &[]).await;
    let count = |name: &str| first.iter().filter(|leased| leased.destination == name).count();
    assert_eq!((count("dead.test"), count("alive.test"), count("other.test")), (4, 2, 1));
    let busy = claim_lane(&app, Lane::Outside, 10, 4, &["dead.test".into()]).await;
    assert_eq!(busy.len(), 0, "it has all it may have, and nobody else has any left");
    assert_eq!(claim_lane(&app, Lane::Here, 10, 10, &[]).await.len(), 0, "work of the other lane");
    assert_eq!(claim_lane(&app, Lane::Outside, 3, 10, &[]).await.len(), 3);
});

both!(two_workers_never_hold_the_same, |engine| async move {
    let app = App::start(engine).await;
    let ana = app.person("Ana").await;
    for n in 0..20 {
        notices(&app, &ana, &format!("d{n}.test"), 10).await;
    }
    let (mut all, mut rounds) = (Vec::new(), 0);
    while all.len() < 200 {
        rounds += 1;
        assert!(rounds < 50, "{} of 200", all.len());
        let claims = (0..8).map(|_| claim_lane(&app, Lane::Outside, 16, 4, &[]));
        all.extend(join_all(claims).await.into_iter().flatten());
    }
    let ids: HashSet<_> = all.iter().map(|leased| leased.id).collect();
    assert_eq!((all.len(), ids.len()), (200, 200));
    assert!(all.iter().all(|leased| leased.attempts == 1));
});

both!(a_lease_ends_and_its_late_holder_can_write_nothing, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let sent = message(&app, &ana, &[&bo], "Slow", false);
    sent.accept(&app).await;
    let slow = claim(&app, 10).await.remove(0);
    assert_eq!(claim(&app, 10).await.len(), 0);
    app.seconds(50);
    assert_eq!(app.store.renew(slow.lease, app.now() + 60_000).await.unwrap(), 1);
    app.seconds(30);
    assert_eq!(claim(&app, 10).await.len(), 0, "it was renewed");
    app.seconds(31);
    let next = claim(&app, 10).await.remove(0);
    assert_eq!((next.id, next.attempts), (slow.id, 2));
    assert!(!app.store.still_leased(&slow).await.unwrap());
    assert!(app.store.still_leased(&next).await.unwrap());
    let now = app.now();
    assert_eq!(app.store.renew(slow.lease, now + 60_000).await.unwrap(), 0);
    assert!(matches!(
        app.store.finish_mail(sent.finish(&app, slow.clone()), now).await,
        Err(Error::Conflict)
    ));
    assert!(matches!(app.store.defer(slow.clone(), later(), now, now).await, Err(Error::Conflict)));
    assert!(matches!(app.store.give_back(slow, now).await, Err(Error::Conflict)));
    assert_eq!(app.store.emails(bo.id, &Filter::default(), None, 10).await.unwrap().len(), 0);
    app.store.finish_mail(sent.finish(&app, next.clone()), now).await.unwrap();
    assert!(matches!(app.store.finish_mail(sent.finish(&app, next), now).await, Err(Error::Conflict)));
    assert_eq!(app.store.emails(bo.id, &Filter::default(), None, 10).await.unwrap().len(), 1);
    assert_eq!(told(&app, &bo).await, ["message.received"]);
});

both!(at_most_one_copy_is_filed, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let sent = message(&app, &ana, &[&bo], "Twice", false);
    sent.deliver(&app).await;
    let copies = (0..8).map(|_| app.store.deposit(vec![sent.filed(&app, &bo)], app.now()));
    for result in join_all(copies).await {
        assert!(matches!(result, Err(Error::Conflict)));
    }
    assert_eq!(app.store.holders(&[ana.id, bo.id], sent.acceptance.id.as_bytes()).await.unwrap(), [bo.id]);
    assert_eq!(told(&app, &bo).await, ["message.received"], "a refused copy tells nothing");
});

both!(what_was_tried_is_shown_and_tried_again, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let sent = message(&app, &ana, &[&bo], "Later", false);
    sent.accept(&app).await;
    let state = async |id| {
        let row = app.store.delivery(ana.id, id).await.unwrap().unwrap();
        (row.state(app.now()), row.attempts, row.last_code)
    };
    let leased = claim(&app, 10).await.remove(0);
    let id = leased.id;
    assert_eq!(state(id).await, (State::Sending, 1, None));
    app.store.give_back(leased, app.now()).await.unwrap();
    assert_eq!(state(id).await, (State::Queued, 0, None));
    let leased = claim(&app, 10).await.remove(0);
    app.store.defer(leased, later(), app.now() + 60_000, app.now()).await.unwrap();
    assert_eq!(state(id).await, (State::Delayed, 1, Some(451)));
    assert_eq!(claim(&app, 10).await.len(), 0);
    let foreign = app.store.retry_delivery(bo.id, id, app.now()).await;
    assert!(matches!(foreign, Err(Error::NotFound)));
    app.store.retry_delivery(ana.id, id, app.now()).await.unwrap();
    let leased = claim(&app, 10).await.remove(0);
    assert!(
        matches!(app.store.cancel_delivery(ana.id, id, app.now()).await, Err(Error::Conflict)),
        "it is tried now"
    );
    let outcome = Outcome::Failed { class: "permanent", code: "unknown_recipient".into() };
    let finish = Finish { leased, outcome, attempt: Some(later()), filed: None, person: None };
    app.store.finish_mail(finish, app.now()).await.unwrap();
    assert_eq!(state(id).await, (State::Failed, 2, Some(451)));
    let tries = app.store.attempts(ana.id, &[id]).await.unwrap();
    assert_eq!(
        tries.iter().map(|one| (one.n, one.next_at.is_some())).collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    let progress = app.store.progress(ana.id, &[sent.acceptance.id], app.now()).await.unwrap();
    assert_eq!((progress.len(), progress[0].count, progress[0].outcome.as_deref()), (1, 1, Some("failed")));
    assert_eq!(app.store.queue(Open::default(), 10).await.unwrap().len(), 0);
    assert_eq!(app.store.deliveries(ana.id, false, Some("failed"), None, 10).await.unwrap().len(), 1);
    assert_eq!(app.store.deliveries_of(ana.id, sent.acceptance.id, None, 10).await.unwrap().len(), 1);
});

both!(what_was_not_sent_can_be_taken_back, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let back = message(&app, &ana, &[&bo, &ana], "Back", false);
    back.accept(&app).await;
    let id = back.acceptance.id;
    assert!(matches!(app.store.cancel_submission(bo.id, id, app.now()).await, Err(Error::NotFound)));
    app.store.cancel_submission(ana.id, id, app.now()).await.unwrap();
    assert_eq!(claim(&app, 10).await.len(), 0);
    let row = app.store.submission(ana.id, id).await.unwrap().unwrap();
    assert_eq!((row.state(app.now()), row.unsettled), ("canceled", 0));
    let promise = app.store.promise(ana.id, row.delivery_promise_id).await.unwrap().unwrap();
    assert_eq!((promise.state.as_str(), promise.reason_code.as_deref()), ("rejected", Some("canceled")));
    let gone = message(&app, &ana, &[&bo], "Gone", false);
    gone.deliver(&app).await;
    assert!(matches!(
        app.store.cancel_submission(ana.id, gone.acceptance.id, app.now()).await,
        Err(Error::Conflict)
    ));
});

both!(an_operator_holds_releases_retries_and_cancels, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let ids = notices(&app, &ana, "x.test", 3).await;
    notices(&app, &bo, "y.test", 2).await;
    let (store, now) = (&app.store, app.now());
    store.act(Act::Hold, ana.id, ids[0], now).await.unwrap();
    assert!(matches!(store.act(Act::Hold, ana.id, ids[0], now).await, Err(Error::Conflict)));
    assert!(matches!(store.act(Act::Hold, bo.id, ids[1], now).await, Err(Error::Conflict)));
    let held = store.queue(Open { held: Some(true), ..Open::default() }, 10).await.unwrap();
    assert_eq!(held.iter().map(|row| (row.id, row.state(now))).collect::<Vec<_>>(), [(ids[0], State::Held)]);
    assert_eq!(store.act_on(Act::Hold, "y.test", now).await.unwrap(), 2);
    let waiting = store.destinations(None, 10).await.unwrap();
    let counts: Vec<_> = waiting.iter().map(|w| (w.destination.as_str(), w.open, w.held)).collect();
    assert_eq!(counts, [("x.test", 3, 1), ("y.test", 2, 2)]);
    // What is held is in nobody's way, and in nobody's hand.
    assert_eq!(claim_lane(&app, Lane::Outside, 10, 10, &[]).await.len(), 2);
    assert_eq!(store.next_due(Lane::Outside).await.unwrap(), Some(now + 60_000), "the leases");
    assert!(
        matches!(store.act(Act::Hold, ana.id, ids[1], now).await, Err(Error::Conflict)),
        "it is tried now"
    );
    assert_eq!(store.act_on(Act::Release, "y.test", now).await.unwrap(), 2);
    store.act(Act::Release, ana.id, ids[0], now).await.unwrap();
    assert_eq!(claim_lane(&app, Lane::Outside, 10, 10, &[]).await.len(), 3);
    assert_eq!(store.any_delivery(ids[2]).await.unwrap().unwrap().account_id, ana.id);
    assert!(store.any_delivery(app.id()).await.unwrap().is_none());

    let message = message(&app, &ana, &[&bo], "Back", false);
    message.accept(&app).await;
    let email = message.email();
    assert_eq!(store.owners(email).await.unwrap(), [ana.id]);
    let delivery = message.acceptance.deliveries[0].id;
    store.act(Act::Hold, ana.id, delivery, now).await.unwrap();
    assert_eq!(claim(&app, 10).await.len(), 0);
    store.act(Act::Retry, ana.id, delivery, now).await.unwrap();
    assert_eq!(claim(&app, 10).await.len(), 1, "trying it now releases it");
});

both!(what_waits_for_a_dead_destination_is_put_off_but_not_beyond_its_end, |engine| async move {
    let app = App::start(engine).await;
    let ana = app.person("Ana").await;
    notices(&app, &ana, "dead.test", 2500).await;
    notices(&app, &ana, "alive.test", 1).await;
    let (store, now) = (&app.store, app.now());
    let off = PutOff {
        destination: "dead.test".into(),
        name: "dead.test".into(),
        reason: "not tried: dead.test could not be reached. refused".into(),
        until: now + 60_000,
        spread: 30_000,
        give_up_after: 80_000,
        notice_after: i64::MAX / 4,
    };
    assert_eq!(store.put_off(off.clone(), now).await.unwrap(), 2500);
    let rows = store.queue(Open { destination: Some("dead.test"), ..Open::default() }, 3000).await.unwrap();
    assert!(rows.iter().all(|row| (now + 60_000..=now + 80_000).contains(&row.due_at) && row.attempts == 0));
    let distinct: HashSet<i64> = rows.iter().map(|row| row.due_at).collect();
    assert!(distinct.len() > 500, "{} different times", distinct.len());
    assert_eq!(store.ready(Lane::Outside, now, None, 10).await.unwrap(), ["alive.test"]);
    assert_eq!(store.due_after(Lane::Outside, now).await.unwrap(), rows.iter().map(|row| row.due_at).min());
    // Why they wait is kept once, however often they are put off.
    let reasons = sql("select count(*) from attempt where n = 0");
    assert_eq!(store.one::<(i64,)>(reasons.clone()).await.unwrap(), (2500,));
    app.seconds(75);
    let again = store.put_off(PutOff { until: app.now() + 60_000, ..off.clone() }, app.now()).await.unwrap();
    assert!(again > 0, "some of them were due again");
    assert_eq!(store.one::<(i64,)>(reasons).await.unwrap(), (2500,));
    app.seconds(10);
    // Whose time is over is left due, to be ended.
    assert_eq!(store.put_off(PutOff { until: app.now() + 60_000, ..off }, app.now()).await.unwrap(), 0);
    assert_eq!(claim_lane(&app, Lane::Outside, 10, 10, &["alive.test".into()]).await.len(), 10);
});
