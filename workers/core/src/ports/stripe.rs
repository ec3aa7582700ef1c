//! Stripe.

use std::future::Future;

use jiff::Timestamp;
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, EventId, NamedAccount, PriceId, SubscriptionId,
};

use super::failure::PortResult;
use super::page::Page;
use crate::stripe::{
    Dispute, InvoiceId, ListedEvent, PaidInvoice, Price, Subscription, SubscriptionStatus,
};

/// A Stripe customer, as far as it tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRecord {
    /// Its id.
    pub id: CustomerId,
    /// The account in its metadata, with our HMAC.
    pub named: Option<NamedAccount>,
}

/// A customer, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerSeen {
    /// There is none of this id in this Stripe account and mode, and there never was.
    Missing,
    /// It was deleted. Its id is never given again, and it can be used for nothing.
    /// <https://docs.stripe.com/api/customers/delete>
    Deleted,
    /// It is there.
    There(CustomerRecord),
}

/// A charge, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeSeen {
    /// There is none of this id in this Stripe account and mode.
    Missing,
    /// It is there, with its customer if it has one.
    There(Option<CustomerId>),
}

/// A Checkout session, as far as it tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRecord {
    /// Its id, `cs_…`.
    pub id: String,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// The hosted page, while it is open.
    pub url: Option<String>,
    /// The account in its metadata, with our HMAC.
    pub named: Option<NamedAccount>,
    /// What the link's visitor may have set (payment links): not to be trusted by itself.
    pub client_reference_id: Option<String>,
    /// The price in its metadata that Tollgate opened it for.
    pub price: Option<PriceId>,
    /// The subscription that it led to, once it is complete.
    pub subscription: Option<SubscriptionId>,
}

/// A customer's Checkout session, with what it led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentCheckout {
    /// The session.
    pub session: CheckoutRecord,
    /// The subscription that it led to, as it is now.
    pub bought: Option<Bought>,
}

/// What a Checkout session led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// The subscription's status.
    pub status: SubscriptionStatus,
    /// The page on which its latest invoice can be paid.
    pub invoice_url: Option<String>,
}

/// A Checkout session to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckout {
    /// For whom: written to the session's and the subscription's metadata.
    pub account: NamedAccount,
    /// Who pays.
    pub customer: CustomerId,
    /// What is bought.
    pub price: PriceId,
    /// Whether it is billed by usage: then it has no quantity, and Stripe takes none.
    pub metered: bool,
    /// Where the browser goes afterwards.
    pub success_url: String,
    /// Where it goes when the customer turns back.
    pub cancel_url: String,
    /// Stripe's idempotency key (at most 255 characters).
    pub idempotency_key: String,
}

/// A session of the billing portal to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPortal {
    /// Whose.
    pub customer: CustomerId,
    /// What it offers, `bpc_…`; `None` for what is saved in the dashboard.
    pub configuration: Option<String>,
    /// The one thing that it is for, if it is for one.
    pub flow: Option<PortalFlow>,
    /// Where the browser goes afterwards.
    pub return_url: String,
}

/// What a session of the portal is opened for.
/// <https://docs.stripe.com/customer-management/portal-deep-links>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortalFlow {
    /// Another card: `payment_method_update`.
    PaymentMethod,
    /// The end of a subscription: `subscription_cancel`.
    Cancel(SubscriptionId),
    /// Another price: `subscription_update_confirm`.
    Confirm {
        /// Of which subscription.
        subscription: SubscriptionId,
        /// Of which item of it, `si_…`.
        item: String,
        /// Which price.
        price: PriceId,
    },
}

/// Stripe's API.
///
/// What is not there is never told as nothing: to a key of another account or mode, everything
/// that the ledger knows is missing, and to take that for "pays nothing" would end a business.
pub trait Stripe: Send + Sync {
    /// Whose the key is: the account's id, `acct_…`; `None` when it is a restricted key that may not
    /// read that. <https://docs.stripe.com/api/accounts/retrieve>
    fn account_id(&self) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// All subscriptions of a customer that are not canceled, every page, each with
    /// its latest invoice; `None` when Stripe lists nothing because it knows no such customer. A
    /// customer that is deleted has none that is live; whether their list is empty or refused,
    /// only [`customer`](Self::customer) tells them from one that is missing.
    /// <https://docs.stripe.com/api/subscriptions/list>
    fn subscriptions(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Option<Vec<Subscription>>>> + Send;

    /// All subscriptions of all customers that are not canceled, newest first, one page
    /// of up to 100, each with its latest invoice. What is scheduled for them is not told.
    /// <https://docs.stripe.com/api/subscriptions/list>
    fn all_subscriptions(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<Subscription>>> + Send;

    /// One subscription, whatever its status, with its latest invoice; `None` when unknown.
    /// <https://docs.stripe.com/api/subscriptions/retrieve>
    fn subscription(
        &self,
        subscription: &SubscriptionId,
    ) -> impl Future<Output = PortResult<Option<Subscription>>> + Send;

    /// The invoices of a subscription that are paid, newest first: up to 100 of them. Of their
    /// prices, no lookup key is told.
    /// <https://docs.stripe.com/api/invoices/list>
    fn paid_invoices(
        &self,
        subscription: &SubscriptionId,
    ) -> impl Future<Output = PortResult<Vec<PaidInvoice>>> + Send;

    /// Whether everything that was charged for a paid invoice has been refunded. Where nothing was
    /// charged for it, nothing was. <https://docs.stripe.com/api/invoice-payment/list>
    fn is_refunded(&self, invoice: &InvoiceId) -> impl Future<Output = PortResult<bool>> + Send;

    /// A customer: there, deleted, or missing.
    /// <https://docs.stripe.com/api/customers/retrieve>
    fn customer(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<CustomerSeen>> + Send;

    /// The Checkout sessions of a customer, newest first, every page; `None` when Stripe lists
    /// nothing because it knows no such customer, as for
    /// [`subscriptions`](Self::subscriptions).
    fn checkouts(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Option<Vec<CheckoutRecord>>>> + Send;

    /// The newest twenty of them, with the subscriptions that they led to: one call, whatever a
    /// customer has done. `None` also where Stripe says that the customer is deleted.
    fn recent_checkouts(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Option<Vec<RecentCheckout>>>> + Send;

    /// A dispute with its charge's customer; `None` when unknown.
    fn dispute(
        &self,
        dispute: &DisputeId,
    ) -> impl Future<Output = PortResult<Option<Dispute>>> + Send;

    /// The disputes that were opened from the second of `from` on, of everybody, newest first, one
    /// page of up to 100, each with its charge's customer. Stripe lists none by customer.
    /// <https://docs.stripe.com/api/disputes/list>
    fn all_disputes(
        &self,
        from: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<Dispute>>> + Send;

    /// A charge, with its customer.
    /// <https://docs.stripe.com/api/charges/retrieve>
    fn charge(&self, charge: &ChargeId) -> impl Future<Output = PortResult<ChargeSeen>> + Send;

    /// Cancels a subscription at once. Cancelling a canceled or unknown one is no error.
    fn cancel_subscription(
        &self,
        subscription: &SubscriptionId,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Makes a customer for the account, at most one for each idempotency key within Stripe's
    /// window (24 h): the same key gives the same customer, even one deleted meanwhile.
    fn create_customer(
        &self,
        account: &NamedAccount,
        idempotency_key: &str,
    ) -> impl Future<Output = PortResult<CustomerId>> + Send;

    /// The price that a lookup key points to now; `None` when there is none.
    fn price_by_lookup_key(
        &self,
        lookup_key: &str,
    ) -> impl Future<Output = PortResult<Option<PriceId>>> + Send;

    /// A price, with its lookup key and its product; `None` when it is unknown.
    /// <https://docs.stripe.com/api/prices/retrieve>
    fn price(&self, price: &PriceId) -> impl Future<Output = PortResult<Option<Price>>> + Send;

    /// Whether a price is billed by usage, `recurring.usage_type=metered`; `None` when it is
    /// unknown. That never changes, so what was seen once is not asked for again.
    /// <https://docs.stripe.com/api/prices/retrieve>
    fn is_metered(&self, price: &PriceId) -> impl Future<Output = PortResult<Option<bool>>> + Send;

    /// Opens a Checkout session in subscription mode, for one of a price. The same idempotency
    /// key gives the same session, as it is now.
    fn create_checkout(
        &self,
        checkout: &NewCheckout,
    ) -> impl Future<Output = PortResult<CheckoutRecord>> + Send;

    /// Expires an open Checkout session; `false` when it could not be, for its customer has
    /// completed it. One that has expired, or is not there, is no error.
    fn expire_checkout(&self, session: &str) -> impl Future<Output = PortResult<bool>> + Send;

    /// Opens a billing portal session and returns its URL.
    /// <https://docs.stripe.com/api/customer_portal/sessions/create>
    fn create_portal(&self, portal: &NewPortal) -> impl Future<Output = PortResult<String>> + Send;

    /// The events of the types that Tollgate acts on, made from the second of `from` up to and
    /// with the second of `to`, newest first, one page of up to 100. Stripe has those of the
    /// last 30 days. With `undelivered_only`, those that some webhook endpoint still lacks.
    /// <https://docs.stripe.com/api/events/list>
    fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        undelivered_only: bool,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<ListedEvent>>> + Send;

    /// An event, of whatever type; `None` when it is unknown or older than 30 days.
    /// <https://docs.stripe.com/api/events/retrieve>
    fn event(
        &self,
        event: &EventId,
    ) -> impl Future<Output = PortResult<Option<ListedEvent>>> + Send;
}
