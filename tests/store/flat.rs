//! Lists and reads take as long with many messages as with few.

use std::time::{Duration, Instant};

use restante::store::Store;
use restante::store::db::{split, sql};
use restante::store::email::Filter;
use restante::store::mailbox::{Role, role_id};
use uuid::Uuid;

use crate::support::app::{App, Person};
use crate::support::long;

/// Fills an inbox by one statement, thirty messages to a thread.
async fn fill(store: &Store, person: &Person, from: i64, to: i64) {
    let (account, inbox) = (person.id, role_id(person.id, Role::Inbox));
    let columns = "insert into email (account_id, id, thread_id, mailbox_id, source_id, outgoing, digest, size, message_id, \
                   subject, from_name, from_address, recipients, preview, sent_at, received_at, has_attachment, seen, \
                   flagged, modseq) ";
    let sqlite = format!(
        "{columns} with recursive n (i) as (select $1 union all select i + 1 from n where i < $2) \
         select $3, randomblob(16), unhex(printf('%032x', i / 30)), $4, randomblob(32), false, randomblob(32), 1000, i || '@x', \
         'Subject ' || i, 'Somebody', 'somebody@x.test', '{{\"to\":[],\"cc\":[]}}', 'Hello', i, i, false, i % 5 > 0, \
         i % 50 = 0, i from n"
    );
    let postgres = format!(
        "{columns} select $3, gen_random_uuid(), lpad(to_hex(i / 30), 32, '0')::uuid, $4, sha256(i::text::bytea), false, \
         sha256(i::text::bytea), 1000, i || '@x', 'Subject ' || i, 'Somebody', 'somebody@x.test', \
         '{{\"to\":[],\"cc\":[]}}', 'Hello', i, i, false, i % 5 > 0, i % 50 = 0, i from generate_series($1, $2) i"
    );
    // A test's text lives as long as the test.
    let fill = split(sqlite.leak(), postgres.leak()).bind(from).bind(to).bind(account).bind(inbox);
    store.write(async move |tx| tx.run(fill.clone()).await).await.unwrap();
    store.write(async |tx| tx.run(sql("analyze")).await).await.unwrap();
}

/// The best of many tries: what it takes when nothing else runs.
async fn best<F: Future>(mut act: impl FnMut() -> F) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..40 {
        let start = Instant::now();
        act().await;
        best = best.min(start.elapsed());
    }
    best
}

async fn measure(app: &App, person: &Person, count: i64) -> Vec<(&'static str, Duration)> {
    let (store, id) = (&app.store, person.id);
    let inbox = Filter { mailbox: Some(role_id(id, Role::Inbox)), ..Filter::default() };
    let unread = Filter { seen: Some(false), ..inbox.clone() };
    let flagged = Filter { flagged: Some(true), ..Filter::default() };
    let middle = Some((count / 2, Uuid::nil()));
    let page = async |filter: &Filter, after| {
        assert!(!store.emails(id, filter, after, 15).await.unwrap().is_empty());
    };
    let threads = async |after| assert!(!store.threads(id, &inbox, after, 10).await.unwrap().is_empty());
    let newest = store.emails(id, &inbox, None, 1).await.unwrap().remove(0);
    vec![
        ("first page", best(|| page(&inbox, None)).await),
        ("middle page", best(|| page(&inbox, middle)).await),
        ("unread", best(|| page(&unread, middle)).await),
        ("flagged", best(|| page(&flagged, None)).await),
        ("one message", best(|| store.email(id, newest.id)).await),
        ("by Message-ID", best(|| store.email_by_message_id(id, "7@x")).await),
        ("threads", best(|| threads(None)).await),
        ("a page of threads", best(|| threads(middle)).await),
        ("a thread", best(|| store.thread(id, newest.thread_id, 500)).await),
    ]
}

both!(many_messages_cost_what_few_do, |engine| async move {
    let app = App::start(engine).await;
    let person = app.person("Ana").await;
    let many = if long() { 100_000 } else { 30_000 };
    fill(&app.store, &person, 1, 1000).await;
    let small = measure(&app, &person, 1000).await;
    fill(&app.store, &person, 1001, many).await;
    let large = measure(&app, &person, many).await;
    for ((what, few), (_, many)) in small.iter().zip(&large) {
        println!("{engine:?} {what}: {few:?} -> {many:?}");
    }
    for ((what, few), (_, many)) in small.iter().zip(&large) {
        // A scan would take thirty times as long.
        assert!(*many < *few * 5 + Duration::from_millis(1), "{engine:?} {what}: {few:?} -> {many:?}");
    }
});
