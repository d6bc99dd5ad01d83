//! LMTP: what a mail server beside this one hands over, with a reply for each recipient; and messages in chunks.

use restante::smtp::{At, Kind, Listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Office;
use crate::support::Engine;
use crate::support::mail::{Smtp, header, letter};

async fn lmtp(office: &Office) -> Smtp {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(office.door.clone().serve_as(Kind::Lmtp, listener.into(), CancellationToken::new()));
    let (mut smtp, banner) = Smtp::connect(at).await;
    assert_eq!(banner, "220 example.org LMTP\r\n");
    assert!(smtp.command("EHLO mx.test").await.starts_with("500 5.5.1"));
    assert!(smtp.command("LHLO mx.test").await.starts_with("250-example.org"));
    smtp
}

both!(each_recipient_has_a_reply, |engine| async move {
    let office = Office::open(engine).await;
    let bo = office.app.person("Bo").await;
    let mut smtp = lmtp(&office).await;
    for _ in 0..2 {
        for (command, expected) in [
            ("MAIL FROM:<cy@outside.test>", "250 2.1.0"),
            ("RCPT TO:<ana@example.org>", "250 2.1.5"),
            ("RCPT TO:<nobody@example.org>", "550 5.1.1"),
            ("RCPT TO:<x@outside.test>", "550 5.7.1"),
            ("RCPT TO:<bo@example.org>", "250 2.1.5"),
            ("RCPT TO:<ANA@example.org>", "250 2.1.5"),
            ("DATA", "354"),
        ] {
            let reply = smtp.command(command).await;
            assert!(reply.starts_with(expected), "{command}: {reply}");
        }
        smtp.bytes(
            &[&letter("cy@outside.test", "ana@example.org", "Handed over", &[], "x\n")[..], b".\r\n"]
                .concat(),
        )
        .await;
        for _ in 0..3 {
            assert_eq!(smtp.reply().await, "250 2.6.0 Accepted\r\n");
        }
    }
    // Once in each mailbox, however often it was handed over.
    for account in [office.ana.id, bo.id] {
        let mail = office.mail_of(account).await;
        assert_eq!(mail.len(), 1);
        assert!(header(&office.raw(&mail[0]).await, "Received").contains("with LMTP id"));
    }
    // Without a recipient there is nothing to reply to.
    assert!(smtp.command("MAIL FROM:<>").await.starts_with("250"));
    assert!(smtp.command("RCPT TO:<nobody@example.org>").await.starts_with("550"));
    assert!(smtp.command("DATA").await.starts_with("554 5.5.1"));
    assert!(smtp.command("RSET").await.starts_with("250"));
    // A refused message is refused for each.
    for command in ["MAIL FROM:<>", "RCPT TO:<ana@example.org>", "RCPT TO:<bo@example.org>"] {
        assert!(smtp.command(command).await.starts_with("250"));
    }
    assert!(smtp.command("DATA").await.starts_with("354"));
    smtp.bytes(b"Subject: bad\n\r\nx\r\n.\r\n").await;
    assert!(smtp.reply().await.starts_with("550 5.6.0") && smtp.reply().await.starts_with("550 5.6.0"));
    assert!(smtp.command("QUIT").await.starts_with("221"));
});

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_in_the_file_system() {
    let office = Office::open(Engine::Sqlite).await;
    let path = office.app.database.dir().join("lmtp");
    let at: At = format!("unix:{}", path.display()).parse().unwrap();
    let listener = Listener::bind(&at).await.unwrap();
    assert!(Listener::bind(&at).await.is_err(), "somebody answers there");
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(office.door.clone().serve_as(Kind::Lmtp, listener, shutdown.clone()));
    let mut smtp = Smtp::over(tokio::net::UnixStream::connect(&path).await.unwrap());
    assert!(smtp.reply().await.starts_with("220 "));
    assert!(smtp.command("LHLO mx.test").await.starts_with("250-"));
    let mail = letter("cy@outside.test", "ana@example.org", "By a socket", &[], "x\n");
    assert!(smtp.send("cy@outside.test", &["ana@example.org"], &mail).await.starts_with("250"));
    drop(smtp);
    shutdown.cancel();
    crate::support::within("the end", serving).await.unwrap();
    assert!(!path.exists());
    // What a process left that was killed is taken over.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    Listener::bind(&at).await.unwrap();
    // A file is not.
    std::fs::remove_file(&path).ok();
    std::fs::write(&path, "mine").unwrap();
    assert!(Listener::bind(&at).await.is_err() && path.exists());
}

both!(messages_come_in_chunks, |engine| async move {
    let office = Office::open(engine).await;
    let mut smtp = office.session().await;
    // In one group, as RFC 3030 allows, dots being dots and a line being cut anywhere.
    smtp.bytes(
        b"MAIL FROM:<bo@outside.test>\r\nRCPT TO:<ana@example.org>\r\nBDAT 16\r\nSubject: pieces\rBDAT 0\r\nBDAT 12\r\n\n\r\n.\r\n..a\r\nxBDAT 1 LAST\r\ny",
    )
    .await;
    for expected in ["250 2.1.0", "250 2.1.5", "250 2.0.0", "250 2.0.0"] {
        let reply = smtp.reply().await;
        assert!(reply.starts_with(expected), "{expected}: {reply}");
    }
    // The second chunk began with the LF of the first one's CR: that is one line end.
    for expected in ["250 2.0.0", "250 2.6.0"] {
        let reply = smtp.reply().await;
        assert!(reply.starts_with(expected), "{expected}: {reply}");
    }
    let mail = office.mail_of(office.ana.id).await;
    assert!(office.raw(&mail[0]).await.ends_with(b"Subject: pieces\r\n\r\n.\r\n..a\r\nxy\r\n"));

    for (commands, octets, expected) in [
        ("", "BDAT 4 LAST\r\nabcd", "503 5.5.1"),
        ("MAIL FROM:<bo@outside.test>", "BDAT 4 LAST\r\nabcd", "554 5.5.1"),
        ("MAIL FROM:<bo@outside.test>|RCPT TO:<ana@example.org>", "BDAT 4\r\na\nbc", "550 5.6.0"),
        ("MAIL FROM:<bo@outside.test>|RCPT TO:<ana@example.org>", "BDAT 3 LAST\r\nab\r", "550 5.6.0"),
    ] {
        let mut smtp = office.session().await;
        for command in commands.split('|').filter(|command| !command.is_empty()) {
            assert!(smtp.command(command).await.starts_with("250"));
        }
        smtp.bytes(octets.as_bytes()).await;
        let reply = smtp.reply().await;
        assert!(reply.starts_with(expected), "{octets:?}: {reply}");
        // What was in the chunk is never taken for a command, and nothing is left of the transaction.
        assert!(smtp.command("NOOP").await.starts_with("250"), "{octets:?}");
        assert!(smtp.command("DATA").await.starts_with("503"), "{octets:?}");
    }
    // DATA, RCPT and MAIL have no place between chunks.
    for command in ["DATA", "RCPT TO:<ana@example.org>", "MAIL FROM:<>"] {
        let mut smtp = office.session().await;
        smtp.command("MAIL FROM:<bo@outside.test>").await;
        smtp.command("RCPT TO:<ana@example.org>").await;
        smtp.bytes(b"BDAT 2\r\nSu").await;
        assert!(smtp.reply().await.starts_with("250 2.0.0"));
        assert!(smtp.command(command).await.starts_with("503 5.5.1"), "{command}");
    }
    // Sizes: more than is taken in one chunk, over several, and so much that it is not waited for.
    let mut smtp = office.session().await;
    smtp.command("MAIL FROM:<bo@outside.test>").await;
    smtp.command("RCPT TO:<ana@example.org>").await;
    let line = "x".repeat(998) + "\r\n";
    smtp.bytes(format!("BDAT 1100000 LAST\r\n{}", line.repeat(1100)).as_bytes()).await;
    assert!(smtp.reply().await.starts_with("552 5.3.4"));
    assert!(smtp.command("BDAT 99999999999").await.starts_with("552 5.3.4"));
    assert_eq!(smtp.reply().await, "");
    assert_eq!(office.mail_of(office.ana.id).await.len(), 1);
});
