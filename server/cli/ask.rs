//! `restante ask` and `restante await`: a person's answer, for scripts. They exit with 0 when the promise is
//! fulfilled, 1 when it is rejected, 2 when they were called wrongly, and 3 while it is pending.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::{Client, text};
use super::mail::segment;
use super::say;
use crate::mail::duration;

/// The promise was rejected.
const REJECTED: u8 = 1;
/// The promise is still pending.
const PENDING: u8 = 3;
/// Seconds of one long poll.
const POLL: u64 = 50;

#[derive(Args)]
pub(super) struct Ask {
    /// The question.
    question: String,
    /// Who is asked; may be given several times.
    #[arg(long, required = true, value_name = "ADDRESS")]
    to: Vec<String>,
    /// What can be chosen, separated by commas. Without it and without --form, the answer is a text.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "form")]
    choices: Vec<String>,
    /// A JSON Schema that the answer follows.
    #[arg(long, value_name = "FILE")]
    form: Option<PathBuf>,
    /// More about it; the question itself when absent.
    #[arg(long)]
    text: Option<String>,
    /// `any` (the default), `all`, or how many equal answers are needed.
    #[arg(long, value_name = "RULE")]
    settle: Option<String>,
    /// How long it is open, such as P1D.
    #[arg(long, value_name = "DURATION")]
    deadline: Option<String>,
    /// What it counts as when nobody answers in time.
    #[arg(long, value_name = "VALUE")]
    on_expiry: Option<String>,
    /// When those who have not answered are reminded, such as PT4H; may be given several times.
    #[arg(long, value_name = "DURATION")]
    remind: Vec<String>,
    /// Waits for the answer, at most this long, such as 24h.
    #[arg(long, value_name = "DURATION", value_parser = span)]
    wait: Option<Duration>,
}

#[derive(Args)]
pub(super) struct Await {
    /// The promise.
    id: String,
    /// At most this long, such as 24h; until it is settled when absent.
    #[arg(long, value_name = "DURATION", value_parser = span)]
    wait: Option<Duration>,
}

fn span(text: &str) -> Result<Duration, String> {
    duration::human(text).ok_or_else(|| format!("{text:?} is no duration such as 30s, 24h or P1D"))
}

pub(super) async fn ask(client: &Client, ask: &Ask) -> anyhow::Result<ExitCode> {
    let mut question = match &ask.form {
        Some(file) => {
            let schema = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let schema: Value =
                serde_json::from_str(&schema).with_context(|| format!("{} is no JSON", file.display()))?;
            json!({ "kind": "form", "schema": schema })
        }
        None if ask.choices.is_empty() => json!({ "kind": "text" }),
        None => {
            let options = ask.choices.iter().map(|name| json!({ "name": name.trim() }));
            json!({ "kind": "choice", "options": options.collect::<Vec<_>>() })
        }
    };
    if let Some(rule) = &ask.settle {
        question["settle"] = match rule.parse::<u32>() {
            Ok(quorum) => json!({ "quorum": quorum }),
            Err(_) => json!(rule),
        };
    }
    if let Some(deadline) = &ask.deadline {
        question["deadline"] = json!(deadline);
    }
    if let Some(value) = &ask.on_expiry {
        question["on_expiry"] = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    }
    if !ask.remind.is_empty() {
        question["reminders"] = json!(ask.remind);
    }
    let body = json!({ "to": ask.to, "subject": ask.question, "text": ask.text.as_ref().unwrap_or(&ask.question), "ask": question });
    let sent = client.post("/v1/messages", &body).await?;
    let promise = text(&sent["promises"]["answer"], "id");
    match ask.wait {
        Some(most) => settled(client, promise, Some(most)).await,
        None => {
            client.print(&sent, || promise.to_owned());
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(super) async fn wait(client: &Client, wait: &Await) -> anyhow::Result<ExitCode> {
    settled(client, &wait.id, wait.wait).await
}

/// Waits until a promise is settled, and prints what came of it; the exit code says which it was.
pub(super) async fn settled(
    client: &Client,
    promise: &str,
    most: Option<Duration>,
) -> anyhow::Result<ExitCode> {
    let until = most.map(|most| Instant::now() + most);
    loop {
        let left = until.map_or(POLL, |until| {
            until
                .saturating_duration_since(Instant::now())
                .as_millis()
                .div_ceil(1000)
                .try_into()
                .unwrap_or(POLL)
        });
        let path = format!("/v1/promises/{}?wait={}", segment(promise), left.min(POLL));
        let now = client.get(&path).await?;
        match text(&now, "state") {
            "fulfilled" => {
                client.print(&now, || value_of(&now));
                return Ok(ExitCode::SUCCESS);
            }
            "rejected" => {
                if client.json {
                    say(&now.to_string());
                }
                let detail = text(&now["reason"], "detail");
                eprintln!(
                    "restante: {}{}{detail}",
                    text(&now["reason"], "code"),
                    if detail.is_empty() { "" } else { ": " }
                );
                return Ok(ExitCode::from(REJECTED));
            }
            _ if until.is_some_and(|until| Instant::now() >= until) => {
                client.print(&now, || promise.to_owned());
                return Ok(ExitCode::from(PENDING));
            }
            _ => {}
        }
    }
}

/// An answer as a script reads it: the name of the choice, the text, else JSON.
fn value_of(promise: &Value) -> String {
    let value = &promise["value"];
    match value.get("choice").unwrap_or(value) {
        Value::String(text) => text.clone(),
        Value::Null => text(promise, "state").to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_printed_as_a_script_reads_it() {
        for (value, line) in [
            (json!({ "choice": "yes", "comment": "so" }), "yes"),
            (json!("Tuesday"), "Tuesday"),
            (json!({ "n": 1 }), "{\"n\":1}"),
            (json!(null), "fulfilled"),
        ] {
            assert_eq!(value_of(&json!({ "state": "fulfilled", "value": value })), line);
        }
    }
}
