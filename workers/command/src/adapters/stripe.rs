//! Stripe as the operator's command uses it: what the stack sells, where its webhook goes, and what
//! `tollgate doctor` looks at.
//!
//! The functions call none of these, and their key need not allow them.

mod portal;
mod seen;
mod storefront;
#[cfg(test)]
mod tests;

use secrecy::SecretString;
use serde_json::json;
use tollgate_core::ports::{Page, PortResult};
use tollgate_functions::adapters::stripe::answer::{Object, Odd};
use tollgate_functions::adapters::stripe::{StripeApi, StripeApiError};
use tollgate_functions::config::StripeEndpoint;

pub use storefront::AboutCustomer;

/// How many lookup keys one request takes.
/// <https://docs.stripe.com/api/prices/list#list_prices-lookup_keys>
const LOOKUP_KEYS: usize = 10;

/// The name of the request that lists prices.
const PRICES: &str = "GET /v1/prices";

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

    /// The prices that have these lookup keys, archived ones too.
    async fn by_lookup_keys<T>(
        &self,
        keys: &[String],
        read: impl Fn(&Object<'_>) -> Result<T, Odd>,
    ) -> PortResult<Page<T>> {
        let mut prices = Page::whole(Vec::new(), None);
        for keys in keys.chunks(LOOKUP_KEYS) {
            let query = json!({ "lookup_keys": keys });
            let page = self.api.list(PRICES, "/prices", query, &read).await?;
            prices.items.extend(page.items);
            prices.unreadable.extend(page.unreadable);
        }
        Ok(prices)
    }
}
