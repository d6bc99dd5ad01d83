//! Who may do what: every route of the table, and every thing of somebody else.

use std::collections::BTreeSet;

use reqwest::Method;
use restante::auth::Scope;
use restante::http::access::{Access, ROUTES};
use serde_json::{Value, json};

use super::{Door, first, id, letter};
use crate::support::client::{Client, text};

fn path(pattern: &str) -> String {
    pattern.replace("{id}", "01a206ae-de9f-77f8-b42b-72b4bf855e24").replace("{n}", "0")
}

async fn call(client: &Client, method: &str, path: &str) -> crate::support::client::Answer {
    let method: Method = method.parse().unwrap();
    let request = client.request(method.clone(), path);
    let request = if method == Method::GET { request } else { request.json(&json!({})) };
    client.send(request).await
}

both!(the_table_has_every_route_and_no_other, |engine| async move {
    let door = Door::open(engine).await;
    let document = door.anybody().get("/openapi.json").await.expect(200);
    let (mut documented, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            documented.insert((method.to_uppercase(), path.clone()));
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{method} {path}");
            assert!(operation["security"].is_array(), "{method} {path}");
            assert!(
                names.insert(text(operation, "operationId").to_owned()),
                "{method} {path}: a name of its own"
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, place) = (text(parameter, "name"), text(parameter, "in"));
                assert_eq!(path.contains(&format!("{{{name}}}")), place == "path", "{method} {path}: {name}");
            }
        }
    }
    let table: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented, table);
    assert_eq!(table.len(), ROUTES.len());
});

both!(the_text_for_language_models_is_short_and_true, |engine| async move {
    let door = Door::open(engine).await;
    let answer = door.anybody().get("/llms.txt").await;
    assert!(answer.status == 200 && answer.header("content-type").starts_with("text/plain"));
    let said = answer.text();
    assert!(said.starts_with("# Restante\n") && said.len() < 4000, "{} octets", said.len());
    let mut named = 0;
    for quoted in said.split('`').skip(1).step_by(2) {
        let Some((method, rest)) = quoted.split_once(' ') else { continue };
        if !rest.starts_with('/') {
            continue;
        }
        let path = rest.split('?').next().unwrap();
        assert!(ROUTES.iter().any(|(m, p, _)| (*m, *p) == (method, path)), "there is no {quoted}");
        named += 1;
    }
    assert!(named >= 15, "{named} routes: are they still found?");
    for link in said.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert_eq!(door.anybody().get(link).await.status, 200, "{link}");
    }
});

both!(every_route_wants_a_good_credential_with_its_scope, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.administrator("Ana").await;
    let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let expired = door.app.token(ana.id, &all.join(" "), Some(door.app.now() - 1)).await;
    let made = door.client(&ana).post("/v1/tokens", json!({ "name": "gone" })).await.expect(201);
    door.client(&ana).delete(&format!("/v1/tokens/{}", id(&made))).await.expect(204);
    let anybody = door.anybody();
    for (method, pattern, access) in ROUTES {
        let path = path(pattern);
        if *access == Access::Open {
            continue;
        }
        call(&anybody, method, &path).await.problem(401, "unauthenticated");
        for (token, code) in [
            ("rst_0000", "invalid_token"),
            ("", "invalid_token"),
            (&expired, "token_expired"),
            (text(&made, "token"), "token_revoked"),
        ] {
            let refused = call(&anybody.token(token), method, &path).await;
            refused.problem(401, code);
            assert_eq!(refused.header("www-authenticate"), "Bearer", "{method} {path}");
        }
        call(&anybody.header("authorization", "Basic YTpi"), method, &path)
            .await
            .problem(401, "invalid_token");
        if let Access::Needs(scope) = access {
            let others: Vec<&str> = all.iter().filter(|other| **other != scope.as_str()).copied().collect();
            let token = door.app.token(ana.id, &others.join(" "), None).await;
            call(&anybody.token(&token), method, &path).await.problem(403, "insufficient_scope");
        }
    }
    // A token that once was an administrator's is worth what its account is now.
    let bo = door.app.person("Bo").await;
    let token = door.app.token(bo.id, "admin", None).await;
    anybody.token(&token).get("/v1/admin/accounts").await.problem(403, "insufficient_scope");
    // A token in the query is none.
    anybody.get(&format!("/v1/me?token={}", ana.token)).await.problem(401, "unauthenticated");
});

both!(what_belongs_to_somebody_else_is_not_there, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let cy = door.client(&door.app.person("Cy").await);
    let question = json!({ "to": [bo.address], "cc": [ana.address], "subject": "?", "text": "?",
        "attachments": [{ "filename": "a.txt", "content": "YQ==" }],
        "ask": { "kind": "choice", "options": [{ "name": "yes" }, { "name": "no" }] } });
    let sent = by_ana.post("/v1/messages", question).await.expect(202);
    door.app.settle().await;
    let (message, thread) = (id(&sent), text(&sent, "thread_id"));
    let delivery = id(&sent["deliveries"][0]);
    let promise = id(&sent["promises"]["answer"]);
    let mailbox = by_ana.post("/v1/mailboxes", json!({ "name": "Mine" })).await.expect(201);
    let token = by_ana.post("/v1/tokens", json!({ "name": "t" })).await.expect(201);
    let yes = json!({ "value": "yes" });
    let words = json!({ "text": "x", "to": [bo.address] });
    let attempts: Vec<(&str, String, Value)> = vec![
        ("GET", format!("/v1/messages/{message}"), Value::Null),
        ("GET", format!("/v1/messages/{message}/raw"), Value::Null),
        ("GET", format!("/v1/messages/{message}/attachments/0"), Value::Null),
        ("GET", format!("/v1/messages/{message}/remote?url=x"), Value::Null),
        ("GET", format!("/v1/messages/{message}/deliveries"), Value::Null),
        ("GET", format!("/v1/messages/{message}/timeline"), Value::Null),
        ("PATCH", format!("/v1/messages/{message}"), json!({ "seen": true })),
        ("DELETE", format!("/v1/messages/{message}?permanent=true"), json!({})),
        ("POST", format!("/v1/messages/{message}/reply"), words.clone()),
        ("POST", format!("/v1/messages/{message}/forward"), words),
        ("POST", format!("/v1/messages/{message}/cancel"), json!({})),
        ("GET", format!("/v1/threads/{thread}"), Value::Null),
        ("PATCH", format!("/v1/mailboxes/{}", id(&mailbox)), json!({ "name": "Yours" })),
        ("DELETE", format!("/v1/mailboxes/{}", id(&mailbox)), json!({})),
        ("POST", format!("/v1/deliveries/{delivery}/retry"), json!({})),
        ("POST", format!("/v1/deliveries/{delivery}/cancel"), json!({})),
        ("GET", format!("/v1/promises/{promise}"), Value::Null),
        ("POST", format!("/v1/promises/{promise}/answer"), yes.clone()),
        ("POST", format!("/v1/promises/{promise}/cancel"), json!({})),
        ("DELETE", format!("/v1/tokens/{}", id(&token)), json!({})),
    ];
    for (method, path, body) in &attempts {
        let request = cy.request(method.parse().unwrap(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        cy.send(request).await.problem(404, "not_found");
    }
    // Named in a body or a query, it is just as little there.
    let about = json!({ "to": [bo.address], "text": "x", "in_reply_to": message });
    cy.post("/v1/messages", about).await.problem(422, "unknown_message");
    let upload = by_ana.send(by_ana.request(Method::POST, "/v1/uploads").body("octets")).await.expect(201);
    let with = json!({ "to": [bo.address], "attachments": [{ "upload_id": upload["upload_id"] }] });
    cy.post("/v1/messages", with).await.problem(422, "unknown_upload");
    let many = json!({ "ids": [message], "set": { "seen": true } });
    assert_eq!(cy.patch("/v1/messages", many).await.expect(200)["updated"], 0);
    cy.get(&format!("/v1/messages?mailbox={}", id(&mailbox))).await.problem(422, "invalid_parameter");
    assert_eq!(cy.get(&format!("/v1/messages?thread_id={thread}")).await.expect(200)["items"], json!([]));
    // Whoever only has a copy of the question is not asked, and the asker never is.
    by_ana.post(&format!("/v1/promises/{promise}/answer"), yes.clone()).await.problem(422, "not_asked");
    by_bo.post(&format!("/v1/promises/{promise}/cancel"), json!({})).await.problem(404, "not_found");
    by_bo.post(&format!("/v1/promises/{promise}/answer"), yes).await.expect(200);
});

both!(hostile_ids_are_nothing, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, ..) = door.two().await;
    by_ana.post("/v1/messages", letter(&ana, "x")).await.expect(202);
    door.app.settle().await;
    let good = first(&by_ana, "/v1/messages").await;
    for bad in [
        "0",
        "-1",
        "999999999999999999999",
        "%27%20or%201%3D1--",
        "%00",
        "%7B%7D",
        "%E2%80%AE",
        "null",
        "..%2F..%2Fetc",
        "undefined",
        &id(&good).to_uppercase().replace('-', ""),
        &format!("%7B{}%7D", id(&good)),
    ] {
        for pattern in [
            "/v1/messages/{id}",
            "/v1/messages/{id}/raw",
            "/v1/messages/{id}/attachments/0",
            "/v1/threads/{id}",
            "/v1/promises/{id}",
        ] {
            by_ana.get(&pattern.replace("{id}", bad)).await.problem(404, "not_found");
        }
    }
    for n in ["1", "-1", "18446744073709551616", "a", "%00"] {
        by_ana.get(&format!("/v1/messages/{}/attachments/{n}", id(&good))).await.problem(404, "not_found");
    }
});

both!(a_token_gives_only_what_its_maker_has, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, ..) = door.two().await;
    let narrow = door.app.token(ana.id, "account:manage messages:read", None).await;
    let by_narrow = door.anybody().token(&narrow);
    let wide = json!({ "name": "x", "scopes": ["messages:send"] });
    by_narrow.post("/v1/tokens", wide).await.problem(422, "scope_not_yours");
    let made = by_narrow.post("/v1/tokens", json!({ "name": "x" })).await.expect(201);
    assert_eq!(made["scopes"], json!(["messages:read", "account:manage"]));
    by_ana
        .post("/v1/tokens", json!({ "name": "x", "scopes": ["admin"] }))
        .await
        .problem(422, "scope_not_yours");
    by_ana.post("/v1/tokens", json!({ "name": "x", "scopes": ["fly"] })).await.problem(422, "invalid_body");
    let past = json!({ "name": "x", "expires_at": "2020-01-01T00:00:00Z" });
    by_ana.post("/v1/tokens", past).await.problem(422, "invalid_body");
    // A service's token answers nothing unless that was asked for.
    let bot = door.app.service("bot").await;
    let all = door.app.token(bot.id, "account:manage promises:answer messages:read", None).await;
    let by_bot = door.anybody().token(&all);
    let plain = by_bot.post("/v1/tokens", json!({ "name": "x" })).await.expect(201);
    assert!(!plain["scopes"].as_array().unwrap().contains(&json!("promises:answer")), "{plain}");
    let asked =
        by_bot.post("/v1/tokens", json!({ "name": "x", "scopes": ["promises:answer"] })).await.expect(201);
    assert_eq!(asked["scopes"], json!(["promises:answer"]));
    // Lists show no secret.
    let list = by_ana.get("/v1/tokens").await;
    assert!(!list.text().contains("rst_"), "{}", list.text());
});

both!(administration_is_for_administrators, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.administrator("Ana").await;
    let by_ana = door.client(&ana);
    let new = json!({ "address": "Dee@New.Example", "name": "Dee", "kind": "service", "password": null, "admin": false });
    let made = by_ana.post("/v1/admin/accounts", new.clone()).await.expect(201);
    assert_eq!(made["kind"], "service");
    by_ana.post("/v1/admin/accounts", new).await.problem(409, "address_taken");
    let short = json!({ "address": "e@new.example", "name": "E", "password": "short" });
    by_ana.post("/v1/admin/accounts", short).await.problem(422, "bad_password");
    let all = by_ana.every("/v1/admin/accounts?limit=1").await;
    assert_eq!(all.len(), 2);
    for n in 0..3 {
        by_ana.post("/v1/messages", letter(&ana, &n.to_string())).await.expect(202);
    }
    let queue = by_ana.every("/v1/admin/queue?limit=2").await;
    assert_eq!(queue.len(), 3);
    assert_eq!(queue[0]["state"], "queued");
    assert!(queue.iter().all(|owed| owed["account_id"] == ana.id.to_string()));
    door.app.settle().await;
});
