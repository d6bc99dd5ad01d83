//! The audit log and the domains: an entry is there if what it tells of was done, and only then.

use serde_json::{Value, json};

use super::{Door, first, id, letter};
use crate::support::app::App;
use crate::support::client::{Client, text};
use crate::support::dns::Dns;
use crate::support::mta::{Mta, Stage, reply};

/// The actions of the log with their targets, oldest first.
async fn done(root: &Client) -> Vec<(String, String)> {
    let all = root.every("/v1/admin/audit?limit=2").await;
    all.iter().rev().map(|one| (text(one, "action").to_owned(), text(one, "target").to_owned())).collect()
}

both!(what_is_done_is_in_the_log_and_what_is_refused_is_not, |engine| async move {
    let mta = Mta::start().await;
    mta.always(Stage::Rcpt, reply("450 4.2.1 mailbox busy"));
    let door = Door::with_relay(engine, &mta).await;
    let (administrator, bo) = (door.app.administrator("Root").await, door.app.person("Bo").await);
    let (root, by_bo) = (door.client(&administrator), door.client(&bo));
    assert!(done(&root).await.is_empty());

    let token = json!({ "name": "backup", "scopes": ["messages:read"] });
    let made = by_bo.post_once("/v1/tokens", "a key", token.clone()).await.expect(201);
    by_bo.post_once("/v1/tokens", "a key", token).await.expect(201);
    by_bo
        .post("/v1/tokens", json!({ "name": "more", "scopes": ["admin"] }))
        .await
        .problem(422, "scope_not_yours");
    by_bo.delete(&format!("/v1/tokens/{}", id(&made))).await.expect(204);
    by_bo.delete(&format!("/v1/tokens/{}", id(&made))).await.problem(404, "not_found");
    let account = json!({ "address": "cy@example.org", "name": "Cy", "password": "correct horse battery" });
    root.post("/v1/admin/accounts", account.clone()).await.expect(201);
    root.post("/v1/admin/accounts", account).await.problem(409, "address_taken");
    let signed_in = async |password: &str| {
        let given = json!({ "address": "cy@example.org", "password": password });
        door.anybody().post("/v1/session", given).await.status
    };
    assert_eq!((signed_in("wrong password").await, signed_in("correct horse battery").await), (401, 200));
    let suppressed = json!({ "address": "stop@x.test", "reason": "asked us to" });
    let suppressed = root.post("/v1/admin/suppressions", suppressed).await.expect(201);
    root.delete(&format!("/v1/admin/suppressions/{}", id(&suppressed))).await.expect(204);

    let mail = json!({ "to": ["a@x.test"], "subject": "secret subject", "text": "hi" });
    by_bo.post("/v1/messages", mail).await.expect(202);
    door.app.settle().await;
    let owed = id(&first(&root, "/v1/admin/queue").await).to_owned();
    let act = async |action: &str, of: Value| {
        let mut body = json!({ "action": action });
        body.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        root.post("/v1/admin/queue", body).await.expect(200)["changed"].clone()
    };
    assert_eq!(act("hold", json!({ "ids": [owed] })).await, 1);
    assert_eq!(act("hold", json!({ "ids": [owed] })).await, 0, "it is held already");
    assert_eq!(act("release", json!({ "destination": "x.test" })).await, 1);
    root.patch("/v1/admin/sending", json!({ "paused": true })).await.expect(200);
    root.patch("/v1/admin/sending", json!({ "paused": false })).await.expect(200);
    assert_eq!(act("cancel", json!({ "ids": [owed] })).await, 1);

    let entry = |action: &str, target: &str| (action.to_owned(), target.to_owned());
    assert_eq!(
        done(&root).await,
        [
            entry("token.created", "backup"),
            entry("token.revoked", id(&made)),
            entry("account.created", "cy@example.org"),
            entry("session.refused", "cy@example.org"),
            entry("session.created", "cy@example.org"),
            entry("suppression.created", "stop@x.test"),
            entry("suppression.removed", "stop@x.test"),
            entry("queue.hold", &owed),
            entry("queue.release", "x.test"),
            entry("sending.paused", ""),
            entry("sending.resumed", ""),
            entry("queue.cancel", &owed),
        ]
    );
    let only = root.get("/v1/admin/audit?action=session.refused").await.expect(200);
    assert_eq!(only["items"].as_array().unwrap().len(), 1);
    assert_eq!((&only["items"][0]["actor"], &only["items"][0]["peer"]), (&Value::Null, &json!("127.0.0.1")));
    let all = root.get("/v1/admin/audit").await.expect(200);
    let of_bo = all["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (text(of_bo, "actor"), text(of_bo, "account_id")),
        (bo.address.as_str(), bo.id.to_string().as_str())
    );
    for secret in ["rst_", "correct horse", "secret subject", "argon2"] {
        assert!(!all.to_string().contains(secret), "{secret}");
    }
    let page = root.get("/v1/admin/audit?limit=1").await.expect(200);
    let elsewhere = format!("/v1/admin/audit?action=token.created&cursor={}", text(&page, "next_cursor"));
    root.get(&elsewhere).await.problem(400, "invalid_cursor");
});

both!(a_domain_gets_its_key_its_records_and_is_looked_at, |engine| async move {
    let dns = Dns::start().await;
    dns.mx("example.org", 10, "example.org");
    dns.address("example.org", "192.0.2.1");
    dns.txt("example.org", "v=spf1 mx -all");
    let door = Door::before(App::asking(engine, dns.addr).await).await;
    let root = door.client(&door.app.administrator("Root").await);
    let states = async |name: &str| {
        let looked = root.get(&format!("/v1/admin/domains/{name}/check")).await.expect(200);
        let all = looked["checks"].as_array().unwrap().clone();
        all.iter().map(|one| text(one, "state").to_owned()).collect::<Vec<_>>()
    };
    let listed = root.get("/v1/admin/domains").await.expect(200)["items"].clone();
    assert_eq!(
        (text(&listed[0], "name"), &listed[0]["main"], &listed[0]["signed"]),
        ("example.org", &json!(true), &json!(false))
    );
    assert_eq!(states("example.org").await, ["good", "good", "doubtful", "bad"], "MX, SPF, no key, no DMARC");

    let made = root.post("/v1/admin/domains", json!({ "name": "Example.ORG" })).await.expect(201);
    assert_eq!((&made["signed"], &made["created_at"]), (&json!(true), &listed[0]["created_at"]));
    let again = root.post("/v1/admin/domains", json!({ "name": "example.org" })).await.expect(201);
    assert_eq!(again["records"], made["records"], "its key stays");
    assert_eq!(states("example.org").await, ["good", "good", "bad", "bad"]);
    for record in made["records"].as_array().unwrap() {
        let (name, value) = (text(record, "name"), text(record, "value").trim_matches('"'));
        if name != "example.org" {
            dns.txt(name, value);
        }
    }
    assert_eq!(states("example.org").await, ["good", "good", "good", "good"]);

    root.post("/v1/admin/domains", json!({ "name": "second.test" })).await.expect(201);
    let address = json!({ "address": "ana@second.test", "name": "Ana" });
    root.post("/v1/admin/accounts", address).await.expect(201);
    assert_eq!(root.get("/v1/admin/domains").await.expect(200)["items"].as_array().unwrap().len(), 2);
    root.get("/v1/admin/domains/other.test/check").await.problem(404, "not_found");
    for bad in ["", "a b", "-", "x@y.test", "a\u{0}b"] {
        root.post("/v1/admin/domains", json!({ "name": bad })).await.problem(422, "invalid_body");
    }
    let names: Vec<String> =
        done(&root).await.into_iter().filter(|(a, _)| a == "domain.added").map(|(_, t)| t).collect();
    assert_eq!(names, ["example.org", "example.org", "second.test"]);
    // It is one of ours from now on: nobody has that address here.
    let bo = door.app.person("Bo").await;
    let mut nobody = letter(&bo, "Hello");
    nobody["to"] = json!(["nobody@second.test"]);
    nobody["strict"] = json!(true);
    door.client(&bo).post("/v1/messages", nobody).await.problem(422, "unknown_recipient");
});
