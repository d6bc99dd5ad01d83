//! A node that is cut off from the database: it says so, the others go on without it, and it comes back by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{Senders, account, exactly_once, letter, node};
use crate::rest::events::Stream;
use crate::support::database::server;
use crate::support::proxy::{Proxy, Wire};
use crate::support::{Database, Engine, until};

async fn a_node_cut_off(how: Wire) {
    let database = Arc::new(Database::new(Engine::Postgres).await);
    let real: url::Url = server().parse().unwrap();
    let address = format!("{}:{}", real.host_str().unwrap(), real.port().unwrap_or(5432));
    let address: SocketAddr = tokio::net::lookup_host(address).await.unwrap().next().unwrap();
    let wire = Proxy::to(address).await;
    let mut through: url::Url = database.url().unwrap().parse().unwrap();
    through.set_host(Some("127.0.0.1")).unwrap();
    through.set_port(Some(wire.address.port())).unwrap();
    let mut cut_off = node(&database, &[("RESTANTE_DATABASE__URL", through.as_str())]);
    let mut other = node(&database, &[]);
    let (ana, bo) = (account(&other, "ana"), account(&other, "bo"));
    cut_off.start();
    other.start();
    let (here, there) = (cut_off.client(), other.client());
    let (by_ana, by_bo) = (here.token(&ana), here.token(&bo));
    let mut stream = Stream::open(&by_bo, "/v1/events/stream?types=message.received", None).await;
    // Under load, so that it is cut off in the middle of transactions that hold locks.
    let through = [&here, &here, &here, &there].map(|node| node.token(&ana));
    let mut senders = Senders::start("message", &through, &["bo@example.org"]);
    senders.more(20).await;

    wire.be(how);
    let since = Instant::now();
    until("a node that is not ready", || async {
        let ready = here.get("/readyz").await;
        (ready.status == 503).then(|| assert_ne!(ready.header("retry-after"), ""))
    })
    .await;
    let unready = since.elapsed();
    until("an answer at once", || async {
        let asked = Instant::now();
        let read = by_ana.get("/v1/messages").await;
        if read.status != 503 {
            return None;
        }
        assert_ne!(read.header("retry-after"), "");
        // Later it refuses without asking.
        (read.json()["code"] == "database_away" && asked.elapsed().as_secs() < 3).then_some(())
    })
    .await;
    let refuses = since.elapsed();
    by_ana.post("/v1/messages", letter("bo@example.org", "refused")).await.problem(503, "database_away");
    here.get("/healthz").await.expect(200);
    // The other node goes on, also with what the lost one had locked.
    senders.more(5).await;
    let goes_on = since.elapsed();

    wire.be(Wire::Whole);
    let since = Instant::now();
    until("a node that is ready again", || async { (here.get("/readyz").await.status == 200).then_some(()) })
        .await;
    println!(
        "{how:?}: not ready after {unready:?}, refuses at once after {refuses:?}, the other had gone on by {goes_on:?}; \
         ready again {:?} after it healed",
        since.elapsed()
    );
    senders.more(20).await;
    let accepted = senders.end().await;
    exactly_once(&database, &there.token(&bo), &accepted).await;
    // The stream has ended, so that whoever reads it goes to another node; from where it was, nothing is missing.
    let (mut last, mut told) = (String::new(), 0);
    while let Some((cursor, _)) = stream.event().await {
        (last, told) = (cursor, told + 1);
    }
    let path = "/v1/events/stream?types=message.received";
    let mut stream = Stream::open(&there.token(&bo), path, Some(&last)).await;
    while told < accepted.len() {
        stream.event().await.unwrap();
        told += 1;
    }
    drop(stream);
    assert_eq!((cut_off.stop(), other.stop()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_come_back() {
    a_node_cut_off(Wire::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_drops_everything_is_noticed() {
    a_node_cut_off(Wire::Silent).await;
}
