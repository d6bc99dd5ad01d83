//! The ways out: TLS and AUTH to a next hop, each domain's own mail hosts, signatures, and the sandbox.

use std::net::SocketAddr;
use std::sync::Arc;

use restante::delivery::next_hop::{Tls, Way};
use restante::delivery::{Settings, Worker};
use restante::mail::dkim::Key;
use restante::store::dkim::Algorithm;
use restante::store::email::Filter;
use restante::store::mailbox::{Role, role_id};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Post, settings};
use crate::support::dns::Dns;
use crate::support::mta::{Act, Mta, Stage, reply};

/// A certificate for a name, of its own authority, as PEM, and what a server needs of it.
pub(super) fn certificate(name: &str) -> (Arc<[u8]>, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem().into_bytes().into(), TlsAcceptor::from(Arc::new(config)))
}

/// A relay with TLS: implicit, or after STARTTLS. It tells each command it was given, `TLS` where encryption began.
async fn tls_peer(
    acceptor: TlsAcceptor,
    implicit: bool,
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, (say, told)) = (listener.local_addr().unwrap(), tokio::sync::mpsc::unbounded_channel());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, say) = (acceptor.clone(), say.clone());
            tokio::spawn(async move {
                if implicit {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = say.send("TLS".into());
                    let _ = talk(&mut BufReader::new(stream), &say, true).await;
                    return;
                }
                let mut stream = BufReader::new(stream);
                if let Ok(true) = talk(&mut stream, &say, false).await
                    && let Ok(stream) = acceptor.accept(stream.into_inner()).await
                {
                    let _ = say.send("TLS".into());
                    let _ = converse(&mut BufReader::new(stream), &say, true).await;
                }
            });
        }
    });
    (addr, told)
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    say: &tokio::sync::mpsc::UnboundedSender<String>,
    encrypted: bool,
) -> std::io::Result<bool> {
    stream.get_mut().write_all(b"220 peer.test\r\n").await?;
    converse(stream, say, encrypted).await
}

/// Answers commands; true when STARTTLS was asked for.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    say: &tokio::sync::mpsc::UnboundedSender<String>,
    encrypted: bool,
) -> std::io::Result<bool> {
    let (mut line, mut content) = (String::new(), false);
    while stream.read_line(&mut line).await? > 0 {
        if content {
            if line == ".\r\n" {
                content = false;
                stream.get_mut().write_all(b"250 2.0.0 kept\r\n").await?;
            }
            line.clear();
            continue;
        }
        let _ = say.send(line.trim_end().to_owned());
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" if encrypted => b"250-peer.test\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
            "EHLO" => b"250-peer.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n",
            "STAR" => b"220 2.0.0 go on\r\n",
            "AUTH" => b"235 2.7.0 welcome\r\n",
            "DATA" => b"354 go on\r\n",
            "QUIT" => b"221 2.0.0 bye\r\n",
            _ => b"250 2.0.0 fine\r\n",
        };
        content = line.starts_with("DATA");
        stream.get_mut().write_all(answer).await?;
        if line.starts_with("STARTTLS") {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

both!(tls_is_spoken_as_it_was_asked_for, |engine| async move {
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let (roots, acceptor) = certificate("localhost");
    let (_, stranger) = certificate("localhost");
    let (elsewhere_roots, elsewhere) = certificate("other.test");
    for (acceptor, implicit, url, roots, relayed, says) in [
        (&acceptor, true, "smtps://user:pass@localhost:PORT", Some(&roots), true, ""),
        (&acceptor, false, "smtp://user:pass@localhost:PORT", Some(&roots), true, ""),
        (&acceptor, false, "smtp://localhost:PORT?tls=required", Some(&roots), true, ""),
        // A stranger's certificate, one for another name, and one that nobody vouches for.
        (&stranger, true, "smtps://user:pass@localhost:PORT", Some(&roots), false, "certificate"),
        (&elsewhere, false, "smtp://user:pass@localhost:PORT", Some(&elsewhere_roots), false, "certificate"),
        (&acceptor, false, "smtp://localhost:PORT?tls=required", None, false, "certificate"),
        // Better than nothing.
        (&stranger, false, "smtp://localhost:PORT", None, true, ""),
    ] {
        let (addr, mut told) = tls_peer(acceptor.clone(), implicit).await;
        let relay: Way = url.replace("PORT", &addr.port().to_string()).parse().unwrap();
        let settings = Settings { relay: Some(relay), roots: roots.cloned(), ..settings(None) };
        let worker = Worker::new(post.context.clone(), settings);
        let sent = post.send(&ana, &["out@x.test"], url).await;
        worker.step().await.unwrap();
        let row = post.delivery(&ana, &sent).await;
        let diagnostic = row.last_diagnostic.clone().unwrap_or_default();
        assert_eq!(post.state(&row), if relayed { "relayed" } else { "delayed" }, "{url}: {diagnostic}");
        assert!(diagnostic.to_lowercase().contains(says), "{url}: {diagnostic}");
        let mut all = Vec::new();
        while let Ok(line) = told.try_recv() {
            all.push(line);
        }
        let tls = all.iter().position(|line| line == "TLS");
        for secret in ["AUTH", "MAIL"] {
            // Neither a password nor a message in clear.
            let at = all.iter().position(|line| line.starts_with(secret));
            assert!(at.is_none() || tls.is_some_and(|tls| at > Some(tls)), "{url}: {all:?}");
        }
        assert_eq!(all.iter().any(|line| line.starts_with("AUTH")), relayed && url.contains("user"), "{url}");
        if !relayed {
            post.app.store.cancel_delivery(ana.id, row.id, post.app.now()).await.unwrap();
        }
    }
});

/// A worker that delivers to mail hosts, which listen on the loopback in these tests.
fn by_mx(post: &Post, dns: &Dns, port: u16, tls: Tls) -> Worker {
    let settings = Settings {
        relay: Some(Way::Mx(tls)),
        name_servers: vec![dns.addr],
        private_hosts: true,
        mx_port: port,
        ..settings(None)
    };
    Worker::new(post.context.clone(), settings)
}

both!(each_domains_own_hosts_are_tried_in_order, |engine| async move {
    let (dns, mta) = (Dns::start().await, Mta::start().await);
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    // Nobody listens on the first ones' addresses.
    dns.mx("x.test", 20, "second.x.test");
    dns.mx("x.test", 10, "first.x.test");
    dns.mx("x.test", 5, "gone.x.test");
    dns.address("first.x.test", "127.0.0.2");
    dns.address("first.x.test", "::1");
    dns.address("second.x.test", "127.0.0.1");
    // No mail host: the domain itself.
    dns.address("plain.test", "127.0.0.1");
    let worker = by_mx(&post, &dns, mta.addr.port(), Tls::Opportunistic);
    for to in ["a@x.test", "b@plain.test"] {
        let sent = post.send(&ana, &[to], "hi").await;
        worker.step().await.unwrap();
        let row = post.delivery(&ana, &sent).await;
        assert_eq!(post.state(&row), "relayed", "{to}: {:?}", row.last_diagnostic);
        let host = if to.contains("plain") { "plain.test (127.0.0.1:" } else { "second.x.test (127.0.0.1:" };
        assert!(row.last_remote.as_deref().unwrap().starts_with(host), "{:?}", row.last_remote);
    }
    // What a host says of the message counts; the next one is not asked.
    mta.recipient("no@x.test", reply("550 5.7.1 no"));
    dns.mx("x.test", 30, "third.x.test");
    dns.address("third.x.test", "127.0.0.1");
    let sent = post.send(&ana, &["no@x.test"], "hi").await;
    worker.step().await.unwrap();
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "failed");
    assert_eq!(mta.commands().iter().filter(|line| line.contains("<no@x.test>")).count(), 1);
});

both!(domains_that_take_no_mail_and_hosts_inside_are_told_apart, |engine| async move {
    let dns = Dns::start().await;
    let mta = Mta::start().await;
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    dns.mx("null.test", 0, ".");
    dns.mx("empty.test", 10, "nowhere.test");
    dns.broken("broken.test");
    dns.mx("loop.test", 10, "example.org");
    dns.address("example.org", "127.0.0.1");
    dns.mx("inside.test", 10, "inside.test");
    dns.address("inside.test", "127.0.0.1");
    dns.address("inside.test", "10.1.2.3");
    dns.address("inside.test", "::ffff:169.254.169.254");
    let worker = by_mx(&post, &dns, mta.addr.port(), Tls::Opportunistic);
    let strict = Settings {
        relay: Some(Way::Mx(Tls::Opportunistic)),
        name_servers: vec![dns.addr],
        mx_port: mta.addr.port(),
        ..settings(None)
    };
    let strict = Worker::new(post.context.clone(), strict);
    for (to, worker, state, status) in [
        ("a@null.test", &worker, "failed", "5.1.10"),
        ("a@unknown.test", &worker, "failed", "5.1.2"),
        ("a@empty.test", &worker, "failed", "5.1.2"),
        ("a@broken.test", &worker, "delayed", "4.4.3"),
        ("a@loop.test", &worker, "failed", "5.4.6"),
        ("a@inside.test", &strict, "failed", "5.4.4"),
    ] {
        let sent = post.send(&ana, &[to], "hi").await;
        worker.step().await.unwrap();
        let row = post.delivery(&ana, &sent).await;
        assert_eq!(post.state(&row), state, "{to}: {:?}", row.last_diagnostic);
        assert_eq!(row.last_enhanced_code.as_deref(), Some(status), "{to}: {:?}", row.last_diagnostic);
    }
    assert_eq!(mta.connections(), 0, "nobody was connected to");
    // Required encryption is not given up for a host without it.
    dns.mx("clear.test", 10, "clear.test");
    dns.address("clear.test", "127.0.0.1");
    let required = by_mx(&post, &dns, mta.addr.port(), Tls::Required);
    let sent = post.send(&ana, &["a@clear.test"], "hi").await;
    required.step().await.unwrap();
    let row = post.delivery(&ana, &sent).await;
    assert!(row.last_diagnostic.unwrap().contains("STARTTLS"));
    assert!(mta.received().is_empty());
});

both!(mail_is_signed_alike_at_each_attempt, |engine| async move {
    let mta = Mta::start().await;
    mta.script(Stage::Body, [Act::Lost]);
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let (store, now) = (&post.app.store, post.app.now());
    store.keep_dkim_key("example.org", "s1", Algorithm::Ed25519, vec![7; 32], now).await.unwrap();
    let again = store.keep_dkim_key("example.org", "s1", Algorithm::Ed25519, vec![8; 32], now).await;
    assert!(matches!(again, Err(restante::store::Error::Conflict)), "a key is not replaced");
    post.send(&ana, &["out@x.test"], "signed").await;
    post.settle().await;
    post.app.minutes(2);
    post.settle().await;
    let received = mta.wait(2).await;
    assert_eq!(received[0].data, received[1].data);
    let signature = received[0].header("DKIM-Signature");
    assert!(signature.contains("d=example.org; s=s1;"), "{signature}");
    assert!(received[0].mail_from.ends_with("@example.org"), "aligned");
    // The same key signs the same octets with the same result.
    let text = received[0].text();
    let at =
        text.find("t=").map(|at| text[at + 2..].split(';').next().unwrap().parse::<i64>().unwrap()).unwrap();
    assert_eq!(at, now / 1000);
    let key = Key::ed25519("example.org", "s1", &[7; 32]).unwrap();
    let start =
        text.match_indices("\r\n").find(|(n, _)| !text[n + 2..].starts_with(['\t', ' '])).unwrap().0 + 2;
    assert_eq!(key.sign(&text.as_bytes()[start..], at).unwrap(), &text.as_bytes()[..start]);
    store.forget_dkim_key("example.org", "s1").await.unwrap();
    post.send(&ana, &["out@x.test"], "unsigned").await;
    post.settle().await;
    assert_eq!(mta.wait(3).await[2].header("DKIM-Signature"), "");
});

both!(a_sandbox_sends_nothing_and_keeps_all, |engine| async move {
    let mut post = Post::start(engine, None).await;
    let (ana, kept) = (post.app.person("Ana").await, post.app.service("capture").await);
    post.worker = Worker::new(post.context.clone(), Settings { relay: Some(Way::Capture), ..settings(None) });
    let sent = post
        .send(&ana, &["anyone@x.test", "other@y.test", "no+550@x.test", "slow+451@x.test"], "sandboxed")
        .await;
    post.settle().await;
    let state = async |who: &str| {
        let rows = post.deliveries(&ana, &sent).await;
        post.state(rows.iter().find(|row| row.recipient == who).unwrap())
    };
    assert_eq!(state("anyone@x.test").await, "relayed");
    assert_eq!(state("no+550@x.test").await, "failed");
    assert_eq!(state("slow+451@x.test").await, "delayed");
    for _ in 0..2 {
        post.app.minutes(5);
        post.settle().await;
    }
    assert_eq!(state("slow+451@x.test").await, "relayed");
    let filter = Filter { mailbox: Some(role_id(kept.id, Role::Inbox)), ..Filter::default() };
    let captured = post.app.store.emails(kept.id, &filter, None, 10).await.unwrap();
    assert_eq!(captured.len(), 3);
    assert!(captured.iter().all(|email| email.subject == "sandboxed"));
    let metadata: Vec<String> = captured.iter().filter_map(|email| email.metadata.clone()).collect();
    assert!(metadata.iter().any(|text| text.contains("\"rcpt_to\":\"other@y.test\"")), "{metadata:?}");
});
