//! The weather: which calls fail, and which take effect but lose their answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tollgate_billing::ports::{Class, PortError, PortResult, Service};
use tollgate_standin::gate::{Call, Weather, failure};

/// A storm that follows from the seed, until it is told to end.
#[derive(Debug)]
pub struct Storm(Mutex<State>);

#[derive(Debug)]
struct State {
    rng: ChaCha8Rng,
    /// How many calls of a thousand fail, before or after taking effect.
    of_a_thousand: u32,
    faults: usize,
    /// Whoever calls now is past its time.
    late: bool,
}

impl Storm {
    /// A storm; some seeds have none, some a bad one.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x57_0712);
        let of_a_thousand = [0, 8, 30, 80][rng.random_range(0..4)];
        Self(Mutex::new(State { rng, of_a_thousand, faults: 0, late: false }))
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.lock().of_a_thousand = 0;
    }

    /// Whether whoever calls from now on is past its time: nobody but the ledger takes
    /// its calls, since every client gives up before the lease is over.
    pub fn late(&self, late: bool) {
        self.lock().late = late;
    }

    /// How many calls have failed.
    pub fn faults(&self) -> usize {
        self.lock().faults
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn strikes(&mut self) -> bool {
        let strikes = self.of_a_thousand > 0 && self.rng.random_range(0..2000) < self.of_a_thousand;
        self.faults += usize::from(strikes);
        strikes
    }
}

impl Weather for Storm {
    fn before(&self, call: &Call) -> PortResult<()> {
        let mut state = self.lock();
        if state.late && call.service != Service::Ledger {
            return Err(failed(call, Class::Unavailable, "the client's time was over"));
        }
        if !state.strikes() {
            return Ok(());
        }
        let (class, detail) = match (call.operation, state.rng.random_range(0..4)) {
            ("CreateUsagePlanKey", 0..=2) => {
                (Class::Conflict, "ConflictException: concurrent modification, try again")
            }
            ("CreateApiKey", 0) => (Class::Conflict, "ConflictException: by chance"),
            (_, 0) => {
                let after = Some(SignedDuration::from_secs(state.rng.random_range(1..5)));
                (Class::Throttled { after }, "too many requests")
            }
            _ => (Class::Unavailable, "the service failed"),
        };
        Err(failed(call, class, detail))
    }

    fn after(&self, call: &Call) -> PortResult<()> {
        if self.lock().strikes() {
            return Err(failed(call, Class::Unavailable, "the answer was lost"));
        }
        Ok(())
    }
}

fn failed(call: &Call, class: Class, detail: &str) -> PortError {
    failure(call.service, call.operation, class, detail)
}
