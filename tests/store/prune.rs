//! What is kept only for a time.

use restante::store::audit::Entry;
use restante::store::db::sql;
use restante::store::delivery::{Finish, Lane, Outcome};
use restante::store::idempotency::{Answer, Key};
use restante::store::prune::{ANSWERS, ATTEMPTS, AUDIT, EVENTS, SIGN_INS};
use restante::store::token::NewSession;

use super::{claim, claim_lane, digest, later, message};
use crate::support::app::App;

async fn prune(app: &App, now: i64) -> u64 {
    let mut pruned = 0;
    loop {
        match app.store.prune_some(3, now).await.unwrap() {
            0 => return pruned,
            some => pruned += some,
        }
    }
}

both!(a_log_is_cut_from_its_beginning, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    for n in 0..10 {
        // The clock was once two days ahead.
        app.minutes(if n == 4 { 2 * 24 * 60 } else { 0 });
        message(&app, &ana, &[&bo], "Hello", false).deliver(&app).await;
        app.minutes(if n == 4 { -2 * 24 * 60 } else { 1 });
    }
    let last = app.store.modseq(ana.id).await.unwrap();
    let before: Vec<_> = app.store.events(ana.id, 0, &[], 1000).await.unwrap();
    assert_eq!(before.len() as i64, last);
    assert_eq!(prune(&app, app.now() - 11 * 60_000 + EVENTS).await, 0);
    // As if the first seven minutes were too long ago.
    prune(&app, app.now() - 3 * 60_000 + EVENTS).await;
    let left: Vec<_> = app.store.events(ana.id, 0, &[], 1000).await.unwrap();
    let oldest = app.store.oldest_event(ana.id).await.unwrap().unwrap();
    assert!(
        oldest > 1 && left.len() as i64 == last - oldest + 1,
        "no hole: {} from {oldest} to {last}",
        left.len()
    );
    assert!(left.iter().all(|event| event.at >= app.now() - 3 * 60_000), "all that was old is gone");
    prune(&app, app.now() + 3 * EVENTS).await;
    assert_eq!(app.store.oldest_event(ana.id).await.unwrap(), None);
    assert_eq!(app.store.modseq(ana.id).await.unwrap(), last, "the place in the log is kept");
});

both!(answers_attempts_and_sign_ins_are_kept_for_their_time, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let key = |name: &str| Key { key: name.into(), fingerprint: digest(name) };
    for n in 0..5 {
        let answer = Answer { status: 202, location: None, body: "{}".into() };
        let (key, now) = (key(&format!("key {n}")), app.now() + i64::from(n == 4) * 1000);
        app.store.write(async move |tx| tx.run(key.keep(ana.id, &answer, now)).await).await.unwrap();
    }
    assert_eq!(prune(&app, app.now() + ANSWERS).await, 0);
    assert_eq!(prune(&app, app.now() + ANSWERS + 1).await, 4);
    assert!(app.store.replay(ana.id, "key 4").await.unwrap().is_some());
    assert!(app.store.replay(ana.id, "key 0").await.unwrap().is_none());

    // One is delivered at the second attempt, the other is still tried.
    let sent = message(&app, &ana, &[&bo, &ana], "Hello", false);
    sent.accept(&app).await;
    for leased in claim(&app, 10).await {
        app.store.defer(leased, later(), app.now(), app.now()).await.unwrap();
    }
    let [to_bo] = claim_lane(&app, Lane::Here, 1, 1, &[]).await.try_into().unwrap();
    let finish = Finish {
        outcome: Outcome::Delivered,
        attempt: Some(later()),
        filed: None,
        person: None,
        leased: to_bo.clone(),
    };
    app.store.finish_mail(finish, app.now()).await.unwrap();
    let attempts = async |id| app.store.attempts(ana.id, &[id]).await.unwrap().len();
    assert_eq!(attempts(to_bo.id).await, 2);
    let count = async || app.store.one::<(i64,)>(sql("select count(*) from attempt")).await.unwrap().0;
    prune(&app, app.now() + ATTEMPTS).await;
    assert_eq!(count().await, 3);
    prune(&app, app.now() + ATTEMPTS + 1).await;
    assert_eq!((attempts(to_bo.id).await, count().await), (0, 1), "only those of what has ended");

    for (name, lasts) in [("short", 1000), ("long", 3 * SIGN_INS)] {
        let session = NewSession {
            account_id: ana.id,
            id: app.id(),
            digest: digest(name),
            user_agent: "test".into(),
            expires_at: app.now() + lasts,
        };
        app.store.create_session(session, app.now()).await.unwrap();
    }
    app.store.put_setup(digest("setup"), app.now(), app.now() + 1000).await.unwrap();
    let entry = Entry::at_the_command_line(app.id(), app.now(), "token.created", "ana@example.org");
    app.store.audited(&entry).strike(vec!["198.51.100.7".into()], app.now()).await.unwrap();
    let left = async |table: &'static str| {
        app.store.one::<(i64,)>(sql("select count(*) from ").push(table)).await.unwrap().0
    };
    prune(&app, app.now() + 900).await;
    assert_eq!([left("session").await, left("setup").await, left("throttle").await], [2, 1, 1]);
    prune(&app, app.now() + SIGN_INS + 2000).await;
    assert_eq!([left("session").await, left("setup").await, left("throttle").await], [1, 0, 0]);
    prune(&app, app.now() + AUDIT).await;
    assert_eq!(left("audit").await, 1);
    prune(&app, app.now() + AUDIT + 1).await;
    assert_eq!(left("audit").await, 0);
});
