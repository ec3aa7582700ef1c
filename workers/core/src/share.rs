//! A worker's share of API Gateway's control plane, of its calls and of its keys; and of Stripe.
//!
//! AWS allows all callers of an account and Region together 10 calls a second (burst 40),
//! and 10,000 keys; neither is raised. Both are shared with the seller's own deployments
//! and keys, so Tollgate keeps below a configured part of each ([`budget`](crate::budget)). No
//! state is shared for it: each instance paces itself by its own part, and counts its own mints.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::budget::Caller;
use crate::pace::Pace;
use crate::policy::Policy;
use crate::ports::{Class, Ledger, PortError, PortResult, Service};
use crate::timing::{COUNT_IS_FRESH_FOR, FREEZE_IS_SEEN_WITHIN};

/// How often Stripe is called by all workers together, in a second. Stripe allows 25 for each
/// endpoint by default. <https://docs.stripe.com/rate-limits>
const STRIPE_CALLS_PER_SECOND: i64 = 15;

/// One instance's share. Built once, and kept as long as the instance lives.
#[derive(Debug)]
pub struct Share {
    /// Of the control plane's calls.
    pub calls: Pace,
    /// Of Stripe's calls, which are paced alike.
    pub stripe: Pace,
    /// How many instances share the policy's part at most.
    instances: u32,
    /// Keys beyond which no free key is made.
    free_keys_below: u64,
    /// Held by whoever reads or writes the stack's record.
    alone: futures_util::lock::Mutex<()>,
    inner: Mutex<Inner>,
}

/// Room for a key, as long as it is held.
#[derive(Debug)]
pub struct Room<'a>(&'a Share);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.lock().promised -= 1;
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// When the ledger was asked for the count of keys.
    counted_at: Option<Timestamp>,
    /// What it said; `None` when nobody has counted yet.
    keys: Option<u64>,
    /// Keys that this instance has made since.
    minted: u64,
    /// Keys that it may be about to make: several accounts are seen to at once.
    promised: u64,
    /// When the ledger was asked whether the stack is frozen, and what it said.
    frozen: Option<(Timestamp, Option<String>)>,
}

impl Share {
    /// An instance's share, of `instances` that may run at once (the sum of the event source
    /// mappings' `MaximumConcurrency`).
    pub fn of(policy: &Policy, instances: u32) -> Self {
        let instances = instances.max(1);
        let each = i32::try_from(instances).unwrap_or(i32::MAX);
        let of_stripe = SignedDuration::from_nanos(1_000_000_000 / STRIPE_CALLS_PER_SECOND);
        Self {
            calls: Pace::of(Caller::Workers.per_call(policy).saturating_mul(each)),
            stripe: Pace::of(of_stripe.saturating_mul(each)),
            instances,
            free_keys_below: u64::from(policy.key_quota.saturating_sub(policy.key_reserve)),
            alone: futures_util::lock::Mutex::default(),
            inner: Mutex::default(),
        }
    }

    /// What a call met: one that was refused for its rate makes the next ones dearer.
    pub fn heed(&self, error: &PortError, now: Timestamp) {
        match (error.class, error.service) {
            (Class::Throttled { .. }, Service::ApiGateway) => self.calls.refused(now),
            (Class::Throttled { .. }, Service::Stripe) => self.stripe.refused(now),
            _ => {}
        }
    }

    /// Of the accounts that are seen to at once, one at a time has to do with the stack's record.
    pub async fn alone(&self) -> impl Drop + '_ {
        self.alone.lock().await
    }

    /// Notes a key that was made.
    pub fn minted(&self) {
        self.lock().minted += 1;
    }

    /// Room for a key that is made for nothing; none, where what is left is kept for those who pay.
    /// The ledger is asked once a minute, and told what was made since the sweep counted.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn room<L: Ledger>(
        &self,
        ledger: &L,
        now: Timestamp,
    ) -> PortResult<Option<Room<'_>>> {
        let _alone = self.alone().await;
        let fresh = |at: Timestamp| now.duration_since(at) < COUNT_IS_FRESH_FOR;
        if !self.lock().counted_at.is_some_and(fresh) {
            let mut stack = ledger.stack().await?;
            let minted = self.lock().minted;
            if let Some(keys) = stack.keys.as_mut().filter(|_| minted > 0) {
                keys.count += minted;
                // When another instance was faster, the next minute will do.
                if ledger.put_stack(&stack).await? {
                    self.lock().minted -= minted;
                }
            }
            let mut inner = self.lock();
            inner.counted_at = Some(now);
            inner.keys = stack.keys.map(|keys| keys.count);
        }
        let mut inner = self.lock();
        let others = (inner.minted + inner.promised) * u64::from(self.instances);
        let has_room = inner.keys.is_none_or(|keys| keys + others < self.free_keys_below);
        inner.promised += u64::from(has_room);
        // Made only where there is one: what is dropped gives its place back.
        Ok(has_room.then(|| Room(self)))
    }

    /// Why nothing may be taken from anybody, where an operator has said so. The ledger is asked
    /// once a minute, and only by who is about to take something.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn frozen<L: Ledger>(
        &self,
        ledger: &L,
        now: Timestamp,
    ) -> PortResult<Option<String>> {
        let _alone = self.alone().await;
        if let Some((at, frozen)) = &self.lock().frozen
            && now.duration_since(*at) < FREEZE_IS_SEEN_WITHIN
        {
            return Ok(frozen.clone());
        }
        let frozen = ledger.stack().await?.frozen;
        self.lock().frozen = Some((now, frozen.clone()));
        Ok(frozen)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
