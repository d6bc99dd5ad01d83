//! What is measured of the program as it is run: its size, its start, its memory, and two nodes on one database.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::reads::resident;
use super::table::Table;
use super::{LONG, load};

const BINARY: &str = env!("CARGO_BIN_EXE_restante");
/// The longest a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that ends with its value.
pub(crate) struct Node {
    child: Child,
    pub(crate) http: SocketAddr,
}

impl Node {
    /// Starts a server, and returns when it has answered its first request.
    pub(crate) async fn start(data: &Path, database: Option<&str>) -> anyhow::Result<Self> {
        let free = || TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let (http, smtp) = (free()?, free()?);
        let mut command = Command::new(BINARY);
        command.env("RESTANTE_DATA_DIR", data).env("RESTANTE_HTTP__LISTEN", http.to_string());
        // One caller makes the whole load.
        command.env("RESTANTE_HTTP__RATE_LIMIT", "off");
        command.env("RESTANTE_SMTP__LISTEN", smtp.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(url) = database {
            command.env("RESTANTE_DATABASE__URL", url);
        }
        let node = Self { child: command.spawn()?, http };
        let since = Instant::now();
        while load::answers(http).await.is_err() {
            anyhow::ensure!(since.elapsed() < PATIENCE, "the server did not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(node)
    }

    pub(crate) async fn memory(&self) -> anyhow::Result<f64> {
        resident(self.child.id()).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Size, start and idle memory, on a database of its own that is there already.
pub(crate) async fn idle(table: &mut Table, dir: &Path) -> anyhow::Result<()> {
    let data = dir.join("bench-idle");
    drop(Node::start(&data, None).await?);
    let since = Instant::now();
    let node = Node::start(&data, None).await?;
    table.add("start to first answer ms", since.elapsed().as_secs_f64() * 1000.0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    table.add("idle memory MB", node.memory().await?);
    table.add("binary MB", std::fs::metadata(BINARY)?.len() as f64 / 1e6);
    drop(node);
    std::fs::remove_dir_all(data)?;
    Ok(())
}

/// Memory of a server on this database while 16 connections list and 16 send.
pub(crate) async fn loaded(
    table: &mut Table,
    data: &Path,
    reader: &str,
    sender: &str,
    body: &str,
) -> anyhow::Result<()> {
    let node = Node::start(data, None).await?;
    let page = load::get("/v1/messages?mailbox=inbox&limit=50", reader, node.http);
    let reading = tokio::spawn(load::run(node.http, vec![page], 16, LONG));
    load::post(node.http, "/v1/messages", sender, body, 16, LONG).await?;
    reading.await??;
    table.add("memory under load MB", node.memory().await?);
    Ok(())
}

/// Accepting by one node and by two on one PostgreSQL, each as a process of its own: from one sender, whose log every
/// message is written to, and from all of them.
pub(crate) async fn nodes(
    table: &mut Table,
    dir: &Path,
    database: &str,
    tokens: &[String],
    body: &str,
) -> anyhow::Result<()> {
    let (first, second) = (dir.join("bench-first"), dir.join("bench-second"));
    let ways = [("one sender", &tokens[..1]), ("many senders", tokens)];
    let one = Node::start(&first, Some(database)).await?;
    for (who, tokens) in ways {
        let load = load::run(one.http, load::posts("/v1/messages", tokens, body), 32, LONG).await?;
        table.add(format!("one node accept, {who} /s"), load.rate);
    }
    let two = Node::start(&second, Some(database)).await?;
    for (who, tokens) in ways {
        let (a, b) = tokio::try_join!(
            load::run(one.http, load::posts("/v1/messages", tokens, body), 16, LONG),
            load::run(two.http, load::posts("/v1/messages", tokens, body), 16, LONG),
        )?;
        table.add(format!("two nodes accept, {who} /s"), a.rate + b.rate);
    }
    drop((one, two));
    for data in [first, second] {
        let _ = std::fs::remove_dir_all(data);
    }
    Ok(())
}
