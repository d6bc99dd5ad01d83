//! A clock that leaps two days ahead, three hours back, and is set right again: mail goes on, each message comes once,
//! and nothing waits for a time that never was.

use std::time::Duration;

use crate::support::app::{App, Person, worker_settings};
use crate::support::mta::{Mta, Stage, reply};
use restante::store::email::Filter;

const HOURS: i64 = 60;
const DAYS: i64 = 24 * HOURS;

async fn inbox(app: &App, person: &Person) -> usize {
    app.store.emails(person.id, &Filter::default(), None, 100).await.unwrap().len()
}

both!(a_clock_that_leaps_delays_nothing_for_long, |engine| async move {
    let mta = Mta::start().await;
    let mut settings = worker_settings(Some(&mta));
    // As by default: a leap of days must not make what waits too old by itself.
    settings.retry.give_up_after = Duration::from_secs(5 * 24 * 3600);
    let app = App::with(engine, settings).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let both = [&*bo.address, "cy@outside.test"];
    // Put off, on the wrong side of each leap.
    for (n, leap) in [0, 2 * DAYS, -2 * DAYS, -3 * HOURS, 3 * HOURS].into_iter().enumerate() {
        app.minutes(leap);
        mta.script(Stage::Body, [reply("451 4.3.0 later")]);
        app.send(&ana, &both, &format!("message {n}"), "Some words.").await;
        app.settle().await;
        assert_eq!(inbox(&app, &bo).await, n + 1, "mail to here goes on at once");
    }
    // Right again: everything that was put off is tried within the longest gap there is between two attempts.
    for _ in 0..75 {
        app.minutes(1);
        app.settle().await;
    }
    let taken = mta.received();
    let mut subjects: Vec<String> = taken.iter().map(|one| one.header("Subject")).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, (0..5).map(|n| format!("message {n}")).collect::<Vec<_>>(), "each once");
    assert_eq!(inbox(&app, &bo).await, 5);
});

both!(what_a_wrong_clock_put_off_comes_back_without_a_storm, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("451 4.3.0 later"));
    let app = App::with_relay(engine, &mta).await;
    let ana = app.person("Ana").await;
    app.minutes(2 * DAYS);
    for n in 0..40 {
        app.send(&ana, &[&format!("x{n}@outside{}.test", n % 4)], "later", "Some words.").await;
    }
    while app.settle().await > 0 {}
    let dues = || {
        let all = app.database.look("select cast(due_at as text) from delivery where settled_at is null");
        all.iter().map(|due| due.parse::<i64>().unwrap()).collect::<Vec<_>>()
    };
    app.minutes(-2 * DAYS);
    let now = app.now();
    assert!(dues().iter().all(|due| *due > now + 24 * 3_600_000));
    app.settle().await;
    let there = dues();
    assert_eq!(there.len(), 40);
    assert!(there.iter().all(|due| (now..=now + 60_000 * 5 / 4).contains(due)), "{there:?}");
    let distinct: std::collections::HashSet<_> = there.iter().collect();
    assert!(distinct.len() > 20, "all at once: {there:?}");
    // A message that is meant for later stays so.
    mta.heal();
    let later = restante::submission::Request {
        to: vec!["later@outside.test".parse().unwrap()],
        text: Some("Some words.".into()),
        send_at: Some(now + 30 * 24 * 3_600_000),
        ..Default::default()
    };
    app.submit(&ana, later).await;
    for _ in 0..75 {
        app.minutes(1);
        app.settle().await;
    }
    assert_eq!(mta.received().len(), 40);
    app.minutes(30 * DAYS);
    app.settle().await;
    assert_eq!(mta.received().len(), 41);
});
