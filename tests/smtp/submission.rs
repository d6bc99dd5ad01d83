//! Submission: TLS, AUTH, and mail in an account's own name only.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restante::smtp::{Certificate, Door, Kind, Listener, Means, Settings};
use restante::store::mailbox::{Role, role_id};
use restante::submission::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Office;
use crate::support::Engine;
use crate::support::mail::{Smtp, header, headers, letter};
use crate::support::tls::Pki;

/// Doors for those who have an account, beside the office's.
struct Counter {
    office: Office,
    pki: Pki,
    starttls: std::net::SocketAddr,
    implicit: std::net::SocketAddr,
}

impl Counter {
    async fn open(engine: Engine) -> Self {
        let (office, pki) = (Office::open(engine).await, Pki::new());
        let certificate = Some(Arc::new(Certificate::read(pki.files()).unwrap()));
        let context = Context { relays: true, ..office.app.context.clone() };
        let door = Door::with(context, Settings::default(), Means { certificate, ..Means::default() });
        let mut at = Vec::new();
        for kind in [Kind::Submission, Kind::Submissions] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            at.push(listener.local_addr().unwrap());
            tokio::spawn(door.clone().serve_as(kind, Listener::Tcp(listener), CancellationToken::new()));
        }
        Self { office, pki, starttls: at[0], implicit: at[1] }
    }

    /// A session behind STARTTLS, after EHLO; what EHLO was answered with.
    async fn private(&self) -> (Smtp, String) {
        let (mut smtp, banner) = Smtp::connect(self.starttls).await;
        assert!(banner.starts_with("220 example.org ESMTP"), "{banner}");
        let offered = smtp.command("EHLO client.test").await;
        assert!(offered.contains("STARTTLS") && !offered.contains("AUTH"), "{offered}");
        assert!(smtp.command("STARTTLS").await.starts_with("220 2.0.0"));
        let mut smtp = smtp.secure(&self.pki).await.unwrap();
        let offered = smtp.command("EHLO client.test").await;
        assert!(!offered.contains("STARTTLS"), "{offered}");
        (smtp, offered)
    }

    /// A session in which Ana is signed in.
    async fn signed(&self) -> Smtp {
        let (mut smtp, _) = self.private().await;
        let ana = &self.office.ana;
        let reply = smtp.command(&format!("AUTH PLAIN {}", plain(&ana.address, &ana.token))).await;
        assert!(reply.starts_with("235 2.7.0"), "{reply}");
        smtp
    }
}

fn plain(name: &str, secret: &str) -> String {
    STANDARD.encode(format!("\0{name}\0{secret}"))
}

both!(a_letter_is_submitted_as_it_is, |engine| async move {
    let counter = Counter::open(engine).await;
    let (office, ana) = (&counter.office, counter.office.ana.clone());
    let bo = office.app.person("Bo").await;
    let cy = office.app.person("Cy").await;
    let sent = letter(
        "Ana <ana@example.org>",
        "Bo <bo@example.org>",
        "Hello",
        &[
            ("Message-ID", "<m1@laptop.test>"),
            ("Bcc", "cy@example.org"),
            ("Date", "Mon, 23 Nov 2026 09:00:00 +0000"),
        ],
        "Hi\n.dot\n",
    );
    let to = ["bo@example.org", "cy@example.org", "di@outside.test"];
    // The same once more, as when the 250 was lost, is not sent again.
    for _ in 0..2 {
        let reply = counter.signed().await.send(&ana.address, &to, &sent).await;
        assert_eq!(reply, "250 2.6.0 Accepted\r\n");
    }
    office.app.settle().await;
    for person in [&bo, &cy] {
        let mail = office.mail_of(person.id).await;
        assert_eq!(mail.len(), 1);
        let raw = office.raw(&mail[0]).await;
        assert_eq!(header(&raw, "Message-ID"), "<m1@laptop.test>");
        assert!(!headers(&raw).iter().any(|(name, _)| name.eq_ignore_ascii_case("bcc")));
        assert!(header(&raw, "Received").starts_with("by example.org with ESMTPSA id "), "{raw:?}");
        assert!(raw.ends_with(b"Hi\r\n.dot\r\n"));
    }
    let own = office.mail_of(ana.id).await;
    assert_eq!((own.len(), own[0].mailbox_id), (1, role_id(ana.id, Role::Sent)));
    let open = office.app.database.look("select recipient from delivery where settled_at is null");
    assert_eq!(open, ["di@outside.test"]);
    office
        .app
        .database
        .write("update delivery set settled_at = 1, outcome = 'canceled' where settled_at is null");
});

both!(nobody_sends_in_anothers_name, |engine| async move {
    let counter = Counter::open(engine).await;
    let bo = counter.office.app.person("Bo").await;
    let mut smtp = counter.signed().await;
    for from in ["bo@example.org", "ana@outside.test", ""] {
        let reply = smtp.command(&format!("MAIL FROM:<{from}>")).await;
        assert!(reply.starts_with("550 5.7.1"), "{from}: {reply}");
    }
    for (from, more, code) in [
        ("bo@example.org", None, "550 5.7.1"),
        ("ana@example.org, bo@example.org", None, "550 5.5.4"),
        ("ana@example.org", Some(("From", "bo@example.org")), "550 5.5.4"),
        ("ana@example.org", Some(("Sender", "bo@example.org")), "550 5.7.1"),
    ] {
        let forged = letter(from, "bo@example.org", "Forged", more.as_slice(), "x\n");
        let reply = smtp.send("ana@example.org", &[&bo.address], &forged).await;
        assert!(reply.starts_with(code), "{from} {more:?}: {reply}");
    }
    assert!(smtp.command("RSET").await.starts_with("250"));
    assert!(smtp.command("MAIL FROM:<ana@example.org>").await.starts_with("250"));
    assert!(smtp.command("RCPT TO:<nobody@example.org>").await.starts_with("550 5.1.1"));
    counter.office.app.settle().await;
    assert!(counter.office.mail_of(bo.id).await.is_empty());
});

both!(only_a_good_token_over_tls_signs_in, |engine| async move {
    let counter = Counter::open(engine).await;
    let (app, ana) = (&counter.office.app, &counter.office.ana);
    let bo = app.person("Bo").await;
    // A28: before TLS nothing is asked for, and nothing is taken.
    let (mut smtp, _) = Smtp::connect(counter.starttls).await;
    smtp.command("EHLO client.test").await;
    let credentials = plain(&ana.address, &ana.token);
    assert!(smtp.command(&format!("AUTH PLAIN {credentials}")).await.starts_with("538 5.7.11"));
    assert!(smtp.command("MAIL FROM:<ana@example.org>").await.starts_with("530 5.7.0"));
    let (mut smtp, offered) = counter.private().await;
    assert!(offered.contains("AUTH PLAIN LOGIN"), "{offered}");
    assert!(smtp.command("MAIL FROM:<ana@example.org>").await.starts_with("530 5.7.0"));
    assert!(smtp.command("AUTH GSSAPI").await.starts_with("504 5.5.4"));
    for wrong in ["AUTH PLAIN ====", "AUTH PLAIN =", "AUTH PLAIN YQ=="] {
        assert!(smtp.command(wrong).await.starts_with("501 5.5.2"), "{wrong}");
    }
    assert!(smtp.command("AUTH PLAIN").await.starts_with("334 "));
    assert!(smtp.command("*").await.starts_with("501 5.7.0"));
    // A30: an answer of 100 KB.
    assert!(smtp.command("AUTH LOGIN").await.starts_with("334 VXNlcm5hbWU6"));
    assert!(smtp.command(&"A".repeat(60_000)).await.starts_with("500 5.5.6"));
    assert!(smtp.command("AUTH LOGIN").await.starts_with("334"));
    assert!(smtp.command(&STANDARD.encode("ANA@example.org")).await.starts_with("334 UGFzc3dvcmQ6"));
    assert!(smtp.command(&STANDARD.encode(&ana.token)).await.starts_with("235 2.7.0"));
    assert!(smtp.command(&format!("AUTH PLAIN {credentials}")).await.starts_with("503"));
    let reading = app.token(ana.id, "messages:read", None).await;
    for (name, secret) in [
        (bo.address.as_str(), ana.token.as_str()),
        (ana.address.as_str(), reading.as_str()),
        ("ana", ana.token.as_str()),
    ] {
        let (mut smtp, _) = counter.private().await;
        let reply = smtp.command(&format!("AUTH PLAIN {}", plain(name, secret))).await;
        assert!(reply.starts_with("535 5.7.8"), "{name}: {reply}");
    }
    // A token that is taken back is worth nothing from then on.
    let mut smtp = counter.signed().await;
    app.database.write("update token set revoked_at = 1");
    assert!(smtp.command("MAIL FROM:<ana@example.org>").await.starts_with("535 5.7.8"));
    assert_eq!(smtp.reply().await, "");
});

both!(guessing_is_braked, |engine| async move {
    // A30: 60 wrong passwords.
    let counter = Counter::open(engine).await;
    let ana = counter.office.ana.clone();
    let (mut wrong, mut sessions) = (0, 0);
    let braked = 'guessing: loop {
        let (mut smtp, _) = counter.private().await;
        sessions += 1;
        loop {
            let reply = smtp.command(&format!("AUTH PLAIN {}", plain(&ana.address, "rst_wrong"))).await;
            if reply.starts_with("454 4.7.0") {
                break 'guessing true;
            }
            if reply.is_empty() {
                break;
            }
            assert!(reply.starts_with("535 5.7.8"), "{reply}");
            wrong += 1;
        }
        if wrong > 60 {
            break false;
        }
    };
    assert!(braked && wrong >= 3 && sessions > 1, "{wrong} guesses in {sessions} sessions");
    // The right one has to wait as well.
    let (mut smtp, _) = counter.private().await;
    let reply = smtp.command(&format!("AUTH PLAIN {}", plain(&ana.address, &ana.token))).await;
    assert!(reply.starts_with("454"), "{reply}");
    counter.office.app.minutes(24 * 60);
    counter.signed().await;
});

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_tls_does_not_count() {
    // A25, A26: what somebody in the middle puts behind STARTTLS is thrown away, and the transaction is forgotten.
    let counter = Counter::open(Engine::Sqlite).await;
    let (mut smtp, _) = Smtp::connect(counter.starttls).await;
    smtp.command("EHLO client.test").await;
    smtp.bytes(b"STARTTLS\r\nEHLO evil.test\r\nNOOP\r\n").await;
    assert!(smtp.reply().await.starts_with("220"));
    let mut smtp = smtp.secure(&counter.pki).await.unwrap();
    assert!(smtp.command("MAIL FROM:<ana@example.org>").await.starts_with("503 5.5.1"), "EHLO is forgotten");
    assert!(smtp.command("EHLO client.test").await.starts_with("250-"));
    assert!(smtp.command("STARTTLS").await.starts_with("503"));
    // A27: who knows no TLS since 1.2 is sent away; the door stays open.
    let (mut old, _) = Smtp::connect(counter.starttls).await;
    old.command("EHLO client.test").await;
    assert!(old.command("STARTTLS").await.starts_with("220"));
    // A ClientHello of TLS 1.0.
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
    old.bytes(&hello).await;
    let mut said = old.rest().await;
    said.truncate(1);
    assert!(said.is_empty() || said == [21], "an alert, or nothing: {said:?}");
    counter.signed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_beginning_and_a_new_certificate() {
    let mut counter = Counter::open(Engine::Sqlite).await;
    for versions in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (mut smtp, banner) =
            Smtp::connect_tls(counter.implicit, &counter.pki, &[versions]).await.unwrap();
        assert!(banner.starts_with("220 "), "{banner}");
        let offered = smtp.command("EHLO client.test").await;
        assert!(offered.contains("AUTH PLAIN LOGIN") && !offered.contains("STARTTLS"), "{offered}");
        assert!(smtp.command("QUIT").await.starts_with("221"));
    }
    // The files change: sessions go on, new ones have the new certificate.
    let mut before = counter.signed().await;
    counter.pki.renew();
    counter.signed().await;
    assert!(before.command("NOOP").await.starts_with("250"));
    // One that cannot be used changes nothing.
    std::fs::write(counter.pki.files().key, "no key").unwrap();
    counter.signed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swaks_submits_over_tls() {
    let counter = Counter::open(Engine::Sqlite).await;
    let ana = counter.office.ana.clone();
    let bo = counter.office.app.person("Bo").await;
    for (at, tls, mechanism) in [(counter.starttls, "-tls", "PLAIN"), (counter.implicit, "-tlsc", "LOGIN")] {
        let (at, ana, to) = (at.to_string(), ana.clone(), bo.address.clone());
        let swaks = tokio::task::spawn_blocking(move || {
            let arguments =
                ["--server", &at, tls, "--auth", mechanism, "--auth-user", &ana.address, "--auth-password"];
            let message =
                ["--from", &ana.address, "--to", &to, "--header", "Subject: swaks", "--body", "Hello"];
            std::process::Command::new("swaks").args(arguments).arg(&ana.token).args(message).output()
        });
        let output = swaks.await.unwrap().expect("swaks (apt-get install swaks libnet-ssleay-perl)");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    counter.office.app.settle().await;
    assert_eq!(counter.office.mail_of(bo.id).await.len(), 2);
}
