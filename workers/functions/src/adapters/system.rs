//! The operating system's clock and randomness: the only place that touches either.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ports::{Clock, Entropy};

/// The operating system's clock, in whole milliseconds: the ledger's precision, so
/// that a time reads back as it was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    async fn sleep(&self, duration: SignedDuration) {
        // A negative duration is over already.
        tokio::time::sleep(duration.try_into().unwrap_or_default()).await;
    }
}

/// The cryptographic generator of AWS-LC, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).expect("AWS-LC aborts rather than run without entropy");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_whole_milliseconds() {
        assert_eq!(SystemClock.now().subsec_nanosecond() % 1_000_000, 0);
    }

    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(SystemEntropy.bytes(), SystemEntropy.bytes());
    }
}
