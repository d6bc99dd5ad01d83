//! The octets of one message on their way into the spool, by DATA or in chunks, and what is wrong with them.

use std::io::{self, Write as _};

use sha2::{Digest as _, Sha256};

use super::data::{Data, Fault};
use super::reply::Reply;
use crate::store::blob::{INLINE, Spool};

/// A message that is coming in.
pub(super) struct Body {
    limit: u64,
    /// None once nothing of it will be kept: only its end is of interest then.
    spool: Option<Spool>,
    out: Vec<u8>,
    data: Data,
    hash: Sha256,
    /// Octets of the message, and octets that came.
    size: u64,
    came: u64,
}

impl Body {
    /// A message of at most `limit` octets, behind what this hop writes before it.
    pub(super) fn new(spool: Spool, limit: u64, before: &str) -> Self {
        let out = before.as_bytes().to_vec();
        Self { limit, spool: Some(spool), out, data: Data::new(), hash: Sha256::new(), size: 0, came: 0 }
    }

    /// Reads what follows DATA. When the end was among it: how many octets belonged to the message and its end.
    pub(super) fn dotted(&mut self, octets: &[u8]) -> Option<usize> {
        let before = self.out.len();
        let end = self.data.feed(octets, &mut self.out);
        self.came += octets.len() as u64;
        self.count(before);
        end
    }

    /// Reads octets of a chunk.
    pub(super) fn chunk(&mut self, octets: &[u8]) {
        let before = self.out.len();
        self.data.chunk(octets, &mut self.out);
        self.came += octets.len() as u64;
        self.count(before);
    }

    fn count(&mut self, before: usize) {
        self.size += (self.out.len() - before) as u64;
        self.hash.update(&self.out[before..]);
        if self.is_bad() {
            self.spool = None;
        }
    }

    /// Whether nothing of it will be kept.
    pub(super) fn is_bad(&self) -> bool {
        self.size > self.limit || self.data.fault.is_some()
    }

    /// Whether it is so long that even its end is not waited for.
    pub(super) fn is_endless(&self) -> bool {
        self.came > 2 * self.limit + (1 << 20)
    }

    /// Writes what was read to the spool, once it is enough or all of it.
    pub(super) async fn store(&mut self, all: bool) {
        if self.spool.is_none() {
            self.out.clear();
        } else if all || self.out.len() >= INLINE {
            self.spool = write(self.spool.take(), std::mem::take(&mut self.out)).await;
        }
    }

    /// The whole message in the spool, and the SHA-256 of its octets without what this hop wrote; or the reply that
    /// refuses it.
    pub(super) async fn finish(mut self) -> Result<(Spool, [u8; 32]), Reply> {
        let before = self.out.len();
        self.data.end(&mut self.out);
        self.count(before);
        self.store(true).await;
        match (self.data.fault, self.spool) {
            (Some(Fault::Bare), _) => {
                Err(Reply::new(550, (5, 6, 0), "A bare CR, a bare LF or a NUL is in the message"))
            }
            (Some(Fault::LongLine), _) => {
                Err(Reply::new(550, (5, 6, 0), "A line of the message is too long"))
            }
            (None, _) if self.size > self.limit => {
                Err(Reply::new(552, (5, 3, 4), "The message is too large"))
            }
            (None, None) => Err(Reply::new(452, (4, 3, 1), "There is no room for it now")),
            (None, Some(spool)) => Ok((spool, self.hash.finalize().into())),
        }
    }
}

/// Writes to the spool; none when the disk did not take it. What goes to a file is written where it may wait.
async fn write(spool: Option<Spool>, octets: Vec<u8>) -> Option<Spool> {
    let mut spool = spool?;
    let small = spool.size() + octets.len() as u64 <= INLINE as u64;
    let put = move || spool.write_all(&octets).map(|()| spool);
    let written = if small {
        put()
    } else {
        tokio::task::spawn_blocking(put).await.unwrap_or_else(|e| Err(io::Error::other(e)))
    };
    written.inspect_err(|error| tracing::error!(%error, "the spool cannot be written")).ok()
}
