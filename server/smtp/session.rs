//! One connection: the commands in their order (RFC 5321 §3), and the message of each transaction.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::command::{Command, Mail, Recipient, parse};
use super::data::{Data, Fault};
use super::input::{Input, Line};
use super::reply::Reply;
use super::{Inner, TimeOuts};
use crate::delivery::deposit::{Incoming, Rejected, deposit};
use crate::mail::address::Address;
use crate::mail::id::digest;
use crate::mail::message::{self, Content};
use crate::mail::status::Status;
use crate::store;
use crate::store::account::Resolved;
use crate::store::blob::{Blob, INLINE, Spool};

/// Hops after which mail goes in circles (RFC 5321 §6.3).
const MAX_HOPS: u32 = 50;
/// Commands that bring no mail nearer, between two messages.
const MAX_IDLE_COMMANDS: u32 = 100;
/// Room for the trace fields beyond the size limit.
const TRACE: u64 = 4 << 10;

/// An open transaction.
struct Transaction {
    mail: Mail,
    rcpt_to: Vec<(Address, Resolved)>,
}

/// A connection's state.
pub(super) struct Session<'a, S> {
    door: &'a Inner,
    input: Input<S>,
    remote: IpAddr,
    hello: Option<(String, bool)>,
    transaction: Option<Transaction>,
    errors: u32,
    idle: u32,
    /// When the session ends unless it brings a message.
    until: Instant,
}

fn time_out() -> Reply {
    Reply::new(421, (4, 4, 2), "Waited too long, closing the connection").and_close()
}

fn unavailable() -> Reply {
    Reply::new(451, (4, 3, 0), "Cannot take this now, try again later")
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(door: &'a Inner, stream: S, remote: IpAddr) -> Self {
        let until = Instant::now() + door.settings.time_outs.session;
        Self {
            door,
            input: Input::new(stream),
            remote,
            hello: None,
            transaction: None,
            errors: 0,
            idle: 0,
            until,
        }
    }

    fn time_outs(&self) -> &TimeOuts {
        &self.door.settings.time_outs
    }

    /// Converses until the client leaves, misbehaves, or `shutdown`.
    ///
    /// # Errors
    /// The connection's.
    pub(super) async fn run(mut self, pause: Duration, shutdown: &CancellationToken) -> io::Result<()> {
        if self.greet(pause).await? {
            loop {
                let line = tokio::select! {
                    biased;
                    line = timeout_at(self.until, timeout(self.time_outs().command, self.input.line())) => line,
                    () = shutdown.cancelled() => {
                        self.say(&Reply::new(421, (4, 3, 2), "Closing for maintenance, come back soon").and_close());
                        break;
                    }
                };
                let reply = match line {
                    Ok(Ok(line)) => match line? {
                        Line::End => return Ok(()),
                        line => self.answer(line).await?,
                    },
                    _ => time_out(),
                };
                if self.say(&reply) {
                    break;
                }
            }
        }
        timeout(self.door.settings.time_outs.close, self.input.close()).await.unwrap_or(Ok(()))
    }

    /// Writes a reply; whether the conversation ends with it.
    fn say(&mut self, reply: &Reply) -> bool {
        reply.write(self.input.out());
        self.errors += u32::from(reply.is_error());
        if !reply.last && self.errors > self.door.settings.errors {
            Reply::new(421, (4, 7, 0), "Too many errors").write(self.input.out());
            return true;
        }
        reply.last
    }

    /// Greets, unless the client could not wait for it: who talks first does not listen to what it is told.
    async fn greet(&mut self, pause: Duration) -> io::Result<bool> {
        if !pause.is_zero()
            && let Ok(early) = timeout(pause, self.input.fill()).await
        {
            if early? > 0 {
                self.say(&Reply::new(554, (5, 5, 0), "You talk before the greeting"));
            }
            return Ok(false);
        }
        let domain = self.door.context.domain.clone();
        self.say(&Reply::plain(220, vec![format!("{domain} ESMTP")]));
        Ok(true)
    }

    async fn answer(&mut self, line: Line) -> io::Result<Reply> {
        let line = match line {
            Line::Command(line) => line,
            Line::TooLong => return Ok(Reply::new(500, (5, 5, 2), "The command line is too long")),
            Line::Endless => {
                return Ok(Reply::new(500, (5, 5, 2), "The command line does not end").and_close());
            }
            Line::BareLf => return Ok(Reply::new(521, (5, 5, 2), "A bare LF is not a line end").and_close()),
            Line::End => return Ok(time_out()),
        };
        let command = match parse(&line) {
            Ok(command) => command,
            Err(reply) => return Ok(reply),
        };
        if !matches!(command, Command::Mail(_) | Command::Rcpt(_) | Command::Data | Command::Quit) {
            self.idle += 1;
            if self.idle > MAX_IDLE_COMMANDS {
                return Ok(Reply::new(421, (4, 7, 0), "Too many commands and no mail").and_close());
            }
        }
        Ok(match command {
            Command::Hello { name, extended } => self.hello(name, extended),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(recipient) => self.rcpt(recipient).await,
            Command::Data => self.data().await?,
            Command::Rset => {
                self.transaction = None;
                Reply::new(250, (2, 0, 0), "Forgotten")
            }
            Command::Noop => Reply::new(250, (2, 0, 0), "Ok"),
            Command::Vrfy => Reply::new(252, (2, 1, 5), "Send it and see"),
            Command::Help => Reply::new(214, (2, 0, 0), "RFC 5321"),
            Command::Quit => Reply::new(221, (2, 0, 0), "Bye").and_close(),
        })
    }

    fn hello(&mut self, name: String, extended: bool) -> Reply {
        self.transaction = None;
        self.hello = Some((name, extended));
        let mut lines = vec![self.door.context.domain.to_string()];
        if extended {
            lines.push("PIPELINING".into());
            lines.push(format!("SIZE {}", self.door.limit()));
            lines.push("8BITMIME".into());
            lines.push("ENHANCEDSTATUSCODES".into());
            lines.push("SMTPUTF8".into());
        }
        Reply::plain(250, lines)
    }

    fn mail(&mut self, mail: Mail) -> Reply {
        match &self.hello {
            None => return Reply::new(503, (5, 5, 1), "Say EHLO first"),
            Some((_, false)) if mail.extended => return Reply::new(555, (5, 5, 4), "Parameters need EHLO"),
            Some(_) => {}
        }
        if self.transaction.is_some() {
            return Reply::new(503, (5, 5, 1), "A transaction is open already");
        }
        if mail.size.is_some_and(|size| size > self.door.limit()) {
            return Reply::new(552, (5, 3, 4), "The message is too large");
        }
        self.transaction = Some(Transaction { mail, rcpt_to: Vec::new() });
        Reply::new(250, (2, 1, 0), "Ok")
    }

    async fn rcpt(&mut self, recipient: Recipient) -> Reply {
        let Some(transaction) = &mut self.transaction else {
            return Reply::new(503, (5, 5, 1), "Say MAIL first");
        };
        if transaction.rcpt_to.len() >= self.door.settings.recipients {
            return Reply::new(452, (4, 5, 3), "Too many recipients for one transaction");
        }
        let address = match recipient {
            Recipient::Address(address) => address,
            Recipient::Postmaster => match format!("postmaster@{}", self.door.context.domain).parse() {
                Ok(address) => address,
                Err(_) => return Reply::new(550, (5, 1, 1), "There is no such mailbox here"),
            },
        };
        if !transaction.mail.utf8 && !address.as_str().is_ascii() {
            return Reply::new(550, (5, 6, 7), "Such an address needs SMTPUTF8");
        }
        match self.door.context.store.resolve(&address).await {
            Ok(Resolved::Unknown) => Reply::new(550, (5, 1, 1), "There is no such mailbox here"),
            Ok(Resolved::Outside) => Reply::new(550, (5, 7, 1), "Mail for that domain is not relayed here"),
            Ok(resolved) => {
                if !transaction.rcpt_to.iter().any(|(other, _)| other.key() == address.key()) {
                    transaction.rcpt_to.push((address, resolved));
                }
                Reply::new(250, (2, 1, 5), "Ok")
            }
            Err(error) => {
                tracing::error!(%error, "a recipient could not be looked up");
                unavailable()
            }
        }
    }

    async fn data(&mut self) -> io::Result<Reply> {
        match &self.transaction {
            None => return Ok(Reply::new(503, (5, 5, 1), "Say MAIL first")),
            Some(transaction) if transaction.rcpt_to.is_empty() => {
                return Ok(Reply::new(554, (5, 5, 1), "There is no valid recipient"));
            }
            Some(_) => {}
        }
        if !self.input.waiting().is_empty() {
            // RFC 2920 §3.1: DATA is the last of a group. Who sends the message before the 354 may mean anything by it.
            return Ok(Reply::new(554, (5, 5, 0), "Wait for the 354 before you send the message").and_close());
        }
        let Some(transaction) = self.transaction.take() else { return Ok(unavailable()) };
        self.say(&Reply::plain(354, vec!["End with CRLF.CRLF".into()]));
        let received = timeout(self.time_outs().data, self.receive(&transaction)).await;
        let (spool, source) = match received {
            Ok(received) => match received? {
                Ok(received) => received,
                Err(reply) => return Ok(reply),
            },
            Err(_) => return Ok(time_out()),
        };
        let reply = self.door.accept(transaction, spool, source).await;
        if !reply.is_error() {
            self.idle = 0;
            self.until = Instant::now() + self.time_outs().session;
        }
        Ok(reply)
    }

    /// Reads a message to its end, into the spool; or the reply that refuses it, its end having been read all the same.
    async fn receive(&mut self, transaction: &Transaction) -> io::Result<Result<(Spool, [u8; 32]), Reply>> {
        let limit = self.door.limit();
        let mut spool = Some(self.door.context.store.spool(limit + TRACE));
        let mut out = self.trace(transaction).into_bytes();
        let mut hash = Sha256::new();
        let mut data = Data::new();
        let (mut size, mut raw) = (0_u64, 0_u64);
        let mut too_large = false;
        loop {
            let before = out.len();
            let waiting = self.input.waiting();
            let length = waiting.len();
            let end = data.feed(waiting, &mut out);
            self.input.used(end.unwrap_or(length));
            raw += length as u64;
            size += (out.len() - before) as u64;
            hash.update(&out[before..]);
            too_large |= size > limit;
            if too_large || data.fault.is_some() {
                // Nothing of it will be kept: only its end is of interest.
                spool = None;
            }
            if spool.is_none() {
                out.clear();
            } else if end.is_some() || out.len() >= INLINE {
                spool = write(spool, std::mem::take(&mut out)).await;
            }
            if end.is_some() {
                break;
            }
            if raw > 2 * limit + (1 << 20) {
                return Ok(Err(Reply::new(552, (5, 3, 4), "The message is too large").and_close()));
            }
            match timeout(self.time_outs().command, self.input.fill()).await {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(Err(time_out())),
            }
        }
        Ok(match (data.fault, spool) {
            (Some(Fault::Bare), _) => {
                Err(Reply::new(550, (5, 6, 0), "A bare CR, a bare LF or a NUL is in the message"))
            }
            (Some(Fault::LongLine), _) => {
                Err(Reply::new(550, (5, 6, 0), "A line of the message is too long"))
            }
            (None, _) if too_large => Err(Reply::new(552, (5, 3, 4), "The message is too large")),
            (None, None) => Err(Reply::new(452, (4, 3, 1), "There is no room for it now")),
            (None, Some(spool)) => {
                let from = transaction.mail.from.as_ref().map(Address::key).unwrap_or_default();
                let octets: [u8; 32] = hash.finalize().into();
                Ok((spool, digest(&[b"incoming", from.as_bytes(), &octets])))
            }
        })
    }

    /// The trace fields that this hop adds (RFC 5321 §4.4). Recipients are not named: one may be a secret address.
    fn trace(&self, transaction: &Transaction) -> String {
        let context = &self.door.context;
        let now = context.clock.now_ms();
        let from = transaction.mail.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let (name, extended) =
            self.hello.as_ref().map_or(("unknown", false), |(name, extended)| (name.as_str(), *extended));
        let name: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
            .collect();
        let name = if name.is_empty() { "unknown" } else { &name };
        let literal = match self.remote.to_canonical() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        let protocol = match (transaction.mail.utf8, extended) {
            (true, _) => "UTF8SMTP",
            (false, true) => "ESMTP",
            (false, false) => "SMTP",
        };
        format!(
            "Return-Path: <{from}>\r\nReceived: from {name} ({literal})\r\n\tby {} with {protocol} id {};\r\n\t{}\r\n",
            context.domain,
            context.ids.id(now),
            crate::mail::clock::at(now).to_rfc2822()
        )
    }
}

/// Writes to the spool; none when the disk did not take it. What goes to a file is written where it may wait.
async fn write(spool: Option<Spool>, octets: Vec<u8>) -> Option<Spool> {
    let mut spool = spool?;
    let small = spool.size() + octets.len() as u64 <= INLINE as u64;
    let put = move || spool.write_all(&octets).map(|()| spool);
    let written = if small {
        put()
    } else {
        tokio::task::spawn_blocking(put).await.unwrap_or_else(|e| Err(io::Error::other(e)))
    };
    written.inspect_err(|error| tracing::error!(%error, "the spool cannot be written")).ok()
}

/// Names and reads the message. Blocking.
fn settle(spool: Spool) -> io::Result<(Blob, Option<Content>)> {
    let content = message::parse(&spool.contents()?).ok();
    Ok((spool.finish()?, content))
}

impl Inner {
    /// The largest message taken, in octets.
    fn limit(&self) -> u64 {
        self.context.settings.message_bytes
    }

    /// Takes responsibility for a message: 250 is said only when it is durable for all its recipients (RFC 5321 §6.1).
    async fn accept(&self, transaction: Transaction, spool: Spool, source: [u8; 32]) -> Reply {
        let size = spool.size();
        // A message is held whole while it is read: only so many at once.
        let Ok(permit) = self.parsing.acquire().await else { return unavailable() };
        let settled = tokio::task::spawn_blocking(move || settle(spool)).await;
        drop(permit);
        let (blob, content) = match settled {
            Ok(Ok((blob, Some(content)))) => (blob, content),
            Ok(Ok((_, None))) => return Reply::new(554, (5, 6, 0), "This is not a message"),
            Ok(Err(error)) => {
                tracing::error!(%error, "a message cannot be stored");
                return Reply::new(452, (4, 3, 1), "There is no room for it now");
            }
            Err(error) => {
                tracing::error!(%error, "a message could not be read");
                return Reply::new(554, (5, 6, 0), "The message cannot be read");
            }
        };
        if content.received > MAX_HOPS {
            return Reply::new(554, (5, 4, 6), "Too many hops: the mail goes in circles");
        }
        let recipients = transaction.rcpt_to.len();
        let incoming = Incoming {
            mail_from: transaction.mail.from,
            rcpt_to: transaction.rcpt_to,
            blob,
            content,
            source,
        };
        match deposit(&self.context, incoming).await {
            Ok(()) => {
                tracing::info!(recipients, size, "a message came in");
                Reply::new(250, (2, 6, 0), "Accepted")
            }
            Err(Rejected::Refused(refusal)) => Reply::refused(refusal.status(), &refusal.to_string()),
            Err(Rejected::Store(store::Error::Busy)) => {
                Reply::refused(Status::new(4, 3, 2), "Busy, try again later")
            }
            Err(Rejected::Store(store::Error::Full)) => {
                Reply::new(452, (4, 3, 1), "There is no room for it now")
            }
            Err(Rejected::Store(error)) => {
                tracing::error!(%error, "a message could not be filed");
                unavailable()
            }
        }
    }
}
