//! A small client of the REST API: a status, headers and JSON, nothing hidden.

use std::ops::Index;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// A caller: where to, with which token or cookie.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) base: String,
    headers: HeaderMap,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    request: String,
}

/// A builder of HTTP clients.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    // No client of the tests speaks TLS, but its library wants to know how.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

impl Client {
    /// A caller without credentials; `base` is as `http://127.0.0.1:8080`.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        // Redirects and proxies would hide what the server said.
        let http = builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([])
            .timeout(super::PATIENCE * 2)
            .build()
            .unwrap();
        Self { base: base.into(), headers: HeaderMap::new(), http }
    }

    /// The same caller with a bearer token.
    pub(crate) fn token(&self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The same caller with one more header on every request (or another value for it).
    pub(crate) fn header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        client
    }

    /// A request to be finished by hand and given to [`Client::send`].
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).headers(self.headers.clone())
    }

    /// Sends a request made by [`Client::request`].
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// As [`Client::send`], for servers that may be gone or hang up.
    pub(crate) async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let name = format!("{} {}", request.method(), request.url());
        let response = self.http.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        Ok(Answer { status, headers, bytes, request: name })
    }

    /// Sends a request whose body is not read yet, as a stream's.
    pub(crate) async fn send_open(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let response = self.http.execute(request.build().unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// A POST with an `Idempotency-Key`.
    pub(crate) async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Every item of a list, page after page.
    pub(crate) async fn every(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = path.to_owned();
        loop {
            let page = self.get(&next).await.expect(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => {
                    let mut url = url::Url::parse(&format!("http://host{path}")).unwrap();
                    url.query_pairs_mut().append_pair("cursor", cursor);
                    next = format!("{}?{}", url.path(), url.query().unwrap());
                }
                None => return items,
            }
        }
    }
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header, empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON, if the status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        self.json()
    }

    /// Checks that this is a problem (RFC 9457) with all its members and this status and code; gives it back.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.request);
        assert_eq!(problem["code"], code, "{}: {problem}", self.request);
        assert_eq!(problem["status"], status, "{}: {problem}", self.request);
        for member in ["type", "title", "detail", "fix", "request_id"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{}: no {member} in {problem}",
                self.request
            );
        }
        assert!(problem["retryable"].is_boolean(), "{}: {problem}", self.request);
        problem
    }
}

/// The member of an object, as a text; the test fails when it is none.
#[track_caller]
pub(crate) fn text<I: serde_json::value::Index>(value: &Value, member: I) -> &str {
    value.index(member).as_str().unwrap_or_else(|| panic!("no such text in {value}"))
}
