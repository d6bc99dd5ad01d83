//! Restante in this process: a real store, a clock moved by hand, ids that repeat from run to run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use restante::app;
use restante::config::Config;
use restante::delivery::deposit::{Incoming, Rejected, deposit};
use restante::delivery::relay::TimeOuts;
use restante::delivery::{Settings, Worker};
use restante::mail::address::Address;
use restante::mail::authentication::Authentication;
use restante::mail::clock::{self, Clock};
use restante::mail::id::{self, Ids};
use restante::mail::message::parse;
use restante::store::Store;
use restante::store::account::{Account, Kind, NewAccount};
use restante::store::claim::Claim;
use restante::store::delivery::Lane;
use restante::store::token::NewToken;
use restante::submission::{Accepted, Context, Request, submit};
use uuid::Uuid;

use super::mta::Mta;
use super::s3::S3;
use super::{Database, Engine};

/// The domain of every account here.
pub(crate) const DOMAIN: &str = "example.org";

/// An account and what it proves itself with.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) address: String,
    /// An API token with every scope its kind of account may have.
    pub(crate) token: String,
}

/// A message from outside, as the SMTP door hands it over.
pub(crate) async fn arrive(
    context: &Context,
    mail_from: &str,
    to: &[&str],
    letter: &[u8],
) -> Result<(), Rejected> {
    arrive_as(context, mail_from, to, letter, None).await
}

/// The same, with what was found out about it.
pub(crate) async fn arrive_as(
    context: &Context,
    mail_from: &str,
    to: &[&str],
    letter: &[u8],
    authentication: Option<Authentication>,
) -> Result<(), Rejected> {
    let store = &context.store;
    let mut rcpt_to = Vec::new();
    for to in to {
        let address: Address = to.parse().unwrap();
        let resolved = store.resolve(&address).await.unwrap();
        rcpt_to.push((address, resolved));
    }
    // The trace field differs each time; what came does not.
    let mut whole =
        format!("Received: from x by y; {}\r\n", context.ids.id(context.clock.now_ms())).into_bytes();
    whole.extend_from_slice(letter);
    let mut spool = store.spool(1 << 26);
    std::io::Write::write_all(&mut spool, &whole).unwrap();
    let incoming = Incoming {
        mail_from: mail_from.parse().ok(),
        rcpt_to,
        content: parse(&whole).unwrap(),
        blob: spool.finish().unwrap(),
        authentication,
        junk: false,
        source: id::digest(&[mail_from.as_bytes(), letter]),
    };
    deposit(context, incoming).await
}

/// The app; dropping it takes its database away. Where the worker was stepped, nothing may be left owed then.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    /// What submitting and depositing take.
    pub(crate) context: Context,
    pub(crate) worker: Worker,
    pub(crate) database: Database,
    must_settle: AtomicBool,
}

/// The worker as the tests have it: first retry after a minute, an hour at most, a day in all; phases of SMTP are short.
pub(crate) fn worker_settings(mta: Option<&Mta>) -> Settings {
    let mut settings = Settings {
        relay: mta.map(|mta| mta.url().parse().unwrap()),
        public_url: "https://mail.example.org".into(),
        time_outs: TimeOuts {
            connect: Duration::from_secs(2),
            command: Duration::from_secs(2),
            content: Duration::from_secs(2),
        },
        ..Settings::default()
    };
    settings.retry.first = Duration::from_secs(60);
    settings.retry.max = Duration::from_secs(3600);
    settings.retry.give_up_after = Duration::from_secs(24 * 3600);
    settings
}

impl App {
    /// Starts one on an empty database, on 2026-11-23 at 10:00 UTC, without a relay.
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::with(engine, worker_settings(None)).await
    }

    /// Starts one whose relay is the scripted peer.
    pub(crate) async fn with_relay(engine: Engine, mta: &Mta) -> Self {
        Self::with(engine, worker_settings(Some(mta))).await
    }

    /// Starts one whose larger blobs are objects.
    pub(crate) async fn with_objects(engine: Engine, s3: &S3) -> Self {
        Self::build(engine, worker_settings(None), Some(s3), |_| ()).await
    }

    /// Starts one with a worker of these settings.
    pub(crate) async fn with(engine: Engine, settings: Settings) -> Self {
        Self::build(engine, settings, None, |_| ()).await
    }

    /// Starts one that may call programs on this machine.
    pub(crate) async fn calling(engine: Engine) -> Self {
        Self::calling_as(engine, worker_settings(None)).await
    }

    /// The same with a worker of these settings.
    pub(crate) async fn calling_as(engine: Engine, settings: Settings) -> Self {
        let near = |config: &mut Config| config.webhooks.private_targets = true;
        Self::build(engine, settings, None, near).await
    }

    /// Starts one that asks this name server.
    pub(crate) async fn asking(engine: Engine, server: std::net::SocketAddr) -> Self {
        let ask = |config: &mut Config| config.relay.name_servers = vec![server];
        Self::build(engine, worker_settings(None), None, ask).await
    }

    async fn build(
        engine: Engine,
        settings: Settings,
        s3: Option<&S3>,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let database = Database::new(engine).await;
        let (clock, ids) = (Clock::manual(clock::at(1_795_428_000_000)), Ids::seeded(1));
        let mut config = Config { data_dir: database.settings().data_dir, ..Config::default() };
        config.database.url = database.url();
        config.mail.domain = DOMAIN.into();
        configure(&mut config);
        let mut app = app::App::new(config).with(clock.clone(), ids.clone());
        if let Some(s3) = s3 {
            app = app.with_blobs(s3.location());
        }
        let context = app.context().await.unwrap();
        let context = Context { relays: settings.relay.is_some(), ..context };
        let worker = Worker::new(context.clone(), settings);
        let (store, must_settle) = (context.store.clone(), AtomicBool::new(false));
        Self { store, clock, ids, context, worker, database, must_settle }
    }

    /// What is left when the process dies and starts again: the same database, and nothing else. What was leased
    /// stays so until the lease ends.
    pub(crate) async fn restart(&mut self, mta: Option<&Mta>) {
        let now = self.now();
        let claim = Claim {
            now,
            lease: self.id(),
            until: now + 30_000,
            lane: Lane::Here,
            limit: 10,
            per_destination: 10,
            busy: &[],
        };
        self.store.claim(claim).await.unwrap();
        let mut config = Config { data_dir: self.database.settings().data_dir, ..Config::default() };
        config.database.url = self.database.url();
        config.mail.domain = DOMAIN.into();
        let context =
            app::App::new(config).with(self.clock.clone(), self.ids.clone()).context().await.unwrap();
        self.context = Context { relays: mta.is_some(), ..context };
        self.worker = Worker::new(self.context.clone(), worker_settings(mta));
        self.store = self.context.store.clone();
    }

    /// Lets the worker do what is due now, once; how many deliveries that were.
    pub(crate) async fn step(&self) -> usize {
        self.must_settle.store(true, Ordering::SeqCst);
        super::within("a step of the worker", self.worker.step()).await.unwrap()
    }

    /// Steps the worker until nothing is due now; how many deliveries that were.
    pub(crate) async fn settle(&self) -> usize {
        let (mut all, mut rounds) = (0, 0);
        loop {
            let worked = self.step().await;
            if worked == 0 {
                return all;
            }
            all += worked;
            rounds += 1;
            assert!(rounds < 1000, "the queue does not settle: {all} deliveries worked on");
        }
    }

    /// The account behind a person.
    pub(crate) async fn account_of(&self, person: &Person) -> Account {
        self.store.account(person.id).await.unwrap().unwrap()
    }

    /// Sends a plain message, as the doors do.
    pub(crate) async fn send(&self, from: &Person, to: &[&str], subject: &str, text: &str) -> Accepted {
        let request = Request {
            to: to.iter().map(|to| to.parse().unwrap()).collect(),
            subject: subject.to_owned(),
            text: Some(text.to_owned()),
            ..Request::default()
        };
        self.submit(from, request).await
    }

    /// Submits, as the doors do.
    pub(crate) async fn submit(&self, from: &Person, request: Request) -> Accepted {
        submit(&self.context, &self.account_of(from).await, request, None).await.unwrap()
    }

    /// The time now, in milliseconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A new id.
    pub(crate) fn id(&self) -> Uuid {
        self.ids.id(self.now())
    }

    /// Moves time on.
    pub(crate) fn minutes(&self, minutes: i64) {
        self.clock.advance(TimeDelta::minutes(minutes));
    }

    /// Moves time on by less.
    pub(crate) fn seconds(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Makes a person's account `name@example.org`, with a token.
    pub(crate) async fn person(&self, name: &str) -> Person {
        self.new_account(name, Kind::Person, false).await
    }

    /// Makes a service's account `name@example.org`, with a token.
    pub(crate) async fn service(&self, name: &str) -> Person {
        self.new_account(name, Kind::Service, false).await
    }

    /// Makes an administrator's account `name@example.org`, with a token.
    pub(crate) async fn administrator(&self, name: &str) -> Person {
        self.new_account(name, Kind::Person, true).await
    }

    async fn new_account(&self, name: &str, kind: Kind, admin: bool) -> Person {
        let address: Address = format!("{}@{DOMAIN}", name.to_lowercase()).parse().unwrap();
        let shown = address.to_string();
        let id = self.id();
        let account = NewAccount { id, address, name: name.to_owned(), kind, admin, password: None };
        self.store.create_account(account, self.now()).await.unwrap();
        let mut scopes = vec!["messages:send", "messages:read", "messages:write", "account:manage"];
        if kind == Kind::Person {
            scopes.push("promises:answer");
        }
        if admin {
            scopes.push("admin");
        }
        let token = self.token(id, &scopes.join(" "), None).await;
        Person { id, address: shown, token }
    }

    /// Makes a token with these scopes, separated by spaces.
    pub(crate) async fn token(&self, account_id: Uuid, scopes: &str, expires_at: Option<i64>) -> String {
        let token = self.ids.token();
        let digest = id::digest(&[b"token", token.as_bytes()]);
        let new = NewToken {
            account_id,
            id: self.id(),
            name: "test".into(),
            digest,
            scopes: scopes.into(),
            expires_at,
        };
        self.store.create_token(new, self.now()).await.unwrap();
        token
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.must_settle.load(Ordering::SeqCst) {
            return;
        }
        let open = self.database.look(
            "select kind || ' to ' || recipient || ', attempts: ' || attempts from delivery \
             where settled_at is null and kind <> 'timer'",
        );
        assert!(open.is_empty(), "still owed when the test ended: {open:#?}");
    }
}

#[cfg(test)]
mod tests {
    use restante::store::email::Filter;

    use super::super::mta::{Stage, reply};
    use super::*;

    both!(a_message_is_delivered_here_and_relayed, |engine| async move {
        let mta = Mta::start().await;
        mta.script(Stage::Body, [reply("451 4.3.0 later")]);
        let app = App::with_relay(engine, &mta).await;
        let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
        app.send(&ana, &[&bo.address, "cy@outside.test"], "Hello", "Both of you.").await;
        assert_eq!(app.settle().await, 2);
        assert_eq!(app.store.emails(bo.id, &Filter::default(), None, 10).await.unwrap().len(), 1);
        assert_eq!(mta.received().len(), 0);
        app.minutes(2);
        assert_eq!(app.settle().await, 1);
        assert_eq!(mta.wait(1).await[0].header("subject"), "Hello");
    });
}
