//! Restante: store-and-forward messaging.

pub mod delivery;
pub mod mail;
pub mod promise;
pub mod store;
pub mod submission;
