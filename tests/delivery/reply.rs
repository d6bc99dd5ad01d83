//! Replies by mail to a notice's secret address.

use restante::mail::authentication::Authentication;
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

both!(whoever_was_told_confirms_a_reply_from_elsewhere, |engine| async move {
    let told = told(engine).await;
    let (post, ana, bo) = (&told.post, &told.ana, &told.bo);
    let mail = told.reply("Bo at work <bo@work.test>", &[]);
    told.arrive("bo@work.test", &mail).await;
    assert!(post.inbox(ana).await.is_empty(), "nothing is said in Bo's name");
    let copy = post.inbox(bo).await.remove(0);
    assert_eq!(copy.from_address.as_deref(), Some("bo@work.test"));
    let unverified = async || {
        post.app.store.evidence(bo.id, copy.id, copy.thread_id, &copy.digest().unwrap()).await.unwrap().1
    };
    assert!(unverified().await);
    // The one who was told is asked, not the one the mail says it is from; nobody can answer that mail.
    let mails = told.mta.wait(3).await;
    let asked = mails.iter().find(|mail| mail.body().contains("/confirm?token=")).unwrap();
    assert_eq!(
        (asked.rcpt_to.as_slice(), asked.header("Reply-To")),
        (&["Bo@home.test".to_owned()][..], String::new())
    );
    let text = asked.body();
    assert!(text.contains("bo@work.test") && text.contains("> Yes, at noon."), "{text}");
    assert!(!text.contains(&told.notice.mail_from), "the secret address is not told again");
    let token = text.split("/confirm?token=").nth(1).unwrap()[..64].to_owned();
    let confirm = async |token: &str| restante::delivery::unverified::confirm(&post.context, token).await;
    assert!(confirm("0").await.is_err());
    confirm(&token).await.unwrap();
    post.settle().await;
    let inbox = post.inbox(ana).await;
    assert_eq!(inbox.len(), 1);
    let content = post.content(&inbox[0]).await;
    assert_eq!(inbox[0].from_address.as_deref(), Some("bo@example.org"));
    assert_eq!(content.reply_text.as_deref().map(str::trim), Some("Yes, at noon."));
    let secret = told.notice.mail_from.split('@').next().unwrap().trim_start_matches("reply+").to_owned();
    assert!(!content.text.unwrap().contains(&secret));
    assert!(!unverified().await);
    assert_eq!(post.mailbox(bo, Role::Archive).await.iter().filter(|email| email.id == copy.id).count(), 1);
    // The link works once, and the mail once more says nothing twice.
    assert!(confirm(&token).await.is_err());
    told.arrive("bo@work.test", &mail).await;
    assert_eq!(post.inbox(ana).await.len(), 1);
});

both!(nobody_is_flooded_with_questions_about_replies, |engine| async move {
    let told = told(engine).await;
    for n in 0..9 {
        let mail = [told.reply("Eve <eve@out.test>", &[]), format!("{n}\r\n").into_bytes()].concat();
        told.arrive("eve@out.test", &mail).await;
    }
    let questions = told.mta.received().iter().filter(|mail| mail.body().contains("/confirm?token=")).count();
    assert_eq!(questions, 6, "as many as guesses are free, and the one that was too many");
    assert_eq!(told.post.inbox(&told.bo).await.len(), 10, "what came is there all the same");
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

both!(a_reply_that_its_domain_does_not_stand_for_is_not_the_persons, |engine| async move {
    let told = told(engine).await;
    let (post, ana, bo) = (&told.post, &told.ana, &told.bo);
    let mail = told.reply("Bo at home <bo@home.test>", &[]);
    let secret = told.notice.mail_from.clone();
    let found = |result: &str, policy: &str| {
        let mut found = Authentication::unknown("home.test");
        found.dmarc.result = result.to_owned();
        found.dmarc.policy = Some(policy.to_owned());
        Some(found)
    };
    for (n, (result, policy, role)) in [
        ("fail", "none", Role::Inbox),
        ("fail", "reject", Role::Junk),
        ("temperror", "reject", Role::Inbox),
        ("permerror", "none", Role::Inbox),
    ]
    .into_iter()
    .enumerate()
    {
        let mail = [mail.as_slice(), format!("{n}\r\n").as_bytes()].concat();
        let before = post.mailbox(bo, role).await.len();
        post.arrive_as("bo@home.test", &[&secret], &mail, found(result, policy)).await.unwrap();
        assert_eq!(post.mailbox(bo, role).await.len(), before + 1, "{result} {policy}");
    }
    post.settle().await;
    assert!(post.inbox(ana).await.is_empty() && post.mailbox(bo, Role::Sent).await.is_empty());
    post.arrive_as("bo@home.test", &[&secret], &mail, found("pass", "reject")).await.unwrap();
    post.settle().await;
    assert_eq!(post.inbox(ana).await.len(), 1);
});
