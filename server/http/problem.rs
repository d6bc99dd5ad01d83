//! Errors as problem details (RFC 9457): every kind there is, and how one becomes a response.

use axum::response::{IntoResponse, Response};
use http_body_util::Full;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Denied, password};
use crate::store;

use super::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use super::{HeaderValue, StatusCode};

/// One kind of problem: the same code always has the same status and title.
#[derive(Debug)]
pub struct Kind {
    /// Stable, snake_case: what programs look at.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// One line that does not depend on the case.
    pub title: &'static str,
    /// What to do next.
    pub fix: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

macro_rules! kinds {
    ($($name:ident: $status:literal $code:literal, $title:literal, $fix:literal $(, $retry:literal)?;)+) => {
        $(#[doc = $title]
        pub static $name: Kind = Kind {
            code: $code, status: $status, title: $title, fix: $fix,
            retryable: false $(|| $retry)?,
        };)+
        /// Every kind, for the documentation.
        pub static KINDS: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    INVALID_JSON: 400 "invalid_json", "The body is not JSON", "Send one JSON value in UTF-8.";
    INVALID_CURSOR: 400 "invalid_cursor", "The cursor is not valid", "Use next_cursor as it was given, with the same filter and credential; or start again without a cursor.";
    INVALID_REQUEST: 400 "invalid_request", "The request cannot be read", "Compare the request with /docs.";
    INVALID_IDEMPOTENCY_KEY: 400 "invalid_idempotency_key", "The Idempotency-Key is not valid", "Send 1 to 255 visible ASCII characters, such as a UUID; or leave the header out.";
    UNAUTHENTICATED: 401 "unauthenticated", "A credential is needed", "Send Authorization: Bearer rst_…, or sign in.";
    INVALID_TOKEN: 401 "invalid_token", "The credential is not valid", "Make a new token with `restante token create` or POST /v1/tokens; or sign in again.";
    TOKEN_EXPIRED: 401 "token_expired", "The token has expired", "Make a new token with `restante token create` or POST /v1/tokens.";
    TOKEN_REVOKED: 401 "token_revoked", "The token was revoked", "Make a new token with `restante token create` or POST /v1/tokens.";
    BAD_CREDENTIALS: 401 "bad_credentials", "The address or the password is wrong", "Check both. A token is no password.";
    INSUFFICIENT_SCOPE: 403 "insufficient_scope", "The credential does not permit this", "Use a token that has the scope.";
    CROSS_SITE: 403 "cross_site", "A request from another site", "Send it from a page of this site; programs use a token instead of the cookie.";
    NOT_FOUND: 404 "not_found", "There is nothing here", "Check the address and the id; what belongs to another account is not shown.";
    METHOD_NOT_ALLOWED: 405 "method_not_allowed", "The method is not allowed here", "Use a method of the Allow header.";
    REQUEST_TIMEOUT: 408 "request_timeout", "The request took too long to arrive", "Send it again over a better connection.", true;
    CONFLICT: 409 "conflict", "It is no longer as the request believes", "Read it again and decide anew.";
    ADDRESS_TAKEN: 409 "address_taken", "The address is taken", "Choose another address.";
    NAME_TAKEN: 409 "name_taken", "There is a mailbox of that name", "Choose another name.";
    FORWARDING_EXISTS: 409 "forwarding_exists", "There is a forwarding to that address", "Use the one there is, or delete it first.";
    MAILBOX_NOT_EMPTY: 409 "mailbox_not_empty", "The mailbox is not empty", "Move or delete its messages first.";
    MAILBOX_HAS_ROLE: 409 "mailbox_has_role", "The mailbox has a role", "Mailboxes with a role stay as they are.";
    ALREADY_SENT: 409 "already_sent", "It was sent already", "Send a message that puts it right.";
    ALREADY_SETTLED: 409 "already_settled", "The promise is settled", "Read the promise for its outcome.";
    ALREADY_ANSWERED: 409 "already_answered", "You have answered already", "An answer is final.";
    ALREADY_DELEGATED: 409 "already_delegated", "You have passed the question on", "Somebody else is asked instead now.";
    NOBODY_LEFT: 409 "nobody_left", "There is nobody left to ask", "Name people in to who are not asked yet.";
    TOO_MANY_WEBHOOKS: 409 "too_many_webhooks", "There are too many webhooks", "Delete one that is no longer needed.";
    TOO_MANY_SUBSCRIPTIONS: 409 "too_many_subscriptions", "There are too many browsers that are told", "Delete one that is no longer used.";
    WEBHOOK_DISABLED: 409 "webhook_disabled", "The webhook is switched off", "Switch it on with PATCH {\"enabled\": true} first.";
    ALREADY_VERIFIED: 409 "already_verified", "The address is verified already", "Nothing is left to do.";
    NOT_A_SANDBOX: 409 "not_a_sandbox", "This server is no sandbox", "Only a server with relay.url = \"capture\" has a clock that can be moved.";
    IDEMPOTENCY_IN_FLIGHT: 409 "idempotency_in_flight", "The first request with this Idempotency-Key is still running", "Send the same request again in a moment.", true;
    CURSOR_EXPIRED: 410 "cursor_expired", "The cursor is too old", "Fetch the lists anew and go on from their as_of.";
    PRECONDITION_FAILED: 412 "precondition_failed", "It has changed since it was read", "Read it again, then repeat the change with its new ETag.";
    BODY_TOO_LARGE: 413 "body_too_large", "The body is too large", "Send less; large attachments go through POST /v1/uploads.";
    MESSAGE_TOO_LARGE: 413 "message_too_large", "The message is too large", "Make it smaller; the limit is limits.message_bytes of GET /v1/me.";
    URI_TOO_LONG: 414 "uri_too_long", "The address is too long", "Shorten the query.";
    UNSUPPORTED_MEDIA_TYPE: 415 "unsupported_media_type", "The media type is not understood here", "Send Content-Type: application/json.";
    INVALID_BODY: 422 "invalid_body", "The body is not as it should be", "Correct what errors names; /docs has every field.";
    UNKNOWN_FIELD: 422 "unknown_field", "There is no such field", "Leave it out; /docs has every field.";
    INVALID_PARAMETER: 422 "invalid_parameter", "A query parameter is not valid", "Correct the parameter; /docs has every one.";
    IDEMPOTENCY_KEY_REUSE: 422 "idempotency_key_reuse", "The Idempotency-Key was used for a different request", "Use a new key for a new request.";
    INVALID_ADDRESS: 422 "invalid_address", "An address is not valid", "Write addresses as ana@example.org.";
    NO_RECIPIENTS: 422 "no_recipients", "There is no recipient", "Name at least one address in to, cc or bcc.";
    TOO_MANY_RECIPIENTS: 422 "too_many_recipients", "There are too many recipients", "Send to at most limits.recipients of GET /v1/me at once.";
    INVALID_HEADER: 422 "invalid_header", "A header field is not valid", "Headers have a token as name and one line as value, and do not replace the server's own.";
    INVALID_ATTACHMENT: 422 "invalid_attachment", "An attachment is not valid", "Send content as standard base64, or an upload_id of your own uploads.";
    INVALID_ASK: 422 "invalid_ask", "The question is not valid", "Correct what errors names.";
    INVALID_ANSWER: 422 "invalid_answer", "The answer does not fit the question", "Answer as the question's kind, options or schema say.";
    NOT_ASKED: 422 "not_asked", "You were not asked", "Only a recipient in to answers; the asker never does.";
    UNKNOWN_MESSAGE: 422 "unknown_message", "There is no such message", "Name a message of your own by its id, or any by its Message-ID.";
    UNKNOWN_UPLOAD: 422 "unknown_upload", "There is no such upload", "Send the octets to POST /v1/uploads first.";
    UNKNOWN_RECIPIENT: 422 "unknown_recipient", "A local recipient is unknown", "Correct the address; or send without strict and get a bounce.";
    NOT_YOUR_ADDRESS: 422 "not_your_address", "The sender address is not yours", "Leave from out, or use one of addresses of GET /v1/me.";
    REFUSED: 422 "refused", "The message is refused", "Correct the request as detail says.";
    NO_RELAY: 422 "no_relay", "Mail to outside addresses cannot leave", "Set relay.url (RESTANTE_RELAY__URL), or write to local addresses.";
    BAD_PASSWORD: 422 "bad_password", "The password is not accepted", "Choose one of 8 to 1024 characters.";
    SCOPE_NOT_YOURS: 422 "scope_not_yours", "A token gets only scopes its maker has", "Leave out the scopes you lack.";
    TOO_MANY_STREAMS: 429 "too_many_streams", "There are too many streams of events", "Close some, or use GET /v1/events?wait=.", true;
    THROTTLED: 429 "throttled", "Too many failed attempts", "Wait as long as Retry-After says.", true;
    RATE_LIMITED: 429 "rate_limited", "Too many requests", "Wait as long as Retry-After says; RateLimit-Remaining tells how many may be made at once.", true;
    INTERNAL: 500 "internal", "Something went wrong here", "Send it again, with the same Idempotency-Key; tell the administrator the request_id.", true;
    PICTURE_UNAVAILABLE: 502 "picture_unavailable", "The picture cannot be fetched", "Try again later; it may be gone, too large, or no picture.", true;
    NOT_BUILT_YET: 501 "not_supported_yet", "Not supported in this version", "See /docs for what there is.";
    DATABASE_AWAY: 503 "database_away", "The database does not answer", "Send it again after Retry-After, with the same Idempotency-Key.", true;
    STORAGE_FULL: 507 "storage_full", "The server's disk is full", "Free space where data_dir or the database is; then send it again with the same Idempotency-Key.", true;
    BUSY: 503 "busy", "Too much is going on", "Send it again after Retry-After, with the same Idempotency-Key.", true;
}

/// What is wrong with one place of a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct At {
    /// A JSON pointer into the body (RFC 6901), or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// A problem on its way to the caller.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What kind it is.
    pub kind: &'static Kind,
    /// What is wrong in this case; nothing of it is secret.
    pub detail: String,
    /// Where in the request.
    pub errors: Vec<At>,
    /// After how many seconds it is worth trying again.
    pub retry_after: Option<i64>,
}

/// The body of a problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details<'a> {
    /// A link to what is said about this kind.
    #[serde(rename = "type")]
    pub type_: String,
    /// One line that does not depend on the case.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this case.
    pub detail: &'a str,
    /// Stable, snake_case: what programs look at.
    pub code: &'a str,
    /// What to do next.
    pub fix: &'a str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The request's id, as in the log and in X-Request-Id.
    pub request_id: &'a str,
    /// Where in the request.
    pub errors: &'a [At],
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// A problem with one place of the request.
    pub fn at(kind: &'static Kind, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let at = At { pointer: pointer.into(), detail: detail.clone() };
        Self { errors: vec![at], ..Self::new(kind, detail) }
    }

    /// What is not there, or belongs to someone else: the same answer for both.
    pub fn not_found() -> Self {
        Self::new(&NOT_FOUND, "There is nothing at this address that this credential may see.")
    }

    /// Says when it is worth trying again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// What went wrong inside is logged, never sent.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed inside");
        Self::new(&INTERNAL, "The request could not be carried out. Nothing of it was kept.")
    }

    /// The response, complete.
    pub fn render(&self, request_id: &str) -> Response {
        let details = Details {
            type_: format!("/docs#{}", self.kind.code),
            title: self.kind.title,
            status: self.kind.status,
            detail: &self.detail,
            code: self.kind.code,
            fix: self.kind.fix,
            retryable: self.kind.retryable,
            request_id,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = Response::new(axum::body::Body::new(Full::from(body)));
        *response.status_mut() = self.status();
        self.headers(response.headers_mut());
        response
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn headers(&self, headers: &mut super::HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

/// The body is written by the outermost layer, which knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        self.headers(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound => Self::not_found(),
            store::Error::Conflict => Self::new(&CONFLICT, "It has changed in the meantime."),
            store::Error::Busy => {
                Self::new(&BUSY, "The store has too much to write. Nothing of the request was kept.")
                    .retry_after(1)
            }
            store::Error::Away => {
                Self::new(&DATABASE_AWAY, "The database does not answer. Nothing of the request was kept.")
                    .retry_after(5)
            }
            store::Error::Full => {
                let detail = "There is no room to keep it. Nothing of the request was kept.";
                Self::new(&STORAGE_FULL, detail).retry_after(30)
            }
            other => Self::internal(&other),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let kind = match denied {
            Denied::Missing => &UNAUTHENTICATED,
            Denied::Unknown => &INVALID_TOKEN,
            Denied::Expired => &TOKEN_EXPIRED,
            Denied::Revoked => &TOKEN_REVOKED,
            Denied::Scope(scope) => {
                return Self::new(&INSUFFICIENT_SCOPE, format!("This needs the scope {scope}."));
            }
            Denied::Store(error) => return error.into(),
        };
        Self::new(kind, format!("{}.", sentence(&denied.to_string())))
    }
}

impl From<password::Error> for Problem {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Busy => Self::new(&BUSY, "Too many are signing in at once.").retry_after(2),
            password::Error::Length => Self::new(&BAD_PASSWORD, "A password has 8 to 1024 characters."),
            password::Error::Failed(why) => Self::internal(&why),
        }
    }
}

/// The text with its first letter in upper case.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_have_one_status_but_for_what_is_not_built() {
        for (n, kind) in KINDS.iter().enumerate() {
            assert!(kind.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", kind.code);
            assert!(
                StatusCode::from_u16(kind.status).is_ok_and(|s| s.is_client_error() || s.is_server_error())
            );
            let twin = KINDS[..n].iter().find(|other| other.code == kind.code);
            assert!(twin.is_none() || kind.code == "not_supported_yet", "{}", kind.code);
            assert!(kind.title.len() > 5 && kind.fix.ends_with('.'), "{}", kind.code);
        }
    }
}
