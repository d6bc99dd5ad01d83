//! Whom an account writes with, for completing addresses: who wrote to it, whom it wrote to, and who else is here.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::sql;
use super::{Result, Store};

/// So many of the newest messages are looked through.
const NEWEST: i64 = 5000;

/// Somebody to write to.
#[derive(Debug, Clone, FromRow)]
pub struct Correspondent {
    /// The address.
    pub address: String,
    /// The name, where one is known.
    pub name: Option<String>,
    /// Messages with them, of those looked through.
    pub count: i64,
}

impl Store {
    /// People whose address or name has a word beginning like `text`, those most written with first. Everybody of
    /// one's own among the newest messages, and people with an account here.
    ///
    /// # Errors
    /// The database's.
    pub async fn correspondents(&self, account: Uuid, text: &str, limit: i64) -> Result<Vec<Correspondent>> {
        let text = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let (begins, within) = (format!("{text}%"), format!("% {text}%"));
        let wrote = sql(
            "select lower(w.from_address) as address, max(w.from_name) as name, count(*) as count from \
                         (select e.from_address, e.from_name from email e where e.account_id = $1 and not e.outgoing \
                          and e.from_address is not null order by e.received_at desc, e.id desc limit $2) w \
                         where lower(w.from_address) like $3 escape '\\' or lower(coalesce(w.from_name, '')) like $3 escape '\\' \
                         or lower(coalesce(w.from_name, '')) like $4 escape '\\' \
                         group by lower(w.from_address) order by count(*) desc, lower(w.from_address) limit $5",
        );
        let written =
            sql("select lower(w.recipient) as address, cast(null as text) as name, count(*) as count from \
                           (select d.recipient from delivery d where d.account_id = $1 and d.kind = 'mail' \
                            order by d.id desc limit $2) w \
                           where lower(w.recipient) like $3 escape '\\' \
                           group by lower(w.recipient) order by count(*) desc, lower(w.recipient) limit $4");
        let here = sql("select d.shown as address, a.name, cast(0 as bigint) as count from address d \
                        join account a on a.id = d.account_id where d.main and a.id <> $1 and a.disabled_at is null \
                        and (d.address like $2 escape '\\' or lower(a.name) like $2 escape '\\' \
                        or lower(a.name) like $3 escape '\\') order by d.address limit $4");
        let mut all: Vec<Correspondent> =
            self.all(wrote.bind(account).bind(NEWEST).bind(&begins).bind(&within).bind(limit)).await?;
        let written: Vec<Correspondent> =
            self.all(written.bind(account).bind(NEWEST).bind(&begins).bind(limit)).await?;
        let here: Vec<Correspondent> =
            self.all(here.bind(account).bind(&begins).bind(&within).bind(limit)).await?;
        for one in written.into_iter().chain(here) {
            match all.iter_mut().find(|known| known.address.eq_ignore_ascii_case(&one.address)) {
                Some(known) => {
                    known.count += one.count;
                    known.name = known.name.take().or(one.name);
                }
                None => all.push(one),
            }
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.count));
        all.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(all)
    }
}
