//! Whether the ledger is older than the world: what it says of one account is contradicted by
//! API Gateway and by what the user is told. Pure.
//!
//! A table that was restored from a backup says nowhere that it was. To whoever trusts it, a key
//! that was made since is nobody's, a hold that was placed since is drift, a plan that was granted
//! since is a mistake; and mending these would make a second key, release whom somebody held, or
//! take away what somebody gave. So before a step that is contradicted nothing is done: the account
//! is told as stale, and `tollgate reconcile --rebuild` writes down what is.
//!
//! One contradiction that cannot be anything else is enough: a newer key, a word that says held or
//! closed where access would be given, a key that is refused where it would be accepted again. What
//! people edit by hand is a single one of the others, and healed; where key and word agree
//! with each other against the ledger, and nothing in Stripe explains it, the ledger is stale.
//!
//! Where there is no step to take, there is nothing to get wrong: Stripe, key and word agree, and
//! what is committed makes the ledger right.
//!
//! # Caveats
//! Where a convergence was interrupted, what it was about may be there, and is no contradiction
//! ([`Account::begun`]). And where the plan of a stale account has changed since, its user's word was
//! overwritten by that; then what is left of a hold is the disabled key.

use std::collections::BTreeSet;
use std::fmt;

use super::desired::{Desired, KeyState};
use crate::account::{Access, Account, KeyId, Reason, RetiringKey, Slot, Status};
use crate::catalog::{Catalog, Plan};
use crate::plan::{ObservedKey, Step};
use crate::stripe::Subscription;

/// In what the world contradicts the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// API Gateway has a key of the account of a newer generation than the ledger knows.
    NewerKey(KeyId),
    /// The user is told that they are held, or closed, and the ledger would give them access.
    Word(String),
    /// The key is refused, and the ledger would have it accepted again without a reason.
    Disabled,
    /// Key and word agree with each other against the ledger, and nothing explains it.
    Otherwise(String),
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerKey(key) => write!(f, "it has a newer key, {key}"),
            Self::Word(word) => write!(f, "its user is told `{word}`"),
            Self::Disabled => write!(f, "its key is disabled"),
            Self::Otherwise(word) => write!(f, "its key and its user's attributes say `{word}`"),
        }
    }
}

/// Whether a word in a user's attributes says that they have no access by somebody's will.
pub fn says_refused(word: &str) -> bool {
    matches!(word, "held" | "closed")
}

/// Whether the ledger has forgotten an account of which it has decided nothing: its user is told that
/// they are refused. What an operator has said since is no contradiction.
pub fn is_forgotten(access: &Access, word: Option<&str>) -> bool {
    let said_since = access.hold.is_some() || access.closed.is_some();
    word.is_some_and(says_refused) && !said_since
}

/// What is known of an account before its next steps.
#[derive(Debug)]
pub struct Sight<'a> {
    /// As it stands in the ledger, open or not.
    pub account: &'a Account,
    /// As history last told it.
    pub ledger: &'a Access,
    /// What was decided now.
    pub desired: &'a Desired,
    /// The subscriptions that it was decided by.
    pub subscriptions: &'a [Subscription],
    /// What would be done.
    pub steps: &'a [Step],
    /// The key as API Gateway shows it; `None` where nobody has looked, or there is none.
    pub key: Option<&'a ObservedKey>,
    /// The replaced keys as API Gateway shows them. The newest stands for the account's own as long as
    /// the next one is not made.
    pub retiring: &'a [RetiringKey],
    /// Keys that API Gateway accepts, as far as anybody has asked for all of the account's.
    pub accepted: &'a BTreeSet<KeyId>,
    /// `custom:plan` as Cognito shows it; `None` where nobody has looked, or there is none.
    pub word: Option<&'a str>,
    /// A subscription has ended, as an event says: the rank of the best plan that it may have sold.
    pub ended: Option<u32>,
    /// The plans.
    pub catalog: &'a Catalog,
}

impl Sight<'_> {
    /// What the user is told, and no worker wrote, or was about to.
    fn other_word(&self) -> Option<&str> {
        let wrote = |word: &str| self.ledger.attributes.plan.as_deref() == Some(word);
        self.word.filter(|word| !wrote(word) && !self.account.may_have_told(word))
    }

    /// Whether history has told of the key: of one that is being made it says nothing yet.
    fn is_the_ledgers_key(&self) -> bool {
        let told = self.ledger.keys.get(&Slot::Primary).map(|key| &key.id);
        self.key.is_some_and(|key| key.id.as_ref() == told)
    }

    /// In what the world contradicts the ledger.
    pub fn stale(&self) -> Option<Stale> {
        let word = self.other_word();
        // A key that is made to be deleted gives no access.
        if self.desired.key == KeyState::Enabled && !self.account.released {
            // Before access is given, or somebody whose key is not accepted is told of it.
            let is_refused = self.key.is_none_or(|key| !key.enabled);
            let tells = |step: &Step| is_refused && matches!(step, Step::WriteAttributes(_));
            let gives = self.steps.iter().any(|step| step.gives_access() || tells(step));
            if let Some(word) = word.filter(|word| gives && says_refused(word)) {
                return Some(Stale::Word(word.to_owned()));
            }
            let enables = self.steps.contains(&Step::EnableKey)
                && !self.catalog.may_be_disabled(self.account);
            if enables && self.ledger.status == Status::Active && self.is_the_ledgers_key() {
                return Some(Stale::Disabled);
            }
        }
        let shown = self.shown(word?)?;
        let contradicted = self.is_elsewhere(shown) && self.steps.iter().any(Step::is_on_a_key);
        let stale = contradicted && !self.is_explained(shown);
        stale.then(|| Stale::Otherwise(shown.id.to_string()))
    }

    /// The plan that an accepted key and the user's word agree on.
    fn shown(&self, word: &str) -> Option<&Plan> {
        let plan = self.catalog.told(word)?;
        let is_on = match self.key {
            Some(key) => key.enabled && key.usage_plans.iter().eq([&plan.usage_plan]),
            None => {
                self.replaced().is_some_and(|it| it.usage_plan.as_ref() == Some(&plan.usage_plan))
            }
        };
        is_on.then_some(plan)
    }

    fn replaced(&self) -> Option<&RetiringKey> {
        let is_accepted = |key: &&RetiringKey| {
            self.ledger.status == Status::Active || self.accepted.contains(&key.id)
        };
        let newest = self.retiring.iter().max_by_key(|key| key.generation);
        newest.filter(|_| self.account.key().is_none()).filter(is_accepted)
    }

    fn is_elsewhere(&self, shown: &Plan) -> bool {
        self.desired.key != KeyState::Enabled || self.desired.plan.as_ref() != Some(&shown.id)
    }

    /// Whether what was decided has a reason that the account with the plan that is shown may not
    /// have had: then it is what comes next.
    fn is_explained(&self, shown: &Plan) -> bool {
        let desired = self.desired;
        if desired.key != KeyState::Enabled && desired.reason != Reason::NoPlan {
            // Held for what held it before, and somebody has released it since; or for what is new.
            return desired.status != Status::Held || self.ledger.reason != desired.reason;
        }
        let rank = |plan| self.catalog.plan(plan).map(|plan| plan.rank);
        if desired.plan.as_ref().and_then(rank) > Some(shown.rank) {
            // What is paid for now; not what was paid for before as well, and gave less since.
            let before = self.ledger.given.as_ref().map(|given| &given.by);
            let by = desired.given.as_ref().map(|given| &given.by);
            return by.is_some() && by != before;
        }
        let sells = |it: &Subscription| {
            let mut plans = it.sold().filter_map(|price| self.catalog.plan_of(price));
            plans.any(|plan| plan.rank >= shown.rank)
        };
        self.ended >= Some(shown.rank) || self.subscriptions.iter().any(sells)
    }
}

#[cfg(test)]
mod tests;
