//! The outside, as names and addresses: what is looked up, and what is never connected to.

pub mod address;
pub mod domain;
pub mod http;
mod names;
pub mod resolve;
pub mod sts;
