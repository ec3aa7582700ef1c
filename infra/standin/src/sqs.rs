//! SQS FIFO queues: groups, deduplication, visibility, retention and dead letters,
//! on the virtual clock, and the JSON protocol that the real SDK speaks.
//!
//! Deliberately FIFO only, and nothing ever waits: `WaitTimeSeconds` is read and
//! answered at once. Whatever is not modelled (standard queues, delays, message
//! attributes, move tasks) is refused.

mod error;
mod http;
mod model;
mod outgoing;
mod queue;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

pub use error::SqsError;
pub use model::{BatchOf, Model, Sent};
pub use outgoing::Outgoing;
pub use queue::{Message, Queue};
pub use settings::{Redrive, Settings};

use crate::calls::Calls;
use crate::clock::VirtualClock;

/// The SQS stand-in; clones share one model.
#[derive(Clone)]
pub struct SqsStandin {
    clock: VirtualClock,
    calls: Calls,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    model: Model,
    down: bool,
}

/// The simulation's and the local stack's own way to the queues: what Lambda's poller
/// does. Not logged, and not stopped by [`set_down`](Self::set_down).
impl SqsStandin {
    /// No queues yet.
    pub fn new(clock: VirtualClock, calls: Calls) -> Self {
        Self { clock, calls, inner: Arc::default() }
    }

    /// Makes every [operation](Self::operate) answer `ServiceUnavailable`, or lets them pass again.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Makes a FIFO queue; its dead-letter queue must be there already.
    ///
    /// # Errors
    /// As `CreateQueue`.
    pub fn create_queue(&self, name: &str, settings: Settings) -> Result<(), SqsError> {
        self.scene(|model, now| model.create_queue(name, settings, now))
    }

    /// Changes a queue's settings, as somebody does by hand.
    ///
    /// # Errors
    /// As `SetQueueAttributes`: no such queue, or a value that is not allowed.
    pub fn change_settings(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), SqsError> {
        self.scene(|model, _| model.change_settings(name, change))
    }

    /// Receives up to `max` (1 to 10) messages.
    ///
    /// # Errors
    /// As `ReceiveMessage`.
    pub fn receive(&self, queue: &str, max: usize) -> Result<Vec<Message>, SqsError> {
        self.scene(|model, now| model.receive_message(queue, max, None, now))
    }

    /// Deletes a received message.
    ///
    /// # Errors
    /// As `DeleteMessage`: above all, when its visibility timeout has passed.
    pub fn delete(&self, queue: &str, receipt: &str) -> Result<(), SqsError> {
        self.scene(|model, now| model.delete_message(queue, receipt, now))
    }

    /// Makes a received message visible after `timeout` from now.
    ///
    /// # Errors
    /// As `ChangeMessageVisibility`.
    pub fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        timeout: SignedDuration,
    ) -> Result<(), SqsError> {
        self.scene(|model, now| model.change_message_visibility(queue, receipt, timeout, now))
    }

    /// Messages in a queue, those in flight too; none when there is no such queue.
    pub fn len(&self, queue: &str) -> usize {
        self.scene(|model, now| model.queue(queue).map_or(0, |queue| queue.len(now)))
    }

    /// Whether a queue has no message, not even one in flight.
    pub fn is_empty(&self, queue: &str) -> bool {
        self.len(queue) == 0
    }

    /// When a receive would next find a message: now, if one is visible already.
    pub fn next_visible_at(&self, queue: &str) -> Option<Timestamp> {
        self.scene(|model, now| model.queue(queue).ok()?.next_visible_at(now))
    }

    /// Works on the model directly.
    pub fn scene<T>(&self, act: impl FnOnce(&mut Model, Timestamp) -> T) -> T {
        act(&mut self.lock().model, self.clock.time())
    }

    /// One operation as a client calls it: refused while the service is down.
    ///
    /// # Errors
    /// What `act` returns, or `ServiceUnavailable`.
    pub fn operate<T>(
        &self,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        let now = self.clock.time();
        let mut inner = self.lock();
        if inner.down {
            return Err(SqsError::ServiceUnavailable);
        }
        act(&mut inner.model, now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
