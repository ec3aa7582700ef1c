//! Accounts under a claim: who writes one claims it, changes it, and commits.
//!
//! # Expected flow
//! [`Accounts::claim`] gives a [`Claimed`] with the account as it was found. Its holder changes
//! a copy, and commits it as often as it takes ([`Claimed::commit`]), or gives the claim back
//! ([`Claimed::give_back`]).
//!
//! # Guarantees
//! - History has no gap and no fork: the version, an entry's `before` and a commit's id are
//!   given here and nowhere else. An entry is written when the access differs from what was
//!   committed last, or when steps were taken. Where a part of the table was lost, and entries are left
//!   of which the account's item does not know, the next one comes after the newest of them.
//! - A commit carries the epoch of its own claim, whatever its holder made of the copy.
//!
//! # Caveats
//! A lease that is over is not noticed here: the next claim raises the epoch, and then a commit
//! is [`Lost`].

use jiff::Timestamp;
use tollgate_events::{AccountId, CustomerId, EventRef};

use crate::account::{Access, Account};
use crate::ledger::{Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, StepTaken};
use crate::person::Memory;
use crate::ports::{Entropy, Ledger, PortResult};

/// The ledger's accounts, for whoever writes them.
#[derive(Debug)]
pub struct Accounts<'a, L, E> {
    /// Where they are.
    pub ledger: &'a L,
    /// For the ids of commits.
    pub entropy: &'a E,
}

impl<L, E> Clone for Accounts<'_, L, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L, E> Copy for Accounts<'_, L, E> {}

/// The right to write one account, until its lease ends or another claim is made.
#[derive(Debug)]
pub struct Claimed<'a, L, E> {
    accounts: Accounts<'a, L, E>,
    /// The claim's epoch; `None` when nothing was claimed, and so nothing is written.
    epoch: Option<u64>,
    /// The newest history entry's version.
    version: u64,
    /// The access as last committed: the next entry's `before`.
    committed: Access,
    found_open: bool,
}

/// What a commit writes.
#[derive(Debug, Clone)]
pub struct Change {
    /// The account as it is to be. Its epoch, version and commit id are given by the commit.
    pub account: Account,
    /// When.
    pub at: Timestamp,
    /// The events that are why, for the history entry.
    pub causes: Vec<EventRef>,
    /// What was done, for the history entry.
    pub steps: Vec<StepTaken>,
    /// Customers to link: see [`Commit::link`].
    pub link: Vec<CustomerId>,
    /// Customers to release: see [`Commit::unlink`].
    pub unlink: Vec<CustomerId>,
    /// An operator wants it: see [`Commit::by_operator`].
    pub by_operator: bool,
    /// What is remembered of persons from now on.
    pub memories: Vec<Memory>,
    /// Event records to upsert. Those of this account get its version.
    pub records: Vec<EventRecord>,
}

impl Change {
    /// The account as it is to be, and nothing else.
    pub fn to(account: Account, at: Timestamp) -> Self {
        Self {
            account,
            at,
            causes: Vec::new(),
            steps: Vec::new(),
            link: Vec::new(),
            unlink: Vec::new(),
            by_operator: false,
            memories: Vec::new(),
            records: Vec::new(),
        }
    }
}

/// What a commit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitAnswer {
    /// It stands.
    Committed {
        /// Whether there is a history entry of it.
        entry: bool,
    },
    /// A customer is linked to another account: nothing was written.
    LinkTaken {
        /// Which customer.
        customer: CustomerId,
        /// Whose it is.
        owner: AccountId,
    },
    /// An operator has released a customer: nothing was written.
    LinkReleased {
        /// Which customer.
        customer: CustomerId,
    },
    /// The account is not this claim's to write any more: nothing was written.
    Lost(Lost),
}

/// Why a claim does not hold any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Another claim has been made since.
    Fenced,
    /// A newer catalog has decided the account.
    CatalogOutdated,
}

impl<'a, L: Ledger, E: Entropy> Accounts<'a, L, E> {
    /// Claims an account, making it when there is none: the account as it was found, and the
    /// right to write it; `Err` with the time until which, at most, another has it.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn claim(
        self,
        id: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> PortResult<Result<(Account, Claimed<'a, L, E>), Timestamp>> {
        Ok(match self.ledger.claim(id, now, lease_until).await? {
            Claim::Leased { until } => Err(until),
            Claim::Taken { account } => {
                let epoch = Some(account.epoch);
                let claimed = Claimed { epoch, ..self.unclaimed(&account) };
                Ok((*account, claimed))
            }
        })
    }

    /// An account that was only read: a commit writes nothing, and answers as it would.
    pub fn unclaimed(self, account: &Account) -> Claimed<'a, L, E> {
        Claimed {
            accounts: self,
            epoch: None,
            version: account.version,
            committed: account.access.clone(),
            found_open: account.open,
        }
    }
}

impl<L: Ledger, E: Entropy> Claimed<'_, L, E> {
    /// Whether the account may be written.
    pub fn is_held(&self) -> bool {
        self.epoch.is_some()
    }

    /// The newest history entry's version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The access as last committed.
    pub fn committed(&self) -> &Access {
        &self.committed
    }

    /// Whether the claim found the account open: steps were begun, and nobody committed what came of
    /// them.
    pub fn found_open(&self) -> bool {
        self.found_open
    }

    /// Commits a change, all of it or nothing.
    ///
    /// # Errors
    /// The ledger failed; when only its answer was lost, the change may stand.
    pub async fn commit(&mut self, change: Change) -> PortResult<CommitAnswer> {
        let tells = change.account.access != self.committed || !change.steps.is_empty();
        let Some(epoch) = self.epoch else { return self.foretell(change, tells).await };
        let account = Account { epoch, ..change.account };
        let entry = tells.then(|| Entry {
            // Given when it is written.
            version: 0,
            at: change.at,
            before: self.committed.clone(),
            after: account.access.clone(),
            cause: change.causes,
            reason: account.access.reason.clone(),
            steps: change.steps,
        });
        let mut commit = Commit {
            records: change.records,
            entry,
            link: change.link,
            unlink: change.unlink,
            by_operator: change.by_operator,
            memories: change.memories,
            account,
        };
        let mut result = self.write(&mut commit).await?;
        if result == CommitResult::HistoryAhead {
            let newest = self.accounts.ledger.history(&commit.account.id, None, 1).await?;
            self.version = newest.first().map_or(self.version, |entry| entry.version);
            result = self.write(&mut commit).await?;
        }
        Ok(match result {
            CommitResult::Committed => {
                (self.version, self.committed) = (commit.account.version, commit.account.access);
                CommitAnswer::Committed { entry: tells }
            }
            CommitResult::LinkTaken { customer, account: owner } => {
                CommitAnswer::LinkTaken { customer, owner }
            }
            CommitResult::LinkReleased { customer } => CommitAnswer::LinkReleased { customer },
            CommitResult::Fenced | CommitResult::HistoryAhead => CommitAnswer::Lost(Lost::Fenced),
            CommitResult::CatalogOutdated => CommitAnswer::Lost(Lost::CatalogOutdated),
        })
    }

    /// Writes a commit as the next version.
    async fn write(&self, commit: &mut Commit) -> PortResult<CommitResult> {
        let version = self.version + u64::from(commit.entry.is_some());
        commit.account.version = version;
        commit.account.commit_id = Some(self.accounts.entropy.hex());
        if let Some(entry) = &mut commit.entry {
            entry.version = version;
        }
        let id = Some(&commit.account.id);
        for record in commit.records.iter_mut().filter(|it| it.account.as_ref() == id) {
            record.version = Some(version);
        }
        // Boxed: it stands at the end of chains of calls, and its type is deep.
        Box::pin(self.accounts.ledger.commit(commit)).await
    }

    /// What a commit would come to, as far as can be read; what follows goes by that.
    async fn foretell(&mut self, change: Change, entry: bool) -> PortResult<CommitAnswer> {
        for customer in change.link {
            match self.accounts.ledger.link_of(&customer).await? {
                CustomerLink::Account(owner) if owner != change.account.id => {
                    return Ok(CommitAnswer::LinkTaken { customer, owner });
                }
                CustomerLink::Released { .. } if !change.by_operator => {
                    return Ok(CommitAnswer::LinkReleased { customer });
                }
                _ => {}
            }
        }
        self.committed = change.account.access;
        Ok(CommitAnswer::Committed { entry })
    }

    /// Gives the claim back: the account is as it was `found`, and nobody's. Where that fails,
    /// the claim ends with its lease, and the sweep looks at the account some minutes later.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn give_back(mut self, found: Account, at: Timestamp) -> PortResult<()> {
        self.commit(Change::to(Account { lease_until: None, ..found }, at)).await.map(drop)
    }
}
