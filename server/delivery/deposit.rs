//! Mail from outside: filed for every recipient, with the notices that follow, in one unit. The door answers 250
//! only when this has returned.

use std::sync::Arc;

use uuid::Uuid;

use super::answered;
use super::forward::addressed;
use super::notice::may_be_told;
use super::reply;
use super::returned::returned;
use super::unverified;
use super::vacation;
use crate::mail::address::Address;
use crate::mail::authentication::Authentication;
use crate::mail::id::hex;
use crate::mail::message::Content;
use crate::mail::status::Status;
use crate::store::account::{ReplyAddress, Resolved, Secret};
use crate::store::blob::{Blob, Digest};
use crate::store::delivery::Filed;
use crate::store::email::{Head, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::unverified::Unverified;
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
    /// What was found out about it; none where nothing was checked.
    pub authentication: Option<Authentication>,
    /// Whether a filter takes it for spam.
    pub junk: bool,
    /// SHA-256 of MAIL FROM and of DATA as they came, without trace fields: the same mail again is the same.
    pub source: Digest,
}

impl Incoming {
    /// Where it goes. Junk is what a filter here or before us takes for spam, what the domain of its From says is not
    /// its own, and what comes from outside with an address of ours in the place of its author's name.
    fn role(&self, domain: &str) -> Role {
        let disowned = self.authentication.as_ref().is_some_and(Authentication::is_disowned);
        let poses = self.authentication.is_some() && poses(&self.content, domain);
        if self.junk || disowned || poses || is_marked(&self.content) { Role::Junk } else { Role::Inbox }
    }

    /// Whether its From can be believed, as far as is known.
    pub(super) fn is_believed(&self) -> bool {
        self.authentication.as_ref().is_none_or(Authentication::is_believed)
    }
}

/// Whether a filter that a message passed before says that it is spam: the fields of SpamAssassin and rspamd. Nobody
/// gains by marking mail of their own.
fn is_marked(content: &Content) -> bool {
    content.headers.iter().any(|(name, value)| {
        let marks = ["x-spam-flag", "x-spam", "x-spam-status"];
        let says = value.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        marks.iter().any(|mark| name.eq_ignore_ascii_case(mark)) && says.eq_ignore_ascii_case("yes")
    })
}

/// Whether the author's name is an address of this domain, and the author's address is of another.
fn poses(content: &Content, domain: &str) -> bool {
    let Some(from) = &content.from else { return false };
    let of_ours = |text: &str| {
        text.split(|c: char| c.is_whitespace() || "<>()\"',;".contains(c)).any(|word| {
            word.rsplit_once('@')
                .is_some_and(|(local, of)| !local.is_empty() && of.eq_ignore_ascii_case(domain))
        })
    };
    from.name.as_deref().is_some_and(of_ours) && !of_ours(&from.address)
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
    /// It may be a reply of the account's owner.
    doubt: Option<Unverified>,
}

impl Copy {
    fn new(account: Uuid, role: Role) -> Self {
        Self { account, role, seen: false, thread: None, doubt: None }
    }
}

/// What a reply says, whenever it is taken for its owner's.
pub(super) struct Written<'a> {
    pub(super) content: &'a Content,
    /// The name of its bytes, which are stored.
    pub(super) digest: Digest,
    /// As [`Incoming::source`].
    pub(super) source: &'a Digest,
    pub(super) proof: Proof,
}

/// How it is known that a reply is its owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It came from the address that was told, and DMARC passed.
    Aligned,
    /// It came from the address that was told, whose domain publishes nothing, or by way of this network.
    From,
    /// Its owner has said so, by a link.
    Link,
}

impl Incoming {
    fn proof(&self) -> Proof {
        let passed = self.authentication.as_ref().is_some_and(|found| found.dmarc.result == "pass");
        if passed { Proof::Aligned } else { Proof::From }
    }
}

/// Files a message for everybody it is for; a second copy of the same mail is silently fine.
///
/// # Errors
/// [`Rejected`].
pub async fn deposit(context: &Context, incoming: Incoming) -> Result<(), Rejected> {
    let mut copies: Vec<Copy> = Vec::new();
    for (address, resolved) in &incoming.rcpt_to {
        let copy = match resolved {
            Resolved::Local(account) => Copy::new(*account, incoming.role(&context.domain)),
            Resolved::Reply(stands_for) => match answered(context, &incoming, address, stands_for).await? {
                Some(copy) => copy,
                None => continue,
            },
            Resolved::Returned(path) => match returned(context, &incoming, *path).await? {
                Some((account, role, thread)) => {
                    Copy { seen: role == Role::Archive, thread, ..Copy::new(account, role) }
                }
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
        return Ok(Some(Copy { seen: true, thread, ..Copy::new(account, Role::Archive) }));
    }
    if !reply::is_genuine(incoming, stands_for) {
        // Somebody else has got hold of the address, or its owner writes from elsewhere: mail, until its owner says so.
        let doubt = unverified::doubt(context, address, stands_for).await?;
        return Ok(Some(Copy { thread, doubt, ..Copy::new(account, incoming.role(&context.domain)) }));
    }
    if !incoming.content.attachments.is_empty() {
        // Its parts are read out of the stored mail, so that has to be there first.
        let (blob, now) = (incoming.blob.clone(), context.clock.now_ms());
        context.store.write(async move |tx| tx.run(blob.insert(now)).await.map(drop)).await?;
    }
    let Incoming { content, blob, source, .. } = incoming;
    let written = Written { content, digest: blob.digest, source, proof: incoming.proof() };
    let secret = Secret::read(address.local());
    let token = secret.as_ref().map(Secret::token).unwrap_or_default();
    if reply::take(context, &written, asked.as_ref(), token, stands_for).await? {
        return Ok(None);
    }
    // A message to who asked from somebody outside; or what it answers is gone.
    Ok(Some(Copy { thread, ..Copy::new(account, incoming.role(&context.domain)) }))
}

async fn file(context: &Context, incoming: &Incoming, mut copies: Vec<Copy>) -> Result<()> {
    let (now, content) = (context.clock.now_ms(), &incoming.content);
    let blob = incoming.blob.clone().summarised(content);
    let made_up = format!("{}@{}", hex(&incoming.source), context.domain);
    let head = Arc::new(Head::of(content, blob.digest, &made_up));
    let accounts: Vec<Uuid> = copies.iter().map(|copy| copy.account).collect();
    let (mut forwardings, mut away) = (Vec::new(), Vec::new());
    if may_be_told(content, &context.domain) {
        forwardings = context.store.verified_forwardings(&accounts).await?;
        away = context.store.vacations(&accounts).await?;
    }
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
            let told = !copy.seen && copy.role != Role::Junk;
            let theirs: Vec<_> =
                forwardings.iter().filter(|one| told && one.account_id == copy.account).cloned().collect();
            let mut notices = addressed(context, &email, &theirs).await?;
            let unverified = copy.doubt.clone();
            notices
                .extend(unverified.as_ref().and_then(|doubt| unverified::question(context, &email, doubt)));
            if let Some(sender) = incoming.mail_from.as_ref().filter(|_| told && copy.role == Role::Inbox)
                && away.iter().any(|one| one.account_id == copy.account && one.is_now(now))
            {
                notices.extend(vacation::reply(context, &email, content, sender));
            }
            filed.push(Filed { email, blob: Some(blob.clone()), asked: None, notices, unverified });
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
