//! Observing and acting: from the plan to the world, one step at a time.

use super::observe::{ROUNDS, calls_for_a_look};
use super::{Run, Stop};
use crate::account::{Attributes, KeyId, MintIntent, RetiringKey, Slot, Status, User};
use crate::decide::{Desired, KeyState};
use crate::key_name::key_name;
use crate::ledger::StepTaken;
use crate::plan::{Observed, Step, parts};
use crate::ports::{
    ApiGateway, Class, Entropy, NewKey, PortError, PortResult, Ports, Service, Stripe, Users,
};

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
            self.worker.share.heed(error, self.clock_now());
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
        self.worker.share.minted();
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

/// What was begun and not answered may take effect as long as the lease lasts.
fn may_land_late(stop: &Stop) -> bool {
    matches!(stop, Stop::Port(error) if error.class == Class::Unavailable)
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
