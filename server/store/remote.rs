//! The larger blobs as objects of an S3-compatible object store, under the names that they would have as files.
//!
//! Its requests run on a thread of their own, so that code that may block can wait for them wherever it runs. Each has a
//! deadline in all, and what is in memory has a bound: a block for each reader, a part for each of a few uploads.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, MultipartUpload, ObjectStore as _, ObjectStoreExt as _, RetryConfig};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use url::Url;

use super::{Error, Result};

/// Octets of a part of an upload; a blob of at most that many goes in one request.
pub const PART: u64 = 8 << 20;
/// Octets that a reader asks for at a time.
pub const BLOCK: u64 = 512 << 10;
/// Uploads at a time; each holds one part in memory.
const UPLOADS: usize = 8;
/// How long one request may take, its retries included; each part of an upload is one.
const REQUEST: Duration = Duration::from_secs(40);

/// Which object store, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    bucket: String,
    prefix: String,
    options: Vec<(String, String)>,
}

// The options hold the secret key.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Location {
    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`; `options` are pairs as in the environment (`AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …), of which others are passed over.
    ///
    /// # Errors
    /// [`Error::Unusable`]: what the address has to look like.
    pub fn new(url: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let wrong = || Error::Unusable("blobs.url must be s3://BUCKET or s3://BUCKET/PREFIX".into());
        let read: Url = url.parse().map_err(|_| wrong())?;
        let plain = read.username().is_empty() && read.password().is_none() && read.port().is_none();
        let nothing_after = read.query().is_none() && read.fragment().is_none();
        let bucket = read.host_str().filter(|_| read.scheme() == "s3" && plain && nothing_after);
        let prefix = Path::from_url_path(read.path()).map_err(|_| wrong())?;
        let bucket = bucket.filter(|bucket| !bucket.is_empty()).ok_or_else(wrong)?.to_owned();
        let options = options.into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect();
        Ok(Self { bucket, prefix: prefix.as_ref().to_owned(), options })
    }

    /// The address, without what it takes to be let in.
    pub fn shown(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

/// The object store does not answer, or not as it should.
#[derive(Debug, thiserror::Error)]
#[error("the object store of blobs.url: {0}")]
pub(super) struct Unavailable(String);

fn failed(error: &object_store::Error) -> io::Error {
    match error {
        object_store::Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error.to_string()),
        error => io::Error::other(Unavailable(error.to_string())),
    }
}

/// An object store.
#[derive(Clone)]
pub(crate) struct Remote {
    store: Arc<AmazonS3>,
    location: Arc<Location>,
    prefix: Path,
    uploads: Arc<Semaphore>,
    thread: Arc<Thread>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}

/// Where the requests run. A runtime must not be waited for when it is dropped by code that another one runs.
struct Thread(Option<Runtime>);

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Remote {
    /// Gets ready; nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Unusable`]: the options have no sense together.
    pub(crate) fn open(location: Location) -> Result<Self> {
        // Whoever comes first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = ClientOptions::new()
            .with_timeout(Duration::from_secs(30))
            .with_connect_timeout(Duration::from_secs(5))
            .with_http1_only();
        let retry = RetryConfig { max_retries: 3, retry_timeout: REQUEST / 2, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new().with_client_options(client);
        for (name, value) in &location.options {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let store = builder.with_bucket_name(&location.bucket).with_retry(retry).build();
        let store = store.map_err(|error| Error::Unusable(format!("blobs.url: {error}")))?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("blobs").enable_all().build()?;
        Ok(Self {
            store: Arc::new(store),
            prefix: Path::from(location.prefix.as_str()),
            location: Arc::new(location),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            thread: Arc::new(Thread(Some(runtime))),
        })
    }

    /// Its address.
    pub(crate) fn shown(&self) -> String {
        self.location.shown()
    }

    /// Whether it lets us in and has the bucket.
    ///
    /// # Errors
    /// [`Error::Unusable`], which says why not.
    pub(crate) async fn check(&self) -> Result<()> {
        let this = self.clone();
        let asked =
            self.run(REQUEST, async move { this.store.list(Some(&this.prefix)).try_next().await.map(drop) });
        asked.await.map_err(|error| {
            Error::Unusable(format!(
                "{} cannot be used: {error}; its endpoint, region and keys are taken from AWS_ENDPOINT_URL, AWS_REGION, \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                self.shown()
            ))
        })
    }

    fn key(&self, place: &str) -> Path {
        let mut key = self.prefix.clone();
        for part in place.split('/') {
            key = key.join(part);
        }
        key
    }

    /// Runs requests where they do not block their caller.
    async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let Some(runtime) = &self.thread.0 else { return Err(stopped()) };
        runtime.spawn(timed(deadline, work)).await.unwrap_or_else(|_| Err(stopped()))
    }

    /// As [`Remote::run`], for code that may block.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let Some(runtime) = &self.thread.0 else { return Err(stopped()) };
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move {
            let _ = done.send(work.await);
        });
        wait.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Stores a file as an object; it is stored, and durable there, when this returns. Blocking.
    ///
    /// # Errors
    /// The disk's; what the object store says. Of an upload in parts that fails nothing stays.
    pub(super) fn put(&self, place: &str, file: PathBuf, size: u64) -> io::Result<()> {
        let (this, key) = (self.clone(), self.key(place));
        self.wait(async move {
            let _turn = this.uploads.acquire().await.map_err(|_| stopped())?;
            let mut file = tokio::fs::File::open(file).await?;
            if size <= PART {
                let whole = part(&mut file).await?;
                return timed(REQUEST, this.store.put(&key, whole.into())).await.map(drop);
            }
            let mut upload = timed(REQUEST, this.store.put_multipart(&key)).await?;
            let sent = in_parts(&mut file, upload.as_mut()).await;
            if sent.is_err() {
                let aborted = timed(REQUEST, upload.abort()).await;
                if let Err(error) = aborted {
                    tracing::warn!(%error, "an upload in parts could not be taken back");
                }
            }
            sent
        })
    }

    /// Some octets of an object. Blocking.
    fn get(&self, key: Path, range: Range<u64>) -> io::Result<bytes::Bytes> {
        let this = self.clone();
        self.wait(async move { timed(REQUEST, this.store.get_range(&key, range)).await })
    }

    /// Reads an object of `size` octets from `at` on; blocking.
    pub(super) fn reader(&self, place: &str, at: u64, size: u64) -> Reader {
        Reader { remote: self.clone(), key: self.key(place), at, size, block: bytes::Bytes::new() }
    }

    /// Removes objects; those that are not there are no error.
    pub(super) async fn remove(&self, places: Vec<String>) -> io::Result<()> {
        let this = self.clone();
        let deadline = REQUEST * u32::try_from(places.len() / 1000 + 1).unwrap_or(u32::MAX);
        let keys: Vec<_> = places.iter().map(|place| Ok(this.key(place))).collect();
        self.run(deadline, async move {
            let mut gone = this.store.delete_stream(stream::iter(keys).boxed());
            while let Some(done) = gone.next().await {
                match done {
                    Err(object_store::Error::NotFound { .. }) => {}
                    done => drop(done?),
                }
            }
            Ok(())
        })
        .await
    }

    /// The next objects of one directory after a name, in the order of their names, and when each was stored.
    pub(super) async fn page(
        &self,
        directory: &str,
        after: &str,
        limit: usize,
    ) -> io::Result<Vec<(String, SystemTime)>> {
        let (this, prefix) = (self.clone(), self.key(directory));
        let after = prefix.clone().join(after);
        let found: Vec<_> = self
            .run(REQUEST, async move {
                this.store.list_with_offset(Some(&prefix), &after).take(limit).try_collect().await
            })
            .await?;
        let named = found.into_iter().filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some((name, object.last_modified.into()))
        });
        Ok(named.collect())
    }
}

fn stopped() -> io::Error {
    io::Error::other(Unavailable("stopped".into()))
}

async fn timed<T>(deadline: Duration, work: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(deadline, work).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(_) => Err(io::Error::other(Unavailable(format!("no answer within {} s", deadline.as_secs())))),
    }
}

/// The next octets of a file: a whole part, or what is left.
async fn part(file: &mut tokio::fs::File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART).read_to_end(&mut part).await?;
    Ok(part)
}

async fn in_parts(file: &mut tokio::fs::File, upload: &mut dyn MultipartUpload) -> io::Result<()> {
    loop {
        let part = part(file).await?;
        if part.is_empty() {
            return timed(REQUEST, upload.complete()).await.map(drop);
        }
        timed(REQUEST, upload.put_part(part.into())).await?;
    }
}

/// Reads an object block by block, so that a slow reader keeps no connection.
pub(super) struct Reader {
    remote: Remote,
    key: Path,
    at: u64,
    size: u64,
    block: bytes::Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            if self.at >= self.size || buffer.is_empty() {
                return Ok(0);
            }
            let end = self.size.min(self.at + BLOCK);
            self.block = self.remote.get(self.key.clone(), self.at..end)?;
            if self.block.len() as u64 != end - self.at {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an object is shorter than it was"));
            }
            self.at = end;
        }
        let some = self.block.split_to(buffer.len().min(self.block.len()));
        buffer[..some.len()].copy_from_slice(&some);
        Ok(some.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let secret = || {
            [
                ("AWS_ACCESS_KEY_ID".to_owned(), "key".to_owned()),
                ("AWS_SECRET_ACCESS_KEY".to_owned(), "s3cret".to_owned()),
            ]
        };
        for (url, shown) in [
            ("s3://mail", "s3://mail"),
            ("s3://mail/", "s3://mail"),
            ("s3://mail/one/two/", "s3://mail/one/two"),
        ] {
            let location = Location::new(url, secret()).unwrap();
            assert_eq!(location.shown(), shown);
            assert!(!format!("{location:?}").contains("s3cret"));
        }
        for wrong in
            ["s3://", "s3:mail", "http://mail/x", "mail", "s3://u:p@mail", "s3://mail?x", "s3://mail:1/"]
        {
            assert!(Location::new(wrong, []).is_err(), "{wrong}");
        }
        let remote = Remote::open(Location::new("s3://mail/one", secret()).unwrap()).unwrap();
        assert_eq!(remote.key("ab/cd.ef").as_ref(), "one/ab/cd.ef");
    }
}
