//! What every command that talks to a server needs: where it is, who is calling, and how it says no.

use std::io::Read as _;
use std::time::Duration;

use anyhow::Context as _;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::say;
use crate::mail::id::Ids;
use crate::net::http::{Call, Reach};

/// Octets of an answer that are read.
const MOST: usize = 64 * 1024 * 1024;
/// How long a request may take beside what it waits.
const WITHIN: Duration = Duration::from_secs(60);
/// Tries of a request that changes nothing when it is repeated, and what lies between them.
const TRIES: u32 = 5;
const GAP: Duration = Duration::from_millis(500);

pub(super) struct Client {
    http: crate::net::http::Client,
    base: Url,
    token: HeaderValue,
    ids: Ids,
    /// Whether JSON is printed.
    pub(super) json: bool,
}

impl Client {
    /// The server of `RESTANTE_URL`, with the token of `RESTANTE_TOKEN`.
    pub(super) fn from_environment(json: bool) -> anyhow::Result<Self> {
        let base = std::env::var("RESTANTE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
        let base: Url = base.parse().with_context(|| format!("RESTANTE_URL is no address: {base:?}"))?;
        let token = std::env::var("RESTANTE_TOKEN")
            .context("RESTANTE_TOKEN is not set; `restante token create` makes a token")?;
        let mut token = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .context("RESTANTE_TOKEN is no token")?;
        token.set_sensitive(true);
        let http = crate::net::http::Client::new(Reach::Anywhere, &[]);
        Ok(Self { http, base, token, ids: Ids::system(), json })
    }

    /// Reads.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.again(Method::GET, path, None, None).await
    }

    /// Writes once, however often the connection breaks on the way.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let key = crate::mail::id::hex(&self.ids.secret()[..16]);
        self.again(Method::POST, path, Some(body), Some(&key)).await
    }

    async fn again(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Value> {
        let mut tries = 0;
        loop {
            let call = self.call(method.clone(), path, body, key)?;
            tries += 1;
            let failed = match self.http.call(call).await {
                Ok(answer) if matches!(answer.status.as_u16(), 429 | 502..=504) && tries < TRIES => {
                    let after = answer.headers.get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
                    tokio::time::sleep(Duration::from_secs(after.unwrap_or(1).min(30))).await;
                    continue;
                }
                Ok(answer) => return read(answer.status.as_u16(), &answer.body),
                Err(error) => error,
            };
            if tries >= TRIES {
                return Err(failed).with_context(|| format!("{} does not answer", self.base));
            }
            tokio::time::sleep(GAP * tries).await;
        }
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Call> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = vec![(AUTHORIZATION, self.token.clone())];
        if body.is_some() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        if let Some(key) = key {
            headers.push((HeaderName::from_static("idempotency-key"), HeaderValue::from_str(key)?));
        }
        let url = self.base.join(path).context("RESTANTE_URL cannot be used")?;
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        Ok(Call { method, url, headers, body, within: WITHIN * 2, most: MOST })
    }

    /// Prints a value as JSON, or a line for people.
    pub(super) fn print(&self, value: &Value, line: impl FnOnce() -> String) {
        if self.json {
            say(&value.to_string());
        } else {
            say(&line());
        }
    }
}

/// The JSON of a good answer; of a problem, what it says and how to put it right.
fn read(status: u16, body: &[u8]) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut said = text("detail");
    for error in value.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let (pointer, detail) = (&error["pointer"], &error["detail"]);
        said +=
            &format!(" ({}: {})", pointer.as_str().unwrap_or_default(), detail.as_str().unwrap_or_default());
    }
    anyhow::bail!("{status} {}: {said} {}", text("code"), text("fix"));
}

/// A text argument; `-`, or none, is standard input.
pub(super) fn text_of(argument: Option<&str>) -> anyhow::Result<String> {
    match argument {
        Some(text) if text != "-" => Ok(text.to_owned()),
        _ => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input is no UTF-8")?;
            Ok(text)
        }
    }
}

/// A member that is a text, or nothing.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
