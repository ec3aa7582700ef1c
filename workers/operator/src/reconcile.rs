//! Reconciliation: the comparison of all four systems at an operator's word.
//!
//! # Expected flow
//! [`Reconcile::look`] compares and tells; it sends nothing and writes nothing. What is to be
//! mended is then mended by [`Reconcile::repair`], which **looks again**, waking what differs:
//! to keep what the first look found would take memory that grows with the findings (after a
//! change of the catalog, that is every account), and would act on what was read before a
//! person thought about it.
//!
//! # Guarantees
//! - No account is moved here: a wake is a suspicion, the worker decides and has its own
//!   blast limit.
//! - A key is deleted only when it is ours by its name, older than a new key may hide, and
//!   named by no account when that is looked up once more, just before; and when its account
//!   names a newer one, or a person has named this very key.
//! - Where neither the ledger nor the pool knows the owner of any key of ours, it is another
//!   ledger and another pool: nothing is done before a person has accepted that.
//! - A key whose owner the ledger knows nothing of, while the pool has that user, is no
//!   orphan but the sign of a lost ledger: it is never deleted.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, KeyId, Known};
use tollgate_core::budget::Caller;
use tollgate_core::halt::Halt;
use tollgate_core::key_name::read_key_name;
use tollgate_core::ledger::blast_limit;
use tollgate_core::ports::{
    ApiGateway, Class, Clock, Ledger, PortError, PortResult, Ports, Queue, Service, Users,
};
use tollgate_core::scan::{Progress, ProgressSink, ScanStage};
use tollgate_core::sweep::{Drift, DriftReport, DriftSweep, Finding, FindingAbout, Orphan, names};
use tollgate_core::timing::NEW_KEY_MAY_HIDE;
use tollgate_events::AccountId;

use super::accept_blast;

/// For how long an operator accepts more than the blast limit lets through.
pub const ACCEPTED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How often the acceptance is tried when others write the same item.
const ACCEPT_ROUNDS: u32 = 5;

/// A reconciliation.
#[derive(Debug)]
pub struct Reconcile<'a, P, Q> {
    /// The comparison.
    pub sweep: DriftSweep<'a, P, Q>,
}

/// What a person has said of a repair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// More than the limits let through is accepted.
    pub accepted: bool,
    /// Orphans that may go, each by its id.
    pub keys: BTreeSet<KeyId>,
}

/// Of what there would be too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExcessOf {
    /// Paying accounts that would lose what they pay for.
    Losing,
    /// Accounts that would be closed, because their users are gone.
    Closing,
    /// Keys that would be deleted.
    Deleting,
    /// Keys whose owners neither the ledger nor the pool knows, where there are no others.
    Unlinked,
}

/// More than may be done before a person has accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Of what.
    pub of: ExcessOf,
    /// How many.
    pub count: u64,
    /// How many may be.
    pub limit: u64,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What the second look found and woke.
    pub report: DriftReport,
    /// The orphans that were deleted.
    pub deleted: Vec<Orphan>,
    /// The orphans that were left, and why.
    pub left: Vec<(Orphan, &'static str)>,
}

/// What a repair would do too much of.
pub fn excesses(report: &DriftReport) -> Vec<Excess> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let gone = report.found.get(&Drift::UserGone).copied().unwrap_or(0);
    let of_closing = count(report.keys).max(count(report.paying));
    let nobodys = if report.known_owners == 0 { report.orphans } else { 0 };
    [
        (ExcessOf::Losing, report.would_lose, blast_limit(count(report.paying))),
        (ExcessOf::Closing, gone, blast_limit(of_closing)),
        (ExcessOf::Deleting, report.replaced, blast_limit(count(report.keys_of_ours))),
        (ExcessOf::Unlinked, nobodys, 0),
    ]
    .into_iter()
    .map(|(what, number, limit)| Excess { of: what, count: count(number), limit })
    .filter(|excess| excess.count > excess.limit)
    .collect()
}

/// Whether something that has stopped holds back what the comparison found.
pub fn is_held_back(report: &DriftReport, halts: &[Halt]) -> bool {
    let found = |drift| report.found.get(&drift).copied().unwrap_or(0);
    let losses = report.would_lose + found(Drift::UserGone);
    halts.iter().any(|halt| match halt {
        Halt::Losses { .. } => losses > 0,
        Halt::Frozen { .. } => losses + report.would_end > 0,
        Halt::Cancellations { .. } => found(Drift::PaidForNothing) > 0,
    })
}

impl<P: Ports, Q: Queue> Reconcile<'_, P, Q> {
    /// What holds losses back now.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn halts(&self) -> PortResult<Vec<Halt>> {
        Ok(self.sweep.ports.ledger().stack().await?.halts())
    }

    /// Compares, and tells how far it is and of each finding. Nothing is sent and nothing written.
    ///
    /// # Errors
    /// A call failed.
    pub async fn look(&self, told: ProgressSink<'_, Finding>) -> PortResult<DriftReport> {
        self.sweep.look(told).await
    }

    /// An operator has seen what would be done, and accepts any number for
    /// [`ACCEPTED_FOR`]; returns until when.
    ///
    /// # Errors
    /// The ledger failed, or others kept writing first.
    pub async fn accept(&self) -> PortResult<Timestamp> {
        let until = self.sweep.ports.clock().now().saturating_add(ACCEPTED_FOR);
        let until = until.expect("a duration has no calendar");
        for _ in 0..ACCEPT_ROUNDS {
            if accept_blast(self.sweep.ports.ledger(), until).await? {
                return Ok(until);
            }
        }
        Err(PortError {
            service: Service::Ledger,
            operation: "UpdateItem",
            class: Class::Conflict,
            detail: "others keep writing the deployment's item".to_owned(),
        })
    }

    /// Looks again, wakes what differs, and deletes replaced keys, and the orphans that a person
    /// has named. Unless it was accepted, no key is deleted when there are more than the limit by
    /// now. What was done so far stands in `repaired`, wherever it stops.
    ///
    /// # Errors
    /// A call failed. What was sent is sent, what was deleted is deleted: repeat it.
    pub async fn repair(
        &self,
        word: &Word,
        repaired: &mut Repaired,
        told: ProgressSink<'_, Finding>,
    ) -> PortResult<()> {
        let mut orphans = Vec::new();
        let mut hear = |news: Progress<Finding>| {
            if let Progress::Found(Finding { drift, about: FindingAbout::Key(key) }) = &news
                && matches!(drift, Drift::Orphan | Drift::Replaced)
            {
                orphans.push(key.clone());
            }
            told(news);
        };
        repaired.report = self.sweep.run_told(&mut hear).await?;
        let excesses = excesses(&repaired.report);
        let limits = [ExcessOf::Deleting, ExcessOf::Unlinked];
        if !word.accepted && excesses.iter().any(|excess| limits.contains(&excess.of)) {
            let why = "there are more than the limit";
            repaired.left = orphans.into_iter().map(|key| (key, why)).collect();
            return Ok(());
        }
        for key in orphans {
            let gap = Caller::Command.per_call(self.sweep.policy);
            self.sweep.ports.clock().sleep(gap).await;
            match self.why_left(&key, word.keys.contains(&key.id)).await? {
                Some(why) => repaired.left.push((key, why)),
                None => {
                    self.delete(&key).await?;
                    repaired.deleted.push(key);
                }
            }
            told(Progress::Through(ScanStage::Orphans, 1));
        }
        Ok(())
    }

    /// Why an orphan must not be deleted after all; `named` by a person or not.
    async fn why_left(&self, key: &Orphan, named: bool) -> PortResult<Option<&'static str>> {
        let now = self.sweep.ports.clock().now();
        let Some(name) = read_key_name(self.sweep.stack, &key.name) else {
            return Ok(Some("its name is none that Tollgate gives"));
        };
        let old = |at: Timestamp| now.duration_since(at) >= NEW_KEY_MAY_HIDE;
        if !key.created_at.is_some_and(old) {
            return Ok(Some("it is new: it may be its account's by now"));
        }
        let account = match self.sweep.ports.ledger().account(&name.account).await {
            Err(error) if error.class == Class::Invalid => {
                return Ok(Some("its account cannot be read, and may name it"));
            }
            account => account?,
        };
        let held = |account: &Account| account.lease_until.is_some_and(|until| until > now);
        let account = account.filter(|account| account.known() == Known::Decided || held(account));
        let Some(account) = account else {
            return match named {
                true => self.why_left_without_account(&name.account).await,
                false => Ok(Some("the ledger knows nothing of its owner, and nobody has named it")),
            };
        };
        if account.open || held(&account) {
            return Ok(Some("its account is being worked on"));
        }
        if names(self.sweep.stack, &account, key) {
            return Ok(Some("its account names it by now"));
        }
        // A table that was restored from a backup knows less than there is, and whom it has as
        // closed may have been opened since.
        let newest = account.key().map(|key| key.generation);
        let in_use = "it may be the one in use: the ledger names no newer one, and nobody this one";
        Ok(Some(in_use).filter(|_| !name.is_replaced_by(newest) && !named))
    }

    async fn why_left_without_account(
        &self,
        owner: &AccountId,
    ) -> PortResult<Option<&'static str>> {
        match self.sweep.ports.users().find(owner).await {
            Err(error) if error.class == Class::Invalid => {
                Ok(Some("whether the pool has its owner cannot be read"))
            }
            user => {
                Ok(user?.map(|_| "the pool has its owner, and the ledger knows nothing of them"))
            }
        }
    }

    async fn delete(&self, key: &Orphan) -> PortResult<()> {
        match self.sweep.ports.api_gateway().delete_key(&key.id).await {
            Err(error) if error.class == Class::NotFound => Ok(()),
            other => other,
        }
    }
}
