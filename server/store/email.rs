//! Emails: messages as one account holds them (RFC 8621 §4). The bytes never change; mailbox, marks and
//! keywords do.

use serde::Deserialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::blob::Digest;
use super::db::{Statement, Tx, Value, insert, sql};
use super::filing::Recipients;
pub use super::filing::{Head, NewEmail, SHOWN};
pub use super::filter::Filter;
use super::mailbox::{Role, role_id};
use super::mute::{Threads, change_threads};
use super::packed::{bytes, flag};
use super::snooze::wakes;
use super::{Error, Result, Store, Topic};
use crate::mail::message::Mailbox;

/// An email as it is held. The fields are in the order of [`email_columns`].
#[derive(Debug, Clone, FromRow, Deserialize)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct EmailRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub thread_id: Uuid,
    pub mailbox_id: Uuid,
    /// The mailbox's role, if it has one.
    pub mailbox_role: Option<String>,
    #[serde(deserialize_with = "flag")]
    pub outgoing: bool,
    #[serde(deserialize_with = "bytes")]
    pub digest: Vec<u8>,
    pub size: i64,
    pub message_id: String,
    pub subject: String,
    pub from_name: Option<String>,
    pub from_address: Option<String>,
    recipients: String,
    pub preview: String,
    pub sent_at: Option<i64>,
    pub received_at: i64,
    #[serde(deserialize_with = "flag")]
    pub has_attachment: bool,
    #[serde(deserialize_with = "flag")]
    pub seen: bool,
    #[serde(deserialize_with = "flag")]
    pub flagged: bool,
    pub modseq: i64,
    pub submission_id: Option<Uuid>,
    pub promise_id: Option<Uuid>,
    pub asker_id: Option<Uuid>,
    pub metadata: Option<String>,
    /// Separated by spaces.
    pub keywords: Option<String>,
    /// When a snoozed one comes back, in milliseconds.
    pub snoozed_until: Option<i64>,
}

impl EmailRow {
    /// The name of its bytes.
    ///
    /// # Errors
    /// [`Error::Unusable`]: the row is damaged.
    pub fn digest(&self) -> Result<Digest> {
        let bytes = self.digest.as_slice();
        bytes.try_into().map_err(|_| Error::Unusable(format!("message {} has a damaged digest", self.id)))
    }

    /// The first of To and of Cc.
    pub fn recipients(&self) -> (Vec<Mailbox>, Vec<Mailbox>) {
        let recipients: Recipients = serde_json::from_str(&self.recipients).unwrap_or_default();
        (recipients.to, recipients.cc)
    }
}

/// The columns of an [`EmailRow`]; `e` is the email, `m` its mailbox.
macro_rules! email_columns {
    () => {
        "e.account_id, e.id, e.thread_id, e.mailbox_id, m.role as mailbox_role, e.outgoing, e.digest, e.size, \
         e.message_id, e.subject, e.from_name, e.from_address, e.recipients, e.preview, e.sent_at, e.received_at, \
         e.has_attachment, e.seen, e.flagged, e.modseq, e.submission_id, e.promise_id, e.asker_id, e.metadata, \
         (select string_agg(k.keyword, ' ' order by k.keyword) from email_keyword k \
          where k.account_id = e.account_id and k.email_id = e.id) as keywords, e.snoozed_until \
         from email e join mailbox m on m.account_id = e.account_id and m.id = e.mailbox_id"
    };
}
pub(crate) use email_columns;

/// Where a page of a list, newest first, goes on: the last row's time and id.
pub type After = (i64, Uuid);

/// Marks to set; what is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct Change {
    pub seen: Option<bool>,
    pub flagged: Option<bool>,
    pub mailbox: Option<Uuid>,
    pub add_keywords: Vec<String>,
    pub remove_keywords: Vec<String>,
    /// Moves to the mailbox of that role until then, in milliseconds; the time alone, without `mailbox`.
    pub snoozed_until: Option<i64>,
    /// Threads that are muted or no longer.
    pub threads: Option<Threads>,
}

impl Change {
    /// The mailbox the change moves to, if it moves.
    fn goes_to(&self, account: Uuid) -> Option<Uuid> {
        self.snoozed_until.map(|_| role_id(account, Role::Snoozed)).or(self.mailbox)
    }
}

#[derive(FromRow)]
struct Marks {
    id: Uuid,
    thread_id: Uuid,
    modseq: i64,
}

impl Store {
    /// A page of an account's emails, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn emails(
        &self,
        account: Uuid,
        filter: &Filter,
        after: Option<After>,
        limit: i64,
    ) -> Result<Vec<EmailRow>> {
        if let Some(query) = filter.words() {
            return self.found_emails(account, filter, query, after, limit).await;
        }
        let mut list = filter
            .narrow(sql(concat!("select ", email_columns!(), " where e.account_id = ")).push_bind(account));
        if let Some((received_at, id)) = after {
            list = list.push(" and (e.received_at, e.id) < (").push_bind(received_at);
            list = list.push(", ").push_bind(id).push(")");
        }
        self.email_rows(list.push(" order by e.received_at desc, e.id desc limit ").push_bind(limit)).await
    }

    /// One email of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn email(&self, account: Uuid, id: Uuid) -> Result<Option<EmailRow>> {
        self.first(
            sql(concat!("select ", email_columns!(), " where e.account_id = $1 and e.id = $2"))
                .bind(account)
                .bind(id),
        )
        .await
    }

    /// The newest email of an account with this Message-ID (without <>).
    ///
    /// # Errors
    /// The database's.
    pub async fn email_by_message_id(&self, account: Uuid, message_id: &str) -> Result<Option<EmailRow>> {
        let by = sql(concat!(
            "select ",
            email_columns!(),
            " where e.account_id = $1 and e.message_id = $2 \
                              order by e.received_at desc limit 1"
        ));
        self.first(by.bind(account).bind(message_id)).await
    }

    /// Sets marks on those of `ids` that the account has; those that were changed. With `if_modseq` only if the
    /// (single) email is still as it was then.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the mailbox is not there; [`Error::Conflict`]: it was changed since `if_modseq`, or there
    /// would be too many mutes.
    pub async fn change_emails(
        &self,
        account: Uuid,
        ids: Vec<Uuid>,
        change: Change,
        if_modseq: Option<i64>,
        now: i64,
    ) -> Result<Vec<Uuid>> {
        self.write_for([account], async move |tx| {
            let mailbox = change.goes_to(account);
            if let Some(mailbox) = mailbox {
                let there = sql("select id from mailbox where account_id = $1 and id = $2");
                let _: (Uuid,) = tx.one(there.bind(account).bind(mailbox)).await?;
            }
            lock(tx, account).await?;
            let muted = match &change.threads {
                Some(threads) => change_threads(tx, account, threads, now).await?,
                None => Vec::new(),
            };
            let rows: Vec<Marks> = tx.all(touched(account, &ids, &change, &muted)).await?;
            if if_modseq.is_some_and(|expected| rows.iter().any(|row| row.modseq != expected)) {
                return Err(Error::Conflict);
            }
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let list: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
            let told = rows.iter().map(|row| json!({ "message_id": row.id, "thread_id": row.thread_id }));
            let modseq = tell(tx, account, "message.updated", told.collect(), now).await?;
            let mut statements = vec![
                // Whatever moves a message ends its snoozing.
                sql("update email set seen = coalesce($1, seen), flagged = coalesce($2, flagged), \
                     mailbox_id = coalesce($3, mailbox_id), modseq = $4, snoozed_until = \
                     case when $3 is null then snoozed_until else $6 end where account_id = $5 and id in ")
                .bind(change.seen)
                .bind(change.flagged)
                .bind(mailbox)
                .bind(modseq)
                .bind(account)
                .bind(change.snoozed_until)
                .push_list(&list),
            ];
            if !change.remove_keywords.is_empty() {
                statements.push(
                    sql("delete from email_keyword where account_id = ")
                        .push_bind(account)
                        .push(" and email_id in ")
                        .push_list(&list)
                        .push(" and keyword in ")
                        .push_list(&change.remove_keywords),
                );
            }
            for keyword in &change.add_keywords {
                statements.push(
                    sql("insert into email_keyword (account_id, email_id, keyword) select account_id, id, ")
                        .push_bind(keyword)
                        .push(" from email where account_id = ")
                        .push_bind(account)
                        .push(" and id in ")
                        .push_list(&list)
                        .push(" on conflict (account_id, email_id, keyword) do nothing"),
                );
            }
            if let Some(until) = change.snoozed_until {
                statements.extend(wakes(account, &list, until, modseq, now));
                tx.ring(Topic::Queue);
            }
            tx.batch(statements).await?;
            Ok(list)
        })
        .await
    }

    /// Destroys an email for good.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn destroy_email(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            lock(tx, account).await?;
            let gone = sql("delete from email where account_id = $1 and id = $2 returning thread_id");
            let (thread,): (Uuid,) = tx.one(gone.bind(account).bind(id)).await?;
            tx.batch([
                sql("delete from email_keyword where account_id = $1 and email_id = $2")
                    .bind(account)
                    .bind(id),
                sql("delete from unverified_reply where account_id = $1 and email_id = $2")
                    .bind(account)
                    .bind(id),
            ])
            .await?;
            let told = json!({ "message_id": id, "thread_id": thread, "destroyed": true });
            tell(tx, account, "message.updated", vec![told], now).await.map(drop)
        })
        .await
    }
}

/// Holds the account's log until the unit ends, so that what is read stays so.
pub(crate) async fn lock(tx: &mut Tx, account: Uuid) -> Result<()> {
    tx.run(sql("update account set modseq = modseq where id = $1").bind(account)).await.map(drop)
}

/// The emails a change would really change, or whose threads are muted by it or no longer: no event tells of nothing.
fn touched(account: Uuid, ids: &[Uuid], change: &Change, muted: &[Uuid]) -> Statement {
    let mut rows = sql("select e.id, e.thread_id, e.modseq from email e where e.account_id = ")
        .push_bind(account)
        .push(" and e.id in ")
        .push_list(ids)
        .push(" and (e.seen <> coalesce(")
        .push_bind(change.seen)
        .push(", e.seen) or e.flagged <> coalesce(")
        .push_bind(change.flagged)
        .push(", e.flagged) or e.mailbox_id <> coalesce(")
        .push_bind(change.goes_to(account))
        .push(", e.mailbox_id) or e.snoozed_until <> coalesce(")
        .push_bind(change.snoozed_until)
        .push(", e.snoozed_until)");
    if !muted.is_empty() {
        rows = rows.push(" or e.thread_id in ").push_list(muted);
    }
    for keyword in &change.add_keywords {
        rows = rows
            .push(
                " or not exists (select 1 from email_keyword k where k.account_id = e.account_id \
                   and k.email_id = e.id and k.keyword = ",
            )
            .push_bind(keyword)
            .push(")");
    }
    if !change.remove_keywords.is_empty() {
        rows = rows
            .push(
                " or exists (select 1 from email_keyword k where k.account_id = e.account_id \
                   and k.email_id = e.id and k.keyword in ",
            )
            .push_list(&change.remove_keywords)
            .push(")");
    }
    rows.push(") order by e.received_at, e.id")
}

/// Writes several entries to one account's log in a unit that reads; the last number given out.
pub(crate) async fn tell(
    tx: &mut Tx,
    account: Uuid,
    kind: &'static str,
    data: Vec<serde_json::Value>,
    now: i64,
) -> Result<i64> {
    let count = data.len() as i64;
    let take = sql("update account set modseq = modseq + $1 where id = $2 returning modseq");
    let (last,): (i64,) = tx.one(take.bind(count).bind(account)).await?;
    let rows = data.into_iter().enumerate().map(|(n, data)| {
        let seq = Value::from(last - count + 1 + n as i64);
        vec![account.into(), seq, kind.into(), data.to_string().into(), now.into()]
    });
    tx.batch(insert("insert into event (account_id, seq, type, data, at) values", rows.collect())).await?;
    tx.ring(Topic::Account(account));
    Ok(last)
}
