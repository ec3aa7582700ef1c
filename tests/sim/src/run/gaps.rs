//! Invariant 12: a key that is taken off its plan is put on the next at once.
//!
//! A key without a plan answers 403. So nobody leaves one so unless somebody is on the way to it,
//! and nothing that passes by itself keeps it there: a refused call, or a seller's deployments,
//! which spend the same budget.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use tollgate_core::account::{Account, Status};
use tollgate_core::batch::Message;
use tollgate_core::ledger::EventRecord;
use tollgate_core::timing::UNFINISHED_REVIEW_AFTER;
use tollgate_events::{AccountId, Envelope};
use tollgate_standin::api_gateway::Wall;
use tollgate_standin::world::DEAD_LETTER_QUEUES;

use crate::lease_check::{LeaseCheck, SinceLastLook};
use crate::oracle::is_to_be_accepted;
use crate::run::{QUEUES, Sim};
use crate::script::Stream;

/// How long a key may be without a plan while nobody dies of it.
const LONGEST: SignedDuration = SignedDuration::from_secs(120);

/// The most that a moment counts in which somebody could go on, or a message could be received:
/// whatever is more is the simulation's own idleness.
const MOMENT: SignedDuration = SignedDuration::from_secs(6);

/// Keys that were on a plan, and are on none.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    placed: BTreeSet<String>,
    open: BTreeMap<String, Gap>,
    looked_at: Timestamp,
    /// Until when the seller deploys.
    deploys_until: Option<Timestamp>,
    /// Accounts whose message was given up: somebody is told of that.
    given_up: BTreeSet<AccountId>,
}

/// A key that is on no plan.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// For how long; `None` where that is excused: somebody has died, slept or been refused
    /// otherwise since.
    waited: Option<SignedDuration>,
    /// Since then, a call was not allowed: that does not pass by itself, and is waited for.
    denied: bool,
}

impl Sim {
    /// In a third of the seeds the seller deploys now and then: of the control plane's calls, one
    /// in so many finds room meanwhile.
    pub(crate) fn deploys(&mut self, act: usize) {
        let dice = self.script.now_and_then(Stream::Deployments, act, [0.33, 0.2]);
        let Some(mut dice) = dice else { return };
        let (one_in, seconds) = (dice.random_range(2..6), dice.random_range(60..1200));
        self.gaps.deploys_until =
            Some(self.world.clock.time() + SignedDuration::from_secs(seconds));
        self.world.api_gateway.set_wall(Some(Wall::shared(one_in, dice.random())));
        self.tell(&format!("[{act}] the seller deploys: one call in {one_in} finds room"));
    }

    /// A deployment ends in its time.
    pub(crate) fn end_deployments(&mut self, all: bool) {
        let now = self.world.clock.time();
        if self.gaps.deploys_until.take_if(|until| all || *until <= now).is_some() {
            self.world.api_gateway.set_wall(None);
            self.tell("the seller has deployed");
        }
    }

    /// Looks for gaps, and how long they have been there. What people edit by hand, and what is
    /// decided by wrong settings, is not looked at.
    pub(crate) fn look_at_gaps(&mut self) {
        let now = self.world.clock.time();
        let since = now.duration_since(std::mem::replace(&mut self.gaps.looked_at, now));
        let SinceLastLook { moved, disturbed, denied } =
            self.faults.lease_check(LeaseCheck::take_since_last_look);
        if self.script.lossy || self.was_wrong || self.recovery.is_some() {
            return;
        }
        if moved {
            self.look_for_gaps();
        }
        if self.gaps.open.is_empty() {
            return;
        }
        let excused = disturbed || self.queue_down_until.is_some();
        let hidden = self.tasks.is_empty()
            && QUEUES
                .iter()
                .all(|queue| self.world.sqs.next_visible_at(queue).is_none_or(|at| at > now));
        let counts = if hidden { since } else { since.min(MOMENT) };
        let mut long = Vec::new();
        for (key, Gap { waited, denied: was_denied }) in &mut self.gaps.open {
            *was_denied |= denied;
            *waited = waited.filter(|_| !excused).map(|so_far| so_far + counts);
            if waited.is_some_and(|so_far| so_far > LONGEST) {
                long.push(key.clone());
            }
        }
        for key in long {
            let gap = self.gaps.open.remove(&key);
            if !self.is_missed(&key) {
                let waited = Some(SignedDuration::ZERO);
                self.gaps.open.extend(gap.map(|gap| (key, Gap { waited, ..gap })));
                continue;
            }
            self.violate(12, format!("{key} is without a plan for more than {LONGEST:#}"));
        }
    }

    /// Messages come to a dead-letter queue: nobody is on the way with them any more.
    pub(crate) fn give_up(&mut self, messages: &[Message]) {
        let about = messages.iter().filter_map(|it| Envelope::decode(&it.body).ok());
        let named = about.filter_map(|envelope| envelope.subject.account);
        self.gaps.given_up.extend(named.map(|named| named.id));
    }

    /// Nothing is under way, and nothing is on any queue: nobody is on the way to anybody.
    pub(crate) fn judge_gaps_at_rest(&mut self) {
        let unwatched = self.script.lossy || self.was_wrong || self.recovery.is_some();
        if self.gaps.open.is_empty() || unwatched {
            return;
        }
        let quiet = self.tasks.is_empty()
            && self.faults.next_landing().is_none()
            && QUEUES.iter().chain(&DEAD_LETTER_QUEUES).all(|queue| self.world.sqs.is_empty(queue));
        if !quiet {
            return;
        }
        // Somebody is told of what was given up. Whose a dead letter is, its customer's link tells.
        let links = self.world.ledger.links();
        let owner = |record: EventRecord| {
            let customer = record.envelope().and_then(|it| it.subject.customer.clone());
            record.account.or_else(|| links.get(&customer?).cloned())
        };
        let parked = self.world.ledger.events().into_iter().map(|event| event.record);
        let parked: BTreeSet<_> =
            parked.filter(|record| record.outcome.is_unsettled()).filter_map(owner).collect();
        // Who was led to it by another account's message, and has died there, has left a claim: the
        // sweep, which runs every minute, finds that.
        let soon = self.world.clock.time() + UNFINISHED_REVIEW_AFTER;
        let has_died_there = |account: &Account| {
            account.lease_until.is_some() && account.review_at.is_some_and(|at| at <= soon)
        };
        let accounts = self.world.ledger.accounts().into_iter();
        let keys = accounts
            .filter(|account| !has_died_there(account))
            .filter(|account| !parked.contains(&account.id))
            .filter(|account| !self.gaps.given_up.contains(&account.id))
            .filter_map(|account| account.key().map(|key| key.id.to_string()));
        let allowed = |gap: &Gap| !gap.denied;
        let left = keys.filter(|key| self.gaps.open.get(key).is_some_and(allowed));
        let left: Vec<_> = left.filter(|key| self.is_missed(key)).collect();
        for key in left {
            self.gaps.open.remove(&key);
            self.violate(12, format!("{key} is without a plan, and nobody is on the way to it"));
        }
    }

    /// Whether somebody may use a key: one that is to be refused, or to be deleted, may be refused for
    /// having no plan until that is done.
    fn is_missed(&self, key: &str) -> bool {
        let accounts = self.world.ledger.accounts();
        let is_its = |it: &&Account| it.key().is_some_and(|its| its.id.as_str() == key);
        accounts.iter().find(is_its).is_some_and(|account| is_to_be_accepted(self, account))
    }

    fn look_for_gaps(&mut self) {
        let accounts = self.world.ledger.accounts().into_iter();
        let active = accounts.filter(|account| account.access.status == Status::Active);
        let current: BTreeSet<String> =
            active.filter_map(|account| account.key().map(|key| key.id.to_string())).collect();
        let Gaps { placed, open, .. } = &mut self.gaps;
        let was = std::mem::take(open);
        self.world.api_gateway.scene(|model, _| {
            for key in model.keys() {
                if !key.plans.is_empty() {
                    placed.insert(key.id.clone());
                } else if key.enabled && placed.contains(&key.id) && current.contains(&key.id) {
                    let begins = Gap { waited: Some(SignedDuration::ZERO), denied: false };
                    open.insert(key.id.clone(), was.get(&key.id).copied().unwrap_or(begins));
                }
            }
        });
    }
}
