//! Stripe's state as Tollgate reads it: the few fields that decide access.
//!
//! Statuses and enum values that this build does not know are kept as they came,
//! never an error: Stripe adds some every year.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_events::stripe::{Reading, read_listed};
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, Envelope, NamedAccount, PriceId, ProductId, SubscriptionId,
    identifier,
};

identifier!(
    /// An invoice's id: `in_…`.
    opaque InvoiceId
);

/// What the webhook would have made of an event that Stripe lists: one rule for both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedEvent {
    /// An event to act on, come by a replay.
    Needed(Box<Envelope>),
    /// One that nothing needs, or that names nobody.
    NotNeeded,
    /// One that is not what Stripe sends, and why; nothing of its body.
    Unreadable(String),
}

impl ListedEvent {
    /// Reads an event as the Events API shows it.
    pub fn read(event: &[u8]) -> Self {
        match read_listed(event) {
            Ok(Reading::Envelope(envelope)) => Self::Needed(envelope),
            Ok(Reading::NotNeeded { .. } | Reading::NamesNobody { .. }) => Self::NotNeeded,
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// A subscription's status.
/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// The first payment has not been made yet.
    Incomplete,
    /// The first payment was not made within 23 hours. Final.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// Paid.
    Active,
    /// A payment failed; Stripe is retrying.
    PastDue,
    /// Ended. Final.
    Canceled,
    /// Payments failed and Stripe has stopped retrying.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
    /// A status that is newer than this build; not counted as live.
    Other(String),
    /// It cannot be read. Of a subscription that may be ours nothing is decided.
    Unreadable,
}

impl From<&str> for SubscriptionStatus {
    fn from(text: &str) -> Self {
        match text {
            "incomplete" => Self::Incomplete,
            "incomplete_expired" => Self::IncompleteExpired,
            "trialing" => Self::Trialing,
            "active" => Self::Active,
            "past_due" => Self::PastDue,
            "canceled" => Self::Canceled,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl SubscriptionStatus {
    /// The status as Stripe spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Other(other) => other,
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a subscription item sells, or an invoice's line is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The price; `None` of one that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PriceId>,
    /// Its lookup key now; Stripe can move one to a newer price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_key: Option<String>,
    /// Its product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// How many; of a metered price there is no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
}

/// What a price is called in the ledger that cannot be read.
const UNREADABLE_PRICE: &str = "price_unreadable";

impl Price {
    /// What it is called: its id, or a word of ours where that cannot be read.
    pub fn name(&self) -> PriceId {
        let unreadable = || PriceId::parse(UNREADABLE_PRICE).expect("it is letters");
        self.id.clone().unwrap_or_else(unreadable)
    }
}

/// A subscription as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Who pays.
    pub customer: CustomerId,
    /// Its status.
    pub status: SubscriptionStatus,
    /// The price of each item.
    pub prices: Vec<Price>,
    /// The id of its only item, `si_…`, where it has only one.
    pub only_item: Option<String>,
    /// Whether its invoices are sent and not charged: `collection_method`.
    /// <https://docs.stripe.com/billing/collection-method>
    pub sends_invoices: bool,
    /// What its schedule changes next.
    pub next: Option<Scheduled>,
    /// When it will be cancelled, if that is set.
    pub cancel_at: Option<Timestamp>,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// The end of the current period: the latest of its items' (Basil and later), or
    /// the subscription's own (before Basil).
    pub current_period_end: Option<Timestamp>,
    /// Its newest invoice, as far as it was read.
    pub latest_invoice: Option<LatestInvoice>,
    /// Whether it began with a trial.
    /// <https://docs.stripe.com/api/subscriptions/object#subscription_object-trial_end>
    pub had_trial: bool,
    /// The page on which its latest invoice can be paid.
    pub latest_invoice_url: Option<String>,
    /// Whether its invoices are voided as they come: `pause_collection` with the behaviour `void`.
    /// <https://docs.stripe.com/billing/subscriptions/pause-payment>
    pub voids_invoices: bool,
    /// The account in its metadata, with our HMAC, where our Checkout made it.
    pub named: Option<NamedAccount>,
}

/// What comes of a subscription by its schedule: the phase after this one.
/// <https://docs.stripe.com/api/subscription_schedules/object>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// What it sells then, where that is one price and was read.
    pub price: Option<Price>,
    /// When, where that was read.
    pub at: Option<Timestamp>,
}

/// A subscription's newest invoice.
/// <https://docs.stripe.com/api/invoices/object>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LatestInvoice {
    /// Its id.
    pub id: Option<InvoiceId>,
    /// When it became final: from then on it was to be paid.
    pub finalized_at: Option<Timestamp>,
    /// Until when it may be paid, where invoices are sent and not charged.
    pub due_date: Option<Timestamp>,
    /// Whether it is paid, and its total is above 0.
    pub is_paid_for: bool,
}

impl LatestInvoice {
    /// Since when it is late that it is not paid, as far as that can be read.
    pub fn late_since(&self) -> Option<Timestamp> {
        self.finalized_at.max(self.due_date)
    }
}

/// An invoice that is paid, by whatever: a card, or the customer's balance.
/// <https://docs.stripe.com/api/invoices/object>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidInvoice {
    /// Its id.
    pub id: Option<InvoiceId>,
    /// What it came to, in the currency's smallest unit. Not what was charged for it: a balance
    /// pays too.
    pub total: i64,
    /// What it is for; credits for what was not used up are not among them.
    pub prices: Vec<Price>,
    /// Whether it is for a whole period, and not for changes within one alone.
    /// <https://docs.stripe.com/billing/subscriptions/prorations>
    pub is_of_a_period: bool,
}

impl Subscription {
    /// One of which no more is known.
    pub fn new(id: SubscriptionId, customer: CustomerId, status: SubscriptionStatus) -> Self {
        Self {
            id,
            customer,
            status,
            prices: Vec::new(),
            only_item: None,
            sends_invoices: false,
            next: None,
            cancel_at: None,
            cancel_at_period_end: false,
            current_period_end: None,
            latest_invoice: None,
            had_trial: false,
            latest_invoice_url: None,
            voids_invoices: false,
            named: None,
        }
    }

    /// What it sells: an item of a quantity of 0 is there, and sells nothing.
    pub fn sold(&self) -> impl Iterator<Item = &Price> {
        self.prices.iter().filter(|price| price.quantity != Some(0))
    }

    /// Whether all its items are of a quantity of 0.
    pub fn sells_nothing(&self) -> bool {
        !self.prices.is_empty() && self.sold().next().is_none()
    }

    /// The prices of what it sells, as far as they can be read.
    pub fn price_ids(&self) -> BTreeSet<PriceId> {
        self.sold().filter_map(|price| price.id.clone()).collect()
    }

    /// Whether the price of something that it sells cannot be read: that may be anything.
    pub fn has_unreadable_price(&self) -> bool {
        self.sold().any(|price| price.id.is_none())
    }

    /// Whether it is paid for, or still may be: what gives a plan, for its time.
    pub fn is_live(&self) -> bool {
        matches!(
            self.status,
            SubscriptionStatus::Trialing | SubscriptionStatus::Active | SubscriptionStatus::PastDue
        )
    }

    /// The item whose price can be changed in the portal. Of several products, of more or less than
    /// one of a product, and where invoices are sent, it offers the end alone.
    /// <https://docs.stripe.com/customer-management#customer-portal-limitations>
    pub fn can_be_changed(&self) -> Option<(&str, &Price)> {
        let [price] = self.prices.as_slice() else { return None };
        let single = !self.sends_invoices && price.quantity.is_none_or(|it| it == 1);
        self.only_item.as_deref().filter(|_| single).map(|item| (item, price))
    }

    /// When it ends, if that is known: `cancel_at`, or the period's end.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.cancel_at.or(if self.cancel_at_period_end { self.current_period_end } else { None })
    }
}

/// A dispute's status.
/// <https://docs.stripe.com/api/disputes/object#dispute_object-status>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisputeStatus {
    /// Open: evidence is wanted.
    NeedsResponse,
    /// Open: the bank looks at the evidence.
    UnderReview,
    /// Closed for us.
    Won,
    /// Closed against us.
    Lost,
    /// An inquiry (`warning_needs_response`, `warning_under_review`): no money moved.
    Inquiry,
    /// Ended without becoming a chargeback (`warning_closed`, `prevented`).
    Withdrawn,
    /// A status that is newer than this build.
    Other(String),
}

impl From<&str> for DisputeStatus {
    fn from(text: &str) -> Self {
        match text {
            "needs_response" => Self::NeedsResponse,
            "under_review" => Self::UnderReview,
            "won" => Self::Won,
            "lost" => Self::Lost,
            "warning_needs_response" | "warning_under_review" => Self::Inquiry,
            "warning_closed" | "prevented" => Self::Withdrawn,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A dispute as it is now, with the customer of its charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Its id.
    pub id: DisputeId,
    /// Its status.
    pub status: DisputeStatus,
    /// The charge it disputes.
    pub charge: ChargeId,
    /// The charge's customer; a dispute itself has none.
    pub customer: Option<CustomerId>,
}
