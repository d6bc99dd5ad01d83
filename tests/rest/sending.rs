//! Sending: what goes in comes out, to everybody it was for and nobody else.

use reqwest::Method;
use serde_json::json;

use super::{Door, first, id, letter};
use crate::support::client::text;
use crate::support::mta::Mta;

both!(a_message_is_sent_read_and_answered, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let answer = by_ana
        .post("/v1/messages", json!({ "to": [{ "address": bo.address, "name": "Bo É." }], "subject": "Grüße 👋", "text": "Hello\n\nAna", "metadata": { "n": 1 }, "keywords": ["deploy"], "headers": { "X-Build": "4821" } }))
        .await;
    let sent = answer.expect(202);
    assert_eq!(answer.header("location"), format!("/v1/messages/{}", id(&sent)));
    assert_eq!(sent["state"], "accepted");
    assert_eq!(sent["deliveries"][0]["state"], "queued");
    assert_eq!(sent["promises"]["answer"], json!(null));
    let own = by_ana.get(answer.header("location")).await.expect(200);
    assert_eq!((&own["mailbox"], &own["delivery"]["queued"]), (&json!("sent"), &json!(1)));
    assert_eq!((&own["metadata"], &own["keywords"]), (&json!({ "n": 1 }), &json!(["deploy"])));
    door.app.settle().await;
    let own = by_ana.get(answer.header("location")).await.expect(200);
    assert_eq!(own["delivery"]["delivered"], 1);
    let promise =
        by_ana.get(&format!("/v1/promises/{}", id(&sent["promises"]["delivery"]))).await.expect(200);
    assert_eq!((&promise["state"], &promise["kind"]), (&json!("fulfilled"), &json!("delivery")));

    let summary = first(&by_bo, "/v1/messages?mailbox=inbox&seen=false").await;
    assert_eq!(summary["subject"], "Grüße 👋");
    assert_eq!(summary["from"], json!({ "name": "Ana", "address": ana.address }));
    assert_eq!(summary["preview"], "Hello Ana");
    let message = by_bo.get(&format!("/v1/messages/{}", id(&summary))).await.expect(200);
    assert_eq!((&message["text"], &message["seen"]), (&json!("Hello\n\nAna"), &json!(false)));
    assert_eq!((&message["metadata"], &message["keywords"]), (&json!(null), &json!([])));
    assert_eq!(message["message_id"], sent["message_id"]);
    let raw = by_bo.get(&format!("/v1/messages/{}/raw", id(&summary))).await;
    assert_eq!(raw.header("content-type"), "message/rfc822");
    assert!(raw.text().contains("X-Build: 4821\r\n"), "{}", raw.text());

    let reply = by_bo
        .post(&format!("/v1/messages/{}/reply", id(&summary)), json!({ "text": "Hello back" }))
        .await
        .expect(202);
    door.app.settle().await;
    let back = first(&by_ana, "/v1/messages?mailbox=inbox").await;
    assert_eq!(back["subject"], "Re: Grüße 👋");
    assert_eq!(back["thread_id"], sent["thread_id"]);
    let full = by_ana.get(&format!("/v1/messages/{}", id(&back))).await.expect(200);
    assert_eq!(full["in_reply_to"], sent["message_id"]);
    assert_eq!(full["references"], json!([sent["message_id"]]));
    let thread = by_ana.get(&format!("/v1/threads/{}", text(&sent, "thread_id"))).await.expect(200);
    assert_eq!(thread["message_count"], 2);
    let ids: Vec<&str> = thread["messages"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, [id(&sent), id(&back)]);
    assert_eq!(thread["participants"][0]["me"], true);
    assert_eq!(thread["latest"]["id"], back["id"]);
    let threads = by_bo.get("/v1/threads?mailbox=inbox").await.expect(200);
    assert_eq!(threads["items"][0]["latest"]["id"], summary["id"]);
    assert_eq!(threads["items"][0]["message_count"], 2);
    assert_eq!(
        by_bo.get(&format!("/v1/messages/{}", id(&reply))).await.expect(200)["delivery"]["delivered"],
        1
    );
});

both!(blind_copies_are_seen_by_nobody_else, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let cy = door.app.person("Cyril").await;
    let dee = door.app.person("Dee").await;
    let body =
        json!({ "to": [bo.address], "cc": [dee.address], "bcc": [cy.address], "subject": "s", "text": "t" });
    let sent = by_ana.post("/v1/messages", body).await.expect(202);
    door.app.settle().await;
    let own = by_ana.get(&format!("/v1/messages/{}", id(&sent))).await.expect(200);
    assert_eq!(own["bcc"][0]["address"], cy.address);
    for reader in [&by_bo, &door.client(&dee), &door.client(&cy)] {
        let got = first(reader, "/v1/messages").await;
        let path = format!("/v1/messages/{}", id(&got));
        for answer in [
            reader.get(&path).await,
            reader.get(&format!("{path}/raw")).await,
            reader.get("/v1/threads").await,
        ] {
            assert!(
                !answer.text().contains("cyril") || reader.get("/v1/me").await.text().contains("cyril"),
                "{}",
                answer.text()
            );
        }
        let raw = reader.get(&format!("{path}/raw")).await.text().to_lowercase();
        assert!(!raw.contains("bcc") && !raw.contains("cyril"), "{raw}");
    }
    // A reply to all does not reach them.
    let got = first(&by_bo, "/v1/messages").await;
    let reply = by_bo
        .post(&format!("/v1/messages/{}/reply", id(&got)), json!({ "text": "x", "all": true }))
        .await
        .expect(202);
    let to: Vec<&str> =
        reply["deliveries"].as_array().unwrap().iter().map(|d| text(d, "recipient")).collect();
    assert_eq!(to, ["ana@example.org", "dee@example.org"]);
    door.app.settle().await;
});

both!(attachments_come_out_as_they_went_in, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let octets: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let upload = by_ana
        .send(
            by_ana
                .request(Method::POST, "/v1/uploads")
                .header("content-type", "image/png")
                .body(octets.clone()),
        )
        .await;
    let made = upload.expect(201);
    assert_eq!((&made["size"], &made["content_type"]), (&json!(300_000), &json!("image/png")));
    assert_eq!(text(&made, "sha256").len(), 64);
    let body = json!({ "to": [bo.address], "subject": "files", "text": "see", "html": "<p>see <img src=\"cid:pic\"></p><script>x()</script>",
        "attachments": [{ "upload_id": made["upload_id"], "filename": "büro.png", "content_id": "pic", "inline": true },
            { "content": "PGI+aGk8L2I+", "filename": "evil.html", "content_type": "text/html" }] });
    by_ana.post("/v1/messages", body).await.expect(202);
    door.app.settle().await;
    let got = first(&by_bo, "/v1/messages").await;
    assert_eq!(got["has_attachment"], true);
    let path = format!("/v1/messages/{}", id(&got));
    let full = by_bo.get(&path).await.expect(200);
    let parts = full["attachments"].as_array().unwrap();
    assert_eq!(parts.len(), 2, "{full}");
    assert_eq!((&parts[0]["filename"], &parts[0]["size"]), (&json!("büro.png"), &json!(300_000)));
    let safe = text(&full, "html_safe");
    assert!(safe.contains(&format!("{path}/attachments/0")) && !safe.contains("script"), "{safe}");
    let picture = by_bo.get(&format!("{path}/attachments/0?inline=1")).await;
    assert_eq!(picture.status, 200);
    assert_eq!(picture.bytes, octets);
    assert_eq!(picture.header("content-type"), "image/png");
    assert!(
        picture
            .header("content-disposition")
            .starts_with("inline; filename=\"b_ro.png\"; filename*=UTF-8''b%C3%BCro.png")
    );
    let page = by_bo.get(&format!("{path}/attachments/1?inline=1")).await;
    assert_eq!(page.text(), "<b>hi</b>");
    assert_eq!(page.header("content-type"), "application/octet-stream");
    assert!(page.header("content-disposition").starts_with("attachment;"));
    assert!(page.header("content-security-policy").contains("sandbox"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    by_bo.get(&format!("{path}/attachments/2")).await.problem(404, "not_found");
    // Forwarded, they go along.
    let cy = door.app.person("Cy").await;
    let forward = by_bo.post(&format!("{path}/forward"), json!({ "to": [cy.address], "text": "look" })).await;
    forward.expect(202);
    door.app.settle().await;
    let by_cy = door.client(&cy);
    let got = first(&by_cy, "/v1/messages").await;
    assert_eq!(got["subject"], "Fwd: files");
    let again = by_cy.get(&format!("/v1/messages/{}/attachments/0", id(&got))).await;
    assert_eq!(again.bytes, octets);
});

both!(the_plain_form_sends, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let request =
        by_ana.request(Method::POST, "/v1/send").header("to", format!("\"Bo, B.\" <{}>", bo.address));
    let request = request.header("subject", "hi").header("content-type", "application/x-www-form-urlencoded");
    by_ana.send(request.body("text=not a form & so on")).await.expect(202);
    door.app.settle().await;
    let got = first(&by_bo, "/v1/messages").await;
    assert_eq!((&got["subject"], &got["preview"]), (&json!("hi"), &json!("text=not a form & so on")));
    by_ana.send(by_ana.request(Method::POST, "/v1/send").body("x")).await.problem(422, "no_recipients");
    let bad = by_ana.request(Method::POST, "/v1/send").header("to", "nobody").body("x");
    by_ana.send(bad).await.problem(422, "invalid_address");
    let octets = by_ana.request(Method::POST, "/v1/send").header("to", &bo.address).body(vec![0xff, 0xfe]);
    by_ana.send(octets).await.problem(422, "invalid_body");
});

both!(what_is_not_sent_yet_can_be_taken_back, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let mut held = letter(&bo, "held");
    held["undo"] = json!("PT10S");
    let mut later = letter(&bo, "later");
    later["send_at"] = json!("2026-11-24T09:00:00+01:00");
    let held = by_ana.post("/v1/messages", held).await.expect(202);
    let later = by_ana.post("/v1/messages", later).await.expect(202);
    assert_eq!((&held["state"], &held["undo_until"]), (&json!("held"), &json!("2026-11-23T10:00:10.000Z")));
    assert_eq!(
        (&later["state"], &later["send_at"]),
        (&json!("scheduled"), &json!("2026-11-24T08:00:00.000Z"))
    );
    assert_eq!(door.app.settle().await, 0);
    let scheduled = by_ana.every("/v1/deliveries?state=scheduled").await;
    assert_eq!(scheduled.len(), 1);
    let canceled = by_ana.post(&format!("/v1/messages/{}/cancel", id(&later)), json!({})).await.expect(200);
    assert_eq!(canceled, json!({ "id": later["id"], "state": "canceled" }));
    door.app.seconds(11);
    door.app.settle().await;
    by_ana.post(&format!("/v1/messages/{}/cancel", id(&held)), json!({})).await.problem(409, "already_sent");
    door.app.minutes(3 * 24 * 60);
    door.app.settle().await;
    let got = by_bo.every("/v1/messages").await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["subject"], "held");
    by_bo.post(&format!("/v1/messages/{}/cancel", id(&got[0])), json!({})).await.problem(409, "already_sent");
    let state = by_ana.get(&format!("/v1/messages/{}", id(&later))).await.expect(200);
    assert_eq!((&state["state"], &state["delivery"]["canceled"]), (&json!("canceled"), &json!(1)));
});

both!(deliveries_tell_what_was_said_on_the_way, |engine| async move {
    let mta = Mta::start().await;
    mta.script(crate::support::mta::Stage::Rcpt, [crate::support::mta::reply("451 4.7.1 come back later")]);
    let door = Door::with_relay(engine, &mta).await;
    let (_, by_ana, ..) = door.two().await;
    let body = json!({ "to": ["kim@outside.test"], "subject": "s", "text": "t" });
    let sent = by_ana.post("/v1/messages", body).await.expect(202);
    door.app.settle().await;
    let path = format!("/v1/messages/{}/deliveries", id(&sent));
    let delayed = first(&by_ana, &path).await;
    assert_eq!((&delayed["state"], &delayed["attempts"]), (&json!("delayed"), &json!(1)));
    assert_eq!(
        (&delayed["last_attempt"]["code"], &delayed["last_attempt"]["enhanced_code"]),
        (&json!(451), &json!("4.7.1"))
    );
    assert!(delayed["next_attempt_at"].is_string(), "{delayed}");
    assert_eq!(by_ana.every("/v1/deliveries?state=delayed").await.len(), 1);
    assert_eq!(by_ana.every("/v1/deliveries?state=queued").await.len(), 0);
    by_ana.get("/v1/deliveries?state=lost").await.problem(422, "invalid_parameter");
    by_ana.post(&format!("/v1/deliveries/{}/retry", id(&delayed)), json!({})).await.expect(200);
    door.app.settle().await;
    assert_eq!(first(&by_ana, &path).await["state"], "relayed");
    by_ana
        .post(&format!("/v1/deliveries/{}/cancel", id(&delayed)), json!({}))
        .await
        .problem(409, "already_sent");
    let timeline = by_ana.get(&format!("/v1/messages/{}/timeline", id(&sent))).await.expect(200);
    let kinds: Vec<&str> =
        timeline["items"].as_array().unwrap().iter().map(|item| text(item, "kind")).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"accepted"), Some(&"relayed")), "{timeline}");
    assert!(kinds.contains(&"delayed"), "{timeline}");
});

both!(what_failed_may_be_tried_again_and_fail_again, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, ..) = door.two().await;
    let body = json!({ "to": ["nobody@example.org"], "subject": "s", "text": "t" });
    let sent = by_ana.post("/v1/messages", body).await.expect(202);
    let path = format!("/v1/messages/{}/deliveries", id(&sent));
    for attempt in 1..=2 {
        door.app.settle().await;
        let failed = first(&by_ana, &path).await;
        assert_eq!((&failed["state"], &failed["attempts"]), (&json!("failed"), &json!(attempt)), "{failed}");
        // Each time its sender is told.
        assert_eq!(by_ana.every("/v1/messages?mailbox=inbox").await.len(), attempt);
        if attempt == 1 {
            by_ana.post(&format!("/v1/deliveries/{}/retry", id(&failed)), json!({})).await.expect(200);
        }
    }
});

both!(a_thousand_recipients, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, _) = door.two().await;
    let mut to: Vec<String> = (0..999).map(|n| format!("nobody{n}@example.org")).collect();
    to.push(bo.address.clone());
    let sent =
        by_ana.post("/v1/messages", json!({ "to": to, "subject": "all", "text": "x" })).await.expect(202);
    assert_eq!(sent["deliveries"].as_array().unwrap().len(), 1000);
    let own = by_ana.get(&format!("/v1/messages/{}", id(&sent))).await.expect(200);
    assert_eq!((&own["delivery"]["total"], &own["delivery"]["queued"]), (&json!(1000), &json!(1000)));
    assert_eq!(own["to"].as_array().unwrap().len(), 1000);
    let every = by_ana.every(&format!("/v1/messages/{}/deliveries?limit=200", id(&sent))).await;
    assert_eq!(every.len(), 1000);
});

both!(an_outside_address_is_confirmed_before_anything_goes_there, |engine| async move {
    let mta = Mta::start().await;
    let door = Door::with_relay(engine, &mta).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let new = json!({ "address": "ana@home.test", "content": "full" });
    let made = by_ana.post("/v1/forwarding", new.clone()).await.expect(201);
    assert_eq!(made["verified"], false);
    by_ana.post("/v1/forwarding", new).await.problem(409, "forwarding_exists");
    by_ana.post("/v1/forwarding", json!({ "address": bo.address })).await.problem(422, "invalid_address");
    for wrong in [
        json!({ "when": "hourly" }),
        json!({ "times": ["08:00"] }),
        json!({ "when": "digest", "times": [] }),
        json!({ "when": "digest", "times": ["8 o'clock"] }),
        json!({ "time_zone": "Mars/Olympus" }),
        json!({ "quiet_hours": { "from": "07:00", "until": "07:00" } }),
        json!({ "quiet_hours": {} }),
    ] {
        let mut body = wrong.clone();
        body["address"] = json!("x@y.test");
        let said = by_ana.post("/v1/forwarding", body).await;
        assert_eq!(said.status, 422, "{wrong}");
    }
    let path = format!("/v1/forwarding/{}", id(&made));
    by_bo.delete(&path).await.problem(404, "not_found");
    by_bo.patch(&path, json!({ "content": "notice" })).await.problem(404, "not_found");
    by_bo.post(&format!("{path}/resend"), json!({})).await.problem(404, "not_found");
    by_bo.post("/v1/messages", letter(&ana, "before")).await.expect(202);
    door.app.settle().await;
    // Only the question went out; its link is looked at and then used.
    let mail = mta.wait(1).await;
    assert_eq!(mail.len(), 1);
    let token = {
        let raw = mail[0].text().replace("=\r\n", "");
        let start = raw.find("/confirm?token=").expect("the link") + "/confirm?token=".len();
        raw[start..].trim_start_matches("3D").chars().take_while(char::is_ascii_hexdigit).collect::<String>()
    };
    let anybody = door.anybody();
    anybody.get("/v1/confirm?token=wrong").await.problem(404, "not_found");
    let link = format!("/v1/confirm?token={token}");
    assert_eq!(
        anybody.get(&link).await.expect(200),
        json!({ "kind": "forwarding", "address": "ana@home.test" })
    );
    assert_eq!(first(&by_ana, "/v1/forwarding").await["verified"], false);
    anybody.post("/v1/confirm", json!({ "token": token })).await.expect(200);
    assert_eq!(first(&by_ana, "/v1/forwarding").await["verified"], true);
    anybody.get(&link).await.problem(404, "not_found");
    by_ana.post(&format!("{path}/resend"), json!({})).await.problem(409, "already_verified");
    assert_eq!(by_ana.patch(&path, json!({ "content": "notice" })).await.expect(200)["content"], "notice");
    let night = json!({ "from": "22:00", "until": "07:00" });
    let later = json!({ "when": "digest", "times": ["08:00", "17:30"], "quiet_hours": night, "time_zone": "Europe/Berlin" });
    let changed = by_ana.patch(&path, later).await.expect(200);
    assert_eq!(
        (&changed["when"], &changed["quiet_hours"], &changed["content"]),
        (&json!("digest"), &night, &json!("notice"))
    );
    assert_eq!(changed["next_at"], "2026-11-23T16:30:00.000Z");
    let back = json!({ "when": "immediately", "quiet_hours": null, "time_zone": null, "paused": true });
    let changed = by_ana.patch(&path, back).await.expect(200);
    assert_eq!(
        (&changed["times"], &changed["quiet_hours"], &changed["paused"]),
        (&json!([]), &json!(null), &json!(true))
    );
    assert_eq!(changed["next_at"], json!(null));
    by_ana.delete(&path).await.expect(204);
    assert_eq!(by_ana.get("/v1/forwarding").await.expect(200)["items"], json!([]));
});
