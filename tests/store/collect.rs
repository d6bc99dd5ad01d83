//! Bytes go when nothing refers to them, and never before.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use restante::store::Store;
use restante::store::blob::{Digest, INLINE};
use restante::store::db::sql;
use restante::store::delivery::{Finish, Outcome};
use uuid::Uuid;

use super::search::file;
use super::{blob, claim, message};
use crate::support::Engine;
use crate::support::app::App;
use crate::support::mail::letter;
use crate::support::s3::S3;

const HOUR: i64 = 3_600_000;

/// A message too large for the database.
fn large(subject: &str) -> Vec<u8> {
    letter("a@b.test", "bo@example.org", subject, &[], &"All work and no play.\n".repeat(INLINE / 16))
}

/// An app, and where its larger blobs are.
struct Kept {
    app: App,
    dir: PathBuf,
    _s3: Option<S3>,
}

/// One whose larger blobs are files, and one whose are objects.
async fn kinds(engine: Engine) -> [Kept; 2] {
    let app = App::start(engine).await;
    let dir = app.database.settings().data_dir.join("blobs");
    let files = Kept { app, dir, _s3: None };
    let s3 = S3::start().await;
    let app = App::with_objects(engine, &s3).await;
    [files, Kept { app, dir: s3.dir(), _s3: Some(s3) }]
}

impl Kept {
    fn files(&self) -> Vec<PathBuf> {
        let Ok(dirs) = std::fs::read_dir(&self.dir) else { return vec![] };
        let dirs = dirs.map(|dir| dir.unwrap().path());
        dirs.flat_map(|dir| std::fs::read_dir(dir).unwrap()).map(|file| file.unwrap().path()).collect()
    }

    /// As if the files had been written at a time of the app's clock.
    fn written(&self, at: i64) {
        let at = UNIX_EPOCH + Duration::from_millis(at.unsigned_abs());
        for file in self.files() {
            std::fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
        }
    }
}

async fn blobs(app: &App) -> i64 {
    app.store.one::<(i64,)>(sql("select count(*) from blob")).await.unwrap().0
}

/// Looks at everything once.
async fn collect(app: &App, now: i64) -> usize {
    let mut collected = 0;
    // More than there are directories: one with more than a few files has several turns.
    for _ in 0..300 {
        collected += app.store.collect_some(3, now).await.unwrap();
    }
    collected
}

/// The whole bytes of a blob.
async fn read(store: &Store, digest: &Digest) -> Vec<u8> {
    let stored = store.blob(digest).await.unwrap().expect("what is referred to is there");
    let mut bytes = Vec::new();
    stored.reader(0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

both!(bytes_go_when_nothing_refers_to_them, |engine| async move {
    for kept in kinds(engine).await {
        let app = &kept.app;
        let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
        let mut ids = Vec::new();
        for raw in [large("one"), large("two"), letter("a@b.test", "bo@example.org", "small", &[], "x")] {
            ids.push(file(app, &bo, &raw).await);
        }
        // The same bytes twice: one row, and a file too many until it is of age.
        ids.push(file(app, &bo, &large("one")).await);
        assert_eq!((blobs(app).await, kept.files().len()), (3, 3));
        let upload = blob(&app.store, &large("upload"));
        app.store.put_upload(bo.id, app.id(), upload, "text/plain".into(), None, app.now()).await.unwrap();
        let sent = message(app, &ana, &[&bo], "on its way", false);
        sent.accept(app).await;
        app.store.destroy_email(ana.id, sent.email(), app.now()).await.unwrap();
        app.store.destroy_email(bo.id, ids[0], app.now()).await.unwrap();
        kept.written(app.now());
        assert_eq!(collect(app, app.now() + 2 * HOUR).await, 0, "all of it is referred to");
        app.store.destroy_email(bo.id, ids[3], app.now()).await.unwrap();
        app.store.destroy_email(bo.id, ids[2], app.now()).await.unwrap();
        assert_eq!(collect(app, app.now()).await, 0, "what is new is left alone");
        assert_eq!(collect(app, app.now() + 2 * HOUR).await, 2, "one message, and the small one");
        assert_eq!((blobs(app).await, kept.files().len()), (3, 3));
        // After a day the upload is too old, and the second file of the first message goes; the message that nobody
        // holds is still to be delivered.
        assert_eq!(collect(app, app.now() + 25 * HOUR).await, 2);
        assert_eq!(kept.files().len(), 1);
        let digest = sent.acceptance.blob.digest;
        assert_eq!(read(&app.store, &digest).await.len() as u64, sent.acceptance.blob.size);
        for leased in claim(app, 10).await {
            let filed = sent.filed(app, &bo);
            let id = filed.email.id;
            let finish = Finish {
                outcome: Outcome::Delivered,
                attempt: None,
                filed: Some(filed),
                person: None,
                leased,
            };
            app.store.finish_mail(finish, app.now()).await.unwrap();
            app.store.destroy_email(bo.id, id, app.now()).await.unwrap();
        }
        assert_eq!(collect(app, app.now() + 25 * HOUR).await, 1);
        assert!(app.store.blob(&digest).await.unwrap().is_none());
        assert_eq!(blobs(app).await, 1, "the one that is held");
    }
});

both!(files_without_a_row_go_when_they_are_old, |engine| async move {
    for kept in kinds(engine).await {
        let app = &kept.app;
        let bo = app.person("Bo").await;
        let id = file(app, &bo, &large("kept")).await;
        let files = kept.files();
        drop(blob(&app.store, &large("kept")));
        drop(blob(&app.store, &large("cut off")));
        std::fs::write(files[0].with_file_name("not ours"), "x").unwrap();
        kept.written(app.now() - 23 * HOUR);
        assert_eq!(collect(app, app.now()).await, 0);
        assert_eq!(collect(app, app.now() + 2 * HOUR).await, 3);
        assert_eq!(kept.files(), files);
        let digest = app.store.email(bo.id, id).await.unwrap().unwrap().digest().unwrap();
        assert_eq!(read(&app.store, &digest).await, large("kept"));
    }
});

both!(what_is_referred_to_while_it_is_collected_stays, |engine| async move {
    for kept in kinds(engine).await {
        let app = &kept.app;
        let mut people = Vec::new();
        for name in ["Ana", "Bo", "Cy", "Di"] {
            people.push(app.person(name).await);
        }
        let over = AtomicBool::new(false);
        let raw = large("the same for all");
        let digest = blob(&app.store, &raw).digest;
        let collected = AtomicUsize::new(0);
        // Each refers to the same bytes again and again, and lets go of them. One after the other stops, and the last
        // goes on until it has been seen that they were gone in between.
        let writers = people.iter().enumerate().map(|(n, person)| {
            let (raw, collected) = (&raw, &collected);
            async move {
                let last = n == 3;
                for round in 0..500 {
                    if round >= 12 + 2 * n && (!last || collected.load(Ordering::SeqCst) > 0) {
                        return;
                    }
                    let id: Uuid = file(app, person, raw).await;
                    for _ in 0..3 {
                        assert!(read(&app.store, &digest).await == *raw, "the bytes of a message are there");
                    }
                    app.store.destroy_email(person.id, id, app.now()).await.unwrap();
                }
            }
        });
        let collectors = (0..2).map(|_| async {
            while !over.load(Ordering::SeqCst) {
                // Its time is after the grace, so that every row may go as soon as nothing refers to it.
                let some = app.store.collect_some(10, app.now() + 2 * HOUR).await.unwrap();
                collected.fetch_add(some, Ordering::SeqCst);
            }
        });
        let writing = async {
            futures_util::future::join_all(writers).await;
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(futures_util::future::join_all(collectors), writing);
        assert!(collected.load(Ordering::SeqCst) > 0, "there was no race");
        collect(app, app.now() + 2 * HOUR).await;
        assert_eq!(blobs(app).await, 0);
    }
});
