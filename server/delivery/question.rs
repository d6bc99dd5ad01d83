//! Questions to people outside, and mails that say how a question stands. Each is rendered once and kept, with its own
//! Message-ID, secret Reply-To and secret links, so that every attempt sends the same bytes.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::Inner;
use super::asking::Asking;
use super::notice::carried;
use super::pump::Batch;
use super::relay::Handed;
use crate::mail::address::{Address, Named};
use crate::mail::clock;
use crate::mail::html;
use crate::mail::id::{digest, hex};
use crate::mail::message::{Compose, Content, Mailbox, compose};
use crate::mail::reply::MARKER;
use crate::promise::settle::ask_of;
use crate::store::account::{ReplyAddress, Secret};
use crate::store::blob::{Blob, Digest, Stored};
use crate::store::db::Statement;
use crate::store::delivery::Leased;
use crate::store::forwarding::put_reply_address;
use crate::store::link::{Link, put_link};
use crate::store::promise::{PromiseRow, Whole};
use crate::store::submission::SubmissionRow;
use crate::store::{Error, Result};

/// What a question may be at most, with its attachments in base64.
const LIMIT: u64 = 48 << 20;

/// What an answer link's secret is kept as.
#[must_use]
pub fn link_digest(token: &str) -> Digest {
    digest(&[b"answer", token.as_bytes()])
}

impl Inner {
    /// A new link for one person's answer: the block of a mail that shows it, and the row that keeps it.
    pub(super) fn asking(
        &self,
        row: &PromiseRow,
        person: Uuid,
        address: &str,
        now: i64,
    ) -> Option<(Asking, Statement)> {
        let ask = ask_of(row).ok()?;
        let token = hex(&self.context.ids.secret());
        let link = Link {
            account_id: row.account_id,
            promise_id: row.id,
            person_id: person,
            address: address.to_owned(),
            revision: row.revision,
        };
        let kept = put_link(link_digest(&token), &link, now);
        let link = format!("{}/a/{token}", self.settings.public_url.trim_end_matches('/'));
        Some((Asking { ask, link, deadline: row.deadline }, kept))
    }

    /// Hands a message that asks its recipient something to the relay, as it is for them.
    pub(super) async fn hand_question(
        self: &Arc<Self>,
        batch: &Batch,
        leased: &Leased,
        submission: &SubmissionRow,
        to: &Address,
    ) -> Result<Handed> {
        let known = match &leased.digest {
            Some(digest) => {
                let digest: Digest =
                    digest.as_slice().try_into().map_err(|_| Error::Unusable("a damaged digest".into()))?;
                Some((digest, self.context.store.content(&digest).await?))
            }
            None => self.render_question(leased, submission, to).await?,
        };
        let Some((digest, content)) = known else {
            // The question is settled, or it is a question no more: what was sent is a message like any other.
            let from = match submission.mail_from.parse::<Address>() {
                Ok(from) => Some(self.return_path(leased, from).await?),
                Err(_) => None,
            };
            let stored = self.stored(&submission.digest()?).await?;
            return Ok(self.hand(batch, leased, from.as_ref(), to, &stored).await);
        };
        // The secret address is where its bounces go, too.
        let from = content.reply_to.first().and_then(|reply| reply.address.parse::<Address>().ok());
        let stored = self.stored(&digest).await?;
        Ok(self.hand(batch, leased, from.as_ref(), to, &stored).await)
    }

    async fn render_question(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        to: &Address,
    ) -> Result<Option<(Digest, Content)>> {
        let store = &self.context.store;
        let Some(promise) = leased.subject_id else { return Ok(None) };
        let Some(row) = store.promise(leased.account_id, promise).await?.filter(|row| row.state == "pending")
        else {
            return Ok(None);
        };
        let whole = store.whole(row).await?;
        let key = leased.recipient.to_lowercase();
        let person = whole.respondents.iter().find(|person| person.address.to_lowercase() == key);
        let Some(person) = person.filter(|person| person.state == "waiting") else { return Ok(None) };
        let now = self.now();
        let Some((asking, link)) = self.asking(&whole.row, person.person_id, &leased.recipient, now) else {
            return Ok(None);
        };
        let head = submission.head()?;
        let (content, stored) = (store.content(&head.digest).await?, self.stored(&head.digest).await?);
        let secret = Secret::new(self.context.ids.reply_token());
        let stands_for = ReplyAddress {
            account_id: leased.account_id,
            email_id: submission.email_id,
            thread_id: head.thread(leased.account_id),
            notified: leased.recipient.clone(),
            promise_id: Some(promise),
            person_id: Some(person.person_id),
        };
        let reply_to: Address = secret
            .address(&self.context.domain)
            .parse()
            .map_err(|_| Error::Unusable("mail.domain is not a domain".into()))?;
        let (worker, to, id) = (self.clone(), to.clone(), leased.id);
        let written = tokio::task::spawn_blocking(move || -> io::Result<(Blob, Content)> {
            let mut spool = worker.context.store.spool(LIMIT);
            let domain = &worker.context.domain;
            let message_id = format!("ask.{}@{domain}", id.simple());
            let content =
                compose_question(&content, &stored, &asking, &to, reply_to, &message_id, now, &mut spool)?;
            Ok((spool.finish()?.summarised(&content), content))
        });
        let (blob, content) = written.await.map_err(|_| Error::Broken)??;
        let digest = blob.digest;
        let kept = vec![put_reply_address(&secret, &stands_for, now), link];
        store.rendered(leased.clone(), blob, kept, now).await?;
        Ok(Some((digest, content)))
    }

    /// Renders a mail that says how a question stands: who has answered it, or, while it is open, how to.
    pub(super) async fn render_state(
        self: &Arc<Self>,
        leased: &Leased,
        to: &Address,
    ) -> Result<Option<(Digest, Content)>> {
        let (store, now) = (&self.context.store, self.now());
        let Some(promise) = leased.subject_id else { return Ok(None) };
        let Some(row) = store.promise(leased.account_id, promise).await? else { return Ok(None) };
        let own = row.account_id == leased.account_id;
        let whole = store.whole(row).await?;
        let key = leased.recipient.to_lowercase();
        let person = if own {
            let outside =
                |p: &&crate::store::promise::RespondentRow| p.outside && p.address.to_lowercase() == key;
            whole.respondents.iter().find(outside).map(|person| person.person_id)
        } else {
            // Somebody who is asked here, at an address that they have given us, as long as it is theirs.
            let theirs = store.verified_forwardings(&[leased.account_id]).await?;
            theirs.iter().any(|f| f.address.to_lowercase() == key).then_some(leased.account_id)
        };
        let Some(person) = person else { return Ok(None) };
        let Some(asked) = store.email(whole.row.account_id, whole.row.email_id).await? else {
            return Ok(None);
        };
        // Mail programs show it with the question.
        let reference = if own {
            asked.message_id.clone()
        } else {
            match store.asked_of(leased.account_id, &[promise]).await?.pop() {
                Some(mine) => match store.email(leased.account_id, mine.email_id).await? {
                    Some(email) => format!("thread.{}@{}", email.thread_id.simple(), self.context.domain),
                    None => return Ok(None),
                },
                None => return Ok(None),
            }
        };
        let open = whole.row.state == "pending";
        let (mut with, mut asking) = (Vec::new(), None);
        if open && let Some((block, link)) = self.asking(&whole.row, person, &leased.recipient, now) {
            (asking, with) = (Some(block), vec![link]);
        }
        let text = match &asking {
            Some(block) => format!(
                "Which answer you meant was not clear enough to count it. What you wrote was sent on as a message.\n\n{}\n",
                block.text()
            ),
            None => format!("{}\n\nNothing is left for you to do.\n", outcome(&whole)),
        };
        let markup = asking.as_ref().map(|block| {
            format!("<p>Which answer you meant was not clear enough to count it. What you wrote was sent on as a message.</p>\n{}", block.html())
        });
        let from: Address = format!("notify@{}", self.context.domain)
            .parse()
            .map_err(|_| Error::Unusable("mail.domain is not a domain".into()))?;
        let mut spool = store.spool(LIMIT);
        // Small enough to be written here.
        let content = compose(
            Compose {
                from: Named::new(Some("Restante"), from.clone()).unwrap_or_else(|_| from.into()),
                to: vec![to.clone().into()],
                cc: vec![],
                reply_to: vec![],
                subject: &format!("{}: {}", if open { "Your answer" } else { "Settled" }, asked.subject),
                date_ms: now,
                message_id: &format!("state.{}@{}", leased.id.simple(), self.context.domain),
                in_reply_to: Some(&reference),
                references: std::slice::from_ref(&reference),
                headers: &[("Auto-Submitted".to_owned(), "auto-generated".to_owned())],
                text: Some(&text),
                html: markup.as_deref(),
                attachments: vec![],
            },
            &mut spool,
        )?;
        let blob = spool.finish()?.summarised(&content);
        let digest = blob.digest;
        store.rendered(leased.clone(), blob, with, now).await?;
        Ok(Some((digest, content)))
    }
}

/// What became of a question, for people to read.
pub(crate) fn outcome(whole: &Whole) -> String {
    let row = &whole.row;
    let at = clock::at(row.settled_at.unwrap_or(row.created_at)).format("%H:%M UTC, %a %d %b");
    if row.settled_via.as_deref() == Some("expiry") {
        return format!("Nobody answered in time, so the answer set beforehand counts since {at}.");
    }
    if row.state == "rejected" {
        return match row.reason_code.as_deref() {
            Some("canceled") => format!("The question was withdrawn at {at}."),
            Some("expired") => format!("Nobody answered in time: the question was closed at {at}."),
            Some("declined") => format!("The question was closed without an answer at {at}."),
            _ => format!("The question could not be put to anybody; it was closed at {at}."),
        };
    }
    let current = whole.answers.iter().filter(|a| a.revision == row.revision && a.held_until.is_none());
    let said: Vec<String> = current
        .filter_map(|answer| {
            let value: serde_json::Value = serde_json::from_str(answer.value.as_deref()?).ok()?;
            let name = value.get("choice").and_then(serde_json::Value::as_str);
            let title = name.map(|name| {
                let ask = ask_of(row).ok();
                ask.as_ref()
                    .and_then(|ask| ask.option(name))
                    .map_or_else(|| name.to_owned(), |o| o.title.clone())
            });
            let shown = title.or_else(|| value.as_str().map(|text| text.chars().take(500).collect()));
            let shown = shown.map_or_else(String::new, |shown| format!(": {shown}"));
            let time = clock::at(answer.at).format("%H:%M UTC");
            Some(format!("Answered by {} at {time}{shown}", answer.by_address))
        })
        .collect();
    if said.is_empty() { format!("The question was settled at {at}.") } else { said.join("\n") }
}

#[expect(clippy::too_many_arguments, reason = "everything that one mail is made of")]
fn compose_question(
    content: &Content,
    stored: &Stored,
    asking: &Asking,
    to: &Address,
    reply_to: Address,
    message_id: &str,
    now: i64,
    out: &mut dyn io::Write,
) -> io::Result<Content> {
    let parts = carried(content, stored)?;
    let named = |mailbox: &Mailbox| {
        let address: Address = mailbox.address.parse().ok()?;
        Named::new(mailbox.name.as_deref(), address.clone()).ok().or_else(|| Named::new(None, address).ok())
    };
    let from = content.from.as_ref().and_then(named).ok_or_else(|| io::Error::other("it has no author"))?;
    let mut all: Vec<Named> = content.to.iter().filter_map(named).collect();
    if all.is_empty() {
        all.push(to.clone().into());
    }
    let body = match (&content.text, &content.html) {
        (Some(text), _) => text.clone(),
        (None, Some(markup)) => html::text(markup),
        (None, None) => String::new(),
    };
    let left_out: String = parts
        .iter()
        .filter(|part| part.attached.is_none())
        .map(|part| format!("\n\n[Attached: {}]", part.shown))
        .collect();
    let text = format!("{MARKER}\n\n{}{left_out}\n\n--\u{20}\n{}\n", body.trim_end(), asking.text());
    let body = match &content.html {
        Some(markup) => html::safe(markup, &|id| Some(format!("cid:{id}"))),
        None => format!("<div style=\"white-space: pre-wrap\">{}</div>", html::escape(&body)),
    };
    let markup = format!(
        "<p style=\"color: #777; font-size: small\">{MARKER}</p>\n{body}\n<p>{}</p>\n{}",
        html::escape(left_out.trim()),
        asking.html()
    );
    let mut references = content.references.clone();
    references.extend(content.message_id.clone());
    compose(
        Compose {
            from,
            to: all,
            cc: content.cc.iter().filter_map(named).collect(),
            reply_to: vec![reply_to.into()],
            subject: &content.subject,
            date_ms: content.date_ms.unwrap_or(now),
            message_id,
            in_reply_to: content.in_reply_to.as_deref(),
            references: &references,
            headers: &[],
            text: Some(&text),
            html: Some(&markup),
            attachments: parts.into_iter().filter_map(|part| part.attached).collect(),
        },
        out,
    )
}
