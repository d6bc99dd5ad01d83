//! Several statements in one call to PostgreSQL: each is prepared once, and `execute` names them with their values written
//! out, so that a message costs one round trip and no parsing instead of a round trip for each statement.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Either, Executor as _};

use super::Result;
use super::db::{Done, Rows, Statement, Value, postgres, timed};

/// Statements of a connection that are kept prepared; beyond it all are forgotten.
const KEPT: usize = 256;
/// Octets of one call: what is larger goes down by itself.
const LARGEST: usize = 256 << 10;

/// The statements a connection knows by name.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    names: HashMap<String, usize>,
    /// No name is given twice: whether one that failed is there is not known.
    next: usize,
}

impl Prepared {
    /// What has the server know these statements, where it does not yet, and what runs them in order. None: they cannot
    /// be written out, or are too large.
    pub(crate) fn call(&mut self, batch: &[Statement]) -> Option<(String, String)> {
        let octets: usize = batch.iter().flat_map(Statement::args).map(octets).sum();
        if octets > LARGEST || batch.iter().flat_map(Statement::args).any(unwritable) {
            return None;
        }
        let (mut prepare, mut execute) = (String::new(), String::with_capacity(octets + 64 * batch.len()));
        if self.names.len() + batch.len() > KEPT {
            for (_, name) in self.names.drain() {
                _ = write!(prepare, "deallocate unit_{name};");
            }
        }
        for statement in batch {
            let text = statement.as_postgres();
            let name = match self.names.get(text) {
                Some(name) => *name,
                None => {
                    let name = self.next;
                    self.next += 1;
                    _ = write!(prepare, "prepare unit_{name}");
                    for (n, value) in statement.args().iter().enumerate() {
                        _ = write!(prepare, "{}{}", if n == 0 { "(" } else { ", " }, kind(value));
                    }
                    _ = write!(prepare, "{} as {text};", if statement.args().is_empty() { "" } else { ")" });
                    self.names.insert(text.to_owned(), name);
                    name
                }
            };
            _ = write!(execute, "execute unit_{name}");
            for (n, value) in statement.args().iter().enumerate() {
                execute.push_str(if n == 0 { "(" } else { ", " });
                write_out(value, &mut execute);
            }
            execute.push_str(if statement.args().is_empty() { ";" } else { ");" });
        }
        Some((prepare, execute))
    }

    /// Preparing failed: what is known now is unknown.
    pub(crate) fn forget(&mut self) {
        self.names.clear();
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Int(_) => "bigint",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytea",
        Value::Uuid(_) => "uuid",
    }
}

/// As many octets as the value has at most when it is written out.
fn octets(value: &Value) -> usize {
    match value {
        Value::Text(Some(text)) => 2 * text.len() + 2,
        Value::Bytes(Some(bytes)) => 2 * bytes.len() + 4,
        _ => 40,
    }
}

/// A call is a text that ends at the first NUL.
fn unwritable(value: &Value) -> bool {
    matches!(value, Value::Text(Some(text)) if text.contains('\0'))
}

/// Writes a value as a literal (PostgreSQL, "4.1.2 Constants"): within quotes only the quote itself means something, as
/// long as `standard_conforming_strings` is on, which the connection sets.
fn write_out(value: &Value, out: &mut String) {
    match value {
        Value::Bool(Some(value)) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(Some(value)) => _ = write!(out, "'{value}'"),
        Value::Uuid(Some(value)) => _ = write!(out, "'{value}'"),
        Value::Text(Some(value)) => {
            out.push('\'');
            for (n, part) in value.split('\'').enumerate() {
                out.push_str(if n == 0 { "" } else { "''" });
                out.push_str(part);
            }
            out.push('\'');
        }
        Value::Bytes(Some(value)) => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push_str("'\\x");
            for byte in value {
                out.push(DIGITS[usize::from(byte >> 4)].into());
                out.push(DIGITS[usize::from(byte & 15)].into());
            }
            out.push('\'');
        }
        _ => out.push_str("null"),
    }
}

/// Runs a batch in one call, or where that cannot be, in one call each.
pub(super) async fn on_postgres(
    conn: &mut PgConnection,
    prepared: &mut Prepared,
    batch: Vec<Statement>,
    calls: &AtomicU64,
) -> Result<Vec<Done>> {
    if batch.len() > 1
        && let Some((prepare, execute)) = prepared.call(&batch)
    {
        if !prepare.is_empty() {
            // What was prepared stays, whatever becomes of the transaction; only an error leaves that open.
            calls.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = timed(written_out(conn, prepare)).await {
                prepared.forget();
                return Err(error);
            }
        }
        calls.fetch_add(1, Ordering::Relaxed);
        let done = timed(written_out(conn, execute)).await?;
        for (done, statement) in done.iter().zip(&batch) {
            done.check(statement.expect)?;
        }
        return Ok(done);
    }
    let mut done = Vec::with_capacity(batch.len());
    for statement in batch {
        calls.fetch_add(1, Ordering::Relaxed);
        let expected = statement.expect;
        let (text, args) = statement.postgres();
        let these = timed(postgres(conn, text, args)).await?;
        if let Some(first) = these.first() {
            first.check(expected)?;
        }
        done.extend(these);
    }
    Ok(done)
}

/// Statements with their values in them; each one's rows come before its count.
async fn written_out(conn: &mut PgConnection, text: String) -> Result<Vec<Done>> {
    let mut stream = conn.fetch_many(sqlx::raw_sql(AssertSqlSafe(text)));
    let (mut done, mut rows) = (Vec::new(), Vec::new());
    while let Some(step) = stream.try_next().await? {
        match step {
            Either::Right(row) => rows.push(row),
            Either::Left(end) => {
                let rows = Rows::Postgres(std::mem::take(&mut rows));
                done.push(Done { affected: end.rows_affected(), rows });
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::sql;

    #[test]
    fn a_statement_is_prepared_once_and_its_values_stay_values() {
        let mut prepared = Prepared::default();
        let put = |text: &str| {
            let put = sql("insert into t values ($1, $2, $3, $4, $5)").bind(text).bind(-1_i64).bind(true);
            put.bind(vec![0_u8, 39, 255]).bind(None::<String>)
        };
        let (prepare, execute) = prepared.call(&[put("it's"), put("a\\'; drop table t; --")]).unwrap();
        assert_eq!(
            prepare,
            "prepare unit_0(text, bigint, boolean, bytea, text) as insert into t values ($1, $2, $3, $4, $5);"
        );
        assert_eq!(
            execute,
            "execute unit_0('it''s', '-1', true, '\\x0027ff', null);\
             execute unit_0('a\\''; drop table t; --', '-1', true, '\\x0027ff', null);"
        );
        let (prepare, _) = prepared.call(&[put(""), sql("select 1")]).unwrap();
        assert_eq!(prepare, "prepare unit_1 as select 1;");
        assert!(prepared.call(&[put("a\0b")]).is_none(), "it would end the call");
    }

    #[test]
    fn what_is_known_and_what_is_sent_has_a_bound() {
        let mut prepared = Prepared::default();
        let large = sql("select $1").bind(vec![0_u8; LARGEST / 2 + 1]);
        assert!(prepared.call(std::slice::from_ref(&large)).is_none());
        for n in 0..KEPT {
            let text: &'static str = Box::leak(format!("select {n}").into_boxed_str());
            prepared.call(&[sql(text)]).unwrap();
        }
        let (prepare, execute) = prepared.call(&[sql("select 'more'")]).unwrap();
        assert_eq!((prepare.matches("deallocate").count(), prepare.matches("prepare").count()), (KEPT, 1));
        assert_eq!(execute, format!("execute unit_{KEPT};"));
    }
}
