//! API Gateway's control plane.

use std::collections::BTreeSet;
use std::future::Future;

use jiff::Timestamp;
use tollgate_events::AccountId;

use super::failure::PortResult;
use super::page::Page;
use crate::account::{KeyId, UsagePlanId};
use crate::derive::KeyValue;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name: `tollgate/<stack>/<sub>/<slot>/<generation>`.
    pub name: String,
    /// Its value, derived; API Gateway refuses a value that exists.
    pub value: KeyValue,
    /// Whose it is (API Gateway's `customerId`).
    pub customer_id: AccountId,
    /// For people, and for a rebuild: slot and generation.
    pub description: String,
}

/// An API key, as API Gateway tells it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Its value, where it was asked for.
    pub value: Option<KeyValue>,
    /// Whose it is, if that was set and is an identifier.
    pub customer_id: Option<AccountId>,
    /// Whether API Gateway accepts it.
    pub enabled: bool,
    /// When it was made, as far as that is told.
    pub created_at: Option<Timestamp>,
}

/// A usage plan, as far as it sells something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStages {
    /// Its id.
    pub id: UsagePlanId,
    /// The API stages that it covers, `<rest api id>:<stage>`: to a key on it, all others are shut.
    pub stages: BTreeSet<String>,
}

/// How much of its quota a key has used in the current period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Requests so far.
    pub used: u64,
    /// Requests left, as API Gateway counts them (best effort).
    pub remaining: u64,
}

/// API Gateway's control plane. Keys are made enabled.
pub trait ApiGateway: Send + Sync {
    /// `CreateApiKey`. [`Class::Conflict`](super::Class::Conflict) when the value exists, or by chance.
    fn create_key(&self, key: &NewKey) -> impl Future<Output = PortResult<KeyId>> + Send;

    /// `GetApiKey`, without its value; `None` when there is none.
    fn key(&self, key: &KeyId) -> impl Future<Output = PortResult<Option<ApiKey>>> + Send;

    /// `GetApiKey` with its value; `None` when there is none.
    fn key_value(&self, key: &KeyId) -> impl Future<Output = PortResult<Option<KeyValue>>> + Send;

    /// `GetApiKeys` by `customerId`, with values, every page; compared again here,
    /// because not every implementation filters.
    fn keys_of(&self, account: &AccountId) -> impl Future<Output = PortResult<Vec<ApiKey>>> + Send;

    /// `GetApiKeys`: all keys of the account and Region, one page of up to 500.
    fn all_keys(
        &self,
        position: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<ApiKey>>> + Send;

    /// `UpdateApiKey`: enables or disables.
    fn set_enabled(
        &self,
        key: &KeyId,
        enabled: bool,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// `DeleteApiKey`. [`Class::NotFound`](super::Class::NotFound) when it is gone.
    fn delete_key(&self, key: &KeyId) -> impl Future<Output = PortResult<()>> + Send;

    /// `GetUsagePlans` by `keyId`, every page: the plans that a key is on.
    fn plans_of(&self, key: &KeyId) -> impl Future<Output = PortResult<Vec<PlanStages>>> + Send;

    /// `GetUsagePlans`: all usage plans of the account and Region, one page of up to 500.
    fn all_plans(
        &self,
        position: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<PlanStages>>> + Send;

    /// `GetUsagePlanKeys`: the keys on a plan, one page of up to 500.
    fn keys_on(
        &self,
        plan: &UsagePlanId,
        position: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<KeyId>>> + Send;

    /// `CreateUsagePlanKey`. [`Class::Conflict`](super::Class::Conflict) when it is on a plan of the same
    /// stage already, or by chance.
    fn attach(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// `DeleteUsagePlanKey`. [`Class::NotFound`](super::Class::NotFound) when it is not on the plan.
    fn detach(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// `GetUsage` of one key on one plan, for the days `from` to `to`, `YYYY-MM-DD`;
    /// `None` when nothing was counted yet.
    fn usage(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
        from: &str,
        to: &str,
    ) -> impl Future<Output = PortResult<Option<Usage>>> + Send;
}
