//! Reading: lists, pages, entity tags, marks. Nothing changes by a look.

use std::time::Duration;

use serde_json::json;

use super::{Door, first, id, letter};
use crate::support::client::text;
use crate::support::within;

both!(pages_have_everything_once, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    for n in 0..25 {
        by_ana.post("/v1/messages", letter(&bo, &format!("letter {n}"))).await.expect(202);
        if n % 3 == 0 {
            door.app.seconds(1);
        }
    }
    door.app.settle().await;
    for limit in [1, 7, 25, 200] {
        let all = by_bo.every(&format!("/v1/messages?limit={limit}")).await;
        let mut ids: Vec<&str> = all.iter().map(id).collect();
        assert_eq!(ids.len(), 25, "{limit}");
        let times: Vec<&str> = all.iter().map(|message| text(message, "received_at")).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 25);
    }
    // A cursor is good for its list, filter and caller only; what comes in meanwhile moves nothing.
    let page = by_bo.get("/v1/messages?limit=5").await.expect(200);
    let cursor = text(&page, "next_cursor");
    by_ana.get(&format!("/v1/messages?limit=5&cursor={cursor}")).await.problem(400, "invalid_cursor");
    by_bo.get(&format!("/v1/messages?seen=true&cursor={cursor}")).await.problem(400, "invalid_cursor");
    by_bo.get(&format!("/v1/threads?cursor={cursor}")).await.problem(400, "invalid_cursor");
    let mut forged = cursor.to_owned();
    forged.replace_range(3..4, if &cursor[3..4] == "A" { "B" } else { "A" });
    by_bo.get(&format!("/v1/messages?limit=5&cursor={forged}")).await.problem(400, "invalid_cursor");
    by_ana.post("/v1/messages", letter(&bo, "newer")).await.expect(202);
    door.app.settle().await;
    let next = by_bo.get(&format!("/v1/messages?limit=5&cursor={cursor}")).await.expect(200);
    let seen: Vec<&str> = page["items"].as_array().unwrap().iter().map(id).collect();
    assert!(next["items"].as_array().unwrap().iter().all(|item| !seen.contains(&id(item))));
    assert_eq!(by_bo.every("/v1/threads?limit=4").await.len(), 26);
});

both!(filters_narrow, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    by_ana.post("/v1/messages", json!({ "to": [bo.address], "subject": "100% Ü_x", "attachments": [{ "filename": "a.txt", "content": "YQ==" }] })).await.expect(202);
    door.app.settle().await;
    door.app.minutes(60);
    by_ana.post("/v1/messages", letter(&bo, "plain")).await.expect(202);
    door.app.settle().await;
    let plain = first(&by_bo, "/v1/messages?subject=plain").await;
    let path = format!("/v1/messages/{}", id(&plain));
    by_bo.patch(&path, json!({ "seen": true, "flagged": true, "add_keywords": ["Work"] })).await.expect(200);
    for (query, found) in [
        ("subject=100%25", 1),
        ("subject=0_%25", 0),
        ("subject=PLAIN", 1),
        ("from=ana", 2),
        ("from=bo@", 0),
        ("to=bo@", 2),
        ("seen=true", 1),
        ("seen=false", 1),
        ("flagged=true", 1),
        ("has_attachment=true", 1),
        ("has_attachment=false", 1),
        ("keyword=work", 1),
        ("keyword=play", 0),
        ("mailbox=inbox", 2),
        ("mailbox=sent", 0),
        ("after=2026-11-23T10:30:00Z", 1),
        ("before=2026-11-23T10:30:00Z", 1),
        ("after=2026-11-23T12:30:00%2B01:00", 0),
        ("seen=true&flagged=true&keyword=work&mailbox=inbox", 1),
        ("seen=false&flagged=true", 0),
    ] {
        let items = by_bo.every(&format!("/v1/messages?{query}")).await;
        assert_eq!(items.len(), found, "{query}");
    }
    assert_eq!(by_bo.every("/v1/threads?flagged=true").await.len(), 1);
    assert_eq!(by_bo.every("/v1/threads?mailbox=inbox&seen=false").await.len(), 1);
    assert_eq!(by_ana.every("/v1/messages?mailbox=sent").await.len(), 2);
    assert_eq!(by_ana.get("/v1/me").await.expect(200)["address"], ana.address);
});

both!(a_look_changes_nothing_and_says_when_nothing_has_changed, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    by_ana.post("/v1/messages", letter(&bo, "x")).await.expect(202);
    door.app.settle().await;
    let before = by_bo.get("/v1/events").await.expect(200);
    let message = first(&by_bo, "/v1/messages").await;
    let path = format!("/v1/messages/{}", id(&message));
    let thread = format!("/v1/threads/{}", text(&message, "thread_id"));
    for path in [
        "/v1/messages",
        "/v1/threads",
        "/v1/mailboxes",
        &path,
        &thread,
        &format!("{path}/raw"),
        &format!("{path}/deliveries"),
        &format!("{path}/timeline"),
        "/v1/deliveries",
    ] {
        let answer = by_bo.get(path).await;
        answer.expect(200);
        let etag = answer.header("etag").to_owned();
        if etag.is_empty() {
            continue;
        }
        let again = by_bo.header("if-none-match", &etag).get(path).await;
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), etag);
        by_bo.header("if-none-match", "W/\"other\"").get(path).await.expect(200);
    }
    assert_eq!(by_bo.get("/v1/events").await.expect(200), before);
    assert_eq!(by_bo.get(&path).await.expect(200)["seen"], false);
});

both!(marks_moves_and_deletions, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    by_ana.post("/v1/messages", letter(&bo, "x")).await.expect(202);
    door.app.settle().await;
    let message = first(&by_bo, "/v1/messages").await;
    let path = format!("/v1/messages/{}", id(&message));
    let etag = by_bo.get(&path).await.header("etag").to_owned();
    let with = by_bo.header("if-match", &etag);
    let changed =
        with.patch(&path, json!({ "seen": true, "mailbox": "archive", "add_keywords": ["a", "B"] })).await;
    let body = changed.expect(200);
    assert_eq!(
        (&body["seen"], &body["mailbox"], &body["keywords"]),
        (&json!(true), &json!("archive"), &json!(["a", "b"]))
    );
    assert_ne!(changed.header("etag"), etag);
    with.patch(&path, json!({ "seen": false })).await.problem(412, "precondition_failed");
    with.delete(&path).await.problem(412, "precondition_failed");
    by_bo
        .header("if-match", "\"nonsense\"")
        .patch(&path, json!({ "seen": false }))
        .await
        .problem(412, "precondition_failed");
    let body = by_bo.patch(&path, json!({ "remove_keywords": ["A"] })).await.expect(200);
    assert_eq!(body["keywords"], json!(["b"]));
    for (bad, code) in [
        (json!({ "mailbox": "nowhere" }), "invalid_body"),
        (json!({ "owner": "me" }), "unknown_field"),
        (json!({ "seen": "yes" }), "invalid_body"),
        (json!({ "snoozed_until": "2020-01-01T00:00:00Z" }), "invalid_body"),
        (json!({ "snoozed_until": "2099-01-01T00:00:00Z", "mailbox": "archive" }), "invalid_body"),
        (json!({ "muted": "yes" }), "invalid_body"),
        (json!({ "add_keywords": ["a b"] }), "invalid_body"),
    ] {
        by_bo.patch(&path, bad).await.problem(422, code);
    }
    let many = by_bo
        .patch("/v1/messages", json!({ "ids": [id(&message), "no id"], "set": { "flagged": true } }))
        .await;
    assert_eq!(many.expect(200), json!({ "updated": 1, "ids": [id(&message)], "next_cursor": null }));
    by_bo.patch("/v1/messages", json!({ "ids": [], "set": {} })).await.problem(422, "invalid_body");
    by_bo
        .patch("/v1/messages", json!({ "query": { "limit": 5 }, "set": {} }))
        .await
        .problem(422, "invalid_body");
    by_bo.delete(&path).await.expect(204);
    assert_eq!(by_bo.get(&path).await.expect(200)["mailbox"], "trash");
    by_bo.delete(&path).await.expect(204);
    by_bo.get(&path).await.problem(404, "not_found");
    by_bo.delete(&path).await.problem(404, "not_found");
    // The sender's copy is theirs.
    assert_eq!(by_ana.every("/v1/messages").await.len(), 1);
});

both!(mailboxes_are_made_renamed_and_removed, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let roles: Vec<_> = by_bo.every("/v1/mailboxes").await;
    assert_eq!(roles.len(), 8);
    let made = by_bo.post("/v1/mailboxes", json!({ "name": "Receipts" })).await;
    let path = made.header("location").to_owned();
    let made = made.expect(201);
    by_bo.post("/v1/mailboxes", json!({ "name": "Receipts" })).await.problem(409, "name_taken");
    by_bo.post("/v1/mailboxes", json!({ "name": "a\nb" })).await.problem(422, "invalid_body");
    by_bo.patch(&path, json!({ "name": "Inbox" })).await.problem(409, "name_taken");
    assert_eq!(by_bo.patch(&path, json!({ "name": "Bills" })).await.expect(200)["name"], "Bills");
    let inbox = format!("/v1/mailboxes/{}", id(&roles[0]));
    by_bo.patch(&inbox, json!({ "name": "x" })).await.problem(409, "mailbox_has_role");
    by_bo.delete(&inbox).await.problem(409, "mailbox_has_role");
    by_ana.post("/v1/messages", letter(&bo, "x")).await.expect(202);
    door.app.settle().await;
    let message = first(&by_bo, "/v1/messages").await;
    let moved = by_bo
        .patch(&format!("/v1/messages/{}", id(&message)), json!({ "mailbox": made["id"] }))
        .await
        .expect(200);
    assert_eq!(moved["mailbox"], made["id"]);
    let counts =
        by_bo.every("/v1/mailboxes").await.into_iter().find(|mailbox| mailbox["name"] == "Bills").unwrap();
    assert_eq!((&counts["total"], &counts["unread"], &counts["role"]), (&json!(1), &json!(1), &json!(null)));
    by_bo.delete(&path).await.problem(409, "mailbox_not_empty");
    by_bo.delete(&format!("/v1/messages/{}?permanent=true", id(&message))).await.expect(204);
    by_bo.delete(&path).await.expect(204);
    by_bo.delete(&path).await.problem(404, "not_found");
});

both!(a_list_can_wait_for_what_comes, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let waiting =
        tokio::spawn(async move { by_bo.get("/v1/messages?mailbox=inbox&wait=60").await.expect(200) });
    tokio::task::yield_now().await;
    by_ana.post("/v1/messages", letter(&bo, "at last")).await.expect(202);
    door.app.settle().await;
    // Well before the next look without a bell, which comes after 15 seconds.
    let list = tokio::time::timeout(Duration::from_secs(12), waiting).await.expect("the bell").unwrap();
    assert_eq!(list["items"][0]["subject"], "at last");
    let none = within("an empty wait", by_ana.get("/v1/messages?mailbox=inbox&wait=1")).await.expect(200);
    assert_eq!(none["items"], json!([]));
});
