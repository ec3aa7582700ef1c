//! What can go wrong, by kind.

pub mod seeded;

use crate::call_step::CallStep;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A call is refused: too many.
    Throttled,
    /// A call fails and has no effect.
    Unavailable,
    /// A call is refused: our credentials do not allow it.
    Denied,
    /// A call takes effect and its answer is lost.
    AnswerLost,
    /// A call fails and takes effect afterwards, within its caller's lease.
    LateEffect,
    /// A call fails and takes effect after its caller's lease.
    AfterLease,
    /// A conflict of API Gateway's by chance.
    Conflict,
    /// A conflict of DynamoDB's transactions.
    TransactionConflict,
    /// A task is killed where it waits.
    Kill,
    /// A task sleeps where it waits, perhaps beyond its deadline.
    Pause,
    /// The queue takes no messages for a while.
    QueueDown,
    /// A webhook or a record that was delivered comes once more.
    Duplicate,
    /// The operator replays an event in the middle of it all.
    Replay,
    /// Stripe lists subscriptions as of a few seconds ago.
    StripeLag,
    /// API Gateway does not show a new key, or its new place on a plan, for a while.
    ApiGatewayLag,
    /// `ListUsers` answers as of a few seconds ago.
    UsersLag,
    /// The ledger's indexes answer as of a while ago.
    IndexLag,
    /// There is room for no more keys for a while.
    KeyQuota,
    /// An event is lost for good.
    EventLost,
    /// Somebody edits API Gateway or Cognito by hand.
    HandEdit,
    /// One of Stripe's events is on its way for days.
    Delayed,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::Throttled,
        Self::Unavailable,
        Self::Denied,
        Self::AnswerLost,
        Self::LateEffect,
        Self::AfterLease,
        Self::Conflict,
        Self::TransactionConflict,
        Self::Kill,
        Self::Pause,
        Self::QueueDown,
        Self::Duplicate,
        Self::Replay,
        Self::StripeLag,
        Self::ApiGatewayLag,
        Self::UsersLag,
        Self::IndexLag,
        Self::KeyQuota,
        Self::EventLost,
        Self::HandEdit,
        Self::Delayed,
    ];

    /// The kinds that strike a call.
    pub const OF_CALLS: [Self; 8] = [
        Self::Throttled,
        Self::Unavailable,
        Self::Denied,
        Self::AnswerLost,
        Self::LateEffect,
        Self::AfterLease,
        Self::Conflict,
        Self::TransactionConflict,
    ];

    /// The word for it, in reports and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::AnswerLost => "answer-lost",
            Self::LateEffect => "late-effect",
            Self::AfterLease => "after-lease",
            Self::Conflict => "conflict",
            Self::TransactionConflict => "tx-conflict",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::QueueDown => "queue-down",
            Self::Duplicate => "duplicate",
            Self::Replay => "replay",
            Self::StripeLag => "stripe-lag",
            Self::ApiGatewayLag => "gateway-lag",
            Self::UsersLag => "users-lag",
            Self::IndexLag => "index-lag",
            Self::KeyQuota => "key-quota",
            Self::EventLost => "event-lost",
            Self::HandEdit => "hand-edit",
            Self::Delayed => "delayed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether only a drift sweep can heal what it does.
    pub fn only_when_lossy(self) -> bool {
        matches!(self, Self::AfterLease | Self::EventLost | Self::HandEdit)
    }

    /// Whether it can strike a call of this step.
    pub fn strikes_at(self, step: CallStep) -> bool {
        let reads = matches!(step, CallStep::Resolve | CallStep::Facts | CallStep::Observe);
        match self {
            Self::Conflict => matches!(step, CallStep::MintKey | CallStep::AttachPlan),
            Self::TransactionConflict => step.writes_the_ledger(),
            Self::LateEffect | Self::AfterLease => !reads,
            _ => Self::OF_CALLS.contains(&self),
        }
    }
}
