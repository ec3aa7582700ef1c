//! Invoices, charges and refunds.

use jiff::Timestamp;

use super::{Line, Metadata, Period};

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
    /// What it is for.
    pub lines: Vec<Line>,
    /// The period of its lines.
    pub period: Period,
    /// Why it was drawn up.
    pub reason: BillingReason,
    /// Its status.
    pub status: InvoiceStatus,
    /// Its `total`, in the currency's smallest unit.
    pub amount: i64,
    /// What the customer's balance was when it was finalized: credit is below zero.
    pub starting_balance: i64,
    /// How much of it the customer's balance pays.
    pub from_balance: i64,
    /// The currency.
    pub currency: String,
    /// When it must be paid, of one that is sent; known when it is finalized.
    pub due_date: Option<Timestamp>,
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

impl Invoice {
    /// What is left to be paid, or was.
    pub fn due(&self) -> i64 {
        self.amount - self.from_balance
    }
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
    /// How much of it was given back.
    pub amount_refunded: i64,
    /// The currency.
    pub currency: String,
    /// Why it failed; `None` when it succeeded.
    pub failure: Option<&'static str>,
    /// Whether it is disputed.
    pub disputed: bool,
}

/// What was given back of a charge.
#[derive(Debug, Clone)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it gives back.
    pub charge: String,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency.
    pub currency: String,
    /// Why, as its maker chose it.
    pub reason: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}
