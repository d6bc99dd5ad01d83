//! Forwarding: enqueues the notices of what arrives, and brings them to their outside addresses.

use std::io;
use std::sync::Arc;

use super::Inner;
use super::millis;
use super::notice::{Confirmation, Extent, Notice, may_be_told};
use super::pump::{Batch, next_attempt};
use super::relay::{Handed, Reply};
use super::reply::scrub;
use super::work::attempt;
use super::{unsubscribe, vacation};
use crate::mail::address::Address;
use crate::mail::id::{derived, digest, hex};
use crate::mail::message::Content;
use crate::store::account::{Account, ReplyAddress, Resolved, Secret};
use crate::store::blob::Digest;
use crate::store::delivery::{Lane, Leased, NewDelivery, Outcome};
use crate::store::email::{EmailRow, NewEmail};
use crate::store::forwarding::{ForwardingRow, Verification, put_reply_address};
use crate::store::promise::PromiseRow;
use crate::store::vacation::Vacation;
use crate::store::{Error, Result};
use crate::submission::Context;
use uuid::Uuid;

/// What a notice may be at most: a text, and the attachments it carries in base64.
pub(super) const LIMIT: u64 = 24 << 20;
/// How long a confirmation link works, in milliseconds.
pub(super) const CONFIRM_WITHIN: i64 = 3 * 24 * 3600 * 1000;

/// The notices that tell an account's verified outside addresses of an email. `told` is awaited only when there
/// are any.
pub(super) async fn notices(
    context: &Context,
    email: &NewEmail,
    told: impl Future<Output = Result<bool>> + Send,
) -> Result<Vec<NewDelivery>> {
    let forwardings = context.store.verified_forwardings(&[email.account_id]).await?;
    if forwardings.is_empty() || !told.await? {
        return Ok(Vec::new());
    }
    addressed(context, email, &forwardings).await
}

/// One notice for each of these outside addresses of the email's account.
pub(super) async fn addressed(
    context: &Context,
    email: &NewEmail,
    forwardings: &[ForwardingRow],
) -> Result<Vec<NewDelivery>> {
    let (mut notices, now) = (Vec::new(), email.received_at);
    let sender = email.head.from.as_ref().map(|from| from.address.as_str()).unwrap_or_default();
    if forwardings.is_empty() || context.store.is_muted(email.account_id, sender, email.thread_id()).await? {
        return Ok(notices);
    }
    for forwarding in forwardings {
        let Ok(address) = forwarding.address.parse::<Address>() else { continue };
        // What is one of ours would come back here, again and again.
        if context.store.resolve(&address).await? != Resolved::Outside {
            continue;
        }
        let hours = forwarding.hours();
        let due_at = hours.next(now);
        let digest = hours.is_digest();
        notices.push(NewDelivery {
            account_id: email.account_id,
            id: if digest { slot(forwarding, due_at) } else { context.ids.id(now) },
            kind: if digest { "digest" } else { "notice" },
            lane: Lane::Outside,
            destination: address.domain().to_owned(),
            recipient: forwarding.address.clone(),
            submission_id: None,
            email_id: if digest { None } else { Some(email.id) },
            subject_id: Some(forwarding.id),
            digest: None,
            due_at,
            created_at: now,
        });
    }
    Ok(notices)
}

/// The id of the digest of a time: the same for everything that it tells of.
fn slot(forwarding: &ForwardingRow, at: i64) -> Uuid {
    derived("digest", forwarding.account_id, &[&forwarding.id.as_bytes()[..], &at.to_be_bytes()].concat())
}

/// What a confirmation link's token is kept as.
#[must_use]
pub fn confirm_digest(token: &str) -> Digest {
    digest(&[b"confirm", token.as_bytes()])
}

/// The mail that asks an outside address whether it wants to be told of an account's mail, rendered now: the token
/// of its link is nowhere else.
///
/// # Errors
/// The disk's; [`Error::Conflict`]: the address is one of ours.
pub async fn verification(
    context: &Context,
    public_url: &str,
    account: &Account,
    forwarding: Uuid,
    to: &Address,
) -> Result<Verification> {
    if context.store.resolve(to).await? != Resolved::Outside {
        return Err(Error::Conflict);
    }
    let (now, token) = (context.clock.now_ms(), hex(&context.ids.secret()));
    let id = context.ids.id(now);
    let mut spool = context.store.spool(LIMIT);
    let asked = Confirmation {
        delivery: id,
        to,
        account: &account.address,
        token: &token,
        domain: &context.domain,
        public_url: public_url.trim_end_matches('/'),
        now,
    };
    // Small enough to be written here.
    asked.render(&mut spool)?;
    let blob = spool.finish()?;
    let delivery = NewDelivery {
        account_id: account.id,
        id,
        kind: "notice",
        lane: Lane::Outside,
        destination: to.domain().to_owned(),
        recipient: to.to_string(),
        submission_id: None,
        email_id: None,
        subject_id: Some(forwarding),
        digest: Some(blob.digest),
        due_at: now,
        created_at: now,
    };
    Ok(Verification { digest: confirm_digest(&token), expires_at: now + CONFIRM_WITHIN, blob, delivery })
}

impl Inner {
    /// The vacation reply that an email may bring about.
    pub(super) async fn absence(
        &self,
        email: &NewEmail,
        away: &[Vacation],
        sender: &str,
    ) -> Result<Option<NewDelivery>> {
        let away = away.iter().any(|one| one.account_id == email.account_id && one.is_now(self.now()));
        let Some(sender) = sender.parse::<Address>().ok().filter(|_| away) else { return Ok(None) };
        let content = self.context.store.content(&email.head.digest).await?;
        Ok(vacation::reply(&self.context, email, &content, &sender))
    }

    /// The notices of an email that is about to be filed; `own` is a bounce of ours, which may be told of although
    /// a machine wrote it.
    pub(super) async fn notices_of(&self, email: &NewEmail, own: bool) -> Result<Vec<NewDelivery>> {
        let context = &self.context;
        let told = async {
            Ok(own || may_be_told(&context.store.content(&email.head.digest).await?, &context.domain))
        };
        notices(context, email, told).await
    }

    /// Works on a delivery of kind `notice`.
    pub(super) async fn notice(self: &Arc<Self>, batch: &Batch, leased: Leased) -> Result<()> {
        if self.crashed(&leased).await? {
            return self.end_notice(leased, failed("poison"), None).await;
        }
        // What tells of no email says how a question stands.
        let of_question = leased.email_id.is_none() && self.is_promise(&leased).await?;
        let forwarding = match leased.subject_id {
            Some(id) if !of_question => self.context.store.forwarding(leased.account_id, id).await?,
            _ => None,
        };
        // What tells of neither asks whether a reply was really its owner's.
        let doubt = match leased.subject_id {
            Some(id) if !of_question && forwarding.is_none() => {
                self.context.store.unverified(leased.account_id, id).await?
            }
            _ => None,
        };
        if forwarding.is_none() && !of_question && doubt.is_none() {
            return self.end_notice(leased, Outcome::Canceled, None).await;
        }
        if let (Some(forwarding), Some(email)) = (&forwarding, leased.email_id) {
            // What was seen here need not be told; and hours may have been set since it was due.
            let email = self.context.store.email(leased.account_id, email).await?;
            if forwarding.paused_at.is_some() || email.is_none_or(|email| email.seen) {
                return self.end_notice(leased, Outcome::Canceled, None).await;
            }
            let (hours, now) = (forwarding.hours(), self.now());
            if !hours.is_digest() && hours.next(now) > now {
                return self.context.store.postpone(leased, hours.next(now)).await;
            }
        }
        let Ok(to) = leased.recipient.parse::<Address>() else {
            return self.end_notice(leased, failed("bad_address"), None).await;
        };
        let (digest, content) = match &leased.digest {
            Some(digest) => {
                let digest: Digest =
                    digest.as_slice().try_into().map_err(|_| Error::Unusable("a damaged digest".into()))?;
                (digest, self.context.store.content(&digest).await?)
            }
            None => {
                let rendered = match (&forwarding, &doubt) {
                    (Some(forwarding), _) => self.render(&leased, forwarding, &to).await?,
                    (None, Some(doubt)) => self.render_doubt(&leased, doubt, &to).await?,
                    (None, None) => self.render_state(&leased, &to).await?,
                };
                match rendered {
                    Some(rendered) => rendered,
                    None => return self.end_notice(leased, Outcome::Canceled, None).await,
                }
            }
        };
        // The secret address is where its bounces go, too; the question whether an address wants this has none.
        let from = content.reply_to.first().and_then(|reply| reply.address.parse::<Address>().ok());
        let stored = self.stored(&digest).await?;
        match self.hand(batch, &leased, from.as_ref(), &to, &stored).await {
            Handed::Taken(reply) => self.end_notice(leased, Outcome::Relayed, Some(discreet(reply))).await,
            Handed::Deferred(reply) => self.put_off_notice(leased, discreet(reply)).await,
            Handed::Refused(reply) => self.end_notice(leased, failed("refused"), Some(discreet(reply))).await,
            Handed::Unfit(reply) => {
                self.end_notice(leased, failed("not_supported_by_relay"), Some(discreet(reply))).await
            }
            Handed::Withheld => self.withheld(leased).await,
        }
    }

    /// Renders a notice and keeps it; none when the message is gone.
    async fn render(
        self: &Arc<Self>,
        leased: &Leased,
        forwarding: &ForwardingRow,
        to: &Address,
    ) -> Result<Option<(Digest, Content)>> {
        let store = &self.context.store;
        let Some(email_id) = leased.email_id else { return Ok(None) };
        let Some(email) = store.email(leased.account_id, email_id).await? else { return Ok(None) };
        let digest = email.digest()?;
        let (content, stored) = (store.content(&digest).await?, self.stored(&digest).await?);
        let secret = Secret::new(self.context.ids.reply_token());
        let reply_to: Address = secret
            .address(&self.context.domain)
            .parse()
            .map_err(|_| Error::Unusable("mail.domain is not a domain".into()))?;
        let stands_for = ReplyAddress {
            account_id: email.account_id,
            email_id,
            thread_id: email.thread_id,
            notified: forwarding.address.clone(),
            promise_id: None,
            person_id: None,
        };
        let (mut kept, mut asking) = (Vec::new(), None);
        if let Some(row) = self.asked_by(&email).await?
            && let Some((block, link)) = self.asking(&row, email.account_id, &forwarding.address, self.now())
        {
            kept.push(link);
            asking = Some(block);
        }
        let key = store.return_key().await?;
        let public_url = self.settings.public_url.trim_end_matches('/');
        let unsubscribe = unsubscribe::link(public_url, key, email.account_id, forwarding.id);
        let (extent, now, worker) = (Extent::of(&forwarding.content), self.now(), self.clone());
        let (delivery, to) = (leased.id, to.clone());
        let written = tokio::task::spawn_blocking(move || -> io::Result<_> {
            let notice = Notice {
                account: email.account_id,
                delivery,
                thread: email.thread_id,
                asking,
                content: &content,
                stored: &stored,
                extent,
                to: &to,
                reply_to: &reply_to,
                domain: &worker.context.domain,
                public_url: worker.settings.public_url.trim_end_matches('/'),
                unsubscribe: &unsubscribe,
                now,
            };
            let mut spool = worker.context.store.spool(LIMIT);
            let content = notice.render(&mut spool)?;
            Ok((spool.finish()?.summarised(&content), content))
        });
        let (blob, content) = written.await.map_err(|_| Error::Broken)??;
        let digest = blob.digest;
        kept.push(put_reply_address(&secret, &stands_for, now));
        store.rendered(leased.clone(), blob, kept, now).await?;
        Ok(Some((digest, content)))
    }

    /// Whether what a notice is about is a promise of its account, or one that the account is asked by.
    async fn is_promise(&self, leased: &Leased) -> Result<bool> {
        match leased.subject_id {
            Some(id) => Ok(self.context.store.promise(leased.account_id, id).await?.is_some()),
            None => Ok(false),
        }
    }

    /// The question of an email that still waits for its account's answer.
    async fn asked_by(&self, email: &EmailRow) -> Result<Option<PromiseRow>> {
        let store = &self.context.store;
        let Some(promise) = email.promise_id.filter(|_| !email.outgoing) else { return Ok(None) };
        let open = store.promise(email.account_id, promise).await?.filter(|row| row.state == "pending");
        let Some(row) = open else { return Ok(None) };
        let whole = store.whole(row).await?;
        let mine = whole.respondents.iter().any(|p| p.person_id == email.account_id && p.state == "waiting");
        Ok(mine.then_some(whole.row))
    }

    pub(super) async fn put_off_notice(&self, leased: Leased, reply: Reply) -> Result<()> {
        let now = self.now();
        let last = leased.created_at.saturating_add(millis(self.settings.retry.give_up_after));
        if now >= last {
            let outcome = Outcome::Failed { class: "expired", code: "gave_up".into() };
            return self.end_notice(leased, outcome, Some(reply)).await;
        }
        let due = next_attempt(self, leased.attempts, now, last);
        let attempt = attempt(&reply);
        self.record(|now| self.context.store.defer(leased.clone(), attempt.clone(), due, now)).await
    }

    /// Ends a notice. Nobody is told when it failed: whoever owns it sees its message here.
    pub(super) async fn end_notice(
        &self,
        leased: Leased,
        outcome: Outcome,
        reply: Option<Reply>,
    ) -> Result<()> {
        let attempt = reply.as_ref().map(attempt);
        self.record(|now| self.context.store.finish(leased.clone(), outcome.clone(), attempt.clone(), now))
            .await
    }
}

/// What a server said, without the secret address that it likes to repeat.
fn discreet(reply: Reply) -> Reply {
    Reply { text: scrub(&reply.text, ""), ..reply }
}

pub(super) fn failed(code: &str) -> Outcome {
    Outcome::Failed { class: "permanent", code: code.to_owned() }
}
