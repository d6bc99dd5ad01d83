//! A real Postfix as the one who brings mail: to the door for everybody, behind TLS, and by LMTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use restante::smtp::{Certificate, Door, Kind, Means, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Office;
use crate::support::mail::{Smtp, header, letter};
use crate::support::mta::Mta;
use crate::support::postfix::Postfix;
use crate::support::tls::Pki;
use crate::support::until;

/// What a client wrote, each time that it wrote something.
type Said = Arc<Mutex<Vec<Vec<u8>>>>;

/// A wire to a server that keeps what its clients say.
async fn overheard(server: SocketAddr) -> (SocketAddr, Said) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, said) = (listener.local_addr().unwrap(), Said::default());
    let kept = said.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let (kept, (mut from, mut to)) = (kept.clone(), client.into_split());
            let (mut answers, mut there) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(read @ 1..) = from.read(&mut buffer).await {
                    kept.lock().unwrap().push(buffer[..read].to_vec());
                    if there.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (at, said)
}

/// Hands one message to Postfix.
async fn bring(postfix: &Postfix, from: &str, to: &[&str], message: &[u8]) {
    let (mut smtp, banner) = Smtp::connect(postfix.addr).await;
    assert!(banner.starts_with("220"), "{banner}");
    assert!(smtp.command("EHLO client.test").await.starts_with("250-"));
    let mut commands = vec![format!("MAIL FROM:<{from}> BODY=8BITMIME SMTPUTF8")];
    commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
    for command in commands {
        let reply = smtp.command(&command).await;
        assert!(reply.starts_with("250"), "{command}: {reply}");
    }
    assert!(smtp.command("DATA").await.starts_with("354"));
    let reply = smtp.content(message).await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as"), "{reply}");
}

both!(it_brings_mail_to_every_door, |engine| async move {
    let office = Office::open(engine).await;
    let (bo, cy) = (office.app.person("Bo").await, office.app.person("Cy").await);
    let outside = Mta::start().await;
    // The door itself, the same overheard, one with a certificate, and LMTP.
    let (plain, said) = overheard(office.addr).await;
    let pki = Pki::new();
    let certificate = Some(Arc::new(Certificate::read(pki.files()).unwrap()));
    let means = Means { certificate, ..Means::default() };
    let secure = Door::with(office.app.context.clone(), Settings::default(), means);
    let mut at = Vec::new();
    for (door, kind) in [(secure, Kind::Relay), (office.door.clone(), Kind::Lmtp)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        at.push(listener.local_addr().unwrap().port());
        tokio::spawn(door.serve_as(kind, listener.into(), CancellationToken::new()));
    }
    let (plain, encrypted, lmtp) = (plain.port(), at[0], at[1]);
    let postfix = Postfix::start(&format!(
        "relayhost = [127.0.0.1]:{}\n\
         transport_maps = inline:{{ {{bo@example.org=smtp:[127.0.0.1]:{encrypted}}}, \
         {{cy@example.org=lmtp:inet:127.0.0.1:{lmtp}}}, {{nobody@example.org=lmtp:inet:127.0.0.1:{lmtp}}}, \
         {{example.org=smtp:[127.0.0.1]:{plain}}} }}\n\
         smtp_tls_policy_maps = inline:{{ {{[127.0.0.1]:{encrypted}=encrypt}} }}",
        outside.addr.port()
    ))
    .await;

    let subject = [("Message-ID", "<m1@outside.test>")];
    let to = ["ana@example.org", "bo@example.org", "cy@example.org", "nobody@example.org", "no@example.org"];
    let sent =
        letter("Jörg <jörg@outside.test>", "ana@example.org", "Grüße", &subject, "Für Ana\n.\n..\n.x\n");
    bring(&postfix, "jörg@outside.test", &to, &sent).await;
    for (person, protocol) in [(&office.ana, "UTF8SMTP"), (&bo, "UTF8SMTPS"), (&cy, "UTF8LMTP")] {
        let mail = until(protocol, || async { office.mail_of(person.id).await.pop() }).await;
        let raw = office.raw(&mail).await;
        let (_, text) = sent.split_at(sent.windows(4).position(|four| four == b"\r\n\r\n").unwrap());
        assert!(raw.ends_with(text), "{}", String::from_utf8_lossy(&raw));
        assert_eq!(mail.subject, "Grüße");
        assert_eq!(header(&raw, "Return-Path"), "<jörg@outside.test>");
        let received = header(&raw, "Received");
        assert!(received.starts_with("from postfix.test ([127.0.0.1])"), "{received}");
        assert!(received.contains(&format!(" with {protocol} id ")), "{received}");
    }
    // Its commands came in one piece, with what was offered.
    let all: Vec<String> =
        said.lock().unwrap().iter().map(|said| String::from_utf8_lossy(said).into_owned()).collect();
    let group = all.iter().find(|said| said.starts_with("MAIL FROM:")).unwrap();
    for part in ["<jörg@outside.test>", " SIZE=", " BODY=8BITMIME", " SMTPUTF8", "RCPT TO:<ana@example.org>"]
    {
        assert!(group.contains(part), "{part}: {group}");
    }
    assert!(group.ends_with("DATA\r\n"), "{group}");
    // Whom nobody knows here, by SMTP or LMTP, comes back from Postfix to the sender, with our words.
    let told = outside.wait(1).await.remove(0);
    assert_eq!((told.mail_from.as_str(), told.rcpt_to[0].as_str()), ("", "jörg@outside.test"));
    for line in ["Final-Recipient: rfc822; nobody@example.org", "Final-Recipient: rfc822; no@example.org"] {
        assert!(told.text().contains(line), "{line}: {}", told.text());
    }
    assert_eq!(told.text().matches("Status: 5.1.1").count(), 2, "{}", told.text());
    assert!(told.text().contains("Diagnostic-Code: smtp; 550 5.1.1"), "{}", told.text());

    // Large ones: up to the size that is offered, and beyond it not at all.
    let line = "Eine lange Zeile mit Umlauten: äöüß.\n";
    let subject = [("Message-ID", "<m2@outside.test>")];
    let large = letter("bo@outside.test", "ana@example.org", "large", &subject, &line.repeat(20_000));
    bring(&postfix, "bo@outside.test", &["ana@example.org", "cy@example.org"], &large).await;
    for person in [&office.ana, &cy] {
        let mail = until("the large one", || async {
            office.mail_of(person.id).await.into_iter().find(|mail| mail.subject == "large")
        });
        let raw = office.raw(&mail.await).await;
        assert!(raw.len() > large.len() && raw.ends_with(line.replace('\n', "\r\n").as_bytes()));
    }
    let more = letter("bo@outside.test", "ana@example.org", "larger", &[], &line.repeat(40_000));
    bring(&postfix, "bo@outside.test", &["ana@example.org"], &more).await;
    let told = outside.wait(2).await.remove(1);
    assert!(told.text().contains("Status: 5.3.4"), "{}", told.text());
    assert!(office.mail_of(office.ana.id).await.iter().all(|mail| mail.subject != "larger"));
});
