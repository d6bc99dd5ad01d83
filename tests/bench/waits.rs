//! Waiting: ten thousand parked waits (target G) and a thousand open streams (target J): what they cost a server that is a
//! process of its own, and how soon they are woken by what is committed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use restante::promise::ask::{Ask, Kind, Settle};
use restante::store::token::NewToken;
use restante::submission::{Question, Request, submit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::process::Node;
use super::table::Table;
use super::{Bench, load};

/// Promises that are settled while everybody waits, one after the other.
const SETTLED: usize = 200;
/// Streams that one account may open.
const STREAMS: usize = 32;
/// Requests that are sent before those before them are parked.
const AT_ONCE: usize = 200;
/// The longest that any of it may take.
const PATIENCE: Duration = Duration::from_secs(50);

/// Somebody who waits: which, and when enough of the answer had come.
type Woken = (usize, Instant);

/// Sends a request whose answer comes later, and tells when it has what it waits for.
async fn park(
    n: usize,
    to: SocketAddr,
    request: Vec<u8>,
    enough: &'static [u8],
    open: Arc<AtomicUsize>,
    woken: mpsc::Sender<Woken>,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&request).await?;
    drop(request);
    open.fetch_add(1, Ordering::SeqCst);
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await? > 0 {
        if answer.windows(enough.len()).any(|part| part == enough) {
            woken.send((n, Instant::now())).await?;
            break;
        }
    }
    Ok(())
}

/// Parks these requests; where those who are woken are told of. Whoever drops the handles lets them go.
async fn parked(
    to: SocketAddr,
    requests: Vec<Vec<u8>>,
    enough: &'static [u8],
) -> anyhow::Result<(mpsc::Receiver<Woken>, tokio::task::JoinSet<anyhow::Result<()>>)> {
    let (open, (woken, told)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel(requests.len()));
    let (mut tasks, until) = (tokio::task::JoinSet::new(), Instant::now() + PATIENCE);
    for (n, request) in requests.into_iter().enumerate() {
        tasks.spawn(park(n, to, request, enough, open.clone(), woken.clone()));
        while open.load(Ordering::SeqCst) + AT_ONCE <= n {
            anyhow::ensure!(Instant::now() < until, "the waits could not be parked");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // The last ones are read and parked.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok((told, tasks))
}

fn figures(table: &mut Table, name: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let at =
        |part: usize| took.get((took.len() * part / 100).min(took.len() - 1)).copied().unwrap_or(f64::NAN);
    table.add(format!("{name} woken, p50 ms"), at(50));
    table.add(format!("{name} woken, p99 ms"), at(99));
}

async fn token(bench: &Bench, account: Uuid) -> anyhow::Result<String> {
    let (context, token) = (&bench.running.context, bench.running.context.ids.token());
    let now = context.clock.now_ms();
    let new = NewToken {
        account_id: account,
        id: context.ids.id(now),
        name: "waits".into(),
        digest: restante::auth::token::digest(&token),
        scopes: "messages:send messages:read".into(),
        expires_at: None,
    };
    context.store.create_token(new, now).await?;
    Ok(token)
}

/// So many questions of the first account to the second.
async fn questions(bench: &Bench, count: usize) -> anyhow::Result<Vec<Uuid>> {
    let context = &bench.running.context;
    let from = context.store.account(bench.accounts[0].0).await?.context("no account")?;
    let mut asked = Vec::with_capacity(count);
    while asked.len() < count {
        let some = (asked.len()..count).take(64).map(|_| async {
            let ask = Ask::new(Kind::Text, Vec::new(), None, Settle::Any, None)
                .map_err(|bad| anyhow::anyhow!(bad.detail))?;
            let ask = Some(Question { ask, deadline: None, context: None, callback_url: None });
            let to = vec![bench.accounts[1].1.parse()?];
            let request = Request { to, subject: "Waited for".into(), ask, ..Request::default() };
            let accepted = submit(context, &from, request, None).await?;
            accepted.answer_promise.context("no promise")
        });
        asked.extend(futures_util::future::try_join_all(some).await?);
    }
    Ok(asked)
}

/// Target G: each wait is for a promise of its own; some of them are settled.
pub(crate) async fn promises(
    table: &mut Table,
    dir: &Path,
    engine: &str,
    postgres: Option<&str>,
    count: usize,
) -> anyhow::Result<()> {
    let bench = Bench::start(dir, postgres, 2, false).await?;
    let (asked, caller) = (questions(&bench, count).await?, bench.token.clone());
    bench.running.stop().await;
    let database = postgres.map(|server| format!("{server}/restante_bench"));
    let node = Node::start(&dir.join("bench"), database.as_deref()).await?;
    let before = node.memory().await?;
    let wait = |id: &Uuid| load::get(&format!("/v1/promises/{id}?wait=60"), &caller, node.http);
    let (mut told, tasks) = parked(node.http, asked.iter().map(wait).collect(), b"\"canceled\"").await?;
    table.add(format!("{engine} {count} waits MB"), node.memory().await? - before);
    let mut took = Vec::new();
    for (n, id) in asked.iter().enumerate().take(SETTLED) {
        load::once(node.http, &format!("/v1/promises/{id}/cancel"), &caller, "{}").await?;
        let committed = Instant::now();
        let woken = tokio::time::timeout(PATIENCE, told.recv()).await?.context("nobody was woken")?;
        anyhow::ensure!(woken.0 == n, "somebody else was woken");
        took.push(woken.1.saturating_duration_since(committed).as_secs_f64() * 1000.0);
    }
    figures(table, &format!("{engine} {count} waits"), took);
    drop(tasks);
    Ok(())
}

/// Target J: every stream is told of an event of its account.
pub(crate) async fn streams(
    table: &mut Table,
    dir: &Path,
    engine: &str,
    postgres: Option<&str>,
    count: usize,
) -> anyhow::Result<()> {
    let accounts = count.div_ceil(STREAMS).max(2);
    let bench = Bench::start(dir, postgres, accounts, false).await?;
    let mut callers = Vec::new();
    for (account, _) in &bench.accounts {
        callers.push(token(&bench, *account).await?);
    }
    let body = super::message(&bench);
    bench.running.stop().await;
    let database = postgres.map(|server| format!("{server}/restante_bench"));
    let node = Node::start(&dir.join("bench"), database.as_deref()).await?;
    let before = node.memory().await?;
    let stream =
        |n: usize| load::get("/v1/events/stream?types=message.updated", &callers[n % accounts], node.http);
    let (mut told, tasks) = parked(node.http, (0..count).map(stream).collect(), b"\ndata: ").await?;
    table.add(format!("{engine} {count} streams MB"), node.memory().await? - before);
    let mut committed = Vec::new();
    for caller in &callers {
        load::once(node.http, "/v1/messages", caller, &body).await?;
        committed.push(Instant::now());
    }
    let mut took = Vec::new();
    while took.len() < count {
        let (n, at) =
            tokio::time::timeout(PATIENCE, told.recv()).await?.context("not every stream was told")?;
        took.push(at.saturating_duration_since(committed[n % accounts]).as_secs_f64() * 1000.0);
    }
    figures(table, &format!("{engine} {count} streams"), took);
    drop(tasks);
    Ok(())
}
