//! What a person's inbox has beside mail: snoozing, changing what a query finds, drafts, choices, completing addresses.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Door, first, id, letter};
use crate::support::client::text;

both!(what_is_snoozed_comes_back_by_itself_once, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    by_ana.post("/v1/messages", letter(&bo, "later")).await.expect(202);
    door.app.settle().await;
    let message = first(&by_bo, "/v1/messages?mailbox=inbox").await;
    let path = format!("/v1/messages/{}", id(&message));
    let at = |minutes: i64| {
        let time = chrono::DateTime::from_timestamp_millis(door.app.now() + minutes * 60_000).unwrap();
        time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    };
    let soon = at(30);
    let snoozed = by_bo.patch(&path, json!({ "seen": true, "snoozed_until": soon })).await.expect(200);
    assert_eq!((&snoozed["mailbox"], text(&snoozed, "snoozed_until")), (&json!("snoozed"), soon.as_str()));
    // Put off again: the first time no longer counts.
    by_bo.patch(&path, json!({ "snoozed_until": at(90) })).await.expect(200);
    door.app.minutes(31);
    door.app.settle().await;
    assert_eq!(by_bo.get(&path).await.expect(200)["mailbox"], "snoozed");
    door.app.minutes(60);
    door.app.settle().await;
    let back = by_bo.get(&path).await.expect(200);
    assert_eq!(
        (&back["mailbox"], &back["seen"], &back["snoozed_until"]),
        (&json!("inbox"), &json!(false), &json!(null))
    );
    let woken = by_bo.get("/v1/threads?mailbox=inbox&keyword=$woken&seen=false").await.expect(200);
    assert_eq!(woken["items"].as_array().unwrap().len(), 1);

    // Moved away, or taken back, it stays where it was put.
    for set in [json!({ "mailbox": "archive" }), json!({ "snoozed_until": null })] {
        by_bo.patch(&path, json!({ "snoozed_until": at(10) })).await.expect(200);
        let there = by_bo.patch(&path, set).await.expect(200)["mailbox"].clone();
        door.app.minutes(11);
        door.app.settle().await;
        let now = by_bo.get(&path).await.expect(200);
        assert_eq!((&now["mailbox"], &now["snoozed_until"]), (&there, &json!(null)));
    }
});

both!(what_a_query_finds_is_changed_page_by_page, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    for n in 0..7 {
        by_ana.post("/v1/messages", letter(&bo, &format!("harbour {n}"))).await.expect(202);
    }
    by_ana.post("/v1/messages", letter(&bo, "other")).await.expect(202);
    door.app.settle().await;
    let change = async |query: Value, set: Value| {
        by_bo.patch("/v1/messages", json!({ "query": query, "set": set })).await
    };
    let found = change(json!({ "mailbox": "inbox", "q": "harbour" }), json!({ "mailbox": "archive" }))
        .await
        .expect(200);
    assert_eq!((&found["updated"], &found["next_cursor"]), (&json!(7), &json!(null)));
    assert_eq!(found["ids"].as_array().unwrap().len(), 7);
    assert_eq!(by_bo.every("/v1/messages?mailbox=inbox").await.len(), 1);
    // Only what was not like that before is named, so that undoing changes nothing else.
    let seen = change(json!({ "subject": "harbour 3" }), json!({ "seen": true })).await.expect(200);
    let all = change(json!({ "mailbox": "archive" }), json!({ "seen": true })).await.expect(200);
    assert_eq!((&seen["updated"], &all["updated"]), (&json!(1), &json!(6)));
    let both = json!({ "ids": seen["ids"], "query": {}, "set": { "seen": true } });
    by_bo.patch("/v1/messages", both).await.problem(422, "invalid_body");
    change(json!({ "cursor": "x" }), json!({ "seen": true })).await.problem(400, "invalid_cursor");
    change(json!({ "owner": "x" }), json!({ "seen": true })).await.problem(422, "unknown_field");
});

both!(a_draft_is_kept_and_sent_once, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let made = by_ana.post("/v1/drafts", json!({ "subject": "Half" })).await.expect(201);
    let path = format!("/v1/drafts/{}", id(&made));
    let put = async |body: Value, tag: Option<&str>| {
        let mut request = by_ana.request(Method::PUT, &path).json(&body);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        by_ana.send(request).await
    };
    let tag = by_ana.get(&path).await.header("etag").to_owned();
    let whole = letter(&bo, "Whole");
    assert_eq!(put(whole.clone(), Some(&tag)).await.expect(200)["draft"], whole);
    // Another browser that still has the first version undoes nothing.
    put(json!({}), Some(&tag)).await.problem(412, "precondition_failed");
    put(json!({ "sbject": "x" }), None).await.problem(422, "invalid_body");
    put(json!({ "text": "x".repeat(600_000) }), None).await.problem(422, "invalid_body");
    by_bo.get(&path).await.problem(404, "not_found");
    by_bo.delete(&path).await.problem(404, "not_found");
    by_bo.post(&format!("{path}/send"), json!({})).await.problem(404, "not_found");
    assert_eq!(by_bo.get("/v1/drafts").await.expect(200)["items"], json!([]));
    assert_eq!(by_ana.every("/v1/drafts?limit=1").await.len(), 1);

    let key = "send-1";
    let send = async || {
        let request = by_ana.request(Method::POST, &format!("{path}/send")).header("idempotency-key", key);
        by_ana.send(request).await
    };
    let sent = send().await.expect(202);
    assert_eq!(send().await.expect(202), sent);
    by_ana.post(&format!("{path}/send"), json!({})).await.problem(404, "not_found");
    door.app.settle().await;
    assert_eq!(by_bo.every("/v1/messages?mailbox=inbox").await.len(), 1);
    let events = by_ana.get("/v1/events?types=draft.updated").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
});

both!(choices_are_the_same_everywhere, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, _, by_bo) = door.two().await;
    let path = "/v1/me/settings";
    by_ana.patch(path, json!({ "theme": "dark", "language": "de", "undo_seconds": 30 })).await.expect(200);
    by_ana.patch(path, json!({ "language": null, "keys": false })).await.expect(200);
    let mine = by_ana.get(path).await.expect(200);
    assert_eq!(
        mine,
        json!({ "language": null, "theme": "dark", "density": null, "keys": false, "undo_seconds": 30 })
    );
    assert_eq!(by_bo.get(path).await.expect(200)["theme"], json!(null));
    for (bad, code) in [
        (json!({ "theme": "pink" }), "invalid_body"),
        (json!({ "undo_seconds": 31 }), "invalid_body"),
        (json!({ "font": "x" }), "unknown_field"),
    ] {
        by_ana.patch(path, bad).await.problem(422, code);
    }
});

both!(addresses_are_completed_from_ones_own_mail, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    by_ana.post("/v1/messages", letter(&bo, "hello")).await.expect(202);
    door.app.settle().await;
    let names = async |q: &str| -> Vec<String> {
        let found = by_bo.get(&format!("/v1/addresses?q={q}")).await.expect(200);
        found["items"].as_array().unwrap().iter().map(|item| text(item, "address").to_owned()).collect()
    };
    let ana = text(&by_ana.get("/v1/me").await.expect(200), "address").to_owned();
    assert_eq!(names("AN").await, std::slice::from_ref(&ana));
    assert_eq!(names(&ana[..4]).await, [ana]);
    assert!(names("%25").await.is_empty());
    by_bo.get("/v1/addresses?q=").await.problem(422, "invalid_parameter");
    by_bo.get("/v1/addresses?q=a&limit=51").await.problem(422, "invalid_parameter");
});
