//! The worker.
pub mod next_hop;
pub mod relay;
pub(crate) mod wire;
