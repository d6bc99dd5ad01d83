//! Restante in this process: a real store, a clock moved by hand, ids that repeat from run to run.

use chrono::TimeDelta;
use restante::mail::address::Address;
use restante::mail::clock::{self, Clock};
use restante::mail::id::{self, Ids};
use restante::store::Store;
use restante::store::account::{Kind, NewAccount};
use restante::store::token::NewToken;
use uuid::Uuid;

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

/// The app; dropping it takes its database away.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) database: Database,
}

impl App {
    /// Starts one on an empty database, on 2026-11-23 at 10:00 UTC.
    pub(crate) async fn start(engine: Engine) -> Self {
        let database = Database::new(engine).await;
        let clock = Clock::manual(clock::at(1_795_428_000_000));
        Self { store: database.store().await, clock, ids: Ids::seeded(1), database }
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
        self.account(name, Kind::Person, false).await
    }

    /// Makes a service's account `name@example.org`, with a token.
    pub(crate) async fn service(&self, name: &str) -> Person {
        self.account(name, Kind::Service, false).await
    }

    /// Makes an administrator's account `name@example.org`, with a token.
    pub(crate) async fn administrator(&self, name: &str) -> Person {
        self.account(name, Kind::Person, true).await
    }

    async fn account(&self, name: &str, kind: Kind, admin: bool) -> Person {
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

    /// A digest of some text, for rows that need one.
    pub(crate) fn digest(text: &str) -> [u8; 32] {
        id::digest(&[text.as_bytes()])
    }
}
