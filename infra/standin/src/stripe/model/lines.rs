//! What is paid for: a period, and the lines of an invoice.

use jiff::Timestamp;

/// A billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

/// What one line of an invoice is for.
#[derive(Debug, Clone)]
pub struct Line {
    /// The subscription's item, `si_…`.
    pub item: String,
    /// Its price.
    pub price: String,
    /// How many.
    pub quantity: Option<i64>,
    /// In the currency's smallest unit; below zero for a credit.
    pub amount: i64,
    /// Whether it is for a part of a period.
    pub proration: bool,
}
