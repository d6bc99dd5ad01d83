//! Secrets in mail that stand for one person's answer: links, and what is told to those who were given one.

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, Tx, sql};
use super::delivery::{Lane, NewDelivery};
use super::event::Event;
use super::{Error, Result, Store, Topic};
use crate::mail::id::derived;

/// What a link's secret is kept as, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Link {
    /// Who asked.
    pub account_id: Uuid,
    /// Which question.
    pub promise_id: Uuid,
    /// Whose answer: an account here, or a respondent outside.
    pub person_id: Uuid,
    /// The address the mail with it went to.
    pub address: String,
    /// The version of the question in that mail.
    pub revision: i64,
}

/// Keeps a link.
pub fn put_link(digest: [u8; 32], link: &Link, now: i64) -> Statement {
    sql("insert into answer_link (digest, account_id, promise_id, person_id, address, revision, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7)")
    .bind(digest)
    .bind(link.account_id)
    .bind(link.promise_id)
    .bind(link.person_id)
    .bind(&link.address)
    .bind(link.revision)
    .bind(now)
}

impl Store {
    /// What a link stands for, while those it concerns have their accounts.
    ///
    /// # Errors
    /// The database's.
    pub async fn link(&self, digest: [u8; 32]) -> Result<Option<Link>> {
        self.first(
            sql("select l.account_id, l.promise_id, l.person_id, l.address, l.revision from answer_link l \
                 join account c on c.id = l.account_id and c.disabled_at is null \
                 left join account p on p.id = l.person_id where l.digest = $1 and p.disabled_at is null")
            .bind(digest),
        )
        .await
    }

    /// Tells who asked that a machine has replied: an absence, or a mail that came back.
    ///
    /// # Errors
    /// The database's.
    pub async fn automatic_reply(
        &self,
        asker: Uuid,
        promise: Uuid,
        by: String,
        bounce: bool,
        now: i64,
    ) -> Result<()> {
        self.write_for([asker], async move |tx| {
            let data = json!({ "promise_id": promise, "by": by, "kind": if bounce { "bounce" } else { "automatic" } });
            tx.tell(vec![(Event::new(asker, "reply.automatic", data), Vec::new())], now).await
        })
        .await
    }

    /// Has somebody asked which answer they meant, by mail; once for each version of the question.
    ///
    /// # Errors
    /// The database's.
    pub async fn ask_again(&self, link: Link, outside: bool, domain: String, now: i64) -> Result<()> {
        let key = [link.person_id.as_bytes().as_slice(), &link.revision.to_be_bytes()].concat();
        let account_id = if outside { link.account_id } else { link.person_id };
        let notice = state_of(
            account_id,
            derived("unclear", link.promise_id, &key),
            link.promise_id,
            &link.address,
            domain,
            now,
        );
        let done = self.write(async move |tx| {
            tx.ring(Topic::Queue);
            tx.batch(NewDelivery::insert(std::slice::from_ref(&notice))).await.map(drop)
        });
        match done.await {
            Err(Error::Conflict) => Ok(()),
            done => done,
        }
    }
}

/// A mail that says how a question stands: that it is settled, or how it can be answered.
fn state_of(account_id: Uuid, id: Uuid, promise: Uuid, to: &str, domain: String, now: i64) -> NewDelivery {
    NewDelivery {
        account_id,
        id,
        kind: "notice",
        lane: Lane::Outside,
        destination: domain,
        recipient: to.to_owned(),
        submission_id: None,
        email_id: None,
        subject_id: Some(promise),
        digest: None,
        due_at: now,
        created_at: now,
    }
}

/// Tells everybody who was given a link that the question is settled, but for those who have answered it.
pub(crate) async fn tell_holders(tx: &mut Tx, asker: Uuid, promise: Uuid, now: i64) -> Result<()> {
    let holders = sql("select distinct l.person_id, l.address, r.outside from answer_link l \
                       join respondent r on r.account_id = l.account_id and r.promise_id = l.promise_id \
                       and r.person_id = l.person_id where l.account_id = $1 and l.promise_id = $2 \
                       and r.state <> 'answered' order by l.address limit 1000");
    let holders: Vec<(Uuid, String, bool)> = tx.all(holders.bind(asker).bind(promise)).await?;
    if holders.is_empty() {
        return Ok(());
    }
    let notices: Vec<NewDelivery> = holders
        .into_iter()
        .map(|(person, address, outside)| {
            let account = if outside { asker } else { person };
            let id = derived("settled", promise, [person.as_bytes(), address.as_bytes()].concat().as_slice());
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
            state_of(account, id, promise, &address, domain, now)
        })
        .collect();
    tx.ring(Topic::Queue);
    tx.batch(NewDelivery::insert(&notices)).await.map(drop)
}
