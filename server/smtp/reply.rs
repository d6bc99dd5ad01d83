//! Replies (RFC 5321 §4.2) with enhanced status codes (RFC 2034).

use crate::mail::status::Status;

/// One reply to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    status: Option<Status>,
    lines: Vec<String>,
    /// Whether the connection ends with it.
    pub(super) last: bool,
}

impl Reply {
    /// A reply with an enhanced status code.
    pub(super) fn new(code: u16, (class, subject, detail): (u8, u16, u16), text: &str) -> Self {
        let status = Some(Status::new(class, subject, detail));
        Self { code, status, lines: vec![text.to_owned()], last: false }
    }

    /// A reply without one: greetings, EHLO and 354 have none (RFC 2034 §4).
    pub(super) fn plain(code: u16, lines: Vec<String>) -> Self {
        Self { code, status: None, lines, last: false }
    }

    /// Nothing at all, where something else was the reply.
    pub(super) fn none() -> Self {
        Self { code: 0, status: None, lines: Vec::new(), last: false }
    }

    /// A refusal for a reason that has its own code.
    pub(super) fn refused(status: Status, text: &str) -> Self {
        let code = if status.class == 4 { 451 } else { 550 };
        Self { code, status: Some(status), lines: vec![text.to_owned()], last: false }
    }

    /// The same, as the last thing said.
    pub(super) fn and_close(mut self) -> Self {
        self.last = true;
        self
    }

    /// Whether it says that the command was wrong or refused.
    pub(super) fn is_error(&self) -> bool {
        self.code >= 500
    }

    /// Adds the octets of the reply.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (n, line) in self.lines.iter().enumerate() {
            let between = if n + 1 < self.lines.len() { '-' } else { ' ' };
            let status = self.status.map(|status| format!("{status} ")).unwrap_or_default();
            // Whatever a text is made from, a reply is one line of printable ASCII.
            let line: String =
                line.chars().take(400).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
            out.extend_from_slice(format!("{}{between}{status}{line}\r\n", self.code).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn replies_are_lines_of_ascii() {
        assert_eq!(written(&Reply::new(250, (2, 1, 0), "Ok")), "250 2.1.0 Ok\r\n");
        assert_eq!(written(&Reply::plain(250, vec!["a".into(), "b".into()])), "250-a\r\n250 b\r\n");
        assert_eq!(written(&Reply::new(550, (5, 1, 1), "a\r\n250 é")), "550 5.1.1 a??250 ?\r\n");
        assert_eq!(written(&Reply::refused(Status::new(4, 2, 2), "Full")), "451 4.2.2 Full\r\n");
    }
}
