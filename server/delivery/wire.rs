//! The TCP connection to a relay, given to the SMTP client one line at a time.
//!
//! What a man in the middle adds in clear behind the reply to STARTTLS must not be taken for what came through
//! TLS (CVE-2011-0411): here it is never read before the handshake, which then fails.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// Octets a line of a reply may have; a peer that sends more without ending it is cut off.
const LINE: usize = 64 * 1024;

/// A TCP connection whose every read ends with a line.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    /// Octets since the last line ended.
    line: usize,
}

impl Wire {
    /// Takes a connection; small writes are sent at once, because each reply waits for one.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), line: 0 })
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = ready!(Pin::new(&mut this.stream).poll_fill_buf(cx))?;
        let end = read.iter().position(|&b| b == b'\n').map_or(read.len(), |at| at + 1);
        let some = end.min(buf.remaining());
        this.line = if read[..some].ends_with(b"\n") { 0 } else { this.line + some };
        if this.line > LINE {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "an endless line")));
        }
        buf.put_slice(&read[..some]);
        Pin::new(&mut this.stream).consume(some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().peer_addr()
    }
}
