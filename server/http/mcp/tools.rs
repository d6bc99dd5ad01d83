//! The tools: few, each a thin door to the REST API's handlers.

use axum::extract::State;
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::auth::Scope;
use crate::http::access::Caller;
use crate::http::body::{self, Id, Params, id_of};
use crate::http::idempotency::Once;
use crate::http::problem::{self, Problem};
use crate::http::rest::{messages, promises, send, threads};
use crate::http::wait::Waiting;
use crate::http::{AppState, HeaderMap};

/// Messages of a thread that are read in full: the newest.
const READ: usize = 30;
/// Characters of each.
const CHARACTERS: usize = 20_000;
/// The longest that a tool waits, in seconds: clients give up after a minute.
const LONGEST: u64 = 50;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    SendMessage,
    AskHuman,
    AwaitAnswer,
    CheckInbox,
    ReadThread,
    Search,
}

const ALL: [(&str, Tool); 6] = [
    ("send_message", Tool::SendMessage),
    ("ask_human", Tool::AskHuman),
    ("await_answer", Tool::AwaitAnswer),
    ("check_inbox", Tool::CheckInbox),
    ("read_thread", Tool::ReadThread),
    ("search", Tool::Search),
];

pub(super) fn named(name: &str) -> Option<Tool> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)
}

/// What `tools/list` says.
pub(super) fn list() -> Vec<Value> {
    ALL.iter().map(|(name, tool)| tool.described(name)).collect()
}

impl Tool {
    /// Whether it asks somebody, which takes time.
    pub(super) fn asks(self) -> bool {
        self == Tool::AskHuman
    }

    fn scope(self) -> Scope {
        match self {
            Tool::SendMessage | Tool::AskHuman => Scope::Send,
            _ => Scope::Read,
        }
    }

    fn described(self, name: &str) -> Value {
        let text = |about: &str| json!({ "type": "string", "description": about });
        let list =
            |about: &str| json!({ "type": "array", "items": { "type": "string" }, "description": about });
        let number = |about: &str, most: u64| json!({ "type": "integer", "minimum": 0, "maximum": most, "description": about });
        let (title, about, required, properties) = match self {
            Tool::SendMessage => (
                "Send a message",
                "Sends a message to people or programs. It is safe once this returns, and read when it suits them. Do not \
                 use it for a question whose answer you need: ask_human does that.",
                json!(["to", "text"]),
                json!({ "to": list("Addresses, such as ana@example.org"), "cc": list("Addresses that get a copy"),
                    "subject": text("One line"), "text": text("Plain text"), "markdown": text("Markdown, in the place of text"),
                    "in_reply_to": text("The id of a message that this answers") }),
            ),
            Tool::AskHuman => (
                "Ask a person",
                "Asks people a question and returns at once with a promise of the answer; they may take days. Then call \
                 await_answer with its promise_id, as often as needed. With options they choose one; with schema (a JSON \
                 Schema of an object) they fill in a form; with neither they write a text. Only they can answer, never you.",
                json!(["to", "question"]),
                json!({ "to": list("Addresses of the people who may answer; the first answer counts"),
                    "question": text("The question on one line"), "details": text("What they need to know to decide"),
                    "options": { "type": "array", "maxItems": 50, "description": "What they choose from",
                        "items": { "anyOf": [{ "type": "string" }, { "type": "object", "required": ["name"], "properties": {
                            "name": text("What the answer says"), "title": text("What they read"),
                            "comment": { "enum": ["required", "optional"], "description": "Whether a reason goes along" } } }] } },
                    "schema": { "type": "object", "description": "A JSON Schema of the form" },
                    "deadline": text("Until when, as an ISO 8601 duration such as PT4H; P3D when absent"),
                    "reminders": list("When they are reminded, as durations such as PT4H"),
                    "context": { "description": "Anything; it comes back with the answer" } }),
            ),
            Tool::AwaitAnswer => (
                "Wait for an answer",
                "Tells how a question stands, after waiting for its answer for up to wait seconds. state is pending, fulfilled \
                 (value is the answer) or rejected (reason says why: expired, declined, undeliverable, canceled). It may be \
                 called any number of times, also days later.",
                json!(["promise_id"]),
                json!({ "promise_id": text("As ask_human gave it"), "wait": number("Seconds; 25 when absent", LONGEST) }),
            ),
            Tool::CheckInbox => (
                "Look into the inbox",
                "Lists what is in the inbox, newest first. Nothing is marked as read.",
                json!([]),
                json!({ "unseen": { "type": "boolean", "description": "Only what was not seen" },
                    "limit": number("Messages; 20 when absent", 100),
                    "wait": number("Seconds to wait until there is one", LONGEST) }),
            ),
            Tool::ReadThread => (
                "Read a conversation",
                "Reads the newest messages of a conversation in full, oldest first. Nothing is marked as read.",
                json!(["thread_id"]),
                json!({ "thread_id": text("The thread_id of a message") }),
            ),
            Tool::Search => (
                "Search mail",
                "Finds messages, newest first. Words must all occur; \"a phrase\", begin*, from:ana to: subject: is:unread \
                 has:attachment before:2026-01-31 after:2026-01-01, and - before each for the opposite.",
                json!(["query"]),
                json!({ "query": text("What to find"), "limit": number("Messages; 20 when absent", 100) }),
            ),
        };
        let reads = self.scope() == Scope::Read;
        json!({
            "name": name, "title": title, "description": about,
            "inputSchema": { "type": "object", "additionalProperties": false, "required": required, "properties": properties },
            "annotations": { "readOnlyHint": reads, "destructiveHint": false, "idempotentHint": reads, "openWorldHint": !reads },
            "execution": { "taskSupport": if self.asks() { "optional" } else { "forbidden" } },
        })
    }
}

/// A tool's result; a problem is one as well, so that the model reads what to do about it.
pub(super) async fn call(state: &AppState, caller: Caller, tool: Tool, arguments: Value) -> Value {
    match run(state, caller, tool, arguments).await {
        Ok(result) => told(&result, false),
        Err(problem) => told(&refusal(&problem), true),
    }
}

/// What a model reads.
pub(super) fn told(result: &Value, wrong: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": result.to_string() }], "structuredContent": result, "isError": wrong })
}

fn refusal(problem: &Problem) -> Value {
    json!({ "code": problem.kind.code, "detail": problem.detail, "fix": problem.kind.fix, "errors": problem.errors,
        "retryable": problem.kind.retryable })
}

async fn run(state: &AppState, caller: Caller, tool: Tool, arguments: Value) -> Result<Value, Problem> {
    caller.require(tool.scope())?;
    match tool {
        Tool::SendMessage => message(state, caller, arguments).await,
        Tool::AskHuman => ask(state, caller, arguments).await,
        Tool::AwaitAnswer => {
            let Awaited { promise_id, wait } = read(&arguments)?;
            promise(state, caller, &promise_id, wait.unwrap_or(25)).await
        }
        Tool::CheckInbox => {
            let Inbox { unseen, limit, wait } = read(&arguments)?;
            let seen = unseen.unwrap_or(false).then_some(false);
            let wait = wait.unwrap_or(0).min(LONGEST);
            let query = json!({ "mailbox": "inbox", "seen": seen, "limit": limit.unwrap_or(20).min(100), "wait": wait });
            messages(state, caller, query).await
        }
        Tool::Search => {
            let Search { query, limit } = read(&arguments)?;
            messages(state, caller, json!({ "q": query, "limit": limit.unwrap_or(20).min(100) })).await
        }
        Tool::ReadThread => thread(state, caller, arguments).await,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    to: Vec<String>,
    #[serde(default)]
    cc: Vec<String>,
    subject: Option<String>,
    text: Option<String>,
    markdown: Option<String>,
    in_reply_to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    to: Vec<String>,
    question: String,
    details: Option<String>,
    #[serde(default)]
    options: Vec<Value>,
    schema: Option<Value>,
    deadline: Option<String>,
    #[serde(default)]
    reminders: Vec<String>,
    context: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Awaited {
    promise_id: String,
    wait: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inbox {
    unseen: Option<bool>,
    limit: Option<u64>,
    wait: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfThread {
    thread_id: String,
}

/// Reads JSON as strictly as a request's body.
fn read<T: DeserializeOwned>(json: &Value) -> Result<T, Problem> {
    body::parse(json.to_string().as_bytes())
}

/// The JSON of a handler's response.
async fn body_of(response: Response) -> Result<Value, Problem> {
    let bytes = response.into_body().collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| Problem::internal(&error))
}

async fn message(state: &AppState, caller: Caller, arguments: Value) -> Result<Value, Problem> {
    let Message { to, cc, subject, text, markdown, in_reply_to } = read(&arguments)?;
    let draft = json!({ "to": to, "cc": cc, "subject": subject, "text": text, "markdown": markdown, "in_reply_to": in_reply_to });
    let sent = send::send(State(state.clone()), caller, Once::default(), body::Json(read(&draft)?)).await?;
    let sent = body_of(sent).await?;
    Ok(json!({ "message_id": sent["id"], "thread_id": sent["thread_id"], "state": sent["state"],
        "delivery_promise_id": sent["promises"]["delivery"]["id"] }))
}

/// Asks; the promise of the answer.
pub(super) async fn ask(state: &AppState, caller: Caller, arguments: Value) -> Result<Value, Problem> {
    let question: Question = read(&arguments)?;
    let kind = match (&question.schema, question.options.is_empty()) {
        (Some(_), true) => "form",
        (None, false) => "choice",
        (None, true) => "text",
        (Some(_), false) => {
            return Err(Problem::at(&problem::INVALID_ASK, "/schema", "give either options or schema"));
        }
    };
    let options = question.options.into_iter().map(|option| match option {
        Value::String(name) => json!({ "name": name }),
        whole => whole,
    });
    let mut ask =
        json!({ "kind": kind, "options": options.collect::<Vec<_>>(), "reminders": question.reminders });
    // Absent and null are not the same for all of these.
    for (name, value) in [
        ("schema", question.schema),
        ("deadline", question.deadline.map(Value::from)),
        ("context", question.context),
    ] {
        if let Some(value) = value {
            ask[name] = value;
        }
    }
    let text = question.details.unwrap_or_else(|| question.question.clone());
    let draft = json!({ "to": question.to, "subject": question.question, "text": text, "ask": ask });
    let sent = send::send(State(state.clone()), caller, Once::default(), body::Json(read(&draft)?)).await?;
    let sent = body_of(sent).await?;
    let promise = &sent["promises"]["answer"];
    Ok(json!({ "promise_id": promise["id"], "state": promise["state"], "message_id": sent["id"],
        "thread_id": sent["thread_id"] }))
}

/// How a promise stands, after waiting for up to `wait` seconds.
pub(super) async fn promise(state: &AppState, caller: Caller, id: &str, wait: u64) -> Result<Value, Problem> {
    let id = id_of(id).ok_or_else(Problem::not_found)?;
    let patience = read(&json!({ "wait": wait.min(LONGEST) }))?;
    let (state, headers) = (State(state.clone()), HeaderMap::new());
    let shown = promises::get(state, caller, headers, Waiting::default(), Id(id), Params(patience)).await?;
    let mut promise = body_of(shown).await?;
    if let Some(fields) = promise.as_object_mut() {
        fields.insert("promise_id".into(), json!(id));
        fields.retain(|_, value| !value.is_null());
    }
    Ok(promise)
}

/// What of a message is listed.
const LISTED: [&str; 12] = [
    "id",
    "thread_id",
    "from",
    "to",
    "subject",
    "preview",
    "received_at",
    "seen",
    "has_attachment",
    "mailbox",
    "direction",
    "ask",
];

async fn messages(state: &AppState, caller: Caller, query: Value) -> Result<Value, Problem> {
    let query = Params(read(&query)?);
    let page = body_of(
        messages::list(State(state.clone()), caller, HeaderMap::new(), Waiting::default(), query).await?,
    )
    .await?;
    let items = page["items"].as_array().into_iter().flatten().map(|item| pick(item, &LISTED));
    Ok(json!({ "messages": items.collect::<Vec<_>>(), "more": !page["next_cursor"].is_null() }))
}

/// These fields of an object, where they say something.
fn pick(item: &Value, fields: &[&str]) -> Value {
    let fields = fields.iter().filter(|field| !item[**field].is_null());
    fields.map(|field| ((*field).to_owned(), item[*field].clone())).collect::<serde_json::Map<_, _>>().into()
}

async fn thread(state: &AppState, caller: Caller, arguments: Value) -> Result<Value, Problem> {
    let OfThread { thread_id } = read(&arguments)?;
    let id = id_of(&thread_id).ok_or_else(Problem::not_found)?;
    let whole =
        threads::get(State(state.clone()), Caller(caller.0.clone()), HeaderMap::new(), Id(id)).await?;
    let whole = body_of(whole).await?;
    let all: Vec<&Value> = whole["messages"].as_array().into_iter().flatten().collect();
    let mut read = Vec::new();
    for summary in &all[all.len().saturating_sub(READ)..] {
        let Some(id) = summary["id"].as_str().and_then(id_of) else { continue };
        let caller = Caller(caller.0.clone());
        let full = match messages::get(State(state.clone()), caller, HeaderMap::new(), Id(id)).await {
            Ok(full) => body_of(full).await?,
            // It was destroyed in the meantime.
            Err(problem) if problem.kind.status == 404 => continue,
            Err(problem) => return Err(problem),
        };
        let mut one = pick(&full, &LISTED);
        let text = full["reply_text"].as_str().or(full["text"].as_str()).unwrap_or_default();
        one["text"] = json!(text.chars().take(CHARACTERS).collect::<String>());
        let names = full["attachments"].as_array().into_iter().flatten();
        one["attachments"] =
            names.map(|part| pick(part, &["n", "filename", "content_type", "size"])).collect();
        read.push(one);
    }
    Ok(
        json!({ "thread_id": thread_id, "subject": whole["subject"], "message_count": whole["message_count"], "messages": read }),
    )
}
