//! What comes back to the return address of a delivery: bounces are matched, classified and become the delivery's
//! end; whatever else is filed for its sender. Only an address that this server made leads here, so a forged bounce
//! for a guessed Message-ID is no more than a message.

use std::io::{self, Read as _};

use uuid::Uuid;

use super::deposit::{Incoming, Rejected};
use super::millis;
use super::relay::one_line;
use crate::mail::address::Address;
use crate::mail::dsn::{self, Fact};
use crate::mail::message::{Content, decode_part};
use crate::mail::return_path::ReturnPath;
use crate::mail::status::Status;
use crate::store::Error;
use crate::store::blob::{Blob, Stored};
use crate::store::delivery::Attempt;
use crate::store::mailbox::Role;
use crate::store::returns::Bounced;
use crate::store::suppression::{Suppressed, is_hard};
use crate::submission::Context;

/// Octets of a report's facts that are read.
const FACTS: u64 = 64 << 10;

/// What a returned message says of the delivery, and where it is filed: the account, the mailbox and the thread; none
/// where it is for nobody.
///
/// # Errors
/// [`Rejected`]: the store's reason.
pub(super) async fn returned(
    context: &Context,
    incoming: &Incoming,
    path: ReturnPath,
) -> Result<Option<(Uuid, Role, Option<Uuid>)>, Rejected> {
    let store = &context.store;
    let Some(row) = store.returned(path.account_id, path.delivery_id).await? else { return Ok(None) };
    let thread = row.thread_id;
    let now = context.clock.now_ms();
    let Some(fact) = fact(context, incoming, &row.recipient).await? else {
        // No report: an out-of-office note, or somebody who answers to the return address.
        let machine = incoming.content.automatic || incoming.mail_from.is_none();
        // A bounce that says nothing to programs is for its sender to read.
        let role = if machine && !looks_like_bounce(&incoming.content) { Role::Archive } else { Role::Inbox };
        return Ok(Some((path.account_id, role, thread)));
    };
    let reason_code = fact.is_failure().then(|| reason(fact.status));
    if reason_code.is_none() && fact.action != "delayed" {
        // Delivered, relayed or expanded: what was believed anyway, unless somebody wants to hear it.
        let role = if row.wants_success() { Role::Inbox } else { Role::Archive };
        return Ok(Some((path.account_id, role, thread)));
    }
    let address = row.recipient.parse::<Address>().ok();
    let hard = fact.is_failure() && is_hard(fact.status);
    let said = fact.diagnostic.clone().unwrap_or_else(|| fact.status.to_string());
    let spell = millis(context.settings.suppress_for);
    let until = now.saturating_add(spell);
    let suppress = address
        .filter(|_| hard && spell > 0)
        .map(|address| Suppressed::bounced(&address, &one_line(&said), now, until));
    let bounced = Bounced {
        account_id: path.account_id,
        delivery_id: path.delivery_id,
        attempt: Attempt {
            remote: fact.remote.as_deref().map(one_line),
            code: fact.code(),
            enhanced_code: Some(fact.status.to_string()),
            diagnostic: Some(one_line(&said)),
        },
        reason_code,
        suppress,
    };
    let changed = store.bounced(bounced, now).await?;
    tracing::info!(delivery = %path.delivery_id, account = %path.account_id, status = %fact.status, changed, "a report came back");
    let role = if fact.is_failure() { Role::Inbox } else { Role::Archive };
    Ok(Some((path.account_id, role, thread)))
}

/// What the report says of this recipient: or of the first, because some servers write the address that theirs
/// stands for.
async fn fact(context: &Context, incoming: &Incoming, recipient: &str) -> Result<Option<Fact>, Rejected> {
    let is_facts = |kind: &str| matches!(kind, "message/delivery-status" | "message/global-delivery-status");
    let Some(part) = incoming.content.attachments.iter().find(|part| is_facts(&part.content_type)) else {
        return Ok(None);
    };
    let (part, stored) = (part.clone(), stored(context, &incoming.blob).await?);
    let read = tokio::task::spawn_blocking(move || -> io::Result<Vec<u8>> {
        let (mut octets, encoded) = (Vec::new(), stored.reader(part.offset)?.take(part.length.min(FACTS)));
        decode_part(part.encoding, encoded, &mut octets)?;
        Ok(octets)
    });
    let octets = match read.await {
        Ok(octets) => octets.map_err(Error::Io)?,
        Err(_) => return Err(Error::Broken.into()),
    };
    let facts = dsn::read(&octets);
    let about = facts.iter().position(|fact| fact.recipient.eq_ignore_ascii_case(recipient)).unwrap_or(0);
    Ok(facts.into_iter().nth(about))
}

/// The bytes of the report: a large one is stored first, as filing it does anyway.
async fn stored(context: &Context, blob: &Blob) -> Result<Stored, Rejected> {
    if let Some(bytes) = blob.inline() {
        return Ok(Stored::Inline(bytes.to_vec()));
    }
    let (row, now) = (blob.clone(), context.clock.now_ms());
    context.store.write(async move |tx| tx.run(row.insert(now)).await.map(drop)).await?;
    let stored = context.store.blob(&blob.digest).await?;
    stored.ok_or_else(|| Error::Unusable("the bytes of a report are missing".into()).into())
}

/// Subjects and senders of bounces that have no form.
fn looks_like_bounce(content: &Content) -> bool {
    let from = content.from.as_ref().map(|from| from.address.to_lowercase()).unwrap_or_default();
    from.starts_with("mailer-daemon@") || from.starts_with("postmaster@") || content.report
}

/// What a status means for a person (RFC 3463).
fn reason(status: Status) -> &'static str {
    match (status.subject, status.detail) {
        (1, _) => "unknown_recipient",
        (2, 2) => "mailbox_full",
        (2, _) => "mailbox_disabled",
        (3, 4) => "too_large",
        (4, 7) => "gave_up",
        (7, _) => "policy",
        _ => "bounced",
    }
}
