//! A clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tollgate_billing::ports::Clock;

/// Virtual time, shared by every clone; milliseconds.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<AtomicI64>);

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// Moves the clock forward; never back.
    pub fn advance(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis().max(0)).unwrap_or(i64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Moves the clock forward to `to`; does nothing when that has passed.
    pub fn advance_to(&self, to: Timestamp) {
        self.0.fetch_max(to.as_millisecond(), Ordering::SeqCst);
    }

    /// What the clock shows.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst))
            .expect("the clock is moved by days, not by millennia")
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.time()
    }

    /// Sleeping moves the clock: nothing ever waits in real time.
    async fn sleep(&self, duration: SignedDuration) {
        self.advance(duration);
    }
}
