//! The guards on a loss: a wrong pool id, Stripe key or catalog must not close a business.
//!
//! What an account's own doing explains goes on: it is what Tollgate is for. What nothing
//! explains counts, whoever woke the account, and only so much of it is let through in a day;
//! then it stops until an operator has looked. While the stack is frozen nothing is taken from
//! anybody. Cancelling in Stripe, which cannot be undone, has a limit of its own.

use std::collections::BTreeSet;

use super::{Run, Stop};
use crate::decide::loss::{Case, Evidence, Loss, is_still, loss};
use crate::decide::{Desired, Facts};
use crate::ledger::StackRecord;
use crate::mismatch::Mismatch;
use crate::ports::{Ledger, Ports, Stripe};

/// How often another instance's write is outrun before the events come again.
const ROUNDS: u32 = 8;

impl<P: Ports> Run<'_, P> {
    /// Whether what was decided may be done. Where the evidence is not in the facts, the
    /// subscription that gave the plan is read by itself; one that turns out to live joins the
    /// facts, and it must be decided again: `false`.
    ///
    /// # Errors
    /// [`Stop`]: nothing may be taken from this account now.
    pub(super) async fn may_lose(
        &mut self,
        facts: &mut Facts,
        desired: &Desired,
    ) -> Result<bool, Stop> {
        let Some(loss) = loss(self.committed(), desired, &self.worker.catalog) else {
            return Ok(true);
        };
        self.not_frozen().await?;
        let revision = self.worker.catalog.revision;
        if self.account.let_through == Some(revision) {
            return Ok(true);
        }
        match self.evidence(loss, facts, desired) {
            Evidence::Explained => return Ok(true),
            Evidence::Counted => {}
            Evidence::Unread(id) => {
                let read = self.worker.ports.stripe().subscription(&id).await?;
                let read = read.ok_or(Stop::Mismatch(Mismatch::Subscription(id)))?;
                // An operator has released whoever pays for it, or it has ended.
                if !is_still(&read, self.committed()) {
                    return Ok(true);
                }
                let alone = std::slice::from_ref(&read);
                self.must_be_read(alone, &facts.proven)?;
                facts.paid_for.extend(self.paid_for(alone, &facts.proven).await?);
                facts.refunds.extend(self.refunds(alone, &facts.proven).await?);
                facts.subscriptions.push(read);
                return Ok(false);
            }
        }
        let closes = loss == Loss::Closed;
        if !self.count(|stack, now| stack.lose(now, closes)).await? {
            return Err(Stop::BlastLimit);
        }
        self.account.let_through = Some(revision);
        self.save().await?;
        Ok(true)
    }

    fn evidence(&self, loss: Loss, facts: &Facts, desired: &Desired) -> Evidence {
        let case = Case {
            before: self.committed(),
            decided_by: self.account.catalog_revision,
            desired,
            facts,
            events: &self.inbox.events,
            catalog: &self.worker.catalog,
            policy: &self.worker.policy,
            now: self.now,
        };
        case.evidence(loss)
    }

    /// An operator may have stopped all losses, until it is known what is wrong.
    async fn not_frozen(&self) -> Result<(), Stop> {
        let frozen = self.worker.share.frozen(self.ledger(), self.now).await?;
        frozen.map_or(Ok(()), |why| Err(Stop::Frozen { why }))
    }

    /// Holds back the cancellations that are too many for a day: they wait in the account.
    pub(super) async fn limit_cancellations(&mut self, desired: &mut Desired) -> Result<(), Stop> {
        let known = &self.account.may_cancel;
        let new: Vec<_> =
            desired.cancel.iter().filter(|id| !known.contains(*id)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut held_back = BTreeSet::new();
        for id in new {
            if self.count(|stack, now| stack.cancel(now, &id)).await? {
                self.account.may_cancel.insert(id);
            } else {
                held_back.insert(id);
            }
        }
        if !held_back.is_empty() {
            tracing::error!(account = %self.account.id, "the cancellation limit holds");
            self.look_tomorrow(desired);
        }
        desired.cancel.retain(|id| !held_back.contains(id));
        desired.to_cancel = held_back;
        self.save().await
    }

    /// Counts one more of what is limited; whether it may be done.
    async fn count(
        &mut self,
        one: impl Fn(&StackRecord, jiff::Timestamp) -> (StackRecord, bool),
    ) -> Result<bool, Stop> {
        if let Some(stack) = &mut self.foretold {
            let (next, allowed) = one(stack, self.now);
            *stack = next;
            return Ok(allowed);
        }
        // Other instances are enough to race with.
        let _alone = self.worker.share.alone().await;
        for round in 0..ROUNDS {
            let stack = self.ledger().stack().await?;
            let (next, allowed) = one(&stack, self.now);
            if next == stack || self.ledger().put_stack(&next).await? {
                return Ok(allowed);
            }
            self.pause(round).await;
        }
        Err(Stop::Budget { wait: crate::timing::OUTRUN_FOR })
    }
}
