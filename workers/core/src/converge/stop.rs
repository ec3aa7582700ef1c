//! Why a convergence stops before its end, and what becomes of its events then.

use jiff::{SignedDuration, Timestamp};
use tollgate_events::AccountId;

use crate::accounts::Lost;
use crate::binding::BindingError;
use crate::decide::stale::Stale;
use crate::derive::DeriveError;
use crate::error_policy::{Judgement, Verdict, error_policy};
use crate::mismatch::Mismatch;
use crate::ports::PortError;
use crate::text::one_line;
use crate::timing::{FROZEN_FOR, LOST_FOR, MISMATCH_FOR, SOON};

/// Why the events must stay on the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// Another invocation holds the account.
    #[error("the account is leased until {until}")]
    Leased {
        /// Until when, at most.
        until: Timestamp,
    },
    /// A later claim has been made: its holder sees to the account.
    #[error("a later claim was made on the account")]
    Fenced,
    /// A newer catalog has decided the account.
    #[error("a newer catalog has decided the account; this worker's catalog is outdated")]
    CatalogOutdated,
    /// The lease was over before the work was.
    #[error("the lease ended before the work was done")]
    OutOfTime,
    /// A key is to be deleted, and the call that made it may yet make it again.
    #[error("the making of a key was not answered, and may take effect until the lease ends")]
    KeyInDoubt,
    /// This instance's share of the control plane, or of Stripe, is used up.
    #[error(
        "this worker's share of API Gateway's or Stripe's calls has no room for this before the lease ends"
    )]
    Budget {
        /// How long until there is room.
        wait: SignedDuration,
    },
    /// The lease ended before the key could be put on a plan.
    #[error("API Gateway did not put the key on its new plan before the lease ended")]
    BetweenPlans,
    /// Too many paying accounts would lose their plan, and nothing explains it.
    #[error(
        "the blast limit is reached: too many paying accounts would lose their plan in a day; find out why, then accept it or mend it"
    )]
    BlastLimit,
    /// An operator has stopped all losses.
    #[error("nothing is taken from anybody while the stack is frozen: {}", one_line(.why))]
    Frozen {
        /// What the operator wrote.
        why: String,
    },
    /// The ledger knows nothing of an account that has a key of ours.
    #[error(
        "API Gateway has a key of this account, and the ledger knows nothing of it: was the table lost? Rebuild it with `tollgate reconcile --rebuild`"
    )]
    LedgerLost,
    /// What was to be done is contradicted by API Gateway or by the user's word.
    #[error(
        "the ledger may be older than the other systems: {0}, and nothing that the ledger knows says why. Was the table restored from a backup? `tollgate reconcile --rebuild` writes down what is"
    )]
    StaleLedger(Stale),
    /// The user's name is the sub of another account's user.
    #[error(
        "the user has chosen the sub of account {other} as their user name, to get what is written to that account's user; delete this user, and have a pre sign-up trigger refuse such names"
    )]
    NamedAsSub {
        /// Whose sub.
        other: AccountId,
    },
    /// A service denies what the ledger knows.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A key's derivation secret is missing.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// A call failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<BindingError> for Stop {
    fn from(error: BindingError) -> Self {
        match error {
            BindingError::Mismatch(mismatch) => Self::Mismatch(mismatch),
            BindingError::Port(error) => Self::Port(error),
        }
    }
}

impl Stop {
    /// The one error policy, applied.
    pub fn judge(&self) -> Judgement {
        match self {
            Self::Port(error) => error_policy(error),
            Self::Derive(_) | Self::BlastLimit => Judgement::of_one(Verdict::Park),
            Self::Budget { wait: after } => Judgement::of_one(Verdict::Wait(*after)),
            Self::NamedAsSub { .. } => Judgement::of_all(Verdict::Park),
            Self::BetweenPlans => Judgement::of_one(Verdict::GoOn),
            Self::LedgerLost | Self::StaleLedger(_) => Judgement::of_all(Verdict::Wait(LOST_FOR)),
            Self::Mismatch(_) => Judgement::of_all(Verdict::Wait(MISMATCH_FOR)),
            Self::Frozen { .. } => Judgement::of_one(Verdict::Wait(FROZEN_FOR)),
            Self::CatalogOutdated => Judgement::of_all(Verdict::Redeliver),
            Self::Leased { .. } | Self::Fenced | Self::OutOfTime | Self::KeyInDoubt => {
                Judgement::of_one(Verdict::Redeliver)
            }
        }
    }

    /// How soon its messages may come again; `None` for what does not pass in a moment.
    pub fn comes_again_in(&self, now: Timestamp) -> Option<SignedDuration> {
        match self {
            Self::Leased { until } => Some(until.duration_since(now).max(SOON)),
            Self::CatalogOutdated => None,
            other => (!other.judge().systemic).then_some(SOON),
        }
    }
}

impl From<Lost> for Stop {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Fenced => Self::Fenced,
            Lost::CatalogOutdated => Self::CatalogOutdated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Class, Service};

    /// What is one account's comes again in a moment; what concerns everybody does not pass in one,
    /// and whoever is told of it all the while learns nothing.
    #[test]
    fn what_concerns_everybody_does_not_come_again_in_a_moment() {
        let now: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
        let of_ledger = |class| {
            let detail = String::new();
            let service = Service::Ledger;
            Stop::Port(PortError { service, operation: "GetItem", class, detail })
        };
        let soon = |stop: Stop| stop.comes_again_in(now);
        assert_eq!(soon(of_ledger(Class::Unavailable)), Some(SOON));
        assert_eq!(soon(of_ledger(Class::Denied)), None);
        assert_eq!(soon(Stop::CatalogOutdated), None);
        assert_eq!(soon(Stop::Fenced), Some(SOON));
        let until = |seconds| now + SignedDuration::from_secs(seconds);
        assert_eq!(soon(Stop::Leased { until: until(30) }), Some(SignedDuration::from_secs(30)));
        assert_eq!(soon(Stop::Leased { until: until(-30) }), Some(SOON), "it is over already");
    }
}
