//! The line a request came over: the socket, shared by what reads and writes it and by those who want to know whether
//! anybody is still there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// One connection; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<TcpStream>);

impl Line {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// The same line, which begins with what was read before.
    pub(super) fn after(self, before: Bytes) -> After {
        After { before, line: self }
    }

    /// Returns when the other end has hung up. What else it sends meanwhile is left where it is, and then it is not
    /// known any more.
    pub(super) async fn closed(&self) {
        if matches!(self.0.peek(&mut [0]).await, Ok(1..)) {
            std::future::pending::<()>().await;
        }
    }
}

/// A [`Line`] that is read and written.
pub(super) struct After {
    before: Bytes,
    line: Line,
}

impl AsyncRead for After {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let most = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before.split_to(most));
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.line.0.poll_read_ready(cx))?;
            match self.line.0.try_read_buf(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl After {
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.line.0.poll_write_ready(cx))?;
            match write(&self.line.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                wrote => return Poll::Ready(wrote),
            }
        }
    }
}

impl AsyncWrite for After {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write(octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write_vectored(octets))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Dropping the last clone closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
