//! A clock that stands still until it is moved.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use tollgate_billing::ports::Clock;

/// Virtual time, shared by every clone; milliseconds.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Arc<AtomicI64>,
    /// When each sleeper wants to be awake, for a clock on which sleepers wait.
    sleepers: Option<Arc<Mutex<BTreeSet<i64>>>>,
}

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(start.as_millisecond())), sleepers: None }
    }

    /// The same clock, on which whoever sleeps waits until somebody has moved it far enough:
    /// for many workers at once.
    #[must_use]
    pub fn with_sleepers(self) -> Self {
        Self { sleepers: Some(Arc::default()), ..self }
    }

    /// When the next sleeper wants to be awake; sleepers who have died still count.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let after = self.now.load(Ordering::SeqCst) + 1;
        let mut sleepers = self.sleepers.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        *sleepers = sleepers.split_off(&after);
        Timestamp::from_millisecond(*sleepers.first()?).ok()
    }

    /// Moves the clock forward; never back.
    pub fn advance(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis().max(0)).unwrap_or(i64::MAX);
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    /// Moves the clock forward to `to`; does nothing when that has passed.
    pub fn advance_to(&self, to: Timestamp) {
        self.now.fetch_max(to.as_millisecond(), Ordering::SeqCst);
    }

    /// What the clock shows.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::SeqCst))
            .expect("the clock is moved by days, not by millennia")
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.time()
    }

    /// Sleeping moves the clock, unless it has sleepers: nothing ever waits in real time.
    async fn sleep(&self, duration: SignedDuration) {
        let Some(sleepers) = &self.sleepers else { return self.advance(duration) };
        let until = (self.time() + duration).as_millisecond();
        sleepers.lock().unwrap_or_else(PoisonError::into_inner).insert(until);
        // Whoever moves the clock polls the sleepers.
        std::future::poll_fn(|_| {
            let awake = self.now.load(Ordering::SeqCst) >= until;
            if awake { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
