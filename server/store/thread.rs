//! Threads (RFC 8621 §3): an account's messages of one conversation. A thread has no row of its own: its id is
//! derived from its key, so whichever message comes first, the thread is the same.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::sql;
use super::email::{After, EmailRow, Filter, email_columns};
use super::mailbox::{Role, role_id};
use super::{Result, Store};

/// What a list shows of a whole thread.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct ThreadFacts {
    pub thread_id: Uuid,
    pub message_count: i64,
    pub unread_count: i64,
    pub flagged_count: i64,
    pub attachment_count: i64,
}

/// Who wrote in a thread.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Participant {
    pub thread_id: Uuid,
    pub from_address: String,
    pub from_name: Option<String>,
    pub first_at: i64,
}

/// An open question in a thread.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Waiting {
    pub thread_id: Uuid,
    pub promise_id: Uuid,
    pub email_id: Uuid,
    pub deadline: Option<i64>,
}

impl Store {
    /// The newest email that the filter lets through of each thread, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn threads(
        &self,
        account: Uuid,
        filter: &Filter,
        after: Option<After>,
        limit: i64,
    ) -> Result<Vec<EmailRow>> {
        if let Some(query) = filter.words() {
            return self.found_threads(account, filter, query, after, limit).await;
        }
        let mut list = filter
            .narrow(sql(concat!("select ", email_columns!(), " where e.account_id = ")).push_bind(account));
        if let Some((received_at, id)) = after {
            list = list.push(" and (e.received_at, e.id) < (").push_bind(received_at);
            list = list.push(", ").push_bind(id).push(")");
        }
        // Only the newest of its thread; the same conditions hold for the newer one.
        list = list.push(
            " and not exists (select 1 from email n where n.account_id = e.account_id and n.thread_id = e.thread_id \
             and (n.received_at, n.id) > (e.received_at, e.id)",
        );
        list = filter.narrow_newer(list);
        self.email_rows(list.push(") order by e.received_at desc, e.id desc limit ").push_bind(limit)).await
    }

    /// The newest emails of a thread, oldest of them first.
    ///
    /// # Errors
    /// The database's.
    pub async fn thread(&self, account: Uuid, thread: Uuid, limit: i64) -> Result<Vec<EmailRow>> {
        let newest = sql(concat!(
            "select ",
            email_columns!(),
            " where e.account_id = $1 and e.thread_id = $2 \
                                  order by e.received_at desc, e.id desc limit $3"
        ));
        let mut rows = self.email_rows(newest.bind(account).bind(thread).bind(limit)).await?;
        rows.reverse();
        Ok(rows)
    }

    /// Counts of these threads, without what is in the trash.
    ///
    /// # Errors
    /// The database's.
    pub async fn thread_facts(&self, account: Uuid, threads: &[Uuid]) -> Result<Vec<ThreadFacts>> {
        let counts = sql("select e.thread_id, count(*) as message_count, \
                          count(*) filter (where not e.seen) as unread_count, \
                          count(*) filter (where e.flagged) as flagged_count, \
                          count(*) filter (where e.has_attachment) as attachment_count \
                          from email e where e.account_id = ")
        .push_bind(account)
        .push(" and e.mailbox_id <> ")
        .push_bind(role_id(account, Role::Trash));
        self.all(counts.push(" and e.thread_id in ").push_list(threads).push(" group by e.thread_id")).await
    }

    /// Who wrote in these threads, first-comers first.
    ///
    /// # Errors
    /// The database's.
    pub async fn participants(&self, account: Uuid, threads: &[Uuid]) -> Result<Vec<Participant>> {
        let who = sql("select e.thread_id, e.from_address, max(e.from_name) as from_name, \
                       min(e.received_at) as first_at from email e \
                       where e.from_address is not null and e.account_id = ")
        .push_bind(account)
        .push(" and e.thread_id in ")
        .push_list(threads);
        self.all(who.push(" group by e.thread_id, e.from_address order by first_at limit 2000")).await
    }

    /// The open questions asked of the account in these threads.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting(&self, account: Uuid, threads: &[Uuid]) -> Result<Vec<Waiting>> {
        let open = sql("select e.thread_id, a.promise_id, a.email_id, a.deadline from asked a \
                        join email e on e.account_id = a.account_id and e.id = a.email_id \
                        where a.answered_at is null and a.declined_at is null and a.settled_at is null \
                        and a.account_id = ")
        .push_bind(account);
        self.all(open.push(" and e.thread_id in ").push_list(threads).push(" order by a.promise_id")).await
    }
}
