//! What is written through one node is seen on another at once, and done once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use restante::store::schema;

use super::{account, arrived, exactly_once, letter, node};
use crate::rest::events::Stream;
use crate::support::client::text;
use crate::support::{Database, within};

/// Whoever waits looks by itself each 15 seconds: an answer that took less than this came by the bell.
const BELL: Duration = Duration::from_secs(8);

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_are_one_system() {
    let database = Arc::new(Database::empty().await);
    let mut nodes: Vec<_> = (0..3).map(|_| node(&database, &[])).collect();
    // All at once, on a database without a schema: one migrates, the others wait for it.
    let lines: Vec<_> = nodes.iter_mut().map(|node| node.launch("serve")).collect();
    nodes.iter_mut().zip(&lines).for_each(|(node, lines)| node.ready(lines));
    let migrations = database.look("select version::text from _sqlx_migrations where success");
    assert_eq!(migrations.len(), schema::postgres().iter().count());
    // Each has a link that makes the first administrator, and each works.
    for node in &nodes {
        let link = node.greeting.split_whitespace().find(|word| word.contains("/setup?token=")).unwrap();
        let token = link.split("token=").nth(1).unwrap();
        nodes[0].client().get(&format!("/v1/setup?token={token}")).await.expect(200);
    }

    let (ana, bo) = (account(&nodes[0], "ana"), account(&nodes[1], "bo"));
    let by_ana: Vec<_> = nodes.iter().map(|node| node.client().token(&ana)).collect();
    let by_bo: Vec<_> = nodes.iter().map(|node| node.client().token(&bo)).collect();

    // Long polls and a stream on the first node, writing through the second.
    let mut stream = Stream::open(&by_bo[0], "/v1/events/stream?types=message.received", None).await;
    let (mut polled, mut streamed, mut cursor) = (Vec::new(), Vec::new(), "0".to_owned());
    let mut accepted = HashSet::new();
    for n in 0..20 {
        let path = format!("/v1/events?cursor={cursor}&types=message.received&wait=60");
        let poll = tokio::spawn({
            let client = by_bo[0].clone();
            async move { (client.get(&path).await.expect(200), Instant::now()) }
        });
        let subject = format!("told {n}");
        by_ana[1].post("/v1/messages", letter("bo@example.org", &subject)).await.expect(202);
        let written = Instant::now();
        accepted.insert(subject);
        let (answer, at) = within("the poll", poll).await.unwrap();
        assert_eq!(answer["items"].as_array().unwrap().len(), 1, "{answer}");
        text(&answer, "next_cursor").clone_into(&mut cursor);
        polled.push(at.saturating_duration_since(written));
        let (_, event) = stream.event().await.unwrap();
        assert_eq!(event["type"], "message.received");
        streamed.push(written.elapsed());
    }
    let ((poll, worst_poll), (streams, worst_stream)) = (median(polled), median(streamed));
    println!(
        "accepted by one node, seen on another: long poll {poll:?} (worst {worst_poll:?}), \
         stream {streams:?} (worst {worst_stream:?})"
    );
    assert!(worst_poll.max(worst_stream) < BELL, "the slow poll answered");

    // A key is one request, whichever node it comes to, one after the other or at once.
    let first = by_ana[0].post_once("/v1/messages", "key", letter("bo@example.org", "once")).await;
    let id = text(&first.expect(202), "id").to_owned();
    accepted.insert("once".into());
    for client in &by_ana[1..] {
        let again = client.post_once("/v1/messages", "key", letter("bo@example.org", "once")).await;
        assert_eq!((text(&again.expect(202), "id"), again.header("idempotency-replayed")), (&*id, "true"));
        let other = client.post_once("/v1/messages", "key", letter("bo@example.org", "other")).await;
        other.problem(422, "idempotency_key_reuse");
    }
    for n in 0..10 {
        let subject = format!("at once {n}");
        let sends = by_ana
            .iter()
            .chain(&by_ana)
            .map(|client| client.post_once("/v1/messages", &subject, letter("bo@example.org", &subject)));
        let answers = join_all(sends).await;
        let ids: HashSet<_> =
            answers.iter().map(|answer| text(&answer.expect(202), "id").to_owned()).collect();
        assert_eq!(ids.len(), 1, "{subject}");
        let made = answers.iter().filter(|answer| answer.header("idempotency-replayed") != "true").count();
        assert_eq!(made, 1, "{subject}");
        accepted.insert(subject);
    }
    arrived(&by_bo[2], &accepted.iter().cloned().collect::<Vec<_>>()).await;
    exactly_once(&database, &by_bo[2], &accepted).await;
    for node in &mut nodes {
        assert_eq!(node.stop(), Some(0), "{}", node.log());
    }
}
