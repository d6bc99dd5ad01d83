//! The store keeps its promises on both databases alike.

mod account;
mod backup;
mod bell;
mod blob;
mod collect;
mod cost;
mod door;
mod email;
mod event;
mod flat;
mod partition;
mod promise;
mod prune;
mod queue;
mod remote;
mod search;
mod writer_group;
mod writer_lost;

use std::io::Write as _;
use std::sync::Arc;

use restante::mail::id;
use restante::mail::message::{Content, Mailbox};
use restante::store::Store;
use restante::store::blob::Blob;
use restante::store::claim::Claim;
use restante::store::delivery::{Asked, Attempt, Filed, Finish, Lane, Leased, NewDelivery, Outcome};
use restante::store::email::{Head, NewEmail};
use restante::store::mailbox::{Role, role_id};
use restante::store::promise::NewPromise;
use restante::store::submission::Acceptance;
use uuid::Uuid;

use crate::support::app::{App, Person};
use crate::support::mail::letter;

/// Spools bytes.
fn blob(store: &Store, bytes: &[u8]) -> Blob {
    let mut spool = store.spool(64 * 1024 * 1024);
    spool.write_all(bytes).unwrap();
    spool.finish().unwrap()
}

/// One message on its way from one account to others, as accepting it writes it.
struct Sent {
    from: Person,
    to: Vec<Person>,
    acceptance: Acceptance,
}

/// A message of `from` to `to`, not accepted yet; with `ask`, everybody in `to` is asked.
fn message(app: &App, from: &Person, to: &[&Person], subject: &str, ask: bool) -> Sent {
    let (now, id, email_id) = (app.now(), app.id(), app.id());
    let list: Vec<_> = to.iter().map(|person| person.address.clone()).collect();
    let message_id = format!("<{id}@example.org>");
    let raw = letter(&from.address, &list.join(", "), subject, &[("Message-ID", &message_id)], "Hello.");
    let blob = blob(&app.store, &raw);
    let named = |address: &str| Mailbox { name: None, address: address.to_owned() };
    let content = Content {
        message_id: Some(format!("{id}@example.org")),
        subject: subject.to_owned(),
        from: Some(named(&from.address)),
        to: to.iter().map(|person| named(&person.address)).collect(),
        size: raw.len() as u64,
        ..Content::default()
    };
    let head = Arc::new(Head::of(&content, blob.digest, "none"));
    let promise = |kind, ask: bool| NewPromise {
        id: app.id(),
        kind,
        ask: ask.then(|| r#"{"kind":"choice"}"#.to_owned()),
        unanswered: if ask { to.len() as i64 } else { 0 },
        deadline: None,
        context: None,
        callback_url: None,
    };
    let answer_promise = ask.then(|| promise("answer", true));
    let deliveries = to.iter().map(|person| NewDelivery {
        account_id: from.id,
        id: app.id(),
        kind: "mail",
        lane: Lane::Here,
        destination: format!("local:{}", person.id),
        recipient: person.address.clone(),
        submission_id: Some(id),
        email_id: None,
        subject_id: answer_promise.as_ref().map(|promise| promise.id),
        digest: None,
        due_at: now,
        created_at: now,
    });
    let acceptance = Acceptance {
        id,
        blob,
        email: NewEmail {
            account_id: from.id,
            id: email_id,
            head,
            thread_id: None,
            mailbox_id: role_id(from.id, Role::Sent),
            source_id: id.as_bytes().to_vec(),
            outgoing: true,
            received_at: now,
            seen: true,
            submission_id: Some(id),
            promise: answer_promise.as_ref().map(|promise| (promise.id, from.id)),
            metadata: None,
        },
        keywords: vec![],
        mail_from: from.address.clone(),
        bcc: "[]".into(),
        send_at: None,
        undo_until: None,
        expires_at: None,
        wanted: None,
        deliveries: deliveries.collect(),
        delivery_promise: promise("delivery", false),
        answer_promise,
        again: None,
        idempotency: None,
        now,
    };
    Sent { from: from.clone(), to: to.iter().map(|person| (*person).clone()).collect(), acceptance }
}

impl Sent {
    async fn accept(&self, app: &App) {
        app.store.accept(self.acceptance.clone()).await.unwrap();
    }

    fn email(&self) -> Uuid {
        self.acceptance.email.id
    }

    fn question(&self) -> Uuid {
        self.acceptance.answer_promise.as_ref().unwrap().id
    }

    /// The recipient's copy, as the worker files it.
    fn filed(&self, app: &App, to: &Person) -> Filed {
        let mut deliveries = self.acceptance.deliveries.iter();
        let respondent = deliveries.find(|delivery| delivery.recipient == to.address).unwrap().id;
        let asked = self.acceptance.answer_promise.as_ref().map(|promise| Asked {
            promise_id: promise.id,
            asker_id: self.from.id,
            respondent,
        });
        let email = NewEmail {
            account_id: to.id,
            id: app.id(),
            mailbox_id: role_id(to.id, Role::Inbox),
            outgoing: false,
            seen: false,
            submission_id: None,
            received_at: app.now(),
            ..self.acceptance.email.clone()
        };
        Filed { email, blob: None, asked, notices: vec![], unverified: None }
    }

    /// How the delivery to whom it is leased for ends well.
    fn finish(&self, app: &App, leased: Leased) -> Finish {
        let to = self.to.iter().find(|person| person.address == leased.recipient).unwrap();
        Finish {
            outcome: Outcome::Delivered,
            attempt: None,
            filed: Some(self.filed(app, to)),
            person: Some(to.id),
            leased,
        }
    }

    /// Accepts it and delivers it to everybody.
    async fn deliver(&self, app: &App) {
        self.accept(app).await;
        for leased in claim(app, 1000).await {
            app.store.finish_mail(self.finish(app, leased), app.now()).await.unwrap();
        }
    }
}

/// Claims what is due here, for a minute.
async fn claim(app: &App, limit: i64) -> Vec<Leased> {
    claim_lane(app, Lane::Here, limit, limit, &[]).await
}

async fn claim_lane(app: &App, lane: Lane, limit: i64, per_destination: i64, busy: &[String]) -> Vec<Leased> {
    let (now, lease) = (app.now(), app.id());
    app.store
        .claim(Claim { now, lease, until: now + 60_000, lane, limit, per_destination, busy })
        .await
        .unwrap()
}

/// A refusal of the next hop.
fn later() -> Attempt {
    Attempt {
        remote: Some("192.0.2.1:25".into()),
        code: Some(451),
        enhanced_code: Some("4.3.0".into()),
        diagnostic: Some("later".into()),
    }
}

/// The types of an account's events, oldest first.
async fn told(app: &App, person: &Person) -> Vec<String> {
    let events = app.store.events(person.id, 0, &[], 1000).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

/// A digest of some text.
fn digest(text: &str) -> [u8; 32] {
    id::digest(&[text.as_bytes()])
}
