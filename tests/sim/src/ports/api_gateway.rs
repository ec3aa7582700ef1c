//! API Gateway as a port: what Tollgate's worker calls, through the gate, page by page.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tollgate_core::account::{KeyId, UsagePlanId};
use tollgate_core::derive::KeyValue;
use tollgate_core::ports::{
    ApiGateway, ApiKey, Class, NewKey, Page, PlanStages, PortResult, Service, Usage,
};
use tollgate_events::AccountId;

use tollgate_standin::api_gateway::{
    ApiGatewayStandin, Exception, Key, KeyPatch, KeyQuery, Listing, Model, NewApiKey, Plan,
    Refusal, no_such_key,
};

use super::Gated;
use crate::gate::failure;
use crate::planted::Bug;

impl Gated<ApiGatewayStandin> {
    async fn through_gate<T>(
        &self,
        operation: &'static str,
        subject: impl Into<String>,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, Refusal>,
    ) -> PortResult<T> {
        let act = || self.answer(operation, act);
        self.gate.pass(Service::ApiGateway, operation, subject, act).await
    }

    async fn write_through_gate<T>(
        &self,
        operation: &'static str,
        subject: impl Into<String>,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> PortResult<T> {
        let this = self.clone();
        let act = move || this.answer(operation, act);
        self.gate.pass_write(Service::ApiGateway, operation, subject, act).await
    }

    fn answer<T>(
        &self,
        operation: &'static str,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, Refusal>,
    ) -> PortResult<T> {
        self.control(operation, act).map_err(|refusal| {
            let class = match class(refusal.exception) {
                Class::Throttled { .. } if self.gate.has(Bug::ThrottledIsDenied) => Class::Denied,
                class => class,
            };
            failure(Service::ApiGateway, operation, class, refusal.to_string())
        })
    }

    async fn get(&self, key: &KeyId) -> PortResult<Option<Key>> {
        let lag = self.read_lag();
        let get = |model: &mut Model, now| {
            let key = model.get_api_key(key.as_str())?;
            if key.created + lag > now { Err(no_such_key()) } else { Ok(key.clone()) }
        };
        none_if_missing(self.through_gate("GetApiKey", key.as_str(), get).await)
    }

    async fn page_of_keys(
        &self,
        customer_id: Option<&AccountId>,
        position: Option<String>,
        values: bool,
    ) -> PortResult<Page<ApiKey>> {
        let query = KeyQuery {
            customer_id: customer_id.map(ToString::to_string),
            page: full_page(position),
            ..KeyQuery::default()
        };
        let subject = query.customer_id.clone().unwrap_or_default();
        let lag = self.read_lag();
        let get = |model: &mut Model, now| {
            let mut page = model.get_api_keys(&query)?;
            page.items.retain(|key| key.created + lag <= now);
            Ok(page)
        };
        let page = self.through_gate("GetApiKeys", subject, get).await?;
        let items = page.items.into_iter().map(|key| api_key(key, values)).collect();
        Ok(Page::whole(items, page.position))
    }
}

impl Gated<ApiGatewayStandin> {
    /// What the making of a key is logged under: never its value.
    fn subject_of(&self, key: &NewKey) -> String {
        let leak = self.gate.has(Bug::ValueLogged).then(|| key.value.expose());
        format!("{}{}", key.name, leak.unwrap_or_default())
    }
}

impl ApiGateway for Gated<ApiGatewayStandin> {
    async fn create_key(&self, key: &NewKey) -> PortResult<KeyId> {
        let new = || NewApiKey {
            name: Some(key.name.clone()),
            description: Some(key.description.clone()),
            value: (!self.gate.has(Bug::ValueNotSent))
                .then(|| SecretString::from(key.value.expose())),
            customer_id: Some(key.customer_id.to_string()),
            enabled: true,
            ..NewApiKey::default()
        };
        let (first, another) = (new(), NewApiKey { value: None, ..new() });
        let create = move |model: &mut Model, now| model.create_api_key(first, now);
        let made = self.write_through_gate("CreateApiKey", self.subject_of(key), create).await;
        if self.gate.has(Bug::ConflictMintsAnother) && conflicts(&made) {
            let create = |model: &mut Model, now| model.create_api_key(another, now);
            let made = self.through_gate("CreateApiKey", key.name.clone(), create).await?;
            return Ok(key_id(&made.id));
        }
        let made = made?;
        let value = self.gate.has(Bug::ValueTakenForId).then(|| made.value.expose_secret());
        Ok(key_id(value.unwrap_or(&made.id)))
    }

    async fn key(&self, key: &KeyId) -> PortResult<Option<ApiKey>> {
        Ok(self.get(key).await?.map(|key| api_key(key, false)))
    }

    async fn key_value(&self, key: &KeyId) -> PortResult<Option<KeyValue>> {
        Ok(self.get(key).await?.map(|key| key_value(&key)))
    }

    async fn keys_of(&self, account: &AccountId) -> PortResult<Vec<ApiKey>> {
        let (mut keys, mut position) = (Vec::new(), None);
        loop {
            let page = self.page_of_keys(Some(account), position, true).await?;
            keys.extend(page.items);
            position = page.next;
            if position.is_none() {
                return Ok(keys
                    .into_iter()
                    .filter(|_| !self.gate.has(Bug::KeysNotAsked))
                    .collect());
            }
        }
    }

    async fn all_keys(&self, position: Option<&str>) -> PortResult<Page<ApiKey>> {
        self.page_of_keys(None, position.map(str::to_owned), false).await
    }

    async fn set_enabled(&self, key: &KeyId, enabled: bool) -> PortResult<()> {
        let patch = KeyPatch { enabled: Some(enabled), ..KeyPatch::default() };
        let (id, subject) = (key.to_string(), format!("{key} enabled={enabled}"));
        let update = move |model: &mut Model, now| model.update_api_key(&id, patch, now);
        self.write_through_gate("UpdateApiKey", subject, update).await.map(drop)
    }

    async fn delete_key(&self, key: &KeyId) -> PortResult<()> {
        let id = key.to_string();
        let delete = move |model: &mut Model, now| model.delete_api_key(&id, now);
        self.write_through_gate("DeleteApiKey", key.as_str(), delete).await
    }

    async fn plans_of(&self, key: &KeyId) -> PortResult<Vec<PlanStages>> {
        let (mut plans, mut page, lag) = (Vec::new(), full_page(None), self.read_lag());
        loop {
            let get = |model: &mut Model, now| {
                let mut plans = model.get_usage_plans(Some(key.as_str()), &page)?;
                let put = |plan: &Plan| plan.keys.get(key.as_str()).copied();
                plans.items.retain(|plan| put(plan).is_none_or(|at| at + lag <= now));
                Ok(plans)
            };
            let found = self.through_gate("GetUsagePlans", key.as_str(), get).await?;
            plans.extend(found.items.iter().map(plan_stages));
            if found.position.is_none() {
                return Ok(plans);
            }
            page = full_page(found.position);
        }
    }

    async fn all_plans(&self, position: Option<&str>) -> PortResult<Page<PlanStages>> {
        let page = full_page(position.map(str::to_owned));
        let get = |model: &mut Model, _| model.get_usage_plans(None, &page);
        let found = self.through_gate("GetUsagePlans", "", get).await?;
        Ok(Page::whole(found.items.iter().map(plan_stages).collect(), found.position))
    }

    async fn keys_on(&self, plan: &UsagePlanId, position: Option<&str>) -> PortResult<Page<KeyId>> {
        let page = full_page(position.map(str::to_owned));
        let get = |model: &mut Model, _| model.get_usage_plan_keys(plan.as_str(), &page);
        let found = self.through_gate("GetUsagePlanKeys", plan.as_str(), get).await?;
        let items = found.items.iter().map(|key| key_id(&key.id)).collect();
        Ok(Page::whole(items, found.position))
    }

    async fn attach(&self, plan: &UsagePlanId, key: &KeyId) -> PortResult<()> {
        let (on, id) = (plan.to_string(), key.to_string());
        let attach = move |model: &mut Model, now| model.create_usage_plan_key(&on, &id, now);
        let made = self.write_through_gate("CreateUsagePlanKey", pair(plan, key), attach).await;
        if self.gate.has(Bug::TrustedConflict) && conflicts(&made) {
            return Ok(());
        }
        made.map(drop)
    }

    async fn detach(&self, plan: &UsagePlanId, key: &KeyId) -> PortResult<()> {
        let (off, id) = (plan.to_string(), key.to_string());
        let detach = move |model: &mut Model, now| model.delete_usage_plan_key(&off, &id, now);
        self.write_through_gate("DeleteUsagePlanKey", pair(plan, key), detach).await
    }

    async fn usage(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
        from: &str,
        to: &str,
    ) -> PortResult<Option<Usage>> {
        let get = |model: &mut Model, now| {
            model.get_usage(plan.as_str(), Some(key.as_str()), (from, to), now)
        };
        let mut usage = self.through_gate("GetUsage", pair(plan, key), get).await?;
        let days = usage.remove(key.as_str()).unwrap_or_default();
        let used: i64 = days.iter().map(|day| day.used).sum();
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(days.last().map(|day| Usage { used: count(used), remaining: count(day.remaining) }))
    }
}

fn full_page(position: Option<String>) -> Listing {
    Listing { limit: Some(500), position }
}

fn conflicts<T>(result: &PortResult<T>) -> bool {
    result.as_ref().is_err_and(|error| error.class == Class::Conflict)
}

fn none_if_missing<T>(result: PortResult<T>) -> PortResult<Option<T>> {
    match result {
        Err(error) if error.class == Class::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn api_key(key: Key, with_value: bool) -> ApiKey {
    ApiKey {
        id: key_id(&key.id),
        value: with_value.then(|| key_value(&key)),
        name: key.name.unwrap_or_default(),
        customer_id: key.customer_id.and_then(|id| AccountId::parse(id).ok()),
        enabled: key.enabled,
        created_at: Some(key.created),
    }
}

fn pair(plan: &UsagePlanId, key: &KeyId) -> String {
    format!("{plan}/{key}")
}

fn key_id(id: &str) -> KeyId {
    KeyId::parse(id).expect("ids given here are letters and digits")
}

fn plan_stages(plan: &Plan) -> PlanStages {
    PlanStages {
        id: UsagePlanId::parse(plan.id.as_str())
            .expect("ids given here are ten letters and digits"),
        stages: plan.stages.iter().map(|it| format!("{}:{}", it.api_id, it.stage)).collect(),
    }
}

fn key_value(key: &Key) -> KeyValue {
    KeyValue::new(key.value.expose_secret())
}

/// How the service's exceptions are classified, as the adapter does it.
fn class(exception: Exception) -> Class {
    match exception {
        Exception::BadRequest | Exception::NotImplemented => Class::Invalid,
        Exception::NotFound => Class::NotFound,
        Exception::Conflict => Class::Conflict,
        Exception::LimitExceeded => Class::LimitExceeded,
        Exception::TooManyRequests { after } => Class::Throttled { after: Some(after) },
    }
}
