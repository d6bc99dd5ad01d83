//! Forwarding: what arrives is told of at an outside address, once, and never in circles.

use restante::delivery::forward::{confirm_digest, verification};
use restante::mail::address::Address;
use restante::mail::message::parse;
use restante::store::Error;
use restante::store::operate::Open;
use restante::submission::{Attachment, Request, Source};

use super::{Post, request};
use crate::support::mail::letter;
use crate::support::mta::{Act, Mta, Received, Stage, reply};

/// The notice's header and texts, without what differs from run to run.
fn shown(notice: &Received) -> String {
    let content = parse(&notice.data).unwrap();
    let raw = notice.text().replace("\r\n", "\n");
    let header = raw.split("\n\n").next().unwrap();
    let header = header.lines().filter(|line| !line.contains("boundary")).collect::<Vec<_>>().join("\n");
    let whole =
        format!("{header}\n\n=== text\n{}\n=== html\n{}", content.text.unwrap(), content.html.unwrap());
    // Ids and secrets: every long run of hexadecimal digits.
    let long = |word: &&str| word.len() >= 32;
    let mut words: Vec<_> = whole.split(|c: char| !c.is_ascii_hexdigit() && c != '-').filter(long).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.iter().fold(whole.clone(), |text, word| text.replace(word, "ID"))
}

both!(what_arrives_is_told_of_at_a_verified_address, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "bo@home.test", "full").await;
    let file = Attachment {
        source: Source::Bytes(b"some octets".to_vec()),
        filename: Some("note.txt".into()),
        content_type: Some("text/plain".into()),
        inline: false,
        content_id: None,
    };
    post.request(&ana, Request { attachments: vec![file], ..request(&[&bo.address], "Lunch?") }).await;
    post.settle().await;
    let notices = mta.wait(1).await;
    assert_eq!(notices.len(), 1);
    let notice = &notices[0];
    let email = post.inbox(&bo).await.remove(0);
    assert_eq!(notice.rcpt_to, ["bo@home.test"]);
    let secret = notice.header("Reply-To");
    assert!(
        secret.starts_with("reply+") && secret.ends_with("@example.org") && secret.len() == 6 + 32 + 12,
        "{secret}"
    );
    assert_eq!(notice.mail_from, secret);
    assert_eq!(notice.header("Subject"), "Lunch?");
    assert_eq!(notice.header("Auto-Submitted"), "auto-generated");
    assert_eq!(notice.header("List-Id"), format!("<{}.notices.example.org>", bo.id.simple()));
    let content = parse(&notice.data).unwrap();
    let from = content.from.clone().unwrap();
    assert_eq!(
        (from.name.as_deref(), from.address.as_str()),
        (Some("Ana via Restante"), "notify@example.org")
    );
    let text = content.text.clone().unwrap();
    assert!(text.starts_with(restante::mail::reply::MARKER), "{text}");
    assert!(
        text.contains("The text of Lunch?.")
            && text.contains(&format!("https://mail.example.org/t/{}", email.thread_id))
    );
    assert!(content.html.unwrap().contains("The text of Lunch?."));
    assert_eq!(content.attachments.len(), 1);
    assert_eq!(content.attachments[0].filename.as_deref(), Some("note.txt"));
    assert!(content.automatic);
    if engine == crate::support::Engine::Sqlite {
        insta::assert_snapshot!(shown(notice));
    }
    // Nothing is told to whoever sent it.
    assert_eq!(post.settle().await, 0);
});

both!(every_attempt_sends_the_same_notice, |engine| async move {
    let mta = Mta::start().await;
    mta.script(Stage::Body, [Act::Lost, reply("451 4.3.0 later")]);
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "bo@home.test", "full").await;
    let sent = post.send(&ana, &[&bo.address], "hi").await;
    for _ in 0..3 {
        post.settle().await;
        post.app.minutes(10);
    }
    let notices = mta.wait(2).await;
    assert_eq!(notices.len(), 2);
    assert_eq!(notices[0].data, notices[1].data);
    assert_eq!(notices[0].mail_from, notices[1].mail_from);
    // The notices of one thread are a thread to a mail program, too.
    let answer = Request { in_reply_to: Some(sent.id.to_string()), ..request(&[&bo.address], "Re: hi") };
    post.request(&ana, answer).await;
    post.settle().await;
    let more = mta.wait(3).await;
    assert_ne!(more[2].header("Message-ID"), more[0].header("Message-ID"));
    assert_ne!(more[2].mail_from, more[0].mail_from);
    assert_eq!(more[2].header("References"), more[0].header("References"));
});

both!(a_mere_notice_tells_nothing_of_the_text, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "bo@home.test", "notice").await;
    let file = Attachment {
        source: Source::Bytes(b"some octets".to_vec()),
        filename: Some("secret-plan.txt".into()),
        content_type: None,
        inline: false,
        content_id: None,
    };
    post.request(&ana, Request { attachments: vec![file], ..request(&[&bo.address], "hi") }).await;
    post.settle().await;
    let notice = parse(&mta.wait(1).await[0].data).unwrap();
    let both = notice.text.unwrap() + &notice.html.unwrap();
    assert!(both.contains("You have a message from Ana."), "{both}");
    assert!(!both.contains("The text of") && !both.contains("secret-plan"));
    assert!(notice.attachments.is_empty());
});

both!(large_attachments_are_named_not_sent, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "bo@home.test", "full").await;
    let file = |name: &str, size: usize| Attachment {
        source: Source::Bytes(vec![7; size]),
        filename: Some(name.into()),
        content_type: Some("application/octet-stream".into()),
        inline: false,
        content_id: None,
    };
    let attachments = vec![file("big.bin", 10 << 20), file("small.bin", 1000)];
    post.request(&ana, Request { attachments, ..request(&[&bo.address], "big") }).await;
    post.settle().await;
    let received = mta.wait(1).await;
    assert!(received[0].data.len() < 20_000);
    let notice = parse(&received[0].data).unwrap();
    assert!(notice.text.unwrap().contains("[Attached: big.bin, 10.4 MB]"));
    assert!(notice.attachments.is_empty());
});

both!(nothing_is_told_of_in_circles, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let bo = post.app.person("Bo").await;
    post.forward(&bo, "bo@home.test", "full").await;
    let own_list = format!("<{}.notices.example.org>", bo.id.simple());
    let hops: Vec<(&str, &str)> = vec![("Received", "from a by b; Mon, 23 Nov 2026 10:00:00 +0000"); 26];
    for more in [
        vec![("Auto-Submitted", "auto-generated")],
        vec![("Auto-Submitted", "auto-replied (vacation)")],
        vec![("List-Id", own_list.as_str())],
        hops,
    ] {
        let loops = letter("x@out.test", &bo.address, "loop", &more, "round and round");
        post.arrive("x@out.test", &[&bo.address], &loops).await.unwrap();
    }
    assert_eq!(post.inbox(&bo).await.len(), 4, "it is filed all the same");
    assert_eq!(post.settle().await, 0);
    // A mailing list's mail is told of; the notice, when it comes back, ends here.
    let list = [("List-Id", "<news.lists.test>"), ("Precedence", "list")];
    let fine = letter("x@out.test", &bo.address, "fine", &list, "text");
    post.arrive("x@out.test", &[&bo.address], &fine).await.unwrap();
    post.settle().await;
    let notice = mta.wait(1).await.remove(0);
    post.arrive(&notice.mail_from, &[&bo.address], &notice.data).await.unwrap();
    assert_eq!(post.settle().await, 0);
    assert_eq!(mta.received().len(), 1);
});

both!(an_address_of_ours_is_never_forwarded_to, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let account = post.account(&bo).await;
    let ours: Address = ana.address.parse().unwrap();
    let refused = verification(&post.context, "https://x", &account, post.app.id(), &ours).await;
    assert!(matches!(refused, Err(Error::Conflict)));
    // One that became ours after it was verified.
    post.forward(&bo, "bo@home.test", "full").await;
    post.app.store.add_domain("home.test".into(), post.app.now()).await.unwrap();
    post.send(&ana, &[&bo.address], "hi").await;
    post.settle().await;
    assert_eq!(post.inbox(&bo).await.len(), 1);
    assert!(mta.received().is_empty());
});

both!(a_bounce_is_told_of_and_a_deleted_forwarding_is_not_used, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&ana, "ana@home.test", "full").await;
    let forwarding = post.forward(&bo, "bo@home.test", "full").await;
    post.send(&ana, &["nobody@example.org"], "hi").await;
    post.settle().await;
    let told = mta.wait(1).await.remove(0);
    assert_eq!(told.rcpt_to, ["ana@home.test"]);
    assert!(told.text().contains("nobody@example.org"));
    mta.always(Stage::Mail, reply("451 4.3.0 later"));
    post.send(&ana, &[&bo.address], "hi").await;
    post.settle().await;
    post.app.store.delete_forwarding(bo.id, forwarding, post.app.now()).await.unwrap();
    mta.heal();
    post.app.minutes(60);
    assert_eq!(post.settle().await, 0);
    assert_eq!(mta.received().len(), 1);
});

both!(a_refused_notice_bounces_to_nobody, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("550 5.1.1 gone"));
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "bo@home.test", "full").await;
    post.send(&ana, &[&bo.address], "hi").await;
    post.settle().await;
    assert_eq!((post.inbox(&ana).await.len(), post.inbox(&bo).await.len()), (0, 1));
    assert_eq!(post.settle().await, 0);
});

both!(the_secret_address_is_kept_out_of_what_is_recorded, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "bo@home.test", "full").await;
    post.send(&ana, &[&bo.address], "one").await;
    post.settle().await;
    let secret = mta.wait(1).await.remove(0).mail_from;
    mta.always(Stage::Mail, reply(&format!("451 4.7.1 <{secret}>: wait")));
    post.send(&ana, &[&bo.address], "two").await;
    post.settle().await;
    let queue = post.app.store.queue(Open::default(), 10).await.unwrap();
    let said = queue[0].last_diagnostic.as_deref().unwrap();
    assert_eq!(said, "4.7.1 <reply@example.org>: wait");
});

both!(an_outside_address_is_asked_first, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let (id, to) = (post.app.id(), "bo@home.test".parse::<Address>().unwrap());
    let account = post.account(&bo).await;
    let asked = verification(&post.context, "https://mail.example.org/", &account, id, &to).await.unwrap();
    let store = &post.app.store;
    store
        .create_forwarding(bo.id, id, to.to_string(), "full".into(), None, asked, post.app.now())
        .await
        .unwrap();
    post.send(&ana, &[&bo.address], "too early").await;
    post.settle().await;
    let received = mta.wait(1).await;
    assert_eq!(received.len(), 1, "only the question");
    assert_eq!(
        (received[0].mail_from.as_str(), received[0].rcpt_to.as_slice()),
        ("", &["bo@home.test".to_owned()][..])
    );
    let text = parse(&received[0].data).unwrap().text.unwrap();
    let token = text
        .split("https://mail.example.org/confirm?token=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    assert!(store.confirmable(confirm_digest("another"), post.app.now()).await.unwrap().is_none());
    store.confirm(confirm_digest(token), post.app.now()).await.unwrap();
    post.send(&ana, &[&bo.address], "now").await;
    post.settle().await;
    assert_eq!(mta.wait(2).await[1].header("Subject"), "now");
});
