//! Awaiting on one node what is answered on another; and several promises at once.

use std::time::Instant;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::door;
use crate::support::app::App;
use crate::support::client::text;
use crate::support::{Engine, within};

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_is_on_one_node_and_the_answer_on_the_other() {
    let mut app = App::start(Engine::Postgres).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let shutdown = CancellationToken::new();
    let here = door(&app, &shutdown).await.token(&ana.token);
    app.restart(None).await;
    let there = door(&app, &shutdown).await.token(&bo.token);
    let ask = json!({ "to": [bo.address], "ask": { "kind": "text" } });
    let mut promises = Vec::new();
    for _ in 0..2 {
        let sent = here.post("/v1/messages", ask.clone()).await.expect(202);
        promises.push(text(&sent["promises"]["answer"], "id").to_owned());
    }
    app.settle().await;
    let all = json!({ "all": promises, "wait": 60 });
    let any = json!({ "any": promises, "wait": 60 });
    let one = here.get(&format!("/v1/promises/{}", promises[1])).await.expect(200);
    assert_eq!(one["state"], "pending");
    let wait = |body: serde_json::Value| {
        let here = here.clone();
        tokio::spawn(async move { (here.post("/v1/await", body).await.expect(200), Instant::now()) })
    };
    let (all, any) = (wait(all), wait(any));
    let preferred = {
        let (here, path) = (here.header("prefer", "wait=60"), format!("/v1/promises/{}", promises[1]));
        tokio::spawn(async move { here.get(&path).await.expect(200) })
    };
    let answered = Instant::now();
    there.post(&format!("/v1/promises/{}/answer", promises[1]), json!({ "value": "two" })).await.expect(200);
    let (any, woken) = within("any", any).await.unwrap();
    assert_eq!((&any["settled"], &any["promises"][1]["value"]), (&json!(true), &json!("two")));
    assert!(woken.duration_since(answered).as_secs() < 10, "woken by the other node's bell, not by the poll");
    assert_eq!(within("the preference", preferred).await.unwrap()["value"], "two");
    assert!(!all.is_finished());
    there.post(&format!("/v1/promises/{}/answer", promises[0]), json!({ "value": "one" })).await.expect(200);
    let (all, _) = within("all", all).await.unwrap();
    assert_eq!((&all["settled"], &all["promises"][0]["value"]), (&json!(true), &json!("one")));

    let now = here.post("/v1/await", json!({ "any": [promises[0]] })).await.expect(200);
    assert_eq!(now["settled"], true, "what was answered before anybody awaits is kept");
    here.post("/v1/await", json!({})).await.problem(422, "invalid_body");
    here.post("/v1/await", json!({ "any": [], "wait": 1 })).await.problem(422, "invalid_body");
    here.post("/v1/await", json!({ "all": vec![promises[0].clone(); 101] }))
        .await
        .problem(422, "invalid_body");
    here.post("/v1/await", json!({ "any": [promises[0]], "wait": 61 }))
        .await
        .problem(422, "invalid_parameter");
    here.post("/v1/await", json!({ "any": ["01a206ae-de9f-77f8-b42b-72b4bf855e24"] }))
        .await
        .problem(404, "not_found");
    shutdown.cancel();
}
