//! One connection: the commands in their order (RFC 5321 §3), and the message of each transaction.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::check::{Origin, is_outside};
use super::command::{Command, Hello, Mail, Recipient, parse};
use super::input::{Input, Line};
use super::receive::Body;
use super::reply::Reply;
use super::sasl::Credentials;
use super::stream::Stream;
use super::{Inner, Kind, TimeOuts};
use crate::mail::address::Address;
use crate::mail::notify::{self, Wanted};
use crate::store::account::{Account, Resolved};

/// Commands that bring no mail nearer, between two messages.
const MAX_IDLE_COMMANDS: u32 = 100;
/// Room for the trace fields beyond the size limit.
pub(super) const TRACE: u64 = 4 << 10;

/// An open transaction.
pub(super) struct Transaction {
    pub(super) mail: Mail,
    pub(super) rcpt_to: Vec<(Address, Resolved)>,
    /// What the client wants to be told (RFC 3461).
    pub(super) wanted: Wanted,
    /// What came in chunks so far.
    pub(super) body: Option<Body>,
}

/// Who proved to be whom.
pub(super) struct Signed {
    pub(super) account: Account,
    /// Asked for again before each message, because a token can be taken back meanwhile.
    pub(super) credentials: Credentials,
}

/// A connection's state.
pub(super) struct Session<'a, S> {
    pub(super) door: &'a Inner,
    pub(super) kind: Kind,
    pub(super) input: Input<S>,
    pub(super) remote: IpAddr,
    pub(super) hello: Option<(String, Hello)>,
    pub(super) transaction: Option<Transaction>,
    pub(super) signed: Option<Signed>,
    pub(super) failures: u32,
    errors: u32,
    idle: u32,
    /// When the session ends unless it brings a message.
    until: Instant,
}

pub(super) fn time_out() -> Reply {
    Reply::new(421, (4, 4, 2), "Waited too long, closing the connection").and_close()
}

pub(super) fn unavailable() -> Reply {
    Reply::new(451, (4, 3, 0), "Cannot take this now, try again later")
}

pub(super) fn not_offered() -> Reply {
    Reply::new(502, (5, 5, 1), "Not offered here")
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(door: &'a Inner, kind: Kind, stream: Stream<S>, remote: IpAddr) -> Self {
        let until = Instant::now() + door.settings.time_outs.session;
        Self {
            door,
            kind,
            input: Input::new(stream),
            remote,
            hello: None,
            transaction: None,
            signed: None,
            failures: 0,
            errors: 0,
            idle: 0,
            until,
        }
    }

    pub(super) fn time_outs(&self) -> &'a TimeOuts {
        &self.door.settings.time_outs
    }

    /// Converses until the client leaves, misbehaves, or `shutdown`.
    ///
    /// # Errors
    /// The connection's.
    pub(super) async fn run(mut self, pause: Duration, shutdown: &CancellationToken) -> io::Result<()> {
        if self.kind == Kind::Submissions {
            self.secure().await?;
        }
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
    pub(super) fn say(&mut self, reply: &Reply) -> bool {
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
        let protocol = if self.kind == Kind::Lmtp { "LMTP" } else { "ESMTP" };
        self.say(&Reply::plain(220, vec![format!("{domain} {protocol}")]));
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
        let brings_mail = matches!(
            command,
            Command::Mail(_) | Command::Rcpt(..) | Command::Data | Command::Bdat { .. } | Command::Quit
        );
        if !brings_mail {
            self.idle += 1;
            if self.idle > MAX_IDLE_COMMANDS {
                return Ok(Reply::new(421, (4, 7, 0), "Too many commands and no mail").and_close());
            }
        }
        Ok(match command {
            Command::Hello { name, hello } => self.hello(name, hello),
            Command::Mail(mail) => self.mail(mail).await,
            Command::Rcpt(recipient, wanted) => self.rcpt(recipient, wanted).await,
            Command::Data => self.data().await?,
            Command::Bdat { size, last } => self.bdat(size, last).await?,
            Command::StartTls => self.start_tls().await?,
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial).await?,
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

    fn hello(&mut self, name: String, hello: Hello) -> Reply {
        // RFC 2033 §4.1: one greets by LHLO there and nowhere else.
        if (hello == Hello::Local) != (self.kind == Kind::Lmtp) {
            return Reply::new(500, (5, 5, 1), "Greet by EHLO, or by LHLO where LMTP is spoken");
        }
        self.transaction = None;
        self.hello = Some((name, hello));
        let mut lines = vec![self.door.context.domain.to_string()];
        if hello != Hello::Plain {
            lines.push("PIPELINING".into());
            lines.push(format!("SIZE {}", self.door.limit()));
            lines.push("8BITMIME".into());
            lines.push("ENHANCEDSTATUSCODES".into());
            lines.push("SMTPUTF8".into());
            lines.push("CHUNKING".into());
            if self.kind.submits() {
                // Not for strangers: whoever hands mail over reports it as relayed then, and no report goes to a
                // sender that nobody has verified.
                lines.push("DSN".into());
            }
            if self.door.means.certificate.is_some() && !self.input.is_private() {
                lines.push("STARTTLS".into());
            }
            if self.kind.submits() && self.input.is_private() && self.signed.is_none() {
                lines.push("AUTH PLAIN LOGIN".into());
            }
        }
        Reply::plain(250, lines)
    }

    async fn start_tls(&mut self) -> io::Result<Reply> {
        if self.door.means.certificate.is_none() {
            return Ok(not_offered());
        }
        if self.input.is_private() {
            return Ok(Reply::new(503, (5, 5, 1), "TLS is there already"));
        }
        self.say(&Reply::new(220, (2, 0, 0), "Go ahead"));
        self.secure().await?;
        // Nothing that was said in clear counts (RFC 3207 §4.2); the client says EHLO again.
        (self.hello, self.transaction, self.signed) = (None, None, None);
        // The handshake was the reply.
        Ok(Reply::none())
    }

    async fn secure(&mut self) -> io::Result<()> {
        let Some(certificate) = &self.door.means.certificate else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let shaken = timeout(self.time_outs().handshake, self.input.secure(certificate.acceptor())).await;
        shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn mail(&mut self, mail: Mail) -> Reply {
        match &self.hello {
            None => return Reply::new(503, (5, 5, 1), "Greet first"),
            Some((_, Hello::Plain)) if mail.extended => {
                return Reply::new(555, (5, 5, 4), "Parameters need EHLO");
            }
            Some(_) => {}
        }
        if self.transaction.is_some() {
            return Reply::new(503, (5, 5, 1), "A transaction is open already");
        }
        if let Some(refusal) = self.may_submit(&mail).await {
            return refusal;
        }
        if mail.size.is_some_and(|size| size > self.door.limit()) {
            return Reply::new(552, (5, 3, 4), "The message is too large");
        }
        let (full, envelope_id) = (mail.full, mail.envelope_id.clone());
        let wanted = Wanted { full, envelope_id, ..Wanted::default() };
        self.transaction = Some(Transaction { mail, rcpt_to: Vec::new(), wanted, body: None });
        Reply::new(250, (2, 1, 0), "Ok")
    }

    async fn rcpt(&mut self, recipient: Recipient, wanted: Option<notify::Recipient>) -> Reply {
        if wanted.is_some() && matches!(self.hello, Some((_, Hello::Plain))) {
            return Reply::new(555, (5, 5, 4), "Parameters need EHLO");
        }
        let Some(transaction) = self.transaction.as_mut().filter(|transaction| transaction.body.is_none())
        else {
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
        let relays = self.signed.is_some() && self.door.context.relays;
        match self.door.context.store.resolve(&address).await {
            Ok(Resolved::Unknown) => Reply::new(550, (5, 1, 1), "There is no such mailbox here"),
            Ok(Resolved::Outside) if !relays => {
                Reply::new(550, (5, 7, 1), "Mail for that domain is not relayed here")
            }
            Ok(resolved) => {
                if let Some(wanted) = wanted {
                    transaction.wanted.recipients.insert(address.key(), wanted);
                }
                // By LMTP each RCPT has a reply of its own at the end.
                let known = transaction.rcpt_to.iter().any(|(other, _)| other.key() == address.key());
                if !known || self.kind == Kind::Lmtp {
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

    /// Why no message can be sent now.
    fn not_ready(&self) -> Option<Reply> {
        match &self.transaction {
            None => Some(Reply::new(503, (5, 5, 1), "Say MAIL first")),
            Some(transaction) if transaction.rcpt_to.is_empty() => {
                Some(Reply::new(554, (5, 5, 1), "There is no valid recipient"))
            }
            Some(_) => None,
        }
    }

    async fn data(&mut self) -> io::Result<Reply> {
        if let Some(reply) = self.not_ready() {
            return Ok(reply);
        }
        let Some(transaction) = self.transaction.take() else { return Ok(unavailable()) };
        if transaction.body.is_some() {
            return Ok(Reply::new(503, (5, 5, 1), "The message has begun in chunks"));
        }
        if !self.input.waiting().is_empty() {
            // RFC 2920 §3.1: DATA is the last of a group. Who sends the message before the 354 may mean anything by it.
            return Ok(Reply::new(554, (5, 5, 0), "Wait for the 354 before you send the message").and_close());
        }
        self.say(&Reply::plain(354, vec!["End with CRLF.CRLF".into()]));
        let mut body = self.body(&transaction);
        match timeout(self.time_outs().data, self.receive(&mut body)).await {
            Ok(received) => match received? {
                Ok(()) => self.take(transaction, body).await,
                Err(reply) => Ok(reply),
            },
            Err(_) => Ok(time_out()),
        }
    }

    /// Reads a message to its end; or the reply with which the conversation ends.
    async fn receive(&mut self, body: &mut Body) -> io::Result<Result<(), Reply>> {
        loop {
            let waiting = self.input.waiting();
            let length = waiting.len();
            let end = body.dotted(waiting);
            self.input.used(end.unwrap_or(length));
            body.store(end.is_some()).await;
            if end.is_some() {
                return Ok(Ok(()));
            }
            if body.is_endless() {
                return Ok(Err(Reply::new(552, (5, 3, 4), "The message is too large").and_close()));
            }
            if let Some(reply) = self.more().await? {
                return Ok(Err(reply));
            }
        }
    }

    /// Reads on; the reply that ends the conversation when nothing comes.
    async fn more(&mut self) -> io::Result<Option<Reply>> {
        match timeout(self.time_outs().command, self.input.fill()).await {
            Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(Some(time_out())),
        }
    }

    /// One chunk (RFC 3030 §2): its octets are read whatever becomes of it, so that what follows is a command again.
    async fn bdat(&mut self, size: u64, last: bool) -> io::Result<Reply> {
        if size > 2 * self.door.limit() + (1 << 20) {
            return Ok(Reply::new(552, (5, 3, 4), "The chunk is too large").and_close());
        }
        let refusal = self.not_ready();
        let mut transaction = self.transaction.take().filter(|_| refusal.is_none());
        let mut body = transaction.as_mut().map(|transaction| match transaction.body.take() {
            Some(body) => body,
            None => self.body(transaction),
        });
        let read = timeout(self.time_outs().data, self.receive_chunk(size, body.as_mut())).await;
        match read {
            Ok(read) => {
                if let Err(reply) = read? {
                    return Ok(reply);
                }
            }
            Err(_) => return Ok(time_out()),
        }
        let (Some(mut transaction), Some(body)) = (transaction, body) else {
            return Ok(refusal.unwrap_or_else(unavailable));
        };
        if last || body.is_bad() {
            return self.take(transaction, body).await;
        }
        transaction.body = Some(body);
        self.transaction = Some(transaction);
        Ok(Reply::new(250, (2, 0, 0), "Go on"))
    }

    async fn receive_chunk(
        &mut self,
        size: u64,
        mut body: Option<&mut Body>,
    ) -> io::Result<Result<(), Reply>> {
        let mut left = size;
        loop {
            let waiting = self.input.waiting();
            let some = waiting.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some(body) = &mut body {
                body.chunk(&waiting[..some]);
            }
            self.input.used(some);
            left -= some as u64;
            if let Some(body) = &mut body {
                body.store(false).await;
            }
            if left == 0 {
                return Ok(Ok(()));
            }
            if let Some(reply) = self.more().await? {
                return Ok(Err(reply));
            }
        }
    }

    fn body(&self, transaction: &Transaction) -> Body {
        let (limit, store) = (self.door.limit(), &self.door.context.store);
        // What is submitted gets its trace when it is completed.
        let before = if self.signed.is_some() { String::new() } else { self.trace(transaction) };
        Body::new(store.spool(limit + TRACE), limit, &before)
    }

    /// Keeps a message that came to its end; the last of its replies is given back.
    async fn take(&mut self, transaction: Transaction, body: Body) -> io::Result<Reply> {
        let several = if self.kind == Kind::Lmtp { transaction.rcpt_to.len() } else { 1 };
        let mut replies = match body.finish().await {
            Err(reply) => vec![reply; several],
            Ok((spool, octets)) => match &self.signed {
                Some(signed) => {
                    let trace = self.received();
                    vec![self.door.submit(&signed.account, transaction, spool, octets, trace).await]
                }
                None => {
                    let origin = self.origin(&transaction.mail);
                    self.door.accept(self.kind, transaction, spool, octets, origin).await
                }
            },
        };
        if replies.iter().any(|reply| !reply.is_error()) {
            self.idle = 0;
            self.until = Instant::now() + self.time_outs().session;
        }
        let last = replies.pop().unwrap_or_else(unavailable);
        for reply in &replies {
            if self.say(reply) {
                break;
            }
        }
        Ok(last)
    }

    /// From where a message comes whose sender has to be checked.
    fn origin(&self, mail: &Mail) -> Option<Origin> {
        let checked = self.kind == Kind::Relay && is_outside(self.remote);
        checked.then(|| Origin {
            remote: self.remote.to_canonical(),
            name: self.hello.as_ref().map_or_else(String::new, |(name, _)| name.clone()),
            mail_from: mail.from.as_ref().map(ToString::to_string).unwrap_or_default(),
        })
    }
}
