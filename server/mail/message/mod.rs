//! Internet messages (RFC 5322, MIME): reading what arrives, and writing what is sent.

mod compose;
mod content;
mod encoding;
mod field;
mod header;
mod letter;
mod parse;
mod structure;
mod write;

pub use compose::{Compose, Part, compose};
pub use content::{Attachment, Content, Mailbox};
pub(super) use encoding::encode_quoted_printable as quoted_printable;
pub use encoding::{Encoding, decode_part};
pub use header::{BadHeader, header_allowed};
pub use letter::{BadLetter, Completed, completed};
pub(super) use parse::header_section;
pub(super) use write::Header;

pub use parse::{BadMessage, canonical, parse};

#[cfg(test)]
mod tests;
