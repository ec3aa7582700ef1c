//! SQS as a port: sending envelopes, through the gate.

use tollgate_core::converge::BETWEEN_PLANS;
use tollgate_core::ports::{Class, PortError, PortResult, Queue, QueueName, Service};
use tollgate_events::Envelope;

use tollgate_standin::sqs::{Model, Outgoing, SqsError, SqsStandin};

use crate::gate::{Gate, failure};
use crate::planted::Bug;

/// The most messages in a batch.
const BATCH: usize = 10;

/// Tollgate's two queues on the stand-in.
#[derive(Clone)]
pub struct SqsPort {
    sqs: SqsStandin,
    gate: Gate,
    events: String,
    bulk: String,
}

impl SqsPort {
    /// The port on the queues of these names.
    pub fn new(
        sqs: SqsStandin,
        gate: Gate,
        events: impl Into<String>,
        bulk: impl Into<String>,
    ) -> Self {
        Self { sqs, gate, events: events.into(), bulk: bulk.into() }
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
        if self.gate.has(Bug::BetweenNotWoken) && envelope.kind == BETWEEN_PLANS {
            return Ok(());
        }
        let name = self.name(queue);
        let outgoing = self.outgoing(envelope);
        let (sqs, to) = (self.sqs.clone(), name.to_owned());
        let act = move || {
            sqs.operate(|model, now| model.send_message(&to, outgoing, now))
                .map_err(|error| classified(OPERATION, &error))
        };
        let subject = format!("{name} {}", envelope.event_ref());
        let sent = self.gate.pass_write(Service::Queue, OPERATION, subject, act).await;
        if self.gate.has(Bug::RefusalSwallowed) { Ok(()) } else { sent.map(drop) }
    }

    async fn send_all(&self, queue: QueueName, envelopes: &[Envelope]) -> PortResult<()> {
        for some in envelopes.chunks(BATCH) {
            self.send_batch(self.name(queue), some).await?;
        }
        Ok(())
    }
}

impl SqsPort {
    async fn send_batch(&self, name: &str, envelopes: &[Envelope]) -> PortResult<()> {
        const OPERATION: &str = "SendMessageBatch";
        let refused = |error: SqsError| classified(OPERATION, &error);
        let entries = envelopes.iter().map(|envelope| self.outgoing(envelope)).enumerate();
        let entries = entries.map(|(place, entry)| (place.to_string(), entry)).collect();
        let act = || {
            let send = |model: &mut Model, now| model.send_message_batch(name, entries, now);
            let results = self.sqs.operate(send).map_err(refused)?;
            results.into_iter().try_for_each(|(_, sent)| sent.map(drop).map_err(refused))
        };
        let events: Vec<_> = envelopes.iter().map(|e| e.event_ref().to_string()).collect();
        let subject = format!("{name} {}", events.join(" "));
        self.gate.pass(Service::Queue, OPERATION, subject, act).await
    }

    fn outgoing(&self, envelope: &Envelope) -> Outgoing {
        let mut told = envelope.clone();
        if self.gate.has(Bug::NoHint) {
            told.hint = None;
        }
        if self.gate.has(Bug::StackNotTold)
            && let Some(named) = &mut told.subject.account
        {
            named.stack = None;
        }
        let body = told.encode();
        let group = envelope.group().into_owned();
        let by_group = self.gate.has(Bug::DeduplicatedByGroup);
        let dedup = if by_group { group.clone() } else { envelope.deduplication_id() };
        Outgoing { body, group: Some(group), dedup: Some(dedup) }
    }
}

fn classified(operation: &'static str, error: &SqsError) -> PortError {
    let class = match error {
        // Not `NotFound`: the deployment is configured wrongly.
        SqsError::QueueDoesNotExist => Class::Denied,
        SqsError::QueueNameExists(_) | SqsError::PurgeQueueInProgress => Class::Conflict,
        SqsError::ServiceUnavailable => Class::Unavailable,
        _ => Class::Invalid,
    };
    failure(Service::Queue, operation, class, error.to_string())
}
