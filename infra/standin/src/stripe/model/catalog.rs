//! Products and prices.

use jiff::Timestamp;

use super::Metadata;

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
    /// The meter whose usage it bills, if it is metered.
    pub meter: Option<String>,
    /// Its lookup key now.
    pub lookup_key: Option<String>,
    /// Whether it can be sold.
    pub active: bool,
    /// For people.
    pub nickname: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Price {
    /// What `recurring.usage_type` says.
    pub fn usage_type(&self) -> &'static str {
        if self.meter.is_some() { "metered" } else { "licensed" }
    }
}
