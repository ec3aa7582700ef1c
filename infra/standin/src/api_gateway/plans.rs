//! Usage plans: `CreateUsagePlan` … `DeleteUsagePlan`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::error::{Exception, Refusal};
use super::model::{Listing, Model, PageOf};
use super::objects::{ApiStage, Plan, Quota, Throttle};
use super::patches::Patch;

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

impl Model {
    /// Deploys a stage, for `GetStage` to find. Usage plans take any.
    pub fn add_stage(&mut self, stage: ApiStage) {
        self.stages.insert(stage);
    }

    /// `DeleteStage`: usage plans cover it no more, and do not when another of its name is deployed.
    pub fn remove_stage(&mut self, stage: &ApiStage) {
        self.stages.remove(stage);
        for plan in self.plans.values_mut() {
            plan.stages.remove(stage);
        }
    }

    /// `GetStage`.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn get_stage(&self, stage: &ApiStage) -> Result<&ApiStage, Refusal> {
        let missing = || Exception::NotFound.because("Invalid stage identifier specified");
        self.stages.get(stage).ok_or_else(missing)
    }

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

    /// All usage plans, by id.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values()
    }
}

impl Plan {
    pub(super) fn shares_a_stage(&self, other: &Self) -> bool {
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
}

pub(super) fn no_such_plan() -> Refusal {
    Exception::NotFound.because("Invalid Usage Plan identifier specified")
}
