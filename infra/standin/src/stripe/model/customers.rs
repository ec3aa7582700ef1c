//! Customers and their cards.

use jiff::Timestamp;

use super::Metadata;

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
    /// What is paid before its card: credit is below zero.
    /// <https://docs.stripe.com/billing/customer/balance>
    pub balance: i64,
    /// Whether its latest invoice failed.
    pub delinquent: bool,
    /// The test clock that it is on.
    pub test_clock: Option<String>,
    /// Deleted customers can still be fetched, as a stub.
    pub deleted: bool,
    /// Its subscriptions, oldest first.
    pub subscriptions: Vec<String>,
    /// Its Checkout sessions, oldest first.
    pub sessions: Vec<String>,
    /// Its charges, oldest first.
    pub charges: Vec<String>,
}
