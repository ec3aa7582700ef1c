//! Waiting for room: this instance's share of calls, and what the lease leaves.

use jiff::SignedDuration;

use super::{Run, Stop};
use crate::pace::Pace;
use crate::ports::{Clock, Ports};
use crate::timing::TIME_TO_ACT;

impl<P: Ports> Run<'_, P> {
    /// Waits for this instance's share of the control plane, if the lease lasts that long and
    /// longer. Steps are paid for together, so that no switch waits in its middle; and who is
    /// between two plans waits for nothing, but others do for what they use.
    pub(super) async fn afford(&self, calls: u32) -> Result<(), Stop> {
        if calls == 0 {
            return Ok(());
        }
        self.keep_pace(&self.worker.share.calls, calls).await
    }

    /// As [`afford`](Self::afford), for calls to Stripe.
    pub(super) async fn afford_stripe(&self, calls: usize) -> Result<(), Stop> {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.keep_pace(&self.worker.share.stripe, calls).await
    }

    async fn keep_pace(&self, pace: &Pace, calls: u32) -> Result<(), Stop> {
        let now = self.clock_now();
        let wait = pace.take(calls, now);
        if wait.is_zero() || self.may_be_between_plans() {
            return Ok(());
        }
        if let Err(stop) = self.can_wait(wait) {
            pace.give_back(calls, now);
            return Err(stop);
        }
        self.worker.ports.clock().sleep(wait).await;
        Ok(())
    }

    /// Whether so much of the lease can be waited for that the rest is enough to act in.
    pub(super) fn can_wait(&self, wait: SignedDuration) -> Result<(), Stop> {
        let now = self.clock_now();
        let latest = self.invocation.deadline.checked_sub(TIME_TO_ACT).unwrap_or(now);
        match wait > latest.duration_since(now) {
            true => Err(Stop::Budget { wait }),
            false => Ok(()),
        }
    }

    /// No change to the world is begun after the lease.
    pub(super) fn in_time(&self) -> Result<(), Stop> {
        if self.clock_now() >= self.invocation.deadline { Err(Stop::OutOfTime) } else { Ok(()) }
    }
}
