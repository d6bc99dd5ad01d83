//! Into mailboxes here, and what comes back when there is none.

use restante::mail::message::parse;
use restante::store::db::{Tx, sql};
use restante::store::mailbox::Role;

use super::{Post, request};
use crate::support::app::Person;
use crate::support::mail::letter;
use crate::support::mta::Mta;

both!(a_message_is_filed_once_for_each_recipient_with_its_events, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo, cy) =
        (post.app.person("Ana").await, post.app.person("Bo").await, post.app.person("Cy").await);
    let sent = post.send(&ana, &[&bo.address, &cy.address, &ana.address], "lunch").await;
    assert_eq!(post.inbox(&bo).await.len(), 0);
    assert_eq!(post.settle().await, 3);
    for person in [&ana, &bo, &cy] {
        let inbox = post.inbox(person).await;
        assert_eq!(inbox.len(), 1, "{}", person.address);
        let email = &inbox[0];
        assert_eq!((email.message_id.as_str(), email.subject.as_str()), (sent.message_id.as_str(), "lunch"));
        assert!(!email.seen && !email.outgoing);
        let events = post.app.store.events(person.id, 0, &["message.received".into()], 10).await.unwrap();
        assert_eq!(events.len(), 1);
        assert!(
            events[0].data.contains(&email.id.to_string())
                && events[0].data.contains(&email.thread_id.to_string())
        );
    }
    let own = post.inbox(&ana).await.remove(0);
    assert_eq!(own.thread_id, sent.thread_id);
    let told = post.app.store.events(ana.id, 0, &["delivery.updated".into()], 10).await.unwrap();
    assert_eq!(told.len(), 3);
    assert!(
        post.deliveries(&ana, &sent).await.iter().all(|d| post.state(d) == "delivered" && d.attempts == 1)
    );
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!((promise.state.as_str(), promise.settled_at), ("fulfilled", Some(post.app.now())));
    assert_eq!(post.settle().await, 0);
});

both!(a_thread_is_the_same_whichever_message_comes_first, |engine| async move {
    let post = Post::start(engine, None).await;
    let bo = post.app.person("Bo").await;
    let first = letter("x@out.test", &bo.address, "plan", &[("Message-ID", "<1@out.test>")], "one");
    let answer = letter(
        "y@out.test",
        &bo.address,
        "Re: plan",
        &[("Message-ID", "<2@out.test>"), ("In-Reply-To", "<1@out.test>"), ("References", "<1@out.test>")],
        "two",
    );
    post.arrive("y@out.test", &[&bo.address], &answer).await.unwrap();
    post.arrive("x@out.test", &[&bo.address], &first).await.unwrap();
    let inbox = post.inbox(&bo).await;
    assert_eq!(inbox.len(), 2);
    assert_eq!(inbox[0].thread_id, inbox[1].thread_id);
});

both!(one_account_with_two_addresses_gets_one_copy, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    alias(&post, &bo, "robert@example.org").await;
    let sent = post.send(&ana, &[&bo.address, "robert@example.org"], "twice").await;
    post.settle().await;
    assert_eq!(post.inbox(&bo).await.len(), 1);
    assert!(post.deliveries(&ana, &sent).await.iter().all(|d| post.state(d) == "delivered"));
});

both!(a_thousand_recipients, |engine| async move {
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let mut people = Vec::new();
    for n in 0..1000 {
        people.push(post.app.person(&format!("p{n}")).await);
    }
    let to: Vec<&str> = people.iter().map(|person| person.address.as_str()).collect();
    let sent = post.send(&ana, &to, "all of you").await;
    let started = std::time::Instant::now();
    assert_eq!(post.settle().await, 1000);
    eprintln!("1,000 recipients in {:?}", started.elapsed());
    for person in people.iter().step_by(97).chain([&people[999]]) {
        assert_eq!(post.inbox(person).await.len(), 1);
    }
    assert!(post.deliveries(&ana, &sent).await.iter().all(|d| post.state(d) == "delivered"));
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!(promise.state, "fulfilled");
});

both!(odd_ones_in_a_fan_out_harm_nobody, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    alias(&post, &bo, "robert@example.org").await;
    post.forward(&bo, "bo@home.test", "full").await;
    let mut people = Vec::new();
    for n in 0..40 {
        people.push(post.app.person(&format!("p{n}")).await);
    }
    let mut to: Vec<&str> = vec![&bo.address, "nobody@example.org", &ana.address];
    to.extend(people.iter().map(|person| person.address.as_str()));
    to.insert(20, "robert@example.org");
    let sent = post.send(&ana, &to, "many").await;
    assert_eq!(post.settle().await, 44 + 1);
    for person in people.iter().chain([&bo]) {
        let inbox = post.inbox(person).await;
        assert_eq!(inbox.len(), 1, "{}", person.address);
        let events = post.app.store.events(person.id, 0, &[], 100).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].seq, inbox[0].modseq), (1, 1));
    }
    let inbox = post.inbox(&ana).await;
    assert_eq!(inbox.len(), 2, "her own copy and the bounce");
    let events = post.app.store.events(ana.id, 0, &[], 200).await.unwrap();
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "no gap, none twice");
    assert_eq!(events.iter().filter(|event| event.kind == "delivery.updated").count(), 44);
    assert_eq!(events.iter().filter(|event| event.kind == "promise.settled").count(), 1);
    assert_eq!(events.last().unwrap().seq, post.app.store.modseq(ana.id).await.unwrap());
    let rows = post.deliveries(&ana, &sent).await;
    assert_eq!(rows.iter().filter(|row| post.state(row) == "delivered").count(), 43);
    assert_eq!(rows.iter().filter(|row| post.state(row) == "failed").count(), 1);
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!(
        (promise.state.as_str(), promise.reason_detail.as_deref()),
        ("rejected", Some("1 could not be delivered"))
    );
    assert_eq!(mta.wait(1).await.len(), 1, "Bo is told at home");
});

both!(an_unknown_recipient_comes_back_as_a_bounce, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let sent = post.send(&ana, &[&bo.address, "nobody@example.org"], "hello").await;
    post.settle().await;
    assert_eq!(post.inbox(&bo).await.len(), 1);
    let inbox = post.inbox(&ana).await;
    assert_eq!(inbox.len(), 1);
    let bounce = &inbox[0];
    assert_eq!(bounce.thread_id, sent.thread_id, "in the thread of what it tells of");
    let content = post.content(bounce).await;
    assert!(content.automatic && content.report);
    assert_eq!(content.in_reply_to.as_deref(), Some(sent.message_id.as_str()));
    let text = content.text.clone().unwrap();
    assert!(
        text.contains("nobody@example.org") && text.contains("“hello”") && text.contains("spelling"),
        "{text}"
    );
    let raw = raw(&post, bounce).await;
    for part in ["Action: failed", "Status: 5.1.1", "Final-Recipient: rfc822;", "message/delivery-status"] {
        assert!(raw.contains(part), "{part} is not in\n{raw}");
    }
    assert!(!raw.contains("The text of hello"), "only the header of the original");
    let failed =
        post.deliveries(&ana, &sent).await.into_iter().find(|d| d.recipient.starts_with("nobody")).unwrap();
    assert_eq!(post.state(&failed), "failed");
    assert_eq!(
        (failed.reason_class.as_deref(), failed.reason_code.as_deref()),
        (Some("permanent"), Some("unknown_recipient"))
    );
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!((promise.state.as_str(), promise.reason_code.as_deref()), ("rejected", Some("undeliverable")));
    parse(raw.as_bytes()).unwrap();
});

both!(a_destroyed_sent_copy_harms_no_recipient, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let sent = post.send(&ana, &[&bo.address], "gone").await;
    post.app.store.destroy_email(ana.id, sent.id, post.app.now()).await.unwrap();
    assert!(post.mailbox(&ana, Role::Sent).await.is_empty());
    post.settle().await;
    assert_eq!(post.inbox(&bo).await[0].subject, "gone");
});

both!(what_is_taken_back_is_not_delivered, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let later = post.app.now() + 60_000;
    let scheduled =
        restante::submission::Request { send_at: Some(later), ..request(&[&bo.address], "later") };
    let sent = post.request(&ana, scheduled).await;
    assert_eq!(post.settle().await, 0);
    let row = post.delivery(&ana, &sent).await;
    assert_eq!(post.state(&row), "scheduled");
    post.app.store.cancel_delivery(ana.id, row.id, post.app.now()).await.unwrap();
    post.app.minutes(2);
    assert_eq!(post.settle().await, 0);
    assert!(post.inbox(&bo).await.is_empty());
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "canceled");
});

async fn raw(post: &Post, email: &restante::store::email::EmailRow) -> String {
    let stored = post.app.store.blob(&email.digest().unwrap()).await.unwrap().unwrap();
    let mut raw = String::new();
    std::io::Read::read_to_string(&mut stored.reader(0).unwrap(), &mut raw).unwrap();
    raw
}

/// Gives a person another address.
async fn alias(post: &Post, person: &Person, address: &'static str) {
    let (id, now) = (person.id, post.app.now());
    let alias = async move |tx: &mut Tx| {
        let alias = sql(
            "insert into address (address, account_id, shown, main, created_at) values ($1, $2, $1, $3, $4)",
        );
        tx.run(alias.bind(address).bind(id).bind(false).bind(now)).await.map(drop)
    };
    post.app.store.write(alias).await.unwrap();
}
