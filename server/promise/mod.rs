//! Promises: what is asked, what counts as an answer, and who may give it. What settles a promise, and when, is
//! the store's, in the transaction of its cause.

pub mod ask;
pub mod certain;
pub mod escalate;
pub mod form;
pub mod settle;
