//! Restante's tests from outside: over HTTP, SMTP and the command line, on both databases.
//!
//! `TEST_POSTGRES` names a PostgreSQL server on which databases may be made, for example
//! `postgres://postgres@127.0.0.1:5432`; `tests/run` starts one of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[macro_use]
mod support;

mod clients;
mod command;
mod delivery;
mod e2e;
mod faults;
mod floors;
mod nodes;
mod promise;
mod readme;
mod rest;
mod schema;
mod smtp;
mod statements;
mod store;
