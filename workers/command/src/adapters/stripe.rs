//! Stripe as the operator's command uses it: what the stack sells, where its webhook goes, and what
//! `tollgate doctor` looks at.
//!
//! The functions call none of these, and their key need not allow them.

mod seen;
mod storefront;
#[cfg(test)]
mod tests;

use secrecy::SecretString;
use tollgate_functions::adapters::stripe::{StripeApi, StripeApiError};
use tollgate_functions::config::StripeEndpoint;

pub use storefront::AboutCustomer;

/// How many lookup keys one request takes.
/// <https://docs.stripe.com/api/prices/list#list_prices-lookup_keys>
const LOOKUP_KEYS: usize = 10;

/// Stripe, with a key of the operator's.
#[derive(Debug)]
pub struct OperatorStripe {
    /// What the functions call as well.
    pub api: StripeApi,
}

impl OperatorStripe {
    /// A client with this key.
    ///
    /// # Errors
    /// As [`StripeApi::new`].
    pub fn new(key: &SecretString, endpoint: &StripeEndpoint) -> Result<Self, StripeApiError> {
        Ok(Self { api: StripeApi::new(key, endpoint)? })
    }
}
