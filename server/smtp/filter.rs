//! An outside filter against spam and viruses: each message that another mail server brings is shown to it over HTTP
//! before it is answered for. The protocol is that of rspamd's `/checkv2`, so rspamd itself can be named; a filter of
//! one's own answers `{"action": "reject"}`. When it does not answer, or does not understand, the message is taken.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use url::Url;

use super::check::Origin;
use crate::net::http::{Call, Client, Reach};

/// How long a message may wait for its verdict, its turn included.
const WITHIN: Duration = Duration::from_secs(10);
/// Messages that are shown at once.
const AT_ONCE: usize = 16;
/// Octets of a message that are shown: its beginning.
pub(super) const SHOWN: usize = 1 << 20;
/// Octets of an answer that are read.
const ANSWER: usize = 256 << 10;
/// Characters of a filter's reason that are passed on.
const REASON: usize = 200;

/// What the filter says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing against it, or nothing at all.
    Accept,
    /// It is filed as junk.
    Junk,
    /// Not now (4.7.1).
    Defer(String),
    /// Never (5.7.1).
    Reject(String),
}

/// Whoever is asked.
pub struct Filter {
    client: Client,
    url: Url,
    places: Arc<Semaphore>,
    within: Duration,
}

/// The part of an answer that counts.
#[derive(Deserialize)]
struct Answer {
    action: String,
    #[serde(default)]
    messages: Messages,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Messages {
    smtp_message: Option<String>,
}

impl Filter {
    /// Asks this one, wherever it is: the settings name it.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self::within(url, WITHIN)
    }

    /// The same, and waits no longer than this.
    #[must_use]
    pub fn within(url: Url, within: Duration) -> Self {
        let client = Client::new(Reach::Anywhere, &[]);
        Self { client, url, places: Arc::new(Semaphore::new(AT_ONCE)), within }
    }

    /// A turn; none where that does not come in time. Held as long as the message's beginning is in memory.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = timeout(self.within, self.places.clone().acquire_owned()).await;
        if place.is_err() {
            tracing::warn!(
                filter = self.url.host_str(),
                "the filter is behind: a message is taken without its verdict"
            );
        }
        place.ok()?.ok()
    }

    /// What it says of a message, of which this is the beginning.
    pub(super) async fn judge(&self, shown: Vec<u8>, size: u64, origin: &Origin, to: &[String]) -> Verdict {
        let mut headers =
            vec![(HeaderName::from_static("content-type"), HeaderValue::from_static("message/rfc822"))];
        let mut tell = |name: &'static str, value: &str| {
            // What cannot stand in a field is not said; the filter has the message.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.push((HeaderName::from_static(name), value));
            }
        };
        tell("ip", &origin.remote.to_string());
        tell("helo", &origin.name);
        tell("from", &origin.mail_from);
        to.iter().for_each(|to| tell("rcpt", to));
        tell("message-length", &size.to_string());
        let (method, url) = (Method::POST, self.url.clone());
        let call = Call { method, url, headers, body: shown, within: self.within, most: ANSWER };
        let said = match self.client.call(call).await {
            Ok(answer) if answer.status.is_success() && answer.whole => {
                serde_json::from_slice::<Answer>(&answer.body).map_err(|error| error.to_string())
            }
            Ok(answer) => Err(format!("it answers {}", answer.status)),
            Err(error) => Err(error.to_string()),
        };
        match said {
            Ok(answer) => {
                let verdict = verdict(&answer);
                tracing::info!(?verdict, "the filter has judged a message");
                verdict
            }
            Err(error) => {
                tracing::warn!(%error, filter = self.url.host_str(), "a message is taken without the filter's verdict");
                Verdict::Accept
            }
        }
    }
}

/// Greylisting is not wanted, so what asks for that is taken.
fn verdict(answer: &Answer) -> Verdict {
    let reason = |otherwise: &str| {
        let said = answer.messages.smtp_message.as_deref().unwrap_or(otherwise);
        let clean = said.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' });
        clean.take(REASON).collect::<String>().trim().to_owned()
    };
    match answer.action.as_str() {
        "reject" => Verdict::Reject(reason("The message was taken for spam")),
        "soft reject" => Verdict::Defer(reason("Try again later")),
        "add header" | "rewrite subject" | "quarantine" | "junk" => Verdict::Junk,
        _ => Verdict::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        for (answer, expected) in [
            (r#"{"action": "no action", "score": 0.1}"#, Verdict::Accept),
            (r#"{"action": "greylist"}"#, Verdict::Accept),
            (r#"{"action": "add header", "score": 7.0, "symbols": {}}"#, Verdict::Junk),
            (r#"{"action": "junk"}"#, Verdict::Junk),
            (r#"{"action": "reject"}"#, Verdict::Reject("The message was taken for spam".into())),
            (
                r#"{"action": "soft reject", "messages": {"smtp_message": "later\r\n250 fine"}}"#,
                Verdict::Defer("later  250 fine".into()),
            ),
        ] {
            assert_eq!(verdict(&serde_json::from_str(answer).unwrap()), expected, "{answer}");
        }
        let long =
            Answer { action: "reject".into(), messages: Messages { smtp_message: Some("x".repeat(5000)) } };
        assert_eq!(verdict(&long), Verdict::Reject("x".repeat(REASON)));
    }
}
