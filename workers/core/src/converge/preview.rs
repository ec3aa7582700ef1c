//! What a convergence would do now: everything is read and decided as the worker does it,
//! and nothing is written.

use std::collections::BTreeSet;

use crate::timing::PATIENCE;
use jiff::Timestamp;
use tollgate_events::{AccountId, CustomerId, Envelope, SubscriptionId};

use super::namesake::must_be_nobody_else;
use super::{DRIFT, Invocation, Run, Stop, Worker};
use crate::account::{Account, PlanId, Reason, RetiringKey, Status};
use crate::accounts::Change;
use crate::decide::{Desired, Warning};
use crate::ledger::StackRecord;
use crate::plan::Step;
use crate::ports::{Clock, Ledger, Ports};
use crate::sweep::wake;

/// What would become of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Which one.
    pub account: AccountId,
    /// Its plan, and where it stands.
    pub before: (Option<PlanId>, Status),
    /// What they would be.
    pub after: (Option<PlanId>, Status),
    /// Why.
    pub reason: Reason,
    /// What would be done, in this order.
    pub steps: Vec<Step>,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
    /// Replaced keys that would still work, and until when.
    pub retiring: Vec<RetiringKey>,
    /// When it would be looked at again.
    pub review_at: Option<Timestamp>,
    /// Subscriptions that would go on, though the account is closed: for lack of a word, or because
    /// too many have been cancelled in a day.
    pub held_back: BTreeSet<SubscriptionId>,
}

impl Preview {
    /// Whether anything would change.
    pub fn changes(&self) -> bool {
        self.before != self.after || !self.steps.is_empty()
    }

    /// Whether a key would be made.
    pub fn mints(&self) -> bool {
        self.steps.contains(&Step::MintKey)
    }

    /// Whether a key would be refused from then on.
    pub fn disables(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DisableKey | Step::DeleteKey))
    }
}

/// An account as somebody's act would leave it: what a preview of that act begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supposed {
    /// As it was found.
    pub found: Account,
    /// As it would be left.
    pub left: Account,
    /// The customer whom the act links.
    pub links: Option<CustomerId>,
}

impl<P: Ports> Worker<P> {
    /// Reads what a convergence on behalf of `events` would read, and tells what it would do.
    /// Claims nothing: a worker may be at it at the same time, and then the preview tells of a state
    /// that is about to pass.
    ///
    /// # Errors
    /// [`Stop`]: as a convergence would stop; or the control plane had no room for two reads in a
    /// minute.
    pub async fn preview(&self, id: &AccountId, events: Vec<Envelope>) -> Result<Preview, Stop> {
        let mut stack = self.ports.ledger().stack().await?;
        self.preview_within(id, events, &mut stack).await
    }

    /// The same, of one of several: what the limits leave is counted in `stack`.
    ///
    /// # Errors
    /// As there.
    pub async fn preview_within(
        &self,
        id: &AccountId,
        events: Vec<Envelope>,
        stack: &mut StackRecord,
    ) -> Result<Preview, Stop> {
        let found = self.ports.ledger().account(id).await?;
        let found = found.unwrap_or_else(|| Account::new(id.clone()));
        self.foresee(found, None, events, stack).await
    }

    /// The same after somebody's act, which wakes the account.
    ///
    /// # Errors
    /// As there.
    pub async fn preview_after(&self, supposed: Supposed) -> Result<Preview, Stop> {
        let mut stack = self.ports.ledger().stack().await?;
        let Supposed { found, left, links } = supposed;
        self.foresee(found, Some((left, links)), Vec::new(), &mut stack).await
    }

    async fn foresee(
        &self,
        account: Account,
        act: Option<(Account, Option<CustomerId>)>,
        events: Vec<Envelope>,
        stack: &mut StackRecord,
    ) -> Result<Preview, Stop> {
        let (now, id) = (self.ports.clock().now(), account.id.clone());
        if account.catalog_revision > self.catalog.revision {
            return Err(Stop::CatalogOutdated);
        }
        let is_woken = !events.is_empty();
        let invocation = Invocation::until(now.checked_add(PATIENCE).unwrap_or(Timestamp::MAX));
        let unclaimed = self.accounts().unclaimed(&account);
        let mut run = Run::new(self, account, unclaimed, events, now, &invocation);
        run.foretold = Some(stack.clone());
        let before = (run.committed().plan.clone(), run.committed().status);
        if let Some((left, links)) = act {
            run.suppose(left, links.as_ref()).await?;
        }
        run.link().await?;
        if is_woken && run.inbox.events.is_empty() && !run.claimed.found_open() {
            // All that woke it is another account's.
            return Ok(run.as_it_is(before));
        }
        // So that API Gateway and Cognito are looked at, whatever the events are.
        run.inbox.events.push(wake(DRIFT, id.clone(), None, now));
        run.must_be_remembered().await?;
        let desired = run.foresee_decision().await;
        if let Some(foretold) = run.foretold.take() {
            *stack = foretold;
        }
        let desired = desired?;
        let mut observed = run.look(run.attributes_known(), &mut 0).await?;
        let steps = run.steps(&desired, &mut observed).await?;
        Ok(Preview {
            account: id,
            before,
            after: (desired.plan.clone(), desired.status),
            steps,
            reason: desired.reason,
            warnings: desired.warnings,
            retiring: desired.retiring,
            review_at: desired.review_at,
            held_back: desired.to_cancel,
        })
    }
}

impl<P: Ports> Run<'_, P> {
    /// Begins with the account as an act would leave it.
    async fn suppose(&mut self, left: Account, links: Option<&CustomerId>) -> Result<(), Stop> {
        if left == self.account && links.is_none() {
            return Ok(());
        }
        self.claimed.commit(Change::to(left.clone(), self.now)).await?;
        self.account = left;
        if let Some(customer) = links {
            self.join_unsettled(customer).await?;
        }
        Ok(())
    }

    /// As a round does, up to the decision.
    async fn foresee_decision(&mut self) -> Result<Desired, Stop> {
        let read = self.read().await?;
        must_be_nobody_else(&read.namesakes)?;
        let facts = self.facts(read).await?;
        self.word_must_be_remembered().await?;
        Ok(self.decide_within_limits(facts).await?.0)
    }

    fn as_it_is(&self, before: (Option<PlanId>, Status)) -> Preview {
        Preview {
            account: self.account.id.clone(),
            after: before.clone(),
            before,
            reason: self.account.access.reason.clone(),
            steps: Vec::new(),
            warnings: Vec::new(),
            retiring: Vec::new(),
            review_at: self.account.review_at,
            held_back: BTreeSet::new(),
        }
    }
}
