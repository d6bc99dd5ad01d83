//! Full-text search in one account's mail, newest first: FTS5 on SQLite, `tsvector` on PostgreSQL.
//!
//! Both are given the same words ([`Document`]) and so find the same emails. Indexing is work nobody waits for
//! ([`Store::index_some`]); what is not indexed yet, the tail, is read when somebody searches, so that a search sees
//! every email that was there when it began.

mod dialect;
mod index;

use std::collections::{HashMap, HashSet};

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{split, sql};
use super::email::{After, EmailRow, Filter, email_columns};
use super::{Engine, Result, Store};
use crate::mail::query::Query;
use crate::mail::words::Document;

/// Low bits of a place, which keep emails of one millisecond apart.
const CHANCE_BITS: u32 = 21;
/// The latest time a place can hold.
const LAST: i64 = (1 << 42) - 1;
/// Emails that one statement looks at.
const CHUNK: usize = 1000;
/// The most matches that are looked at before a page is filled up.
const MOST: usize = 8 * CHUNK;
/// The newest emails of a tail that a search reads; a longer one is being indexed and found bit by bit.
const TAIL: i64 = 1000;

/// A match in the index.
#[derive(Debug, FromRow)]
struct Hit {
    place: i64,
    email_id: Uuid,
}

impl Hit {
    fn at(&self) -> i64 {
        self.place >> CHANCE_BITS
    }
}

/// A query as the database reads it, and the emails of the tail that match.
struct Asked<'a> {
    filter: &'a Filter,
    text: String,
    tail: Vec<Uuid>,
}

impl Store {
    /// A page of the emails that match the query and the rest of the filter, newest first.
    pub(crate) async fn found_emails(
        &self,
        account: Uuid,
        filter: &Filter,
        query: &Query,
        after: Option<After>,
        limit: i64,
    ) -> Result<Vec<EmailRow>> {
        let asked = self.ask(account, filter, query).await?;
        self.page(account, &asked, after, limit).await
    }

    /// A page of the newest matching email of each thread, newest first.
    pub(crate) async fn found_threads(
        &self,
        account: Uuid,
        filter: &Filter,
        query: &Query,
        mut after: Option<After>,
        limit: i64,
    ) -> Result<Vec<EmailRow>> {
        let asked = self.ask(account, filter, query).await?;
        let mut threads = Vec::new();
        loop {
            let page = self.page(account, &asked, after, limit).await?;
            let newest = self.newest(account, &asked, &page).await?;
            let more = page.len() as i64 == limit;
            after = page.last().map(|row| (row.received_at, row.id));
            threads.extend(page.into_iter().filter(|row| newest.get(&row.thread_id) == Some(&row.id)));
            if !more || threads.len() as i64 >= limit {
                threads.truncate(usize::try_from(limit).unwrap_or(0));
                return Ok(threads);
            }
        }
    }

    async fn ask<'a>(&self, account: Uuid, filter: &'a Filter, query: &Query) -> Result<Asked<'a>> {
        let text = match &self.0.engine {
            Engine::Sqlite { .. } => dialect::fts5(account, query),
            Engine::Postgres(..) => dialect::tsquery(account, query),
        };
        // The tail before the index: what is indexed meanwhile is seen twice rather than not at all.
        let tail = self.tail(account, query).await?;
        Ok(Asked { filter, text, tail })
    }

    /// The emails of the tail whose words match.
    async fn tail(&self, account: Uuid, query: &Query) -> Result<Vec<Uuid>> {
        let newest =
            sql("select email_id from search_tail where account_id = $1 order by email_id desc limit $2");
        let ids: Vec<(Uuid,)> = self.all(newest.bind(account).bind(TAIL)).await?;
        let mut matching = Vec::new();
        for (id,) in ids {
            if let Some(row) = self.email(account, id).await?
                && query.words_match(&self.document(&row).await?)
            {
                matching.push(id);
            }
        }
        Ok(matching)
    }

    /// The words of an email. One whose bytes cannot be read has those that its row shows.
    async fn document(&self, row: &EmailRow) -> Result<Document> {
        let content = match self.content(&row.digest()?).await {
            Ok(content) => content,
            Err(super::Error::NotFound | super::Error::Unusable(_)) => {
                tracing::warn!(email = %row.id, "the bytes of this message cannot be read: only its head is searched");
                let (to, cc) = row.recipients();
                let preview: [&str; 1] = [&row.preview];
                let from = [row.from_name.as_deref(), row.from_address.as_deref()];
                let from: Vec<&str> = from.into_iter().flatten().collect();
                return Ok(Document::new([&[&row.subject], &from, &names(&[&to, &cc]), &preview]));
            }
            Err(error) => return Err(error),
        };
        let from: Vec<_> = content.from.iter().cloned().collect();
        let files = content.attachments.iter().filter_map(|part| part.filename.as_deref());
        let body: Vec<&str> = content.text.as_deref().into_iter().chain(files).collect();
        let to = names(&[&content.to, &content.cc]);
        Ok(Document::new([&[&content.subject], &names(&[&from]), &to, &body]))
    }

    async fn page(
        &self,
        account: Uuid,
        asked: &Asked<'_>,
        after: Option<After>,
        limit: i64,
    ) -> Result<Vec<EmailRow>> {
        let wanted = usize::try_from(limit).unwrap_or(0);
        let mut rows = self.rows(account, asked.filter, after, &asked.tail).await?;
        let mut below = after.map_or(i64::MAX, |(at, _)| place(at.saturating_add(1), 0));
        let mut chunk = (wanted * 2).clamp(100, MOST);
        loop {
            let hits = self.hits(account, &asked.text, below, chunk).await?;
            let last = hits.len() < chunk;
            // Emails of the last one's millisecond may follow it: they come with the next chunk.
            let edge = hits.last().filter(|_| !last).map_or(i64::MIN, Hit::at);
            let whole: Vec<Uuid> =
                hits.iter().filter(|hit| hit.at() > edge).map(|hit| hit.email_id).collect();
            if whole.is_empty() && !last {
                chunk *= 4;
                continue;
            }
            rows.extend(self.rows(account, asked.filter, after, &whole).await?);
            rows.sort_by_key(|row| std::cmp::Reverse((row.received_at, row.id)));
            rows.dedup_by_key(|row| row.id);
            if last || rows.iter().filter(|row| row.received_at > edge).count() >= wanted {
                rows.truncate(wanted);
                return Ok(rows);
            }
            below = place(edge + 1, 0);
            chunk = (chunk * 2).min(chunk.max(MOST));
        }
    }

    /// Matches below a place, newest first.
    async fn hits(&self, account: Uuid, text: &str, below: i64, limit: usize) -> Result<Vec<Hit>> {
        // A cross join is walked in its own order: the other way round each email would be a search of its own.
        let matching = split(
            "select s.place, s.email_id from search_text t cross join search s on s.place = t.rowid \
             where s.account_id = $1 and t.search_text match $2 and t.rowid < $3 order by t.rowid desc limit $4",
            "select place, email_id from search where account_id = $1 and doc @@ $2::tsquery and place < $3 \
             order by place desc limit $4",
        );
        self.all(matching.bind(account).bind(text).bind(below).bind(limit as i64)).await
    }

    /// Those of these emails that are in the index and match.
    async fn matching(&self, account: Uuid, text: &str, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let mut found = HashSet::new();
        for ids in ids.chunks(CHUNK) {
            let among = split(
                "select s.email_id from search s join search_text t on t.rowid = s.place \
                 where s.account_id = $1 and t.search_text match $2 and s.email_id in ",
                "select email_id from search where account_id = $1 and doc @@ $2::tsquery and email_id in ",
            );
            let rows: Vec<(Uuid,)> = self.all(among.bind(account).bind(text).push_list(ids)).await?;
            found.extend(rows.into_iter().map(|(id,)| id));
        }
        Ok(found)
    }

    /// Those of these emails that the rest of the filter lets through.
    async fn rows(
        &self,
        account: Uuid,
        filter: &Filter,
        after: Option<After>,
        ids: &[Uuid],
    ) -> Result<Vec<EmailRow>> {
        let mut rows = Vec::new();
        for ids in ids.chunks(CHUNK) {
            let mut list = filter.narrow(
                sql(concat!("select ", email_columns!(), " where e.account_id = "))
                    .push_bind(account)
                    .push(" and e.id in ")
                    .push_list(ids),
            );
            if let Some((received_at, id)) = after {
                list = list.push(" and (e.received_at, e.id) < (").push_bind(received_at);
                list = list.push(", ").push_bind(id).push(")");
            }
            rows.extend(self.email_rows(list).await?);
        }
        Ok(rows)
    }

    /// The newest matching email of each thread that these are of.
    async fn newest(
        &self,
        account: Uuid,
        asked: &Asked<'_>,
        rows: &[EmailRow],
    ) -> Result<HashMap<Uuid, Uuid>> {
        let mut threads: Vec<Uuid> = rows.iter().map(|row| row.thread_id).collect();
        threads.sort_unstable();
        threads.dedup();
        let mut emails: Vec<(Uuid, Uuid)> = Vec::new();
        for threads in threads.chunks(CHUNK) {
            let among = asked.filter.narrow(
                sql("select e.id, e.thread_id from email e where e.account_id = ")
                    .push_bind(account)
                    .push(" and e.thread_id in ")
                    .push_list(threads),
            );
            emails.extend(
                self.all::<(Uuid, Uuid)>(among.push(" order by e.received_at desc, e.id desc")).await?,
            );
        }
        let ids: Vec<Uuid> = emails.iter().map(|(id, _)| *id).collect();
        let mut matching = self.matching(account, &asked.text, &ids).await?;
        matching.extend(&asked.tail);
        let mut newest = HashMap::new();
        for (id, thread) in emails {
            if matching.contains(&id) {
                newest.entry(thread).or_insert(id);
            }
        }
        Ok(newest)
    }
}

/// Where an email of this time stands in the index.
fn place(received_at: i64, chance: i64) -> i64 {
    (received_at.clamp(0, LAST) << CHANCE_BITS) | (chance & ((1 << CHANCE_BITS) - 1))
}

fn names<'a>(lists: &[&'a [crate::mail::message::Mailbox]]) -> Vec<&'a str> {
    let mailboxes = lists.iter().flat_map(|list| list.iter());
    mailboxes
        .flat_map(|mailbox| mailbox.name.as_deref().into_iter().chain([mailbox.address.as_str()]))
        .collect()
}
