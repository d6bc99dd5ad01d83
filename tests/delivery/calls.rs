//! Calls to programs outside: those that hang leave room for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use restante::delivery::Settings;
use restante::store::webhook::{NewKey, WebhookRow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::settings;
use crate::support::app::{App, Person};
use crate::support::{until, within};

/// A program that takes connections, and answers them or says nothing; where it is, and how many there were.
async fn hook(answers: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, count) = (format!("http://{}/", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            if answers {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            } else {
                held.push(stream);
            }
        }
    });
    (url, count)
}

async fn webhook(app: &App, of: &Person, url: &str) {
    let row = WebhookRow {
        account_id: of.id,
        id: app.id(),
        url: url.to_owned(),
        types: "message.received".into(),
        headers: "[]".into(),
        cursor: 0,
        told: None,
        failing_since: None,
        disabled_at: None,
        disabled_reason: None,
        created_at: app.now(),
    };
    app.store.create_webhook(row, NewKey { id: app.id(), secret: [1; 32], seed: [2; 32] }).await.unwrap();
}

both!(programs_that_hang_delay_no_other, |engine| async move {
    let patient = Settings { drain: Duration::ZERO, ..settings(None) };
    let app = App::calling_as(engine, patient).await;
    let (ana, bo, cy) = (app.person("Ana").await, app.person("Bo").await, app.person("Cy").await);
    let (silent, hanging) = hook(false).await;
    let (good, called) = hook(true).await;
    for of in [&ana, &bo] {
        for _ in 0..20 {
            webhook(&app, of, &silent).await;
        }
    }
    webhook(&app, &cy, &good).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.worker.clone().run(stop.clone()));
    // Twenty calls for each of forty that hang: many more than there are places for.
    for n in 0..20 {
        app.send(&ana, &[&ana.address, &bo.address, &cy.address], &n.to_string(), "Some words.").await;
    }
    until("the calls", || async { (called.load(Ordering::SeqCst) == 20).then_some(()) }).await;
    // Left to themselves they would take all 256 places at once.
    let held = hanging.load(Ordering::SeqCst);
    assert!((40..=200).contains(&held), "two for each that nothing is known of: {held}");
    stop.cancel();
    within("the worker's end", running).await.unwrap();
});
