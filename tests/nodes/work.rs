//! Nodes that die or freeze in the middle of their work: others take it over, and what comes late changes nothing.

use std::sync::Arc;
use std::time::Instant;

use super::{Senders, account, arrived, exactly_once, node};
use crate::support::mta::Mta;
use crate::support::proxy::{Proxy, Wire};
use crate::support::{Database, Engine, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_loses_its_work_and_finds_out_before_it_acts() {
    let database = Arc::new(Database::new(Engine::Postgres).await);
    let mta = Mta::start().await;
    let wire = Proxy::to(mta.addr).await;
    let (slow, direct) = (format!("smtp://{}", wire.address), mta.url());
    let mut first = node(&database, &[("RESTANTE_RELAY__URL", &slow)]);
    let mut second = node(&database, &[("RESTANTE_RELAY__URL", &direct)]);
    let ana = account(&first, "ana");
    first.start();
    // The first has a message in hand, and waits for the next hop's greeting.
    wire.be(Wire::Silent);
    let sent = first.client().token(&ana).post("/v1/messages", super::letter("out@x.test", "one")).await;
    let path = format!("/v1/messages/{}/deliveries", sent.expect(202)["id"].as_str().unwrap());
    let state = async |node: &crate::support::process::Process| {
        let list = node.client().token(&ana).get(&path).await.expect(200);
        list["items"][0]["state"].as_str().unwrap().to_owned()
    };
    until("work in hand", || async { (state(&first).await == "sending").then_some(()) }).await;
    second.start();
    first.signal("STOP");
    let frozen = Instant::now();
    until("the work taken over", || async { (state(&second).await == "relayed").then_some(()) }).await;
    println!("taken over {:?} after the freeze, with a lease of 2 s", frozen.elapsed());
    // It goes on where it was; the greeting comes, and before it hands anything over it sees that it is too late.
    first.signal("CONT");
    wire.be(Wire::Whole);
    let late = "somebody else has this delivery now";
    until("the late one's end", || async { first.log().contains(late).then_some(()) }).await;
    assert_eq!(mta.received().len(), 1, "one copy outside");
    assert_eq!(state(&first).await, "relayed");
    assert_eq!((first.stop(), second.stop()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_or_freezes_nothing_is_lost_and_nothing_comes_twice() {
    let database = Arc::new(Database::new(Engine::Postgres).await);
    let mta = Mta::start().await;
    let relay = [("RESTANTE_RELAY__URL", mta.url())];
    let relay: Vec<_> = relay.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let [mut first, mut second, mut worker] = [(); 3].map(|()| node(&database, &relay));
    let (ana, bo) = (account(&first, "ana"), account(&first, "bo"));
    first.start();
    second.start();
    let lines = worker.launch("worker");
    worker.ready(&lines);
    // The second node stays, so that there is always one to ask.
    let through = [&first, &second, &second].map(|node| node.client().token(&ana));
    let bo = second.client().token(&bo);
    let mut senders = Senders::start("message", &through, &["bo@example.org", "out#@x.test"]);
    for _ in 0..2 {
        senders.more(20).await;
        for frozen in [&first, &worker] {
            frozen.signal("STOP");
            // What was accepted before is delivered, so whatever it had in hand was taken over.
            arrived(&bo, &senders.so_far()).await;
            frozen.signal("CONT");
        }
        senders.more(20).await;
        worker.kill();
        first.kill();
        senders.more(10).await;
        arrived(&bo, &senders.so_far()).await;
        first.start();
        let lines = worker.launch("worker");
        worker.ready(&lines);
    }
    let accepted = senders.end().await;
    exactly_once(&database, &bo, &accepted).await;
    // Outside, a copy may come twice, but it is the same copy.
    let mut copies = std::collections::HashMap::new();
    for one in mta.received() {
        let id = one.header("Message-ID");
        let first = copies.entry(id.clone()).or_insert_with(|| one.data.clone());
        assert!(*first == one.data, "{id} changed");
    }
    assert_eq!(copies.len(), accepted.len());
    println!("{} accepted, {} copies outside", accepted.len(), mta.received().len());
    for node in [&mut first, &mut second, &mut worker] {
        assert_eq!(node.stop(), Some(0), "{}", node.log());
    }
}
