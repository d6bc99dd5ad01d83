//! One sick destination is left alone and harms no other; what waits for it is put off together.

use std::net::SocketAddr;
use std::time::Duration;

use restante::delivery::{Settings, Worker};
use restante::store::tracking::State;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Post, request, settings};
use crate::support::app::Person;
use crate::support::mta::{Act, Mta, Stage, reply};
use crate::support::{until, within};

/// An address that nobody listens on.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A worker's settings with a host of its own for one domain.
fn with_host(good: &Mta, domain: &str, host: SocketAddr) -> Settings {
    let hop = format!("smtp://{host}").parse().unwrap();
    Settings { domains: [(domain.to_owned(), hop)].into(), ..settings(Some(good)) }
}

async fn steps(worker: &Worker) -> usize {
    let mut all = 0;
    loop {
        match worker.step().await.unwrap() {
            0 => return all,
            worked => all += worked,
        }
    }
}

/// Sends one message to so many people of a domain.
async fn send_many(post: &Post, from: &Person, domain: &str, count: usize) -> restante::submission::Accepted {
    let to: Vec<String> = (0..count).map(|n| format!("n{n}@{domain}")).collect();
    post.send(from, &to.iter().map(String::as_str).collect::<Vec<_>>(), "to many").await
}

both!(a_host_that_refuses_is_tried_once_for_all, |engine| async move {
    let (good, dead) = (Mta::start().await, closed().await);
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let worker = Worker::new(post.context.clone(), with_host(&good, "dead.test", dead));
    let sent = send_many(&post, &ana, "dead.test", 120).await;
    post.send(&ana, &["out@x.test"], "fine").await;
    steps(&worker).await;
    assert_eq!(good.wait(1).await[0].rcpt_to, ["out@x.test"]);
    let blocked = post.app.store.blocked().await.unwrap();
    assert_eq!((blocked.len(), blocked[0].failures), (1, 1), "{blocked:?}");
    assert!(blocked[0].reason.starts_with("cannot reach"), "{blocked:?}");
    let rows = post.deliveries(&ana, &sent).await;
    let tried = rows.iter().filter(|row| row.attempts > 0).count();
    assert!((1..=4).contains(&tried), "{tried} of 120 were tried");
    assert!(rows.iter().all(|row| row.due_at > post.app.now()), "all of them wait");
    let untried: Vec<i64> = rows.iter().filter(|row| row.attempts == 0).map(|row| row.due_at).collect();
    assert!(untried.iter().all(|at| *at >= blocked[0].blocked_until));
    assert!(untried.iter().max() > untried.iter().min(), "they do not come back together");
    // Whoever sent them sees that they wait, and for what; and was told of each once.
    for row in rows.iter().filter(|row| row.attempts == 0) {
        assert_eq!(row.state(post.app.now()), State::Delayed);
        let why = row.last_diagnostic.as_deref().unwrap_or_default();
        assert!(why.starts_with(&format!("not tried: {dead} could not be reached. cannot reach")), "{why}");
    }
    let told = async || {
        let events = post.app.store.events(ana.id, 0, &["delivery.updated".into()], 1000).await.unwrap();
        let of_it = events.iter().map(|event| serde_json::from_str::<Json>(&event.data).unwrap());
        of_it.filter(|data| data["message_id"] == sent.id.to_string()).count()
    };
    assert_eq!(told().await, 120);
    let progress = post.app.store.progress(ana.id, &[rows[0].submission_id.unwrap()], post.app.now()).await;
    assert!(progress.unwrap().iter().all(|one| one.tried && one.outcome.is_none()), "all are delayed");

    // What comes meanwhile waits as well, and it is known to another node.
    send_many(&post, &ana, "dead.test", 3).await;
    let other = Worker::new(post.context.clone(), with_host(&good, "dead.test", dead));
    assert_eq!(steps(&other).await, 0);

    let back = Mta::at(dead).await;
    for _ in 0..8 {
        post.app.minutes(1);
        steps(&worker).await;
    }
    assert_eq!(back.wait(123).await.len(), 123);
    assert!(post.app.store.blocked().await.unwrap().is_empty());
    assert!(post.inbox(&ana).await.is_empty(), "nothing bounced");
});

both!(what_waits_for_a_dead_host_is_given_up_in_time, |engine| async move {
    let (good, dead) = (Mta::start().await, closed().await);
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let worker = Worker::new(post.context.clone(), with_host(&good, "dead.test", dead));
    let sent = send_many(&post, &ana, "dead.test", 70).await;
    let expiring = restante::submission::Request {
        expires_at: Some(post.app.now() + 3_600_000),
        ..request(&["soon@dead.test"], "soon")
    };
    let expiring = post.request(&ana, expiring).await;
    for _ in 0..7 {
        steps(&worker).await;
        post.app.minutes(10);
    }
    steps(&worker).await;
    let row = post.delivery(&ana, &expiring).await;
    assert_eq!((post.state(&row), row.reason_code.as_deref()), ("failed", Some("expired")));
    for _ in 0..130 {
        post.app.minutes(60);
        steps(&worker).await;
    }
    let rows = post.deliveries(&ana, &sent).await;
    assert!(rows.iter().all(|row| row.reason_code.as_deref() == Some("gave_up")), "all ended");
    let last = rows.iter().filter_map(|row| row.settled_at).max().unwrap() - rows[0].created_at;
    assert!(last < (5 * 24 + 10) * 3_600_000, "{last} ms");
    let text = post.content(&post.inbox(&ana).await[0]).await.text.unwrap();
    assert!(text.contains("cannot reach"), "{text}");
    // A bounce each, and before it a note that it takes long, except for the one that expired.
    assert_eq!(post.inbox(&ana).await.len(), 71 + 70);
});

both!(a_relay_that_refuses_our_password_is_suspended, |engine| async move {
    let mta = Mta::start().await;
    mta.extensions(&["8BITMIME", "AUTH PLAIN LOGIN"]);
    mta.always(Stage::Auth, reply("535 5.7.8 who are you"));
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let relay = format!("smtp://user:secret@{}?tls=none", mta.addr).parse().unwrap();
    let worker = Worker::new(post.context.clone(), Settings { relay: Some(relay), ..settings(None) });
    for n in 0..30 {
        post.send(&ana, &[&format!("out@x{n}.test")], "hi").await;
    }
    steps(&worker).await;
    let asked = |mta: &Mta| mta.commands().iter().filter(|line| line.starts_with("AUTH")).count();
    assert!(asked(&mta) <= 12, "{} of 30 asked", asked(&mta));
    let blocked = post.app.store.blocked().await.unwrap().remove(0);
    assert_eq!(blocked.name, mta.addr.to_string());
    assert!(blocked.reason.contains("refused to authenticate us (see relay.url)"), "{blocked:?}");
    assert!(!blocked.reason.contains("secret"));
    // It is never left alone for long, and nothing bounces.
    for _ in 0..40 {
        post.app.minutes(5);
        steps(&worker).await;
    }
    let before = asked(&mta);
    assert!((20..80).contains(&before), "{before}");
    assert!(post.inbox(&ana).await.is_empty());
    mta.heal();
    for _ in 0..60 {
        post.app.minutes(5);
        steps(&worker).await;
    }
    assert_eq!(mta.wait(30).await.len(), 30);
});

both!(many_stalled_destinations_leave_room_for_the_others, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let stop = CancellationToken::new();
    let narrow = Settings {
        at_once: 8,
        connections: 8,
        slow_after: Duration::from_millis(200),
        drain: Duration::ZERO,
        ..settings(Some(&mta))
    };
    let running = tokio::spawn(Worker::new(post.context.clone(), narrow).run(stop.clone()));
    // Some are known to be well before the others come.
    for n in 0..3 {
        post.send(&ana, &[&format!("first@x{n}.test")], "hi").await;
    }
    mta.until("the good ones", |mta| mta.received().len() == 3).await;
    for n in 0..60 {
        let (one, other) = (format!("n@dead{n}.test"), format!("m@dead{n}.test"));
        mta.recipient(&one, Act::Stall);
        mta.recipient(&other, Act::Stall);
        post.send(&ana, &[&one, &other], "into the void").await;
    }
    mta.until("stalled ones", |mta| mta.commands().iter().filter(|line| line.contains("@dead")).count() >= 4)
        .await;
    // What is stuck does not keep the next ones from being tried, and those not the good ones from being served.
    mta.until("more than have hands", |mta| mta.open() > 8).await;
    for n in 0..20 {
        post.send(&ana, &[&format!("out{n}@x{}.test", n % 3)], "hi").await;
    }
    mta.wait(23).await;
    assert!(mta.open() <= 32, "{} connections", mta.open());
    stop.cancel();
    within("the worker's end", running).await.unwrap();
});

both!(one_that_hangs_after_each_message_is_blocked_and_comes_back, |engine| async move {
    let (good, bad) = (Mta::start().await, Mta::start().await);
    bad.always(Stage::Body, Act::HangUp);
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let worker = Worker::new(post.context.clone(), with_host(&good, "bad.test", bad.addr));
    let sent = send_many(&post, &ana, "bad.test", 60).await;
    steps(&worker).await;
    let rows = post.deliveries(&ana, &sent).await;
    let tried = rows.iter().filter(|row| row.attempts > 0).count();
    assert!((1..=8).contains(&tried), "{tried} of 60");
    assert_eq!(post.app.store.blocked().await.unwrap()[0].name, "bad.test");
    bad.heal();
    let relayed = || async {
        let rows = post.deliveries(&ana, &sent).await;
        rows.iter().filter(|row| row.outcome.as_deref() == Some("relayed")).count()
    };
    until("all of them", || async {
        post.app.minutes(1);
        steps(&worker).await;
        (relayed().await == 60).then_some(())
    })
    .await;
    assert_eq!(bad.received().len(), 60);
});
