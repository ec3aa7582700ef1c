//! Subscriptions.

use jiff::Timestamp;

use super::{Line, Metadata, Period};
use crate::stripe::transitions::Status;

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

/// One thing that a subscription sells.
#[derive(Debug, Clone)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its price.
    pub price: String,
    /// How many; of a metered price there is no number.
    pub quantity: Option<i64>,
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

/// What becomes of the rest of a period when a price changes within it.
/// <https://docs.stripe.com/billing/subscriptions/prorations>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proration {
    /// It is credited and charged with the next invoice.
    #[default]
    CreateProrations,
    /// It is credited and charged at once.
    AlwaysInvoice,
    /// Nothing.
    None,
}

impl Proration {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateProrations => "create_prorations",
            Self::AlwaysInvoice => "always_invoice",
            Self::None => "none",
        }
    }

    /// Reads Stripe's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::CreateProrations, Self::AlwaysInvoice, Self::None]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// A subscription's schedule: another price from a time on.
/// <https://docs.stripe.com/api/subscription_schedules/object>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// `sub_sched_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When the next phase begins.
    pub at: Timestamp,
    /// What the subscription's only item is sold at then.
    pub price: String,
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
    /// What is to change.
    pub schedule: Option<Schedule>,
    /// Prorations for the next invoice.
    pub pending: Vec<Line>,
    /// How many days its invoices give to be paid, where they are sent
    /// (`collection_method=send_invoice`) and not charged.
    pub days_until_due: Option<i64>,
}
