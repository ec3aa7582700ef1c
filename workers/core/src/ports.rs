//! What Tollgate needs of the world, one trait for each system.
//!
//! Two implementations each: the adapters in `tollgate-functions` (the real
//! services) and the stand-ins in `tollgate-standin`; one contract suite keeps
//! them honest. Every failure is classified ([`Class`]), so that the one error
//! policy can match on it exhaustively.
//!
//! **Architecture invariant:** a port says what a service does, never what
//! Tollgate wants; no rule of billing hides in an adapter.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tollgate_events::{
    AccountId, ChargeId, CustomerId, DisputeId, Envelope, EventId, EventRef, NamedAccount, PriceId,
    SubscriptionId,
};

use crate::account::{Account, Attributes, KeyId, UsagePlanId, is_like_a_sub};
use crate::derive::KeyValue;
use crate::ledger::{
    Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, StackRecord, StoredEvent,
};
use crate::person::{PersonId, Remembered, VerifiedEmail};
use crate::purchase::Purchase;
use crate::stripe::{
    Dispute, InvoiceId, ListedEvent, PaidInvoice, Price, Subscription, SubscriptionStatus,
};

/// Which system a call went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Stripe's API.
    Stripe,
    /// API Gateway's control plane.
    ApiGateway,
    /// Cognito user pools.
    Cognito,
    /// DynamoDB, the ledger.
    Ledger,
    /// SQS.
    Queue,
    /// Secrets Manager: at a function's start, and the operator's command.
    SecretsManager,
    /// CloudFormation: the operator's command.
    CloudFormation,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stripe => "Stripe",
            Self::ApiGateway => "API Gateway",
            Self::Cognito => "Cognito",
            Self::Ledger => "DynamoDB",
            Self::Queue => "SQS",
            Self::SecretsManager => "Secrets Manager",
            Self::CloudFormation => "CloudFormation",
        })
    }
}

/// What kind of failure it was; all that the error policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Too many calls.
    Throttled {
        /// How long to wait, where the service says so.
        after: Option<SignedDuration>,
    },
    /// The state of the resource is in the way. Never a verdict: observe.
    Conflict,
    /// No such resource.
    NotFound,
    /// A fixed quota of the service is used up (API Gateway's 10,000 keys).
    LimitExceeded,
    /// Our credentials do not allow it: systemic, alarmed on.
    Denied,
    /// The request can never succeed as it is.
    Invalid,
    /// The service failed, or the answer was lost: it may have taken effect.
    Unavailable,
}

/// A call to a port that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {detail}")]
pub struct PortError {
    /// Which system.
    pub service: Service,
    /// The service's own name of the operation, `CreateUsagePlanKey`.
    pub operation: &'static str,
    /// What kind of failure.
    pub class: Class,
    /// What the service said; never a body, a secret or personal data.
    pub detail: String,
}

/// What a port answers.
pub type PortResult<T> = Result<T, PortError>;

/// A page of a long listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
    /// The rows that could not be read. They are there, and nobody knows what they say: what is
    /// not among the items is not none.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Page<T> {
    /// A page of which every row was read.
    pub fn whole(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next, unreadable: Vec::new() }
    }
}

/// A row of a listing that could not be read: it was left out, and is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {row}: {why}")]
pub struct Unreadable {
    /// Which system.
    pub service: Service,
    /// The service's own name of the operation.
    pub operation: &'static str,
    /// What it is called, as far as that can be read; cut, and fit for a terminal.
    pub row: String,
    /// Whose it is, as far as that can be read: of a subscription the customer's id, of an
    /// account, a user or a key the account's.
    pub owner: Option<String>,
    /// The account in its metadata, with our HMAC, as far as that can be read.
    pub named: Option<NamedAccount>,
    /// What is wrong with it; nothing of what it says.
    pub why: String,
}

impl Unreadable {
    /// How much of a row's name is told.
    const NAMED: usize = 64;

    /// A row of which this much is known.
    pub fn new(
        (service, operation): (Service, &'static str),
        name: Option<&str>,
        owner: Option<String>,
        why: impl fmt::Display,
    ) -> Self {
        let name = name.unwrap_or("a row without an id").chars();
        let row = name.take(Self::NAMED).flat_map(char::escape_debug).collect();
        Self { service, operation, row, owner, named: None, why: why.to_string() }
    }
}

/// The rows that long work had to leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub count: usize,
    /// The first of them, [`LeftOut::LISTED`] at most.
    pub first: Vec<Unreadable>,
}

impl LeftOut {
    /// How many are named.
    pub const LISTED: usize = 20;

    /// Counts rows, and keeps the first.
    pub fn add(&mut self, rows: &[Unreadable]) {
        self.count += rows.len();
        let room = Self::LISTED.saturating_sub(self.first.len());
        self.first.extend(rows.iter().take(room).cloned());
    }

    /// Counts what another had to leave out.
    pub fn join(&mut self, other: &Self) {
        let named = other.first.len();
        self.add(&other.first);
        self.count += other.count - named;
    }

    /// Whether every row was read.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<_> = self.first.iter().map(ToString::to_string).collect();
        f.write_str(&first.join("; "))?;
        if self.count > first.len() {
            write!(f, "; and {} more", self.count - first.len())?;
        }
        Ok(())
    }
}

// ---------------------------------------------------------------- Stripe

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
    /// of up to 100, each with its latest invoice.
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
    fn create_portal(
        &self,
        customer: &CustomerId,
        return_url: &str,
    ) -> impl Future<Output = PortResult<String>> + Send;

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

// ----------------------------------------------------------- API Gateway

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name: `tollgate/<stack>/<sub>/<slot>/<generation>`.
    pub name: String,
    /// Its value, derived; API Gateway refuses a value that exists.
    pub value: KeyValue,
    /// Whose it is (API Gateway's `customerId`).
    pub customer_id: AccountId,
    /// For people, and for a rebuild: slot and generation.
    pub description: String,
}

/// An API key, as API Gateway tells it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Its value, where it was asked for.
    pub value: Option<KeyValue>,
    /// Whose it is, if that was set and is an identifier.
    pub customer_id: Option<AccountId>,
    /// Whether API Gateway accepts it.
    pub enabled: bool,
    /// When it was made, as far as that is told.
    pub created_at: Option<Timestamp>,
}

/// A usage plan, as far as it sells something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStages {
    /// Its id.
    pub id: UsagePlanId,
    /// The API stages that it covers, `<rest api id>:<stage>`: to a key on it, all others are shut.
    pub stages: BTreeSet<String>,
}

/// How much of its quota a key has used in the current period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Requests so far.
    pub used: u64,
    /// Requests left, as API Gateway counts them (best effort).
    pub remaining: u64,
}

/// API Gateway's control plane. Keys are made enabled.
pub trait ApiGateway: Send + Sync {
    /// `CreateApiKey`. [`Class::Conflict`] when the value exists, or by chance.
    fn create_key(&self, key: &NewKey) -> impl Future<Output = PortResult<KeyId>> + Send;

    /// `GetApiKey`, without its value; `None` when there is none.
    fn key(&self, key: &KeyId) -> impl Future<Output = PortResult<Option<ApiKey>>> + Send;

    /// `GetApiKey` with its value; `None` when there is none.
    fn key_value(&self, key: &KeyId) -> impl Future<Output = PortResult<Option<KeyValue>>> + Send;

    /// `GetApiKeys` by `customerId`, with values, every page; compared again here,
    /// because not every implementation filters.
    fn keys_of(&self, account: &AccountId) -> impl Future<Output = PortResult<Vec<ApiKey>>> + Send;

    /// `GetApiKeys`: all keys of the account and Region, one page of up to 500.
    fn all_keys(
        &self,
        position: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<ApiKey>>> + Send;

    /// `UpdateApiKey`: enables or disables.
    fn set_enabled(
        &self,
        key: &KeyId,
        enabled: bool,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// `DeleteApiKey`. [`Class::NotFound`] when it is gone.
    fn delete_key(&self, key: &KeyId) -> impl Future<Output = PortResult<()>> + Send;

    /// `GetUsagePlans` by `keyId`, every page: the plans that a key is on.
    fn plans_of(&self, key: &KeyId) -> impl Future<Output = PortResult<Vec<PlanStages>>> + Send;

    /// `GetUsagePlans`: all usage plans of the account and Region, one page of up to 500.
    fn all_plans(
        &self,
        position: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<PlanStages>>> + Send;

    /// `GetUsagePlanKeys`: the keys on a plan, one page of up to 500.
    fn keys_on(
        &self,
        plan: &UsagePlanId,
        position: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<KeyId>>> + Send;

    /// `CreateUsagePlanKey`. [`Class::Conflict`] when it is on a plan of the same
    /// stage already, or by chance.
    fn attach(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// `DeleteUsagePlanKey`. [`Class::NotFound`] when it is not on the plan.
    fn detach(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// `GetUsage` of one key on one plan, for the days `from` to `to`, `YYYY-MM-DD`;
    /// `None` when nothing was counted yet.
    fn usage(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
        from: &str,
        to: &str,
    ) -> impl Future<Output = PortResult<Option<Usage>>> + Send;
}

// --------------------------------------------------------------- Cognito

/// A Cognito user, as far as Tollgate looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The `sub`.
    pub id: AccountId,
    /// The user name.
    pub username: String,
    /// Whether they come from a third-party identity provider (`EXTERNAL_PROVIDER`).
    pub federated: bool,
    /// Whether they may sign in.
    pub enabled: bool,
    /// Whether they have signed in, or could, without anything left to do: `CONFIRMED`, or
    /// of an identity provider. Not those who never gave the code (`UNCONFIRMED`), nor those
    /// for whom an administrator chose a password that they have not changed yet.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html>
    pub confirmed: bool,
    /// The e-mail address, where Cognito has verified it. Anybody can claim another's.
    pub email: Option<VerifiedEmail>,
    /// Tollgate's attributes.
    pub attributes: Attributes,
}

impl UserRecord {
    /// Whether what stands in their attributes was meant for them: what is written to another user
    /// by their sub lands on whoever has chosen that for a name.
    pub fn is_meant(&self) -> bool {
        !is_like_a_sub(&self.username) || self.username == self.id.as_str()
    }

    /// What admin calls are best made with: the sub, which is never given again and is no
    /// personal data; for federated users only the user name works.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUpdateUserAttributes.html>
    pub fn admin_name(&self) -> &str {
        if self.federated { &self.username } else { self.id.as_str() }
    }
}

/// Who has a user name. A name is free again after its user's deletion, a sub never is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameHolder {
    /// The account that was asked for.
    Account(UserRecord),
    /// Another account, by now.
    Namesake(AccountId),
    /// Nobody.
    Nobody,
}

impl NameHolder {
    /// The account that was asked for, if it has the name.
    pub fn account(self) -> Option<UserRecord> {
        match self {
            Self::Account(user) => Some(user),
            Self::Namesake(_) | Self::Nobody => None,
        }
    }
}

/// The Cognito user pool.
pub trait Users: Send + Sync {
    /// Which pool is asked: its id. No call.
    fn pool_id(&self) -> String;

    /// `AdminGetUser`, by user name: who has it now.
    fn user(
        &self,
        username: &str,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<NameHolder>> + Send;

    /// `ListUsers` filtered by sub; may lag behind. Works for federated users too.
    fn find(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<UserRecord>>> + Send;

    /// `ListUsers` filtered by e-mail address, every page; may lag behind. Several users can have
    /// one address: a local one, and one of each identity provider. The address is never logged.
    fn with_email(&self, email: &str) -> impl Future<Output = PortResult<Vec<UserRecord>>> + Send;

    /// `ListUsers`: all users, one page of up to 60.
    fn all_users(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<UserRecord>>> + Send;

    /// `AdminUpdateUserAttributes`: writes both attributes (an absent one as empty).
    /// [`Class::Invalid`] when the pool does not define them, [`Class::NotFound`] without the user.
    fn write_attributes(
        &self,
        username: &str,
        attributes: &Attributes,
    ) -> impl Future<Output = PortResult<()>> + Send;
}

// ---------------------------------------------------------------- Ledger

/// What an account's owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// Their account.
    Overview,
    /// Their key's value.
    Key,
    /// The billing portal.
    Portal,
}

impl Request {
    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Key => "key",
            Self::Portal => "portal",
        }
    }
}

/// What is counted, anew in each window of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// An owner's requests.
    Requests {
        /// Whose.
        account: AccountId,
        /// For what.
        request: Request,
    },
    /// The account API's calls of API Gateway's control plane, for everybody.
    ControlPlane,
}

/// How much of a key's quota was left when it was asked for last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSeen {
    /// Raised by every write, and the condition of the next: 0 for none yet.
    pub revision: u64,
    /// On which plan.
    pub usage_plan: UsagePlanId,
    /// Which key.
    pub key: KeyId,
    /// How many requests were left, and when.
    #[serde(default)]
    pub left: Option<(u64, Timestamp)>,
    /// When somebody set out to ask.
    pub asked_at: Timestamp,
}

impl UsageSeen {
    /// Whether it is of this key on this plan.
    pub fn is_of(&self, usage_plan: &UsagePlanId, key: &KeyId) -> bool {
        (&self.usage_plan, &self.key) == (usage_plan, key)
    }
}

/// The ledger. Reads are strongly consistent, except where an index is named.
pub trait Ledger: Send + Sync {
    /// Claims an account: raises the epoch, takes the lease, and returns the account as it was (with
    /// our epoch and lease).
    /// Makes the account when there is none. Refused while another's lease lives.
    /// Until a commit says otherwise, the account is due
    /// [`UNFINISHED_REVIEW_AFTER`](crate::policy::UNFINISHED_REVIEW_AFTER) the lease: whatever
    /// becomes of this invocation, somebody looks again.
    fn claim(
        &self,
        account: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> impl Future<Output = PortResult<Claim>> + Send;

    /// Writes all of a [`Commit`] or nothing, if the epoch is still the claim's.
    fn commit(&self, commit: &Commit) -> impl Future<Output = PortResult<CommitResult>> + Send;

    /// Upserts event records that change no account.
    fn record(&self, records: &[EventRecord]) -> impl Future<Output = PortResult<()>> + Send;

    /// Upserts a record, unless the event was handled after `since` and waits for nobody; tells
    /// whether it did. It needs no right to read.
    fn record_unless_settled(
        &self,
        record: &EventRecord,
        since: Timestamp,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// Whose a customer is, was, or is not.
    fn link_of(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<CustomerLink>> + Send;

    /// Whose a customer is.
    fn account_of(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Option<AccountId>>> + Send {
        async { Ok(self.link_of(customer).await?.account()) }
    }

    /// Whose an API key is, or was when it was there: the ledger has every key's id that it ever
    /// committed.
    fn account_of_key(
        &self,
        key: &KeyId,
    ) -> impl Future<Output = PortResult<Option<AccountId>>> + Send;

    /// What is remembered of a person, as last written: its time may be over.
    fn remembered(
        &self,
        person: &PersonId,
    ) -> impl Future<Output = PortResult<Option<Remembered>>> + Send;

    /// An account, without claiming it.
    fn account(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<Account>>> + Send;

    /// An account's history, newest first, at most `limit` entries.
    fn history(
        &self,
        account: &AccountId,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Entry>>> + Send;

    /// An event's record.
    fn event(
        &self,
        event: &EventRef,
    ) -> impl Future<Output = PortResult<Option<StoredEvent>>> + Send;

    /// The unsettled events of a customer, waiting or parked (index; may lag).
    fn unsettled_on(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Vec<StoredEvent>>> + Send;

    /// All unsettled events, waiting or parked, one page (index; may lag).
    fn unsettled(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<StoredEvent>>> + Send;

    /// Events first recorded from `from` up to and with `to`, in that order, one page
    /// (index; may lag).
    fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<StoredEvent>>> + Send;

    /// Accounts whose `review_at` has come, each with that time, one page (index; may lag).
    fn due(
        &self,
        now: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<(AccountId, Timestamp)>>> + Send;

    /// What concerns the whole deployment; the default when nothing was written yet.
    fn stack(&self) -> impl Future<Output = PortResult<StackRecord>> + Send;

    /// Writes it with the next revision, if its `revision` is still the stored one; `false`
    /// when somebody else was faster.
    fn put_stack(&self, stack: &StackRecord) -> impl Future<Output = PortResult<bool>> + Send;

    /// What an account's owner is buying.
    fn purchase(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<Purchase>>> + Send;

    /// Writes it with the next revision, if its `revision` is still the stored one; `false`
    /// when somebody else was faster. It is forgotten [`KEPT_FOR`](crate::purchase::KEPT_FOR)
    /// the last click.
    fn put_purchase(
        &self,
        account: &AccountId,
        purchase: &Purchase,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// Adds one to a counter that is zero when a window begins, if it stands below `most` in it;
    /// `false` when it does not.
    fn count(
        &self,
        counter: &Counter,
        window: Timestamp,
        most: u32,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// How much of an account's quota was left when it was asked for last.
    fn usage_seen(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<UsageSeen>>> + Send;

    /// Writes it with the next revision, if its `revision` is still the stored one; `false`
    /// when somebody else was faster.
    fn put_usage_seen(
        &self,
        account: &AccountId,
        usage: &UsageSeen,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// All accounts, closed ones too, one page. Which there are comes from an index and
    /// may lag; what each is like is as last written.
    fn accounts(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<Account>>> + Send;
}

// ---------------------------------------------------------- everything else

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    /// Stripe's events and operators' acts: what was paid for goes first.
    Events,
    /// Sign-ups, wakes, replays.
    Bulk,
}

/// SQS.
pub trait Queue: Send + Sync {
    /// Sends one envelope with its group and deduplication id; on success it is durable.
    fn send(
        &self,
        queue: QueueName,
        envelope: &Envelope,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Sends envelopes, ten to a call, in their order; on success all are durable. After a
    /// failure some may be: sending all again is harmless.
    fn send_all(
        &self,
        queue: QueueName,
        envelopes: &[Envelope],
    ) -> impl Future<Output = PortResult<()>> + Send;
}

/// The only source of time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, duration: SignedDuration) -> impl Future<Output = ()> + Send;

    /// Done when it is so late: for what is to be given up then. Nothing waits for it.
    fn reaches(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        self.sleep(at.duration_since(self.now()))
    }
}

/// Whoever has a clock can lend it.
impl<C: Clock> Clock for &C {
    fn now(&self) -> Timestamp {
        C::now(self)
    }

    fn reaches(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        C::reaches(self, at)
    }

    fn sleep(&self, duration: SignedDuration) -> impl Future<Output = ()> + Send {
        C::sleep(self, duration)
    }
}

/// The only source of randomness.
pub trait Entropy: Send + Sync {
    /// 128 unpredictable bits.
    fn bytes(&self) -> [u8; 16];

    /// 128 unpredictable bits as 32 hexadecimal digits: what has no name from outside is called
    /// by such.
    fn hex(&self) -> String {
        hex::encode(self.bytes())
    }
}

/// Everything that a worker needs, as one type parameter.
pub trait Ports: Send + Sync {
    /// Stripe's API.
    type Stripe: Stripe;
    /// API Gateway's control plane.
    type ApiGateway: ApiGateway;
    /// The Cognito user pool.
    type Users: Users;
    /// The ledger.
    type Ledger: Ledger;
    /// Time.
    type Clock: Clock;
    /// Randomness.
    type Entropy: Entropy;

    /// Stripe's API.
    fn stripe(&self) -> &Self::Stripe;
    /// API Gateway's control plane.
    fn api_gateway(&self) -> &Self::ApiGateway;
    /// The Cognito user pool.
    fn users(&self) -> &Self::Users;
    /// The ledger.
    fn ledger(&self) -> &Self::Ledger;
    /// Time.
    fn clock(&self) -> &Self::Clock;
    /// Randomness.
    fn entropy(&self) -> &Self::Entropy;
}
