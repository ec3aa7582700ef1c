//! The objects that the model keeps: the fields that Stripe's API shows, no more.
//! How they are shown is in [`objects`](super::objects).

mod agenda;
mod billing;
mod catalog;
mod checkout;
mod customers;
mod disputes;
mod lines;
mod portal;
mod scene;
mod settings;
mod subscriptions;
mod table;
mod webhooks;

use std::collections::BTreeMap;

pub(super) use agenda::{Due, TestClock};
pub use billing::{BillingReason, Charge, Invoice, InvoiceStatus, Refund};
pub use catalog::{Interval, Price, Product};
pub use checkout::{Session, SessionStatus, SubscriptionData};
pub use customers::{Card, Customer};
pub use disputes::{Dispute, Warning};
pub use lines::{Line, Period};
pub use portal::{
    CancelMode, FlowKind, Portal, PortalConfiguration, PortalFeatures, PortalFlow, PortalUpdate,
};
pub(super) use scene::{Oddities, Past};
pub use settings::{Settings, WhenExhausted};
pub use subscriptions::{
    Item, MissingPaymentMethod, PauseBehavior, Proration, Schedule, Subscription,
};
pub(super) use table::Table;
pub(super) use webhooks::{Attempts, RequestInfo};
pub use webhooks::{Endpoint, Event};

/// Stripe's `metadata`.
pub type Metadata = BTreeMap<String, String>;
