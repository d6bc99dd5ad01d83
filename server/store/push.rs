//! Web push: which browsers are told of messages and questions, and what each is owed, as deliveries of the one queue.

use sqlx::FromRow;
use uuid::Uuid;

use super::calls::reached;
use super::db::sql;
use super::delivery::{Lane, NewDelivery};
use super::{Error, Result, Store};
use crate::mail::id::Ids;

/// Subscriptions of one account.
pub const MOST: i64 = 20;
/// Events that are handed out at once for one subscription.
const AT_ONCE: i64 = 100;
/// Subscriptions that are looked at together.
const LOOK: i64 = 200;
/// The name of the key that pushes are signed with.
const KEY: &str = "push";

/// What a delivery of kind `push` tells, in the place of its recipient: that something has arrived.
pub const ARRIVED: &str = "message";
/// That a question which it told of is settled.
pub const ANSWERED: &str = "answered";

/// A subscription as it is kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct PushRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub endpoint: String,
    /// The browser's public key, a point of P-256.
    pub p256dh: Vec<u8>,
    /// Its authentication secret.
    pub auth: Vec<u8>,
    /// `question` and `message`, separated by spaces.
    pub kinds: String,
    /// The session or token it was made with.
    pub credential_id: Uuid,
    /// Since when every push has failed, in milliseconds.
    pub failing_since: Option<i64>,
    pub created_at: i64,
}

impl PushRow {
    /// Whether it is told of this kind.
    pub fn wants(&self, kind: &str) -> bool {
        self.kinds.split(' ').any(|wanted| wanted == kind)
    }
}

/// What the browser already knows of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    No,
    /// That is just being found out.
    Perhaps,
    /// It was told, or may have been.
    Yes,
}

const PUSHES: &str = "select p.account_id, p.id, p.endpoint, p.p256dh, p.auth, p.kinds, p.credential_id, \
     p.failing_since, p.created_at from push p ";

impl Store {
    /// Keeps a subscription, which is told of what happens from now on. A browser has one: if it is known, its keys and
    /// wishes are those given now, and whoever had it before has it no more. As it is kept, and whether it is new.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the account has [`MOST`] of them.
    pub async fn subscribe(&self, row: PushRow) -> Result<(PushRow, bool)> {
        self.write_for([row.account_id], async move |tx| {
            // Of two at once, the second sees the first.
            super::email::lock(tx, row.account_id).await?;
            let others = sql("delete from push where endpoint = $1 and account_id <> $2");
            tx.run(others.bind(&row.endpoint).bind(row.account_id)).await?;
            let known = sql("update push set p256dh = $1, auth = $2, kinds = $3, credential_id = $4, \
                             failing_since = null where account_id = $5 and endpoint = $6 returning id, created_at");
            let known = known.bind(&row.p256dh).bind(&row.auth).bind(&row.kinds).bind(row.credential_id);
            let known = known.bind(row.account_id).bind(&row.endpoint);
            if let Some((id, created_at)) = tx.first::<(Uuid, i64)>(known).await? {
                return Ok((PushRow { id, created_at, ..row.clone() }, false));
            }
            let put = sql(
                "insert into push (account_id, id, endpoint, p256dh, auth, kinds, credential_id, cursor, created_at) \
                 select $1, $2, $3, $4, $5, $6, $7, a.modseq, $8 from account a where a.id = $1 \
                 and (select count(*) from push where account_id = $1) < $9",
            );
            let put = put.bind(row.account_id).bind(row.id).bind(&row.endpoint).bind(&row.p256dh).bind(&row.auth);
            let put = put.bind(&row.kinds).bind(row.credential_id).bind(row.created_at).bind(MOST);
            if tx.run(put).await? == 1 { Ok((row.clone(), true)) } else { Err(Error::Conflict) }
        })
        .await
    }

    /// An account's subscriptions, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn subscriptions(&self, account: Uuid) -> Result<Vec<PushRow>> {
        let by = sql(PUSHES).push("where p.account_id = ").push_bind(account);
        self.all(by.push(" order by p.id limit ").push_bind(MOST)).await
    }

    /// One subscription, as long as the session or token it was made with is good.
    ///
    /// # Errors
    /// The database's.
    pub async fn subscription(&self, account: Uuid, id: Uuid, now: i64) -> Result<Option<PushRow>> {
        let by =
            sql(PUSHES).push("where p.account_id = ").push_bind(account).push(" and p.id = ").push_bind(id);
        let by = by
            .push(
                " and (exists (select 1 from session s where s.account_id = p.account_id \
                   and s.id = p.credential_id and s.revoked_at is null and s.expires_at > ",
            )
            .push_bind(now)
            .push(
                ") or exists (select 1 from token t where t.account_id = p.account_id and t.id = p.credential_id \
                   and t.revoked_at is null and (t.expires_at is null or t.expires_at > ",
            )
            .push_bind(now)
            .push(")))");
        self.first(by).await
    }

    /// Forgets a subscription, and takes back what was still owed to it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn unsubscribe(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let gone = sql("delete from push where account_id = $1 and id = $2");
            if tx.run(gone.bind(account).bind(id)).await? != 1 {
                return Err(Error::NotFound);
            }
            let back = sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
                            where account_id = $2 and subject_id = $3 and kind = 'push' and settled_at is null");
            tx.run(back.bind(now).bind(account).bind(id)).await.map(drop)
        })
        .await
    }

    /// Remembers that pushes to a subscription fail, or no longer do.
    ///
    /// # Errors
    /// The database's.
    pub async fn push_fails(&self, account: Uuid, id: Uuid, since: Option<i64>) -> Result<()> {
        self.write_for([account], async move |tx| {
            let set = sql("update push set failing_since = $1 where account_id = $2 and id = $3");
            tx.run(set.bind(since).bind(account).bind(id)).await.map(drop)
        })
        .await
    }

    /// What a browser was told of a message before this delivery.
    ///
    /// # Errors
    /// The database's.
    pub async fn pushed(&self, account: Uuid, subscription: Uuid, email: Uuid) -> Result<Shown> {
        // One that was tried may have arrived, whatever we heard of it.
        let told = sql("select d.settled_at, d.lease, (select count(*) from attempt a \
                        where a.account_id = d.account_id and a.delivery_id = d.id) from delivery d \
                        where d.kind = 'push' and d.account_id = $1 and d.subject_id = $2 and d.email_id = $3 \
                        and d.recipient = $4");
        let told = told.bind(account).bind(subscription).bind(email).bind(ARRIVED);
        let told: Vec<(Option<i64>, Option<Uuid>, i64)> = self.all(told).await?;
        Ok(if told.iter().any(|(settled, lease, _)| settled.is_none() && lease.is_some()) {
            Shown::Perhaps
        } else if told.iter().any(|(.., tries)| *tries > 0) {
            Shown::Yes
        } else {
            Shown::No
        })
    }

    /// The key that pushes are signed with (PKCS #8); `new`, if there was none. Every node has the same.
    ///
    /// # Errors
    /// The database's.
    pub async fn push_key(&self, new: impl FnOnce() -> Result<Vec<u8>>, now: i64) -> Result<&[u8]> {
        let read = || async {
            if let Some(key) = self.secret(KEY).await? {
                return Ok(key);
            }
            self.keep_secret(KEY, new()?, now).await?;
            // Another node may have been faster.
            self.secret(KEY).await?.ok_or(Error::NotFound)
        };
        self.0.push_key.get_or_try_init(read).await.map(Vec::as_slice)
    }

    /// Owes browsers what has happened since they were last looked at. Whether there was anything.
    ///
    /// # Errors
    /// The database's.
    pub async fn hand_out_pushes(&self, ids: &Ids, now: i64) -> Result<bool> {
        let (mut after, mut any) = ((Uuid::nil(), Uuid::nil()), false);
        loop {
            let behind = sql("select p.account_id, p.id, p.cursor, a.modseq from push p \
                              join account a on a.id = p.account_id and a.modseq > p.cursor and a.disabled_at is null \
                              where (p.account_id, p.id) > ($1, $2) order by p.account_id, p.id limit $3");
            let behind: Vec<Behind> = self.all(behind.bind(after.0).bind(after.1).bind(LOOK)).await?;
            let Some(last) = behind.last() else { return Ok(any) };
            after = (last.account_id, last.id);
            for one in behind {
                any |= self.hand_out_push(one, ids, now).await?;
            }
        }
    }

    /// The same for one subscription.
    async fn hand_out_push(&self, behind: Behind, ids: &Ids, now: i64) -> Result<bool> {
        let Behind { account_id, id, cursor, modseq } = behind;
        let types = ["message.received".to_owned(), "promise.settled".to_owned()];
        let events = self.events(account_id, cursor, &types, AT_ONCE).await?;
        let of = |data: &str| {
            let data: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
            data["message_id"].as_str().and_then(|id| id.parse::<Uuid>().ok())
        };
        let named: Vec<(bool, Uuid)> = events
            .iter()
            .filter_map(|event| Some((event.kind == "message.received", of(&event.data)?)))
            .collect();
        let settled: Vec<Uuid> = named.iter().filter(|(new, _)| !new).map(|(_, email)| *email).collect();
        // Of what it was never told, it need not be told that it is over.
        let mut told: Vec<Uuid> = named.iter().filter(|(new, _)| *new).map(|(_, email)| *email).collect();
        if !settled.is_empty() {
            let known = sql("select d.email_id from delivery d where d.kind = 'push' and d.account_id = ")
                .push_bind(account_id);
            let known = known
                .push(" and d.subject_id = ")
                .push_bind(id)
                .push(" and d.email_id in ")
                .push_list(&settled);
            told.extend(self.all::<(Uuid,)>(known).await?.into_iter().map(|(email,)| email));
        }
        let owed =
            named.into_iter().filter(|(_, email)| told.contains(email)).map(|(new, email)| NewDelivery {
                account_id,
                id: ids.id(now),
                kind: "push",
                lane: Lane::Calls,
                destination: format!("push:{id}"),
                recipient: if new { ARRIVED } else { ANSWERED }.to_owned(),
                submission_id: None,
                email_id: Some(email),
                subject_id: Some(id),
                digest: None,
                due_at: now,
                created_at: now,
            });
        let on = sql("update push set cursor = $1 where account_id = $2 and id = $3 and cursor = $4");
        let on = on.bind(reached(&events, AT_ONCE, modseq)).bind(account_id).bind(id).bind(cursor);
        self.owe_from(on, owed.collect()).await
    }
}

/// A subscription whose account's log has grown.
#[derive(FromRow)]
struct Behind {
    account_id: Uuid,
    id: Uuid,
    cursor: i64,
    modseq: i64,
}
