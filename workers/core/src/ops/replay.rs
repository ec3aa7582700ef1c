//! Replay: events that the ledger has on record go on the `bulk` queue once more.
//!
//! A replayed event is a wake like every other: it makes the worker look at Stripe, API
//! Gateway and Cognito as they are now. It can therefore be replayed at any age, any number
//! of times and in any order; with nothing to mend, nothing but its record changes.
//!
//! # Expected flow
//! Events are read in the order of their first record, page by page, sent ten to a call, and
//! never faster than the rate. After each call the caller is told how far it got, and may
//! stop it there; a later replay goes on from that time.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use tollgate_events::{AccountId, CustomerId, Envelope, EventId, Via};

use crate::ledger::{Outcome, StoredEvent};
use crate::ports::{Clock, Ledger, PortResult, Ports, Queue, QueueName};

/// What `SendMessageBatch` takes.
const EVENTS_TO_A_CALL: usize = 10;

/// Which events. What is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// First recorded at this time or later.
    pub from: Timestamp,
    /// First recorded at this time or earlier.
    pub to: Timestamp,
    /// Ids, as Stripe or CloudTrail gave them.
    pub ids: BTreeSet<EventId>,
    /// Types, whole (`invoice.paid`) or with all that begin so (`customer.subscription.*`).
    pub kinds: Vec<String>,
    /// The account that they were found to be about.
    pub account: Option<AccountId>,
    /// The Stripe customer that they name.
    pub customer: Option<CustomerId>,
    /// What became of them last.
    pub outcomes: BTreeSet<Outcome>,
}

impl Selection {
    /// Everything first recorded between two times.
    pub fn between(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            ids: BTreeSet::new(),
            kinds: Vec::new(),
            account: None,
            customer: None,
            outcomes: BTreeSet::new(),
        }
    }

    /// Whether an event is one of them; what is no envelope never is.
    pub fn takes(&self, event: &StoredEvent) -> bool {
        let record = &event.record;
        let Some(envelope) = record.envelope() else { return false };
        (self.from..=self.to).contains(&event.first_at)
            && (self.ids.is_empty() || self.ids.contains(&record.event.id))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| fits(kind, &envelope.kind)))
            && self.account.as_ref().is_none_or(|account| record.account.as_ref() == Some(account))
            && self
                .customer
                .as_ref()
                .is_none_or(|it| envelope.subject.customer.as_ref() == Some(it))
            && (self.outcomes.is_empty() || self.outcomes.contains(&record.outcome))
    }
}

fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == pattern,
    }
}

/// How far a replay got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records looked at.
    pub looked_at: usize,
    /// Events put on the queue.
    pub sent: usize,
    /// Records looked at that are no envelope: they cannot be replayed.
    pub unreadable: usize,
    /// All selected events that were first recorded before this time were sent, and perhaps
    /// some of this very time: where a later replay goes on.
    pub until: Option<Timestamp>,
}

/// A replay from the ledger's records.
#[derive(Debug)]
pub struct Replay<'a, P, Q> {
    /// The ledger and the clock.
    pub ports: &'a P,
    /// Where the events go.
    pub queue: &'a Q,
    /// Events a second, at most: each costs the worker calls of Stripe, which wants bulk work
    /// below 15 a second, and of API Gateway's control plane.
    pub per_second: u32,
    /// Sets this replay's messages apart from those of the last one, within whose five minutes
    /// SQS would drop them.
    pub run: String,
}

impl<P: Ports, Q: Queue> Replay<'_, P, Q> {
    /// Sends the selected events, in the order of their first record. `told` hears how far it
    /// got after each call, and may stop it.
    ///
    /// # Errors
    /// A call failed. What `told` heard of is on the queue; sending it again is harmless.
    pub async fn run(
        &self,
        selection: &Selection,
        mut told: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> PortResult<Progress> {
        let mut progress = Progress::default();
        // Nothing is recorded in the future, and each day costs calls.
        let to = selection.to.min(self.ports.clock().now());
        let mut page = None;
        loop {
            let ledger = self.ports.ledger();
            let events = ledger.events(selection.from, to, page.as_deref()).await?;
            progress.looked_at += events.items.len();
            let (readable, unreadable): (Vec<_>, Vec<_>) =
                events.items.iter().partition(|event| event.record.envelope().is_some());
            progress.unreadable += unreadable.len();
            let selected: Vec<_> =
                readable.into_iter().filter(|event| selection.takes(event)).collect();
            for some in selected.chunks(EVENTS_TO_A_CALL) {
                self.send(some).await?;
                progress.sent += some.len();
                progress.until = some.last().map(|event| event.first_at);
                if told(&progress).is_break() {
                    return Ok(progress);
                }
                self.pause(some.len()).await;
            }
            progress.until = events.items.last().map(|event| event.first_at).or(progress.until);
            page = events.next;
            if page.is_none() || told(&progress).is_break() {
                return Ok(progress);
            }
        }
    }

    async fn send(&self, events: &[&StoredEvent]) -> PortResult<()> {
        let now = self.ports.clock().now();
        let envelopes = events.iter().filter_map(|event| event.record.envelope());
        let envelopes: Vec<_> = envelopes.map(|envelope| self.again(envelope, now)).collect();
        self.queue.send_all(QueueName::Bulk, &envelopes).await
    }

    /// The same event, marked as a replay: its hint is not believed any more, and everything
    /// is looked at.
    fn again(&self, envelope: &Envelope, now: Timestamp) -> Envelope {
        Envelope {
            via: Via::Replay,
            run: Some(self.run.clone()),
            received_at: now,
            ..envelope.clone()
        }
    }

    async fn pause(&self, sent: usize) {
        let millis = 1000 * sent as i64 / i64::from(self.per_second.max(1));
        self.ports.clock().sleep(SignedDuration::from_millis(millis)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_type_is_whole_or_a_beginning() {
        assert!(fits("invoice.paid", "invoice.paid"));
        assert!(!fits("invoice", "invoice.paid"));
        assert!(fits("invoice.*", "invoice.paid") && !fits("invoice.*", "charge.dispute.closed"));
    }
}
