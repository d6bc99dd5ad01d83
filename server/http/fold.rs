//! Folding: of a GET that waits everything that was built for it is let go, its connection's buffers too; the door keeps
//! its octets and what it waits for. When the bell is rung it goes its whole way again, so a credential that was taken back
//! meanwhile reads nothing. Ten thousand who wait cost what they wait with, not ten thousand half-done requests.

use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::time::Instant;

use super::Method;
use super::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use super::rate::Standing;
use super::wait::Parked;

/// A request's extension: its head is kept, so it can come again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// When the patience ends of one that has come again.
    pub(super) deadline: Option<Instant>,
}

/// Notes that a request may be parked: a GET without a body that says it waits. Its head, if so.
pub(super) fn keep(request: &mut Request, again: Option<Again>) -> Option<Parts> {
    let headers = request.headers();
    let waits =
        request.uri().query().is_some_and(|query| query.contains("wait=")) || headers.contains_key("prefer");
    let bare = !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);
    if *request.method() != Method::GET || !waits || !bare {
        return None;
    }
    let (deadline, standing) = again.map_or((None, None), |again| (Some(again.deadline), again.standing));
    request.extensions_mut().insert(Kept { deadline });
    if let Some(standing) = standing {
        request.extensions_mut().insert(standing);
    }
    let (mut parts, body) = std::mem::take(request).into_parts();
    let extensions = std::mem::take(&mut parts.extensions);
    let kept = parts.clone();
    parts.extensions = extensions;
    *request = Request::from_parts(parts, body);
    Some(kept)
}

/// A request that waits, folded up: its octets, and what is known of it.
pub(super) struct Folded {
    pub(super) parked: Parked,
    octets: Vec<u8>,
    standing: Option<Standing>,
}

/// What is known of a request that comes again.
pub(super) struct Again {
    deadline: Instant,
    /// Where it left its caller's quota.
    standing: Option<Standing>,
}

impl Folded {
    /// Folds up a request whose response is no answer yet.
    pub(super) fn of(head: &Parts, response: &mut Response) -> Option<Self> {
        let parked = Parked::of(response)?;
        let mut octets = format!("{} {} {:?}\r\n", head.method, head.uri, head.version).into_bytes();
        for (name, value) in &head.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                octets.extend_from_slice(part);
            }
        }
        octets.extend_from_slice(b"\r\n");
        octets.shrink_to_fit();
        Some(Self { parked, octets, standing: response.extensions_mut().remove() })
    }

    /// The request as it came, and what is known of it.
    pub(super) fn unfold(self) -> (Vec<u8>, Again) {
        (self.octets, Again { deadline: self.parked.deadline, standing: self.standing })
    }
}

/// Whether a request comes again, and has been counted.
pub(super) fn is_again(request: &Request) -> bool {
    request.extensions().get::<Kept>().is_some_and(|kept| kept.deadline.is_some())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_a_head_that_says_everything_is_kept() {
        let kept =
            |request: axum::http::request::Builder| keep(&mut request.body(Body::empty()).unwrap(), None);
        let get = |uri: &str| Request::get(uri);
        assert!(kept(get("/v1/events?wait=5")).is_some());
        assert!(kept(get("/v1/events").header("prefer", "wait=5")).is_some());
        assert!(kept(get("/v1/events")).is_none());
        assert!(kept(get("/v1/events?wait=5").header(CONTENT_LENGTH, "3")).is_none());
        assert!(kept(Request::post("/v1/events?wait=5")).is_none());
        assert!(kept(Request::head("/v1/events?wait=5")).is_none());
    }
}
