//! Searching: the same results on both databases, before an email is indexed, while it is, and afterwards.

use futures_util::future::join_all;
use restante::mail::message::parse;
use restante::mail::query::Query;
use restante::mail::words::Document;
use restante::store::db::sql;
use restante::store::email::{Change, EmailRow, Filter, Head, NewEmail};
use restante::store::mailbox::{Role, role_id};
use std::sync::Arc;
use uuid::Uuid;

use super::{blob, digest};
use crate::support::app::{App, Person};
use crate::support::mail::letter;

/// Files a message in somebody's inbox, as coming from outside.
pub(super) async fn file(app: &App, to: &Person, raw: &[u8]) -> Uuid {
    let content = parse(raw).unwrap();
    let blob = blob(&app.store, raw).summarised(&content);
    let (id, now) = (app.id(), app.now());
    let email = NewEmail {
        account_id: to.id,
        id,
        head: Arc::new(Head::of(&content, blob.digest, &id.to_string())),
        thread_id: None,
        mailbox_id: role_id(to.id, Role::Inbox),
        source_id: digest(&id.to_string()).to_vec(),
        outgoing: false,
        received_at: now,
        seen: false,
        submission_id: None,
        promise: None,
        metadata: None,
    };
    app.store
        .write(async move |tx| {
            tx.batch([blob.insert(now)]).await?;
            tx.tell(vec![(email.event(), vec![email.insert()])], now).await
        })
        .await
        .unwrap();
    id
}

fn query(text: &str) -> Filter {
    Filter { query: Some(text.parse().unwrap()), ..Filter::default() }
}

async fn find(app: &App, person: &Person, text: &str) -> Vec<EmailRow> {
    app.store.emails(person.id, &query(text), None, 200).await.unwrap()
}

async fn subjects(app: &App, person: &Person, text: &str) -> String {
    let rows = find(app, person, text).await;
    let subjects: Vec<_> = rows.into_iter().map(|row| row.subject).collect();
    subjects.join(" | ")
}

async fn rows_of(app: &App, table: &'static str) -> i64 {
    let count = sql("select count(*) from ").push(table);
    app.store.one::<(i64,)>(count).await.unwrap().0
}

/// Mail as people get it: subject, from, to, more header fields, text.
const CORPUS: &[(&str, &str, &str, &str)] = &[
    ("Besprechung über Straßen", "Jürgen Groß <juergen@strasse.test>", "bo@example.org", "Grüße aus Köln."),
    ("Déjà vu", "Renée <renee@cafe.test>", "bo@example.org", "Un café crème, s'il vous plaît."),
    (
        "Status report 7",
        "ci@build.test",
        "bo@example.org, ops@example.org",
        "Build 4821 failed: see http://ci.build.test/4821?a=b",
    ),
    (
        "Re: Status report 7",
        "Ana Lima <ana@example.org>",
        "bo@example.org",
        "The report status is fine. > Build 4821 failed",
    ),
    ("東京への旅行", "田中 <tanaka@tabi.test>", "bo@example.org", "来週、東京都に行きます。"),
    ("Счёт", "Пётр <petr@pochta.test>", "bo@example.org", "Ёлки и счета."),
    (
        "Invoice_2026-07",
        "billing@shop.test",
        "Bo Berg <bo@example.org>",
        "Total: 1,299.00 EUR. Invoices are due.",
    ),
    (
        "AND OR NOT NEAR",
        "a@b.test",
        "bo@example.org",
        "select * from mail where x = 'y'; \"quoted\" & (bracket) | pipe ! :*",
    ),
    ("Offer", "spam@offers.test", "bo@example.org", "Invoice nothing, café free, status unknown"),
];

/// What is looked for, and the numbers of the messages that are found, newest first.
const QUESTIONS: &[(&str, &[usize])] = &[
    ("strassen", &[0]),
    ("STRASSE", &[0]),
    ("from:groß", &[0]),
    ("uber koln", &[0]),
    ("cafe", &[8, 1]),
    ("CAFÉ", &[8, 1]),
    ("from:cafe", &[1]),
    ("\"s'il vous\"", &[1]),
    ("s'il", &[1]),
    ("\"status report\"", &[3, 2]),
    ("status report", &[3, 2]),
    ("status", &[8, 3, 2]),
    ("subject:status", &[3, 2]),
    ("\"report status\"", &[3]),
    ("status -from:ana -free", &[2]),
    ("stat* rep*", &[3, 2]),
    ("\"status rep\"*", &[3, 2]),
    ("\"status rep\"", &[]),
    ("4821", &[3, 2]),
    ("http://ci.build.test/4821", &[2]),
    ("to:ops", &[2]),
    ("to:ops@example.org", &[2]),
    ("from:ops", &[]),
    ("from:ana@example.org", &[3]),
    ("東京", &[4]),
    ("京東", &[]),
    ("東*", &[4]),
    ("from:田中", &[4]),
    ("счет", &[5]),
    ("счет*", &[5]),
    ("СЧЁТ", &[5]),
    ("елки", &[5]),
    ("from:петр", &[5]),
    ("invoice", &[8, 6]),
    ("invoice*", &[8, 6]),
    ("invoices", &[6]),
    ("subject:invoice 2026", &[6]),
    ("1,299.00", &[6]),
    ("to:\"bo berg\"", &[6]),
    ("to:\"berg bo\"", &[]),
    ("AND OR NOT", &[7]),
    ("near", &[7]),
    ("select from mail where", &[7]),
    ("bracket pipe", &[7]),
    ("-bo", &[]),
    ("-to:bo", &[]),
    ("-e*", &[]),
    ("-invoice -status -example.nowhere -cafe is:unread", &[7, 5, 4, 0]),
    ("nothing-like-it", &[]),
    ("in:inbox -in:trash cafe", &[8, 1]),
    ("in:trash cafe", &[]),
    ("is:read status", &[]),
    ("is:starred status", &[]),
    ("-is:starred status -label:x -has:attachment", &[8, 3, 2]),
    ("label:x cafe", &[]),
];

both!(what_is_found_is_found_before_and_after_it_is_indexed, |engine| async move {
    let app = App::start(engine).await;
    let (bo, cy) = (app.person("Bo").await, app.person("Cy").await);
    let mut ids = Vec::new();
    for (subject, from, to, text) in CORPUS {
        ids.push(file(&app, &bo, &letter(from, to, subject, &[], text)).await);
        app.seconds(1);
    }
    file(&app, &cy, &letter("x@y.test", "cy@example.org", "status café 東京", &[], "")).await;
    for indexed in [0, 5, 100] {
        app.store.index_some(indexed, app.now()).await.unwrap();
        app.seconds(7);
        for (text, expected) in QUESTIONS {
            let found: Vec<_> = find(&app, &bo, text).await.into_iter().map(|row| row.id).collect();
            let expected: Vec<_> = expected.iter().map(|n| ids[*n]).collect();
            assert_eq!(found, expected, "{text}, {indexed} indexed");
        }
    }
    assert_eq!(rows_of(&app, "search_tail").await, 0);
    assert_eq!(rows_of(&app, "search").await, 10);
    assert_eq!(app.store.index_some(10, app.now()).await.unwrap(), 0);
    // The other filters, and what changes, count as well.
    let change = Change {
        flagged: Some(true),
        seen: Some(true),
        mailbox: Some(role_id(bo.id, Role::Archive)),
        add_keywords: vec!["x".into()],
        ..Change::default()
    };
    app.store.change_emails(bo.id, vec![ids[1]], change, None, app.now()).await.unwrap();
    for text in [
        "is:starred cafe",
        "is:read cafe",
        "in:archive cafe",
        "in:Archive cafe",
        "label:X cafe",
        "-is:unread cafe",
    ] {
        assert_eq!(subjects(&app, &bo, text).await, "Déjà vu", "{text}");
    }
    assert_eq!(subjects(&app, &bo, "is:starred").await, "Déjà vu", "a query without words");
    assert_eq!(subjects(&app, &bo, "cafe -in:archive").await, "Offer");
    let at = restante::mail::clock::at(1_795_428_000_000 + 2_000).to_rfc3339();
    assert_eq!(subjects(&app, &bo, &format!("cafe before:{at}")).await, "Déjà vu");
    assert_eq!(subjects(&app, &bo, &format!("cafe after:{at}")).await, "Offer");
    let narrowed = Filter { seen: Some(false), ..query("cafe") };
    assert_eq!(app.store.emails(bo.id, &narrowed, None, 9).await.unwrap().len(), 1);
});

both!(pages_of_what_is_found_show_each_once, |engine| async move {
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    for n in 0..160 {
        // Bursts of one millisecond, longer than a page and than a first look at the index.
        app.seconds(i64::from(n <= 20));
        let subject = format!("{} {n}", if n % 4 == 0 { "tock" } else { "tick" });
        file(&app, &bo, &letter("a@b.test", "bo@example.org", &subject, &[], "clock")).await;
        if n == 140 {
            while app.store.index_some(50, app.now()).await.unwrap() > 0 {}
        }
    }
    for (text, count) in [("clock", 160), ("tick", 120), ("clock -tick", 40), ("tock 8", 1)] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = app.store.emails(bo.id, &query(text), after, 13).await.unwrap();
            after = page.last().map(|row| (row.received_at, row.id));
            seen.extend(page.iter().map(|row| (row.received_at, row.id)));
            if page.len() < 13 {
                break;
            }
        }
        assert_eq!(seen.len(), count, "{text}");
        assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first, none twice: {text}");
    }
});

both!(a_thread_is_found_by_its_newest_match, |engine| async move {
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    let mut newest = Vec::new();
    for n in 0..12 {
        let first = format!("<first-{n}@x.test>");
        for (m, text) in ["apple pear", "apple plum", "plum"].into_iter().enumerate() {
            app.seconds(1);
            let own = format!("<{n}-{m}@x.test>");
            let fields = if m == 0 {
                [("Message-ID", first.as_str()), ("X-A", "b")]
            } else {
                [("Message-ID", own.as_str()), ("References", first.as_str())]
            };
            let id = file(&app, &bo, &letter("a@b.test", "bo@example.org", "Fruit", &fields, text)).await;
            if m == 1 {
                newest.insert(0, id);
            }
        }
        if n == 5 {
            app.store.index_some(1000, app.now()).await.unwrap();
        }
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = app.store.threads(bo.id, &query("apple"), after, 5).await.unwrap();
        after = page.last().map(|row| (row.received_at, row.id));
        found.extend(page.iter().map(|row| row.id));
        if page.len() < 5 {
            break;
        }
    }
    assert_eq!(found, newest);
    assert_eq!(app.store.threads(bo.id, &query("pear"), None, 50).await.unwrap().len(), 12);
    // Without words the newest that passes counts just the same.
    let from = Filter { from: Some("a@b".into()), ..query("-is:read") };
    assert_eq!(app.store.threads(bo.id, &from, None, 50).await.unwrap().len(), 12);
    let before = Filter { before: Some(app.now()), ..Filter::default() };
    let threads = app.store.threads(bo.id, &before, None, 50).await.unwrap();
    assert_eq!(threads.len(), 12, "the newest before a time, not only threads without a later one");
});

both!(what_is_destroyed_leaves_the_index, |engine| async move {
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(file(&app, &bo, &letter("a@b.test", "bo@example.org", &format!("n{n}"), &[], "word")).await);
    }
    app.store.index_some(20, app.now()).await.unwrap();
    // Several index while half of it is destroyed.
    let indexing = join_all((0..4).map(|n| app.store.index_some(60, app.now() + n)));
    let destroying = join_all(ids[..30].iter().map(|id| app.store.destroy_email(bo.id, *id, app.now())));
    let (indexed, destroyed) = tokio::join!(indexing, destroying);
    assert!(indexed.iter().all(Result::is_ok) && destroyed.iter().all(Result::is_ok), "{indexed:?}");
    while app.store.index_some(60, app.now()).await.unwrap() > 0 {}
    assert_eq!((rows_of(&app, "search").await, rows_of(&app, "search_tail").await), (30, 0));
    assert_eq!(find(&app, &bo, "word").await.len(), 30);
    assert_eq!(find(&app, &bo, "n7").await.len(), 0);
    for id in &ids[30..] {
        app.store.destroy_email(bo.id, *id, app.now()).await.unwrap();
    }
    assert_eq!(rows_of(&app, "search").await, 0);
    assert!(find(&app, &bo, "word").await.is_empty());
});

both!(a_message_that_cannot_be_read_is_found_by_its_head, |engine| async move {
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    file(&app, &bo, &letter("Ana <a@b.test>", "bo@example.org", "Broken", &[], "lost words")).await;
    app.store.write(async move |tx| tx.run(sql("delete from blob")).await).await.unwrap();
    for _ in 0..2 {
        assert_eq!(find(&app, &bo, "broken from:ana to:bo").await.len(), 1);
        app.store.index_some(10, app.now()).await.unwrap();
    }
    assert_eq!(rows_of(&app, "search_tail").await, 0);
});

both!(random_questions_find_what_reading_everything_finds, |engine| async move {
    const WORDS: &[&str] = &["a", "ab", "abc", "b", "bé", "c", "東", "東京", "x1", "ß"];
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    let mut state = 7_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut documents = Vec::new();
    for n in 0..60 {
        let mut text = |most: usize| {
            let count = next(most + 1);
            (0..count).map(|_| WORDS[next(WORDS.len())]).collect::<Vec<_>>().join(" ")
        };
        let (subject, body) = (text(4), text(if n % 20 == 0 { 3000 } else { 8 }));
        let raw = letter("a@b.test", "bo@example.org", &subject, &[], &body);
        documents.push((file(&app, &bo, &raw).await, parse(&raw).unwrap()));
    }
    while app.store.index_some(40, app.now()).await.unwrap() > 0 {}
    for _ in 0..300 {
        let mut terms = Vec::new();
        for _ in 0..=next(3) {
            let words: Vec<_> = (0..=next(3)).map(|_| WORDS[next(WORDS.len())]).collect();
            terms.push(format!(
                "{}{}\"{}\"{}",
                ["", "", "-"][next(3)],
                ["", "", "subject:"][next(3)],
                words.join(" "),
                ["", "", "*"][next(3)]
            ));
        }
        let text = terms.join(" ");
        let asked: Query = text.parse().unwrap();
        let mut expected: Vec<Uuid> = documents
            .iter()
            .filter(|(_, content)| {
                let body = content.text.clone().unwrap_or_default();
                asked.words_match(&Document::new([
                    &[&content.subject],
                    &["a@b.test"],
                    &["bo@example.org"],
                    &[&body],
                ]))
            })
            .map(|(id, _)| *id)
            .collect();
        let mut found: Vec<Uuid> = find(&app, &bo, &text).await.into_iter().map(|row| row.id).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{text}");
    }
});

both!(the_longest_messages_can_be_indexed, |engine| async move {
    let app = App::start(engine).await;
    let bo = app.person("Bo").await;
    let distinct: String = (0..14_000).map(|n| format!("{}{n:05} ", "é".repeat(60))).collect();
    let same = format!("first second {}", "tick tock ".repeat(7_000));
    for text in [&distinct, &same] {
        file(&app, &bo, &letter("a@b.test", "bo@example.org", "Long", &[], text)).await;
        app.seconds(1);
    }
    for _ in 0..2 {
        assert_eq!(find(&app, &bo, "\"first second tick tock tick\"").await.len(), 1);
        assert_eq!(find(&app, &bo, "long").await.len(), 2);
        assert_eq!(find(&app, &bo, &"e".repeat(60)).await.len(), 0);
        assert_eq!(find(&app, &bo, &format!("{}*", "e".repeat(60))).await.len(), 1);
        app.store.index_some(10, app.now()).await.unwrap();
    }
    assert_eq!(rows_of(&app, "search_tail").await, 0);
    // The largest query there may be is an ordinary one.
    let most = "\"z y\"* -\"c d\" ".repeat(32);
    assert!(find(&app, &bo, &most).await.is_empty());
});
