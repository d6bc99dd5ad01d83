//! Messages about a question that is open: reminders, and the question put to more people. They are the asker's, and
//! each is accepted once, whoever's timer or request asks for it.

use super::{Attachment, Context, Refusal, Request, Source, respond, submit};
use crate::mail::address::Address;
use crate::mail::html;
use crate::mail::id::digest;
use crate::promise::escalate::{Plan, delegation, escalation, reminder};
use crate::store::account::Account;
use crate::store::promise::{AskedRow, PromiseRow, Whole};
use crate::store::respondent::{Again, Correction};

/// Reminds those who have not answered. `key` is the occasion: the same one again sends nothing more.
///
/// # Errors
/// [`Refusal`].
pub async fn remind(context: &Context, question: &Whole, key: &[u8]) -> Result<(), Refusal> {
    let Some(plan) = reminder(question) else { return Ok(()) };
    send(context, question, plan, Again::Reminds { promise: question.row.id }, key).await
}

/// Asks more people. `key` is the occasion: the same one again sends nothing more.
///
/// # Errors
/// [`Refusal`].
pub async fn escalate(context: &Context, question: &Whole, to: &[String], key: &[u8]) -> Result<(), Refusal> {
    let Some(plan) = escalation(question, to) else { return Ok(()) };
    send(context, question, plan, Again::Joins { promise: question.row.id, delegated_by: None }, key).await
}

/// Asks somebody in the place of one who was asked.
///
/// # Errors
/// [`Refusal`].
pub async fn delegate(
    context: &Context,
    question: &Whole,
    by: &Account,
    to: &Address,
    comment: Option<&str>,
) -> Result<(), Refusal> {
    let plan = delegation(question, &by.address, &to.to_string(), comment);
    let again = Again::Joins { promise: question.row.id, delegated_by: Some(by.id) };
    send(context, question, plan, again, by.id.as_bytes()).await
}

async fn send(
    context: &Context,
    question: &Whole,
    plan: Plan,
    again: Again,
    key: &[u8],
) -> Result<(), Refusal> {
    let (store, row) = (&context.store, &question.row);
    let asker = store.account(row.account_id).await?.filter(|asker| asker.disabled_at.is_none());
    let (Some(asker), Some(original)) = (asker, store.email(row.account_id, row.email_id).await?) else {
        return Ok(());
    };
    let blob = original.digest()?;
    let content = store.content(&blob).await?;
    let body = content.text.clone().or_else(|| content.html.as_deref().map(html::text)).unwrap_or_default();
    let reminds = matches!(again, Again::Reminds { .. });
    let attachments = content.attachments.iter().filter(|part| !reminds && !part.inline);
    let from = content.from.as_ref().and_then(|from| from.address.parse().ok()).map(Address::into);
    let all = plan.to.join(" ");
    let source = digest(&[
        b"again",
        row.id.as_bytes(),
        &row.revision.to_be_bytes(),
        plan.prefix.as_bytes(),
        key,
        // Whoever was asked at the first try is left out at the second; who is reminded may have become fewer.
        if reminds { b"" } else { all.as_bytes() },
    ]);
    let request = Request {
        from,
        to: plan.to.iter().filter_map(|to| to.parse().ok()).collect(),
        subject: format!("{}: {}", plan.prefix, content.subject).chars().take(400).collect(),
        text: Some(format!("{}\n\n{body}", plan.text)),
        attachments: attachments
            .map(|part| Attachment {
                source: Source::Part(blob, part.clone()),
                filename: part.filename.clone(),
                content_type: Some(part.content_type.clone()),
                inline: false,
                content_id: None,
            })
            .collect(),
        in_reply_to: Some(original.id.to_string()),
        source: Some(source),
        again: Some(again),
        ..Request::default()
    };
    match submit(context, &asker, request, None).await {
        Ok(_) | Err(Refusal::Repeated) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

/// What is to be corrected before somebody answers: a message to who asked, kept with the promise and told of in the
/// same transaction. The promise stays pending.
///
/// # Errors
/// [`Refusal`].
pub async fn correction(
    context: &Context,
    by: &Account,
    row: &PromiseRow,
    asked: &AskedRow,
    what: &str,
) -> Result<(), Refusal> {
    let (store, now) = (&context.store, context.clock.now_ms());
    let original = store.email(by.id, asked.email_id).await?.ok_or(crate::store::Error::NotFound)?;
    let correction = Correction {
        id: context.ids.id(now),
        by_person: by.id,
        by_address: asked.address.clone(),
        what: what.to_owned(),
        revision: row.revision,
    };
    let source = digest(&[b"correction", row.id.as_bytes(), by.id.as_bytes(), what.as_bytes()]);
    let mut request = Request {
        subject: format!("To be corrected: {}", original.subject).chars().take(400).collect(),
        text: Some(what.to_owned()),
        source: Some(source),
        ..Request::default()
    };
    let own = store.addresses(by.id).await?;
    respond::reply(store, &own, &original, false, &mut request).await?;
    let context = Context { store: store.with(correction.statements(row, now)), ..context.clone() };
    match submit(&context, by, request, None).await {
        Ok(_) | Err(Refusal::Repeated) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
