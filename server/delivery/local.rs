//! The mail delivery agent: files a message into an inbox here, in one unit with everything that follows from it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::Inner;
use super::bounce::Told;
use super::forward::addressed;
use super::notice::may_be_told;
use super::pump::Batch;
use crate::mail::address::Address;
use crate::store::delivery::{Asked, Filed, Finish, Leased, Outcome};
use crate::store::email::NewEmail;
use crate::store::fanout::Copy;
use crate::store::mailbox::{Role, role_id};
use crate::store::submission::SubmissionRow;
use crate::store::{Error, Result};

impl Inner {
    /// Files the recipient's copy and settles the delivery.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        account: Uuid,
    ) -> Result<()> {
        let promise = leased.subject_id.map(|promise| (promise, leased.account_id));
        let email = NewEmail { promise, ..self.copy(submission, account)? };
        let mut notices = self.notices_of(&email, false).await?;
        let away = self.context.store.vacations(&[account]).await?;
        notices.extend(self.absence(&email, &away, &submission.mail_from).await?);
        let asked =
            promise.map(|(promise_id, asker_id)| Asked { promise_id, asker_id, respondent: leased.id });
        let source = email.source_id.clone();
        let filed = Filed { email, blob: None, asked, notices, unverified: None };
        let wanted = submission.is_particular()
            && leased.recipient.parse::<Address>().is_ok_and(|to| submission.wanted().of(&to).notify.success);
        let told = if wanted { self.report(leased, submission, &Told::Delivered).await? } else { None };
        match self.finish_here(leased, Some(filed), told.clone(), account).await {
            // Another of its addresses was a recipient as well, or an earlier attempt was not recorded.
            Err(Error::Conflict) if !self.context.store.holders(&[account], &source).await?.is_empty() => {
                self.finish_here(leased, None, told, account).await
            }
            done => done,
        }
    }

    async fn finish_here(
        &self,
        leased: &Leased,
        filed: Option<Filed>,
        told: Option<Filed>,
        account: Uuid,
    ) -> Result<()> {
        let finish = Finish {
            leased: leased.clone(),
            outcome: Outcome::Delivered,
            attempt: None,
            filed,
            person: Some(account),
        };
        let store = &self.context.store;
        self.record(|now| store.finish_and_tell(finish.clone(), told.clone(), now)).await
    }

    /// Works on several deliveries that were claimed together: those that are for accounts here are filed in one unit,
    /// the others by themselves.
    pub(super) async fn work_together(self: Arc<Self>, batch: Arc<Batch>, group: Vec<Leased>) {
        let ids: Vec<Uuid> = group.iter().map(|leased| leased.id).collect();
        let filed = match self.file_together(&batch, &group).await {
            Ok(filed) => filed,
            Err(error) => {
                // One of them spoils it for all: each goes on alone.
                tracing::debug!(%error, first = ?ids.first(), "what was claimed together is delivered one by one");
                HashSet::new()
            }
        };
        for leased in group.into_iter().filter(|leased| !filed.contains(&leased.id)) {
            self.clone().work(batch.clone(), leased).await;
        }
    }

    /// The deliveries that were ended by filing them in one unit.
    async fn file_together(&self, batch: &Batch, group: &[Leased]) -> Result<HashSet<Uuid>> {
        let (store, now) = (&self.context.store, self.now());
        if self.stopping.is_cancelled() {
            return Ok(HashSet::new());
        }
        let key = |leased: &Leased| leased.recipient.parse::<Address>().ok().map(|address| address.key());
        let mut keys: Vec<String> = group.iter().filter_map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        let here = store.accounts_of(&keys).await?;
        let accounts: Vec<Uuid> = here.values().copied().collect();
        let forwardings = store.verified_forwardings(&accounts).await?;
        let away = store.vacations(&accounts).await?;
        let (mut copies, mut seen, mut telling) = (Vec::new(), HashSet::new(), HashMap::new());
        for leased in group {
            let Some(submission) = batch.submission(leased) else { continue };
            let Some(account) = key(leased).and_then(|key| here.get(&key).copied()) else { continue };
            let alone = submission.is_particular() || submission.expires_at.is_some_and(|at| at <= now);
            if alone || !seen.insert((submission.id, account)) {
                continue;
            }
            let email = self.copy(&submission, account)?;
            let mut theirs: Vec<_> =
                forwardings.iter().filter(|f| f.account_id == account).cloned().collect();
            if !theirs.is_empty() {
                let told = match telling.get(&submission.id) {
                    Some(told) => *told,
                    None => may_be_told(&store.content(&email.head.digest).await?, &self.context.domain),
                };
                telling.insert(submission.id, told);
                theirs.retain(|_| told);
            }
            let mut notices = addressed(&self.context, &email, &theirs).await?;
            notices.extend(self.absence(&email, &away, &submission.mail_from).await?);
            copies.push(Copy { leased: leased.clone(), email, notices });
        }
        let filed = copies.iter().map(|copy| copy.leased.id).collect();
        self.record(|now| store.finish_together(copies.clone(), now)).await?;
        Ok(filed)
    }

    /// The copy for an account's inbox.
    fn copy(&self, submission: &SubmissionRow, account: Uuid) -> Result<NewEmail> {
        let now = self.now();
        Ok(NewEmail {
            account_id: account,
            id: self.context.ids.id(now),
            head: submission.head()?,
            thread_id: None,
            mailbox_id: role_id(account, Role::Inbox),
            source_id: submission.id.as_bytes().to_vec(),
            outgoing: false,
            received_at: now,
            seen: false,
            submission_id: None,
            promise: None,
            metadata: None,
        })
    }
}
