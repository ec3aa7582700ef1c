//! Planted bugs: what an implementer of Tollgate could get wrong, to show that the simulation
//! catches each of them.
//!
//! None is in a world unless [`World::plant`](crate::world::World::plant) puts it there. A bug of
//! an adapter acts in the [ports](crate::ports), one of the ledger in the [ledger](crate::ledger),
//! and one of what receives, acknowledges and configures in the transport. Nothing of this is in
//! Tollgate's own code.

pub(crate) mod transport;

use std::fmt;

/// A planted bug; what each breaks is told by [`Bug::invariant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// `CreateUsagePlanKey` answers 409, and the adapter says "it is there already".
    TrustedConflict,
    /// A claim does not tell that the account was found open: the ledger is trusted.
    OpenForgotten,
    /// An event older than the newest seen of its account is dropped, on record.
    TimestampOrdering,
    /// An event is recorded first, and one that has a record is dropped as a duplicate.
    RecordAsCondition,
    /// A user found by name is taken for ours without comparing the `sub`.
    NamesakeTaken,
    /// The index of due accounts is never read.
    DueNeverRead,
    /// Of the waiting and parked events only the first page is read.
    SecondPageLost,
    /// Of a customer's subscriptions only the newest is read.
    NewestSubscriptionOnly,
    /// Envelopes carry no hint, so that a lagging read is never looked at again.
    NoHint,
    /// A customer's link is not kept.
    LinkNotKept,
    /// A customer is linked by the commit that ends the work, not by one that begins it.
    LinkNotFirst,
    /// A grace period begins anew with every look.
    GraceMoved,
    /// A deleted user's subscription is cancelled with its period, not at once.
    CancelledWithPeriod,
    /// The commit before a mint does not write the intent.
    IntentNotStored,
    /// The derived value is not sent with `CreateApiKey`, which makes one of its own.
    ValueNotSent,
    /// `CreateApiKey` answers 409, and another key is made with a value of its own.
    ConflictMintsAnother,
    /// The queue's refusal is logged, and 2xx answered all the same.
    RefusalSwallowed,
    /// The failures that a batch reports are not read: all its messages are deleted.
    BatchDeleted,
    /// The dead-letter queue is emptied, and nothing recorded.
    DeadLettersDropped,
    /// Only what was acted on gets a record.
    ParkedNotRecorded,
    /// The queue's deduplication id is the account, not the event.
    DeduplicatedByGroup,
    /// State and history entry are two writes, one after the other.
    EntryAfterState,
    /// A link raises the version and writes no history entry.
    LinkWithoutEntry,
    /// A closed account is deleted from the ledger, history and all.
    TombstoneDeleted,
    /// A convergence that changes nothing writes a history entry too.
    EntryForNothing,
    /// The user's attributes are not read, and so are written every time.
    AttributesNotRead,
    /// A commit has no condition on the epoch.
    NoFence,
    /// A claim is taken while another's lease actors.
    NoLease,
    /// A lease is shorter than what its holder may take.
    ShortLease,
    /// A call is logged with the value of the key that it makes.
    ValueLogged,
    /// Of the new key's fields the value is kept as its id.
    ValueTakenForId,
    /// A link is an upsert: whoever names a customer last has it.
    LinkOverwritten,
    /// A payment link's visitor is believed whom they pay for.
    StrangerTrusted,
    /// What Stripe does not know is read as if it had ended, and its customers as if they had
    /// nothing.
    MissingIsNone,
    /// What the blast limit counts is not kept.
    BlastNotKept,
    /// A subscription that has ended is read as if there were none.
    EndedIsMissing,
    /// Envelopes do not say which stack has made what they are about.
    StackNotTold,
    /// A subscription without metadata is read with its customer's.
    MetadataOfCustomer,
    /// A page of which one row cannot be read is not read at all.
    OddRowStopsPage,
    /// What is remembered of persons is never read.
    PersonForgotten,
    /// An invoice of nothing counts as a payment: a trial does.
    NothingIsPaid,
    /// Of a subscription's invoices all are read, paid or not.
    OpenIsPaid,
    /// A checkout does not look at what the customer's sessions led to.
    PendingNotAsked,
    /// What is being bought is written over what another window has written.
    PurchaseOverwritten,
    /// What an owner asks for is counted, and the count is not kept.
    RateNotKept,
    /// Whoever is left between two plans is not woken, and nobody is told.
    BetweenNotWoken,
    /// API Gateway answers 429, and the adapter says that it is not allowed.
    ThrottledIsDenied,
    /// Of an owner's keys none is found, when they are asked for by their owner.
    KeysNotAsked,
    /// What users are told is not read: no word of theirs says that they are held or closed.
    WordNotRead,
    /// The command compares, and does not look at what holds losses back.
    HaltsNotTold,
}

impl Bug {
    /// Every bug, by the invariant that it breaks.
    pub const ALL: [Self; 50] = [
        Self::TrustedConflict,
        Self::OpenForgotten,
        Self::TimestampOrdering,
        Self::RecordAsCondition,
        Self::NamesakeTaken,
        Self::DueNeverRead,
        Self::SecondPageLost,
        Self::NewestSubscriptionOnly,
        Self::NoHint,
        Self::LinkNotKept,
        Self::LinkNotFirst,
        Self::GraceMoved,
        Self::CancelledWithPeriod,
        Self::IntentNotStored,
        Self::ValueNotSent,
        Self::ConflictMintsAnother,
        Self::RefusalSwallowed,
        Self::BatchDeleted,
        Self::DeadLettersDropped,
        Self::ParkedNotRecorded,
        Self::DeduplicatedByGroup,
        Self::EntryAfterState,
        Self::LinkWithoutEntry,
        Self::TombstoneDeleted,
        Self::EntryForNothing,
        Self::AttributesNotRead,
        Self::NoFence,
        Self::NoLease,
        Self::ShortLease,
        Self::ValueLogged,
        Self::ValueTakenForId,
        Self::LinkOverwritten,
        Self::StrangerTrusted,
        Self::MissingIsNone,
        Self::BlastNotKept,
        Self::EndedIsMissing,
        Self::StackNotTold,
        Self::MetadataOfCustomer,
        Self::OddRowStopsPage,
        Self::PersonForgotten,
        Self::NothingIsPaid,
        Self::OpenIsPaid,
        Self::PendingNotAsked,
        Self::PurchaseOverwritten,
        Self::RateNotKept,
        Self::BetweenNotWoken,
        Self::ThrottledIsDenied,
        Self::KeysNotAsked,
        Self::WordNotRead,
        Self::HaltsNotTold,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrustedConflict => "trusted-conflict",
            Self::OpenForgotten => "open-forgotten",
            Self::TimestampOrdering => "timestamp-ordering",
            Self::RecordAsCondition => "record-as-condition",
            Self::NamesakeTaken => "namesake-taken",
            Self::DueNeverRead => "due-never-read",
            Self::SecondPageLost => "second-page-lost",
            Self::NewestSubscriptionOnly => "newest-subscription-only",
            Self::NoHint => "no-hint",
            Self::LinkNotKept => "link-not-kept",
            Self::LinkNotFirst => "link-not-first",
            Self::GraceMoved => "grace-moved",
            Self::CancelledWithPeriod => "cancelled-with-period",
            Self::IntentNotStored => "intent-not-stored",
            Self::ValueNotSent => "value-not-sent",
            Self::ConflictMintsAnother => "conflict-mints-another",
            Self::RefusalSwallowed => "refusal-swallowed",
            Self::BatchDeleted => "batch-deleted",
            Self::DeadLettersDropped => "dead-letters-dropped",
            Self::ParkedNotRecorded => "parked-not-recorded",
            Self::DeduplicatedByGroup => "deduplicated-by-group",
            Self::EntryAfterState => "entry-after-state",
            Self::LinkWithoutEntry => "link-without-entry",
            Self::TombstoneDeleted => "tombstone-deleted",
            Self::EntryForNothing => "entry-for-nothing",
            Self::AttributesNotRead => "attributes-not-read",
            Self::NoFence => "no-fence",
            Self::NoLease => "no-lease",
            Self::ShortLease => "short-lease",
            Self::ValueLogged => "value-logged",
            Self::ValueTakenForId => "value-taken-for-id",
            Self::LinkOverwritten => "link-overwritten",
            Self::StrangerTrusted => "stranger-trusted",
            Self::MissingIsNone => "missing-is-none",
            Self::BlastNotKept => "blast-not-kept",
            Self::EndedIsMissing => "ended-is-missing",
            Self::StackNotTold => "stack-not-told",
            Self::MetadataOfCustomer => "metadata-of-customer",
            Self::OddRowStopsPage => "odd-row-stops-page",
            Self::PersonForgotten => "person-forgotten",
            Self::NothingIsPaid => "nothing-is-paid",
            Self::OpenIsPaid => "open-is-paid",
            Self::PendingNotAsked => "pending-not-asked",
            Self::PurchaseOverwritten => "purchase-overwritten",
            Self::RateNotKept => "rate-not-kept",
            Self::BetweenNotWoken => "between-not-woken",
            Self::ThrottledIsDenied => "throttled-is-denied",
            Self::KeysNotAsked => "keys-not-asked",
            Self::WordNotRead => "word-not-read",
            Self::HaltsNotTold => "halts-not-told",
        }
    }

    /// The bug of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.name() == name)
    }

    /// Which of the design's invariants it breaks.
    pub fn invariant(self) -> u8 {
        match self {
            Self::TrustedConflict
            | Self::OpenForgotten
            | Self::TimestampOrdering
            | Self::RecordAsCondition
            | Self::NamesakeTaken
            | Self::DueNeverRead
            | Self::SecondPageLost
            | Self::NewestSubscriptionOnly
            | Self::NoHint
            | Self::LinkNotKept
            | Self::LinkNotFirst
            | Self::GraceMoved
            | Self::EndedIsMissing
            | Self::OddRowStopsPage
            | Self::PersonForgotten
            | Self::NothingIsPaid
            | Self::OpenIsPaid
            | Self::CancelledWithPeriod => 1,
            Self::IntentNotStored | Self::ValueNotSent | Self::ConflictMintsAnother => 2,
            Self::RefusalSwallowed
            | Self::BatchDeleted
            | Self::DeadLettersDropped
            | Self::ParkedNotRecorded
            | Self::DeduplicatedByGroup => 3,
            Self::EntryAfterState | Self::LinkWithoutEntry | Self::TombstoneDeleted => 4,
            Self::EntryForNothing | Self::AttributesNotRead => 5,
            Self::NoFence | Self::NoLease | Self::ShortLease => 6,
            Self::ValueLogged | Self::ValueTakenForId => 7,
            Self::LinkOverwritten | Self::StrangerTrusted => 8,
            Self::MissingIsNone | Self::BlastNotKept => 9,
            Self::StackNotTold | Self::MetadataOfCustomer => 10,
            Self::PendingNotAsked | Self::PurchaseOverwritten | Self::RateNotKept => 11,
            Self::BetweenNotWoken | Self::ThrottledIsDenied => 12,
            Self::KeysNotAsked | Self::WordNotRead | Self::HaltsNotTold => 13,
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
