//! Load over HTTP/1.1: each connection sends its next request when the answer to the last has come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came of it.
pub(crate) struct Load {
    /// Answers per second.
    pub(crate) rate: f64,
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
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let since = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(client(to, request.clone().into_bytes(), since + long)))
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await??);
    }
    let rate = took.len() as f64 / since.elapsed().as_secs_f64();
    took.sort_unstable();
    let p99 = took.get(took.len() * 99 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0);
    Ok(Load { rate, p99 })
}

async fn client(to: SocketAddr, request: Vec<u8>, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut took, mut answer) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        let since = Instant::now();
        stream.write_all(&request).await?;
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
