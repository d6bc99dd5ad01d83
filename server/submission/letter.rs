//! Messages that come ready made from a mail program (RFC 6409 §6): checked, completed, and accepted as they are.

use std::io::Write as _;

use super::{Accepted, Context, Refusal, Request, policy, prepare};
use crate::mail::address::{Address, Named};
use crate::mail::clock::at;
use crate::mail::message::{self, BadLetter, Mailbox};
use crate::mail::notify::Wanted;
use crate::store;
use crate::store::account::Account;
use crate::store::blob::Digest;
use crate::store::submission::Acceptance;

/// Hops after which mail goes in circles (RFC 5321 §6.3).
const MAX_HOPS: u32 = 50;

/// A message as a mail program made it.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its octets.
    pub raw: Vec<u8>,
    /// Who gets it; whoever is not named in it gets it without the others' knowing.
    pub rcpt_to: Vec<Address>,
    /// The trace field of this hop, with its line end.
    pub trace: String,
    /// What its sender wants to be told (RFC 3461).
    pub wanted: Wanted,
    /// What tells that the same letter comes again: it is accepted once.
    pub source: Digest,
}

/// Checks and accepts one letter, under the rules of [`super::submit`]: its From is an address of the account.
///
/// # Errors
/// [`Refusal`]; nothing was kept.
pub async fn submit_letter(
    context: &Context,
    account: &Account,
    letter: Letter,
) -> Result<Accepted, Refusal> {
    let now = context.clock.now_ms();
    let id = context.ids.id(now);
    let made_up = format!("{}@{}", id.simple(), context.domain);
    let Letter { raw, rcpt_to, trace, wanted, source } = letter;
    let date = at(now).to_rfc2822();
    let whole = message::completed(&raw, &trace, &made_up, &date).map_err(|bad| wrong(&bad))?;
    drop(raw);
    let mine = async |author: &Mailbox| -> Result<Named, Refusal> {
        let address = author.address.parse().map_err(|_| Refusal::NotYourAddress(author.address.clone()))?;
        let named = Named::new(author.name.as_deref(), address).map_err(|e| policy::invalid("/from", e))?;
        policy::sender(&context.store, account, Some(&named)).await
    };
    let from = mine(&whole.from).await?;
    if let Some(sender) = &whole.sender {
        mine(sender).await?;
    }
    let content = message::parse(&whole.bytes).map_err(|bad| policy::invalid("", bad))?;
    if content.received > MAX_HOPS {
        return Err(policy::invalid("/headers", "too many hops: the mail goes in circles"));
    }
    let named = |shown: &[Mailbox], address: &Address| {
        shown.iter().any(|mailbox| mailbox.address.to_lowercase() == address.key())
    };
    let (mut to, mut cc, mut bcc) = (Vec::new(), Vec::new(), Vec::new());
    for address in rcpt_to {
        if named(&content.to, &address) {
            to.push(address.into());
        } else if named(&content.cc, &address) {
            cc.push(address.into());
        } else {
            bcc.push(address.into());
        }
    }
    // What is in the header only is not sent anything, and may be of any length: the limits are for what is.
    let request = Request { to, cc, bcc, wanted, source: Some(source), ..Request::default() };
    let recipients = policy::recipients(context, account, &request).await?;
    let mut spool = context.store.spool(context.settings.message_bytes + whole.added);
    let spooled = tokio::task::spawn_blocking(move || {
        spool.write_all(&whole.bytes)?;
        spool.finish()
    });
    let blob = match spooled.await.map_err(|_| store::Error::Broken)? {
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            return Err(Refusal::TooLarge(context.settings.message_bytes));
        }
        spooled => spooled.map_err(store::Error::from)?.summarised(&content),
    };
    let (acceptance, accepted) =
        prepare(context, account, &request, &from, &recipients, None, id, (blob, &content), now);
    match context.store.accept(Acceptance { idempotency: None, ..acceptance }).await {
        Ok(()) => Ok(accepted),
        Err(store::Error::Conflict) => Err(Refusal::Repeated),
        Err(error) => Err(error.into()),
    }
}

fn wrong(bad: &BadLetter) -> Refusal {
    policy::invalid("/headers", bad)
}
