//! Who may send as whom, to how many, and where to.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{Context, Refusal, Request};
use crate::mail::address::{Address, Named};
use crate::mail::message::{BadHeader, header_allowed};
use crate::store::Store;
use crate::store::account::Account;

/// One who gets the message.
#[derive(Debug, Clone)]
pub(super) struct Recipient {
    pub(super) address: Address,
    /// In a domain of ours.
    pub(super) local: bool,
    /// Expected to answer.
    pub(super) asked: bool,
}

/// Octets of a subject.
const LONGEST_SUBJECT: usize = 2000;
/// Octets of a text or HTML body.
const LONGEST_BODY: usize = 10 * 1024 * 1024;
/// Further header fields, attachments, keywords.
const MOST_FIELDS: usize = 50;
const MOST_ATTACHMENTS: usize = 200;
const MOST_KEYWORDS: usize = 50;
/// Octets of a keyword, and of the metadata.
const LONGEST_KEYWORD: usize = 100;
const LONGEST_METADATA: usize = 16 * 1024;
/// The longest a message can be held to be taken back, in milliseconds.
const LONGEST_UNDO: i64 = 5 * 60 * 1000;
/// How far ahead a message can be scheduled, in milliseconds.
const LONGEST_AHEAD: i64 = 366 * 24 * 60 * 60 * 1000;

/// The name and address a message is from.
pub(super) async fn sender(
    store: &Store,
    account: &Account,
    wanted: Option<&Named>,
) -> Result<Named, Refusal> {
    let own = |address: &str, name: Option<&str>| -> Result<Named, Refusal> {
        let address = address.parse().map_err(|_| Refusal::NotYourAddress(address.to_owned()))?;
        Named::new(name, address).map_err(|error| invalid("/from", error))
    };
    let Some(wanted) = wanted else { return own(&account.address, Some(&account.name)) };
    let key = wanted.address.key();
    let addresses = store.addresses(account.id).await?;
    match addresses.iter().find(|address| address.to_lowercase() == key) {
        Some(address) => own(address, wanted.name.as_deref().or(Some(&account.name))),
        None => Err(Refusal::NotYourAddress(wanted.address.to_string())),
    }
}

/// Checks the limits of a request, and resolves its recipients: each once.
pub(super) async fn recipients(
    context: &Context,
    account: &Account,
    request: &Request,
) -> Result<Vec<Recipient>, Refusal> {
    let asks = request.ask.is_some() || request.again.is_some();
    // Whoever asks does not answer: their own address only reads.
    let own = if asks { context.store.addresses(account.id).await? } else { Vec::new() };
    let own: Vec<String> = own.iter().map(|address| address.to_lowercase()).collect();
    limits(request, context.clock.now_ms())?;
    let named = request.to.len() + request.cc.len() + request.bcc.len();
    let most = context.settings.recipients;
    if named > most {
        return Err(Refusal::TooManyRecipients(named, most));
    }
    let domains = context.store.local_domains().await?;
    let mut seen = HashSet::new();
    let mut recipients = Vec::with_capacity(named);
    let all = request
        .to
        .iter()
        .map(|to| (to, true))
        .chain(request.cc.iter().chain(&request.bcc).map(|cc| (cc, false)));
    for (named, to) in all {
        if !seen.insert(named.address.key()) {
            continue;
        }
        let local = domains.contains(named.address.domain());
        if !local && !context.relays {
            return Err(Refusal::NoRelay(named.address.to_string()));
        }
        let asked = to && asks && !own.contains(&named.address.key());
        recipients.push(Recipient { address: named.address.clone(), local, asked });
    }
    if recipients.is_empty() {
        return Err(Refusal::NoRecipients);
    }
    if asks && !recipients.iter().any(|recipient| recipient.asked) {
        return Err(invalid("/to", "A question needs somebody else in to: cc and bcc only read."));
    }
    if let Some(url) = request.ask.as_ref().and_then(|question| question.callback_url.as_deref()) {
        context.http.permits(url).map_err(|why| invalid("/ask/callback_url", why))?;
    }
    for step in request.ask.iter().flat_map(|question| &question.ask.escalate) {
        for to in &step.to {
            let address: Address =
                to.parse().map_err(|error| invalid("/ask/escalate", format!("{to}: {error}")))?;
            if !domains.contains(address.domain()) && !context.relays {
                return Err(Refusal::NoRelay(address.to_string()));
            }
        }
    }
    if request.strict {
        let keys: Vec<String> = recipients.iter().filter(|r| r.local).map(|r| r.address.key()).collect();
        let known: HashMap<_, _> =
            if keys.is_empty() { HashMap::new() } else { context.store.accounts_of(&keys).await? };
        if let Some(unknown) = recipients.iter().find(|r| r.local && !known.contains_key(&r.address.key())) {
            return Err(Refusal::UnknownRecipient(unknown.address.to_string()));
        }
    }
    Ok(recipients)
}

/// What a message corrects: the promise of its question and the version of it, where it has one. It belongs to the
/// thread of what it corrects.
pub(super) async fn corrects(
    context: &Context,
    account: &Account,
    request: &mut Request,
) -> Result<Option<(Uuid, i64)>, Refusal> {
    let Some(named) = &request.corrects else { return Ok(None) };
    let unknown = || Refusal::NoEarlier(named.clone());
    let id = Uuid::try_parse(named).map_err(|_| unknown())?;
    let earlier =
        context.store.email(account.id, id).await?.filter(|email| email.outgoing).ok_or_else(unknown)?;
    if request.in_reply_to.is_none() {
        request.in_reply_to = Some(named.clone());
    }
    let Some(promise) = earlier.promise_id else {
        return match &request.ask {
            Some(_) => Err(invalid("/corrects", "That message asked nothing; ask without corrects.")),
            None => Ok(None),
        };
    };
    let row = context.store.promise(account.id, promise).await?.ok_or_else(unknown)?;
    if row.state != "pending" {
        return Err(Refusal::Settled);
    }
    if request.ask.is_none() {
        return Err(invalid(
            "/ask",
            "A correction of a question asks again; cancel the promise to ask nothing.",
        ));
    }
    // Between now and then two versions would be asked at once.
    for (pointer, given) in [("/send_at", request.send_at.is_some()), ("/undo", request.undo.is_some())] {
        if given {
            return Err(invalid(pointer, "A correction of a question goes out at once."));
        }
    }
    Ok(Some((promise, row.revision)))
}

/// Whether a promise is still pending.
pub(super) async fn open(store: &Store, account: Uuid, promise: Uuid) -> Result<bool, Refusal> {
    Ok(store.promise(account, promise).await?.is_some_and(|row| row.state == "pending"))
}

pub(super) fn invalid(pointer: &str, detail: impl std::fmt::Display) -> Refusal {
    Refusal::Invalid { pointer: pointer.to_owned(), detail: detail.to_string() }
}

fn limits(request: &Request, now: i64) -> Result<(), Refusal> {
    if request.subject.chars().any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')) {
        return Err(invalid("/subject", "A subject is one line without control characters."));
    }
    if request.subject.len() > LONGEST_SUBJECT {
        return Err(invalid("/subject", format!("At most {LONGEST_SUBJECT} octets.")));
    }
    for (pointer, body) in
        [("/text", &request.text), ("/html", &request.html), ("/markdown", &request.markdown)]
    {
        if body.as_ref().is_some_and(|body| body.len() > LONGEST_BODY) {
            return Err(invalid(pointer, format!("At most {LONGEST_BODY} octets; attach what is longer.")));
        }
        if body.as_ref().is_some_and(|body| body.contains('\0')) {
            return Err(invalid(pointer, "A text cannot hold the character U+0000."));
        }
    }
    if request.html.is_some() && request.markdown.is_some() {
        return Err(invalid("/markdown", "Give html or markdown, not both."));
    }
    for (pointer, count, most) in [
        ("/headers", request.headers.len(), MOST_FIELDS),
        ("/attachments", request.attachments.len(), MOST_ATTACHMENTS),
        ("/keywords", request.keywords.len(), MOST_KEYWORDS),
    ] {
        if count > most {
            return Err(invalid(pointer, format!("At most {most}.")));
        }
    }
    for (name, value) in &request.headers {
        // A JSON pointer escapes ~ and /.
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        header_allowed(name, value).map_err(|error: BadHeader| invalid(&pointer, error))?;
    }
    for (n, keyword) in request.keywords.iter().enumerate() {
        check_keyword(keyword).map_err(|detail| invalid(&format!("/keywords/{n}"), detail))?;
    }
    for (n, attachment) in request.attachments.iter().enumerate() {
        let name = attachment.filename.as_deref().unwrap_or_default();
        if name.len() > 255 || name.chars().any(char::is_control) {
            let pointer = format!("/attachments/{n}/filename");
            return Err(invalid(&pointer, "A file name has at most 255 octets and no control characters."));
        }
    }
    if request.metadata.as_ref().is_some_and(|metadata| metadata.to_string().len() > LONGEST_METADATA) {
        return Err(invalid("/metadata", format!("At most {LONGEST_METADATA} octets.")));
    }
    if request.undo.is_some_and(|undo| !(0..=LONGEST_UNDO).contains(&undo)) {
        return Err(invalid("/undo", "Between PT0S and PT5M."));
    }
    if request.send_at.is_some_and(|at| at > now + LONGEST_AHEAD) {
        return Err(invalid("/send_at", "At most a year ahead."));
    }
    if request.expires_at.is_some_and(|at| at <= request.send_at.unwrap_or(now).max(now)) {
        return Err(invalid("/expires_at", "Must be later than the sending."));
    }
    Ok(())
}

/// Whether a keyword can be one: what JMAP (RFC 8621 §4.1.1) allows, in lower case.
///
/// # Errors
/// Why it cannot.
pub fn check_keyword(keyword: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && !b"(){]%*\"\\".contains(&b);
    if keyword.is_empty() || keyword.len() > LONGEST_KEYWORD || !keyword.bytes().all(plain) {
        return Err(format!(
            "A keyword has 1 to {LONGEST_KEYWORD} lower-case ASCII characters without spaces and ( ) {{ ] % * \" \\."
        ));
    }
    if keyword.starts_with('$') {
        return Err("Keywords with $ are the system's; use seen and flagged.".into());
    }
    Ok(())
}
