//! Internet messages (RFC 5322, MIME): reading what arrives, and writing what is sent.

mod compose;
mod content;
mod header;
mod parse;

pub use compose::{Compose, Part, compose};
pub use content::{Attachment, Content, Encoding, Mailbox, decode_part};
pub use header::{BadHeader, header_allowed};
pub use parse::{BadMessage, canonical, parse};
