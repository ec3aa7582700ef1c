//! Usage plans and stages, as the operator's command makes and compares them.
//!
//! The functions never call these: they only put keys on plans that are there.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{
    ApiStage, Op, PatchOperation, QuotaPeriodType, QuotaSettings, ThrottleSettings, UsagePlan,
};
use tollgate_core::account::{PlanId, UsagePlanId};
use tollgate_core::catalog::{Period, Quota, Throttle};
use tollgate_core::ports::{Class, Page, PortResult, Service};
use tollgate_functions::adapters::error::{Operation, readable};
use tollgate_operator::storefront::{
    ObservedPlan, StorefrontOwner, TAG_PLAN, TAG_STACK, UsageSettings,
};

/// The largest page that API Gateway gives.
const PAGE: i32 = 500;

fn operation(name: &'static str) -> Operation {
    Operation { service: Service::ApiGateway, name }
}

/// API Gateway's usage plans.
#[derive(Debug, Clone)]
pub struct UsagePlans {
    client: Client,
}

impl UsagePlans {
    /// Those behind a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Every usage plan of the account and Region, page by page.
    ///
    /// # Errors
    /// A call failed.
    pub async fn all(&self) -> PortResult<Vec<ObservedPlan>> {
        let operation = operation("GetUsagePlans");
        let (mut all, mut position) = (Page::whole(Vec::new(), None), None);
        loop {
            let request = self.client.get_usage_plans().limit(PAGE).set_position(position);
            let page = request.send().await.map_err(|error| operation.sdk(&error))?;
            for plan in page.items() {
                match observed(plan, operation) {
                    Ok(plan) => all.items.push(plan),
                    Err(error) => {
                        all.unreadable.push(operation.left_out(plan.id(), None, &error));
                    }
                }
            }
            position = page.position;
            if position.is_none() {
                return Ok(readable(all));
            }
        }
    }

    /// Whether a stage, `<rest api id>:<stage>`, is there.
    ///
    /// # Errors
    /// The call failed.
    pub async fn has_stage(&self, stage: &str) -> PortResult<bool> {
        let (api, name) = stage.split_once(':').unwrap_or((stage, ""));
        let answer = self.client.get_stage().rest_api_id(api).stage_name(name).send().await;
        match answer.map_err(|error| operation("GetStage").sdk(&error)) {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the usage plan of a stack's plan, with our mark.
    ///
    /// # Errors
    /// The call failed; when its answer was lost, the plan may be there.
    pub async fn create(
        &self,
        stack: &str,
        plan: &PlanId,
        settings: &UsageSettings,
    ) -> PortResult<UsagePlanId> {
        let operation = operation("CreateUsagePlan");
        let answer = self
            .client
            .create_usage_plan()
            .name(format!("tollgate/{stack}/{plan}"))
            .tags(TAG_STACK, stack)
            .tags(TAG_PLAN, plan.as_str())
            .set_api_stages(Some(settings.stages.iter().map(|stage| api_stage(stage)).collect()))
            .set_quota(settings.quota.map(quota_settings))
            .set_throttle(settings.throttle.map(throttle_settings))
            .send()
            .await
            .map_err(|error| operation.sdk(&error))?;
        let id = UsagePlanId::parse(answer.id.unwrap_or_default());
        id.map_err(|error| operation.error(Class::Invalid, format!("in the answer: {error}")))
    }

    /// Makes a usage plan enforce something else.
    ///
    /// # Errors
    /// The call failed.
    pub async fn update(
        &self,
        id: &UsagePlanId,
        from: &UsageSettings,
        to: &UsageSettings,
    ) -> PortResult<()> {
        let request = self.client.update_usage_plan().usage_plan_id(id.as_str());
        let sent = request.set_patch_operations(Some(patches(from, to))).send().await;
        sent.map(drop).map_err(|error| operation("UpdateUsagePlan").sdk(&error))
    }
}

/// <https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateUsagePlan-Patch>
fn patches(from: &UsageSettings, to: &UsageSettings) -> Vec<PatchOperation> {
    let mut patches = Vec::new();
    let mut patch = |op: Op, path: &str, value: Option<String>| {
        patches.push(PatchOperation::builder().op(op).path(path).set_value(value).build());
    };
    for stage in from.stages.difference(&to.stages) {
        patch(Op::Remove, "/apiStages", Some(stage.clone()));
    }
    for stage in to.stages.difference(&from.stages) {
        patch(Op::Add, "/apiStages", Some(stage.clone()));
    }
    if from.quota != to.quota {
        match to.quota {
            None => patch(Op::Remove, "/quota", None),
            Some(Quota { limit, period }) => {
                patch(Op::Replace, "/quota/limit", Some(limit.to_string()));
                if from.quota.is_some_and(|before| before.period != period) {
                    // What was used up of one period says nothing of another, which may not
                    // even take it: a day's offset is 0.
                    patch(Op::Replace, "/quota/offset", Some("0".to_owned()));
                }
                let period = period_type(period).as_str().to_owned();
                patch(Op::Replace, "/quota/period", Some(period));
            }
        }
    }
    if from.throttle != to.throttle {
        match to.throttle {
            None => patch(Op::Remove, "/throttle", None),
            Some(Throttle { rate, burst }) => {
                patch(Op::Replace, "/throttle/rateLimit", Some(rate.to_string()));
                patch(Op::Replace, "/throttle/burstLimit", Some(burst.to_string()));
            }
        }
    }
    patches
}

fn api_stage(stage: &str) -> ApiStage {
    let (api, name) = stage.split_once(':').unwrap_or((stage, ""));
    ApiStage::builder().api_id(api).stage(name).build()
}

/// The catalog has no limit beyond what the SDK's type holds.
fn quota_settings(Quota { limit, period }: Quota) -> QuotaSettings {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    QuotaSettings::builder().limit(limit).period(period_type(period)).build()
}

fn throttle_settings(Throttle { rate, burst }: Throttle) -> ThrottleSettings {
    let burst = i32::try_from(burst).unwrap_or(i32::MAX);
    ThrottleSettings::builder().rate_limit(rate).burst_limit(burst).build()
}

fn period_type(period: Period) -> QuotaPeriodType {
    match period {
        Period::Day => QuotaPeriodType::Day,
        Period::Week => QuotaPeriodType::Week,
        Period::Month => QuotaPeriodType::Month,
    }
}

fn observed(plan: &UsagePlan, operation: Operation) -> PortResult<ObservedPlan> {
    let id = UsagePlanId::parse(plan.id().unwrap_or_default())
        .map_err(|error| operation.error(Class::Invalid, format!("in the answer: {error}")))?;
    let tag = |name: &str| plan.tags().and_then(|tags| tags.get(name)).cloned();
    let owner = tag(TAG_STACK)
        .map(|stack| StorefrontOwner { stack, plan: tag(TAG_PLAN).unwrap_or_default() });
    let stage = |stage: &ApiStage| {
        format!("{}:{}", stage.api_id().unwrap_or_default(), stage.stage().unwrap_or_default())
    };
    let settings = UsageSettings {
        stages: plan.api_stages().iter().map(stage).collect(),
        quota: plan.quota().and_then(read_quota),
        throttle: plan.throttle().map(|throttle| Throttle {
            rate: throttle.rate_limit(),
            burst: u32::try_from(throttle.burst_limit()).unwrap_or(0),
        }),
    };
    Ok(ObservedPlan { id, name: plan.name().unwrap_or_default().to_owned(), owner, settings })
}

/// A quota with a period that we do not know reads as none, and so as a difference.
fn read_quota(quota: &QuotaSettings) -> Option<Quota> {
    let period = match quota.period()? {
        QuotaPeriodType::Day => Period::Day,
        QuotaPeriodType::Week => Period::Week,
        QuotaPeriodType::Month => Period::Month,
        _ => return None,
    };
    Some(Quota { limit: u32::try_from(quota.limit()).unwrap_or(0), period })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_standin::stub::{Stub, StubAnswer};

    use super::*;
    use crate::adapters::stubbed;

    fn plans(stub: &Stub) -> UsagePlans {
        UsagePlans::new(Client::new(&stubbed(&stub.url)))
    }

    fn settings(
        stages: &[&str],
        quota: Option<Quota>,
        throttle: Option<Throttle>,
    ) -> UsageSettings {
        UsageSettings {
            stages: stages.iter().map(|it| (*it).to_owned()).collect(),
            quota,
            throttle,
        }
    }

    #[tokio::test]
    async fn every_page_is_read_with_marks_and_settings() {
        let ours = json!({
            "id": "u1", "name": "tollgate/shop/pro",
            "tags": { "tollgate:stack": "shop", "tollgate:plan": "pro" },
            "apiStages": [{ "apiId": "api1", "stage": "prod" }],
            "quota": { "limit": 5, "period": "WEEK" },
            "throttle": { "rateLimit": 1.5, "burstLimit": 2 },
        });
        let theirs = json!({ "id": "u2", "quota": { "limit": 5, "period": "DECADE" } });
        let stub = Stub::answering([
            StubAnswer::new(200, json!({ "item": [ours], "position": "next" })),
            StubAnswer::new(200, json!({ "item": [theirs] })),
        ])
        .await;
        let found = plans(&stub).all().await.unwrap();
        let quota = Some(Quota { limit: 5, period: Period::Week });
        let throttle = Some(Throttle { rate: 1.5, burst: 2 });
        assert_eq!(found[0].settings, settings(&["api1:prod"], quota, throttle));
        assert_eq!(
            found[0].owner,
            Some(StorefrontOwner { stack: "shop".into(), plan: "pro".into() })
        );
        assert_eq!((&found[1].settings, &found[1].owner), (&settings(&[], None, None), &None));
        assert!(stub.lines()[1].contains("position=next"), "{:?}", stub.lines());
    }

    #[tokio::test]
    async fn an_update_patches_what_differs_and_no_more() {
        let stub = Stub::answering([StubAnswer::new(200, json!({}))]).await;
        let daily = Some(Quota { limit: 5, period: Period::Day });
        let from = settings(&["a:1", "b:1"], daily, Some(Throttle { rate: 1.0, burst: 2 }));
        let weekly = Some(Quota { limit: 5, period: Period::Week });
        let to = settings(&["b:1", "c:1"], weekly, None);
        let id = UsagePlanId::parse("u1").unwrap();
        plans(&stub).update(&id, &from, &to).await.unwrap();
        let body: Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
        let expected = json!([
            { "op": "remove", "path": "/apiStages", "value": "a:1" },
            { "op": "add", "path": "/apiStages", "value": "c:1" },
            { "op": "replace", "path": "/quota/limit", "value": "5" },
            { "op": "replace", "path": "/quota/offset", "value": "0" },
            { "op": "replace", "path": "/quota/period", "value": "WEEK" },
            { "op": "remove", "path": "/throttle" },
        ]);
        assert_eq!(body["patchOperations"], expected);
    }

    #[tokio::test]
    async fn a_plan_without_a_usable_id_stops_no_listing() {
        let page = json!({ "item": [{ "name": "odd" }, { "id": "p1", "name": "by hand" }] });
        let stub = Stub::answering([StubAnswer::new(200, page)]).await;
        let all = plans(&stub).all().await.unwrap();
        assert_eq!(all.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["p1"]);
    }
}
