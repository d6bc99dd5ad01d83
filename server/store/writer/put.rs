//! A unit that is nothing but statements: those of several units can go down in one call, and the call is what costs.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Fate, Job};
use crate::store::bell::{Bell, Topic};
use crate::store::db::{Statement, Tx};
use crate::store::{Error, Result};

/// Statements of one call.
const STATEMENTS: usize = 128;
/// Units of one call.
const UNITS: usize = 8;
/// Kinds of units that are joined: their texts are long, and each is prepared and kept.
const KINDS: usize = 8;
/// How often a kind has to come before it is joined.
const OFTEN: u32 = 32;

pub(super) struct Put {
    accounts: Vec<Uuid>,
    statements: Vec<Statement>,
    /// The same for units of the same texts.
    kind: u64,
    rings: Vec<Topic>,
    result: Option<Result<()>>,
    caller: oneshot::Sender<Result<()>>,
}

impl Put {
    pub(super) fn new(
        accounts: Vec<Uuid>,
        statements: Vec<Statement>,
        rings: Vec<Topic>,
        caller: oneshot::Sender<Result<()>>,
    ) -> Self {
        let mut kind = DefaultHasher::new();
        statements.iter().for_each(|statement| statement.text().hash(&mut kind));
        Self { accounts, kind: kind.finish(), statements, rings, result: None, caller }
    }
}

impl Job for Put {
    fn accounts(&self) -> &[Uuid] {
        &self.accounts
    }

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>> {
        Box::pin(async move {
            tx.next_unit();
            let done = tx.batch(self.statements.iter().cloned()).await;
            let keep = done.is_ok();
            self.result = Some(done.map(drop));
            keep
        })
    }

    fn statements(&self) -> Option<&Put> {
        Some(self)
    }

    fn ran(&mut self) {
        self.result = Some(Ok(()));
    }

    fn answer(self: Box<Self>, fate: Option<Fate>, bell: &Bell) {
        let kept = matches!(self.result, Some(Ok(())));
        if kept && matches!(fate, None | Some(Fate::Unknown)) {
            bell.ring(self.rings);
        }
        let result = match (self.result, fate) {
            (Some(result), None) => result,
            // It failed by itself, whatever became of the others.
            (Some(Err(error)), Some(_)) if !matches!(error, Error::Database(_)) => Err(error),
            (_, Some(fate)) => Err(fate.into()),
            (None, None) => Err(Error::Busy),
        };
        let _ = self.caller.send(result); // a caller that went away changes nothing
    }
}

/// The kinds that come often.
#[derive(Default)]
pub(super) struct Kinds(Vec<(u64, u32)>);

impl Kinds {
    fn count(&mut self, kind: u64) -> u32 {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == kind) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.0.len() == KINDS {
            // The rarest makes room, and what came often long ago need not come often now.
            self.0.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            self.0.pop();
            self.0.iter_mut().for_each(|(_, count)| *count -= *count / 8);
        }
        self.0.push((kind, 1));
        1
    }

    /// Puts units of the same kind side by side. (They all came at the same time: no order is promised.)
    pub(super) fn sort(group: &mut [Box<dyn Job>]) {
        group.sort_by_key(|job| job.statements().map(|put| put.kind));
    }

    /// How many of these units, from the first on, go down in one call, and their statements: a power of two, so
    /// that there are few texts. None: the first goes by itself.
    pub(super) fn joined(&mut self, group: &[Box<dyn Job>]) -> Option<(usize, Vec<Statement>)> {
        let first = group.first()?.statements()?;
        let same = |put: &&Put| put.kind == first.kind;
        if self.count(first.kind) < OFTEN {
            return None;
        }
        let most = UNITS.min(STATEMENTS / first.statements.len().max(1));
        let units = group.iter().take(most).map_while(|job| job.statements()).take_while(same).count();
        let units = 1 << units.checked_ilog2().filter(|log| *log > 0)?;
        let puts = group.iter().take(units).filter_map(|job| job.statements());
        Some((units, puts.flat_map(|put| put.statements.iter().cloned()).collect()))
    }
}
