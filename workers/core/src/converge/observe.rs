//! Observing: what API Gateway has of an account's keys.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Run, Stop};
use crate::account::{Attributes, KeyId, KeyRecord, MintIntent, RetiringKey, Status, UsagePlanId};
use crate::plan::{Observed, ObservedKey};
use crate::ports::{ApiGateway, Class, PlanStages, PortError, PortResult, Ports, Service};
use crate::timing::NEW_KEY_MAY_HIDE;

/// How often a conflict is answered by observing and planning anew, before the events
/// go back to the queue.
pub(super) const ROUNDS: u32 = 5;

/// A key, and the plans that it is on.
const CALLS_OF_A_LOOK: u32 = 2;

impl<P: Ports> Run<'_, P> {
    pub(super) fn attributes_known(&self) -> Attributes {
        self.attributes_read.clone().unwrap_or_else(|| self.account.access.attributes.clone())
    }

    /// An account that was closed properly is as the ledger says.
    pub(super) fn as_the_ledger_says(&self, attributes: Attributes) -> Observed {
        let access = &self.account.access;
        let key = self.account.key().map(|key| ObservedKey {
            id: Some(key.id.clone()),
            enabled: self.key_enabled.unwrap_or(access.status == Status::Active),
            usage_plans: access.usage_plan.iter().cloned().collect(),
        });
        self.observed(key, attributes)
    }

    fn observed(&self, key: Option<ObservedKey>, attributes: Attributes) -> Observed {
        let retiring = self.account.access.retiring.clone();
        Observed { key, retiring, attributes, ..Observed::default() }
    }

    /// Observes, and waits a little for a key that is not shown yet.
    pub(super) async fn look(
        &mut self,
        attributes: Attributes,
        round: &mut u32,
    ) -> Result<Observed, Stop> {
        loop {
            match self.observe(attributes.clone()).await {
                Err(Stop::Port(error)) if calls_for_a_look(&error) && *round < ROUNDS => {
                    self.pause(*round).await;
                    *round += 1;
                }
                other => return other,
            }
        }
    }

    /// Looks at API Gateway itself.
    pub(super) async fn observe(&mut self, attributes: Attributes) -> Result<Observed, Stop> {
        let retiring = u32::try_from(self.account.access.retiring.len()).unwrap_or(u32::MAX);
        self.afford(CALLS_OF_A_LOOK.saturating_mul(retiring.saturating_add(1))).await?;
        let key = match self.key_as_it_is().await? {
            None => None,
            Some((id, enabled)) => {
                let known = self.account.access.usage_plan.clone();
                let usage_plans = self.managed_plans_of(&id, known).await?;
                self.account.access.usage_plan = usage_plans.first().cloned();
                self.note_place();
                Some(ObservedKey { id: Some(id), enabled, usage_plans })
            }
        };
        self.key_enabled = key.as_ref().map(|key| key.enabled);
        self.see_retiring().await?;
        self.evidence.looked = true;
        self.keep_turn();
        Ok(self.observed(key, attributes))
    }

    /// Where the replaced keys are. One that somebody has deleted is not named any more.
    async fn see_retiring(&mut self) -> Result<(), Stop> {
        self.account.count_generations();
        let mut there = Vec::new();
        for old in self.account.access.retiring.clone() {
            let asked_at = self.clock_now();
            if self.worker.ports.api_gateway().key(&old.id).await?.is_some() {
                let plans = self.managed_plans_of(&old.id, old.usage_plan.clone()).await?;
                there.push(RetiringKey { usage_plan: plans.first().cloned(), ..old });
            } else if old.minted_at.is_some_and(|at| may_hide(at, asked_at)) {
                return Err(Stop::Port(hidden()));
            }
        }
        self.account.access.retiring = there;
        Ok(())
    }

    /// The key that an open intent made, else the ledger's. One that is known to have been
    /// made within the last minute and is not shown is there all the same.
    async fn key_as_it_is(&mut self) -> Result<Option<(KeyId, bool)>, Stop> {
        let record = self.account.key().cloned();
        let asked_at = self.clock_now();
        let found = match (self.account.intent.clone(), &record) {
            (Some(intent), _) => self.adopt(&intent).await?,
            (None, Some(record)) => {
                let key = self.worker.ports.api_gateway().key(&record.id).await?;
                key.map(|key| (key.id, key.enabled))
            }
            (None, None) => None,
        };
        if found.is_none() && record.is_some_and(|it| may_hide(it.minted_at, asked_at)) {
            return Err(Stop::Port(hidden()));
        }
        Ok(found)
    }

    /// Finds the key that an intent made: the one whose value is the intent's, by our
    /// own comparison. Returns its id and whether it is enabled.
    async fn adopt(&mut self, intent: &MintIntent) -> Result<Option<(KeyId, bool)>, Stop> {
        let value = self.worker.deriver.key_value(&self.account.id, intent)?;
        let keys = self.keys_there().await?;
        let ours = keys
            .into_iter()
            .find(|key| key.value.as_ref().is_some_and(|other| other.expose() == value.expose()));
        Ok(ours.map(|key| {
            self.hold_key(intent, key.id.clone());
            (key.id, key.enabled)
        }))
    }

    pub(super) fn hold_key(&mut self, intent: &MintIntent, id: KeyId) {
        let record = KeyRecord { id, generation: intent.generation, minted_at: self.clock_now() };
        self.account.access.keys.insert(intent.slot, record);
    }

    /// The usage plans that a key is on and that are ours to say: the catalog's, the `known` one that
    /// the ledger has from an older catalog, and any other that keeps it off the catalog's.
    async fn managed_plans_of(
        &self,
        key: &KeyId,
        known: Option<UsagePlanId>,
    ) -> PortResult<BTreeSet<UsagePlanId>> {
        let plans = self.worker.ports.api_gateway().plans_of(key).await?;
        let catalog = &self.worker.catalog;
        let ours = |plan: &PlanStages| {
            catalog.manages(&plan.id)
                || catalog.is_in_the_way(plan)
                || known.as_ref() == Some(&plan.id)
        };
        Ok(plans.into_iter().filter(ours).map(|plan| plan.id).collect())
    }
}

/// A conflict has many meanings (there already, on another plan, "try again"), and so
/// has a missing key (new and not shown yet, deleted by hand), and an answer that is lost: only a
/// look tells.
pub(super) fn calls_for_a_look(error: &PortError) -> bool {
    error.service == Service::ApiGateway
        && matches!(error.class, Class::Conflict | Class::NotFound | Class::Unavailable)
}

/// Whether a key that was made then may be there without being shown to who asked then. How long the
/// answer took does not count.
fn may_hide(minted_at: Timestamp, asked_at: Timestamp) -> bool {
    asked_at.duration_since(minted_at) < NEW_KEY_MAY_HIDE
}

fn hidden() -> PortError {
    PortError {
        service: Service::ApiGateway,
        operation: "GetApiKey",
        class: Class::NotFound,
        detail: "a key made within the last minute is not shown yet".into(),
    }
}
