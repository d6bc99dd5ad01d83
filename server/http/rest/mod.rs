//! The REST API: one module per thing, each handler a thin door to the store, the submission and the promises.

pub mod addresses;
pub mod admin;
pub mod answers;
pub mod attachments;
pub mod audit;
pub mod awaiting;
pub mod calls;
pub mod deliveries;
pub mod domains;
pub mod draft;
pub mod drafts;
pub mod forwarding;
pub mod mailboxes;
pub mod me;
pub mod message;
pub mod messages;
pub mod mutes;
pub mod pictures;
pub mod promises;
pub mod push;
pub mod queue;
pub mod send;
pub mod session;
pub mod settings;
pub mod summary;
pub mod suppressions;
pub mod threads;
pub mod time;
pub mod tokens;
pub mod uploads;
pub mod vacation;
pub mod webhooks;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::header::{ETAG, HeaderName, IF_NONE_MATCH, LOCATION};
use super::idempotency::{Kept, Once};
use super::problem::{self, Problem};
use super::{AppState, HeaderMap, HeaderValue, StatusCode, events};
use crate::store::db::Statement;
use crate::store::idempotency::Answer;

/// Every route under /v1, with its documentation.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(session::setup_valid, session::setup))
        .routes(routes!(session::sign_in, session::sign_out))
        .routes(routes!(session::sessions))
        .routes(routes!(session::revoke))
        .routes(routes!(me::me))
        .routes(routes!(me::password))
        .routes(routes!(settings::get, settings::change))
        .routes(routes!(addresses::list))
        .routes(routes!(drafts::list, drafts::create))
        .routes(routes!(drafts::get, drafts::put, drafts::delete))
        .routes(routes!(drafts::send))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(messages::list, messages::change_many, send::send))
        .routes(routes!(messages::get, messages::change, messages::delete))
        .routes(routes!(attachments::raw))
        .routes(routes!(attachments::attachment))
        .routes(routes!(pictures::picture))
        .routes(routes!(deliveries::of_message))
        .routes(routes!(deliveries::timeline))
        .routes(routes!(send::reply))
        .routes(routes!(send::forward))
        .routes(routes!(send::cancel))
        .routes(routes!(send::plain))
        .routes(routes!(uploads::upload))
        .routes(routes!(threads::list))
        .routes(routes!(threads::get))
        .routes(routes!(mailboxes::list, mailboxes::create))
        .routes(routes!(mailboxes::rename, mailboxes::delete))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::cancel))
        .routes(routes!(awaiting::awaiting))
        .routes(routes!(promises::list))
        .routes(routes!(promises::get))
        .routes(routes!(answers::answer, answers::take_back))
        .routes(routes!(answers::delegate))
        .routes(routes!(promises::cancel))
        .routes(routes!(promises::remind))
        .routes(routes!(promises::escalate))
        .routes(routes!(events::list))
        .routes(routes!(events::stream))
        .routes(routes!(forwarding::list, forwarding::create))
        .routes(routes!(forwarding::change, forwarding::delete))
        .routes(routes!(forwarding::resend))
        .routes(routes!(forwarding::confirmable, forwarding::confirm))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::secret, webhooks::renew_secret))
        .routes(routes!(webhooks::get, webhooks::change, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(calls::test))
        .routes(routes!(calls::deliveries))
        .routes(routes!(calls::redeliver))
        .routes(routes!(push::key))
        .routes(routes!(push::list, push::create))
        .routes(routes!(push::delete))
        .routes(routes!(mutes::list, mutes::create))
        .routes(routes!(mutes::delete))
        .routes(routes!(vacation::get, vacation::set, vacation::end))
        .routes(routes!(admin::accounts, admin::create_account))
        .routes(routes!(audit::list))
        .routes(routes!(domains::list, domains::add))
        .routes(routes!(domains::check))
        .routes(routes!(queue::list, queue::act))
        .routes(routes!(queue::show))
        .routes(routes!(queue::destinations))
        .routes(routes!(queue::clock))
        .routes(routes!(suppressions::list, suppressions::create))
        .routes(routes!(suppressions::get, suppressions::change, suppressions::delete))
        .routes(routes!(admin::sending, admin::set_sending))
}

/// A handler's result.
pub type Answered = Result<Response, Problem>;

/// Whether one of a header's entity tags is this one, compared weakly (RFC 9110 §8.8.3.2).
pub fn matches(headers: &HeaderMap, name: HeaderName, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = bare(etag);
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|tag| tag.trim() == "*" || bare(tag) == wanted)
}

/// The answer to a read: its body and entity tag, or 304 when the caller has it.
fn read<T: Serialize>(headers: &HeaderMap, etag: &str, body: &T) -> Response {
    unchanged(headers, etag).unwrap_or_else(|| tagged(Json(body).into_response(), etag))
}

/// The answer to whoever has this version already.
fn unchanged(headers: &HeaderMap, etag: &str) -> Option<Response> {
    matches(headers, IF_NONE_MATCH, etag).then(|| tagged(StatusCode::NOT_MODIFIED.into_response(), etag))
}

fn tagged(mut response: Response, etag: &str) -> Response {
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    let private = HeaderValue::from_static("private, no-cache");
    response.headers_mut().insert(super::header::CACHE_CONTROL, private);
    response
}

/// The answer to a POST that makes something: 201 with its address.
fn created<T: Serialize>(location: &str, body: &T) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Says that the answer was kept with its effect.
fn kept(mut response: Response) -> Response {
    response.extensions_mut().insert(Kept);
    response
}

impl Once {
    /// The statements that keep this answer, for the transaction of what it tells of.
    fn keep<T: Serialize>(
        &self,
        account: uuid::Uuid,
        status: StatusCode,
        location: Option<String>,
        body: &T,
        now: i64,
    ) -> Vec<Statement> {
        let answer = |_| Answer {
            status: status.as_u16(),
            location,
            body: serde_json::to_string(body).unwrap_or_default(),
        };
        let key = self.0.as_ref();
        key.map(|key| key.keep(account, &answer(()), now)).into_iter().collect()
    }
}

/// A text of the caller's that is shown to people: on one line, within a length.
///
/// # Errors
/// `invalid_body`.
fn line(pointer: &str, text: &str, most: usize) -> Result<String, Problem> {
    let text = text.trim();
    let count = text.chars().count();
    if count == 0 || count > most || text.chars().any(char::is_control) {
        let detail = format!("1 to {most} characters on one line");
        return Err(Problem::at(&problem::INVALID_BODY, pointer, detail));
    }
    Ok(text.to_owned())
}
