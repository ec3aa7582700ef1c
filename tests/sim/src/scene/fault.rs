//! The one call that goes wrong, and how.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gate::{Call, Faults, failure};
use tollgate_core::ports::{Class, PortResult};

/// What happens at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Fails(Class),
    /// It takes effect, and its answer is lost.
    AnswerLost,
    /// The worker is killed just before it.
    KilledBefore,
    /// The worker is killed just after it took effect.
    KilledAfter,
    /// The worker stops just before it; when everything has come to rest without it, long
    /// after its lease, it goes on.
    PausedBefore,
    /// The worker stops just after it took effect, and goes on as above.
    PausedAfter,
}

/// All calm, but for one call.
#[derive(Default)]
pub(super) struct OneFault(Mutex<Progress>);

/// Which call, and how many have begun, have taken effect or failed, and were answered.
#[derive(Default)]
struct Progress {
    armed: Option<(usize, Fault)>,
    begun: usize,
    calls: usize,
    answered: usize,
}

impl OneFault {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts counting: the `call`-th call from now on (from 1) goes wrong.
    pub(super) fn arm(&self, call: usize, fault: Fault) {
        *self.lock() = Progress { armed: Some((call, fault)), ..Progress::default() };
    }

    /// Whether it is still to come.
    pub(super) fn is_armed(&self) -> bool {
        self.lock().armed.is_some()
    }

    /// What befalls the worker where it waits now.
    pub(super) fn at_yield(&self) -> Option<Fault> {
        let mut progress = self.lock();
        let (call, fault) = progress.armed?;
        let is_there = match fault {
            Fault::KilledBefore | Fault::PausedBefore => {
                (progress.begun, progress.calls) == (call, call - 1)
            }
            Fault::KilledAfter | Fault::PausedAfter => {
                (progress.calls, progress.answered) == (call, call - 1)
            }
            Fault::Fails(_) | Fault::AnswerLost => false,
        };
        is_there.then(|| progress.armed.take())?.map(|(_, fault)| fault)
    }
}

impl Faults for OneFault {
    fn starts(&self, _call: &Call) {
        self.lock().begun += 1;
    }

    fn before(&self, call: &Call) -> PortResult<()> {
        let mut progress = self.lock();
        progress.calls += 1;
        match progress.armed {
            Some((at, Fault::Fails(class))) if at == progress.calls => {
                progress.armed = None;
                Err(failure(call.service, call.operation, class, "it was to fail"))
            }
            _ => Ok(()),
        }
    }

    fn after(&self, call: &Call) -> PortResult<()> {
        let mut progress = self.lock();
        progress.answered += 1;
        if progress.armed != Some((progress.calls, Fault::AnswerLost)) {
            return Ok(());
        }
        progress.armed = None;
        Err(failure(call.service, call.operation, Class::Unavailable, "the answer was lost"))
    }
}
