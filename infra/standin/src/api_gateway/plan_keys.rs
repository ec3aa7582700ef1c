//! The keys on a usage plan: `CreateUsagePlanKey` … `DeleteUsagePlanKey`.

use jiff::Timestamp;

use super::error::{Exception, Refusal};
use super::keys::no_such_key;
use super::model::{Listing, Model, PageOf};
use super::objects::{Key, Plan};
use super::plans::no_such_plan;

impl Model {
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
    pub(super) fn plans_of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Plan> {
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

fn no_such_plan_key() -> Refusal {
    Exception::NotFound.because("Invalid Usage Plan Key identifier specified")
}
