//! SQS.

use std::future::Future;

use tollgate_events::Envelope;

use super::failure::PortResult;

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    /// Stripe's events and operators' acts: what was paid for goes first.
    Events,
    /// Sign-ups, wakes, replays.
    Bulk,
}

/// SQS.
pub trait Queue: Send + Sync {
    /// Sends one envelope with its group and deduplication id; on success it is durable.
    fn send(
        &self,
        queue: QueueName,
        envelope: &Envelope,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Sends envelopes, ten to a call, in their order; on success all are durable. After a
    /// failure some may be: sending all again is harmless.
    fn send_all(
        &self,
        queue: QueueName,
        envelopes: &[Envelope],
    ) -> impl Future<Output = PortResult<()>> + Send;
}
