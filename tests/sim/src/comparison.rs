//! The comparison of all four systems, as the sweep makes it.

use tollgate_core::converge::Worker;
use tollgate_core::ports::PortResult;
use tollgate_core::sweep::{DriftReport, DriftSweep};

use crate::executor::block_on;
use crate::world::World;

/// Compares all four systems by what a worker knows, so many accounts at once.
pub(crate) fn compare(worker: &Worker<World>, at_once: usize) -> PortResult<DriftReport> {
    let sweep = DriftSweep {
        ports: &worker.ports,
        queue: &worker.ports.queue(),
        catalog: &worker.catalog,
        policy: &worker.policy,
        stack: &worker.stack,
        at_once,
    };
    block_on(sweep.run())
}
