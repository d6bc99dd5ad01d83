//! Programs in other languages, with the libraries that their authors would use. `tests/run` gets them, and leaves out
//! what it cannot get; CLIENT_PYTHON and CLIENT_NODE_MODULES say where they are.

use std::path::PathBuf;
use std::process::Command;

use crate::support::process::Process;
use crate::support::{Engine, long, within};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// A server with an administrator and a service, whose tokens these are.
async fn server() -> (Process, String, String) {
    let settings = [
        ("RESTANTE_MAIL__DOMAIN", "example.org"),
        ("RESTANTE_WEBHOOKS__PRIVATE_TARGETS", "true"),
        ("RESTANTE_HTTP__RATE_LIMIT", "off"),
    ];
    let mut server = Process::new(Engine::Sqlite, &settings).await;
    server.start();
    server.run_with(
        &["account", "create", "ana@example.org", "--admin", "--password-stdin"],
        "correct horse battery staple\n",
    );
    server.run(&["account", "create", "bot@example.org", "--service"]);
    let ana = server.run(&["token", "create", "ana@example.org", "--name", "test"]);
    let bot = server.run(&["token", "create", "bot@example.org", "--name", "test"]);
    (server, ana, bot)
}

/// Runs a program beside the server; it says this when all is well.
async fn says(mut program: Command, server: &Process, expected: &str) {
    program.env("URL", format!("http://{}", server.http)).env("NO_PROXY", "127.0.0.1");
    let name = format!("{program:?}");
    let run = tokio::task::spawn_blocking(move || program.output());
    // The long form of the schema's test takes its time.
    let output = if long() { run.await } else { within(&name, run).await }.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

fn python(script: &str) -> Command {
    let python = std::env::var_os("CLIENT_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command.arg(format!("{HERE}/{script}"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_verified_in_python() {
    let (mut server, ana, _) = server().await;
    let mut program = python("webhooks.py");
    program.env("TOKEN", ana);
    says(program, &server, "verified").await;
    assert_eq!(server.stop(), Some(0));
}

fn modules() -> PathBuf {
    let modules = std::env::var_os("CLIENT_NODE_MODULES");
    modules
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/clients/node_modules").into())
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_works_in_python() {
    let (mut server, ana, bot) = server().await;
    let mut program = python("python/agent.py");
    program.env("TOKEN", bot).env("PERSON", ana).env("TO", "ana@example.org");
    program.env("PYTHONDONTWRITEBYTECODE", "1");
    says(program, &server, "answered").await;
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_works_in_node() {
    let (mut server, ana, bot) = server().await;
    let compiled = server.database.dir().join("typescript");
    let mut compiler = Command::new("node");
    compiler.arg(modules().join("typescript/bin/tsc")).args([
        "-p",
        &format!("{HERE}/typescript"),
        "--outDir",
    ]);
    compiler.arg(&compiled);
    says(compiler, &server, "").await;
    std::fs::copy(format!("{HERE}/typescript/package.json"), compiled.join("package.json")).unwrap();
    let mut program = Command::new("node");
    program.arg(compiled.join("agent.js")).env("TOKEN", bot).env("PERSON", ana).env("TO", "ana@example.org");
    says(program, &server, "answered").await;
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_true_in_python() {
    let (mut server, ana, _) = server().await;
    let mut program = python("openapi.py");
    program.env("PERSON", ana).env("TO", "ana@example.org").env("LONG", if long() { "1" } else { "0" });
    says(program, &server, "conforms").await;
    assert!(!server.log().contains("a request failed inside"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_verified_in_node() {
    let (mut server, ana, _) = server().await;
    let mut program = Command::new("node");
    program.arg(format!("{HERE}/webhooks.mjs")).env("TOKEN", ana).env("NODE_MODULES", modules());
    says(program, &server, "verified").await;
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_asks_in_python() {
    let (mut server, ana, bot) = server().await;
    let mut program = python("mcp_agent.py");
    program.env("TOKEN", bot).env("PERSON", ana).env("TO", "ana@example.org");
    says(program, &server, "answered").await;
    assert_eq!(server.stop(), Some(0));
}
