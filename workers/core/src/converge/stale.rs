//! Before a step: whether the ledger, by which it was planned, is older than the world.
//!
//! What it costs: one `GetApiKeys` before a key is made or deleted, before whatever is done to one
//! who is closed, and before any other step on a key where API Gateway was looked at anyway; one
//! `AdminGetUser` before a key is made or enabled for whom Stripe alone has woken. A change of plan costs nothing more. A user's own sign-up is
//! not asked about: their `sub` is as new as they are.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::apply::user_is_not_there;
use super::lag::is_final;
use super::{Run, Stop};
use crate::account::{Account, KeyId, RetiringKey, Slot, Status, User};
use crate::decide::stale::{Sight, Stale};
use crate::decide::{Desired, KeyState};
use crate::key_name::read_key_name;
use crate::plan::{Observed, ObservedKey, Step, plan};
use crate::ports::{ApiGateway, ApiKey, PortResult, Ports, Users};

use crate::stripe::Subscription;

/// What was read that may contradict the ledger.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// API Gateway was looked at.
    pub(super) looked: bool,
    /// The user's attributes were written to them, and to nobody else.
    pub(super) is_meant: bool,
    /// The subscriptions that were decided by.
    pub(super) subscriptions: Vec<Subscription>,
    /// Keys that are newer than the ledger knows, and may be in use; nothing, before anybody has asked.
    newer: Option<Vec<RetiringKey>>,
    /// Keys that the ledger does not name.
    unnamed: Vec<RetiringKey>,
    /// Those that API Gateway accepts, of all that were listed.
    accepted: BTreeSet<KeyId>,
    /// The word in the user's attributes, as it was first read.
    word: Option<Option<String>>,
}

impl<P: Ports> Run<'_, P> {
    /// The steps from what is observed to what is desired.
    ///
    /// # Errors
    /// [`Stop::StaleLedger`]: they are contradicted.
    pub(super) async fn steps(
        &mut self,
        desired: &Desired,
        observed: &mut Observed,
    ) -> Result<Vec<Step>, Stop> {
        let mut steps = self.planned(desired, observed);
        // Nobody comes back to it, and what an interrupted convergence made may be named nowhere.
        let gone = desired.key == KeyState::Closed && desired.user == User::Deleted;
        let is_last_look = gone && self.claimed.found_open();
        if self.is_first_key() || steps.is_empty() && !is_last_look {
            return Ok(steps);
        }
        let asks = is_last_look || self.needs_newer_keys(desired, &steps);
        if asks && self.evidence.newer.is_none() {
            self.afford(1).await?;
            self.keys_there().await?;
        }
        if self.needs_word(&steps, observed) {
            self.read_word(observed).await?;
            steps = self.planned(desired, observed);
        }
        if gone && self.take_unnamed_along(observed) {
            steps = self.planned(desired, observed);
        }
        match self.stale(desired, observed, &steps) {
            Some(stale) => Err(Stop::StaleLedger(stale)),
            None => Ok(steps),
        }
    }

    fn planned(&self, desired: &Desired, observed: &Observed) -> Vec<Step> {
        let mut steps = plan(desired, observed);
        steps.extend(self.make_sure_of_the_intent(desired, observed));
        steps
    }

    /// All keys of the account; those of which the ledger does not know, and that may be in use, are
    /// noted. What a call has made that came to effect late is on no usage plan, and opens nothing.
    pub(super) async fn keys_there(&mut self) -> PortResult<Vec<ApiKey>> {
        let gateway = self.worker.ports.api_gateway();
        let keys = gateway.keys_of(&self.account.id).await?;
        let known = self.account.newest_generation();
        self.evidence.unnamed = unnamed_keys(&self.worker.stack, &self.account, &keys);
        let accepted = keys.iter().filter(|key| key.enabled).map(|key| key.id.clone());
        self.evidence.accepted = accepted.collect();
        let mut in_use = Vec::new();
        for newer in self.evidence.unnamed.iter().filter(|key| key.generation > known) {
            // What a late call of an older claim has made is of a generation that is known.
            if !gateway.plans_of(&newer.id).await?.is_empty() {
                in_use.push(newer.clone());
            }
        }
        self.evidence.newer = Some(in_use);
        Ok(keys)
    }

    /// Whether the ledger seems stale: the user is told what no worker wrote, or was about to. What the
    /// key says of it is looked
    /// at before that is overwritten.
    pub(super) fn ledger_seems_stale(&self) -> bool {
        let read = self.attributes_read.as_ref().filter(|_| self.evidence.is_meant);
        let told = read.and_then(|read| read.plan.as_deref());
        let wrote = |word| self.committed().attributes.plan.as_deref() == Some(word);
        told.is_some_and(|word| !wrote(word) && !self.account.may_have_told(word))
    }

    /// Whether its user has just signed up, and had no key before.
    fn is_first_key(&self) -> bool {
        self.signs_up() && self.claimed.committed().keys.is_empty() && self.account.generations <= 1
    }

    /// Whoever is closed may have been released since, and what they pay for must not be cancelled.
    /// Whoever is between two plans is answered 403 meanwhile, and comes first.
    fn needs_newer_keys(&self, desired: &Desired, steps: &[Step]) -> bool {
        let closes = desired.key == KeyState::Closed;
        let looked = self.evidence.looked && !self.is_between_plans();
        steps.iter().any(|step| match step {
            Step::MintKey | Step::DeleteKey | Step::RetireKey(_) => true,
            step => closes || looked && step.is_on_a_key(),
        })
    }

    /// Whether the user's word must be known: where access would be given, and where the key is not
    /// as the ledger says.
    fn needs_word(&mut self, steps: &[Step], observed: &Observed) -> bool {
        if self.evidence.word.is_none() {
            let read = self.attributes_read.as_ref();
            self.evidence.word = read.map(|read| read.plan.clone());
        }
        let access = self.claimed.committed();
        let is_other = |key: &ObservedKey| {
            key.enabled != (access.status == Status::Active)
                || !key.usage_plans.iter().eq(&access.usage_plan)
        };
        let gives = steps.iter().any(Step::gives_access);
        let differs = self.evidence.looked && observed.key.as_ref().is_some_and(is_other);
        let is_accepted = |key: &RetiringKey| self.evidence.accepted.contains(&key.id);
        let is_refused = observed.key.is_none() && access.status != Status::Active;
        let accepts = is_refused && observed.retiring.iter().any(is_accepted);
        self.evidence.word.is_none() && (gives || differs || accepts)
    }

    async fn read_word(&mut self, observed: &mut Observed) -> Result<(), Stop> {
        let User::Present { username, .. } = &self.account.user else { return Ok(()) };
        let holder = self.worker.ports.users().user(username, &self.account.id).await?;
        let Some(user) = holder.account() else { return Err(Stop::Port(user_is_not_there())) };
        self.evidence.word = Some(user.attributes.plan.clone());
        self.evidence.is_meant = user.is_meant();
        observed.attributes = user.attributes.clone();
        self.attributes_read = Some(user.attributes);
        Ok(())
    }

    /// Whose user is gone needs no key: those of which the ledger does not know go too.
    fn take_unnamed_along(&mut self, observed: &mut Observed) -> bool {
        let seen = observed.key.as_ref().and_then(|key| key.id.clone());
        let mut unnamed = std::mem::take(&mut self.evidence.unnamed);
        unnamed.retain(|key| Some(&key.id) != seen.as_ref());
        if let Some(newer) = &mut self.evidence.newer {
            newer.clear();
        }
        self.account.access.retiring.extend(unnamed.iter().cloned());
        observed.retiring.extend(unnamed.iter().cloned());
        !unnamed.is_empty()
    }

    fn stale(&self, desired: &Desired, observed: &Observed, steps: &[Step]) -> Option<Stale> {
        let newer = self.evidence.newer.as_ref().and_then(|newer| newer.last());
        if let Some(newer) = newer.filter(|_| self.needs_newer_keys(desired, steps)) {
            return Some(Stale::NewerKey(newer.id.clone()));
        }
        let hints = self.inbox.events.iter().filter_map(|event| event.hint.as_ref());
        let ended = hints.filter(|hint| is_final(&hint.status));
        let ended = ended.filter_map(|hint| self.worker.catalog.best_hinted(hint)).max();
        let is_meant = self.evidence.is_meant;
        let sight = Sight {
            account: &self.account,
            ledger: self.claimed.committed(),
            desired,
            subscriptions: &self.evidence.subscriptions,
            steps,
            key: observed.key.as_ref().filter(|_| self.evidence.looked),
            retiring: &observed.retiring,
            accepted: &self.evidence.accepted,
            word: self.evidence.word.as_ref().and_then(Option::as_deref).filter(|_| is_meant),
            ended,
            catalog: &self.worker.catalog,
        };
        sight.stale()
    }
}

/// The keys of an account that its ledger does not name, by their generations: the newest last.
fn unnamed_keys(stack: &str, account: &Account, keys: &[ApiKey]) -> Vec<RetiringKey> {
    let own = account.access.keys.values().map(|key| &key.id);
    let named: Vec<_> = own.chain(account.access.retiring.iter().map(|key| &key.id)).collect();
    let unnamed = keys.iter().filter(|key| !named.contains(&&key.id)).filter_map(|key| {
        let name = read_key_name(stack, &key.name)?;
        let ours = name.account == account.id && name.slot == Some(Slot::Primary);
        let generation = name.generation.filter(|_| ours)?;
        let (id, minted_at) = (key.id.clone(), key.created_at);
        Some(RetiringKey { id, generation, minted_at, usage_plan: None, until: Timestamp::MIN })
    });
    let mut unnamed: Vec<_> = unnamed.collect();
    unnamed.sort_by(|one, other| (one.generation, &one.id).cmp(&(other.generation, &other.id)));
    unnamed
}
