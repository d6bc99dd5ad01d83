//! An outside filter: what it is shown, what its verdicts come to, and that nobody waits for one that is gone.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use restante::smtp::{Door, Filter, Means, Settings};
use restante::store::mailbox::{Role, role_id};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Office;
use crate::support::mail::{Smtp, letter};
use crate::support::{PATIENCE, until};

/// What a filter was asked: the header fields, several of a name joined, and the message.
type Asked = (HashMap<String, String>, Vec<u8>);

struct Seen {
    asked: Vec<Asked>,
    /// Requests that wait for their answer, and how many did at most.
    open: usize,
    most: usize,
    gate: Arc<Semaphore>,
}

/// A filter that answers as the subject says: `answer:` and JSON, `status:` and a number, `gate` when that is opened;
/// nothing at all otherwise.
async fn filter() -> (SocketAddr, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let seen = Seen { asked: Vec::new(), open: 0, most: 0, gate: Arc::new(Semaphore::new(0)) };
    let seen = Arc::new(Mutex::new(seen));
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = all.clone();
            tokio::spawn(async move { answer(stream, &seen).await });
        }
    });
    (at, seen)
}

async fn answer(stream: TcpStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let (mut stream, mut line, mut fields) = (BufReader::new(stream), String::new(), HashMap::new());
    stream.read_line(&mut line).await?;
    assert_eq!(line, "POST /checkv2 HTTP/1.1\r\n");
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let field: &mut String = fields.entry(name.to_ascii_lowercase()).or_default();
        field.push_str(value);
    }
    let mut message = vec![0; fields["content-length"].trim().parse().unwrap()];
    stream.read_exact(&mut message).await?;
    let text = String::from_utf8_lossy(&message).into_owned();
    let gate = {
        let mut seen = seen.lock().unwrap();
        seen.asked.push((fields, message));
        seen.open += 1;
        seen.most = seen.most.max(seen.open);
        seen.gate.clone()
    };
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
    let (status, body) = match subject.split_once(':') {
        Some(("status", status)) => (status, ""),
        Some(("answer", json)) => ("200 OK", json),
        _ if subject == "gate" => {
            gate.acquire().await.unwrap().forget();
            ("200 OK", "{\"action\": \"no action\"}")
        }
        _ => return stream.read_line(&mut line).await.map(drop),
    };
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    // Whoever is answered lets the next one in.
    seen.lock().unwrap().open -= 1;
    stream.get_mut().write_all(answer.as_bytes()).await
}

/// Brings a message for Ana from a host; the last reply.
async fn bring(door: &Door, host: &str, mail: &[u8]) -> String {
    let (client, server) = tokio::io::duplex(64 << 10);
    let (door, remote) = (door.clone(), host.parse::<IpAddr>().unwrap());
    tokio::spawn(async move { door.converse(server, remote, &CancellationToken::new()).await });
    let mut smtp = Smtp::over(client);
    assert!(smtp.reply().await.starts_with("220"));
    assert!(smtp.command("EHLO mail.outside.test").await.starts_with("250"));
    smtp.send("bo@outside.test", &["ana@example.org"], mail).await
}

both!(a_filter_is_asked_and_heard, |engine| async move {
    let office = Office::with(engine, Settings::default(), 4 << 20).await;
    let (at, seen) = filter().await;
    let within = |limit| {
        let url = format!("http://{at}/checkv2").parse().unwrap();
        let means = Means { filter: Some(Arc::new(Filter::within(url, limit))), ..Means::default() };
        Door::with(office.app.context.clone(), Settings::default(), means)
    };
    let (door, impatient) = (within(PATIENCE), within(Duration::from_millis(1500)));
    let accepted = "250 2.6.0 Accepted\r\n";
    let refused = r#"answer:{"action": "reject", "messages": {"smtp_message": "No, thank you"}}"#;
    for (host, subject, reply, role, asked) in [
        ("192.0.2.1", r#"answer:{"action": "no action", "score": 1.5}"#, accepted, Some(Role::Inbox), true),
        ("192.0.2.1", r#"answer:{"action": "add header"}"#, accepted, Some(Role::Junk), true),
        ("192.0.2.1", refused, "550 5.7.1 No, thank you\r\n", None, true),
        ("192.0.2.1", r#"answer:{"action": "soft reject"}"#, "451 4.7.1 Try again later\r\n", None, true),
        // One that is broken, one that speaks of something else, and one that says nothing hold nobody up.
        ("192.0.2.1", "status:500 Oh", accepted, Some(Role::Inbox), true),
        ("192.0.2.1", r#"answer:["what?"]"#, accepted, Some(Role::Inbox), true),
        ("192.0.2.1", "silence", accepted, Some(Role::Inbox), true),
        // What a server of ours brings has been judged.
        ("127.0.0.1", refused, accepted, Some(Role::Inbox), false),
        ("10.1.2.3", refused, accepted, Some(Role::Inbox), false),
    ] {
        office.app.seconds(1);
        let before = (office.mail_of(office.ana.id).await.len(), seen.lock().unwrap().asked.len());
        let id = format!("<{host}-{}@outside.test>", before.0 + before.1);
        let mail = letter("bo@outside.test", "ana@example.org", subject, &[("Message-ID", &id)], "x\n");
        let door = if subject == "silence" { &impatient } else { &door };
        assert_eq!(bring(door, host, &mail).await, reply, "{subject} from {host}");
        let filed = office.mail_of(office.ana.id).await;
        assert_eq!(filed.len() - before.0, usize::from(role.is_some()), "{subject} from {host}");
        if let Some(role) = role {
            assert_eq!(filed[0].mailbox_id, role_id(office.ana.id, role), "{subject} from {host}");
        }
        let told = seen.lock().unwrap().asked.split_off(before.1).pop();
        assert_eq!(told.is_some(), asked, "{subject} from {host}");
        let Some((fields, shown)) = told else { continue };
        for (name, value) in [
            ("content-type", " message/rfc822"),
            ("ip", " 192.0.2.1"),
            ("helo", " mail.outside.test"),
            ("from", " bo@outside.test"),
            ("rcpt", " ana@example.org"),
        ] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(shown.ends_with(&mail), "the message, behind what this hop wrote");
        assert_eq!(fields["message-length"].trim(), shown.len().to_string());
        seen.lock().unwrap().asked.push((fields, shown));
    }
    // A large one is shown its beginning.
    let text = "A line of a large message.\n".repeat(80_000);
    let large = letter("bo@outside.test", "ana@example.org", r#"answer:{"action": "junk"}"#, &[], &text);
    assert_eq!(bring(&door, "192.0.2.1", &large).await, accepted);
    let (fields, shown) = seen.lock().unwrap().asked.pop().unwrap();
    assert_eq!(shown.len(), 1 << 20);
    assert!(fields["message-length"].trim().parse::<usize>().unwrap() > large.len());
    // One that is not there at all.
    let url = format!("http://{}/checkv2", crate::support::process::free_port()).parse().unwrap();
    let means = Means { filter: Some(Arc::new(Filter::new(url))), ..Means::default() };
    let door = Door::with(office.app.context.clone(), Settings::default(), means);
    let mail = letter("bo@outside.test", "ana@example.org", refused, &[], "nobody is there\n");
    assert_eq!(bring(&door, "192.0.2.1", &mail).await, accepted);
});

both!(a_crowd_is_shown_a_few_at_a_time, |engine| async move {
    let office = Office::open(engine).await;
    let (at, seen) = filter().await;
    let filter = Some(Arc::new(Filter::within(format!("http://{at}/checkv2").parse().unwrap(), PATIENCE)));
    let door =
        Door::with(office.app.context.clone(), Settings::default(), Means { filter, ..Means::default() });
    let crowd: Vec<_> = (0..24)
        .map(|n| {
            let id = format!("<crowd-{n}@outside.test>");
            let mail = letter("bo@outside.test", "ana@example.org", "gate", &[("Message-ID", &id)], "x\n");
            let door = door.clone();
            tokio::spawn(async move { bring(&door, &format!("192.0.2.{n}"), &mail).await })
        })
        .collect();
    until("the first ones", || async { (seen.lock().unwrap().open == 16).then_some(()) }).await;
    let gate = seen.lock().unwrap().gate.clone();
    gate.add_permits(24);
    for reply in join_all(crowd).await {
        assert_eq!(reply.unwrap(), "250 2.6.0 Accepted\r\n");
    }
    assert_eq!(seen.lock().unwrap().most, 16);
    assert_eq!(office.mail_of(office.ana.id).await.len(), 24);
});
