//! The benchmark: `tests/bench/run`, or `cargo bench --bench bench -- [DIRECTORY]`.
//!
//! Everything is measured in one run on one machine, beside its references, because the disk's sync rate moves by the
//! hour: five interleaved rounds, the sync rate before each, medians and ranges, no verdict where the rate moved more
//! than three times. `BENCH_POSTGRES` names a server to measure as well, `BENCH_ROUNDS` how many rounds, `BENCH_SMTP` a
//! command that prints the rates of Postfix's smtpd at 32 and 128 sessions. With `--relay` mail out is measured instead.

mod load;
mod relay;
mod work;

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use restante::app::{App, Running};
use restante::config::Config;
use restante::mail::address::Address;
use restante::store::Tallied;
use restante::store::account::{Kind, NewAccount};
use restante::store::token::NewToken;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

/// How long one measurement loads the server.
const LONG: Duration = Duration::from_secs(3);

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
        let token = context.ids.token();
        let new = NewToken {
            account_id: made[0].0,
            id: context.ids.id(now),
            name: "bench".into(),
            digest: restante::auth::token::digest(&token),
            scopes: "messages:send messages:read".into(),
            expires_at: None,
        };
        context.store.create_token(new, now).await?;
        Ok(Self { running, accounts: made, token })
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

/// One figure over all rounds.
#[derive(Default)]
struct Figure(Vec<f64>);

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn range(&self) -> (f64, f64) {
        self.0.iter().fold((f64::MAX, f64::MIN), |(low, high), n| (low.min(*n), high.max(*n)))
    }
}

/// Every figure, in the order in which it was first measured.
#[derive(Default)]
struct Table(Vec<(String, Figure)>);

impl Table {
    fn add(&mut self, name: String, value: f64) {
        eprintln!("  {name}: {value:.1}");
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, figure)) => figure.0.push(value),
            None => self.0.push((name, Figure(vec![value]))),
        }
    }

    fn median(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, figure)| figure.median())
    }

    fn print(&self) {
        println!("{:<52} {:>10} {:>10} {:>10}", "", "median", "min", "max");
        for (name, figure) in &self.0 {
            let (low, high) = figure.range();
            println!("{name:<52} {:>10.1} {low:>10.1} {high:>10.1}", figure.median());
        }
        println!();
        let moved = self.0.iter().find(|(name, _)| name == "syncs/s").map(|(_, figure)| figure.range());
        if moved.is_some_and(|(low, high)| high > low * 3.0) {
            println!("The sync rate moved more than three times: the ratios below prove nothing.");
        }
        for engine in ["sqlite", "postgres"] {
            for (connections, least) in [(32, 3.0), (128, 4.0)] {
                let accept = self.median(&format!("{engine} accept, {connections} connections /s"));
                let smtpd = self.median(&format!("postfix smtpd, {connections} sessions /s"));
                let limit = self.median(&format!("{engine} limit, {connections} connections /s"));
                ratio(&format!("A {engine}: accept / Postfix smtpd, {connections}"), accept, smtpd, least);
                ratio(&format!("A {engine}: accept / one row, {connections}"), accept, limit, 0.4);
            }
            let queue = self.median(&format!("{engine} claim + settle /s"));
            let least = if engine == "sqlite" { 5000.0 } else { 8000.0 };
            ratio(&format!("F {engine}: claim + settle per s / target"), queue, Some(least), 1.0);
            let fan = self.median(&format!("{engine} 1,000 recipients ms"));
            ratio(&format!("I {engine}: 500 ms / 1,000 recipients"), Some(500.0), fan, 1.0);
        }
    }
}

fn ratio(name: &str, is: Option<f64>, of: Option<f64>, least: f64) {
    if let (Some(is), Some(of)) = (is, of) {
        let verdict = if is / of >= least { "reached" } else { "missed" };
        println!("{name:<52} {:>9.2}x  target {least}x: {verdict}", is / of);
    }
}

/// A message of 2 KB to the second account.
fn message(bench: &Bench) -> String {
    let text = "All work and no play makes a dull message. ".repeat(46);
    serde_json::json!({ "to": [bench.accounts[1].1], "subject": "Measured", "text": text }).to_string()
}

async fn round(table: &mut Table, dir: &Path, engine: &str, postgres: Option<&str>) -> anyhow::Result<()> {
    let bench = Bench::start(dir, postgres, 2, false).await?;
    let url = bench.running.http.ok_or_else(|| anyhow::anyhow!("no HTTP door"))?;
    let limit = work::one_row(bench.running.context.store.clone()).await?;
    let body = message(&bench);
    for connections in [1, 32, 128] {
        let load = load::post(limit, "/", &bench.token, &body, connections, LONG).await?;
        table.add(format!("{engine} limit, {connections} connections /s"), load.rate);
        let before = bench.running.context.store.tallied();
        let load = load::post(url, "/v1/messages", &bench.token, &body, connections, LONG).await?;
        let (per_commit, _) = bench.since(before);
        table.add(format!("{engine} accept, {connections} connections /s"), load.rate);
        table.add(format!("{engine} accept, {connections} connections p99 ms"), load.p99);
        table.add(format!("{engine} accept, {connections} messages per sync"), per_commit);
    }
    bench.running.stop().await;

    let bench = Bench::start(dir, postgres, 2, false).await?;
    table.add(format!("{engine} claim + settle /s"), work::queue(&bench, 20_000).await?);
    bench.running.stop().await;

    let bench = Bench::start(dir, postgres, 1001, true).await?;
    table.add(format!("{engine} 1,000 recipients ms"), work::fan_out(&bench).await?);
    let body = message(&bench);
    let url = bench.running.http.ok_or_else(|| anyhow::anyhow!("no HTTP door"))?;
    table.add(format!("{engine} accepted and filed /s"), work::end_to_end(&bench, url, &body).await?);
    bench.running.stop().await;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let dir = dir.map_or_else(std::env::temp_dir, PathBuf::from);
    let postgres = std::env::var("BENCH_POSTGRES").ok();
    let rounds: usize = std::env::var("BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if std::env::args().any(|argument| argument == "--relay") {
        return runtime.block_on(relay::run(&dir, postgres.as_deref(), rounds));
    }
    let mut table = Table::default();
    for n in 1..=rounds {
        eprintln!("round {n} of {rounds} in {}", dir.display());
        table.add("syncs/s".into(), sync_rate(&dir)?);
        if let Ok(command) = std::env::var("BENCH_SMTP") {
            let said = Command::new("sh").args(["-c", &command]).output()?;
            let rates = String::from_utf8(said.stdout)?;
            for (sessions, rate) in [32, 128].iter().zip(rates.split_whitespace()) {
                table.add(format!("postfix smtpd, {sessions} sessions /s"), rate.parse()?);
            }
        }
        runtime.block_on(round(&mut table, &dir, "sqlite", None))?;
        if let Some(server) = &postgres {
            runtime.block_on(round(&mut table, &dir, "postgres", Some(server)))?;
        }
    }
    let _ = std::fs::remove_dir_all(dir.join("bench"));
    table.print();
    Ok(())
}
