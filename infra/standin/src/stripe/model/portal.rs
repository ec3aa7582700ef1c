//! The customer portal: what it is configured to offer, and its sessions.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Metadata;
use super::subscriptions::Proration;

/// What a portal offers. <https://docs.stripe.com/api/customer_portal/configurations/object>
#[derive(Debug, Clone)]
pub struct PortalConfiguration {
    /// `bpc_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// Whether sessions can have it.
    pub active: bool,
    /// Its metadata.
    pub metadata: Metadata,
    /// Where the seller's terms of service are.
    pub terms_of_service_url: Option<String>,
    /// Where the seller's privacy policy is.
    pub privacy_policy_url: Option<String>,
    /// What it offers.
    pub features: PortalFeatures,
}

/// What can be done in a portal.
#[derive(Debug, Clone, Default)]
pub struct PortalFeatures {
    /// What of themselves customers can change: `email`, `address`, `tax_id` and others.
    pub customer_update: BTreeSet<String>,
    /// Whether invoices are shown.
    pub invoice_history: bool,
    /// Whether cards can be given and taken away.
    pub payment_method_update: bool,
    /// Whether a subscription can be cancelled, and when it ends then.
    pub subscription_cancel: Option<CancelMode>,
    /// Whether a subscription can be changed, and to what.
    pub subscription_update: Option<PortalUpdate>,
}

/// When a subscription ends that is cancelled in a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelMode {
    /// With its period.
    AtPeriodEnd,
    /// At once.
    Immediately,
}

impl CancelMode {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtPeriodEnd => "at_period_end",
            Self::Immediately => "immediately",
        }
    }

    /// Reads Stripe's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AtPeriodEnd, Self::Immediately].into_iter().find(|it| it.as_str() == text)
    }
}

/// How subscriptions can be changed in a portal.
#[derive(Debug, Clone)]
pub struct PortalUpdate {
    /// `price`, `quantity`, `promotion_code`.
    pub allowed: BTreeSet<String>,
    /// To which prices of which products; at most ten products.
    pub products: Vec<(String, Vec<String>)>,
    /// What becomes of the rest of the period.
    pub proration: Proration,
    /// Which changes wait for the period's end: `decreasing_item_amount`, `shortening_interval`.
    pub at_period_end: BTreeSet<String>,
}

/// A portal session.
#[derive(Debug, Clone)]
pub struct Portal {
    /// `bps_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whose.
    pub customer: String,
    /// What it offers; `None` for what is saved in the dashboard.
    pub configuration: Option<String>,
    /// The one thing that it is for.
    pub flow: Option<PortalFlow>,
    /// Where its link back leads.
    pub return_url: Option<String>,
}

/// What a session is opened for.
/// <https://docs.stripe.com/customer-management/portal-deep-links>
#[derive(Debug, Clone)]
pub struct PortalFlow {
    /// What is to be done.
    pub kind: FlowKind,
    /// Where the browser goes when that is done; to the portal's first page, if nothing is said.
    pub then: Option<String>,
}

/// What is done in a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowKind {
    /// `payment_method_update`.
    PaymentMethod,
    /// `subscription_cancel`.
    Cancel {
        /// Which one.
        subscription: String,
    },
    /// `subscription_update_confirm`.
    Confirm {
        /// Which one.
        subscription: String,
        /// Which item of it.
        item: String,
        /// Its new price.
        price: String,
    },
}
