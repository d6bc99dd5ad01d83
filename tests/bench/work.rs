//! What is measured beside accepting: the limit, the queue, a large fan-out, and the way into the inbox.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use restante::store::claim::{Claim, Place};
use restante::store::db::sql;
use restante::store::delivery::{Lane, NewDelivery, Outcome};
use restante::store::{Store, Topic};
use restante::submission::{Request, submit};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::{Bench, LONG, load};

/// A bare handler that commits one row of 2 KB through the same write door: what is left when nothing else is done.
pub(crate) async fn one_row(store: Store) -> anyhow::Result<SocketAddr> {
    let (listener, next) = (TcpListener::bind("127.0.0.1:0").await?, Arc::new(AtomicU64::new(0)));
    let address = listener.local_addr()?;
    let handler = async move |body: String| {
        let name = format!("{} {body}", next.fetch_add(1, Ordering::Relaxed));
        let account = uuid::Uuid::from_u128(1);
        let done = store.write_for([account], async move |tx| {
            // Not indexed by its text, as a message is not.
            let row = sql("insert into blob (digest, size, content, created_at) values ($1, 0, $2, 0)");
            let digest = restante::mail::id::digest(&[name.as_bytes()]);
            tx.run(row.bind(digest).bind(name.as_bytes())).await
        });
        match done.await {
            Ok(_) => axum::http::StatusCode::ACCEPTED,
            Err(_) => axum::http::StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    let router = axum::Router::new().route("/", axum::routing::post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Claims and settles deliveries to 200 destinations, four times 64 at once, as the worker does: in turn between those
/// that are known to have something due, and all are walked when none is left; per second.
pub(crate) async fn queue(bench: &Bench, count: usize) -> anyhow::Result<f64> {
    let (context, account) = (&bench.running.context, bench.accounts[0].0);
    let now = context.clock.now_ms();
    for part in 0..count / 1000 {
        let rows: Vec<_> = (0..1000)
            .map(|n| NewDelivery {
                account_id: account,
                id: context.ids.id(now),
                kind: "notice",
                lane: Lane::Outside,
                destination: format!("d{}.test", (part + n) % 200),
                recipient: "somebody@d.test".into(),
                submission_id: None,
                email_id: None,
                subject_id: None,
                digest: None,
                due_at: now,
                created_at: now,
            })
            .collect();
        context.store.write(async move |tx| tx.batch(NewDelivery::insert(&rows)).await.map(drop)).await?;
    }
    let since = Instant::now();
    let (lane, line) = (Lane::Outside, Mutex::new(VecDeque::<String>::new()));
    let workers = (0..4).map(|_| async {
        loop {
            let now = context.clock.now_ms();
            let mut places: Vec<Place> = {
                let mut line = line.lock().await;
                let some = line.len().min(16);
                line.drain(..some).map(|name| (name, 4)).collect()
            };
            if places.is_empty() {
                let mut due = VecDeque::from(context.store.ready(lane, now, None, 10_000).await?);
                if due.is_empty() {
                    return anyhow::Ok(());
                }
                line.lock().await.append(&mut due);
                continue;
            }
            let (lease, until) = (context.ids.id(now), now + 60_000);
            let claim = Claim { now, lease, until, lane, limit: 64, per_destination: 4, busy: &[] };
            let leased = context.store.claim_from(&claim, &places).await?;
            places.retain(|(name, most)| {
                leased.iter().filter(|one| one.destination == *name).count() as i64 == *most
            });
            line.lock().await.extend(places.into_iter().map(|(name, _)| name));
            let settle = leased.into_iter().map(|one| context.store.finish(one, Outcome::Relayed, None, now));
            try_join_all(settle).await?;
        }
    });
    try_join_all(workers).await?;
    Ok(count as f64 / since.elapsed().as_secs_f64())
}

/// One message to 1,000 accounts; milliseconds until it is in all their inboxes.
pub(crate) async fn fan_out(bench: &Bench) -> anyhow::Result<f64> {
    let context = &bench.running.context;
    let account =
        context.store.account(bench.accounts[0].0).await?.ok_or_else(|| anyhow::anyhow!("no account"))?;
    let to = bench.accounts[1..].iter().map(|(_, address)| address.parse());
    let request = Request {
        to: to.collect::<Result<_, _>>()?,
        subject: "To all".into(),
        text: Some("Hello.".repeat(300)),
        ..Request::default()
    };
    let since = Instant::now();
    let accepted = submit(context, &account, request, None).await?;
    let promise = accepted.delivery_promise;
    let mut ear = context.store.bell().listen(Topic::Promise(promise));
    loop {
        let row = context.store.promise(account.id, promise).await?;
        if row.is_some_and(|row| row.state == "fulfilled") {
            return Ok(since.elapsed().as_secs_f64() * 1000.0);
        }
        ear.wait(Duration::from_millis(200)).await;
    }
}

/// Messages per second from the first request until the last is in the inbox, while 32 connections send.
pub(crate) async fn end_to_end(bench: &Bench, url: SocketAddr, body: &str) -> anyhow::Result<f64> {
    let context = &bench.running.context;
    let since = Instant::now();
    let load = load::post(url, "/v1/messages", &bench.token, body, 32, LONG).await?;
    let count = load.rate * since.elapsed().as_secs_f64();
    let mut ear = context.store.bell().listen(Topic::Account(bench.accounts[1].0));
    while context.store.next_due(Lane::Here).await?.is_some() {
        ear.wait(Duration::from_millis(20)).await;
    }
    Ok(count / since.elapsed().as_secs_f64())
}
