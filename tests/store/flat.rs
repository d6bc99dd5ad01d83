//! Lists and reads take as long with many messages as with few.

use std::time::{Duration, Instant};

use restante::store::Store;
use restante::store::claim::Claim;
use restante::store::db::{split, sql};
use restante::store::delivery::{Lane, NewDelivery};
use restante::store::email::Filter;
use restante::store::mailbox::{Role, role_id};
use uuid::Uuid;

use crate::support::app::{App, Person};
use crate::support::database::Engine;
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

type Measured = Vec<(&'static str, Duration)>;

/// Nothing takes more than so many times what it took. A machine that was busy just then is asked again: what scans
/// is slow each time.
async fn flat(engine: Engine, small: &Measured, times: u32, large: impl AsyncFn() -> Measured) {
    for left in (0..5).rev() {
        let large = large().await;
        for ((what, few), (_, many)) in small.iter().zip(&large) {
            println!("{engine:?} {what}: {few:?} -> {many:?}");
        }
        let mut pairs = small.iter().zip(&large);
        let grown = pairs.find(|((_, few), (_, many))| *many > *few * times + Duration::from_millis(1));
        let Some(((what, few), (_, many))) = grown else { return };
        assert!(left > 0, "{engine:?} {what}: {few:?} -> {many:?}");
    }
}

async fn measure(app: &App, person: &Person, count: i64) -> Measured {
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
    // A scan would take thirty times as long.
    flat(engine, &small, 5, async || measure(&app, &person, many).await).await;
});

/// Opens a delivery at each of so many destinations: due now at the first hundred, later at the others.
async fn fill_queue(app: &App, person: &Person, from: usize, to: usize) {
    let now = app.now();
    for part in (from..to).collect::<Vec<_>>().chunks(1000) {
        let rows: Vec<_> = part
            .iter()
            .map(|n| NewDelivery {
                account_id: person.id,
                id: app.id(),
                kind: "notice",
                lane: Lane::Outside,
                destination: format!("d{n}.test"),
                recipient: format!("r@d{n}.test"),
                submission_id: None,
                email_id: None,
                subject_id: None,
                digest: None,
                due_at: if *n < 100 { now } else { now + 3_600_000 },
                created_at: now,
            })
            .collect();
        app.store.write(async move |tx| tx.batch(NewDelivery::insert(&rows)).await.map(drop)).await.unwrap();
    }
    app.store.write(async |tx| tx.run(sql("analyze")).await).await.unwrap();
}

/// What the worker asks again and again: what fell due, a claim, and when the next is due.
async fn measure_queue(app: &App) -> Measured {
    let now = app.now();
    let places: Vec<_> = (0..8).map(|n| (format!("d{n}.test"), 1)).collect();
    let claim = async || {
        let (lease, lane) = (app.id(), Lane::Outside);
        let claim = Claim { now, lease, until: now, lane, limit: 8, per_destination: 1, busy: &[] };
        assert_eq!(app.store.claim_from(&claim, &places).await.unwrap().len(), 8);
    };
    vec![
        ("what fell due", best(|| app.store.ready(Lane::Outside, now, Some(now - 5000), 1000)).await),
        ("a claim", best(claim).await),
        ("the next", best(|| app.store.due_after(Lane::Outside, now)).await),
    ]
}

both!(a_claim_costs_the_same_with_many_destinations, |engine| async move {
    let app = App::start(engine).await;
    let person = app.person("Ana").await;
    fill_queue(&app, &person, 0, 200).await;
    let small = measure_queue(&app).await;
    fill_queue(&app, &person, 200, if long() { 20_000 } else { 6_000 }).await;
    flat(engine, &small, 4, async || measure_queue(&app).await).await;
    let all = app.store.ready(Lane::Outside, app.now(), None, 10_000).await.unwrap();
    assert_eq!(all.len(), 100, "the walk finds what is due, nothing else");
});
