//! The objects that the model keeps: the fields that Stripe's API shows, no more.
//! How they are shown is in [`objects`](super::objects).

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::transitions::Status;

/// Stripe's `metadata`.
pub type Metadata = BTreeMap<String, String>;

/// How a customer's card behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// Every charge succeeds.
    Pays,
    /// Every charge is declined.
    Declines,
    /// Every charge waits for the customer's authentication.
    RequiresAction,
}

/// What happens when the last retry has failed.
/// <https://docs.stripe.com/billing/revenue-recovery/smart-retries>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExhausted {
    /// Cancel the subscription.
    Cancel,
    /// Mark it as unpaid.
    MarkUnpaid,
    /// Leave it past due.
    LeavePastDue,
}

/// The account's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Makes ids differ between worlds.
    pub seed: u64,
    /// Live mode instead of test mode.
    pub livemode: bool,
    /// Where the hosted pages are, without a slash at the end.
    pub base_url: String,
    /// How long after the previous attempt each retry comes; at least one.
    pub retries: Vec<SignedDuration>,
    /// What follows the last one.
    pub when_exhausted: WhenExhausted,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            livemode: false,
            base_url: "https://stripe.invalid".into(),
            retries: [3, 5, 7].map(|days| SignedDuration::from_hours(24 * days)).to_vec(),
            when_exhausted: WhenExhausted::Cancel,
        }
    }
}

/// Objects by id, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: HashMap<String, T>,
    order: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), order: Vec::new() }
    }
}

impl<T> Table<T> {
    pub(super) fn insert(&mut self, id: &str, row: T) {
        self.order.push(id.to_owned());
        self.rows.insert(id.to_owned(), row);
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(id)
    }

    /// The newest first, as Stripe lists.
    pub(super) fn newest_first(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.order.iter().rev().filter_map(|id| self.rows.get(id))
    }
}

/// A customer.
#[derive(Debug, Clone)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its card; `None` without a payment method.
    pub card: Option<Card>,
    /// Whether its latest invoice failed.
    pub delinquent: bool,
    /// Deleted customers can still be fetched, as a stub.
    pub deleted: bool,
    /// Its subscriptions, oldest first.
    pub subscriptions: Vec<String>,
    /// Its Checkout sessions, oldest first.
    pub sessions: Vec<String>,
    /// Its charges, oldest first.
    pub charges: Vec<String>,
}

/// A product.
#[derive(Debug, Clone)]
pub struct Product {
    /// `prod_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: Metadata,
}

/// How long a billing period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Calendar months.
    Month,
    /// Calendar years.
    Year,
}

impl Interval {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Reads Stripe's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Day, Self::Week, Self::Month, Self::Year].into_iter().find(|i| i.as_str() == text)
    }
}

/// A recurring price.
#[derive(Debug, Clone)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its product.
    pub product: String,
    /// ISO 4217, lower case.
    pub currency: String,
    /// In the currency's smallest unit.
    pub unit_amount: i64,
    /// Its period's unit.
    pub interval: Interval,
    /// How many units a period has.
    pub interval_count: i64,
    /// Its lookup key now.
    pub lookup_key: Option<String>,
    /// Whether it can be sold.
    pub active: bool,
    /// For people.
    pub nickname: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}

/// A Checkout session's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    /// Waiting for the customer.
    Open,
    /// Done.
    Complete,
    /// Too late.
    Expired,
}

impl SessionStatus {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

/// What happens at a trial's end without a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingPaymentMethod {
    /// Cancel the subscription.
    Cancel,
    /// Pause it.
    Pause,
    /// Draw up an invoice, which fails.
    #[default]
    CreateInvoice,
}

impl MissingPaymentMethod {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::CreateInvoice => "create_invoice",
        }
    }

    /// Reads Stripe's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Cancel, Self::Pause, Self::CreateInvoice].into_iter().find(|m| m.as_str() == text)
    }
}

/// What a new subscription begins with.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionData {
    /// The subscription's metadata.
    pub metadata: Metadata,
    /// Days of trial; none when 0.
    pub trial_period_days: i64,
    /// The trial's end without a payment method.
    pub missing_payment_method: MissingPaymentMethod,
}

/// A Checkout session in subscription mode.
#[derive(Debug, Clone)]
pub struct Session {
    /// `cs_test_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Its status.
    pub status: SessionStatus,
    /// `unpaid`, `paid` or `no_payment_required`.
    pub payment_status: &'static str,
    /// Who pays; a payment link's session gets one on completion.
    pub customer: Option<String>,
    /// The address to be used for a new customer.
    pub customer_email: Option<String>,
    /// What the creator, or the visitor of a payment link, wrote.
    pub client_reference_id: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// What is bought: price and quantity.
    pub line_items: Vec<(String, i64)>,
    /// What the subscription begins with.
    pub subscription_data: SubscriptionData,
    /// Whether a card is asked for when nothing is due now.
    pub collect_always: bool,
    /// The payment link that it came from.
    pub payment_link: Option<String>,
    /// Where the browser goes afterwards.
    pub success_url: Option<String>,
    /// Where it goes when the customer turns back.
    pub cancel_url: Option<String>,
    /// What it made.
    pub subscription: Option<String>,
}

/// A billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

/// One thing that a subscription sells.
#[derive(Debug, Clone)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its price.
    pub price: String,
    /// How many.
    pub quantity: i64,
}

/// What becomes of invoices while collection is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseBehavior {
    /// They stay drafts.
    KeepAsDraft,
    /// They are marked uncollectible.
    MarkUncollectible,
    /// They are voided.
    Void,
}

impl PauseBehavior {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeepAsDraft => "keep_as_draft",
            Self::MarkUncollectible => "mark_uncollectible",
            Self::Void => "void",
        }
    }

    /// Reads Stripe's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::KeepAsDraft, Self::MarkUncollectible, Self::Void]
            .into_iter()
            .find(|b| b.as_str() == text)
    }
}

/// A subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who pays.
    pub customer: String,
    /// Its status.
    pub status: Status,
    /// Its metadata.
    pub metadata: Metadata,
    /// What it sells.
    pub items: Vec<Item>,
    /// The period of all its items.
    pub period: Period,
    /// The time from which periods are counted.
    pub anchor: Timestamp,
    /// When it will be cancelled.
    pub cancel_at: Option<Timestamp>,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// When cancellation was asked for.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why: `cancellation_requested`, `payment_failed`, `payment_disputed`.
    pub cancel_reason: Option<&'static str>,
    /// Paused collection, and until when.
    pub pause_collection: Option<(PauseBehavior, Option<Timestamp>)>,
    /// The trial.
    pub trial: Option<Period>,
    /// The trial's end without a payment method.
    pub missing_payment_method: MissingPaymentMethod,
    /// Its newest invoice.
    pub latest_invoice: Option<String>,
    /// All its invoices, oldest first.
    pub invoices: Vec<String>,
    /// Prorations for the next invoice.
    pub pending_amount: i64,
}

/// An invoice's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceStatus {
    /// Can still be changed.
    Draft,
    /// To be paid.
    Open,
    /// Paid.
    Paid,
    /// Given up.
    Uncollectible,
    /// Cancelled.
    Void,
}

impl InvoiceStatus {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }
}

/// Why an invoice was drawn up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingReason {
    /// A new subscription.
    Create,
    /// A new period.
    Cycle,
    /// A change of price, or a resumption.
    Update,
}

impl BillingReason {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "subscription_create",
            Self::Cycle => "subscription_cycle",
            Self::Update => "subscription_update",
        }
    }
}

/// An invoice of a subscription.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who pays.
    pub customer: String,
    /// For which subscription.
    pub subscription: String,
    /// The subscription's metadata when the invoice was made.
    pub metadata: Metadata,
    /// Price and quantity of its lines.
    pub lines: Vec<Item>,
    /// The period of its lines.
    pub period: Period,
    /// Why it was drawn up.
    pub reason: BillingReason,
    /// Its status.
    pub status: InvoiceStatus,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency.
    pub currency: String,
    /// Whether Stripe collects it by itself.
    pub auto_advance: bool,
    /// How often payment was tried.
    pub attempt_count: usize,
    /// When it is tried next.
    pub next_payment_attempt: Option<Timestamp>,
    /// When it was finalized.
    pub finalized_at: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it was voided.
    pub voided_at: Option<Timestamp>,
    /// When it was given up.
    pub uncollectible_at: Option<Timestamp>,
    /// The charge of its latest attempt.
    pub charge: Option<String>,
}

/// A charge of an invoice.
#[derive(Debug, Clone)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who was charged.
    pub customer: String,
    /// For which invoice; none for a card refused at the checkout.
    pub invoice: Option<String>,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency.
    pub currency: String,
    /// Why it failed; `None` when it succeeded.
    pub failure: Option<&'static str>,
    /// Whether it is disputed.
    pub disputed: bool,
}

/// A dispute. It has a charge and no customer.
#[derive(Debug, Clone)]
pub struct Dispute {
    /// `dp_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// What is disputed.
    pub charge: String,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency.
    pub currency: String,
    /// Its status, as Stripe spells it.
    pub status: &'static str,
}

/// A Radar early fraud warning. It has a charge and no customer, and never closes.
#[derive(Debug, Clone)]
pub struct Warning {
    /// `issfr_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it warns of.
    pub charge: String,
}

/// A billing portal session.
#[derive(Debug, Clone)]
pub struct Portal {
    /// `bps_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whose.
    pub customer: String,
    /// Where its link back leads.
    pub return_url: Option<String>,
}
