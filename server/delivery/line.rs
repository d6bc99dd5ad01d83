//! One SMTP connection to a next hop: what it offers, and each command with its total time-out.

use std::time::Duration;

use lettre::Address as WireAddress;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt};
use lettre::transport::smtp::extension::{
    ClientId, Extension, MailBodyParameter, MailParameter, RcptParameter,
};
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::next_hop::{NextHop, Tls};
use super::relay::{Fault, Handed, Reply, Terms, TimeOuts, one_line};
use crate::mail::address::Address;
use crate::mail::status::{self, Status};

/// Content octets that take a second more at most.
const SECOND: usize = 16 << 10;
/// Octets given to the client at a time.
const CHUNK: usize = 64 << 10;

/// An open connection, and whom it reaches.
pub(super) struct Line {
    pub(super) smtp: AsyncSmtpConnection,
    pub(super) remote: String,
    pub(super) offers: Offers,
}

/// What EHLO lists, of what the client does not look at.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// SIZE (RFC 1870), with the largest message taken; 0 is no limit that is told.
    size: Option<u64>,
    /// DSN (RFC 3461).
    pub(super) dsn: bool,
}

impl Offers {
    fn read(response: &Response) -> Self {
        let mut offers = Self::default();
        for line in response.message() {
            let mut words = line.split_ascii_whitespace();
            match words.next().map(str::to_ascii_uppercase).as_deref() {
                Some("SIZE") => offers.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                Some("DSN") => offers.dsn = true,
                _ => {}
            }
        }
        offers
    }
}

/// Why a phase did not end with the reply it needs.
pub(super) struct Trouble {
    pub(super) code: Option<u16>,
    pub(super) text: String,
}

pub(super) fn parameters(hop: &NextHop, roots: Option<&[u8]>) -> Result<TlsParameters, Trouble> {
    let bad = |error| Trouble::new(format!("TLS: {error}"));
    let mut builder = TlsParameters::builder(hop.host.clone())
        .dangerous_accept_invalid_certs(matches!(hop.tls, Tls::Opportunistic | Tls::Encrypted));
    if let Some(roots) = roots {
        builder = builder.add_root_certificate(Certificate::from_pem(roots).map_err(bad)?);
    }
    builder.build().map_err(bad)
}

/// Why a transaction ended before its end.
pub(super) enum Step {
    Trouble(Trouble),
    Unfit(Reply),
    Withheld,
}

impl From<Trouble> for Step {
    fn from(trouble: Trouble) -> Self {
        Step::Trouble(trouble)
    }
}

impl Line {
    /// What it offers, which the client keeps to itself: asked once for each connection, on the encrypted way.
    pub(super) async fn ask(&mut self, client: &ClientId, limit: Duration) -> Result<(), Trouble> {
        let response = phase(limit, "EHLO", self.smtp.command(Ehlo::new(client.clone()))).await?;
        self.offers = Offers::read(&response);
        Ok(())
    }

    pub(super) async fn authenticate(&mut self, hop: &NextHop, limit: Duration) -> Result<(), Trouble> {
        let Some((user, password)) = &hop.credentials else { return Ok(()) };
        let credentials = Credentials::new(user.clone(), password.clone());
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        let auth = phase(limit, "AUTH", self.smtp.auth(&mechanisms, &credentials)).await;
        auth.map(drop).map_err(|trouble| Trouble {
            text: format!("the relay refused to authenticate us (see relay.url): {}", trouble.text),
            ..trouble
        })
    }

    /// Begins a transaction.
    pub(super) async fn mail(
        &mut self,
        time_outs: TimeOuts,
        from: Option<&Address>,
        to: &Address,
        bytes: &[u8],
        terms: &Terms,
    ) -> Result<(), Step> {
        let info = self.smtp.server_info();
        let header = &bytes[..header_end(bytes)];
        let mut parameters = Vec::new();
        let unfit = |status, text: &str| {
            Step::Unfit(Reply { status: Some(status), text: text.into(), ..Reply::default() })
        };
        match self.offers.size {
            Some(most) if most > 0 && bytes.len() as u64 > most => {
                let text = format!("the message has {} octets; the relay takes at most {most}", bytes.len());
                return Err(unfit(Status::new(5, 3, 4), &text));
            }
            Some(_) => parameters.push(MailParameter::Size(bytes.len())),
            None => {}
        }
        if self.offers.dsn {
            let mut parameter = |keyword: &str, value: &str| {
                parameters
                    .push(MailParameter::Other { keyword: keyword.into(), value: Some(value.to_owned()) });
            };
            parameter("RET", if terms.full == Some(true) { "FULL" } else { "HDRS" });
            if let Some(id) = &terms.envelope_id {
                parameter("ENVID", id);
            }
        }
        if from.is_some_and(|a| !a.as_str().is_ascii()) || !to.as_str().is_ascii() || !header.is_ascii() {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let text = "the address or header needs SMTPUTF8 (RFC 6531), which the relay does not offer";
                return Err(unfit(Status::new(5, 6, 7), text));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !bytes.is_ascii() {
            if !info.supports_feature(Extension::EightBitMime) {
                let text = "the content needs 8BITMIME (RFC 6152), which the relay does not offer";
                return Err(unfit(Status::new(5, 6, 3), text));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let command = Mail::new(from.map(on_the_wire), parameters);
        let response = phase(time_outs.command, "MAIL", self.smtp.command(command)).await?;
        Ok(expect(&response, "MAIL", |code| code == 250)?)
    }

    /// The rest of the transaction: its result is the reply to the final dot.
    pub(super) async fn transfer(
        &mut self,
        time_outs: TimeOuts,
        from: Option<&Address>,
        to: &Address,
        bytes: &[u8],
        terms: &Terms,
        ours: impl Future<Output = bool> + Send,
    ) -> Result<Response, Step> {
        let limit = time_outs.command;
        let mut parameters = Vec::new();
        if self.offers.dsn {
            // The client writes what has to be encoded as xtext.
            let notify = if from.is_some() { terms.wanted.notify.to_string() } else { "NEVER".into() };
            let mut parameter = |keyword: &str, value: String| {
                parameters.push(RcptParameter::Other { keyword: keyword.into(), value: Some(value) });
            };
            parameter("NOTIFY", notify);
            match &terms.wanted.original {
                Some(original) => parameter("ORCPT", original.clone()),
                None if to.as_str().is_ascii() => parameter("ORCPT", format!("rfc822;{to}")),
                None => {}
            }
        }
        let rcpt = Rcpt::new(on_the_wire(to), parameters);
        let response = phase(limit, "RCPT", self.smtp.command(rcpt)).await?;
        expect(&response, "RCPT", |code| matches!(code, 250 | 251))?;
        if !ours.await {
            return Err(Step::Withheld);
        }
        let response = phase(limit, "DATA", self.smtp.command(Data)).await?;
        expect(&response, "DATA", |code| code == 354)?;
        // The client writes CRLF before the final dot, so a last line's own would become an empty line.
        let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        let limit = time_outs.content + Duration::from_secs((body.len() / SECOND) as u64);
        let sent = self.smtp.message_iter(body.chunks(CHUNK));
        let response = phase(limit, "the content", sent).await?;
        expect(&response, "the content", |code| (200..300).contains(&code))?;
        Ok(response)
    }
}

/// The validated address in the client's own type.
fn on_the_wire(address: &Address) -> WireAddress {
    WireAddress::new_dangerous(address.local(), address.domain())
}

/// Where the header section ends.
fn header_end(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(bytes.len())
}

/// Runs one phase with its total time-out. Dropping it half-way leaves the connection unusable, so its owner drops
/// that as well.
pub(super) async fn phase<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Trouble> {
    match timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let code = error.status().map(u16::from);
            let text = match (code, std::error::Error::source(&error)) {
                (Some(_), Some(text)) => text.to_string(),
                (Some(_), None) => String::new(),
                (None, _) => format!("{what}: {error}"),
            };
            Err(Trouble { code, text })
        }
        Err(_) => Err(Trouble::new(format!("{what}: no answer within {limit:?}"))),
    }
}

/// A positive reply that is none for this command is garbage: nothing is known.
fn expect(response: &Response, what: &str, fits: impl Fn(u16) -> bool) -> Result<(), Trouble> {
    let code = u16::from(response.code());
    if fits(code) {
        return Ok(());
    }
    Err(Trouble::new(format!("{what}: unexpected reply {code} {}", joined(response))))
}

fn joined(response: &Response) -> String {
    response.message().collect::<Vec<_>>().join(" ")
}

pub(super) fn reply(remote: Option<String>, response: &Response) -> Reply {
    let text = joined(response);
    Reply {
        remote,
        code: Some(response.code().into()),
        status: status::from_reply(&text),
        text: one_line(&text),
        fault: None,
        tells: false,
    }
}

impl Trouble {
    pub(super) fn new(text: String) -> Self {
        Self { code: None, text }
    }

    pub(super) fn reply(self, remote: Option<String>) -> Reply {
        Reply {
            remote,
            code: self.code,
            // 4.4.2: bad connection, what RFC 3463 has for one that said nothing usable.
            status: status::from_reply(&self.text).or(self.code.is_none().then_some(Status::new(4, 4, 2))),
            text: one_line(&self.text),
            fault: matches!(self.code, None | Some(421)).then_some(Fault::Transfer),
            tells: false,
        }
    }

    /// What a failed transaction comes to.
    pub(super) fn judge(self, remote: Option<String>) -> Handed {
        // 530, 534, 535, 538 (RFC 4954): about our credentials, not about this message, so nothing bounces.
        let final_ =
            matches!(self.code, Some(500..=599)) && !matches!(self.code, Some(530 | 534 | 535 | 538));
        let reply = self.reply(remote);
        if final_ { Handed::Refused(reply) } else { Handed::Deferred(reply) }
    }
}
