//! A message to be sent, and whether SQS takes it.

use super::error::SqsError;
use super::settings::MAX_MESSAGE_BYTES;

/// A message to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// `MessageBody`, at most 1 MiB.
    pub body: String,
    /// `MessageGroupId`, which a FIFO queue requires.
    pub group: Option<String>,
    /// `MessageDeduplicationId`, required unless the queue deduplicates by content.
    pub dedup: Option<String>,
}

impl Outgoing {
    /// The group and the deduplication id of a message that may be sent.
    pub(super) fn check(&self, by_content: bool) -> Result<(String, String), SqsError> {
        let group = self.group.clone().ok_or(SqsError::MissingParameter("MessageGroupId"))?;
        check_id("MessageGroupId", &group)?;
        check_body(&self.body)?;
        let dedup = match &self.dedup {
            Some(dedup) => dedup.clone(),
            None if by_content => content_id(&self.body),
            None => {
                return Err(SqsError::InvalidParameterValue {
                    parameter: "MessageDeduplicationId",
                    reason: "The queue should either have ContentBasedDeduplication enabled \
                             or MessageDeduplicationId provided explicitly",
                });
            }
        };
        check_id("MessageDeduplicationId", &dedup)?;
        Ok((group, dedup))
    }
}

/// 1 to 128 letters, digits and punctuation.
fn check_id(parameter: &'static str, id: &str) -> Result<(), SqsError> {
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let reason = "It can only include 1 to 128 alphanumeric and punctuation characters.";
    Err(SqsError::InvalidParameterValue { parameter, reason })
}

/// XML's characters only: no control characters but tab, line feed and carriage return.
fn check_body(body: &str) -> Result<(), SqsError> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    if body.is_empty() {
        return Err(SqsError::MissingParameter("MessageBody"));
    }
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(SqsError::InvalidParameterValue {
            parameter: "MessageBody",
            reason: "Message must be shorter than 1048576 bytes.",
        });
    }
    if body.chars().all(allowed) { Ok(()) } else { Err(SqsError::InvalidMessageContents) }
}

fn content_id(body: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes()))
}
