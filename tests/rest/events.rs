//! Events: the log page by page, and as a stream that ends with its credential.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Door, first, id, letter};
use crate::support::client::{Client, text};
use crate::support::within;

both!(the_log_is_read_page_by_page, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    assert_eq!(
        by_bo.get("/v1/events").await.expect(200),
        json!({ "items": [], "next_cursor": "0", "as_of": "0" })
    );
    for n in 0..3 {
        by_ana.post("/v1/messages", letter(&bo, &n.to_string())).await.expect(202);
    }
    door.app.settle().await;
    let mut cursor = "0".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = by_bo.get(&format!("/v1/events?limit=2&cursor={cursor}")).await.expect(200);
        for event in page["items"].as_array().unwrap() {
            assert_eq!(event["previous"], json!(seen.last().cloned().unwrap_or_else(|| "0".into())));
            assert_eq!(event["type"], "message.received");
            seen.push(text(event, "cursor").to_owned());
            by_bo.get(&format!("/v1/messages/{}", text(&event["data"], "message_id"))).await.expect(200);
        }
        text(&page, "next_cursor").clone_into(&mut cursor);
        if page["items"] == json!([]) {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    let own = by_ana.get("/v1/events?types=delivery.updated").await.expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 3);
    assert_eq!(by_ana.get("/v1/events?types=mailbox.updated").await.expect(200)["items"], json!([]));
    for bad in ["-1", "x", "01", "999999999", "9999999999999999999999", "1.5"] {
        by_bo.get(&format!("/v1/events?cursor={bad}")).await.problem(400, "invalid_cursor");
    }
    by_bo.get("/v1/events?types=a%20b").await.problem(422, "invalid_parameter");
    by_bo.get("/v1/events?limit=0").await.problem(422, "invalid_parameter");
    // A list's as_of is where the log goes on.
    let list = by_bo.get("/v1/messages").await.expect(200);
    assert_eq!(list["as_of"].as_str(), Some(cursor.as_str()));
    let waiting = {
        let (client, path) = (by_bo.clone(), format!("/v1/events?wait=60&cursor={cursor}"));
        tokio::spawn(async move { client.get(&path).await.expect(200) })
    };
    by_ana.post("/v1/messages", letter(&bo, "next")).await.expect(202);
    door.app.settle().await;
    let page = within("the next event", waiting).await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
});

/// A stream that is being read.
pub(crate) struct Stream {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    read: String,
}

impl Stream {
    pub(crate) async fn open(client: &Client, path: &str, last: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { body: response.bytes_stream().boxed(), read: String::new() };
        let hello = stream.block().await.unwrap();
        assert!(hello.contains(": open"), "{hello}");
        stream
    }

    /// The next block; none at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let block: String = self.read.drain(..end + 2).collect();
                return Some(block);
            }
            let piece = within("the stream", self.body.next()).await?.ok()?;
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event; none at the end of the stream.
    pub(crate) async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let block = self.block().await?;
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = field("data: ") {
                return Some((field("id: ").unwrap(), serde_json::from_str(&data).unwrap()));
            }
        }
    }
}

both!(a_stream_tells_what_happens_and_goes_on_where_it_was, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let mut stream = Stream::open(&by_bo, "/v1/events/stream", None).await;
    for n in 0..3 {
        by_ana.post("/v1/messages", letter(&bo, &n.to_string())).await.expect(202);
    }
    door.app.settle().await;
    let (cursor, event) = stream.event().await.unwrap();
    assert_eq!((&event["type"], &event["previous"]), (&json!("message.received"), &json!("0")));
    assert_eq!(event["cursor"], cursor);
    drop(stream);
    let mut again = Stream::open(&by_bo, "/v1/events/stream?cursor=0", Some(&cursor)).await;
    for _ in 0..2 {
        let (_, event) = again.event().await.unwrap();
        assert_eq!(event["type"], "message.received");
    }
    let message = first(&by_bo, "/v1/messages").await;
    by_bo.patch(&format!("/v1/messages/{}", id(&message)), json!({ "seen": true })).await.expect(200);
    let (_, event) = again.event().await.unwrap();
    assert_eq!((&event["type"], &event["data"]["message_id"]), (&json!("message.updated"), &message["id"]));
    let only = by_bo.header("last-event-id", "rubbish").get("/v1/events/stream").await;
    only.problem(400, "invalid_cursor");
    // The others' events are not in it.
    let mut mine = Stream::open(&by_ana, "/v1/events/stream?cursor=0&types=promise.settled", None).await;
    let (_, event) = mine.event().await.unwrap();
    assert_eq!(event["type"], "promise.settled");
});

both!(a_stream_goes_on_after_a_restart_without_loss_or_repeat, |engine| async move {
    let mut door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let mut stream = Stream::open(&by_bo, "/v1/events/stream", None).await;
    for n in 0..3 {
        by_ana.post("/v1/messages", letter(&bo, &n.to_string())).await.expect(202);
    }
    door.app.settle().await;
    let (first, _) = stream.event().await.unwrap();
    by_ana.post("/v1/messages", letter(&bo, "held when it died")).await.expect(202);
    door.restart().await;
    while stream.event().await.is_some() {}
    door.app.minutes(1);
    door.app.settle().await;
    let mut again = Stream::open(&door.client(&bo), "/v1/events/stream", Some(&first)).await;
    let mut previous = first;
    for _ in 0..3 {
        let (cursor, event) = again.event().await.unwrap();
        // Whoever compares sees that nothing is missing.
        assert_eq!((&event["previous"], &event["type"]), (&json!(previous), &json!("message.received")));
        assert_eq!(cursor.parse::<i64>().unwrap(), previous.parse::<i64>().unwrap() + 1);
        previous = cursor;
    }
});

both!(a_stream_ends_with_its_credential, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let made = by_bo.post("/v1/tokens", json!({ "name": "reader" })).await.expect(201);
    let reader = door.anybody().token(text(&made, "token"));
    let mut stream = Stream::open(&reader, "/v1/events/stream", None).await;
    by_ana.post("/v1/messages", letter(&bo, "one")).await.expect(202);
    door.app.settle().await;
    stream.event().await.unwrap();
    by_bo.delete(&format!("/v1/tokens/{}", id(&made))).await.expect(204);
    by_ana.post("/v1/messages", letter(&bo, "two")).await.expect(202);
    door.app.settle().await;
    assert_eq!(stream.event().await, None);
});

both!(who_waits_with_a_token_that_is_taken_back_reads_nothing, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let account = door.app.account_of(&bo).await.id;
    let before = by_bo.every("/v1/tokens").await;
    let token = door.app.token(account, "messages:read", None).await;
    let known = by_bo.every("/v1/tokens").await.into_iter().find(|token| !before.contains(token)).unwrap();
    let guest = door.anybody().token(&token);
    guest.get("/v1/me").await.expect(200);
    let waiting = tokio::spawn(async move { guest.get("/v1/messages?mailbox=inbox&wait=60").await });
    door.somebody_waits(account).await;
    by_bo.delete(&format!("/v1/tokens/{}", id(&known))).await.expect(204);
    by_ana.post("/v1/messages", letter(&bo, "too late")).await.expect(202);
    door.app.settle().await;
    let answer = within("the wait", waiting).await.unwrap();
    answer.problem(401, "token_revoked");
});

both!(a_stream_that_nobody_reads_leaves_its_place_at_once, |engine| async move {
    let door = Door::open(engine).await;
    let (_, _, _, by_bo) = door.two().await;
    for _ in 0..3 {
        let filled = tokio::time::timeout(Duration::from_secs(10), async {
            let mut streams = Vec::new();
            while streams.len() < 32 {
                let stream = by_bo.request(Method::GET, "/v1/events/stream").send().await.unwrap();
                if stream.status() == 200 {
                    streams.push(stream);
                } else {
                    // Those before have hung up, which takes a moment to be known.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            streams
        });
        drop(filled.await.expect("places again before the next heartbeat, which comes after 15 seconds"));
    }
});

both!(streams_are_bounded_and_end_when_the_door_closes, |engine| async move {
    let door = Door::open(engine).await;
    let (_, _, _, by_bo) = door.two().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Stream::open(&by_bo, "/v1/events/stream", None).await);
    }
    let refused = by_bo.get("/v1/events/stream").await;
    refused.problem(429, "too_many_streams");
    assert!(!refused.header("retry-after").is_empty());
    door.shutdown.cancel();
    for stream in &mut streams {
        assert_eq!(stream.event().await, None);
    }
});
