//! Web push (RFC 8030): a browser is told that a message has come or that somebody waits for an answer, and that the
//! question is answered, which takes the place of what it was told before (`Topic`).
//!
//! What is said is looked up at each attempt: of what was seen meanwhile, or was answered elsewhere, nothing is said.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::Inner;
use super::encryption::{MOST, Receiver};
use super::pump::Batch;
use super::vapid::Vapid;
use super::webhook::{failed, retry_after, tried};
use crate::mail::id::derived;
use crate::net::http::{Answer, Call, Error as NetError};
use crate::store::Result;
use crate::store::delivery::{Attempt, Leased, Outcome};
use crate::store::email::EmailRow;
use crate::store::promise::Whole;
use crate::store::push::{ANSWERED, PushRow, Shown};

/// How long one push may take, from the look-up of the name to the last octet.
const WITHIN: Duration = Duration::from_secs(20);
/// Octets of an answer's body that are read.
const READ: usize = 4 * 1024;
/// The gaps between attempts, in seconds; the last one goes on.
const GAPS: [i64; 6] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 3600];
/// What is told is of use for this many milliseconds; a question, until its deadline.
const OF_USE: i64 = 3 * 24 * 3600 * 1000;
/// The longest that push services keep anything, in milliseconds.
const KEPT: i64 = 28 * 24 * 3600 * 1000;
/// A subscription that has failed for this many milliseconds is forgotten.
const GIVE_UP: i64 = 5 * 24 * 3600 * 1000;
/// While another push of the same question is on its way, in milliseconds.
const MEANWHILE: i64 = 2000;
/// Characters of a name or a subject.
const SHOWN: usize = 200;

/// What a browser is told.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    kind: &'static str,
    /// What it replaces has the same: a question's promise, a message's thread.
    tag: Uuid,
    title: String,
    body: String,
    /// The path of its page.
    url: String,
    /// Until when it is of use, in milliseconds.
    until: i64,
}

/// What there is to tell.
enum Say {
    Nothing,
    /// It depends on what is just being told.
    Later,
    This(Word),
}

impl Word {
    fn payload(&self) -> String {
        json!({ "kind": self.kind, "tag": self.tag, "title": self.title, "body": self.body, "url": self.url })
            .to_string()
    }
}

impl Inner {
    /// Works on a delivery of kind `push`.
    pub(super) async fn push(self: &Arc<Self>, batch: &Batch, leased: Leased) -> Result<()> {
        let (store, account) = (&self.context.store, leased.account_id);
        if self.crashed(&leased).await? {
            return self.end_call(leased, failed("permanent", "poison"), None).await;
        }
        let (Some(id), Some(email)) = (leased.subject_id, leased.email_id) else {
            return self.end_call(leased, Outcome::Canceled, None).await;
        };
        let Some(row) = store.subscription(account, id, self.now()).await? else {
            // It is gone, or whoever had it is signed out.
            self.end_call(leased, Outcome::Canceled, None).await?;
            return self.forget(account, id).await;
        };
        let word = match self.word_for(&row, email, leased.recipient == ANSWERED, leased.created_at).await? {
            Say::This(word) if word.until > self.now() => word,
            Say::This(_) => return self.end_call(leased, failed("expired", "expired"), None).await,
            Say::Nothing => return self.end_call(leased, Outcome::Canceled, None).await,
            Say::Later => {
                let due = self.now() + MEANWHILE;
                return self.record(|_| store.postpone(leased.clone(), due)).await;
            }
        };
        let call = self.push_call(&row, &word).await?;
        if !self.ours(batch, &leased).await {
            return self.withheld(leased).await;
        }
        let answer = match call {
            Some(call) => self.call_out(&leased.destination, call).await,
            None => Err(NetError::Unfit),
        };
        self.pushed(leased, &row, word.until, answer).await
    }

    /// What comes of an attempt.
    async fn pushed(
        &self,
        leased: Leased,
        row: &PushRow,
        until: i64,
        answer: std::result::Result<Answer, NetError>,
    ) -> Result<()> {
        let (attempt, now) = (tried(&answer), self.now());
        match answer {
            Ok(answer) if answer.status.is_success() => {
                if row.failing_since.is_some() {
                    self.context.store.push_fails(row.account_id, row.id, None).await?;
                }
                self.end_call(leased, Outcome::Delivered, Some(attempt)).await
            }
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 410) => {
                self.end_call(leased, failed("permanent", "gone"), Some(attempt)).await?;
                self.forget(row.account_id, row.id).await
            }
            Err(NetError::Refused(_) | NetError::Unfit) => {
                self.end_call(leased, failed("rejected_locally", "address_refused"), Some(attempt)).await
            }
            answer => {
                let status = answer.as_ref().map(|answer| answer.status.as_u16()).unwrap_or_default();
                let asked = answer.ok().and_then(|answer| retry_after(&answer, now)).unwrap_or(0);
                match row.failing_since {
                    Some(since) if now - since >= GIVE_UP => {
                        self.end_call(leased, failed("expired", "gave_up"), Some(attempt)).await?;
                        return self.forget(row.account_id, row.id).await;
                    }
                    Some(_) => {}
                    None => self.context.store.push_fails(row.account_id, row.id, Some(now)).await?,
                }
                // What it does not like of this one will not get better; everything else may.
                if (400..500).contains(&status) && !matches!(status, 408 | 425 | 429) {
                    return self.end_call(leased, failed("permanent", "refused"), Some(attempt)).await;
                }
                self.push_again(leased, attempt, asked, until, now).await
            }
        }
    }

    async fn push_again(
        &self,
        leased: Leased,
        attempt: Attempt,
        asked: i64,
        until: i64,
        now: i64,
    ) -> Result<()> {
        let due = now + self.gap(&GAPS, leased.attempts).max(asked);
        if due >= until {
            return self.end_call(leased, failed("expired", "gave_up"), Some(attempt)).await;
        }
        self.record(|now| self.context.store.defer(leased.clone(), attempt.clone(), due, now)).await
    }

    /// Forgets a subscription that leads nowhere; somebody may have been faster.
    async fn forget(&self, account: Uuid, id: Uuid) -> Result<()> {
        match self.context.store.unsubscribe(account, id, self.now()).await {
            Err(crate::store::Error::NotFound) => Ok(()),
            done => done,
        }
    }

    /// What a browser is to be told of a message now; `over`: that its question is settled.
    async fn word_for(&self, row: &PushRow, email: Uuid, over: bool, since: i64) -> Result<Say> {
        let (store, account) = (&self.context.store, row.account_id);
        let Some(email) = store.email(account, email).await? else { return Ok(Say::Nothing) };
        let url = format!("/t/{}", email.thread_id);
        if over {
            let Some(promise) = email.promise_id else { return Ok(Say::Nothing) };
            match store.pushed(account, row.id, email.id).await? {
                Shown::No => return Ok(Say::Nothing),
                Shown::Perhaps => return Ok(Say::Later),
                Shown::Yes => {}
            }
            let Some(settled) = store.promise(account, promise).await? else { return Ok(Say::Nothing) };
            let body = outcome(&store.whole(settled).await?, account);
            let (kind, title, until) = ("answered", subject(&email), since + OF_USE);
            return Ok(Say::This(Word { kind, tag: promise, title, body, url, until }));
        }
        let sender = email.from_address.as_deref().unwrap_or_default();
        let away = email.seen || email.mailbox_role.as_deref() != Some("inbox");
        if away || store.is_muted(account, sender, email.thread_id).await? {
            return Ok(Say::Nothing);
        }
        let (title, body) = (name(&email), subject(&email));
        if let Some(promise) = email.promise_id {
            let asked = store.asked_of(account, &[promise]).await?;
            let open =
                asked.first().is_some_and(|asked| asked.answered_at.is_none() && asked.declined_at.is_none());
            let Some(promise) =
                store.promise(account, promise).await?.filter(|_| open && row.wants("question"))
            else {
                return Ok(Say::Nothing);
            };
            if promise.state != "pending" {
                return Ok(Say::Nothing);
            }
            let until = promise.deadline.unwrap_or(since + OF_USE).min(since + KEPT);
            return Ok(Say::This(Word { kind: "question", tag: promise.id, title, body, url, until }));
        }
        if !row.wants("message") {
            return Ok(Say::Nothing);
        }
        let (kind, tag, until) = ("message", email.thread_id, since + OF_USE);
        Ok(Say::This(Word { kind, tag, title, body, url, until }))
    }

    /// The request; none if it cannot be written.
    async fn push_call(&self, row: &PushRow, word: &Word) -> Result<Option<Call>> {
        let now = self.now();
        let vapid = Vapid::of(&self.context.store, now).await?;
        let Ok(url) = row.endpoint.parse::<Url>() else { return Ok(None) };
        let subject = if self.settings.public_url.starts_with("https:") {
            self.settings.public_url.clone()
        } else {
            format!("mailto:postmaster@{}", self.context.domain)
        };
        let text = word.payload();
        debug_assert!(text.len() <= MOST, "its parts are bounded");
        let mut salt = [0; 16];
        salt.copy_from_slice(&self.context.ids.secret()[..16]);
        let receiver = Receiver { public: &row.p256dh, auth: &row.auth };
        let Some(body) = receiver.encrypt(salt, text.as_bytes()) else { return Ok(None) };
        let authorization = vapid.authorization(&url, &subject, now);
        let Some(authorization) = authorization.and_then(|value| HeaderValue::from_str(&value).ok()) else {
            return Ok(None);
        };
        // The same over all attempts, and for whatever takes its place.
        let topic = derived("push", row.id, word.tag.as_bytes()).simple().to_string();
        let Ok(topic) = HeaderValue::from_str(&topic) else { return Ok(None) };
        let urgency = if word.kind == "question" { "high" } else { "normal" };
        let seconds = ((word.until - now) / 1000).clamp(0, KEPT / 1000);
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (USER_AGENT, HeaderValue::from_static(concat!("restante/", env!("CARGO_PKG_VERSION")))),
            (AUTHORIZATION, authorization),
            (HeaderName::from_static("ttl"), HeaderValue::from(seconds)),
            (HeaderName::from_static("urgency"), HeaderValue::from_static(urgency)),
            (HeaderName::from_static("topic"), topic),
        ];
        Ok(Some(Call { method: Method::POST, url, headers, body, within: WITHIN, most: READ }))
    }
}

/// On one line, without what deceives, within a length.
fn line(text: &str) -> String {
    let hides = |c: &char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.trim().chars().filter(hides).take(SHOWN).collect()
}

fn subject(email: &EmailRow) -> String {
    let subject = line(&email.subject);
    if subject.is_empty() { "(no subject)".into() } else { subject }
}

fn name(email: &EmailRow) -> String {
    let name = email.from_name.as_deref().map(line).filter(|name| !name.is_empty());
    name.or_else(|| email.from_address.as_deref().map(line)).unwrap_or_else(|| "Somebody".into())
}

/// How a question ended, to one who was asked.
fn outcome(whole: &Whole, account: Uuid) -> String {
    match (whole.row.state.as_str(), whole.row.reason_code.as_deref()) {
        ("fulfilled", _) if whole.row.settled_via.is_none() => {
            let counted = whole.answers.iter().rev().find(|answer| answer.held_until.is_none());
            match counted {
                Some(answer) if answer.by_account == account => "Answered by you".into(),
                Some(answer) => format!("Answered by {}", line(&answer.by_address)),
                None => "Answered".into(),
            }
        }
        ("fulfilled", _) | ("rejected", Some("expired")) => "The time to answer is over".into(),
        ("rejected", Some("declined")) => "Declined".into(),
        _ => "No answer is needed any more".into(),
    }
}
