//! Bytes: stored once by content, the large ones as files that are there before any row names them.

use std::io::{ErrorKind, Read as _, Write as _};

use restante::store::Error;
use restante::store::blob::INLINE;
use restante::store::db::sql;
use sha2::{Digest as _, Sha256};

use super::{blob, digest};
use crate::support::app::App;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

fn spooled(app: &App) -> usize {
    std::fs::read_dir(app.database.settings().data_dir.join("blobs/spool")).unwrap().count()
}

both!(bytes_come_back_from_any_offset, |engine| async move {
    let app = App::start(engine).await;
    for length in [0, 1, INLINE, INLINE + 1, 3_000_000] {
        let bytes = bytes(length);
        let stored = blob(&app.store, &bytes);
        assert_eq!(stored.digest, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!((stored.size, stored.is_file()), (length as u64, length > INLINE));
        for _ in 0..2 {
            let (insert, now) = (stored.clone(), app.now());
            app.store.write(async move |tx| tx.run(insert.insert(now)).await).await.unwrap();
        }
        let found = app.store.blob(&stored.digest).await.unwrap().unwrap();
        assert_eq!(found.size(), length as u64);
        for offset in [0, length / 2, length] {
            let mut read = Vec::new();
            found.reader(offset as u64).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes[offset..], "{length} bytes from {offset}");
        }
    }
    let (rows,): (i64,) = app.store.one(sql("select count(*) from blob")).await.unwrap();
    assert_eq!(rows, 5);
    assert!(app.store.blob(&digest("nothing")).await.unwrap().is_none());
    assert_eq!(spooled(&app), 0);
});

both!(too_much_is_refused_and_nothing_stays, |engine| async move {
    let app = App::start(engine).await;
    let mut spool = app.store.spool(INLINE as u64 * 2);
    spool.write_all(&bytes(INLINE * 2)).unwrap();
    assert_eq!(spooled(&app), 1);
    assert_eq!(spool.write_all(b"x").unwrap_err().kind(), ErrorKind::FileTooLarge);
    drop(spool);
    assert_eq!(spooled(&app), 0);
    let reader = std::io::Cursor::new(bytes(INLINE * 2));
    let result = app.store.spool_from(reader.clone(), INLINE as u64).await;
    assert!(matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::FileTooLarge));
    let taken = app.store.spool_from(reader, INLINE as u64 * 2).await.unwrap();
    assert_eq!(taken.digest, blob(&app.store, &bytes(INLINE * 2)).digest);
    assert_eq!(spooled(&app), 0);
});

both!(a_message_is_known_without_its_bytes, |engine| async move {
    let app = App::start(engine).await;
    for padding in [10, 200_000] {
        let text = format!("Hello.\n{}", "All work and no play. \n".repeat(padding / 20));
        let raw = crate::support::mail::letter("ana@x.test", "bo@x.test", "Grüße", &[], &text);
        let content = restante::mail::message::parse(&raw).unwrap();
        let stored = blob(&app.store, &raw).summarised(&content);
        let (digest, now) = (stored.digest, app.now());
        app.store.write(async move |tx| tx.run(stored.insert(now)).await).await.unwrap();
        assert_eq!(app.store.content(&digest).await.unwrap(), content);
    }
    assert!(matches!(app.store.content(&digest("nothing")).await, Err(Error::NotFound)));
});
