//! Questions of every kind and rule: who may answer, what counts, and what happens while nobody does.

use serde_json::{Value, json};

use super::{Door, Person, first, id, letter};
use crate::support::client::{Client, text};

/// Asks, and gives the address of the promise with the sent message.
async fn ask(door: &Door, by: &Client, of: &[&Person], ask: Value) -> (String, Value) {
    let to: Vec<&str> = of.iter().map(|person| person.address.as_str()).collect();
    let sent =
        by.post("/v1/messages", json!({ "to": to, "subject": "Well?", "text": "?", "ask": ask })).await;
    let sent = sent.expect(202);
    door.app.settle().await;
    (format!("/v1/promises/{}", id(&sent["promises"]["answer"])), sent)
}

fn choice(settle: &Value) -> Value {
    json!({ "kind": "choice", "options": [{ "name": "yes" }, { "name": "no" }], "settle": settle })
}

fn states(promise: &Value) -> Vec<(String, String)> {
    let asked = promise["asked"].as_array().unwrap().iter();
    asked.map(|who| (text(who, "address").to_owned(), text(who, "state").to_owned())).collect()
}

fn pair(person: &Person, state: &str) -> (String, String) {
    (person.address.clone(), state.to_owned())
}

both!(a_text_and_a_form_are_answered, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let (promise, _) = ask(&door, &by_ana, &[&bo], json!({ "kind": "text" })).await;
    by_bo.post(&format!("{promise}/answer"), json!({ "value": 7 })).await.problem(422, "invalid_answer");
    let said =
        by_bo.post(&format!("{promise}/answer"), json!({ "value": "Tuesday", "comment": "or so" })).await;
    let said = said.expect(200);
    assert_eq!((&said["state"], &said["value"]), (&json!("fulfilled"), &json!("Tuesday")));
    assert_eq!(said["answers"][0]["comment"], "or so");

    let schema = json!({ "type": "object", "required": ["day", "people"], "additionalProperties": false, "properties": {
        "day": { "type": "string", "format": "date" }, "people": { "type": "integer", "minimum": 1 } } });
    let form = json!({ "kind": "form", "schema": schema, "on_expiry": { "day": "2026-12-24", "people": 1 } });
    let (promise, _) = ask(&door, &by_ana, &[&bo], form.clone()).await;
    let got = first(&by_bo, "/v1/messages").await;
    let full = by_bo.get(&format!("/v1/messages/{}", id(&got))).await.expect(200);
    assert_eq!((&full["ask"]["kind"], &full["ask"]["schema"]), (&json!("form"), &schema));
    let wrong = json!({ "value": { "day": "soon", "people": 0, "x": 1 } });
    let wrong = by_bo.post(&format!("{promise}/answer"), wrong).await.problem(422, "invalid_answer");
    let places: Vec<&str> = wrong["errors"].as_array().unwrap().iter().map(|e| text(e, "pointer")).collect();
    assert!(places.contains(&"/value/day") && places.contains(&"/value/people"), "{wrong}");
    let value = json!({ "day": "2026-12-01", "people": 4 });
    let said = by_bo.post(&format!("{promise}/answer"), json!({ "value": value })).await.expect(200);
    assert_eq!(said["value"], value);
    let mut bad = form;
    bad["on_expiry"]["people"] = json!(0);
    let body = json!({ "to": [bo.address], "ask": bad });
    let problem = by_ana.post("/v1/messages", body).await.problem(422, "invalid_ask");
    assert_eq!(problem["errors"][0]["pointer"], "/ask/on_expiry/people", "{problem}");
});

both!(everybody_a_quorum_and_a_veto_settle_as_they_say, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let (cy, di) = (door.app.person("Cy").await, door.app.person("Di").await);
    let (by_cy, by_di) = (door.client(&cy), door.client(&di));
    let all = [&bo, &cy, &di];

    let (promise, _) = ask(&door, &by_ana, &all, choice(&json!("all"))).await;
    let answer = format!("{promise}/answer");
    assert_eq!(by_bo.post(&answer, json!({ "value": "yes" })).await.expect(200)["state"], "pending");
    by_bo.post(&answer, json!({ "value": "no" })).await.problem(409, "already_answered");
    assert_eq!(by_cy.post(&answer, json!({ "decline": "away" })).await.expect(200)["state"], "pending");
    let got = by_ana.get(&promise).await.expect(200);
    assert_eq!(states(&got), [pair(&bo, "answered"), pair(&cy, "declined"), pair(&di, "waiting")]);
    let done = by_di.post(&answer, json!({ "value": "no" })).await.expect(200);
    let yes_and_no = json!([{ "by": bo.address, "value": { "choice": "yes", "comment": null } },
        { "by": di.address, "value": { "choice": "no", "comment": null } }]);
    assert_eq!((&done["state"], &done["value"]), (&json!("fulfilled"), &yes_and_no));

    let (promise, _) = ask(&door, &by_ana, &all, choice(&json!({ "quorum": 2 }))).await;
    let answer = format!("{promise}/answer");
    by_bo.post(&answer, json!({ "value": "yes" })).await.expect(200);
    assert_eq!(by_cy.post(&answer, json!({ "value": "no" })).await.expect(200)["state"], "pending");
    let done = by_di.post(&answer, json!({ "value": "yes", "comment": "fine" })).await.expect(200);
    assert_eq!((&done["state"], &done["value"]["choice"]), (&json!("fulfilled"), &json!("yes")));

    let (promise, _) = ask(&door, &by_ana, &[&bo, &cy], choice(&json!({ "quorum": 2 }))).await;
    let answer = format!("{promise}/answer");
    by_bo.post(&answer, json!({ "value": "yes" })).await.expect(200);
    let done = by_cy.post(&answer, json!({ "value": "no" })).await.expect(200);
    assert_eq!((&done["state"], &done["reason"]["code"]), (&json!("rejected"), &json!("declined")));

    let veto = choice(&json!({ "veto": "no", "quorum": 2 }));
    let (promise, _) = ask(&door, &by_ana, &all, veto).await;
    let answer = format!("{promise}/answer");
    by_bo.post(&answer, json!({ "value": "yes" })).await.expect(200);
    let done =
        by_cy.post_once(&answer, "veto", json!({ "value": "no", "comment": "Never." })).await.expect(200);
    assert_eq!((&done["state"], &done["value"]["comment"]), (&json!("fulfilled"), &json!("Never.")));
    let again = by_cy.post_once(&answer, "veto", json!({ "value": "no", "comment": "Never." })).await;
    assert_eq!((again.header("idempotency-replayed"), again.expect(200)), ("true", done));
    by_di.post(&answer, json!({ "value": "yes" })).await.problem(409, "already_settled");
});

both!(an_answer_can_be_taken_back_until_it_counts, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let (promise, _) = ask(&door, &by_ana, &[&bo], choice(&json!("any"))).await;
    let answer = format!("{promise}/answer");
    by_bo.delete(&answer).await.problem(404, "not_found");
    by_bo.post(&answer, json!({ "value": "yes", "undo": "PT1H" })).await.problem(422, "invalid_answer");
    let held = by_bo.post(&answer, json!({ "value": "yes", "undo": "PT10S" })).await.expect(200);
    assert_eq!((&held["state"], &held["held"]["value"]["choice"]), (&json!("pending"), &json!("yes")));
    assert_eq!(held["held"]["until"], "2026-11-23T10:00:10.000Z");
    let seen = by_ana.get(&promise).await.expect(200);
    assert_eq!((&seen["held"], &seen["answers"]), (&json!(null), &json!([])), "nobody else sees it yet");
    by_bo.post(&answer, json!({ "value": "no" })).await.problem(409, "already_answered");
    assert_eq!(by_bo.delete(&answer).await.expect(200)["held"], json!(null));
    door.app.seconds(11);
    door.app.settle().await;
    assert_eq!(
        by_ana.get(&promise).await.expect(200)["state"],
        "pending",
        "what was taken back counts never"
    );
    by_bo.post(&answer, json!({ "value": "no", "undo": "PT10S" })).await.expect(200);
    door.app.seconds(11);
    door.app.settle().await;
    let done = by_ana.get(&promise).await.expect(200);
    assert_eq!((&done["state"], &done["value"]["choice"]), (&json!("fulfilled"), &json!("no")));
    by_bo.delete(&answer).await.problem(409, "already_answered");

    // The deadline comes first: it was given in time.
    let mut soon = choice(&json!("any"));
    soon["deadline"] = json!("PT1M");
    let (promise, _) = ask(&door, &by_ana, &[&bo], soon).await;
    by_bo.post(&format!("{promise}/answer"), json!({ "value": "yes", "undo": "PT5M" })).await.expect(200);
    door.app.minutes(1);
    door.app.settle().await;
    assert_eq!(by_ana.get(&promise).await.expect(200)["value"]["choice"], "yes");
});

both!(a_question_is_passed_on, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let (cy, di) = (door.app.person("Cy").await, door.app.person("Di").await);
    let (promise, _) = ask(&door, &by_ana, &[&bo], choice(&json!("any"))).await;
    let delegate = format!("{promise}/delegate");
    by_ana.post(&delegate, json!({ "to": cy.address })).await.problem(422, "not_asked");
    door.client(&di).post(&delegate, json!({ "to": cy.address })).await.problem(404, "not_found");
    by_bo.post(&delegate, json!({ "to": ana.address })).await.problem(422, "not_asked");
    by_bo.post(&delegate, json!({ "to": "nobody@example.org" })).await.problem(422, "unknown_recipient");
    by_bo.post(&delegate, json!({ "to": "x@elsewhere.test" })).await.problem(422, "no_relay");
    let passed =
        by_bo.post(&delegate, json!({ "to": cy.address, "comment": "You know more." })).await.expect(200);
    assert_eq!(states(&passed), [pair(&bo, "delegated"), pair(&cy, "waiting")]);
    assert_eq!(passed["asked"][1]["delegated_by"], bo.address);
    door.app.settle().await;
    by_bo
        .post(&format!("{promise}/answer"), json!({ "value": "yes" }))
        .await
        .problem(409, "already_delegated");
    assert_eq!(first(&by_bo, "/v1/threads").await["waiting"], json!(null));
    let by_cy = door.client(&cy);
    let got = first(&by_cy, "/v1/messages").await;
    let full = by_cy.get(&format!("/v1/messages/{}", id(&got))).await.expect(200);
    assert!(text(&full, "text").contains("You know more.") && text(&full, "text").contains('?'), "{full}");
    assert_eq!(full["ask"]["role"], "asked");
    let done = by_cy.post(&format!("{promise}/answer"), json!({ "value": "yes" })).await.expect(200);
    assert_eq!((&done["state"], &done["answers"][0]["by"]), (&json!("fulfilled"), &json!(cy.address)));
});

both!(a_correction_replaces_the_question, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let cy = door.app.person("Cy").await;
    let by_cy = door.client(&cy);
    let (promise, sent) = ask(&door, &by_ana, &[&bo, &cy], choice(&json!("all"))).await;
    let answer = format!("{promise}/answer");
    by_bo.post(&answer, json!({ "value": "yes" })).await.expect(200);
    by_cy.post(&answer, json!({ "correction": " " })).await.problem(422, "invalid_answer");
    let asked = by_cy.post(&answer, json!({ "correction": "Which build is it?" })).await.expect(200);
    assert_eq!(
        (&asked["state"], &asked["corrections"][0]["what"]),
        (&json!("pending"), &json!("Which build is it?"))
    );
    by_ana.post(&answer, json!({ "correction": "x" })).await.problem(422, "not_asked");
    door.app.settle().await;
    let mail = first(&by_ana, "/v1/messages?mailbox=inbox").await;
    assert_eq!(
        (&mail["subject"], &mail["from"]["address"]),
        (&json!("To be corrected: Well?"), &json!(cy.address))
    );
    let events = by_ana.get("/v1/events?types=correction.requested").await.expect(200);
    assert_eq!(events["items"][0]["data"]["by"], cy.address);

    let old = first(&by_bo, "/v1/messages").await;
    door.app.seconds(1);
    let mut corrected = json!({ "to": [bo.address, cy.address], "subject": "Build 7: well?", "text": "7", "corrects": id(&sent),
        "ask": { "kind": "choice", "options": [{ "name": "seven" }, { "name": "no" }], "settle": "all" } });
    corrected["undo"] = json!("PT10S");
    by_ana.post("/v1/messages", corrected.clone()).await.problem(422, "invalid_body");
    corrected.as_object_mut().unwrap().remove("undo");
    by_bo.post("/v1/messages", corrected.clone()).await.problem(422, "unknown_message");
    let again = by_ana.post("/v1/messages", corrected.clone()).await.expect(202);
    assert_eq!(again["promises"]["answer"]["id"], sent["promises"]["answer"]["id"], "the promise is kept");
    assert_eq!(again["thread_id"], sent["thread_id"]);
    by_bo.post(&answer, json!({ "value": "seven" })).await.problem(409, "conflict");
    door.app.settle().await;
    let now = by_ana.get(&promise).await.expect(200);
    assert_eq!((&now["revision"], &now["message_id"]), (&json!(2), &again["id"]));
    assert_eq!(states(&now), [pair(&bo, "waiting"), pair(&cy, "waiting")], "the old answer does not count");
    assert_eq!(now["answers"][0]["revision"], 1);
    let path = format!("/v1/messages/{}", id(&old));
    assert_eq!(by_bo.get(&path).await.expect(200)["ask"]["superseded"], true);
    let new = first(&by_bo, "/v1/messages").await;
    assert_eq!(
        by_bo.get(&format!("/v1/messages/{}", id(&new))).await.expect(200)["ask"]["superseded"],
        false
    );
    assert_eq!(new["ask"]["answered"], false);
    by_bo.post(&answer, json!({ "value": "yes" })).await.problem(422, "invalid_answer");
    by_bo.post(&answer, json!({ "value": "seven", "revision": 1 })).await.problem(409, "conflict");
    by_bo.post(&answer, json!({ "value": "seven" })).await.expect(200);
    let done = by_cy.post(&answer, json!({ "value": "no" })).await.expect(200);
    assert_eq!((&done["state"], done["value"].as_array().unwrap().len()), (&json!("fulfilled"), 2));
    by_ana.post("/v1/messages", corrected).await.problem(409, "already_settled");
    let plain = json!({ "to": [bo.address], "text": "8, not 7", "corrects": id(&by_ana.post("/v1/messages", letter(&bo, "n")).await.expect(202)) });
    by_ana.post("/v1/messages", plain).await.expect(202);
    door.app.settle().await;
});

both!(reminders_and_escalations_are_asked_for_by_hand_too, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let (cy, di) = (door.app.person("Cy").await, door.app.person("Di").await);
    let mut question = choice(&json!("any"));
    question["escalate"] = json!([{ "after": "P1D", "to": [cy.address] }]);
    let (promise, _) = ask(&door, &by_ana, &[&bo], question).await;
    by_bo.post(&format!("{promise}/remind"), json!({})).await.problem(422, "not_asked");
    door.client(&di).post(&format!("{promise}/remind"), json!({})).await.problem(404, "not_found");
    by_ana.post(&format!("{promise}/remind"), json!({})).await.expect(200);
    by_ana.post(&format!("{promise}/remind"), json!({})).await.problem(429, "throttled");
    door.app.settle().await;
    let reminder = first(&by_bo, "/v1/messages").await;
    assert_eq!(reminder["subject"], "Reminder: Well?");
    assert_eq!(by_bo.every("/v1/threads").await.len(), 1, "in the thread of the question");
    let more = by_ana.post(&format!("{promise}/escalate"), json!({})).await.expect(200);
    assert_eq!(states(&more), [pair(&bo, "waiting"), pair(&cy, "waiting")]);
    by_ana.post(&format!("{promise}/escalate"), json!({})).await.problem(409, "nobody_left");
    let more = by_ana.post(&format!("{promise}/escalate"), json!({ "to": [di.address] })).await.expect(200);
    assert_eq!(more["asked"].as_array().unwrap().len(), 3);
    door.app.settle().await;
    let done =
        door.client(&di).post(&format!("{promise}/answer"), json!({ "value": "no" })).await.expect(200);
    assert_eq!(done["state"], "fulfilled");
    by_ana.post(&format!("{promise}/remind"), json!({})).await.problem(409, "already_settled");
    // The step that was taken by hand is not taken again.
    door.app.minutes(25 * 60);
    door.app.settle().await;
    assert_eq!(door.client(&cy).every("/v1/messages").await.len(), 1);
});
