//! A queue's attributes.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::SqsError;

/// The longest body, and the longest batch of bodies: 1 MiB.
pub(super) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

const ARN_PREFIX: &str = "arn:aws:sqs:us-east-1:000000000000:";

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's name; a FIFO queue too.
    pub dead_letter_queue: String,
    /// How often a message may be received; the receive after that moves it.
    pub max_receive_count: u32,
}

/// What a FIFO queue is set to; the default is AWS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ContentBasedDeduplication`: the body's SHA-256 stands in for a missing deduplication id.
    pub content_based_deduplication: bool,
    /// `DeduplicationScope` is `messageGroup`, not `queue`.
    pub deduplicate_per_group: bool,
    /// `FifoThroughputLimit` is `perMessageGroupId`, not `perQueue`. Kept and shown; the
    /// throughput itself is not limited here.
    pub throughput_per_group: bool,
    /// `VisibilityTimeout`, 0 to 12 hours.
    pub visibility_timeout: SignedDuration,
    /// `MessageRetentionPeriod`, 1 minute to 14 days.
    pub retention: SignedDuration,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            content_based_deduplication: false,
            deduplicate_per_group: false,
            throughput_per_group: false,
            visibility_timeout: SignedDuration::from_secs(30),
            retention: SignedDuration::from_hours(4 * 24),
            redrive: None,
        }
    }
}

impl Settings {
    /// Reads the attributes of `CreateQueue`.
    pub(super) fn read(attributes: &BTreeMap<String, String>) -> Result<Self, SqsError> {
        let mut settings = Self::default();
        let mut is_fifo = false;
        for (name, value) in attributes {
            match name.as_str() {
                "FifoQueue" => is_fifo = flag("FifoQueue", value)?,
                "ContentBasedDeduplication" => {
                    settings.content_based_deduplication =
                        flag("ContentBasedDeduplication", value)?;
                }
                "DeduplicationScope" => {
                    settings.deduplicate_per_group =
                        choice("DeduplicationScope", value, ["queue", "messageGroup"])?;
                }
                "FifoThroughputLimit" => {
                    settings.throughput_per_group =
                        choice("FifoThroughputLimit", value, ["perQueue", "perMessageGroupId"])?;
                }
                "VisibilityTimeout" => {
                    settings.visibility_timeout = seconds("VisibilityTimeout", value)?;
                }
                "MessageRetentionPeriod" => {
                    settings.retention = seconds("MessageRetentionPeriod", value)?;
                }
                "RedrivePolicy" => settings.redrive = Some(redrive(value)?),
                _ => return Err(SqsError::InvalidAttributeName(name.clone())),
            }
        }
        if is_fifo {
            return Ok(settings);
        }
        Err(SqsError::NotImplemented("a queue that is not FIFO".into()))
    }

    /// Whether the values are allowed, by themselves.
    pub(super) fn check(&self) -> Result<(), SqsError> {
        let hours = SignedDuration::from_hours;
        let bad = SqsError::InvalidAttributeValue;
        if !(SignedDuration::ZERO..=hours(12)).contains(&self.visibility_timeout) {
            return Err(bad("VisibilityTimeout"));
        }
        if !(SignedDuration::from_secs(60)..=hours(14 * 24)).contains(&self.retention) {
            return Err(bad("MessageRetentionPeriod"));
        }
        if self.throughput_per_group && !self.deduplicate_per_group {
            return Err(bad("FifoThroughputLimit"));
        }
        match &self.redrive {
            Some(redrive) if !(1..=1000).contains(&redrive.max_receive_count) => {
                Err(bad("RedrivePolicy"))
            }
            _ => Ok(()),
        }
    }

    /// The attributes as `GetQueueAttributes` shows them.
    pub(super) fn show(&self) -> Vec<(&'static str, String)> {
        let scope = if self.deduplicate_per_group { "messageGroup" } else { "queue" };
        let limit = if self.throughput_per_group { "perMessageGroupId" } else { "perQueue" };
        let mut shown = vec![
            ("FifoQueue", "true".to_owned()),
            ("ContentBasedDeduplication", self.content_based_deduplication.to_string()),
            ("DeduplicationScope", scope.to_owned()),
            ("FifoThroughputLimit", limit.to_owned()),
            ("VisibilityTimeout", self.visibility_timeout.as_secs().to_string()),
            ("MessageRetentionPeriod", self.retention.as_secs().to_string()),
            ("MaximumMessageSize", MAX_MESSAGE_BYTES.to_string()),
            ("DelaySeconds", "0".to_owned()),
        ];
        if let Some(redrive) = &self.redrive {
            let policy = json!({
                "deadLetterTargetArn": arn(&redrive.dead_letter_queue),
                "maxReceiveCount": redrive.max_receive_count,
            });
            shown.push(("RedrivePolicy", policy.to_string()));
        }
        shown
    }
}

/// A queue's ARN.
pub(super) fn arn(name: &str) -> String {
    format!("{ARN_PREFIX}{name}")
}

fn flag(attribute: &'static str, value: &str) -> Result<bool, SqsError> {
    choice(attribute, value, ["false", "true"])
}

/// Whether the value is the second of the two.
fn choice(attribute: &'static str, value: &str, of: [&str; 2]) -> Result<bool, SqsError> {
    let at = of.iter().position(|known| *known == value);
    at.map(|at| at == 1).ok_or(SqsError::InvalidAttributeValue(attribute))
}

fn seconds(attribute: &'static str, value: &str) -> Result<SignedDuration, SqsError> {
    let seconds: u32 = value.parse().map_err(|_| SqsError::InvalidAttributeValue(attribute))?;
    Ok(SignedDuration::from_secs(seconds.into()))
}

/// `maxReceiveCount` comes as a number or as a string of one.
fn redrive(policy: &str) -> Result<Redrive, SqsError> {
    let bad = || SqsError::InvalidAttributeValue("RedrivePolicy");
    let policy: Value = serde_json::from_str(policy).map_err(|_| bad())?;
    let count = match &policy["maxReceiveCount"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    let name = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.strip_prefix(ARN_PREFIX));
    Ok(Redrive {
        dead_letter_queue: name.ok_or_else(bad)?.to_owned(),
        max_receive_count: count.and_then(|count| count.try_into().ok()).ok_or_else(bad)?,
    })
}
