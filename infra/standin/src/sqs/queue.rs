//! One FIFO queue: its messages in order, what is in flight, what it remembers.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use super::error::SqsError;
use super::outgoing::Outgoing;
use super::settings::Settings;

/// How long a deduplication id is remembered, from its first acceptance on; also after
/// the message was received and deleted.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>
const DEDUPLICATION: SignedDuration = SignedDuration::from_mins(5);

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `MessageId`.
    pub id: String,
    /// `ReceiptHandle`: of this receive alone.
    pub receipt: String,
    /// `Body`.
    pub body: String,
    /// `MessageGroupId`.
    pub group: String,
    /// `MessageDeduplicationId`.
    pub dedup: String,
    /// `ApproximateReceiveCount`, this receive included.
    pub receive_count: u32,
    /// `SentTimestamp`.
    pub sent_at: Timestamp,
    /// `SequenceNumber`.
    pub sequence: u64,
    /// `ApproximateFirstReceiveTimestamp`.
    pub first_received_at: Timestamp,
    /// `DeadLetterQueueSourceArn`, by name: the queue that it was moved from.
    pub moved_from: Option<String>,
}

/// A message as the queue keeps it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: String,
    body: String,
    group: String,
    dedup: String,
    sent_at: Timestamp,
    receive_count: u32,
    first_received_at: Option<Timestamp>,
    visible_at: Timestamp,
    moved_from: Option<String>,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    name: String,
    pub(super) settings: Settings,
    pub(super) created: Timestamp,
    /// In the order of acceptance.
    messages: BTreeMap<u64, Stored>,
    /// Accepted within the last five minutes: deduplication key to message.
    remembered: HashMap<(String, String), (String, u64)>,
    forget: VecDeque<(Timestamp, (String, String))>,
    pub(super) purged: Option<Timestamp>,
}

impl Queue {
    pub(super) fn new(name: &str, settings: Settings, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            created: now,
            messages: BTreeMap::new(),
            remembered: HashMap::new(),
            forget: VecDeque::new(),
            purged: None,
        }
    }

    /// Takes a message in, or recognises it. Returns the id and sequence number of the
    /// message that was accepted first.
    pub(super) fn accept(
        &mut self,
        outgoing: Outgoing,
        sequence: u64,
        now: Timestamp,
    ) -> Result<(String, u64), SqsError> {
        let by_content = self.settings.content_based_deduplication;
        let (group, dedup) = outgoing.check(by_content)?;
        let scope = if self.settings.deduplicate_per_group { group.clone() } else { String::new() };
        self.forget_old(now);
        let key = (scope, dedup.clone());
        if let Some(first) = self.remembered.get(&key) {
            return Ok(first.clone());
        }
        let id = message_id(sequence);
        self.remembered.insert(key.clone(), (id.clone(), sequence));
        self.forget.push_back((later(now, DEDUPLICATION), key));
        let stored = Stored {
            id: id.clone(),
            body: outgoing.body,
            group,
            dedup,
            sent_at: now,
            receive_count: 0,
            first_received_at: None,
            visible_at: now,
            moved_from: None,
        };
        self.messages.insert(sequence, stored);
        Ok((id, sequence))
    }

    /// The messages that may be received now, up to `max`, and those that have been received
    /// too often and now leave. A group is blocked while any message of it is in flight; a
    /// batch takes several of one group, in order.
    pub(super) fn receive(
        &mut self,
        max: usize,
        visibility: Option<SignedDuration>,
        now: Timestamp,
    ) -> (Vec<Message>, Vec<Stored>) {
        self.expire(now);
        let limit = self.settings.redrive.as_ref().map(|redrive| redrive.max_receive_count);
        let blocked = self.blocked(now);
        let (mut taken, mut dead) = (Vec::new(), Vec::new());
        for (sequence, message) in &self.messages {
            if taken.len() == max {
                break;
            }
            if blocked.contains(message.group.as_str()) {
                continue;
            }
            let too_often = limit.is_some_and(|limit| message.receive_count >= limit);
            if too_often { &mut dead } else { &mut taken }.push(*sequence);
        }
        let dead = dead.iter().filter_map(|sequence| self.messages.remove(sequence)).collect();
        let timeout = visibility.unwrap_or(self.settings.visibility_timeout);
        let taken = taken
            .into_iter()
            .filter_map(|sequence| self.hand_out(sequence, later(now, timeout), now))
            .collect();
        (taken, dead)
    }

    /// Takes a dead letter of `source` in. It keeps its id, group and receive count; AWS
    /// documents that a FIFO queue's enqueue time begins anew.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html>
    pub(super) fn bury(&mut self, letter: Stored, source: &str, sequence: u64, now: Timestamp) {
        let moved_from = Some(source.to_owned());
        self.messages
            .insert(sequence, Stored { sent_at: now, visible_at: now, moved_from, ..letter });
    }

    /// Deletes the message of a receipt; one that is gone already is no error.
    pub(super) fn delete(&mut self, receipt: &str, now: Timestamp) -> Result<(), SqsError> {
        if let Some(sequence) = self.in_flight(receipt, now)? {
            self.messages.remove(&sequence);
        }
        Ok(())
    }

    /// Makes the message of a receipt visible at `visible_at`.
    pub(super) fn change_visibility(
        &mut self,
        receipt: &str,
        visible_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), SqsError> {
        let sequence = self.in_flight(receipt, now)?;
        let message = sequence.and_then(|sequence| self.messages.get_mut(&sequence));
        message.ok_or(SqsError::EXPIRED)?.visible_at = visible_at;
        Ok(())
    }

    pub(super) fn purge(&mut self, now: Timestamp) {
        self.messages.clear();
        self.purged = Some(now);
    }

    /// Messages, those in flight too.
    pub fn len(&self, now: Timestamp) -> usize {
        self.live(now).count()
    }

    /// Messages in flight.
    pub fn in_flight_len(&self, now: Timestamp) -> usize {
        self.live(now).filter(|message| message.visible_at > now).count()
    }

    /// When a receive would next find a message: now, if one is visible already.
    pub fn next_visible_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut groups: HashMap<&str, Timestamp> = HashMap::new();
        for message in self.live(now) {
            let free = groups.entry(&message.group).or_insert(now);
            *free = (*free).max(message.visible_at);
        }
        groups.into_values().min()
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = &Stored> {
        self.messages.values().filter(move |message| !self.is_expired(message, now))
    }

    fn is_expired(&self, message: &Stored, now: Timestamp) -> bool {
        now.duration_since(message.sent_at) >= self.settings.retention
    }

    fn expire(&mut self, now: Timestamp) {
        let retention = self.settings.retention;
        self.messages.retain(|_, message| now.duration_since(message.sent_at) < retention);
    }

    fn blocked(&self, now: Timestamp) -> HashSet<String> {
        let in_flight = self.messages.values().filter(|message| message.visible_at > now);
        in_flight.map(|message| message.group.clone()).collect()
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((until, _)) = self.forget.front()
            && *until <= now
        {
            if let Some((_, key)) = self.forget.pop_front() {
                self.remembered.remove(&key);
            }
        }
    }

    fn hand_out(
        &mut self,
        sequence: u64,
        visible_at: Timestamp,
        now: Timestamp,
    ) -> Option<Message> {
        let message = self.messages.get_mut(&sequence)?;
        message.receive_count += 1;
        message.visible_at = visible_at;
        let first_received_at = *message.first_received_at.get_or_insert(now);
        let receipt = format!("{}/{sequence}/{}", self.name, message.receive_count);
        Some(Message {
            id: message.id.clone(),
            receipt: URL_SAFE_NO_PAD.encode(receipt),
            body: message.body.clone(),
            group: message.group.clone(),
            dedup: message.dedup.clone(),
            receive_count: message.receive_count,
            sent_at: message.sent_at,
            sequence,
            first_received_at,
            moved_from: message.moved_from.clone(),
        })
    }

    /// The message of a receipt, which must be its latest and in flight; `None` when the
    /// message is gone. A FIFO queue refuses a receipt whose visibility timeout has passed.
    fn in_flight(&self, receipt: &str, now: Timestamp) -> Result<Option<u64>, SqsError> {
        let (sequence, receive) = self.read(receipt).ok_or(SqsError::ReceiptHandleIsInvalid)?;
        let Some(message) = self.messages.get(&sequence) else { return Ok(None) };
        if message.receive_count != receive || message.visible_at <= now {
            return Err(SqsError::EXPIRED);
        }
        Ok(Some(sequence))
    }

    fn read(&self, receipt: &str) -> Option<(u64, u32)> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(receipt).ok()?).ok()?;
        let mut parts = text.split('/');
        let own = parts.next() == Some(self.name.as_str());
        let (sequence, receive) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        own.then_some((sequence, receive))
    }
}

pub(super) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Of the form of a UUID, the same in every run.
fn message_id(sequence: u64) -> String {
    format!("00000000-0000-4000-8000-{sequence:012x}")
}
