//! The one door for writes: units that wait are run in groups, and a group is one commit.
//!
//! SQLite has one lane. PostgreSQL has a few, each with its own connection: an account's units are all in one of
//! them, so that its log is not locked through a sync for every unit, and units that name no account are committed
//! one by one.

mod postgres;
mod put;
mod sqlite;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use put::Put;

use super::bell::{Bell, Topic};
use super::db::{Statement, Tally, Tx};
use super::{Error, Result};

/// Units that may wait in one lane; one more is answered `Busy`.
const QUEUE: usize = 1024;
/// Lanes of one node on PostgreSQL for the units of accounts, and for the others.
const LANES: usize = 4;
/// Units that share a commit on PostgreSQL: all their accounts are locked meanwhile.
const GROUP: usize = 64;

/// All lanes of one store.
#[derive(Clone)]
pub(crate) struct Writer {
    /// An account's units are all in one of these.
    grouped: Vec<Lane>,
    /// Units that name no account; empty where the others take them too.
    single: Vec<Lane>,
}

impl Writer {
    pub(crate) async fn sqlite(options: SqliteConnectOptions, bell: Bell, tally: Arc<Tally>) -> Result<Self> {
        let conn = sqlite::connect(&options).await?;
        let callers = Handle::current();
        let lane = Lane::start(false, move |waiting, load| async move {
            sqlite::serve(options, conn, waiting, load, bell, callers, tally).await;
        })?;
        Ok(Self { grouped: vec![lane], single: vec![] })
    }

    /// Its connections are made when they are first needed.
    pub(crate) fn postgres(options: &PgConnectOptions, bell: &Bell, tally: &Arc<Tally>) -> Result<Self> {
        let callers = Handle::current();
        let lane = |most: usize| {
            let (options, bell, tally) = (options.clone(), bell.clone(), tally.clone());
            let callers = callers.clone();
            Lane::start(true, move |waiting, load| {
                postgres::serve(options, most, waiting, load, bell, callers, tally)
            })
        };
        Ok(Self {
            grouped: (0..LANES).map(|_| lane(GROUP)).collect::<Result<_>>()?,
            single: (0..LANES).map(|_| lane(1)).collect::<Result<_>>()?,
        })
    }

    /// Takes no more units and returns when those that wait are answered.
    pub(crate) async fn close(&self) {
        let lanes = || self.grouped.iter().chain(&self.single);
        lanes().for_each(Lane::shut);
        for lane in lanes() {
            let _ = lane.running.clone().changed().await;
        }
    }

    /// Runs a unit that touches the mail of `accounts`, or of none, and answers once it is durable.
    pub(crate) async fn write<T, U>(&self, accounts: Vec<Uuid>, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnMut(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let lane = accounts.first().copied();
        self.queue(lane, Box::new(Unit { accounts, unit, result: None, rings: Vec::new(), caller }))?;
        match answer.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::Database(sqlx::Error::WorkerCrashed)),
        }
    }

    /// Runs statements as one unit, as [`Writer::write`] does; units of the same statements may go down in one call.
    pub(crate) async fn put(
        &self,
        accounts: Vec<Uuid>,
        statements: Vec<Statement>,
        rings: Vec<Topic>,
    ) -> Result<()> {
        let (caller, answer) = oneshot::channel();
        let lane = accounts.first().copied();
        self.queue(lane, Box::new(Put::new(accounts, statements, rings, caller)))?;
        answer.await.unwrap_or(Err(Error::Database(sqlx::Error::WorkerCrashed)))
    }

    fn queue(&self, account: Option<Uuid>, job: Box<dyn Job>) -> Result<()> {
        let lane = match account {
            Some(account) => self.grouped.get(account.as_u128() as usize % self.grouped.len()),
            None => self.single.iter().min_by_key(|lane| lane.load.load(Ordering::Relaxed)),
        };
        lane.or(self.grouped.first()).ok_or(Error::Busy)?.queue(job)
    }
}

/// Where units wait for their lane.
type Queue = mpsc::Sender<Box<dyn Job>>;

/// A queue of units with a thread of its own: a unit's future never moves, so it need not be `Send`, and a unit
/// is plain `async |tx| …`.
#[derive(Clone)]
struct Lane {
    queue: Arc<Mutex<Option<Queue>>>,
    /// Units that are not answered yet.
    load: Arc<AtomicUsize>,
    running: watch::Receiver<()>,
}

impl Lane {
    /// Starts the thread; `network` says whether its connection is one that needs the runtime's drivers.
    fn start<F: Future<Output = ()>>(
        network: bool,
        serve: impl FnOnce(mpsc::Receiver<Box<dyn Job>>, Arc<AtomicUsize>) -> F + Send + 'static,
    ) -> Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (thread, running) = watch::channel(());
        let load = Arc::new(AtomicUsize::new(0));
        let its_load = load.clone();
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let _ends_with = thread;
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = if network { runtime.enable_all() } else { runtime.enable_time() };
                match runtime.build() {
                    Ok(runtime) => runtime.block_on(serve(waiting, its_load)),
                    Err(error) => tracing::error!(%error, "the store's writer could not start"),
                }
            })
            .map_err(sqlx::Error::Io)?;
        Ok(Self { queue: Arc::new(Mutex::new(Some(queue))), load, running })
    }

    fn shut(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn queue(&self, job: Box<dyn Job>) -> Result<()> {
        match &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(queue) => queue.try_send(job).map_err(|_| Error::Busy)?,
            None => return Err(Error::Busy),
        }
        self.load.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Why a whole group came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing of it was written.
    Refused,
    /// Nor of this: the disk is full.
    Full,
    /// The connection was lost in the commit, and the database could not be asked since.
    Unknown,
}

impl Fate {
    /// Of a group that an error put an end to.
    fn of(error: sqlx::Error) -> Self {
        if matches!(Error::from(error), Error::Full) { Fate::Full } else { Fate::Refused }
    }
}

impl From<Fate> for Error {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Refused => Error::Busy,
            Fate::Full => Error::Full,
            Fate::Unknown => {
                Error::Database(sqlx::Error::Protocol("the connection was lost during the commit".into()))
            }
        }
    }
}

/// A unit that waits, whatever its result.
trait Job: Send {
    /// Whose mail it touches.
    fn accounts(&self) -> &[Uuid];
    /// Whether it is to be kept; may be run again.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>>;
    /// The unit as statements, if it is nothing else.
    fn statements(&self) -> Option<&Put> {
        None
    }
    /// Its statements went down together with those of others, and all is well.
    fn ran(&mut self) {}
    /// Answers the caller.
    fn answer(self: Box<Self>, fate: Option<Fate>, bell: &Bell);
}

struct Unit<U, T> {
    accounts: Vec<Uuid>,
    unit: U,
    result: Option<std::thread::Result<Result<T>>>,
    rings: Vec<Topic>,
    caller: oneshot::Sender<std::thread::Result<Result<T>>>,
}

impl<T, U> Job for Unit<U, T>
where
    T: Send,
    U: AsyncFnMut(&mut Tx) -> Result<T> + Send,
{
    fn accounts(&self) -> &[Uuid] {
        &self.accounts
    }

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>> {
        Box::pin(async move {
            tx.next_unit();
            let mut result = AssertUnwindSafe((self.unit)(tx)).catch_unwind().await;
            if tx.broken && matches!(result, Ok(Ok(_))) {
                result = Ok(Err(Error::Broken));
            }
            let keep = matches!(result, Ok(Ok(_)));
            self.rings = std::mem::take(&mut tx.rings);
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, fate: Option<Fate>, bell: &Bell) {
        let kept = matches!(self.result, Some(Ok(Ok(_))));
        // After a lost commit it may have been kept: whoever looks again finds out.
        if kept && matches!(fate, None | Some(Fate::Unknown)) {
            bell.ring(self.rings);
        }
        let result = match (self.result, fate) {
            (Some(result), None) => result,
            // It failed by itself, whatever became of the others.
            (Some(result), Some(_)) if !kept && !matches!(result, Ok(Err(Error::Database(_)))) => result,
            (_, Some(fate)) => Ok(Err(fate.into())),
            (None, None) => Ok(Err(Error::Busy)),
        };
        let _ = self.caller.send(result); // a caller that went away changes nothing
    }
}

/// Answers every caller of a group: on the callers' own runtime, because waking each of them from here would cost more
/// than the writing did.
fn answer(
    group: impl IntoIterator<Item = Box<dyn Job>> + Send + 'static,
    fate: Option<Fate>,
    load: &Arc<AtomicUsize>,
    bell: &Bell,
    callers: &Handle,
) {
    let (load, bell) = (load.clone(), bell.clone());
    callers.spawn(async move {
        for job in group {
            load.fetch_sub(1, Ordering::Relaxed);
            job.answer(fate, &bell);
        }
    });
}
