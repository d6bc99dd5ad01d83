//! Who is calling, what they may do, and the brake on guessing.

pub mod password;
pub mod principal;
pub mod scope;
pub mod session;
pub mod throttle;
pub mod token;

pub use principal::{Denied, Principal, Via};
pub use scope::{Scope, Scopes};
