//! A real S3-compatible object store in this process: it checks signatures, keeps objects as files, and refuses or holds
//! back what it is told to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use restante::store::remote::Location;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::dir::Dir;

const KEY: &str = "AKIDOFTHETESTS";
const SECRET: &str = "a secret of the tests";

/// What it does with a request whose method and address contain a text.
struct Fault {
    text: &'static str,
    times: usize,
    act: Act,
}

/// What it does instead of answering well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers with this status.
    Refuse(u16),
    /// Answers once [`S3::go_on`] is called.
    Hold,
}

/// The store; it goes away with this value.
pub(crate) struct S3 {
    dir: Dir,
    address: SocketAddr,
    script: Arc<Script>,
    stop: tokio::task::JoinHandle<()>,
}

struct Script {
    faults: Mutex<Vec<Fault>>,
    seen: watch::Sender<Vec<String>>,
    held: watch::Sender<bool>,
}

impl S3 {
    /// Starts one with the bucket `mail`.
    pub(crate) async fn start() -> Self {
        let dir = Dir::new();
        std::fs::create_dir(dir.path().join("mail")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script {
            faults: Mutex::default(),
            seen: watch::Sender::new(Vec::new()),
            held: watch::Sender::new(true),
        });
        let told = script.clone();
        let stop = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (service, script) = (service.clone(), told.clone());
                tokio::spawn(async move {
                    let answer = service_fn(move |request| answer(service.clone(), script.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { dir, address, script, stop }
    }

    /// The variables with which it is reached.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let named = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ];
        named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// As the store takes it.
    pub(crate) fn location(&self) -> Location {
        Location::new("s3://mail/blobs", self.environment()).unwrap()
    }

    /// The files that hold its objects, below the prefix.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().join("mail/blobs")
    }

    /// How many parts of uploads that did not come to their end are kept.
    pub(crate) fn parts(&self) -> usize {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        entries.map(name).filter(|name| name.contains("upload")).count()
    }

    /// Does something else with the next requests that contain a text.
    pub(crate) fn fault(&self, text: &'static str, times: usize, act: Act) {
        self.script.held.send_replace(true);
        self.script.faults.lock().unwrap().push(Fault { text, times, act });
    }

    /// Answers what was held back.
    pub(crate) fn go_on(&self) {
        self.script.held.send_replace(false);
    }

    /// Its requests so far, each its method, a space and its address.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.script.seen.borrow().clone()
    }

    /// Waits for a request that contains a text.
    pub(crate) async fn asked(&self, text: &str) {
        let mut seen = self.script.seen.subscribe();
        let here = seen.wait_for(|seen| seen.iter().any(|request| request.contains(text)));
        drop(super::within(text, here).await.unwrap());
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

async fn answer(
    service: S3Service,
    script: Arc<Script>,
    request: Request<Incoming>,
) -> Result<Response<Body>, s3s::HttpError> {
    let shown = format!("{} {}", request.method(), request.uri());
    script.seen.send_modify(|seen| seen.push(shown.clone()));
    let act = {
        let mut faults = script.faults.lock().unwrap();
        let fault = faults.iter_mut().find(|fault| fault.times > 0 && shown.contains(fault.text));
        fault.map(|fault| {
            fault.times -= 1;
            fault.act
        })
    };
    match act {
        None => service.call(request.map(Body::from)).await,
        Some(Act::Refuse(status)) => {
            // The whole request first: on an answer before its end the client would only see a broken connection.
            let _ = request.into_body().collect().await;
            Ok(Response::builder().status(status).body(Body::from("told to".to_owned())).unwrap())
        }
        Some(Act::Hold) => {
            let _ = script.held.subscribe().wait_for(|held| !held).await;
            service.call(request.map(Body::from)).await
        }
    }
}
