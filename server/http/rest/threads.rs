//! Threads: conversations, as one account has them.

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::messages::mailbox;
use super::summary::{Around, Summary};
use super::time::Time;
use super::{Answered, read, unchanged};
use crate::http::access::Caller;
use crate::http::body::{Id, Params};
use crate::http::page::{List, Page};
use crate::http::problem::Problem;
use crate::http::{AppState, HeaderMap};
use crate::store::email::{EmailRow, Filter};
use crate::store::thread::{Participant as Wrote, ThreadFacts, Waiting as Open};

/// Messages of a thread that are shown.
const MESSAGES: i64 = 500;
/// People of a thread that are named.
const PARTICIPANTS: usize = 8;

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Thread {
    id: Uuid,
    subject: String,
    message_count: i64,
    unread_count: i64,
    flagged: bool,
    has_attachment: bool,
    /// Whether nothing outside tells of what comes in it.
    muted: bool,
    /// Who wrote, first-comers first; at most 8.
    participants: Vec<Participant>,
    /// The newest message, in the mailbox asked for.
    latest: Summary,
    /// The open question that waits for the caller.
    waiting: Option<Waiting>,
}

/// Somebody who wrote.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Participant {
    name: Option<String>,
    address: String,
    /// Whether it is the caller.
    me: bool,
}

/// A question that waits for the caller.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Waiting {
    promise_id: Uuid,
    /// The id of the message that asks.
    message_id: Uuid,
    deadline: Option<Time>,
}

/// A conversation with its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whole {
    #[serde(flatten)]
    thread: Thread,
    /// Oldest first; the newest 500.
    messages: Vec<Summary>,
}

/// Which threads are listed. Every part narrows it.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// A role or an id.
    mailbox: Option<String>,
    seen: Option<bool>,
    flagged: Option<bool>,
    keyword: Option<String>,
    /// What to find in their messages, as in the list of messages.
    q: Option<String>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "crate::http::page::unbound")]
    cursor: Option<String>,
}

/// What the threads of one list need from elsewhere.
struct Facts {
    counts: HashMap<Uuid, ThreadFacts>,
    participants: HashMap<Uuid, Vec<Participant>>,
    waiting: HashMap<Uuid, Open>,
    muted: HashSet<Uuid>,
}

impl Facts {
    async fn read(state: &AppState, account: Uuid, threads: &[Uuid]) -> Result<Self, Problem> {
        let store = &state.store;
        let mine: Vec<String> =
            store.addresses(account).await?.into_iter().map(|a| a.to_lowercase()).collect();
        let counts = store.thread_facts(account, threads).await?;
        let mut participants: HashMap<Uuid, Vec<Participant>> = HashMap::new();
        for Wrote { thread_id, from_address: address, from_name: name, .. } in
            store.participants(account, threads).await?
        {
            let these = participants.entry(thread_id).or_default();
            if these.len() < PARTICIPANTS {
                these.push(Participant { name, me: mine.contains(&address.to_lowercase()), address });
            }
        }
        let waiting = store.waiting(account, threads).await?;
        Ok(Self {
            counts: counts.into_iter().map(|row| (row.thread_id, row)).collect(),
            participants,
            waiting: waiting.into_iter().map(|row| (row.thread_id, row)).collect(),
            muted: store.muted_threads(account, threads).await?,
        })
    }

    fn thread(&self, row: &EmailRow, latest: Summary) -> Thread {
        let counts = self.counts.get(&row.thread_id);
        Thread {
            id: row.thread_id,
            subject: row.subject.clone(),
            message_count: counts.map_or(1, |counts| counts.message_count),
            unread_count: counts.map_or(0, |counts| counts.unread_count),
            flagged: counts.is_some_and(|counts| counts.flagged_count > 0),
            has_attachment: counts.is_some_and(|counts| counts.attachment_count > 0),
            muted: self.muted.contains(&row.thread_id),
            participants: self.participants.get(&row.thread_id).cloned().unwrap_or_default(),
            latest,
            waiting: self.waiting.get(&row.thread_id).map(|open| Waiting {
                promise_id: open.promise_id,
                message_id: open.email_id,
                deadline: open.deadline.map(Time),
            }),
        }
    }
}

/// Lists threads; the one with the newest message, in that mailbox, first.
#[utoipa::path(get, path = "/v1/threads", tag = "Threads", params(Query), responses((status = 200, body = List<Thread>), (status = 304)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Answered {
    let account = caller.account.id;
    let filter = Filter {
        mailbox: mailbox(&state, account, query.mailbox.as_deref(), "?mailbox").await?,
        seen: query.seen,
        flagged: query.flagged,
        keyword: query.keyword.as_deref().map(str::to_lowercase),
        query: super::messages::asked(query.q.as_deref())?,
        ..Filter::default()
    };
    let bound = serde_json::to_string(&query).unwrap_or_default();
    let page = Page::read(account, "threads", &bound, query.limit, query.cursor.as_deref())?;
    let modseq = caller.modseq;
    if let Some(unchanged) = unchanged(&headers, &format!("W/\"{modseq}\"")) {
        return Ok(unchanged);
    }
    let mut rows = state.store.threads(account, &filter, page.after, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (row.received_at, row.id));
    let mut items = Vec::with_capacity(rows.len());
    if !rows.is_empty() {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.thread_id).collect();
        let facts = Facts::read(&state, account, &ids).await?;
        let around = Around::read(&state, account, &rows).await?;
        items.extend(rows.iter().map(|row| facts.thread(row, around.summary(row.clone()))));
    }
    let list = List { items, next_cursor, as_of: Some(modseq.to_string()) };
    Ok(read(&headers, &format!("W/\"{modseq}\""), &list))
}

/// Reads a thread with its messages, oldest first.
#[utoipa::path(get, path = "/v1/threads/{id}", tag = "Threads", params(("id" = String, Path)),
    responses((status = 200, body = Whole), (status = 304), (status = 404)))]
pub async fn get(State(state): State<AppState>, caller: Caller, headers: HeaderMap, Id(id): Id) -> Answered {
    let account = caller.account.id;
    let modseq = caller.modseq;
    let rows = state.store.thread(account, id, MESSAGES).await?;
    let newest = rows.last().ok_or_else(Problem::not_found)?;
    let facts = Facts::read(&state, account, &[id]).await?;
    let around = Around::read(&state, account, &rows).await?;
    let thread = facts.thread(newest, around.summary(newest.clone()));
    let messages = rows.iter().cloned().map(|row| around.summary(row)).collect();
    Ok(read(&headers, &format!("W/\"{modseq}\""), &Whole { thread, messages }))
}
