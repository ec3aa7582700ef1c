//! The queues on SQS FIFO. Group and deduplication id are the envelope's own; nothing
//! is held back here, because a send answered is a promise kept.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use jiff::SignedDuration;
use tollgate_core::ports::{Class, PortResult, Queue, QueueName, Service};
use tollgate_events::Envelope;

use super::error::{Operation, class_of_code};

const SEND: Operation = Operation { service: Service::Queue, name: "SendMessage" };
const SEND_BATCH: Operation = Operation { service: Service::Queue, name: "SendMessageBatch" };
const SHOW: Operation = Operation { service: Service::Queue, name: "ChangeMessageVisibility" };
/// The most messages in a batch; ten envelopes are far below its 1 MiB.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
const BATCH: usize = 10;

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

    /// A message that was received comes again in so long, in whole seconds, and not when its
    /// visibility timeout is over. `queue` is the queue's ARN, as Lambda tells it.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
    ///
    /// # Errors
    /// The call failed, or the queue is none of the two.
    pub async fn show_again(
        &self,
        queue: &str,
        receipt: &str,
        after: SignedDuration,
    ) -> PortResult<()> {
        let name = queue.rsplit(':').next().unwrap_or_default();
        let is_it = |url: &&String| url.rsplit('/').next() == Some(name);
        let url = [&self.events, &self.bulk].into_iter().find(is_it);
        let url = url.ok_or_else(|| SHOW.error(Class::Invalid, "it is of no queue of ours"))?;
        let request = self.client.change_message_visibility().queue_url(url);
        let request = request.receipt_handle(receipt);
        let seconds = i32::try_from(after.as_secs()).unwrap_or(i32::MAX);
        let answer = request.visibility_timeout(seconds).send().await;
        answer.map_err(|error| SHOW.sdk(&error)).map(drop)
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

    async fn send_all(&self, queue: QueueName, envelopes: &[Envelope]) -> PortResult<()> {
        for some in envelopes.chunks(BATCH) {
            let entries = some.iter().enumerate().map(|(place, envelope)| entry(place, envelope));
            let entries = entries.collect::<PortResult<_>>()?;
            let request = self.client.send_message_batch().queue_url(self.url(queue));
            let answer = request.set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| SEND_BATCH.sdk(&error))?;
            answer.failed().iter().try_for_each(refused)?;
        }
        Ok(())
    }
}

fn entry(place: usize, envelope: &Envelope) -> PortResult<SendMessageBatchRequestEntry> {
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_group_id(envelope.group())
        .message_deduplication_id(envelope.deduplication_id())
        .message_body(envelope.encode())
        .build()
        .map_err(|error| SEND_BATCH.error(Class::Invalid, error.to_string()))
}

/// A batch that SQS takes may still have entries that it does not.
fn refused(entry: &BatchResultErrorEntry) -> PortResult<()> {
    let class = if entry.sender_fault() { Class::Invalid } else { Class::Unavailable };
    let class = class_of_code(entry.code(), || None).unwrap_or(class);
    Err(SEND_BATCH.error(class, format!("{} for one of the batch's entries", entry.code())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate_standin::stub::{Stub, StubAnswer};

    use super::*;
    use crate::adapters::clients::stubbed;

    const ENVELOPE: &str = r#"{"v":1,"source":"stripe","id":"evt_1","type":"t","subject":{"customer":"cus_1"},"occurred_at":1,"received_at":2,"via":"replay","run":"r1"}"#;

    #[tokio::test]
    async fn an_envelope_goes_to_its_queue_with_its_group_and_deduplication_id() {
        let missing = json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no" });
        let stub = Stub::answering([
            StubAnswer::new(200, json!({ "MessageId": "1" })),
            StubAnswer::new(400, missing),
            StubAnswer::new(503, "busy"),
        ])
        .await;
        let queue = SqsQueue::new(
            Client::new(&stubbed(&stub.url)),
            "https://sqs/events",
            "https://sqs/bulk",
        );
        let envelope = Envelope::decode(ENVELOPE).unwrap();
        queue.send(QueueName::Bulk, &envelope).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
        let expected = json!({
            "QueueUrl": "https://sqs/bulk",
            "MessageGroupId": "cus_1",
            "MessageDeduplicationId": "r1@stripe/evt_1",
            "MessageBody": ENVELOPE,
        });
        assert_eq!(body, expected);
        for class in [Class::Denied, Class::Unavailable] {
            assert_eq!(queue.send(QueueName::Events, &envelope).await.unwrap_err().class, class);
        }
    }

    #[tokio::test]
    async fn a_message_comes_again_when_it_is_told_to() {
        let stub = Stub::answering([StubAnswer::new(200, json!({}))]).await;
        let queue = SqsQueue::new(
            Client::new(&stubbed(&stub.url)),
            "https://sqs/1/s-events",
            "https://sqs/1/s-bulk",
        );
        let show = async |arn| queue.show_again(arn, "r-1", SignedDuration::from_secs(2)).await;
        show("arn:aws:sqs:eu-central-1:1:s-bulk").await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
        let expected = json!({
            "QueueUrl": "https://sqs/1/s-bulk", "ReceiptHandle": "r-1", "VisibilityTimeout": 2,
        });
        assert_eq!(body, expected);
        let other = show("arn:aws:sqs:eu-central-1:1:other").await.unwrap_err();
        assert_eq!((other.class, stub.asked().len()), (Class::Invalid, 1));
    }

    #[tokio::test]
    async fn ten_envelopes_go_in_a_call_and_one_that_is_refused_is_an_error() {
        let refused = json!([{ "Id": "0", "Code": "InternalError", "SenderFault": false }]);
        let stub = Stub::answering([
            StubAnswer::new(200, json!({ "Successful": [], "Failed": [] })),
            StubAnswer::new(200, json!({ "Successful": [], "Failed": refused })),
        ])
        .await;
        let queue = SqsQueue::new(
            Client::new(&stubbed(&stub.url)),
            "https://sqs/events",
            "https://sqs/bulk",
        );
        let envelopes = vec![Envelope::decode(ENVELOPE).unwrap(); 11];
        let failed = queue.send_all(QueueName::Bulk, &envelopes).await.unwrap_err();
        assert_eq!(failed.class, Class::Unavailable);
        let bodies = stub.asked().into_iter().map(|asked| asked.body);
        let bodies: Vec<serde_json::Value> =
            bodies.map(|body| serde_json::from_str(&body).unwrap()).collect();
        let counts = bodies.iter().map(|body| body["Entries"].as_array().unwrap().len());
        assert_eq!(counts.collect::<Vec<_>>(), [10, 1]);
        assert_eq!(bodies[0]["Entries"][9]["MessageDeduplicationId"], "r1@stripe/evt_1");
    }
}
