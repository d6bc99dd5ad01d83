//! A scripted SMTP peer over real TCP: it answers as it is told, and remembers everything it was told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where in a session it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The greeting.
    Banner,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Body,
    Rset,
    Quit,
}

/// What it does instead of answering well.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// These lines, each with its CRLF added; `250` at [`Stage::Body`] keeps the message.
    Reply(String),
    /// These bytes as they are; then it goes on.
    Bytes(Vec<u8>),
    /// Closes the connection without a word.
    HangUp,
    /// Says nothing more and keeps the connection open until the peer closes it.
    Stall,
    /// At [`Stage::Body`]: keeps the message, then closes the connection, so that the reply is lost.
    Lost,
    /// At [`Stage::Data`]: says 354, reads this many bytes of the message, then closes the connection.
    Cut(usize),
}

/// `reply("451 4.3.0 later")`.
pub(crate) fn reply(text: &str) -> Act {
    Act::Reply(text.to_owned())
}

/// A message it took.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The reverse-path, empty for the null one.
    pub(crate) mail_from: String,
    pub(crate) rcpt_to: Vec<String>,
    /// The parameters of MAIL.
    pub(crate) parameters: String,
    /// As the sender meant it: dots unstuffed, the final one gone.
    pub(crate) data: Vec<u8>,
}

impl Received {
    /// As text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// The plain text in it, decoded.
    pub(crate) fn body(&self) -> String {
        restante::mail::message::parse(&self.data).unwrap().text.unwrap_or_default()
    }

    /// A header field, unfolded; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> String {
        super::mail::header(&self.data, name)
    }
}

#[derive(Default)]
struct State {
    once: HashMap<Stage, VecDeque<Act>>,
    always: HashMap<Stage, Act>,
    recipients: HashMap<String, Act>,
    extensions: Vec<String>,
    received: Vec<Received>,
    commands: Vec<String>,
    connections: usize,
    open: usize,
}

/// The peer; it stops with this value.
pub(crate) struct Mta {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.lock().unwrap());
        self.changed.send_replace(());
        result
    }
}

impl Mta {
    /// Listens on a port of its own; takes everything until told otherwise.
    pub(crate) async fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into()).await
    }

    /// Listens here: for a peer that comes back.
    pub(crate) async fn at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = State {
            extensions: ["SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
                .map(String::from)
                .into(),
            ..State::default()
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: watch::channel(()).0 });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, shared, task }
    }

    /// As `relay.url` takes it.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// The next times this stage is reached, one after the other; then it answers well again.
    pub(crate) fn script(&self, stage: Stage, acts: impl IntoIterator<Item = Act>) {
        self.shared.with(|state| state.once.entry(stage).or_default().extend(acts));
    }

    /// Every time this stage is reached, after what [`Mta::script`] says.
    pub(crate) fn always(&self, stage: Stage, act: Act) {
        self.shared.with(|state| state.always.insert(stage, act));
    }

    /// Every time this recipient is named.
    pub(crate) fn recipient(&self, address: &str, act: Act) {
        self.shared.with(|state| state.recipients.insert(address.to_ascii_lowercase(), act));
    }

    /// Answers well again, whatever was said.
    pub(crate) fn heal(&self) {
        self.shared.with(|state| {
            state.once.clear();
            state.always.clear();
            state.recipients.clear();
        });
    }

    /// What EHLO lists, instead of SIZE, 8BITMIME, SMTPUTF8 and ENHANCEDSTATUSCODES.
    pub(crate) fn extensions(&self, list: &[&str]) {
        self.shared.with(|state| state.extensions = list.iter().map(ToString::to_string).collect());
    }

    /// What it took so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.state.lock().unwrap().received.clone()
    }

    /// What it took for one recipient.
    pub(crate) fn received_for(&self, address: &str) -> Vec<Received> {
        let mut all = self.received();
        all.retain(|one| one.rcpt_to.iter().any(|to| to.eq_ignore_ascii_case(address)));
        all
    }

    /// Every command line so far, over all connections.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().commands.clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.state.lock().unwrap().open
    }

    /// Waits until it took this many messages.
    pub(crate) async fn wait(&self, messages: usize) -> Vec<Received> {
        self.until(&format!("{messages} messages at the peer"), |mta| mta.received().len() >= messages).await;
        self.received()
    }

    /// Waits until what it remembers is as wanted.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        super::within(what, async {
            while !is(self) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }
}

impl Drop for Mta {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.with(|state| {
            state.connections += 1;
            state.open += 1;
        });
        let shared = shared.clone();
        sessions.spawn(async move {
            // A peer that goes away ends its session, nothing else.
            let _ = session(stream, &shared).await;
            shared.with(|state| state.open -= 1);
        });
    }
}

/// Whether the session goes on.
type Next = std::io::Result<bool>;

struct Session<'a> {
    stream: BufReader<TcpStream>,
    shared: &'a Shared,
}

impl Session<'_> {
    async fn say(&mut self, lines: &str) -> Next {
        let mut text = lines.trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
        text.push_str("\r\n");
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        Ok(true)
    }

    /// What the script says for a stage; none is to answer well.
    fn next(&self, stage: Stage, recipient: Option<&str>) -> Option<Act> {
        self.shared.with(|state| {
            let once = state.once.get_mut(&stage).and_then(VecDeque::pop_front);
            once.or_else(|| state.recipients.get(&recipient?.to_ascii_lowercase()).cloned())
                .or_else(|| state.always.get(&stage).cloned())
        })
    }

    async fn act(&mut self, act: Option<Act>, well: &str) -> Next {
        match act {
            None => self.say(well).await,
            Some(Act::Reply(text)) => self.say(&text).await,
            Some(Act::Bytes(bytes)) => self.stream.get_mut().write_all(&bytes).await.map(|()| true),
            Some(Act::HangUp | Act::Lost) => Ok(false),
            Some(Act::Cut(bytes)) => {
                self.say("354 go on").await?;
                let mut some = vec![0; bytes];
                tokio::io::AsyncReadExt::read_exact(&mut self.stream, &mut some).await?;
                Ok(false)
            }
            Some(Act::Stall) => {
                let mut nowhere = Vec::new();
                while self.stream.read_until(b'\n', &mut nowhere).await? > 0 {
                    nowhere.clear();
                }
                Ok(false)
            }
        }
    }

    /// Answers at a stage as the script says.
    async fn answer(&mut self, stage: Stage, well: &str) -> Next {
        let act = self.next(stage, None);
        self.act(act, well).await
    }

    /// The message, dots unstuffed; none when the connection ended in it.
    async fn message(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let (mut data, mut line) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            // Only CRLF ends a line: a bare LF belongs to it.
            while !line.ends_with(b"\r\n") {
                if self.stream.read_until(b'\n', &mut line).await? == 0 {
                    return Ok(None);
                }
            }
            if line == b".\r\n" {
                return Ok(Some(data));
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

/// The address between `<` and `>`, and what follows.
fn path(argument: &str) -> (String, String) {
    let rest = argument.split_once('<').map_or("", |(_, rest)| rest);
    let (address, parameters) = rest.split_once('>').unwrap_or((rest, ""));
    (address.to_owned(), parameters.trim().to_owned())
}

async fn session(stream: TcpStream, shared: &Shared) -> Next {
    stream.set_nodelay(true)?;
    let mut session = Session { stream: BufReader::new(stream), shared };
    if !session.answer(Stage::Banner, "220 peer.test ESMTP").await? {
        return Ok(false);
    }
    let (mut mail_from, mut rcpt_to) = ((String::new(), String::new()), Vec::new());
    let mut line = String::new();
    loop {
        line.clear();
        if session.stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let command = line.trim_end().to_owned();
        let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        shared.with(|state| state.commands.push(command.clone()));
        let goes_on = match verb.as_str() {
            "EHLO" => {
                let mut lines = vec!["peer.test".to_owned()];
                lines.extend(shared.state.lock().unwrap().extensions.clone());
                let last = lines.len() - 1;
                let listed = lines.iter().enumerate();
                let lines: Vec<_> = listed
                    .map(|(n, line)| format!("250{}{line}", if n == last { ' ' } else { '-' }))
                    .collect();
                session.answer(Stage::Ehlo, &lines.join("\n")).await?
            }
            "HELO" => session.answer(Stage::Ehlo, "250 peer.test").await?,
            "AUTH" => session.answer(Stage::Auth, "235 2.7.0 welcome").await?,
            "MAIL" => {
                mail_from = path(&command);
                rcpt_to.clear();
                session.answer(Stage::Mail, "250 2.1.0 fine").await?
            }
            "RCPT" => {
                let (address, _) = path(&command);
                let act = session.next(Stage::Rcpt, Some(&address));
                if takes(act.as_ref()) {
                    rcpt_to.push(address);
                }
                session.act(act, "250 2.1.5 fine").await?
            }
            "DATA" => {
                let act = session.next(Stage::Data, None);
                if act.is_some() {
                    session.act(act, "").await?
                } else {
                    session.say("354 go on").await?;
                    let Some(data) = session.message().await? else { return Ok(false) };
                    let act = session.next(Stage::Body, None);
                    if takes(act.as_ref()) {
                        // Kept first and answered then, so that whoever sees the answer finds the message.
                        let (mail_from, parameters) = mail_from.clone();
                        let rcpt_to = std::mem::take(&mut rcpt_to);
                        let received = Received { mail_from, rcpt_to, parameters, data };
                        shared.with(|state| state.received.push(received));
                    }
                    session.act(act, "250 2.0.0 kept").await?
                }
            }
            "RSET" => {
                rcpt_to.clear();
                session.answer(Stage::Rset, "250 2.0.0 fine").await?
            }
            "NOOP" => session.say("250 2.0.0 fine").await?,
            "QUIT" => {
                session.answer(Stage::Quit, "221 2.0.0 bye").await?;
                false
            }
            _ => session.say("500 5.5.2 what?").await?,
        };
        if !goes_on {
            return Ok(false);
        }
    }
}

/// Whether the peer has taken what it answers to.
fn takes(act: Option<&Act>) -> bool {
    match act {
        None | Some(Act::Lost) => true,
        Some(Act::Reply(text)) => text.starts_with('2'),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mail::{Smtp, send};
    use super::*;

    #[tokio::test]
    async fn it_answers_as_it_is_told_and_keeps_what_it_took() {
        let mta = Mta::start().await;
        mta.script(Stage::Body, [reply("451 4.3.0 later"), Act::Lost]);
        mta.recipient("no@x.test", reply("550 5.1.1 nobody"));
        let letter = b"Subject: dots\r\n\r\n.\r\n..two\r\nend\r\n";
        assert!(send(mta.addr, "a@b.test", &["c@x.test"], letter).await.starts_with("451 4.3.0"));
        assert_eq!(send(mta.addr, "a@b.test", &["no@x.test"], letter).await, "550 5.1.1 nobody\r\n");
        assert_eq!(send(mta.addr, "a@b.test", &["c@x.test"], letter).await, "");
        assert!(send(mta.addr, "", &["c@x.test", "d@x.test"], letter).await.starts_with("250"));
        let received = mta.wait(2).await;
        assert_eq!(received.len(), 2);
        assert!(received.iter().all(|one| one.data == letter));
        assert_eq!((received[1].mail_from.as_str(), received[1].rcpt_to.len()), ("", 2));
        assert_eq!(received[1].header("subject"), "dots");
        assert_eq!((mta.connections(), mta.received_for("D@x.test").len()), (4, 1));
    }

    #[tokio::test]
    async fn it_stalls_and_hangs_up() {
        let mta = Mta::start().await;
        mta.always(Stage::Ehlo, Act::Stall);
        let (mut stalled, banner) = Smtp::connect(mta.addr).await;
        assert!(banner.starts_with("220"));
        stalled.bytes(b"EHLO x\r\n").await;
        mta.until("the command", |mta| !mta.commands().is_empty()).await;
        drop(stalled);
        mta.until("the end of the stalled session", |mta| mta.open() == 0).await;
        mta.heal();
        mta.script(Stage::Banner, [Act::HangUp]);
        assert_eq!(Smtp::connect(mta.addr).await.1, "");
    }
}
