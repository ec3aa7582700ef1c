//! A worker's share of API Gateway's control plane: of its calls, and of its keys.
//!
//! AWS allows all callers of an account and Region together 10 calls a second (burst 40),
//! and 10,000 keys; neither is raised. Both are shared with the seller's own deployments
//! and keys, so Tollgate keeps below a configured part of each. No state is shared for
//! it: each instance paces itself by its own part, and counts its own mints.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::policy::Policy;
use crate::ports::{Ledger, PortResult};

/// How many calls may be made at once, in seconds of an instance's rate: AWS's burst is
/// four seconds' worth.
const BURST_SECONDS: i32 = 4;

/// How many calls a second the account API makes to the control plane, all its instances together:
/// a share of its own, beside the workers'. What is left of it is counted in the ledger.
pub const ACCOUNT_API_CALLS_PER_SECOND: u32 = 1;

/// For how long the count of keys is believed before the ledger is asked again.
const COUNT_IS_FRESH_FOR: SignedDuration = SignedDuration::from_secs(60);

/// How soon every worker knows that the stack was frozen, or is not any more.
const FREEZE_IS_SEEN_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// One instance's share. Built once, and kept as long as the instance lives.
#[derive(Debug)]
pub struct ControlPlane {
    /// The time that one call uses up; zero for no limit.
    per_call: SignedDuration,
    /// How many instances share the policy's part at most.
    instances: u32,
    /// Keys beyond which no free key is made.
    free_keys_below: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The time up to which calls have been used (a virtual schedule, as in GCRA).
    used_until: Option<Timestamp>,
    /// When the ledger was asked for the count of keys.
    counted_at: Option<Timestamp>,
    /// What it said; `None` when nobody has counted yet.
    keys: Option<u64>,
    /// Keys that this instance has made since.
    minted: u64,
    /// When the ledger was asked whether the stack is frozen, and what it said.
    frozen: Option<(Timestamp, Option<String>)>,
}

impl ControlPlane {
    /// An instance's share, of `instances` that may run at once (the sum of the event source
    /// mappings' `MaximumConcurrency`).
    pub fn share(policy: &Policy, instances: u32) -> Self {
        let instances = instances.max(1);
        let rate = policy.control_plane_calls_per_second.clamp(1, 10);
        let nanos = i64::from(instances) * 1_000_000_000 / i64::from(rate);
        Self {
            per_call: SignedDuration::from_nanos(nanos),
            instances,
            free_keys_below: u64::from(policy.key_quota.saturating_sub(policy.key_reserve)),
            inner: Mutex::default(),
        }
    }

    /// Uses up the time of some calls and says how long to wait before making them.
    pub fn take(&self, calls: u32, now: Timestamp) -> SignedDuration {
        let used = self.time_of(calls);
        let mut inner = self.lock();
        let from = inner.used_until.map_or(now, |until| until.max(now));
        let until = from.saturating_add(used).expect("a duration has no calendar");
        inner.used_until = Some(until);
        let allowed = self.per_call.saturating_mul(self.burst());
        until.duration_since(now).saturating_sub(allowed).max(SignedDuration::ZERO)
    }

    /// Gives back what was taken for calls that are not made after all.
    pub fn give_back(&self, calls: u32) {
        let used = self.time_of(calls);
        let mut inner = self.lock();
        inner.used_until = inner
            .used_until
            .map(|until| until.saturating_sub(used).expect("a duration has no calendar"));
    }

    /// Notes a key that was made.
    pub fn minted(&self) {
        self.lock().minted += 1;
    }

    /// Whether a key may be made for nothing, or what is left is kept for those who pay.
    /// The ledger is asked once a minute, and told what was made since the sweep counted.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn has_room<L: Ledger>(&self, ledger: &L, now: Timestamp) -> PortResult<bool> {
        let fresh = |at: Timestamp| now.duration_since(at) < COUNT_IS_FRESH_FOR;
        if !self.lock().counted_at.is_some_and(fresh) {
            let mut stack = ledger.stack().await?;
            let minted = self.lock().minted;
            if let Some(keys) = stack.keys.as_mut().filter(|_| minted > 0) {
                keys.count += minted;
                // When another instance was faster, the next minute will do.
                if ledger.put_stack(&stack).await? {
                    // Two convergences at once tell the same: what they made is told already.
                    let mut inner = self.lock();
                    inner.minted = inner.minted.saturating_sub(minted);
                }
            }
            let mut inner = self.lock();
            inner.counted_at = Some(now);
            inner.keys = stack.keys.map(|keys| keys.count);
        }
        let inner = self.lock();
        let others = inner.minted * u64::from(self.instances);
        Ok(inner.keys.is_none_or(|keys| keys + others < self.free_keys_below))
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
        if let Some((at, frozen)) = &self.lock().frozen
            && now.duration_since(*at) < FREEZE_IS_SEEN_WITHIN
        {
            return Ok(frozen.clone());
        }
        let frozen = ledger.stack().await?.frozen;
        self.lock().frozen = Some((now, frozen.clone()));
        Ok(frozen)
    }

    /// A switch is two calls that belong together, whatever the rate.
    fn burst(&self) -> i32 {
        let calls_per_second = if self.per_call.is_zero() {
            1
        } else {
            (1_000_000_000 / self.per_call.as_nanos()).try_into().unwrap_or(i32::MAX)
        };
        calls_per_second.saturating_mul(BURST_SECONDS).max(BURST_SECONDS)
    }

    fn time_of(&self, calls: u32) -> SignedDuration {
        self.per_call.saturating_mul(i32::try_from(calls).unwrap_or(i32::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    fn share(rate: u32, instances: u32) -> ControlPlane {
        let policy = Policy { control_plane_calls_per_second: rate, ..Policy::default() };
        ControlPlane::share(&policy, instances)
    }

    #[test]
    fn instances_together_stay_below_the_share() {
        for (rate, instances) in [(5, 4), (10, 1), (1, 10), (3, 7)] {
            let plane = share(rate, instances);
            let mut clock = 0;
            for _ in 0..200 {
                clock += i64::try_from(plane.take(1, at(clock)).as_millis()).unwrap() + 1;
            }
            let burst = 4.0 * f64::from(rate).max(f64::from(instances));
            let together = f64::from(instances) * 200.0;
            let allowed = f64::from(rate) * clock as f64 / 1000.0 + burst + f64::from(instances);
            assert!(together <= allowed, "{rate}/s, {instances}: {together} > {allowed}");
        }
    }

    #[test]
    fn a_switch_after_a_quiet_time_does_not_wait() {
        let plane = share(1, 10);
        assert!(plane.take(2, at(0)).is_zero());
        assert!(!plane.take(4, at(0)).is_zero());
        assert!(plane.take(2, at(120_000)).is_zero());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let plane = share(1, 1);
        assert!(plane.take(4, at(0)).is_zero());
        let wait = plane.take(3, at(0));
        plane.give_back(3);
        assert_eq!(plane.take(3, at(0)), wait);
        assert_eq!(wait, SignedDuration::from_secs(3));
    }
}
