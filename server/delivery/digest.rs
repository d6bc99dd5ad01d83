//! Digests: what arrived since the last one and was not seen here, told together at the times that its owner has set.

use std::io;
use std::sync::Arc;

use super::Inner;
use super::forward::{LIMIT, failed};
use super::pump::Batch;
use super::relay::Handed;
use super::unsubscribe;
use crate::mail::address::{Address, Named};
use crate::mail::message::{Compose, Content, compose};
use crate::mail::{clock, html};
use crate::store::blob::{Blob, Digest};
use crate::store::delivery::{Leased, Outcome};
use crate::store::forwarding::{ForwardingRow, digested};
use crate::store::mute::mutes;
use crate::store::{Error, Result};

/// Messages that one digest names.
const NAMED: usize = 100;
/// Messages that are looked at for one; of those that came in the meantime, the newest are for the next.
const LOOKED_AT: i64 = 1000;
/// Characters of a message's beginning.
const BEGINNING: usize = 240;

/// One message of a digest.
struct Entry {
    from: String,
    subject: String,
    at: i64,
    beginning: String,
    link: String,
}

impl Inner {
    /// Works on a delivery of kind `digest`.
    pub(super) async fn digest(self: &Arc<Self>, batch: &Batch, leased: Leased) -> Result<()> {
        if self.crashed(&leased).await? {
            return self.end_notice(leased, failed("poison"), None).await;
        }
        let forwarding = match leased.subject_id {
            Some(id) => self.context.store.forwarding(leased.account_id, id).await?,
            None => None,
        };
        let Some(forwarding) = forwarding.filter(|forwarding| forwarding.paused_at.is_none()) else {
            return self.end_notice(leased, Outcome::Canceled, None).await;
        };
        let Ok(to) = leased.recipient.parse::<Address>() else {
            return self.end_notice(leased, failed("bad_address"), None).await;
        };
        let digest = match &leased.digest {
            Some(digest) => {
                digest.as_slice().try_into().map_err(|_| Error::Unusable("a damaged digest".into()))?
            }
            None => match self.render_digest(&leased, &forwarding, &to).await? {
                Some(digest) => digest,
                // All of it was seen here meanwhile.
                None => return self.end_notice(leased, Outcome::Canceled, None).await,
            },
        };
        let stored = self.stored(&digest).await?;
        // Nothing has to come back: what it tells of is here.
        match self.hand(batch, &leased, None, &to, &stored).await {
            Handed::Taken(reply) => self.end_notice(leased, Outcome::Relayed, Some(reply)).await,
            Handed::Deferred(reply) => self.put_off_notice(leased, reply).await,
            Handed::Refused(reply) => self.end_notice(leased, failed("refused"), Some(reply)).await,
            Handed::Unfit(reply) => {
                self.end_notice(leased, failed("not_supported_by_relay"), Some(reply)).await
            }
            Handed::Withheld => self.withheld(leased).await,
        }
    }

    /// Writes a digest and keeps it; none where there is nothing to tell.
    async fn render_digest(
        self: &Arc<Self>,
        leased: &Leased,
        forwarding: &ForwardingRow,
        to: &Address,
    ) -> Result<Option<Digest>> {
        let (store, now) = (&self.context.store, self.now());
        let since = forwarding.digested_at.or(forwarding.verified_at).unwrap_or(forwarding.created_at);
        let muted = store.mutes(leased.account_id).await?;
        let mut rows = store.unseen(leased.account_id, since, now, LOOKED_AT).await?;
        rows.retain(|row| !mutes(&muted, row.from_address.as_deref().unwrap_or_default(), row.thread_id));
        if rows.is_empty() {
            return Ok(None);
        }
        let more = rows.len() > NAMED;
        rows.truncate(NAMED);
        let full = forwarding.content == "full";
        let public_url = self.settings.public_url.trim_end_matches('/').to_owned();
        let entries: Vec<Entry> = rows
            .into_iter()
            .map(|row| Entry {
                from: row.from_name.or(row.from_address).unwrap_or_else(|| "Somebody".into()),
                subject: if row.subject.trim().is_empty() { "(no subject)".into() } else { row.subject },
                at: row.received_at,
                beginning: if full { row.preview.chars().take(BEGINNING).collect() } else { String::new() },
                link: format!("{public_url}/t/{}", row.thread_id),
            })
            .collect();
        let key = store.return_key().await?;
        let stop = unsubscribe::link(&public_url, key, leased.account_id, forwarding.id);
        let (worker, to) = (self.clone(), to.clone());
        let message_id = format!("digest.{}@{}", leased.id.simple(), self.context.domain);
        let written = tokio::task::spawn_blocking(move || -> io::Result<(Blob, Content)> {
            let mut spool = worker.context.store.spool(LIMIT);
            let domain = &worker.context.domain;
            let content =
                write(&entries, more, &public_url, &stop, domain, &to, &message_id, now, &mut spool)?;
            Ok((spool.finish()?.summarised(&content), content))
        });
        let (blob, _) = written.await.map_err(|_| Error::Broken)??;
        let digest = blob.digest;
        let kept = vec![digested(leased.account_id, forwarding.id, now)];
        store.rendered(leased.clone(), blob, kept, now).await?;
        Ok(Some(digest))
    }
}

#[expect(clippy::too_many_arguments, reason = "everything a digest says")]
fn write(
    entries: &[Entry],
    more: bool,
    public_url: &str,
    stop: &str,
    domain: &str,
    to: &Address,
    message_id: &str,
    now: i64,
    out: &mut dyn io::Write,
) -> io::Result<Content> {
    let count = if more { format!("more than {}", entries.len()) } else { entries.len().to_string() };
    let what = if entries.len() == 1 { "message" } else { "messages" };
    let (mut text, mut markup) = (String::new(), String::from("<ul>"));
    for Entry { from, subject, at, beginning, link } in entries {
        let when = clock::at(*at).format("%Y-%m-%d %H:%M UTC");
        text.push_str(&format!("{from}: {subject} ({when})\n"));
        if !beginning.is_empty() {
            text.push_str(&format!("    {beginning}\n"));
        }
        text.push_str(&format!("    {link}\n\n"));
        let (from, subject) = (html::escape(from), html::escape(subject));
        let (beginning, link) = (html::escape(beginning), html::escape(link));
        markup.push_str(&format!(
            "<li><p><b>{from}</b>: <a href=\"{link}\">{subject}</a> <small>{when}</small><br>{beginning}</p></li>\n"
        ));
    }
    text.push_str(&format!("--\u{20}\nAll of them: {public_url}/\nNo more of these: {stop}\n"));
    let (inbox, end) = (html::escape(public_url), html::escape(stop));
    markup.push_str(&format!(
        "</ul><p style=\"color: #777; font-size: small\"><a href=\"{inbox}/\">All of them</a> · \
         <a href=\"{end}\">No more of these</a></p>\n"
    ));
    let from: Address = format!("notify@{domain}").parse().map_err(io::Error::other)?;
    let mut headers = vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())];
    headers.extend(unsubscribe::headers(stop));
    compose(
        Compose {
            from: Named::new(Some("Restante"), from).map_err(io::Error::other)?,
            to: vec![to.clone().into()],
            cc: vec![],
            reply_to: vec![],
            subject: &format!("{count} unread {what}"),
            date_ms: now,
            message_id,
            in_reply_to: None,
            references: &[],
            headers: &headers,
            text: Some(&text),
            html: Some(&markup),
            attachments: vec![],
        },
        out,
    )
}
