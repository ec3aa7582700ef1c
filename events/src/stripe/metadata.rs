//! What Tollgate writes into the metadata of Stripe's objects, and reads back.

use std::collections::BTreeMap;

use crate::{AccountId, NamedAccount, check_word};

/// The metadata key under which Tollgate writes the account on Stripe's objects.
pub const METADATA_ACCOUNT: &str = "tollgate_account";

/// The metadata key of Tollgate's HMAC over the account. Without it the account is
/// not believed: whoever can write metadata could name another's.
pub const METADATA_PROOF: &str = "tollgate_proof";

/// The metadata key under which Tollgate writes which of its deployments made the object: one
/// Stripe account may have several.
pub const METADATA_STACK: &str = "tollgate_stack";

/// The metadata key under which Tollgate writes which price a Checkout session sells.
pub const METADATA_PRICE: &str = "tollgate_price";

impl NamedAccount {
    /// As it is written into an object's metadata.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let optional = [(METADATA_PROOF, &self.proof), (METADATA_STACK, &self.stack)];
        let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
        let account = (METADATA_ACCOUNT, self.id.to_string());
        [account].into_iter().chain(optional).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// As an object's metadata names it, by key. An id that cannot be one names nobody.
    pub fn from_metadata<'a>(get: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let id = AccountId::parse(get(METADATA_ACCOUNT)?).ok()?;
        let word = |key| get(key).filter(|word| check_word(word).is_ok()).map(str::to_owned);
        Some(Self { id, proof: word(METADATA_PROOF), stack: word(METADATA_STACK) })
    }
}
