//! Load over HTTP/1.1: each connection sends its next request when the answer to the last has come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came of it.
pub(crate) struct Load {
    /// Answers per second.
    pub(crate) rate: f64,
    /// The latency that half of them exceed, in milliseconds.
    pub(crate) p50: f64,
    /// The latency that one of a hundred exceeds, in milliseconds.
    pub(crate) p99: f64,
}

/// Posts the same body again and again over so many connections; every answer must be a 2xx.
pub(crate) async fn post(
    to: SocketAddr,
    path: &str,
    token: &str,
    body: &str,
    connections: usize,
    long: Duration,
) -> anyhow::Result<Load> {
    run(to, posts(path, &[token.to_owned()], body), connections, long).await
}

/// A request that posts this body, for each of these tokens.
pub(crate) fn posts(path: &str, tokens: &[String], body: &str) -> Vec<Vec<u8>> {
    let request = |token| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    tokens.iter().map(|token| request(token).into_bytes()).collect()
}

/// A request that reads.
pub(crate) fn get(path: &str, token: &str, to: SocketAddr) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// Posts once; the answer must be a 2xx.
pub(crate) async fn once(to: SocketAddr, path: &str, token: &str, body: &str) -> anyhow::Result<()> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Sends these requests in turn over so many connections; every answer must be a 2xx.
pub(crate) async fn run(
    to: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    long: Duration,
) -> anyhow::Result<Load> {
    let (since, requests) = (Instant::now(), Arc::new(requests));
    let clients: Vec<_> =
        (0..connections).map(|n| tokio::spawn(client(to, requests.clone(), n, since + long))).collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await??);
    }
    let rate = took.len() as f64 / since.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: usize| {
        took.get(took.len() * part / 100).map_or(f64::NAN, |took: &Duration| took.as_secs_f64() * 1000.0)
    };
    Ok(Load { rate, p50: at(50), p99: at(99) })
}

async fn client(
    to: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut took, mut answer, mut turns) = (Vec::new(), Vec::new(), requests.iter().cycle().skip(first));
    while let Some(request) = turns.next().filter(|_| Instant::now() < until) {
        let since = Instant::now();
        stream.write_all(request).await?;
        answer.clear();
        loop {
            if stream.read_buf(&mut answer).await? == 0 {
                bail!("the server hung up");
            }
            if let Some(length) = complete(&answer)? {
                if !answer.starts_with(b"HTTP/1.1 2") {
                    bail!("{}", String::from_utf8_lossy(&answer[..length.min(answer.len())]));
                }
                break;
            }
        }
        took.push(since.elapsed());
    }
    Ok(took)
}

/// The length of an answer, once all of it is there.
fn complete(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    Ok((answer.len() >= head + 4 + length).then_some(head + 4 + length))
}

/// Asks for the health of a server.
pub(crate) async fn answers(to: SocketAddr) -> anyhow::Result<()> {
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}
