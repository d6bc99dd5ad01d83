//! `restante demo`: people, threads, an open question and a delayed message, sent and delivered as any others are.

use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use uuid::Uuid;

use crate::app::App;
use crate::auth::password::Passwords;
use crate::config::Config;
use crate::delivery::Worker;
use crate::mail::address::{Address, Named};
use crate::mail::clock::Clock;
use crate::promise::ask::{Ask, ChoiceOption, Comment};
use crate::store::account::{Account, Kind, NewAccount};
use crate::store::email::{Change, Filter};
use crate::submission::{self, Accepted, Question, Request, respond, submit};

use super::say;

/// Nothing listens there (the discard port), so mail to it is delayed.
const NOWHERE: &str = "smtp://127.0.0.1:9";
/// An address that never exists (RFC 2606).
const OUTSIDE: &str = "kim@elsewhere.invalid";

/// What deploy-bot asks.
const QUESTION: &str = "Deploy build 4821 to production?";

/// What happens is played some hours ago, so that the inbox has a past.
struct Stage {
    context: submission::Context,
    worker: Worker,
}

pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let app = App::new(config);
    let mut context = app.context().await?;
    let domain = context.domain.to_string();
    let bot: Address = format!("deploy-bot@{domain}").parse()?;
    if played(&context, &bot).await? {
        context.store.close().await;
        say("The demo is here already.");
        return Ok(());
    }
    let password = short(&context.ids.reply_token());
    let phc = Passwords::default().hash(password.clone()).await?;
    let real = context.clock.clone();
    context.clock = Clock::manual(real.now() - TimeDelta::hours(6));
    context.relays = true;
    let nowhere = format!("{NOWHERE}/").parse()?;
    let mut settings = app.delivery(&nowhere)?;
    settings.relay = Some(NOWHERE.parse()?);
    let stage = Stage { worker: Worker::new(context.clone(), settings), context };

    let mut new = Vec::new();
    for local in ["ana", "bo", "carol"] {
        let address = format!("{local}@{domain}");
        if stage.context.store.account_by_address(&address).await?.is_none() {
            new.push(address);
        }
    }
    let ana = stage.account("ana", "Ana Ferreira", Kind::Person, Some(&phc)).await?;
    let bo = stage.account("bo", "Bo Lindqvist", Kind::Person, Some(&phc)).await?;
    let carol = stage.account("carol", "Carol Osei", Kind::Person, Some(&phc)).await?;
    let bot = stage.account("deploy-bot", "deploy-bot", Kind::Service, None).await?;
    stage.play(&ana, &bo, &carol, &bot).await?;

    // From here on it is now: the question is open for three days, and the outside is tried at once.
    let now = real.now_ms() - stage.context.clock.now_ms();
    stage.later(TimeDelta::milliseconds(now));
    stage.ask(&bot, &ana).await?;
    let letter = Request {
        to: vec![OUTSIDE.parse()?],
        subject: "Invoice 2291".into(),
        text: Some("Dear Kim,\n\nthe invoice for October is attached to the order. Shall I send a copy by post?\n\nAna".into()),
        ..Request::default()
    };
    stage.send(&ana, letter).await?;
    stage.context.store.close().await;
    if new.is_empty() {
        say("The demo is ready.");
    } else {
        say(&format!("Sign in as {} with the password {password}", new.join(" or ")));
    }
    Ok(())
}

/// Whether the demo was here before: its question is among what deploy-bot has sent.
async fn played(context: &submission::Context, bot: &Address) -> anyhow::Result<bool> {
    let Some(bot) = context.store.account_by_address(&bot.key()).await? else { return Ok(false) };
    let asked = Filter { subject: Some(QUESTION.into()), ..Filter::default() };
    Ok(!context.store.emails(bot.id, &asked, None, 1).await?.is_empty())
}

/// Four groups of four: enough for a password that is shown once.
fn short(token: &str) -> String {
    let groups: Vec<&str> = (0..4).filter_map(|n| token.get(n * 4..n * 4 + 4)).collect();
    groups.join("-")
}

impl Stage {
    async fn account(
        &self,
        local: &str,
        name: &str,
        kind: Kind,
        phc: Option<&String>,
    ) -> anyhow::Result<Account> {
        let (store, now) = (&self.context.store, self.context.clock.now_ms());
        let address: Address = format!("{local}@{}", self.context.domain).parse()?;
        if let Some(account) = store.account_by_address(&address.key()).await? {
            return Ok(account);
        }
        let id = self.context.ids.id(now);
        let new = NewAccount { id, address, name: name.into(), kind, admin: false, password: phc.cloned() };
        store.create_account(new, now).await?;
        store.account(id).await?.context("an account that was just made")
    }

    fn later(&self, by: TimeDelta) {
        self.context.clock.advance(by);
    }

    /// Sends, and lets the worker deliver what is due.
    async fn send(&self, from: &Account, request: Request) -> anyhow::Result<Accepted> {
        let accepted = submit(&self.context, from, request, None).await?;
        while self.worker.step().await? > 0 {}
        Ok(accepted)
    }

    /// The copy that `of` has of a message. A server that runs beside this may be the one that delivers it.
    async fn copy(&self, of: &Account, sent: &Accepted) -> anyhow::Result<Uuid> {
        for _ in 0..300 {
            if let Some(row) = self.context.store.email_by_message_id(of.id, &sent.message_id).await? {
                return Ok(row.id);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("a message of the demo was not delivered within 30 seconds")
    }

    async fn reply(&self, by: &Account, to: &Accepted, all: bool, text: &str) -> anyhow::Result<Accepted> {
        let store = &self.context.store;
        let id = self.copy(by, to).await?;
        let original = store.email(by.id, id).await?.context("a message that was just delivered")?;
        let mut request = Request { text: Some(text.into()), ..Request::default() };
        respond::reply(store, &store.addresses(by.id).await?, &original, all, &mut request).await?;
        let sent = self.send(by, request).await?;
        let seen = Change { seen: Some(true), ..Change::default() };
        store.change_emails(by.id, vec![id], seen, None, self.context.clock.now_ms()).await?;
        Ok(sent)
    }

    async fn play(&self, ana: &Account, bo: &Account, carol: &Account, bot: &Account) -> anyhow::Result<()> {
        let lunch = Request {
            to: vec![named(ana)?, named(carol)?],
            subject: "Lunch on Thursday?".into(),
            text: Some("Hello both,\n\nthe new place by the canal has a table for three at half past twelve. Are you in?\n\nBo".into()),
            ..Request::default()
        };
        let lunch = self.send(bo, lunch).await?;
        self.later(TimeDelta::minutes(25));
        let yes = self.reply(carol, &lunch, true, "I am. Vegetarian for me, please.\n\nCarol").await?;
        self.later(TimeDelta::minutes(50));
        self.reply(ana, &yes, true, "Count me in, I will be there a little later.\n\nAna").await?;
        self.later(TimeDelta::minutes(70));
        let report = Request {
            to: vec![named(ana)?],
            cc: vec![named(bo)?],
            subject: "Nightly build: 412 passed, 1 flaky".into(),
            markdown: Some(
                "The nightly build of **main** is green.\n\n| suite | passed | failed |\n|---|---|---|\n| unit | 310 | 0 |\n| store | 102 | 0 |\n\n- `bell::across_nodes` needed a second run\n- coverage is unchanged\n".into(),
            ),
            keywords: vec!["build".into()],
            ..Request::default()
        };
        self.send(bot, report).await?;
        self.later(TimeDelta::minutes(40));
        let plan = Request {
            to: vec![named(ana)?],
            subject: "Draft of the migration plan".into(),
            text: Some("Hi Ana,\n\nhere is the draft. The part I am least sure of is the order of the last two steps; could you look at it before Friday?\n\nThanks,\nCarol".into()),
            attachments: vec![submission::Attachment {
                source: submission::Source::Bytes(PLAN.as_bytes().to_vec()),
                filename: Some("migration-plan.txt".into()),
                content_type: Some("text/plain".into()),
                inline: false,
                content_id: None,
            }],
            ..Request::default()
        };
        self.send(carol, plan).await?;
        Ok(())
    }

    async fn ask(&self, bot: &Account, of: &Account) -> anyhow::Result<()> {
        let option = |name: &str, title: &str, comment| ChoiceOption {
            name: name.into(),
            title: title.into(),
            comment,
        };
        let options =
            vec![option("approve", "Approve", None), option("reject", "Reject", Some(Comment::Required))];
        let question = Request {
            to: vec![named(of)?],
            subject: QUESTION.into(),
            text: Some("Build 4821 has passed every check on staging.\n\nChanges: 14 commits, 2 migrations.\nWindow: today until 18:00.\n".into()),
            ask: Some(Question {
                ask: Ask::choice(options, None)?,
                callback_url: None,
                deadline: Some(TimeDelta::days(3).num_milliseconds()),
                context: Some(serde_json::json!({ "build": 4821 })),
            }),
            ..Request::default()
        };
        self.send(bot, question).await.map(drop)
    }
}

fn named(account: &Account) -> anyhow::Result<Named> {
    Ok(Named::new(Some(&account.name), account.address.parse()?)?)
}

const PLAN: &str = "1. Copy the accounts.\n2. Let both systems run for a week.\n3. Compare the counts.\n4. Switch the addresses.\n5. Turn the old system off.\n";
