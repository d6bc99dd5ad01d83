//! One transaction with the next hop: what is said, and what each answer is taken for.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use restante::delivery::next_hop::NextHop;
use restante::delivery::relay::{Handed, Relay, Reply, TimeOuts};
use restante::mail::address::Address;
use restante::mail::status::Status;
use restante::store::blob::Stored;

use crate::support::mta::{Act, Mta, Stage, reply};

const LETTER: &[u8] = b"From: a@b.test\r\nSubject: hi\r\n\r\n.\r\n..two\r\nend\r\n";

fn relay(mta: &Mta) -> Relay {
    relay_to(&mta.url())
}

fn relay_to(url: &str) -> Relay {
    let long = Duration::from_secs(30);
    let time_outs = TimeOuts { connect: long, command: long, content: long };
    Relay::new(url.parse::<NextHop>().unwrap(), "mail.example.org".into(), time_outs)
}

fn impatient(mta: &Mta) -> Relay {
    let short = Duration::from_millis(150);
    let time_outs = TimeOuts { connect: short, command: short, content: short };
    Relay::new(mta.url().parse().unwrap(), "mail.example.org".into(), time_outs)
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

async fn hand(relay: &Relay, letter: &[u8]) -> Handed {
    hand_to(relay, "bo@x.test", letter).await
}

async fn hand_to(relay: &Relay, to: &str, letter: &[u8]) -> Handed {
    let from = address("a@b.test");
    relay.hand(Some(&from), &address(to), &Stored::Inline(letter.to_vec()), async { true }).await
}

fn deferred(handed: Handed) -> Reply {
    match handed {
        Handed::Deferred(reply) => reply,
        other => panic!("not deferred: {other:?}"),
    }
}

fn refused(handed: Handed) -> Reply {
    match handed {
        Handed::Refused(reply) => reply,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_arrives_octet_for_octet_and_the_connection_is_used_again() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    for _ in 0..3 {
        let Handed::Taken(reply) = hand(&relay, LETTER).await else { panic!("not taken") };
        assert_eq!(
            (reply.code, reply.status, reply.text.as_str()),
            (Some(250), Some(Status::new(2, 0, 0)), "2.0.0 kept")
        );
        assert_eq!(reply.remote, Some(mta.addr.to_string()));
    }
    let received = mta.wait(3).await;
    assert!(received.iter().all(|one| one.data == LETTER && one.mail_from == "a@b.test"));
    assert_eq!(mta.connections(), 1);
    assert_eq!(mta.commands()[0], "EHLO mail.example.org");
    relay.close().await;
    mta.until("the end of the connection", |mta| mta.open() == 0).await;
    assert_eq!(mta.commands().last().unwrap(), "QUIT");
}

#[tokio::test]
async fn a_null_reverse_path_and_a_message_without_a_last_line_end() {
    let mta = Mta::start().await;
    let stored = Stored::Inline(b"Subject: x\r\n\r\nno end".to_vec());
    let handed = relay(&mta).hand(None, &address("bo@x.test"), &stored, async { true }).await;
    assert!(matches!(handed, Handed::Taken(_)), "{handed:?}");
    let received = mta.wait(1).await;
    assert_eq!(
        (received[0].mail_from.as_str(), received[0].text().as_str()),
        ("", "Subject: x\r\n\r\nno end\r\n")
    );
}

#[tokio::test]
async fn lone_line_feeds_never_end_a_message_early() {
    let mta = Mta::start().await;
    let smuggled = b"Subject: x\r\n\r\na\n.\r\nMAIL FROM:<evil@x.test>\r\n.\nb\r.\r\nc\r\n";
    assert!(matches!(hand(&relay(&mta), smuggled).await, Handed::Taken(_)));
    let received = mta.wait(1).await;
    assert_eq!(received.len(), 1);
    assert_eq!(
        received[0].text(),
        "Subject: x\r\n\r\na\r\n.\r\nMAIL FROM:<evil@x.test>\r\n.\r\nb\r\n.\r\nc\r\n"
    );
}

#[tokio::test]
async fn a_5xx_is_final_and_a_4xx_is_not_at_every_stage() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        let mta = Mta::start().await;
        let relay = relay(&mta);
        mta.script(
            stage,
            [reply("550-5.1.1 nobody\n550 5.1.1 of that name"), reply("451 4.3.0 later"), reply("421 bye")],
        );
        let no = refused(hand(&relay, LETTER).await);
        assert_eq!((no.code, no.status), (Some(550), Some(Status::new(5, 1, 1))), "{stage:?}");
        assert_eq!(no.text, "5.1.1 nobody of that name", "{stage:?}");
        assert_eq!(no.remote, Some(mta.addr.to_string()));
        let later = deferred(hand(&relay, LETTER).await);
        assert_eq!((later.code, later.status), (Some(451), Some(Status::new(4, 3, 0))), "{stage:?}");
        let bye = hand(&relay, LETTER).await;
        if stage == Stage::Mail {
            // An idle connection that is closed is replaced, without an attempt being lost.
            assert!(matches!(bye, Handed::Taken(_)), "{bye:?}");
        } else {
            assert_eq!(deferred(bye).code, Some(421), "{stage:?}");
        }
        assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)), "{stage:?}");
        assert_eq!(mta.connections(), 2, "{stage:?}");
    }
}

#[tokio::test]
async fn nothing_said_before_mail_bounces_a_message() {
    for stage in [Stage::Banner, Stage::Ehlo] {
        let mta = Mta::start().await;
        let relay = relay(&mta);
        mta.script(
            stage,
            [reply("554 5.7.1 not you"), Act::HangUp, Act::Bytes(b"\xff\xfe garbage\r\n".to_vec())],
        );
        assert_eq!(deferred(hand(&relay, LETTER).await).code, Some(554), "{stage:?}");
        assert_eq!(deferred(hand(&relay, LETTER).await).code, None, "{stage:?}");
        assert_eq!(deferred(hand(&relay, LETTER).await).code, None, "{stage:?}");
        assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
    }
}

#[tokio::test]
async fn what_is_not_known_is_tried_again_with_the_same_octets() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    mta.script(
        Stage::Data,
        [Act::HangUp, Act::Cut(10), reply("250 wrong"), Act::Bytes(b"what\r\n".to_vec())],
    );
    for what in ["hang up", "cut", "a 250 to DATA", "garbage"] {
        let reply = deferred(hand(&relay, LETTER).await);
        assert_eq!((reply.code, reply.status), (None, Some(Status::new(4, 4, 2))), "{what}: {}", reply.text);
        assert!(mta.received().is_empty(), "{what}");
    }
    mta.script(Stage::Body, [Act::Lost, Act::Bytes(b"25".to_vec()), Act::HangUp, reply("354 huh")]);
    deferred(hand(&relay, LETTER).await);
    assert_eq!(mta.wait(1).await.len(), 1);
    let impatient = impatient(&mta);
    assert!(deferred(hand(&impatient, LETTER).await).text.contains("no answer within"));
    deferred(hand(&relay, LETTER).await);
    assert!(deferred(hand(&relay, LETTER).await).text.contains("unexpected reply 354"));
    assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
    let received = mta.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].data, received[1].data);
}

#[tokio::test]
async fn every_phase_has_an_end() {
    for stage in [Stage::Banner, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        let mta = Mta::start().await;
        mta.always(stage, Act::Stall);
        let reply = deferred(hand(&impatient(&mta), LETTER).await);
        assert!(reply.text.contains("no answer within 150ms"), "{stage:?}: {}", reply.text);
        assert_eq!(reply.remote, Some(mta.addr.to_string()), "{stage:?}");
        mta.until("the end of the stalled session", |mta| mta.open() == 0).await;
    }
}

#[tokio::test]
async fn endless_and_hostile_replies_are_bounded() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    let mut endless = b"250-".to_vec();
    endless.extend(vec![b'x'; 300_000]);
    let (line, more) = ("é".repeat(300), "ü".repeat(300));
    let long = reply(&format!("550-5.7.1 \u{1b}[31m{line}\n550 5.7.1 {more}"));
    mta.script(Stage::Mail, [Act::Bytes(endless), long]);
    assert!(deferred(hand(&relay, LETTER).await).text.contains("endless line"));
    let no = refused(hand(&relay, LETTER).await);
    assert_eq!(no.text.chars().count(), 500);
    assert!(!no.text.contains('\u{1b}'));
}

#[tokio::test]
async fn a_closed_idle_connection_is_replaced() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
    mta.script(Stage::Mail, [Act::HangUp]);
    assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
    assert_eq!((mta.wait(2).await.len(), mta.connections()), (2, 2));
    // On a new connection it counts.
    relay.close().await;
    mta.script(Stage::Mail, [Act::HangUp]);
    deferred(hand(&relay, LETTER).await);
}

#[tokio::test]
async fn nobody_there_is_deferred() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    drop(mta);
    let reply = deferred(hand(&relay, LETTER).await);
    assert!(reply.text.starts_with("cannot reach 127.0.0.1:"), "{}", reply.text);
    assert_eq!((reply.code, reply.remote), (None, None));
}

#[tokio::test]
async fn international_mail_goes_only_where_it_is_taken() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    assert!(matches!(hand_to(&relay, "用户@x.test", LETTER).await, Handed::Taken(_)));
    assert!(matches!(hand(&relay, "Subject: ü\r\n\r\nx\r\n".as_bytes()).await, Handed::Taken(_)));
    assert!(matches!(hand(&relay, "Subject: u\r\n\r\nü\r\n".as_bytes()).await, Handed::Taken(_)));
    let parameters: Vec<_> = mta.wait(3).await.into_iter().map(|one| one.parameters).collect();
    let without_size = |one: &String| one.split_once(' ').unwrap().1.to_owned();
    let parameters: Vec<_> = parameters.iter().map(without_size).collect();
    assert_eq!(parameters, ["SMTPUTF8", "SMTPUTF8 BODY=8BITMIME", "BODY=8BITMIME"]);

    let old = Mta::start().await;
    old.extensions(&["SIZE 1000"]);
    let relay = self::relay(&old);
    for (to, letter) in [("用户@x.test", "Subject: u\r\n\r\nu\r\n"), ("bo@x.test", "Subject: u\r\n\r\nü\r\n")]
    {
        let handed = hand_to(&relay, to, letter.as_bytes()).await;
        assert!(
            matches!(&handed, Handed::Unfit(reply) if reply.status.is_some_and(Status::is_permanent)),
            "{handed:?}"
        );
    }
    assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
}

#[tokio::test]
async fn nothing_is_sent_once_the_lease_is_gone() {
    let mta = Mta::start().await;
    let relay = relay(&mta);
    let (from, to) = (address("a@b.test"), address("bo@x.test"));
    let stored = Stored::Inline(LETTER.to_vec());
    assert_eq!(relay.hand(Some(&from), &to, &stored, async { false }).await, Handed::Withheld);
    assert!(mta.received().is_empty());
    assert!(!mta.commands().iter().any(|line| line == "DATA"));
    assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
    assert_eq!(mta.connections(), 1);
}

#[tokio::test]
async fn a_refused_password_suspends_and_does_not_bounce() {
    let mta = Mta::start().await;
    mta.extensions(&["AUTH PLAIN LOGIN"]);
    let relay = relay_to(&format!("smtp://user:secret@{}?tls=none", mta.addr));
    mta.script(Stage::Auth, [reply("535 5.7.8 wrong")]);
    let reply = deferred(hand(&relay, LETTER).await);
    assert_eq!(reply.code, Some(535));
    assert!(reply.text.contains("relay.url") && !reply.text.contains("secret"), "{}", reply.text);
    assert!(matches!(hand(&relay, LETTER).await, Handed::Taken(_)));
    // The same when it wants to know us only later.
    mta.script(Stage::Mail, [crate::support::mta::reply("530 5.7.0 authenticate first")]);
    assert_eq!(deferred(hand(&relay, LETTER).await).code, Some(530));
}

#[tokio::test]
async fn nothing_goes_in_clear_where_tls_is_required_or_was_promised() {
    let mta = Mta::start().await;
    let required = relay_to(&format!("{}?tls=required", mta.url()));
    assert!(deferred(hand(&required, LETTER).await).text.contains("STARTTLS"));
}

#[tokio::test]
async fn what_is_injected_behind_starttls_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 peer\r\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(b"250-peer\r\n250 STARTTLS\r\n").await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.ends_with("STARTTLS\r\n"), "{line}");
        stream.write_all(b"220 go on\r\n250 peer\r\n250 ok\r\n250 ok\r\n354 ok\r\n250 ok\r\n").await.unwrap();
        let mut rest = Vec::new();
        // The client may close with a reset, because it leaves what was injected unread.
        let _ = stream.read_to_end(&mut rest).await;
        rest
    });
    let reply = deferred(hand(&relay_to(&url), LETTER).await);
    assert_eq!(reply.code, None, "{}", reply.text);
    let rest = peer.await.unwrap();
    assert_eq!(rest.first(), Some(&0x16), "a TLS handshake follows, nothing else");
    assert!(!rest.windows(4).any(|w| w == b"MAIL"));
}
