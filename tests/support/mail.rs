//! Mail by hand: a raw SMTP client, and enough of the format to look at what came.

use std::net::SocketAddr;

use rustls::SupportedProtocolVersion;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

use super::tls::Pki;

/// A header field of a message, unfolded, as it stands there; empty when there is none.
pub(crate) fn header(message: &[u8], name: &str) -> String {
    headers(message)
        .into_iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map_or(String::new(), |f| f.1)
}

/// The header fields of a message, unfolded, in order.
pub(crate) fn headers(message: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(message);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t'])
            && let Some(last) = fields.last_mut()
        {
            last.1.push_str(line);
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    fields
}

/// The first address between angle brackets, else the whole text.
pub(crate) fn address(field: &str) -> &str {
    field
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(field.trim(), |(address, _)| address)
}

/// A plain message as a mail program would send it.
pub(crate) fn letter(from: &str, to: &str, subject: &str, more: &[(&str, &str)], text: &str) -> Vec<u8> {
    let mut letter = format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n");
    for (name, value) in more {
        letter.push_str(&format!("{name}: {value}\r\n"));
    }
    letter.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    letter.push_str(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
    if !letter.ends_with("\r\n") {
        letter.push_str("\r\n");
    }
    letter.into_bytes()
}

/// Whatever a session goes over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A session with an SMTP server, command by command.
pub(crate) struct Smtp {
    stream: BufReader<Box<dyn Wire>>,
}

impl Smtp {
    /// Connects and waits for the greeting, which is given back.
    pub(crate) async fn connect(addr: SocketAddr) -> (Self, String) {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut smtp = Self::over(stream);
        let banner = smtp.reply().await;
        (smtp, banner)
    }

    /// The same with TLS from the beginning.
    pub(crate) async fn connect_tls(
        addr: SocketAddr,
        pki: &Pki,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<(Self, String)> {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut smtp = Self::over(pki.connect(stream, versions).await?);
        let banner = smtp.reply().await;
        Ok((smtp, banner))
    }

    /// A session on a connection.
    pub(crate) fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Goes on behind TLS, after the reply to STARTTLS; what came behind that reply in clear is left out.
    pub(crate) async fn secure(self, pki: &Pki) -> std::io::Result<Self> {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        Ok(Self::over(pki.connect(self.stream.into_inner(), &versions).await?))
    }

    /// Everything until the server hangs up.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = super::within("the end", self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// One reply with all its lines; empty when the server hung up.
    pub(crate) async fn reply(&mut self) -> String {
        super::within("an SMTP reply", async {
            let mut reply = String::new();
            loop {
                let start = reply.len();
                if self.stream.read_line(&mut reply).await.unwrap_or(0) == 0 {
                    return reply;
                }
                if reply.as_bytes().get(start + 3) != Some(&b'-') {
                    return reply;
                }
            }
        })
        .await
    }

    /// Sends bytes as they are.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        // A server that hung up is seen by what it does not answer.
        let _ = self.stream.get_mut().write_all(bytes).await;
    }

    /// Sends a command line and gives its reply.
    pub(crate) async fn command(&mut self, line: &str) -> String {
        self.bytes(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Sends one message (after EHLO); the first reply that is no success, else the last.
    pub(crate) async fn send(&mut self, from: &str, to: &[&str], message: &[u8]) -> String {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        commands.push("DATA".into());
        for command in commands {
            let reply = self.command(&command).await;
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        self.content(message).await
    }

    /// Sends a message's content and its end (after DATA); the reply.
    pub(crate) async fn content(&mut self, message: &[u8]) -> String {
        let mut stuffed = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        if !stuffed.ends_with(b"\r\n") {
            stuffed.extend_from_slice(b"\r\n");
        }
        stuffed.extend_from_slice(b".\r\n");
        self.bytes(&stuffed).await;
        self.reply().await
    }
}

/// Sends one message in a session of its own; the reply that decided.
pub(crate) async fn send(addr: SocketAddr, from: &str, to: &[&str], message: &[u8]) -> String {
    let (mut smtp, banner) = Smtp::connect(addr).await;
    if !banner.starts_with("220") {
        return banner;
    }
    let ehlo = smtp.command("EHLO client.test").await;
    if !ehlo.starts_with("250") {
        return ehlo;
    }
    let reply = smtp.send(from, to, message).await;
    smtp.command("QUIT").await;
    reply
}
