//! What a sender asked to be told (RFC 3461): kept, passed on, and done by ourselves where the next hop does not.

use restante::mail::notify::{Recipient, Wanted};
use restante::store::mailbox::Role;
use restante::submission::Request;

use super::{Post, request};
use crate::support::mta::{Mta, Stage, reply};

/// The same wish for each of these.
fn wanted(to: &[&str], notify: &str) -> Wanted {
    let recipient = |to: &&str| {
        let original = Some(format!("rfc822;first+{to}"));
        ((*to).to_owned(), Recipient { notify: notify.parse().unwrap(), original })
    };
    let recipients = to.iter().map(recipient).collect();
    Wanted { full: Some(true), envelope_id: Some("QQ=31".into()), recipients }
}

fn wishing(to: &[&str], notify: &str, subject: &str) -> Request {
    Request { wanted: wanted(to, notify), ..request(to, subject) }
}

both!(a_wish_is_passed_on_where_it_is_understood, |engine| async move {
    let mta = Mta::start().await;
    mta.extensions(&["8BITMIME", "DSN"]);
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let sent = post.request(&ana, wishing(&["out@x.test"], "SUCCESS,FAILURE", "tell me")).await;
    post.settle().await;
    let commands = mta.commands();
    let mail = commands.iter().find(|line| line.starts_with("MAIL")).unwrap();
    assert!(mail.contains(" RET=FULL ENVID=QQ+3D31"), "{mail}");
    let rcpt = commands.iter().find(|line| line.starts_with("RCPT")).unwrap();
    assert_eq!(rcpt, "RCPT TO:<out@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Bout@x.test");
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
    assert!(post.inbox(&ana).await.is_empty(), "whoever has it now tells of it");
    // What that tells is for whom asked.
    let path = mta.received()[0].mail_from.clone();
    let told = b"From: MAILER-DAEMON@x.test\r\nSubject: Delivered\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.test\r\n\r\n\
        Final-Recipient: rfc822; out@x.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n--b--\r\n";
    post.arrive("", &[&path], told).await.unwrap();
    assert_eq!(post.inbox(&ana).await.len(), 1);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
});

both!(success_is_told_by_us_where_nobody_else_does, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let to = ["out@x.test", bo.address.as_str()];
    let sent = post.request(&ana, wishing(&to, "SUCCESS", "tell me")).await;
    post.settle().await;
    let mut inbox = post.inbox(&ana).await;
    inbox.sort_by(|a, b| a.subject.cmp(&b.subject));
    let subjects: Vec<&str> = inbox.iter().map(|email| email.subject.as_str()).collect();
    assert_eq!(subjects, ["Delivered: tell me", "Handed on: tell me"]);
    for (email, action, who) in [(&inbox[0], "delivered", bo.address.as_str()), (&inbox[1], "relayed", to[0])]
    {
        let mut raw = Vec::new();
        let stored = post.app.store.blob(&email.digest().unwrap()).await.unwrap().unwrap();
        std::io::Read::read_to_end(&mut stored.reader(0).unwrap(), &mut raw).unwrap();
        let raw = String::from_utf8(raw).unwrap();
        for line in [
            "Original-Envelope-Id: QQ=31\r\n".to_owned(),
            format!("Original-Recipient: rfc822;first+{who}\r\n"),
            format!("Action: {action}\r\n"),
        ] {
            assert!(raw.contains(&line), "{line}: {raw}");
        }
    }
    assert_eq!(post.inbox(&bo).await.len(), 1);
    // Each is told of once, in the sender's thread.
    let own = post.app.store.email(ana.id, sent.id).await.unwrap().unwrap();
    assert!(inbox.iter().all(|email| email.thread_id == own.thread_id));
    assert_eq!(post.settle().await, 0);
});

both!(who_asks_for_nothing_is_told_nothing, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 busy"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let never = post.request(&ana, wishing(&["never@x.test"], "NEVER", "quietly")).await;
    let failure = post.request(&ana, wishing(&["failure@x.test"], "FAILURE", "only the end")).await;
    for _ in 0..14 {
        post.settle().await;
        post.app.minutes(60);
    }
    assert!(post.inbox(&ana).await.is_empty(), "no delay is told of");
    mta.always(Stage::Rcpt, reply("550 5.1.1 gone"));
    for _ in 0..8 {
        post.app.minutes(60);
        post.settle().await;
    }
    assert_eq!(post.state(&post.delivery(&ana, &never).await), "failed");
    assert_eq!(post.state(&post.delivery(&ana, &failure).await), "failed");
    let inbox = post.inbox(&ana).await;
    assert_eq!(
        inbox.iter().map(|email| email.subject.as_str()).collect::<Vec<_>>(),
        ["Not delivered: only the end"]
    );
    // The whole message came back, because that was asked for.
    let content = post.content(&inbox[0]).await;
    assert_eq!(content.attachments.last().unwrap().content_type, "message/rfc822");
    assert!(post.mailbox(&ana, Role::Archive).await.is_empty());
});
