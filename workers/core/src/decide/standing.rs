//! The best plan so far.

use jiff::Timestamp;

use super::desired::Warning;
use crate::account::{Given, Reason};
use crate::catalog::Plan;

/// The best plan so far, and when something about it ends.
pub(super) struct Standing<'a> {
    pub(super) plan: Option<&'a Plan>,
    pub(super) reason: Reason,
    pub(super) given: Option<Given>,
    pub(super) until: Option<Timestamp>,
    pub(super) review_at: Option<Timestamp>,
    pub(super) warnings: Vec<Warning>,
}

/// What offers a plan.
pub(super) struct Offer {
    pub(super) reason: Reason,
    pub(super) given: Option<Given>,
    pub(super) until: Option<Timestamp>,
}

impl<'a> Standing<'a> {
    /// Takes a plan if it is better; of two claims to the same plan, the one that lasts
    /// longer; of two that last alike, the first.
    pub(super) fn offer(&mut self, plan: &'a Plan, offer: Offer) {
        let lasts = |until: Option<Timestamp>| until.unwrap_or(Timestamp::MAX);
        let better = self
            .plan
            .is_none_or(|best| (plan.rank, lasts(offer.until)) > (best.rank, lasts(self.until)));
        if better {
            let Offer { reason, given, until } = offer;
            (self.plan, self.reason, self.given, self.until) = (Some(plan), reason, given, until);
        }
    }

    pub(super) fn review(&mut self, at: Option<Timestamp>, now: Timestamp) {
        if let Some(at) = at.filter(|at| *at > now) {
            self.review_at = Some(self.review_at.map_or(at, |sooner| sooner.min(at)));
        }
    }
}
