//! Test clocks: customers in a time of their own, which is moved by hand.
//! <https://docs.stripe.com/billing/testing/test-clocks>
//!
//! A clock has a time and an agenda. What is done to an object of a customer on it happens at its
//! time, and what falls due, when it is advanced. Events are made and sent at the account's own
//! time.
//!
//! Not modelled: how far a clock may be advanced at once, that this takes a while
//! (`status=advancing`), how many customers it may have, and its deletion.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{StripeError, StripeResult};
use super::model::TestClock;
use super::state::{Stripe, whole_seconds};

impl Stripe {
    /// `POST /v1/test_helpers/test_clocks`. Events: `test_helpers.test_clock.created`.
    pub fn create_test_clock(&mut self, frozen_time: Timestamp, name: Option<String>) -> String {
        let id = self.mint("clock_1");
        let (created, frozen_time) = (self.now, whole_seconds(frozen_time));
        let agenda = BTreeSet::new();
        let clock = TestClock { id: id.clone(), created, frozen_time, name, agenda };
        self.test_clocks.insert(&id, clock);
        self.tell("test_helpers.test_clock.created", &id);
        id
    }

    /// `POST /v1/test_helpers/test_clocks/{id}/advance`: what falls due for its customers happens,
    /// in the order of its time. Events: theirs, and `test_helpers.test_clock.ready`.
    ///
    /// # Errors
    /// No such clock, or a time that has passed on it.
    pub fn advance_test_clock(&mut self, id: &str, frozen_time: Timestamp) -> StripeResult<()> {
        let to = whole_seconds(frozen_time);
        if to <= self.test_clock(id)?.frozen_time {
            let message = "You can only advance a test clock to a time after its frozen time.";
            return Err(StripeError::bad_parameter("frozen_time", message));
        }
        self.on_clock(id, |stripe| stripe.pass_until(to));
        self.tell("test_helpers.test_clock.ready", id);
        Ok(())
    }

    /// A test clock.
    ///
    /// # Errors
    /// No such clock.
    pub(super) fn test_clock(&self, id: &str) -> StripeResult<&TestClock> {
        self.test_clocks.get(id).ok_or_else(|| StripeError::missing("test_clock", id))
    }

    /// The test clock that a customer is on.
    pub fn clock_of(&self, customer: &str) -> Option<&str> {
        self.customers.get(customer)?.test_clock.as_deref()
    }

    /// The customer of a subscription or an invoice, or who it is.
    pub(super) fn customer_of(&self, id: &str) -> String {
        let subscription = self.subscriptions.get(id).map(|row| &row.customer);
        let customer = subscription.or_else(|| Some(&self.invoices.get(id)?.customer));
        customer.map_or(id, String::as_str).to_owned()
    }

    /// Does something at the time of a customer's test clock, if they are on one.
    pub(super) fn in_time_of<T>(&mut self, customer: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        match self.clock_of(customer).map(str::to_owned) {
            Some(clock) if self.wall.is_none() => self.on_clock(&clock, act),
            _ => act(self),
        }
    }

    fn on_clock<T>(&mut self, id: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        let Some(clock) = self.test_clocks.get_mut(id) else { return act(self) };
        let agenda = std::mem::replace(&mut self.agenda, std::mem::take(&mut clock.agenda));
        let wall = std::mem::replace(&mut self.now, clock.frozen_time);
        self.wall = Some(wall);
        let done = act(self);
        self.wall = None;
        let frozen_time = std::mem::replace(&mut self.now, wall);
        let agenda = std::mem::replace(&mut self.agenda, agenda);
        if let Some(clock) = self.test_clocks.get_mut(id) {
            (clock.frozen_time, clock.agenda) = (frozen_time, agenda);
        }
        done
    }

    /// <https://docs.stripe.com/api/test_clocks/object>
    pub(super) fn show_test_clock(&self, clock: &TestClock) -> Value {
        json!({
            "id": clock.id,
            "object": "test_helpers.test_clock",
            "created": clock.created.as_second(),
            "deletes_after": clock.created.as_second() + 30 * 86_400,
            "frozen_time": clock.frozen_time.as_second(),
            "livemode": false,
            "name": clock.name,
            "status": "ready",
            "status_details": {},
        })
    }
}
