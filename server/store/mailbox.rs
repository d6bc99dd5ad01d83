//! Mailboxes (RFC 8621 §2). Those with a role exist in every account, under an id that is derived and so never
//! looked up.

use std::str::FromStr;

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::db::sql;
use super::event::Event;
use super::{Error, Result, Store};
use crate::mail::id::derived;

/// What a mailbox is for (RFC 8621, and `snoozed`, `scheduled`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the standard's words")]
pub enum Role {
    Inbox,
    Archive,
    Drafts,
    Sent,
    Junk,
    Trash,
    Snoozed,
    Scheduled,
}

impl Role {
    /// Every role, in the order they are shown.
    pub const ALL: [Role; 8] = [
        Role::Inbox,
        Role::Snoozed,
        Role::Drafts,
        Role::Scheduled,
        Role::Sent,
        Role::Archive,
        Role::Junk,
        Role::Trash,
    ];

    /// The role's name in JMAP and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Inbox => "inbox",
            Role::Archive => "archive",
            Role::Drafts => "drafts",
            Role::Sent => "sent",
            Role::Junk => "junk",
            Role::Trash => "trash",
            Role::Snoozed => "snoozed",
            Role::Scheduled => "scheduled",
        }
    }

    /// The name a mailbox of this role is made with.
    pub fn title(self) -> &'static str {
        match self {
            Role::Inbox => "Inbox",
            Role::Archive => "Archive",
            Role::Drafts => "Drafts",
            Role::Sent => "Sent",
            Role::Junk => "Junk",
            Role::Trash => "Trash",
            Role::Snoozed => "Snoozed",
            Role::Scheduled => "Scheduled",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Role::ALL.into_iter().find(|role| role.as_str() == name).ok_or(())
    }
}

/// The id of an account's mailbox of this role.
pub fn role_id(account: Uuid, role: Role) -> Uuid {
    derived("mailbox", account, role.as_str().as_bytes())
}

/// A mailbox with its counts.
#[derive(Debug, Clone, FromRow)]
pub struct MailboxRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its role, if it has one.
    pub role: Option<String>,
    /// Messages in it.
    pub total: i64,
    /// Messages in it that were not seen.
    pub unread: i64,
}

/// Mailboxes an account may have.
pub const MOST: i64 = 500;

impl Store {
    /// An account's mailboxes.
    ///
    /// # Errors
    /// The database's.
    pub async fn mailboxes(&self, account: Uuid) -> Result<Vec<MailboxRow>> {
        self.all(
            sql("select m.id, m.name, m.role, \
                 (select count(*) from email e where e.account_id = m.account_id and e.mailbox_id = m.id) as total, \
                 (select count(*) from email e where e.account_id = m.account_id and e.mailbox_id = m.id \
                  and not e.seen) as unread \
                 from mailbox m where m.account_id = $1 order by m.position, m.name limit 500")
            .bind(account),
        )
        .await
    }

    /// A mailbox by its role or its id.
    ///
    /// # Errors
    /// The database's.
    pub async fn find_mailbox(&self, account: Uuid, role_or_id: &str) -> Result<Option<Uuid>> {
        if let Ok(role) = role_or_id.parse() {
            return Ok(Some(role_id(account, role)));
        }
        let Ok(id) = Uuid::try_parse(role_or_id) else { return Ok(None) };
        let row: Option<(Uuid,)> = self
            .first(sql("select id from mailbox where account_id = $1 and id = $2").bind(account).bind(id))
            .await?;
        Ok(row.map(|(id,)| id))
    }

    /// Makes a mailbox without a role.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the name is taken, or there are [`MOST`] of them.
    pub async fn create_mailbox(&self, account: Uuid, id: Uuid, name: String, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let put = sql("insert into mailbox (account_id, id, name, position, created_at) \
                           select $1, $2, $3, 100, $4 where (select count(*) from mailbox where account_id = $1) < $5");
            let put = put.bind(account).bind(id).bind(&name).bind(now).bind(MOST).expect(1);
            let event = changed(account, id);
            tx.tell(vec![(event, vec![put])], now).await
        })
        .await
    }

    /// Renames a mailbox without a role.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one with a role; [`Error::Conflict`]: the name is taken.
    pub async fn rename_mailbox(&self, account: Uuid, id: Uuid, name: String, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let set = sql("update mailbox set name = $1 where account_id = $2 and id = $3 and role is null");
            if tx.run(set.bind(&name).bind(account).bind(id)).await? == 0 {
                return Err(Error::NotFound);
            }
            let event = changed(account, id);
            tx.tell(vec![(event, vec![])], now).await
        })
        .await
    }

    /// Deletes an empty mailbox without a role.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`]: it has a role, or messages.
    pub async fn delete_mailbox(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let there = sql("select id from mailbox where account_id = $1 and id = $2").bind(account).bind(id);
            let _: (Uuid,) = tx.one(there).await?;
            let event = changed(account, id);
            // The log's lock comes first: nothing can be filed into the mailbox between the look and the deletion.
            let delete = sql("delete from mailbox where account_id = $1 and id = $2 and role is null \
                              and not exists (select 1 from email where account_id = $1 and mailbox_id = $2)");
            let delete = delete.bind(account).bind(id).expect(1);
            tx.tell(vec![(event, vec![delete])], now).await
        })
        .await
    }
}

fn changed(account: Uuid, id: Uuid) -> Event {
    Event::new(account, "mailbox.updated", json!({ "mailbox_id": id }))
}
