//! `restante explain ID`: one message's whole way, in plain sentences.

use anyhow::bail;
use uuid::Uuid;

use crate::app::App;
use crate::config::Config;
use crate::store::Store;
use crate::store::destination::Blocked;
use crate::store::tracking::{AttemptRow, DeliveryRow, State};

use super::queue::shown;
use super::say;

/// Recipients that are told of.
const RECIPIENTS: i64 = 1000;

/// Explains a message, or one delivery of it.
pub(super) async fn run(config: Config, id: Uuid) -> anyhow::Result<()> {
    let context = App::new(config).context().await?;
    let (store, now) = (&context.store, context.clock.now_ms());
    let told = explain(store, id, now).await;
    let lines = match told {
        Ok(lines) => lines,
        Err(error) => {
            context.store.close().await;
            return Err(error);
        }
    };
    lines.iter().for_each(|line| say(line));
    context.store.close().await;
    Ok(())
}

async fn explain(store: &Store, id: Uuid, now: i64) -> anyhow::Result<Vec<String>> {
    let (mut lines, blocked) = (Vec::new(), store.blocked().await?);
    for account in store.owners(id).await? {
        let Some(email) = store.email(account, id).await? else { continue };
        let from = email.from_address.as_deref().unwrap_or("nobody");
        let Some(submission) = email.submission_id else {
            lines.push(format!("“{}” from {from} came in on {}.", email.subject, shown(email.received_at)));
            continue;
        };
        lines.push(format!("“{}” from {from} was accepted on {}.", email.subject, shown(email.received_at)));
        if let Some(row) = store.submission(account, submission).await? {
            match row.state(now) {
                "scheduled" => {
                    lines.push(format!("It is not sent before {}.", shown(row.send_at.unwrap_or(now))));
                }
                "held" => {
                    lines.push(format!(
                        "It can be taken back until {}.",
                        shown(row.undo_until.unwrap_or(now))
                    ));
                }
                "canceled" => lines.push("Its sender has taken it back.".into()),
                _ => {}
            }
            if let Some(at) = row.expires_at {
                lines.push(format!("It is withdrawn if it is not delivered by {}.", shown(at)));
            }
        }
        for delivery in store.deliveries_of(account, submission, None, RECIPIENTS).await? {
            lines.push(format!("To {}:", delivery.recipient));
            lines.extend(
                course(store, &blocked, &delivery, now).await?.into_iter().map(|line| format!("  {line}")),
            );
        }
    }
    if lines.is_empty() {
        let Some(delivery) = store.any_delivery(id).await? else {
            bail!("there is no message and no delivery with the id {id}");
        };
        lines.push(format!("To {} ({}):", delivery.recipient, delivery.kind));
        lines.extend(
            course(store, &blocked, &delivery, now).await?.into_iter().map(|line| format!("  {line}")),
        );
    }
    Ok(lines)
}

/// What was tried for one recipient, and how it stands.
pub(super) async fn course(
    store: &Store,
    blocked: &[Blocked],
    row: &DeliveryRow,
    now: i64,
) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for attempt in store.attempts(row.account_id, &[row.id]).await? {
        lines.push(tried(&attempt));
    }
    let blocked = blocked.iter().find(|blocked| blocked.name == row.destination);
    lines.push(match row.state(now) {
        State::Scheduled => "It waits for its time.".into(),
        State::Held if row.held_at.is_some() => format!(
            "An operator holds it since {}; `restante queue release` lets it go.",
            shown(row.held_at.unwrap_or(now))
        ),
        State::Held => "Its sender can still take it back.".into(),
        State::Queued => format!("It has not been tried yet; it is due at {}.", shown(row.due_at)),
        State::Sending => "It is being tried now.".into(),
        State::Delayed if row.held_at.is_some() => "An operator holds it.".into(),
        State::Delayed => format!("It is tried again at {}.", shown(row.due_at)),
        State::Delivered => format!("It is in the recipient's mailbox here since {}.", at(row, now)),
        State::Relayed => format!("The next hop took it at {}, and answers for it.", at(row, now)),
        State::Failed => format!(
            "It failed at {}: {} ({}). Its sender was told.",
            at(row, now),
            row.reason_code.as_deref().unwrap_or("unknown"),
            row.reason_class.as_deref().unwrap_or("permanent"),
        ),
        State::Canceled => format!("It was taken back at {}.", at(row, now)),
    });
    if let Some(told) = row.earliest_seen_at {
        lines.push(format!("Its recipient is told of it at {}, at the earliest.", shown(told)));
    }
    if let (Some(blocked), None) = (blocked, row.settled_at) {
        lines.push(format!(
            "{} could not be reached {} times since {}: {}",
            blocked.name,
            blocked.failures,
            shown(blocked.since),
            blocked.reason
        ));
    }
    Ok(lines)
}

fn at(row: &DeliveryRow, now: i64) -> String {
    shown(row.settled_at.unwrap_or(now))
}

fn tried(attempt: &AttemptRow) -> String {
    if attempt.n == 0 {
        return format!("{}: {}", shown(attempt.at), attempt.diagnostic.as_deref().unwrap_or("put off"));
    }
    let who = attempt.remote.as_deref().map(|remote| format!(" {remote} said")).unwrap_or_default();
    let code = attempt.code.map(|code| format!(" {code}")).unwrap_or_default();
    let text = attempt.diagnostic.as_deref().unwrap_or("nothing more");
    format!("{}, try {}:{who}{code} {text}", shown(attempt.at), attempt.n)
}
