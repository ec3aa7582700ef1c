//! Checkout sessions.

use jiff::Timestamp;

use super::{Metadata, MissingPaymentMethod};

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

/// What a new subscription begins with.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionData {
    /// The subscription's metadata.
    pub metadata: Metadata,
    /// Days of trial; none when 0.
    pub trial_period_days: i64,
    /// The trial's end without a payment method.
    pub missing_payment_method: MissingPaymentMethod,
    /// Invoices are sent, and give this many days; `None` where they are charged. Checkout
    /// knows no such thing.
    pub days_until_due: Option<i64>,
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
    /// What is bought: price, and quantity unless it is metered.
    pub line_items: Vec<(String, Option<i64>)>,
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
