//! The JSON of SQS's protocol: what requests may say, and what is answered.
//!
//! A field that is not modelled is refused, not skipped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::SqsError;
use super::model::Sent;
use super::queue::Message;
use super::settings::arn;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct CreateQueue {
    pub(super) queue_name: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetQueueUrl {
    pub(super) queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetQueueAttributes {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SendMessage {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) message_body: String,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SendMessageBatch {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) entries: Vec<SendEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SendEntry {
    pub(super) id: String,
    #[serde(default)]
    pub(super) message_body: String,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
}

/// `WaitTimeSeconds` and `MessageAttributeNames` are taken and have no effect.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ReceiveMessage {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_system_attribute_names: Vec<String>,
    #[serde(default, rename = "MessageAttributeNames")]
    _message_attribute_names: Vec<String>,
    pub(super) max_number_of_messages: Option<usize>,
    pub(super) visibility_timeout: Option<i64>,
    #[serde(default, rename = "WaitTimeSeconds")]
    _wait_time_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DeleteMessage {
    pub(super) queue_url: String,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DeleteMessageBatch {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) entries: Vec<DeleteEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DeleteEntry {
    pub(super) id: String,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ChangeMessageVisibility {
    pub(super) queue_url: String,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PurgeQueue {
    pub(super) queue_url: String,
}

pub(super) fn url(host: &str, name: &str) -> String {
    format!("http://{host}/000000000000/{name}")
}

/// A queue's name from its URL, whatever the host.
pub(super) fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

pub(super) fn wanted(asked: &[String], name: &str) -> bool {
    asked.iter().any(|asked| asked == "All" || asked == name)
}

pub(super) fn md5(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

pub(super) fn sent(sent: &Sent, md5: &str) -> Value {
    json!({
        "MessageId": sent.id,
        "SequenceNumber": format!("{:020}", sent.sequence),
        "MD5OfMessageBody": md5,
    })
}

pub(super) fn received(message: &Message, asked: &[String]) -> Value {
    let millis = |time: Timestamp| time.as_millisecond().to_string();
    let mut all = vec![
        ("ApproximateReceiveCount", message.receive_count.to_string()),
        ("ApproximateFirstReceiveTimestamp", millis(message.first_received_at)),
        ("MessageDeduplicationId", message.dedup.clone()),
        ("MessageGroupId", message.group.clone()),
        ("SenderId", "000000000000".to_owned()),
        ("SentTimestamp", millis(message.sent_at)),
        ("SequenceNumber", format!("{:020}", message.sequence)),
    ];
    all.extend(message.moved_from.iter().map(|from| ("DeadLetterQueueSourceArn", arn(from))));
    let attributes: Map<_, _> = all
        .into_iter()
        .filter(|(name, _)| wanted(asked, name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut json = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": md5(&message.body),
        "Body": message.body,
    });
    if !attributes.is_empty() {
        json["Attributes"] = attributes.into();
    }
    json
}

pub(super) fn batch(results: impl Iterator<Item = (String, Result<Value, SqsError>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(mut entry) => {
                entry["Id"] = id.into();
                successful.push(entry);
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "Code": error.names().1,
                "Message": error.to_string(),
                "SenderFault": error.is_senders(),
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}
