//! Messages: lists, reads, marks, moves, deletions.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::message::{self, Message};
use super::summary::{Summary, summaries};
use super::time::Time;
use super::{Answered, mutes, read, unchanged};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params, id_of};
use crate::http::header::{ETAG, IF_MATCH};
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::wait::{self, Next, Waiting, Waits};
use crate::http::{AppState, HeaderMap, HeaderValue, StatusCode};
use crate::mail::query;
use crate::store::email::{Change, EmailRow, Filter};
use crate::store::mailbox::{Role, role_id};
use crate::store::mute::{MOST, Threads};
use crate::store::{self, Topic};
use crate::submission::check_keyword;

/// Messages of one change.
const AT_ONCE: usize = 1000;
/// How far ahead something may be snoozed, in milliseconds.
const SNOOZE: i64 = 5 * 366 * 24 * 3600 * 1000;
/// Keywords of one change.
const KEYWORDS: usize = 50;

/// What a list of messages shows. Every part narrows it.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// A role or an id.
    mailbox: Option<String>,
    seen: Option<bool>,
    flagged: Option<bool>,
    has_attachment: Option<bool>,
    /// Part of the sender's name or address.
    from: Option<String>,
    /// Part of a recipient's name or address.
    to: Option<String>,
    /// Part of the subject.
    subject: Option<String>,
    keyword: Option<String>,
    thread_id: Option<Uuid>,
    /// Received at or after.
    #[param(value_type = Option<String>)]
    after: Option<Time>,
    /// Received before.
    #[param(value_type = Option<String>)]
    before: Option<Time>,
    /// What to find: words, "phrases", begin*, from: to: subject: is:unread is:starred has:attachment in: label:
    /// before:2026-01-31 after:, each with - before it for the opposite.
    q: Option<String>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    cursor: Option<String>,
    /// Seconds, 0 to 60, to wait until something matches.
    #[param(maximum = 60)]
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    wait: Option<u64>,
}

/// A mailbox by its role or id.
///
/// # Errors
/// `invalid_parameter` for one that is not there.
pub(super) async fn mailbox(
    state: &AppState,
    account: Uuid,
    name: Option<&str>,
    pointer: &str,
) -> Result<Option<Uuid>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let found = state.store.find_mailbox(account, name).await?;
    let kind = if pointer.starts_with('?') { &problem::INVALID_PARAMETER } else { &problem::INVALID_BODY };
    found.map(Some).ok_or_else(|| Problem::at(kind, pointer, "there is no such mailbox"))
}

/// What `q` asks for.
///
/// # Errors
/// `invalid_parameter`, which says what is wrong with it and where.
pub(super) fn asked(q: Option<&str>) -> Result<Option<query::Query>, Problem> {
    let asked: Result<_, query::BadQuery> = q.map(str::parse).transpose();
    asked.map_err(|bad| Problem::at(&problem::INVALID_PARAMETER, "?q", bad.to_string()))
}

impl Query {
    async fn filter(&self, state: &AppState, account: Uuid) -> Result<Filter, Problem> {
        Ok(Filter {
            mailbox: mailbox(state, account, self.mailbox.as_deref(), "?mailbox").await?,
            seen: self.seen,
            flagged: self.flagged,
            has_attachment: self.has_attachment,
            from: self.from.clone(),
            to: self.to.clone(),
            subject: self.subject.clone(),
            keyword: self.keyword.as_deref().map(str::to_lowercase),
            thread: self.thread_id,
            after: self.after.map(|time| time.0),
            before: self.before.map(|time| time.0),
            query: asked(self.q.as_deref())?,
        })
    }
}

/// Lists messages, newest first.
#[utoipa::path(get, path = "/v1/messages", tag = "Messages", params(Query),
    responses((status = 200, body = List<Summary>), (status = 304), (status = 400, description = "`invalid_cursor`")))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    waiting: Waiting,
    Params(query): Params<Query>,
) -> Answered {
    let account = caller.account.id;
    let filter = query.filter(&state, account).await?;
    let bound = serde_json::to_string(&query).unwrap_or_default();
    let page = Page::read(account, "messages", &bound, query.limit, query.cursor.as_deref())?;
    let most = wait::seconds(query.wait, &headers)?;
    // The log's place was read before what is shown: what comes after it is told by an event.
    let mut modseq = caller.modseq;
    if most.is_zero()
        && let Some(unchanged) = unchanged(&headers, &format!("W/\"{modseq}\""))
    {
        return Ok(unchanged);
    }
    let mut waits = Waits::begin(&state, waiting, [Topic::Account(account)], most);
    let mut rows = loop {
        let rows = state.store.emails(account, &filter, page.after, page.fetch()).await?;
        if !rows.is_empty() {
            break rows;
        }
        match waits.next(&state).await {
            Next::Look => modseq = state.store.modseq(account).await?,
            Next::Over => break rows,
            Next::Parked(response) => return Ok(response),
        }
    };
    let next_cursor = page.cut(&mut rows, |row| (row.received_at, row.id));
    let items = summaries(&state, account, rows).await?;
    Ok(read(
        &headers,
        &format!("W/\"{modseq}\""),
        &List { items, next_cursor, as_of: Some(modseq.to_string()) },
    ))
}

/// The caller's message of this id.
///
/// # Errors
/// 404, also for another account's.
pub(super) async fn find(state: &AppState, account: Uuid, id: Uuid) -> Result<EmailRow, Problem> {
    state.store.email(account, id).await?.ok_or_else(Problem::not_found)
}

/// Reads a message. Nothing changes by it.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "Messages", params(("id" = String, Path)),
    responses((status = 200, body = Message), (status = 304), (status = 404)))]
pub async fn get(State(state): State<AppState>, caller: Caller, headers: HeaderMap, Id(id): Id) -> Answered {
    let row = find(&state, caller.account.id, id).await?;
    let (message, etag) = message::full(&state, row).await?;
    Ok(read(&headers, &etag, &message))
}

/// Marks to set; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    #[serde(default)]
    seen: Option<bool>,
    #[serde(default)]
    flagged: Option<bool>,
    /// A role or an id.
    #[serde(default)]
    mailbox: Option<String>,
    #[serde(default)]
    add_keywords: Vec<String>,
    #[serde(default)]
    remove_keywords: Vec<String>,
    /// When it comes back to the inbox; until then it is in the mailbox of the role `snoozed`. Null: now.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    snoozed_until: Option<Option<Time>>,
    /// Of the whole thread: whether nothing outside tells of what comes in it.
    #[serde(default)]
    muted: Option<bool>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Time>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Keywords as they are kept, each once.
///
/// # Errors
/// `invalid_body`.
fn keywords(pointer: &str, given: &[String]) -> Result<Vec<String>, Problem> {
    if given.len() > KEYWORDS {
        return Err(Problem::at(
            &problem::INVALID_BODY,
            pointer,
            format!("at most {KEYWORDS} keywords at once"),
        ));
    }
    let mut checked = Vec::with_capacity(given.len());
    for (n, keyword) in given.iter().enumerate() {
        let keyword = keyword.to_lowercase();
        check_keyword(&keyword)
            .map_err(|detail| Problem::at(&problem::INVALID_BODY, format!("{pointer}/{n}"), detail))?;
        if !checked.contains(&keyword) {
            checked.push(keyword);
        }
    }
    Ok(checked)
}

impl Marks {
    /// What they come to for these messages.
    async fn change(
        self,
        state: &AppState,
        account: Uuid,
        ids: &[Uuid],
        within: &str,
    ) -> Result<Change, Problem> {
        let pointer = format!("{within}/snoozed_until");
        let wrong = |detail: &str| Problem::at(&problem::INVALID_BODY, &pointer, detail);
        if self.snoozed_until.is_some() && self.mailbox.is_some() {
            return Err(wrong("a message is snoozed or moved, not both"));
        }
        let snoozed_until = self.snoozed_until.flatten().map(|time| time.0);
        let now = state.clock.now_ms();
        if snoozed_until.is_some_and(|at| at <= now || at > now + SNOOZE) {
            return Err(wrong("a time from now to five years from now"));
        }
        let name = if self.snoozed_until == Some(None) { Some("inbox") } else { self.mailbox.as_deref() };
        let threads = match self.muted {
            Some(muted) => Some(self::muted(state, account, ids, muted, within).await?),
            None => None,
        };
        Ok(Change {
            threads,
            seen: self.seen,
            flagged: self.flagged,
            mailbox: mailbox(state, account, name, &format!("{within}/mailbox")).await?,
            add_keywords: keywords(&format!("{within}/add_keywords"), &self.add_keywords)?,
            remove_keywords: keywords(&format!("{within}/remove_keywords"), &self.remove_keywords)?,
            snoozed_until,
        })
    }
}

/// What is to be done to the threads of these messages.
///
/// # Errors
/// `invalid_body` where there would be too many mutes.
async fn muted(
    state: &AppState,
    account: Uuid,
    ids: &[Uuid],
    muted: bool,
    within: &str,
) -> Result<Threads, Problem> {
    let threads = if ids.is_empty() { Vec::new() } else { state.store.threads_of(account, ids).await? };
    if !muted || threads.is_empty() {
        return Ok(Threads::Unmute(threads));
    }
    let (there, now) = (state.store.mutes(account).await?, state.clock.now_ms());
    let known = |thread: &Uuid| {
        let thread = thread.to_string();
        there.iter().any(|mute| mute.kind == "thread" && mute.value == thread)
    };
    let new: Vec<_> = threads.into_iter().filter(|thread| !known(thread)).collect();
    if there.len() + new.len() > MOST as usize {
        return Err(mutes::full(&format!("{within}/muted")));
    }
    Ok(Threads::Mute(new.into_iter().map(|thread| (thread, state.ids.id(now))).collect()))
}

/// The modification sequence of If-Match.
///
/// # Errors
/// `precondition_failed` for a tag that is not one of a message.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.trim_start_matches("W/").trim_matches('"');
    let modseq = tag.split_once('-').and_then(|(modseq, _)| modseq.parse().ok());
    modseq.map(Some).ok_or_else(changed)
}

fn changed() -> Problem {
    Problem::new(&problem::PRECONDITION_FAILED, "The message was changed since it was read.")
}

/// Changes marks, keywords or the mailbox of one message.
#[utoipa::path(patch, path = "/v1/messages/{id}", tag = "Messages", params(("id" = String, Path)), request_body = Marks,
    responses((status = 200, body = Message), (status = 404), (status = 412, description = "`precondition_failed`")))]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Json(marks): Json<Marks>,
) -> Answered {
    let account = caller.account.id;
    let before = find(&state, account, id).await?;
    let expected = if_match(&headers)?;
    if expected.is_some_and(|modseq| modseq != before.modseq) {
        return Err(changed());
    }
    let change = marks.change(&state, account, &[id], "").await?;
    state.store.change_emails(account, vec![id], change, expected, state.clock.now_ms()).await.map_err(
        |error| match error {
            store::Error::Conflict => changed(),
            other => other.into(),
        },
    )?;
    let row = find(&state, account, id).await?;
    let (message, etag) = message::full(&state, row).await?;
    let mut response = axum::Json(message).into_response();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}

/// A change of several messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMany {
    /// 1 to 1,000. Those that are not there, or not the caller's, are passed over.
    #[serde(default)]
    ids: Option<Vec<String>>,
    /// In the place of `ids`: all that this finds, as in the list of messages, 1,000 at a time.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    query: Option<Query>,
    set: Marks,
}

/// What was changed.
#[derive(Serialize, ToSchema)]
pub struct Updated {
    updated: usize,
    /// Those that were not like that before.
    ids: Vec<Uuid>,
    /// Of a query: where to go on, as `query.cursor`; null at the end.
    next_cursor: Option<String>,
}

/// Changes marks, keywords or the mailbox of up to 1,000 messages at once: named ones, or a page of what is found.
#[utoipa::path(patch, path = "/v1/messages", tag = "Messages", request_body = ChangeMany, responses((status = 200, body = Updated)))]
pub async fn change_many(
    State(state): State<AppState>,
    caller: Caller,
    Json(many): Json<ChangeMany>,
) -> Answered {
    let account = caller.account.id;
    let (ids, next_cursor) = match (many.ids, many.query) {
        (Some(given), None) if (1..=AT_ONCE).contains(&given.len()) => {
            (given.iter().filter_map(|id| id_of(id)).collect::<Vec<_>>(), None)
        }
        (None, Some(query)) => {
            if query.wait.is_some() || query.limit.is_some() {
                return Err(Problem::at(
                    &problem::INVALID_BODY,
                    "/query",
                    "it has no limit and does not wait",
                ));
            }
            let filter = query.filter(&state, account).await?;
            let bound = serde_json::to_string(&query).unwrap_or_default();
            let mut page = Page::read(account, "change", &bound, None, query.cursor.as_deref())?;
            page.limit = AT_ONCE as i64;
            let mut rows = state.store.emails(account, &filter, page.after, page.fetch()).await?;
            let next = page.cut(&mut rows, |row| (row.received_at, row.id));
            (rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), next)
        }
        _ => {
            let detail = format!("give either 1 to {AT_ONCE} ids or a query");
            return Err(Problem::at(&problem::INVALID_BODY, "/ids", detail));
        }
    };
    let change = many.set.change(&state, account, &ids, "/set").await?;
    let ids = state.store.change_emails(account, ids, change, None, state.clock.now_ms()).await?;
    Ok(axum::Json(Updated { updated: ids.len(), ids, next_cursor }).into_response())
}

/// How a message is deleted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Destroys it at once, wherever it is.
    permanent: Option<bool>,
}

/// Moves a message to the trash; one that is there already, or with `permanent=true`, is destroyed.
#[utoipa::path(delete, path = "/v1/messages/{id}", tag = "Messages", params(("id" = String, Path), Deletion),
    responses((status = 204), (status = 404), (status = 412, description = "`precondition_failed`")))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Params(how): Params<Deletion>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let row = find(&state, account, id).await?;
    let expected = if_match(&headers)?;
    if expected.is_some_and(|modseq| modseq != row.modseq) {
        return Err(changed());
    }
    let trash = role_id(account, Role::Trash);
    if how.permanent == Some(true) || row.mailbox_id == trash {
        state.store.destroy_email(account, id, now).await?;
    } else {
        let change = Change { mailbox: Some(trash), ..Change::default() };
        state.store.change_emails(account, vec![id], change, expected, now).await.map_err(
            |error| match error {
                store::Error::Conflict => changed(),
                other => other.into(),
            },
        )?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
