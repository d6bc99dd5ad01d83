//! The sandbox: mail for the outside is kept in an account here instead of being sent, where tests and people look at
//! it. Some addresses make it fail, as a server would.

use serde_json::json;

use super::Inner;
use super::relay::{Handed, Reply};
use crate::mail::address::Address;
use crate::mail::status::Status;
use crate::store::delivery::{Filed, Leased};
use crate::store::email::{Head, NewEmail};
use crate::store::mailbox::{Role, role_id};
use crate::store::{Error, Result};

/// The local part of the account that keeps it, in `mail.domain`.
pub const CAPTURE: &str = "capture";
/// How often an address that makes a transient failure does so.
const TRANSIENT: i64 = 2;

impl Inner {
    /// Keeps a message as if a server had taken it; or fails as its recipient's tag says.
    pub(super) async fn capture(
        &self,
        leased: &Leased,
        from: Option<&Address>,
        to: &Address,
    ) -> Result<Handed> {
        let remote = Some("capture".to_owned());
        if let Some(code) = fault(to) {
            let permanent = code >= 500;
            if permanent || leased.attempts <= TRANSIENT {
                let status = Some(Status::new(if permanent { 5 } else { 4 }, 0, 0));
                let text = format!("the sandbox refuses this address with {code}");
                let reply = Reply { remote, code: Some(code), status, text, fault: None, tells: false };
                return Ok(if permanent { Handed::Refused(reply) } else { Handed::Deferred(reply) });
            }
        }
        let store = &self.context.store;
        let key = format!("{CAPTURE}@{}", self.context.domain);
        let Some(account) = store.accounts_of(std::slice::from_ref(&key)).await?.get(&key).copied() else {
            return Ok(Handed::Deferred(Reply::local(
                "the account that captures mail is missing; start again",
            )));
        };
        let digest = match (&leased.digest, leased.submission_id) {
            (Some(digest), _) => {
                digest.as_slice().try_into().map_err(|_| Error::Unusable("a damaged digest".into()))?
            }
            (None, Some(submission)) => {
                let row = store.submission(leased.account_id, submission).await?;
                row.ok_or(Error::NotFound)?.digest()?
            }
            // A notice that has just been rendered.
            (None, None) => {
                let row = store.rendered_digest(leased.account_id, leased.id).await?;
                row.ok_or(Error::NotFound)?
            }
        };
        let (content, now) = (store.content(&digest).await?, self.now());
        let made_up = format!("{}@{}", leased.id.simple(), self.context.domain);
        let envelope =
            json!({ "envelope": { "mail_from": from.map(ToString::to_string), "rcpt_to": to.to_string() } });
        let email = NewEmail {
            account_id: account,
            id: self.context.ids.id(now),
            head: std::sync::Arc::new(Head::of(&content, digest, &made_up)),
            thread_id: None,
            mailbox_id: role_id(account, Role::Inbox),
            source_id: leased.id.as_bytes().to_vec(),
            outgoing: false,
            received_at: now,
            seen: false,
            submission_id: None,
            promise: None,
            metadata: Some(envelope.to_string()),
        };
        match store
            .deposit(vec![Filed { email, blob: None, asked: None, notices: vec![], unverified: None }], now)
            .await
        {
            // It was kept before, and the outcome was not recorded.
            Ok(()) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        let (status, text) = (Some(Status::new(2, 0, 0)), "2.0.0 captured".to_owned());
        Ok(Handed::Taken(Reply { remote, code: Some(250), status, text, fault: None, tells: false }))
    }
}

/// `ana+550@x.test`: the reply code that an address asks for.
fn fault(to: &Address) -> Option<u16> {
    let (_, tag) = to.local().rsplit_once('+')?;
    tag.parse().ok().filter(|code| (400..600).contains(code))
}
