//! All queues of one account and Region, and the operations on them.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::error::SqsError;
use super::outgoing::Outgoing;
use super::queue::{Message, Queue, later};
use super::settings::{MAX_MESSAGE_BYTES, Settings, arn};

/// The state. Its methods are the operations, by the service's own names.
#[derive(Debug, Default)]
pub struct Model {
    queues: BTreeMap<String, Queue>,
    sequence: u64,
}

/// What `SendMessage` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message's id; a duplicate's is that of the message accepted first.
    pub id: String,
    /// The message's place in the order.
    pub sequence: u64,
}

/// What each entry of a batch came to, by the entry's id.
pub type BatchOf<T> = Vec<(String, Result<T, SqsError>)>;

impl Model {
    /// `CreateQueue`. The same name with the same settings again is no error.
    ///
    /// # Errors
    /// `QueueNameExists` with other settings; `InvalidParameterValue` for a bad name or a
    /// dead-letter queue that is not there; `InvalidAttributeValue`.
    pub fn create_queue(
        &mut self,
        name: &str,
        settings: Settings,
        now: Timestamp,
    ) -> Result<(), SqsError> {
        check_name(name)?;
        settings.check()?;
        if let Some(redrive) = &settings.redrive
            && !self.queues.contains_key(&redrive.dead_letter_queue)
        {
            let reason = "Dead letter target does not exist.";
            return Err(SqsError::InvalidParameterValue { parameter: "RedrivePolicy", reason });
        }
        match self.queues.get(name) {
            Some(queue) if queue.settings == settings => Ok(()),
            Some(_) => Err(SqsError::QueueNameExists("an attribute")),
            None => {
                self.queues.insert(name.to_owned(), Queue::new(name, settings, now));
                Ok(())
            }
        }
    }

    /// A queue.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn queue(&self, name: &str) -> Result<&Queue, SqsError> {
        self.queues.get(name).ok_or(SqsError::QueueDoesNotExist)
    }

    /// `GetQueueAttributes`: all that the queue has.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn get_queue_attributes(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String)>, SqsError> {
        let queue = self.queue(name)?;
        let in_flight = queue.in_flight_len(now);
        let visible = queue.len(now) - in_flight;
        let mut attributes = queue.settings.show();
        attributes.extend([
            ("QueueArn", arn(name)),
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
            ("CreatedTimestamp", queue.created.as_second().to_string()),
            ("LastModifiedTimestamp", queue.created.as_second().to_string()),
        ]);
        Ok(attributes)
    }

    /// What `SetQueueAttributes` does, of all settings at once.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, `InvalidAttributeValue`.
    pub fn change_settings(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), SqsError> {
        let queue = self.queue_mut(name)?;
        let mut settings = queue.settings.clone();
        change(&mut settings);
        settings.check()?;
        queue.settings = settings;
        Ok(())
    }

    /// `SendMessage`.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, `MissingParameter`, `InvalidParameterValue`, `InvalidMessageContents`.
    pub fn send_message(
        &mut self,
        queue: &str,
        outgoing: Outgoing,
        now: Timestamp,
    ) -> Result<Sent, SqsError> {
        self.sequence += 1;
        let sequence = self.sequence;
        let (id, sequence) = self.queue_mut(queue)?.accept(outgoing, sequence, now)?;
        Ok(Sent { id, sequence })
    }

    /// `SendMessageBatch`: each entry has its own result, in the order of the entries.
    ///
    /// # Errors
    /// The batch as a whole: its entries' number, ids and length.
    pub fn send_message_batch(
        &mut self,
        queue: &str,
        entries: Vec<(String, Outgoing)>,
        now: Timestamp,
    ) -> Result<BatchOf<Sent>, SqsError> {
        self.queue(queue)?;
        check_entries(entries.iter().map(|(id, _)| id.as_str()))?;
        if entries.iter().map(|(_, entry)| entry.body.len()).sum::<usize>() > MAX_MESSAGE_BYTES {
            return Err(SqsError::BatchRequestTooLong);
        }
        let send = |(id, outgoing)| (id, self.send_message(queue, outgoing, now));
        Ok(entries.into_iter().map(send).collect())
    }

    /// `ReceiveMessage`. Messages that were received too often move to the dead-letter queue now.
    ///
    /// # Errors
    /// `QueueDoesNotExist`; `InvalidParameterValue` for a number outside 1 to 10, or a
    /// timeout outside 0 to 12 hours.
    pub fn receive_message(
        &mut self,
        name: &str,
        max: usize,
        visibility: Option<SignedDuration>,
        now: Timestamp,
    ) -> Result<Vec<Message>, SqsError> {
        if !(1..=10).contains(&max) {
            let reason = "Must be between 1 and 10, if provided.";
            let parameter = "MaxNumberOfMessages";
            return Err(SqsError::InvalidParameterValue { parameter, reason });
        }
        visibility.map_or(Ok(()), check_timeout)?;
        let queue = self.queue_mut(name)?;
        let (messages, dead) = queue.receive(max, visibility, now);
        let target =
            queue.settings.redrive.as_ref().map(|redrive| redrive.dead_letter_queue.clone());
        for letter in dead {
            self.sequence += 1;
            let sequence = self.sequence;
            if let Some(target) = target.as_ref().and_then(|target| self.queues.get_mut(target)) {
                target.bury(letter, name, sequence, now);
            }
        }
        Ok(messages)
    }

    /// `DeleteMessage`; a message that is gone already is no error.
    ///
    /// # Errors
    /// `QueueDoesNotExist`; `ReceiptHandleIsInvalid`; `InvalidParameterValue` when the
    /// receipt has expired: its visibility timeout has passed, or it was received again.
    pub fn delete_message(
        &mut self,
        queue: &str,
        receipt: &str,
        now: Timestamp,
    ) -> Result<(), SqsError> {
        self.queue_mut(queue)?.delete(receipt, now)
    }

    /// `DeleteMessageBatch`: each entry has its own result. In a batch an expired receipt is
    /// `ReceiptHandleIsInvalid` ([aws-sdk-js #1279](https://github.com/aws/aws-sdk-js/issues/1279),
    /// [sqsmover #54](https://github.com/smaskalik/sqsmover/issues/54)).
    ///
    /// # Errors
    /// The batch as a whole: its entries' number and ids.
    pub fn delete_message_batch(
        &mut self,
        queue: &str,
        entries: Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<BatchOf<()>, SqsError> {
        let queue = self.queue_mut(queue)?;
        check_entries(entries.iter().map(|(id, _)| id.as_str()))?;
        let delete = |(id, receipt): (String, String)| {
            let result = queue.delete(&receipt, now);
            (id, result.map_err(|_| SqsError::ReceiptHandleIsInvalid))
        };
        Ok(entries.into_iter().map(delete).collect())
    }

    /// `ChangeMessageVisibility`.
    ///
    /// # Errors
    /// As [`delete_message`](Self::delete_message), also for a message that is gone;
    /// `InvalidParameterValue` for a timeout outside 0 to 12 hours.
    pub fn change_message_visibility(
        &mut self,
        queue: &str,
        receipt: &str,
        timeout: SignedDuration,
        now: Timestamp,
    ) -> Result<(), SqsError> {
        check_timeout(timeout)?;
        self.queue_mut(queue)?.change_visibility(receipt, later(now, timeout), now)
    }

    /// `PurgeQueue`. What was sent is still remembered for deduplication.
    ///
    /// # Errors
    /// `QueueDoesNotExist`; `PurgeQueueInProgress` within a minute of the last.
    pub fn purge_queue(&mut self, queue: &str, now: Timestamp) -> Result<(), SqsError> {
        let queue = self.queue_mut(queue)?;
        let pause = SignedDuration::from_secs(60);
        if queue.purged.is_some_and(|last| now.duration_since(last) < pause) {
            return Err(SqsError::PurgeQueueInProgress);
        }
        queue.purge(now);
        Ok(())
    }

    fn queue_mut(&mut self, name: &str) -> Result<&mut Queue, SqsError> {
        self.queues.get_mut(name).ok_or(SqsError::QueueDoesNotExist)
    }
}

/// Up to 80 letters, digits, hyphens and underscores, `.fifo` included at its end.
fn check_name(name: &str) -> Result<(), SqsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let stem = name.strip_suffix(".fifo");
    if name.len() <= 80 && stem.is_some_and(|stem| !stem.is_empty() && stem.chars().all(allowed)) {
        return Ok(());
    }
    let reason = "The name of a FIFO queue can only include alphanumeric characters, hyphens, \
                  or underscores, must end with .fifo suffix and be 1 to 80 in length.";
    Err(SqsError::InvalidParameterValue { parameter: "QueueName", reason })
}

fn check_timeout(timeout: SignedDuration) -> Result<(), SqsError> {
    if (SignedDuration::ZERO..=SignedDuration::from_hours(12)).contains(&timeout) {
        return Ok(());
    }
    let reason = "Must be between 0 and 43200 seconds.";
    Err(SqsError::InvalidParameterValue { parameter: "VisibilityTimeout", reason })
}

fn check_entries<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), SqsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut seen = HashSet::new();
    let mut count = 0;
    for id in ids {
        count += 1;
        if !(1..=80).contains(&id.len()) || !id.chars().all(allowed) {
            return Err(SqsError::InvalidBatchEntryId);
        }
        if !seen.insert(id) {
            return Err(SqsError::BatchEntryIdsNotDistinct);
        }
    }
    match count {
        0 => Err(SqsError::EmptyBatchRequest),
        1..=10 => Ok(()),
        _ => Err(SqsError::TooManyEntriesInBatchRequest),
    }
}
