//! The seam: everything that knows that there are two databases.
//!
//! A statement is written once where the dialects agree (`sql`), twice where they do not (`split`); its rows
//! are plain `#[derive(FromRow)]` structs.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Either, Executor, FromRow};
use uuid::Uuid;

use super::bell::Topic;
use super::pipeline::{Prepared, on_postgres};
use super::{Error, Result};

/// A row type both drivers can decode; `#[derive(FromRow)]` gives it.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}

/// A parameter. NULL stays typed, because PostgreSQL asks for the type of every parameter.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is its SQL type")]
pub enum Value {
    Bool(Option<bool>),
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
}

macro_rules! values { ($($variant:ident: $($t:ty => $f:expr),+;)+) => { $($(
    impl From<$t> for Value {
        fn from(v: $t) -> Self { let f: fn($t) -> _ = $f; Value::$variant(Some(f(v))) }
    }
    impl From<Option<$t>> for Value {
        fn from(v: Option<$t>) -> Self { let f: fn($t) -> _ = $f; Value::$variant(v.map(f)) }
    }
)+)+ } }
values! {
    Bool: bool => |v| v;
    Int: i64 => |v| v, i32 => |v| v.into(), u32 => |v| v.into();
    Text: String => |v| v, &str => |v| v.to_owned(), &String => |v| v.clone();
    Bytes: Vec<u8> => |v| v, [u8; 32] => |v| v.to_vec(), &[u8] => |v| v.to_vec(), &Vec<u8> => |v| v.clone();
    Uuid: Uuid => |v| v;
}

/// One SQL statement (no `;`, no comment, no `$1` inside quotes) and its parameters.
#[derive(Debug, Clone)]
pub struct Statement {
    sqlite: Cow<'static, str>,
    postgres: Cow<'static, str>,
    args: Vec<Value>,
    pub(super) expect: Option<u64>,
}

/// SQL that both dialects read the same way.
pub fn sql(text: &'static str) -> Statement {
    split(text, text)
}

/// SQL that the dialects do not agree on; the parameters are the same.
pub fn split(sqlite: &'static str, postgres: &'static str) -> Statement {
    Statement { sqlite: sqlite.into(), postgres: postgres.into(), args: vec![], expect: None }
}

/// `insert into` several rows at once: `head` is "insert into t (a, b) values". No rows, no statement.
pub fn insert(head: &'static str, rows: Vec<Vec<Value>>) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let (mut text, mut args) = (String::from(head), Vec::new());
        let left = rows.len().min(INSERT_ROWS);
        for (n, row) in rows.by_ref().take(1 << left.ilog2()).enumerate() {
            text.push_str(if n == 0 { " (" } else { ", (" });
            for (column, value) in row.into_iter().enumerate() {
                args.push(value);
                _ = write!(text, "{}${}", if column == 0 { "" } else { ", " }, args.len());
            }
            text.push(')');
        }
        statements.push(Statement { sqlite: text.clone().into(), postgres: text.into(), args, expect: None });
    }
    statements
}

/// Rows of one multi-row insert, which has a power of two of them: enough to make the call cheap, and few texts, because
/// each is parsed by the database and kept.
const INSERT_ROWS: usize = 16;

impl Statement {
    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, v: impl Into<Value>) -> Self {
        self.args.push(v.into());
        self
    }

    /// The unit fails with [`Error::Conflict`] unless the statement writes exactly this many rows.
    #[must_use]
    pub fn expect(mut self, rows: u64) -> Self {
        self.expect = Some(rows);
        self
    }

    /// Appends fixed text, for filters built at run time; `&'static`, so no input can enter.
    #[must_use]
    pub fn push(mut self, more: &'static str) -> Self {
        self.sqlite.to_mut().push_str(more);
        self.postgres.to_mut().push_str(more);
        self
    }

    /// Puts fixed text before and after.
    #[must_use]
    pub(super) fn within(mut self, before: &'static str, after: &'static str) -> Self {
        for text in [&mut self.sqlite, &mut self.postgres] {
            *text = format!("{before}{text}{after}").into();
        }
        self
    }

    /// Appends a placeholder and binds it.
    #[must_use]
    pub fn push_bind(mut self, v: impl Into<Value>) -> Self {
        self = self.bind(v);
        let name = format!("${}", self.args.len());
        self.sqlite.to_mut().push_str(&name);
        self.postgres.to_mut().push_str(&name);
        self
    }

    /// Appends a list of placeholders in brackets for `in`; its length is rounded up to a power of two by
    /// repeating the last value, so that few distinct texts come about. An empty list matches nothing.
    #[must_use]
    pub fn push_list<V: Into<Value> + Clone>(mut self, list: &[V]) -> Self {
        let Some(last) = list.last() else { return self.push("(null)") };
        for n in 0..list.len().next_power_of_two() {
            self = self.push(if n == 0 { "(" } else { ", " });
            self = self.push_bind(list.get(n).unwrap_or(last).clone());
        }
        self.push(")")
    }
}

/// A statement as one engine reads it.
pub(crate) type Spoken = (String, Vec<Value>);

impl Statement {
    /// The text as PostgreSQL reads it.
    pub(crate) fn as_postgres(&self) -> &str {
        &self.postgres
    }

    pub(crate) fn args(&self) -> &[Value] {
        &self.args
    }

    /// The text as SQLite reads it.
    pub(crate) fn text(&self) -> &str {
        &self.sqlite
    }

    pub(crate) fn sqlite(self) -> Spoken {
        (self.sqlite.into_owned(), self.args)
    }

    pub(crate) fn postgres(self) -> Spoken {
        (self.postgres.into_owned(), self.args)
    }
}

/// What one statement did.
#[derive(Debug)]
pub struct Done {
    /// Rows written; meaningless after a `select` (SQLite repeats the statement before it).
    pub affected: u64,
    pub(super) rows: Rows,
}

#[derive(Debug)]
pub(super) enum Rows {
    Sqlite(Vec<SqliteRow>),
    Postgres(Vec<PgRow>),
}

impl Done {
    pub(super) fn check(&self, expected: Option<u64>) -> Result<()> {
        match expected {
            Some(rows) if rows != self.affected => Err(Error::Conflict),
            _ => Ok(()),
        }
    }

    /// The rows of a `select` or a `returning`.
    pub fn rows<R: Record>(&self) -> Result<Vec<R>> {
        let rows = match &self.rows {
            Rows::Sqlite(rows) => rows.iter().map(R::from_row).collect::<sqlx::Result<_>>(),
            Rows::Postgres(rows) => rows.iter().map(R::from_row).collect(),
        };
        Ok(rows?)
    }
}

/// A write transaction, as a unit of [`Store::write`](super::Store::write) sees it.
pub struct Tx {
    pub(crate) engine: Engine,
    /// A statement failed, or was dropped half-way: PostgreSQL would "commit" such a transaction
    /// as a rollback, SQLite would commit the half.
    pub(crate) broken: bool,
    /// The unit has sent something to the database, so that there may be something to undo.
    pub(crate) touched: bool,
    /// On SQLite: a statement found the disk full, and with it the transaction ended.
    pub(crate) full: bool,
    /// What befell the whole transaction, whatever the unit makes of it.
    pub(crate) trouble: Option<Trouble>,
    /// Who is told once the unit is durable.
    pub(crate) rings: Vec<Topic>,
    tally: Arc<Tally>,
    /// What the connection knows by name.
    prepared: Prepared,
}

pub(crate) enum Engine {
    /// `lead` goes down in front of the unit's first statement: it opens the unit's savepoint.
    Sqlite {
        conn: SqliteConnection,
        lead: &'static str,
    },
    Postgres(PgConnection),
}

/// What the units of a transaction on PostgreSQL are run again for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Two transactions stood in each other's way.
    Collision,
    /// The connection is gone, or the server cannot write now.
    Lost,
}

impl Trouble {
    /// What an error of the database means for the transaction; none: the statement's own fault.
    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match (code.as_deref(), error) {
            (Some("40001" | "40P01"), _) => Some(Trouble::Collision),
            // 25006: a standby, until the other one has taken over. 25P03: this process was frozen in a transaction.
            (Some("25006" | "25P03"), _) => Some(Trouble::Lost),
            (Some(code), _) if code.starts_with("08") || code.starts_with("57P") => Some(Trouble::Lost),
            // A connection that ends while it is made is often told of as a strange answer.
            (None, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) => {
                Some(Trouble::Lost)
            }
            _ => None,
        }
    }
}

/// The longest one call to PostgreSQL may take before its connection is given up.
const CALL: Duration = Duration::from_secs(30);

/// Gives a call up after [`CALL`].
pub(crate) async fn timed<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(CALL, call).await {
        Ok(result) => result,
        Err(_) => Err(Error::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}

/// How much the write door has done, for measurements.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) commits: AtomicU64,
    pub(crate) units: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) statements: AtomicU64,
}

/// How much the write door has done since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tallied {
    /// Transactions that were committed.
    pub commits: u64,
    /// Units that were run, with those that were run again.
    pub units: u64,
    /// Calls to the database made by units.
    pub calls: u64,
    /// Statements in those calls.
    pub statements: u64,
}

impl Tally {
    pub(crate) fn read(&self) -> Tallied {
        let [commits, units, calls, statements] =
            [&self.commits, &self.units, &self.calls, &self.statements].map(|n| n.load(Ordering::Relaxed));
        Tallied { commits, units, calls, statements }
    }
}

impl Tx {
    pub(crate) fn new(engine: Engine, tally: Arc<Tally>) -> Self {
        let (rings, prepared) = (Vec::new(), Prepared::default());
        Self { engine, broken: false, touched: false, full: false, trouble: None, rings, tally, prepared }
    }

    /// Makes ready for the next unit.
    pub(crate) fn next_unit(&mut self) {
        (self.broken, self.touched) = (false, false);
        self.rings.clear();
        self.tally.units.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self) {
        self.tally.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the statements of several units at once; whether all of them did what they should. If not, everything
    /// since the savepoint before them is to be undone.
    pub(crate) async fn joined(&mut self, units: usize, statements: Vec<Statement>) -> bool {
        self.next_unit();
        let done = self.batch(statements).await.is_ok();
        if done {
            self.tally.units.fetch_add(units as u64 - 1, Ordering::Relaxed);
        }
        done
    }

    /// Has `topic` rung once this unit is durable.
    pub fn ring(&mut self, topic: Topic) {
        if !self.rings.contains(&topic) {
            self.rings.push(topic);
        }
    }

    /// Runs statements in order; nothing is kept once one of them has failed. They go down in one call, because the
    /// call is what costs.
    pub async fn batch(&mut self, batch: impl IntoIterator<Item = Statement>) -> Result<Vec<Done>> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Error::Broken);
        }
        let done = match &mut self.engine {
            Engine::Sqlite { conn, lead } => {
                let mut text = String::from(*lead);
                let (mut args, mut expected) = (Vec::new(), Vec::new());
                for statement in batch {
                    expected.push(statement.expect);
                    renumber(&statement.sqlite, args.len(), &mut text);
                    text.push(';');
                    args.extend(statement.args);
                }
                if expected.is_empty() {
                    self.broken = false;
                    return Ok(Vec::new());
                }
                self.touched = true;
                self.tally.calls.fetch_add(1, Ordering::Relaxed);
                self.tally.statements.fetch_add(expected.len() as u64, Ordering::Relaxed);
                let lead = std::mem::take(lead);
                let mut done = match sqlite(conn, text, args).await {
                    Err(error) => {
                        self.full |= matches!(error, Error::Full);
                        return Err(error);
                    }
                    done => done?,
                };
                done.drain(..lead.matches(';').count());
                for (done, expected) in done.iter().zip(expected) {
                    done.check(expected)?;
                }
                done
            }
            Engine::Postgres(conn) => {
                let batch: Vec<Statement> = batch.into_iter().collect();
                if batch.is_empty() {
                    self.broken = false;
                    return Ok(Vec::new());
                }
                self.touched = true;
                self.tally.statements.fetch_add(batch.len() as u64, Ordering::Relaxed);
                let calls = &self.tally.calls;
                match on_postgres(conn, &mut self.prepared, batch, calls).await {
                    Err(Error::Database(error)) => {
                        self.trouble = Trouble::of(&error);
                        return Err(error.into());
                    }
                    done => done?,
                }
            }
        };
        self.broken = false;
        Ok(done)
    }

    /// Runs one statement; the number of rows it wrote.
    pub async fn run(&mut self, statement: Statement) -> Result<u64> {
        Ok(self.done(statement).await?.affected)
    }

    /// Every row of one statement.
    pub async fn all<R: Record>(&mut self, statement: Statement) -> Result<Vec<R>> {
        self.done(statement).await?.rows()
    }

    /// The first row, if there is one.
    pub async fn first<R: Record>(&mut self, statement: Statement) -> Result<Option<R>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// The first row; [`Error::NotFound`] without one.
    pub async fn one<R: Record>(&mut self, statement: Statement) -> Result<R> {
        self.first(statement).await?.ok_or(Error::NotFound)
    }

    async fn done(&mut self, statement: Statement) -> Result<Done> {
        self.batch([statement]).await?.pop().ok_or(Error::NotFound)
    }
}

/// Copies `text` to `out` with `offset` added to every `$n`.
fn renumber(text: &str, offset: usize, out: &mut String) {
    let mut parts = text.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        match part[..digits].parse::<usize>() {
            Ok(n) => _ = write!(out, "${}{}", n + offset, &part[digits..]),
            Err(_) => _ = write!(out, "${part}"),
        }
    }
}

/// Polls `tries` times before it sleeps: each statement's result would wake us otherwise.
async fn eager<F: Future>(future: F, mut tries: u32) -> F::Output {
    let mut future = pin!(future);
    poll_fn(move |cx| {
        loop {
            match future.as_mut().poll(cx) {
                Poll::Pending if tries > 0 => tries -= 1,
                poll => return poll,
            }
            std::thread::yield_now();
        }
    })
    .await
}

/// One text, in which each statement's rows come before its count.
macro_rules! engine {
    ($name:ident, $connection:ty, $arguments:ty, $rows:ident, $tries:expr) => {
        pub(crate) async fn $name(
            conn: &mut $connection,
            text: String,
            args: Vec<Value>,
        ) -> Result<Vec<Done>> {
            let mut bound = <$arguments>::default();
            for value in args {
                match value {
                    Value::Bool(v) => bound.add(v),
                    Value::Int(v) => bound.add(v),
                    Value::Text(v) => bound.add(v),
                    Value::Bytes(v) => bound.add(v),
                    Value::Uuid(v) => bound.add(v),
                }
                .map_err(sqlx::Error::Encode)?;
            }
            let mut stream = conn.fetch_many(sqlx::query_with(AssertSqlSafe(text), bound));
            let (mut done, mut rows) = (Vec::new(), Vec::new());
            while let Some(step) = eager(stream.try_next(), $tries).await? {
                match step {
                    Either::Right(row) => rows.push(row),
                    Either::Left(end) => done.push(Done {
                        affected: end.rows_affected(),
                        rows: Rows::$rows(std::mem::take(&mut rows)),
                    }),
                }
            }
            Ok(done)
        }
    };
}
engine!(sqlite, SqliteConnection, SqliteArguments, Sqlite, 50); // the writer has a thread of its own
engine!(sqlite_read, SqliteConnection, SqliteArguments, Sqlite, 0);
engine!(postgres, PgConnection, PgArguments, Postgres, 0);
