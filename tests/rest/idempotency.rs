//! Idempotency-Key: whatever is repeated is done once and answered alike.

use reqwest::Method;
use serde_json::json;

use super::{Door, first, id, letter};
use crate::support::within;

both!(twenty_at_once_are_one, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let mut posts = Vec::new();
    for _ in 0..20 {
        let (client, body) = (by_ana.clone(), letter(&bo, "once"));
        posts.push(tokio::spawn(async move { client.post_once("/v1/messages", "key-1", body).await }));
    }
    let (mut bodies, mut replayed) = (Vec::new(), 0);
    for post in posts {
        let answer = within("an answer", post).await.unwrap();
        replayed += usize::from(answer.header("idempotency-replayed") == "true");
        assert!(answer.header("location").starts_with("/v1/messages/"));
        bodies.push(answer.expect(202));
    }
    assert_eq!(replayed, 19);
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    door.app.settle().await;
    assert_eq!(by_bo.every("/v1/messages").await.len(), 1);
});

both!(a_key_is_for_one_request_of_one_account, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    by_ana.post_once("/v1/messages", "key", letter(&bo, "a")).await.expect(202);
    by_ana.post_once("/v1/messages", "key", letter(&bo, "b")).await.problem(422, "idempotency_key_reuse");
    by_ana
        .post_once("/v1/mailboxes", "key", json!({ "name": "x" }))
        .await
        .problem(422, "idempotency_key_reuse");
    let other = by_bo.post_once("/v1/messages", "key", letter(&ana, "c")).await;
    other.expect(202);
    assert_eq!(other.header("idempotency-replayed"), "");
    for bad in ["", " ", &"k".repeat(256), "a\tb"] {
        by_ana.post_once("/v1/messages", bad, letter(&bo, "d")).await.problem(400, "invalid_idempotency_key");
    }
    by_ana.post_once("/v1/messages", &"k".repeat(255), letter(&bo, "e")).await.expect(202);
    // What was refused has made nothing, so the key is free.
    by_ana.post_once("/v1/messages", "again", json!({ "to": [] })).await.problem(422, "no_recipients");
    by_ana.post_once("/v1/messages", "again", letter(&bo, "f")).await.expect(202);
    door.app.settle().await;
    assert_eq!(by_bo.every("/v1/messages?mailbox=inbox").await.len(), 3);
});

both!(every_kind_of_post_is_repeatable, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.administrator("Ana").await;
    let by_ana = door.client(&ana);
    let bo = door.app.person("Bo").await;
    let by_bo = door.client(&bo);
    let mut question = letter(&bo, "?");
    question["ask"] = json!({ "kind": "choice", "options": [{ "name": "yes" }, { "name": "no" }] });
    let sent = by_ana.post_once("/v1/messages", "ask", question).await.expect(202);
    door.app.settle().await;
    let got = first(&by_bo, "/v1/messages").await;
    let answer = format!("/v1/promises/{}/answer", id(&sent["promises"]["answer"]));
    let given = by_bo.post_once(&answer, "answer", json!({ "value": "yes" })).await;
    let again = by_bo.post_once(&answer, "answer", json!({ "value": "yes" })).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(given.expect(200), again.expect(200));
    let message = format!("/v1/messages/{}", id(&got));
    for (client, path, body, status) in [
        (&by_bo, format!("{message}/reply"), json!({ "text": "r" }), 202),
        (&by_bo, format!("{message}/forward"), json!({ "to": [ana.address], "text": "f" }), 202),
        (&by_bo, "/v1/mailboxes".into(), json!({ "name": "Once" }), 201),
        (&by_ana, "/v1/admin/accounts".into(), json!({ "address": "cy@example.org", "name": "Cy" }), 201),
    ] {
        let one = client.post_once(&path, &path, body.clone()).await;
        let two = client.post_once(&path, &path, body).await;
        assert_eq!(two.header("idempotency-replayed"), "true", "{path}");
        assert_eq!(one.header("location"), two.header("location"), "{path}");
        assert_eq!(one.expect(status), two.expect(status), "{path}");
    }
    // A token is shown once, and kept nowhere.
    let one = by_ana.post_once("/v1/tokens", "token", json!({ "name": "t" })).await.expect(201);
    let two = by_ana.post_once("/v1/tokens", "token", json!({ "name": "t" })).await.expect(201);
    assert_eq!(one["id"], two["id"]);
    assert!(one["token"].is_string() && two["token"].is_null());
    // An upload's answer is bound to its octets.
    let upload = |octets: &'static str| {
        let request =
            by_ana.request(Method::POST, "/v1/uploads").header("idempotency-key", "up").body(octets);
        by_ana.send(request)
    };
    let one = upload("one").await.expect(201);
    assert_eq!(upload("one").await.expect(201), one);
    upload("two").await.problem(422, "idempotency_key_reuse");
    door.app.settle().await;
});
