//! What must not be at any time while the ledger is recovered: that a key in use is deleted, that one is
//! made beside it, or that somebody is let in whom an operator has shut out.

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::Call;
use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::catalog::Plan;
use tollgate_events::AccountId;
use tollgate_operator::{Act, OVERLAP};
use tollgate_standin::api_gateway::Key;

use crate::oracle::rank_of;
use crate::recovery::{Made, RECOVERY, Recovery, opens};
use crate::run::Sim;

impl Sim {
    /// Every key of ours that is there.
    pub(super) fn keys_made(&self) -> Vec<(String, Made)> {
        self.world.api_gateway.scene(|model, _| {
            let ours = |key: &Key| Some((key.id.clone(), Made::of(key)?));
            model.keys().filter_map(ours).collect()
        })
    }

    /// The keys that are on a usage plan, whether they are accepted or not.
    fn keys_on_plans(&self) -> BTreeSet<String> {
        self.world.api_gateway.scene(|model, _| {
            let placed = model.keys().filter(|key| !key.plans.is_empty());
            placed.map(|key| key.id.clone()).collect()
        })
    }

    /// The plan on which each account's keys open the API, by its rank.
    pub(super) fn ranks_of_keys(&self) -> BTreeMap<AccountId, usize> {
        let catalog = &self.api.worker.catalog;
        let rank = |key: &Key| {
            let on = |plan: &&Plan| key.plans.contains(plan.usage_plan.as_str());
            catalog.plans().iter().filter(on).filter_map(|plan| rank_of(&plan.id)).max()
        };
        let mut ranks = BTreeMap::new();
        self.world.api_gateway.scene(|model, _| {
            for key in model.keys().filter(|key| opens(key)) {
                if let (Some(made), Some(rank)) = (Made::of(key), rank(key)) {
                    let best: &mut usize = ranks.entry(made.owner).or_default();
                    *best = rank.max(*best);
                }
            }
        });
        ranks
    }

    /// Whether any key of an account opens the API.
    pub(crate) fn is_let_in(&self, account: &AccountId) -> bool {
        self.world.api_gateway.scene(|model, _| {
            let theirs = |key: &&Key| Made::of(key).is_some_and(|made| made.owner == *account);
            model.keys().filter(theirs).any(opens)
        })
    }

    /// An operator tries something: what must not be before may be from now on.
    pub(crate) fn tries(&mut self, account: &AccountId, act: &Act) {
        if let Some(recovery) = &mut self.recovery {
            recovery.tries(account, act);
        }
    }

    /// Looks at what calls have done to keys.
    pub(crate) fn witness(&mut self, calls: &[Call]) {
        let touches = |call: &Call| {
            matches!(
                call.operation,
                "CreateApiKey" | "DeleteApiKey" | "UpdateApiKey" | "CreateUsagePlanKey"
            )
        };
        if self.recovery.is_some() && calls.iter().any(touches) {
            self.look_at_keys();
        }
    }

    /// Compares keys with what they were when this was asked last.
    pub(crate) fn look_at_keys(&mut self) {
        let Some(mut recovery) = self.recovery.take() else { return };
        let there = self.keys_made();
        let mut problems = Vec::new();
        let placed = self.keys_on_plans();
        for (id, made) in &there {
            let known = recovery.keys.contains_key(id);
            let newest = recovery.keys.iter().any(|(other, it)| {
                it.owner == made.owner
                    && placed.contains(other)
                    && it.generation >= made.generation
                    && recovery.is_known(other, it)
            });
            if !known && newest {
                problems.push(format!("{id} is made for {made:?}, who has a newer one"));
            }
        }
        let gone = recovery.keys.iter().filter(|(id, _)| there.iter().all(|(it, _)| it != *id));
        let gone: Vec<_> = gone.map(|(id, made)| (id.clone(), made.clone())).collect();
        for (id, made) in gone {
            recovery.keys.remove(&id);
            let newer = there.iter().find(|(_, it)| it.owner == made.owner && it.is_after(&made));
            if let Some(why) = self.is_in_use(&recovery, &id, &made, newer.map(|(_, it)| it)) {
                problems.push(format!("{id} is deleted, {made:?}, {why}"));
            }
        }
        recovery.keys.extend(there);
        let let_in: Vec<_> =
            recovery.shut.iter().filter(|account| self.is_let_in(account)).cloned().collect();
        for account in let_in {
            recovery.shut.remove(&account);
            problems.push(format!("{account} is let in, whom an operator has held or closed"));
        }
        self.recovery = Some(recovery);
        problems.into_iter().for_each(|problem| self.violate(RECOVERY, problem));
    }

    /// Why a key that was deleted was in use: it was the newest of its owner, or its overlap was
    /// not over.
    fn is_in_use(
        &self,
        recovery: &Recovery,
        id: &str,
        made: &Made,
        newer: Option<&Made>,
    ) -> Option<&'static str> {
        let owner = &made.owner;
        let user = self.world.cognito.user_by_id(owner)?;
        let operated = self.actors.operated.get(owner);
        if operated.is_some_and(|it| it.may_be_closed) {
            return None;
        }
        let rotates = recovery.rotated.contains(owner);
        let Some(newer) = newer else {
            return Some("and is its owner's newest").filter(|_| !rotates);
        };
        let before = recovery.before.get(owner)?;
        let replaced = before.access.retiring.iter().find(|key| key.id.as_str() == id)?;
        // How long was agreed stood in the ledger alone.
        let known = (newer.at + OVERLAP).max(recovery.lost_at + SignedDuration::from_hours(24));
        let until = replaced.until.min(known);
        let refused = operated.is_some_and(|it| it.standing().held)
            || before.access.status != Status::Active
            || !user.enabled
            || rotates
            || self.has_dispute(owner);
        let early = self.world.clock.time() < until - SignedDuration::from_mins(1);
        (early && !refused).then_some("and its overlap is not over")
    }

    /// Whether a dispute, whatever became of it, is about a customer who pays for an account.
    pub(crate) fn has_dispute(&self, account: &AccountId) -> bool {
        let stripe = self.world.stripe.account();
        let about = |id: &String| {
            let dispute = stripe.dispute(id).ok()?;
            let charge = stripe.charge(&dispute.charge).ok()?;
            Some(self.actors.pays_for.get(&charge.customer)?.contains(account))
        };
        self.actors.disputes.iter().any(|id| about(id) == Some(true))
    }
}
