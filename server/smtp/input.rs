//! Octets in and out: command lines in bounded memory, and replies that go out together when nothing more is waiting.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::stream::Stream;

/// The longest command line with parameters, with its line end.
const MAX_LINE: usize = 2048;
/// How much of an endless command line is read before hanging up.
const MAX_SKIPPED: usize = 64 << 10;
/// Octets read at once.
const CHUNK: usize = 16 << 10;

/// What came where a command is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A command line, without its CRLF.
    Command(Vec<u8>),
    /// A line longer than any command; it was skipped.
    TooLong,
    /// A line so long that its end was not waited for.
    Endless,
    /// A line that ends in LF without CR: its sender sees lines where we do not.
    BareLf,
    /// The client is gone.
    End,
}

/// A connection and what has been read from it.
pub(super) struct Input<S> {
    stream: Stream<S>,
    read: Vec<u8>,
    write: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Input<S> {
    pub(super) fn new(stream: Stream<S>) -> Self {
        Self { stream, read: Vec::new(), write: Vec::new() }
    }

    /// Whether nobody else reads along.
    pub(super) fn is_private(&self) -> bool {
        self.stream.is_private()
    }

    /// Sends what waits, and goes on behind TLS. What came in clear before the handshake is thrown away: somebody else may
    /// have put it there (CVE-2011-0411).
    pub(super) async fn secure(&mut self, acceptor: TlsAcceptor) -> io::Result<()> {
        self.flush().await?;
        self.read.clear();
        self.stream.secure(acceptor).await
    }

    /// What has been read and not yet used.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.read
    }

    /// Marks that many octets as used.
    pub(super) fn used(&mut self, octets: usize) {
        self.read.drain(..octets);
    }

    /// Where replies are written; they go out with the next read.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.write
    }

    /// Sends the replies that wait.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.write.is_empty() {
            self.stream.write_all(&self.write).await?;
            self.write.clear();
        }
        self.stream.flush().await
    }

    /// Sends what waits and reads more: how many octets came, 0 at the end.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.flush().await?;
        self.read.reserve(CHUNK);
        self.stream.read_buf(&mut self.read).await
    }

    /// Reads one command line.
    pub(super) async fn line(&mut self) -> io::Result<Line> {
        let mut scanned = 0;
        let mut skipped = 0;
        loop {
            if let Some(found) = self.read[scanned..].iter().position(|&b| b == b'\n') {
                let end = scanned + found + 1;
                let line: Vec<u8> = self.read.drain(..end).collect();
                let Some(command) = line.strip_suffix(b"\r\n") else { return Ok(Line::BareLf) };
                return Ok(if skipped > 0 || line.len() > MAX_LINE {
                    Line::TooLong
                } else {
                    Line::Command(command.to_vec())
                });
            }
            scanned = self.read.len();
            if scanned > MAX_LINE {
                // The last octet may be the CR of the line's end.
                skipped += scanned - 1;
                self.read.drain(..scanned - 1);
                scanned = 1;
                if skipped > MAX_SKIPPED {
                    return Ok(Line::Endless);
                }
            }
            if self.fill().await? == 0 {
                return Ok(Line::End);
            }
        }
    }

    /// Says what is left to say, and hangs up. What the client is still sending is read away for a moment, because
    /// closing on unread octets would take the last reply from it.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await?;
        let mut rest = 0;
        while rest < 4 << 20 {
            self.read.clear();
            match self.fill().await? {
                0 => break,
                n => rest += n,
            }
        }
        Ok(())
    }
}
