//! The JSON of API Gateway's REST protocol: what requests may say, and what is answered.
//!
//! Field names are those that the AWS SDK for Rust reads and writes; a listing's items
//! are `item`, usage is `values`. A field that is not modelled is refused, not skipped.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Exception, Refusal};
use super::keys::{KeyPatch, NewApiKey};
use super::model::PageOf;
use super::objects::{ApiStage, Key, Period, Plan, Quota, Resource, Throttle};
use super::patches::{Patch, PatchOp};
use super::plans::NewPlan;
use super::usage::DayUsage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateApiKey {
    name: Option<String>,
    description: Option<String>,
    value: Option<String>,
    customer_id: Option<String>,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateUsagePlan {
    name: String,
    description: Option<String>,
    #[serde(default)]
    api_stages: Vec<Stage>,
    throttle: Option<ThrottleSettings>,
    quota: Option<QuotaSettings>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stage {
    api_id: String,
    stage: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThrottleSettings {
    #[serde(default)]
    rate_limit: f64,
    #[serde(default)]
    burst_limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QuotaSettings {
    #[serde(default)]
    limit: i64,
    #[serde(default)]
    offset: i64,
    period: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateUsagePlanKey {
    pub(super) key_id: String,
    pub(super) key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Patches {
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchOperation {
    op: String,
    path: String,
    value: Option<String>,
}

/// The query of every `GET`; each operation looks at its own part.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Query {
    pub(super) include_value: Option<bool>,
    pub(super) include_values: Option<bool>,
    pub(super) customer_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) embed: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) position: Option<String>,
    pub(super) start_date: Option<String>,
    pub(super) end_date: Option<String>,
}

impl From<CreateApiKey> for NewApiKey {
    fn from(body: CreateApiKey) -> Self {
        Self {
            name: body.name,
            description: body.description,
            value: body.value.map(SecretString::from),
            customer_id: body.customer_id,
            enabled: body.enabled,
            tags: body.tags,
        }
    }
}

impl TryFrom<CreateUsagePlan> for NewPlan {
    type Error = Refusal;

    fn try_from(body: CreateUsagePlan) -> Result<Self, Refusal> {
        let quota = |quota: QuotaSettings| -> Result<Quota, Refusal> {
            let period = Period::parse(&quota.period)?;
            Ok(Quota { limit: quota.limit, offset: quota.offset, period })
        };
        Ok(Self {
            name: body.name,
            description: body.description,
            stages: body
                .api_stages
                .into_iter()
                .map(|stage| ApiStage::new(stage.api_id, stage.stage))
                .collect(),
            throttle: body.throttle.map(|throttle| Throttle {
                rate: throttle.rate_limit,
                burst: throttle.burst_limit,
            }),
            quota: body.quota.map(quota).transpose()?,
            tags: body.tags,
        })
    }
}

impl Patches {
    /// The patches of a usage plan.
    pub(super) fn of_plan(self) -> Result<Vec<Patch>, Refusal> {
        let patch = |operation: PatchOperation| {
            let op = match operation.op.as_str() {
                "add" => PatchOp::Add,
                "remove" => PatchOp::Remove,
                "replace" => PatchOp::Replace,
                _ => return Err(invalid(&operation)),
            };
            Ok(Patch { op, path: operation.path, value: operation.value })
        };
        self.patch_operations.into_iter().map(patch).collect()
    }

    /// The patches of a key: only `replace`, and never its value.
    pub(super) fn of_key(self) -> Result<KeyPatch, Refusal> {
        let mut patch = KeyPatch::default();
        for operation in self.patch_operations {
            let value = operation.value.clone().unwrap_or_default();
            match (operation.op.as_str(), operation.path.as_str()) {
                ("replace", "/enabled") => {
                    patch.enabled = Some(value.parse().map_err(|_| invalid(&operation))?);
                }
                ("replace", "/name") => patch.name = Some(value),
                ("replace", "/description") => patch.description = Some(value),
                ("replace", "/customerId") => patch.customer_id = Some(value),
                _ => return Err(invalid(&operation)),
            }
        }
        Ok(patch)
    }

    /// What `UpdateUsage` sets: exactly one `replace /remaining`.
    pub(super) fn remaining(self) -> Result<i64, Refusal> {
        let [operation] = self.patch_operations.as_slice() else {
            return Err(Exception::BadRequest.because("one patch operation is expected"));
        };
        let value = operation.value.as_deref().and_then(|value| value.parse().ok());
        let fits = operation.op == "replace" && operation.path == "/remaining";
        value.filter(|_| fits).ok_or_else(|| invalid(operation))
    }
}

fn invalid(operation: &PatchOperation) -> Refusal {
    let PatchOperation { op, path, .. } = operation;
    Exception::BadRequest.because(format!("Invalid patch path '{path}' specified for op '{op}'"))
}

/// A key; its value only when asked for.
pub(super) fn key(key: &Key, with_value: bool) -> Value {
    let mut json = json!({
        "id": key.id,
        "enabled": key.enabled,
        "createdDate": key.created.as_second(),
        "lastUpdatedDate": key.updated.as_second(),
        "stageKeys": [],
        "tags": key.tags,
    });
    set(&mut json, "name", key.name.as_deref());
    set(&mut json, "description", key.description.as_deref());
    set(&mut json, "customerId", key.customer_id.as_deref());
    set(&mut json, "value", with_value.then(|| key.value.expose_secret()));
    json
}

/// A key on a plan, without its value, which this resource need not show.
pub(super) fn plan_key(key: &Key) -> Value {
    let mut json = json!({ "id": key.id, "type": "API_KEY" });
    set(&mut json, "name", key.name.as_deref());
    json
}

/// A usage plan.
pub(super) fn plan(plan: &Plan) -> Value {
    let stage = |stage: &ApiStage| json!({ "apiId": stage.api_id, "stage": stage.stage });
    let mut json = json!({
        "id": plan.id,
        "name": plan.name,
        "apiStages": plan.stages.iter().map(stage).collect::<Vec<_>>(),
        "tags": plan.tags,
    });
    set(&mut json, "description", plan.description.as_deref());
    if let Some(throttle) = plan.throttle {
        json["throttle"] = json!({ "rateLimit": throttle.rate, "burstLimit": throttle.burst });
    }
    if let Some(quota) = plan.quota {
        let Quota { limit, offset, period } = quota;
        json["quota"] = json!({ "limit": limit, "offset": offset, "period": period.as_str() });
    }
    json
}

/// A resource, with its methods when they are asked for.
pub(super) fn resource(resource: &Resource, with_methods: bool) -> Value {
    let method = |(name, requires_key): (&String, &bool)| {
        let view = if with_methods {
            json!({ "httpMethod": name, "apiKeyRequired": requires_key, "authorizationType": "NONE" })
        } else {
            json!({})
        };
        (name.clone(), view)
    };
    let methods: serde_json::Map<_, _> = resource.methods.iter().map(method).collect();
    json!({ "id": resource.id, "path": resource.path, "resourceMethods": methods })
}

/// A page.
pub(super) fn page<T>(page: &PageOf<T>, item: impl Fn(&T) -> Value) -> Value {
    let mut json = json!({ "item": page.items.iter().map(item).collect::<Vec<_>>() });
    set(&mut json, "position", page.position.as_deref());
    json
}

/// Usage by key, a pair `[used, remaining]` for each day.
pub(super) fn usage(
    plan: &str,
    (from, to): (&str, &str),
    usage: &BTreeMap<String, Vec<DayUsage>>,
) -> Value {
    let pair = |day: &DayUsage| json!([day.used, day.remaining]);
    let values: serde_json::Map<_, _> =
        usage.iter().map(|(key, days)| (key.clone(), days.iter().map(pair).collect())).collect();
    json!({ "usagePlanId": plan, "startDate": from, "endDate": to, "values": values })
}

fn set(json: &mut Value, field: &str, value: Option<&str>) {
    if let Some(value) = value {
        json[field] = value.into();
    }
}
