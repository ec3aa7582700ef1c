//! A key between two usage plans answers 403, so it comes before everything else.
//!
//! # Expected flow
//! A switch begins when both its calls can be paid for, and nobody else of this invocation is
//! between two plans ([`Invocation`]). From Detach on, the run waits for no share of the control
//! plane (what it uses is noted, and others wait for it), and tries again every 0.3 to 1 s until
//! the key is on a plan. At the lease's end the account is committed as it is, and woken at once.
//! A replaced key that still works is switched like the account's own, and after it.
//!
//! # Guarantees
//! - Only [`Class::Denied`] and [`Class::Invalid`] end it sooner: these do not pass by themselves.
//! - An account that is known to be between two plans when it is claimed goes on where it was.
//! - One that may be, since whoever had it last did not come to an end or a step was not answered,
//!   is looked at as insistently, until it is known.
//!
//! # Caveats
//! What kills the worker inside leaves it to the redelivery, or the sweep.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use tollgate_events::EventRef;

use super::{Run, Stop};
use crate::account::{KeyRecord, RetiringKey, Status};
use crate::plan::Step;
use crate::ports::{Class, Clock, Entropy, PortError, Ports, Service};
use crate::timing::TRIES_APART;

/// One invocation of a worker: what its convergences have in common.
#[derive(Debug)]
pub struct Invocation {
    /// No step starts after it, and leases end with it.
    pub deadline: Timestamp,
    /// Events whose message was received before.
    again: BTreeSet<EventRef>,
    /// How many accounts are between two plans: while one is, no other's key is taken off its
    /// plan.
    between: AtomicUsize,
}

/// That an account is between two plans, or about to be.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a AtomicUsize);

impl Invocation {
    /// An invocation that ends then.
    pub fn until(deadline: Timestamp) -> Self {
        Self { deadline, again: BTreeSet::new(), between: AtomicUsize::new(0) }
    }

    /// The same, in which these events' messages were received before.
    #[must_use]
    pub fn with(self, again: BTreeSet<EventRef>) -> Self {
        Self { again, ..self }
    }

    /// Whether an event's message was received before.
    pub(super) fn comes_again(&self, event: &EventRef) -> bool {
        self.again.contains(event)
    }

    /// Another account is between two plans, whoever else is.
    pub(super) fn enter(&self) -> Turn<'_> {
        self.between.fetch_add(1, Ordering::SeqCst);
        Turn(&self.between)
    }

    /// The turn of one that is about to be, if nobody has one.
    fn begin(&self) -> Option<Turn<'_>> {
        let free = self.between.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst);
        free.ok().map(|_| Turn(&self.between))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<P: Ports> Run<'_, P> {
    /// Whether a key was on a plan, and is on none.
    pub(super) fn is_between_plans(&self) -> bool {
        let access = &self.account.access;
        let old = |key: &RetiringKey| key.usage_plan.is_none() && key.until > self.now;
        self.key_is_between_plans()
            || access.status == Status::Active && access.retiring.iter().any(old)
    }

    /// Whether it is the account's own key. A new one that was on no plan yet is its intent's.
    pub(super) fn key_is_between_plans(&self) -> bool {
        let access = &self.account.access;
        access.status == Status::Active
            && access.usage_plan.is_none()
            && self.account.key().is_some()
            && self.placed
    }

    /// The account's key was seen on a plan, or put on one.
    pub(super) fn note_place(&mut self) {
        let begun = self.account.intent.as_ref().map(|intent| intent.generation);
        let is_its = |key: &KeyRecord| begun.is_none_or(|begun| begun == key.generation);
        self.placed |=
            self.account.key().is_some_and(is_its) && self.account.access.usage_plan.is_some();
    }

    /// Whether the key may be on none: it is, or whoever had the account last did not come to an
    /// end, or a step was not answered. Nobody waits for a share then, and what is refused for its
    /// rate is tried again.
    pub(super) fn may_be_between_plans(&self) -> bool {
        let access = &self.account.access;
        let unknown = (self.claimed.found_open() || self.in_doubt)
            && access.status == Status::Active
            && self.account.key().is_some()
            && self.placed;
        unknown || self.is_between_plans()
    }

    /// Whether a call was refused for its rate while the key may be on no plan.
    pub(super) fn is_refused_in_between(&self, error: &PortError) -> bool {
        matches!(error.class, Class::Throttled { .. }) && self.may_be_between_plans()
    }

    /// What was observed: the account has a turn as long as it is between two plans.
    pub(super) fn keep_turn(&mut self) {
        let invocation = self.invocation;
        self.turn = self.is_between_plans().then(|| invocation.enter());
    }

    /// Before a key is taken off its plan to be put on another: waits until nobody else's is
    /// between two.
    pub(super) async fn wait_for_turn(&mut self, steps: &[Step]) -> Result<(), Stop> {
        let switches = steps.iter().any(Step::detaches) && steps.iter().any(Step::attaches);
        while switches && self.turn.is_none() {
            let invocation = self.invocation;
            self.turn = invocation.begin();
            if self.turn.is_none() {
                let wait = self.between_tries();
                self.can_wait(wait)?;
                self.worker.ports.clock().sleep(wait).await;
            }
        }
        Ok(())
    }

    /// Waits until another try, if what went wrong may pass; else, and at the lease's end, there
    /// is none.
    pub(super) async fn until_next_try(&self, error: &PortError) -> Result<(), Stop> {
        let passes = match error.service {
            Service::ApiGateway => !matches!(error.class, Class::Denied | Class::Invalid),
            Service::Stripe | Service::Cognito => matches!(error.class, Class::Throttled { .. }),
            _ => false,
        };
        if !passes {
            return Err(Stop::Port(error.clone()));
        }
        let wait = self.between_tries();
        if wait >= self.invocation.deadline.duration_since(self.clock_now()) {
            return Err(Stop::BetweenPlans);
        }
        self.worker.ports.clock().sleep(wait).await;
        Ok(())
    }

    fn between_tries(&self) -> SignedDuration {
        let [random, ..] = self.worker.ports.entropy().bytes();
        apart(random)
    }
}

/// The time between two tries, by a random byte.
fn apart(random: u8) -> SignedDuration {
    let [least, most] = TRIES_APART;
    SignedDuration::from_millis(least + (most - least) * i64::from(random) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_a_third_of_a_second_to_a_second_apart() {
        let millis = [0, 51, 102, 255].map(|random| apart(random).as_millis());
        assert_eq!(millis, [300, 440, 580, 1_000]);
    }
}
