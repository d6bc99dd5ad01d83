//! The spool: bytes on their way in, in memory while they are few and in a file while they are many, hashed as they come.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::blob::{Blob, Blobs, Digest, INLINE, first_place};

/// Takes bytes in, without holding more than [`INLINE`] of them, and names them. Blocking.
pub struct Spool {
    blobs: Blobs,
    head: Vec<u8>,
    file: Option<(File, PathBuf)>,
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl Spool {
    /// An empty one.
    pub(super) fn new(blobs: Blobs, limit: u64) -> Self {
        Self { blobs, head: Vec::new(), file: None, hash: Sha256::new(), size: 0, limit }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// An empty spool with the same limit.
    pub fn another(&self) -> Spool {
        Self::new(self.blobs.clone(), self.limit)
    }

    /// A copy of what was written. Blocking.
    ///
    /// # Errors
    /// The disk's.
    pub fn contents(&self) -> io::Result<Vec<u8>> {
        match &self.file {
            None => Ok(self.head.clone()),
            Some((_, path)) => fs::read(path),
        }
    }

    /// Reads back what was written, and forgets it when the reader is dropped.
    ///
    /// # Errors
    /// The disk's.
    pub fn reread(mut self) -> io::Result<Box<dyn Read + Send>> {
        match &self.file {
            None => Ok(Box::new(io::Cursor::new(std::mem::take(&mut self.head)))),
            Some((_, path)) => {
                let file = File::open(path)?;
                Ok(Box::new(Reread { file: io::BufReader::new(file), _spool: self }))
            }
        }
    }

    /// Names what was written. A larger blob is on the disk, with its directory entry, or in the object store before this
    /// returns. Blocking.
    ///
    /// # Errors
    /// The disk's or the object store's.
    pub fn finish(mut self) -> io::Result<Blob> {
        let digest: Digest = std::mem::take(&mut self.hash).finalize().into();
        let Some((file, spooled)) = self.file.take() else {
            let inline = Some(std::mem::take(&mut self.head));
            return Ok(Blob { digest, size: self.size, inline, place: None, summary: None });
        };
        // A name that no other row has, or ever had: see `collect`.
        let own = format!("{}.{}", first_place(&digest), Uuid::new_v8(spool_name()).simple());
        let settled = match &self.blobs.remote {
            None => file.sync_all().and_then(|()| place(&spooled, &self.blobs.dir.join(&own))),
            Some(remote) => remote.put(&own, spooled.clone(), self.size),
        };
        if settled.is_err() || self.blobs.remote.is_some() {
            let _ = fs::remove_file(&spooled);
        }
        settled.map(|()| Blob { digest, size: self.size, inline: None, place: Some(own), summary: None })
    }
}

/// Reads a spooled file; the file goes with it.
struct Reread {
    file: io::BufReader<File>,
    _spool: Spool,
}

impl Read for Reread {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

fn place(spooled: &Path, path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(path);
    if !dir.exists() {
        fs::create_dir_all(dir)?;
        File::open(dir.parent().unwrap_or(dir))?.sync_all()?;
    }
    fs::rename(spooled, path)?;
    File::open(dir)?.sync_all()
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size + bytes.len() as u64 > self.limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(bytes)?,
            None if self.head.len() + bytes.len() <= INLINE => self.head.extend_from_slice(bytes),
            None => {
                let path = self.blobs.dir.join("spool").join(Uuid::new_v8(spool_name()).to_string());
                let mut file = File::options().write(true).create_new(true).open(&path)?;
                let written = file.write_all(&self.head).and_then(|()| file.write_all(bytes));
                self.file = Some((file, path));
                written?;
                self.head = Vec::new();
            }
        }
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A name nobody else uses; it is never seen outside the spool directory.
fn spool_name() -> [u8; 16] {
    let mut name = [0; 16];
    // Without randomness the name is taken and `create_new` fails, which is safe.
    let _ = getrandom::fill(&mut name);
    name
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some((_, path)) = self.file.take() {
            let _ = fs::remove_file(path);
        }
    }
}
