//! The page behind a link in a mail: it shows the question, and only its form answers it, so that whatever looks at
//! links in mail answers nothing.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ORIGIN, REFERRER_POLICY};
use super::problem::Problem;
use super::{AppState, HeaderMap, HeaderValue, StatusCode};
use crate::delivery::question::{link_digest, outcome};
use crate::mail::clock;
use crate::mail::html;
use crate::promise::ask::{Ask, Comment, Kind};
use crate::promise::settle::{Answering, By, Given, Holder, Refused, answer, ask_of};
use crate::store::link::Link;
use crate::store::promise::Whole;

/// Octets of a form that is sent.
const LIMIT: usize = 256 * 1024;
/// Characters of the question's text that are shown.
const SHOWN: usize = 20_000;
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// `/a/{secret}`.
pub fn routes() -> Router<AppState> {
    Router::new().route("/a/{token}", get(show).post(give))
}

/// A link that is good, with what it is about.
struct Opened {
    link: Link,
    question: Whole,
    ask: Ask,
    /// The address that was asked.
    address: String,
    subject: String,
    text: String,
    from: String,
}

enum Found {
    Open(Box<Opened>),
    /// Why there is nothing to answer, in a sentence.
    Closed(String),
}

async fn find(state: &AppState, token: &str) -> Result<Found, Problem> {
    let gone = || Found::Closed("This link leads nowhere any more.".into());
    let plain = token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit());
    let link = if plain { state.store.link(link_digest(&token.to_ascii_lowercase())).await? } else { None };
    let Some(link) = link else { return Ok(gone()) };
    let Some(row) = state.store.promise(link.account_id, link.promise_id).await? else { return Ok(gone()) };
    let question = state.store.whole(row).await?;
    if question.row.state != "pending" {
        return Ok(Found::Closed(outcome(&question)));
    }
    if question.row.revision != link.revision {
        return Ok(Found::Closed(
            "The question was corrected since; the newer mail has the link that counts.".into(),
        ));
    }
    if question.row.deadline.is_some_and(|deadline| deadline <= state.clock.now_ms()) {
        return Ok(Found::Closed("The time to answer is over.".into()));
    }
    if question.answers.iter().any(|a| a.by_account == link.person_id && a.revision == link.revision) {
        return Ok(Found::Closed("You have answered this question. Thank you.".into()));
    }
    let mine = question.respondents.iter().find(|person| person.person_id == link.person_id);
    let address = match mine {
        Some(person) if person.state == "waiting" => person.address.clone(),
        Some(person) if person.state == "delegated" => {
            return Ok(Found::Closed("This question was passed on to somebody else.".into()));
        }
        _ => return Ok(gone()),
    };
    let (Ok(ask), Some(email)) =
        (ask_of(&question.row), state.store.email(link.account_id, question.row.email_id).await?)
    else {
        return Ok(gone());
    };
    let content = state.store.content(&email.digest()?).await?;
    let text = content.text.clone().or_else(|| content.html.as_deref().map(html::text)).unwrap_or_default();
    let from = email.from_name.clone().or(email.from_address.clone()).unwrap_or_default();
    let text = text.chars().take(SHOWN).collect();
    Ok(Found::Open(Box::new(Opened { link, question, ask, address, subject: email.subject, text, from })))
}

/// Shows the question. Nothing happens by looking.
async fn show(
    State(state): State<AppState>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let choice = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "choice");
    let choice = choice.map(|(_, value)| value.into_owned());
    match find(&state, &token).await {
        Ok(Found::Open(opened)) => page(StatusCode::OK, &form(&opened, choice.as_deref(), None)),
        Ok(Found::Closed(why)) => page(StatusCode::OK, &said(&why)),
        Err(problem) => problem.into_response(),
    }
}

/// Gives the answer that the page's form holds.
async fn give(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if from_elsewhere(&state, &headers) {
        return page(StatusCode::FORBIDDEN, &said("This did not come from the page of the question."));
    }
    let Ok(body) = to_bytes(body, LIMIT).await else {
        return page(StatusCode::PAYLOAD_TOO_LARGE, &said("That is longer than an answer can be."));
    };
    let opened = match find(&state, &token).await {
        Ok(Found::Open(opened)) => opened,
        Ok(Found::Closed(why)) => return page(StatusCode::CONFLICT, &said(&why)),
        Err(problem) => return problem.into_response(),
    };
    let fields: Vec<(String, String)> =
        form_urlencoded::parse(&body).into_owned().filter(|(_, value)| !value.contains('\0')).collect();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let text = |name: &str| field(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let choice = field("choice").map(str::to_owned);
    let given = if field("act") == Some("decline") {
        Given::Decline(text("comment").unwrap_or_default())
    } else {
        let value = match opened.ask.kind {
            Kind::Choice => json!(choice),
            Kind::Text => json!(field("text").unwrap_or_default()),
            Kind::Form => filled(&opened.ask, &fields),
        };
        Given::Value { value, comment: text("comment") }
    };
    let now = state.clock.now_ms();
    let answering = Answering {
        id: state.ids.id(now),
        by: By::Secret(Holder {
            asker: opened.link.account_id,
            person: opened.link.person_id,
            address: opened.address.clone(),
        }),
        given,
        revision: Some(opened.link.revision),
        via: "link",
        verified: json!({ "link": true }),
        undo: None,
        now,
    };
    match answer(&state.store, opened.link.promise_id, answering, None).await {
        Ok(_) => page(StatusCode::OK, &said(&format!("Your answer was sent to {}. Thank you.", opened.from))),
        Err(Refused::BadAnswer(bad)) => {
            let why = bad.errors.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join(" ");
            page(StatusCode::UNPROCESSABLE_ENTITY, &form(&opened, choice.as_deref(), Some(&why)))
        }
        Err(Refused::Store(error)) => Problem::from(error).into_response(),
        Err(refused) => page(StatusCode::CONFLICT, &said(&format!("It does not count: {refused}."))),
    }
}

/// Whether another site's page has sent the form.
fn from_elsewhere(state: &AppState, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let own = state.public_url.origin().ascii_serialization();
    headers.get(ORIGIN).is_some_and(|origin| origin.to_str().ok() != Some(own.as_str()))
}

/// What the fields of a form hold, as its schema's properties have it.
fn filled(ask: &Ask, fields: &[(String, String)]) -> Value {
    let raw = fields.iter().find(|(name, _)| name == "json").map(|(_, value)| value.as_str());
    if let Some(raw) = raw {
        return serde_json::from_str(raw).unwrap_or(Value::Null);
    }
    let mut value = Map::new();
    for (name, schema) in properties(ask).into_iter().flatten() {
        let key = format!("f.{name}");
        let given = fields.iter().find(|(field, _)| *field == key).map(|(_, text)| text.trim());
        let typed = match (schema.get("type").and_then(Value::as_str), given) {
            (Some("boolean"), given) => Some(json!(given.is_some())),
            (_, None | Some("")) => None,
            (Some("integer" | "number"), Some(text)) => {
                Some(serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
            }
            (_, Some(text)) => Some(json!(text)),
        };
        if let Some(typed) = typed {
            value.insert(name.clone(), typed);
        }
    }
    Value::Object(value)
}

/// The properties of a form that is flat enough for fields; nothing for another.
fn properties(ask: &Ask) -> Option<&Map<String, Value>> {
    let properties = ask.schema.as_ref()?.get("properties")?.as_object()?;
    let flat = |schema: &Value| {
        matches!(
            schema.get("type").and_then(Value::as_str),
            Some("string" | "integer" | "number" | "boolean")
        )
    };
    (!properties.is_empty() && properties.len() <= 50 && properties.values().all(flat)).then_some(properties)
}

fn form(opened: &Opened, choice: Option<&str>, wrong: Option<&str>) -> String {
    let mut out = format!(
        "<h1>{}</h1><p class=from>{} asks {}</p><div class=text>{}</div><form method=post>",
        html::escape(&opened.subject),
        html::escape(&opened.from),
        html::escape(&opened.address),
        html::escape(&opened.text)
    );
    if let Some(wrong) = wrong {
        out += &format!("<p class=wrong role=alert>{}</p>", html::escape(wrong));
    }
    match opened.ask.kind {
        Kind::Choice => {
            for option in &opened.ask.options {
                let checked = if choice == Some(option.name.as_str()) { " checked" } else { "" };
                let needs = if option.comment == Some(Comment::Required) { " (with a comment)" } else { "" };
                out += &format!(
                    "<label class=option><input type=radio name=choice required value=\"{}\"{checked}> {}{needs}</label>",
                    html::escape(&option.name),
                    html::escape(&option.title)
                );
            }
        }
        Kind::Text => {
            out += "<label>Your answer<textarea name=text rows=6 required></textarea></label>";
        }
        Kind::Form => out += &fields(&opened.ask),
    }
    out += "<label>Comment<textarea name=comment rows=2></textarea></label>";
    if let Some(deadline) = opened.question.row.deadline {
        let until = clock::at(deadline).format("%a, %d %b %Y %H:%M UTC");
        out += &format!("<p class=from>It can be answered until {until}.</p>");
    }
    out + "<p><button name=act value=answer>Send the answer</button> \
           <button name=act value=decline class=plain formnovalidate>Decline, with the comment as the reason</button></p></form>"
}

fn fields(ask: &Ask) -> String {
    let Some(properties) = properties(ask) else {
        let schema = ask.schema.as_ref().map(Value::to_string).unwrap_or_default();
        return format!(
            "<label>Your answer, as JSON<textarea name=json rows=8>{{}}</textarea></label>\
             <details><summary>What it has to look like</summary><pre>{}</pre></details>",
            html::escape(&schema)
        );
    };
    let required = ask.schema.as_ref().and_then(|schema| schema.get("required")?.as_array());
    let required = |name: &str| required.is_some_and(|list| list.iter().any(|each| each == name));
    let mut out = String::new();
    for (name, schema) in properties {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let title = html::escape(text("title").unwrap_or(name));
        let hint = text("description")
            .map(|hint| format!(" <small>{}</small>", html::escape(hint)))
            .unwrap_or_default();
        let (name_of, must) =
            (html::escape(&format!("f.{name}")), if required(name) { " required" } else { "" });
        let kind = text("type").unwrap_or_default();
        out += &match (schema.get("enum").and_then(Value::as_array), kind) {
            (Some(values), _) => {
                let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let options =
                    values.iter().map(|value| format!("<option>{}</option>", html::escape(&shown(value))));
                format!(
                    "<label>{title}{hint}<select name=\"{name_of}\"{must}><option></option>{}</select></label>",
                    options.collect::<String>()
                )
            }
            (None, "boolean") => {
                format!("<label class=option><input type=checkbox name=\"{name_of}\"> {title}{hint}</label>")
            }
            (None, "integer") => {
                format!("<label>{title}{hint}<input type=number step=1 name=\"{name_of}\"{must}></label>")
            }
            (None, "number") => {
                format!("<label>{title}{hint}<input type=number step=any name=\"{name_of}\"{must}></label>")
            }
            _ => {
                let media = match text("format") {
                    Some("date") => "date",
                    Some("email") => "email",
                    _ => "text",
                };
                format!("<label>{title}{hint}<input type={media} name=\"{name_of}\"{must}></label>")
            }
        };
    }
    out
}

pub(super) fn said(text: &str) -> String {
    format!("<h1>Restante</h1><p class=text>{}</p>", html::escape(text))
}

pub(super) fn page(status: StatusCode, main: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta name=robots content=noindex><title>Restante</title><style>{STYLE}</style><main>{main}</main></html>"
    );
    let mut response = (status, Html(page)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The form's own origin is told to us, its address to nobody.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:Canvas;color:CanvasText}\
    main{max-width:38rem;margin:2rem auto;padding:0 1rem}.text{white-space:pre-wrap;overflow-wrap:anywhere}\
    .from,small{opacity:.75}label{display:block;margin:.75rem 0}.option{padding:.5rem;border:1px solid;border-radius:.5rem}\
    textarea,select,input:not([type=radio]):not([type=checkbox]){display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}\
    button{font:inherit;padding:.6rem 1rem;margin:.25rem .5rem .25rem 0}.wrong{color:#b3261e;font-weight:600}:root{color-scheme:light dark}";
