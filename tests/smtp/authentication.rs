//! SPF, DKIM and DMARC of what comes from outside, looked up with a real DNS server on this machine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use restante::http::{AppState, router, serve};
use restante::smtp::{Checks, Door, Means, Settings};
use restante::store::mailbox::{Role, role_id};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Office;
use crate::support::Engine;
use crate::support::client::Client;
use crate::support::dns::Dns;
use crate::support::mail::{Smtp, letter};

/// The only host that may send for the domains here.
const HOST: &str = "192.0.2.1";
const STRANGER: &str = "198.51.100.9";

struct Checked {
    office: Office,
    door: Door,
    dns: Dns,
}

impl Checked {
    async fn open(engine: Engine) -> Self {
        let (office, dns) = (Office::open(engine).await, Dns::start().await);
        let checks = Arc::new(Checks::within(&[dns.addr], Duration::from_millis(1500)).unwrap());
        let door = Door::with(
            office.app.context.clone(),
            Settings::default(),
            Means { checks: Some(checks), ..Means::default() },
        );
        for (domain, policy) in
            [("strict.test", "reject"), ("soft.test", "quarantine"), ("open.test", "none")]
        {
            dns.txt(domain, &format!("v=spf1 ip4:{HOST} -all"));
            dns.txt(&format!("_dmarc.{domain}"), &format!("v=DMARC1; p={policy}"));
        }
        dns.txt("plain.test", &format!("v=spf1 ip4:{HOST} -all"));
        Self { office, door, dns }
    }

    /// Brings a message to somebody from a host; the last reply.
    async fn bring(&self, host: &str, from: &str, to: &str, message: &[u8]) -> String {
        let (client, server) = tokio::io::duplex(64 << 10);
        let (door, remote) = (self.door.clone(), host.parse::<IpAddr>().unwrap());
        let session = tokio::spawn(async move {
            door.converse(server, remote, &CancellationToken::new()).await;
        });
        let mut smtp = Smtp::over(client);
        assert!(smtp.reply().await.starts_with("220"));
        assert!(smtp.command("EHLO mail.strict.test").await.starts_with("250"));
        let reply = smtp.send(from, &[to], message).await;
        drop(smtp);
        crate::support::within("the session", session).await.unwrap();
        reply
    }

    /// What the API says of the newest message of Ana's: its mailbox, and its evidence.
    async fn newest(&self) -> (String, Value) {
        let mail = self.office.mail_of(self.office.ana.id).await;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let context = self.office.app.context.clone();
        let state = AppState::new(
            context,
            restante::http::Settings::default(),
            base.parse().unwrap(),
            shutdown.clone(),
        );
        tokio::spawn(serve(listener, router(state), shutdown.clone()));
        let ana = Client::new(base).token(&self.office.ana.token);
        let message = ana.get(&format!("/v1/messages/{}", mail[0].id)).await.expect(200);
        shutdown.cancel();
        (message["mailbox"].as_str().unwrap().to_owned(), message["authentication"].clone())
    }
}

fn from(domain: &str, subject: &str) -> (String, Vec<u8>) {
    let address = format!("bo@{domain}");
    let mail = letter(&format!("Bo <{address}>"), "ana@example.org", subject, &[], "Hello.\n");
    (address, mail)
}

both!(what_a_domain_disowns_is_junk, |engine| async move {
    let checked = Checked::open(engine).await;
    for (host, domain, mailbox, spf, dmarc, policy) in [
        (HOST, "strict.test", "inbox", "pass", "pass", Some("reject")),
        (STRANGER, "strict.test", "junk", "fail", "fail", Some("reject")),
        (STRANGER, "soft.test", "junk", "fail", "fail", Some("quarantine")),
        (STRANGER, "open.test", "inbox", "fail", "fail", Some("none")),
        (STRANGER, "plain.test", "inbox", "fail", "none", None),
        (STRANGER, "nothing.test", "inbox", "none", "none", None),
    ] {
        let (sender, mail) = from(domain, &format!("{host} for {domain}"));
        checked.office.app.seconds(1);
        assert_eq!(checked.bring(host, &sender, "ana@example.org", &mail).await, "250 2.6.0 Accepted\r\n");
        let (shown, evidence) = checked.newest().await;
        assert_eq!(shown, mailbox, "{domain} from {host}: {evidence}");
        assert_eq!(evidence["spf"], json!({ "result": spf, "domain": domain }), "{domain}");
        assert_eq!(
            evidence["dmarc"],
            json!({ "result": dmarc, "domain": domain, "policy": policy }),
            "{domain}"
        );
    }
    // SPF that passes for another domain than From's says nothing of From.
    let (_, mail) = from("strict.test", "borrowed");
    checked.office.app.seconds(1);
    checked.bring(HOST, "eve@plain.test", "ana@example.org", &mail).await;
    let (mailbox, evidence) = checked.newest().await;
    assert_eq!(
        (mailbox.as_str(), &evidence["spf"]["result"], &evidence["dmarc"]["result"]),
        ("junk", &json!("pass"), &json!("fail"))
    );
    // From this machine itself comes what another server of ours has taken.
    let (sender, mail) = from("strict.test", "handed over");
    checked.office.app.seconds(1);
    checked.bring("127.0.0.1", &sender, "ana@example.org", &mail).await;
    assert_eq!(checked.newest().await, ("inbox".to_owned(), Value::Null));
});

both!(simple_rules_find_junk_as_well, |engine| async move {
    let checked = Checked::open(engine).await;
    let mail = |from: &str, more: &[(&str, &str)]| letter(from, "ana@example.org", from, more, "x\n");
    for (host, from, more, mailbox) in [
        // Marked by a filter that it has passed, here or before.
        ("127.0.0.1", "bo@nothing.test", vec![("X-Spam-Flag", "YES")], "junk"),
        (STRANGER, "bo@nothing.test", vec![("X-Spam-Status", "Yes, score=9.1 required=5")], "junk"),
        (STRANGER, "bo@nothing.test", vec![("X-Spam-Status", "No, score=0.1")], "inbox"),
        (STRANGER, "bo@nothing.test", vec![("X-Spam-Level", "yes")], "inbox"),
        // An address of ours in the place of the name.
        (STRANGER, "\"ana@EXAMPLE.org\" <bo@nothing.test>", vec![], "junk"),
        (STRANGER, "\"Ana (ana@example.org)\" <bo@nothing.test>", vec![], "junk"),
        (STRANGER, "\"bo@nothing.test\" <bo@nothing.test>", vec![], "inbox"),
        (STRANGER, "\"Ana at example.org\" <bo@nothing.test>", vec![], "inbox"),
        ("127.0.0.1", "\"ana@example.org\" <bo@nothing.test>", vec![], "inbox"),
    ] {
        checked.office.app.seconds(1);
        let mail = mail(from, &more);
        assert!(checked.bring(host, "bo@nothing.test", "ana@example.org", &mail).await.starts_with("250"));
        assert_eq!(checked.newest().await.0, mailbox, "{from} {more:?} from {host}");
    }
});

both!(a_signature_speaks_for_its_domain, |engine| async move {
    let checked = Checked::open(engine).await;
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    checked.dns.txt(
        "k1._domainkey.strict.test",
        &format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key.public_key())),
    );
    let signer =
        DkimSigner::from_key(key).domain("strict.test").selector("k1").headers(["From", "To", "Subject"]);
    let (sender, mail) = from("strict.test", "signed");
    let signed = [signer.sign(&mail).unwrap().to_header().into_bytes(), mail.clone()].concat();
    // Through a stranger's host, as a mailing list's.
    assert!(checked.bring(STRANGER, &sender, "ana@example.org", &signed).await.starts_with("250"));
    let (mailbox, evidence) = checked.newest().await;
    assert_eq!(mailbox, "inbox", "{evidence}");
    assert_eq!(evidence["dkim"], json!([{ "result": "pass", "domain": "strict.test", "selector": "k1" }]));
    assert_eq!((&evidence["spf"]["result"], &evidence["dmarc"]["result"]), (&json!("fail"), &json!("pass")));
    // Another text under the same signature.
    let forged = String::from_utf8(signed).unwrap().replace("Hello.", "Hullo.").into_bytes();
    checked.office.app.seconds(1);
    checked.bring(STRANGER, &sender, "ana@example.org", &forged).await;
    let (mailbox, evidence) = checked.newest().await;
    assert_eq!((mailbox.as_str(), &evidence["dkim"][0]["result"]), ("junk", &json!("fail")), "{evidence}");
});

#[tokio::test(flavor = "multi_thread")]
async fn dns_that_does_not_answer_holds_nobody_up() {
    let checked = Checked::open(Engine::Sqlite).await;
    checked.dns.silent("silent.test");
    checked.dns.silent("_dmarc.silent.test");
    let (sender, mail) = from("silent.test", "silence");
    let start = Instant::now();
    assert!(checked.bring(HOST, &sender, "ana@example.org", &mail).await.starts_with("250"));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let (mailbox, evidence) = checked.newest().await;
    assert_eq!(
        (mailbox.as_str(), &evidence["dmarc"]["result"]),
        ("inbox", &json!("temperror")),
        "{evidence}"
    );
    let role = role_id(checked.office.ana.id, Role::Inbox);
    assert_eq!(checked.office.mail_of(checked.office.ana.id).await[0].mailbox_id, role);
}
