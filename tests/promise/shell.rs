//! Questions in a shell: `restante ask … --wait`, and the other commands that talk to a server.

use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{Engine, until, within};

fn token(server: &Process, address: &str) -> String {
    server.run_with(&["account", "create", address, "--password-stdin"], "correct horse battery staple\n");
    server.run(&["token", "create", address, "--name", "test"])
}

/// A command of a caller with this token; it runs beside whoever waits for it.
fn start(server: &Process, token: &str, arguments: &[&str]) -> tokio::task::JoinHandle<Output> {
    let mut command = server.command(arguments);
    command.env("RESTANTE_URL", format!("http://{}", server.http)).env("RESTANTE_TOKEN", token);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
}

async fn run(server: &Process, token: &str, arguments: &[&str]) -> (i32, String) {
    let output = within(&format!("restante {arguments:?}"), start(server, token, arguments)).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    (output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_waits_for_a_person() {
    let mut server = Process::new(Engine::Sqlite, &[("RESTANTE_MAIL__DOMAIN", "example.org")]).await;
    server.start();
    let (ana, bo) = (token(&server, "ana@example.org"), token(&server, "bo@example.org"));
    let by_bo = server.client().token(&bo);
    let asked = |count: usize| {
        let by_bo = by_bo.clone();
        async move {
            until("the question", || async {
                let list = by_bo.every("/v1/promises?role=asked&state=pending").await;
                (list.len() == count).then(|| list[0]["id"].as_str().unwrap().to_owned())
            })
            .await
        }
    };
    let answer = async |id: &str, body: Value| {
        by_bo.post(&format!("/v1/promises/{id}/answer"), body).await.expect(200)
    };

    let question = ["ask", "--to", "bo@example.org", "Deploy?", "--choices", "yes,no", "--wait", "60s"];
    let waiting = start(&server, &ana, &question);
    let id = asked(1).await;
    answer(&id, json!({ "value": "yes" })).await;
    let output = within("the shell", waiting).await.unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"yes\n"[..]));

    let waiting =
        start(&server, &ana, &["ask", "--to", "bo@example.org", "When?", "--wait", "60s", "--json"]);
    let id = asked(1).await;
    answer(&id, json!({ "decline": "ask Di" })).await;
    let output = within("the shell", waiting).await.unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["reason"]["code"]), (Some(1), &json!("declined")));

    let form = server.database.dir().join("form.json");
    std::fs::write(&form, r#"{"type": "object", "properties": {"n": {"type": "integer"}}}"#).unwrap();
    let form = form.to_str().unwrap();
    let (code, id) =
        run(&server, &ana, &["ask", "--to", "bo@example.org", "How many?", "--form", form]).await;
    assert_eq!(code, 0, "it was asked, and nobody waits");
    assert_eq!(run(&server, &ana, &["await", &id, "--wait", "1s"]).await, (3, id.clone()));
    asked(1).await;
    answer(&id, json!({ "value": { "n": 3 } })).await;
    assert_eq!(run(&server, &ana, &["await", &id]).await, (0, r#"{"n":3}"#.to_owned()));
    assert_eq!(run(&server, &ana, &["ask", "--to", "bo@example.org"]).await.0, 2);
    assert_eq!(run(&server, &ana, &["await", "no-such-promise"]).await.0, 2);
    assert_eq!(run(&server, "rst_wrong", &["inbox"]).await.0, 2);

    let (code, sent) = run(
        &server,
        &ana,
        &["send", "--to", "bo@example.org", "--subject", "Hello", "How are you?", "--json"],
    )
    .await;
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&sent).unwrap()["state"], "accepted");
    assert_eq!(
        run(&server, &ana, &["send", "--to", "bo@example.org", "--wait", "x"]).await,
        (0, "fulfilled".into())
    );
    let (_, list) = run(&server, &bo, &["inbox", "--unseen"]).await;
    let hello = list.lines().find(|line| line.ends_with("Hello")).unwrap_or_else(|| panic!("{list}"));
    let id = hello.trim_start_matches("* ").split(' ').next().unwrap().to_owned();
    let (_, read) = run(&server, &bo, &["read", &id]).await;
    assert!(read.contains("From: ana@example.org") && read.ends_with("How are you?"), "{read}");
    assert_eq!(run(&server, &bo, &["reply", &id, "Well."]).await.0, 0);
    let (_, inbox) = run(&server, &ana, &["inbox", "--wait", "20"]).await;
    assert!(inbox.contains("Re: Hello"), "{inbox}");
    assert_eq!(server.stop(), Some(0));
}
