//! Collecting: bytes that nothing refers to any more are deleted, the row first, the file or object after it.
//!
//! Why nothing that is referred to is ever lost: a blob's row is written in the unit that refers to it, and takes the
//! row's lock even if it is there already; a collector locks the row, and only then looks for references, so that
//! it sees those of everybody who had the lock before it, and whoever comes later writes the row anew. Each row has a
//! file with a name of its own, so that the file of a deleted row is never the file of a new one.

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use super::blob::{Digest, first_place};
use super::db::sql;
use super::{Result, Store};

/// How long an upload can be referred to, in milliseconds.
pub const UPLOADS: i64 = 24 * 60 * 60 * 1000;
/// How long a blob is left alone after it was written, in milliseconds.
const GRACE: i64 = 60 * 60 * 1000;
/// How long a file may be without a row, in milliseconds: longer than any request takes.
const ORPHANS: i64 = 24 * 60 * 60 * 1000;
/// Digests of one statement.
const AT_ONCE: usize = 500;

/// The condition that nothing refers to the blob `b`. A submission and a notice need their bytes until they have
/// ended well.
macro_rules! unreferenced {
    () => {
        "not exists (select 1 from email e where e.digest = b.digest) \
         and not exists (select 1 from submission s where s.digest = b.digest and (s.unsettled > 0 or s.failed > 0)) \
         and not exists (select 1 from upload u where u.digest = b.digest) \
         and not exists (select 1 from delivery d where d.digest = b.digest \
                         and (d.settled_at is null or d.outcome = 'failed'))"
    };
}

impl Store {
    /// Forgets uploads that are too old, looks at the next `limit` blobs and at the files of one directory, and
    /// deletes what nothing refers to; how many blobs and files went. Everything comes round in turn.
    ///
    /// # Errors
    /// The database's or the disk's.
    pub async fn collect_some(&self, limit: i64, now: i64) -> Result<usize> {
        let forget = sql("delete from upload where (account_id, id) in (select account_id, id from upload \
                          where created_at < $1 order by created_at limit $2)");
        let forget = forget.bind(now - UPLOADS).bind(limit);
        self.write(async move |tx| tx.run(forget.clone()).await).await?;
        let blobs = self.collect_blobs(limit, now).await?;
        Ok(blobs + self.collect_orphans(limit, now).await?)
    }

    async fn collect_blobs(&self, limit: i64, now: i64) -> Result<usize> {
        let next = sql("select digest from blob where digest > $1 order by digest limit $2");
        let next = next.bind(self.blobs().seen().digest.clone()).bind(limit);
        let digests: Vec<(Vec<u8>,)> = self.all(next).await?;
        let all = (digests.len() as i64) < limit;
        self.blobs().seen().digest =
            digests.last().filter(|_| !all).map(|(digest,)| digest.clone()).unwrap_or_default();
        let mut collected = 0;
        let digests: Vec<Vec<u8>> = digests.into_iter().map(|(digest,)| digest).collect();
        for some in digests.chunks(AT_ONCE) {
            let loose =
                sql(concat!("select b.digest from blob b where ", unreferenced!(), " and b.created_at < "))
                    .push_bind(now - GRACE)
                    .push(" and b.digest in ")
                    .push_list(some);
            let loose: Vec<(Vec<u8>,)> = self.all(loose).await?;
            let loose: Vec<Vec<u8>> = loose.into_iter().map(|(digest,)| digest).collect();
            if !loose.is_empty() {
                collected += self.collect(loose, now).await?;
            }
        }
        Ok(collected)
    }

    async fn collect(&self, digests: Vec<Vec<u8>>, now: i64) -> Result<usize> {
        let unit = digests.clone();
        let gone: Vec<(Vec<u8>, bool, Option<String>)> = self
            .write(async move |tx| {
                // Waits for those who are writing a reference now; what comes next sees what they wrote.
                let lock = sql("update blob set created_at = created_at where digest in ").push_list(&unit);
                let held: Vec<(Vec<u8>,)> = tx.all(lock.push(" returning digest")).await?;
                let held: Vec<Vec<u8>> = held.into_iter().map(|(digest,)| digest).collect();
                let delete =
                    sql(concat!("delete from blob as b where ", unreferenced!(), " and b.created_at < "))
                        .push_bind(now - GRACE)
                        .push(" and b.digest in ")
                        .push_list(&held)
                        .push(" returning digest, content is null, place");
                tx.all(delete).await
            })
            .await?;
        let count = gone.len();
        let places = gone
            .into_iter()
            .filter(|(_, file, _)| *file)
            .filter_map(|(digest, _, place)| place.or_else(|| Some(first_place(&digest.try_into().ok()?))));
        self.blobs().remove(places.collect()).await?;
        Ok(count)
    }

    /// Removes old files that no row names, of the next `limit` of one directory: of requests that were cut off, of bytes
    /// that came twice, of a spool whose process died.
    async fn collect_orphans(&self, limit: i64, now: i64) -> Result<usize> {
        let (directory, after) = self.blobs().seen().here();
        let before = UNIX_EPOCH + Duration::from_millis((now - ORPHANS).max(0).unsigned_abs());
        let limit = usize::try_from(limit).unwrap_or(0);
        let page = self.blobs().page(&directory, &after, limit).await?;
        self.blobs().seen().go_on(page.last().filter(|_| page.len() == limit).map(|(name, _)| name.clone()));
        let old: Vec<String> = page
            .into_iter()
            .filter(|(_, written)| *written < before)
            .map(|(name, _)| format!("{directory}/{name}"))
            .collect();
        let mut orphans = Vec::new();
        for some in old.chunks(AT_ONCE) {
            let digests: Vec<Digest> = some.iter().filter_map(|place| digest_of(place)).collect();
            let known = sql("select digest, place from blob where digest in ").push_list(&digests);
            let known: Vec<(Vec<u8>, Option<String>)> = self.all(known).await?;
            let named: HashSet<String> = known
                .into_iter()
                .filter_map(|(digest, place)| place.or_else(|| Some(first_place(&digest.try_into().ok()?))))
                .collect();
            orphans.extend(some.iter().filter(|place| !named.contains(*place)).cloned());
        }
        let count = orphans.len();
        self.blobs().remove(orphans).await?;
        Ok(count)
    }
}

/// The digest in a file's name.
fn digest_of(place: &str) -> Option<Digest> {
    let hex: String = place.split('.').next()?.replace('/', "");
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(digest)
}

/// Where the last passes stopped.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    digest: Vec<u8>,
    /// Of the 256 of the blobs; the one after them is the spool's.
    directory: usize,
    name: String,
}

impl Seen {
    /// The directory whose turn it is, and the name after which to go on.
    fn here(&self) -> (String, String) {
        let directory = if self.directory < 256 { format!("{:02x}", self.directory) } else { "spool".into() };
        (directory, self.name.clone())
    }

    /// Goes on after this name, or with the next directory.
    fn go_on(&mut self, after: Option<String>) {
        if after.is_none() {
            self.directory = (self.directory + 1) % 257;
        }
        self.name = after.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_files_name_is_its_digest() {
        let digest: Digest = std::array::from_fn(|n| n as u8 * 8);
        let place = super::super::blob::first_place(&digest);
        assert_eq!(digest_of(&place), Some(digest));
        assert_eq!(digest_of(&format!("{place}.{}", Uuid::nil().simple())), Some(digest));
        assert_eq!(digest_of("xy/z"), None);
    }
}
