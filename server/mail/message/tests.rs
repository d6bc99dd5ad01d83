//! Writing and reading back; broken and hostile messages.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::mail::address::{Address, Named};

fn named(text: &str) -> Named {
    text.parse().unwrap()
}

fn plain<'a>(subject: &'a str, text: &'a str) -> Compose<'a> {
    Compose {
        from: named("Ana <ana@x.org>"),
        to: vec![named("bo@x.org")],
        cc: vec![],
        reply_to: vec![],
        subject,
        date_ms: 1_795_424_400_000,
        message_id: "m@x.org",
        in_reply_to: None,
        references: &[],
        headers: &[],
        text: Some(text),
        html: None,
        attachments: vec![],
    }
}

fn write(message: Compose<'_>) -> (Vec<u8>, Content) {
    let mut raw = Vec::new();
    let content = compose(message, &mut raw).unwrap();
    assert_eq!(canonical(&raw), raw, "a line does not end in CRLF");
    assert!(raw.split(|b| *b == b'\n').all(|l| l.len() <= 999), "a line is too long");
    assert_eq!(parse(&raw).unwrap(), content);
    (raw, content)
}

fn attached(raw: &[u8], part: &Attachment) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = &raw[usize::try_from(part.offset).unwrap()..][..usize::try_from(part.length).unwrap()];
    assert_eq!(decode_part(part.encoding, encoded, &mut out).unwrap(), part.size);
    out
}

#[test]
fn a_plain_message_is_plain() {
    let (raw, content) = write(plain("Hello", "Hi Bo,\n\nhow are you?\n"));
    assert_eq!(
        String::from_utf8(raw).unwrap(),
        "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\nFrom: Ana <ana@x.org>\r\nTo: bo@x.org\r\nSubject: Hello\r\nMessage-ID: <m@x.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHi Bo,\r\n\r\nhow are you?\r\n"
    );
    assert_eq!(content.text.as_deref(), Some("Hi Bo,\n\nhow are you?"));
    assert_eq!(content.date_ms, Some(1_795_424_400_000));
    assert_eq!(content.preview(), "Hi Bo, how are you?");
}

#[test]
fn html_attachments_and_embedded_parts_come_back() {
    let references = vec!["a@x".to_owned(), "b@x".to_owned()];
    let headers =
        vec![("X-Ünvalid".to_owned(), "x".to_owned()), ("X-Tag".to_owned(), "grün\r\nBcc: c@x".to_owned())];
    let part = |name: &str, kind: &str, cid: Option<&str>, octets: &'static [u8]| Part {
        filename: Some(name.to_owned()),
        content_type: kind.to_owned(),
        content_id: cid.map(str::to_owned),
        inline: cid.is_some(),
        content: Box::new(octets),
    };
    let (raw, content) = write(Compose {
        text: None,
        html: Some("<p>Grüße, <img src='cid:i@x'></p>"),
        in_reply_to: Some("b@x"),
        references: &references,
        headers: &headers,
        cc: vec![
            named("\"Sá, Ö\" <c@x.org>"),
            Named::new(Some("a\"b\\c"), "\"a b\"@x.org".parse().unwrap()).unwrap(),
        ],
        attachments: vec![
            part("../Bericht für Ö.txt", "text/plain; charset=iso-8859-1", None, b"--=_x\n.\nFrom x"),
            part("i.png", "image/png", Some("i@x"), b"\x89PNG"),
            part("x.eml", "message/rfc822", None, b""),
        ],
        ..plain("Übersicht über das lange Jahr, das mit vielen Grüßen zu Ende geht, und mehr", "")
    });
    assert_eq!(content.text.as_deref(), Some("Grüße,"));
    assert_eq!(content.html.as_deref(), Some("<p>Grüße, <img src='cid:i@x'></p>"));
    assert_eq!(content.references, references);
    assert_eq!(content.cc[0], Mailbox { name: Some("Sá, Ö".into()), address: "c@x.org".into() });
    assert_eq!(content.cc[1].name.as_deref(), Some("a\"b\\c"));
    assert!(content.headers.contains(&("X-Tag".to_owned(), "grün  Bcc: c@x".to_owned())));
    assert!(!String::from_utf8_lossy(&raw).contains("Ünvalid"));
    let kinds: Vec<_> = content
        .attachments
        .iter()
        .map(|a| (a.filename.as_deref().unwrap(), a.content_type.as_str(), a.inline))
        .collect();
    assert_eq!(
        kinds,
        [
            ("i.png", "image/png", true),
            ("Bericht für Ö.txt", "text/plain", false),
            ("x.eml", "application/octet-stream", false)
        ]
    );
    assert_eq!(content.attachments[0].content_id.as_deref(), Some("i@x"));
    assert_eq!(attached(&raw, &content.attachments[0]), b"\x89PNG");
    assert_eq!(attached(&raw, &content.attachments[1]), b"--=_x\n.\nFrom x");
    assert_eq!(attached(&raw, &content.attachments[2]), b"");
}

#[test]
fn the_senders_tricks_stay_text() {
    for subject in [
        "a\r\nBcc: x@y",
        "a\nBcc: x@y",
        "a\rBcc: x@y",
        "a\u{85}Bcc: x",
        "a\u{2028}b",
        "=?utf-8?q?=0d=0aBcc:_x@y?=",
        "a\0b",
        "  a  b  ",
    ] {
        let (raw, content) = write(plain(subject, "\r\n.\r\nMAIL FROM:<x>\n.\r\n"));
        let text = String::from_utf8(raw).unwrap();
        assert_eq!(text.matches("\r\nBcc").count(), 0, "{text}");
        assert!(!text.contains("\r\n.\r\n"), "{text}");
        assert!(!content.subject.contains(['\r', '\n', '\0', '\u{85}']));
    }
    let (_, content) = write(plain("=?utf-8?q?=0d=0aBcc:_x@y?=", ""));
    assert_eq!(content.subject, "=?utf-8?q?=0d=0aBcc:_x@y?=", "an encoded word given as text is text");
}

#[test]
fn reserved_and_broken_header_fields_are_refused() {
    for name in [
        "Bcc",
        "return-path",
        "DKIM-Signature",
        "Received",
        "Auto-Submitted",
        "Content-Type",
        "content-anything",
        "From",
        "Resent-To",
    ] {
        assert_eq!(header_allowed(name, "x"), Err(BadHeader::Reserved), "{name}");
    }
    for name in ["", "a b", "a:", "ä", "a\r\nb", "a\0"] {
        assert_eq!(header_allowed(name, "x"), Err(BadHeader::Name), "{name}");
    }
    for value in ["a\r\nb", "a\n", "a\r", "a\0", "a\u{85}", "a\u{2028}", "a\u{1b}"] {
        assert_eq!(header_allowed("X-A", value), Err(BadHeader::Value), "{value:?}");
    }
    assert_eq!(header_allowed("List-Unsubscribe", "<https://x.org>"), Ok(()));
}

#[test]
fn bare_line_ends_become_crlf() {
    assert_eq!(&*canonical(b"a\nb\rc\r\nd\n\r\n\r\r"), b"a\r\nb\r\nc\r\nd\r\n\r\n\r\n\r\n");
    assert!(matches!(canonical(b"a\r\nb\r\n"), std::borrow::Cow::Borrowed(_)));
    assert_eq!(&*canonical(b""), b"");
}

#[test]
fn structures_of_every_kind_are_read() {
    let read = |raw: &str| parse(raw.replace('\n', "\r\n").as_bytes()).unwrap();
    let mixed = read(
        "From: a@x\nContent-Type: multipart/mixed; boundary=\"b\"\n\npreamble\n--b\n\nhi\n--b \nContent-Type: multipart/alternative; boundary=bb\n\n\
         --bb\nContent-Type: text/plain\n\nplain\n--bb\nContent-Type: text/html\n\n<i>rich</i>\n--bb--\nepilogue\n--b\n\
         Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\naGk=\n--b\nContent-Type: message/rfc822\n\n\
         Subject: inner\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b\n\nfooter\n--b--\nnot this\n--b\n\nnor this\n",
    );
    assert_eq!(mixed.text.as_deref(), Some("hi\nplain\nfooter"));
    assert_eq!(mixed.html.as_deref(), Some("<pre>hi</pre>\n<i>rich</i>\n<pre>footer</pre>"));
    let kinds: Vec<_> = mixed.attachments.iter().map(|a| (a.content_type.as_str(), a.size)).collect();
    assert_eq!(kinds, [("application/pdf", 2), ("message/rfc822", 76)]);
    assert_eq!(mixed.attachments[0].filename.as_deref(), Some("a.pdf"));

    assert_eq!(
        read("Content-Type: multipart/mixed; boundary=b\n\nno parts\n").text.as_deref(),
        Some("no parts")
    );
    assert_eq!(read("Content-Type: multipart/mixed\n\nno boundary\n").text.as_deref(), Some("no boundary"));
    assert_eq!(
        read("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnot closed").text.as_deref(),
        Some("not closed")
    );
    assert_eq!(read("Subject: no body").text.as_deref(), Some(""));
    assert_eq!(read("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe").text.as_deref(), Some("Grüße"));
    assert_eq!(read("Content-Type: text/plain; charset=nonsense\n\nGrüße").text.as_deref(), Some("Grüße"));
    assert_eq!(read("Content-Type: text/html; charset=utf-7\n\n+ADw-b+AD4-x").html.as_deref(), Some("<b>x"));
    let html = read(
        "Content-Type: text/html\n\n<p>Yes</p><div>On 1 May, Bo &lt;b@x&gt; wrote:</div><blockquote>Really?</blockquote>",
    );
    assert_eq!((html.text.as_deref(), html.reply_text.as_deref()), (None, Some("Yes")));
    let digest = read("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: a\n\nx\n--b--\n");
    assert_eq!(digest.attachments[0].content_type, "message/rfc822");
    assert_eq!(parse(b"").unwrap_err().at, 0);
    assert_eq!(parse(b"\r\nbody").unwrap_err().at, 2);
    assert!(parse(b"no field here\r\n").is_err());
}

#[test]
fn machines_lists_and_hops_are_recognised() {
    let read = |raw: &str| parse(raw.as_bytes()).unwrap();
    for machine in [
        "Auto-Submitted: auto-replied (x)",
        "auto-submitted: auto-generated; x=y",
        "X-Autoreply: yes",
        "Precedence: Bulk",
        "List-Id: L <l.x.org>",
    ] {
        assert!(read(&format!("{machine}\r\n\r\n")).automatic, "{machine}");
    }
    for person in ["Auto-Submitted: no", "Precedence: first-class", "X-Autoreply: no", "Subject: list"] {
        assert!(!read(&format!("{person}\r\n\r\n")).automatic, "{person}");
    }
    assert_eq!(read("List-Id: \"Friends\" <l.x.org>\r\n\r\n").list_id.as_deref(), Some("l.x.org"));
    assert!(read("Content-Type: multipart/report; boundary=x; report-type=delivery-status\r\n\r\n").report);
    assert_eq!(read(&format!("{}\r\n", "Received: from x\r\n by y\r\n".repeat(1200))).received, 1200);
}

/// Messages that are bombs for a careless parser: each is read in a second or two, and none stops what reads it. The limit
/// leaves room for a loaded machine and an unoptimised build; what is quadratic takes minutes.
#[test]
fn bombs_are_read_in_time() {
    let nest = |n: usize, same: bool| -> String {
        (0..n)
            .map(|i| {
                let b = if same { 0 } else { i };
                format!("Content-Type: multipart/mixed; boundary=b{b}x\r\n\r\n--b{b}x\r\n")
            })
            .collect()
    };
    let bombs: Vec<(&str, String)> = vec![
        ("10 000 nested multiparts", nest(10_000, false)),
        ("the same boundary everywhere", nest(10_000, true)),
        ("2 000 nested messages", "Content-Type: message/rfc822\r\n\r\n".repeat(2000)),
        (
            "100 000 parts",
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                "--b\r\n\r\nx\r\n".repeat(100_000)
            ),
        ),
        (
            "a boundary of 10 KB",
            format!("Content-Type: multipart/mixed; boundary={}\r\n\r\nx", "b".repeat(10_000)),
        ),
        ("an empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx".to_owned()),
        (
            "100 000 continuations",
            format!(
                "Content-Type: text/plain{}\r\n\r\nx",
                (0..100_000).map(|n| format!(";\r\n a*{n}=b")).collect::<String>()
            ),
        ),
        ("a huge continuation", "Content-Type: text/plain; name*4294967296=b; name*0=a\r\n\r\nx".to_owned()),
        ("100 000 encoded words", format!("Subject: {}\r\n\r\nx", "=?utf-8?q?=C3=A4?= ".repeat(100_000))),
        ("broken encoded words", format!("Subject: {}\r\n\r\nx", "=?utf-8?q?".repeat(25_000))),
        ("a header field of 5 MB", format!("X: {}\r\n\r\nx", "y".repeat(5_000_000))),
        ("100 000 header fields", format!("{}\r\nx", "X: y\r\n".repeat(100_000))),
        ("100 000 recipients", format!("To: {}\r\n\r\nx", "a@x.org, ".repeat(100_000))),
        ("nested comments", format!("To: {}\r\n\r\nx", "(".repeat(200_000))),
        ("delimiters that are none", format!("{}{}", nest(50, false), "--b\r\n".repeat(100_000))),
        ("NULs", format!("Subject: a\0b\r\n\r\n{}", "\0".repeat(1_000_000))),
        ("UTF-16", "Content-Type: text/html; charset=utf-16\r\n\r\n<\0b\0>\0".to_owned()),
        (
            "a quote pyramid",
            format!(
                "Subject: x\r\n\r\n{}",
                (0..3000).map(|n| format!("{} x\r\n", ">".repeat(n % 1000))).collect::<String>()
            ),
        ),
        ("one line of 10 MB", format!("Subject: x\r\n\r\n{}", "https://x.org/ ".repeat(700_000))),
        ("ISO-2022-JP", "Content-Type: text/html; charset=iso-2022-jp\r\n\r\n\u{1b}$B\u{1b}(B<b>".to_owned()),
    ];
    for (name, raw) in bombs {
        let started = Instant::now();
        let content = parse(raw.as_bytes()).unwrap();
        assert!(content.attachments.len() <= 1000, "{name}");
        assert!(content.text.as_deref().unwrap_or("").len() <= parse::MAX_TEXT, "{name}");
        assert!(
            content.headers.len() <= 1000 && !content.subject.contains('\0') && content.to.len() <= 2000,
            "{name}"
        );
        let _ = content.preview();
        assert!(started.elapsed() < Duration::from_secs(60), "{name} took {:?}", started.elapsed());
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 ,.;:<>@\"'()=?_-]{0,60}",
        "\\PC{0,80}",
        Just("=?utf-8?q?x?=".to_owned()),
        "[äöü漢字é ]{0,120}"
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof!["(?s)([a-z .\n\t=-]|--|From |\r\n|\\PC){0,400}", "[漢字\n]{0,300}", "a{900,1100}"]
}

fn who() -> impl Strategy<Value = Named> {
    (prop::option::of(word()), "[a-z0-9+._-]{1,20}", "[a-z]{1,9}\\.org").prop_filter_map(
        "not an address",
        |(name, local, domain)| {
            let address: Address = format!("{local}@{domain}").parse().ok()?;
            Named::new(name.as_deref(), address).ok()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_written_is_read_back(
        subject in word(), from in who(), to in prop::collection::vec(who(), 0..5), text in prop::option::of(body()), html in prop::option::of(body()),
        files in prop::collection::vec((prop::option::of(word()), prop::collection::vec(any::<u8>(), 0..500), any::<bool>()), 0..4),
        references in prop::collection::vec("[a-z]{1,30}@[a-z]{1,9}", 0..9),
    ) {
        let given: Vec<_> = files.iter().map(|(_, octets, _)| octets.clone()).collect();
        let (raw, content) = write(Compose {
            from: from.clone(),
            to: to.clone(),
            text: text.as_deref(),
            html: html.as_deref(),
            references: &references,
            attachments: files.iter().map(|(name, octets, inline)| Part {
                filename: name.clone(),
                content_type: "application/x-test".to_owned(),
                content_id: inline.then(|| "c@x".to_owned()),
                inline: *inline,
                content: Box::new(&octets[..]),
            }).collect(),
            ..plain(&subject, "")
        });
        prop_assert_eq!(&content.subject, &field::clean_line(&subject));
        let shown = |n: &Named| Mailbox { name: n.name.clone(), address: n.address.to_string() };
        prop_assert_eq!(content.from.clone(), Some(shown(&from)));
        prop_assert_eq!(&content.to, &to.iter().map(shown).collect::<Vec<_>>());
        prop_assert_eq!(&content.references, &references);
        if let Some(text) = &text {
            let expected = parse::clean_text(text);
            prop_assert_eq!(content.text.as_deref(), Some(expected.trim_end_matches('\n')));
        }
        prop_assert_eq!(&content.html, &html.as_deref().map(parse::clean_text));
        let mut read: Vec<_> = content.attachments.iter().map(|a| attached(&raw, a)).collect();
        let mut given = given;
        read.sort();
        given.sort();
        prop_assert_eq!(read, given);
    }

    #[test]
    fn any_octets_can_be_read(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(content) = parse(&octets) {
            let _ = content.preview();
        }
    }

    #[test]
    fn anything_like_a_message_can_be_read(lines in prop::collection::vec(prop_oneof![
        Just("Content-Type: multipart/mixed; boundary=b".to_owned()), Just("--b".to_owned()), Just("--b--".to_owned()), Just(String::new()),
        Just("Content-Transfer-Encoding: base64".to_owned()), Just("Content-Type: text/html; charset=utf-16".to_owned()),
        Just("Content-Type: multipart/alternative; boundary=\"c".to_owned()), Just("--c".to_owned()),
        "(Subject|From|To|References|Date|Content-Type|Content-Disposition|List-Id): ?\\PC{0,60}", "[ \t]\\PC{0,20}", "\\PC{0,60}",
        "(From|To): [<>@,:;\"\\\\()a =?]{0,40}", "Date: [0-9:+A-Za-z, ()-]{0,40}", "Subject: (=\\?[a-z0-9*-]{0,9}\\?[bqx]\\?[ -~]{0,20}\\?=){0,4}",
    ], 0..30)) {
        for end in ["\r\n", "\n"] {
            if let Ok(content) = parse(lines.join(end).as_bytes()) {
                let _ = content.preview();
                for part in &content.attachments {
                    prop_assert!(part.offset + part.length <= content.size);
                }
            }
        }
    }

    #[test]
    fn canonical_messages_have_no_bare_line_ends(octets in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a')], 0..40)) {
        let once = canonical(&octets).into_owned();
        prop_assert_eq!(canonical(&once).into_owned(), once.clone());
        let text = String::from_utf8(once).unwrap().replace("\r\n", "");
        prop_assert!(!text.contains(['\r', '\n']));
    }
}
