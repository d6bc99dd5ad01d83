//! Mutes, vacation replies, and the link that ends forwarding.

use restante::delivery::unsubscribe;
use restante::store::email::Change;
use restante::store::mute::Threads;
use serde_json::json;
use uuid::Uuid;

use super::{Door, id};
use crate::support::mta::Mta;

both!(mutes_are_ones_own, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let sent = by_bo.post("/v1/messages", json!({ "to": [ana.address], "text": "hi" })).await.expect(202);
    for wrong in [json!({}), json!({ "sender": "a@x.test", "thread_id": sent["thread_id"] })] {
        by_ana.post("/v1/mutes", wrong).await.problem(422, "invalid_body");
    }
    // A thread of somebody else's is none.
    let theirs = json!({ "thread_id": sent["thread_id"] });
    by_ana.post("/v1/mutes", theirs.clone()).await.problem(404, "not_found");
    by_bo.post("/v1/mutes", theirs).await.expect(201);
    let made = by_ana.post("/v1/mutes", json!({ "sender": bo.address.to_uppercase() })).await.expect(201);
    assert_eq!((&made["sender"], &made["thread_id"]), (&json!(bo.address), &json!(null)));
    let again = by_ana.post("/v1/mutes", json!({ "sender": bo.address })).await.expect(201);
    assert_eq!(again["id"], made["id"]);
    assert_eq!(by_ana.get("/v1/mutes").await.expect(200)["items"].as_array().unwrap().len(), 1);
    let path = format!("/v1/mutes/{}", id(&made));
    by_bo.delete(&path).await.problem(404, "not_found");
    by_ana.delete(&path).await.expect(204);
    by_ana.delete(&path).await.problem(404, "not_found");
});

both!(a_thread_is_muted_by_its_messages, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    for subject in ["one", "two"] {
        let letter = json!({ "to": [bo.address], "subject": subject, "text": "hi" });
        by_ana.post("/v1/messages", letter).await.expect(202);
    }
    door.app.settle().await;
    let list = by_bo.get("/v1/messages?mailbox=inbox").await.expect(200);
    let (one, two) = (id(&list["items"][0]).to_owned(), id(&list["items"][1]).to_owned());
    let thread = format!("/v1/threads/{}", list["items"][0]["thread_id"].as_str().unwrap());
    let before = by_bo.get(&thread).await;
    assert_eq!(before.expect(200)["muted"], false);
    let as_of = by_bo.get("/v1/events").await.expect(200)["next_cursor"].clone();
    let path = format!("/v1/messages/{one}");
    let set = by_bo.patch(&path, json!({ "muted": true, "seen": true })).await.expect(200);
    assert_eq!((&set["muted"], &set["seen"]), (&json!(true), &json!(true)));
    let after = by_bo.get(&thread).await;
    assert_eq!(after.expect(200)["muted"], true);
    assert_ne!(after.header("etag"), before.header("etag"));
    let events = by_bo.get(&format!("/v1/events?cursor={}", as_of.as_str().unwrap())).await.expect(200);
    let kinds: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thread.updated", "message.updated"]);
    assert_eq!(events["items"][0]["data"]["muted"], true);
    // The same once more changes nothing; it is one of the mutes, and nobody else's.
    let both = json!({ "ids": [one, two], "set": { "muted": true } });
    assert_eq!(by_bo.patch("/v1/messages", both.clone()).await.expect(200)["ids"], json!([two]));
    assert_eq!(by_bo.patch("/v1/messages", both.clone()).await.expect(200)["updated"], 0);
    assert_eq!(by_ana.patch("/v1/messages", both).await.expect(200)["updated"], 0);
    assert_eq!(by_bo.get("/v1/mutes").await.expect(200)["items"].as_array().unwrap().len(), 2);
    let found = json!({ "query": { "subject": "one" }, "set": { "muted": false } });
    assert_eq!(by_bo.patch("/v1/messages", found).await.expect(200)["updated"], 1);
    assert_eq!(by_bo.get("/v1/mutes").await.expect(200)["items"].as_array().unwrap().len(), 1);
    let muted = by_bo.get("/v1/threads").await.expect(200);
    let muted: Vec<&serde_json::Value> =
        muted["items"].as_array().unwrap().iter().map(|thread| &thread["muted"]).collect();
    assert!(muted.contains(&&json!(true)) && muted.contains(&&json!(false)), "{muted:?}");
    // There is a bound, and at it everything else still goes.
    let fill = (0..999).map(|n| (Uuid::from_u128(n), Uuid::from_u128(n + 5000))).collect();
    let fill = Change { threads: Some(Threads::Mute(fill)), ..Change::default() };
    let store = &door.app.store;
    store.change_emails(bo.id, vec![], fill, None, door.app.now()).await.unwrap();
    let more = Change { threads: Some(Threads::Mute(vec![(ana.id, ana.id)])), ..Change::default() };
    assert!(store.change_emails(bo.id, vec![], more, None, door.app.now()).await.is_err());
    for id in [&one, &two] {
        let said = by_bo.patch(&format!("/v1/messages/{id}"), json!({ "muted": true })).await;
        let shown = by_bo.get(&format!("/v1/messages/{id}")).await.expect(200)["muted"].clone();
        assert_eq!(said.status == 200, shown == true, "{said:?}");
    }
    let both = json!({ "ids": [one, two], "set": { "muted": true, "flagged": true } });
    by_bo.patch("/v1/messages", both).await.problem(422, "invalid_body");
    let both = json!({ "ids": [one, two], "set": { "muted": false, "flagged": true } });
    assert_eq!(by_bo.patch("/v1/messages", both).await.expect(200)["updated"], 2);
});

both!(a_vacation_reply_is_set_and_ended, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, _, by_bo) = door.two().await;
    by_ana.get("/v1/me/vacation").await.problem(404, "not_found");
    for wrong in [
        json!({ "text": "" }),
        json!({ "text": "x".repeat(16_385) }),
        json!({ "text": "x", "subject": "a\nb" }),
        json!({ "text": "x", "from": "2026-12-02T00:00:00Z", "until": "2026-12-01T00:00:00Z" }),
    ] {
        assert_eq!(by_ana.put("/v1/me/vacation", wrong.clone()).await.status, 422, "{wrong}");
    }
    let text = "x".repeat(16_384);
    let set = by_ana.put("/v1/me/vacation", json!({ "text": text, "until": "2026-12-01T00:00:00Z" })).await;
    assert_eq!(set.expect(200)["until"], "2026-12-01T00:00:00.000Z");
    assert_eq!(by_ana.get("/v1/me/vacation").await.expect(200)["text"], text);
    by_bo.get("/v1/me/vacation").await.problem(404, "not_found");
    by_ana.delete("/v1/me/vacation").await.expect(204);
    by_ana.get("/v1/me/vacation").await.problem(404, "not_found");
});

both!(one_click_ends_forwarding_and_looking_does_not, |engine| async move {
    let mta = Mta::start().await;
    let door = Door::with_relay(engine, &mta).await;
    let (ana, by_ana, ..) = door.two().await;
    let made = by_ana.post("/v1/forwarding", json!({ "address": "ana@home.test" })).await.expect(201);
    let forwarding: Uuid = id(&made).parse().unwrap();
    let key = door.app.store.return_key().await.unwrap();
    let link = unsubscribe::link("", key, ana.id, forwarding);
    let paused = async || by_ana.get("/v1/forwarding").await.expect(200)["items"][0]["paused"].clone();
    let anybody = door.anybody();
    assert_eq!(anybody.get(&link).await.status, 200);
    assert_eq!(paused().await, false, "looking changes nothing");
    let (mut forged, other) = (link.clone(), if link.ends_with('0') { '1' } else { '0' });
    forged.pop();
    forged.push(other);
    for wrong in [forged.as_str(), "/u/x"] {
        assert_eq!(anybody.post(wrong, json!({})).await.status, 404);
    }
    assert_eq!(paused().await, false);
    assert_eq!(anybody.post(&link, json!({})).await.status, 200);
    assert_eq!(paused().await, true);
    by_ana.patch(&format!("/v1/forwarding/{forwarding}"), json!({ "paused": false })).await.expect(200);
    assert_eq!(paused().await, false);
});
