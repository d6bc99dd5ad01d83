//! Signing in over SMTP, for submission: an address and an API token that may send, over TLS only, with the same brake on
//! guessing as the API's.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::command::Mail;
use super::input::Line;
use super::reply::Reply;
use super::sasl::{self, Credentials, Mechanism};
use super::session::{Session, Signed, not_offered, time_out, unavailable};
use crate::auth::throttle::Subjects;
use crate::auth::{Denied, Scope, token};
use crate::mail::address::Address;
use crate::store::account::Account;

/// Failures after which a session ends.
const FAILURES: u32 = 3;

/// Why somebody is not signed in.
enum Refused {
    /// The credentials are not good for sending.
    Wrong,
    /// It is not known now.
    Unavailable,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    pub(super) async fn auth(
        &mut self,
        mechanism: Option<Mechanism>,
        initial: Option<String>,
    ) -> io::Result<Reply> {
        if !self.kind.submits() {
            return Ok(not_offered());
        }
        if !self.input.is_private() {
            return Ok(Reply::new(538, (5, 7, 11), "Say STARTTLS first"));
        }
        if self.signed.is_some() || self.transaction.is_some() {
            return Ok(Reply::new(503, (5, 5, 1), "Not now"));
        }
        let credentials = match mechanism {
            None => return Ok(Reply::new(504, (5, 5, 4), "The mechanisms are PLAIN and LOGIN")),
            Some(Mechanism::Plain) => match self.said(initial, "").await? {
                Ok(line) => sasl::plain(&line),
                Err(reply) => return Ok(reply),
            },
            Some(Mechanism::Login) => {
                // "Username:" and "Password:" in base64, by which clients know the questions.
                let name = match self.said(initial, "VXNlcm5hbWU6").await? {
                    Ok(line) => sasl::answer(&line),
                    Err(reply) => return Ok(reply),
                };
                let secret = match self.said(None, "UGFzc3dvcmQ6").await? {
                    Ok(line) => sasl::answer(&line),
                    Err(reply) => return Ok(reply),
                };
                name.zip(secret).map(|(name, secret)| Credentials { name, secret })
            }
        };
        let Some(credentials) = credentials else {
            return Ok(Reply::new(501, (5, 5, 2), "That cannot be read"));
        };
        Ok(self.sign_in(credentials).await)
    }

    /// What the client says to a question, or has said with the command.
    async fn said(&mut self, initial: Option<String>, question: &str) -> io::Result<Result<String, Reply>> {
        if let Some(line) = initial {
            // An empty answer is written as =.
            return Ok(Ok(if line == "=" { String::new() } else { line }));
        }
        self.say(&Reply::plain(334, vec![question.to_owned()]));
        let line = match timeout(self.time_outs().command, self.input.line()).await {
            Ok(line) => line?,
            Err(_) => return Ok(Err(time_out())),
        };
        Ok(match line {
            Line::Command(line) if line == b"*" => Err(Reply::new(501, (5, 7, 0), "Left off")),
            Line::Command(line) => {
                String::from_utf8(line).map_err(|_| Reply::new(501, (5, 5, 2), "That cannot be read"))
            }
            Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Line::TooLong => Err(Reply::new(500, (5, 5, 6), "The line is too long")),
            Line::Endless | Line::BareLf => {
                Err(Reply::new(500, (5, 5, 6), "The line does not end as it must").and_close())
            }
        })
    }

    async fn sign_in(&mut self, credentials: Credentials) -> Reply {
        let (store, now) = (&self.door.context.store, self.door.context.clock.now_ms());
        let subjects = Subjects::new(&credentials.name.to_lowercase(), self.remote);
        match subjects.blocked_until(store, now).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                return Reply::new(454, (4, 7, 0), "Too many attempts, come back later").and_close();
            }
            Err(error) => {
                tracing::error!(%error, "a sign-in could not be looked up");
                return Reply::new(454, (4, 7, 0), "Cannot look that up now");
            }
        }
        match self.account(&credentials).await {
            Ok(account) => {
                if let Err(error) = subjects.succeeded(store).await {
                    tracing::warn!(%error, "failed sign-ins could not be forgotten");
                }
                self.signed = Some(Signed { account, credentials });
                Reply::new(235, (2, 7, 0), "Welcome")
            }
            Err(Refused::Unavailable) => Reply::new(454, (4, 7, 0), "Cannot look that up now"),
            Err(Refused::Wrong) => {
                if let Err(error) = subjects.failed(store, now).await {
                    tracing::error!(%error, "a failed sign-in could not be counted");
                    return Reply::new(454, (4, 7, 0), "Cannot look that up now").and_close();
                }
                tracing::info!(remote = %self.remote, "a sign-in over SMTP failed");
                self.failures += 1;
                let reply =
                    Reply::new(535, (5, 7, 8), "An address of yours and a token that may send are needed");
                if self.failures >= FAILURES { reply.and_close() } else { reply }
            }
        }
    }

    /// Whose credentials these are, if they may send.
    async fn account(&self, credentials: &Credentials) -> Result<Account, Refused> {
        let (store, now) = (&self.door.context.store, self.door.context.clock.now_ms());
        let unknown = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a sign-in could not be looked up");
            Refused::Unavailable
        };
        let principal = match token::authenticate(store, &credentials.secret, now).await {
            Ok(principal) => principal,
            Err(Denied::Store(error)) => return Err(unknown(&error)),
            Err(_) => return Err(Refused::Wrong),
        };
        let own = store.addresses(principal.account.id).await.map_err(|error| unknown(&error))?;
        let name = credentials.name.to_lowercase();
        let known = own.iter().any(|address| address.to_lowercase() == name);
        if known && principal.require(Scope::Send).is_ok() {
            Ok(principal.account)
        } else {
            Err(Refused::Wrong)
        }
    }

    /// Why this client may not begin a message; none where anybody may.
    pub(super) async fn may_submit(&mut self, mail: &Mail) -> Option<Reply> {
        if !self.kind.submits() {
            return None;
        }
        if !self.input.is_private() {
            return Some(Reply::new(530, (5, 7, 0), "Say STARTTLS first"));
        }
        let Some(signed) = self.signed.take() else {
            return Some(Reply::new(530, (5, 7, 0), "Sign in first: AUTH"));
        };
        let account = match self.account(&signed.credentials).await {
            Ok(account) => account,
            Err(Refused::Wrong) => {
                return Some(Reply::new(535, (5, 7, 8), "The token is not good any more").and_close());
            }
            Err(Refused::Unavailable) => {
                self.signed = Some(signed);
                return Some(unavailable());
            }
        };
        let id = account.id;
        self.signed = Some(Signed { account, ..signed });
        let own = match self.door.context.store.addresses(id).await {
            Ok(own) => own,
            Err(error) => {
                tracing::error!(%error, "addresses could not be looked up");
                return Some(unavailable());
            }
        };
        let from = mail.from.as_ref().map(Address::key).unwrap_or_default();
        let mine = own.iter().any(|address| address.to_lowercase() == from);
        (!mine).then(|| Reply::new(550, (5, 7, 1), "Send from an address of yours"))
    }
}
