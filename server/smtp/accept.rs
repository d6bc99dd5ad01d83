//! After the end of a message: it is filed here, or submitted for its sender, before anybody is told that it was.

use std::io;

use super::check::Origin;
use super::filter::{SHOWN, Verdict};
use super::reply::Reply;
use super::session::{Transaction, unavailable};
use super::{Inner, Kind};
use crate::delivery::deposit::{Incoming, Rejected, deposit};
use crate::mail::address::Address;
use crate::mail::authentication::Authentication;
use crate::mail::id::digest;
use crate::mail::message::{self, Content};
use crate::mail::status::Status;
use crate::store;
use crate::store::account::Account;
use crate::store::blob::{Blob, Spool};
use crate::submission::Refusal;
use crate::submission::letter::{Letter, submit_letter};

/// Hops after which mail goes in circles (RFC 5321 §6.3).
const MAX_HOPS: u32 = 50;

/// What is left of a message when it was named and read.
struct Settled {
    blob: Blob,
    content: Option<Content>,
    /// Its octets, where they are checked.
    raw: Vec<u8>,
    /// Its beginning, where a filter looks at it.
    shown: Vec<u8>,
}

/// Names and reads the message. Blocking.
fn settle(spool: Spool, checked: bool, filtered: bool) -> io::Result<Settled> {
    let raw = spool.contents()?;
    let content = message::parse(&raw).ok();
    let shown = if filtered { raw[..raw.len().min(SHOWN)].to_vec() } else { Vec::new() };
    Ok(Settled { blob: spool.finish()?, content, raw: if checked { raw } else { Vec::new() }, shown })
}

fn no_message() -> Reply {
    Reply::new(554, (5, 6, 0), "This is not a message")
}

fn no_room(error: &io::Error) -> Reply {
    tracing::error!(%error, "a message cannot be stored");
    Reply::new(452, (4, 3, 1), "There is no room for it now")
}

fn circles() -> Reply {
    Reply::new(554, (5, 4, 6), "Too many hops: the mail goes in circles")
}

fn accepted() -> Reply {
    Reply::new(250, (2, 6, 0), "Accepted")
}

fn failed(error: &store::Error) -> Reply {
    if matches!(error, store::Error::Busy) {
        return Reply::refused(Status::new(4, 3, 2), "Busy, try again later");
    }
    tracing::error!(%error, "a message could not be kept");
    if matches!(error, store::Error::Full) {
        return Reply::new(452, (4, 3, 1), "There is no room for it now");
    }
    unavailable()
}

impl Inner {
    /// Takes responsibility for a message: 250 is said only when it is durable for all its recipients (RFC 5321 §6.1).
    /// One reply, but by LMTP one for each recipient (RFC 2033 §4.2).
    pub(super) async fn accept(
        &self,
        kind: Kind,
        transaction: Transaction,
        spool: Spool,
        octets: [u8; 32],
        origin: Option<Origin>,
    ) -> Vec<Reply> {
        let replies = if kind == Kind::Lmtp { transaction.rcpt_to.len() } else { 1 };
        let size = spool.size();
        let filter = self.means.filter.as_ref().zip(origin.clone());
        let turn = match &filter {
            Some((filter, _)) => filter.place().await,
            None => None,
        };
        let checks = self.means.checks.as_ref().zip(origin);
        let room = match &checks {
            Some((checks, _)) => checks.room(size).await,
            None => None,
        };
        let (checked, filtered) = (room.is_some(), turn.is_some());
        // A message is held whole while it is read: only so many at once.
        let Ok(permit) = self.parsing.acquire().await else { return vec![unavailable(); replies] };
        let settled = tokio::task::spawn_blocking(move || settle(spool, checked, filtered)).await;
        drop(permit);
        let (mut blob, content, raw, shown) = match settled {
            Ok(Ok(Settled { blob, content: Some(content), raw, shown })) => (blob, content, raw, shown),
            Ok(Ok(_)) => return vec![no_message(); replies],
            Ok(Err(error)) => return vec![no_room(&error); replies],
            Err(error) => {
                tracing::error!(%error, "a message could not be read");
                return vec![Reply::new(554, (5, 6, 0), "The message cannot be read"); replies];
            }
        };
        if content.received > MAX_HOPS {
            return vec![circles(); replies];
        }
        let mut junk = false;
        if let (Some((filter, origin)), true) = (filter, filtered) {
            let to: Vec<String> = transaction.rcpt_to.iter().map(|(to, _)| to.to_string()).collect();
            match filter.judge(shown, size, &origin, &to).await {
                Verdict::Accept => {}
                Verdict::Junk => junk = true,
                Verdict::Defer(reason) => return vec![Reply::new(451, (4, 7, 1), &reason); replies],
                Verdict::Reject(reason) => return vec![Reply::new(550, (5, 7, 1), &reason); replies],
            }
        }
        drop(turn);
        let mut authentication = None;
        if let Some((checks, origin)) = checks {
            let author = content.from.as_ref().map(|from| from.address.as_str()).unwrap_or_default();
            let domain = author.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default();
            let found = if checked {
                checks.check(raw, origin, self.context.domain.to_string(), domain).await
            } else {
                Authentication::unknown(&domain)
            };
            blob = blob.authenticated(&found);
            authentication = Some(found);
        }
        drop(room);
        let from = transaction.mail.from.as_ref().map(Address::key).unwrap_or_default();
        let recipients = transaction.rcpt_to.len();
        let whole = Incoming {
            mail_from: transaction.mail.from,
            rcpt_to: transaction.rcpt_to,
            blob,
            content,
            authentication,
            junk,
            source: digest(&[b"incoming", from.as_bytes(), &octets]),
        };
        let parts = if kind == Kind::Lmtp {
            let alone = |recipient| Incoming { rcpt_to: vec![recipient], ..whole.clone() };
            whole.rcpt_to.iter().cloned().map(alone).collect()
        } else {
            vec![whole]
        };
        let mut answers = Vec::with_capacity(parts.len());
        for part in parts {
            answers.push(match deposit(&self.context, part).await {
                Ok(()) => accepted(),
                Err(Rejected::Refused(refusal)) => Reply::refused(refusal.status(), &refusal.to_string()),
                Err(Rejected::Store(error)) => failed(&error),
            });
        }
        tracing::info!(recipients, size, "a message came in");
        answers
    }

    /// Submits a message in an account's name (RFC 6409), as the API does.
    pub(super) async fn submit(
        &self,
        account: &Account,
        transaction: Transaction,
        spool: Spool,
        octets: [u8; 32],
        trace: String,
    ) -> Reply {
        let Ok(permit) = self.parsing.acquire().await else { return unavailable() };
        let read = tokio::task::spawn_blocking(move || spool.contents()).await;
        let raw = match read {
            Ok(Ok(raw)) => raw,
            Ok(Err(error)) => return no_room(&error),
            Err(_) => return unavailable(),
        };
        let rcpt_to: Vec<_> = transaction.rcpt_to.into_iter().map(|(address, _)| address).collect();
        let recipients = rcpt_to.len();
        // The same message again, its 250 having been lost, is the same; to others it is another.
        let mut parts: Vec<Vec<u8>> = vec![b"submitted".to_vec(), octets.to_vec()];
        parts.extend(rcpt_to.iter().map(|address| address.key().into_bytes()));
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let letter = Letter { raw, rcpt_to, trace, wanted: transaction.wanted, source: digest(&parts) };
        let submitted = submit_letter(&self.context, account, letter).await;
        drop(permit);
        match submitted {
            Ok(done) => {
                tracing::info!(account = %account.id, message = %done.id, recipients, "a message was submitted");
                accepted()
            }
            Err(Refusal::Repeated) => accepted(),
            Err(Refusal::Store(error)) => failed(&error),
            Err(refusal) => Reply::refused(refusal.status(), &refusal.to_string()),
        }
    }
}
