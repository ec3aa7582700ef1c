//! The virtual clock as a port.

use std::ops::Deref;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ports::Clock;
use tollgate_standin::clock::VirtualClock;

/// A virtual clock that workers read.
#[derive(Debug, Clone)]
pub struct SimClock(VirtualClock);

impl SimClock {
    /// The clock itself, for a stand-in.
    pub fn standin(&self) -> VirtualClock {
        self.0.clone()
    }
}

impl From<VirtualClock> for SimClock {
    fn from(clock: VirtualClock) -> Self {
        Self(clock)
    }
}

impl Deref for SimClock {
    type Target = VirtualClock;

    fn deref(&self) -> &VirtualClock {
        &self.0
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.time()
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.0.sleep(duration).await;
    }

    async fn reaches(&self, at: Timestamp) {
        self.0.reaches(at).await;
    }
}
