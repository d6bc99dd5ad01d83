//! The delivery worker, against real stores and a scripted peer.

mod relay;
