//! `restante queue …`: what waits, why, and what is done about it; beside a running server.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::config::Config;
use crate::mail::clock;
use crate::store::operate::{Act, Open};
use crate::store::tracking::DeliveryRow;
use crate::store::{Error, Store};

use super::say;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists what waits (the default), oldest account first.
    List {
        /// Only to this destination: a domain outside.
        #[arg(long)]
        destination: Option<String>,
        /// Only what is held.
        #[arg(long)]
        held: bool,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: i64,
        /// Prints one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Lists destinations by what waits there, and why nothing is sent to some.
    Destinations {
        /// Prints one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Shows one delivery with every try.
    Show {
        /// The delivery's id.
        id: Uuid,
    },
    /// Lets nothing leave: mail to outside addresses, notices and webhooks wait; everything else goes on.
    Pause,
    /// Lets it go again, also after a backup was restored.
    Resume,
    /// Says whether anything may leave.
    Status,
    /// Has deliveries tried now, also failed ones.
    Retry(Which),
    /// Keeps deliveries from being tried.
    Hold(Which),
    /// Lets held deliveries go.
    Release(Which),
    /// Takes deliveries back.
    Cancel(Which),
}

#[derive(Args)]
pub(super) struct Which {
    /// Ids of deliveries.
    #[arg(required_unless_present = "destination", conflicts_with = "destination")]
    ids: Vec<Uuid>,
    /// Everything that waits for this domain outside.
    #[arg(long)]
    destination: Option<String>,
}

pub(super) async fn run(config: Config, command: Option<Command>) -> anyhow::Result<()> {
    let context = App::new(config).context().await?;
    let (store, now) = (&context.store, context.clock.now_ms());
    let list = Command::List { destination: None, held: false, limit: 100, json: false };
    let done = match command.unwrap_or(list) {
        Command::List { destination, held, limit, json } => {
            let destination = destination.map(|name| name.to_lowercase());
            let held = held.then_some(true);
            let open = Open { destination: destination.as_deref(), held, after: None };
            let rows = store.queue(open, limit.clamp(1, 10_000)).await?;
            for row in &rows {
                say(&if json { object(row, now).to_string() } else { line(row, now) });
            }
            if rows.is_empty() && !json {
                say("Nothing waits.");
            }
            Ok(())
        }
        Command::Destinations { json } => destinations(store, json).await,
        Command::Show { id } => show(store, id, now).await,
        Command::Pause => store.pause(now).await.map(|()| say("Sending is paused.")).map_err(Into::into),
        Command::Resume => resume(store).await,
        Command::Status => status(store).await,
        Command::Retry(which) => act(store, Act::Retry, which, now).await,
        Command::Hold(which) => act(store, Act::Hold, which, now).await,
        Command::Release(which) => act(store, Act::Release, which, now).await,
        Command::Cancel(which) => act(store, Act::Cancel, which, now).await,
    };
    context.store.close().await;
    done
}

/// A time for people.
pub(super) fn shown(ms: i64) -> String {
    clock::at(ms).format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn object(row: &DeliveryRow, now: i64) -> Value {
    json!({
        "id": row.id, "account_id": row.account_id, "kind": row.kind, "destination": row.destination,
        "recipient": row.recipient, "state": row.state(now).as_str(), "attempts": row.attempts,
        "held": row.held_at.is_some(), "due_at": clock::at(row.due_at).to_rfc3339(),
        "diagnostic": row.last_diagnostic,
    })
}

fn line(row: &DeliveryRow, now: i64) -> String {
    let next = if row.held_at.is_some() { "held".to_owned() } else { shown(row.due_at) };
    let last = row.last_diagnostic.as_deref().map(|text| format!("  {text}")).unwrap_or_default();
    let (state, tries) = (row.state(now), row.attempts);
    format!("{}  {state:<9} {tries:>3}  {next:<23}  {} ({}){last}", row.id, row.recipient, row.kind)
}

async fn resume(store: &Store) -> anyhow::Result<()> {
    say(if store.resume().await? {
        "Sending goes on: nodes that run notice it within seconds."
    } else {
        "Sending was not paused."
    });
    Ok(())
}

async fn status(store: &Store) -> anyhow::Result<()> {
    say(match store.paused().await? {
        Some(pause) if pause.reason == "restored" => {
            "Sending is paused since a backup was restored; restante queue resume ends it."
        }
        Some(_) => "Sending is paused; restante queue resume ends it.",
        None => "Sending is not paused.",
    });
    Ok(())
}

async fn destinations(store: &Store, json: bool) -> anyhow::Result<()> {
    let blocked = store.blocked().await?;
    let all = store.destinations(None, 1000).await?;
    if all.is_empty() && !json {
        say("Nothing waits.");
    }
    for row in all {
        let why = blocked.iter().find(|blocked| blocked.name == row.destination);
        if json {
            say(&json!({ "destination": row.destination, "open": row.open, "held": row.held,
                "blocked_until": why.map(|w| clock::at(w.blocked_until).to_rfc3339()),
                "reason": why.map(|w| &w.reason) })
            .to_string());
            continue;
        }
        let until = why.map(|why| format!("not tried before {}: {}", shown(why.blocked_until), why.reason));
        let Some(oldest) = row.oldest else {
            say(&format!("{}: {}", row.destination, until.unwrap_or_default()));
            continue;
        };
        let held = if row.held > 0 { format!(", {} held", row.held) } else { String::new() };
        let (name, open) = (row.destination, row.open);
        say(&format!("{name}: {open} waiting{held}, the oldest since {}", shown(oldest)));
        if let Some(until) = until {
            say(&format!("    {until}"));
        }
    }
    Ok(())
}

async fn show(store: &Store, id: Uuid, now: i64) -> anyhow::Result<()> {
    let Some(row) = store.any_delivery(id).await? else { bail!("there is no delivery {id}") };
    say(&line(&row, now));
    for text in super::explain::course(store, &store.blocked().await?, &row, now).await? {
        say(&format!("  {text}"));
    }
    Ok(())
}

async fn act(store: &Store, act: Act, which: Which, now: i64) -> anyhow::Result<()> {
    if let Some(destination) = which.destination {
        let changed = store.act_on(act, &destination.to_lowercase(), now).await?;
        say(&format!("{changed} deliveries to {destination} changed."));
        return Ok(());
    }
    let mut refused = 0;
    for id in which.ids {
        match store.act_on_any(act, id, now).await {
            Ok(()) => say(&format!("{id}: done.")),
            Err(Error::NotFound) => {
                refused += 1;
                say(&format!("{id}: there is no such delivery."));
            }
            Err(Error::Conflict) => {
                refused += 1;
                say(&format!("{id}: it has ended, or is being tried now."));
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::ensure!(refused == 0, "{refused} were not changed");
    Ok(())
}
