//! Snoozing: a message leaves its mailbox until a time, then comes back to the inbox by itself, unseen and with a
//! keyword that lists show it on top by. Its coming back is an effect owed, and so a row of the one queue.

use serde_json::json;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::delivery::{Lane, Leased, NewDelivery};
use super::email::{lock, tell};
use super::mailbox::{Role, role_id};
use super::{Result, Store};
use crate::mail::id::derived;

/// The keyword of a message that has come back and was not seen since.
pub const WOKEN: &str = "$woken";

/// The deliveries that bring these emails back.
pub(crate) fn wakes(account: Uuid, emails: &[Uuid], until: i64, modseq: i64, now: i64) -> Vec<Statement> {
    let wake = |email: &Uuid| NewDelivery {
        account_id: account,
        // Of this change alone: one that is snoozed again is owed again.
        id: derived("wake", *email, &modseq.to_be_bytes()),
        kind: "wake",
        lane: Lane::Here,
        destination: account.to_string(),
        recipient: String::new(),
        submission_id: None,
        email_id: Some(*email),
        subject_id: None,
        digest: None,
        due_at: until,
        created_at: now,
    };
    NewDelivery::insert(&emails.iter().map(wake).collect::<Vec<_>>())
}

impl Store {
    /// The time of a snoozed email has come: it is in the inbox again, if it is still snoozed and not for longer.
    ///
    /// # Errors
    /// [`super::Error::Conflict`]: the lease was lost.
    pub async fn wake(&self, timer: Leased, now: i64) -> Result<()> {
        let account = timer.account_id;
        self.write_for([account], async move |tx| {
            lock(tx, account).await?;
            tx.batch([timer.settled("delivered", None, now)]).await?;
            let due =
                sql("select thread_id from email where account_id = $1 and id = $2 and mailbox_id = $3 \
                           and snoozed_until <= $4");
            let due = due.bind(account).bind(timer.email_id).bind(role_id(account, Role::Snoozed)).bind(now);
            let Some((thread,)): Option<(Uuid,)> = tx.first(due).await? else { return Ok(()) };
            let told = json!({ "message_id": timer.email_id, "thread_id": thread });
            let modseq = tell(tx, account, "message.updated", vec![told], now).await?;
            let back = sql("update email set mailbox_id = $1, snoozed_until = null, seen = $2, modseq = $3 \
                            where account_id = $4 and id = $5");
            let mark = sql("insert into email_keyword (account_id, email_id, keyword) values ($1, $2, $3) \
                            on conflict (account_id, email_id, keyword) do nothing");
            tx.batch([
                back.bind(role_id(account, Role::Inbox))
                    .bind(false)
                    .bind(modseq)
                    .bind(account)
                    .bind(timer.email_id)
                    .expect(1),
                mark.bind(account).bind(timer.email_id).bind(WOKEN),
            ])
            .await
            .map(drop)
        })
        .await
    }
}
