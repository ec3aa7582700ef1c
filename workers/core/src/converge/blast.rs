//! The blast limit: a wrong pool id, Stripe key or catalog must not close a business.
//!
//! Sweeps, reconciliations, replays and catalog changes may take a plan from so many
//! paying accounts a day and no more; then they stop until an operator has looked. What
//! an event of the account itself explains is never counted: it is what Tollgate is for.

use tollgate_events::{Source, Via};

use super::{Run, Stop};
use crate::account::{Access, Reason};
use crate::decide::{Desired, KeyState};
use crate::ports::{Ledger, Ports};

/// How often another instance's write is outrun before the events come again.
const ROUNDS: u32 = 8;

impl<P: Ports> Run<'_, P> {
    /// Stops what would take a plan from one paying account too many.
    pub(super) async fn within_blast_limit(&self, desired: &Desired) -> Result<(), Stop> {
        if !self.demotes(desired) || self.is_explained() {
            return Ok(());
        }
        for round in 0..ROUNDS {
            let stack = self.ledger().stack().await?;
            let (next, allowed) = stack.demote(self.now);
            if next == stack || self.ledger().put_stack(&next).await? {
                return if allowed { Ok(()) } else { Err(Stop::BlastLimit) };
            }
            self.pause(round).await;
        }
        Err(Stop::Budget { wait: super::commit::OUTRUN_FOR })
    }

    /// Whether an account that pays gets less than it has.
    fn demotes(&self, desired: &Desired) -> bool {
        let catalog = &self.worker.catalog;
        let default = catalog.default_plan().map(|plan| &plan.id);
        let Some(now) = self.committed.plan.as_ref().filter(|plan| Some(*plan) != default) else {
            return false;
        };
        // A plan that the catalog does not have any more was worth more than any other.
        let rank = |id| catalog.plan(id).map_or(u32::MAX, |plan| plan.rank);
        let next = desired.plan.as_ref().map_or(0, rank);
        desired.key == KeyState::Closed || (desired.plan.as_ref() != Some(now) && next < rank(now))
    }

    /// Whether the account's own events, or a time that was known before, say why.
    fn is_explained(&self) -> bool {
        let told = self.events.iter().any(|event| match event.source {
            Source::Stripe | Source::Cloudtrail | Source::Cognito => event.via != Via::Replay,
            Source::Operator => true,
            Source::Sweep | Source::Queue => false,
        });
        let catalog_is_new = self.account.catalog_revision != self.worker.catalog.revision;
        // A second look and a resumed run are the doing of an event that is dealt with.
        let goes_on = self.found_open || self.account.second_looks > 0;
        (told || goes_on || self.time_has_come(&self.committed)) && !catalog_is_new
    }

    fn time_has_come(&self, access: &Access) -> bool {
        match &access.reason {
            Reason::Ending { at, .. } => *at <= self.now,
            Reason::Grace { until, .. } => *until <= self.now,
            Reason::Grant { until } => until.is_some_and(|until| until <= self.now),
            _ => false,
        }
    }
}
