//! Restante: store-and-forward messaging.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod http;
pub mod mail;
pub mod net;
pub mod promise;
pub mod smtp;
pub mod store;
pub mod submission;
pub mod telemetry;
