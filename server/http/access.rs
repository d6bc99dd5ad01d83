//! Access: one table says who may call which route, and one layer applies it, so that no route can forget.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::peer::Peer;
use super::problem::{self, Problem};
use super::rate::{self, Standing};
use super::{AppState, Method};
use crate::auth::{Denied, Principal, Scope, session, token};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: the route checks a secret of its own.
    Open,
    /// Whoever is signed in.
    SignedIn,
    /// A credential with this scope.
    Needs(Scope),
}

use Access::{Needs, Open, SignedIn};
use Scope::{Admin, Answer, Manage, Read, Send, Write};

/// How much of a body a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// 1 MiB.
    Small,
    /// 36 MiB: a message with its attachments in base64.
    Message,
    /// The route reads the stream itself, and bounds it.
    Stream,
}

/// Every route of the API.
pub static ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/v1/setup", Open),
    ("POST", "/v1/setup", Open),
    ("POST", "/v1/session", Open),
    ("DELETE", "/v1/session", SignedIn),
    ("GET", "/v1/confirm", Open),
    ("POST", "/v1/confirm", Open),
    ("GET", "/v1/me", SignedIn),
    ("POST", "/v1/me/password", Needs(Manage)),
    ("GET", "/v1/me/settings", SignedIn),
    ("PATCH", "/v1/me/settings", Needs(Manage)),
    ("GET", "/v1/me/vacation", Needs(Manage)),
    ("PUT", "/v1/me/vacation", Needs(Manage)),
    ("DELETE", "/v1/me/vacation", Needs(Manage)),
    ("GET", "/v1/mutes", Needs(Manage)),
    ("POST", "/v1/mutes", Needs(Manage)),
    ("DELETE", "/v1/mutes/{id}", Needs(Manage)),
    ("GET", "/v1/addresses", Needs(Read)),
    ("GET", "/v1/drafts", Needs(Read)),
    ("POST", "/v1/drafts", Needs(Write)),
    ("GET", "/v1/drafts/{id}", Needs(Read)),
    ("PUT", "/v1/drafts/{id}", Needs(Write)),
    ("DELETE", "/v1/drafts/{id}", Needs(Write)),
    ("POST", "/v1/drafts/{id}/send", Needs(Send)),
    ("GET", "/v1/sessions", Needs(Manage)),
    ("DELETE", "/v1/sessions/{id}", Needs(Manage)),
    ("GET", "/v1/tokens", Needs(Manage)),
    ("POST", "/v1/tokens", Needs(Manage)),
    ("DELETE", "/v1/tokens/{id}", Needs(Manage)),
    ("GET", "/v1/forwarding", Needs(Manage)),
    ("POST", "/v1/forwarding", Needs(Manage)),
    ("PATCH", "/v1/forwarding/{id}", Needs(Manage)),
    ("DELETE", "/v1/forwarding/{id}", Needs(Manage)),
    ("POST", "/v1/forwarding/{id}/resend", Needs(Manage)),
    ("POST", "/v1/messages", Needs(Send)),
    ("POST", "/v1/send", Needs(Send)),
    ("POST", "/v1/uploads", Needs(Send)),
    ("POST", "/v1/messages/{id}/reply", Needs(Send)),
    ("POST", "/v1/messages/{id}/forward", Needs(Send)),
    ("POST", "/v1/messages/{id}/cancel", Needs(Send)),
    ("GET", "/v1/messages", Needs(Read)),
    ("GET", "/v1/messages/{id}", Needs(Read)),
    ("GET", "/v1/messages/{id}/raw", Needs(Read)),
    ("GET", "/v1/messages/{id}/attachments/{n}", Needs(Read)),
    ("GET", "/v1/messages/{id}/remote", Needs(Read)),
    ("GET", "/v1/messages/{id}/deliveries", Needs(Read)),
    ("GET", "/v1/messages/{id}/timeline", Needs(Read)),
    ("PATCH", "/v1/messages", Needs(Write)),
    ("PATCH", "/v1/messages/{id}", Needs(Write)),
    ("DELETE", "/v1/messages/{id}", Needs(Write)),
    ("GET", "/v1/threads", Needs(Read)),
    ("GET", "/v1/threads/{id}", Needs(Read)),
    ("GET", "/v1/mailboxes", Needs(Read)),
    ("POST", "/v1/mailboxes", Needs(Write)),
    ("PATCH", "/v1/mailboxes/{id}", Needs(Write)),
    ("DELETE", "/v1/mailboxes/{id}", Needs(Write)),
    ("GET", "/v1/deliveries", Needs(Read)),
    ("POST", "/v1/deliveries/{id}/retry", Needs(Send)),
    ("POST", "/v1/deliveries/{id}/cancel", Needs(Send)),
    ("POST", "/v1/await", Needs(Read)),
    ("GET", "/v1/promises", Needs(Read)),
    ("GET", "/v1/promises/{id}", Needs(Read)),
    ("POST", "/v1/promises/{id}/answer", Needs(Answer)),
    ("DELETE", "/v1/promises/{id}/answer", Needs(Answer)),
    ("POST", "/v1/promises/{id}/delegate", Needs(Answer)),
    ("POST", "/v1/promises/{id}/cancel", Needs(Send)),
    ("POST", "/v1/promises/{id}/remind", Needs(Send)),
    ("POST", "/v1/promises/{id}/escalate", Needs(Send)),
    ("GET", "/v1/events", Needs(Read)),
    ("GET", "/v1/events/stream", Needs(Read)),
    ("GET", "/v1/webhooks", Needs(Manage)),
    ("POST", "/v1/webhooks", Needs(Manage)),
    ("GET", "/v1/webhooks/secret", Needs(Manage)),
    ("POST", "/v1/webhooks/secret", Needs(Manage)),
    ("GET", "/v1/webhooks/{id}", Needs(Manage)),
    ("PATCH", "/v1/webhooks/{id}", Needs(Manage)),
    ("DELETE", "/v1/webhooks/{id}", Needs(Manage)),
    ("POST", "/v1/webhooks/{id}/rotate", Needs(Manage)),
    ("POST", "/v1/webhooks/{id}/test", Needs(Manage)),
    ("GET", "/v1/webhooks/{id}/deliveries", Needs(Manage)),
    ("POST", "/v1/webhooks/{id}/redeliver", Needs(Manage)),
    ("GET", "/v1/push/key", Needs(Manage)),
    ("GET", "/v1/push", Needs(Manage)),
    ("POST", "/v1/push", Needs(Manage)),
    ("DELETE", "/v1/push/{id}", Needs(Manage)),
    // Each tool needs a scope of its own.
    ("POST", "/mcp", SignedIn),
    ("GET", "/v1/admin/accounts", Needs(Admin)),
    ("POST", "/v1/admin/accounts", Needs(Admin)),
    ("GET", "/v1/admin/audit", Needs(Admin)),
    ("GET", "/v1/admin/domains", Needs(Admin)),
    ("POST", "/v1/admin/domains", Needs(Admin)),
    ("GET", "/v1/admin/domains/{name}/check", Needs(Admin)),
    ("GET", "/v1/admin/queue", Needs(Admin)),
    ("POST", "/v1/admin/queue", Needs(Admin)),
    ("GET", "/v1/admin/queue/{id}", Needs(Admin)),
    ("GET", "/v1/admin/destinations", Needs(Admin)),
    ("POST", "/v1/admin/clock", Needs(Admin)),
    ("GET", "/v1/admin/suppressions", Needs(Admin)),
    ("POST", "/v1/admin/suppressions", Needs(Admin)),
    ("GET", "/v1/admin/suppressions/{id}", Needs(Admin)),
    ("PATCH", "/v1/admin/suppressions/{id}", Needs(Admin)),
    ("DELETE", "/v1/admin/suppressions/{id}", Needs(Admin)),
    ("GET", "/v1/admin/sending", Needs(Admin)),
    ("PATCH", "/v1/admin/sending", Needs(Admin)),
];

/// What the table says of a route; nothing of one it does not know.
pub fn access(method: &str, path: &str) -> Option<Access> {
    // HEAD is what GET is, without the body.
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, access)| *access)
}

/// How much of a body a route takes.
pub fn limit(path: &str) -> Limit {
    match path {
        "/v1/uploads" => Limit::Stream,
        "/v1/messages" | "/v1/send" | "/v1/messages/{id}/reply" | "/v1/messages/{id}/forward" => {
            Limit::Message
        }
        _ => Limit::Small,
    }
}

/// Lets a request through whose credential permits the route.
pub async fn guard(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(path) = path else { return next.run(request).await };
    // Some of what is not built looks like an id of what is.
    if let Some(problem) = super::web::not_built(request.uri().path()) {
        return problem.into_response();
    }
    let mut standing = None;
    let mut response = match admit(&state, path.as_str(), &mut request, &mut standing).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(standing) = standing {
        if super::wait::is_parked(&response) {
            response.extensions_mut().insert(standing);
        }
        standing.write(response.headers_mut());
    }
    response
}

async fn admit(
    state: &AppState,
    path: &str,
    request: &mut Request,
    standing: &mut Option<Standing>,
) -> Result<(), Problem> {
    // A method that the path does not have is answered with 405 further in.
    let Some(access) = access(request.method().as_str(), path) else { return Ok(()) };
    if access == Open {
        let Peer(peer) = Peer::of(state, request.extensions(), request.headers());
        rate::charge(state, rate::Caller::Address(peer), standing)?;
        if !request.method().is_safe() && crosses(state, request.headers(), false) {
            return Err(cross_site());
        }
        return Ok(());
    }
    let principal = match authenticate(state, request.headers()).await {
        Ok(principal) => principal,
        Err(Denied::Store(error)) => return Err(error.into()),
        Err(denied) => {
            // Guesses at credentials are their address's, so that they cost nobody else anything.
            let Peer(peer) = Peer::of(state, request.extensions(), request.headers());
            rate::charge(state, rate::Caller::Address(peer), standing)?;
            return Err(denied.into());
        }
    };
    // What comes again because it waited was counted when it came first.
    if super::fold::is_again(request) {
        *standing = request.extensions().get().copied();
    } else {
        rate::charge(state, rate::Caller::Account(principal.account.id), standing)?;
    }
    if principal.session().is_some()
        && !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && crosses(state, request.headers(), true)
    {
        return Err(cross_site());
    }
    if let Needs(scope) = access {
        principal.require(scope)?;
    }
    request.extensions_mut().insert(principal);
    Ok(())
}

/// Who sends these headers: a bearer token, else the session of the cookie.
///
/// # Errors
/// Why neither will do.
pub async fn authenticate(state: &AppState, headers: &super::HeaderMap) -> Result<Principal, Denied> {
    let now = state.clock.now_ms();
    if let Some(value) = headers.get(super::header::AUTHORIZATION) {
        let text = value.to_str().map_err(|_| Denied::Unknown)?;
        let (scheme, secret) = text.split_once(' ').ok_or(Denied::Unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Denied::Unknown);
        }
        return token::authenticate(&state.store, secret.trim(), now).await;
    }
    let secret = cookie(headers, state.cookie_name()).ok_or(Denied::Missing)?;
    session::authenticate(&state.store, secret, now).await
}

/// The value of a cookie.
fn cookie<'h>(headers: &'h super::HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(super::header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Whether a page of another site sent this. With `strict`, for requests that the browser adds a cookie to, a
/// request must show that it comes from here; else it is enough that nothing shows the contrary.
fn crosses(state: &AppState, headers: &super::HeaderMap, strict: bool) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && (strict || site != "none");
    }
    match headers.get(super::header::ORIGIN) {
        Some(origin) => origin.to_str().ok() != Some(&state.public_url.origin().ascii_serialization()),
        None => strict,
    }
}

fn cross_site() -> Problem {
    Problem::new(&problem::CROSS_SITE, "This request did not come from a page of this site.")
}

/// Who is calling: every route but the open ones has it.
pub struct Caller(pub Principal);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        principal.map(Caller).ok_or_else(|| Denied::Missing.into())
    }
}

impl std::ops::Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}
