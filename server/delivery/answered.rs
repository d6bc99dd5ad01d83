//! Answers by mail: a reply to a question's secret address, judged when it is accepted, with its sender and its time.

use serde_json::json;
use uuid::Uuid;

use super::deposit::Incoming;
use crate::mail::dsn;
use crate::mail::id::derived;
use crate::promise::certain;
use crate::promise::settle::{Answering, By, Given, Holder, Refused, answer, ask_of};
use crate::store::account::{Account, ReplyAddress};
use crate::store::link::Link;
use crate::store::promise::Whole;
use crate::store::{Error, Result};
use crate::submission::Context;

/// A question that a secret address was given for, and whose answer its mail is.
pub(super) struct Asked {
    question: Whole,
    /// The account here, or the respondent outside.
    person: Uuid,
    outside: bool,
    /// The address that was asked.
    address: String,
    /// The question was corrected since this mail's address was given out.
    superseded: bool,
}

/// What a reply was to its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is the answer.
    Answer,
    /// It is a message.
    Message,
}

/// The question a secret address was given for, if it was for one.
pub(super) async fn asked(context: &Context, stands_for: &ReplyAddress) -> Result<Option<Asked>> {
    let store = &context.store;
    let Some(email) = store.email(stands_for.account_id, stands_for.email_id).await? else { return Ok(None) };
    let outside = stands_for.promise_id.is_some();
    let Some(promise) = stands_for.promise_id.or(email.promise_id.filter(|_| !email.outgoing)) else {
        return Ok(None);
    };
    let Some(row) = store.promise(stands_for.account_id, promise).await? else { return Ok(None) };
    let superseded =
        row.revision > 1 && store.asked_last(&row).await?.is_some_and(|at| email.received_at < at);
    let question = store.whole(row).await?;
    let person = stands_for.person_id.unwrap_or(stands_for.account_id);
    let mine = question.respondents.iter().find(|respondent| respondent.person_id == person);
    let Some(address) = mine.map(|respondent| respondent.address.clone()) else { return Ok(None) };
    Ok(Some(Asked { question, person, outside, address, superseded }))
}

/// Tells who asked of a machine's reply; a mail that came back takes its recipient out.
pub(super) async fn by_machine(context: &Context, incoming: &Incoming, asked: &Asked) -> Result<()> {
    let (store, now, row) = (&context.store, context.clock.now_ms(), &asked.question.row);
    let bounce = incoming.content.report || incoming.mail_from.is_none();
    store.automatic_reply(row.account_id, row.id, asked.address.clone(), bounce, now).await?;
    // Whoever has an account here has the question in the inbox, whatever becomes of its notice.
    if bounce && asked.outside && failed(context, incoming).await? {
        store.unreachable(row.account_id, row.id, asked.person, now).await?;
    }
    Ok(())
}

/// Whether a report says that the mail will not arrive.
async fn failed(context: &Context, incoming: &Incoming) -> Result<bool> {
    let (blob, now) = (incoming.blob.clone(), context.clock.now_ms());
    let digest = blob.digest;
    context.store.write(async move |tx| tx.run(blob.insert(now)).await.map(drop)).await?;
    let stored = context.store.blob(&digest).await?.ok_or(Error::NotFound)?;
    let read = tokio::task::spawn_blocking(move || dsn::has_failed(stored.reader(0)?));
    Ok(read.await.map_err(|_| Error::Broken)??)
}

/// Judges a genuine reply. What is certain is the answer; what is not is a message, and its sender is asked which
/// answer they meant.
pub(super) async fn judge(
    context: &Context,
    incoming: &Incoming,
    asked: &Asked,
    owner: Option<&Account>,
    notified: &str,
) -> Result<Judged> {
    let (row, now) = (&asked.question.row, context.clock.now_ms());
    let id = derived("answer", row.id, &incoming.source);
    if asked.question.answers.iter().any(|answer| answer.id == id) {
        // The same mail once more.
        return Ok(Judged::Answer);
    }
    if asked.superseded || row.state != "pending" {
        return Ok(Judged::Message);
    }
    let Ok(ask) = ask_of(row) else { return Ok(Judged::Message) };
    let content = &incoming.content;
    let reply = content.reply_text.as_deref().unwrap_or_default();
    let sure = content.reply_confidence.unwrap_or(0.0);
    if let Some(certain) = certain::answer(&ask, reply, sure) {
        let by = match owner {
            Some(account) if !asked.outside => By::Account(account),
            _ => By::Secret(Holder {
                asker: row.account_id,
                person: asked.person,
                address: asked.address.clone(),
            }),
        };
        let answering = Answering {
            id,
            by,
            given: Given::Value { value: certain.value, comment: certain.comment },
            revision: None,
            via: "email",
            verified: json!({ "reply_address": true, "from": true }),
            undo: None,
            now,
        };
        match answer(&context.store, row.id, answering, None).await {
            Ok(_) => return Ok(Judged::Answer),
            Err(Refused::Store(error)) => return Err(error),
            // Too late, the second one, …: what they wrote is not lost.
            Err(_) => return Ok(Judged::Message),
        }
    }
    let waiting = |person: &&crate::store::promise::RespondentRow| {
        person.person_id == asked.person && person.state == "waiting"
    };
    let given =
        asked.question.answers.iter().any(|a| a.by_account == asked.person && a.revision == row.revision);
    if !given && asked.question.respondents.iter().any(|person| waiting(&person)) {
        let link = Link {
            account_id: row.account_id,
            promise_id: row.id,
            person_id: asked.person,
            address: notified.to_owned(),
            revision: row.revision,
        };
        let domain = notified.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
        context.store.ask_again(link, asked.outside, domain, now).await?;
    }
    Ok(Judged::Message)
}
