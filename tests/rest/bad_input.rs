//! Everything malformed, oversized or unknown is answered with a problem that says what to do.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Door, letter};
use crate::support::within;

both!(messages_that_cannot_be_sent, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, _) = door.two().await;
    let to = &bo.address;
    let many: Vec<String> = (0..1001).map(|n| format!("u{n}@example.org")).collect();
    let cases: Vec<(Value, u16, &str, &str)> = vec![
        (json!({}), 422, "no_recipients", "/to"),
        (json!({ "to": [] }), 422, "no_recipients", "/to"),
        (json!({ "to": "bo" }), 422, "invalid_body", "/to"),
        (json!({ "to": ["bo"] }), 422, "invalid_address", "/to/0"),
        (json!({ "to": ["a@b@c"] }), 422, "invalid_address", "/to/0"),
        (json!({ "to": [to, "bo@example.org, cy@example.org"] }), 422, "invalid_address", "/to/1"),
        (json!({ "to": ["bo@[127.0.0.1]"] }), 422, "invalid_address", "/to/0"),
        (json!({ "to": ["bo@example.org\r\nDATA"] }), 422, "invalid_address", "/to/0"),
        (json!({ "cc": [{ "address": to, "name": "Bo\r\nBcc: x@y.z" }] }), 422, "invalid_address", "/cc/0"),
        (json!({ "to": [{ "address": to, "colour": "red" }] }), 422, "unknown_field", "/to/0"),
        (json!({ "to": many }), 422, "too_many_recipients", "/to"),
        (json!({ "to": [to], "colour": 1 }), 422, "unknown_field", "/colour"),
        (json!({ "to": [to], "id": "x" }), 422, "unknown_field", "/id"),
        (json!({ "to": [to], "subject": 5 }), 422, "invalid_body", "/subject"),
        (json!({ "to": [to], "subject": "a\r\nBcc: x@y.z" }), 422, "invalid_body", "/subject"),
        (json!({ "to": [to], "subject": "a\u{2028}b" }), 422, "invalid_body", "/subject"),
        (json!({ "to": [to], "subject": "a\u{85}b" }), 422, "invalid_body", "/subject"),
        (json!({ "to": [to], "text": "a\u{0}b" }), 422, "invalid_body", ""),
        (
            json!({ "to": [to], "headers": { "X-A": "b\r\nBcc: x@y.z" } }),
            422,
            "invalid_header",
            "/headers/X-A",
        ),
        (json!({ "to": [to], "headers": { "X A": "b" } }), 422, "invalid_header", "/headers/X A"),
        (json!({ "to": [to], "headers": { "X-A\r\nB": "b" } }), 422, "invalid_header", ""),
        (json!({ "to": [to], "headers": { "Bcc": "x@y.z" } }), 422, "invalid_header", "/headers/Bcc"),
        (json!({ "to": [to], "headers": { "Received": "x" } }), 422, "invalid_header", "/headers/Received"),
        (
            json!({ "to": [to], "headers": { "Content-Type": "x" } }),
            422,
            "invalid_header",
            "/headers/Content-Type",
        ),
        (
            json!({ "to": [to], "attachments": [{ "content": "no base64!" }] }),
            422,
            "invalid_attachment",
            "/attachments/0/content",
        ),
        (
            json!({ "to": [to], "attachments": [{ "content": "", "filename": "a\r\nb" }] }),
            422,
            "invalid_attachment",
            "/attachments/0/filename",
        ),
        (json!({ "to": [to], "attachments": [{}] }), 422, "invalid_attachment", "/attachments/0"),
        (json!({ "to": [to], "in_reply_to": "<a\r\nb@c>" }), 422, "invalid_body", "/in_reply_to"),
        (json!({ "to": [to], "keywords": ["two words"] }), 422, "invalid_body", "/keywords/0"),
        (json!({ "to": [to], "from": "bo@example.org" }), 422, "not_your_address", "/from"),
        (json!({ "to": ["kim@elsewhere.test"] }), 422, "no_relay", "/to"),
        (json!({ "to": ["nobody@example.org"], "strict": true }), 422, "unknown_recipient", "/to"),
        (json!({ "to": [to], "send_at": "tomorrow" }), 422, "invalid_body", "/send_at"),
        (json!({ "to": [to], "undo": "PT1H" }), 422, "invalid_body", "/undo"),
        (json!({ "to": [to], "expires_at": "2020-01-01T00:00:00Z" }), 422, "invalid_body", "/expires_at"),
        (json!({ "to": [to], "html": "<p>", "markdown": "x" }), 422, "invalid_body", "/markdown"),
        (json!({ "to": [to], "corrects": "x" }), 422, "unknown_message", "/corrects"),
        (json!({ "to": [to], "all": true }), 422, "unknown_field", "/all"),
        (json!({ "to": [to], "ask": { "kind": "dance" } }), 422, "invalid_body", "/ask/kind"),
        (json!({ "to": [to], "ask": { "kind": "form" } }), 422, "invalid_ask", "/ask/schema"),
        (
            json!({ "cc": [to], "to": ["ana@example.org"], "ask": { "kind": "text" } }),
            422,
            "invalid_body",
            "/to",
        ),
        (
            json!({ "to": [to], "ask": { "kind": "choice", "options": [] } }),
            422,
            "invalid_ask",
            "/ask/options",
        ),
    ];
    for (body, status, code, pointer) in cases {
        let problem = by_ana.post("/v1/messages", body.clone()).await.problem(status, code);
        if !pointer.is_empty() {
            let at = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
            assert!(at.starts_with(pointer), "{body}: {problem}");
        }
    }
    assert_eq!(by_ana.get("/v1/messages").await.expect(200)["items"], json!([]));
    assert_eq!(door.app.settle().await, 0);
    assert_eq!(by_ana.get("/v1/me").await.expect(200)["id"], ana.id.to_string());
});

both!(bodies_that_are_no_json, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, _) = door.two().await;
    let post = |body: Vec<u8>, media: &str| {
        let request = by_ana.request(Method::POST, "/v1/messages").body(body);
        by_ana.send(if media.is_empty() { request } else { request.header("content-type", media) })
    };
    let good = letter(&bo, "x").to_string();
    for bad in [
        "",
        "{",
        "nonsense",
        "{\"to\": [}",
        "\u{feff}{}",
        "{} {}",
        "{\"subject\": \"\\ud800\"}",
        "{\"metadata\": 1e400}",
    ] {
        post(bad.into(), "application/json").await.problem(400, "invalid_json");
    }
    post(vec![b'{', b'"', 0xff, b'"', b'}'], "application/json").await.problem(400, "invalid_json");
    let deep = format!("{{\"metadata\": {}", "[".repeat(200_000));
    post(deep.into(), "application/json").await.problem(400, "invalid_json");
    post("{\"to\": [], \"to\": []}".into(), "application/json").await.problem(422, "invalid_body");
    post("[]".into(), "application/json").await.problem(422, "invalid_body");
    for media in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ] {
        post(good.clone().into(), media).await.problem(415, "unsupported_media_type");
    }
    post(good.into(), "application/json; charset=utf-8").await.expect(202);
    door.app.settle().await;
});

both!(queries_that_mean_nothing, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, ..) = door.two().await;
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=1000000000", "?limit"),
        ("limit=x", "?limit"),
        ("colour=red", "?colour"),
        ("seen=maybe", "?seen"),
        ("after=tomorrow", "?after"),
        ("mailbox=nowhere", "?mailbox"),
        ("thread_id=x", "?thread_id"),
        ("wait=61", "?wait"),
        ("wait=-1", "?wait"),
        ("subject=%00", "?subject"),
    ] {
        let problem = by_ana.get(&format!("/v1/messages?{query}")).await.problem(422, "invalid_parameter");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}: {problem}");
    }
    for query in ["%22never%20closed", "in:nowhere%20before:yesterday", "is:nothing"] {
        by_ana.get(&format!("/v1/messages?q={query}")).await.problem(422, "invalid_parameter");
    }
    by_ana.get("/v1/messages?q=is:unread%20-from:bo%20lun*").await.expect(200);
    for cursor in ["x", "AAAA", "%20", "é"] {
        by_ana.get(&format!("/v1/messages?cursor={cursor}")).await.problem(400, "invalid_cursor");
    }
    // An empty parameter is none, and what is special in a pattern is not.
    by_ana.get("/v1/messages?seen=&flagged=&from=&to=&limit=&cursor=").await.expect(200);
    by_ana.get("/v1/messages?subject=%25_%5C'%3B--").await.expect(200);
});

both!(routes_and_methods_that_are_not_there, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, ..) = door.two().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1//messages",
        "/v1/%6D%65ssages/x",
        "/V1/me",
        "/v1/me/..%2F",
        "/nothing.json",
    ] {
        by_ana.get(path).await.problem(404, "not_found");
    }
    let wrong = by_ana.send(by_ana.request(Method::PUT, "/v1/me")).await;
    wrong.problem(405, "method_not_allowed");
    assert!(wrong.header("allow").contains("GET"), "{}", wrong.header("allow"));
    by_ana.send(by_ana.request(Method::TRACE, "/v1/me")).await.problem(405, "method_not_allowed");
    let over = by_ana.request(Method::POST, "/v1/me").header("x-http-method-override", "GET");
    by_ana.send(over).await.problem(405, "method_not_allowed");
    for path in ["/v1/messages/claim", "/v1/messages/batch", "/jmap"] {
        by_ana.post(path, json!({})).await.problem(501, "not_supported_yet");
    }
});

/// Sends a request's beginning by hand, and reads what comes until the server closes.
async fn raw(door: &Door, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(door.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    within("the answer", stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

both!(a_body_over_the_limit_is_cut_off_early, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, ..) = door.two().await;
    let head = |path: &str, more: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{more}\r\n",
            ana.token
        )
    };
    // Announced: nothing of it is read.
    for (path, length) in [
        ("/v1/messages", 40 << 20),
        ("/v1/mailboxes", 2 << 20),
        ("/v1/uploads", 40 << 20),
        ("/v1/me/password", 2 << 20),
    ] {
        let answer = raw(&door, head(path, &format!("Content-Length: {length}\r\n")).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        assert!(answer.contains("body_too_large"), "{path}: {answer}");
    }
    // Not announced: as soon as it is too much, although the body has no end.
    let mut endless = head("/v1/mailboxes", "Transfer-Encoding: chunked\r\n").into_bytes();
    for _ in 0..17 {
        endless.extend(b"10000\r\n");
        endless.extend(vec![b' '; 65536]);
        endless.extend(b"\r\n");
    }
    let answer = raw(&door, &endless).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Without a credential nothing is read at all.
    let answer = raw(
        &door,
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 40000000\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
});

both!(requests_that_are_no_http, |engine| async move {
    let door = Door::open(engine).await;
    for request in [
        &b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"[..],
        b"POST /v1/send HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"nonsense\r\n\r\n",
    ] {
        let answer = raw(&door, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{}: {answer}", String::from_utf8_lossy(request));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n", "a".repeat(1 << 20));
    let mut stream = TcpStream::connect(door.base.trim_start_matches("http://")).await.unwrap();
    // The server may hang up before it has taken all of it.
    let _ = stream.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within("the answer", stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
});

both!(an_upload_that_breaks_off_leaves_nothing, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, ..) = door.two().await;
    let head = format!(
        "POST /v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 200000\r\n\r\n",
        ana.token
    );
    let mut stream = TcpStream::connect(door.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 150_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within("the answer", stream.read_to_end(&mut answer)).await;
    assert!(!String::from_utf8_lossy(&answer).contains("201"), "{}", String::from_utf8_lossy(&answer));
    let spool = door.app.database.settings().data_dir.join("blobs/spool");
    crate::support::until("the spool to be empty", || {
        let empty = std::fs::read_dir(&spool).unwrap().next().is_none();
        async move { empty.then_some(()) }
    })
    .await;
    by_ana.get("/v1/me").await.expect(200);
});
