//! The trade's words as values: addresses, envelopes, messages, threads, reports.
//!
//! Nothing here does I/O beyond a given `Read` or `Write`, waits, or knows of a database or a door.

pub mod address;
pub mod authentication;
pub mod clock;
pub mod dkim;
pub mod dsn;
pub mod duration;
pub mod envelope;
pub mod hours;
pub mod html;
pub mod id;
pub mod message;
pub mod notify;
mod phrases;
pub mod query;
pub mod reply;
pub mod retry;
pub mod return_path;
pub mod status;
pub mod sts;
pub mod thread;
pub mod words;
