//! A stand-in for Stripe: customers, prices, Checkout, subscriptions, invoices,
//! refunds, disputes, events and webhooks, as far as Tollgate meets them.
//!
//! [`Stripe`] is the account: pure synchronous state, scripted by its methods, with a
//! time of its own. [`StripeStandin`] shares it and keeps it at the clock's time:
//! whoever looks finds everything done that has fallen due. [`http`] is its API.
//!
//! Not modelled: tax, coupons, quantities beyond multiplication, refunds that fail or wait, one-off
//! invoices, Connect, what is metered and its meters (a metered price costs nothing), payment
//! methods other than one card per customer. What is asked for and not modelled answers 501,
//! never a made-up success.

mod billing;
mod catalog;
mod changes;
mod checkout;
mod clockwork;
mod customers;
mod delivery;
mod disputes;
mod error;
mod events;
pub mod http;
mod lag;
mod legacy;
mod lines;
mod model;
mod objects;
mod oddities;
mod pages;
mod portal;
mod refunds;
mod schedules;
mod sent;
mod state;
mod subscriptions;
mod test_clocks;
pub mod transitions;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use catalog::NewPrice;
pub use changes::When;
pub use checkout::{NewSession, SESSION_LIFETIME};
pub use clockwork::DRAFT_TIME;
pub use customers::NewCustomer;
pub use delivery::{Delivery, DeliveryAnswer, EndpointUpdate, NewEndpoint, RETRY_FOR};
pub use error::{ErrorKind, StripeError, StripeResult};
pub use events::RETENTION;

pub use http::page::Paging;
pub use http::{DeliveryReport, router, router_of, webhook_client};
pub use model::{
    BillingReason, CancelMode, Card, Charge, Customer, Dispute, Endpoint, Event, FlowKind,
    Interval, Invoice, InvoiceStatus, Item, Line, Metadata, MissingPaymentMethod, PauseBehavior,
    Period, Portal, PortalConfiguration, PortalFeatures, PortalFlow, PortalUpdate, Price, Product,
    Proration, Refund, Schedule, Session, SessionStatus, Settings, Subscription, SubscriptionData,
    Warning, WhenExhausted,
};
pub use objects::API_VERSION;
pub use portal::NewPortal;
pub use refunds::NewRefund;
pub use state::{KEY_LIFETIME, Stripe};
pub use subscriptions::{FIRST_PAYMENT_WINDOW, TRIAL_NOTICE};
pub use transitions::Status;

use crate::calls::Calls;
use crate::clock::VirtualClock;

/// A shared Stripe account that keeps to the virtual clock.
#[derive(Clone)]
pub struct StripeStandin {
    account: Arc<Mutex<Stripe>>,
    clock: VirtualClock,
    calls: Calls,
}

impl StripeStandin {
    /// An empty account at the clock's time.
    pub fn new(clock: VirtualClock, calls: Calls, settings: Settings) -> Self {
        let account = Arc::new(Mutex::new(Stripe::new(clock.time(), settings)));
        Self { account, clock, calls }
    }

    /// The account, after everything that the clock has made due. Drop the guard before
    /// awaiting anything.
    pub fn account(&self) -> MutexGuard<'_, Stripe> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.advance(self.clock.time());
        account
    }

    /// Moves the shared clock, and everything due happens in the order of its time.
    pub fn advance_to(&self, to: Timestamp) {
        self.clock.advance_to(to);
        drop(self.account());
    }
}
