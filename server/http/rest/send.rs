//! Sending: messages, replies, forwards, the plain form, and taking back.

use std::future::Future;

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::draft::Draft;
use super::messages::find;
use super::time::Time;
use super::{Answered, kept};
use crate::http::access::Caller;
use crate::http::body::{Id, Json};
use crate::http::header::{CONTENT_TYPE, LOCATION};
use crate::http::idempotency::Once;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, Bytes, HeaderMap, HeaderValue, StatusCode};
use crate::mail::address::Named;
use crate::store;
use crate::store::idempotency::Answer;
use crate::submission::{Accepted, Context, Refusal, Request, respond, submit};

/// A message that is safe: it will be delivered, or its sender told why not.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sent {
    /// The sender's copy.
    id: Uuid,
    /// Its thread, in the sender's account.
    thread_id: Uuid,
    /// Its Message-ID, with angle brackets.
    message_id: String,
    /// `accepted`, `scheduled` or `held`.
    state: &'static str,
    send_at: Option<Time>,
    undo_until: Option<Time>,
    deliveries: Vec<Queued>,
    promises: Promises,
}

/// A recipient's delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct Queued {
    id: Uuid,
    recipient: String,
    /// `queued`, `scheduled` or `held`.
    state: &'static str,
}

/// What was promised.
#[derive(Debug, Serialize, ToSchema)]
pub struct Promises {
    delivery: Pending,
    /// Of a message with a question.
    answer: Option<Pending>,
}

/// A promise that is not settled.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pending {
    id: Uuid,
    /// `pending`.
    state: &'static str,
}

impl Sent {
    fn of(accepted: &Accepted) -> Self {
        let pending = |id| Pending { id, state: "pending" };
        let state = if accepted.state == "accepted" { "queued" } else { accepted.state };
        let deliveries = accepted.deliveries.iter();
        Self {
            id: accepted.id,
            thread_id: accepted.thread_id,
            message_id: format!("<{}>", accepted.message_id),
            state: accepted.state,
            send_at: accepted.send_at.map(Time),
            undo_until: accepted.undo_until.map(Time),
            deliveries: deliveries
                .map(|(id, recipient)| Queued { id: *id, recipient: recipient.clone(), state })
                .collect(),
            promises: Promises {
                delivery: pending(accepted.delivery_promise),
                answer: accepted.answer_promise.map(pending),
            },
        }
    }

    fn location(accepted: &Accepted) -> String {
        format!("/v1/messages/{}", accepted.id)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let said = refusal.to_string();
        let (kind, pointer) = match refusal {
            Refusal::NoRecipients => (&problem::NO_RECIPIENTS, "/to".to_owned()),
            Refusal::TooManyRecipients(..) => (&problem::TOO_MANY_RECIPIENTS, "/to".to_owned()),
            Refusal::TooLarge(_) => return Self::new(&problem::MESSAGE_TOO_LARGE, said),
            Refusal::NotYourAddress(_) => (&problem::NOT_YOUR_ADDRESS, "/from".to_owned()),
            Refusal::UnknownRecipient(_) => (&problem::UNKNOWN_RECIPIENT, "/to".to_owned()),
            Refusal::NoRelay(_) => (&problem::NO_RELAY, "/to".to_owned()),
            Refusal::Settled => {
                return Self::new(&problem::ALREADY_SETTLED, "The question is settled; ask a new one.");
            }
            Refusal::Invalid { pointer, detail } => {
                let kind = match pointer.split('/').nth(1) {
                    Some("headers") => &problem::INVALID_HEADER,
                    Some("attachments") => &problem::INVALID_ATTACHMENT,
                    Some("ask") => &problem::INVALID_ASK,
                    _ => &problem::INVALID_BODY,
                };
                return Self::at(kind, pointer, detail);
            }
            Refusal::NoParent(_) => (&problem::UNKNOWN_MESSAGE, "/in_reply_to".to_owned()),
            Refusal::NoEarlier(_) => (&problem::UNKNOWN_MESSAGE, "/corrects".to_owned()),
            Refusal::NoUpload(_) => (&problem::UNKNOWN_UPLOAD, "/attachments".to_owned()),
            Refusal::Repeated => return Self::new(&problem::CONFLICT, said),
            Refusal::Store(error) => return error.into(),
        };
        Self::at(kind, pointer, said)
    }
}

pub(super) async fn accept(context: &Context, caller: &Caller, once: Once, request: Request) -> Answered {
    let answer = |accepted: &Accepted| Answer {
        status: 202,
        location: Some(Sent::location(accepted)),
        body: serde_json::to_string(&Sent::of(accepted)).unwrap_or_default(),
    };
    let keep = once.0.map(|key| (key, &answer as &(dyn Fn(&Accepted) -> Answer + Sync)));
    let accepted = submit(context, &caller.account, request, keep).await?;
    let mut response = (StatusCode::ACCEPTED, axum::Json(Sent::of(&accepted))).into_response();
    if let Ok(location) = HeaderValue::from_str(&Sent::location(&accepted)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(kept(response))
}

/// The future of a handler that composes is large; boxed, it does not make every other one so.
pub(super) fn boxed<'a>(
    work: impl Future<Output = Answered> + Send + 'a,
) -> futures_util::future::BoxFuture<'a, Answered> {
    Box::pin(work)
}

/// Sends a message. Once this is answered, it is safe.
#[utoipa::path(post, path = "/v1/messages", tag = "Sending", request_body = Draft,
    responses((status = 202, body = Sent), (status = 413, description = "`message_too_large`, `body_too_large`"),
        (status = 422, description = "`no_recipients`, `invalid_address`, `invalid_header`, … : errors names the place")))]
pub async fn send(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Json(draft): Json<Draft>,
) -> Answered {
    if draft.all.is_some() {
        let detail = "only a reply has it";
        return Err(Problem::at(&problem::UNKNOWN_FIELD, "/all", detail));
    }
    boxed(accept(&state.submission, &caller, once, draft.request()?)).await
}

/// A reply or a forward names no message of its own: it is about the one in the address.
fn about(draft: &Draft) -> Result<(), Problem> {
    match &draft.in_reply_to {
        Some(_) => Err(Problem::at(&problem::UNKNOWN_FIELD, "/in_reply_to", "the address says it already")),
        None => Ok(()),
    }
}

/// Replies to a message: to its author; with `all`, to everybody who had it. Further `to`, `cc`, `bcc` are added.
#[utoipa::path(post, path = "/v1/messages/{id}/reply", tag = "Sending", params(("id" = String, Path)), request_body = Draft,
    responses((status = 202, body = Sent), (status = 404)))]
pub async fn reply(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Id(id): Id,
    Json(draft): Json<Draft>,
) -> Answered {
    let original = find(&state, caller.account.id, id).await?;
    about(&draft)?;
    let all = draft.all.unwrap_or(false);
    let mut request = draft.request()?;
    let own = state.store.addresses(caller.account.id).await?;
    respond::reply(&state.store, &own, &original, all, &mut request).await?;
    boxed(accept(&state.submission, &caller, once, request)).await
}

/// Forwards a message, with its text and its attachments.
#[utoipa::path(post, path = "/v1/messages/{id}/forward", tag = "Sending", params(("id" = String, Path)), request_body = Draft,
    responses((status = 202, body = Sent), (status = 404)))]
pub async fn forward(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Id(id): Id,
    Json(draft): Json<Draft>,
) -> Answered {
    let original = find(&state, caller.account.id, id).await?;
    about(&draft)?;
    if draft.all.is_some() {
        return Err(Problem::at(&problem::UNKNOWN_FIELD, "/all", "only a reply has it"));
    }
    let mut request = draft.request()?;
    respond::forward(&state.store, &original, &mut request).await?;
    boxed(accept(&state.submission, &caller, once, request)).await
}

/// Sends a plain text: recipients and subject are header fields, the body is the text.
/// `curl -d 'text' -H 'To: ana@example.org' -H 'Subject: hi' …/v1/send`
#[utoipa::path(post, path = "/v1/send", tag = "Sending", request_body(content = String, content_type = "text/plain"),
    params(("To" = String, Header, description = "One or more addresses, separated by commas"), ("Cc" = Option<String>, Header),
        ("Bcc" = Option<String>, Header), ("Subject" = Option<String>, Header)),
    responses((status = 202, body = Sent)))]
pub async fn plain(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or("text/plain");
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // What `curl -d` says of any data is taken for the text it is.
    if !matches!(
        essence.as_str(),
        "text/plain" | "application/x-www-form-urlencoded" | "application/octet-stream"
    ) {
        let detail = "This route takes a text; POST /v1/messages takes JSON.";
        return Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let text = String::from_utf8(body.into())
        .map_err(|_| Problem::new(&problem::INVALID_BODY, "The text is not UTF-8."))?;
    let field = |name: &str| -> Result<Option<String>, Problem> {
        let mut values = headers.get_all(name).into_iter().map(|value| {
            std::str::from_utf8(value.as_bytes())
                .map(str::to_owned)
                .map_err(|_| Problem::new(&problem::INVALID_BODY, format!("The field {name} is not UTF-8.")))
        });
        let first = values.next().transpose()?;
        match values.next() {
            Some(_) => {
                Err(Problem::new(&problem::INVALID_BODY, format!("There is more than one field {name}.")))
            }
            None => Ok(first),
        }
    };
    let request = Request {
        to: addresses("To", field("to")?)?,
        cc: addresses("Cc", field("cc")?)?,
        bcc: addresses("Bcc", field("bcc")?)?,
        subject: field("subject")?.unwrap_or_default(),
        text: Some(text),
        ..Request::default()
    };
    boxed(accept(&state.submission, &caller, once, request)).await
}

/// The addresses of a header field, separated by commas that stand outside quotes.
fn addresses(name: &str, list: Option<String>) -> Result<Vec<Named>, Problem> {
    let (mut quoted, mut parts) = (false, vec![String::new()]);
    for c in list.unwrap_or_default().chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let named = parts.iter().filter(|part| !part.trim().is_empty()).map(|part| part.parse());
    named.collect::<Result<_, _>>().map_err(|error: crate::mail::address::BadAddress| {
        Problem::new(&problem::INVALID_ADDRESS, format!("{name}: {error}"))
    })
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
pub struct Canceled {
    id: Uuid,
    /// `canceled`.
    state: &'static str,
}

/// Takes a message back that was not sent yet: one that is scheduled, or held to be undone.
#[utoipa::path(post, path = "/v1/messages/{id}/cancel", tag = "Sending", params(("id" = String, Path)),
    responses((status = 200, body = Canceled), (status = 404), (status = 409, description = "`already_sent`")))]
pub async fn cancel(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let row = find(&state, account, id).await?;
    let submission = row.submission_id.ok_or_else(|| {
        Problem::new(&problem::ALREADY_SENT, "This message came in; there is nothing to take back.")
    })?;
    state.store.cancel_submission(account, submission, now).await.map_err(|error| match error {
        store::Error::Conflict => Problem::new(
            &problem::ALREADY_SENT,
            "At least one recipient has it already, or it is on its way.",
        ),
        other => other.into(),
    })?;
    Ok(axum::Json(Canceled { id, state: "canceled" }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_several_addresses() {
        let list = addresses("To", Some("ana@x.test, \"Bo, the second\" <bo@x.test>,".into())).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(list[1].name.as_deref(), Some("Bo, the second"));
        assert!(addresses("To", None).unwrap().is_empty());
        assert_eq!(addresses("To", Some("ana".into())).unwrap_err().kind.code, "invalid_address");
    }
}
