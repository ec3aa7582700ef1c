//! Time.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};

/// The only source of time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, duration: SignedDuration) -> impl Future<Output = ()> + Send;

    /// Done when it is so late: for what is to be given up then. Nothing waits for it.
    fn reaches(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        self.sleep(at.duration_since(self.now()))
    }
}

/// Whoever has a clock can lend it.
impl<C: Clock> Clock for &C {
    fn now(&self) -> Timestamp {
        C::now(self)
    }

    fn reaches(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        C::reaches(self, at)
    }

    fn sleep(&self, duration: SignedDuration) -> impl Future<Output = ()> + Send {
        C::sleep(self, duration)
    }
}
