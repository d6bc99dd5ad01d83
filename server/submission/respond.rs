//! Replying and forwarding: who gets it, under which subject, with what of the original.

use super::{Attachment, Request, Source};
use crate::mail::address::{Address, Named};
use crate::mail::message::{Content, Mailbox};
use crate::store::email::EmailRow;
use crate::store::{Result, Store};

/// Fills in what a reply takes from the message it answers: recipients (RFC 5322 §3.6.3), subject, reference.
/// Recipients that the caller has given are kept as further ones.
///
/// # Errors
/// The store's.
pub async fn reply(
    store: &Store,
    own: &[String],
    original: &EmailRow,
    all: bool,
    request: &mut Request,
) -> Result<()> {
    let content = store.content(&original.digest()?).await?;
    let own: Vec<String> = own.iter().map(|address| address.to_lowercase()).collect();
    let mine = |named: &Named| own.contains(&named.address.key());
    let author = if content.reply_to.is_empty() {
        content.from.iter().filter_map(named).collect::<Vec<_>>()
    } else {
        content.reply_to.iter().filter_map(named).collect()
    };
    let to: Vec<Named> = content.to.iter().filter_map(named).collect();
    // An answer to one's own message goes to whom that went to.
    let own_message = original.outgoing || author.iter().all(mine);
    let mut recipients = if own_message { to.clone() } else { author };
    if all {
        if !own_message {
            recipients.extend(to.into_iter().filter(|named| !mine(named)));
        }
        let cc = content.cc.iter().filter_map(named).filter(|named| !mine(named));
        request.cc.extend(cc);
    }
    recipients.append(&mut request.to);
    request.to = recipients;
    distinct(&mut request.to, &[]);
    let to = request.to.clone();
    distinct(&mut request.cc, &to);
    if request.subject.is_empty() {
        request.subject = prefixed("Re", &original.subject);
    }
    request.in_reply_to = Some(original.id.to_string());
    Ok(())
}

/// Fills in what a forwarded message takes from the original: subject, text and attachments.
///
/// # Errors
/// The store's.
pub async fn forward(store: &Store, original: &EmailRow, request: &mut Request) -> Result<()> {
    let digest = original.digest()?;
    let content = store.content(&digest).await?;
    if request.subject.is_empty() {
        request.subject = prefixed("Fwd", &original.subject);
    }
    let said = request.text.take().or_else(|| request.markdown.take()).unwrap_or_default();
    request.text =
        Some(format!("{}{}", if said.is_empty() { said } else { said + "\n\n" }, quoted(&content)));
    let attachments = content.attachments.iter().filter(|part| part.filename.is_some() || !part.inline);
    request.attachments.extend(attachments.map(|part| Attachment {
        source: Source::Part(digest, part.clone()),
        filename: part.filename.clone(),
        content_type: Some(part.content_type.clone()),
        inline: false,
        content_id: None,
    }));
    request.in_reply_to = Some(original.id.to_string());
    Ok(())
}

fn quoted(content: &Content) -> String {
    let list = |mailboxes: &[Mailbox]| mailboxes.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut text = String::from("---------- Forwarded message ----------\n");
    if let Some(from) = &content.from {
        text += &format!("From: {}\n", shown(from));
    }
    if let Some(date) = content.date_ms {
        text += &format!("Date: {}\n", crate::mail::clock::at(date).to_rfc2822());
    }
    text += &format!("Subject: {}\nTo: {}\n", content.subject, list(&content.to));
    if !content.cc.is_empty() {
        text += &format!("Cc: {}\n", list(&content.cc));
    }
    let body = content.text.clone().or_else(|| content.html.as_deref().map(crate::mail::html::text));
    text + "\n" + &body.unwrap_or_default()
}

fn shown(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{name} <{}>", mailbox.address),
        None => mailbox.address.clone(),
    }
}

/// What was found in a message, as something that can be sent to; what cannot is left out.
fn named(mailbox: &Mailbox) -> Option<Named> {
    let address: Address = mailbox.address.parse().ok()?;
    Named::new(mailbox.name.as_deref(), address.clone()).ok().or_else(|| Named::new(None, address).ok())
}

/// `Re: subject`, without piling prefixes up.
fn prefixed(prefix: &str, subject: &str) -> String {
    let begins = subject
        .get(..prefix.len() + 1)
        .is_some_and(|start| start[..prefix.len()].eq_ignore_ascii_case(prefix) && start.ends_with(':'));
    if begins { subject.to_owned() } else { format!("{prefix}: {subject}").trim_end().to_owned() }
}

/// Leaves out whom the list, or `others`, has already.
fn distinct(list: &mut Vec<Named>, others: &[Named]) {
    let mut seen: Vec<String> = others.iter().map(|named| named.address.key()).collect();
    list.retain(|named| {
        let key = named.address.key();
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_not_piled_up() {
        assert_eq!(prefixed("Re", "lunch"), "Re: lunch");
        assert_eq!(prefixed("Re", "RE: lunch"), "RE: lunch");
        assert_eq!(prefixed("Re", "Reé"), "Re: Reé");
        assert_eq!(prefixed("Fwd", ""), "Fwd:");
    }

    #[test]
    fn everybody_gets_it_once() {
        let parse = |text: &str| text.parse::<Named>().unwrap();
        let mut list = vec![parse("a@x.test"), parse("A@x.test"), parse("b@x.test")];
        distinct(&mut list, &[parse("b@x.test")]);
        assert_eq!(list, [parse("a@x.test")]);
    }
}
