//! API Gateway's control plane: exactly the calls that Tollgate makes.
//!
//! A 409 is handed on as [`Class::Conflict`] and never interpreted here. A write is tried once:
//! what became of it is the engine's to find out, which observes. A key's value
//! goes out with `CreateApiKey` and comes in where it is asked for; it is in no error.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::error::SdkError;
use aws_sdk_apigateway::operation::create_api_key::CreateApiKeyError;
use aws_sdk_apigateway::primitives::DateTime;
use aws_sdk_apigateway::types::{self, Op, PatchOperation};
use jiff::Timestamp;
use tollgate_core::account::{KeyId, UsagePlanId};
use tollgate_core::derive::KeyValue;
use tollgate_core::ports::{
    ApiGateway, ApiKey, Class, NewKey, Page, PlanStages, PortError, PortResult, Service, Usage,
};
use tollgate_events::{AccountId, IdError};

use super::error::Operation;

/// The largest page that API Gateway gives.
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKeys.html>
const PAGE: i32 = 500;

fn operation(name: &'static str) -> Operation {
    Operation { service: Service::ApiGateway, name }
}

/// The API Gateway port on the REST API's control plane.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    client: Client,
}

/// What a write is made with.
fn once() -> aws_sdk_apigateway::config::Builder {
    aws_sdk_apigateway::config::Builder::new().retry_config(RetryConfig::disabled())
}

impl ControlPlane {
    /// The control plane behind a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn get_key(&self, key: &KeyId, with_value: bool) -> PortResult<Option<ApiKey>> {
        let operation = operation("GetApiKey");
        let request = self.client.get_api_key().api_key(key.as_str()).include_value(with_value);
        let answer = request.send().await.map_err(|error| operation.sdk(&error));
        let Some(found) = unless_not_found(answer)? else { return Ok(None) };
        let (id, name, value) = (found.id(), found.name(), found.value());
        let (customer, created) = (found.customer_id(), found.created_date());
        read_key(operation, id, name, value, customer, found.enabled(), created).map(Some)
    }

    async fn page_of_keys(
        &self,
        customer: Option<&AccountId>,
        with_values: bool,
        position: Option<String>,
    ) -> PortResult<Page<ApiKey>> {
        let operation = operation("GetApiKeys");
        let answer = self
            .client
            .get_api_keys()
            .limit(PAGE)
            .set_customer_id(customer.map(ToString::to_string))
            .include_values(with_values)
            .set_position(position)
            .send()
            .await
            .map_err(|error| operation.sdk(&error))?;
        let mut page = Page::whole(Vec::new(), answer.position.clone());
        for key in answer.items() {
            match read_listed(operation, key) {
                Ok(key) => page.items.push(key),
                Err(error) => {
                    let owner = key.customer_id().map(str::to_owned);
                    page.unreadable.push(operation.left_out(key.id(), owner, &error));
                }
            }
        }
        Ok(page)
    }
}

impl ApiGateway for ControlPlane {
    async fn create_key(&self, key: &NewKey) -> PortResult<KeyId> {
        let operation = operation("CreateApiKey");
        let answer = self
            .client
            .create_api_key()
            .name(&key.name)
            .value(key.value.expose())
            .customer_id(key.customer_id.as_str())
            .description(&key.description)
            .enabled(true)
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| without_text(operation, &error))?;
        key_id(operation, answer.id())
    }

    async fn key(&self, key: &KeyId) -> PortResult<Option<ApiKey>> {
        self.get_key(key, false).await
    }

    async fn key_value(&self, key: &KeyId) -> PortResult<Option<KeyValue>> {
        let Some(key) = self.get_key(key, true).await? else { return Ok(None) };
        let missing = || operation("GetApiKey").error(Class::Invalid, "no value in the answer");
        key.value.map(Some).ok_or_else(missing)
    }

    async fn keys_of(&self, account: &AccountId) -> PortResult<Vec<ApiKey>> {
        let (mut keys, mut position) = (Vec::new(), None);
        loop {
            let page = self.page_of_keys(Some(account), true, position).await?;
            if page.unreadable.iter().any(|key| key.owner.as_deref() == Some(account.as_str())) {
                // Whose value it has is not known: it may be the one that is looked for.
                let detail = "a key of the account has no usable id";
                return Err(operation("GetApiKeys").error(Class::Invalid, detail));
            }
            keys.extend(
                page.items.into_iter().filter(|key| key.customer_id.as_ref() == Some(account)),
            );
            position = page.next;
            if position.is_none() {
                return Ok(keys);
            }
        }
    }

    async fn all_keys(&self, position: Option<&str>) -> PortResult<Page<ApiKey>> {
        self.page_of_keys(None, false, position.map(str::to_owned)).await
    }

    async fn set_enabled(&self, key: &KeyId, enabled: bool) -> PortResult<()> {
        let patch = PatchOperation::builder()
            .op(Op::Replace)
            .path("/enabled")
            .value(enabled.to_string())
            .build();
        let request = self.client.update_api_key().api_key(key.as_str()).patch_operations(patch);
        let answer = request.customize().config_override(once()).send().await;
        answer.map_err(|error| operation("UpdateApiKey").sdk(&error))?;
        Ok(())
    }

    async fn delete_key(&self, key: &KeyId) -> PortResult<()> {
        let request = self.client.delete_api_key().api_key(key.as_str());
        let answer = request.customize().config_override(once()).send().await;
        answer.map_err(|error| operation("DeleteApiKey").sdk(&error))?;
        Ok(())
    }

    async fn plans_of(&self, key: &KeyId) -> PortResult<Vec<PlanStages>> {
        let operation = operation("GetUsagePlans");
        let (mut plans, mut position) = (Vec::new(), None);
        loop {
            let request = self.client.get_usage_plans().key_id(key.as_str()).limit(PAGE);
            let answer = request.set_position(position).send().await;
            let answer = answer.map_err(|error| operation.sdk(&error))?;
            let read = |plan| plan_stages(plan).map_err(|error| no_id(operation, &error));
            for plan in answer.items() {
                plans.push(read(plan)?);
            }
            position = answer.position;
            if position.is_none() {
                return Ok(plans);
            }
        }
    }

    async fn all_plans(&self, position: Option<&str>) -> PortResult<Page<PlanStages>> {
        let operation = operation("GetUsagePlans");
        let request = self.client.get_usage_plans().limit(PAGE);
        let answer = request.set_position(position.map(str::to_owned)).send().await;
        let answer = answer.map_err(|error| operation.sdk(&error))?;
        let mut page = Page::whole(Vec::new(), answer.position.clone());
        for plan in answer.items() {
            match plan_stages(plan) {
                Ok(plan) => page.items.push(plan),
                Err(error) => {
                    page.unreadable.push(operation.left_out(
                        plan.id(),
                        None,
                        &no_id(operation, &error),
                    ));
                }
            }
        }
        Ok(page)
    }

    async fn keys_on(&self, plan: &UsagePlanId, position: Option<&str>) -> PortResult<Page<KeyId>> {
        let operation = operation("GetUsagePlanKeys");
        let answer = self
            .client
            .get_usage_plan_keys()
            .usage_plan_id(plan.as_str())
            .limit(PAGE)
            .set_position(position.map(str::to_owned))
            .send()
            .await
            .map_err(|error| operation.sdk(&error))?;
        let mut page = Page::whole(Vec::new(), answer.position.clone());
        for key in answer.items() {
            match key_id(operation, key.id()) {
                Ok(id) => page.items.push(id),
                Err(error) => page.unreadable.push(operation.left_out(key.id(), None, &error)),
            }
        }
        Ok(page)
    }

    async fn attach(&self, plan: &UsagePlanId, key: &KeyId) -> PortResult<()> {
        self.client
            .create_usage_plan_key()
            .usage_plan_id(plan.as_str())
            .key_id(key.as_str())
            .key_type("API_KEY")
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| operation("CreateUsagePlanKey").sdk(&error))?;
        Ok(())
    }

    async fn detach(&self, plan: &UsagePlanId, key: &KeyId) -> PortResult<()> {
        let request = self.client.delete_usage_plan_key();
        let request = request.usage_plan_id(plan.as_str()).key_id(key.as_str());
        let answer = request.customize().config_override(once()).send().await;
        answer.map_err(|error| operation("DeleteUsagePlanKey").sdk(&error))?;
        Ok(())
    }

    /// `GetUsage` answers for each key a list of days, each `[used, remaining]`.
    /// <https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsage.html>
    async fn usage(
        &self,
        plan: &UsagePlanId,
        key: &KeyId,
        from: &str,
        to: &str,
    ) -> PortResult<Option<Usage>> {
        // One key has one line, so there is no second page.
        let request = self.client.get_usage().usage_plan_id(plan.as_str()).key_id(key.as_str());
        let answer = request.start_date(from).end_date(to).send().await;
        let answer = answer.map_err(|error| operation("GetUsage").sdk(&error))?;
        Ok(answer.items().and_then(|lines| lines.get(key.as_str())).and_then(|days| sum(days)))
    }
}

/// All days' use, and what the last day left.
fn sum(days: &[Vec<i64>]) -> Option<Usage> {
    let count = |day: &[i64], index| u64::try_from(*day.get(index).unwrap_or(&0)).unwrap_or(0);
    let remaining = count(days.last()?, 1);
    Some(Usage { used: days.iter().map(|day| count(day, 0)).sum(), remaining })
}

fn unless_not_found<T>(answer: PortResult<T>) -> PortResult<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A refused value could be echoed in the service's text: only the code is kept.
fn without_text(
    operation: Operation,
    error: &SdkError<CreateApiKeyError, aws_sdk_apigateway::config::http::HttpResponse>,
) -> PortError {
    let mut error = operation.sdk(error);
    if let Some(end) = error.detail.find(':') {
        error.detail.truncate(end);
    }
    error
}

fn read_listed(operation: Operation, key: &types::ApiKey) -> PortResult<ApiKey> {
    let (id, name, value) = (key.id(), key.name(), key.value());
    read_key(operation, id, name, value, key.customer_id(), key.enabled(), key.created_date())
}

fn read_key(
    operation: Operation,
    id: Option<&str>,
    name: Option<&str>,
    value: Option<&str>,
    customer: Option<&str>,
    enabled: bool,
    created: Option<&DateTime>,
) -> PortResult<ApiKey> {
    Ok(ApiKey {
        id: key_id(operation, id)?,
        name: name.unwrap_or_default().to_owned(),
        value: value.map(KeyValue::new),
        // Keys made by hand may name anybody here.
        customer_id: customer.and_then(|customer| AccountId::parse(customer).ok()),
        enabled,
        created_at: created.and_then(|at| Timestamp::from_second(at.secs()).ok()),
    })
}

fn key_id(operation: Operation, id: Option<&str>) -> PortResult<KeyId> {
    KeyId::parse(id.unwrap_or_default()).map_err(|error| no_id(operation, &error))
}

fn plan_stages(plan: &types::UsagePlan) -> Result<PlanStages, IdError> {
    let stage = |it: &types::ApiStage| Some(format!("{}:{}", it.api_id()?, it.stage()?));
    let stages = plan.api_stages().iter().filter_map(stage).collect();
    Ok(PlanStages { id: UsagePlanId::parse(plan.id().unwrap_or_default())?, stages })
}

fn no_id(operation: Operation, error: &IdError) -> PortError {
    operation.error(Class::Invalid, format!("the answer names no usable id: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::SignedDuration;
    use serde_json::json;
    use tollgate_standin::stub::{Answer, Stub};

    use super::*;
    use crate::adapters::clients::stubbed;

    fn plane(stub: &Stub) -> ControlPlane {
        ControlPlane::new(Client::new(&stubbed(&stub.url)))
    }

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).unwrap()
    }

    fn key() -> KeyId {
        KeyId::parse("k1").unwrap()
    }

    fn plan() -> UsagePlanId {
        UsagePlanId::parse("p1").unwrap()
    }

    fn refused(status: u16, code: &'static str) -> Answer {
        Answer::new(status, json!({ "message": "no" })).header("x-amzn-errortype", code)
    }

    #[tokio::test]
    async fn keys_of_an_account_are_read_to_the_end_and_compared_again() {
        let key = |id: &str, customer: &str| json!({ "id": id, "customerId": customer, "value": "v", "enabled": true });
        let stub = Stub::answering([
            Answer::new(
                200,
                json!({ "item": [key("k1", "a"), key("k2", "b")], "position": "next" }),
            ),
            Answer::new(
                200,
                json!({ "item": [key("k3", "a"), { "id": "k4", "name": "by hand" }] }),
            ),
        ])
        .await;
        let keys = plane(&stub).keys_of(&account("a")).await.unwrap();
        assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["k1", "k3"]);
        assert_eq!(keys[0].value.as_ref().unwrap().expose(), "v");
        let lines = stub.lines();
        assert!(lines[0].contains("customerId=a") && lines[0].contains("includeValues=true"));
        assert!(lines[1].contains("position=next"), "{lines:?}");
    }

    #[tokio::test]
    async fn a_key_goes_out_enabled_and_its_value_into_no_error() {
        let stub = Stub::answering([
            Answer::new(201, json!({ "id": "k1" })),
            Answer::new(409, json!({ "message": "the value minted-value exists" }))
                .header("x-amzn-errortype", "ConflictException"),
        ])
        .await;
        let new = NewKey {
            name: "tollgate/stack/a/primary/1".into(),
            value: KeyValue::new("minted-value"),
            customer_id: account("a"),
            description: "primary 1".into(),
        };
        assert_eq!(plane(&stub).create_key(&new).await.unwrap(), key());
        let body: serde_json::Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
        assert_eq!(body["enabled"], true);
        assert_eq!(body["customerId"], "a");
        assert_eq!(body["value"], "minted-value");
        let failed = plane(&stub).create_key(&new).await.unwrap_err();
        assert_eq!(failed.class, Class::Conflict);
        assert!(!failed.to_string().contains("minted-value"), "{failed}");
    }

    #[tokio::test]
    async fn refusals_keep_their_meaning() {
        let after = Some(SignedDuration::from_secs(3));
        let cases = [
            (refused(409, "ConflictException"), Class::Conflict),
            (refused(404, "NotFoundException"), Class::NotFound),
            (
                refused(429, "TooManyRequestsException").header("retry-after", "3"),
                Class::Throttled { after },
            ),
            (refused(429, "LimitExceededException"), Class::LimitExceeded),
            (refused(400, "BadRequestException"), Class::Invalid),
            (refused(401, "UnauthorizedException"), Class::Denied),
            (refused(403, "AccessDeniedException"), Class::Denied),
            (refused(503, "ServiceUnavailableException"), Class::Unavailable),
            (Answer::new(500, "oops"), Class::Unavailable),
        ];
        for (answer, class) in cases {
            let stub = Stub::answering([answer]).await;
            assert_eq!(plane(&stub).attach(&plan(), &key()).await.unwrap_err().class, class);
        }
    }

    #[tokio::test]
    async fn an_unknown_key_is_none() {
        let missing = || refused(404, "NotFoundException");
        let stub = Stub::answering([missing(), missing()]).await;
        assert!(plane(&stub).key(&key()).await.unwrap().is_none());
        assert!(plane(&stub).key_value(&key()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn usage_is_all_days_used_and_the_last_one_left() {
        let days = json!({ "values": { "k1": [[10, 90], [0, 90], [5, 85]] } });
        let stub = Stub::answering([Answer::new(200, days), Answer::new(200, json!({}))]).await;
        let plane = plane(&stub);
        let usage = plane.usage(&plan(), &key(), "2026-11-01", "2026-11-30").await.unwrap();
        assert_eq!(usage, Some(Usage { used: 15, remaining: 85 }));
        let none = plane.usage(&plan(), &key(), "2026-11-01", "2026-11-30").await.unwrap();
        assert_eq!(none, None);
    }

    #[tokio::test]
    async fn plans_of_a_key_are_read_to_the_end() {
        let stub = Stub::answering([
            Answer::new(200, json!({ "item": [{ "id": "p1" }], "position": "next" })),
            Answer::new(
                200,
                json!({ "item": [{ "id": "p2", "apiStages": [{ "apiId": "a1", "stage": "prod" }] }] }),
            ),
        ])
        .await;
        let plans = plane(&stub).plans_of(&key()).await.unwrap();
        let plans: Vec<_> = plans.iter().map(|plan| (plan.id.as_str(), &plan.stages)).collect();
        let stages = ["a1:prod".to_owned()].into();
        assert_eq!(plans, [("p1", &BTreeSet::new()), ("p2", &stages)]);
    }

    #[tokio::test]
    async fn a_key_without_a_usable_id_is_left_out_of_listings_and_missed_by_its_account() {
        let keys = || {
            let odd = json!({ "id": "", "customerId": "a", "enabled": true });
            Answer::new(200, json!({ "item": [{ "id": "k1", "customerId": "b" }, odd] }))
        };
        let stub = Stub::answering([keys(), keys(), keys(), keys()]).await;
        let plane = plane(&stub);
        let page = plane.all_keys(None).await.unwrap();
        assert_eq!((page.items.len(), page.unreadable[0].owner.as_deref()), (1, Some("a")));
        let page = plane.keys_on(&plan(), None).await.unwrap();
        assert_eq!((page.items.len(), page.unreadable.len()), (1, 1));
        assert_eq!(plane.keys_of(&account("b")).await.unwrap().len(), 1);
        assert_eq!(plane.keys_of(&account("a")).await.unwrap_err().class, Class::Invalid);
    }
}
