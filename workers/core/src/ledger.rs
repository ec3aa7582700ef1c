//! What the ledger keeps besides the account: history, event records, commits.
//!
//! The ledger is one DynamoDB table; these types say what goes in and out of it,
//! the port [`Ledger`](crate::ports::Ledger) says how.

mod stack;

use crate::timing::IGNORED_KEPT_FOR;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tollgate_events::{AccountId, CustomerId, Envelope, EventRef, MAX_ENVELOPE_BYTES, Source, Via};

pub use stack::{Blast, KeyCount, StackRecord, blast_limit};

use crate::account::{Access, Account, Reason};
use crate::person::Memory;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The account changed.
    Applied,
    /// The account was looked at and is as it should be.
    Unchanged,
    /// Its customer is not linked yet.
    Waiting,
    /// It cannot be acted on and would not heal by retrying: alarmed on, replayable.
    Parked,
    /// It is not this deployment's business: another livemode, a connected account, another
    /// stack's, or about something that this one does not sell.
    Ignored,
    /// Its account waits (for the control plane, a credential, a quota) and will be looked at
    /// again at its `review_at`; the event stands in the account until then.
    Deferred,
}

impl Outcome {
    /// The name used in the ledger and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Ignored => "ignored",
            Self::Deferred => "deferred",
        }
    }

    /// Whether it is waiting or parked, for a link or a person: such records are indexed.
    pub fn is_unsettled(self) -> bool {
        matches!(self, Self::Waiting | Self::Parked)
    }
}

/// What came from the queue, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// An envelope, replayable as it is.
    Envelope(Box<Envelope>),
    /// Something that is not an envelope of a version that this build reads. It takes nothing from
    /// an envelope that is on record, and stands beside it.
    Unreadable(String),
}

impl RecordBody {
    /// A text that was kept, as this build reads it: another one may not have been able to.
    pub fn kept(text: String) -> Self {
        match Envelope::decode(&text) {
            Ok(envelope) => Self::Envelope(Box::new(envelope)),
            Err(_) => Self::Unreadable(text),
        }
    }
}

/// What is written about an event each time it was handled: an upsert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Which event.
    pub event: EventRef,
    /// What it said.
    pub body: RecordBody,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, for a person: the error of a parked event, a warning. The first line of an operator's
    /// act says who did it and why, and stays when it is handled again.
    pub detail: Option<String>,
    /// The account it was about, once known.
    pub account: Option<AccountId>,
    /// The account's version after it.
    pub version: Option<u64>,
    /// When it was handled.
    pub at: Timestamp,
}

impl EventRecord {
    /// The record of an envelope.
    pub fn of(envelope: Envelope, outcome: Outcome, at: Timestamp) -> Self {
        Self {
            event: envelope.event_ref(),
            body: RecordBody::Envelope(Box::new(envelope)),
            outcome,
            detail: None,
            account: None,
            version: None,
            at,
        }
    }

    /// The record of a message that is not an envelope: parked, its text kept, or as much
    /// of it as an envelope may have. A message (1 MiB) has no room in an item (400 KB),
    /// and what is longer than an envelope is not to be replayed.
    pub fn unreadable(event: EventRef, mut text: String, detail: String, at: Timestamp) -> Self {
        text.truncate(text.floor_char_boundary(MAX_ENVELOPE_BYTES));
        Self {
            event,
            body: RecordBody::Unreadable(text),
            outcome: Outcome::Parked,
            detail: Some(detail),
            account: None,
            version: None,
            at,
        }
    }

    /// Whether it tells of an operator's act: then who did it and why is on record already.
    pub(crate) fn is_of_an_act(&self) -> bool {
        self.event.source == Source::Operator
    }

    /// The same, with the first line of what is on record of an operator's act: who, and why.
    pub(crate) fn with_who(mut self, stored: Option<&StoredEvent>) -> Self {
        let stored = stored.and_then(|it| it.record.detail.as_deref());
        let who = stored.and_then(|detail| detail.lines().next()).map(str::to_owned);
        let lines: Vec<_> = who.into_iter().chain(self.detail).collect();
        self.detail = (!lines.is_empty()).then(|| lines.join("\n"));
        self
    }

    /// The envelope, if it could be read.
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.body {
            RecordBody::Envelope(envelope) => Some(envelope),
            RecordBody::Unreadable(_) => None,
        }
    }

    /// When the record may be forgotten, where settled events are kept for so long; `None` for
    /// never. What is not this deployment's business is not kept for ever, and what waits for
    /// somebody is.
    pub fn expires_at(&self, retention: Option<SignedDuration>) -> Option<Timestamp> {
        let kept = match self.outcome {
            Outcome::Waiting | Outcome::Parked => return None,
            Outcome::Ignored => retention.map_or(IGNORED_KEPT_FOR, |it| it.min(IGNORED_KEPT_FOR)),
            Outcome::Applied | Outcome::Unchanged | Outcome::Deferred => retention?,
        };
        self.at.checked_add(kept).ok()
    }

    /// What an unsettled event is indexed by: the customer it waits for,
    /// else whatever its queue group was.
    pub fn unsettled_on(&self) -> Option<String> {
        if !self.outcome.is_unsettled() {
            return None;
        }
        Some(match self.envelope() {
            Some(envelope) => envelope
                .subject
                .customer
                .as_ref()
                .map_or_else(|| envelope.group().into_owned(), ToString::to_string),
            None => self.event.id.to_string(),
        })
    }
}

/// How the run begins of an event that comes once more because it has waited.
pub(crate) const WAITED: &str = "waited-";

/// Whether an event has a record already that has to be settled, whatever it is: it has waited,
/// or an operator replays it.
pub(crate) fn comes_again(envelope: &Envelope) -> bool {
    let waited = envelope.run.as_ref().is_some_and(|run| run.starts_with(WAITED));
    waited || envelope.via == Via::Replay
}

/// A wake has no id from outside: a due account, drift, a catch-up from a trigger.
pub fn is_wake(envelope: &Envelope) -> bool {
    envelope.source == Source::Sweep || envelope.kind == tollgate_events::cognito::CATCH_UP
}

/// An event record as the ledger returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// What was last written.
    pub record: EventRecord,
    /// The first outcome it ever had.
    pub first_outcome: Outcome,
    /// When it was first recorded.
    pub first_at: Timestamp,
    /// How often it was handled; a count for people, not exact under retries.
    pub attempts: u64,
}

/// One step that was taken, for history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTaken {
    /// The step, as [`Step`](crate::plan::Step) displays it.
    pub step: String,
    /// When it was done.
    pub at: Timestamp,
}

/// One line of an account's append-only history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 without a gap.
    pub version: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The access before: exactly the previous entry's `after`.
    pub before: Access,
    /// The access after.
    pub after: Access,
    /// The events that woke the account.
    pub cause: Vec<EventRef>,
    /// Why.
    pub reason: Reason,
    /// What was done.
    pub steps: Vec<StepTaken>,
}

/// One transaction on an account: the state, perhaps a history entry, links, event records.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The state to write. Its `epoch` is the claim's, and the condition.
    pub account: Account,
    /// The history entry, when the access changed; its version is `account.version`.
    pub entry: Option<Entry>,
    /// Customers to link to the account: each fails the commit when linked elsewhere, or when
    /// an operator has released it.
    pub link: Vec<CustomerId>,
    /// Customers of the account to release: no event links them again.
    pub unlink: Vec<CustomerId>,
    /// An operator wants it: released customers may be linked too.
    pub by_operator: bool,
    /// What is remembered of persons from now on.
    pub memories: Vec<Memory>,
    /// Event records to upsert along with it.
    pub records: Vec<EventRecord>,
}

impl Commit {
    /// Writes the state and nothing else.
    pub fn of(account: Account) -> Self {
        let (link, unlink, memories, records) = Default::default();
        Self { account, entry: None, link, unlink, by_operator: false, memories, records }
    }
}

/// Whose a Stripe customer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerLink {
    /// Nobody's yet.
    Unlinked,
    /// An account's.
    Account(AccountId),
    /// Nobody's any more: an operator has released it, and only an operator links it again.
    Released {
        /// The account that it was linked to last.
        from: AccountId,
    },
}

impl CustomerLink {
    /// The account, if there is one.
    pub fn account(self) -> Option<AccountId> {
        match self {
            Self::Account(account) => Some(account),
            Self::Unlinked | Self::Released { .. } => None,
        }
    }
}

/// What a commit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitResult {
    /// It stands (now, or already: the same commit id was found).
    Committed,
    /// Another claim has been made since: nothing was written, start over.
    Fenced,
    /// A history entry of that version stands already, of a time that the account's own item does
    /// not know: a part of the table was lost. Nothing was written.
    HistoryAhead,
    /// A customer is linked to another account: nothing was written.
    LinkTaken {
        /// Which customer.
        customer: CustomerId,
        /// Whose it is.
        account: AccountId,
    },
    /// An operator has released a customer, and it is no operator who links it: nothing was
    /// written.
    LinkReleased {
        /// Which customer.
        customer: CustomerId,
    },
    /// A newer catalog has decided this account: nothing was written.
    CatalogOutdated,
}

/// What a claim came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The account is ours until the lease ends.
    Taken {
        /// The account as it was, already with our epoch and lease.
        account: Box<Account>,
    },
    /// Another invocation holds it.
    Leased {
        /// Until when, at most.
        until: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use tollgate_events::EventId;

    use super::*;

    #[test]
    fn a_message_of_any_length_has_room_on_record() {
        let event = EventRef { source: Source::Queue, id: EventId::parse("message-1").unwrap() };
        let kept = |text: String| {
            let at = Timestamp::UNIX_EPOCH;
            match EventRecord::unreadable(event.clone(), text, "why".into(), at).body {
                RecordBody::Unreadable(text) => text,
                RecordBody::Envelope(envelope) => panic!("{envelope:?}"),
            }
        };
        let whole = "x".repeat(MAX_ENVELOPE_BYTES);
        assert_eq!(kept(whole.clone()), whole);
        let long = format!("x{}", "ä".repeat(512 * 1024));
        assert_eq!(kept(long.clone()), long[..MAX_ENVELOPE_BYTES - 1]);
    }
}
