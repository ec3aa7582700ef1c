//! Pacing: how long to wait before a call, so that calls stay below a rate.
//!
//! No state is shared for it: each instance keeps to its own part of the rate. Everybody who calls
//! a service sees the same wall, though, so a refused call (429) doubles what a call costs here,
//! up to eight times, and it becomes cheaper again by and by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::timing::CHEAPER_AFTER;

use jiff::{SignedDuration, Timestamp};

/// How many calls may be made at once, in seconds of the rate: AWS's burst is four seconds' worth.
const BURST_SECONDS: i32 = 4;

/// What a call costs at most, where it costs one as long as nothing is refused.
const DEAREST: i32 = 8;

/// The pace of one caller.
#[derive(Debug)]
pub struct Pace {
    /// The time that one call uses up.
    per_call: SignedDuration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The time up to which calls have been used (a virtual schedule, as in GCRA).
    used_until: Option<Timestamp>,
    /// When a call was refused last, and what one has cost since.
    refused: Option<(Timestamp, i32)>,
}

impl Inner {
    fn price(&self, now: Timestamp) -> i32 {
        let Some((at, price)) = self.refused else { return 1 };
        let quiet = now.duration_since(at).max(SignedDuration::ZERO);
        let halvings = quiet.as_secs() / CHEAPER_AFTER.as_secs();
        u32::try_from(halvings).ok().and_then(|by| price.checked_shr(by)).unwrap_or(0).max(1)
    }
}

impl Pace {
    /// A pace at which each call uses up so much time.
    pub fn of(per_call: SignedDuration) -> Self {
        Self { per_call, inner: Mutex::default() }
    }

    /// Uses up the time of some calls and says how long to wait before making them.
    pub fn take(&self, calls: u32, now: Timestamp) -> SignedDuration {
        let mut inner = self.lock();
        let used = self.time_of(calls, inner.price(now));
        let from = inner.used_until.map_or(now, |until| until.max(now));
        let until = from.saturating_add(used).expect("a duration has no calendar");
        inner.used_until = Some(until);
        let allowed = self.time_of(self.burst(), 1);
        until.duration_since(now).saturating_sub(allowed).max(SignedDuration::ZERO)
    }

    /// Gives back what was taken just now for calls that are not made after all.
    pub fn give_back(&self, calls: u32, now: Timestamp) {
        let mut inner = self.lock();
        let used = self.time_of(calls, inner.price(now));
        inner.used_until = inner
            .used_until
            .map(|until| until.saturating_sub(used).expect("a duration has no calendar"));
    }

    /// A call was refused for its rate.
    pub fn refused(&self, now: Timestamp) {
        let mut inner = self.lock();
        inner.refused = Some((now, (inner.price(now) * 2).min(DEAREST)));
    }

    /// A switch is two calls that belong together, and a look two more, whatever the rate.
    fn burst(&self) -> u32 {
        let calls = i64::from(BURST_SECONDS) * 1_000_000_000
            / i64::try_from(self.per_call.as_nanos()).unwrap_or(i64::MAX).max(1);
        u32::try_from(calls).unwrap_or(u32::MAX).max(BURST_SECONDS.unsigned_abs())
    }

    fn time_of(&self, calls: u32, price: i32) -> SignedDuration {
        let calls = i32::try_from(calls).unwrap_or(i32::MAX);
        self.per_call.saturating_mul(calls).saturating_mul(price)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    /// Of an instance's part of a rate.
    fn part(rate: u32, instances: u32) -> Pace {
        let nanos = i64::from(instances) * 1_000_000_000 / i64::from(rate);
        Pace::of(SignedDuration::from_nanos(nanos))
    }

    #[test]
    fn instances_together_stay_below_the_rate() {
        for (rate, instances) in [(5, 4), (10, 1), (1, 10), (3, 7)] {
            let pace = part(rate, instances);
            let mut clock = 0;
            for _ in 0..200 {
                clock += i64::try_from(pace.take(1, at(clock)).as_millis()).unwrap() + 1;
            }
            let burst = 4.0 * f64::from(rate).max(f64::from(instances));
            let together = f64::from(instances) * 200.0;
            let allowed = f64::from(rate) * clock as f64 / 1000.0 + burst + f64::from(instances);
            assert!(together <= allowed, "{rate}/s, {instances}: {together} > {allowed}");
        }
    }

    #[test]
    fn a_switch_after_a_quiet_time_does_not_wait() {
        let pace = part(1, 10);
        assert!(pace.take(2, at(0)).is_zero());
        assert!(!pace.take(4, at(0)).is_zero());
        assert!(pace.take(2, at(120_000)).is_zero());
    }

    #[test]
    fn four_seconds_of_the_rate_may_be_used_at_once() {
        for (rate, instances, burst) in [(10, 1, 40), (5, 2, 10), (1, 10, 4)] {
            let pace = part(rate, instances);
            assert!(pace.take(burst, at(0)).is_zero(), "{rate}/s, {instances}");
            assert!(!pace.take(1, at(0)).is_zero(), "{rate}/s, {instances}");
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let pace = part(1, 1);
        assert!(pace.take(4, at(0)).is_zero());
        let wait = pace.take(3, at(0));
        pace.give_back(3, at(0));
        assert_eq!(pace.take(3, at(0)), wait);
        assert_eq!(wait, SignedDuration::from_secs(3));
    }

    /// Each refusal doubles what a call costs, to eight times; half a minute without one halves it.
    #[test]
    fn a_refusal_makes_calls_dearer_for_a_while() {
        let pace = part(1, 1);
        let price = |now| pace.lock().price(at(now));
        assert_eq!(price(0), 1);
        let prices = [2, 4, 8, 8].map(|dearer| {
            pace.refused(at(0));
            (price(0), dearer)
        });
        assert!(prices.iter().all(|(is, should)| is == should), "{prices:?}");
        assert_eq!([29_999, 30_000, 60_000, 90_000, 1_000_000].map(price), [8, 4, 2, 1, 1]);
        assert!(pace.take(4, at(0)) >= SignedDuration::from_secs(8 * 4 - 4));
    }
}
