//! Answering by mail: links that only a form follows, words that are certain, and those that are not.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{door, forward_to, link, pair, states};
use crate::support::Engine;
use crate::support::app::{App, Person, arrive};
use crate::support::client::{Answer, Client, text};
use crate::support::mail::letter;
use crate::support::mta::{Mta, Received};

struct Mail {
    mta: Mta,
    app: App,
    ana: Person,
    client: Client,
    shutdown: CancellationToken,
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Mail {
    async fn start(engine: Engine) -> Self {
        let mta = Mta::start().await;
        let app = App::with_relay(engine, &mta).await;
        let ana = app.person("Ana").await;
        let shutdown = CancellationToken::new();
        let client = door(&app, &shutdown).await;
        Self { mta, app, ana, client, shutdown }
    }

    fn by_ana(&self) -> Client {
        self.client.token(&self.ana.token)
    }

    async fn ask(&self, to: &[&str], ask: Value) -> String {
        let body = json!({ "to": to, "subject": "Lunch?", "text": "<b>Where</b> & when", "ask": ask });
        let sent = self.by_ana().post("/v1/messages", body).await.expect(202);
        self.app.settle().await;
        format!("/v1/promises/{}", text(&sent["promises"]["answer"], "id"))
    }

    async fn reply(&self, from: &str, to: &Received, words: &str) {
        let id = format!("<{}@out.test>", self.app.id());
        let mail = letter(from, &to.mail_from, "Re: Lunch?", &[("Message-ID", &id)], words);
        arrive(&self.app.context, from, &[&to.mail_from], &mail).await.unwrap();
        self.app.settle().await;
    }

    async fn form(&self, path: &str, body: &str) -> Answer {
        let request = self
            .client
            .request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded");
        self.client.send(request.body(body.to_owned())).await
    }
}

fn choice() -> Value {
    json!({ "kind": "choice", "options": [{ "name": "here", "title": "Right here" }, { "name": "out", "title": "Out & about", "comment": "required" }] })
}

both!(a_link_shows_the_question_and_its_form_answers_it, |engine| async move {
    let mail = Mail::start(engine).await;
    let promise = mail.ask(&["cy@out.test", "di@out.test"], choice()).await;
    let question = mail.mta.received_for("cy@out.test").remove(0);
    assert!(
        question.mail_from.starts_with("reply+") && question.header("reply-to").contains(&question.mail_from)
    );
    assert!(question.header("from").contains(&mail.ana.address));
    let path = link(&question, Some("here"));
    let secret = path.trim_start_matches("/a/").split('?').next().unwrap().to_owned();
    for _ in 0..3 {
        let page = mail.client.get(&path).await;
        assert_eq!(page.status, 200);
        let body = page.text();
        assert!(body.contains("value=\"here\" checked") && body.contains("Out &amp; about"), "{body}");
        assert!(body.contains("&lt;b&gt;Where&lt;/b&gt; &amp; when") && !body.contains("<b>Where"), "{body}");
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
        assert_eq!(
            (page.header("cache-control"), page.header("referrer-policy")),
            ("no-store", "same-origin")
        );
    }
    assert_eq!(mail.by_ana().get(&promise).await.expect(200)["state"], "pending", "looking answers nothing");
    let elsewhere = mail.client.header("sec-fetch-site", "cross-site");
    let forged = elsewhere.request(Method::POST, &path).body("choice=here&act=answer");
    assert_eq!(elsewhere.send(forged).await.status, 403);
    let forged = mail.client.header("origin", "https://evil.test");
    assert_eq!(forged.send(forged.request(Method::POST, &path).body("choice=here")).await.status, 403);
    for wrong in ["", "choice=nowhere&act=answer", "choice=out&act=answer&comment=+", "act=decline"] {
        let page = mail.form(&path, wrong).await;
        assert_eq!(page.status, 422, "{wrong}: {}", page.text());
        assert!(page.text().contains("role=alert"));
    }
    let mut other = secret.clone();
    other.replace_range(0..1, if secret.starts_with('0') { "1" } else { "0" });
    for bad in [other.as_str(), &secret[1..], "x", "../v1/me"] {
        let page = mail.form(&format!("/a/{bad}"), "choice=here").await;
        assert!(page.status >= 400 && !page.text().contains("Lunch"), "{bad}");
    }
    let done = mail.form(&path, "choice=out&comment=The+park&act=answer").await;
    assert_eq!(done.status, 200, "{}", done.text());
    let settled = mail.by_ana().get(&promise).await.expect(200);
    assert_eq!(settled["value"], json!({ "choice": "out", "comment": "The park" }));
    let by = &settled["answers"][0];
    assert_eq!(
        (&by["by"], &by["via"], &by["verified"]),
        (&json!("cy@out.test"), &json!("link"), &json!({ "link": true }))
    );
    assert_eq!(mail.form(&path, "choice=here&act=answer").await.status, 409);

    // The other one is told, in the thread of the question, and their link says so, too.
    mail.app.settle().await;
    let told = mail.mta.received_for("di@out.test");
    assert_eq!(told.len(), 2);
    assert!(
        told[1].body().contains("Answered by cy@out.test at 10:00 UTC: Out & about"),
        "{}",
        told[1].body()
    );
    assert!(told[0].header("references").contains(&told[1].header("in-reply-to")));
    let late = mail.client.get(&link(&told[0], Some("here"))).await;
    assert!(late.text().contains("Answered by cy@out.test"), "{}", late.text());
    assert_eq!(mail.mta.received_for("cy@out.test").len(), 1, "whoever answered knows it");
});

both!(words_that_are_certain_answer_and_others_are_asked_about, |engine| async move {
    let mail = Mail::start(engine).await;
    let bo = mail.app.person("Bo").await;
    let by_bo = mail.client.token(&bo.token);
    forward_to(&mail.app, &by_bo, "bo@phone.test", || mail.mta.received_for("bo@phone.test")).await;
    let promise = mail
        .ask(&[&bo.address, "cy@out.test"], {
            let mut all = choice();
            all["settle"] = json!("all");
            all
        })
        .await;
    let notice = mail.mta.received_for("bo@phone.test").remove(1);
    let question = mail.mta.received_for("cy@out.test").remove(0);

    // Somebody who got hold of the address is not the one who was asked.
    mail.reply("eve@evil.test", &question, "Right here").await;
    // In doubt it is a message, and its sender is asked once which answer they meant.
    mail.reply("cy@out.test", &question, "Right here? Or out & about?").await;
    mail.reply("cy@out.test", &question, "Hm, let me think.").await;
    let now = mail.by_ana().get(&promise).await.expect(200);
    assert_eq!(states(&now), [pair(&bo.address, "waiting"), pair("cy@out.test", "waiting")]);
    assert_eq!(now["answers"], json!([]));
    let inbox = mail.by_ana().every("/v1/messages?mailbox=inbox").await;
    let from: Vec<&str> = inbox.iter().map(|m| text(&m["from"], "address")).collect();
    assert_eq!(from, ["cy@out.test", "cy@out.test", "eve@evil.test"]);
    let mails = mail.mta.received_for("cy@out.test");
    assert_eq!((mails.len(), mails[1].header("subject")), (2, "Your answer: Lunch?".into()), "once");
    assert_eq!(mails[1].header("auto-submitted"), "auto-generated");
    assert!(mail.mta.received_for("eve@evil.test").is_empty());
    let done = mail.form(&link(&mails[1], Some("here")), "choice=here&act=answer").await;
    assert_eq!(done.status, 200, "{}", done.text());

    // From the phone, as the account.
    mail.reply("bo@phone.test", &notice, "Out & about: the park\n\n> quoted\n").await;
    let done = mail.by_ana().get(&promise).await.expect(200);
    assert_eq!(done["state"], "fulfilled", "{done}");
    let bo_said = done["answers"].as_array().unwrap().iter().find(|a| a["by"] == bo.address).unwrap();
    assert_eq!((&bo_said["via"], &bo_said["comment"]), (&json!("email"), &json!("the park")));
    assert_eq!(bo_said["verified"], json!({ "reply_address": true, "from": true }));
    let got = by_bo.get("/v1/messages").await.expect(200)["items"][0].clone();
    assert_eq!(got["ask"]["answered"], true);
    let hidden = mail.by_ana().get(&promise).await.text();
    assert!(!hidden.contains("phone.test"), "where Bo reads his mail is nobody's business");
});

both!(a_text_a_form_a_bounce_and_a_correction_by_mail, |engine| async move {
    let mail = Mail::start(engine).await;
    let promise = mail.ask(&["cy@out.test"], json!({ "kind": "text" })).await;
    mail.reply(
        "cy@out.test",
        &mail.mta.received_for("cy@out.test")[0],
        "At noon.\n\nOn Monday, Ana wrote:\n> Lunch?\n",
    )
    .await;
    assert_eq!(mail.by_ana().get(&promise).await.expect(200)["value"], "At noon.");

    let schema = json!({ "type": "object", "required": ["people"], "properties": { "people": { "type": "integer", "title": "How many" },
        "veg": { "type": "boolean" }, "when": { "type": "string", "enum": ["noon", "one"] } } });
    let promise = mail.ask(&["di@out.test"], json!({ "kind": "form", "schema": schema })).await;
    let path = link(&mail.mta.received_for("di@out.test")[0], None);
    let page = mail.client.get(&path).await.text();
    assert!(page.contains("How many") && page.contains("<option>noon</option>"), "{page}");
    assert_eq!(mail.form(&path, "f.people=three&act=answer").await.status, 422);
    assert_eq!(mail.form(&path, "f.people=3&f.veg=on&f.when=one&act=answer").await.status, 200);
    assert_eq!(
        mail.by_ana().get(&promise).await.expect(200)["value"],
        json!({ "people": 3, "veg": true, "when": "one" })
    );

    // Taken by the relay, and then it comes back: nobody is left who could answer.
    let promise = mail.ask(&["ed@out.test"], choice()).await;
    let question = mail.mta.received_for("ed@out.test").remove(0);
    let report = |action: &str| {
        format!(
            "From: mailer-daemon@out.test\r\nTo: {}\r\nSubject: report\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nhuman\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; out.test\r\n\r\n\
             Final-Recipient: rfc822; ed@out.test\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n--b--\r\n",
            question.mail_from
        )
    };
    arrive(&mail.app.context, "", &[&question.mail_from], report("delayed").as_bytes()).await.unwrap();
    assert_eq!(mail.by_ana().get(&promise).await.expect(200)["state"], "pending");
    arrive(&mail.app.context, "", &[&question.mail_from], report("failed").as_bytes()).await.unwrap();
    let over = mail.by_ana().get(&promise).await.expect(200);
    assert_eq!((&over["state"], &over["reason"]["code"]), (&json!("rejected"), &json!("undeliverable")));
    mail.app.settle().await;

    // An answer to a version that was corrected does not count, by words or by link.
    let promise = mail.ask(&["fi@out.test"], choice()).await;
    let sent = mail.by_ana().get("/v1/messages?mailbox=sent").await.expect(200)["items"][0].clone();
    mail.app.seconds(1);
    let body =
        json!({ "to": ["fi@out.test"], "subject": "Dinner?", "corrects": sent["id"], "ask": choice() });
    mail.by_ana().post("/v1/messages", body).await.expect(202);
    mail.app.settle().await;
    let mails = mail.mta.received_for("fi@out.test");
    assert_eq!(mail.form(&link(&mails[0], Some("here")), "choice=here&act=answer").await.status, 409);
    mail.reply("fi@out.test", &mails[0], "Right here").await;
    assert_eq!(mail.by_ana().get(&promise).await.expect(200)["answers"], json!([]));
    mail.reply("fi@out.test", &mails[1], "Right here").await;
    assert_eq!(mail.by_ana().get(&promise).await.expect(200)["value"]["choice"], "here");
});
