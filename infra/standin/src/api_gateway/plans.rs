//! Usage plans and the keys on them: `CreateUsagePlan` … `DeleteUsagePlanKey`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::error::{Exception, Refusal};
use super::keys::{Key, no_such_key};
use super::model::{Listing, Model, PageOf};
use super::usage::{Period, Quota};

/// A stage of an API: what a plan sells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiStage {
    /// The API's id.
    pub api_id: String,
    /// The stage's name.
    pub stage: String,
}

/// A plan's throttle: a token bucket for each key on the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// A usage plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its name; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it sells.
    pub stages: BTreeSet<ApiStage>,
    /// How fast.
    pub throttle: Option<Throttle>,
    /// How much.
    pub quota: Option<Quota>,
    /// Tags, kept and returned.
    pub tags: BTreeMap<String, String>,
    /// The keys on it, each with the time it was put there.
    pub keys: BTreeMap<String, Timestamp>,
}

/// What `CreateUsagePlan` takes.
#[derive(Debug, Clone, Default)]
pub struct NewPlan {
    /// Its name; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it sells. Any stage is taken: the stand-in knows no APIs.
    pub stages: BTreeSet<ApiStage>,
    /// How fast.
    pub throttle: Option<Throttle>,
    /// How much.
    pub quota: Option<Quota>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What a patch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchOp {
    /// `add`
    Add,
    /// `remove`
    Remove,
    /// `replace`
    Replace,
}

/// One patch operation, as on the wire; values are strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// What it does.
    pub op: PatchOp,
    /// To which field.
    pub path: String,
    /// With which value.
    pub value: Option<String>,
}

impl ApiStage {
    /// The stage `stage` of the API `api_id`.
    pub fn new(api_id: impl Into<String>, stage: impl Into<String>) -> Self {
        Self { api_id: api_id.into(), stage: stage.into() }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let (api_id, stage) = text
            .split_once(':')
            .ok_or_else(|| Exception::BadRequest.because("Invalid API Stage specified"))?;
        Ok(Self::new(api_id, stage))
    }
}

impl Model {
    /// `CreateUsagePlan`.
    ///
    /// # Errors
    /// `BadRequestException` for bad settings, `LimitExceededException` at the account's quota.
    pub fn create_usage_plan(&mut self, new: NewPlan) -> Result<Plan, Refusal> {
        if new.name.is_empty() {
            return Err(Exception::BadRequest.because("Usage Plan name cannot be blank"));
        }
        if self.plans.len() >= self.quotas.plans {
            return Err(Exception::LimitExceeded
                .because("Number of usage plans exceeds the limit of this account and Region"));
        }
        let plan = Plan {
            id: self.fresh_id(),
            name: new.name,
            description: new.description,
            stages: new.stages,
            throttle: new.throttle,
            quota: new.quota,
            tags: new.tags,
            keys: BTreeMap::new(),
        };
        plan.check()?;
        self.plans.insert(plan.id.clone(), plan.clone());
        Ok(plan)
    }

    /// `GetUsagePlan`.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn get_usage_plan(&self, id: &str) -> Result<&Plan, Refusal> {
        self.plans.get(id).ok_or_else(no_such_plan)
    }

    /// `GetUsagePlans`: all, or those that `key` is on (none, when there is no such key).
    ///
    /// # Errors
    /// `BadRequestException` for a bad page.
    pub fn get_usage_plans(
        &self,
        key: Option<&str>,
        page: &Listing,
    ) -> Result<PageOf<Plan>, Refusal> {
        let wanted = |plan: &Plan| key.is_none_or(|key| plan.keys.contains_key(key));
        page.cut(self.plans.iter().filter(|(_, plan)| wanted(plan)))
    }

    /// `UpdateUsagePlan`: all of the patches, or none.
    ///
    /// # Errors
    /// `NotFoundException`; `BadRequestException` for a path or value that does not fit;
    /// `ConflictException` when a new stage would put a key on two plans of it.
    pub fn update_usage_plan(&mut self, id: &str, patches: &[Patch]) -> Result<Plan, Refusal> {
        let mut plan = self.get_usage_plan(id)?.clone();
        for patch in patches {
            plan.apply(patch)?;
        }
        plan.check()?;
        let stage_taken = plan.keys.keys().filter_map(|key| self.keys.get(key)).any(|key| {
            self.plans_of(key).any(|other| other.id != plan.id && other.shares_a_stage(&plan))
        });
        if stage_taken {
            return Err(Exception::Conflict
                .because("A key of this Usage Plan is on another one with the same API Stage"));
        }
        self.plans.insert(plan.id.clone(), plan.clone());
        Ok(plan)
    }

    /// `DeleteUsagePlan`; its keys leave it.
    ///
    /// # Errors
    /// `NotFoundException`; `BadRequestException` while it has stages.
    pub fn delete_usage_plan(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        let plan = self.get_usage_plan(id)?;
        if let Some(stage) = plan.stages.first() {
            return Err(Exception::BadRequest.because(format!(
                "Cannot delete Usage Plan {id} because there are API Stages associated with it, \
                 including {}:{}",
                stage.api_id, stage.stage
            )));
        }
        let keys: Vec<String> = plan.keys.keys().cloned().collect();
        for key in keys {
            self.delete_usage_plan_key(id, &key, now)?;
        }
        self.plans.remove(id);
        self.counters.retain(|(plan, _), _| plan != id);
        Ok(())
    }

    /// `CreateUsagePlanKey`.
    ///
    /// # Errors
    /// `NotFoundException` without the plan or the key; `ConflictException` when the key
    /// is on this plan or on another of the same stage, or by chance
    /// ([`conflict_next`](super::ApiGatewayStandin::conflict_next)); `LimitExceededException`
    /// at the number of plans that a key can be on.
    pub fn create_usage_plan_key(
        &mut self,
        plan_id: &str,
        key_id: &str,
        now: Timestamp,
    ) -> Result<Key, Refusal> {
        let plan = self.get_usage_plan(plan_id)?;
        let key = self.get_api_key(key_id)?;
        if self.conflicts_to_come > 0 {
            self.conflicts_to_come -= 1;
            return Err(Exception::Conflict.because(
                "Unable to complete operation due to concurrent modification. Please try again later.",
            ));
        }
        if plan.keys.contains_key(key_id) {
            return Err(Exception::Conflict.because("Usage Plan Key already exists"));
        }
        if let Some(other) = self.plans_of(key).find(|other| other.shares_a_stage(plan)) {
            return Err(Exception::Conflict.because(format!(
                "API Key {key_id} is on Usage Plan {} of the same API Stage",
                other.id
            )));
        }
        if key.plans.len() >= self.quotas.plans_of_a_key {
            return Err(Exception::LimitExceeded.because("Number of usage plans of an API key"));
        }
        self.put(plan_id, key_id, now)
    }

    /// `GetUsagePlanKey`.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn get_usage_plan_key(&self, plan: &str, key: &str) -> Result<&Key, Refusal> {
        if !self.get_usage_plan(plan)?.keys.contains_key(key) {
            return Err(no_such_plan_key());
        }
        self.get_api_key(key)
    }

    /// `GetUsagePlanKeys`.
    ///
    /// # Errors
    /// `NotFoundException` without the plan; `BadRequestException` for a bad page.
    pub fn get_usage_plan_keys(&self, plan: &str, page: &Listing) -> Result<PageOf<Key>, Refusal> {
        let plan = self.get_usage_plan(plan)?;
        page.cut(plan.keys.keys().filter_map(|id| self.keys.get_key_value(id)))
    }

    /// `DeleteUsagePlanKey`.
    ///
    /// # Errors
    /// `NotFoundException` when the key is not on the plan.
    pub fn delete_usage_plan_key(
        &mut self,
        plan_id: &str,
        key_id: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let plan = self.plans.get_mut(plan_id).ok_or_else(no_such_plan)?;
        plan.keys.remove(key_id).ok_or_else(no_such_plan_key)?;
        if let Some(key) = self.keys.get_mut(key_id) {
            key.plans.remove(plan_id);
        }
        self.publish(key_id, now);
        Ok(())
    }

    /// All usage plans, by id.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values()
    }

    fn plans_of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Plan> {
        key.plans.iter().filter_map(|plan| self.plans.get(plan))
    }

    fn put(&mut self, plan_id: &str, key_id: &str, now: Timestamp) -> Result<Key, Refusal> {
        let plan = self.plans.get_mut(plan_id).ok_or_else(no_such_plan)?;
        plan.keys.insert(key_id.to_owned(), now);
        let key = self.keys.get_mut(key_id).ok_or_else(no_such_key)?;
        key.plans.insert(plan_id.to_owned());
        let key = key.clone();
        self.publish(key_id, now);
        Ok(key)
    }
}

impl Plan {
    fn shares_a_stage(&self, other: &Self) -> bool {
        !self.stages.is_disjoint(&other.stages)
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.stages.iter().any(|stage| stage.api_id.is_empty() || stage.stage.is_empty()) {
            return Err(Exception::BadRequest.because("Invalid API Stage specified"));
        }
        if self.throttle.is_some_and(|throttle| !throttle.rate.is_finite() || throttle.rate < 0.0) {
            return Err(Exception::BadRequest.because("Usage Plan rate limit must not be negative"));
        }
        self.quota.as_ref().map_or(Ok(()), Quota::check)
    }

    /// One patch, of those that the API reference lists for a usage plan.
    /// <https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateUsagePlan-Patch>
    fn apply(&mut self, patch: &Patch) -> Result<(), Refusal> {
        let value = || patch.value.as_deref().ok_or_else(|| bad_patch(patch));
        match (patch.op, patch.path.as_str()) {
            (PatchOp::Replace, "/name") => value()?.clone_into(&mut self.name),
            (PatchOp::Replace, "/description") => self.description = Some(value()?.to_owned()),
            (PatchOp::Add, "/apiStages") => {
                self.stages.insert(ApiStage::parse(value()?)?);
            }
            (PatchOp::Remove, "/apiStages") => {
                if !self.stages.remove(&ApiStage::parse(value()?)?) {
                    return Err(Exception::NotFound.because("Invalid API Stage specified"));
                }
            }
            (PatchOp::Remove, "/quota") => self.quota = None,
            (PatchOp::Remove, "/throttle") => self.throttle = None,
            (PatchOp::Replace, path) => self.replace_number(path, value()?, patch)?,
            (PatchOp::Add | PatchOp::Remove, _) => return Err(bad_patch(patch)),
        }
        Ok(())
    }

    /// Setting one field of an absent quota or throttle begins it with zeros, which
    /// `check` then judges: the API takes the fields one by one.
    fn replace_number(&mut self, path: &str, value: &str, patch: &Patch) -> Result<(), Refusal> {
        let bad = || bad_patch(patch);
        let quota = || Quota { limit: 0, offset: 0, period: Period::Month };
        let throttle = || Throttle { rate: 0.0, burst: 0 };
        match path {
            "/quota/limit" => {
                self.quota.get_or_insert_with(quota).limit = value.parse().map_err(|_| bad())?;
            }
            "/quota/offset" => {
                self.quota.get_or_insert_with(quota).offset = value.parse().map_err(|_| bad())?;
            }
            "/quota/period" => {
                self.quota.get_or_insert_with(quota).period = Period::parse(value)?;
            }
            "/throttle/rateLimit" => {
                self.throttle.get_or_insert_with(throttle).rate =
                    value.parse().map_err(|_| bad())?;
            }
            "/throttle/burstLimit" => {
                self.throttle.get_or_insert_with(throttle).burst =
                    value.parse().map_err(|_| bad())?;
            }
            _ => return Err(bad()),
        }
        Ok(())
    }
}

fn bad_patch(patch: &Patch) -> Refusal {
    Exception::BadRequest.because(format!("Invalid patch path '{}' or its value", patch.path))
}

pub(super) fn no_such_plan() -> Refusal {
    Exception::NotFound.because("Invalid Usage Plan identifier specified")
}

fn no_such_plan_key() -> Refusal {
    Exception::NotFound.because("Invalid Usage Plan Key identifier specified")
}
