//! Replay: events that happened go on the `bulk` queue once more.
//!
//! A replayed event is a wake like every other: it makes the worker look at Stripe, API
//! Gateway and Cognito as they are now. It can therefore be replayed at any age, any number
//! of times and in any order; with nothing to mend, nothing but its record changes.
//!
//! # Expected flow
//! A [`EventSource`] finds the events, oldest first: in the ledger's records of any age, or in
//! Stripe's own list of 30 days. They are sent a second's worth to a call, ten at most, and
//! never faster than the rate. After each call the caller is told how far it got, and may stop
//! it there; a later replay goes on from the [`Cursor`]. [`Sent`] then follows what becomes of
//! them.
//!
//! # Guarantees
//! - Whatever is selected is sent, however often the replay is stopped and goes on: the
//!   cursor's time is looked at again, and what is sent twice does no harm (within five
//!   minutes SQS drops it, for the run has the same name). The cursor names what that concerns,
//!   with how often each had been handled: what the first copy came to is what came of it.
//! - Memory does not grow with the number of events, except by names where names are asked
//!   for, and by the names that [`Sent`] is to follow.

mod cursor;
mod follow;
mod listed;
mod selection;
mod source;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::{Clock, Ledger, PortResult, Queue, QueueName, Stripe};
use tollgate_events::{Envelope, EventRef, Via};

pub use cursor::{Cursor, NoCursor, new_run};
pub use follow::Sent;
pub use listed::{EventPage, LISTED_FOR, TooOld};
pub use selection::{AboutWhom, Selected, Selection};
pub use source::{EventSource, look_up};

/// What `SendMessageBatch` takes.
const EVENTS_TO_A_CALL: usize = 10;

/// How many events had each outcome; `None` for those that are not on record.
pub type Tally = BTreeMap<Option<Outcome>, usize>;

/// How far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Events looked at.
    pub looked_at: usize,
    /// Events put on the queue, or, where they are only counted, that would be.
    pub sent: usize,
    /// What became of these last, before they were sent.
    pub known: Tally,
    /// Events that were selected and cannot be replayed, for what was kept of them is no
    /// envelope.
    pub unreadable: usize,
    /// All selected events before this time were sent, and perhaps some of this very time:
    /// where a later replay goes on.
    pub until: Option<Timestamp>,
    /// Those of that time or later that are on the queue, or may be: when they happened, and how
    /// often they had been handled before.
    pub again: BTreeMap<EventRef, (Timestamp, u64)>,
}

/// A replay.
#[derive(Debug)]
pub struct Replay<'a, L, Q, C> {
    /// Where the records are.
    pub ledger: &'a L,
    /// Where the events go.
    pub queue: &'a Q,
    /// Time.
    pub clock: &'a C,
    /// Events a second, at most: each costs the worker calls of Stripe, which wants bulk work
    /// below 15 a second, and of API Gateway's control plane.
    pub per_second: u32,
    /// Its name, and what its earlier part has sent, if there was one.
    pub cursor: Cursor,
}

impl<L: Ledger, Q: Queue, C: Clock> Replay<'_, L, Q, C> {
    /// Sends the selected events, in the order of time. `told` hears how far it got and what
    /// was sent, after each call, and may stop it. How far it got stands in `progress`, wherever
    /// it stops.
    ///
    /// # Errors
    /// A call failed. What `told` heard of is on the queue; sending it again is harmless.
    pub async fn run<S: Stripe>(
        &self,
        source: &mut EventSource<'_, L, S>,
        progress: &mut ReplayProgress,
        mut told: impl FnMut(&ReplayProgress, &[Selected]) -> ControlFlow<()>,
    ) -> PortResult<()> {
        while let Some(mut few) = source.next().await? {
            let mut found = progress.take(&mut few);
            for some in found.chunks_mut(self.at_once()) {
                self.see_before(some).await?;
                progress.begin(some);
                self.send(some).await?;
                progress.count(some);
                if told(progress, some).is_break() {
                    return Ok(());
                }
                self.pause(some.len()).await;
            }
            progress.reach(few.until);
            if told(progress, &[]).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How they stand before it: those of Stripe's list are looked up on the way, and what an
    /// earlier part has sent is counted from then.
    async fn see_before(&self, events: &mut [Selected]) -> PortResult<()> {
        if events.iter().any(|event| event.listed.is_some()) {
            look_up(self.ledger, events).await?;
        }
        for event in events {
            event.sent_after = self.cursor.sent_after(&event.name());
        }
        Ok(())
    }

    async fn send(&self, events: &[Selected]) -> PortResult<()> {
        let now = self.clock.now();
        let envelopes = events.iter().filter_map(Selected::envelope);
        let envelopes: Vec<_> = envelopes.map(|envelope| self.again(envelope, now)).collect();
        self.queue.send_all(QueueName::Bulk, &envelopes).await
    }

    /// The same event, marked as a replay: its hint is not believed any more, and everything
    /// is looked at.
    fn again(&self, envelope: &Envelope, now: Timestamp) -> Envelope {
        Envelope {
            via: Via::Replay,
            run: Some(self.cursor.run.clone()),
            received_at: now,
            ..envelope.clone()
        }
    }

    /// No more than go in a second: whoever stops it need not wait longer.
    fn at_once(&self) -> usize {
        EVENTS_TO_A_CALL.min(self.per_second.max(1) as usize)
    }

    async fn pause(&self, sent: usize) {
        let millis = 1000 * sent as i64 / i64::from(self.per_second.max(1));
        self.clock.sleep(SignedDuration::from_millis(millis)).await;
    }
}

/// Counts what a replay would send, and sends nothing. `told` may stop it.
///
/// # Errors
/// A call failed.
pub async fn count<L: Ledger, S: Stripe>(
    source: &mut EventSource<'_, L, S>,
    mut told: impl FnMut(&ReplayProgress) -> ControlFlow<()>,
) -> PortResult<ReplayProgress> {
    let mut progress = ReplayProgress::default();
    while let Some(mut few) = source.next().await? {
        let found = progress.take(&mut few);
        progress.count(&found);
        if told(&progress).is_break() {
            break;
        }
    }
    Ok(progress)
}

impl ReplayProgress {
    /// Notes what was looked at; what of it can be sent.
    fn take(&mut self, few: &mut EventPage) -> Vec<Selected> {
        let (found, unreadable): (Vec<_>, Vec<_>) = std::mem::take(&mut few.found)
            .into_iter()
            .partition(|event| event.envelope().is_some());
        self.looked_at += few.looked_at;
        self.unreadable += few.unreadable + unreadable.len();
        found
    }

    fn count(&mut self, events: &[Selected]) {
        self.sent += events.len();
        for event in events {
            *self.known.entry(event.outcome()).or_default() += 1;
        }
        self.reach(events.last().map(|event| event.at));
    }

    /// A call whose answer is lost may have sent them.
    fn begin(&mut self, events: &[Selected]) {
        let these = events.iter().map(|event| (event.name(), (event.at, event.attempts())));
        self.again.extend(these);
    }

    fn reach(&mut self, until: Option<Timestamp>) {
        self.until = until.or(self.until);
        let until = self.until;
        self.again.retain(|_, (at, _)| until.is_none_or(|until| *at >= until));
    }
}
