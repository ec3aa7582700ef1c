//! The ports face: sending envelopes, through the gate.

use tollgate_billing::ports::{PortResult, Queue, QueueName, Service};
use tollgate_events::Envelope;

use super::SqsStandin;
use super::outgoing::Outgoing;
use crate::bugs::Bug;
use crate::gate::failure;

/// Tollgate's two queues on the stand-in.
#[derive(Clone)]
pub struct SqsPort {
    sqs: SqsStandin,
    events: String,
    bulk: String,
}

impl SqsPort {
    /// The port on the queues of these names.
    pub fn new(sqs: SqsStandin, events: impl Into<String>, bulk: impl Into<String>) -> Self {
        Self { sqs, events: events.into(), bulk: bulk.into() }
    }

    /// The name of a queue.
    pub fn name(&self, queue: QueueName) -> &str {
        match queue {
            QueueName::Events => &self.events,
            QueueName::Bulk => &self.bulk,
        }
    }
}

impl Queue for SqsPort {
    async fn send(&self, queue: QueueName, envelope: &Envelope) -> PortResult<()> {
        const OPERATION: &str = "SendMessage";
        let name = self.name(queue);
        let envelope = &match self.sqs.gate.has(Bug::NoHint) {
            true => Envelope { hint: None, ..envelope.clone() },
            false => envelope.clone(),
        };
        let group = envelope.group().to_owned();
        let by_group = self.sqs.gate.has(Bug::DeduplicatedByGroup);
        let dedup = if by_group { group.clone() } else { envelope.deduplication_id() };
        let outgoing = Outgoing { body: envelope.encode(), group: Some(group), dedup: Some(dedup) };
        let (sqs, to) = (self.sqs.clone(), name.to_owned());
        let act = move || {
            sqs.operate(|model, now| model.send_message(&to, outgoing, now)).map_err(|error| {
                failure(Service::Queue, OPERATION, error.class(), error.to_string())
            })
        };
        let subject = format!("{name} {}", envelope.event_ref());
        let sent = self.sqs.gate.pass_write(Service::Queue, OPERATION, subject, act).await;
        if self.sqs.gate.has(Bug::RefusalSwallowed) { Ok(()) } else { sent.map(drop) }
    }
}
