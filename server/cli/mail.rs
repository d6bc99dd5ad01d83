//! `restante send`, `inbox`, `read` and `reply`: over the API, with the token of `RESTANTE_TOKEN`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, text, text_of};

#[derive(Args)]
pub(super) struct Send {
    /// Whom to; may be given several times.
    #[arg(long, required = true, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Who gets a copy.
    #[arg(long, value_name = "ADDRESS")]
    cc: Vec<String>,
    #[arg(long, default_value = "")]
    subject: String,
    /// The text; standard input when absent or -.
    text: Option<String>,
    /// Waits until everybody has it, or it has failed.
    #[arg(long)]
    wait: bool,
}

#[derive(Args)]
pub(super) struct Inbox {
    /// Only what is not seen.
    #[arg(long)]
    unseen: bool,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=200))]
    limit: u8,
    /// Waits up to this many seconds until there is something.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=60))]
    wait: u8,
}

#[derive(Args)]
pub(super) struct Read {
    /// The message.
    id: String,
}

#[derive(Args)]
pub(super) struct Reply {
    /// The message.
    id: String,
    /// The text; standard input when absent or -.
    text: Option<String>,
    /// To everybody who had the message.
    #[arg(long)]
    all: bool,
}

pub(super) async fn send(client: &Client, send: &Send) -> anyhow::Result<ExitCode> {
    let body = json!({ "to": send.to, "cc": send.cc, "subject": send.subject, "text": text_of(send.text.as_deref())? });
    let sent = client.post("/v1/messages", &body).await?;
    if send.wait {
        let promise = text(&sent["promises"]["delivery"], "id");
        return super::ask::settled(client, promise, None).await;
    }
    client.print(&sent, || text(&sent, "id").to_owned());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn inbox(client: &Client, inbox: &Inbox) -> anyhow::Result<ExitCode> {
    let seen = if inbox.unseen { "&seen=false" } else { "" };
    let path = format!("/v1/messages?mailbox=inbox&limit={}&wait={}{seen}", inbox.limit, inbox.wait);
    let page = client.get(&path).await?;
    let row = |message: &Value| {
        let from = text(&message["from"], "address");
        let mark = if message["seen"] == true { ' ' } else { '*' };
        let asks = if message["ask"]["state"] == "pending" { " [asks]" } else { "" };
        format!(
            "{mark} {}  {}  {from}  {}{asks}",
            text(message, "id"),
            text(message, "received_at"),
            text(message, "subject")
        )
    };
    let rows = page["items"].as_array().cloned().unwrap_or_default();
    if client.json {
        super::say(&page.to_string());
    } else {
        rows.iter().for_each(|message| super::say(&row(message)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn read(client: &Client, read: &Read) -> anyhow::Result<ExitCode> {
    let message = client.get(&format!("/v1/messages/{}", segment(&read.id))).await?;
    client.print(&message, || {
        let list = |name: &str| {
            let list = message[name].as_array().into_iter().flatten();
            list.map(|who| text(who, "address")).collect::<Vec<_>>().join(", ")
        };
        format!(
            "From: {}\nTo: {}\nSubject: {}\nDate: {}\n\n{}",
            text(&message["from"], "address"),
            list("to"),
            text(&message, "subject"),
            text(&message, "received_at"),
            text(&message, "text").trim_end(),
        )
    });
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn reply(client: &Client, reply: &Reply) -> anyhow::Result<ExitCode> {
    let body = json!({ "text": text_of(reply.text.as_deref())?, "all": reply.all });
    let sent = client.post(&format!("/v1/messages/{}/reply", segment(&reply.id)), &body).await?;
    client.print(&sent, || text(&sent, "id").to_owned());
    Ok(ExitCode::SUCCESS)
}

/// An id as a part of a path: whatever else it is, it leads nowhere else.
pub(super) fn segment(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}
