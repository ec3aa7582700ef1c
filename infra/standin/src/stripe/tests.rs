//! What the stand-in promises, checked against what Stripe documents.

mod api;
mod life;
mod odd;
mod portal;
mod table;
mod webhooks;

use jiff::{SignedDuration, Timestamp};

use super::*;

/// 2026-01-31T12:00:00Z: the last of a month, for the calendar's sake.
const START: i64 = 1_769_860_800;

fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// An account with a price, a dearer one, and a customer.
struct World {
    stripe: Stripe,
    pro: String,
    max: String,
    customer: String,
}

fn world() -> World {
    let mut stripe = Stripe::new(start(), Settings::default());
    let pro = stripe.add_product_price("Pro", Interval::Month, 2900, "pro").unwrap();
    let max = stripe.add_product_price("Max", Interval::Month, 9900, "max").unwrap();
    let customer = stripe.create_customer(NewCustomer::default());
    World { stripe, pro, max, customer }
}

impl World {
    /// A subscription bought at the checkout.
    fn buy(&mut self) -> String {
        self.buy_with(SubscriptionData::default())
    }

    fn buy_with(&mut self, data: SubscriptionData) -> String {
        let session = NewSession {
            customer: Some(self.customer.clone()),
            subscription_data: data,
            card_if_required: true,
            ..NewSession::for_price(&self.pro)
        };
        let session = self.stripe.open_checkout(session).unwrap();
        self.stripe.complete_checkout(&session, Card::Pays).unwrap()
    }

    fn status(&self, id: &str) -> Status {
        self.stripe.subscription(id).unwrap().status
    }

    fn wait(&mut self, time: SignedDuration) {
        let to = self.stripe.now() + time;
        self.stripe.advance(to);
    }

    /// The types of the events since the last look, oldest first.
    fn news(&mut self, seen: &mut usize) -> Vec<&'static str> {
        let all: Vec<_> = self.stripe.events().map(|event| event.kind).collect();
        let news = all.iter().rev().skip(*seen).copied().collect();
        *seen = all.len();
        news
    }
}

/// A stand-in on a clock of its own.
fn standin() -> StripeStandin {
    let clock = VirtualClock::starting_at(start());
    assert_eq!(clock.time(), start());
    StripeStandin::new(clock, Calls::default(), Settings::default())
}
