//! The blast limit: a wrong pool id, Stripe key or catalog must not close a business.
//!
//! Sweeps, reconciliations, replays and catalog changes may take a plan from so many
//! paying accounts a day and no more; then they stop until an operator has looked. What
//! an event of the account itself explains is never counted: it is what Tollgate is for.

use tollgate_events::{Source, Via};

use super::{Run, Stop};
use crate::account::{Access, Reason, Status};
use crate::decide::{Desired, Facts, KeyState};
use crate::ports::{Ledger, Ports};
use crate::stripe::SubscriptionStatus;

/// How often another instance's write is outrun before the events come again.
const ROUNDS: u32 = 8;

impl<P: Ports> Run<'_, P> {
    /// Stops what would take a plan from one paying account too many, or close one too many.
    /// What was let through is written down, so that it is counted once.
    pub(super) async fn within_blast_limit(
        &mut self,
        facts: &Facts,
        desired: &Desired,
    ) -> Result<(), Stop> {
        let closes = desired.key == KeyState::Closed && self.committed().status != Status::Closed;
        let revision = self.worker.catalog.revision;
        if !(closes || self.demotes(desired))
            || self.is_explained(facts)
            || self.account.let_through == Some(revision)
        {
            return Ok(());
        }
        for round in 0..ROUNDS {
            let stack = self.ledger().stack().await?;
            let (next, allowed) = stack.demote(self.now, closes);
            if next == stack || self.ledger().put_stack(&next).await? {
                if !allowed {
                    return Err(Stop::BlastLimit);
                }
                self.account.let_through = Some(revision);
                return self.save().await;
            }
            self.pause(round).await;
        }
        Err(Stop::Budget { wait: super::commit::OUTRUN_FOR })
    }

    /// Whether an account that pays gets less than it has.
    fn demotes(&self, desired: &Desired) -> bool {
        let has_paid = self.committed().reason != Reason::DefaultPlan;
        let Some(now) = self.committed().plan.as_ref().filter(|_| has_paid) else { return false };
        // A plan that the catalog does not have any more was worth more than any other.
        let rank = |id| self.worker.catalog.plan(id).map_or(u32::MAX, |plan| plan.rank);
        desired.plan.as_ref().map(rank) < Some(rank(now))
    }

    /// Whether the account's own events, or a time that was known before, say why.
    fn is_explained(&self, facts: &Facts) -> bool {
        let told = self.events.iter().any(|event| match event.source {
            Source::Stripe | Source::Cloudtrail | Source::Cognito | Source::Operator => {
                event.via != Via::Replay
            }
            Source::Sweep | Source::Queue => false,
        });
        if facts.access.closed.is_some() {
            return true;
        }
        // A second look is the doing of an event that is dealt with.
        let looks_again = self.account.second_looks > 0;
        (told || looks_again || self.time_has_come(self.committed()))
            && !self.catalog_may_be_why(facts)
    }

    /// Whether a new catalog may be what takes the plan: something is still paid for or granted.
    fn catalog_may_be_why(&self, facts: &Facts) -> bool {
        let is_new = self.account.catalog_revision != self.worker.catalog.revision;
        let live = facts.subscriptions.iter().any(|subscription| {
            matches!(
                subscription.status,
                SubscriptionStatus::Trialing
                    | SubscriptionStatus::Active
                    | SubscriptionStatus::PastDue
            )
        });
        is_new && (live || !facts.access.grants.is_empty())
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
