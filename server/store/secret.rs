//! Keys that this installation has made for itself, the same for every node.

use super::db::sql;
use super::{Result, Store};

impl Store {
    /// The key of this name.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn secret(&self, name: &'static str) -> Result<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> =
            self.first(sql("select value from secret where name = $1").bind(name)).await?;
        Ok(row.map(|(value,)| value))
    }

    /// Keeps a key under this name; of several nodes that do so at once, the first one's.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn keep_secret(&self, name: &'static str, value: Vec<u8>, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let keep = sql("insert into secret (name, value, created_at) values ($1, $2, $3) \
                            on conflict (name) do nothing");
            tx.run(keep.bind(name).bind(&value).bind(now)).await.map(drop)
        })
        .await
    }
}
