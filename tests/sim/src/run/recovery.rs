//! The ledger is lost, or restored from a backup, while the world goes on; and the way back.
//!
//! It begins where everything else has been judged: a few more acts, under the same faults, and in
//! the midst of them the table is gone. What comes back is a backup of some days ago, nothing, or
//! half of what there was. Somebody in a hurry takes the runbook's steps, in any order, twice, with an old file or another
//! account's key, and is interrupted, while workers and events go on. When it is calm,
//! somebody takes them as they stand in the runbook; and then it is [judged](crate::oracle).
//!
//! Only in seeds in which nobody edits by hand and nothing is lost or set wrongly besides: who has
//! changed a key while the ledger was away could not be told.

mod runbook;
mod witness;

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Backup;
use crate::ports::PoolUser;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account::{Account, Status};
use tollgate_events::AccountId;
use tollgate_standin::api_gateway::Key;

use crate::operator::Operated;
use crate::oracle;
use crate::recovery::{Listed, RECOVERY, Recovery, SINCE_THE_LOSS};
use crate::run::Sim;
use crate::script::{Stream, dice};

/// Nobody restores an older backup: Stripe lists its events for thirty days.
const OLDEST: SignedDuration = SignedDuration::from_hours(20 * 24);

/// How long it goes on at most until somebody follows the runbook.
const UNTIL_THE_RUNBOOK: SignedDuration = SignedDuration::from_hours(5 * 24);

/// What becomes of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It is restored as it was.
    Restored,
    /// It is empty.
    Everything,
    /// Half of the accounts are gone, with all that is theirs.
    HalfOfAccounts,
    /// Half of the items are gone, whatever they are.
    HalfOfItems,
}

impl Loss {
    fn drawn(dice: &mut ChaCha8Rng) -> Self {
        match dice.random_range(0..10) {
            0..5 => Self::Restored,
            5..7 => Self::Everything,
            7..9 => Self::HalfOfAccounts,
            _ => Self::HalfOfItems,
        }
    }
}

fn told(user: &PoolUser) -> Option<(AccountId, String)> {
    Some((user.id.clone(), user.attribute("custom:plan")?.to_owned()))
}

/// The ledger as it was, day by day.
struct Backups(Vec<(Timestamp, Backup)>);

impl Sim {
    /// In some seeds: the ledger is lost, and recovered, and that is judged.
    pub(crate) fn lose_and_recover(&mut self) {
        let unclear = self.was_wrong || self.actors.takes_subs || !self.violations.is_empty();
        if !self.script.loses || unclear {
            return;
        }
        let mut dice = dice(self.script.seed, Stream::Recovery, 2);
        let first = self.script.acts();
        let all = first + self.script.acts_of_loss();
        let lost = dice.random_range(first..all);
        self.set_lags();
        self.faults.resume(self.script.faults.clone());
        self.tell("the faults begin again");
        let mut backups = Backups(vec![self.backup()]);
        while self.acted < lost {
            self.step_under_faults();
            if backups.0.len() <= self.acted - first {
                backups.0.push(self.backup());
                self.operate_as_well(self.acted);
            }
        }
        self.lose(backups, all, &mut dice);
        let until = self.world.clock.time() + UNTIL_THE_RUNBOOK;
        while self.acted < all && self.world.clock.time() < until {
            let number = self.acted;
            self.step_under_faults();
            if self.acted > number {
                self.operate_as_well(number);
                self.take_steps_in_a_hurry(number);
            }
        }
        self.follow_the_runbook();
        oracle::judge_recovery(self).into_iter().for_each(|violation| self.found(violation));
    }

    /// What operators do is what a backup does not know.
    fn operate_as_well(&mut self, act: usize) {
        let mut dice = dice(self.script.seed, Stream::Recovery, act as u64 + 500);
        if self.script.left_out.contains(&act) || !dice.random_bool(0.4) {
            return;
        }
        if let Some(told) = self.operate(&mut dice) {
            self.tell(&format!("[{act}] and {told}"));
        }
    }

    fn backup(&self) -> (Timestamp, Backup) {
        (self.world.clock.time(), self.world.ledger.back_up())
    }

    /// The table is gone for a while, and then it is as it comes back.
    fn lose(&mut self, mut backups: Backups, all: usize, dice: &mut ChaCha8Rng) {
        self.end_what_is_under_way();
        let now = self.world.clock.time();
        backups.0.retain(|(at, _)| *at + OLDEST > now);
        let loss = Loss::drawn(dice);
        let place = dice.random_range(0..backups.0.len().max(1));
        let backup = backups.0.into_iter().nth(place).filter(|_| loss == Loss::Restored);
        let since = backup.as_ref().map_or(now, |(at, _)| *at);
        self.recovery = Some(self.remember(now, since));
        // Until now, it would only be in the way.
        if let Some(bug) = self.script.bug.filter(|bug| bug.invariant() == RECOVERY) {
            self.world.plant(bug);
        }
        self.tell(&format!("the table is gone: {loss:?}, as of {since}"));
        let ledger = &self.world.ledger;
        match (loss, &backup) {
            (Loss::Restored, Some((_, backup))) => ledger.restore(backup),
            (Loss::Restored | Loss::Everything, _) => ledger.lose_everything(),
            (Loss::HalfOfAccounts, _) => ledger.keep_accounts(|| dice.random_bool(0.5)),
            (Loss::HalfOfItems, _) => ledger.keep_items(|| dice.random_bool(0.5)),
        }
        self.fences.clear();
        self.check_fences(None);
        let until = now + SignedDuration::from_mins(dice.random_range(1..90));
        self.faults.set_table_gone(true);
        while self.acted < all && self.world.clock.time() < until {
            self.step_under_faults();
        }
        self.end_what_is_under_way();
        self.faults.set_table_gone(false);
        self.leave_what_cannot_be_known();
        self.tell("there is a table again");
    }

    /// Whom an operator has held or closed is to stay out where the ledger says so, or the world does:
    /// by the word in their attributes, or by their key. What had come to nothing, or to what was there
    /// already for another reason, stood in the ledger alone. And whoever was being worked on when the
    /// backup was made may be anywhere between two states.
    fn leave_what_cannot_be_known(&mut self) {
        let Some(recovery) = &mut self.recovery else { return };
        let accounts = self.world.ledger.accounts().into_iter();
        let accounts: BTreeMap<_, _> = accounts.map(|it| (it.id.clone(), it)).collect();
        let is_disabled = |id: &AccountId| {
            let theirs = |key: &Key| recovery.keys.get(&key.id).is_some_and(|it| it.owner == *id);
            let disabled = |key: &Key| theirs(key) && !key.enabled;
            self.world.api_gateway.scene(|model, _| model.keys().any(disabled))
        };
        let is_known = |id: &AccountId| {
            let user = self.world.cognito.user_by_id(id);
            let word = user.and_then(|user| user.attributes.get("custom:plan").cloned());
            let word = word.filter(|word| matches!(word.as_str(), "held" | "closed"));
            let Some(account) = accounts.get(id) else { return word.is_some() || is_disabled(id) };
            let Account { open, access, deferred, .. } = account;
            let waits = *open || !deferred.is_empty();
            let said = access.hold.is_some() || access.closed.is_some();
            let told = word.is_some() && word != access.attributes.plan;
            let disabled = access.status == Status::Active && is_disabled(id);
            !waits && (said || told || disabled)
        };
        recovery.shut.retain(is_known);
        let shows =
            |it: &Account| it.access.status == Status::Held && recovery.had.contains_key(&it.id);
        let held = accounts.values().filter(|it| it.access.hold.is_some() && !shows(it));
        recovery.held_again = held.map(|it| it.id.clone()).collect();
    }

    /// Whatever began before is over: that takes longer than any lease.
    fn end_what_is_under_way(&mut self) {
        while !self.tasks.is_empty() {
            self.kill_at(0);
        }
        while let Some(at) = self.faults.next_landing() {
            self.advance_to(at);
        }
    }

    fn remember(&self, lost_at: Timestamp, since: Timestamp) -> Recovery {
        let accounts = self.world.ledger.accounts().into_iter();
        let mut recovery = Recovery {
            lost_at,
            since,
            before: accounts.map(|account| (account.id.clone(), account)).collect(),
            keys: BTreeMap::new(),
            shut: BTreeSet::new(),
            held_again: BTreeSet::new(),
            had: self.ranks_of_keys(),
            told: self.world.cognito.users().iter().filter_map(told).collect(),
            rotated: BTreeSet::new(),
            listed: Listed::default(),
        };
        recovery.keys.extend(self.keys_made());
        for (account, operated) in &self.actors.operated {
            let standing = Operated::standing(operated);
            if (standing.held || standing.closed) && !recovery.had.contains_key(account) {
                recovery.shut.insert(account.clone());
            }
            // It may be under way: the old key is on its way out, and the new one is not there.
            let is_under_way = |before: &Account| {
                let waits = before.key().is_none() && !before.access.retiring.is_empty();
                waits || before.open || operated.rotates_at(before.version)
            };
            if recovery.before.get(account).is_some_and(is_under_way) {
                recovery.rotated.insert(account.clone());
            }
        }
        for (account, operator_act) in &self.undone {
            recovery.tries(account, &operator_act.act);
        }
        recovery
    }

    /// A version among all that an account has had, with those that were lost.
    pub(crate) fn version_of_all(&self, version: u64) -> u64 {
        version + if self.recovery.is_some() { SINCE_THE_LOSS } else { 0 }
    }
}
