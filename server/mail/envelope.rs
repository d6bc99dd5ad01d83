//! The envelope of RFC 5321: who sends and who receives, apart from what the headers say.

use serde::{Deserialize, Serialize};

use super::address::Address;

/// The reverse-path and the forward-paths of one transaction (RFC 5321 §2.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who is told of a failure; `None` is the null reverse-path `<>`, of which nobody is told.
    pub mail_from: Option<Address>,
    /// Who receives.
    pub rcpt_to: Vec<Address>,
}
