//! Rate limits: each caller by itself, with what is left in the headers and a problem that says when to come back.

use restante::http::Settings;
use serde_json::json;

use super::{Door, id, letter};
use crate::support::app::App;
use crate::support::client::Answer;
use crate::support::within;

fn left(answer: &Answer) -> (&str, &str, &str) {
    (answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"), answer.header("ratelimit-reset"))
}

async fn door(engine: crate::support::Engine, limit: &str) -> Door {
    let settings = Settings { rate_limit: limit.parse().unwrap(), ..Settings::default() };
    Door::with(App::start(engine).await, settings).await
}

both!(an_account_that_asks_for_too_much_waits_and_nobody_else_does, |engine| async move {
    let door = door(engine, "3/30s").await;
    let (ana, by_ana, _, by_bo) = door.two().await;
    let sent = by_bo.post("/v1/messages", letter(&ana, "hi")).await;
    assert_eq!(left(&sent), ("3", "2", "10"));
    let path = format!("/v1/messages/{}", id(&sent.expect(202)));
    for remaining in ["1", "0"] {
        let read = by_bo.get(&path).await;
        read.expect(200);
        assert_eq!(left(&read).1, remaining);
    }
    let refused = by_bo.get(&path).await;
    let problem = refused.problem(429, "rate_limited");
    assert_eq!(problem["retryable"], true);
    assert_eq!((refused.header("retry-after"), left(&refused)), ("10", ("3", "0", "30")));
    // Also what is refused for another reason counts, and what changes something does nothing.
    let refused = by_bo.post("/v1/messages", letter(&ana, "too much")).await;
    refused.problem(429, "rate_limited");
    let another = door.app.token(door.app.account_of(&ana).await.id, "messages:read", None).await;
    by_ana.get("/v1/nothing").await.problem(404, "not_found");
    for remaining in ["2", "1", "0"] {
        // Two tokens of one account have one bucket.
        let read = door.anybody().token(&another).get("/v1/me").await;
        read.expect(200);
        assert_eq!(left(&read).1, remaining);
    }
    by_ana.get("/v1/me").await.problem(429, "rate_limited");

    door.app.seconds(9);
    by_bo.get("/v1/me").await.problem(429, "rate_limited");
    door.app.seconds(1);
    by_bo.get("/v1/me").await.expect(200);
    by_bo.get("/v1/me").await.problem(429, "rate_limited");
    assert_eq!(door.app.settle().await, 1, "one message was accepted");
    // What is no request of the API is not counted.
    for _ in 0..5 {
        door.anybody().get("/healthz").await.expect(200);
        door.anybody().get("/openapi.json").await.expect(200);
    }
});

both!(who_waits_is_counted_once, |engine| async move {
    let door = door(engine, "3/30s").await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let account = door.app.account_of(&bo).await.id;
    let waiting = tokio::spawn(async move { by_bo.get("/v1/messages?wait=60").await });
    door.somebody_waits(account).await;
    for n in 0..2 {
        by_ana.post("/v1/messages", letter(&bo, &n.to_string())).await.expect(202);
    }
    door.app.settle().await;
    let answer = within("what was waited for", waiting).await.unwrap();
    answer.expect(200);
    assert_eq!(left(&answer), ("3", "2", "10"));
});

both!(who_shows_no_credential_is_counted_by_address, |engine| async move {
    let door = door(engine, "4/4s").await;
    let (_, by_ana, _, _) = door.two().await;
    let guess = door.anybody().token("rst_wrong");
    let wrong = json!({ "address": "ana@example.org", "password": "not this one" });
    assert_eq!(left(&guess.get("/v1/me").await).1, "3");
    guess.get("/v1/me").await.problem(401, "invalid_token");
    door.anybody().get("/v1/me").await.problem(401, "unauthenticated");
    door.anybody().post("/v1/session", wrong.clone()).await.problem(401, "bad_credentials");
    let refused = door.anybody().post("/v1/session", wrong).await;
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    guess.get("/v1/me").await.problem(429, "rate_limited");
    by_ana.get("/v1/me").await.expect(200);
    door.app.seconds(1);
    guess.get("/v1/me").await.problem(401, "invalid_token");
});

both!(without_a_limit_nothing_is_counted, |engine| async move {
    let door = door(engine, "off").await;
    let (_, by_ana, _, _) = door.two().await;
    for _ in 0..20 {
        let read = by_ana.get("/v1/me").await;
        read.expect(200);
        assert_eq!(left(&read), ("", "", ""));
    }
});
