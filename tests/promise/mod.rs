//! Questions from the asking to the end: over the API, by mail, in a shell, across nodes and restarts.

mod by_mail;
mod shell;
mod three_days;
mod two_nodes;

use serde_json::{Value, json};

use restante::http::{AppState, Settings, router, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::app::{App, Person};
use crate::support::client::Client;
use crate::support::mta::Received;

/// Opens an HTTP door on an app's store; it closes with the token.
async fn door(app: &App, shutdown: &CancellationToken) -> Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let url = base.parse().unwrap();
    let state = AppState::new(app.context.clone(), Settings::default(), url, shutdown.clone());
    tokio::spawn(serve(listener, router(state), shutdown.clone()));
    Client::new(base)
}

/// Gives a person a verified outside address, by the API.
async fn forward_to(app: &App, client: &Client, outside: &str, mails: impl Fn() -> Vec<Received>) {
    client.post("/v1/forwarding", json!({ "address": outside, "content": "full" })).await.expect(201);
    app.settle().await;
    let mail = mails().pop().expect("a verification").body();
    let token: String =
        mail.split("/confirm?token=").nth(1).unwrap().chars().take_while(char::is_ascii_hexdigit).collect();
    client.post("/v1/confirm", json!({ "token": token })).await.expect(200);
}

/// The path of a mail's link for an option; of its first link, without one.
fn link(mail: &Received, choice: Option<&str>) -> String {
    let body = mail.body();
    let wanted = choice.map(|choice| format!("?choice={choice}")).unwrap_or_default();
    let line = body.lines().map(str::trim).find(|line| line.contains("/a/") && line.ends_with(&wanted));
    let line = line.unwrap_or_else(|| panic!("no link in {body}"));
    format!("/a/{}", line.split("/a/").nth(1).unwrap())
}

fn states(promise: &Value) -> Vec<(String, String)> {
    let text = |who: &Value, name: &str| who[name].as_str().unwrap().to_owned();
    let mut states: Vec<_> = promise["asked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|who| (text(who, "address"), text(who, "state")))
        .collect();
    states.sort();
    states
}

fn pair(address: &str, state: &str) -> (String, String) {
    (address.to_owned(), state.to_owned())
}

/// The types of an account's events.
async fn kinds(app: &App, person: &Person) -> Vec<String> {
    let events = app.store.events(person.id, 0, &[], 1000).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}
