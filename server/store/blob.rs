//! Message bytes and attachments: once by content (SHA-256), the small ones in the database, the larger ones
//! as files of the blob directory or as objects of an object store, which are durable before any row refers to them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sqlx::FromRow;
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;
use uuid::Uuid;

use super::collect::Seen;
use super::db::{Statement, sql};
use super::idempotency::{Answer, Key};
use super::remote::{Location, Remote};
pub use super::spool::Spool;
use super::{Error, Result, Store};
use crate::mail::authentication::Authentication;
use crate::mail::id::hex;
use crate::mail::message::{Content, parse};

/// SHA-256 of a blob: its name.
pub type Digest = [u8; 32];

/// Bytes up to which a blob lives in the database.
pub const INLINE: usize = 64 * 1024;

/// The directory of the larger blobs, and the object store that takes them in its place.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    pub(super) dir: PathBuf,
    pub(super) remote: Option<Remote>,
    collected: Arc<Mutex<Seen>>,
}

impl Blobs {
    /// Opens (and makes) the directory; only its owner may read it.
    pub(crate) fn open(dir: PathBuf, location: Option<Location>) -> Result<Self> {
        let remote = location.map(Remote::open).transpose()?;
        let spool = dir.join("spool");
        fs::create_dir_all(&spool)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { dir, remote, collected: Arc::default() })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where collecting stopped.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object store, if there is one.
    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Removes files and objects; those that are not there are no error.
    pub(crate) async fn remove(&self, places: Vec<String>) -> io::Result<()> {
        for place in &places {
            match tokio::fs::remove_file(self.dir.join(place)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match &self.remote {
            Some(remote) if !places.is_empty() => remote.remove(places).await,
            _ => Ok(()),
        }
    }

    /// The next `limit` files and objects of a directory after a name, in the order of their names, and when each was
    /// written. Fewer are the last ones.
    pub(crate) async fn page(
        &self,
        directory: &str,
        after: &str,
        limit: usize,
    ) -> io::Result<Vec<(String, SystemTime)>> {
        let (dir, after_file) = (self.dir.join(directory), after.to_owned());
        let files = tokio::task::spawn_blocking(move || files(&dir, &after_file, limit));
        let mut page = files.await.map_err(io::Error::other)??;
        if let Some(remote) = &self.remote {
            page.extend(remote.page(directory, after, limit).await?);
            page.sort();
            page.truncate(limit);
        }
        Ok(page)
    }
}

fn files(dir: &Path, after: &str, limit: usize) -> io::Result<Vec<(String, SystemTime)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && name.as_str() > after
        {
            names.insert(name);
            if names.len() > limit {
                names.pop_last();
            }
        }
    }
    // One that went meanwhile is nobody's any more.
    let facts = names.into_iter().filter_map(|name| {
        let changed = fs::metadata(dir.join(&name)).and_then(|facts| facts.modified()).ok()?;
        Some((name, changed))
    });
    Ok(facts.collect())
}

/// Where a file was before each had a name of its own.
pub(crate) fn first_place(digest: &Digest) -> String {
    let hex = hex(digest);
    format!("{}/{}", &hex[..2], &hex[2..])
}

/// Bytes that are safe to refer to: their row still has to be written, in the same unit as what refers to them.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub(super) inline: Option<Vec<u8>>,
    /// Of its file, below the blob directory, or of its object.
    pub(super) place: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) authentication: Option<String>,
}

impl Blob {
    /// Whether the bytes are in a file, so that a message's summary has to be kept with them.
    pub fn is_file(&self) -> bool {
        self.inline.is_none()
    }

    /// The bytes of a small blob.
    pub fn inline(&self) -> Option<&[u8]> {
        self.inline.as_deref()
    }

    /// Keeps what is known of a message in a file, so that reading it parses nothing.
    #[must_use]
    pub fn summarised(mut self, content: &Content) -> Self {
        if self.is_file() {
            self.summary = serde_json::to_string(content).ok();
        }
        self
    }

    /// Keeps what was found out about a message that came from outside.
    #[must_use]
    pub fn authenticated(mut self, authentication: &Authentication) -> Self {
        self.authentication = serde_json::to_string(authentication).ok();
        self
    }

    /// The row; the same bytes twice are one row.
    pub fn insert(&self, now: i64) -> Statement {
        sql("insert into blob (digest, size, content, summary, place, created_at, authentication) \
             values ($1, $2, $3, $4, $5, $6, $7) \
             on conflict (digest) do update set summary = coalesce(blob.summary, excluded.summary) \
             where blob.summary is null and excluded.summary is not null")
        .bind(self.digest)
        .bind(self.size as i64)
        .bind(self.inline.clone())
        .bind(self.summary.clone())
        .bind(self.place.clone())
        .bind(now)
        .bind(self.authentication.clone())
    }
}

/// Where a stored blob's bytes are.
#[derive(Debug, Clone)]
pub enum Stored {
    /// Here.
    Inline(Vec<u8>),
    /// In this file, of this size.
    File(PathBuf, u64),
    /// In the object store.
    Object(Object),
}

/// An object that holds a blob.
#[derive(Debug, Clone)]
pub struct Object {
    remote: Remote,
    place: String,
    size: u64,
}

impl Stored {
    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Stored::Inline(bytes) => bytes.len() as u64,
            Stored::File(_, size) => *size,
            Stored::Object(object) => object.size,
        }
    }

    /// Reads the bytes from `offset` on. Blocking for a file or an object.
    ///
    /// # Errors
    /// The disk's or the object store's.
    pub fn reader(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Stored::Inline(bytes) => {
                let mut cursor = io::Cursor::new(bytes.clone());
                cursor.set_position(offset);
                Box::new(cursor)
            }
            Stored::File(path, _) => {
                let mut file = File::open(path)?;
                io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
                Box::new(io::BufReader::with_capacity(64 * 1024, file))
            }
            Stored::Object(object) => Box::new(object.remote.reader(&object.place, offset, object.size)),
        })
    }
}

#[derive(FromRow)]
struct Row {
    size: i64,
    content: Option<Vec<u8>>,
    summary: Option<String>,
    place: Option<String>,
}

impl Store {
    /// A spool that takes at most `limit` bytes; one more is `FileTooLarge`.
    pub fn spool(&self, limit: u64) -> Spool {
        Spool::new(self.blobs().clone(), limit)
    }

    /// Spools everything `bytes` gives.
    ///
    /// # Errors
    /// [`Error::Io`]: the reader's or the disk's; `FileTooLarge` beyond `limit`.
    pub async fn spool_from(
        &self,
        bytes: impl AsyncRead + Send + Unpin + 'static,
        limit: u64,
    ) -> Result<Blob> {
        let mut spool = self.spool(limit);
        let mut bytes = SyncIoBridge::new(bytes);
        let spooled = tokio::task::spawn_blocking(move || {
            io::copy(&mut bytes, &mut spool)?;
            spool.finish()
        });
        Ok(spooled.await.map_err(|_| Error::Broken)??)
    }

    /// A blob's bytes.
    ///
    /// # Errors
    /// The database's.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Stored>> {
        let row: Option<Row> = self.first(by_digest(digest)).await?;
        Ok(row.map(|row| self.stored(digest, row)))
    }

    /// What is known of a stored message: parsed now when it is small, as it was parsed once when it is not.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the database's.
    pub async fn content(&self, digest: &Digest) -> Result<Content> {
        let row: Row = self.one(by_digest(digest)).await?;
        if let Some(summary) = &row.summary {
            return serde_json::from_str(summary).map_err(|error| Error::Unusable(error.to_string()));
        }
        let stored = self.stored(digest, row);
        let parsed = match stored {
            Stored::Inline(bytes) => parse(&bytes),
            elsewhere => {
                let bytes = tokio::task::spawn_blocking(move || {
                    let mut bytes = Vec::new();
                    elsewhere.reader(0)?.read_to_end(&mut bytes).map(|_| bytes)
                });
                parse(&bytes.await.map_err(|_| Error::Broken)??)
            }
        };
        parsed.map_err(|error| Error::Unusable(error.to_string()))
    }

    /// What was found out about an account's message when it came from outside, none where nothing was checked; and
    /// whether it is filed as a reply that is not known to be its owner's, and whether its thread is muted.
    ///
    /// # Errors
    /// The database's.
    pub async fn evidence(
        &self,
        account: Uuid,
        email: Uuid,
        thread: Uuid,
        digest: &Digest,
    ) -> Result<(Option<Authentication>, bool, bool)> {
        let kept = sql("select authentication, exists (select 1 from unverified_reply \
                        where account_id = $1 and email_id = $2 and confirmed_at is null), exists (select 1 from mute \
                        where account_id = $1 and kind = 'thread' and value = $3) from blob where digest = $4");
        let kept = kept.bind(account).bind(email).bind(thread.to_string()).bind(*digest);
        let row: Option<(Option<String>, bool, bool)> = self.first(kept).await?;
        let (kept, unverified, muted) = row.unwrap_or_default();
        Ok((kept.and_then(|kept| serde_json::from_str(&kept).ok()), unverified, muted))
    }

    fn stored(&self, digest: &Digest, row: Row) -> Stored {
        match row.content {
            Some(bytes) => Stored::Inline(bytes),
            None => {
                let place = row.place.unwrap_or_else(|| first_place(digest));
                let (file, size) = (self.blobs().dir.join(&place), row.size.unsigned_abs());
                match &self.blobs().remote {
                    // What was stored before there was an object store is where it was.
                    Some(remote) if !file.exists() => {
                        Stored::Object(Object { remote: remote.clone(), place, size })
                    }
                    _ => Stored::File(file, size),
                }
            }
        }
    }
}

fn by_digest(digest: &Digest) -> Statement {
    sql("select size, content, summary, place from blob where digest = $1").bind(*digest)
}

/// A file somebody uploaded, to be attached.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct UploadRow {
    pub id: Uuid,
    digest: Vec<u8>,
    pub size: i64,
    pub content_type: String,
}

impl UploadRow {
    /// The name of its bytes.
    ///
    /// # Errors
    /// [`Error::Unusable`]: the row is damaged.
    pub fn digest(&self) -> Result<Digest> {
        let bytes = self.digest.as_slice();
        bytes.try_into().map_err(|_| Error::Unusable(format!("upload {} has a damaged digest", self.id)))
    }
}

impl Store {
    /// Keeps an upload, and the answer to it under the caller's idempotency key.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the key was used.
    pub async fn put_upload(
        &self,
        account: Uuid,
        id: Uuid,
        blob: Blob,
        content_type: String,
        keep: Option<(Key, Answer)>,
        now: i64,
    ) -> Result<()> {
        self.write(async move |tx| {
            let put = sql("insert into upload (account_id, id, digest, size, content_type, created_at) \
                           values ($1, $2, $3, $4, $5, $6)");
            let put = put.bind(account).bind(id).bind(blob.digest).bind(blob.size as i64);
            let put = put.bind(&content_type).bind(now);
            let mut statements = vec![blob.insert(now), put];
            statements.extend(keep.iter().map(|(key, answer)| key.keep(account, answer, now)));
            tx.batch(statements).await.map(drop)
        })
        .await
    }

    /// One upload of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn upload(&self, account: Uuid, id: Uuid) -> Result<Option<UploadRow>> {
        let by = sql("select id, digest, size, content_type from upload where account_id = $1 and id = $2");
        self.first(by.bind(account).bind(id)).await
    }
}
