//! A clock that stands still until it is moved, by a test, by whoever sleeps, or by real time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use tokio::task::yield_now;

/// In how many parts whoever sleeps moves the clock.
const PARTS: i32 = 2;

/// Virtual time, shared by every clone; milliseconds.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Arc<AtomicI64>,
    sleep: Sleep,
}

/// What it is to sleep on a clock.
#[derive(Debug, Clone)]
enum Sleep {
    /// Sleeping moves the clock.
    Moves,
    /// Sleepers wait until somebody moves it: when each wants to be awake.
    Waits(Arc<Mutex<BTreeSet<i64>>>),
    /// Sleepers wait in real time, which somebody else brings to the clock.
    Real,
}

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(start.as_millisecond())), sleep: Sleep::Moves }
    }

    /// The same clock, on which whoever sleeps waits until somebody has moved it far enough:
    /// for many workers at once.
    #[must_use]
    pub fn with_sleepers(self) -> Self {
        Self { sleep: Sleep::Waits(Arc::default()), ..self }
    }

    /// The same clock, on which whoever sleeps does so in real time and moves nothing: for a
    /// world that somebody looks at meanwhile.
    #[must_use]
    pub fn in_real_time(self) -> Self {
        Self { sleep: Sleep::Real, ..self }
    }

    /// When the next sleeper wants to be awake; sleepers who have died still count.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let after = self.now.load(Ordering::SeqCst) + 1;
        let Sleep::Waits(sleepers) = &self.sleep else { return None };
        let mut sleepers = sleepers.lock().unwrap_or_else(PoisonError::into_inner);
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

impl VirtualClock {
    /// Moves the clock part by part, so that others have their turns while somebody sleeps, and two
    /// who sleep at once sleep no longer than one.
    async fn move_by(&self, duration: SignedDuration) {
        let begun = self.time();
        for part in 1..=PARTS {
            yield_now().await;
            self.advance_to(begun + duration * part / PARTS);
        }
    }

    /// Whoever moves the clock polls those who wait on it.
    async fn wait(&self, sleepers: &Mutex<BTreeSet<i64>>, until: Timestamp) {
        let until = until.as_millisecond();
        sleepers.lock().unwrap_or_else(PoisonError::into_inner).insert(until);
        std::future::poll_fn(|_| {
            let awake = self.now.load(Ordering::SeqCst) >= until;
            if awake { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl VirtualClock {
    /// Waits for this long: moves the clock, or waits until it is moved.
    pub async fn sleep(&self, duration: SignedDuration) {
        let sleepers = match &self.sleep {
            Sleep::Moves => return self.move_by(duration).await,
            Sleep::Real => {
                return tokio::time::sleep(duration.try_into().unwrap_or_default()).await;
            }
            Sleep::Waits(sleepers) => sleepers,
        };
        self.wait(sleepers, self.time() + duration).await;
    }

    /// Waits until the clock shows this. A clock that sleepers move tells nobody what time it has become: whoever is late finds that
    /// out by looking, as a process does that was stopped.
    pub async fn reaches(&self, at: Timestamp) {
        match &self.sleep {
            Sleep::Moves => std::future::pending().await,
            Sleep::Real => self.sleep(at.duration_since(self.time())).await,
            Sleep::Waits(sleepers) => self.wait(sleepers, at).await,
        }
    }
}
