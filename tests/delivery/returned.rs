//! Bounces that come back to the return address of a delivery, and addresses that nothing is sent to.

use std::sync::Arc;
use std::time::Duration;

use restante::mail::address::Address;
use restante::store::mailbox::Role;
use restante::store::suppression::Suppressed;
use restante::submission::Settings;

use super::Post;
use crate::support::app::Person;
use crate::support::mta::{Mta, reply};

/// A report as other servers write it.
fn report(recipient: &str, action: &str, status: &str, diagnostic: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.x.test\r\nTo: <>\r\nSubject: Undelivered Mail Returned to Sender\r\n\
         Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.x.test\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\
         Remote-MTA: dns; inner.x.test\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

/// Sends one message outside and returns the reverse-path it went with.
async fn relayed(post: &Post, mta: &Mta, ana: &Person, to: &str) -> (restante::submission::Accepted, String) {
    let sent = post.send(ana, &[to], "hi").await;
    post.settle().await;
    let from = mta.received_for(to).last().unwrap().mail_from.clone();
    (sent, from)
}

both!(a_bounce_becomes_the_deliverys_failure, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let (sent, path) = relayed(&post, &mta, &ana, "gone@x.test").await;
    assert!(path.starts_with("b+") && path.ends_with("@example.org"), "{path}");
    let bounce = report("gone@x.test", "failed", "5.1.1", "550 5.1.1 <gone@x.test>: unknown");
    // Some servers shout.
    post.arrive("", &[&path.to_uppercase()], &bounce).await.unwrap();
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.reason_code.as_deref()), ("failed", Some("unknown_recipient")));
    assert_eq!((row.last_code, row.last_remote.as_deref()), (Some(550), Some("inner.x.test")));
    // Its sender has it, beside what was sent; the promise of delivery stays as it was.
    let inbox = post.inbox(&ana).await;
    let original = post.app.store.email(ana.id, sent.id).await.unwrap().unwrap();
    assert_eq!((inbox.len(), inbox[0].thread_id), (1, original.thread_id));
    let promise = post.app.store.promise(ana.id, sent.delivery_promise).await.unwrap().unwrap();
    assert_eq!(promise.state, "fulfilled");
    let kept = post.app.store.submission(ana.id, row.submission_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(kept.failed, 1);

    // The same once more, and a later "delivered", change nothing.
    post.arrive("", &[&path], &bounce).await.unwrap();
    post.arrive("", &[&path], &report("gone@x.test", "delivered", "2.0.0", "250 ok")).await.unwrap();
    assert_eq!(post.app.store.attempts(ana.id, &[row.id]).await.unwrap().len(), 2);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "failed");
    assert_eq!(post.inbox(&ana).await.len(), 1);

    // Nothing is sent there any more, until it expires.
    let again = post.send(&ana, &["Gone@x.test"], "again").await;
    post.settle().await;
    let row = post.delivery(&ana, &again).await;
    assert_eq!((row.reason_class.as_deref(), row.attempts), (Some("suppressed"), 1));
    assert_eq!(mta.received().len(), 1);
    let text = post.content(&post.inbox(&ana).await[0]).await.text.unwrap();
    assert!(text.contains("550 5.1.1 <gone@x.test>: unknown") && text.contains("suppressions"), "{text}");
    post.app.minutes(31 * 24 * 60);
    post.send(&ana, &["gone@x.test"], "later").await;
    post.settle().await;
    assert_eq!(mta.received().len(), 2);
});

both!(nobody_is_suppressed_where_that_is_set_to_never, |engine| async move {
    let mta = Mta::start().await;
    let mut post = Post::start(engine, Some(&mta)).await;
    post.context.settings = Arc::new(Settings { suppress_for: Duration::ZERO, ..Settings::default() });
    let ana = post.app.person("Ana").await;
    let (sent, path) = relayed(&post, &mta, &ana, "gone@x.test").await;
    let bounce = report("gone@x.test", "failed", "5.1.1", "550 5.1.1 <gone@x.test>: unknown");
    post.arrive("", &[&path], &bounce).await.unwrap();
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "failed");
    assert!(post.app.store.suppressions(None, None, 10).await.unwrap().is_empty());
});

both!(a_delay_and_a_note_change_no_outcome, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let (sent, path) = relayed(&post, &mta, &ana, "slow@x.test").await;
    let delay = report("slow@x.test", "delayed", "4.4.1", "timed out");
    post.arrive("", &[&path], &delay).await.unwrap();
    let note =
        b"From: slow@x.test\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nAway.\r\n";
    post.arrive("", &[&path], note).await.unwrap();
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.last_enhanced_code.as_deref()), ("relayed", Some("4.4.1")));
    assert!(post.inbox(&ana).await.is_empty(), "machines disturb nobody");
    assert_eq!(post.mailbox(&ana, Role::Archive).await.len(), 2);
    // A bounce without a form is for a person to read, and a soft one suppresses nobody.
    let plain = b"From: MAILER-DAEMON@old.x.test\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program.\r\n";
    post.arrive("", &[&path], plain).await.unwrap();
    assert_eq!(post.inbox(&ana).await.len(), 1);
    post.arrive("", &[&path], &report("slow@x.test", "failed", "4.4.7", "expired")).await.unwrap();
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.reason_code.as_deref()), ("failed", Some("gave_up")));
    assert!(post.app.store.suppressions(None, None, 10).await.unwrap().is_empty());
});

both!(a_forged_bounce_is_refused_or_only_a_message, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let (sent, path) = relayed(&post, &mta, &ana, "bo@x.test").await;
    let forged = report("bo@x.test", "failed", "5.1.1", "550 5.1.1 no");
    // For a guessed Message-ID, to the sender's own address.
    post.arrive("", &[&ana.address], &forged).await.unwrap();
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
    // With a changed proof, or one for another delivery.
    for n in [2, 30, 50, 62] {
        let mut changed = path.clone().into_bytes();
        changed[n] = if changed[n] == b'a' { b'b' } else { b'a' };
        let changed: Address = String::from_utf8(changed).unwrap().parse().unwrap();
        let resolved = post.app.store.resolve(&changed).await.unwrap();
        assert_eq!(resolved, restante::store::account::Resolved::Unknown, "{changed}");
    }
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
    // From here nobody writes to a return address.
    let inside = post.send(&ana, &[&path], "hello").await;
    post.settle().await;
    let row = post.delivery(&ana, &inside).await;
    assert_eq!(row.reason_code.as_deref(), Some("unknown_recipient"));
});

both!(an_address_that_is_refused_as_unknown_is_suppressed, |engine| async move {
    let mta = Mta::start().await;
    mta.recipient("no@x.test", reply("550 5.1.1 nobody"));
    mta.recipient("policy@x.test", reply("550 5.7.1 not from you"));
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    for _ in 0..3 {
        post.send(&ana, &["no@x.test", "policy@x.test"], "hi").await;
        post.settle().await;
    }
    let asked = |who: &str| mta.commands().iter().filter(|line| line.contains(who)).count();
    assert_eq!((asked("<no@x.test>"), asked("<policy@x.test>")), (1, 3));
    let listed = post.app.store.suppressions(None, None, 10).await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].address.as_str(), listed[0].source.as_str()),
        (1, "no@x.test", "bounce")
    );
    assert!(listed[0].detail.as_deref().unwrap().contains("550 5.1.1 nobody"));
    // Taken off the list, it is tried again.
    post.app.store.unsuppress(listed[0].id).await.unwrap();
    mta.heal();
    post.send(&ana, &["no@x.test"], "hi").await;
    post.settle().await;
    assert_eq!(mta.received_for("no@x.test").len(), 1);
    // An operator's own is not replaced by a bounce.
    let who: Address = "no@x.test".parse().unwrap();
    let now = post.app.now();
    post.app.store.suppress(Suppressed::new(&who, "asked us to stop", now, None)).await.unwrap();
    post.app.store.suppress(Suppressed::bounced(&who, "550", now, now + 1000)).await.unwrap();
    let kept = post.app.store.suppressions(Some("no@x.test"), None, 10).await.unwrap().remove(0);
    assert_eq!((kept.reason.as_str(), kept.expires_at), ("asked us to stop", None));
});
