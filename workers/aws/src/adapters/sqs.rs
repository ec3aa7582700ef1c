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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate_billing::ports::Class;

    use super::*;
    use crate::adapters::stub::{Answer, Stub};

    const ENVELOPE: &str = r#"{"v":1,"source":"stripe","id":"evt_1","type":"t","subject":{"customer":"cus_1"},"occurred_at":1,"received_at":2,"via":"replay","run":"r1"}"#;

    #[tokio::test]
    async fn an_envelope_goes_to_its_queue_with_its_group_and_deduplication_id() {
        let missing = json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no" });
        let stub = Stub::answering([
            Answer::new(200, json!({ "MessageId": "1" })),
            Answer::new(400, missing),
            Answer::new(503, "busy"),
        ])
        .await;
        let queue =
            SqsQueue::new(Client::new(&stub.aws()), "https://sqs/events", "https://sqs/bulk");
        let envelope = Envelope::decode(ENVELOPE).unwrap();
        queue.send(QueueName::Bulk, &envelope).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
        let expected = json!({
            "QueueUrl": "https://sqs/bulk",
            "MessageGroupId": "cus_1",
            "MessageDeduplicationId": "r1@evt_1",
            "MessageBody": ENVELOPE,
        });
        assert_eq!(body, expected);
        for class in [Class::Denied, Class::Unavailable] {
            assert_eq!(queue.send(QueueName::Events, &envelope).await.unwrap_err().class, class);
        }
    }
}
