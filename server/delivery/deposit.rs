//! Mail from outside: filed for every recipient, with the notices that follow, in one unit. The door answers 250
//! only when this has returned.

use std::sync::Arc;

use uuid::Uuid;

use super::answered;
use super::forward::notices;
use super::notice::may_be_told;
use super::reply;
use super::returned::returned;
use super::vacation;
use crate::mail::address::Address;
use crate::mail::id::hex;
use crate::mail::message::Content;
use crate::mail::status::Status;
use crate::store::account::{ReplyAddress, Resolved};
use crate::store::blob::{Blob, Digest};
use crate::store::delivery::Filed;
use crate::store::email::{Head, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::{self, Result};
use crate::submission::{Context, Refusal};

/// One message from outside, after its final dot.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The reverse-path; none is the null one.
    pub mail_from: Option<Address>,
    /// Who receives, and what each address means here.
    pub rcpt_to: Vec<(Address, Resolved)>,
    /// The message as it is kept, with its trace fields.
    pub blob: Blob,
    /// What is known of it.
    pub content: Content,
    /// SHA-256 of MAIL FROM and of DATA as they came, without trace fields: the same mail again is the same.
    pub source: Digest,
}

/// Why a message was not taken: nothing of it was filed, or all that was is not filed again.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The store's reason: the sender may try again.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A reply could not be sent on as it is: the sender has to change it.
    #[error(transparent)]
    Refused(Refusal),
}

impl Rejected {
    /// The enhanced status code (RFC 3463) for the reply to the final dot.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Rejected::Store(_) => Status::new(4, 3, 0),
            Rejected::Refused(refusal) => refusal.status(),
        }
    }
}

/// What becomes of the message for one account.
struct Copy {
    account: Uuid,
    role: Role,
    seen: bool,
    /// The thread of what it replies to.
    thread: Option<Uuid>,
}

/// Files a message for everybody it is for; a second copy of the same mail is silently fine.
///
/// # Errors
/// [`Rejected`].
pub async fn deposit(context: &Context, incoming: Incoming) -> Result<(), Rejected> {
    let mut copies: Vec<Copy> = Vec::new();
    for (address, resolved) in &incoming.rcpt_to {
        let copy = match resolved {
            Resolved::Local(account) => {
                Copy { account: *account, role: Role::Inbox, seen: false, thread: None }
            }
            Resolved::Reply(stands_for) => match answered(context, &incoming, address, stands_for).await? {
                Some(copy) => copy,
                None => continue,
            },
            Resolved::Returned(path) => match returned(context, &incoming, *path).await? {
                Some((account, role, thread)) => Copy { account, role, seen: role == Role::Archive, thread },
                None => continue,
            },
            // The door has refused these at RCPT.
            Resolved::Outside | Resolved::Unknown => continue,
        };
        if !copies.iter().any(|other| other.account == copy.account) {
            copies.push(copy);
        }
    }
    file(context, &incoming, copies).await.map_err(Rejected::from)
}

/// Sends a genuine reply on; what else comes to a secret address is filed.
async fn answered(
    context: &Context,
    incoming: &Incoming,
    address: &Address,
    stands_for: &ReplyAddress,
) -> Result<Option<Copy>, Rejected> {
    let (account, thread) = (stands_for.account_id, Some(stands_for.thread_id));
    let asked = answered::asked(context, stands_for).await?;
    if incoming.content.automatic || incoming.content.report || incoming.mail_from.is_none() {
        // Machines (and bounces of notices) are kept, but disturb nobody and are never answered.
        if let Some(asked) = &asked {
            answered::by_machine(context, incoming, asked).await?;
        }
        return Ok(Some(Copy { account, role: Role::Archive, seen: true, thread }));
    }
    if !reply::is_genuine(incoming, stands_for) {
        // Somebody else has got hold of the address: it is what it is, mail from them.
        return Ok(Some(Copy { account, role: Role::Inbox, seen: false, thread }));
    }
    let outside = stands_for.promise_id.is_some();
    if let Some(asked) = &asked {
        let owner = if outside { None } else { context.store.account(account).await? };
        let judged = answered::judge(context, incoming, asked, owner.as_ref(), &stands_for.notified).await?;
        if judged == answered::Judged::Answer && incoming.content.attachments.is_empty() {
            return Ok(None);
        }
    }
    if !outside
        && let Some(owner) = context.store.account(account).await?
        && let Some(original) = context.store.email(account, stands_for.email_id).await?
    {
        let token = address.local().rsplit('+').next().unwrap_or_default().to_ascii_lowercase();
        reply::send(context, incoming, &token, &owner, &original).await?;
        return Ok(None);
    }
    // A message to who asked from somebody outside; or what it answers is gone.
    Ok(Some(Copy { account, role: Role::Inbox, seen: false, thread }))
}

async fn file(context: &Context, incoming: &Incoming, mut copies: Vec<Copy>) -> Result<()> {
    let (now, content) = (context.clock.now_ms(), &incoming.content);
    let blob = incoming.blob.clone().summarised(content);
    let made_up = format!("{}@{}", hex(&incoming.source), context.domain);
    let head = Arc::new(Head::of(content, blob.digest, &made_up));
    loop {
        let mut filed = Vec::with_capacity(copies.len());
        for copy in &copies {
            let email = NewEmail {
                account_id: copy.account,
                id: context.ids.id(now),
                head: head.clone(),
                thread_id: copy.thread,
                mailbox_id: role_id(copy.account, copy.role),
                source_id: incoming.source.to_vec(),
                outgoing: false,
                received_at: now,
                seen: copy.seen,
                submission_id: None,
                promise: None,
                metadata: None,
            };
            let told = !copy.seen && may_be_told(content, &context.domain);
            let mut notices = notices(context, &email, async { Ok(told) }).await?;
            if let Some(sender) = incoming.mail_from.as_ref().filter(|_| told && copy.role == Role::Inbox)
                && context.store.vacations(&[copy.account]).await?.iter().any(|away| away.is_now(now))
            {
                notices.extend(vacation::reply(context, &email, content, sender));
            }
            filed.push(Filed { email, blob: Some(blob.clone()), asked: None, notices });
        }
        if filed.is_empty() {
            return Ok(());
        }
        match context.store.deposit(filed, now).await {
            Err(store::Error::Conflict) => {
                // Some have it already: it came before, and the answer was lost.
                let accounts: Vec<Uuid> = copies.iter().map(|copy| copy.account).collect();
                let holders = context.store.holders(&accounts, &incoming.source).await?;
                let before = copies.len();
                copies.retain(|copy| !holders.contains(&copy.account));
                if copies.len() == before {
                    return Err(store::Error::Conflict);
                }
            }
            done => return done,
        }
    }
}
