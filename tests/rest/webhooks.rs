//! Webhooks: signed, tried again, switched off, and never inside; checked with the standard's own library.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::{Door, first, id, letter};
use crate::support::Engine;
use crate::support::app::App;
use crate::support::client::text;

/// One answer: its status, and `location` or `retry-after`.
type Answers = VecDeque<(u16, Option<&'static str>)>;
type Call = (HeaderMap, String);

/// A program that is called: it answers as it is told, and remembers.
#[derive(Clone, Default)]
struct Hook(Arc<Mutex<(Vec<Call>, Answers)>>);

impl Hook {
    async fn start() -> (Self, SocketAddr) {
        let hook = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let called = async |State(hook): State<Hook>, headers: HeaderMap, body: Bytes| {
            let mut state = hook.0.lock().unwrap();
            state.0.push((headers, String::from_utf8(body.into()).unwrap()));
            let (status, with) = state.1.pop_front().unwrap_or((204, None));
            let status = StatusCode::from_u16(status).unwrap();
            match with {
                Some(to) if status.is_redirection() => (status, [("location", to)]).into_response(),
                Some(after) => (status, [("retry-after", after)]).into_response(),
                None => status.into_response(),
            }
        };
        let app = axum::Router::new().fallback(called).with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (hook, at)
    }

    fn next(&self, answers: impl IntoIterator<Item = (u16, Option<&'static str>)>) {
        self.0.lock().unwrap().1.extend(answers);
    }

    fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().0.clone()
    }
}

fn header<'h>(call: &'h Call, name: &str) -> &'h str {
    call.0.get(name).map_or("", |value| value.to_str().unwrap())
}

fn said(call: &Call) -> Value {
    serde_json::from_str(&call.1).unwrap()
}

/// An app whose webhooks may call this machine.
async fn open(engine: Engine) -> Door {
    Door::before(App::calling(engine).await).await
}

/// What the standard's library would sign, and the asymmetric signature; the time is that of the attempt.
fn verify(key: &Value, call: &Call, now: i64) {
    let (id, seconds) = (header(call, "webhook-id"), header(call, "webhook-timestamp").parse().unwrap());
    assert_eq!(seconds, now / 1000, "the time is the attempt's");
    let expected = Webhook::new(text(key, "secret")).unwrap().sign(id, seconds, call.1.as_bytes()).unwrap();
    let signatures: Vec<&str> = header(call, "webhook-signature").split(' ').collect();
    assert!(signatures.contains(&expected.as_str()), "{signatures:?}");
    let public = STANDARD.decode(text(key, "public_key").strip_prefix("whpk_").unwrap()).unwrap();
    let signed = format!("{id}.{seconds}.{}", call.1);
    let mut good = signatures.iter().filter_map(|one| STANDARD.decode(one.strip_prefix("v1a,")?).ok());
    let verifies = |signature: Vec<u8>| {
        UnparsedPublicKey::new(&ED25519, &public).verify(signed.as_bytes(), &signature).is_ok()
    };
    assert!(good.any(verifies), "{signatures:?}");
}

both!(a_webhook_is_told_signed_and_again_until_it_takes_it, |engine| async move {
    let door = open(engine).await;
    let (hook, at) = Hook::start().await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let new = json!({ "url": format!("http://{at}/in?x=1"), "types": ["message.received"],
        "headers": { "Authorization": "Bearer x" } });
    let made = by_bo.post_once("/v1/webhooks", "k", new.clone()).await.expect(201);
    let path = format!("/v1/webhooks/{}", id(&made));
    assert!(
        text(&made, "secret").starts_with("whsec_") && made["headers"] == json!(["Authorization"]),
        "{made}"
    );
    let again = by_bo.post_once("/v1/webhooks", "k", new).await.expect(201);
    assert_eq!((&again["id"], &again["secret"]), (&made["id"], &json!(null)));
    let shown = by_bo.get(&path).await.expect(200);
    assert_eq!((&shown["secret"], &shown["public_key"]), (&json!(null), &made["public_key"]));
    assert!(!shown.to_string().contains("Bearer"));
    for sub in ["", "/deliveries"] {
        by_ana.get(&format!("{path}{sub}")).await.problem(404, "not_found");
    }
    for (sub, body) in [("/rotate", json!({})), ("/test", json!({})), ("/redeliver", json!({ "after": "0" }))]
    {
        by_ana.post(&format!("{path}{sub}"), body).await.problem(404, "not_found");
    }
    by_ana.patch(&path, json!({ "enabled": false })).await.problem(404, "not_found");
    by_ana.delete(&path).await.problem(404, "not_found");

    hook.next([(500, None), (302, Some("http://127.0.0.1:1/")), (429, Some("900"))]);
    by_ana.post("/v1/messages", letter(&bo, "Hi")).await.expect(202);
    door.app.settle().await;
    let call = hook.calls().remove(0);
    verify(&made, &call, door.app.now());
    assert_eq!(header(&call, "authorization"), "Bearer x");
    let webhook_id = header(&call, "webhook-id").to_owned();
    assert!(webhook_id.starts_with("msg_") && !webhook_id.contains('.'));
    let told = said(&call);
    assert_eq!((&told["type"], &told["data"]["previous"]), (&json!("message.received"), &json!(null)));
    assert_eq!(told["data"]["message_id"], first(&by_bo, "/v1/messages").await["id"]);
    assert!(told["data"]["cursor"].is_string() && !call.1.contains("Some words"), "ids and no content");
    for (wait, calls, why) in [
        (0, 1, "nothing before its time"),
        (8, 2, "5 s, with a fifth more or less"),
        (7 * 60, 3, "a redirection is a failure, and is not followed"),
        (14 * 60, 3, "as long as Retry-After says"),
        (30 * 60, 4, "then the third gap"),
    ] {
        door.app.seconds(wait);
        door.app.settle().await;
        assert_eq!(hook.calls().len(), calls, "{why}");
    }
    let calls = hook.calls();
    assert!(calls.iter().all(|call| header(call, "webhook-id") == webhook_id && call.1 == calls[0].1));
    verify(&made, &calls[3], door.app.now());
    let list = by_bo.get(&format!("{path}/deliveries")).await.expect(200)["items"].clone();
    assert_eq!((&list[0]["state"], &list[0]["event"]), (&json!("delivered"), &told["data"]["cursor"]));
    let statuses: Vec<&Value> =
        list[0]["attempts"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!(500), &json!(302), &json!(429), &json!(204)]);
    assert_eq!(by_bo.get(&path).await.expect(200)["failing_since"], json!(null));

    // Again, by hand: one, and a range; with both keys while one is changed for the other.
    let again =
        by_bo.post(&format!("{path}/redeliver"), json!({ "delivery_id": list[0]["id"] })).await.expect(202);
    assert_eq!(again["deliveries"].as_array().unwrap().len(), 1);
    let range = by_bo.post(&format!("{path}/redeliver"), json!({ "after": "0" })).await.expect(202);
    assert_eq!((range["deliveries"].as_array().unwrap().len(), &range["next_after"]), (1, &json!(null)));
    let none = json!({ "after": "0", "until": "0" });
    assert_eq!(by_bo.post(&format!("{path}/redeliver"), none).await.expect(202)["deliveries"], json!([]));
    by_bo.post(&format!("{path}/redeliver"), json!({})).await.problem(422, "invalid_body");
    let renewed = by_bo.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    by_bo.post(&format!("{path}/test"), json!({})).await.expect(202);
    door.app.settle().await;
    let calls = hook.calls();
    assert_eq!(calls.len(), 7);
    let (tests, events): (Vec<_>, Vec<_>) =
        calls[4..].iter().partition(|call| said(call)["type"] == "webhook.test");
    assert!(
        events.iter().all(|call| header(call, "webhook-id") == webhook_id),
        "told again, it is the same event"
    );
    assert!(tests.len() == 1 && header(tests[0], "webhook-id") != webhook_id);
    for call in &calls[4..] {
        assert_eq!(header(call, "webhook-signature").split(' ').count(), 4);
        verify(&made, call, door.app.now());
        verify(&renewed, call, door.app.now());
    }
    door.app.minutes(25 * 60);
    by_ana.post("/v1/messages", letter(&bo, "Hi")).await.expect(202);
    door.app.settle().await;
    let last = hook.calls().remove(7);
    assert_eq!(header(&last, "webhook-signature").split(' ').count(), 2, "the old key is over");
    assert_eq!(said(&last)["data"]["previous"], told["data"]["cursor"], "a gap would show");
    let calls = async || by_bo.every(&format!("{path}/deliveries")).await;
    assert_eq!(door.app.store.prune_some(100, door.app.now()).await.unwrap(), 0);
    assert_eq!(calls().await.len(), 5);
    door.app.minutes(31 * 24 * 60);
    while door.app.store.prune_some(100, door.app.now()).await.unwrap() > 0 {}
    assert_eq!(calls().await, Vec::<Value>::new(), "kept for 30 days");
    by_bo.delete(&path).await.expect(204);
    by_ana.post("/v1/messages", letter(&bo, "Hi")).await.expect(202);
    door.app.settle().await;
    assert_eq!(hook.calls().len(), 8);
});

both!(a_webhook_that_is_gone_or_fails_for_days_is_switched_off, |engine| async move {
    let door = open(engine).await;
    let (hook, at) = Hook::start().await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let new = json!({ "url": format!("http://{at}/"), "types": ["message.received"] });
    let made = by_bo.post("/v1/webhooks", new).await.expect(201);
    let path = format!("/v1/webhooks/{}", id(&made));
    hook.next([(410, None)]);
    by_ana.post("/v1/messages", letter(&bo, "1")).await.expect(202);
    door.app.settle().await;
    let gone = by_bo.get(&path).await.expect(200);
    assert_eq!((&gone["enabled"], &gone["disabled_reason"]), (&json!(false), &json!("gone")));
    by_ana.post("/v1/messages", letter(&bo, "2")).await.expect(202);
    door.app.settle().await;
    assert_eq!(hook.calls().len(), 1);
    let told = by_bo.get("/v1/events?types=webhook.disabled").await.expect(200);
    assert_eq!(told["items"][0]["data"]["webhook_id"], made["id"]);
    let notice = by_bo.get("/v1/messages?subject=switched").await.expect(200)["items"].clone();
    assert_eq!(notice.as_array().unwrap().len(), 1);
    assert_eq!(notice[0]["id"], told["items"][0]["data"]["message_id"]);
    by_bo.post(&format!("{path}/redeliver"), json!({ "after": "0" })).await.problem(409, "webhook_disabled");
    by_bo.post(&format!("{path}/test"), json!({})).await.expect(202);
    door.app.settle().await;
    assert_eq!(hook.calls().len(), 2, "it can be tried before it is switched on");

    // Switched on again it goes on from now; one good call in between begins the five days anew.
    by_bo.patch(&path, json!({ "enabled": true })).await.expect(200);
    door.app.settle().await;
    assert_eq!(hook.calls().len(), 2);
    hook.next((0..100).map(|_| (503, None)));
    by_ana.post("/v1/messages", letter(&bo, "3")).await.expect(202);
    let mut hours = 0;
    while by_bo.get(&path).await.expect(200)["enabled"] == json!(true) && hours < 24 * 8 {
        door.app.settle().await;
        door.app.minutes(4 * 60);
        hours += 4;
    }
    assert!((5 * 24..=6 * 24).contains(&hours), "{hours}");
    let failing = by_bo.get(&path).await.expect(200);
    assert_eq!((&failing["enabled"], &failing["disabled_reason"]), (&json!(false), &json!("failing")));
    let tried = hook.calls().len() - 2;
    assert!((9..=14).contains(&tried), "{tried}");
    assert_eq!(
        by_bo.get("/v1/messages?subject=switched").await.expect(200)["items"].as_array().unwrap().len(),
        2
    );
    door.app.settle().await;
});

both!(a_failing_webhook_delays_no_other_and_no_mail, |engine| async move {
    let door = open(engine).await;
    let (hook, at) = Hook::start().await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    // Nobody listens there any more.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}/"), format!("http://{at}/")] {
        by_bo.post("/v1/webhooks", json!({ "url": url, "types": ["message.received"] })).await.expect(201);
    }
    for n in 0..30 {
        by_ana.post("/v1/messages", letter(&bo, &n.to_string())).await.expect(202);
    }
    door.app.settle().await;
    assert_eq!(by_bo.every("/v1/messages").await.len(), 30);
    let calls = hook.calls();
    let mut cursors: Vec<i64> =
        calls.iter().map(|call| text(&said(call)["data"], "cursor").parse().unwrap()).collect();
    cursors.sort_unstable();
    cursors.dedup();
    assert_eq!((calls.len(), cursors.len()), (30, 30), "each event once");
    let hooks = by_bo.get("/v1/webhooks").await.expect(200)["items"].clone();
    assert!(hooks[0]["failing_since"].is_string() && hooks[1]["failing_since"].is_null(), "{hooks}");
    let dead = by_bo.get(&format!("/v1/webhooks/{}/deliveries?limit=1", id(&hooks[0]))).await.expect(200);
    assert_eq!(dead["items"][0]["attempts"][0]["detail"], "the connection failed");
    by_bo.delete(&format!("/v1/webhooks/{}", id(&hooks[0]))).await.expect(204);
});

both!(a_callback_address_is_told_of_the_answer, |engine| async move {
    let door = open(engine).await;
    let (hook, at) = Hook::start().await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    by_ana.get("/v1/webhooks/secret").await.problem(404, "not_found");
    let key = by_ana.post("/v1/webhooks/secret", json!({})).await.expect(200);
    assert_eq!(by_ana.get("/v1/webhooks/secret").await.expect(200)["public_key"], key["public_key"]);
    let ask =
        json!({ "kind": "text", "context": { "build": 7 }, "callback_url": format!("http://{at}/done") });
    let sent = by_ana.post("/v1/messages", json!({ "to": [bo.address], "ask": ask })).await.expect(202);
    let promise = id(&sent["promises"]["answer"]).to_owned();
    door.app.settle().await;
    assert!(hook.calls().is_empty());
    hook.next([(503, None)]);
    by_bo.post(&format!("/v1/promises/{promise}/answer"), json!({ "value": "Yes." })).await.expect(200);
    door.app.settle().await;
    door.app.seconds(8);
    door.app.settle().await;
    let calls = hook.calls();
    assert_eq!(calls.len(), 2);
    let told = said(&calls[1]);
    assert_eq!((&told["type"], &told["data"]["promise_id"]), (&json!("promise.settled"), &json!(promise)));
    assert_eq!((&told["data"]["value"], &told["data"]["context"]), (&json!("Yes."), &json!({ "build": 7 })));
    assert_eq!(
        (header(&calls[0], "webhook-id"), &calls[0].1),
        (header(&calls[1], "webhook-id"), &calls[1].1)
    );
    verify(&key, &calls[1], door.app.now());
    // Without a key there is one by the time it is needed.
    let ask = json!({ "kind": "text", "deadline": "PT1H", "callback_url": format!("http://{at}/done") });
    by_bo.post("/v1/messages", json!({ "to": ["ana@example.org"], "ask": ask })).await.expect(202);
    door.app.settle().await;
    door.app.minutes(61);
    door.app.settle().await;
    let told = hook.calls().remove(2);
    assert_eq!(said(&told)["data"]["reason"]["code"], "expired");
    assert_eq!(header(&told, "webhook-signature").split(' ').count(), 2);
});

both!(nothing_inside_is_called, |engine| async move {
    let door = Door::open(engine).await;
    let (hook, at) = Hook::start().await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    for url in [
        format!("http://{at}/"),
        format!("http://localhost:{}/", at.port()),
        "http://169.254.169.254/".into(),
        "http://[::1]/".into(),
        "http://2130706433/".into(),
        "file:///etc/passwd".into(),
        "http://10.0.0.1/".into(),
        "http://u:p@example.org/".into(),
        "https://example.org:25/".into(),
        "http://example.org/\r\nX: y".into(),
        "nonsense".into(),
    ] {
        let problem = by_bo.post("/v1/webhooks", json!({ "url": url })).await.problem(422, "invalid_body");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
        let ask = json!({ "to": [bo.address], "ask": { "kind": "text", "callback_url": url } });
        let problem = by_ana.post("/v1/messages", ask).await.problem(422, "invalid_ask");
        assert_eq!(problem["errors"][0]["pointer"], "/ask/callback_url", "{url}");
    }
    for headers in [
        json!({ "Host": "x" }),
        json!({ "webhook-id": "x" }),
        json!({ "X-A": "a\r\nb" }),
        json!({ "a b": "c" }),
    ] {
        let body = json!({ "url": "https://example.org/", "headers": headers });
        by_bo.post("/v1/webhooks", body).await.problem(422, "invalid_header");
    }
    let most = json!((0..51).map(|n| format!("a.{}", "b".repeat(n + 1))).collect::<Vec<_>>());
    by_bo
        .post("/v1/webhooks", json!({ "url": "https://example.org/", "types": most }))
        .await
        .problem(422, "invalid_body");
    assert!(hook.calls().is_empty());
    for n in 0..20 {
        by_bo.post("/v1/webhooks", json!({ "url": format!("https://example.org/{n}") })).await.expect(201);
    }
    let more = json!({ "url": "https://example.org/21" });
    by_bo.post("/v1/webhooks", more).await.problem(409, "too_many_webhooks");
});
