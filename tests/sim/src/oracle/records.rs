//! What must be told, and what must not: keys, events, history, secrets.

use std::collections::BTreeSet;

use tollgate_core::account::{Access, Account};
use tollgate_core::ledger::is_wake;
use tollgate_events::Envelope;

use super::Oracle;

impl Oracle<'_> {
    /// Invariant 2.
    pub(super) fn keys(&mut self) {
        let mut named = BTreeSet::new();
        let mut problems = Vec::new();
        for account in self.sim.world.ledger.accounts() {
            for key in account.access.keys.values() {
                if !named.insert(key.id.as_str().to_owned()) {
                    problems.push(format!("key {} is two accounts'", key.id));
                }
            }
            named.extend(account.access.retiring.iter().map(|key| key.id.as_str().to_owned()));
            let open = account.intent.map(|intent| {
                format!(
                    "tollgate/sim/{}/{}/{}",
                    account.id,
                    intent.slot.as_str(),
                    intent.generation
                )
            });
            named.extend(open);
        }
        let mut names = BTreeSet::new();
        for key in &self.keys {
            let name = key.name.clone().unwrap_or_default();
            if !name.starts_with("tollgate/") {
                continue;
            }
            let is_named = named.contains(&key.id) || named.contains(&name);
            if !is_named && !self.landed_late(key) && !self.is_reported(key) {
                problems.push(format!("key {} ({name}) is nobody's", key.id));
            }
            if !names.insert(name.clone()) {
                problems.push(format!("there are two keys {name}"));
            }
        }
        problems.into_iter().for_each(|problem| self.violate(2, problem));
    }

    /// What the owner made by hand is never touched.
    pub(super) fn owners_keys(&mut self) {
        let mut problems = Vec::new();
        for (id, plan) in &self.sim.actors.owners_keys {
            let key = self.keys.iter().find(|key| key.id == *id);
            let as_made = key.is_some_and(|key| key.enabled && key.plans == [plan.clone()].into());
            if !as_made {
                problems.push(format!("the owner's key {id} is {key:?}, not on {plan}"));
            }
        }
        problems.into_iter().for_each(|problem| self.violate(2, problem));
    }

    /// Invariant 3.
    pub(super) fn events(&mut self) {
        let recorded: BTreeSet<_> =
            self.sim.world.ledger.events().into_iter().map(|event| event.record.event).collect();
        let lost: Vec<&Envelope> = self
            .sim
            .accepted
            .values()
            .filter(|event| !is_wake(event) && !recorded.contains(&event.event_ref()))
            .collect();
        for event in lost {
            self.violate(3, format!("{} ({}) has no record", event.event_ref(), event.kind));
        }
    }

    /// Invariant 4, of what is not there any more.
    pub(super) fn forgotten(&mut self) {
        let known: BTreeSet<_> =
            self.sim.world.ledger.accounts().into_iter().map(|account| account.id).collect();
        let told = self.sim.world.ledger.events().into_iter().filter_map(|e| e.record.account);
        let gone: BTreeSet<_> = told.filter(|account| !known.contains(account)).collect();
        for account in gone {
            self.violate(4, format!("events changed {account}, of which nothing is kept"));
        }
    }

    /// Invariant 4.
    pub(super) fn history(&mut self, account: &Account) {
        let entries = self.sim.world.ledger.entries(&account.id);
        let mut last = Access::default();
        for (version, entry) in (1..).zip(&entries) {
            if entry.version != version {
                self.violate(4, format!("{}: entry {version} is missing", account.id));
            }
            if entry.before != last {
                let (before, id) = (&entry.before, &account.id);
                self.violate(
                    4,
                    format!(
                        "{id}: entry {version} begins with\n  {before:?}, not with\n  {last:?}"
                    ),
                );
            }
            last = entry.after.clone();
        }
        if account.version != entries.len() as u64 {
            self.violate(4, format!("{} is at version {}", account.id, account.version));
        }
        if account.access != last && !self.behind.contains(&account.id) {
            let (access, id) = (&account.access, &account.id);
            self.violate(
                4,
                format!("{id}: the state\n  {access:?} is not the last entry's\n  {last:?}"),
            );
        }
    }

    /// Invariant 7.
    pub(super) fn secrets(&mut self) {
        let ledger = self.sim.world.ledger.dump();
        let calls = self.sim.world.gate.calls();
        let mut leaks = Vec::new();
        for (id, value) in &self.sim.values {
            let places = [
                ("the ledger", ledger.contains(value)),
                ("a message", self.sim.bodies.iter().any(|body| body.contains(value))),
                ("the log", calls.iter().any(|call| call.subject.contains(value))),
            ];
            let leaked = places.into_iter().filter(|(_, leaked)| *leaked);
            leaks.extend(leaked.map(|(place, _)| format!("the value of {id} is in {place}")));
        }
        leaks.into_iter().for_each(|leak| self.violate(7, leak));
    }
}
