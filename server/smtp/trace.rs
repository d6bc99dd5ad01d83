//! What this hop writes in front of a message (RFC 5321 §4.4).

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Kind;
use super::command::Hello;
use super::session::{Session, Transaction};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    /// The trace fields that this hop adds (RFC 5321 §4.4). Recipients are not named: one may be a secret address.
    pub(super) fn trace(&self, transaction: &Transaction) -> String {
        let from = transaction.mail.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let (name, _) = self.hello.as_ref().map_or(("unknown", Hello::Plain), |(name, how)| (name, *how));
        let name: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
            .collect();
        let name = if name.is_empty() { "unknown" } else { &name };
        let literal = match self.remote.to_canonical() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        let by = self.by(transaction.mail.utf8);
        format!("Return-Path: <{from}>\r\nReceived: from {name} ({literal})\r\n\t{by}")
    }

    /// The trace field of what is submitted: from where a person sends is nobody's business.
    pub(super) fn received(&self) -> String {
        format!("Received: {}", self.by(false))
    }

    fn by(&self, utf8: bool) -> String {
        let (context, now) = (&self.door.context, self.door.context.clock.now_ms());
        let extended = self.hello.as_ref().is_some_and(|(_, hello)| *hello != Hello::Plain);
        let base = match (self.kind, utf8, extended) {
            (Kind::Lmtp, true, _) => "UTF8LMTP",
            (Kind::Lmtp, false, _) => "LMTP",
            (_, true, _) => "UTF8SMTP",
            (_, false, true) => "ESMTP",
            (_, false, false) => "SMTP",
        };
        // RFC 3848: S for TLS, A for AUTH.
        let private = if self.input.is_private() && extended { "S" } else { "" };
        let signed = if self.signed.is_some() { "A" } else { "" };
        format!(
            "by {} with {base}{private}{signed} id {};\r\n\t{}\r\n",
            context.domain,
            context.ids.id(now),
            crate::mail::clock::at(now).to_rfc2822()
        )
    }
}
