//! An account as the ledger keeps it: one Cognito user and their access.

mod access;
mod ids;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_events::{AccountId, Envelope, SubscriptionId};

pub use access::{
    Access, Attributes, DisputeMark, Given, Grant, KeyRecord, ManagedBy, MintIntent, NextOffer,
    Reason, RetiringKey, Slot, Status, SubscriptionSeen, User,
};
pub use ids::{KeyId, OfferId, PlanId, UsagePlanId};

use crate::person::PersonId;

/// Whether a name looks like a sub of Cognito's: a UUID.
pub fn is_like_a_sub(name: &str) -> bool {
    let is_hex = |it: &str| it.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    is_hex(name) && name.split('-').map(str::len).eq([8_usize, 4, 4, 4, 12])
}

/// The ledger's `STATE` item of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The Cognito user's `sub`.
    pub id: AccountId,
    /// Raised by every claim; a commit needs the epoch of its own claim.
    pub epoch: u64,
    /// Steps were begun, and what came of them was not committed: observe before acting.
    pub open: bool,
    /// While it is open: the words for its user's attributes towards which steps were begun. Whatever
    /// else is found there, no worker was about to write. Empty in an account that was opened before
    /// this was noted: then it may be any.
    #[serde(default)]
    pub begun: BTreeSet<String>,
    /// Until when the claim excludes others.
    #[serde(default)]
    pub lease_until: Option<Timestamp>,
    /// The newest history entry's version; 0 before the first.
    pub version: u64,
    /// The revision of the catalog that decided last.
    pub catalog_revision: u64,
    /// The commit that wrote this item; recognises our own success after a lost response.
    #[serde(default)]
    pub commit_id: Option<String>,
    /// A key about to be made.
    #[serde(default)]
    pub intent: Option<MintIntent>,
    /// The newest generation of a key that the account is known to have had or begun, where
    /// that key may be named nowhere else any more.
    #[serde(default)]
    pub generations: u32,
    /// When the account got its first key, where that key was replaced since.
    #[serde(default)]
    pub first_key_at: Option<Timestamp>,
    /// When to look again, if a time is known.
    #[serde(default)]
    pub review_at: Option<Timestamp>,
    /// Events whose convergence was put off until `review_at`: they join it.
    #[serde(default)]
    pub deferred: Vec<Envelope>,
    /// The revision of the catalog under which the blast limit has let this account lose its
    /// plan; until that is done, it is counted once.
    #[serde(default)]
    pub let_through: Option<u64>,
    /// Subscriptions that the cancellation limit has let through; each is counted once.
    #[serde(default)]
    pub may_cancel: BTreeSet<SubscriptionId>,
    /// The live subscriptions of ours, where there are several: somebody pays for all of them.
    #[serde(default)]
    pub several: BTreeSet<SubscriptionId>,
    /// The subscription that gives the plan, as last read.
    #[serde(default)]
    pub subscription: Option<SubscriptionSeen>,
    /// What was bought and is not paid yet, as last read: a bank debit takes days.
    #[serde(default)]
    pub processing: Option<OfferId>,
    /// How many second looks are still to come after a read that seemed to lag, the one at
    /// `review_at` among them.
    #[serde(default)]
    pub second_looks: u8,
    /// An event has told that the user was deleted. A sub is never given again: what is told once
    /// stays so, whatever a lagging read shows.
    #[serde(default)]
    pub deletion_told: bool,
    /// A refund may have been told of that was not seen yet: an event has, and a lagging read may
    /// not show it; or a customer was linked, and nobody knows what was refunded before.
    #[serde(default)]
    pub refund_told: bool,
    /// An operator has given access back, and no convergence has come to its end since.
    #[serde(default)]
    pub released: bool,
    /// The Cognito user as last seen. Not part of the access: a user name may be an
    /// e-mail address, and history is kept for ever.
    #[serde(default)]
    pub user: User,
    /// Under what is remembered that the account is held, or was when it was closed.
    #[serde(default)]
    pub person: Option<PersonId>,
    /// What history tells.
    #[serde(default)]
    pub access: Access,
}

/// How much is known of an account, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Nothing was ever decided or begun: an event named it that was another account's.
    Nothing,
    /// Nobody has decided it. A customer was linked to it, an operator has acted on it, or events
    /// wait in it.
    Noted,
    /// A worker or a rebuild has decided it: a catalog has, it has a plan or a key, or one is being
    /// made. Whoever was closed and is opened again was decided before.
    Decided,
}

impl Account {
    /// An account of which nothing is known yet.
    pub fn new(id: AccountId) -> Self {
        Self {
            id,
            epoch: 0,
            open: false,
            begun: BTreeSet::new(),
            lease_until: None,
            version: 0,
            catalog_revision: 0,
            commit_id: None,
            intent: None,
            generations: 0,
            first_key_at: None,
            review_at: None,
            deferred: Vec::new(),
            let_through: None,
            may_cancel: BTreeSet::new(),
            several: BTreeSet::new(),
            subscription: None,
            processing: None,
            deletion_told: false,
            refund_told: false,
            released: false,
            second_looks: 0,
            user: User::Unseen,
            person: None,
            access: Access::default(),
        }
    }

    /// How much is known of it.
    pub fn known(&self) -> Known {
        let is_decided =
            self.catalog_revision > 0 || !self.is_unserved() || self.access.plan.is_some();
        let is_untouched = self.version == 0 && !self.open && self.access == Access::default();
        match is_decided {
            true => Known::Decided,
            false if is_untouched => Known::Nothing,
            false => Known::Noted,
        }
    }

    /// Whether somebody who did not come to an end may have told the user this.
    pub fn may_have_told(&self, word: &str) -> bool {
        self.open && (self.begun.is_empty() || self.begun.contains(word))
    }

    /// What was begun is committed, or came to nothing.
    pub fn end(&mut self) {
        self.open = false;
        self.begun.clear();
    }

    /// Steps towards this word are about to be taken; whether that is news.
    pub fn begin(&mut self, word: &str) -> bool {
        // Of one that was opened before words were noted, any may have been told.
        let is_known = self.may_have_told(word);
        if !is_known {
            self.open = true;
            self.begun.insert(word.to_owned());
        }
        !is_known
    }

    /// Whether nothing is known of it, and whoever claimed it last has given it back: nobody is about
    /// to decide.
    pub fn is_left_blank(&self) -> bool {
        self.known() == Known::Nothing && self.lease_until.is_none()
    }

    /// Whether nobody was ever served by it: as before it was decided, or as long as its user was
    /// not found.
    pub fn is_unserved(&self) -> bool {
        let access = &self.access;
        access.status == Status::New
            && access.keys.is_empty()
            && access.retiring.is_empty()
            && self.intent.is_none()
    }

    /// Whether an operator closed it, or its user is gone.
    pub fn is_closed(&self) -> bool {
        self.access.closed.is_some() || self.user == User::Deleted
    }

    /// Whether an operator has opened it again, and no worker has looked at it since.
    pub fn is_just_opened(&self) -> bool {
        let access = &self.access;
        self.catalog_revision > 0 && (access.status, &access.reason) == (Status::New, &Reason::New)
    }

    /// Remembers the generations of all keys that are named, before one is forgotten.
    pub fn count_generations(&mut self) {
        self.generations = self.newest_generation();
    }

    /// The newest generation of a key that is known: named, replaced, begun, or remembered.
    pub fn newest_generation(&self) -> u32 {
        let keys = self.access.keys.values().map(|key| key.generation);
        let retiring = self.access.retiring.iter().map(|key| key.generation);
        let intent = self.intent.iter().map(|intent| intent.generation);
        keys.chain(retiring).chain(intent).chain([self.generations]).max().unwrap_or(0)
    }

    /// The account's long-lived key, if it has one.
    pub fn key(&self) -> Option<&KeyRecord> {
        self.access.keys.get(&Slot::Primary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(change: impl FnOnce(&mut Account)) -> Account {
        let mut account = Account::new(AccountId::parse("ann").unwrap());
        change(&mut account);
        account
    }

    /// Whoever was begun, committed or noted is somebody, and whoever was decided stays so.
    #[test]
    fn an_account_is_known_by_what_was_ever_done_to_it() {
        let known = |change: fn(&mut Account)| account(change).known();
        assert_eq!(known(|_| {}), Known::Nothing);
        assert_eq!(known(|it| it.open = true), Known::Noted, "somebody has begun");
        assert_eq!(known(|it| it.version = 1), Known::Noted, "something was committed");
        let customers = |it: &mut Account| {
            it.access.customers.extend(tollgate_events::CustomerId::parse("cus_1"));
        };
        assert_eq!(known(customers), Known::Noted);
        assert_eq!(known(|it| it.catalog_revision = 1), Known::Decided);
        assert_eq!(known(|it| it.access.status = Status::Closed), Known::Decided);
        assert_eq!(known(|it| it.access.plan = PlanId::parse("pro").ok()), Known::Decided);
        let blank = |change: fn(&mut Account)| account(change).is_left_blank();
        assert!(blank(|_| {}));
        assert!(!blank(|it| it.lease_until = Some(Timestamp::UNIX_EPOCH)), "somebody is at it");
        assert!(!blank(customers));
    }

    #[test]
    fn what_was_begun_may_have_been_told_until_it_has_ended() {
        let mut account = account(|_| {});
        assert!(!account.may_have_told("pro"));
        assert!(account.begin("pro") && !account.begin("pro"), "it is news once");
        assert!(account.may_have_told("pro") && !account.may_have_told("free"));
        account.end();
        assert!(!account.may_have_told("pro") && account.begun.is_empty());
        // Opened before words were noted: it may be any.
        account.open = true;
        assert!(account.may_have_told("free") && !account.begin("free"));
    }
}
