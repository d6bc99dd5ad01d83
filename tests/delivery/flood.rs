//! A queue to many destinations of which some are dead: how fast the others are served, in how much memory, and what
//! it costs new mail. The long form has 100,000 deliveries to 1,000 destinations, 100 of them dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use restante::delivery::relay::TimeOuts;
use restante::delivery::{Settings, Worker};
use restante::mail::clock::Clock;
use restante::store::db::sql;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Post, settings};
use crate::support::{long, until, within};

/// Takes everything and keeps nothing.
async fn sink() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, taken) = (format!("smtp://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let count = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, count.clone()));
        }
    });
    (url, taken)
}

async fn take(stream: TcpStream, taken: Arc<AtomicUsize>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await?;
    let (mut line, mut content) = (Vec::new(), false);
    while stream.read_until(b'\n', &mut line).await? > 0 {
        if content {
            if line == b".\r\n" {
                content = false;
                taken.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"250 2.0.0 kept\r\n").await?;
            }
        } else if line.starts_with(b"DATA") {
            content = true;
            stream.write_all(b"354 go on\r\n").await?;
        } else {
            stream.write_all(b"250 fine\r\n").await?;
        }
        line.clear();
    }
    Ok(())
}

/// Accepts connections and says nothing.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    url
}

/// Resident memory of this process, in MiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) / 1024
}

both!(dead_destinations_cost_the_others_little, |engine| async move {
    let (destinations, dead, each) = if long() { (1000, 100, 100) } else { (60, 6, 20) };
    let (sink, taken) = sink().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hosts = [format!("smtp://{closed}"), silent().await];
    let mut post = Post::start(engine, None).await;
    post.context.clock = Clock::system();
    post.app.clock = Clock::system();
    let ana = post.app.person("Ana").await;
    let limit = post.context.settings.recipients;
    for domain in 0..destinations {
        let to: Vec<String> = (0..each).map(|n| format!("r{n}@d{domain}.test")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        for part in to.chunks(limit) {
            post.send(&ana, part, "one of many").await;
        }
    }
    let short = Duration::from_secs(2);
    let settings = Settings {
        relay: Some(sink.parse().unwrap()),
        domains: (0..dead).map(|n| (format!("d{n}.test"), hosts[n % 2].parse().unwrap())).collect(),
        time_outs: TimeOuts { connect: short, command: short, content: short },
        drain: Duration::ZERO,
        ..settings(None)
    };
    let before = memory();
    let (stop, since) = (CancellationToken::new(), Instant::now());
    let running = tokio::spawn(Worker::new(post.context.clone(), settings).run(stop.clone()));
    let good = (destinations - dead) * each;
    let (mut fresh, mut most) = (0, before);
    let wait = Duration::from_secs(if long() { 1500 } else { 120 });
    while taken.load(Ordering::SeqCst) < good + fresh {
        assert!(since.elapsed() < wait, "{} of {good} in {wait:?}", taken.load(Ordering::SeqCst));
        if fresh < 50 {
            post.send(&ana, &[&format!("fresh{fresh}@fresh{}.test", fresh % 7)], "new").await;
            fresh += 1;
        }
        most = most.max(memory());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rate = (good + fresh) as f64 / since.elapsed().as_secs_f64();
    let settled = sql("select settled_at - created_at from delivery where destination like 'fresh%' \
                       and outcome = 'relayed' order by 1");
    let took: Vec<(i64,)> = until("every outcome", || async {
        let took: Vec<(i64,)> = post.app.store.all(settled.clone()).await.unwrap();
        (took.len() == fresh).then_some(took)
    })
    .await;
    let (median, worst) = (took[took.len() / 2].0, took[took.len() - 1].0);
    println!(
        "{engine:?}: {good} to {destinations} destinations, {dead} dead: {rate:.0}/s, memory {before} -> {most} MiB, \
         new mail {median} ms, at worst {worst} ms"
    );
    assert!(most < before + 150, "{before} -> {most} MiB");
    // Everybody has a turn before anybody has another: the eighth message to a new destination waits for eight turns of
    // all, not for what the others have.
    let before = sql("select coalesce(max((select count(*) from delivery o where o.outcome = 'relayed' \
                      and o.settled_at > d.created_at and o.settled_at < d.settled_at)), 0) from delivery d \
                      where d.destination like 'fresh%'");
    let (before,): (i64,) = post.app.store.one(before).await.unwrap();
    println!("{engine:?}: {before} went before the new mail that waited longest");
    assert!(before <= (destinations * 10) as i64, "{before} went before new mail");
    // The dead ones were tried a few times, not once for each message.
    let tries = sql("select count(*) from attempt where code is null and n > 0");
    let (tries,): (i64,) = post.app.store.one(tries).await.unwrap();
    assert!(tries <= (dead * 12) as i64, "{tries} failed tries at {dead} dead destinations");
    stop.cancel();
    within("the worker's end", running).await.unwrap();
});
