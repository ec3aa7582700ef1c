//! The queues on SQS FIFO. Group and deduplication id are the envelope's own; nothing
//! is batched or delayed here, because a send answered is a promise kept.

use aws_sdk_sqs::Client;
use tollgate_billing::ports::{PortResult, Queue, QueueName, Service};
use tollgate_events::Envelope;

use super::error::Operation;

const SEND: Operation = Operation { service: Service::Queue, name: "SendMessage" };

/// The queue port on two FIFO queues.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    events: String,
    bulk: String,
}

impl SqsQueue {
    /// The queues at these URLs.
    pub fn new(client: Client, events: impl Into<String>, bulk: impl Into<String>) -> Self {
        Self { client, events: events.into(), bulk: bulk.into() }
    }

    fn url(&self, queue: QueueName) -> &str {
        match queue {
            QueueName::Events => &self.events,
            QueueName::Bulk => &self.bulk,
        }
    }
}

impl Queue for SqsQueue {
    async fn send(&self, queue: QueueName, envelope: &Envelope) -> PortResult<()> {
        self.client
            .send_message()
            .queue_url(self.url(queue))
            .message_group_id(envelope.group())
            .message_deduplication_id(envelope.deduplication_id())
            .message_body(envelope.encode())
            .send()
            .await
            .map_err(|error| SEND.sdk(&error))?;
        Ok(())
    }
}
