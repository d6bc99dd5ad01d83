//! Replies that are not known to be their owner's: they came to a secret address from another sender than was told, or
//! against what the sender's domain publishes. They are filed as mail, and whoever was given the address is asked there,
//! never at the address the mail says it is from.

use std::sync::Arc;

use super::Inner;
use super::answered;
use super::deposit::{Proof, Rejected, Written};
use super::forward::{CONFIRM_WITHIN, LIMIT, confirm_digest};
use super::notice::Doubt;
use super::reply;
use crate::mail::address::Address;
use crate::mail::id::hex;
use crate::mail::message::Content;
use crate::store::account::{ReplyAddress, Secret};
use crate::store::blob::Digest;
use crate::store::delivery::{Lane, Leased, NewDelivery};
use crate::store::email::{Change, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::unverified::{Unverified, UnverifiedRow, put_confirmation};
use crate::store::{Error, Result};
use crate::submission::Context;

/// What is kept of a mail to a secret address that is filed as unverified; none when its owner was asked too often.
pub(super) async fn doubt(
    context: &Context,
    address: &Address,
    stands_for: &ReplyAddress,
) -> Result<Option<Unverified>> {
    let Some(secret) = Secret::read(address.local()) else { return Ok(None) };
    let (reply_to, now) = (secret.digest(), context.clock.now_ms());
    // Whoever got hold of the address cannot flood its owner: the brake on guessing brakes this too.
    let subject = format!("unverified:{}", hex(&reply_to));
    if context.store.blocked_until(std::slice::from_ref(&subject), now).await?.is_some() {
        return Ok(None);
    }
    context.store.strike(vec![subject], now).await?;
    Ok(Some(Unverified { reply_to, notified: stands_for.notified.clone() }))
}

/// The mail that asks the owner; it is written at its first claim.
pub(super) fn question(context: &Context, email: &NewEmail, doubt: &Unverified) -> Option<NewDelivery> {
    let to: Address = doubt.notified.parse().ok()?;
    Some(NewDelivery {
        account_id: email.account_id,
        id: context.ids.id(email.received_at),
        kind: "notice",
        lane: Lane::Outside,
        destination: to.domain().to_owned(),
        recipient: doubt.notified.clone(),
        submission_id: None,
        email_id: None,
        subject_id: Some(email.id),
        digest: None,
        due_at: email.received_at,
        created_at: email.received_at,
    })
}

impl Inner {
    /// Renders the mail that asks, and keeps it; none when the reply is gone.
    pub(super) async fn render_doubt(
        self: &Arc<Self>,
        leased: &Leased,
        row: &UnverifiedRow,
        to: &Address,
    ) -> Result<Option<(Digest, Content)>> {
        let store = &self.context.store;
        let Some(email) = store.email(leased.account_id, row.copy_id).await? else { return Ok(None) };
        let (content, now) = (store.content(&email.digest()?).await?, self.now());
        let token = hex(&self.context.ids.secret());
        let asked = Doubt {
            delivery: leased.id,
            to,
            content: &content,
            token: &token,
            domain: &self.context.domain,
            public_url: self.settings.public_url.trim_end_matches('/'),
            now,
        };
        let mut spool = store.spool(LIMIT);
        // Small enough to be written here.
        let content = asked.render(&mut spool)?;
        let blob = spool.finish()?;
        let digest = blob.digest;
        let until = now + CONFIRM_WITHIN;
        let keep = put_confirmation(leased.account_id, row.copy_id, confirm_digest(&token), until);
        store.rendered(leased.clone(), blob, vec![keep], now).await?;
        Ok(Some((digest, content)))
    }
}

/// Takes a mail for its owner's after all, as if it had been known when it came: their answer, or a message of theirs.
///
/// # Errors
/// [`Error::NotFound`]: the link is used or too old, or the mail is gone.
pub async fn confirm(context: &Context, link: &str) -> Result<(), Rejected> {
    let (store, now) = (&context.store, context.clock.now_ms());
    let row = store.to_confirm(confirm_digest(link), now).await?.ok_or(Error::NotFound)?;
    let stands_for = &row.stands_for;
    let account = stands_for.account_id;
    let copy = store.email(account, row.copy_id).await?.ok_or(Error::NotFound)?;
    let digest = copy.digest()?;
    let source = row.source_id.as_slice().try_into();
    let source: Digest =
        source.map_err(|_| Error::Unusable("mail from outside without its source".into()))?;
    let content = store.content(&digest).await?;
    let written = Written { content: &content, digest, source: &source, proof: Proof::Link };
    // The secret is nowhere but in the mail itself.
    let secret = content.to.iter().chain(&content.cc).find_map(|mailbox| {
        let (local, _) = mailbox.address.rsplit_once('@')?;
        Secret::read(local)
    });
    let token = secret.as_ref().map(Secret::token).unwrap_or_default();
    let asked = answered::asked(context, stands_for).await?;
    let done = reply::take(context, &written, asked.as_ref(), token, stands_for).await?;
    match store.confirmed(account, row.copy_id, now).await {
        // Somebody has pressed twice.
        Ok(()) | Err(Error::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    if done {
        // It stands among what its owner has written now.
        let away =
            Change { seen: Some(true), mailbox: Some(role_id(account, Role::Archive)), ..Change::default() };
        store.change_emails(account, vec![row.copy_id], away, None, now).await?;
    }
    Ok(())
}
