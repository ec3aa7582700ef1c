//! Subscription schedules of two phases: what is, and what comes with the period's end.
//! <https://docs.stripe.com/billing/subscriptions/subscription-schedules>
//!
//! Not modelled: schedules of their own, more phases, and a last phase that ends. When the last
//! phase begins, the subscription is released.

use jiff::Timestamp;

use super::error::{StripeError, StripeResult};
use super::model::{Due, Schedule};
use super::state::Stripe;
use super::transitions::Action;

impl Stripe {
    /// Another price for a subscription's only item, from the period's end on, by the portal or by
    /// the seller. Events: `subscription_schedule.created`, `customer.subscription.updated`.
    ///
    /// # Errors
    /// No such subscription or price; several items; a schedule that is there already; a final or
    /// incomplete subscription.
    pub fn schedule(&mut self, id: &str, price: &str) -> StripeResult<()> {
        self.price(price)?;
        let row = self.subscription(id)?;
        if row.items.len() != 1 {
            return Err(StripeError::not_implemented("a schedule of several items"));
        }
        if let Some(schedule) = &row.schedule {
            let message = format!(
                "You cannot migrate a subscription that is already attached to a schedule: {}",
                schedule.id
            );
            return Err(StripeError::invalid(message));
        }
        let (at, created) = (row.period.end, self.now);
        let schedule =
            Schedule { id: self.mint("sub_sched_1"), created, at, price: price.to_owned() };
        let name = schedule.id.clone();
        self.act_with(id, Action::UpdatePrice, |row| row.schedule = Some(schedule))?;
        self.tell("subscription_schedule.created", &name);
        self.agenda.insert((at, Due::PhaseBegins(id.to_owned())));
        Ok(())
    }

    /// What was to come does not: `POST /v1/subscription_schedules/{id}/release`. Events:
    /// `subscription_schedule.released`, `customer.subscription.updated`.
    ///
    /// # Errors
    /// No such subscription, or nothing is scheduled.
    pub fn release_schedule(&mut self, id: &str) -> StripeResult<()> {
        let Some(schedule) = self.subscription(id)?.schedule.clone() else {
            return Err(StripeError::invalid("the subscription has no schedule"));
        };
        self.tell("subscription_schedule.released", &schedule.id);
        self.act_with(id, Action::UpdatePrice, |row| row.schedule = None).map(drop)
    }

    /// The price changes without a proration: the old period is over.
    pub(super) fn begin_phase(&mut self, id: &str, time: Timestamp) {
        let schedule = self.subscriptions.get(id).and_then(|row| row.schedule.clone());
        let Some(schedule) = schedule.filter(|it| it.at == time) else { return };
        self.tell("subscription_schedule.released", &schedule.id);
        let _ = self.act_with(id, Action::UpdatePrice, |row| {
            row.schedule = None;
            row.items.iter_mut().for_each(|item| item.price.clone_from(&schedule.price));
        });
    }
}
