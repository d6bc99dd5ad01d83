//! Webhooks (Standard Webhooks 1.0): each event an account wants told is one signed POST, tried until it is taken. The
//! id and the body are the same over all attempts; the time is the attempt's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::Inner;
use super::pump::Batch;
use super::relay::one_line;
use super::signature::Signer;
use crate::mail::clock;
use crate::mail::id::derived;
use crate::net::http::{Answer, Call, Error as NetError};
use crate::promise::settle::ask_of;
use crate::store::calls::Told;
use crate::store::delivery::{Attempt, Leased, Outcome};
use crate::store::promise::PromiseRow;
use crate::store::webhook::{CALLBACKS, NewKey, WebhookRow};
use crate::store::{Result, Topic};

/// How long one call may take, from the look-up of the name to the last octet.
const WITHIN: Duration = Duration::from_secs(20);
/// Octets of an answer's body that are read.
const MOST: usize = 16 * 1024;
/// The gaps between attempts that the standard lists, in seconds; the last one goes on.
const GAPS: [i64; 9] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];
/// The longest that an answer may ask us to wait, in milliseconds.
const LONGEST: i64 = 24 * 3600 * 1000;
/// A call is given up, and a webhook that has failed so long switched off, after this many milliseconds.
const GIVE_UP: i64 = 5 * 24 * 3600 * 1000;
/// The shortest and the longest pause between two looks at what webhooks are to be told: ten times what a look takes.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Where a call goes, what it says, and what signs it.
struct Target {
    url: Url,
    /// `webhook-id`
    id: String,
    signers: Vec<Signer>,
    headers: Vec<(String, String)>,
    body: String,
    /// The webhook, if it is not a question's callback address.
    webhook: Option<WebhookRow>,
}

impl Inner {
    /// Owes webhooks and browsers what has happened.
    pub(super) async fn hand_out(&self) -> Result<bool> {
        let (store, ids) = (&self.context.store, &self.context.ids);
        let calls = store.hand_out(ids, self.now()).await?;
        Ok(store.hand_out_pushes(ids, self.now()).await? || calls)
    }

    /// Owes webhooks and browsers what happens, until the worker stops.
    pub(super) async fn tell(self: Arc<Self>) {
        let mut ear = self.context.store.bell().listen(Topic::Logs);
        while !self.stopping.is_cancelled() {
            let began = Instant::now();
            let more = self.hand_out().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what webhooks and browsers are to be told cannot be read; trying again");
                false
            });
            let pause = (began.elapsed() * 10).clamp(PAUSE.0, PAUSE.1);
            let rest = async {
                tokio::time::sleep(pause).await;
                // Something was handed out, so there may be more.
                if !more {
                    ear.wait(self.settings.poll).await;
                }
            };
            self.stopping.run_until_cancelled(rest).await;
        }
    }

    /// Works on a delivery of kind `webhook`.
    pub(super) async fn call(self: &Arc<Self>, batch: &Batch, leased: Leased) -> Result<()> {
        if self.crashed(&leased).await? {
            return self.end_call(leased, failed("permanent", "poison"), None).await;
        }
        let Some(target) = self.target(&leased).await? else {
            return self.end_call(leased, Outcome::Canceled, None).await;
        };
        if !self.ours(batch, &leased).await {
            return self.withheld(leased).await;
        }
        let answer = match request(&target, self.now()) {
            Some(call) => self.call_out(&leased.destination, call).await,
            None => Err(NetError::Unfit),
        };
        let (store, attempt, now) = (&self.context.store, tried(&answer), self.now());
        match (answer, target.webhook) {
            (Ok(answer), webhook) if answer.status.is_success() => {
                if let Some(webhook) = webhook.filter(|webhook| webhook.failing_since.is_some()) {
                    store.webhook_fails(webhook.account_id, webhook.id, None).await?;
                }
                self.end_call(leased, Outcome::Delivered, Some(attempt)).await
            }
            (Ok(answer), webhook) if answer.status.as_u16() == 410 => {
                self.end_call(leased, failed("permanent", "gone"), Some(attempt)).await?;
                match webhook {
                    Some(webhook) => self.disable(&webhook, "gone").await,
                    None => Ok(()),
                }
            }
            (Err(NetError::Refused(_) | NetError::Unfit), _) => {
                self.end_call(leased, failed("rejected_locally", "address_refused"), Some(attempt)).await
            }
            (answer, webhook) => {
                let asked = answer.ok().and_then(|answer| retry_after(&answer, now)).unwrap_or(0);
                self.call_again(leased, webhook, attempt, asked, now).await
            }
        }
    }

    /// Tries a call again later, not before `asked` milliseconds have passed; one that has failed too long is given up,
    /// and its webhook switched off.
    async fn call_again(
        self: &Arc<Self>,
        leased: Leased,
        webhook: Option<WebhookRow>,
        attempt: Attempt,
        asked: i64,
        now: i64,
    ) -> Result<()> {
        if let Some(webhook) = webhook {
            match webhook.failing_since {
                Some(since) if now - since >= GIVE_UP => {
                    self.end_call(leased, failed("expired", "gave_up"), Some(attempt)).await?;
                    return self.disable(&webhook, "failing").await;
                }
                Some(_) => {}
                None => self.context.store.webhook_fails(webhook.account_id, webhook.id, Some(now)).await?,
            }
        }
        let last = leased.created_at + GIVE_UP;
        if now >= last {
            return self.end_call(leased, failed("expired", "gave_up"), Some(attempt)).await;
        }
        let due = (now + self.gap(&GAPS, leased.attempts).max(asked)).min(last);
        self.record(|now| self.context.store.defer(leased.clone(), attempt.clone(), due, now)).await
    }

    /// How long a call that was tried so often waits, in milliseconds: as these seconds have it, the last of them from
    /// then on, and a fifth more or less, so that what failed together is not tried together.
    pub(super) fn gap(&self, seconds: &[i64], attempts: i64) -> i64 {
        let tries = usize::try_from(attempts - 1).unwrap_or(0);
        let gap = seconds.get(tries).or(seconds.last()).copied().unwrap_or_default() * 1000;
        gap + (gap as f64 * (self.context.ids.chance() - 0.5) * 0.4) as i64
    }

    pub(super) async fn end_call(
        &self,
        leased: Leased,
        outcome: Outcome,
        attempt: Option<Attempt>,
    ) -> Result<()> {
        self.record(|now| self.context.store.finish(leased.clone(), outcome.clone(), attempt.clone(), now))
            .await
    }

    /// Switches a webhook off, and tells its owner.
    async fn disable(self: &Arc<Self>, webhook: &WebhookRow, reason: &'static str) -> Result<()> {
        let text = switched_off(webhook, reason, self.settings.public_url.trim_end_matches('/'));
        let message = self.word(webhook.account_id, "A webhook was switched off", &text).await?;
        let store = &self.context.store;
        store.disable_webhook(webhook.account_id, webhook.id, reason, message, self.now()).await
    }

    /// What a call is about; nothing when that is gone, or switched off.
    async fn target(&self, leased: &Leased) -> Result<Option<Target>> {
        let (store, account) = (&self.context.store, leased.account_id);
        let (Some(subject), Some(told)) = (leased.subject_id, Told::read(&leased.recipient)) else {
            return Ok(None);
        };
        if told == Told::Settled {
            return self.callback(account, subject).await;
        }
        let Some(row) = store.webhook(account, subject).await? else { return Ok(None) };
        let (key, body) = match told {
            Told::Event { seq, previous } => {
                let Some(event) = store.event(account, seq).await?.filter(|_| row.disabled_at.is_none())
                else {
                    return Ok(None);
                };
                let mut data: Value = serde_json::from_str(&event.data).unwrap_or_default();
                data["cursor"] = json!(seq.to_string());
                data["previous"] = json!(previous.map(|seq| seq.to_string()));
                (seq.to_be_bytes().to_vec(), payload(&event.kind, event.at, &data))
            }
            _ => {
                let data = json!({ "webhook_id": subject });
                (leased.id.as_bytes().to_vec(), payload("webhook.test", leased.created_at, &data))
            }
        };
        let Ok(url) = row.url.parse() else { return Ok(None) };
        let signers = self.signers(account, subject).await?;
        let headers = serde_json::from_str(&row.headers).unwrap_or_default();
        // The same event has the same id however often it is told, by hand too.
        let id = format!("msg_{}", derived("call", subject, &key).simple());
        Ok(Some(Target { url, id, signers, headers, body, webhook: Some(row) }))
    }

    /// A question's callback address is told that it is settled.
    async fn callback(&self, account: Uuid, promise: Uuid) -> Result<Option<Target>> {
        let Some(row) = self.context.store.promise(account, promise).await? else { return Ok(None) };
        let Some(url) = row.callback_url.as_ref().and_then(|url| url.parse().ok()) else { return Ok(None) };
        let mut signers = self.signers(account, CALLBACKS).await?;
        if signers.is_empty() {
            self.context.store.first_webhook_key(account, CALLBACKS, self.new_key(), self.now()).await?;
            signers = self.signers(account, CALLBACKS).await?;
        }
        let body = payload("promise.settled", row.settled_at.unwrap_or(row.created_at), &settled(&row));
        let id = format!("msg_{}", derived("callback", account, promise.as_bytes()).simple());
        Ok(Some(Target { url, id, signers, headers: Vec::new(), body, webhook: None }))
    }

    fn new_key(&self) -> NewKey {
        let ids = &self.context.ids;
        NewKey { id: ids.id(self.now()), secret: ids.secret(), seed: ids.secret() }
    }

    async fn signers(&self, account: Uuid, webhook: Uuid) -> Result<Vec<Signer>> {
        let keys = self.context.store.webhook_keys(account, webhook, self.now()).await?;
        Ok(keys.iter().filter_map(Signer::of).collect())
    }
}

/// The request of a call at this time; none if it cannot be written.
fn request(target: &Target, now: i64) -> Option<Call> {
    let seconds = now.div_euclid(1000);
    let signatures = target.signers.iter().flat_map(|signer| signer.sign(&target.id, seconds, &target.body));
    let signature = signatures.collect::<Vec<_>>().join(" ");
    let mut headers = Vec::new();
    for (name, value) in &target.headers {
        headers.push((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?));
    }
    headers.extend([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (USER_AGENT, HeaderValue::from_static(concat!("restante/", env!("CARGO_PKG_VERSION")))),
        (HeaderName::from_static("webhook-id"), HeaderValue::from_str(&target.id).ok()?),
        (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds)),
        (HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signature).ok()?),
    ]);
    let (url, body) = (target.url.clone(), target.body.clone().into_bytes());
    Some(Call { method: Method::POST, url, headers, body, within: WITHIN, most: MOST })
}

/// The body of a call: what happened, when, and the ids of what it concerns.
fn payload(kind: &str, at: i64, data: &Value) -> String {
    let at = clock::at(at).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    json!({ "type": kind, "timestamp": at, "data": data }).to_string()
}

/// What a callback address is told of its question.
fn settled(row: &PromiseRow) -> Value {
    let parsed = |text: Option<&str>| text.and_then(|json| serde_json::from_str::<Value>(json).ok());
    json!({
        "promise_id": row.id,
        "message_id": row.email_id,
        "kind": ask_of(row).ok().map(|ask| ask.kind),
        "state": row.state,
        "value": parsed(row.value.as_deref()),
        "reason": row.reason_code.as_ref().map(|code| json!({ "code": code, "detail": row.reason_detail })),
        "context": parsed(row.context.as_deref()),
    })
}

/// Milliseconds that an answer asks us to wait, as seconds or as a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(answer: &Answer, now: i64) -> Option<i64> {
    let value = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let ms = match value.parse::<i64>() {
        Ok(seconds) => seconds.checked_mul(1000)?,
        Err(_) => DateTime::parse_from_rfc2822(value).ok()?.timestamp_millis() - now,
    };
    Some(ms.clamp(0, LONGEST))
}

/// What an attempt's row keeps: of an answer its status and who gave it, else only what kind of failure it was.
pub(super) fn tried(answer: &std::result::Result<Answer, NetError>) -> Attempt {
    match answer {
        Ok(answer) => Attempt {
            remote: Some(answer.remote.to_string()),
            code: Some(answer.status.as_u16().into()),
            enhanced_code: None,
            diagnostic: answer.status.canonical_reason().map(one_line),
        },
        Err(error) => Attempt { diagnostic: Some(error.to_string()), ..Attempt::default() },
    }
}

pub(super) fn failed(class: &'static str, code: &str) -> Outcome {
    Outcome::Failed { class, code: code.to_owned() }
}

/// What the owner of a webhook reads when it was switched off.
fn switched_off(webhook: &WebhookRow, reason: &str, public_url: &str) -> String {
    let why = match reason {
        "gone" => "It answered 410 (gone), which asks not to be called again.",
        _ => "Every call of the last five days has failed.",
    };
    let host = webhook.url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
    format!(
        "Your webhook at {} is no longer told of what happens here. {why}\n\n\
         What waited for it is not sent any more. Once it works again, switch it on in the settings at {public_url}/settings \
         or with PATCH /v1/webhooks/{} {{\"enabled\": true}}. It is then told of what happens from that time on; what it \
         missed is in the event log for 30 days, and POST /v1/webhooks/{}/redeliver sends it again.\n",
        host.as_deref().unwrap_or("an address"),
        webhook.id,
        webhook.id,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_asks_for_time_in_two_ways() {
        let now = 1_795_428_000_000; // 2026-11-23 10:00:00 UTC
        let wait = |value: &'static str| {
            let mut answer = Answer {
                status: hyper::StatusCode::TOO_MANY_REQUESTS,
                headers: hyper::HeaderMap::new(),
                body: Vec::new(),
                whole: true,
                remote: "127.0.0.1:1".parse().unwrap(),
            };
            answer.headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            retry_after(&answer, now)
        };
        assert_eq!(wait("900"), Some(900_000));
        assert_eq!(wait("Mon, 23 Nov 2026 10:01:00 GMT"), Some(60_000));
        assert_eq!(wait("Mon, 23 Nov 2026 09:00:00 GMT"), Some(0));
        assert_eq!(wait("999999999"), Some(LONGEST));
        assert_eq!((wait("-5"), wait("soon")), (Some(0), None));
    }
}
