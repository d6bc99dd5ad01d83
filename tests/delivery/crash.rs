//! The real binary, killed at any moment under load: whatever it accepted arrives, and in a mailbox once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::client::builder;
use crate::support::mta::{Act, Mta, Stage, reply};
use crate::support::process::Process;
use crate::support::{long, until, within};

const SENDERS: usize = 4;

/// What the senders know.
struct Load {
    url: String,
    token: String,
    stop: AtomicBool,
    next: AtomicUsize,
    /// The Message-IDs of everything that was accepted.
    accepted: watch::Sender<Vec<String>>,
}

/// Sends one message after the other. One whose answer was lost is sent again under its key, until it is known to
/// be accepted.
async fn send(load: Arc<Load>) {
    let client = builder().build().unwrap();
    while !load.stop.load(Ordering::SeqCst) {
        let n = load.next.fetch_add(1, Ordering::SeqCst);
        let message = json!({
            "to": ["bo@example.org", "cy@example.org", format!("out{}@x{}.test", n, n % 5)],
            "subject": format!("message {n}"),
            "text": "text ".repeat(if n.is_multiple_of(7) { 20_000 } else { 20 }),
        });
        let accepted = until("an accepted message", || async {
            let request = client.post(format!("{}/v1/messages", load.url)).bearer_auth(&load.token);
            let answer =
                request.header("Idempotency-Key", format!("key-{n}")).json(&message).send().await.ok()?;
            let status = answer.status();
            let answer: Value = answer.json().await.ok()?;
            assert!(status == 202 || status.is_server_error() || status == 409, "{status}: {answer}");
            (status == 202).then_some(answer)
        })
        .await;
        let id = accepted["message_id"].as_str().unwrap().to_owned();
        load.accepted.send_modify(|all| all.push(id));
    }
}

/// Every Message-ID in an account's inbox.
async fn inbox(load: &Load, token: &str) -> Vec<String> {
    let client = builder().build().unwrap();
    let (mut ids, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut url = format!("{}/v1/messages?mailbox=inbox&limit=200", load.url);
        if let Some(cursor) = &cursor {
            url.push_str(&format!("&cursor={cursor}"));
        }
        let page: Value = client.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap();
        ids.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["message_id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return ids,
        }
    }
}

both!(nothing_accepted_is_lost_and_nothing_is_filed_twice, |engine| async move {
    let mta = Mta::start().await;
    let settings = [
        ("RESTANTE_MAIL__DOMAIN", "example.org"),
        ("RESTANTE_RELAY__URL", &mta.url()),
        ("RESTANTE_DELIVERY__FIRST_RETRY", "1s"),
        ("RESTANTE_DELIVERY__LEASE", "5s"),
    ];
    let mut server = Process::new(engine, &settings).await;
    let token = |server: &Process, name: &str| {
        let address = format!("{name}@example.org");
        server.run(&["account", "create", &address]);
        server.run(&["token", "create", &address, "--name", "test"])
    };
    let (ana, bo, cy) = (token(&server, "ana"), token(&server, "bo"), token(&server, "cy"));
    server.start();
    let load = Arc::new(Load {
        url: format!("http://{}", server.http),
        token: ana.clone(),
        stop: AtomicBool::new(false),
        next: AtomicUsize::new(0),
        accepted: watch::channel(Vec::new()).0,
    });
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(send(load.clone()))).collect();
    let kills = if long() { 50 } else { 5 };
    for kill in 0..kills {
        // The moment differs each time: so many messages accepted, or so many taken by the peer.
        let (accepted, taken) = (load.accepted.borrow().len(), mta.received().len());
        if kill % 2 == 0 {
            let mut known = load.accepted.subscribe();
            let enough = known.wait_for(|all| all.len() > accepted + 5 + 3 * (kill % 7));
            within("more accepted messages", enough).await.unwrap();
        } else {
            mta.script(Stage::Body, [Act::Lost, reply("451 4.3.0 later")]);
            mta.until("more messages at the peer", |mta| mta.received().len() > taken + 3 + kill % 5).await;
        }
        server.kill();
        server.start();
    }
    load.stop.store(true, Ordering::SeqCst);
    for sender in senders {
        within("the senders' end", sender).await.unwrap();
    }
    let accepted = load.accepted.borrow().clone();
    let expected: HashSet<&str> = accepted.iter().map(String::as_str).collect();
    assert_eq!(expected.len(), accepted.len());
    for who in [&bo, &cy] {
        until("every message in the inbox", || async {
            (inbox(&load, who).await.len() >= accepted.len()).then_some(())
        })
        .await;
    }
    mta.until("every message at the peer", |mta| {
        let there: HashSet<String> = mta.received().iter().map(|one| one.header("Message-ID")).collect();
        there.len() >= accepted.len()
    })
    .await;
    for who in [&bo, &cy] {
        let filed = inbox(&load, who).await;
        assert_eq!(filed.len(), accepted.len(), "nothing twice");
        assert_eq!(filed.iter().map(String::as_str).collect::<HashSet<_>>(), expected, "nothing lost");
    }
    assert!(inbox(&load, &ana).await.is_empty(), "no bounce");
    // Outside, a copy may come twice, but it is the same copy.
    let mut copies: HashMap<String, Vec<u8>> = HashMap::new();
    for one in mta.received() {
        let id = one.header("Message-ID");
        let first = copies.entry(id.clone()).or_insert_with(|| one.data.clone());
        assert!(*first == one.data, "{id} changed");
    }
    eprintln!(
        "{kills} kills, {} accepted, {} copies outside on {engine:?}",
        accepted.len(),
        mta.received().len()
    );
    assert_eq!(server.stop(), Some(0));
});
