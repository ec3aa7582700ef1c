//! Reads that lag: the list of a customer's subscriptions as of a few seconds ago.
//!
//! Only whoever asks for [what a list shows](Stripe::as_read_now) meets it, where it is told to, and never back and forth: what was
//! shown once stays shown.

use jiff::SignedDuration;

use super::StripeStandin;
use super::model::Subscription;
use super::state::Stripe;

impl Stripe {
    /// A subscription's event is made: this is how it is from now on.
    pub(super) fn remember(&mut self, id: &str) {
        let Some(row) = self.subscriptions.get(id).filter(|_| !self.past.lag.is_zero()) else {
            return;
        };
        self.past.told.entry(id.to_owned()).or_default().push((self.now, row.clone()));
    }

    /// A subscription as a list shows it now; `None` when it does not show it yet.
    pub fn as_read_now<'a>(&'a self, row: &'a Subscription) -> Option<&'a Subscription> {
        let Some(told) = self.past.told.get(&row.id).filter(|_| !self.past.lag.is_zero()) else {
            return Some(row);
        };
        let shown = self.now - self.past.lag;
        if told.last().is_some_and(|(since, _)| *since <= shown) {
            return Some(row);
        }
        told.iter().rev().find(|(since, _)| *since <= shown).map(|(_, row)| row)
    }
}

impl StripeStandin {
    /// From now on a customer's subscriptions are listed as they were this long ago (in
    /// whole seconds); none by default. To be set before there are any.
    pub fn set_read_lag(&self, lag: SignedDuration) {
        self.account().past.lag = lag;
    }
}
