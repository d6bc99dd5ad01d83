//! The worker as it runs: woken by the bell, fair between destinations, prompt to stop.

use std::time::Duration;

use restante::delivery::{Settings, Worker};
use restante::mail::clock::Clock;
use restante::store::Topic;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Post, settings};
use crate::support::mta::{Act, Mta, Stage, reply};
use crate::support::{until, within};

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn run(post: &Post, settings: Settings) -> Running {
    let stop = CancellationToken::new();
    let task = tokio::spawn(Worker::new(post.context.clone(), settings).run(stop.clone()));
    Running { stop, task }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        within("the worker's end", self.task).await.unwrap();
    }
}

fn patient(mta: Option<&Mta>) -> Settings {
    // Nothing here may depend on the poll.
    Settings { poll: Duration::from_secs(600), ..settings(mta) }
}

both!(the_bell_wakes_it, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let running = run(&post, patient(None));
    for n in 1..=3 {
        let mut ear = post.app.store.bell().listen(Topic::Account(bo.id));
        post.send(&ana, &[&bo.address], "hi").await;
        within("the message", async {
            while post.inbox(&bo).await.len() < n {
                ear.wait(Duration::from_secs(60)).await;
            }
        })
        .await;
    }
    running.stop().await;
});

both!(it_wakes_by_itself_when_something_falls_due, |engine| async move {
    let mta = Mta::start().await;
    mta.script(Stage::Rcpt, [reply("451 later"), reply("451 later")]);
    let mut post = Post::start(engine, Some(&mta)).await;
    post.context.clock = Clock::system();
    post.app.clock = Clock::system();
    let ana = post.app.person("Ana").await;
    let mut settings = patient(Some(&mta));
    settings.retry.first = Duration::from_millis(20);
    let running = run(&post, settings);
    post.send(&ana, &["out@x.test"], "hi").await;
    mta.wait(1).await;
    running.stop().await;
});

both!(a_dead_destination_delays_nobody_else, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let dead: Vec<String> = (0..200).map(|n| format!("n{n}@dead.test")).collect();
    for address in &dead {
        mta.recipient(address, Act::Stall);
    }
    post.send(&ana, &dead.iter().map(String::as_str).collect::<Vec<_>>(), "into the void").await;
    let running = run(&post, Settings { drain: Duration::ZERO, ..patient(Some(&mta)) });
    mta.until("the first stalled ones", |mta| mta.commands().iter().any(|line| line.contains("dead.test")))
        .await;
    for n in 0..30 {
        post.send(&ana, &[&format!("out{n}@x.test"), &bo.address], "hi").await;
    }
    mta.wait(30).await;
    until("the inbox", || async { (post.inbox(&bo).await.len() == 30).then_some(()) }).await;
    let stalled = mta.commands().iter().filter(|line| line.contains("@dead.test")).count();
    assert!((1..=8).contains(&stalled), "{stalled} at once at one destination");
    running.stop().await;
});

both!(stopping_finishes_or_gives_back, |engine| async move {
    let mta = Mta::start().await;
    mta.script(Stage::Rcpt, [Act::Stall]);
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    let running = run(&post, Settings { drain: Duration::from_millis(50), ..patient(Some(&mta)) });
    mta.until("the stalled transaction", |mta| mta.commands().iter().any(|line| line.starts_with("RCPT")))
        .await;
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "sending");
    running.stop().await;
    // Given back as it was: no waiting for the lease, no attempt counted.
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.attempts), ("queued", 0));
    assert_eq!(post.settle().await, 1);
    assert_eq!(mta.wait(1).await.len(), 1);
});

both!(a_lease_is_prolonged_while_the_work_lasts, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, Act::Stall);
    let mut post = Post::start(engine, Some(&mta)).await;
    post.context.clock = Clock::system();
    post.app.clock = Clock::system();
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    let short = Settings { lease: Duration::from_millis(800), drain: Duration::ZERO, ..patient(Some(&mta)) };
    let running = run(&post, short);
    let leased = || async { post.delivery(&ana, &sent).await.leased_until };
    let first = until("the lease", leased).await;
    // Long after the first one would have ended, the same worker still holds it, by its first attempt.
    until("a prolonged lease", || async { leased().await.filter(|until| *until > first + 1600) }).await;
    assert_eq!(post.delivery(&ana, &sent).await.attempts, 1);
    assert_eq!(mta.connections(), 1);
    running.stop().await;
});
