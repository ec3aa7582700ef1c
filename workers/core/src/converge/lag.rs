//! Reads that lag: a service that does not show yet what it has told.

use crate::timing::LAG_AT_MOST;
use tollgate_events::kind::About;
use tollgate_events::{Envelope, Hint, Source, Via, cloudtrail, cognito};

use super::Run;
use super::refunds::tells_of_refund;
use crate::decide::{Facts, UserFact};
use crate::ports::Ports;
use crate::stripe::Subscription;

impl<P: Ports> Run<'_, P> {
    /// Whether a read does not show yet what a fresh event tells: then it is committed as
    /// it was read, and looked at again soon.
    pub(super) fn read_seems_to_lag(&self, facts: &Facts) -> bool {
        let user_lags = match &facts.user {
            UserFact::NotFound { delete_seen } => {
                !delete_seen && self.inbox.woken_by(cognito::SIGN_UP)
            }
            UserFact::Found { .. } => self.inbox.woken_by(cloudtrail::USER_DELETED),
            UserFact::AsLastSeen => false,
        };
        let fresh = |event: &&Envelope| {
            event.source == Source::Stripe
                && event.via != Via::Replay
                && self.now.duration_since(event.occurred_at) < LAG_AT_MOST
        };
        let fresh: Vec<_> = self.inbox.events.iter().filter(fresh).collect();
        let refund_lags = self.account.refund_told
            && facts.refunds.values().all(Option::is_none)
            && fresh.iter().any(|event| tells_of_refund(event));
        user_lags || refund_lags || is_behind(&facts.subscriptions, &fresh)
    }
}

/// Whether a subscription reads otherwise than its newest event tells. Of the events of one
/// second any may be the last, and Stripe's purchase tells of several states in one; but
/// nothing comes after the end.
fn is_behind(subscriptions: &[Subscription], events: &[&Envelope]) -> bool {
    events.iter().any(|event| {
        let of_it = || events.iter().filter(|other| other.object == event.object);
        let newest = of_it().map(|other| other.occurred_at).max();
        let last = || of_it().filter(|other| Some(other.occurred_at) == newest);
        let ends = |event: &&&Envelope| event.hint.as_ref().is_some_and(|it| is_final(&it.status));
        match last().find(ends) {
            Some(end) => differs(end, subscriptions),
            None => last().all(|last| differs(last, subscriptions)),
        }
    })
}

/// A subscription that is so stays so.
/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>
pub(super) fn is_final(status: &str) -> bool {
    matches!(status, "canceled" | "incomplete_expired")
}

/// Whether a subscription reads otherwise than an event told.
fn differs(event: &Envelope, subscriptions: &[Subscription]) -> bool {
    let (Some(hint), Some(object)) = (&event.hint, &event.object) else { return false };
    if event.about() != About::Subscription {
        return false;
    }
    let Some(read) = subscriptions.iter().find(|read| read.id.as_str() == object) else {
        return !is_final(&hint.status);
    };
    read.status.as_str() != hint.status
        || read.cancel_at != hint.cancel_at
        || read.cancel_at_period_end != hint.cancel_at_period_end
        || !has_prices(read, hint)
        || read.voids_invoices != hint.voids_invoices
}

/// Whether a subscription has the prices that an event told of: these alone, if it told of all.
fn has_prices(read: &Subscription, hint: &Hint) -> bool {
    let mut prices = read.sold().filter_map(|price| price.id.as_ref());
    if hint.whole {
        return prices.eq(&hint.prices);
    }
    hint.prices.iter().all(|told| prices.any(|price| price == told))
}
