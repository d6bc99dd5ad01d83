//! A question that takes three days: reminders, an escalation, a bounce, an absence, a quorum and a late answer, on a
//! clock moved by hand and across a death of the process.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{door, forward_to, kinds, pair, states};
use crate::support::app::{App, arrive};
use crate::support::client::text;
use crate::support::mail::letter;
use crate::support::mta::{Mta, reply};

both!(a_question_takes_three_days, |engine| async move {
    let mta = Mta::start().await;
    let mut app = App::with_relay(engine, &mta).await;
    let (ana, bo, di) = (app.service("deploy-bot").await, app.person("Bo").await, app.person("Di").await);
    let shutdown = CancellationToken::new();
    let client = door(&app, &shutdown).await;
    forward_to(&app, &client.token(&bo.token), "bo@phone.test", || mta.received_for("bo@phone.test")).await;
    mta.recipient("ed@out.test", reply("550 5.1.1 no such user"));

    let asked = json!({ "to": [bo.address, "cy@out.test", "gone@example.org"], "subject": "Deploy 4821?", "text": "All green.",
        "ask": { "kind": "choice", "options": [{ "name": "approve", "title": "Approve" }, { "name": "reject", "title": "Reject" }],
            "settle": { "quorum": 2 }, "deadline": "P3D", "reminders": ["PT4H", "P1D"],
            "escalate": [{ "after": "PT12H", "to": [di.address, "ed@out.test"] }], "context": { "build": 4821 } } });
    let by_ana = client.token(&ana.token);
    let sent = by_ana.post("/v1/messages", asked).await.expect(202);
    let promise = format!("/v1/promises/{}", text(&sent["promises"]["answer"], "id"));
    app.settle().await;
    let now = by_ana.get(&promise).await.expect(200);
    assert_eq!(
        states(&now),
        [
            pair(&bo.address, "waiting"),
            pair("cy@out.test", "waiting"),
            pair("gone@example.org", "undeliverable")
        ]
    );
    let bounced = by_ana.get("/v1/messages?mailbox=inbox").await.expect(200);
    assert_eq!(
        bounced["items"].as_array().unwrap().len(),
        1,
        "the sender is told of the one who is not there"
    );

    // Cy is away: a machine says so, and the waiter hears of it.
    let question = mta.received_for("cy@out.test").remove(0);
    assert_eq!(
        (question.header("from").contains("deploy-bot@example.org"), question.header("subject")),
        (true, "Deploy 4821?".into())
    );
    let away =
        letter("cy@out.test", &question.mail_from, "Away", &[("Auto-Submitted", "auto-replied")], "approve");
    arrive(&app.context, "cy@out.test", &[&question.mail_from], &away).await.unwrap();
    assert!(kinds(&app, &ana).await.contains(&"reply.automatic".to_owned()));

    // The first reminder; the process dies while it holds it.
    app.minutes(4 * 60);
    app.restart(Some(&mta)).await;
    shutdown.cancel();
    let shutdown = CancellationToken::new();
    let client = door(&app, &shutdown).await;
    let by_ana = client.token(&ana.token);
    assert_eq!(mta.received_for("cy@out.test").len(), 1);
    app.minutes(1);
    app.settle().await;
    let reminded = mta.received_for("cy@out.test");
    assert_eq!((reminded.len(), reminded[1].header("subject")), (2, "Reminder: Deploy 4821?".into()));
    assert_eq!(client.token(&bo.token).every("/v1/messages").await.len(), 2);

    // Nobody answers: more people are asked, and one of them cannot be reached.
    app.minutes(8 * 60);
    app.settle().await;
    let now = by_ana.get(&promise).await.expect(200);
    let expected = [
        pair(&bo.address, "waiting"),
        pair("cy@out.test", "waiting"),
        pair(&di.address, "waiting"),
        pair("ed@out.test", "undeliverable"),
        pair("gone@example.org", "undeliverable"),
    ];
    assert_eq!(states(&now), expected);

    app.minutes(12 * 60);
    app.settle().await;
    let reminded = mta.received_for("cy@out.test");
    assert_eq!(reminded.len(), 3, "the second reminder");
    assert_eq!(client.token(&di.token).every("/v1/messages").await.len(), 2, "and for whom was asked later");

    // One answers by mail, in words; the other by the API: two are enough.
    let words = letter(
        "Cy <cy@out.test>",
        &reminded[2].mail_from,
        "Re: Deploy",
        &[("Message-ID", "<1@out.test>")],
        "Approve, but after lunch.\n\nOn Mon, 23 Nov 2026 at 10:00, deploy-bot wrote:\n> All green.\n",
    );
    for _ in 0..2 {
        arrive(&app.context, "cy@out.test", &[&reminded[2].mail_from], &words).await.unwrap();
    }
    let now = by_ana.get(&promise).await.expect(200);
    assert_eq!((&now["state"], now["answers"].as_array().unwrap().len()), (&json!("pending"), 1), "{now}");
    assert_eq!(now["answers"][0]["value"], json!({ "choice": "approve", "comment": "but after lunch." }));
    app.minutes(24 * 60);
    app.settle().await;
    let by_di = client.token(&di.token);
    let answer = format!("{promise}/answer");
    by_di.post(&answer, json!({ "value": "approve" })).await.expect(200);
    app.settle().await;
    let done = by_ana.get(&promise).await.expect(200);
    assert_eq!((&done["state"], &done["value"]["choice"]), (&json!("fulfilled"), &json!("approve")));
    assert_eq!(done["context"], json!({ "build": 4821 }));

    // Bo is told at home that nothing is left to do; what he says now is late.
    let told = mta.received_for("bo@phone.test").pop().unwrap();
    assert!(told.header("subject").starts_with("Settled:"), "{}", told.text());
    assert!(told.body().contains("Answered by cy@out.test at 10:01 UTC: Approve"), "{}", told.body());
    client.token(&bo.token).post(&answer, json!({ "value": "reject" })).await.problem(409, "already_settled");
    let notice = mta.received_for("bo@phone.test").remove(1);
    let late = letter("bo@phone.test", &notice.mail_from, "Re: Deploy", &[], "Reject");
    arrive(&app.context, "bo@phone.test", &[&notice.mail_from], &late).await.unwrap();
    app.settle().await;
    let inbox = by_ana.get("/v1/messages?mailbox=inbox").await.expect(200);
    assert_eq!(inbox["items"][0]["from"]["address"], json!(bo.address), "a late answer is a message");
    app.minutes(24 * 60);
    app.settle().await;
    assert_eq!(by_ana.get(&promise).await.expect(200), done, "what is settled never changes");
    let settled = kinds(&app, &ana).await.into_iter().filter(|kind| kind == "answer.received").count();
    assert_eq!(settled, 2);
    shutdown.cancel();
});
