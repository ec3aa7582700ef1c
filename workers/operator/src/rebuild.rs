//! The way back when the ledger is lost: rebuilt from the other three systems.
//!
//! # Expected flow
//! API Gateway's keys and who is on which plan are read once. Then, for each part of the
//! accounts: the ledger's accounts, all subscriptions, all users. Every user whom the ledger
//! has decided nothing about, and of whom there is a key of ours, a word in their
//! attributes or a subscription with our proof, is written back: two writes, and no reads
//! but pages. So is whoever an earlier rebuild has held or granted something for want of a
//! reason: there may be one now. And so is whoever the comparison has found contradicted by the
//! other systems ([`tollgate_core::decide::stale`]): then the ledger is older than they are. What a look has found is
//! to be compared with [`doubts`] before anything is written.
//!
//! # Guarantees
//! - It reads and writes nothing from a Stripe account or a pool that is not the stack's. A stack
//!   that belongs to none, because its table was lost, belongs to those from then on: an operator
//!   has seen them.
//! - It writes what is, and moves nothing. Where that is not what should be, the
//!   reconciliation finds it and the worker mends it, within the blast limit.
//! - What the ledger has decided is not touched, but for the guesses of a rebuild that nobody has
//!   ended, and for what is contradicted: running it again skips what exists, and what was
//!   interrupted goes on.
//! - What operators have done since the loss stays: closes, holds, grants, unlinks.
//! - Any worker may decide what it has written, whatever the revision of the file that it went by.
//! - What cannot be read is not nothing: of an account of which a row cannot be read nothing is
//!   written, and it is told.
//! - Nobody is released and nobody is demoted by what was forgotten: a disabled key that
//!   nothing explains gets an operator's hold, a plan that nothing explains a grant. Both
//!   are told, and are for a person to end.
//! - Nobody's customer is given back to whom an operator may have taken them from: see
//!   [`Rebuilt::disowned`].
//! - A replaced key works on, as it may until the end of its overlap: [`OVERLAP`].
//!
//! # Caveats
//! Not to be had from anywhere: history, event records, the reasons of holds and grants,
//! disputes, refunds, customers on Stripe's test clocks whom no event has linked again, links of
//! customers without our proof, accounts that were closed, when a grace period began.

mod doubts;
mod keys;
mod portion;
mod reading;
mod remains;
mod report;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, Known};
use tollgate_core::accounts::{Accounts, Change, Claimed, CommitAnswer};
use tollgate_core::binding::{Binding, Met};
use tollgate_core::boundary::{Boundary, Marks};
use tollgate_core::budget::Caller;
use tollgate_core::catalog::Catalog;
use tollgate_core::derive::Deriver;
use tollgate_core::ledger::{EventRecord, Outcome, StepTaken};
use tollgate_core::policy::Policy;
use tollgate_core::ports::{Clock, Entropy, LeftOut, PortResult, Ports, UserRecord};
use tollgate_core::scan::{Pages, ProgressSink, Scan};
use tollgate_core::stripe::Subscription;
use tollgate_core::sweep::{Part, wake};
use tollgate_events::{AccountId, Envelope, EventId, Source, Via};

pub use self::doubts::{Doubt, Doubted, doubts};
use self::keys::{FoundKeys, Keys};
use self::portion::Portion;
pub use self::remains::{OVERLAP, REBUILT_CLOSED, REBUILT_GRANT, REBUILT_HOLD};
use self::remains::{Remains, Restored, has_guesses, restore};
pub use self::report::{RebuildReport, Rebuilt};
use super::acts::said;

/// The type of the event that stands in the history of a rebuilt account.
pub const REBUILD: &str = "operator.rebuild";

/// For how long an account is held while it is written.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// A rebuild.
#[derive(Debug)]
pub struct Rebuild<'a, P> {
    /// The world; only the ledger is written to.
    pub ports: &'a P,
    /// The plans.
    pub catalog: &'a Catalog,
    /// The seller's choices.
    pub policy: &'a Policy,
    /// Which subscriptions name their account with our proof.
    pub deriver: &'a Deriver,
    /// The deployment's name, part of every key's name.
    pub stack: &'a str,
    /// Who does it.
    pub by: &'a str,
    /// How many accounts are held at once, at least 1.
    pub at_once: usize,
    /// Accounts of which the ledger is older than the world: [`tollgate_core::sweep::DriftReport::stale`].
    pub stale: &'a BTreeSet<AccountId>,
}

impl<P: Ports> Rebuild<'_, P> {
    /// Tells what would be written back. Nothing is written.
    ///
    /// # Errors
    /// A call failed.
    pub async fn look(&self, sink: ProgressSink<'_, Rebuilt>) -> PortResult<RebuildReport> {
        self.go_through(false, sink).await
    }

    /// Writes back what the ledger does not have.
    ///
    /// # Errors
    /// A call failed. What was written stays: run it again.
    pub async fn run(&self, sink: ProgressSink<'_, Rebuilt>) -> PortResult<RebuildReport> {
        self.go_through(true, sink).await
    }

    async fn go_through(
        &self,
        writes: bool,
        sink: ProgressSink<'_, Rebuilt>,
    ) -> PortResult<RebuildReport> {
        let binding = if writes { Binding::that_binds() } else { Binding::that_compares() };
        binding.check(self.ports).await?;
        // An operator has seen both.
        binding.met(self.ports, Met { in_stripe: true, in_pool: true }).await?;
        let mut scan = Scan::of(self.ports, Caller::Command, self.policy, sink);
        let mut report = RebuildReport::default();
        let mut keys = self.keys(&mut scan, &mut report).await?;
        let mut parts = vec![Part::all()];
        while let Some(part) = parts.pop() {
            // In later parts the same rows come again.
            let mut unreadable = LeftOut::default();
            let mut portion =
                self.accounts(&mut scan, (part, &mut parts), &mut keys, &mut unreadable).await?;
            let marks =
                self.subscriptions(&mut scan, &mut portion, &mut parts, &mut unreadable).await?;
            report.parts += 1;
            let first = report.parts == 1;
            if first {
                (report.proven, report.broken) = marks;
            }
            report.known += portion.known();
            report.on_more += portion.known_on_more();
            report.unproven += portion.unproven();
            report.owned += portion.owned();
            report.held_at_most = report.held_at_most.max(portion.held_at_most);
            self.users(&mut scan, portion, &mut keys, writes, &mut report).await?;
            if first {
                report.unreadable.join(&unreadable);
            }
        }
        report.keys_without_user = keys.len();
        report.owners += keys.len();
        Ok(report)
    }

    /// Whether an account is to be written: nothing was decided, a rebuild has guessed, or it is
    /// contradicted.
    fn writes(&self, account: &Account) -> bool {
        account.known() < Known::Decided || has_guesses(account) || self.stale.contains(&account.id)
    }

    fn is_on_more(&self, account: &Account) -> bool {
        let default = self.catalog.default_plan().map(|plan| &plan.id);
        account.access.plan.is_some() && account.access.plan.as_ref() != default
    }

    fn boundary(&self) -> Boundary<'_> {
        Boundary { catalog: self.catalog, marks: Marks::Proofs(self.deriver) }
    }

    /// Writes back every user of the part whom the ledger does not know.
    async fn users(
        &self,
        scan: &mut Scan<'_, P, Rebuilt>,
        mut portion: Portion,
        keys: &mut Keys,
        writes: bool,
        report: &mut RebuildReport,
    ) -> PortResult<()> {
        let mut at = Pages::start();
        while let Some(page) = scan.users(&mut at).await? {
            if report.parts == 1 {
                report.unreadable.add(&page.unreadable);
            }
            for user in &page.items {
                if !portion.lacks(&user.id) {
                    continue;
                }
                let keys = keys.remove(&user.id);
                report.owners += usize::from(keys.is_some());
                if portion.leaves(&user.id) {
                    report.left += 1;
                    continue;
                }
                let (account, subscriptions) = portion.take(&user.id);
                let told = user.attributes.plan.is_some();
                if keys.is_none() && subscriptions.is_empty() && !told {
                    // Nobody ever decided anything: their next sign-in begins.
                    continue;
                }
                let account = account.unwrap_or_else(|| Account::new(user.id.clone()));
                let left = Left { user, keys, subscriptions };
                if left.changes_nothing(&account, self) {
                    report.known += 1;
                    continue;
                }
                match Box::pin(self.write_back(left, account, writes, report)).await? {
                    Some(rebuilt) => scan.found(rebuilt),
                    None => report.busy += 1,
                }
            }
        }
        Ok(())
    }

    /// Writes one account; `None` when somebody else is at it.
    async fn write_back(
        &self,
        mut left: Left<'_>,
        read: Account,
        writes: bool,
        report: &mut RebuildReport,
    ) -> PortResult<Option<Rebuilt>> {
        let (before, mut claimed) = if writes {
            match self.claim(&left.user.id).await? {
                Some((account, claimed)) => (account, Some(claimed)),
                None => return Ok(None),
            }
        } else {
            (read, None)
        };
        let mut taken = Vec::new();
        loop {
            let now = self.ports.clock().now();
            let remains = left.remains(&before, self.stale.contains(&before.id));
            let restored = restore(&remains, self.catalog, self.policy, now);
            if let Some(claimed) = &mut claimed {
                match claimed.commit(self.change(&before, &restored, now)).await? {
                    CommitAnswer::Committed { .. } => {}
                    CommitAnswer::LinkTaken { customer, .. }
                    | CommitAnswer::LinkReleased { customer } => {
                        left.subscriptions.retain(|it| it.customer != customer);
                        taken.push(customer);
                        continue;
                    }
                    CommitAnswer::Lost(_) => return Ok(None),
                }
            }
            report.count(self, &before, &restored, left.keys.as_ref());
            report.taken += usize::from(!taken.is_empty());
            return Ok(Some(Rebuilt {
                account: restored.account.id,
                plan: restored.account.access.plan,
                status: restored.account.access.status,
                held: restored.held,
                granted: restored.granted,
                taken,
                disowned: restored.disowned.into_iter().collect(),
            }));
        }
    }

    /// Claims an account that is to be written; one that somebody has written since it was listed
    /// is given back as it was.
    async fn claim(
        &self,
        id: &AccountId,
    ) -> PortResult<Option<(Account, Claimed<'_, P::Ledger, P::Entropy>)>> {
        let now = self.ports.clock().now();
        let until = now.saturating_add(LEASE).expect("a duration has no calendar");
        let accounts = Accounts { ledger: self.ports.ledger(), entropy: self.ports.entropy() };
        let Ok((account, claimed)) = accounts.claim(id, now, until).await? else {
            return Ok(None);
        };
        if self.writes(&account) {
            return Ok(Some((account, claimed)));
        }
        claimed.give_back(account, now).await?;
        Ok(None)
    }

    /// State, history, links and the event's record.
    fn change(&self, before: &Account, restored: &Restored, at: Timestamp) -> Change {
        let account = restored.account.clone();
        let id = EventId::parse(format!("op_{}", self.ports.entropy().hex()));
        let event = Envelope {
            source: Source::Operator,
            id: id.expect("it is letters and digits"),
            via: Via::Operator,
            ..wake(REBUILD, account.id.clone(), None, at)
        };
        let step = "rebuild from API Gateway, Cognito and Stripe".to_owned();
        let record = EventRecord {
            detail: Some(self.detail(before, restored)),
            account: Some(account.id.clone()),
            ..EventRecord::of(event.clone(), Outcome::Applied, at)
        };
        Change {
            causes: vec![event.event_ref()],
            steps: vec![StepTaken { step, at }],
            link: account.access.customers.iter().cloned().collect(),
            unlink: restored.disowned.iter().cloned().collect(),
            records: vec![record],
            ..Change::to(account, at)
        }
    }

    /// Who and why, for the event's record.
    fn detail(&self, before: &Account, restored: &Restored) -> String {
        let why = match before.known() < Known::Decided {
            true => "the ledger did not have this account; rebuilt",
            false if self.stale.contains(&before.id) => {
                "the ledger was older than the other systems; rebuilt"
            }
            false => "what a rebuild had guessed, rebuilt again",
        };
        let mut why = said(self.by, why);
        if restored.held {
            why += "; held, because its key was disabled";
        }
        if let Some(plan) = &restored.granted {
            why += &format!("; granted {plan}, because nothing said why its key was on it");
        }
        for customer in &restored.disowned {
            why += &format!("; {customer} pays for more than it had, and was not linked");
        }
        why
    }
}

impl RebuildReport {
    /// How many accounts were written, or would be.
    pub fn written(&self) -> usize {
        self.rebuilt + self.again + self.stale
    }

    fn count<P: Ports>(
        &mut self,
        rebuild: &Rebuild<'_, P>,
        before: &Account,
        restored: &Restored,
        keys: Option<&FoundKeys>,
    ) {
        let access = &restored.account.access;
        let written = match before.known() < Known::Decided {
            true => &mut self.rebuilt,
            false if rebuild.stale.contains(&before.id) => &mut self.stale,
            false => &mut self.again,
        };
        *written += 1;
        self.paying += usize::from(access.reason.is_paid());
        self.held += usize::from(restored.held);
        self.granted += usize::from(restored.granted.is_some());
        self.on_more += usize::from(rebuild.is_on_more(&restored.account));
        self.customers += access.customers.len();
        self.disowned += restored.disowned.len();
        let older = keys.map_or(0, |keys| keys.older.len());
        self.retiring += access.retiring.len();
        self.other_keys += older.saturating_sub(access.retiring.len());
        let since = access.retiring.iter().filter_map(|key| key.minted_at);
        self.retiring_since = self.retiring_since.into_iter().chain(since).min();
    }
}

/// What is left of one account, outside the ledger.
struct Left<'a> {
    user: &'a UserRecord,
    keys: Option<FoundKeys>,
    subscriptions: Vec<Subscription>,
}

impl Left<'_> {
    fn remains<'b>(&'b self, before: &'b Account, stale: bool) -> Remains<'b> {
        let (keys, subscriptions) = (self.keys.as_ref(), &self.subscriptions);
        Remains { before, stale, user: self.user, keys, subscriptions }
    }

    /// Whether what a rebuild has guessed is guessed again.
    fn changes_nothing<P: Ports>(&self, account: &Account, rebuild: &Rebuild<'_, P>) -> bool {
        let now = rebuild.ports.clock().now();
        let stale = rebuild.stale.contains(&account.id);
        let remains = self.remains(account, stale);
        let restored = || restore(&remains, rebuild.catalog, rebuild.policy, now);
        account.known() == Known::Decided && restored().account.access == account.access
    }
}
