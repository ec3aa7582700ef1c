//! The plan: from what is desired and what is observed to the steps between them.
//! Pure, total, deterministic; nothing to do is an empty plan.
//!
//! Each step is safe to run twice. A key may be on one usage plan per API stage, so
//! a switch is Detach then Attach, back to back: the moment between them, in which
//! the key answers 403, is kept as short as API Gateway allows. Whatever takes
//! access away comes before whatever gives it, and a replaced key follows the account's
//! own when that is done.

use std::collections::BTreeSet;
use std::fmt;

use tollgate_events::SubscriptionId;

use crate::account::{Attributes, KeyId, RetiringKey, UsagePlanId, User};
use crate::decide::{Desired, KeyState};

/// A key as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedKey {
    /// Its id; `None` for one that a plan has only just asked to be made.
    pub id: Option<KeyId>,
    /// Whether it is accepted.
    pub enabled: bool,
    /// The usage plans that it is on, as far as the catalog manages them.
    pub usage_plans: BTreeSet<UsagePlanId>,
}

/// An account as it is, in API Gateway, Cognito and Stripe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The key.
    pub key: Option<ObservedKey>,
    /// Keys that were replaced, and are not deleted yet.
    pub retiring: Vec<RetiringKey>,
    /// The attributes.
    pub attributes: Attributes,
    /// Checkout sessions that were expired by this plan's own steps.
    pub expired: BTreeSet<String>,
    /// Subscriptions that were cancelled by this plan's own steps.
    pub cancelled: BTreeSet<SubscriptionId>,
}

/// One change to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the key, enabled and on no plan.
    MintKey,
    /// Take the key off a usage plan.
    DetachPlan(UsagePlanId),
    /// Put the key on a usage plan.
    AttachPlan(UsagePlanId),
    /// Let the key be accepted.
    EnableKey,
    /// Let the key be refused.
    DisableKey,
    /// Delete the key for good.
    DeleteKey,
    /// Take a key that was replaced off a usage plan.
    DetachRetiring(KeyId, UsagePlanId),
    /// Put a key that was replaced on a usage plan.
    AttachRetiring(KeyId, UsagePlanId),
    /// Delete a key that was replaced.
    RetireKey(KeyId),
    /// Write both attributes of the user: the key's id, and this `custom:plan`.
    WriteAttributes(String),
    /// Expire a Checkout session in Stripe that is still open.
    ExpireSession(String),
    /// Cancel a subscription in Stripe.
    CancelSubscription(SubscriptionId),
}

impl Step {
    /// Whether it is a call of API Gateway's control plane.
    pub fn is_on_a_key(&self) -> bool {
        match self {
            Self::MintKey
            | Self::DetachPlan(_)
            | Self::AttachPlan(_)
            | Self::EnableKey
            | Self::DisableKey
            | Self::DeleteKey
            | Self::DetachRetiring(..)
            | Self::AttachRetiring(..)
            | Self::RetireKey(_) => true,
            Self::WriteAttributes(_) | Self::ExpireSession(_) | Self::CancelSubscription(_) => {
                false
            }
        }
    }

    /// Whether a key is accepted by it that was not.
    pub fn gives_access(&self) -> bool {
        matches!(self, Self::MintKey | Self::EnableKey)
    }

    /// Whether it takes a key off a usage plan.
    pub fn detaches(&self) -> bool {
        matches!(self, Self::DetachPlan(_) | Self::DetachRetiring(..))
    }

    /// Whether it puts a key on a usage plan.
    pub fn attaches(&self) -> bool {
        matches!(self, Self::AttachPlan(_) | Self::AttachRetiring(..))
    }

    /// The replaced key that it moves.
    fn moves(&self) -> Option<&KeyId> {
        match self {
            Self::DetachRetiring(key, _) | Self::AttachRetiring(key, _) => Some(key),
            _ => None,
        }
    }

    /// Whether it is a call of Stripe's.
    pub fn is_in_stripe(&self) -> bool {
        matches!(self, Self::ExpireSession(_) | Self::CancelSubscription(_))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MintKey => write!(f, "mint key"),
            Self::DetachPlan(plan) => write!(f, "detach from usage plan {plan}"),
            Self::AttachPlan(plan) => write!(f, "attach to usage plan {plan}"),
            Self::EnableKey => write!(f, "enable key"),
            Self::DisableKey => write!(f, "disable key"),
            Self::DeleteKey => write!(f, "delete key"),
            Self::DetachRetiring(key, plan) => {
                write!(f, "detach retiring key {key} from usage plan {plan}")
            }
            Self::AttachRetiring(key, plan) => {
                write!(f, "attach retiring key {key} to usage plan {plan}")
            }
            Self::RetireKey(key) => write!(f, "delete retiring key {key}"),
            Self::WriteAttributes(plan) => write!(f, "write attributes (custom:plan={plan})"),
            Self::ExpireSession(id) => write!(f, "expire checkout session {id}"),
            Self::CancelSubscription(id) => write!(f, "cancel subscription {id}"),
        }
    }
}

/// The steps from `observed` to `desired`, in the order in which they are to be taken.
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let (ended, mut steps) = retire(desired, observed);
    match (desired.key, &observed.key) {
        (KeyState::Closed, Some(_)) => steps.push(Step::DeleteKey),
        (KeyState::Closed | KeyState::Disabled, None) => {}
        // Nothing is made for whom Cognito does not show.
        (KeyState::Enabled, None) if matches!(desired.user, User::Missing { .. }) => {}
        (KeyState::Enabled, None) => {
            steps.push(Step::MintKey);
            steps.extend(desired.usage_plan.clone().map(Step::AttachPlan));
        }
        (KeyState::Disabled, Some(key)) => {
            steps.extend(key.enabled.then_some(Step::DisableKey));
            switch(desired, key, &mut steps);
        }
        (KeyState::Enabled, Some(key)) => {
            switch(desired, key, &mut steps);
            steps.extend((!key.enabled).then_some(Step::EnableKey));
        }
    }
    attributes(desired, observed, &mut steps);
    follow(desired, observed, &mut steps);
    steps.extend(ended);
    let to_expire = desired.expire.iter().filter(|id| !observed.expired.contains(*id));
    steps.extend(to_expire.cloned().map(Step::ExpireSession));
    let to_cancel = desired.cancel.iter().filter(|id| !observed.cancelled.contains(*id));
    steps.extend(to_cancel.cloned().map(Step::CancelSubscription));
    steps
}

/// What is paid for together: the steps that move one replaced key, and those that move none.
pub fn parts(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|one, next| one.moves() == next.moves())
}

/// The replaced keys that go: those whose time is over when the new key stands, and those that
/// would give other access than is desired before anything else.
fn retire(desired: &Desired, observed: &Observed) -> (Vec<Step>, Vec<Step>) {
    let fits = |key: &RetiringKey| {
        desired.key == KeyState::Enabled && key.usage_plan == desired.usage_plan
    };
    let going = observed.retiring.iter().filter(|key| !stays(desired, key));
    let (ended, at_once): (Vec<_>, Vec<_>) = going.partition(|key| fits(key));
    let steps = |keys: Vec<&RetiringKey>| {
        keys.into_iter().map(|key| Step::RetireKey(key.id.clone())).collect()
    };
    (steps(ended), steps(at_once))
}

fn stays(desired: &Desired, key: &RetiringKey) -> bool {
    desired.retiring.iter().any(|kept| kept.id == key.id)
}

/// The replaced keys that stay go where the account's own is.
fn follow(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) {
    let elsewhere = |key: &&RetiringKey| key.usage_plan != desired.usage_plan;
    for key in observed.retiring.iter().filter(|key| stays(desired, key)).filter(elsewhere) {
        let (from, to) = (key.usage_plan.clone(), desired.usage_plan.clone());
        steps.extend(from.map(|plan| Step::DetachRetiring(key.id.clone(), plan)));
        steps.extend(to.map(|plan| Step::AttachRetiring(key.id.clone(), plan)));
    }
}

/// Off every plan but the desired one, then onto it.
fn switch(desired: &Desired, key: &ObservedKey, steps: &mut Vec<Step>) {
    let wrong = key.usage_plans.iter().filter(|plan| Some(*plan) != desired.usage_plan.as_ref());
    steps.extend(wrong.cloned().map(Step::DetachPlan));
    let missing = desired.usage_plan.iter().filter(|plan| !key.usage_plans.contains(*plan));
    steps.extend(missing.cloned().map(Step::AttachPlan));
}

/// Writes only on a difference: each write counts against 25/s for the Region and makes
/// the user a monthly active one.
fn attributes(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) {
    let Some(word) = &desired.plan_attribute else { return };
    let minted = steps.contains(&Step::MintKey);
    let kept = observed.key.as_ref().filter(|_| desired.key != KeyState::Closed);
    let key_id = kept.and_then(|key| key.id.as_ref());
    let same = observed.attributes.plan.as_ref() == Some(word)
        && observed.attributes.api_id.as_ref() == key_id;
    if minted || !same {
        steps.push(Step::WriteAttributes(word.clone()));
    }
}

impl Observed {
    /// Takes note of a step that was done; a minted key's id is set by who minted it.
    pub fn note(&mut self, step: &Step) {
        match step {
            Step::MintKey => {
                self.key =
                    Some(ObservedKey { id: None, enabled: true, usage_plans: BTreeSet::new() });
            }
            Step::DeleteKey => self.key = None,
            Step::DetachRetiring(id, _) => self.put_retiring(id, None),
            Step::AttachRetiring(id, plan) => self.put_retiring(id, Some(plan)),
            Step::RetireKey(id) => self.retiring.retain(|key| key.id != *id),
            Step::WriteAttributes(plan) => {
                let api_id = self.key.as_ref().and_then(|key| key.id.clone());
                self.attributes = Attributes { api_id, plan: Some(plan.clone()) };
            }
            Step::ExpireSession(id) => {
                self.expired.insert(id.clone());
            }
            Step::CancelSubscription(id) => {
                self.cancelled.insert(id.clone());
            }
            Step::DetachPlan(_) | Step::AttachPlan(_) | Step::EnableKey | Step::DisableKey => {
                if let Some(key) = &mut self.key {
                    note_on_key(key, step);
                }
            }
        }
    }

    fn put_retiring(&mut self, id: &KeyId, plan: Option<&UsagePlanId>) {
        for key in self.retiring.iter_mut().filter(|key| key.id == *id) {
            key.usage_plan = plan.cloned();
        }
    }
}

fn note_on_key(key: &mut ObservedKey, step: &Step) {
    match step {
        Step::DetachPlan(plan) => {
            key.usage_plans.remove(plan);
        }
        Step::AttachPlan(plan) => {
            key.usage_plans.insert(plan.clone());
        }
        Step::EnableKey => key.enabled = true,
        Step::DisableKey => key.enabled = false,
        Step::MintKey
        | Step::DeleteKey
        | Step::DetachRetiring(..)
        | Step::AttachRetiring(..)
        | Step::RetireKey(_)
        | Step::WriteAttributes(_)
        | Step::ExpireSession(_)
        | Step::CancelSubscription(_) => {}
    }
}

#[cfg(test)]
mod tests;
