//! The stand-ins as Tollgate's ports, without HTTP: each call passes the [gate](crate::gate), and
//! there the planted [bugs](crate::planted) of an adapter are.

mod api_gateway;
mod clock;
mod entropy;
mod queue;
mod stripe;
mod users;

use std::ops::Deref;

pub use clock::SimClock;
pub use entropy::SeededEntropy;
pub use queue::SqsPort;
pub use users::PoolUser;

use crate::gate::Gate;

#[cfg(test)]
mod tests;

/// A stand-in behind a gate: a port, and the stand-in itself for whoever sets a scene or looks.
#[derive(Clone)]
pub struct Gated<S> {
    standin: S,
    gate: Gate,
}

impl<S> Gated<S> {
    /// The stand-in behind this gate.
    pub fn new(standin: S, gate: Gate) -> Self {
        Self { standin, gate }
    }
}

impl<S> Deref for Gated<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.standin
    }
}
