//! Events: an account's log, page by page or as a stream (server-sent events).

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::access::{self, Caller};
use super::body::Params;
use super::problem::{self, Problem};
use super::rest::Answered;
use super::rest::time::Time;
use super::wait::{self, Next, Waiting, Waits};
use super::{AppState, HeaderMap, HeaderValue};
use crate::auth::Scope;
use crate::store::event::EventRow;
use crate::store::{Ear, Topic};

/// Something that happened in the account. It names what changed; whoever reads it fetches that.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its place in the log: go on from here.
    cursor: String,
    /// The one sent to this consumer before it.
    previous: Option<String>,
    /// `message.received`, `message.updated`, `delivery.updated`, `promise.settled`, `promise.updated`, `answer.received`,
    /// `correction.requested`, `reply.automatic` (an absence or a bounce of who was asked), `mailbox.updated`,
    /// `webhook.disabled`, ….
    #[serde(rename = "type")]
    kind: String,
    at: Time,
    /// `message_id`, `thread_id`, `delivery_id`, `promise_id`, `mailbox_id`: those that apply.
    data: serde_json::Value,
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Events {
    items: Vec<Event>,
    /// Go on from here; always there.
    next_cursor: String,
    /// Where the log stood.
    as_of: String,
}

/// What of the log is read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// After which event; from the oldest that is kept when absent.
    cursor: Option<String>,
    /// Only these types, separated by commas.
    types: Option<String>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Seconds, 0 to 60, to wait until there is one.
    #[param(maximum = 60)]
    wait: Option<u64>,
}

/// What of the log is streamed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// After which event. `Last-Event-ID` wins; without either it starts now.
    cursor: Option<String>,
    /// Only these types, separated by commas.
    types: Option<String>,
}

/// Types of one filter.
const TYPES: usize = 20;
/// Events that are fetched at once for a stream.
const FETCH: i64 = 100;
/// The pause after which a stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Streams of one account, and of one process.
const STREAMS: usize = 32;
const ALL_STREAMS: usize = 10_000;

/// The streams that are open; clones share the count.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<(usize, HashMap<Uuid, usize>)>>);

/// One open stream's place.
struct Place(Streams, Uuid);

impl Streams {
    fn take(&self, account: Uuid) -> Result<Place, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = open.1.get(&account).copied().unwrap_or(0);
        if mine >= STREAMS || open.0 >= ALL_STREAMS {
            let detail = format!("At most {STREAMS} streams of one account are open at once.");
            return Err(Problem::new(&problem::TOO_MANY_STREAMS, detail).retry_after(30));
        }
        open.0 += 1;
        open.1.insert(account, mine + 1);
        Ok(Place(self.clone(), account))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 -= 1;
        match open.1.get_mut(&self.1) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => _ = open.1.remove(&self.1),
        }
    }
}

fn types(given: Option<&str>) -> Result<Vec<String>, Problem> {
    let list: Vec<String> = given
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect();
    let plain =
        |t: &String| t.len() <= 64 && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_');
    if list.len() > TYPES || !list.iter().all(plain) {
        let detail = format!("at most {TYPES} types such as message.received, separated by commas");
        return Err(Problem::at(&problem::INVALID_PARAMETER, "?types", detail));
    }
    Ok(list)
}

/// Reads a cursor: a place in the log that has been, and from which nothing is missing.
async fn place(state: &AppState, account: Uuid, cursor: &str) -> Result<i64, Problem> {
    let broken = || Problem::at(&problem::INVALID_CURSOR, "?cursor", "this is no cursor of this log");
    let plain = !cursor.is_empty()
        && cursor.bytes().all(|b| b.is_ascii_digit())
        && (cursor == "0" || !cursor.starts_with('0'));
    let after: i64 = if plain { cursor.parse().map_err(|_| broken())? } else { return Err(broken()) };
    let last = state.store.modseq(account).await?;
    if after > last {
        return Err(broken());
    }
    let oldest = state.store.oldest_event(account).await?;
    if after < last && oldest.is_none_or(|oldest| after + 1 < oldest) {
        return Err(Problem::new(&problem::CURSOR_EXPIRED, "Events after this cursor are no longer kept."));
    }
    Ok(after)
}

fn event(row: EventRow, previous: Option<i64>) -> Event {
    Event {
        cursor: row.seq.to_string(),
        previous: previous.map(|seq| seq.to_string()),
        kind: row.kind,
        at: Time(row.at),
        data: serde_json::from_str(&row.data).unwrap_or_default(),
    }
}

/// Reads the account's log, oldest first; waits for the next event if asked to.
#[utoipa::path(get, path = "/v1/events", tag = "Events", params(Query),
    responses((status = 200, body = Events), (status = 410, description = "`cursor_expired`")))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    waiting: Waiting,
    Params(query): Params<Query>,
) -> Answered {
    let account = caller.account.id;
    let types = types(query.types.as_deref())?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=super::page::MOST).contains(&limit) {
        let detail = format!("limit is a number from 1 to {}", super::page::MOST);
        return Err(Problem::at(&problem::INVALID_PARAMETER, "?limit", detail));
    }
    let after = match &query.cursor {
        Some(cursor) => Some(place(&state, account, cursor).await?),
        None => None,
    };
    let most = wait::seconds(query.wait, &headers)?;
    let mut waits = Waits::begin(&state, waiting, [Topic::Account(account)], most);
    let (last, rows) = loop {
        let last = state.store.modseq(account).await?;
        let rows = state.store.events(account, after.unwrap_or(0), &types, limit).await?;
        if !rows.is_empty() {
            break (last, rows);
        }
        match waits.next(&state).await {
            Next::Look => {}
            Next::Over => break (last, rows),
            Next::Parked(response) => return Ok(response),
        }
    };
    // With a filter the page may end before the log does: what was passed over need not be looked at again.
    let full = rows.len() as i64 == limit;
    let next = rows
        .last()
        .map(|row| row.seq)
        .filter(|_| full)
        .unwrap_or_else(|| rows.last().map_or(last, |row| row.seq.max(last)));
    let mut previous = after;
    let items = rows.into_iter().map(|row| {
        let seq = row.seq;
        event(row, previous.replace(seq))
    });
    let items = items.collect();
    Ok(axum::Json(Events { items, next_cursor: next.to_string(), as_of: last.to_string() }).into_response())
}

/// One consumer of a stream.
struct Consumer {
    state: AppState,
    /// The headers that hold the credential, to see whether it is still good.
    headers: HeaderMap,
    account: Uuid,
    types: Vec<String>,
    ear: Ear,
    /// How far the log was read, and what was sent last.
    read: i64,
    previous: Option<i64>,
    fetched: VecDeque<EventRow>,
    beat: Instant,
    /// To see whether anybody still listens.
    waiting: Waiting,
    _place: Place,
}

impl Consumer {
    /// The next thing to send; none when the stream is over.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(row) = self.fetched.pop_front() {
                let (seq, kind) = (row.seq, row.kind.clone());
                let event = event(row, self.previous.replace(seq));
                let data = serde_json::to_string(&event).ok()?;
                return Some(Sent::default().id(seq.to_string()).event(kind).data(data));
            }
            if self.state.shutdown.is_cancelled() {
                return None;
            }
            let rows = self.state.store.events(self.account, self.read, &self.types, FETCH).await.ok()?;
            if let Some(last) = rows.last() {
                // Nothing is sent to a credential that was taken back in the meantime.
                self.admitted().await?;
                self.read = last.seq;
                self.fetched.extend(rows);
                continue;
            }
            let left = self.beat.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.admitted().await?;
                self.beat = Instant::now() + HEARTBEAT;
                return Some(Sent::default().comment("hb"));
            }
            tokio::select! {
                () = self.ear.wait(left) => {}
                () = self.state.shutdown.cancelled() => return None,
                () = self.waiting.hung_up() => return None,
            }
        }
    }

    async fn admitted(&self) -> Option<()> {
        let principal = access::authenticate(&self.state, &self.headers).await.ok()?;
        principal.require(Scope::Read).ok()
    }
}

/// Streams the account's log as server-sent events. Each has the cursor as its id, so a browser that reconnects
/// goes on where it was; a comment every 15 seconds shows that the stream is alive.
#[utoipa::path(get, path = "/v1/events/stream", tag = "Events", params(StreamQuery, ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 410, description = "`cursor_expired`")))]
pub async fn stream(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    waiting: Waiting,
    Params(query): Params<StreamQuery>,
) -> Answered {
    let account = caller.account.id;
    let types = types(query.types.as_deref())?;
    let place_taken = state.streams.take(account)?;
    let ear = state.store.bell().listen(Topic::Account(account));
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("-"));
    let read = match last.or(query.cursor.as_deref()) {
        Some(cursor) => place(&state, account, cursor).await?,
        None => state.store.modseq(account).await?,
    };
    let consumer = Consumer {
        state,
        headers: credential(&headers),
        account,
        types,
        ear,
        read,
        previous: Some(read),
        fetched: VecDeque::new(),
        beat: Instant::now() + HEARTBEAT,
        waiting,
        _place: place_taken,
    };
    // The first bytes go out at once, so that whoever waits for the stream to open does not wait for an event.
    let hello = Sent::default().retry(Duration::from_secs(2)).comment("open");
    let events = stream::unfold((Some(hello), consumer), async |(hello, mut consumer)| {
        let next = match hello {
            Some(hello) => hello,
            None => consumer.next().await?,
        };
        Some((Ok::<_, Infallible>(next), (None, consumer)))
    });
    let mut response: Response = Sse::new(events).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn credential(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [super::header::AUTHORIZATION, super::header::COOKIE] {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}
