//! What browsers get: the page, its files, the documentation, and headers that keep them safe.

use reqwest::Method;

use super::Door;
use crate::support::client::Answer;

#[track_caller]
fn guarded(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
    assert!(!answer.header("x-request-id").is_empty(), "{what}");
}

both!(the_page_and_nothing_else_for_what_people_open, |engine| async move {
    let door = Door::open(engine).await;
    let browser = door.anybody().header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(page.header("cache-control"), "no-cache");
    guarded(&page, "/");
    for path in ["/t/abc", "/settings", "/setup?token=x", "/confirm?token=x", "/signin"] {
        let same = browser.get(path).await;
        assert_eq!((same.status, &same.bytes), (200, &page.bytes), "{path}");
    }
    let etag = page.header("etag").to_owned();
    let fresh = browser.header("if-none-match", &etag).get("/").await;
    assert_eq!((fresh.status, fresh.bytes.len()), (304, 0));
    guarded(&fresh, "304");
    for path in [
        "/assets/missing.js",
        "/missing.css",
        "/favicon.png",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/assets/..%2findex.html",
    ] {
        let missing = browser.get(path).await;
        missing.problem(404, "not_found");
        guarded(&missing, path);
    }
    // A program that asks for something else gets no page.
    door.anybody().header("accept", "application/json").get("/t/abc").await.problem(404, "not_found");
    browser.send(browser.request(Method::POST, "/t/abc")).await.problem(405, "method_not_allowed");
    browser.get("/v1/nothing").await.problem(404, "not_found");
});

both!(every_answer_is_guarded, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.person("Ana").await;
    let by_ana = door.client(&ana);
    for (client, path) in [
        (&by_ana, "/v1/me"),
        (&by_ana, "/v1/nothing"),
        (&door.anybody(), "/v1/me"),
        (&door.anybody(), "/docs"),
        (&door.anybody(), "/openapi.json"),
        (&door.anybody(), "/healthz"),
        (&door.anybody(), "/readyz"),
        (&by_ana, "/v1/messages?limit=0"),
    ] {
        let answer = client.get(path).await;
        guarded(&answer, path);
        let head = client.send(client.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.bytes.len()), (answer.status, 0), "{path}");
        guarded(&head, path);
    }
    assert_eq!(by_ana.get("/v1/me").await.header("cache-control"), "no-store");
    let docs = door.anybody().get("/docs").await;
    assert!(!docs.text().contains("<script"));
    assert!(docs.text().contains("/v1/messages/{id}/reply") && docs.text().contains("idempotency_in_flight"));
    assert_eq!(door.anybody().get("/readyz").await.text(), "ready\n");
});
