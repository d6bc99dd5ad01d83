//! The operator's routes: the queue of everybody, destinations, and addresses that nothing is sent to.

use restante::store::destination::Blocked;
use serde_json::{Value, json};

use super::{Door, id};
use crate::support::client::text;
use crate::support::mta::{Mta, Stage, reply};

both!(an_operator_sees_why_and_acts, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 mailbox busy"));
    let door = Door::with_relay(engine, &mta).await;
    let root = door.app.administrator("Root").await;
    let (root, bo) = (door.client(&root), door.app.person("Bo").await);
    let bo = door.client(&bo);
    for to in ["a@x.test", "b@x.test", "c@y.test"] {
        bo.post("/v1/messages", json!({ "to": [to], "subject": "secret subject", "text": "hi" }))
            .await
            .expect(202);
    }
    door.app.settle().await;
    let all = root.get("/v1/admin/queue").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    assert!(!all.to_string().contains("secret"), "no content");
    let to_x = root.get("/v1/admin/queue?destination=X.test&held=false").await.expect(200);
    assert_eq!(to_x["items"].as_array().unwrap().len(), 2);
    let first = id(&to_x["items"][0]);
    let shown = root.get(&format!("/v1/admin/queue/{first}")).await.expect(200);
    assert_eq!(shown["tries"][0]["diagnostic"], "4.2.1 mailbox busy");
    assert_eq!(shown["state"], "delayed");
    let places = root.get("/v1/admin/destinations").await.expect(200);
    assert_eq!((&places["items"][0]["name"], &places["items"][0]["open"]), (&json!("x.test"), &json!(2)));
    // Page by page, what cannot be reached at the end; a cursor is for whom it was given.
    let blocked = Blocked {
        name: "relay.test:25".into(),
        failures: 1,
        since: 0,
        blocked_until: door.app.now() + 3_600_000,
        reason: "away".into(),
    };
    door.app.store.block(blocked).await.unwrap();
    let (mut names, mut path) = (Vec::new(), "/v1/admin/destinations?limit=1".to_owned());
    for _ in 0..3 {
        let page = root.get(&path).await.expect(200);
        let [item] = page["items"].as_array().unwrap().as_slice() else { panic!("{page}") };
        names.push((text(item, "name").to_owned(), item["blocked"]["reason"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/admin/destinations?limit=1&cursor={cursor}");
    }
    let expected = [("x.test", Value::Null), ("y.test", Value::Null), ("relay.test:25", json!("away"))];
    assert_eq!(names, expected.map(|(name, why)| (name.to_owned(), why)));
    root.get("/v1/admin/destinations?cursor=bm8").await.problem(400, "invalid_cursor");
    root.get("/v1/admin/destinations?limit=201").await.problem(422, "invalid_parameter");
    door.app.store.unblock("relay.test:25").await.unwrap();

    let act = async |body: Value| root.post("/v1/admin/queue", body).await;
    let held = act(json!({ "action": "hold", "ids": [first, "01a206ae-de9f-77f8-b42b-72b4bf855e24"] })).await;
    let held = held.expect(200);
    assert_eq!((&held["changed"], held["unchanged"].as_array().unwrap().len()), (&json!(1), 1));
    mta.heal();
    assert_eq!(act(json!({ "action": "retry", "destination": "x.test" })).await.expect(200)["changed"], 1);
    assert_eq!(door.app.settle().await, 1);
    assert_eq!(act(json!({ "action": "release", "destination": "x.test" })).await.expect(200)["changed"], 1);
    door.app.settle().await;
    assert_eq!(mta.received().len(), 2);
    assert_eq!(act(json!({ "action": "cancel", "destination": "y.test" })).await.expect(200)["changed"], 1);
    assert_eq!(root.get("/v1/admin/queue").await.expect(200)["items"], json!([]));
    act(json!({ "action": "destroy", "ids": [first] })).await.problem(422, "invalid_body");
    act(json!({ "action": "hold" })).await.problem(422, "invalid_body");
    act(json!({ "action": "hold", "ids": [first], "destination": "x.test" }))
        .await
        .problem(422, "invalid_body");
    let many: Vec<_> = (0..1001).map(|_| first).collect();
    act(json!({ "action": "hold", "ids": many })).await.problem(422, "invalid_body");
    bo.get("/v1/admin/destinations").await.problem(403, "insufficient_scope");
});

both!(addresses_that_nothing_is_sent_to_are_kept_by_hand, |engine| async move {
    let mta = Mta::start().await;
    let door = Door::with_relay(engine, &mta).await;
    let root = door.app.administrator("Root").await;
    let root = door.client(&root);
    let new = json!({ "address": "Stop@X.test", "reason": "asked us to" });
    let made = root.post("/v1/admin/suppressions", new).await.expect(201);
    assert_eq!((text(&made, "address"), text(&made, "source")), ("stop@x.test", "manual"));
    let path = format!("/v1/admin/suppressions/{}", id(&made));
    assert_eq!(root.get(&path).await.expect(200), made);
    let sent = json!({ "to": ["stop@x.test", "go@x.test"], "subject": "hi", "text": "hi" });
    let sent = root.post("/v1/messages", sent).await.expect(202);
    door.app.settle().await;
    assert_eq!(mta.received().len(), 1);
    let rows = root.get(&format!("/v1/messages/{}/deliveries", id(&sent))).await.expect(200);
    assert_eq!(rows["items"][0]["reason"], json!({ "class": "suppressed", "code": "suppressed" }));
    assert!(rows["items"][0]["last_attempt"]["diagnostic"].as_str().unwrap().contains("asked us to"));

    let soon = "2026-11-23T11:00:00Z";
    let changed = root.patch(&path, json!({ "expires_at": soon })).await.expect(200);
    assert_eq!(changed["expires_at"].as_str().map(|at| &at[..19]), Some(&soon[..19]));
    root.patch(&path, json!({ "expires_at": "2020-01-01T00:00:00Z" })).await.problem(422, "invalid_body");
    root.post("/v1/admin/suppressions", json!({ "address": "x", "reason": "y" }))
        .await
        .problem(422, "invalid_address");
    let listed = root.get("/v1/admin/suppressions?address=STOP@x.test").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    for n in 0..3 {
        let new = json!({ "address": format!("n{n}@x.test"), "reason": "x" });
        root.post("/v1/admin/suppressions", new).await.expect(201);
    }
    let page = root.get("/v1/admin/suppressions?limit=3").await.expect(200);
    let cursor = text(&page, "next_cursor");
    let rest = root.get(&format!("/v1/admin/suppressions?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (3, 1));
    root.delete(&path).await.expect(204);
    root.get(&path).await.problem(404, "not_found");
    root.delete(&path).await.problem(404, "not_found");
});
