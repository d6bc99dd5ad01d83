//! Replies by mail: what its owner's mail program sends to a notice's secret address becomes a message of the
//! account, to whoever wrote what the notice told of.

use super::answered::{self, Asked, Judged};
use super::deposit::{Incoming, Rejected, Written};
use crate::mail::html;
use crate::mail::id::digest;
use crate::store::account::{Account, ReplyAddress};
use crate::store::email::EmailRow;
use crate::submission::{Attachment, Context, Refusal, Request, Source, respond, submit};

/// What every secret reply address begins with, as mail programs and HTML may write it.
const TAGS: [&str; 5] = ["reply+", "reply%2b", "reply&#43;", "reply&#x2b;", "reply&plus;"];
const TOKEN: usize = 32;

/// Whether the mail is the reply of the one who was told: written by a person, from the address that was told, and not
/// against what the domain of that address publishes.
pub(super) fn is_genuine(incoming: &Incoming, stands_for: &ReplyAddress) -> bool {
    let content = &incoming.content;
    let told = stands_for.notified.to_lowercase();
    let from = content.from.as_ref().is_some_and(|from| from.address.to_lowercase() == told);
    from && incoming.is_believed() && !content.automatic && !content.report && incoming.mail_from.is_some()
}

/// Takes what was written for its owner's: the answer to a question, or a message of the account's. Whether nothing of it
/// is left to be filed.
///
/// # Errors
/// [`Rejected`]: nothing was sent. The same mail once more sends nothing more.
pub(super) async fn take(
    context: &Context,
    written: &Written<'_>,
    asked: Option<&Asked>,
    token: &str,
    stands_for: &ReplyAddress,
) -> Result<bool, Rejected> {
    let (store, account) = (&context.store, stands_for.account_id);
    let outside = stands_for.promise_id.is_some();
    let owner = if outside { None } else { store.account(account).await? };
    if let Some(asked) = asked {
        let judged = answered::judge(context, written, asked, owner.as_ref(), &stands_for.notified).await?;
        if judged == Judged::Answer && written.content.attachments.is_empty() {
            return Ok(true);
        }
    }
    if let Some(owner) = owner
        && let Some(original) = store.email(account, stands_for.email_id).await?
    {
        send(context, written, token, &owner, &original).await?;
        return Ok(true);
    }
    Ok(false)
}

/// Sends a reply on, as a message of the account.
async fn send(
    context: &Context,
    written: &Written<'_>,
    token: &str,
    account: &Account,
    original: &EmailRow,
) -> Result<(), Rejected> {
    let content = written.content;
    let text = content.text.clone().or_else(|| content.html.as_deref().map(html::text));
    let mut request = Request {
        subject: content.subject.clone(),
        text: text.map(|text| scrub(&text, token)),
        html: content.html.as_deref().map(|markup| scrub(markup, token)),
        attachments: content
            .attachments
            .iter()
            .map(|part| Attachment {
                source: Source::Part(written.digest, part.clone()),
                filename: part.filename.clone(),
                content_type: Some(part.content_type.clone()),
                inline: part.inline,
                content_id: part.content_id.clone(),
            })
            .collect(),
        source: Some(digest(&[written.source, original.id.as_bytes()])),
        ..Request::default()
    };
    let own = context.store.addresses(account.id).await?;
    respond::reply(&context.store, &own, original, false, &mut request).await?;
    match submit(context, account, request, None).await {
        Ok(_) | Err(Refusal::Repeated) => Ok(()),
        Err(Refusal::Store(error)) => Err(error.into()),
        Err(refusal) => Err(Rejected::Refused(refusal)),
    }
}

/// The text without secret reply addresses, which mail programs like to quote: whoever has one may answer in its
/// owner's name. The token of this very mail goes wherever it stands, in whatever way it is written.
pub(super) fn scrub(text: &str, token: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &lower[at..];
        let secret = |from: usize| {
            rest.get(from..from + TOKEN).is_some_and(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        if let Some(tag) = TAGS.iter().find(|tag| rest.starts_with(*tag) && secret(tag.len())) {
            out.push_str("reply");
            at += tag.len() + TOKEN;
        } else if !token.is_empty() && rest.starts_with(token) {
            at += token.len();
        } else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&text[at..at + next]);
            at += next;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_addresses_are_taken_out_however_they_are_written() {
        let token = "0123456789abcdef0123456789abcdef";
        let other = "ffffffffffffffffffffffffffffffff";
        for (text, left) in [
            (format!("to <Reply+{}@x.org>, ü", token.to_uppercase()), "to <reply@x.org>, ü"),
            (format!("mailto:reply%2B{token}@x.org"), "mailto:reply@x.org"),
            (format!("reply&#43;{token}&#64;x.org"), "reply&#64;x.org"),
            (format!("> reply+{other}@x.org wrote:"), "> reply@x.org wrote:"),
            (format!("re=\nply+{token}@x"), "re=\nply+@x"),
            ("reply+you@x.org 0123456789abcdef".into(), "reply+you@x.org 0123456789abcdef"),
        ] {
            assert_eq!(scrub(&text, token), left, "{text}");
        }
    }
}
