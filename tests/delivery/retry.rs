//! To the outside: tried again, given up, never twice without need.

use restante::delivery::Worker;
use restante::submission::Request;

use super::{Post, request, settings};
use crate::support::mta::{Act, Mta, Stage, reply};

both!(an_outside_recipient_is_reached_through_the_relay, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let sent = post.send(&ana, &["out@x.test", &bo.address], "hi").await;
    post.settle().await;
    let received = mta.wait(1).await;
    assert_eq!(received[0].rcpt_to, ["out@x.test"]);
    // A return address of its own, in the sender's domain.
    assert!(received[0].mail_from.ends_with("@example.org"), "{}", received[0].mail_from);
    assert_eq!(received[0].header("Message-ID"), format!("<{}>", sent.message_id));
    assert!(!received[0].text().to_lowercase().contains("bcc:"));
    let rows = post.deliveries(&ana, &sent).await;
    let relayed = rows.iter().find(|row| row.recipient == "out@x.test").unwrap();
    assert_eq!(post.state(relayed), "relayed");
    assert_eq!(relayed.last_code, Some(250));
    assert_eq!(relayed.last_remote, Some(mta.addr.to_string()));
    assert_eq!(relayed.last_diagnostic.as_deref(), Some("2.0.0 kept"));
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!(promise.state, "fulfilled");
});

both!(a_451_is_tried_again_with_growing_gaps, |engine| async move {
    let mta = Mta::start().await;
    mta.script(
        Stage::Rcpt,
        [reply("451 4.3.0 later"), reply("451 4.3.0 still later"), reply("451 4.3.0 much later")],
    );
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    let mut gaps = Vec::new();
    for n in 1..=3 {
        assert_eq!(post.settle().await, 1, "attempt {n}");
        let row = post.delivery(&ana, &sent).await;
        assert_eq!((post.state(&row), row.attempts, row.last_code), ("delayed", n, Some(451)));
        assert_eq!(row.last_enhanced_code.as_deref(), Some("4.3.0"));
        gaps.push(row.due_at - post.app.now());
        // Not a millisecond before.
        post.app.clock.advance(chrono::TimeDelta::milliseconds(gaps[gaps.len() - 1] - 1));
        assert_eq!(post.settle().await, 0);
        post.app.clock.advance(chrono::TimeDelta::milliseconds(1));
    }
    for (gap, minutes) in gaps.iter().zip([1, 2, 4]) {
        let middle = minutes * 60_000;
        assert!((middle * 3 / 4..=middle * 5 / 4).contains(gap), "{gap} ms for {minutes} min");
    }
    post.settle().await;
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.attempts), ("relayed", 4));
    assert_eq!(post.app.store.attempts(ana.id, &[row.id]).await.unwrap().len(), 4);
    assert_eq!(mta.received().len(), 1);
    assert!(post.inbox(&ana).await.is_empty(), "no bounce");
});

both!(a_550_bounces_at_once_with_what_was_said, |engine| async move {
    let mta = Mta::start().await;
    mta.recipient("no@x.test", reply("550 5.1.1 <no@x.test>: nobody of that name"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["no@x.test", "yes@x.test"], "hi").await;
    post.settle().await;
    let rows = post.deliveries(&ana, &sent).await;
    let state = |who: &str| post.state(rows.iter().find(|row| row.recipient == who).unwrap());
    assert_eq!((state("no@x.test"), state("yes@x.test")), ("failed", "relayed"));
    let bounce = post.inbox(&ana).await.remove(0);
    let text = post.content(&bounce).await.text.unwrap();
    assert!(text.contains("550 5.1.1 <no@x.test>: nobody of that name"), "{text}");
    assert!(text.contains(&mta.addr.to_string()));
    // A bounce is never sent on to anybody, and never bounces.
    assert_eq!(post.settle().await, 0);
});

both!(what_cannot_be_delivered_for_days_is_given_up, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 try later"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    let accepted = post.app.now();
    let mut attempts = 0;
    while post.state(&post.delivery(&ana, &sent).await) != "failed" {
        attempts += post.settle().await;
        let row = post.delivery(&ana, &sent).await;
        post.app.clock.advance(chrono::TimeDelta::milliseconds((row.due_at - post.app.now()).max(0)));
        assert!(attempts < 100);
    }
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((row.reason_class.as_deref(), row.reason_code.as_deref()), (Some("expired"), Some("gave_up")));
    assert_eq!(row.settled_at.unwrap() - accepted, 5 * 24 * 3_600_000);
    assert!((30..50).contains(&attempts), "{attempts} attempts in 5 days");
    let bounce = post.inbox(&ana).await.remove(0);
    let content = post.content(&bounce).await;
    assert!(content.text.unwrap().contains("450 4.2.1 try later"));
});

both!(what_expires_is_withdrawn_and_its_sender_told, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 try later"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let expires = post.app.now() + 30 * 60_000;
    let short = Request { expires_at: Some(expires), ..request(&["out@x.test"], "soon") };
    let sent = post.request(&ana, short).await;
    post.settle().await;
    for _ in 0..40 {
        post.app.minutes(1);
        post.settle().await;
    }
    let row = post.delivery(&ana, &sent).await;
    assert_eq!(
        (row.reason_class.as_deref(), row.settled_at.is_some_and(|at| at - expires < 120_000)),
        (Some("expired"), true)
    );
    let bounces = post.inbox(&ana).await;
    assert_eq!(bounces.len(), 1);
    mta.heal();
    post.app.minutes(600);
    assert_eq!(post.settle().await, 0);
    assert!(mta.received().is_empty());
});

both!(a_lost_answer_sends_the_same_octets_again, |engine| async move {
    let mta = Mta::start().await;
    mta.script(Stage::Body, [Act::Lost]);
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    post.settle().await;
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "delayed");
    post.app.minutes(2);
    post.settle().await;
    let received = mta.wait(2).await;
    assert_eq!(received[0].data, received[1].data);
    assert_eq!(received[0].header("Message-ID"), format!("<{}>", sent.message_id));
});

both!(a_relay_that_is_set_later_helps_mail_that_waits, |engine| async move {
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    post.settle().await;
    let row = post.delivery(&ana, &sent).await;
    assert_eq!(post.state(&row), "delayed");
    assert!(row.last_diagnostic.unwrap().contains("relay.url"));
    let mta = Mta::start().await;
    let worker = Worker::new(post.context.clone(), settings(Some(&mta)));
    post.app.minutes(2);
    worker.step().await.unwrap();
    assert_eq!(mta.wait(1).await.len(), 1);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
});

both!(a_delivery_can_be_tried_now_or_taken_back_while_it_waits, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 try later"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let (one, two) =
        (post.send(&ana, &["one@x.test"], "hi").await, post.send(&ana, &["two@x.test"], "hi").await);
    post.settle().await;
    mta.heal();
    let (one, two_row) = (post.delivery(&ana, &one).await, post.delivery(&ana, &two).await);
    post.app.store.retry_delivery(ana.id, one.id, post.app.now()).await.unwrap();
    post.app.store.cancel_delivery(ana.id, two_row.id, post.app.now()).await.unwrap();
    assert_eq!(post.settle().await, 1);
    post.app.minutes(60);
    assert_eq!(post.settle().await, 0);
    assert_eq!((mta.received_for("one@x.test").len(), mta.received_for("two@x.test").len()), (1, 0));
    assert_eq!(post.state(&post.delivery(&ana, &two).await), "canceled");
});
