//! The stack's clock as the functions read it.

use std::ops::Deref;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ports::Clock;
use tollgate_standin::clock::VirtualClock;

/// The stand-ins' clock, as a port.
#[derive(Debug, Clone)]
pub struct StackClock(VirtualClock);

impl From<VirtualClock> for StackClock {
    fn from(clock: VirtualClock) -> Self {
        Self(clock)
    }
}

impl Deref for StackClock {
    type Target = VirtualClock;

    fn deref(&self) -> &VirtualClock {
        &self.0
    }
}

impl Clock for StackClock {
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
