//! What invoices are for, line by line.
//!
//! A period's lines are its items; a change within a period adds a credit for what was not used
//! up and a charge for the rest, which wait for the next invoice or make one of their own.
//! <https://docs.stripe.com/billing/subscriptions/prorations>

use jiff::Timestamp;

use super::model::{Line, Period};
use super::state::Stripe;

impl Stripe {
    /// What a period's items cost; in a trial nothing.
    pub(super) fn lines_of(&self, subscription: &str, in_trial: bool) -> Vec<Line> {
        let items = self.subscriptions.get(subscription).map_or(&[][..], |row| &row.items);
        let line = |item: &super::model::Item| {
            let amount = self.amount_of(&item.price) * item.quantity.unwrap_or(0);
            Line {
                item: item.id.clone(),
                price: item.price.clone(),
                quantity: item.quantity,
                amount: if in_trial { 0 } else { amount },
                proration: false,
            }
        };
        items.iter().map(line).collect()
    }

    /// What the rest of a period is worth at a price: a credit for the old one, a charge for
    /// the new one.
    pub(super) fn proration(
        &self,
        (item, quantity): (&str, Option<i64>),
        price: &str,
        period: Period,
        sign: i64,
    ) -> Line {
        let whole = self.amount_of(price) * quantity.unwrap_or(0);
        Line {
            item: item.to_owned(),
            price: price.to_owned(),
            quantity,
            amount: sign * prorated(whole, period, self.now),
            proration: true,
        }
    }
}

/// What lines come to. What is below zero would be credited to the customer; that is not
/// modelled.
pub(super) fn total(lines: &[Line]) -> i64 {
    lines.iter().map(|line| line.amount).sum::<i64>().max(0)
}

/// The part of an amount that the rest of a period is worth.
fn prorated(amount: i64, period: Period, now: Timestamp) -> i64 {
    let whole = period.end.as_second() - period.start.as_second();
    let rest = period.end.as_second() - now.as_second();
    if whole <= 0 { 0 } else { amount * rest / whole }
}
