//! The audit log: who did what to accounts, credentials and the server. An entry is written in the unit that does it.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::{Result, Store};

/// Characters of a target that are kept.
const TARGET: usize = 400;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Entry {
    /// Greater than those before.
    pub id: Uuid,
    /// Milliseconds.
    pub at: i64,
    /// Whose doing it was; none: the command line, or nobody who is known.
    pub account_id: Option<Uuid>,
    /// The address of that account then.
    pub actor: Option<String>,
    /// Such as `token.created`.
    pub action: String,
    /// To what it was done: an address, a name, an id.
    pub target: String,
    /// The address it came from; none: this machine's command line.
    pub peer: Option<String>,
}

impl Entry {
    /// What was done at the command line.
    #[must_use]
    pub fn at_the_command_line(id: Uuid, at: i64, action: &str, target: &str) -> Self {
        let (action, target) = (action.to_owned(), target.to_owned());
        Self { id, at, account_id: None, actor: None, action, target, peer: None }
    }

    /// What writes it. Of work in several units only the first does.
    fn keep(&self) -> Statement {
        let target: String = self.target.chars().filter(|c| !c.is_control()).take(TARGET).collect();
        sql("insert into audit (id, at, account_id, actor, action, target, peer) \
             values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing")
        .bind(self.id)
        .bind(self.at)
        .bind(self.account_id)
        .bind(self.actor.clone())
        .bind(&self.action)
        .bind(target)
        .bind(self.peer.clone())
    }
}

impl Store {
    /// The same store, whose every unit also writes this entry: it is there if what it tells of was done, and only then.
    #[must_use]
    pub fn audited(&self, entry: &Entry) -> Self {
        self.with(vec![entry.keep()])
    }

    /// A page of the log, newest first; only of one action, with `action`.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit(
        &self,
        action: Option<&str>,
        before: Option<(i64, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Entry>> {
        let (at, id) = before.unwrap_or((i64::MAX, Uuid::max()));
        let mut page =
            sql("select id, at, account_id, actor, action, target, peer from audit where (at, id) < (");
        page = page.push_bind(at).push(", ").push_bind(id).push(")");
        if let Some(action) = action {
            page = page.push(" and action = ").push_bind(action);
        }
        self.all(page.push(" order by at desc, id desc limit ").push_bind(limit)).await
    }
}
