//! Out: how fast what is queued is handed to the next hop with every outcome committed, beside Postfix's queue to the
//! same `smtp-sink`; and what mail for others costs while ten thousand wait for a host that is dead.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use restante::app::{App, Running};
use restante::config::Config;
use restante::store::account::{Account, Kind, NewAccount};
use restante::store::db::sql;
use restante::store::delivery::Lane;
use restante::submission::{Request, submit};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A host that takes no mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sick {
    /// Connections are refused.
    Refusing,
    /// Connections are made, and nothing is ever said.
    Silent,
    /// Everything is said, but nothing after the final dot.
    Hanging,
}

impl Sick {
    /// All kinds.
    pub(crate) const ALL: [Sick; 3] = [Sick::Refusing, Sick::Silent, Sick::Hanging];
}

/// Delays of good mail, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delay {
    /// Half of it took less.
    pub(crate) median: f64,
    /// One of a hundred took more.
    pub(crate) p99: f64,
}

/// A running `smtp-sink`, which counts nothing and keeps nothing.
pub(crate) struct Sink {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Sink {
    /// Starts one; none where Postfix's test programs are not installed.
    ///
    /// # Errors
    /// It does not listen.
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        let addr = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let mut command = Command::new("smtp-sink");
        if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            // It does nothing as root.
            command.args(["-u", "postfix"]);
        }
        let child =
            command.args([&addr.to_string(), "1024"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = child else { return Ok(None) };
        let sink = Self { child, addr };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(addr).await.is_ok() {
                return Ok(Some(sink));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("smtp-sink does not listen on {addr}")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Messages per second that Postfix hands from its queue to the sink, as `tests/bench/postfix-relay` measures it; none
/// where that cannot be (no root, no Postfix).
pub(crate) fn postfix(dir: &Path, sink: SocketAddr, count: usize) -> Option<f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/postfix-relay");
    let said =
        Command::new(script).arg(dir).arg(sink.port().to_string()).arg(count.to_string()).output().ok()?;
    String::from_utf8(said.stdout).ok()?.trim().parse().ok()
}

/// A system without doors on an empty database, whose worker is started by hand.
struct Post {
    running: Running,
    account: Account,
}

impl Post {
    async fn start(
        dir: &Path,
        postgres: Option<&str>,
        sink: SocketAddr,
        connections: usize,
        sick: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let _ = std::fs::remove_dir_all(dir.join("bench"));
        let mut config = Config { data_dir: dir.join("bench"), ..Config::default() };
        if let Some(server) = postgres {
            let mut admin = PgConnection::connect(&format!("{server}/postgres")).await?;
            admin.execute("drop database if exists restante_bench with (force)").await?;
            admin.execute(AssertSqlSafe("create database restante_bench".to_owned())).await?;
            config.database.url = Some(format!("{server}/restante_bench"));
        }
        config.relay.url = Some(format!("smtp://{sink}?tls=none"));
        config.relay.connections = connections;
        if let Some(sick) = sick {
            config.relay.domains = [("sick.test".to_owned(), format!("smtp://{sick}?tls=none"))].into();
        }
        let running = App::new(config).without_doors().without_worker().start().await?;
        let (context, now) = (&running.context, running.context.clock.now_ms());
        let (id, address) = (context.ids.id(now), "a@localhost".parse()?);
        let account =
            NewAccount { id, address, name: "A".into(), kind: Kind::Person, admin: false, password: None };
        context.store.create_account(account, now).await?;
        let account = context.store.account(id).await?.context("no account")?;
        Ok(Self { running, account })
    }

    /// Accepts messages of 2 KB, one recipient each, many at once.
    async fn queue(&self, domain: &str, count: usize) -> anyhow::Result<()> {
        for part in (0..count).collect::<Vec<_>>().chunks(256) {
            try_join_all(part.iter().map(|n| self.send(format!("r{n}@{domain}")))).await?;
        }
        Ok(())
    }

    async fn send(&self, to: String) -> anyhow::Result<()> {
        let request = Request {
            to: vec![to.parse()?],
            subject: "Measured".into(),
            text: Some("All work and no play makes a dull message. ".repeat(42)),
            ..Request::default()
        };
        submit(&self.running.context, &self.account, request, None).await.map_err(anyhow::Error::from)?;
        Ok(())
    }

    fn work(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(self.running.worker.clone().run(stop)))
    }

    async fn open(&self, domain: &str) -> anyhow::Result<i64> {
        let count =
            sql("select count(*) from delivery where settled_at is null and lane = $1 and destination = $2");
        let (count,): (i64,) =
            self.running.context.store.one(count.bind(Lane::Outside as i64).bind(domain)).await?;
        Ok(count)
    }

    async fn until_done(&self, domain: &str) -> anyhow::Result<()> {
        while self.open(domain).await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// Messages per second from our queue to the sink, over so many connections, every outcome committed.
///
/// # Errors
/// The database's, or something was not relayed.
pub(crate) async fn rate(
    dir: &Path,
    postgres: Option<&str>,
    sink: SocketAddr,
    count: usize,
    connections: usize,
) -> anyhow::Result<f64> {
    let post = Post::start(dir, postgres, sink, connections, None).await?;
    post.queue("good.test", count).await?;
    let since = Instant::now();
    let (stop, worker) = post.work();
    post.until_done("good.test").await?;
    let rate = count as f64 / since.elapsed().as_secs_f64();
    stop.cancel();
    worker.await?;
    let relayed = sql("select count(*) from delivery where outcome = 'relayed'");
    let (relayed,): (i64,) = post.running.context.store.one(relayed).await?;
    anyhow::ensure!(relayed == count as i64, "{relayed} of {count} were relayed");
    post.running.stop().await;
    Ok(rate)
}

/// How long good mail takes, one message each 10 ms, with ten thousand waiting for a sick host or without; from
/// acceptance to the recorded outcome.
///
/// # Errors
/// The database's.
pub(crate) async fn delay(
    dir: &Path,
    postgres: Option<&str>,
    sink: SocketAddr,
    sick: Option<Sick>,
) -> anyhow::Result<Delay> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let addr = silent.local_addr()?;
    let peer = match sick {
        Some(Sick::Refusing) | None => {
            drop(silent);
            None
        }
        Some(kind) => Some(tokio::spawn(misbehave(silent, kind))),
    };
    let post = Post::start(dir, postgres, sink, 20, sick.map(|_| addr)).await?;
    if sick.is_some() {
        post.queue("sick.test", 10_000).await?;
    }
    let (stop, worker) = post.work();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for n in 0..500 {
        tick.tick().await;
        post.send(format!("r{n}@good{}.test", n % 10)).await?;
    }
    for n in 0..10 {
        post.until_done(&format!("good{n}.test")).await?;
    }
    let took = sql("select settled_at - created_at from delivery where outcome = 'relayed' order by 1");
    let took: Vec<(i64,)> = post.running.context.store.all(took).await?;
    anyhow::ensure!(took.len() == 500, "{} of 500 were relayed", took.len());
    stop.cancel();
    worker.abort();
    let _ = worker.await;
    post.running.stop().await;
    if let Some(peer) = peer {
        peer.abort();
    }
    let at = |percent: usize| took[took.len() * percent / 100].0 as f64;
    Ok(Delay { median: at(50), p99: at(99) })
}

/// A host that takes connections and no mail.
async fn misbehave(listener: TcpListener, kind: Sick) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let mut all = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        all.spawn(async move {
            let mut stream = BufReader::new(stream);
            if kind == Sick::Silent {
                let _ = stream.read_line(&mut String::new()).await;
                return std::io::Result::Ok(());
            }
            stream.write_all(b"220 sick.test\r\n").await?;
            let mut line = String::new();
            let mut content = false;
            while stream.read_line(&mut line).await? > 0 {
                match (content, line.get(..4).unwrap_or_default()) {
                    (true, _) => {}
                    (false, "DATA") => {
                        content = true;
                        stream.write_all(b"354 go on\r\n").await?;
                    }
                    (false, _) => stream.write_all(b"250 fine\r\n").await?,
                }
                line.clear();
            }
            Ok(())
        });
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures everything in interleaved rounds, and prints medians beside the targets.
///
/// # Errors
/// What was measured failed.
pub(crate) async fn run(dir: &Path, postgres: Option<&str>, rounds: usize) -> anyhow::Result<()> {
    let Some(sink) = Sink::start().await? else {
        println!("Mail out is not measured: smtp-sink is missing (Debian's postfix)");
        return Ok(());
    };
    let engines = [("sqlite", None), ("postgres", postgres)];
    let engines: Vec<_> =
        engines.into_iter().filter(|(name, server)| *name == "sqlite" || server.is_some()).collect();
    let (mut reference, mut rates) = (Vec::new(), vec![Vec::new(); engines.len()]);
    for n in 1..=rounds {
        reference.extend(postfix(dir, sink.addr, 3000));
        for ((name, server), rates) in engines.iter().zip(&mut rates) {
            let rate = rate(dir, *server, sink.addr, 6000, 20).await?;
            eprintln!(
                "round {n}: {name} out {rate:.0}/s, Postfix {:.0}/s",
                reference.last().unwrap_or(&f64::NAN)
            );
            rates.push(rate);
        }
    }
    let reference = median(reference);
    println!("{:<52} {reference:>10.1}", "postfix queue to smtp-sink, 20 connections /s");
    for ((name, server), rates) in engines.iter().zip(rates) {
        let rate = median(rates);
        println!("{:<52} {rate:>10.1}", format!("{name} queue to smtp-sink, 20 connections /s"));
        let verdict = if rate / reference >= 2.0 { "reached" } else { "missed" };
        println!(
            "{:<52} {:>9.2}x  target 2x: {verdict}",
            format!("E {name}: out / Postfix"),
            rate / reference
        );
        let alone = delay(dir, *server, sink.addr, None).await?;
        println!(
            "{:<52} {:>7.0} ms  p99 {:.0} ms",
            format!("{name} good mail alone"),
            alone.median,
            alone.p99
        );
        for sick in Sick::ALL {
            let beside = delay(dir, *server, sink.addr, Some(sick)).await?;
            let name = format!("{name} good mail beside 10,000 for a {sick:?} host");
            println!("{name:<52} {:>7.0} ms  p99 {:.0} ms", beside.median, beside.p99);
        }
    }
    Ok(())
}
