//! Questions over the API: asked, waited for, answered once.

use serde_json::{Value, json};

use super::{Door, Person, first, id};
use crate::support::client::{Client, text};
use crate::support::within;

fn question(to: &[&Person]) -> Value {
    let to: Vec<&str> = to.iter().map(|person| person.address.as_str()).collect();
    json!({ "to": to, "subject": "Deploy 4821?", "text": "?",
        "ask": { "kind": "choice", "options": [{ "name": "approve", "title": "Approve" },
            { "name": "reject", "title": "Reject", "comment": "required" }], "deadline": "P1D", "context": { "build": 4821 } } })
}

async fn ask(door: &Door, by: &Client, of: &[&Person]) -> (Value, String) {
    let sent = by.post("/v1/messages", question(of)).await.expect(202);
    door.app.settle().await;
    let promise = format!("/v1/promises/{}", id(&sent["promises"]["answer"]));
    (sent, promise)
}

both!(a_question_is_asked_and_answered, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, _, bo, by_bo) = door.two().await;
    let bot = door.app.service("deploy-bot").await;
    let by_bot = door.client(&bot);
    let (sent, promise) = ask(&door, &by_bot, &[&bo]).await;
    let pending = by_bot.get(&promise).await.expect(200);
    assert_eq!((&pending["state"], &pending["role"]), (&json!("pending"), &json!("asker")));
    assert_eq!(
        (&pending["deadline"], &pending["context"]),
        (&json!("2026-11-24T10:00:00.000Z"), &json!({ "build": 4821 }))
    );
    assert_eq!(pending["message_id"], sent["id"]);
    let got = first(&by_bo, "/v1/messages").await;
    assert_eq!((&got["ask"]["role"], &got["ask"]["answered"]), (&json!("asked"), &json!(false)));
    let full = by_bo.get(&format!("/v1/messages/{}", id(&got))).await.expect(200);
    assert_eq!(
        full["ask"]["options"][1],
        json!({ "name": "reject", "title": "Reject", "comment": "required" })
    );
    assert_eq!(
        full["ask"]["asked"],
        json!([{ "address": bo.address, "state": "waiting", "answered": false, "declined": false, "delegated_by": null }])
    );
    let thread = first(&by_bo, "/v1/threads").await;
    assert_eq!(thread["waiting"]["message_id"], got["id"]);
    assert_eq!(by_bo.every("/v1/promises?role=asked&state=pending").await.len(), 1);

    let answer = format!("{promise}/answer");
    for (bad, pointer) in [
        (json!({}), ""),
        (json!({ "value": "maybe" }), "/value"),
        (json!({ "value": { "choice": "approve", "x": 1 } }), "/value"),
        (json!({ "value": "reject" }), "/comment"),
        (json!({ "value": "approve", "decline": "no" }), ""),
        (json!({ "decline": " " }), "/decline"),
    ] {
        let problem = by_bo.post(&answer, bad).await.problem(422, "invalid_answer");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    by_bot.post(&answer, json!({ "value": "approve" })).await.problem(403, "insufficient_scope");
    door.client(&ana).post(&answer, json!({ "value": "approve" })).await.problem(404, "not_found");

    let waiting = {
        let (by_bot, promise) = (by_bot.clone(), promise.clone());
        tokio::spawn(async move { by_bot.get(&format!("{promise}?wait=60")).await.expect(200) })
    };
    let given = by_bo
        .post(&answer, json!({ "value": { "choice": "reject" }, "comment": "Not on a Friday." }))
        .await
        .expect(200);
    assert_eq!(given["value"], json!({ "choice": "reject", "comment": "Not on a Friday." }));
    let settled = within("the waiter", waiting).await.unwrap();
    assert_eq!((&settled["state"], &settled["value"]), (&json!("fulfilled"), &given["value"]));
    assert_eq!(
        (&settled["answers"][0]["by"], &settled["answers"][0]["via"]),
        (&json!(bo.address), &json!("api"))
    );
    assert_eq!(settled["answers"][0]["verified"], json!({ "token": true }));
    by_bo.post(&answer, json!({ "value": "approve" })).await.problem(409, "already_answered");
    by_bot.post(&format!("{promise}/cancel"), json!({})).await.problem(409, "already_settled");
    assert_eq!(by_bot.get(&promise).await.expect(200), settled);
    let got = first(&by_bo, "/v1/messages").await;
    assert_eq!((&got["ask"]["state"], &got["ask"]["answered"]), (&json!("fulfilled"), &json!(true)));
    assert_eq!(first(&by_bo, "/v1/threads").await["waiting"], json!(null));
    let kinds: Vec<String> = by_bot.get("/v1/events").await.expect(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| text(event, "type").to_owned())
        .collect();
    assert!(
        kinds.contains(&"answer.received".to_owned()) && kinds.contains(&"promise.settled".to_owned()),
        "{kinds:?}"
    );
});

both!(of_twenty_answers_one_counts, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, ..) = door.two().await;
    let mut people = Vec::new();
    for n in 0..10 {
        people.push(door.app.person(&format!("P{n}")).await);
    }
    let asked: Vec<&Person> = people.iter().collect();
    let (_, promise) = ask(&door, &by_ana, &asked).await;
    let mut answers = Vec::new();
    for (n, person) in people.iter().enumerate() {
        for _ in 0..2 {
            let (client, path) = (door.client(person), format!("{promise}/answer"));
            let value = if n % 2 == 0 {
                json!({ "value": "approve" })
            } else {
                json!({ "value": "reject", "comment": "no" })
            };
            answers.push(tokio::spawn(async move { client.post(&path, value).await }));
        }
    }
    let mut counted = Vec::new();
    for answer in answers {
        let answer = within("an answer", answer).await.unwrap();
        match answer.status {
            200 => counted.push(answer.json()["value"].clone()),
            409 => {}
            _ => panic!("{}", answer.text()),
        }
    }
    assert_eq!(counted.len(), 1);
    let settled = by_ana.get(&promise).await.expect(200);
    assert_eq!(settled["value"], counted[0]);
    assert_eq!(settled["answers"].as_array().unwrap().len(), 1);
    assert_eq!(by_ana.get("/v1/me").await.expect(200)["address"], ana.address);
});

both!(questions_end_without_an_answer_too, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let (_, declined) = ask(&door, &by_ana, &[&bo]).await;
    let said =
        by_bo.post(&format!("{declined}/answer"), json!({ "decline": "not mine to say" })).await.expect(200);
    assert_eq!((&said["state"], &said["reason"]["code"]), (&json!("rejected"), &json!("declined")));
    let (_, canceled) = ask(&door, &by_ana, &[&bo]).await;
    let gone = by_ana.post(&format!("{canceled}/cancel"), json!({})).await.expect(200);
    assert_eq!(gone["reason"]["code"], "canceled");
    by_bo
        .post(&format!("{canceled}/answer"), json!({ "value": "approve" }))
        .await
        .problem(409, "already_settled");
    let (_, expired) = ask(&door, &by_ana, &[&bo]).await;
    door.app.minutes(25 * 60);
    door.app.settle().await;
    let over = by_ana.get(&expired).await.expect(200);
    assert_eq!((&over["state"], &over["reason"]["code"]), (&json!("rejected"), &json!("expired")));
    by_bo
        .post(&format!("{expired}/answer"), json!({ "value": "approve" }))
        .await
        .problem(409, "already_settled");
    let rejected = by_ana.every("/v1/promises?role=asker&state=rejected&kind=answer&limit=2").await;
    assert_eq!(rejected.len(), 3);
    by_ana.get("/v1/promises?role=king").await.problem(422, "invalid_parameter");
});
