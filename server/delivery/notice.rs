//! Notices: what arrives in an account, forwarded as an e-mail to an outside address of its owner.
//!
//! A notice is rendered once, at its first claim, and kept with its own Message-ID and secret Reply-To, so that
//! every attempt sends the same bytes. Its own List-Id and `Auto-Submitted` end every loop.

use std::io::{self, Write};

use uuid::Uuid;

use super::asking::Asking;
use super::reply::scrub;
use super::unsubscribe;

use crate::mail::address::{Address, BadAddress, Named};
use crate::mail::html;
use crate::mail::message::{Compose, Content, Part, compose, decode_part};
use crate::mail::reply::MARKER;
use crate::store::blob::Stored;

/// Decoded octets of attachments that a notice carries; beyond it they are named, with the link.
pub(crate) const ATTACHED: u64 = 10 << 20;
/// Hops after which a message is told of no further (RFC 5321 §6.3).
const HOPS: u32 = 25;
/// What stands between the account and the domain in a notice's List-Id.
const LIST: &str = ".notices.";

/// How much of a message its notice carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The whole text and what is attached.
    Full,
    /// Only that there is a message.
    Notice,
}

impl Extent {
    /// As it is stored: `full` or `notice`; what is neither tells less.
    #[must_use]
    pub fn of(stored: &str) -> Self {
        if stored == "full" { Extent::Full } else { Extent::Notice }
    }
}

/// One notice to be rendered.
pub struct Notice<'a> {
    /// The account it tells.
    pub account: Uuid,
    /// The delivery that brings it: its Message-ID follows from it.
    pub delivery: Uuid,
    /// The thread, in that account.
    pub thread: Uuid,
    /// How the account can answer what the message asks it.
    pub(super) asking: Option<Asking>,
    /// What arrived.
    pub content: &'a Content,
    /// Its bytes.
    pub stored: &'a Stored,
    /// How much is told.
    pub extent: Extent,
    /// Where the notice goes.
    pub to: &'a Address,
    /// The secret address that answers come back to.
    pub reply_to: &'a Address,
    /// The domain of this server's addresses.
    pub domain: &'a str,
    /// Where the web inbox is, without a slash at its end.
    pub public_url: &'a str,
    /// The link that ends these notices.
    pub unsubscribe: &'a str,
    /// When, in milliseconds since 1970, UTC.
    pub now: i64,
}

/// Whether a message may be told of by e-mail: what a machine submitted and what came a long way is not, and never
/// a notice itself.
#[must_use]
pub fn may_be_told(content: &Content, domain: &str) -> bool {
    !auto_submitted(content) && content.received <= HOPS && !is_own_list(content, domain)
}

/// RFC 3834 §5: whatever is not `no` was made by a machine. (A mailing list's mail is not, and is told of.)
fn auto_submitted(content: &Content) -> bool {
    let mut fields = content.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("auto-submitted"));
    fields.any(|(_, value)| !value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("no"))
}

fn is_own_list(content: &Content, domain: &str) -> bool {
    let own = format!("{LIST}{domain}");
    content.list_id.as_ref().is_some_and(|id| id.trim_end_matches('>').ends_with(&own))
}

impl Notice<'_> {
    /// The Message-ID of this notice, without angle brackets.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("notice.{}@{}", self.delivery.simple(), self.domain)
    }

    /// Writes the notice. Blocking.
    ///
    /// # Errors
    /// The disk's.
    pub fn render(&self, out: &mut dyn Write) -> io::Result<Content> {
        let parts = self.parts()?;
        let (text, markup) = (self.text(&parts), self.html(&parts));
        let attachments = parts.into_iter().filter_map(|part| part.attached).collect();
        let [link, one_click] = unsubscribe::headers(self.unsubscribe);
        let headers = [
            ("Auto-Submitted".to_owned(), "auto-generated".to_owned()),
            ("List-Id".to_owned(), format!("<{}{LIST}{}>", self.account.simple(), self.domain)),
            link,
            one_click,
        ];
        compose(
            Compose {
                from: self.from().map_err(io::Error::other)?,
                to: vec![self.to.clone().into()],
                cc: vec![],
                reply_to: vec![self.reply_to.clone().into()],
                subject: self.subject(),
                date_ms: self.now,
                message_id: &self.message_id(),
                in_reply_to: None,
                // One made-up root for each thread, so that mail programs show its notices together.
                references: &[format!("thread.{}@{}", self.thread.simple(), self.domain)],
                headers: &headers,
                text: Some(&text),
                html: Some(&markup),
                attachments,
            },
            out,
        )
    }

    fn subject(&self) -> &str {
        match self.content.subject.trim() {
            "" => "(no subject)",
            subject => subject,
        }
    }

    /// Who wrote, as a name that claims no address but ours.
    fn sender(&self) -> String {
        let from = self.content.from.as_ref();
        let name = from.and_then(|f| f.name.as_deref()).map(str::trim).filter(|n| !n.is_empty());
        name.or(from.map(|f| f.address.as_str())).unwrap_or("Somebody").chars().take(200).collect()
    }

    fn from(&self) -> Result<Named, BadAddress> {
        let address: Address = format!("notify@{}", self.domain).parse()?;
        let named = Named::new(Some(&format!("{} via Restante", self.sender())), address.clone());
        // A name with characters that deceive is left out.
        Ok(named.unwrap_or_else(|_| address.into()))
    }

    fn link(&self) -> String {
        format!("{}/t/{}", self.public_url, self.thread)
    }

    fn invitation(&self) -> &'static str {
        if self.asking.is_some() { "Or answer it in the inbox:" } else { "Open it here:" }
    }

    /// What stands in for a body that is not told.
    fn summary(&self) -> String {
        format!("You have a message from {}.", self.sender())
    }

    fn text(&self, parts: &[Carried]) -> String {
        let mut text = format!("{MARKER}\n\n");
        if self.extent == Extent::Full {
            let body = match (&self.content.text, &self.content.html) {
                (Some(text), _) => text.clone(),
                (None, Some(markup)) => html::text(markup),
                (None, None) => String::new(),
            };
            text.push_str(body.trim_end());
            if self.content.truncated {
                text.push_str("\n\n[The rest of this message is longer than a notice can be.]");
            }
            for part in parts.iter().filter(|part| part.attached.is_none()) {
                text.push_str(&format!("\n\n[Attached: {}]", part.shown));
            }
        } else {
            text.push_str(&self.summary());
        }
        text.push_str("\n\n--\u{20}\n");
        if let Some(asking) = &self.asking {
            text.push_str(&format!("{}\n\n", asking.text()));
        }
        text.push_str(&format!("{}\n{}\n", self.invitation(), self.link()));
        text
    }

    fn html(&self, parts: &[Carried]) -> String {
        let mut body = String::new();
        if self.extent == Extent::Full {
            match (&self.content.html, &self.content.text) {
                (Some(markup), _) => body.push_str(&html::safe(markup, &|id| Some(format!("cid:{id}")))),
                (None, Some(text)) => {
                    body.push_str(&format!(
                        "<div style=\"white-space: pre-wrap\">{}</div>",
                        html::escape(text)
                    ));
                }
                (None, None) => {}
            }
            if self.content.truncated {
                body.push_str("<p>[The rest of this message is longer than a notice can be.]</p>");
            }
            for part in parts.iter().filter(|part| part.attached.is_none()) {
                body.push_str(&format!("<p>[Attached: {}]</p>", html::escape(&part.shown)));
            }
        } else {
            body = format!("<p>{}</p>", html::escape(&self.summary()));
        }
        let (invitation, link) = (self.invitation(), html::escape(&self.link()));
        let asking = self.asking.as_ref().map(Asking::html).unwrap_or_default();
        format!(
            "<p style=\"color: #777; font-size: small\">{MARKER}</p>\n{body}\n{asking}\
             <p style=\"color: #777; font-size: small\">{invitation} <a href=\"{link}\">{link}</a></p>\n"
        )
    }

    fn parts(&self) -> io::Result<Vec<Carried>> {
        if self.extent == Extent::Notice {
            return Ok(Vec::new());
        }
        carried(self.content, self.stored)
    }
}

/// The attachments of a message: with their octets when all of them are small enough together.
pub(super) fn carried(content: &Content, stored: &Stored) -> io::Result<Vec<Carried>> {
    let whole = content.attachments.iter().map(|part| part.size).sum::<u64>() <= ATTACHED;
    let mut parts = Vec::new();
    for part in &content.attachments {
        let name = part.filename.clone().unwrap_or_else(|| part.content_type.clone());
        let attached = if whole {
            let mut octets = Vec::with_capacity(usize::try_from(part.size).unwrap_or_default());
            let encoded = stored.reader(part.offset)?;
            decode_part(part.encoding, io::Read::take(encoded, part.length), &mut octets)?;
            Some(Part {
                filename: part.filename.clone(),
                content_type: part.content_type.clone(),
                content_id: part.content_id.clone(),
                inline: part.inline,
                content: Box::new(io::Cursor::new(octets)),
            })
        } else {
            None
        };
        parts.push(Carried { shown: format!("{name}, {}", size(part.size)), attached });
    }
    Ok(parts)
}

/// An attachment, or what stands in for it.
pub(super) struct Carried {
    pub(super) shown: String,
    pub(super) attached: Option<Part<'static>>,
}

/// A size for people to read.
fn size(octets: u64) -> String {
    match octets {
        0..1_000 => format!("{octets} B"),
        1_000..1_000_000 => format!("{} kB", octets / 1_000),
        _ => format!("{}.{} MB", octets / 1_000_000, octets % 1_000_000 / 100_000),
    }
}

/// The mail that asks an outside address whether it wants to be told.
pub struct Confirmation<'a> {
    /// The delivery that brings it.
    pub delivery: Uuid,
    /// The address to be verified.
    pub to: &'a Address,
    /// Whose mail would be forwarded there.
    pub account: &'a str,
    /// The secret of the link.
    pub token: &'a str,
    /// The domain of this server's addresses.
    pub domain: &'a str,
    /// Where the web inbox is, without a slash at its end.
    pub public_url: &'a str,
    /// When, in milliseconds since 1970, UTC.
    pub now: i64,
}

impl Confirmation<'_> {
    /// Writes the mail.
    ///
    /// # Errors
    /// The writer's.
    pub fn render(&self, out: &mut dyn Write) -> io::Result<Content> {
        let text = format!(
            "{account} would like to have what arrives there forwarded to this address.\n\n\
             If that is you, confirm it here:\n{url}/confirm?token={token}\n\n\
             If not, do nothing: without the confirmation, nothing is ever sent here.\n",
            account = self.account,
            url = self.public_url,
            token = self.token,
        );
        let subject = format!("Confirm: mail of {} is to be forwarded to you", self.account);
        ask(self.to, self.domain, &confirm_id(self.delivery, self.domain), &subject, &text, self.now, out)
    }
}

/// The mail that asks whoever was told of a message whether they wrote the reply that came to their secret address.
pub(super) struct Doubt<'a> {
    /// The delivery that brings it.
    pub(super) delivery: Uuid,
    /// The address that was told.
    pub(super) to: &'a Address,
    /// The reply.
    pub(super) content: &'a Content,
    /// The secret of the link.
    pub(super) token: &'a str,
    /// The domain of this server's addresses.
    pub(super) domain: &'a str,
    /// Where the web inbox is, without a slash at its end.
    pub(super) public_url: &'a str,
    /// When, in milliseconds since 1970, UTC.
    pub(super) now: i64,
}

/// Characters of a doubted reply that its owner is shown.
const SHOWN: usize = 500;

impl Doubt<'_> {
    /// Writes the mail.
    ///
    /// # Errors
    /// The writer's.
    pub(super) fn render(&self, out: &mut dyn Write) -> io::Result<Content> {
        let from = self.content.from.as_ref().map_or("somebody", |from| from.address.as_str());
        let said = self.content.reply_text.as_deref().or(self.content.text.as_deref()).unwrap_or_default();
        let said: String = scrub(said, "").chars().take(SHOWN).collect();
        let quoted: String = said.lines().map(|line| format!("> {line}\n")).collect();
        let text = format!(
            "A reply to a message you were told of came from {from}, and it is not certain that it is yours:\n\n\
             {quoted}\nIf you wrote it, confirm it here, and it counts as your reply:\n{url}/confirm?token={token}\n\n\
             If not, do nothing: then it does not.\n",
            url = self.public_url,
            token = self.token,
        );
        let subject = format!("Confirm: did you write \u{201c}{}\u{201d}?", self.content.subject.trim());
        ask(self.to, self.domain, &confirm_id(self.delivery, self.domain), &subject, &text, self.now, out)
    }
}

fn confirm_id(delivery: Uuid, domain: &str) -> String {
    format!("confirm.{}@{domain}", delivery.simple())
}

/// A mail of the system's own, which awaits no reply.
pub(super) fn ask(
    to: &Address,
    domain: &str,
    id: &str,
    subject: &str,
    text: &str,
    now: i64,
    out: &mut dyn Write,
) -> io::Result<Content> {
    let from: Address = format!("notify@{domain}").parse().map_err(io::Error::other)?;
    compose(
        Compose {
            from: Named::new(Some("Restante"), from).map_err(io::Error::other)?,
            to: vec![to.clone().into()],
            cc: vec![],
            reply_to: vec![],
            subject,
            date_ms: now,
            message_id: id,
            in_reply_to: None,
            references: &[],
            headers: &[("Auto-Submitted".to_owned(), "auto-generated".to_owned())],
            text: Some(text),
            html: None,
            attachments: vec![],
        },
        out,
    )
}
