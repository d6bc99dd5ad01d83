//! Encryption where a domain asks for it: MTA-STS policies (RFC 8461) and hosts with TLSA records (RFC 7672).

use std::net::SocketAddr;
use std::sync::Arc;

use restante::delivery::next_hop::{Tls, Way};
use restante::delivery::{Settings, Worker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::routes::certificate;
use super::{Post, settings};
use crate::support::dns::Dns;
use crate::support::mta::Mta;

/// Serves one policy over HTTPS for a name; its address, and the certificate as PEM.
async fn policy(name: &str, text: &str) -> (SocketAddr, Arc<[u8]>) {
    let (roots, acceptor) = certificate(name);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).await.unwrap_or(0);
            assert!(asked[..length].starts_with(b"GET /.well-known/mta-sts.txt "));
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (addr, roots)
}

both!(a_policy_is_kept_to, |engine| async move {
    let (dns, mta) = (Dns::start().await, Mta::start().await);
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let text = "version: STSv1\r\nmode: enforce\r\nmx: mx.strict.test\r\nmax_age: 86400\r\n";
    let (addr, roots) = policy("mta-sts.strict.test", text).await;
    dns.txt("_mta-sts.strict.test", "v=STSv1; id=1;");
    dns.address("mta-sts.strict.test", "127.0.0.1");
    // One that is none of the domain's comes first.
    dns.mx("strict.test", 5, "evil.test");
    let evil = Mta::at(([127, 0, 0, 2], mta.addr.port()).into()).await;
    dns.address("evil.test", "127.0.0.2");
    dns.mx("strict.test", 10, "mx.strict.test");
    dns.address("mx.strict.test", "127.0.0.1");
    // A policy that cannot be fetched is none (RFC 8461 §5.1).
    dns.txt("_mta-sts.lost.test", "v=STSv1; id=1;");
    dns.mx("lost.test", 5, "mx.strict.test");
    dns.mx("plain.test", 5, "mx.strict.test");
    let settings = Settings {
        relay: Some(Way::Mx(Tls::Opportunistic)),
        name_servers: vec![dns.addr],
        private_hosts: true,
        mx_port: mta.addr.port(),
        sts_port: addr.port(),
        roots: Some(roots),
        ..settings(None)
    };
    let worker = Worker::new(post.context.clone(), settings.clone());
    for (to, state, says) in [
        ("a@plain.test", "relayed", ""),
        ("a@lost.test", "relayed", ""),
        ("a@strict.test", "delayed", "STARTTLS"),
    ] {
        let sent = post.send(&ana, &[to], "hi").await;
        worker.step().await.unwrap();
        let row = post.delivery(&ana, &sent).await;
        let said = row.last_diagnostic.clone().unwrap_or_default();
        assert_eq!(post.state(&row), state, "{to}: {said}");
        assert!(said.contains(says), "{to}: {said}");
        if state == "delayed" {
            post.app.store.cancel_delivery(ana.id, row.id, post.app.now()).await.unwrap();
        }
    }
    assert!(
        mta.received().iter().all(|received| !received.rcpt_to[0].contains("strict")),
        "nothing in clear"
    );
    assert_eq!(evil.connections(), 0, "it is none of the domain's");

    // Whoever hides the record from a server that has started again gains nothing, as long as the policy holds.
    let hidden = Dns::start().await;
    for (host, address) in [("mx.strict.test", "127.0.0.1"), ("evil.test", "127.0.0.2")] {
        hidden.mx("strict.test", if host.starts_with("mx") { 10 } else { 5 }, host);
        hidden.address(host, address);
    }
    let settings = Settings { name_servers: vec![hidden.addr], ..settings };
    for (minutes, state, says) in
        [(0, "delayed", "STARTTLS"), (23 * 60, "delayed", "STARTTLS"), (2 * 60, "relayed", "")]
    {
        post.app.minutes(minutes);
        post.app.store.unblock("strict.test").await.unwrap();
        let worker = Worker::new(post.context.clone(), settings.clone());
        let sent = post.send(&ana, &[&format!("a{minutes}@strict.test")], "hi").await;
        while worker.step().await.unwrap() > 0 {}
        let row = post.delivery(&ana, &sent).await;
        assert_eq!(post.state(&row), state, "{minutes} {:?}", row.last_diagnostic);
        assert!(row.last_diagnostic.unwrap_or_default().contains(says));
        if state == "delayed" {
            post.app.store.cancel_delivery(ana.id, row.id, post.app.now()).await.unwrap();
        }
    }
    // Upkeep forgets what no longer holds.
    assert_eq!(post.app.database.look("select domain from sts_policy"), ["strict.test"]);
    while post.app.store.prune_some(100, post.app.now()).await.unwrap() > 0 {}
    assert!(post.app.database.look("select domain from sts_policy").is_empty());
});

both!(a_host_with_tlsa_gets_nothing_in_clear, |engine| async move {
    let (dns, mta) = (Dns::start().await, Mta::start().await);
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    dns.mx("dane.test", 5, "mx.dane.test");
    dns.address("mx.dane.test", "127.0.0.1");
    dns.tlsa(&format!("_{}._tcp.mx.dane.test", mta.addr.port()));
    let settings = Settings {
        relay: Some(Way::Mx(Tls::Opportunistic)),
        name_servers: vec![dns.addr],
        private_hosts: true,
        mx_port: mta.addr.port(),
        ..settings(None)
    };
    let worker = Worker::new(post.context.clone(), settings);
    let sent = post.send(&ana, &["a@dane.test"], "hi").await;
    worker.step().await.unwrap();
    let row = post.delivery(&ana, &sent).await;
    assert_eq!(post.state(&row), "delayed");
    assert!(row.last_diagnostic.unwrap().contains("STARTTLS"));
    assert!(mta.received().is_empty());
});
