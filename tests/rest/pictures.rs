//! Pictures of other servers: fetched only when asked for, only what the message names, and never from inside.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use url::Url;

use super::{Door, first, id};
use crate::support::app::{App, Person};
use crate::support::client::{Answer, Client, text};
use crate::support::within;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// Somebody else's server of pictures, which remembers who asked.
#[derive(Clone)]
struct Elsewhere {
    asked: Arc<Mutex<VecDeque<(String, HeaderMap)>>>,
    came: Arc<Notify>,
    gate: Arc<Semaphore>,
}

impl Elsewhere {
    async fn start() -> (Self, SocketAddr) {
        let all = Self { asked: Arc::default(), came: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = axum::Router::new().fallback(picture).with_state(all.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (all, at)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn picture(State(here): State<Elsewhere>, uri: Uri, headers: HeaderMap) -> Response {
    here.asked.lock().unwrap().push_back((uri.to_string(), headers));
    here.came.notify_one();
    let answer = |media: &str, bytes: Vec<u8>| {
        Response::builder().header("content-type", media).body(Body::from(bytes)).unwrap()
    };
    let to =
        |place: &str| Response::builder().status(302).header("location", place).body(Body::empty()).unwrap();
    match uri.path() {
        "/svg" => answer("image/png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>".to_vec()),
        "/page" => answer("image/png", b"<html>hi</html>".to_vec()),
        "/large" => answer("image/png", [PNG, &[0; 5 << 20]].concat()),
        "/none" => Response::builder().status(404).body(Body::from(PNG)).unwrap(),
        "/moved" => to("/ok?moved"),
        "/moving" => to("/moving"),
        "/out" => to("ftp://127.0.0.1/x"),
        "/slow" => {
            let _through = here.gate.acquire().await.unwrap();
            answer("image/png", PNG.to_vec())
        }
        // What it says it is does not matter.
        _ => answer("text/html", PNG.to_vec()),
    }
}

async fn fetch(client: &Client, message: &str, url: &str) -> Answer {
    let path = format!("{}/v1/messages/{message}/remote", client.base);
    let path = Url::parse_with_params(&path, [("url", url)]).unwrap();
    client.get(path.as_str().strip_prefix(&client.base).unwrap()).await
}

/// A message from Bo to Ana that names these; its id at Ana's.
async fn with_pictures(door: &Door, ana: &Person, by_bo: &Client, urls: &[String]) -> String {
    let html: String =
        urls.iter().map(|url| format!("<img src=\"{}\">", url.replace('&', "&amp;"))).collect();
    let sent = json!({ "to": [ana.address], "subject": "Pictures", "html": html });
    by_bo.post("/v1/messages", sent).await.expect(202);
    door.app.settle().await;
    id(&first(&door.client(ana), "/v1/messages?mailbox=inbox").await).to_owned()
}

both!(a_picture_comes_only_when_it_is_asked_for, |engine| async move {
    let door = Door::before(App::calling(engine).await).await;
    let (ana, by_ana, _, by_bo) = door.two().await;
    let (elsewhere, at) = Elsewhere::start().await;
    let url = |path: &str| format!("http://{at}{path}");
    let names = ["/ok?a=1&b=2", "/svg", "/page", "/large", "/none", "/moved", "/moving", "/out"];
    let message = with_pictures(&door, &ana, &by_bo, &names.map(url)).await;
    let read = by_ana.get(&format!("/v1/messages/{message}")).await.expect(200);
    assert!(text(&read, "html_safe").contains("data-src="));
    assert_eq!(elsewhere.asked(), 0, "reading fetches nothing");

    let got = fetch(
        &by_ana.header("cookie", "restante=x").header("referer", "http://here/t/1"),
        &message,
        &url(names[0]),
    )
    .await;
    assert_eq!((got.status, got.bytes.as_slice()), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, max-age=86400"),
        ("content-disposition", "inline; filename=\"picture\""),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(got.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
    let (path, headers) = elsewhere.asked.lock().unwrap().pop_back().unwrap();
    assert_eq!(path, "/ok?a=1&b=2");
    let mut said: Vec<&str> = headers.keys().map(axum::http::HeaderName::as_str).collect();
    said.sort_unstable();
    assert_eq!(said, ["accept", "content-length", "host"], "nothing is said of who reads");

    for bad in ["/svg", "/page", "/large", "/none", "/moving", "/out"] {
        fetch(&by_ana, &message, &url(bad)).await.problem(502, "picture_unavailable");
    }
    assert_eq!(fetch(&by_ana, &message, &url("/moved")).await.bytes, PNG);
    let before = elsewhere.asked();
    // What the message does not name, and what is somebody else's, is not asked for.
    for other in ["/ok?a=1", "/secret"] {
        fetch(&by_ana, &message, &url(other)).await.problem(404, "not_found");
    }
    fetch(&by_bo, &message, &url(names[0])).await.problem(404, "not_found");
    assert_eq!(elsewhere.asked(), before);
});

both!(nothing_inside_is_asked_for_a_picture, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, _, by_bo) = door.two().await;
    let (elsewhere, at) = Elsewhere::start().await;
    let port = at.port();
    let inside = [
        format!("http://{at}/ok"),
        format!("http://localhost:{port}/ok"),
        format!("http://2130706433:{port}/ok"),
        format!("http://[::ffff:127.0.0.1]:{port}/ok"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://u:p@127.0.0.1:{port}/ok"),
        "http://printer.lan/".to_owned(),
    ];
    let message = with_pictures(&door, &ana, &by_bo, &inside).await;
    for url in &inside {
        let problem = fetch(&by_ana, &message, url).await.problem(502, "picture_unavailable");
        assert_eq!(problem["detail"], "This picture cannot be fetched.", "why is not told");
    }
    assert_eq!(elsewhere.asked(), 0);
});

both!(pictures_that_do_not_come_delay_their_own_reader_only, |engine| async move {
    const OF_ONE: usize = 6;
    let door = Door::before(App::calling(engine).await).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let (elsewhere, at) = Elsewhere::start().await;
    let urls: Vec<String> = (0..OF_ONE + 2).map(|n| format!("http://{at}/slow?{n}")).collect();
    let message = with_pictures(&door, &ana, &by_bo, &urls).await;
    let quick = [format!("http://{at}/quick")];
    let other = with_pictures(&door, &bo, &by_ana, &quick).await;
    let all: Vec<_> = urls
        .into_iter()
        .map(|url| {
            let (client, message) = (by_ana.clone(), message.clone());
            tokio::spawn(async move { fetch(&client, &message, &url).await.status })
        })
        .collect();
    within("six of them", async {
        while elsewhere.asked() < OF_ONE {
            elsewhere.came.notified().await;
        }
    })
    .await;
    assert_eq!(fetch(&by_bo, &other, &quick[0]).await.status, 200, "others are not delayed");
    assert_eq!(elsewhere.asked(), OF_ONE + 1, "one account's do not all go at once");
    elsewhere.gate.add_permits(1000);
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
});
