//! The main job on real input: the real binary, a real SMTP peer that refuses twice, SIGKILL in between.

use serde_json::json;

use crate::support::client::{Client, text};
use crate::support::mail::{address, letter, send};
use crate::support::mta::{Mta, reply};
use crate::support::process::{Process, free_port};
use crate::support::{Engine, until, within};

/// Makes an account and a token by the commands; a caller with that token.
fn account(server: &Process, address: &str) -> Client {
    server.run_with(&["account", "create", address, "--password-stdin"], "correct horse battery staple\n");
    let token = server.run(&["token", "create", address, "--name", "test"]);
    assert!(token.starts_with("rst_") && !token.contains('\n'), "the token alone");
    server.client().token(&token)
}

fn settings(relay: &str) -> [(&str, &str); 6] {
    [
        ("RESTANTE_MAIL__DOMAIN", "example.org"),
        ("RESTANTE_RELAY__URL", relay),
        ("RESTANTE_DELIVERY__FIRST_RETRY", "300ms"),
        ("RESTANTE_DELIVERY__MAX_RETRY", "1s"),
        ("RESTANTE_DELIVERY__LEASE", "5s"),
        ("RESTANTE_LOG__LEVEL", "debug"),
    ]
}

/// Has what arrives for the caller forwarded to an outside address: the address is sent a link, and only following
/// that link turns it on. `mail` gives the text of the verification mail.
async fn forward_to<F: Future<Output = String>>(client: &Client, outside: &str, mail: impl FnOnce() -> F) {
    let made =
        client.post("/v1/forwarding", json!({ "address": outside, "content": "full" })).await.expect(201);
    assert_eq!(made["verified"], false);
    let mail = mail().await;
    let token = mail.split("/confirm?token=").nth(1).unwrap_or_else(|| panic!("no link in {mail}"));
    let token: String =
        token.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    client.get(&format!("/v1/confirm?token={token}")).await.expect(200);
    let list = client.get("/v1/forwarding").await.expect(200);
    assert_eq!(list["items"][0]["verified"], false, "looking at the link changes nothing");
    client.post("/v1/confirm", json!({ "token": token })).await.expect(200);
    assert_eq!(client.get("/v1/forwarding").await.expect(200)["items"][0]["verified"], true);
}

/// The messages in a mailbox, once there are this many.
async fn mailbox(client: &Client, name: &str, count: usize) -> Vec<serde_json::Value> {
    until(&format!("{count} in {name}"), || async {
        let page = client.get(&format!("/v1/messages?mailbox={name}")).await.expect(200);
        let items = page["items"].as_array().unwrap().clone();
        assert!(items.len() <= count, "{} messages in {name}, not {count}", items.len());
        (items.len() == count).then_some(items)
    })
    .await
}

both!(a_message_goes_out_and_its_answer_comes_back_whatever_dies, |engine| async move {
    let mta = Mta::start().await;
    let mut server = Process::new(engine, &settings(&mta.url())).await;
    server.start();
    let (ana, bo) = (account(&server, "ana@example.org"), account(&server, "bo@example.org"));
    forward_to(&bo, "bo@phone.test", || async { mta.wait(1).await[0].body() }).await;

    // To one here and one outside; the peer refuses twice, for now.
    mta.recipient("cy@outside.test", reply("451 4.3.0 not now"));
    let sent = json!({
        "to": ["bo@example.org", "cy@outside.test"],
        "subject": "Grüße: deploy 4821?",
        "text": "Shall we?\n.\nOne dot above.",
    });
    let accepted = ana.post_once("/v1/messages", "deploy-4821", sent.clone()).await;
    let answer = accepted.expect(202);
    let id = text(&answer, "id").to_owned();
    assert_eq!(accepted.header("location"), format!("/v1/messages/{id}"));
    mta.until("two refusals", |mta| {
        let named = |line: &&String| line.contains("cy@outside.test");
        mta.commands().iter().filter(named).count() >= 2
    })
    .await;
    server.kill();
    mta.heal();
    server.start();
    let again = ana.post_once("/v1/messages", "deploy-4821", sent).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(202)["id"], answer["id"]);

    // The one here has it once, the one outside has it, and the promise says so.
    let arrived = mailbox(&bo, "inbox", 1).await;
    assert_eq!(arrived[0]["subject"], "Grüße: deploy 4821?");
    mta.until("the message outside", |mta| !mta.received_for("cy@outside.test").is_empty()).await;
    let outside = mta.received_for("cy@outside.test").remove(0);
    assert!(outside.body().contains("Shall we?\n.\nOne dot above."), "{}", outside.body());
    assert_eq!(outside.header("message-id"), text(&answer, "message_id"));
    let promise = text(&answer["promises"]["delivery"], "id");
    let settled = ana.get(&format!("/v1/promises/{promise}?wait=30")).await.expect(200);
    assert_eq!(settled["state"], "fulfilled");
    let deliveries = ana.get(&format!("/v1/messages/{id}/deliveries")).await.expect(200);
    for delivery in deliveries["items"].as_array().unwrap() {
        let out = delivery["recipient"] == "cy@outside.test";
        assert_eq!(delivery["state"], if out { "relayed" } else { "delivered" });
        assert!(!out || delivery["attempts"].as_i64().unwrap() >= 3, "{delivery}");
        assert!(!out || delivery["last_attempt"]["code"] == 250, "{delivery}");
    }

    // The notice went to the phone; its answer comes back as Bo's, without what it quotes, into Ana's thread.
    mta.until("the notice", |mta| mta.received_for("bo@phone.test").len() == 2).await;
    let notice = mta.received_for("bo@phone.test").remove(1);
    assert_eq!(notice.header("auto-submitted"), "auto-generated");
    assert!(!notice.header("list-id").is_empty() && notice.body().contains("Shall we?"));
    let secret = address(&notice.header("reply-to")).to_owned();
    assert!(secret.starts_with("reply+") && secret.ends_with("@example.org"), "{secret}");
    let answer_mail = letter(
        "Bo <bo@phone.test>",
        &secret,
        &format!("Re: {}", notice.header("subject")),
        &[("Message-ID", "<1@phone.test>"), ("In-Reply-To", &notice.header("message-id"))],
        "Yes, go ahead.\n\nOn Mon, 23 Nov 2026 at 10:00, Ana wrote:\n> Shall we?\n",
    );
    assert!(send(server.smtp, "bo@phone.test", &[&secret], &answer_mail).await.starts_with("250"));
    server.kill();
    server.start();
    // The same mail once more, as a sender does who never saw the 250.
    assert!(send(server.smtp, "bo@phone.test", &[&secret], &answer_mail).await.starts_with("250"));
    let back = mailbox(&ana, "inbox", 1).await;
    assert_eq!(back[0]["from"]["address"], "bo@example.org");
    assert_eq!(back[0]["thread_id"], answer["thread_id"]);
    let whole = ana.get(&format!("/v1/messages/{}", text(&back[0], "id"))).await.expect(200);
    assert_eq!(text(&whole, "reply_text").trim(), "Yes, go ahead.");
    assert!(!whole.to_string().contains(&secret), "the secret address is Bo's alone");
    let thread = ana.get(&format!("/v1/threads/{}", text(&answer, "thread_id"))).await.expect(200);
    assert_eq!(thread["messages"].as_array().unwrap().len(), 2);

    // Strangers get nowhere.
    assert!(send(server.smtp, "x@x.test", &["nobody@example.org"], &answer_mail).await.starts_with("550"));
    assert!(send(server.smtp, "x@x.test", &["cy@outside.test"], &answer_mail).await.starts_with("550"));
    assert_eq!(server.stop(), Some(0), "{}", server.log());
    let log = server.log();
    assert!(
        !log.contains("Shall we?") && !log.contains(&secret) && !log.contains("rst_"),
        "no content in the log"
    );
});

#[tokio::test(flavor = "multi_thread")]
async fn smtp_sink_takes_what_we_relay() {
    let sink = std::env::var("SMTP_SINK").unwrap_or_else(|_| "/usr/sbin/smtp-sink".into());
    let port = free_port();
    let mut server = Process::new(Engine::Sqlite, &settings(&format!("smtp://{port}"))).await;
    let mails = server.database.dir().join("sink");
    std::fs::create_dir(&mails).unwrap();
    let mut command = std::process::Command::new(&sink);
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0 {
        // It refuses to run as root, and must be able to write there.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&mails, all).unwrap();
        command.args(["-u", "nobody"]);
    }
    let dump = format!("{}/%M.", mails.display());
    command.args(["-d", &dump, &port.to_string(), "10"]);
    let mut sink = command.spawn().unwrap_or_else(|error| panic!("{sink} (of Debian's postfix): {error}"));
    server.start();
    let ana = account(&server, "ana@example.org");
    let long_line = "x".repeat(3000);
    let sent = json!({ "to": ["cy@outside.test"], "subject": "To Postfix", "text": format!("Grüße\n.\n{long_line}\n") });
    let answer = ana.post("/v1/messages", sent).await.expect(202);
    let promise = text(&answer["promises"]["delivery"], "id");
    let settled = within("the relay", ana.get(&format!("/v1/promises/{promise}?wait=60"))).await.expect(200);
    assert_eq!(settled["state"], "fulfilled", "{settled} {}", server.log());
    let files: Vec<_> = std::fs::read_dir(&mails).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let mail = std::fs::read_to_string(&files[0]).unwrap();
    assert!(
        mail.contains("X-Rcpt-Args: <cy@outside.test>") && mail.contains("Subject: To Postfix"),
        "{mail}"
    );
    assert!(mail.lines().all(|line| line.len() <= 998), "a line is longer than RFC 5322 allows");
    sink.kill().unwrap();
    sink.wait().unwrap();
}
