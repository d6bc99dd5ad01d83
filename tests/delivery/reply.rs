//! Replies by mail to a notice's secret address.

use restante::store::mailbox::Role;

use super::Post;
use crate::support::Engine;
use crate::support::app::Person;
use crate::support::mail::letter;
use crate::support::mta::{Mta, Received};

struct Told {
    post: Post,
    mta: Mta,
    ana: Person,
    bo: Person,
    notice: Received,
}

/// Ana has written to Bo, and Bo was told of it at home.
async fn told(engine: Engine) -> Told {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    post.forward(&bo, "Bo@home.test", "full").await;
    post.send(&ana, &[&bo.address], "Lunch?").await;
    post.settle().await;
    let notice = mta.wait(1).await.remove(0);
    Told { post, mta, ana, bo, notice }
}

impl Told {
    fn reply(&self, from: &str, more: &[(&str, &str)]) -> Vec<u8> {
        let secret = &self.notice.mail_from;
        let id = self.notice.header("Message-ID");
        let quoted = format!(
            "Yes, at noon.\r\n\r\nOn Monday, Ana via Restante wrote:\r\n> {}\r\n> write to <{secret}>\r\n",
            restante::mail::reply::MARKER
        );
        let mut fields = vec![("In-Reply-To", id.as_str()), ("References", id.as_str())];
        fields.extend(more);
        letter(from, secret, "Re: Lunch?", &fields, &quoted)
    }

    async fn arrive(&self, from: &str, letter: &[u8]) {
        self.post.arrive(from, &[&self.notice.mail_from.to_uppercase()], letter).await.unwrap();
        self.post.settle().await;
    }
}

both!(a_reply_by_mail_becomes_a_message_of_the_account, |engine| async move {
    let told = told(engine).await;
    let (post, ana, bo) = (&told.post, &told.ana, &told.bo);
    let mail = told.reply("Bo at home <bo@home.test>", &[]);
    told.arrive("bo@home.test", &mail).await;
    let inbox = post.inbox(ana).await;
    assert_eq!(inbox.len(), 1);
    let (email, content) = (&inbox[0], post.content(&inbox[0]).await);
    assert_eq!(email.from_address.as_deref(), Some("bo@example.org"), "from the account, not from home");
    assert_eq!(email.subject, "Re: Lunch?");
    assert_eq!(content.reply_text.as_deref().map(str::trim), Some("Yes, at noon."));
    let sent = post.mailbox(ana, Role::Sent).await.remove(0);
    assert_eq!(
        (email.thread_id, content.in_reply_to.as_deref()),
        (sent.thread_id, Some(sent.message_id.as_str()))
    );
    let secret = told.notice.mail_from.split('@').next().unwrap().trim_start_matches("reply+").to_owned();
    assert!(!content.text.unwrap().contains(&secret), "the secret address goes to nobody");
    // In Bo's account it stands among what Bo has sent, in the thread.
    let own = post.mailbox(bo, Role::Sent).await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].thread_id, post.inbox(bo).await[0].thread_id);
    // The same mail again says nothing twice.
    told.arrive("bo@home.test", &mail).await;
    assert_eq!((post.inbox(ana).await.len(), post.mailbox(bo, Role::Sent).await.len()), (1, 1));
    assert_eq!(told.mta.received().len(), 1, "whoever replies is not told of it");
});

both!(an_attachment_of_a_reply_is_kept, |engine| async move {
    let told = told(engine).await;
    let secret = &told.notice.mail_from;
    let mail = format!(
        "From: bo@home.test\r\nTo: {secret}\r\nSubject: Re: Lunch?\r\nMessage-ID: <2@home.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n--b\r\n\
         Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=menu.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b--\r\n"
    );
    told.arrive("bo@home.test", mail.as_bytes()).await;
    let email = told.post.inbox(&told.ana).await.remove(0);
    assert!(email.has_attachment);
    let part = told.post.content(&email).await.attachments.remove(0);
    assert_eq!(
        (part.filename.as_deref(), part.content_type.as_str(), part.size),
        (Some("menu.pdf"), "application/pdf", 9)
    );
});

both!(a_stranger_with_the_secret_address_is_a_stranger, |engine| async move {
    let told = told(engine).await;
    let post = &told.post;
    told.arrive("eve@evil.test", &told.reply("Bo <eve@evil.test>", &[])).await;
    assert!(post.inbox(&told.ana).await.is_empty());
    let inbox = post.inbox(&told.bo).await;
    assert_eq!((inbox.len(), inbox[0].from_address.as_deref()), (2, Some("eve@evil.test")));
    assert_eq!(inbox[0].thread_id, inbox[1].thread_id);
});

both!(machines_are_kept_and_never_answered, |engine| async move {
    let told = told(engine).await;
    let post = &told.post;
    told.arrive("bo@home.test", &told.reply("bo@home.test", &[("Auto-Submitted", "auto-replied")])).await;
    // A bounce of the notice.
    told.arrive("", &told.reply("mailer-daemon@home.test", &[])).await;
    assert!(post.inbox(&told.ana).await.is_empty());
    let archive = post.mailbox(&told.bo, Role::Archive).await;
    assert_eq!(archive.len(), 2);
    assert!(archive.iter().all(|email| email.seen));
    assert_eq!(post.inbox(&told.bo).await.len(), 1);
    assert_eq!(told.mta.received().len(), 1, "and nobody is told of them");
});

both!(a_reply_to_what_came_from_outside_goes_there, |engine| async move {
    let told = told(engine).await;
    let (post, bo) = (&told.post, &told.bo);
    let mail = letter(
        "Xi <xi@out.test>",
        &bo.address,
        "offer",
        &[("Message-ID", "<9@out.test>"), ("Reply-To", "sales@out.test")],
        "buy",
    );
    post.arrive("xi@out.test", &[&bo.address], &mail).await.unwrap();
    post.settle().await;
    let notice = told.mta.wait(2).await.remove(1);
    let answer = letter("bo@home.test", &notice.mail_from, "Re: offer", &[], "no");
    post.arrive("bo@home.test", &[&notice.mail_from], &answer).await.unwrap();
    post.settle().await;
    let out = told.mta.wait(3).await.remove(2);
    assert_eq!(out.rcpt_to, ["sales@out.test"]);
    assert!(out.mail_from.starts_with("b+") && out.mail_from.ends_with("@example.org"));
    assert_eq!(out.header("In-Reply-To"), "<9@out.test>");
    assert!(!out.text().contains("home.test"), "the private address is not told");
});
