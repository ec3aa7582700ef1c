//! The gate that every call of a port passes on its way to a stand-in: it is logged there, and
//! there the simulation stops, fails or interleaves it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::task::yield_now;
use tollgate_core::ports::{Class, PortError, PortResult, Service};

use crate::planted::Bug;

/// One call, as the stand-in saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which system.
    pub service: Service,
    /// The service's own name of the operation: `CreateUsagePlanKey`, `GET /v1/subscriptions`.
    pub operation: &'static str,
    /// What it was about: ids only, never a key's value or personal data.
    pub subject: String,
}

/// What a call does to its system, kept until it lands.
pub type Effect = Box<dyn FnOnce() + Send>;

/// What goes wrong, and when. The default lets everything pass.
pub trait Faults: Send + Sync {
    /// Told when a call is about to be made: its caller waits from here on.
    fn starts(&self, _call: &Call) {}

    /// Asked again and again before the call takes effect: whether it is delayed a while longer.
    fn delays(&self, _call: &Call) -> bool {
        false
    }

    /// Asked before the call takes effect: an error means that it never does.
    fn before(&self, _call: &Call) -> PortResult<()> {
        Ok(())
    }

    /// Asked before a write takes effect: an error is what its caller gets now, while
    /// the effect is [kept](Self::keep), to land later.
    fn late(&self, _call: &Call) -> Option<PortError> {
        None
    }

    /// Takes an effect that lands later, whenever that is.
    fn keep(&self, _call: &Call, effect: Effect) {
        effect();
    }

    /// Asked after the call took effect: an error means that its answer is lost.
    fn after(&self, _call: &Call) -> PortResult<()> {
        Ok(())
    }
}

/// Nothing goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calm;

impl Faults for Calm {}

/// The gate, shared by every port of one world.
#[derive(Clone)]
pub struct Gate {
    faults: Arc<dyn Faults>,
    log: Arc<Mutex<Vec<Call>>>,
    planted: Arc<OnceLock<Bug>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Arc::new(Calm))
    }
}

impl Gate {
    /// A gate at which these faults strike.
    pub fn new(faults: Arc<dyn Faults>) -> Self {
        Self { faults, log: Arc::default(), planted: Arc::default() }
    }

    /// Runs a call. Yields before and after, so that other tasks may
    /// run in between and a simulation can stop the caller there.
    ///
    /// # Errors
    /// What `act` returns, or a fault.
    pub async fn pass<T>(
        &self,
        service: Service,
        operation: &'static str,
        subject: impl Into<String>,
        act: impl FnOnce() -> PortResult<T>,
    ) -> PortResult<T> {
        let call = self.enter(Call { service, operation, subject: subject.into() }).await?;
        self.leave(&call, act()).await
    }

    /// As [`pass`](Self::pass), for a call that changes something: its effect may land
    /// after the caller has given up.
    ///
    /// # Errors
    /// What `act` returns, or a fault.
    pub async fn pass_write<T>(
        &self,
        service: Service,
        operation: &'static str,
        subject: impl Into<String>,
        act: impl FnOnce() -> PortResult<T> + Send + 'static,
    ) -> PortResult<T> {
        let call = self.enter(Call { service, operation, subject: subject.into() }).await?;
        if let Some(error) = self.faults.late(&call) {
            self.faults.keep(&call, Box::new(move || drop(act())));
            return Err(error);
        }
        self.leave(&call, act()).await
    }

    async fn enter(&self, call: Call) -> PortResult<Call> {
        self.faults.starts(&call);
        yield_now().await;
        while self.faults.delays(&call) {
            yield_now().await;
        }
        self.push(call.clone());
        self.faults.before(&call)?;
        Ok(call)
    }

    async fn leave<T>(&self, call: &Call, result: PortResult<T>) -> PortResult<T> {
        yield_now().await;
        self.faults.after(call)?;
        result
    }

    /// Plants a bug behind this gate, for good: the first one stays.
    pub fn plant(&self, bug: Bug) {
        let _ = self.planted.set(bug);
    }

    /// Whether this bug is planted.
    pub fn has(&self, bug: Bug) -> bool {
        self.planted.get() == Some(&bug)
    }

    /// How many calls there have been.
    pub fn count(&self) -> usize {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The calls after the first `count`, in order.
    pub fn calls_since(&self, count: usize) -> Vec<Call> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.get(count..).unwrap_or_default().to_vec()
    }

    /// All calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the calls so far out of the log.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, call: Call) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// A classified failure of a stand-in's operation.
pub fn failure(
    service: Service,
    operation: &'static str,
    class: Class,
    detail: impl Into<String>,
) -> PortError {
    PortError { service, operation, class, detail: detail.into() }
}
