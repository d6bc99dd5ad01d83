//! The delivery worker, against real stores and a scripted peer.

mod calls;
mod convenience;
mod crash;
mod deposit;
mod flood;
mod isolation;
mod lease;
mod local;
mod notice;
mod outcomes;
mod pause;
mod postfix;
mod relay;
mod reply;
mod retry;
mod returned;
mod routes;
mod run;
mod secured;
mod timer;
mod told;

use std::sync::Arc;
use std::time::Duration;

use restante::delivery::deposit::Rejected;
use restante::delivery::relay::TimeOuts;
use restante::delivery::{Settings, Worker};
use restante::mail::address::Address;
use restante::mail::authentication::Authentication;
use restante::mail::message::Content;
use restante::mail::retry::Schedule;
use restante::store::account::Account;
use restante::store::email::{EmailRow, Filter};
use restante::store::mailbox::{Role, role_id};
use restante::store::tracking::DeliveryRow;
use restante::submission::{Accepted, Context, Request, submit};

use crate::support::Engine;
use crate::support::app::{App, DOMAIN, Person, arrive_as};
use crate::support::mta::Mta;

/// A store with its worker, on a clock moved by hand.
struct Post {
    app: App,
    context: Context,
    worker: Worker,
}

fn settings(relay: Option<&Mta>) -> Settings {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let long = Duration::from_secs(30);
    Settings {
        relay: relay.map(|mta| mta.url().parse().unwrap()),
        public_url: "https://mail.example.org".into(),
        retry: Schedule { first: minutes(1), max: minutes(240), give_up_after: minutes(5 * 24 * 60) },
        time_outs: TimeOuts { connect: long, command: long, content: long },
        ..Settings::default()
    }
}

impl Post {
    async fn start(engine: Engine, relay: Option<&Mta>) -> Self {
        let app = App::start(engine).await;
        let context = Context {
            store: app.store.clone(),
            clock: app.clock.clone(),
            ids: app.ids.clone(),
            settings: Arc::default(),
            domain: DOMAIN.into(),
            relays: true,
            http: app.context.http.clone(),
            names: None,
        };
        app.store.add_domain(DOMAIN.into(), app.now()).await.unwrap();
        let worker = Worker::new(context.clone(), settings(relay));
        Self { app, context, worker }
    }

    /// Sends a short message.
    async fn send(&self, from: &Person, to: &[&str], subject: &str) -> Accepted {
        self.request(from, request(to, subject)).await
    }

    async fn request(&self, from: &Person, request: Request) -> Accepted {
        submit(&self.context, &self.account(from).await, request, None).await.unwrap()
    }

    async fn account(&self, person: &Person) -> Account {
        self.app.store.account(person.id).await.unwrap().unwrap()
    }

    /// Steps the worker until nothing is due.
    async fn settle(&self) -> usize {
        let mut all = 0;
        loop {
            match self.worker.step().await.unwrap() {
                0 => return all,
                worked => all += worked,
            }
        }
    }

    /// What is in a mailbox, newest first.
    async fn mailbox(&self, person: &Person, role: Role) -> Vec<EmailRow> {
        let filter = Filter { mailbox: Some(role_id(person.id, role)), ..Filter::default() };
        self.app.store.emails(person.id, &filter, None, 2000).await.unwrap()
    }

    async fn inbox(&self, person: &Person) -> Vec<EmailRow> {
        self.mailbox(person, Role::Inbox).await
    }

    async fn content(&self, email: &EmailRow) -> Content {
        self.app.store.content(&email.digest().unwrap()).await.unwrap()
    }

    /// The deliveries of a message just sent.
    async fn deliveries(&self, from: &Person, sent: &Accepted) -> Vec<DeliveryRow> {
        let email = self.app.store.email(from.id, sent.id).await.unwrap().unwrap();
        let submission = email.submission_id.unwrap();
        self.app.store.deliveries_of(from.id, submission, None, 2000).await.unwrap()
    }

    async fn delivery(&self, from: &Person, sent: &Accepted) -> DeliveryRow {
        self.deliveries(from, sent).await.remove(0)
    }

    fn state(&self, delivery: &DeliveryRow) -> &'static str {
        delivery.state(self.app.now()).as_str()
    }

    /// A message from outside, as the SMTP door hands it over.
    async fn arrive(&self, mail_from: &str, to: &[&str], letter: &[u8]) -> Result<(), Rejected> {
        self.arrive_as(mail_from, to, letter, None).await
    }

    /// The same, with what was found out about it.
    async fn arrive_as(
        &self,
        mail_from: &str,
        to: &[&str],
        letter: &[u8],
        authentication: Option<Authentication>,
    ) -> Result<(), Rejected> {
        arrive_as(&self.context, mail_from, to, letter, authentication).await
    }

    /// Gives a person a verified outside address.
    async fn forward(&self, person: &Person, address: &str, content: &str) -> uuid::Uuid {
        let (id, account) = (self.app.id(), self.account(person).await);
        let to: Address = address.parse().unwrap();
        let verification = restante::delivery::forward::verification(
            &self.context,
            "https://mail.example.org",
            &account,
            id,
            &to,
        )
        .await
        .unwrap();
        let (digest, delivery, now) = (verification.digest, verification.delivery.id, self.app.now());
        let store = &self.app.store;
        store
            .create_forwarding(person.id, id, address.into(), content.into(), None, verification, now)
            .await
            .unwrap();
        store.confirm(digest, now).await.unwrap();
        // Its own mail is another test's.
        store
            .write(async move |tx| {
                let stop = restante::store::db::sql(
                    "update delivery set settled_at = 1, outcome = 'canceled' where id = $1",
                );
                tx.run(stop.bind(delivery)).await.map(drop)
            })
            .await
            .unwrap();
        id
    }
}

fn request(to: &[&str], subject: &str) -> Request {
    Request {
        to: to.iter().map(|to| to.parse().unwrap()).collect(),
        subject: subject.into(),
        text: Some(format!("The text of {subject}.")),
        ..Request::default()
    }
}
