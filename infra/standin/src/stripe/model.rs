//! The objects that the model keeps: the fields that Stripe's API shows, no more.
//! How they are shown is in [`objects`](super::objects).

mod billing;
mod catalog;
mod checkout;
mod customers;
mod disputes;
mod settings;
mod subscriptions;
mod table;

use std::collections::BTreeMap;

pub use billing::{BillingReason, Charge, Invoice, InvoiceStatus, Line, Refund};
pub use catalog::{Interval, Price, Product};
pub use checkout::{Portal, Session, SessionStatus, SubscriptionData};
pub use customers::{Card, Customer};
pub use disputes::{Dispute, Warning};
pub use settings::{Settings, WhenExhausted};
pub use subscriptions::{Item, MissingPaymentMethod, PauseBehavior, Period, Subscription};
pub(super) use table::Table;

/// Stripe's `metadata`.
pub type Metadata = BTreeMap<String, String>;
