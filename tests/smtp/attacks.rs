//! Attacks on the door, numbered as in the list the project withstands: A smuggling and injection, B relaying,
//! backscatter, enumeration and loops.

use std::time::{Duration, Instant};

use restante::store::db::sql;
use restante::store::delivery::Lane;

use super::Office;
use crate::support::Engine;
use crate::support::mail::{Smtp, letter};

/// Ends of data that some server somewhere takes for one (A1 to A12).
const FALSE_ENDS: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r\n.\r",
    "\n.\r",
    "\r.\r\n",
    "\r\r\n.\r\r\n",
    "\r\n.\r\r\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\n\n.\n\n",
];

both!(nothing_is_smuggled_behind_a_false_end, |engine| async move {
    let office = Office::open(engine).await;
    for end in FALSE_ENDS {
        let mut smtp = office.in_data().await;
        let smuggled = "MAIL FROM:<forged@example.org>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nSubject: forged\r\n\r\nforged";
        smtp.bytes(format!("Subject: bait\r\n\r\nbait{end}{smuggled}\r\n.\r\n").as_bytes()).await;
        let reply = smtp.reply().await;
        assert!(reply.starts_with("550 5.6.0"), "{end:?}: {reply}");
        // Had more been understood, its replies would come before this one.
        let next = smtp.command("VRFY x").await;
        assert!(next.starts_with("252"), "{end:?}: {next}");
    }
    assert_eq!(office.mail_of(office.ana.id).await.len(), 0);
});

#[tokio::test(flavor = "multi_thread")]
async fn dots_are_transparent() {
    // A13 (the end in pieces) is with the groups of commands; this is A14.
    let office = Office::open(Engine::Sqlite).await;
    let mut smtp = office.in_data().await;
    smtp.bytes(b"Subject: x\r\n\r\n..\r\n...a\r\n.\r\n").await;
    assert!(smtp.reply().await.starts_with("250"));
    let raw = office.raw(&office.mail_of(office.ana.id).await[0]).await;
    assert!(raw.ends_with(b"\r\n\r\n.\r\n..a\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_commands_are_refused() {
    let office = Office::open(Engine::Sqlite).await;
    // A15 to A24, each in a session of its own; an LF ends the session.
    for (line, expected) in [
        ("MAIL FROM:<a\rb@x.test>", "500 5.5.2"),
        ("MAIL FROM:<a@x.test>\rRCPT TO:<ana@example.org>", "500 5.5.2"),
        ("MAIL FROM:<a\nb@x.test>", "521 5.5.2"),
        ("MAIL FROM:<a@x.test>\nRCPT TO:<ana@example.org>", "521 5.5.2"),
        ("MAIL FROM:<a\0b@x.test>", "500 5.5.2"),
        ("MAIL FROM:<ä@x.test>", "550 5.6.7"),
        ("MAIL FROM:<a@x.test><b@x.test>", "501 5.5.4"),
        ("MAIL FROM:<a@x.test,b@x.test>", "501 5.1.7"),
        ("MAIL FROM:<a@x.test> SIZE=-1", "501 5.5.4"),
        ("MAIL FROM:<a@x.test> SIZE=18446744073709551616", "552 5.3.4"),
        ("MAIL FROM:<a@x.test> SIZE=1 SIZE=1", "501 5.5.4"),
        ("BDAT x LAST", "501 5.5.4"),
        ("XCLIENT ADDR=127.0.0.1 NAME=x", "500 5.5.1"),
        ("XFORWARD ADDR=127.0.0.1", "500 5.5.1"),
        ("POST / HTTP/1.1", "521 5.7.0"),
    ] {
        let mut smtp = office.session().await;
        let reply = smtp.command(line).await;
        assert!(reply.starts_with(expected), "{line:?}: {reply}");
        if reply.starts_with("52") || line.starts_with("BDAT") {
            assert_eq!(smtp.reply().await, "", "{line:?} did not end the session");
        } else {
            // The transaction was not opened by any part of the line.
            assert!(smtp.command("RCPT TO:<ana@example.org>").await.starts_with("503"), "{line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_endless_command_lines_are_cut() {
    let office = Office::open(Engine::Sqlite).await;
    for length in [511, 3000, 20_000, 60_000] {
        let mut smtp = office.session().await;
        let reply = smtp.command(&"x".repeat(length)).await;
        assert!(reply.starts_with("500 5.5.2"), "{length}: {reply}");
        assert!(smtp.command("NOOP").await.starts_with("250"), "{length}");
    }
    for length in [70_000, 5_000_000] {
        let mut smtp = office.session().await;
        let line = "x".repeat(length);
        // The reply may come before the line is out; then the door stops reading.
        let sending = smtp.bytes(line.as_bytes());
        tokio::time::timeout(Duration::from_secs(20), sending).await.unwrap();
        assert!(smtp.reply().await.starts_with("500 5.5.2"), "{length}");
        assert_eq!(smtp.reply().await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_before_the_354_is_not_taken() {
    let office = Office::open(Engine::Sqlite).await;
    let mut smtp = office.session().await;
    smtp.bytes(b"MAIL FROM:<bo@x.test>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        .await;
    for expected in ["250", "250", "554 5.5.0"] {
        assert!(smtp.reply().await.starts_with(expected));
    }
    assert_eq!(smtp.reply().await, "");
    assert_eq!(office.mail_of(office.ana.id).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_cut() {
    // A29: bad commands, and good ones that bring nothing.
    let office = Office::open(Engine::Sqlite).await;
    for (command, most) in [("NONSENSE", 25), ("NOOP", 110), ("RSET", 110), ("EHLO x.test", 110)] {
        let mut smtp = office.session().await;
        let mut answered = 0;
        loop {
            let reply = smtp.command(command).await;
            if reply.is_empty() || reply.starts_with("421") {
                break;
            }
            answered += 1;
            assert!(answered <= most, "{command} was answered {answered} times");
        }
    }
}

both!(nothing_is_relayed_and_nobody_is_found_out, |engine| async move {
    let office = Office::open(engine).await;
    // B31 to B41.
    for (from, to, expected) in [
        ("bo@outside.test", "bo@elsewhere.test", "550 5.7.1"),
        ("ana@example.org", "bo@elsewhere.test", "550 5.7.1"),
        ("bo@outside.test", "user%elsewhere.test@example.org", "550 5.1.1"),
        ("bo@outside.test", "elsewhere.test!user@example.org", "550 5.1.1"),
        ("bo@outside.test", "@example.org:user@elsewhere.test", "550 5.1.3"),
        ("bo@outside.test", "\"user@elsewhere.test\"@example.org", "550 5.1.1"),
        ("bo@outside.test", "user@elsewhere.test@example.org", "550 5.1.3"),
        ("bo@outside.test", "ana@[127.0.0.1]", "550 5.1.3"),
        ("bo@outside.test", "ana@127.0.0.1", "550 5.1.3"),
        ("bo@outside.test", "ana@example.org.", "550 5.1.3"),
        ("bo@outside.test", "ana@ex\u{430}mple.org", "550 5.7.1"),
        ("", "bo@elsewhere.test", "550 5.7.1"),
        ("bo@outside.test", "nobody@example.org", "550 5.1.1"),
        ("bo@outside.test", "reply+00000000000000000000000000000000@example.org", "550 5.1.1"),
    ] {
        let mut smtp = office.session().await;
        assert!(smtp.command(&format!("MAIL FROM:<{from}> SMTPUTF8")).await.starts_with("250"));
        let reply = smtp.command(&format!("RCPT TO:<{to}>")).await;
        assert!(reply.starts_with(expected), "{to}: {reply}");
        assert!(smtp.command("DATA").await.starts_with("554"), "{to}");
    }
    // B42: guessing is cut.
    let mut smtp = office.session().await;
    assert!(smtp.command("MAIL FROM:<bo@outside.test>").await.starts_with("250"));
    let mut guesses = 0;
    while smtp.command(&format!("RCPT TO:<guess{guesses}@example.org>")).await.starts_with("550") {
        guesses += 1;
        assert!(guesses <= 21, "{guesses} guesses were answered");
    }
    assert!(guesses >= 10, "an honest client makes mistakes too");
});

#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_take_the_same_time() {
    // B43. The median of many, taken in turns; what is asked of the database is the same, so only a gross
    // difference (a password hash, a time-out) could show, and that is what is looked for.
    let office = Office::open(Engine::Sqlite).await;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..15 {
        let mut smtp = office.session().await;
        smtp.command("MAIL FROM:<bo@outside.test>").await;
        for _ in 0..10 {
            for (kind, to) in ["ana@example.org", "nobody@example.org"].into_iter().enumerate() {
                let started = Instant::now();
                smtp.command(&format!("RCPT TO:<{to}>")).await;
                times[kind].push(started.elapsed());
            }
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (known, unknown) = (median(&mut times[0]), median(&mut times[1]));
    let apart = known.abs_diff(unknown);
    assert!(
        apart < Duration::from_millis(5).max(known.min(unknown) * 2),
        "known {known:?}, unknown {unknown:?}"
    );
}

both!(machines_are_never_answered, |engine| async move {
    // B44 (hops) is with the limits; B45: mail from machines is filed, and nothing goes out for it, though it would for
    // a person's.
    let office = Office::open(engine).await;
    let (ana, id, now) = (office.ana.id, office.app.id(), office.app.now());
    let forwarding = office.app.store.write(async move |tx| {
        let put = sql("insert into forwarding (account_id, id, address, content, verified_at, created_at) \
                       values ($1, $2, 'ana@outside.test', 'full', $3, $3)");
        tx.run(put.bind(ana).bind(id).bind(now)).await.map(drop)
    });
    forwarding.await.unwrap();
    let own_list = format!("<{ana}.notices.example.org>");
    let machines = [
        ("Auto-Submitted", "auto-replied"),
        ("Auto-Submitted", "auto-generated"),
        ("List-Id", own_list.as_str()),
    ];
    for (n, field) in machines.into_iter().enumerate() {
        let mail = letter("bo@outside.test", "ana@example.org", &format!("machine {n}"), &[field], "x\n");
        let from = if n == 0 { "" } else { "bo@outside.test" };
        assert!(office.session().await.send(from, &["ana@example.org"], &mail).await.starts_with("250"));
    }
    assert_eq!(office.mail_of(ana).await.len(), 3);
    assert_eq!(
        office.app.store.next_due(Lane::Outside).await.unwrap(),
        None,
        "something is owed for mail from a machine"
    );
    let mail = letter("bo@outside.test", "ana@example.org", "a person", &[], "x\n");
    assert!(
        office.session().await.send("bo@outside.test", &["ana@example.org"], &mail).await.starts_with("250")
    );
    assert!(
        office.app.store.next_due(Lane::Outside).await.unwrap().is_some(),
        "a notice is owed for a person's mail"
    );
});

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_meanwhile() {
    let office = Office::open(Engine::Sqlite).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        let (mut smtp, _) = Smtp::connect(office.addr).await;
        smtp.bytes(b"EHL").await;
        held.push(smtp);
    }
    let mail = letter("bo@outside.test", "ana@example.org", "Among many", &[], "x\n");
    assert!(
        office.session().await.send("bo@outside.test", &["ana@example.org"], &mail).await.starts_with("250")
    );
}
