//! The web inbox, embedded: its files with their ETags, its page for every address a person may open.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;

use super::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use super::problem::{self, Problem};
use super::{HeaderMap, HeaderValue, Method, StatusCode};
use crate::mail::id::hex;

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Dist;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; frame-src 'self' blob: about:; \
    worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'; \
    require-trusted-types-for 'script'; trusted-types worker dompurify svelte-trusted-html 'allow-duplicates'";

/// What the API has that this version does not do, by the beginning of its address.
const NOT_BUILT: &[&str] = &[
    "/v1/messages/batch",
    "/v1/messages/claim",
    "/v1/admin/aliases",
    "/v1/admin/settings",
    "/jmap",
    "/.well-known/jmap",
    "/metrics",
];
/// The same, by a part after an id.
const NOT_BUILT_PARTS: &[(&str, &str)] = &[("/v1/messages/", "/ack")];

/// Everything that is no route: a file, the page, or a problem.
pub async fn page(request: Request) -> Response {
    let path = request.uri().path();
    if let Some(problem) = not_built(path) {
        return problem.into_response();
    }
    if path.starts_with("/v1/") || path == "/v1" {
        return Problem::not_found().into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return if file(path).is_some() || wants_html(request.headers()) {
            no_such_method().await.into_response()
        } else {
            Problem::not_found().into_response()
        };
    }
    if let Some((name, found)) = file(path) {
        return answer(name, found, request.headers());
    }
    // An address within the inbox: no file has a name like it, and only a browser that opens a page asks for HTML.
    let last = path.rsplit('/').next().unwrap_or_default();
    if wants_html(request.headers())
        && !last.contains('.')
        && !path.starts_with("/assets/")
        && let Some(found) = Dist::get("index.html")
    {
        return answer("index.html", found, request.headers());
    }
    Problem::not_found().into_response()
}

/// A route that has other methods.
pub async fn no_such_method() -> Problem {
    Problem::new(&problem::METHOD_NOT_ALLOWED, "There is something here, but not for this method.")
}

/// The problem with a route that this version does not have.
pub fn not_built(path: &str) -> Option<Problem> {
    let prefix = NOT_BUILT.iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
    });
    let part = NOT_BUILT_PARTS.iter().any(|(start, end)| {
        let id = path.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
    });
    (prefix || part)
        .then(|| Problem::new(&problem::NOT_BUILT_YET, format!("{path} is not built in this version.")))
}

fn file(path: &str) -> Option<(&str, rust_embed::EmbeddedFile)> {
    let name = path.strip_prefix('/')?;
    let name = if name.is_empty() { "index.html" } else { name };
    // Names are looked up in a table, so no path leads out of it; in a debug build too.
    Some((name, Dist::get(name)?))
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

fn answer(name: &str, file: rust_embed::EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = format!("W/\"{}\"", &hex(&file.metadata.sha256_hash())[..32]);
    let fresh = super::rest::matches(headers, IF_NONE_MATCH, &etag);
    let body = match file.data {
        _ if fresh => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    *response.status_mut() = if fresh { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let set = response.headers_mut();
    // A file whose name holds the hash of its content never changes.
    let keep = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    set.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    set.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    set.insert(VARY, HeaderValue::from_static("Accept"));
    for (header, value) in [(ETAG, etag), (CONTENT_TYPE, media(name))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            set.insert(header, value);
        }
    }
    response
}

fn media(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let text = guess.type_() == "text" || matches!(guess.subtype().as_str(), "javascript" | "json");
    if text { format!("{guess}; charset=utf-8") } else { guess.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_said_and_nothing_else() {
        for path in ["/metrics", "/jmap/session", "/jmap", "/v1/messages/batch", "/v1/messages/1/ack"] {
            assert_eq!(not_built(path).map(|p| p.kind.status), Some(501), "{path}");
        }
        for path in ["/v1/push", "/v1/messages/1", "/v1/messages//ack", "/v1/messages/1/2/ack", "/", "/jmapx"]
        {
            assert!(not_built(path).is_none(), "{path}");
        }
    }

    #[test]
    fn files_are_looked_up_by_name_only() {
        assert!(file("/").is_some());
        for path in ["/../Cargo.toml", "/assets/../../Cargo.toml", "//etc/passwd", "/index.html/", ""] {
            assert!(file(path).is_none(), "{path}");
        }
    }
}
