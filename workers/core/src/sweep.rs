//! The sweep: finds accounts that need a look, and wakes them. It changes nothing itself.
//!
//! [`sweep()`] wakes what is known to be due; [`DriftSweep`] compares all four systems, in
//! bulk pages, and wakes every account that is not as it should be.
//! A sweep may stop at any call: the next one begins anew, and a wake too many is harmless.
//!
//! **Architecture invariant:** no sweep writes to Stripe, API Gateway or Cognito, nor about
//! any account to the ledger, where it only notes how many keys and payers it counted, and what
//! the stack belongs to where nobody has yet. What it finds is a suspicion: the worker claims, reads again, and decides.

mod compare;
mod disputes;
mod drift;
mod due;
mod keys;
mod part;
mod stages;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tollgate_events::{
    AccountId, CustomerId, Envelope, EventId, Source, Subject, SubscriptionId, Via,
};

use crate::account::KeyId;
use crate::ports::LeftOut;

pub use drift::{ACCOUNTS_AT_ONCE, DriftSweep};
pub use due::{SweepReport, sweep};
pub use keys::{ORPHANS_LISTED, names};
pub use part::Part;
pub use stages::{StageLost, plans_of_keys};

/// In what an account, a user or a customer was seen to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drift {
    /// API Gateway or the user's word contradict the ledger, and nothing says why: it may be older
    /// than they are.
    StaleLedger,
    /// The account is open and nobody holds it: a convergence was interrupted or parked.
    Interrupted,
    /// An older revision of the catalog decided the account.
    OldCatalog,
    /// The user is not in the pool any more.
    UserGone,
    /// The account was closed because its user was gone, and the pool has that user: another
    /// pool was asked, or it is about to forget them. Only an operator opens such an account.
    UserIsBack,
    /// What Stripe and Cognito say now decides otherwise.
    Decision,
    /// The key was deleted by hand.
    KeyGone,
    /// The key is on no usage plan, on two, or on the wrong one.
    UsagePlan,
    /// The key was enabled or disabled by hand.
    KeyState,
    /// The user's attributes were edited.
    Attributes,
    /// Access is right, but the ledger tells otherwise, or has forgotten when to look again.
    Ledger,
    /// A closed account has a live subscription.
    PaidForNothing,
    /// A confirmed user has no account.
    NoAccount,
    /// A live subscription to a plan of the catalog, whose customer is linked to nobody.
    Unlinked,
    /// A key of ours that no account names, and that is older than the one that its account names.
    Replaced,
    /// A key of ours that no account names: it may be the newest of its owner.
    Orphan,
    /// A key of ours whose owner the pool has, and the ledger knows nothing of: was the table
    /// lost?
    UnknownOwner,
}

impl Drift {
    /// The word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleLedger => "stale_ledger",
            Self::Interrupted => "interrupted",
            Self::OldCatalog => "old_catalog",
            Self::UserGone => "user_gone",
            Self::UserIsBack => "user_is_back",
            Self::Decision => "decision",
            Self::KeyGone => "key_gone",
            Self::UsagePlan => "usage_plan",
            Self::KeyState => "key_state",
            Self::Attributes => "attributes",
            Self::Ledger => "ledger",
            Self::PaidForNothing => "paid_for_nothing",
            Self::NoAccount => "no_account",
            Self::Unlinked => "unlinked",
            Self::Replaced => "replaced",
            Self::Orphan => "orphan",
            Self::UnknownOwner => "unknown_owner",
        }
    }
}

/// A key of ours that no account names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// When it was made, as far as that is told.
    pub created_at: Option<Timestamp>,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingAbout {
    /// An account, or a user who should have one.
    Account(AccountId),
    /// A Stripe customer.
    Customer(CustomerId),
    /// A key of ours.
    Key(Orphan),
}

/// One thing that was seen to differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In what.
    pub drift: Drift,
    /// What it is about.
    pub about: FindingAbout,
}

/// What a comparison of all four systems found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftReport {
    /// Accounts in the ledger, closed ones too.
    pub accounts: usize,
    /// Accounts that pay, or have a grant, as the ledger has it.
    pub paying: usize,
    /// Those of them that the facts as read would take to a lower plan or to none, or close, and
    /// nothing that was read explains it: what the blast limit counts.
    pub would_lose: usize,
    /// Those of whose loss it is known why: by the subscription itself, or a time that was known.
    pub would_end: usize,
    /// Accounts left alone, because a worker holds them, a newer catalog decided them, or a row
    /// of theirs cannot be read.
    pub left_alone: usize,
    /// Users in the pool.
    pub users: usize,
    /// Subscriptions in Stripe that are not canceled.
    pub subscriptions: usize,
    /// Disputes that were listed: those of [`crate::timing::DISPUTES_OF`].
    pub disputes: usize,
    /// Disputes on record that were read one by one, because they are older.
    pub disputes_read: usize,
    /// The Stripe key may not read disputes: none was compared.
    pub disputes_denied: bool,
    /// All API keys in the account and Region, whoever made them: AWS allows 10,000.
    pub keys: usize,
    /// Those of them that are ours.
    pub keys_of_ours: usize,
    /// What was found, by kind; each account is counted under the first that applies.
    pub found: BTreeMap<Drift, usize>,
    /// Wakes sent, by their reason.
    pub woken: BTreeMap<Drift, usize>,
    /// Keys of ours that no account names. The sweep does not touch them: they are for a person.
    pub orphans: usize,
    /// Those of them that are older than the one that their account names.
    pub replaced: usize,
    /// Owners of keys of ours whom the ledger or the pool knows.
    pub known_owners: usize,
    /// Keys of ours whose owner the pool has, and the ledger knows nothing of.
    pub unknown_owners: usize,
    /// Accounts of which the ledger seems to be older than the world, all of them: they are for a
    /// rebuild.
    pub stale: BTreeSet<AccountId>,
    /// The first [`ORPHANS_LISTED`] orphans.
    pub orphans_listed: Vec<Orphan>,
    /// Usage plans of the catalog that do not cover one of its stages: to their keys it is shut.
    pub stages_lost: Vec<StageLost>,
    /// Accounts that pay for several subscriptions of ours at once: best plan wins, and nothing is
    /// cancelled by itself.
    pub several: usize,
    /// The first [`SEVERAL_LISTED`] of them, with their subscriptions.
    pub several_listed: Vec<(AccountId, BTreeSet<SubscriptionId>)>,
    /// Rows of any of the four systems that cannot be read. Nothing is concluded from their not
    /// being among the others.
    pub unreadable: LeftOut,
    /// The parts in which the accounts were looked at.
    pub parts: usize,
    /// The most accounts held in memory at once.
    pub held_at_most: usize,
}

/// How many accounts a report names that pay for several subscriptions.
pub const SEVERAL_LISTED: usize = 20;

impl DriftReport {
    /// All wakes sent.
    pub fn wakes(&self) -> usize {
        self.woken.values().sum()
    }
}

/// A wake of Tollgate's own: it has no id from outside. `run` sets it apart from the last
/// wake of the same account and kind, which SQS would take for the same message.
pub fn wake(kind: &str, account: AccountId, run: Option<String>, now: Timestamp) -> Envelope {
    let name = account.to_string();
    envelope(kind, &name, Subject::account(account), run, now)
}

/// A wake about a customer who is linked to nobody: the worker asks Stripe whose it is.
pub fn wake_customer(kind: &str, customer: CustomerId, run: String, now: Timestamp) -> Envelope {
    let name = customer.to_string();
    envelope(kind, &name, Subject::customer(customer), Some(run), now)
}

fn envelope(
    kind: &str,
    name: &str,
    subject: Subject,
    run: Option<String>,
    now: Timestamp,
) -> Envelope {
    let id = EventId::of_wake(kind, name);
    let wake = Envelope::received(Source::Sweep, Via::Schedule, id, kind, subject, now);
    Envelope { occurred_at: now, received_at: now, run, ..wake }
}
