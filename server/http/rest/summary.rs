//! Messages as a list shows them. Whatever a row needs from elsewhere is read once for the whole list.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::time::Time;
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::mail::message;
use crate::store::email::EmailRow;
use crate::store::promise::{AskedRow, PromiseRow};
use crate::store::submission::SubmissionRow;
use crate::store::tracking::{Progress, State};

/// Somebody's name and address, as a message has them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Address {
    /// The display name.
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

impl From<message::Mailbox> for Address {
    fn from(mailbox: message::Mailbox) -> Self {
        Self { name: mailbox.name, address: mailbox.address }
    }
}

/// What every form of a message shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct Base {
    /// Its id here.
    pub id: Uuid,
    /// Its thread, in this account.
    pub thread_id: Uuid,
    /// Its Message-ID (RFC 5322), with angle brackets.
    pub message_id: String,
    /// The mailbox's role; its id when it has none.
    pub mailbox: String,
    /// The mailbox's id.
    pub mailbox_id: Uuid,
    /// `in` or `out`.
    pub direction: &'static str,
    /// The author.
    pub from: Option<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// The subject.
    pub subject: String,
    /// The first words.
    pub preview: String,
    /// When it came into the account.
    pub received_at: Time,
    /// Its Date field.
    pub sent_at: Option<Time>,
    /// Octets.
    pub size: i64,
    /// Marked as seen.
    pub seen: bool,
    /// Marked with a star.
    pub flagged: bool,
    /// Whether something is attached.
    pub has_attachment: bool,
    /// The caller's labels.
    pub keywords: Vec<String>,
    /// Of one in the mailbox of the role `snoozed`: when it comes back.
    pub snoozed_until: Option<Time>,
    /// Of one's own: `accepted`, `scheduled`, `held` or `canceled`.
    pub state: Option<&'static str>,
    /// Of one's own: how many recipients are how far.
    pub delivery: Option<Counts>,
}

/// A message as a list shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageSummary)]
pub struct Summary {
    #[serde(flatten)]
    base: Base,
    /// The question it carries.
    ask: Option<AskBrief>,
}

/// How many recipients of a message are how far.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the states of a delivery")]
pub struct Counts {
    /// All of them.
    pub total: i64,
    pub scheduled: i64,
    pub held: i64,
    pub queued: i64,
    pub sending: i64,
    pub delayed: i64,
    pub delivered: i64,
    pub relayed: i64,
    pub failed: i64,
    pub canceled: i64,
}

/// A question in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskBrief {
    promise_id: Uuid,
    /// `pending`, `fulfilled` or `rejected`.
    state: String,
    /// `asker` or `asked`.
    role: &'static str,
    deadline: Option<Time>,
    /// Whether the caller has answered.
    answered: bool,
}

impl Counts {
    fn add(&mut self, progress: &Progress, waiting: &str) {
        self.total += progress.count;
        let place = match progress.outcome.as_deref() {
            Some("delivered") => &mut self.delivered,
            Some("relayed") => &mut self.relayed,
            Some("canceled") => &mut self.canceled,
            Some(_) => &mut self.failed,
            None if progress.sending => &mut self.sending,
            None if progress.tried => &mut self.delayed,
            None => match waiting {
                "held" => &mut self.held,
                "scheduled" => &mut self.scheduled,
                _ => &mut self.queued,
            },
        };
        *place += progress.count;
    }
}

/// What the rows of one list need from elsewhere.
pub(super) struct Around {
    now: i64,
    submissions: HashMap<Uuid, SubmissionRow>,
    counts: HashMap<Uuid, Counts>,
    promises: HashMap<Uuid, PromiseRow>,
    asked: HashMap<Uuid, AskedRow>,
}

impl Around {
    /// Reads it for these rows of one account, in four reads at most.
    pub(super) async fn read(state: &AppState, account: Uuid, rows: &[EmailRow]) -> Result<Self, Problem> {
        let (store, now) = (&state.store, state.clock.now_ms());
        let own: Vec<(Uuid, Uuid)> =
            rows.iter().filter_map(|row| Some((account, row.submission_id?))).collect();
        let (mut submissions, mut counts) = (HashMap::new(), HashMap::<Uuid, Counts>::new());
        if !own.is_empty() {
            submissions.extend(store.submissions(&own).await?.into_iter().map(|row| (row.id, row)));
            let ids: Vec<Uuid> = own.into_iter().map(|(_, id)| id).collect();
            for progress in store.progress(account, &ids, now).await? {
                let waiting =
                    submissions.get(&progress.submission_id).map_or("accepted", |row| row.state(now));
                counts.entry(progress.submission_id).or_default().add(&progress, waiting);
            }
        }
        let keys: Vec<(Uuid, Uuid)> =
            rows.iter().filter_map(|row| Some((row.asker_id?, row.promise_id?))).collect();
        let (mut promises, mut asked) = (HashMap::new(), HashMap::new());
        if !keys.is_empty() {
            promises.extend(store.promises_of(&keys).await?.into_iter().map(|row| (row.id, row)));
            let ids: Vec<Uuid> = keys.into_iter().map(|(_, id)| id).collect();
            asked.extend(store.asked_of(account, &ids).await?.into_iter().map(|row| (row.promise_id, row)));
        }
        Ok(Self { now, submissions, counts, promises, asked })
    }

    /// The submission a row was sent by.
    pub(super) fn submission(&self, row: &EmailRow) -> Option<&SubmissionRow> {
        self.submissions.get(&row.submission_id?)
    }

    /// The promise of the question a row carries.
    pub(super) fn promise(&self, row: &EmailRow) -> Option<&PromiseRow> {
        self.promises.get(&row.promise_id?)
    }

    /// What the account was asked by the question a row carries.
    pub(super) fn asked(&self, row: &EmailRow) -> Option<&AskedRow> {
        self.asked.get(&row.promise_id?)
    }

    /// What every form of a message shows of a row.
    pub(super) fn base(&self, row: EmailRow) -> Base {
        let (to, cc) = row.recipients();
        let (state, delivery) =
            (self.submission(&row).map(|submission| submission.state(self.now)), row.submission_id);
        Base {
            id: row.id,
            thread_id: row.thread_id,
            message_id: format!("<{}>", row.message_id),
            mailbox: row.mailbox_role.unwrap_or_else(|| row.mailbox_id.to_string()),
            mailbox_id: row.mailbox_id,
            direction: if row.outgoing { "out" } else { "in" },
            from: row.from_address.map(|address| Address { name: row.from_name, address }),
            to: to.into_iter().map(Address::from).collect(),
            cc: cc.into_iter().map(Address::from).collect(),
            subject: row.subject,
            preview: row.preview,
            received_at: Time(row.received_at),
            sent_at: row.sent_at.map(Time),
            size: row.size,
            seen: row.seen,
            flagged: row.flagged,
            has_attachment: row.has_attachment,
            snoozed_until: row.snoozed_until.map(Time),
            keywords: row.keywords.iter().flat_map(|all| all.split(' ')).map(str::to_owned).collect(),
            state,
            delivery: delivery.and_then(|id| self.counts.get(&id).cloned()),
        }
    }

    /// A row as a list shows it.
    pub(super) fn summary(&self, row: EmailRow) -> Summary {
        let ask = self.promise(&row).map(|promise| AskBrief {
            promise_id: promise.id,
            state: promise.state.clone(),
            role: if promise.account_id == row.account_id { "asker" } else { "asked" },
            deadline: promise.deadline.map(Time),
            answered: self
                .asked
                .get(&promise.id)
                .is_some_and(|me| me.answered_at.or(me.declined_at).is_some()),
        });
        Summary { base: self.base(row), ask }
    }
}

/// Rows as a list shows them.
pub(super) async fn summaries(
    state: &AppState,
    account: Uuid,
    rows: Vec<EmailRow>,
) -> Result<Vec<Summary>, Problem> {
    let around = Around::read(state, account, &rows).await?;
    Ok(rows.into_iter().map(|row| around.summary(row)).collect())
}

/// Reads a delivery's state as the API writes it.
pub(super) fn delivery_state(text: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.as_str() == text)
}
