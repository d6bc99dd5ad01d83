//! The REST API from outside: over real TCP, on both databases.

mod access;
mod asks;
mod audit;
mod bad_input;
mod convenience;
pub(crate) mod events;
mod idempotency;
mod inbox;
mod limits;
mod mcp;
mod pictures;
mod promises;
mod push;
mod queue;
mod reading;
mod sending;
mod session;
mod web;
mod webhooks;

use restante::auth::password::Passwords;
use restante::http::{AppState, Settings, router, serve};
use restante::store::Topic;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::app::{App, Person};
use crate::support::client::{Client, text};
use crate::support::mta::Mta;
use crate::support::{Engine, until};

/// An app with its HTTP door open; the worker is stepped by hand.
struct Door {
    app: App,
    base: String,
    shutdown: CancellationToken,
}

impl Door {
    async fn open(engine: Engine) -> Self {
        Self::before(App::start(engine).await).await
    }

    async fn with_relay(engine: Engine, mta: &Mta) -> Self {
        Self::before(App::with_relay(engine, mta).await).await
    }

    async fn before(app: App) -> Self {
        Self::with(app, Settings::default()).await
    }

    /// Returns when a request waits for something to happen in an account.
    async fn somebody_waits(&self, account: Uuid) {
        let bell = self.app.store.bell();
        until("somebody who waits", || async { (bell.listeners(Topic::Account(account)) > 0).then_some(()) })
            .await;
    }

    async fn with(app: App, settings: Settings) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let url = base.parse().unwrap();
        let state = AppState::new(app.context.clone(), settings, url, shutdown.clone());
        tokio::spawn(serve(listener, router(state), shutdown.clone()));
        Self { app, base, shutdown }
    }

    /// Dies and starts again, behind another address.
    async fn restart(&mut self) {
        self.shutdown.cancel();
        self.app.restart(None).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        self.base = format!("http://{}", listener.local_addr().unwrap());
        self.shutdown = CancellationToken::new();
        let (url, shutdown) = (self.base.parse().unwrap(), self.shutdown.clone());
        let state = AppState::new(self.app.context.clone(), Settings::default(), url, shutdown.clone());
        tokio::spawn(serve(listener, router(state), shutdown));
    }

    /// Somebody without a credential.
    fn anybody(&self) -> Client {
        Client::new(self.base.clone())
    }

    /// A person with their token.
    fn client(&self, person: &Person) -> Client {
        self.anybody().token(&person.token)
    }

    /// Two people and their clients.
    async fn two(&self) -> (Person, Client, Person, Client) {
        let (ana, bo) = (self.app.person("Ana").await, self.app.person("Bo").await);
        let (by_ana, by_bo) = (self.client(&ana), self.client(&bo));
        (ana, by_ana, bo, by_bo)
    }

    /// Gives an account a password.
    async fn password(&self, person: &Person, password: &str) {
        let phc = Passwords::default().hash(password.to_owned()).await.unwrap();
        self.app.store.set_password(person.id, phc).await.unwrap();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A plain message, to be posted.
fn letter(to: &Person, subject: &str) -> Value {
    json!({ "to": [to.address], "subject": subject, "text": "Some words." })
}

/// The id of an object.
fn id(value: &Value) -> &str {
    text(value, "id")
}

/// The first item of a list.
async fn first(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200)["items"][0].clone()
}
