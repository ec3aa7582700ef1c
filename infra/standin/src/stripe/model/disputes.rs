//! Disputes and early fraud warnings.

use jiff::Timestamp;

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
