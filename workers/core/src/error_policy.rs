//! The one error policy: what becomes of the events when a call failed.

use jiff::SignedDuration;

use crate::ports::{Class, PortError, Service};
use crate::timing::{DENIED_FOR, FULL_FOR, THROTTLED_FOR};

/// What becomes of the events of work that stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The messages stay on the queue, and come again.
    Redeliver,
    /// The account is looked at again after so long, and its messages are done with: waiting is
    /// written into the ledger, and costs no receive.
    Wait(SignedDuration),
    /// The account is woken at once, and its messages are done with: it cannot stay as it is.
    GoOn,
    /// It would never succeed as it is: record the events as parked.
    Park,
}

/// A verdict, and whom it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of the events.
    pub verdict: Verdict,
    /// Whether it concerns everybody, not this account: a person must act.
    pub systemic: bool,
}

impl Judgement {
    /// It concerns this account alone.
    pub const fn of_one(verdict: Verdict) -> Self {
        Self { verdict, systemic: false }
    }

    /// It concerns everybody.
    pub const fn of_all(verdict: Verdict) -> Self {
        Self { verdict, systemic: true }
    }
}

/// Judges a failed call that the step itself could not make good.
///
/// A conflict that observing did not resolve and a missing resource are retried from the
/// queue: both are usually reads that lag, and the dead-letter queue ends what never heals.
/// What takes its time (throttling, a credential, a quota) is waited for in the ledger, so
/// that no message ends as a dead letter by waiting. Only when the ledger itself refuses is
/// there nowhere to write that.
pub fn error_policy(error: &PortError) -> Judgement {
    let can_wait = !matches!(error.service, Service::Ledger | Service::Queue);
    let wait = |after| if can_wait { Verdict::Wait(after) } else { Verdict::Redeliver };
    match error.class {
        Class::Throttled { after } => Judgement::of_one(wait(after.unwrap_or(THROTTLED_FOR))),
        Class::Conflict | Class::NotFound | Class::Unavailable => {
            Judgement::of_one(Verdict::Redeliver)
        }
        Class::Denied => Judgement::of_all(wait(DENIED_FOR)),
        Class::LimitExceeded => Judgement::of_all(wait(FULL_FOR)),
        Class::Invalid => Judgement::of_one(Verdict::Park),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What everybody waits for is waited for in the ledger, unless it is the ledger itself.
    #[test]
    fn only_the_ledger_and_the_queue_cannot_be_waited_for() {
        let judge = |service, class| {
            let detail = String::new();
            error_policy(&PortError { service, operation: "Op", class, detail })
        };
        let throttled = Class::Throttled { after: None };
        for service in [Service::Stripe, Service::ApiGateway, Service::Cognito] {
            for (class, after, systemic) in [
                (throttled, THROTTLED_FOR, false),
                (Class::Denied, DENIED_FOR, true),
                (Class::LimitExceeded, FULL_FOR, true),
            ] {
                let expected = Judgement { verdict: Verdict::Wait(after), systemic };
                assert_eq!(judge(service, class), expected, "{service} {class:?}");
            }
        }
        for service in [Service::Ledger, Service::Queue] {
            for (class, systemic) in [(throttled, false), (Class::Denied, true)] {
                let expected = Judgement { verdict: Verdict::Redeliver, systemic };
                assert_eq!(judge(service, class), expected, "{service} {class:?}");
            }
        }
        let parked = Judgement::of_one(Verdict::Park);
        assert_eq!(judge(Service::Stripe, Class::Invalid), parked);
    }
}
