//! Rate limits are those of the whole system, within a factor of two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{account, node};
use crate::support::{Database, Engine, until};

/// `40/4s`: 40 at once and ten a second.
const AT_ONCE: f64 = 40.0;
const A_SECOND: f64 = 10.0;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_count_together() {
    let database = Arc::new(Database::new(Engine::Postgres).await);
    let limit = [("RESTANTE_HTTP__RATE_LIMIT", "40/4s")];
    let mut nodes: Vec<_> = (0..3).map(|_| node(&database, &limit)).collect();
    let lines: Vec<_> = nodes.iter_mut().map(|node| node.launch("serve")).collect();
    nodes.iter_mut().zip(&lines).for_each(|(node, lines)| node.ready(lines));
    let (ana, bo) = (account(&nodes[0], "ana"), account(&nodes[0], "bo"));
    // Two thirds of a full bucket are the share of a node that knows of both others.
    for node in &nodes {
        let bo = node.client().token(&bo);
        until("a node that knows the others", || async {
            let read = bo.get("/v1/me").await;
            read.header("ratelimit-remaining").parse::<u32>().is_ok_and(|left| left < 30).then_some(())
        })
        .await;
    }

    let (admitted, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = nodes
        .iter()
        .map(|node| {
            let (client, stop) = (node.client().token(&ana), stop.clone());
            let (admitted, refused) = (admitted.clone(), refused.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let answer = client.get("/v1/me").await;
                    match answer.status {
                        200 => admitted.fetch_add(1, Ordering::SeqCst),
                        429 => {
                            assert_ne!(answer.header("retry-after"), "");
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                        status => panic!("{status}: {}", answer.text()),
                    };
                }
            })
        })
        .collect();
    let began = Instant::now();
    let six = Duration::from_secs(6);
    until("six seconds of asking", || async { (began.elapsed() >= six).then_some(()) }).await;
    let (took, count) = (began.elapsed().as_secs_f64(), admitted.load(Ordering::SeqCst) as f64);
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let alone = AT_ONCE + A_SECOND * took;
    println!(
        "{count} admitted by three nodes in {took:.1} s, {} refused; one node admits {alone:.0}",
        refused.load(Ordering::SeqCst)
    );
    assert!(count <= 2.0 * alone && count >= alone / 2.0, "{count}, alone {alone}");
}
