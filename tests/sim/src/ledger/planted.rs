//! What a ledger does in which a bug is planted: claims and commits as somebody would
//! make them who left out one of the table's conditions.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Access, Account};
use tollgate_core::ledger::{Claim, Commit, CommitResult, Entry};
use tollgate_events::AccountId;

use super::MemoryLedger;
use super::store::Store;
use crate::planted::Bug;

/// How long a lease is that is too short.
const SHORT: SignedDuration = SignedDuration::from_millis(200);

impl MemoryLedger {
    pub(super) fn claim_as_planted(
        &self,
        account: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Claim {
        let mut store = self.lock();
        if self.gate.has(Bug::NoLease)
            && let Some(stored) = store.accounts.get_mut(account)
        {
            stored.lease_until = None;
        }
        let short = self.gate.has(Bug::ShortLease);
        let claim = store.claim(account, now, if short { now + SHORT } else { lease_until });
        match claim {
            Claim::Taken { account } if self.gate.has(Bug::OpenForgotten) => {
                Claim::Taken { account: Box::new(Account { open: false, ..*account }) }
            }
            claim => claim,
        }
    }

    /// The commit that is made in place of this one, and an entry that follows it in a
    /// write of its own; without a bug, the commit itself and nothing more.
    pub(super) fn commit_as_planted(&self, commit: &Commit) -> (Commit, Option<Entry>) {
        let mut commit = commit.clone();
        let mut late = None;
        if self.gate.has(Bug::IntentNotStored) {
            commit.account.intent = None;
        } else if self.gate.has(Bug::LinkNotKept) {
            commit.link.clear();
        } else if self.gate.has(Bug::LinkWithoutEntry) && !commit.link.is_empty() {
            commit.entry = None;
        } else if self.gate.has(Bug::EntryAfterState) {
            late = commit.entry.take();
        } else if self.gate.has(Bug::ParkedNotRecorded) {
            commit.records.retain(|record| !record.outcome.is_unsettled());
        } else if self.gate.has(Bug::EntryForNothing) {
            let before = commit.account.access.clone();
            write_an_entry(&mut commit, before);
        } else if self.gate.has(Bug::GraceMoved) {
            self.begin_grace_anew(&mut commit);
        }
        (commit, late)
    }

    /// Every grace period that the ledger has already begins with this commit.
    fn begin_grace_anew(&self, commit: &mut Commit) {
        let Some(at) = commit.records.iter().map(|record| record.at).max() else { return };
        let stored = self.lock().accounts.get(&commit.account.id).map(|a| a.access.clone());
        let Some(before) = stored else { return };
        let mut moved = false;
        for (_, since) in
            commit.account.access.grace.iter_mut().filter(|(id, _)| before.grace.contains_key(*id))
        {
            *since = at;
            moved = true;
        }
        if moved {
            write_an_entry(commit, before);
        }
    }
}

impl Store {
    /// A link is not made until the work is done: it is answered as if it were, and made with
    /// the commit that gives the lease back. That the customer is another account's comes out
    /// only then.
    pub(super) fn commit_with_links(
        &mut self,
        commit: &Commit,
        planted: impl Fn(Bug) -> bool,
    ) -> CommitResult {
        let id = &commit.account.id;
        let waiting = self.not_first.entry(id.clone()).or_default();
        waiting.retain(|link| link.account.epoch >= commit.account.epoch);
        if !commit.link.is_empty() {
            waiting.push(commit.clone());
            return CommitResult::Committed;
        }
        let mut links = waiting.clone();
        links.retain(|link| link.account.epoch == commit.account.epoch);
        if commit.account.lease_until.is_some() {
            let linked = links.first().and_then(|link| link.entry.clone());
            let unlinked = linked.map(|entry| Account {
                access: entry.before,
                version: entry.version - 1,
                ..commit.account.clone()
            });
            let account = unlinked.unwrap_or_else(|| commit.account.clone());
            return self.commit(&Commit { account, ..commit.clone() }, planted);
        }
        let link = links.iter().flat_map(|link| link.link.clone()).collect();
        let result = self.commit(&Commit { link, ..commit.clone() }, planted);
        if result == CommitResult::Committed {
            self.not_first.remove(id);
            links
                .iter()
                .filter_map(|link| link.entry.as_ref())
                .for_each(|it| self.put_entry(id, it));
        }
        result
    }
}

/// Adds a history entry to a commit of events that has none, and lets one that it has
/// end with the access that is committed.
fn write_an_entry(commit: &mut Commit, before: Access) {
    let after: Access = commit.account.access.clone();
    if let Some(entry) = &mut commit.entry {
        entry.after = after;
        return;
    }
    let Some(record) = commit.records.first() else { return };
    commit.account.version += 1;
    commit.entry = Some(Entry {
        version: commit.account.version,
        at: record.at,
        before,
        reason: after.reason.clone(),
        after,
        cause: commit.records.iter().map(|record| record.event.clone()).collect(),
        steps: Vec::new(),
    });
}
