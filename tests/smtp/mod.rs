//! The SMTP door over TCP: what it takes, and what it withstands.

mod attacks;
mod authentication;
mod filter;
mod lmtp;
mod postfix;
mod submission;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use restante::mail::address::Address;
use restante::smtp::{Door, Settings, TimeOuts};
use restante::store::account::{Kind, NewAccount};
use restante::store::email::{EmailRow, Filter};
use restante::submission::Context;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::Engine;
use crate::support::app::{App, DOMAIN, Person};
use crate::support::mail::{Smtp, header, letter, send};

/// A door to an app with one person, Ana.
pub(super) struct Office {
    pub(super) app: App,
    pub(super) ana: Person,
    pub(super) door: Door,
    pub(super) addr: SocketAddr,
    pub(super) shutdown: CancellationToken,
    pub(super) serving: tokio::task::JoinHandle<()>,
}

impl Office {
    pub(super) async fn open(engine: Engine) -> Self {
        Self::with(engine, Settings::default(), 1 << 20).await
    }

    pub(super) async fn with(engine: Engine, settings: Settings, message_bytes: u64) -> Self {
        let app = App::start(engine).await;
        let ana = app.person("Ana").await;
        let context = Context {
            store: app.store.clone(),
            clock: app.clock.clone(),
            ids: app.ids.clone(),
            settings: Arc::new(restante::submission::Settings { message_bytes, ..Default::default() }),
            domain: DOMAIN.into(),
            relays: false,
            http: app.context.http.clone(),
            names: None,
        };
        let door = Door::new(context, settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(door.clone().serve(listener, shutdown.clone()));
        Self { app, ana, door, addr, shutdown, serving }
    }

    /// Everything in somebody's mailboxes.
    pub(super) async fn mail_of(&self, account: Uuid) -> Vec<EmailRow> {
        self.app.store.emails(account, &Filter::default(), None, 1000).await.unwrap()
    }

    /// The octets of a message.
    pub(super) async fn raw(&self, email: &EmailRow) -> Vec<u8> {
        let digest: [u8; 32] = email.digest.clone().try_into().unwrap();
        let stored = self.app.store.blob(&digest).await.unwrap().unwrap();
        let mut raw = Vec::new();
        std::io::Read::read_to_end(&mut stored.reader(0).unwrap(), &mut raw).unwrap();
        raw
    }

    /// A session after EHLO.
    pub(super) async fn session(&self) -> Smtp {
        let (mut smtp, banner) = Smtp::connect(self.addr).await;
        assert!(banner.starts_with("220 example.org ESMTP"), "{banner}");
        assert!(smtp.command("EHLO client.test").await.starts_with("250-"));
        smtp
    }

    /// A session after DATA for Ana.
    pub(super) async fn in_data(&self) -> Smtp {
        let mut smtp = self.session().await;
        assert!(smtp.command("MAIL FROM:<bo@outside.test>").await.starts_with("250"));
        assert!(smtp.command("RCPT TO:<ana@example.org>").await.starts_with("250"));
        assert!(smtp.command("DATA").await.starts_with("354"));
        smtp
    }
}

both!(a_message_arrives_with_its_trace, |engine| async move {
    let office = Office::open(engine).await;
    let sent = letter(
        "Bo <bo@outside.test>",
        "ana@example.org",
        "Hello",
        &[("Message-ID", "<m1@outside.test>")],
        "Hi\n.dot\n..two\n",
    );
    let reply = send(
        office.addr,
        "bo@outside.test",
        &["Ana@Example.org", "ana@example.org", "postmaster@outside.test"],
        &sent,
    )
    .await;
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
    let reply = send(office.addr, "bo@outside.test", &["Ana@Example.org", "ana@example.org"], &sent).await;
    assert_eq!(reply, "250 2.6.0 Accepted\r\n");
    let mail = office.mail_of(office.ana.id).await;
    assert_eq!(mail.len(), 1, "one recipient named twice");
    let raw = office.raw(&mail[0]).await;
    assert!(raw.ends_with(&sent), "{}", String::from_utf8_lossy(&raw));
    assert_eq!(header(&raw, "Return-Path"), "<bo@outside.test>");
    let received = header(&raw, "Received");
    assert!(
        received.starts_with("from client.test ([127.0.0.1])\tby example.org with ESMTP id "),
        "{received}"
    );
    assert!(received.ends_with("Mon, 23 Nov 2026 10:00:00 +0000"), "{received}");

    // The same mail once more: the answer to the first may have been lost.
    assert_eq!(
        send(office.addr, "bo@outside.test", &["ana@example.org"], &sent).await,
        "250 2.6.0 Accepted\r\n"
    );
    assert_eq!(office.mail_of(office.ana.id).await.len(), 1);
    // The same octets from somebody else are another mail.
    assert_eq!(send(office.addr, "", &["ana@example.org"], &sent).await, "250 2.6.0 Accepted\r\n");
    assert_eq!(office.mail_of(office.ana.id).await.len(), 2);
});

both!(large_and_utf8_messages_arrive_whole, |engine| async move {
    let office = Office::open(engine).await;
    let big = letter(
        "bo@outside.test",
        "ana@example.org",
        "Big",
        &[],
        &"Grüße, eine Zeile mit Umlauten.\n".repeat(20_000),
    );
    assert!(big.len() > 600_000 && big.len() < 1 << 20);
    assert_eq!(
        send(office.addr, "bo@outside.test", &["ana@example.org"], &big).await,
        "250 2.6.0 Accepted\r\n"
    );
    let mail = office.mail_of(office.ana.id).await;
    assert!(office.raw(&mail[0]).await.ends_with(&big));

    let address: Address = "öl@example.org".parse().unwrap();
    let (id, now) = (office.app.id(), office.app.now());
    let account =
        NewAccount { id, address, name: "Öl".into(), kind: Kind::Person, admin: false, password: None };
    office.app.store.create_account(account, now).await.unwrap();
    let mut smtp = office.session().await;
    assert!(
        smtp.command("MAIL FROM:<bö@outside.test> BODY=8BITMIME SMTPUTF8 SIZE=100").await.starts_with("250")
    );
    assert!(smtp.command("RCPT TO:<Öl@example.org>").await.starts_with("250"));
    assert!(smtp.command("DATA").await.starts_with("354"));
    smtp.bytes("From: bö@outside.test\r\nSubject: Ä\r\n\r\nÖ\r\n.\r\n".as_bytes()).await;
    assert!(smtp.reply().await.starts_with("250"));
    let raw = office.raw(&office.mail_of(id).await[0]).await;
    assert!(header(&raw, "Received").contains("with UTF8SMTP id"));
    assert_eq!(header(&raw, "Return-Path"), "<bö@outside.test>");
});

both!(sizes_hops_and_recipients_are_bounded, |engine| async move {
    let settings = Settings { recipients: 2, ..Settings::default() };
    let office = Office::with(engine, settings, 100_000).await;
    let mut smtp = office.session().await;
    assert!(smtp.command("MAIL FROM:<bo@outside.test> SIZE=100001").await.starts_with("552 5.3.4"));
    let long = letter("bo@outside.test", "ana@example.org", "Long", &[], &"x\n".repeat(60_000));
    assert!(smtp.send("bo@outside.test", &["ana@example.org"], &long).await.starts_with("552 5.3.4"));
    let line = letter("bo@outside.test", "ana@example.org", "Line", &[], &"x".repeat(3000));
    assert!(smtp.send("bo@outside.test", &["ana@example.org"], &line).await.starts_with("550 5.6.0"));
    let hop = ("Received", "from a by b; Mon, 23 Nov 2026 10:00:00 +0000");
    let looped = letter("bo@outside.test", "ana@example.org", "Loop", &[hop; 120], "x\n");
    assert!(smtp.send("bo@outside.test", &["ana@example.org"], &looped).await.starts_with("554 5.4.6"));
    assert_eq!(office.mail_of(office.ana.id).await.len(), 0);

    // The session is still in order after all that.
    assert!(smtp.command("MAIL FROM:<bo@outside.test>").await.starts_with("250"));
    assert!(smtp.command("RCPT TO:<ana@example.org>").await.starts_with("250"));
    office.app.person("Bea").await;
    assert!(smtp.command("RCPT TO:<bea@example.org>").await.starts_with("250"));
    assert!(smtp.command("RCPT TO:<ana@example.org>").await.starts_with("452 4.5.3"));
    assert!(smtp.command("DATA").await.starts_with("354"));
    smtp.bytes(&[&letter("b@x.test", "a@x.test", "Fits", &[hop; 40], "x\n")[..], b".\r\n"].concat()).await;
    assert!(smtp.reply().await.starts_with("250"));
    assert_eq!(office.mail_of(office.ana.id).await.len(), 1);
});

both!(a_message_without_its_end_is_forgotten, |engine| async move {
    let office = Office::open(engine).await;
    let mut smtp = office.in_data().await;
    smtp.bytes(b"Subject: half\r\n\r\nhalf a mess").await;
    drop(smtp);
    office.shutdown.cancel();
    crate::support::within("the end of the session", office.serving).await.unwrap();
    assert_eq!(office.app.store.emails(office.ana.id, &Filter::default(), None, 10).await.unwrap().len(), 0);
});

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_their_order() {
    let office = Office::open(Engine::Sqlite).await;
    let (mut smtp, _) = Smtp::connect(office.addr).await;
    for (command, expected) in [
        ("MAIL FROM:<bo@outside.test>", "503 5.5.1"),
        ("HELO client.test", "250 example.org"),
        ("MAIL FROM:<bo@outside.test> SIZE=1", "555 5.5.4"),
        (
            "EHLO client.test",
            "250-example.org\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
        ),
        ("RCPT TO:<ana@example.org>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("MAIL FROM:<>", "250 2.1.0"),
        ("MAIL FROM:<>", "503 5.5.1"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<postmaster>", "550 5.1.1"),
        ("RCPT TO:<ana@example.org>", "250 2.1.5"),
        ("RSET", "250 2.0.0"),
        ("DATA", "503 5.5.1"),
        ("VRFY ana", "252 2.1.5"),
        ("VRFY nobody", "252 2.1.5"),
        ("EXPN list", "502 5.5.1"),
        ("HELP", "214 2.0.0"),
        ("NOOP", "250 2.0.0"),
        ("STARTTLS", "502 5.5.1"),
        ("AUTH LOGIN", "502 5.5.1"),
        ("QUIT", "221 2.0.0"),
        ("NOOP", ""),
    ] {
        let reply = smtp.command(command).await;
        assert!(
            reply.starts_with(expected) && (reply.is_empty() == expected.is_empty()),
            "{command}: {reply}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_commands_is_answered_in_order() {
    let office = Office::open(Engine::Sqlite).await;
    let mut smtp = office.session().await;
    smtp.bytes(b"MAIL FROM:<bo@outside.test>\r\nRCPT TO:<ana@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n").await;
    for expected in ["250 2.1.0", "250 2.1.5", "550 5.1.1", "354"] {
        let reply = smtp.reply().await;
        assert!(reply.starts_with(expected), "{expected}: {reply}");
    }
    // The end comes in five pieces, and the next command right behind it.
    for piece in ["Subject: x\r\n\r\nx\r", "\n", ".", "\r", "\nNOOP\r\n"] {
        smtp.bytes(piece.as_bytes()).await;
        tokio::task::yield_now().await;
    }
    assert!(smtp.reply().await.starts_with("250 2.6.0"));
    assert!(smtp.reply().await.starts_with("250 2.0.0"));
    assert_eq!(office.mail_of(office.ana.id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_a_message_finish() {
    let office = Office::open(Engine::Sqlite).await;
    let mut waiting = office.session().await;
    let mut sending = office.in_data().await;
    sending.bytes(b"Subject: x\r\n\r\n").await;
    office.shutdown.cancel();
    assert!(waiting.reply().await.starts_with("421 4.3.2"));
    drop(waiting);
    sending.bytes(b"x\r\n.\r\n").await;
    assert!(sending.reply().await.starts_with("250 2.6.0"));
    assert!(sending.reply().await.starts_with("421 4.3.2"));
    drop(sending);
    crate::support::within("the door to close", office.serving).await.unwrap();
    assert_eq!(office.app.store.emails(office.ana.id, &Filter::default(), None, 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted() {
    let office =
        Office::with(Engine::Sqlite, Settings { connections: 3, ..Settings::default() }, 1 << 20).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(office.session().await);
    }
    assert!(Smtp::connect(office.addr).await.1.starts_with("421 4.7.0"));
    held.pop().unwrap().command("QUIT").await;
    // The place is free as soon as that session has seen the hang-up.
    crate::support::until("a free place", || async {
        Smtp::connect(office.addr).await.1.starts_with("220").then_some(())
    })
    .await;

    let few = Settings { connections_per_address: 1, ..Settings::default() };
    let office = Office::with(Engine::Sqlite, few, 1 << 20).await;
    let _held = office.session().await;
    assert!(Smtp::connect(office.addr).await.1.starts_with("421 4.7.0"));
}

/// Talks over a connection in memory, from an address that is not ours.
async fn over_memory(office: &Office, early: &[u8]) -> String {
    let (mut client, server) = tokio::io::duplex(64 << 10);
    client.write_all(early).await.unwrap();
    let remote: IpAddr = "192.0.2.1".parse().unwrap();
    let (door, shutdown) = (office.door.clone(), office.shutdown.clone());
    let session = tokio::spawn(async move { door.converse(server, remote, &shutdown).await });
    let mut said = vec![0; 512];
    let n = client.read(&mut said).await.unwrap();
    drop(client);
    crate::support::within("the session", session).await.unwrap();
    String::from_utf8_lossy(&said[..n]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_connects_so_often_in_a_minute() {
    let settings = Settings { connections_per_minute: 2, ..Settings::default() };
    let office = Office::with(Engine::Sqlite, settings, 1 << 20).await;
    for expected in ["220 ", "220 ", "421 4.7.0"] {
        assert!(over_memory(&office, b"").await.starts_with(expected), "{expected}");
    }
    // This machine itself is not counted.
    for _ in 0..5 {
        office.session().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_talks_before_the_greeting_is_sent_away() {
    let office = Office::open(Engine::Sqlite).await;
    assert!(over_memory(&office, b"EHLO spam.test\r\n").await.starts_with("554 5.5.0"));
    assert!(over_memory(&office, b"").await.starts_with("220 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_are_cut() {
    let short = TimeOuts { command: Duration::from_millis(100), ..TimeOuts::default() };
    let office =
        Office::with(Engine::Sqlite, Settings { time_outs: short, ..Settings::default() }, 1 << 20).await;
    let mut smtp = office.session().await;
    assert!(smtp.reply().await.starts_with("421 4.4.2"));
    let mut smtp = office.in_data().await;
    smtp.bytes(b"Subject: x\r\n").await;
    assert!(smtp.reply().await.starts_with("421 4.4.2"));

    let short = TimeOuts { data: Duration::from_millis(100), ..TimeOuts::default() };
    let office =
        Office::with(Engine::Sqlite, Settings { time_outs: short, ..Settings::default() }, 1 << 20).await;
    assert!(office.in_data().await.reply().await.starts_with("421 4.4.2"));
    let short = TimeOuts { session: Duration::from_millis(100), ..TimeOuts::default() };
    let office =
        Office::with(Engine::Sqlite, Settings { time_outs: short, ..Settings::default() }, 1 << 20).await;
    let (mut smtp, _) = Smtp::connect(office.addr).await;
    assert!(smtp.reply().await.starts_with("421 4.4.2"));
}
