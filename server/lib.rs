//! Restante: store-and-forward messaging.

pub mod mail;
