//! When an account is looked at next: whatever a run comes to, it is said here and nowhere else.

use jiff::{SignedDuration, Timestamp};

use super::{Run, Stop};
use crate::decide::Desired;
use crate::policy::SECOND_LOOKS;
use crate::ports::Ports;
use crate::timing::{PARKED_REVIEW_AFTER, SECOND_LOOK_AFTER, UNFINISHED_REVIEW_AFTER};

impl<P: Ports> Run<'_, P> {
    /// When to look again: when the decision says so, or soon, when a read lagged. Only a look
    /// that was due is used up: other events of the account may come in the meantime.
    pub(super) fn look_as_decided(&mut self, desired: &Desired, lagging: bool) {
        let scheduled = self.account.review_at.filter(|at| *at > self.now);
        let left = self.account.second_looks;
        let soon = self.now.checked_add(SECOND_LOOK_AFTER).ok();
        let (looks, next) = match scheduled {
            _ if lagging => (SECOND_LOOKS, soon),
            Some(at) => (left, soon.map(|soon| soon.min(at))),
            None => (left.saturating_sub(1), soon),
        };
        self.account.second_looks = looks;
        let times = desired.review_at.into_iter().chain(next.filter(|_| looks > 0));
        self.account.review_at = times.min();
    }

    /// Should this run not come to its end: some minutes after its lease.
    pub(super) fn look_if_unfinished(&self) -> Option<Timestamp> {
        self.invocation.deadline.checked_add(UNFINISHED_REVIEW_AFTER).ok()
    }

    /// What cannot be done is looked at again in a day, or when it would have been anyway.
    pub(super) fn look_though_parked(&mut self, stop: &Stop) {
        let known = self.account.review_at.filter(|at| *at > self.now);
        // A name never changes: only the other account's end does, and the comparison sees that.
        let changes = !matches!(stop, Stop::NamedAsSub { .. });
        let tomorrow = self.tomorrow().filter(|_| changes);
        self.account.review_at = known.into_iter().chain(tomorrow).min();
    }

    /// What waits for something is looked at when the wait is over.
    pub(super) fn look_after(&mut self, wait: SignedDuration) {
        let wait = wait.max(SignedDuration::from_secs(1));
        self.account.review_at = self.clock_now().checked_add(wait).ok();
    }

    /// What a limit holds back today is decided anew tomorrow.
    pub(super) fn look_tomorrow(&self, desired: &mut Desired) {
        desired.review_at = desired.review_at.into_iter().chain(self.tomorrow()).min();
    }

    fn tomorrow(&self) -> Option<Timestamp> {
        self.now.checked_add(PARKED_REVIEW_AFTER).ok()
    }
}
