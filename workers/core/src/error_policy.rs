//! The one error policy: what becomes of the events when a call failed.

use jiff::SignedDuration;

use crate::ports::{Class, PortError};

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may succeed later: leave the messages on the queue.
    Retry {
        /// How long the service asked us to wait.
        after: Option<SignedDuration>,
        /// Whether it concerns everybody, not this account: alarm.
        systemic: bool,
    },
    /// It would never succeed as it is: record the events as parked.
    Park,
}

/// Judges a failed call that the step itself could not make good.
///
/// A conflict that observing did not resolve and a missing resource are retried: both
/// are usually reads that lag, and the dead-letter queue ends what never heals. A
/// denied call says that our credentials are wrong: everybody's events wait for that.
pub fn error_policy(error: &PortError) -> Verdict {
    match error.class {
        Class::Throttled { after } => Verdict::Retry { after, systemic: false },
        Class::Conflict | Class::NotFound | Class::Unavailable => {
            Verdict::Retry { after: None, systemic: false }
        }
        Class::Denied | Class::LimitExceeded => Verdict::Retry { after: None, systemic: true },
        Class::Invalid => Verdict::Park,
    }
}
