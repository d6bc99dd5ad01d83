//! While sending is paused nothing leaves, everything else goes on, and nothing is lost or sent twice by it.

use serde_json::json;

use crate::support::app::App;
use crate::support::mta::Mta;
use crate::support::process::Process;
use crate::support::{Engine, until};

both!(what_would_leave_waits, |engine| async move {
    let mta = Mta::start().await;
    let app = App::with_relay(engine, &mta).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    app.store.pause(app.now()).await.unwrap();
    let since = app.now();
    app.minutes(1);
    app.store.pause(app.now()).await.unwrap();
    assert_eq!(app.store.paused().await.unwrap().unwrap().since, since, "it has begun once");
    app.send(&ana, &[&bo.address, "cy@outside.test"], "Hello", "Both of you.").await;
    assert_eq!(app.settle().await, 1, "the copy for Bo");
    app.minutes(24 * 60);
    assert_eq!((app.settle().await, mta.received().len()), (0, 0));
    assert!(app.store.resume().await.unwrap() && !app.store.resume().await.unwrap());
    // Not even an attempt was counted.
    assert_eq!(app.database.look("select '' || attempts from delivery where settled_at is null"), ["0"]);
    assert_eq!(app.settle().await, 1);
    assert_eq!(mta.wait(1).await[0].header("subject"), "Hello");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_sends_nothing_until_it_is_told_to() {
    let mta = Mta::start().await;
    let mut server = Process::new(Engine::Sqlite, &[]).await;
    server.start();
    server.run_with(
        &["account", "create", "ana@localhost", "--admin", "--password-stdin"],
        "three old bicycles",
    );
    let token = server.run(&["token", "create", "ana@localhost", "--name", "test"]);
    server.kill();
    // A message waits for a relay that does not answer, is backed up, and goes out afterwards.
    server.set("RESTANTE_RELAY__URL", "smtp://127.0.0.1:1");
    // What was put off, or in hand, when the server died is soon due again.
    server.set("RESTANTE_DELIVERY__FIRST_RETRY", "1s");
    server.set("RESTANTE_DELIVERY__LEASE", "5s");
    server.start();
    let ana = server.client().token(&token);
    ana.post("/v1/messages", json!({ "to": ["cy@outside.test"], "subject": "Once", "text": "x" }))
        .await
        .expect(202);
    let to = server.database.dir().join("backup").display().to_string();
    server.run(&["backup", &to]);
    server.kill();
    let data_dir = server.database.dir().join("restored").display().to_string();
    server.set("RESTANTE_DATA_DIR", &data_dir);
    assert!(server.run(&["restore", &to]).contains("restante queue resume"));
    server.set("RESTANTE_RELAY__URL", &mta.url());
    server.start();
    assert!(server.log().contains("sending is paused"), "{}", server.log());
    let ready = server.client().get("/readyz").await;
    assert_eq!(String::from_utf8(ready.bytes).unwrap(), "ready, but sending is paused\n");
    let sending = ana.get("/v1/admin/sending").await.expect(200);
    assert_eq!((&sending["paused"], &sending["reason"]), (&json!(true), &json!("restored")));
    assert!(server.run(&["queue", "status"]).contains("since a backup was restored"));
    // Mail between accounts here goes on meanwhile.
    ana.post("/v1/messages", json!({ "to": ["ana@localhost"], "subject": "Here", "text": "x" }))
        .await
        .expect(202);
    let arrived = ana.get("/v1/messages?mailbox=inbox&wait=30").await.expect(200);
    assert_eq!(arrived["items"][0]["subject"], "Here");
    assert_eq!(mta.received().len(), 0);
    let sending = ana.patch("/v1/admin/sending", json!({ "paused": false })).await.expect(200);
    assert_eq!(sending["paused"], false);
    let received = mta.wait(1).await;
    assert_eq!(received[0].header("subject"), "Once");
    assert_eq!(server.run(&["queue", "resume"]), "Sending was not paused.");
}

both!(an_administrators_command_pauses_a_running_server, |engine| async move {
    let mta = Mta::start().await;
    let mut server = Process::new(engine, &[("RESTANTE_RELAY__URL", &mta.url())]).await;
    server.start();
    server.run(&["account", "create", "ana@localhost"]);
    let token = server.run(&["token", "create", "ana@localhost", "--name", "test"]);
    server.run(&["queue", "pause"]);
    let ana = server.client().token(&token);
    ana.get("/v1/admin/sending").await.problem(403, "insufficient_scope");
    ana.post("/v1/messages", json!({ "to": ["cy@outside.test"], "subject": "Later", "text": "x" }))
        .await
        .expect(202);
    ana.post("/v1/messages", json!({ "to": ["ana@localhost"], "subject": "Here", "text": "x" }))
        .await
        .expect(202);
    ana.get("/v1/messages?mailbox=inbox&wait=30").await.expect(200);
    assert_eq!(mta.received().len(), 0);
    assert!(server.run(&["queue", "resume"]).contains("goes on"));
    // Another process's bell is not heard on SQLite; the next message, or the poll, makes the worker look.
    until("both", || async {
        let more = json!({ "to": ["cy@outside.test"], "subject": "Again", "text": "x" });
        if mta.received().is_empty() {
            ana.post("/v1/messages", more).await.expect(202);
        }
        (!mta.received().is_empty()).then_some(())
    })
    .await;
});
