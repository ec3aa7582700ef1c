//! Observing and acting: from the plan to the world, one step at a time.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Run, Stop};
use crate::account::{
    Attributes, KeyId, KeyRecord, MintIntent, RetiringKey, Slot, Status, UsagePlanId, User,
};
use crate::decide::{Desired, KeyState};
use crate::key_name::key_name;
use crate::ledger::StepTaken;
use crate::pace::Pace;
use crate::plan::{Observed, ObservedKey, Step, parts};
use crate::policy::NEW_KEY_MAY_HIDE;
use crate::ports::{
    ApiGateway, Class, Clock, Entropy, NewKey, PlanStages, PortError, PortResult, Ports, Service,
    Stripe, Users,
};

/// How often a conflict is answered by observing and planning anew, before the events
/// go back to the queue.
const ROUNDS: u32 = 5;

/// A key, and the plans that it is on.
const CALLS_OF_A_LOOK: u32 = 2;

/// What is left of a lease when waiting for the control plane ends: enough for the steps
/// and the commit, and for the accounts behind this one to say that they wait.
const TIME_TO_ACT: SignedDuration = SignedDuration::from_secs(6);

impl<P: Ports> Run<'_, P> {
    /// Takes the steps from what is observed to what is desired. A conflict is never a
    /// verdict: observe, and plan again.
    pub(super) async fn apply(&mut self, desired: &Desired) -> Result<(), Stop> {
        let known = self.attributes_known();
        let known = (!self.must_observe()).then(|| self.as_the_ledger_says(known));
        let (mut observed, mut round) = (known, 0);
        loop {
            match self.attempt(desired, &mut observed).await {
                Ok(()) => return Ok(()),
                Err(stop) => self.try_again(stop, &mut observed, &mut round).await?,
            }
        }
    }

    /// Looks where nothing is known, and takes the steps.
    async fn attempt(
        &mut self,
        desired: &Desired,
        observed: &mut Option<Observed>,
    ) -> Result<(), Stop> {
        let observed = match observed {
            Some(observed) => observed,
            None => observed.insert(self.observe(self.attributes_known()).await?),
        };
        let mut steps = self.steps(desired, observed).await?;
        let changes = desired.key != KeyState::Closed && !steps.is_empty();
        if changes && self.is_refused_unseen() {
            *observed = self.observe(self.attributes_known()).await?;
            steps = self.steps(desired, observed).await?;
        }
        for part in parts(&steps) {
            self.take(part, desired, observed).await?;
        }
        Ok(())
    }

    /// Whether the key is refused by what the ledger says alone. Nobody waits for a change of it, and one
    /// that is accepted may have been released since a backup.
    fn is_refused_unseen(&self) -> bool {
        let refused = matches!(self.committed().status, Status::Held | Status::Disabled);
        refused && !self.evidence.looked
    }

    /// Waits a little where another attempt may do better, and forgets what it cannot be sure of.
    async fn try_again(
        &mut self,
        stop: Stop,
        observed: &mut Option<Observed>,
        round: &mut u32,
    ) -> Result<(), Stop> {
        if let Stop::Port(error) = &stop
            && error.service == Service::ApiGateway
        {
            self.worker.control_plane.heed(error, self.clock_now());
        }
        match stop {
            Stop::Port(error) if self.is_between_plans() || self.is_refused_in_between(&error) => {
                self.until_next_try(&error).await?;
                // What was refused for its rate had no effect.
                if !matches!(error.class, Class::Throttled { .. }) {
                    *observed = None;
                }
            }
            Stop::Port(error) if calls_for_a_look(&error) && *round < ROUNDS => {
                self.pause(*round).await;
                *round += 1;
                *observed = None;
            }
            stop => return Err(stop),
        }
        Ok(())
    }

    /// A key that was begun and is not shown may be there: API Gateway hides a new one for up
    /// to a minute. Before its intent is forgotten, making it again tells: it is refused when
    /// there is one, and taken away when there was none.
    pub(super) fn make_sure_of_the_intent(
        &self,
        desired: &Desired,
        observed: &Observed,
    ) -> Vec<Step> {
        let forgotten = desired.key == KeyState::Closed && self.account.intent.is_some();
        if forgotten && observed.key.is_none() {
            vec![Step::MintKey, Step::DeleteKey]
        } else {
            Vec::new()
        }
    }

    /// A key that was begun for somebody who may not use it now: where it is not shown, it is looked
    /// for again, and disabled.
    pub(super) fn may_have_a_hidden_key(&self, desired: &Desired) -> bool {
        let held = self.account.key().map(|key| key.generation);
        let begun = self.account.intent.as_ref().map(|intent| intent.generation);
        let interrupted = self.claimed.found_open();
        interrupted && desired.key == KeyState::Disabled && begun.is_some() && begun != held
    }

    /// Whether one of the replaced keys that are to stay turned out to be gone. By when they end it is
    /// decided when the account is looked at again.
    pub(super) fn misses_one_of(&self, kept: &[RetiringKey]) -> bool {
        let is_there =
            |key: &RetiringKey| self.account.access.retiring.iter().any(|it| it.id == key.id);
        !kept.iter().all(is_there)
    }

    pub(super) fn attributes_known(&self) -> Attributes {
        self.attributes_read.clone().unwrap_or_else(|| self.account.access.attributes.clone())
    }

    /// An account that was closed properly is as the ledger says.
    fn as_the_ledger_says(&self, attributes: Attributes) -> Observed {
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
    async fn observe(&mut self, attributes: Attributes) -> Result<Observed, Stop> {
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

    /// Waits for this instance's share of the control plane, if the lease lasts that long and
    /// longer. Steps are paid for together, so that no switch waits in its middle; and who is
    /// between two plans waits for nothing, but others do for what they use.
    pub(super) async fn afford(&self, calls: u32) -> Result<(), Stop> {
        if calls == 0 {
            return Ok(());
        }
        self.keep_pace(&self.worker.control_plane.calls, calls).await
    }

    /// As [`afford`](Self::afford), for calls to Stripe.
    pub(super) async fn afford_stripe(&self, calls: usize) -> Result<(), Stop> {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.keep_pace(&self.worker.control_plane.stripe, calls).await
    }

    async fn keep_pace(&self, pace: &Pace, calls: u32) -> Result<(), Stop> {
        let now = self.clock_now();
        let wait = pace.take(calls, now);
        if wait.is_zero() || self.may_be_between_plans() {
            return Ok(());
        }
        if let Err(stop) = self.can_wait(wait) {
            pace.give_back(calls, now);
            return Err(stop);
        }
        self.worker.ports.clock().sleep(wait).await;
        Ok(())
    }

    /// Whether so much of the lease can be waited for that the rest is enough to act in.
    pub(super) fn can_wait(&self, wait: SignedDuration) -> Result<(), Stop> {
        let now = self.clock_now();
        let latest = self.invocation.deadline.checked_sub(TIME_TO_ACT).unwrap_or(now);
        match wait > latest.duration_since(now) {
            true => Err(Stop::Budget { wait }),
            false => Ok(()),
        }
    }

    /// No change to the world is begun after the lease.
    pub(super) fn in_time(&self) -> Result<(), Stop> {
        if self.clock_now() >= self.invocation.deadline { Err(Stop::OutOfTime) } else { Ok(()) }
    }

    /// Takes steps in order; no step starts after the lease.
    async fn take(
        &mut self,
        steps: &[Step],
        desired: &Desired,
        observed: &mut Observed,
    ) -> Result<(), Stop> {
        let calls = steps.iter().filter(|step| step.is_on_a_key()).count();
        self.wait_for_turn(steps).await?;
        let in_stripe = steps.iter().filter(|step| step.is_in_stripe()).count();
        self.afford_stripe(in_stripe).await?;
        self.afford(u32::try_from(calls).unwrap_or(u32::MAX)).await?;
        // Whoever comes next observes, should this run not live to commit what it did. With a new
        // intent that is written anyway.
        let intends = steps.first() == Some(&Step::MintKey) && self.account.intent.is_none();
        if self.account.begin(desired.word()) && !intends {
            self.save().await?;
        }
        for step in steps {
            self.in_time()?;
            if *step == Step::DeleteKey && self.mint_in_doubt {
                // Its value is free again as soon as it is deleted, and nobody would look any more.
                return Err(Stop::KeyInDoubt);
            }
            let key = observed.key.as_ref().and_then(|key| key.id.clone());
            let minted = match self.act(step, key.as_ref()).await {
                Ok(minted) => minted,
                Err(stop) => {
                    self.in_doubt |= may_land_late(&stop);
                    self.mint_in_doubt |= *step == Step::MintKey && may_land_late(&stop);
                    return Err(stop);
                }
            };
            observed.note(step);
            if let (Some(id), Some(key)) = (minted, observed.key.as_mut()) {
                key.id = Some(id);
            }
            self.note(step, observed);
        }
        Ok(())
    }

    /// Takes one step; returns the id of a key that it made.
    async fn act(&mut self, step: &Step, key: Option<&KeyId>) -> Result<Option<KeyId>, Stop> {
        let gateway = self.worker.ports.api_gateway();
        let result = match (step, key) {
            (Step::MintKey, _) => return Ok(Some(self.mint().await?)),
            (Step::WriteAttributes(plan), key) => {
                let attributes = Attributes { api_id: key.cloned(), plan: Some(plan.clone()) };
                return self.write_attributes(&attributes).await.map(|()| None);
            }
            // One that was paid meanwhile is told of by an event.
            (Step::ExpireSession(id), _) => {
                self.worker.ports.stripe().expire_checkout(id).await.map(drop)
            }
            (Step::CancelSubscription(id), _) => {
                self.worker.ports.stripe().cancel_subscription(id).await
            }
            (Step::DetachPlan(plan), Some(key)) => self.as_known(gateway.detach(plan, key).await),
            (Step::DetachRetiring(key, plan), _) => gone_is_done(gateway.detach(plan, key).await),
            (Step::AttachRetiring(key, plan), _) => gateway.attach(plan, key).await,
            (Step::RetireKey(key), _) => gone_is_done(gateway.delete_key(key).await),
            (Step::DeleteKey, Some(key)) => gone_is_done(gateway.delete_key(key).await),
            (Step::AttachPlan(plan), Some(key)) => gateway.attach(plan, key).await,
            (Step::EnableKey, Some(key)) => gateway.set_enabled(key, true).await,
            (Step::DisableKey, Some(key)) => gateway.set_enabled(key, false).await,
            (
                Step::DetachPlan(_)
                | Step::DeleteKey
                | Step::AttachPlan(_)
                | Step::EnableKey
                | Step::DisableKey,
                None,
            ) => unreachable!("a plan has steps on a key only when there is one"),
        };
        result?;
        Ok(None)
    }

    /// What API Gateway was seen to have and has not any more need not be taken away. Where the
    /// ledger alone told of it, the ledger is wrong: only a look tells by how much.
    fn as_known(&self, result: PortResult<()>) -> PortResult<()> {
        if self.evidence.looked { gone_is_done(result) } else { result }
    }

    /// Keeps the account in step with the world, so that even a parked commit tells what
    /// was achieved.
    fn note(&mut self, step: &Step, observed: &Observed) {
        let at = self.clock_now();
        self.account.count_generations();
        self.key_enabled = observed.key.as_ref().map(|key| key.enabled);
        let access = &mut self.account.access;
        access.usage_plan = observed.key.as_ref().and_then(|key| key.usage_plans.first().cloned());
        access.attributes = observed.attributes.clone();
        if *step == Step::DeleteKey {
            access.keys.clear();
        }
        access.retiring.clone_from(&observed.retiring);
        self.note_place();
        match step {
            _ if step.attaches() && !self.is_between_plans() => self.turn = None,
            Step::WriteAttributes(_) => {
                // What was read before is not so any more.
                self.attributes_read.take_if(|read| *read != observed.attributes);
            }
            _ => {}
        }
        self.steps.push(StepTaken { step: step.to_string(), at });
    }

    /// Makes the key that the intent names.
    async fn mint(&mut self) -> Result<KeyId, Stop> {
        self.placed = false;
        let intent = match &self.account.intent {
            Some(intent) => intent.clone(),
            None => self.intend().await?,
        };
        let value = self.worker.deriver.key_value(&self.account.id, &intent)?;
        let (slot, generation) = (intent.slot.as_str(), intent.generation);
        let key = NewKey {
            name: key_name(&self.worker.stack, &self.account.id, intent.slot, generation),
            value,
            customer_id: self.account.id.clone(),
            description: format!("Tollgate {slot} key, generation {generation}"),
        };
        // Committing the intent took its time.
        self.in_time()?;
        // That it is there already is a conflict like others: the look that follows adopts it.
        let id = self.worker.ports.api_gateway().create_key(&key).await?;
        self.worker.control_plane.minted();
        self.hold_key(&intent, id.clone());
        Ok(id)
    }

    /// Commits what is about to be minted, before it is.
    async fn intend(&mut self) -> Result<MintIntent, Stop> {
        self.account.count_generations();
        let intent = MintIntent {
            slot: Slot::Primary,
            generation: self.account.generations + 1,
            secret_version: self.worker.deriver.newest(),
            nonce: self.worker.ports.entropy().hex(),
        };
        self.account.intent = Some(intent.clone());
        self.save().await?;
        Ok(intent)
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

    fn hold_key(&mut self, intent: &MintIntent, id: KeyId) {
        let record = KeyRecord { id, generation: intent.generation, minted_at: self.clock_now() };
        self.account.access.keys.insert(intent.slot, record);
    }

    async fn write_attributes(&mut self, attributes: &Attributes) -> Result<(), Stop> {
        let User::Present { username, .. } = &self.account.user else {
            unreachable!("attributes are desired only for a user who is there");
        };
        let users = self.worker.ports.users();
        // A federated user's name is free again after a deletion, and a write takes nothing but
        // the name: without a look in this run it could land on whoever has the name now.
        let sure = self.attributes_read.is_some() || username == self.account.id.as_str();
        if !sure && users.user(username, &self.account.id).await?.account().is_none() {
            return Err(Stop::Port(user_is_not_there()));
        }
        // So did looking.
        self.in_time()?;
        Ok(users.write_attributes(username, attributes).await?)
    }
}

/// What is not there any more need not be taken away.
fn gone_is_done(result: PortResult<()>) -> PortResult<()> {
    match result {
        Err(error) if error.class == Class::NotFound => Ok(()),
        other => other,
    }
}

/// A conflict has many meanings (there already, on another plan, "try again"), and so
/// has a missing key (new and not shown yet, deleted by hand), and an answer that is lost: only a
/// look tells.
fn calls_for_a_look(error: &PortError) -> bool {
    error.service == Service::ApiGateway
        && matches!(error.class, Class::Conflict | Class::NotFound | Class::Unavailable)
}

/// What was begun and not answered may take effect as long as the lease lasts.
fn may_land_late(stop: &Stop) -> bool {
    matches!(stop, Stop::Port(error) if error.class == Class::Unavailable)
}

/// Whether a key that was made then may be there without being shown to who asked then. How long the
/// answer took does not count.
fn may_hide(minted_at: Timestamp, asked_at: Timestamp) -> bool {
    asked_at.duration_since(minted_at) < NEW_KEY_MAY_HIDE
}

/// Somebody has deleted the user meanwhile: it is decided anew, knowing that.
pub(super) fn user_is_not_there() -> PortError {
    PortError {
        service: Service::Cognito,
        operation: "AdminGetUser",
        class: Class::NotFound,
        detail: "the user is gone, or the name is another user's by now".into(),
    }
}

fn hidden() -> PortError {
    PortError {
        service: Service::ApiGateway,
        operation: "GetApiKey",
        class: Class::NotFound,
        detail: "a key made within the last minute is not shown yet".into(),
    }
}
