//! An account's owner, as the simulation and its tests speak of them.

use std::future::Future;

use tollgate_core::account_api::{AccountApi, Refusal, Wanted};
use tollgate_core::ports::Ports;
use tollgate_events::AccountId;

/// What an owner does at the account API in more than one step, or only one way of many.
pub trait Owner {
    /// Asks for the Checkout page of a plan.
    fn checkout(&self, id: &AccountId, plan: &str)
    -> impl Future<Output = Result<String, Refusal>>;
}

impl<P: Ports> Owner for AccountApi<P> {
    async fn checkout(&self, id: &AccountId, plan: &str) -> Result<String, Refusal> {
        Ok(self.choose(id, &Wanted::Plan(plan.to_owned()), None).await?.url)
    }
}
