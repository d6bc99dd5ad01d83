//! Claiming: leases what is due, in turn between destinations, and keeps the lease.

use uuid::Uuid;

use super::db::{split, sql};
use super::delivery::{Lane, Leased};
use super::{Result, Store};

/// Destinations looked at by one claim of a worker that works step by step.
const MOST: i64 = 10_000;

/// What to claim.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Milliseconds.
    pub now: i64,
    /// The lease's id: everything claimed at once has one.
    pub lease: Uuid,
    /// When it ends, in milliseconds.
    pub until: i64,
    /// Which kind of work.
    pub lane: Lane,
    /// At most, in all.
    pub limit: i64,
    /// At most, for one destination.
    pub per_destination: i64,
    /// Destinations that have all they may have.
    pub busy: &'a [String],
}

// Both take the oldest due of each destination named, and lease the oldest of those: what a destination holds back
// never stands before another's.
const CLAIM_SQLITE: &str = "update delivery set lease = $2, leased_until = $3, due_at = $3, attempts = attempts + 1 \
     where (account_id, id) in (\
       select d.account_id, d.id from json_each($6) place, json_each((\
         select json_group_array(hex(n.account_id) || hex(n.id)) from (\
           select o.account_id, o.id from delivery o where o.settled_at is null and o.held_at is null and o.lane = $1 \
           and ($1 = 0 or not exists (select 1 from pause)) \
           and o.destination = place.key and o.due_at <= $4 order by o.due_at, o.id limit $5) n)) picked \
       join delivery d on d.account_id = unhex(substr(picked.value, 1, 32)) and d.id = unhex(substr(picked.value, 33)) \
       where picked.key < place.value order by d.due_at, d.id limit $7) \
     returning account_id, id, kind, destination, recipient, submission_id, email_id, subject_id, digest, attempts, \
     created_at, noticed_at, lease, leased_until";
const CLAIM_POSTGRES: &str = "with oldest as materialized (\
       select n.account_id, n.id, n.due_at from jsonb_each_text($6::text::jsonb) place cross join lateral (\
         select o.account_id, o.id, o.due_at, row_number() over (order by o.due_at, o.id) as nth from delivery o \
         where o.settled_at is null and o.held_at is null and o.lane = $1 and o.destination = place.key \
         and ($1 = 0 or not exists (select 1 from pause)) \
         and o.due_at <= $4 order by o.due_at, o.id limit $5) n \
       where n.nth <= place.value::bigint order by n.due_at, n.id limit $7), \
     picked as materialized (\
       select d.account_id, d.id from delivery d join oldest on oldest.account_id = d.account_id and oldest.id = d.id \
       where d.settled_at is null and d.due_at <= $4 for update of d skip locked) \
     update delivery d set lease = $2, leased_until = $3, due_at = $3, attempts = d.attempts + 1 from picked \
     where d.account_id = picked.account_id and d.id = picked.id \
     returning d.account_id, d.id, d.kind, d.destination, d.recipient, d.submission_id, d.email_id, d.subject_id, \
     d.digest, d.attempts, d.created_at, d.noticed_at, d.lease, d.leased_until";

/// A destination, and how many of its deliveries may be leased.
pub type Place = (String, i64);

impl Store {
    /// Leases what is due, of whatever destination, in turn between them. For a worker that works step by step: one
    /// that goes on and on remembers whose turn it is, and names them ([`Store::claim_from`]).
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Leased>> {
        let mut ready = self.ready(claim.lane, claim.now, None, MOST).await?;
        ready.retain(|name| !claim.busy.contains(name));
        let places: Vec<Place> = ready.into_iter().map(|name| (name, claim.per_destination)).collect();
        self.claim_from(&claim, &places).await
    }

    /// Leases what is due at these destinations. The attempt is counted now, before the work. Of what
    /// would leave this system nothing is leased while sending is paused, which the same statement looks at.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_from(&self, claim: &Claim<'_>, places: &[Place]) -> Result<Vec<Leased>> {
        let most = places.iter().map(|(_, most)| *most).max().unwrap_or_default();
        if most < 1 {
            return Ok(Vec::new());
        }
        let named: serde_json::Map<_, _> =
            places.iter().map(|(name, most)| (name.clone(), (*most).into())).collect();
        let statement = split(CLAIM_SQLITE, CLAIM_POSTGRES)
            .bind(claim.lane as i64)
            .bind(claim.lease)
            .bind(claim.until)
            .bind(claim.now)
            .bind(most)
            .bind(serde_json::Value::Object(named).to_string())
            .bind(claim.limit);
        self.write(async move |tx| tx.all(statement.clone()).await).await
    }

    /// Destinations with something due, the one that waits longest first. With `since`, only what fell due after
    /// that, in milliseconds: this costs what fell due; without, it costs a step for each destination.
    ///
    /// # Errors
    /// The database's.
    pub async fn ready(&self, lane: Lane, now: i64, since: Option<i64>, limit: i64) -> Result<Vec<String>> {
        let ready = match since {
            Some(since) => sql("select destination from delivery where settled_at is null and held_at is null \
                                and lane = $1 and due_at >= 0 and due_at <= $2 and due_at > $3 group by destination \
                                order by min(due_at), destination limit $4")
            .bind(lane as i64)
            .bind(now)
            .bind(since)
            .bind(limit),
            // Walks from one destination with open work to the next by the index.
            None => sql("with recursive place (destination) as (\
                         select min(d.destination) from delivery d where d.settled_at is null and d.held_at is null \
                         and d.lane = $1 union all \
                         select (select min(d.destination) from delivery d where d.settled_at is null \
                                 and d.held_at is null and d.lane = $1 and d.destination > place.destination) \
                         from place where place.destination is not null) \
                         select q.destination from (select place.destination, \
                         (select min(o.due_at) from delivery o where o.settled_at is null and o.held_at is null \
                          and o.lane = $1 and o.destination = place.destination) as oldest \
                         from place where place.destination is not null) q \
                         where q.oldest <= $2 order by q.oldest, q.destination limit $3")
            .bind(lane as i64)
            .bind(now)
            .bind(limit),
        };
        let rows: Vec<(String,)> = self.all(ready).await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Ends the leases of workers before this one, on SQLite, which one worker has for itself; how many there were.
    /// On PostgreSQL others may be at work, so leases end by themselves.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_over(&self, now: i64) -> Result<u64> {
        if matches!(self.0.engine, super::Engine::Postgres(..)) {
            return Ok(0);
        }
        self.write(async move |tx| {
            let end = sql("update delivery set due_at = $1, lease = null, leased_until = null \
                           where lease is not null and settled_at is null");
            tx.run(end.bind(now)).await
        })
        .await
    }

    /// Brings forward mail that is put off beyond `latest`, further than any retry is: the clock was wrong when it was. It is
    /// due within `spread` milliseconds from now, evenly, so that no storm follows; how many that was.
    ///
    /// # Errors
    /// The database's.
    pub async fn bring_forward(&self, lane: Lane, now: i64, latest: i64, spread: i64) -> Result<u64> {
        // What was not tried yet may be meant for any time, and a notice for the morning.
        let late = sql("select account_id, id from delivery where settled_at is null and held_at is null \
             and lane = $1 and due_at >= 0 and due_at > $2 and attempts > 0 and kind = 'mail' limit 1000");
        let late: Vec<(Uuid, Uuid)> = self.all(late.bind(lane as i64).bind(latest)).await?;
        if late.is_empty() {
            return Ok(0);
        }
        self.write(async move |tx| {
            let mut batch = Vec::new();
            for (account, id) in &late {
                let forward =
                    sql("update delivery set due_at = $1 + due_at % $2, lease = null, leased_until = null \
                                   where account_id = $3 and id = $4 and due_at > $5 and settled_at is null");
                let forward = forward.bind(now).bind(spread.max(1)).bind(*account).bind(*id);
                batch.push(forward.bind(latest));
            }
            Ok(tx.batch(batch).await?.iter().map(|done| done.affected).sum())
        })
        .await
    }

    /// When the next delivery of a lane is due, in milliseconds; none when nothing is open.
    ///
    /// # Errors
    /// The database's.
    pub async fn next_due(&self, lane: Lane) -> Result<Option<i64>> {
        self.due_after(lane, i64::MIN).await
    }

    /// When something of a lane falls due after a time, in milliseconds.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_after(&self, lane: Lane, at: i64) -> Result<Option<i64>> {
        let next = sql("select min(due_at) from delivery where settled_at is null and held_at is null \
                        and lane = $1 and due_at >= 0 and due_at > $2");
        let row: (Option<i64>,) = self.one(next.bind(lane as i64).bind(at)).await?;
        Ok(row.0)
    }

    /// Prolongs a lease on everything that is still held under it; how many that is.
    ///
    /// # Errors
    /// The database's.
    pub async fn renew(&self, lease: Uuid, until: i64) -> Result<u64> {
        self.write(async move |tx| {
            // A row that somebody is just settling is left alone, so that neither waits for the other.
            let renew = split(
                "update delivery set leased_until = $1, due_at = $1 where lease = $2 and settled_at is null",
                "update delivery set leased_until = $1, due_at = $1 where (account_id, id) in \
                 (select d.account_id, d.id from delivery d where d.lease = $2 and d.settled_at is null \
                  for update skip locked)",
            );
            tx.run(renew.bind(until).bind(lease)).await
        })
        .await
    }

    /// Whether the lease is still held: asked before every effect outside.
    ///
    /// # Errors
    /// The database's.
    pub async fn still_leased(&self, leased: &Leased) -> Result<bool> {
        let row: Option<(Uuid,)> = self
            .first(
                sql("select id from delivery where account_id = $1 and id = $2 and lease = $3 and settled_at is null")
                    .bind(leased.account_id)
                    .bind(leased.id)
                    .bind(leased.lease),
            )
            .await?;
        Ok(row.is_some())
    }
}
