//! Every kind of answer at every command, through the whole worker: what is known then, and what is done next.

use std::time::Duration;

use restante::delivery::relay::TimeOuts;
use restante::delivery::{Settings, Worker};
use restante::store::claim::Claim;
use restante::store::delivery::Lane;
use restante::submission::Request;

use super::{Post, request, settings};
use crate::support::mta::{Act, Mta, Stage, reply};

/// What one answer comes to.
struct Case {
    stage: Stage,
    act: Act,
    /// `relayed`, `delayed` or `failed`.
    state: &'static str,
    code: Option<i64>,
    enhanced: Option<&'static str>,
    /// A part of what is kept of it.
    says: &'static str,
}

fn case(
    stage: Stage,
    act: Act,
    state: &'static str,
    code: Option<i64>,
    enhanced: Option<&'static str>,
    says: &'static str,
) -> Case {
    Case { stage, act, state, code, enhanced, says }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let garbage = || Act::Bytes(b"\xff\xfe what\r\n".to_vec());
    let endless = || {
        let mut bytes = b"250-".to_vec();
        bytes.extend(vec![b'x'; 100_000]);
        Act::Bytes(bytes)
    };
    // About us or the server, before there is a message: never final.
    for stage in [Stage::Banner, Stage::Ehlo] {
        for (text, code) in [("421 4.3.2 not now", 421), ("451 4.7.1 wait", 451), ("554 5.7.1 not you", 554)]
        {
            cases.push(case(stage, reply(text), "delayed", Some(code), Some(&text[4..9]), &text[4..]));
        }
    }
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        for (text, code) in [("421 4.3.2 closing", 421), ("450 4.2.1 busy", 450), ("452 4.2.2 full", 452)] {
            cases.push(case(stage, reply(text), "delayed", Some(code), Some(&text[4..9]), &text[4..]));
        }
        cases.push(case(stage, reply("451 later"), "delayed", Some(451), None, "later"));
        for (text, code) in [("550 5.7.1 policy", 550), ("552 5.2.2 full", 552), ("554 5.6.0 bad", 554)] {
            cases.push(case(stage, reply(text), "failed", Some(code), Some(&text[4..9]), &text[4..]));
        }
        let lines = reply("550-5.7.1 first\n550-5.7.1 second\n550 5.7.1 third");
        cases.push(case(stage, lines, "failed", Some(550), Some("5.7.1"), "third"));
        cases.push(case(stage, reply("557 odd"), "failed", Some(557), None, "odd"));
    }
    for stage in [Stage::Banner, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        cases.push(case(stage, Act::HangUp, "delayed", None, Some("4.4.2"), ""));
        cases.push(case(stage, Act::Stall, "delayed", None, Some("4.4.2"), "no answer within"));
        cases.push(case(stage, garbage(), "delayed", None, Some("4.4.2"), ""));
        cases.push(case(stage, endless(), "delayed", None, Some("4.4.2"), ""));
    }
    // A code that fits no command, or that there cannot be, tells nothing.
    cases.push(case(Stage::Rcpt, reply("599 odd"), "delayed", None, Some("4.4.2"), "odd"));
    cases.push(case(Stage::Data, reply("250 2.0.0 wrong"), "delayed", None, Some("4.4.2"), "unexpected"));
    cases.push(case(Stage::Body, reply("354 huh"), "delayed", None, Some("4.4.2"), "unexpected"));
    // The message may have been cut, or taken and the answer lost.
    cases.push(case(Stage::Data, Act::Cut(20), "delayed", None, Some("4.4.2"), ""));
    cases.push(case(Stage::Body, Act::Lost, "delayed", None, Some("4.4.2"), ""));
    cases.push(case(Stage::Rcpt, reply("251 2.1.5 forwarded"), "relayed", Some(250), Some("2.0.0"), "kept"));
    cases.push(case(Stage::Body, reply("250 queued"), "relayed", Some(250), None, "queued"));
    cases
}

/// Phases are short, so that what stalls does not hold the test up; longer than a loaded machine takes.
fn impatient(mta: &Mta) -> Settings {
    let short = Duration::from_millis(700);
    let time_outs = TimeOuts { connect: short, command: short, content: short };
    Settings { time_outs, ..settings(Some(mta)) }
}

both!(every_answer_at_every_command_comes_to_what_it_should, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let mut bounces = 0;
    for (n, case) in cases().into_iter().enumerate() {
        let what = format!("{n}: {:?} at {:?}", case.act, case.stage);
        let what: String = what.chars().take(120).collect();
        // A worker of its own: no idle connection, and nothing learnt from the case before.
        let worker = Worker::new(post.context.clone(), impatient(&mta));
        post.app.store.unblock(&mta.addr.to_string()).await.unwrap();
        mta.script(case.stage, [case.act.clone()]);
        let before = mta.received().len();
        let sent = post.send(&ana, &[&format!("out@c{n}.test")], &what).await;
        worker.step().await.unwrap();
        let row = post.delivery(&ana, &sent).await;
        assert_eq!(post.state(&row), case.state, "{what}: {:?}", row.last_diagnostic);
        assert_eq!((row.attempts, row.last_code), (1, case.code), "{what}: {:?}", row.last_diagnostic);
        assert_eq!(row.last_enhanced_code.as_deref(), case.enhanced, "{what}");
        let said = row.last_diagnostic.clone().unwrap_or_default();
        assert!(said.contains(case.says) && said.chars().count() <= 500, "{what}: {said}");
        bounces += usize::from(case.state == "failed");
        assert_eq!(post.inbox(&ana).await.len(), bounces, "{what}");
        if case.state == "delayed" {
            mta.heal();
            let worker = Worker::new(post.context.clone(), impatient(&mta));
            post.app.store.unblock(&mta.addr.to_string()).await.unwrap();
            post.app.minutes(3);
            worker.step().await.unwrap();
            assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed", "{what}");
        }
        // Whatever was sent twice is the same, octet for octet.
        let received = mta.received().split_off(before);
        let copies = if matches!(case.act, Act::Lost) { 2 } else { usize::from(case.state != "failed") };
        assert_eq!(received.len(), copies, "{what}");
        assert!(received.iter().all(|one| one.data == received[0].data), "{what}");
        assert!(received.iter().all(|one| one.header("Message-ID") == format!("<{}>", sent.message_id)));
    }
});

both!(each_recipient_of_a_message_has_its_own_result, |engine| async move {
    let mta = Mta::start().await;
    mta.recipient("no@x.test", reply("550 5.7.1 no"));
    mta.recipient("later@x.test", reply("450 4.2.1 later"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["no@x.test", "later@x.test", "yes@x.test"], "mixed").await;
    post.settle().await;
    let mut states: Vec<_> = post
        .deliveries(&ana, &sent)
        .await
        .iter()
        .map(|row| (row.recipient.clone(), post.state(row)))
        .collect();
    states.sort();
    let wanted = [("later@x.test", "delayed"), ("no@x.test", "failed"), ("yes@x.test", "relayed")];
    assert_eq!(states, wanted.map(|(who, state)| (who.to_owned(), state)));
});

both!(what_the_next_hop_offers_is_used_and_what_it_lacks_is_told, |engine| async move {
    let mta = Mta::start().await;
    mta.extensions(&["SIZE 2000", "8BITMIME", "SMTPUTF8", "DSN"]);
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    post.send(&ana, &["out+tag@x.test"], "small").await;
    let large = Request { text: Some("x".repeat(3000)), ..request(&["out@x.test"], "large") };
    let large = post.request(&ana, large).await;
    post.settle().await;
    let received = mta.wait(1).await;
    let size = format!("SIZE={}", received[0].data.len());
    assert!(received[0].parameters.contains(&size), "{} lacks {size}", received[0].parameters);
    assert!(received[0].parameters.contains("RET=HDRS"), "{}", received[0].parameters);
    let rcpt = mta.commands().into_iter().find(|line| line.starts_with("RCPT")).unwrap();
    assert_eq!(rcpt, "RCPT TO:<out+tag@x.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;out+2Btag@x.test");
    let row = post.delivery(&ana, &large).await;
    assert_eq!(
        (row.reason_class.as_deref(), row.reason_code.as_deref(), row.last_enhanced_code.as_deref()),
        (Some("rejected_locally"), Some("too_large"), Some("5.3.4"))
    );
    assert!(row.last_diagnostic.unwrap().contains("at most 2000"));
    assert_eq!(mta.received().len(), 1);
    let bounce = post.inbox(&ana).await.remove(0);
    assert!(post.content(&bounce).await.text.unwrap().contains("without its attachments"));
});

both!(its_sender_is_told_once_that_it_takes_long, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 mailbox busy"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["out@x.test"], "hi").await;
    let started = post.app.now();
    while post.app.now() < started + 9 * 3_600_000 {
        post.settle().await;
        let told = post.inbox(&ana).await.len();
        if post.app.now() < started + 4 * 3_600_000 {
            assert_eq!(told, 0);
        }
        post.app.minutes(30);
    }
    let inbox = post.inbox(&ana).await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0].subject, "Delayed: hi");
    assert!(inbox[0].received_at < started + 8 * 3_600_000);
    let content = post.content(&inbox[0]).await;
    let text = content.text.unwrap();
    assert!(
        text.contains("has not reached out@x.test yet") && text.contains("450 4.2.1 mailbox busy"),
        "{text}"
    );
    assert!(content.report && content.automatic);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "delayed");
    // It is no failure, and the message still arrives.
    mta.heal();
    post.app.minutes(300);
    post.settle().await;
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
    assert_eq!(post.inbox(&ana).await.len(), 1);
});

both!(a_dead_letter_is_seen_and_can_be_tried_again, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let sent = post.send(&ana, &[&bo.address], "poison").await;
    for _ in 0..10 {
        let (now, lease) = (post.app.now(), post.app.id());
        let (until, lane) = (now + 45_000, Lane::Here);
        let claim = Claim { now, lease, until, lane, limit: 9, per_destination: 9, busy: &[] };
        assert_eq!(post.app.store.claim(claim).await.unwrap().len(), 1);
        post.app.seconds(46);
    }
    post.settle().await;
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.reason_code.as_deref()), ("failed", Some("poison")));
    let failed = post.app.store.deliveries(ana.id, false, Some("failed"), None, 10).await.unwrap();
    assert_eq!(failed.len(), 1);
    // Its cause is gone: it is tried again, and its crashes are forgotten.
    post.app.store.retry_delivery(ana.id, row.id, post.app.now()).await.unwrap();
    assert_eq!(post.settle().await, 1);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "delivered");
    assert_eq!(post.inbox(&bo).await.len(), 1);
    let submission = row.submission_id.unwrap();
    let kept = post.app.store.submission(ana.id, submission).await.unwrap().unwrap();
    assert_eq!((kept.unsettled, kept.failed), (0, 0));
    let again = post.app.store.retry_delivery(ana.id, row.id, post.app.now()).await;
    assert!(matches!(again, Err(restante::store::Error::Conflict)), "what was delivered stays so");
});

both!(what_the_next_hop_takes_settles_the_promise_once_with_the_last, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.send(&ana, &["a@x.test", "b@x.test", "c@y.test"], "to three").await;
    post.settle().await;
    mta.wait(3).await;
    let events = post.app.store.events(ana.id, 0, &[], 100).await.unwrap();
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "no gap, none twice");
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let ends = ["delivery.updated", "delivery.updated", "delivery.updated", "promise.settled"];
    assert!(kinds.ends_with(&ends), "{kinds:?}");
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!((promise.state.as_str(), promise.settled_at.is_some()), ("fulfilled", true));
    assert!(post.deliveries(&ana, &sent).await.iter().all(|row| post.state(row) == "relayed"));
});
