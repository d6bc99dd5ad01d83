//! Larger blobs as objects: streamed both ways, answered for only when they are stored, and clear when they cannot be.

use std::io::{Read as _, Write as _};
use std::process::Output;
use std::sync::Arc;

use restante::mail::message::parse;
use restante::store::blob::INLINE;
use restante::store::remote::{BLOCK, Location, PART};
use restante::store::{Error, Settings, Store, backup};
use serde_json::json;

use super::search::file;
use super::{blob, digest};
use crate::support::app::App;
use crate::support::mail::letter;
use crate::support::process::Process;
use crate::support::s3::{Act, S3};
use crate::support::{Engine, within};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

/// Octets of an upload in three parts.
const LONG: usize = 2 * PART as usize + 4321;

fn spooled(app: &App) -> usize {
    std::fs::read_dir(app.database.settings().data_dir.join("blobs/spool")).unwrap().count()
}

fn counted(s3: &S3, text: &str) -> usize {
    s3.seen().iter().filter(|request| request.contains(text)).count()
}

both!(bytes_come_back_from_any_offset, |engine| async move {
    let s3 = S3::start().await;
    let app = App::with_objects(engine, &s3).await;
    app.store.check_blobs().await.unwrap();
    for length in [INLINE, INLINE + 1, BLOCK as usize * 2, LONG] {
        let bytes = bytes(length);
        let (insert, now) = (blob(&app.store, &bytes), app.now());
        let digest = insert.digest;
        app.store.write(async move |tx| tx.run(insert.insert(now)).await).await.unwrap();
        let found = app.store.blob(&digest).await.unwrap().unwrap();
        assert_eq!(found.size(), length as u64);
        for offset in [0, length / 2, length] {
            let mut read = Vec::new();
            found.reader(offset as u64).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes[offset..], "{length} bytes from {offset}");
        }
    }
    assert_eq!(spooled(&app), 0, "what was spooled is gone");
    // The longest went in parts, the others whole.
    assert_eq!((counted(&s3, "partNumber="), counted(&s3, "?uploads")), (3, 1));
    assert_eq!((counted(&s3, "PUT /mail/blobs/"), s3.parts()), (5, 0));
    let local = app.database.settings().data_dir.join("blobs");
    assert_eq!(std::fs::read_dir(local).unwrap().count(), 1, "the spool alone");
    assert!(app.store.blob(&digest("nothing")).await.unwrap().is_none());
});

both!(an_upload_that_fails_leaves_nothing, |engine| async move {
    let s3 = S3::start().await;
    let app = App::with_objects(engine, &s3).await;
    for (text, length) in [("PUT ", INLINE + 1), ("partNumber=2", LONG), ("POST /mail/blobs/", LONG)] {
        s3.fault(text, 1, Act::Refuse(403));
        let mut spool = app.store.spool(1 << 30);
        spool.write_all(&bytes(length)).unwrap();
        let failed = tokio::task::spawn_blocking(|| spool.finish()).await.unwrap();
        // For a caller it is as if the store were busy: nothing was kept, ask again.
        let Err(failed) = failed else { panic!("{text} went well: {:#?}", s3.seen()) };
        assert!(matches!(Error::from(failed), Error::Busy), "{text}");
        assert_eq!((spooled(&app), s3.parts()), (0, 0), "{text}");
        assert!(!s3.dir().exists() || walk(&s3.dir()) == 0, "{text}");
    }
    assert_eq!(counted(&s3, "DELETE "), 1, "the one that had begun was taken back");
    // What goes by is tried again at once.
    s3.fault("PUT ", 2, Act::Refuse(503));
    blob(&app.store, &bytes(INLINE + 1));
    assert_eq!(walk(&s3.dir()), 1);
});

fn walk(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir).unwrap().map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap().count()).sum()
}

both!(nothing_is_accepted_before_the_object_is_stored, |engine| async move {
    let s3 = S3::start().await;
    let app = Arc::new(App::with_objects(engine, &s3).await);
    let bo = app.person("Bo").await;
    let raw = letter("a@b.test", "bo@example.org", "large", &[], &"Words.\n".repeat(INLINE / 4));
    s3.fault("PUT ", 1, Act::Hold);
    let (theirs, to, message) = (app.clone(), bo.clone(), raw.clone());
    let filing = tokio::spawn(async move {
        let app = theirs;
        let spooled = tokio::task::spawn_blocking({
            let (store, message) = (app.store.clone(), message.clone());
            move || blob(&store, &message)
        });
        let blob = spooled.await.unwrap();
        assert_eq!(parse(&message).unwrap().subject, "large");
        let now = app.now();
        let digest = blob.digest;
        app.store.put_upload(to.id, app.id(), blob, "message/rfc822".into(), None, now).await.unwrap();
        digest
    });
    s3.asked("PUT ").await;
    assert!(!filing.is_finished());
    assert!(app.database.look("select content_type from upload").is_empty());
    s3.go_on();
    let digest = within("the upload", filing).await.unwrap();
    let stored = app.store.blob(&digest).await.unwrap().unwrap();
    let mut read = Vec::new();
    stored.reader(0).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == raw);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_is_said() {
    let s3 = S3::start().await;
    let database = crate::support::Database::new(Engine::Sqlite).await;
    let opened = async |location: Location| {
        let store = Store::open(&Settings { blobs: Some(location), ..database.settings() }).await.unwrap();
        let checked = store.check_blobs().await;
        store.close().await;
        checked
    };
    opened(s3.location()).await.unwrap();
    let mut environment = s3.environment();
    let Err(Error::Unusable(why)) = opened(Location::new("s3://nowhere", environment.clone()).unwrap()).await
    else {
        panic!("there is no such bucket")
    };
    assert!(why.contains("s3://nowhere cannot be used") && why.contains("NoSuchBucket"), "{why}");
    environment.last_mut().unwrap().1 = "another secret".into();
    let Err(Error::Unusable(why)) = opened(Location::new("s3://mail", environment).unwrap()).await else {
        panic!("the signature is wrong")
    };
    assert!(why.contains("AWS_SECRET_ACCESS_KEY") && !why.contains("another secret"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_names_the_objects_that_it_does_not_hold() {
    let s3 = S3::start().await;
    let app = App::with_objects(Engine::Sqlite, &s3).await;
    let bo = app.person("Bo").await;
    let raw = letter("a@b.test", "bo@example.org", "large", &[], &"Words.\n".repeat(INLINE / 4));
    let id = file(&app, &bo, &raw).await;
    let to = app.database.dir().join("backup");
    let made = app.store.backup(&to, app.now()).await.unwrap();
    let objects = made.objects.clone().unwrap();
    assert_eq!((made.files, objects.at.as_str(), objects.count), (0, "s3://mail/blobs", 1));
    assert_eq!(backup::verify(&to).await.unwrap(), made);
    let data_dir = app.database.dir().join("restored");
    let Err(Error::Unusable(why)) = backup::restore(&to, &data_dir, None, app.now()).await else {
        panic!("it would be without its objects")
    };
    assert!(why.contains("set blobs.url"), "{why}");
    let location = s3.location();
    backup::restore(&to, &data_dir, Some(&location), app.now()).await.unwrap();
    let restored = Store::open(&Settings { url: None, data_dir, blobs: Some(location) }).await.unwrap();
    let digest = restored.email(bo.id, id).await.unwrap().unwrap().digest().unwrap();
    let stored = restored.blob(&digest).await.unwrap().unwrap();
    let mut read = Vec::new();
    stored.reader(0).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == raw);
    restored.close().await;
}

// What was stored as files is read after the settings name an object store.
both!(files_from_before_are_read, |engine| async move {
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    let raw = letter("a@b.test", "bo@example.org", "large", &[], &"Words.\n".repeat(INLINE / 4));
    let id = file(&app, &bo, &raw).await;
    let s3 = S3::start().await;
    let settings = Settings { blobs: Some(s3.location()), ..app.database.settings() };
    let store = Store::open(&settings).await.unwrap();
    let digest = store.email(bo.id, id).await.unwrap().unwrap().digest().unwrap();
    let mut read = Vec::new();
    store.blob(&digest).await.unwrap().unwrap().reader(0).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == raw);
    store.close().await;
});

both!(the_binary_keeps_large_messages_as_objects, |engine| async move {
    let s3 = S3::start().await;
    let mut server = Process::new(engine, &[("RESTANTE_BLOBS__URL", "s3://mail/blobs")]).await;
    for (name, value) in s3.environment() {
        server.set(&name, &value);
    }
    server.start();
    server.run_with(&["account", "create", "ana@localhost", "--password-stdin"], "three old bicycles");
    let token = server.run(&["token", "create", "ana@localhost", "--name", "test"]);
    let ana = server.client().token(&token);
    let text = "All work and no play.\n".repeat(INLINE / 8);
    let message = json!({ "to": ["ana@localhost"], "subject": "Large", "text": text });
    // While the object store refuses, so do we, and nothing is kept.
    s3.fault("PUT ", 1, Act::Refuse(403));
    let refused = ana.post("/v1/messages", message.clone()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{refused:?}");
    ana.post("/v1/messages", message).await.expect(202);
    assert!(walk(&s3.dir()) >= 1);
    server.kill();
    server.start();
    let list = ana.get("/v1/messages?mailbox=inbox&wait=30").await;
    let id = list.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let raw = ana.get(&format!("/v1/messages/{id}/raw")).await;
    assert_eq!(raw.status, 200);
    assert!(raw.bytes.windows(21).any(|w| w == b"All work and no play."));
    assert!(raw.bytes.len() > text.len());
    assert_eq!(server.stop(), Some(0));
    // It does not start on what it cannot use.
    server.set("AWS_SECRET_ACCESS_KEY", "wrong");
    let Output { status, stderr, .. } = server.command(&["serve"]).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && said.contains("s3://mail/blobs cannot be used"), "{said}");
});
