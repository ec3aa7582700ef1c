//! The one error policy: what becomes of the events when a call failed.

use jiff::SignedDuration;

use crate::ports::{Class, PortError, Service};

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may succeed later.
    Retry {
        /// How long to wait, where that is known: the account is looked at again then, and
        /// its messages are done with. Without it the messages stay on the queue.
        after: Option<SignedDuration>,
        /// Whether it concerns everybody, not this account: alarm.
        systemic: bool,
    },
    /// It would never succeed as it is: record the events as parked.
    Park,
}

/// How long a throttled account waits when the service does not say.
const THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(10);
/// How long everybody waits for a person to mend a credential.
const DENIED_FOR: SignedDuration = SignedDuration::from_mins(5);
/// How long an account waits for a service's quota to have room again.
const FULL_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Judges a failed call that the step itself could not make good.
///
/// A conflict that observing did not resolve and a missing resource are retried from the
/// queue: both are usually reads that lag, and the dead-letter queue ends what never heals.
/// What takes its time (throttling, a credential, a quota) is waited for in the ledger, so
/// that no message ends as a dead letter by waiting. Only when the ledger itself refuses is
/// there nowhere to write that.
pub fn error_policy(error: &PortError) -> Verdict {
    let can_wait = !matches!(error.service, Service::Ledger | Service::Queue);
    let wait = |after| Some(after).filter(|_| can_wait);
    match error.class {
        Class::Throttled { after } => {
            Verdict::Retry { after: wait(after.unwrap_or(THROTTLED_FOR)), systemic: false }
        }
        Class::Conflict | Class::NotFound | Class::Unavailable => {
            Verdict::Retry { after: None, systemic: false }
        }
        Class::Denied => Verdict::Retry { after: wait(DENIED_FOR), systemic: true },
        Class::LimitExceeded => Verdict::Retry { after: wait(FULL_FOR), systemic: true },
        Class::Invalid => Verdict::Park,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What everybody waits for is waited for in the ledger, unless it is the ledger itself.
    #[test]
    fn only_the_ledger_and_the_queue_cannot_be_waited_for() {
        let verdict = |service, class| {
            error_policy(&PortError { service, operation: "Op", class, detail: String::new() })
        };
        let throttled = Class::Throttled { after: None };
        for service in [Service::Stripe, Service::ApiGateway, Service::Cognito] {
            for (class, after, systemic) in [
                (throttled, THROTTLED_FOR, false),
                (Class::Denied, DENIED_FOR, true),
                (Class::LimitExceeded, FULL_FOR, true),
            ] {
                let expected = Verdict::Retry { after: Some(after), systemic };
                assert_eq!(verdict(service, class), expected, "{service} {class:?}");
            }
        }
        for service in [Service::Ledger, Service::Queue] {
            for (class, systemic) in [(throttled, false), (Class::Denied, true)] {
                let expected = Verdict::Retry { after: None, systemic };
                assert_eq!(verdict(service, class), expected, "{service} {class:?}");
            }
        }
        assert_eq!(verdict(Service::Stripe, Class::Invalid), Verdict::Park);
    }
}
