//! The pause: while it lasts, nothing leaves this system, on no node. What comes in, and mail between accounts here, goes
//! on. A backup that is restored begins with it, because its queue holds what may have gone out since it was made.

use sqlx::FromRow;

use super::bell::Topic;
use super::db::sql;
use super::{Result, Store};

/// Since when nothing leaves, and why.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Pause {
    /// Milliseconds.
    pub since: i64,
    /// `restored` or `asked`.
    pub reason: String,
}

impl Store {
    /// The pause, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn paused(&self) -> Result<Option<Pause>> {
        self.first(sql("select since, reason from pause")).await
    }

    /// Lets nothing leave until [`Store::resume`]; a pause that lasts already stays as it is. What is being handed over now is finished.
    ///
    /// # Errors
    /// The database's.
    pub async fn pause(&self, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let begin = sql("insert into pause (one, since, reason) values (true, $1, 'asked') on conflict (one) do nothing");
            tx.run(begin.bind(now)).await.map(drop)
        })
        .await
    }

    /// Ends the pause; whether there was one.
    ///
    /// # Errors
    /// The database's.
    pub async fn resume(&self) -> Result<bool> {
        self.write(async move |tx| {
            let ended = tx.run(sql("delete from pause")).await?;
            tx.ring(Topic::Queue);
            Ok(ended > 0)
        })
        .await
    }
}
