//! Backups of a SQLite store, made while it runs, and their return; the snapshot that is kept before the schema changes.
//!
//! A backup is a directory: `restante.db`, the blobs, and last of all `backup.json`, without which it is no backup. A
//! store on PostgreSQL is backed up with `pg_dump`, and its blob directory with any tool, in this order: blobs, database,
//! blobs again (what is written while the database is dumped).
//!
//! What is in an object store stays there: the backup names the store and counts the objects, but copies and checks none.
//! It lasts as long as they do, so the bucket has to keep what is deleted (versioning) for as long as backups are kept.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::blob::{Digest, first_place};
use super::remote::Location;
use super::{Engine, Error, Result, Store, schema};
use crate::mail::id::hex;

const DATABASE: &str = "restante.db";
const BLOBS: &str = "blobs";
const MANIFEST: &str = "backup.json";
/// Snapshots that are kept from before migrations.
const SNAPSHOTS: usize = 3;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the program that made it.
    pub version: String,
    /// The number of the last migration in its database.
    pub schema: i64,
    /// When it was made, in milliseconds.
    pub created_at: i64,
    /// SHA-256 of its database, in hexadecimal digits.
    pub database: String,
    /// Messages in it, over all accounts.
    pub messages: i64,
    /// Blobs that are files, all of them in it.
    pub files: usize,
    /// Blobs that are objects, none of them in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Objects>,
}

/// What a backup needs but does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// The object store, as `blobs.url`.
    pub at: String,
    /// How many there are.
    pub count: usize,
}

/// A file that the database names, and what it must be.
struct Named {
    digest: Digest,
    place: String,
    size: i64,
}

impl Store {
    /// Writes a backup into a new directory, while everything goes on.
    ///
    /// # Errors
    /// [`Error::Unusable`]: the store is on PostgreSQL, the directory is not empty, or a blob is missing; the disk's.
    pub async fn backup(&self, to: &Path, now: i64) -> Result<Manifest> {
        let (Engine::Sqlite { .. }, Some(file)) = (&self.0.engine, &self.0.file) else {
            return Err(Error::Unusable(
                "the store is on PostgreSQL: copy the blob directory, run pg_dump --format=custom, then copy the blob \
                 directory again; to restore, put the blobs back and run pg_restore"
                    .into(),
            ));
        };
        if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Unusable(format!("{} is not empty; name a new directory", to.display())));
        }
        super::private_dir(to)?;
        // Blobs before the database and again after it: one that is collected meanwhile was there at first, one that
        // comes meanwhile is there at last.
        let blobs = self.blobs().dir().to_owned();
        let (from, into) = (blobs.clone(), to.join(BLOBS));
        blocking(move || copy_all(&from, &into)).await?;
        let database = to.join(DATABASE);
        let mut connection = open(file, false).await?;
        snapshot(&mut connection, &database).await?;
        connection.close().await?;
        let mut connection = open(&database, true).await?;
        let schema = applied(&mut connection).await?;
        let named = named(&mut connection).await?;
        let (messages,): (i64,) =
            sqlx::query_as("select count(*) from email").fetch_one(&mut connection).await?;
        connection.close().await?;
        let into = to.to_owned();
        let mut objects = self.blobs().remote().map(|remote| Objects { at: remote.shown(), count: 0 });
        blocking(move || {
            let mut files = 0;
            for named in &named {
                let (file, copy) = (blobs.join(&named.place), into.join(BLOBS).join(&named.place));
                match &mut objects {
                    Some(objects) if !copy.exists() && !file.exists() => objects.count += 1,
                    _ if copy.exists() => files += 1,
                    _ => {
                        copy_file(&file, &copy)?;
                        files += 1;
                    }
                }
            }
            let manifest = Manifest {
                version: env!("CARGO_PKG_VERSION").into(),
                schema,
                created_at: now,
                database: hex(&hash(&into.join(DATABASE))?),
                messages,
                files,
                objects,
            };
            let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
            let half = into.join("backup.json.part");
            fs::write(&half, text)?;
            File::open(&half)?.sync_all()?;
            fs::rename(half, into.join(MANIFEST))?;
            File::open(&into)?.sync_all()?;
            Ok(manifest)
        })
        .await
    }
}

/// Checks a backup as a whole: its database, and every blob's bytes.
///
/// # Errors
/// [`Error::Unusable`], which says what is wrong with it.
pub async fn verify(from: &Path) -> Result<Manifest> {
    let unusable = |why: String| Error::Unusable(format!("{} is no whole backup: {why}", from.display()));
    let text = fs::read(from.join(MANIFEST)).map_err(|error| unusable(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| unusable(format!("{MANIFEST}: {error}")))?;
    let newest = schema::sqlite().iter().map(|migration| migration.version).max().unwrap_or_default();
    if manifest.schema > newest {
        return Err(unusable(format!("it was made by a newer version of restante ({})", manifest.version)));
    }
    let database = from.join(DATABASE);
    let hashed = database.clone();
    let found =
        blocking(move || hash(&hashed)).await.map_err(|error| unusable(format!("{DATABASE}: {error}")))?;
    if hex(&found) != manifest.database {
        return Err(unusable(format!("{DATABASE} is not as it was written")));
    }
    let mut connection = open(&database, true).await?;
    let (sound,): (String,) = sqlx::query_as("pragma integrity_check(1)").fetch_one(&mut connection).await?;
    let named = named(&mut connection).await?;
    connection.close().await?;
    if sound != "ok" {
        return Err(unusable(sound));
    }
    let blobs = from.join(BLOBS);
    let mut elsewhere = manifest.objects.as_ref().map_or(0, |objects| objects.count);
    let bad = blocking(move || {
        let mut whole = |named: &Named| match hash(&blobs.join(&named.place)) {
            Ok(found) => found == named.digest,
            // As many as were objects may be missing; the others were files.
            Err(_) if elsewhere > 0 => {
                elsewhere -= 1;
                true
            }
            Err(_) => false,
        };
        Ok(named.into_iter().find(|named| !whole(named)).map(|named| (named.place, named.size)))
    });
    match bad.await? {
        Some((place, size)) => {
            Err(unusable(format!("the blob {place} of {size} bytes is missing or damaged")))
        }
        None => Ok(manifest),
    }
}

/// Puts a backup in the place of a store that is not there, after checking it as a whole; `blobs` is the object store of
/// the settings, in which the objects are expected. What is restored sends nothing until [`Store::resume`].
///
/// # Errors
/// [`Error::Unusable`]: the backup is damaged, there is a store already, or its objects are elsewhere; the disk's.
pub async fn restore(from: &Path, data_dir: &Path, blobs: Option<&Location>, now: i64) -> Result<Manifest> {
    let database = data_dir.join(DATABASE);
    if database.exists() {
        return Err(Error::Unusable(format!(
            "{} is there already: move it away, or restore into another data_dir",
            database.display()
        )));
    }
    let manifest = verify(from).await?;
    if let Some(Objects { at, count }) = manifest.objects.as_ref().filter(|objects| objects.count > 0)
        && blobs.is_none_or(|blobs| blobs.shown() != *at)
    {
        return Err(Error::Unusable(format!(
            "{count} blobs of this backup are in {at}: set blobs.url to it"
        )));
    }
    super::private_dir(data_dir)?;
    let (from, into) = (from.to_owned(), data_dir.to_owned());
    let half = into.join("restante.db.part");
    let part = half.clone();
    blocking(move || {
        copy_all(&from.join(BLOBS), &into.join(BLOBS))?;
        let _ = fs::remove_file(&part);
        copy_file(&from.join(DATABASE), &part)
    })
    .await?;
    // Paused before there is a store that could send.
    let mut connection = open(&half, false).await?;
    schema::migrate_sqlite(&mut connection, &schema::sqlite()).await?;
    sqlx::query(
        "insert into pause (one, since, reason) values (true, $1, 'restored') on conflict (one) do nothing",
    )
    .bind(now)
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    let into = data_dir.to_owned();
    blocking(move || {
        // The database last, and whole: until then there is no store.
        File::open(&half)?.sync_all()?;
        fs::rename(half, &database)?;
        File::open(&into)?.sync_all()
    })
    .await?;
    Ok(manifest)
}

/// Keeps a copy of a database whose schema is about to change: `backups/before-NUMBER.db` beside it. Nothing happens to
/// one that is new or up to date.
pub(super) async fn before_migration(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<Option<PathBuf>> {
    let there = "select count(*) from sqlite_schema where name = '_sqlx_migrations'";
    let (there,): (i64,) = sqlx::query_as(there).fetch_one(&mut *connection).await?;
    if there == 0 {
        return Ok(None);
    }
    let done: Vec<(i64,)> = sqlx::query_as("select version from _sqlx_migrations where success")
        .fetch_all(&mut *connection)
        .await?;
    let done: HashSet<i64> = done.into_iter().map(|(number,)| number).collect();
    let next =
        schema::sqlite().iter().map(|migration| migration.version).find(|number| !done.contains(number));
    let Some(next) = next.filter(|_| !done.is_empty()) else { return Ok(None) };
    let dir = file.with_file_name("backups");
    super::private_dir(&dir)?;
    let (copy, half) = (dir.join(format!("before-{next:04}.db")), dir.join("half.db"));
    let _ = fs::remove_file(&half);
    snapshot(connection, &half).await?;
    fs::rename(&half, &copy)?;
    let mut kept: Vec<PathBuf> = fs::read_dir(&dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    kept.retain(|path| path.extension().is_some_and(|ending| ending == "db"));
    kept.sort();
    for old in kept.iter().rev().skip(SNAPSHOTS) {
        fs::remove_file(old)?;
    }
    File::open(&dir)?.sync_all()?;
    tracing::info!(copy = %copy.display(), "the database was copied before its schema changes");
    Ok(Some(copy))
}

async fn open(file: &Path, read_only: bool) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).read_only(read_only);
    Ok(options.busy_timeout(std::time::Duration::from_secs(10)).disable_statement_logging().connect().await?)
}

/// Copies the whole database as it is at this moment, readers and writers going on.
async fn snapshot(connection: &mut SqliteConnection, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| Error::Unusable(format!("{} is not UTF-8", to.display())))?;
    super::private_file(to)?;
    sqlx::query("vacuum into $1").bind(name).execute(connection).await?;
    File::open(to)?.sync_all()?;
    Ok(())
}

async fn applied(connection: &mut SqliteConnection) -> Result<i64> {
    let last = "select coalesce(max(version), 0) from _sqlx_migrations";
    let (last,): (i64,) = sqlx::query_as(last).fetch_one(connection).await?;
    Ok(last)
}

/// The blobs that are files.
async fn named(connection: &mut SqliteConnection) -> Result<Vec<Named>> {
    let rows: Vec<(Vec<u8>, Option<String>, i64)> =
        sqlx::query_as("select digest, place, size from blob where content is null")
            .fetch_all(connection)
            .await?;
    let damaged = || Error::Unusable("a blob has a damaged digest".into());
    rows.into_iter()
        .map(|(digest, place, size)| {
            let digest: Digest = digest.try_into().map_err(|_| damaged())?;
            let place = place.unwrap_or_else(|| first_place(&digest));
            // A name is ours; one that leads elsewhere is not.
            let plain =
                place.bytes().all(|b| b.is_ascii_hexdigit() || b"/.".contains(&b)) && !place.contains("..");
            if plain { Ok(Named { digest, place, size }) } else { Err(damaged()) }
        })
        .collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| Error::Broken)??)
}

/// Copies the files of a blob directory, but not what is still being spooled.
fn copy_all(from: &Path, into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    for dir in fs::read_dir(from)? {
        let dir = dir?;
        if !dir.file_type()?.is_dir() || dir.file_name() == "spool" {
            continue;
        }
        for file in fs::read_dir(dir.path())? {
            let file = file?;
            match copy_file(&file.path(), &into.join(dir.file_name()).join(file.file_name())) {
                // Collected meanwhile; if it is needed after all, the database will say so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => copied?,
            }
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut copy = File::create(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_permissions(source.metadata()?.permissions())?;
    copy.sync_all()
}

fn hash(file: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut buffer) = (File::open(file)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}
