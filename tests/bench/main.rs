//! The benchmark: `tests/bench/run`, or `cargo bench --bench bench -- [DIRECTORY] [PART]…`; the parts are `accept`,
//! `queue`, `filed`, `wait`, `read`, `process`, and all when none is named.
//!
//! Everything is measured in one run on one machine, beside its references, because the disk's sync rate moves by the
//! hour: five interleaved rounds, the sync rate before each, medians and ranges, no verdict where the rate moved more
//! than three times. `BENCH_POSTGRES` names a server to measure as well, `BENCH_ROUNDS` how many rounds, `BENCH_SMTP` a
//! command that prints the rates of Postfix's smtpd at 32 and 128 sessions, and that of Postfix to Dovecot's LMTP.
//! `BENCH_LARGE=0` leaves the accounts of a million messages out; `BENCH_WAITS` is how many waits are parked (10,000), a
//! tenth of it how many streams are open. With `relay` mail out is measured instead.

mod load;
mod process;
mod reads;
mod relay;
mod table;
mod waits;
mod work;

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use restante::app::{App, Running};
use restante::config::Config;
use restante::http::rate::RateLimit;
use restante::mail::address::Address;
use restante::store::Tallied;
use restante::store::account::{Kind, NewAccount};
use restante::store::token::NewToken;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use table::Table;
use uuid::Uuid;

/// How long one measurement loads the server.
const LONG: Duration = Duration::from_secs(3);

/// Accounts that send at once, where one would wait for itself.
const SENDERS: usize = 16;

/// A running system on an empty database, with accounts.
struct Bench {
    running: Running,
    accounts: Vec<(Uuid, String)>,
    token: String,
}

impl Bench {
    async fn start(
        dir: &Path,
        postgres: Option<&str>,
        accounts: usize,
        worker: bool,
    ) -> anyhow::Result<Self> {
        let _ = std::fs::remove_dir_all(dir.join("bench"));
        let mut config = Config { data_dir: dir.join("bench"), ..Config::default() };
        config.http.listen.set_port(0);
        config.smtp.listen.set_port(0);
        // One caller makes the whole load.
        config.http.rate_limit = RateLimit(None);
        if let Some(server) = postgres {
            let mut admin = PgConnection::connect(&format!("{server}/postgres")).await?;
            admin.execute("drop database if exists restante_bench with (force)").await?;
            admin.execute(AssertSqlSafe("create database restante_bench".to_owned())).await?;
            config.database.url = Some(format!("{server}/restante_bench"));
        }
        let app = App::new(config);
        let running = if worker { app } else { app.without_worker() }.start().await?;
        let (context, now) = (&running.context, running.context.clock.now_ms());
        let mut made = Vec::new();
        for n in 0..accounts {
            let (id, shown) = (context.ids.id(now), format!("a{n}@localhost"));
            let (name, address) = (format!("A {n}"), shown.parse::<Address>()?);
            let account = NewAccount { id, address, name, kind: Kind::Person, admin: false, password: None };
            context.store.create_account(account, now).await?;
            made.push((id, shown));
        }
        let mut bench = Self { running, accounts: made, token: String::new() };
        bench.token = bench.token_of(0).await?;
        Ok(bench)
    }

    /// A token of the account of this number.
    async fn token_of(&self, n: usize) -> anyhow::Result<String> {
        let (context, now) = (&self.running.context, self.running.context.clock.now_ms());
        let token = context.ids.token();
        let new = NewToken {
            account_id: self.accounts[n].0,
            id: context.ids.id(now),
            name: "bench".into(),
            digest: restante::auth::token::digest(&token),
            scopes: "messages:send messages:read".into(),
            expires_at: None,
        };
        context.store.create_token(new, now).await?;
        Ok(token)
    }

    fn url(&self) -> anyhow::Result<SocketAddr> {
        self.running.http.ok_or_else(|| anyhow::anyhow!("no HTTP door"))
    }

    /// Does what a database does by itself after a large import, when it has the time.
    async fn settled(&self, postgres: Option<&str>) -> anyhow::Result<()> {
        if let Some(server) = postgres {
            let mut admin = PgConnection::connect(&format!("{server}/restante_bench")).await?;
            admin.execute("vacuum analyze").await?;
        }
        Ok(())
    }

    fn since(&self, before: Tallied) -> (f64, f64) {
        let now = self.running.context.store.tallied();
        let commits = (now.commits - before.commits).max(1) as f64;
        ((now.units - before.units) as f64 / commits, (now.calls - before.calls) as f64)
    }
}

/// 4 KiB overwritten and synced, again and again: syncs per second.
fn sync_rate(dir: &Path) -> anyhow::Result<f64> {
    let path = dir.join("bench.sync");
    let mut file = File::create(&path)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let (since, mut count) = (Instant::now(), 0_u32);
    while since.elapsed() < Duration::from_millis(500) {
        file.write_all_at(&[count as u8; 4096], 0)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / since.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// A message of 2 KB to the second account.
fn message(bench: &Bench) -> String {
    let text = "All work and no play makes a dull message. ".repeat(46);
    serde_json::json!({ "to": [bench.accounts[1].1], "subject": "Measured", "text": text }).to_string()
}

/// What is measured.
#[derive(Clone, Copy)]
struct Parts {
    accept: bool,
    queue: bool,
    filed: bool,
    wait: Option<usize>,
    read: bool,
    process: bool,
}

async fn round(
    table: &mut Table,
    dir: &Path,
    engine: &str,
    postgres: Option<&str>,
    parts: Parts,
) -> anyhow::Result<()> {
    if parts.accept {
        let bench = Bench::start(dir, postgres, 2, false).await?;
        let url = bench.url()?;
        let limit = work::one_row(bench.running.context.store.clone()).await?;
        let body = message(&bench);
        for connections in [1, 8, 32, 128] {
            let load = load::post(limit, "/", &bench.token, &body, connections, LONG).await?;
            table.add(format!("{engine} limit, {connections} connections /s"), load.rate);
            let before = bench.running.context.store.tallied();
            let load = load::post(url, "/v1/messages", &bench.token, &body, connections, LONG).await?;
            let (per_commit, _) = bench.since(before);
            table.add(format!("{engine} accept, {connections} connections /s"), load.rate);
            table.add(format!("{engine} accept, {connections} connections p99 ms"), load.p99);
            table.add(format!("{engine} accept, {connections} messages per commit"), per_commit);
        }
        bench.running.stop().await;
    }
    if parts.queue {
        let bench = Bench::start(dir, postgres, 2, false).await?;
        table.add(format!("{engine} claim + settle /s"), work::queue(&bench, 20_000).await?);
        bench.running.stop().await;
    }
    if parts.filed {
        let bench = Bench::start(dir, postgres, 1001, true).await?;
        table.add(format!("{engine} 1,000 recipients ms"), work::fan_out(&bench).await?);
        let body = message(&bench);
        table.add(
            format!("{engine} accepted and filed /s"),
            work::end_to_end(&bench, bench.url()?, &body).await?,
        );
        bench.running.stop().await;
    }
    if let Some(count) = parts.wait {
        waits::promises(table, dir, engine, postgres, count).await?;
        waits::streams(table, dir, engine, postgres, count / 10).await?;
    }
    if parts.process
        && let Some(server) = postgres
    {
        let bench = Bench::start(dir, postgres, SENDERS + 1, false).await?;
        let mut tokens = Vec::new();
        for n in (0..=SENDERS).filter(|n| *n != 1) {
            tokens.push(bench.token_of(n).await?);
        }
        let body = message(&bench);
        bench.running.stop().await;
        process::nodes(table, dir, &format!("{server}/restante_bench"), &tokens, &body).await?;
    }
    Ok(())
}

/// Reading: the accounts are filled once, and read in every round.
async fn reading(
    table: &mut Table,
    dir: &Path,
    engine: &str,
    postgres: Option<&str>,
    rounds: usize,
    parts: Parts,
) -> anyhow::Result<()> {
    let bench = Bench::start(dir, postgres, 2, false).await?;
    let large = std::env::var("BENCH_LARGE").is_ok_and(|large| large == "0");
    let mut accounts = Vec::new();
    for (name, count) in [("1k", 1000), ("100k", 100_000), ("1M", 1_000_000)] {
        if count < 1_000_000 || !large {
            accounts.push(reads::corpus(&bench, name, count).await?);
        }
    }
    bench.settled(postgres).await?;
    for n in 1..=rounds {
        eprintln!("reading, round {n} of {rounds}");
        for account in &accounts {
            reads::read(table, account, engine, bench.url()?).await?;
        }
        if let Some(largest) = accounts.last() {
            reads::search(table, &bench, largest, engine).await?;
        }
    }
    let (token, body) = (bench.token.clone(), message(&bench));
    bench.running.stop().await;
    if parts.process
        && postgres.is_none()
        && let Some(largest) = accounts.last()
    {
        process::loaded(table, &dir.join("bench"), &largest.token, &token, &body).await?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let (names, dirs): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|argument| {
        ["accept", "queue", "filed", "wait", "read", "process", "relay"].contains(&argument.as_str())
    });
    let dir = dirs.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let waits = std::env::var("BENCH_WAITS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let parts = Parts {
        accept: wanted("accept"),
        queue: wanted("queue"),
        filed: wanted("filed"),
        wait: wanted("wait").then_some(waits),
        read: wanted("read"),
        process: wanted("process"),
    };
    let postgres = std::env::var("BENCH_POSTGRES").ok();
    let rounds: usize = std::env::var("BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if names.iter().any(|name| name == "relay") {
        return runtime.block_on(relay::run(&dir, postgres.as_deref(), rounds));
    }
    let mut table = Table::default();
    for n in 1..=rounds {
        eprintln!("round {n} of {rounds} in {}", dir.display());
        table.add("syncs/s", sync_rate(&dir)?);
        if let Some(command) = std::env::var("BENCH_SMTP").ok().filter(|_| parts.accept || parts.filed) {
            let said = Command::new("sh").args(["-c", &command]).output()?;
            let rates = String::from_utf8(said.stdout)?;
            let names = [
                "postfix smtpd, 32 sessions /s",
                "postfix smtpd, 128 sessions /s",
                "postfix to dovecot lmtp /s",
            ];
            for (name, rate) in names.into_iter().zip(rates.split_whitespace()) {
                table.add(name, rate.parse()?);
            }
        }
        if parts.process {
            runtime.block_on(process::idle(&mut table, &dir))?;
        }
        runtime.block_on(round(&mut table, &dir, "sqlite", None, parts))?;
        if let Some(server) = &postgres {
            runtime.block_on(round(&mut table, &dir, "postgres", Some(server), parts))?;
        }
    }
    if parts.read {
        runtime.block_on(reading(&mut table, &dir, "sqlite", None, rounds, parts))?;
        if let Some(server) = &postgres {
            runtime.block_on(reading(&mut table, &dir, "postgres", Some(server), rounds, parts))?;
        }
    }
    let _ = std::fs::remove_dir_all(dir.join("bench"));
    table.print();
    Ok(())
}
