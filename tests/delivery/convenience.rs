//! Forwarding when it suits: quiet hours, digests, mutes, what was seen here already, one click to end it, and replies
//! of those who are away.

use restante::delivery::unsubscribe;
use restante::mail::hours::{Hours, Quiet};
use restante::mail::message::parse;
use restante::store::forwarding::Change;
use restante::store::mailbox::Role;
use restante::store::mute::Muted;
use restante::store::vacation::Vacation;
use restante::submission::Request;
use uuid::Uuid;

use super::{Post, request};
use crate::support::app::Person;
use crate::support::mail::letter;
use crate::support::mta::Mta;

async fn set(post: &Post, person: &Person, forwarding: Uuid, hours: Hours) {
    let change = Change { hours: Some(hours), ..Change::default() };
    post.app.store.change_forwarding(person.id, forwarding, change, post.app.now()).await.unwrap();
}

// The clock begins at ten in the morning, UTC.
both!(quiet_hours_and_what_was_seen_here, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let forwarding = post.forward(&bo, "bo@home.test", "full").await;
    let quiet = Some(Quiet { from: "10:00".into(), until: "12:00".into() });
    set(&post, &bo, forwarding, Hours { quiet, ..Hours::default() }).await;
    let (began, cy) = (post.app.now(), post.app.person("Cy").await);
    let sent = post.send(&ana, &[&bo.address, &cy.address, "out@x.test"], "first").await;
    post.send(&ana, &[&bo.address], "second").await;
    post.settle().await;
    assert_eq!(mta.received().len(), 1, "to others it goes, and for Bo it is quiet");
    // Who wrote sees how long; of those who are told at once, or are elsewhere, there is nothing to see.
    for row in post.deliveries(&ana, &sent).await {
        let told = (row.recipient == bo.address).then_some(began + 2 * 3_600_000);
        assert_eq!(row.earliest_seen_at, told, "{}", row.recipient);
    }
    // One of them is seen in the inbox meanwhile.
    let seen = post.inbox(&bo).await.into_iter().find(|email| email.subject == "first").unwrap();
    let change = restante::store::email::Change { seen: Some(true), ..Default::default() };
    post.app.store.change_emails(bo.id, vec![seen.id], change, None, post.app.now()).await.unwrap();
    post.app.minutes(119);
    post.settle().await;
    assert_eq!(mta.received().len(), 1, "it is still quiet");
    post.app.minutes(2);
    post.settle().await;
    let told = mta.wait(2).await;
    assert_eq!((told.len(), told[1].header("Subject").as_str()), (2, "second"));
    assert_eq!(post.settle().await, 0);
});

both!(a_digest_tells_of_all_that_was_not_seen, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let forwarding = post.forward(&bo, "bo@home.test", "full").await;
    let hours = Hours { times: vec!["17:00".into()], time_zone: Some("Europe/Berlin".into()), quiet: None };
    set(&post, &bo, forwarding, hours).await;
    for n in 0..3 {
        post.app.minutes(1);
        let sent = post.send(&ana, &[&bo.address], &format!("message {n} <b>")).await;
        post.settle().await;
        // Five in the afternoon in Berlin.
        let told = post.delivery(&ana, &sent).await.earliest_seen_at;
        assert_eq!(told, Some(1_795_428_000_000 + 6 * 3_600_000));
    }
    let seen = post.inbox(&bo).await.into_iter().find(|email| email.subject.contains('1')).unwrap();
    let change = restante::store::email::Change { seen: Some(true), ..Default::default() };
    post.app.store.change_emails(bo.id, vec![seen.id], change, None, post.app.now()).await.unwrap();
    assert!(mta.received().is_empty());
    post.app.minutes(6 * 60);
    post.settle().await;
    let told = mta.wait(1).await;
    let content = parse(&told[0].data).unwrap();
    assert_eq!(content.subject, "2 unread messages");
    let text = content.text.unwrap();
    assert!(text.contains("Ana: message 0 <b>") && text.contains("message 2") && !text.contains("message 1"));
    assert!(text.contains("The text of message 0"), "{text}");
    let html = content.html.unwrap();
    assert!(html.contains("message 0 &lt;b&gt;") && !html.contains("<b>message"), "{html}");
    assert!(content.automatic);
    // The next day's has only what is new, and a day without anything new has none.
    for _ in 0..2 {
        post.app.minutes(24 * 60);
        post.settle().await;
    }
    assert_eq!(mta.received().len(), 1);
    post.send(&ana, &[&bo.address], "fresh").await;
    post.settle().await;
    post.app.minutes(24 * 60);
    post.settle().await;
    let told = mta.wait(2).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].header("Subject"), "1 unread message");
});

both!(what_is_muted_is_filed_and_not_told, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo, cy) =
        (post.app.person("Ana").await, post.app.person("Bo").await, post.app.person("Cy").await);
    post.forward(&bo, "bo@home.test", "full").await;
    let store = &post.app.store;
    let first = store.mute(bo.id, post.app.id(), Muted::Sender(ana.address.clone()), 1).await.unwrap();
    let again = store.mute(bo.id, post.app.id(), Muted::Sender(ana.address.clone()), 2).await.unwrap();
    assert_eq!(first.id, again.id);
    post.send(&ana, &[&bo.address], "muted sender").await;
    let begun = post.send(&cy, &[&bo.address], "thread").await;
    post.settle().await;
    assert_eq!(mta.wait(1).await.len(), 1);
    let thread = post.inbox(&bo).await.into_iter().find(|email| email.subject == "thread").unwrap().thread_id;
    let muted = store.mute(bo.id, post.app.id(), Muted::Thread(thread), 3).await.unwrap();
    let more = Request { in_reply_to: Some(begun.id.to_string()), ..request(&[&bo.address], "Re: thread") };
    post.request(&cy, more.clone()).await;
    post.settle().await;
    assert_eq!((mta.received().len(), post.inbox(&bo).await.len()), (1, 3));
    assert!(matches!(store.unmute(ana.id, muted.id, 4).await, Err(restante::store::Error::NotFound)));
    store.unmute(bo.id, muted.id, 4).await.unwrap();
    post.request(&cy, more).await;
    post.settle().await;
    assert_eq!(mta.wait(2).await.len(), 2);
});

both!(one_click_ends_it, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let forwarding = post.forward(&bo, "bo@home.test", "full").await;
    post.send(&ana, &[&bo.address], "one").await;
    post.settle().await;
    let told = mta.wait(1).await.remove(0);
    assert_eq!(told.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    let link = told.header("List-Unsubscribe");
    let secret = link.trim().strip_prefix("<https://mail.example.org/u/").unwrap().strip_suffix('>').unwrap();
    let key = post.app.store.return_key().await.unwrap();
    assert_eq!(unsubscribe::read(key, secret), Some((bo.id, forwarding)));
    let pause = |paused| Change { paused: Some(paused), ..Change::default() };
    let (store, now) = (&post.app.store, post.app.now());
    assert!(store.change_forwarding(ana.id, forwarding, pause(true), now).await.is_err(), "it is Bo's");
    store.change_forwarding(bo.id, forwarding, pause(true), now).await.unwrap();
    post.send(&ana, &[&bo.address], "two").await;
    post.settle().await;
    assert_eq!(mta.received().len(), 1);
    store.change_forwarding(bo.id, forwarding, pause(false), now).await.unwrap();
    post.send(&ana, &[&bo.address], "three").await;
    post.settle().await;
    assert_eq!(mta.wait(2).await[1].header("Subject"), "three");
});

both!(who_is_away_answers_each_person_once_a_week, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let away = Vacation {
        account_id: bo.id,
        subject: None,
        body: "Back in May.".into(),
        from_at: Some(post.app.now() + 60_000),
        until_at: Some(post.app.now() + 30 * 86_400_000),
    };
    post.app.store.set_vacation(away.clone(), post.app.now()).await.unwrap();
    post.send(&ana, &[&bo.address], "too early").await;
    post.settle().await;
    assert!(post.inbox(&ana).await.is_empty());
    post.app.minutes(2);
    for n in 0..3 {
        post.send(&ana, &[&bo.address], &format!("hello {n}")).await;
        post.settle().await;
    }
    let inbox = post.inbox(&ana).await;
    assert_eq!(
        inbox.iter().map(|email| email.subject.as_str()).collect::<Vec<_>>(),
        ["Automatic reply: hello 0"]
    );
    let content = post.content(&inbox[0]).await;
    assert!(content.automatic && content.text.unwrap().contains("Back in May."));
    // Somebody outside as well; no machine, no list, and nobody who wrote to others.
    let person = letter("x@out.test", &bo.address, "hi", &[], "text");
    post.arrive("x@out.test", &[&bo.address], &person).await.unwrap();
    for (from, more) in [
        ("list@out.test", vec![("List-Id", "<news.out.test>")]),
        ("auto@out.test", vec![("Auto-Submitted", "auto-replied")]),
        ("news-request@out.test", vec![]),
        ("noreply@out.test", vec![]),
        ("", vec![]),
    ] {
        let machine = letter("machine@out.test", &bo.address, "hi", &more, "text");
        post.arrive(from, &[&bo.address], &machine).await.unwrap();
    }
    let blind = letter("y@out.test", "everybody@out.test", "hi", &[], "text");
    post.arrive("y@out.test", &[&bo.address], &blind).await.unwrap();
    post.settle().await;
    let replies = mta.wait(1).await;
    assert_eq!((replies.len(), replies[0].rcpt_to[0].as_str()), (1, "x@out.test"));
    assert_eq!(replies[0].header("Auto-Submitted"), "auto-replied");
    // Two who are away do not answer each other for ever.
    post.app.store.set_vacation(Vacation { account_id: ana.id, ..away }, post.app.now()).await.unwrap();
    post.app.minutes(8 * 24 * 60);
    post.send(&ana, &[&bo.address], "a week later").await;
    post.settle().await;
    assert_eq!(post.inbox(&ana).await.len(), 2);
    assert_eq!(post.mailbox(&bo, Role::Sent).await.len(), 3);
    assert_eq!(post.settle().await, 0);
});
