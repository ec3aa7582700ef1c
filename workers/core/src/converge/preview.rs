//! What a convergence would do now: everything is read and decided as the worker does it,
//! and nothing is written.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tollgate_events::{AccountId, CustomerId, Envelope, Source};

use super::{DRIFT, Invocation, Run, Stop, Worker};
use crate::account::{Account, PlanId, Reason, RetiringKey, Status, User};
use crate::decide::Warning;
use crate::ledger::CustomerLink;
use crate::ops::{OperatorAct, bring_disputes};
use crate::plan::{Step, plan};
use crate::ports::{Clock, Ledger, Ports};
use crate::sweep::wake;

/// How long a preview may wait for the control plane.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

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

impl<P: Ports> Worker<P> {
    /// Reads what a convergence on behalf of `events`, after an operator's act if there is
    /// one, would read, and tells what it would do. Claims nothing: a worker may be at it at the
    /// same time, and then the preview tells of a state that is about to pass. The blast limit is
    /// not asked.
    ///
    /// # Errors
    /// [`Stop`]: a call failed, the control plane had no room for two reads in a minute, the
    /// ledger has forgotten the account, or a newer catalog has decided it.
    pub async fn preview(
        &self,
        id: &AccountId,
        events: Vec<Envelope>,
        act: Option<&OperatorAct>,
    ) -> Result<Preview, Stop> {
        let now = self.ports.clock().now();
        let account = self.ports.ledger().account(id).await?;
        let account = account.unwrap_or_else(|| Account::new(id.clone()));
        if account.catalog_revision > self.catalog.revision {
            return Err(Stop::CatalogOutdated);
        }
        let Named { mut events, new, released } = self.of_account(id, events).await?;
        // So that API Gateway and Cognito are looked at, whatever the events are.
        events.push(wake(DRIFT, id.clone(), None, now));
        let invocation = Invocation::until(now.checked_add(PATIENCE).unwrap_or(Timestamp::MAX));
        let unclaimed = self.accounts().unclaimed(&account);
        let mut run = Run::new(self, account, unclaimed, events, now, &invocation);
        run.released = released;
        if run.account.user != User::Deleted {
            run.account.access.customers.extend(new);
        }
        let before = (run.committed().plan.clone(), run.committed().status);
        if let Some(act) = act {
            // As the operator finds it. What is refused changes nothing.
            let mut next = Account { open: run.claimed.found_open(), ..run.account.clone() };
            if act.change(&mut next, now).is_ok() {
                bring_disputes(self.ports.ledger(), &act.act, &mut next).await?;
                run.account = next;
                if let Some(customer) = act.act.links() {
                    run.join_stuck(customer).await?;
                }
            }
        }
        run.not_forgotten().await?;
        let facts = run.facts().await?;
        run.now = run.clock_now();
        let mut desired = run.decide(&facts);
        desired.expire = run.open_sessions(&desired).await?;
        let observed = run.look(run.attributes_known(), &mut 0).await?;
        Ok(Preview {
            account: id.clone(),
            before,
            after: (desired.plan.clone(), desired.status),
            steps: plan(&desired, &observed),
            reason: desired.reason,
            warnings: desired.warnings,
            retiring: desired.retiring,
            review_at: desired.review_at,
        })
    }
}

/// What of the events concerns an account: a customer's are its own account's.
#[derive(Default)]
struct Named {
    events: Vec<Envelope>,
    /// Customers whom they would link.
    new: BTreeSet<CustomerId>,
    /// Customers whom an operator has released: no event links them again.
    released: BTreeSet<CustomerId>,
}

impl<P: Ports> Worker<P> {
    async fn of_account(&self, id: &AccountId, events: Vec<Envelope>) -> Result<Named, Stop> {
        let mut named = Named::default();
        for event in events {
            if let Some(customer) = event.subject.customer.clone() {
                match self.ports.ledger().link_of(&customer).await? {
                    CustomerLink::Account(owner) if owner != *id => continue,
                    CustomerLink::Released { .. } => drop(named.released.insert(customer)),
                    CustomerLink::Nobodys if event.source != Source::Operator => {
                        named.new.insert(customer);
                    }
                    CustomerLink::Account(_) | CustomerLink::Nobodys => {}
                }
            }
            named.events.push(event);
        }
        Ok(named)
    }
}
