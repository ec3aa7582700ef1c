//! API Gateway (REST): keys, usage plans and who is on which, and a data plane that
//! enforces them, and the REST-JSON protocol that the real SDK speaks.
//!
//! Strict where Tollgate relies on it: every documented conflict, missing resource,
//! malformed value and quota answers with the service's own exception. It
//! deliberately knows no APIs, deployments or authorizers: a stage
//! is only a name that plans mention and `GetStage` finds, and whatever is not modelled
//! answers 501. Where AWS leaves something open, the choice made here is said at its place.

mod apis;
mod data_plane;
mod error;
mod http;
mod keys;
mod limits;
mod model;
mod objects;
mod patches;
mod plan_keys;
mod plans;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

pub use data_plane::DataPlaneAnswer;
pub use error::{Exception, Refusal};
pub use keys::{KeyPatch, KeyQuery, NewApiKey, no_such_key};
pub use limits::Wall;
pub use model::{Listing, Model, PageOf, Quotas};
pub use objects::{
    ApiStage, DataPlaneCall, Key, KeySource, Period, Plan, Quota, Resource, RestApi, Throttle,
};
pub use patches::{Patch, PatchOp};
pub use plans::NewPlan;
pub use usage::DayUsage;

use crate::calls::Calls;
use crate::clock::VirtualClock;

/// The API Gateway stand-in; clones share one model.
#[derive(Clone)]
pub struct ApiGatewayStandin {
    clock: VirtualClock,
    calls: Calls,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    model: Model,
    wall: Option<Wall>,
    read_lag: SignedDuration,
    throttled: usize,
}

impl ApiGatewayStandin {
    /// An empty account and Region, without a control-plane wall and without lag.
    pub fn new(clock: VirtualClock, calls: Calls) -> Self {
        Self { clock, calls, inner: Arc::default() }
    }

    /// Works on the model directly: to set a scene or to look at it. Not logged,
    /// and no wall stands in the way.
    pub fn scene<T>(&self, act: impl FnOnce(&mut Model, Timestamp) -> T) -> T {
        act(&mut self.lock().model, self.clock.time())
    }

    /// Makes the next `n` calls of `CreateUsagePlanKey` fail with the
    /// `ConflictException` that means "another change is in progress, try again".
    pub fn conflict_next(&self, n: u32) {
        self.lock().model.conflicts_to_come = n;
    }

    /// How many calls the wall has refused for their rate.
    pub fn throttled(&self) -> usize {
        self.lock().throttled
    }

    /// Builds the control plane's rate limits, or takes them away (`None`, the default).
    pub fn set_wall(&self, wall: Option<Wall>) {
        self.lock().wall = wall;
    }

    /// How long a change to a key or to its plans takes to reach the data plane;
    /// none by default. Changes already made keep the lag they were made with.
    pub fn set_propagation_lag(&self, lag: SignedDuration) {
        self.lock().model.lag = lag;
    }

    /// For how long whoever asks for [it](Self::read_lag) does not see a new key, or a key's new place on a plan;
    /// none by default. What is made cannot be made again meanwhile.
    pub fn set_read_lag(&self, lag: SignedDuration) {
        self.lock().read_lag = lag;
    }

    /// As [set](Self::set_read_lag).
    pub fn read_lag(&self) -> SignedDuration {
        self.lock().read_lag
    }

    /// Lowers (or restores) the account's quotas.
    pub fn set_quotas(&self, quotas: Quotas) {
        self.lock().model.quotas = quotas;
    }

    /// Sends a request to the protected API, as a customer of it would.
    pub fn call(&self, stage: &ApiStage, resource: &str, key: Option<&str>) -> DataPlaneAnswer {
        self.scene(|model, now| model.call(stage, resource, key, now))
    }

    /// Every request to the data plane so far, in order.
    pub fn data_plane_calls(&self) -> Vec<DataPlaneCall> {
        self.lock().model.data_plane_calls.clone()
    }

    /// One control-plane operation as a client calls it: past the wall, then on the model.
    ///
    /// # Errors
    /// What `act` returns, or the wall's refusal.
    pub fn control<T>(
        &self,
        operation: &'static str,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let now = self.clock.time();
        let mut inner = self.lock();
        if let Some(wall) = &mut inner.wall {
            let passed = wall.pass(operation, now);
            let rate =
                |refusal: &Refusal| matches!(refusal.exception, Exception::TooManyRequests { .. });
            inner.throttled += usize::from(passed.as_ref().err().is_some_and(rate));
            passed?;
        }
        act(&mut inner.model, now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
