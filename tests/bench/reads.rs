//! What is measured of reading: pages, messages and searches, in accounts of a thousand to a million messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restante::mail::address::Address;
use restante::mail::message::parse;
use restante::store::account::{Kind, NewAccount};
use restante::store::blob::Blob;
use restante::store::email::{Filter, Head, NewEmail};
use restante::store::mailbox::{Role, role_id};
use restante::store::token::NewToken;
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use super::table::Table;
use super::{Bench, load};

/// Emails that are filed in one unit.
const UNIT: usize = 50;
/// Units under way at once.
const UNITS: usize = 8;
/// Different bodies; each is one blob, however many emails have it.
const BODIES: usize = 2000;
/// Words there are, and words of a body.
const WORDS: u64 = 20_000;
const LENGTH: u64 = 180;
/// How long one way of reading is measured.
const LONG: Duration = Duration::from_secs(2);

/// An account with so many messages.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    account: Uuid,
    pub(crate) token: String,
    /// Some of its emails.
    some: Vec<Uuid>,
    count: usize,
}

/// What is searched for: rare, in every twentieth message, two words, and an operator.
const QUERIES: [(&str, &str); 5] = [
    ("rare word", "w19990"),
    ("common word", "w3"),
    ("two words", "w17 w40"),
    ("word and sender", "w25 from:sender7"),
    ("unread with word", "w9 is:unread"),
];

/// A number from a number, evenly spread.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Words as people use them: the n-th most frequent is about 1/n as frequent as the first.
fn words(seed: u64) -> String {
    let word = |n: u64| {
        let chance = (mix(seed * LENGTH + n) % 1_000_000) as f64 / 1_000_000.0;
        format!("w{}", (WORDS as f64).powf(chance) as u64)
    };
    (0..LENGTH).map(word).collect::<Vec<_>>().join(" ")
}

/// Files `count` messages of about 1 KB for an account of its own.
pub(crate) async fn corpus(bench: &Bench, name: &'static str, count: usize) -> anyhow::Result<Corpus> {
    let context = &bench.running.context;
    let now = context.clock.now_ms();
    let account = context.ids.id(now);
    let address: Address = format!("reader-{}@localhost", name.to_lowercase()).parse()?;
    let new = NewAccount {
        id: account,
        address,
        name: name.into(),
        kind: Kind::Person,
        admin: false,
        password: None,
    };
    context.store.create_account(new, now).await?;
    let token = context.ids.token();
    let new = NewToken {
        account_id: account,
        id: context.ids.id(now),
        name: "bench".into(),
        digest: restante::auth::token::digest(&token),
        scopes: "messages:read".into(),
        expires_at: None,
    };
    context.store.create_token(new, now).await?;
    let mut bodies: Vec<(Arc<Head>, Blob)> = Vec::new();
    for n in 0..BODIES.min(count) as u64 {
        let raw = format!(
            "Message-ID: <{name}-{n}@sender.test>\r\nFrom: Sender {} <sender{}@sender.test>\r\nTo: reader@localhost\r\n\
             Subject: About {} and w{}\r\nDate: Mon, 2 Feb 2026 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\n{}\r\n",
            n % 97,
            n % 97,
            n % 31,
            mix(n) % WORDS,
            words(n),
        );
        let mut spool = context.store.spool(1 << 20);
        std::io::Write::write_all(&mut spool, raw.as_bytes())?;
        let blob = spool.finish()?;
        bodies.push((Arc::new(Head::of(&parse(raw.as_bytes())?, blob.digest, "")), blob));
    }
    let rows: Vec<_> = bodies.iter().map(|(_, blob)| blob.insert(now)).collect();
    context.store.write(async move |tx| tx.batch(rows.clone()).await.map(drop)).await?;
    let since = Instant::now();
    let mut some = Vec::new();
    let mut filing = tokio::task::JoinSet::new();
    let begin = now - count as i64 * 60_000;
    for unit in 0..count.div_ceil(UNIT) {
        let emails: Vec<NewEmail> = (unit * UNIT..count.min((unit + 1) * UNIT))
            .map(|n| {
                let received_at = begin + n as i64 * 60_000;
                let mut head = (*bodies[mix(n as u64) as usize % bodies.len()].0).clone();
                head.message_id = format!("{name}-{n}@sender.test");
                // Three messages to a thread.
                head.thread_key = format!("{name}-{}@sender.test", n / 3);
                NewEmail {
                    account_id: account,
                    id: context.ids.id(received_at),
                    head: Arc::new(head),
                    thread_id: None,
                    mailbox_id: role_id(account, if n % 4 == 0 { Role::Archive } else { Role::Inbox }),
                    source_id: n.to_be_bytes().to_vec(),
                    outgoing: false,
                    received_at,
                    seen: n % 10 != 0,
                    submission_id: None,
                    promise: None,
                    metadata: None,
                }
            })
            .collect();
        some.extend(emails.iter().step_by(UNIT).map(|email| email.id));
        let store = context.store.clone();
        filing.spawn(async move {
            let rows = emails.iter().enumerate().map(|(n, email)| (email, n as i64)).collect::<Vec<_>>();
            let rows = NewEmail::insert_all(&rows);
            store.write(async move |tx| tx.batch(rows.clone()).await.map(drop)).await
        });
        if filing.len() == UNITS
            && let Some(filed) = filing.join_next().await
        {
            filed??;
        }
    }
    while let Some(filed) = filing.join_next().await {
        filed??;
    }
    let filed = since.elapsed();
    while context.store.index_some(1024, now).await? > 0 {}
    eprintln!(
        "  {name}: filed in {:.0} s, indexed in {:.0} s",
        filed.as_secs_f64(),
        (since.elapsed() - filed).as_secs_f64()
    );
    Ok(Corpus { name, account, token, some, count })
}

/// Pages and messages over HTTP, searches in the store.
pub(crate) async fn read(
    table: &mut Table,
    corpus: &Corpus,
    engine: &str,
    url: SocketAddr,
) -> anyhow::Result<()> {
    let name = corpus.name;
    let page = load::get("/v1/messages?mailbox=inbox&limit=50", &corpus.token, url);
    for connections in [1, 16] {
        let load = load::run(url, vec![page.clone()], connections, LONG).await?;
        if connections == 1 {
            table.add(format!("{engine} page of 50 of {name}, p50 ms"), load.p50);
        } else {
            table.add(format!("{engine} page of 50 of {name}, 16 connections /s"), load.rate);
        }
    }
    let messages = corpus.some.iter().map(|id| load::get(&format!("/v1/messages/{id}"), &corpus.token, url));
    let load = load::run(url, messages.collect(), 1, LONG).await?;
    table.add(format!("{engine} one message of {name}, p50 ms"), load.p50);
    Ok(())
}

/// The first page of 50 of each query, 200 times; the time that one of twenty exceeds.
pub(crate) async fn search(
    table: &mut Table,
    bench: &Bench,
    corpus: &Corpus,
    engine: &str,
) -> anyhow::Result<()> {
    let store = &bench.running.context.store;
    for (what, text) in QUERIES {
        let filter = Filter { query: Some(text.parse()?), ..Filter::default() };
        let mut took = Vec::new();
        let begin = Instant::now();
        while took.len() < 200 && begin.elapsed() < LONG {
            let since = Instant::now();
            let found = store.emails(corpus.account, &filter, None, 51).await?;
            took.push(since.elapsed());
            anyhow::ensure!(
                !found.is_empty() || corpus.count < 100_000,
                "{text} is found nowhere in {}",
                corpus.name
            );
        }
        took.sort_unstable();
        let p95 = took.get(took.len() * 95 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0);
        table.add(format!("{engine} search {what} in {}, p95 ms", corpus.name), p95);
    }
    Ok(())
}

/// Megabytes that a process holds in memory.
pub(crate) async fn resident(process: u32) -> anyhow::Result<f64> {
    let mut status = String::new();
    tokio::fs::File::open(format!("/proc/{process}/status")).await?.read_to_string(&mut status).await?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 =
        line.and_then(|line| line.trim().strip_suffix(" kB")).unwrap_or("nan").trim().parse()?;
    Ok(kilobytes / 1024.0)
}
