//! Vacation replies (RFC 3834): whoever writes to somebody who is away is told so, once a week, and no machine ever is.

use std::sync::Arc;

use super::Inner;
use crate::mail::address::Address;
use crate::mail::id::digest;
use crate::mail::message::Content;
use crate::store::Result;
use crate::store::delivery::{Lane, Leased, NewDelivery, Outcome};
use crate::store::email::NewEmail;
use crate::submission::{Context, Refusal, Request, submit};

/// Local parts of those who are machines or speak for many (RFC 3834 §2, RFC 5230 §4.6).
const MACHINES: &[&str] =
    &["mailer-daemon", "postmaster", "listserv", "majordomo", "noreply", "no-reply", "donotreply", "notify"];

/// The reply that an email may bring about, whatever comes of it; none for what a machine wrote.
pub(super) fn reply(
    context: &Context,
    email: &NewEmail,
    content: &Content,
    sender: &Address,
) -> Option<NewDelivery> {
    let local = sender.local().to_ascii_lowercase();
    let machine = MACHINES.contains(&local.as_str())
        || local.starts_with("owner-")
        || local.ends_with("-request")
        || local.ends_with("-bounces");
    let listed = content.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("list-"));
    if machine || listed || content.automatic || content.report {
        return None;
    }
    Some(NewDelivery {
        account_id: email.account_id,
        id: context.ids.id(email.received_at),
        kind: "vacation",
        lane: Lane::Here,
        destination: email.account_id.to_string(),
        recipient: sender.to_string(),
        submission_id: None,
        email_id: Some(email.id),
        subject_id: None,
        digest: None,
        due_at: email.received_at,
        created_at: email.received_at,
    })
}

impl Inner {
    /// Works on a delivery of kind `vacation`.
    pub(super) async fn vacation(self: &Arc<Self>, leased: Leased) -> Result<()> {
        let outcome = match self.absent(&leased).await {
            Ok(true) => Outcome::Delivered,
            Ok(false) => Outcome::Canceled,
            Err(Refusal::Store(error)) => return Err(error),
            Err(refusal) => {
                tracing::warn!(%refusal, delivery = %leased.id, "a vacation reply cannot be sent");
                Outcome::Failed { class: "permanent", code: refusal.code().to_owned() }
            }
        };
        self.end_notice(leased, outcome, None).await
    }

    /// Answers a sender, if that is to be; whether it was.
    async fn absent(&self, leased: &Leased) -> std::result::Result<bool, Refusal> {
        let (store, now) = (&self.context.store, self.now());
        let vacation = store.vacations(&[leased.account_id]).await?.pop().filter(|v| v.is_now(now));
        let account = store.account(leased.account_id).await?.filter(|a| a.disabled_at.is_none());
        let (Some(vacation), Some(account), Some(email_id)) = (vacation, account, leased.email_id) else {
            return Ok(false);
        };
        let Some(email) = store.email(leased.account_id, email_id).await? else { return Ok(false) };
        let content = store.content(&email.digest()?).await?;
        let own: Vec<String> =
            store.addresses(account.id).await?.iter().map(|address| address.to_lowercase()).collect();
        // RFC 5230 §4.5: only what was written to them, not to a list or in a blind copy.
        let meant = content.to.iter().chain(&content.cc).map(|to| to.address.to_lowercase());
        let Some(meant) = meant.into_iter().find(|address| own.contains(address)) else { return Ok(false) };
        if own.contains(&leased.recipient.to_lowercase()) || email.mailbox_role.as_deref() == Some("junk") {
            return Ok(false);
        }
        let Ok(to) = leased.recipient.parse::<Address>() else { return Ok(false) };
        if !store.answers_sender(leased, &leased.recipient, now).await? {
            return Ok(false);
        }
        let subject = vacation.subject.unwrap_or_else(|| format!("Automatic reply: {}", email.subject));
        let request = Request {
            from: meant.parse::<Address>().ok().map(Into::into),
            to: vec![to.into()],
            subject: subject.chars().take(400).collect(),
            text: Some(vacation.body),
            in_reply_to: Some(email.id.to_string()),
            automatic: true,
            source: Some(digest(&[b"vacation", leased.id.as_bytes()])),
            ..Request::default()
        };
        match submit(&self.context, &account, request, None).await {
            // It was accepted at an attempt before.
            Ok(_) | Err(Refusal::Repeated) => Ok(true),
            Err(refusal) => Err(refusal),
        }
    }
}
