//! PostgreSQL goes away in the middle of the work: nothing that was accepted is lost, nothing is there twice, and
//! the store goes on by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use restante::store::db::{Statement, sql};
use restante::store::event::Event;
use restante::store::{Error, Settings, Store};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::support::cluster::Cluster;
use crate::support::dir::Dir;
use crate::support::{until, within};

fn put(n: i64) -> Statement {
    sql("insert into domain (name, created_at) values ($1, $2)").bind(n.to_string()).bind(n)
}

async fn kept(store: &Store) -> Vec<i64> {
    let rows: Vec<(i64,)> =
        store.all(sql("select created_at from domain order by created_at")).await.unwrap();
    rows.into_iter().map(|(n,)| n).collect()
}

async fn open(url: String, dir: &Dir) -> Store {
    Store::open(&Settings { url: Some(url), data_dir: dir.path().join("data"), blobs: None }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_load_loses_and_doubles_nothing() {
    let (cluster, dir) = (tokio::task::spawn_blocking(Cluster::start).await.unwrap(), Dir::new());
    let store = open(cluster.url(), &dir).await;
    let accounts: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
    for account in &accounts {
        let row = sql(
            "insert into account (id, kind, name, admin, modseq, created_at) values ($1, 'person', '', false, 0, 0)",
        );
        let row = row.bind(*account);
        store.write(async move |tx| tx.run(row.clone()).await).await.unwrap();
    }

    let (stop, next, safe) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)), Arc::new(AtomicU32::new(0)));
    let clients = (0..16_usize).map(|client| {
        let (store, account) = (store.clone(), accounts[client % 4]);
        let (stop, next, safe) = (stop.clone(), next.clone(), safe.clone());
        tokio::spawn(async move {
            let (mut accepted, mut refused) = (Vec::new(), 0);
            while !stop.load(Ordering::SeqCst) {
                let n = next.fetch_add(1, Ordering::SeqCst);
                let named = if client < 12 { vec![account] } else { vec![] };
                let unit = store.write_for(named, async move |tx| {
                    let event = Event::new(account, "test", json!({ "n": n }));
                    tx.tell(vec![(event, vec![put(n)])], 0).await
                });
                match unit.await {
                    Ok(()) => {
                        accepted.push(n);
                        safe.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(Error::Busy) => refused += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
            (accepted, refused)
        })
    });
    let clients: Vec<_> = clients.collect();
    let more = async |by: u32| {
        let now = safe.load(Ordering::SeqCst);
        until("more is accepted", || {
            let there = safe.load(Ordering::SeqCst) >= now + by;
            async move { there.then_some(()) }
        })
        .await;
    };
    let cluster = Arc::new(cluster);
    for mode in ["fast", "immediate", "immediate", "fast"] {
        more(100).await;
        let server = cluster.clone();
        tokio::task::spawn_blocking(move || {
            server.down(mode);
            server.up();
        })
        .await
        .unwrap();
    }
    more(100).await;
    stop.store(true, Ordering::SeqCst);
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for client in clients {
        let (mine, no) = within("a client's end", client).await.unwrap();
        accepted.extend(mine);
        refused += no;
    }
    accepted.sort_unstable();
    println!("{} accepted, {refused} refused, {:?}", accepted.len(), store.tallied());
    assert_eq!(refused, 0, "the outages were short enough to wait for");
    assert_eq!(kept(&store).await, accepted);
    let mut told = 0;
    for account in accounts {
        let events = store.events(account, 0, &[], 1_000_000).await.unwrap();
        assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
        told += events.len();
    }
    assert_eq!(told, accepted.len());
    within("closing", store.close()).await;
}

/// What the wire in between does at the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The commit does not arrive.
    Before,
    /// Its answer does not.
    After,
}

/// Stands between the store and the server. Whoever connects once `cut` is set loses the connection at its commit.
async fn wire(server: SocketAddr, cut: Arc<AtomicU32>, kind: Cut) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let cut = cut.clone();
            tokio::spawn(async move {
                // The server may be gone before those who try again.
                let Ok(server) = TcpStream::connect(server).await else { return };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let answers = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                    // The simple query `commit`, which is sent alone.
                    let commit = buffer[..read] == *b"Q\0\0\0\x0bcommit\0";
                    let now = commit
                        && cut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
                    if now {
                        answers.abort();
                        // The answer is never read: only its not coming matters.
                        let _ = answers.await;
                        if kind == Cut::After {
                            to_server.write_all(&buffer[..read]).await.unwrap();
                            to_server.flush().await.unwrap();
                        }
                        return;
                    }
                    if to_server.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn a_commit_without_answer(kind: Cut) {
    let (cluster, dir) = (tokio::task::spawn_blocking(Cluster::start).await.unwrap(), Dir::new());
    let cuts = Arc::new(AtomicU32::new(0));
    let store = open(cluster.url_at(wire(cluster.address, cuts.clone(), kind).await), &dir).await;
    let account = Uuid::from_u128(1);
    // Named or not, first on a new connection and then on one that has been used.
    for (n, named) in [(1, true), (2, false), (3, true), (4, false)] {
        cuts.store(1, Ordering::SeqCst);
        let before = store.tallied().units;
        let unit = async move |tx: &mut restante::store::db::Tx| tx.run(put(n)).await;
        let result = if named { store.write_for([account], unit).await } else { store.write(unit).await };
        assert_eq!(result.unwrap(), 1);
        assert_eq!(cuts.load(Ordering::SeqCst), 0, "the wire was cut");
        let runs = store.tallied().units - before;
        assert_eq!(runs, if kind == Cut::Before { 2 } else { 1 }, "what was kept is not run again");
    }
    assert_eq!(kept(&store).await, [1, 2, 3, 4]);
    within("closing", store.close()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_arrive_is_made_again() {
    a_commit_without_answer(Cut::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_not_made_twice() {
    a_commit_without_answer(Cut::After).await;
}
