//! Replay: events that happened go on the `bulk` queue once more.
//!
//! A replayed event is a wake like every other: it makes the worker look at Stripe, API
//! Gateway and Cognito as they are now. It can therefore be replayed at any age, any number
//! of times and in any order; with nothing to mend, nothing but its record changes.
//!
//! # Expected flow
//! A [`Supply`] finds the events, oldest first: in the ledger's records of any age, or in
//! Stripe's own list of 30 days. They are sent a second's worth to a call, ten at most, and
//! never faster than the rate. After each call the caller is told how far it got, and may stop
//! it there; a later replay goes on from the [`Cursor`]. [`Sent`] then follows what becomes of
//! them.
//!
//! # Guarantees
//! - Whatever is selected is sent, however often the replay is stopped and goes on: the
//!   cursor's time is looked at again, and what is sent twice does no harm (within five
//!   minutes SQS drops it, for the run has the same name).
//! - Memory does not grow with the number of events, except by names where names are asked
//!   for, and by the names that [`Sent`] is to follow.

mod follow;
mod listed;
mod selection;
mod supply;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use tollgate_events::{Envelope, Via};

use crate::ledger::Outcome;
use crate::ports::{Clock, Ledger, PortResult, Queue, QueueName, Stripe};

pub use follow::Sent;
pub use listed::LISTED_FOR;
pub use selection::{About, Found, Selection};
pub use supply::{Few, Supply, TooOld, look_up};

/// What `SendMessageBatch` takes.
const EVENTS_TO_A_CALL: usize = 10;

/// How many events had each outcome; `None` for those that are not on record.
pub type Tally = BTreeMap<Option<Outcome>, usize>;

/// How far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
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
}

/// Where a replay that was stopped goes on, and under which name: `r1a2b3c4d@2026-03-01T09:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The replay's name.
    pub run: String,
    /// All before this time was sent.
    pub from: Timestamp,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.run, self.from)
    }
}

/// A text that is no [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what an interrupted replay printed, like r1a2b3c4d@2026-03-01T09:00:00Z")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (run, from) = text.split_once('@').ok_or(NoCursor)?;
        let plain = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let from = from.parse().map_err(|_| NoCursor)?;
        if plain { Ok(Self { run: run.to_owned(), from }) } else { Err(NoCursor) }
    }
}

/// A name for a replay: it sets its messages apart from those of the last one, within whose
/// five minutes SQS would drop them.
pub fn new_run(random: [u8; 16]) -> String {
    format!("r{}", hex::encode(&random[..4]))
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
    /// Its name.
    pub run: String,
}

impl<L: Ledger, Q: Queue, C: Clock> Replay<'_, L, Q, C> {
    /// Sends the selected events, in the order of time. `told` hears how far it got and what
    /// was sent, after each call, and may stop it.
    ///
    /// # Errors
    /// A call failed. What `told` heard of is on the queue; sending it again is harmless.
    pub async fn run<S: Stripe>(
        &self,
        supply: &mut Supply<'_, L, S>,
        mut told: impl FnMut(&Progress, &[Found]) -> ControlFlow<()>,
    ) -> PortResult<Progress> {
        let mut progress = Progress::default();
        while let Some(mut few) = supply.next().await? {
            let mut found = progress.take(&mut few);
            for some in found.chunks_mut(self.at_once()) {
                self.send(some).await?;
                progress.count(some);
                if told(&progress, some).is_break() {
                    return Ok(progress);
                }
                self.pause(some.len()).await;
            }
            progress.until = few.until.or(progress.until);
            if told(&progress, &[]).is_break() {
                return Ok(progress);
            }
        }
        Ok(progress)
    }

    /// Those of Stripe's list are looked up on the way: how they stand before it.
    async fn send(&self, events: &mut [Found]) -> PortResult<()> {
        if events.iter().any(|event| event.listed.is_some()) {
            look_up(self.ledger, events).await?;
        }
        let now = self.clock.now();
        let envelopes = events.iter().filter_map(Found::envelope);
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
    supply: &mut Supply<'_, L, S>,
    mut told: impl FnMut(&Progress) -> ControlFlow<()>,
) -> PortResult<Progress> {
    let mut progress = Progress::default();
    while let Some(mut few) = supply.next().await? {
        let found = progress.take(&mut few);
        progress.count(&found);
        if told(&progress).is_break() {
            break;
        }
    }
    Ok(progress)
}

impl Progress {
    /// Notes what was looked at; what of it can be sent.
    fn take(&mut self, few: &mut Few) -> Vec<Found> {
        let (found, unreadable): (Vec<_>, Vec<_>) = std::mem::take(&mut few.found)
            .into_iter()
            .partition(|event| event.envelope().is_some());
        self.looked_at += few.looked_at;
        self.unreadable += few.unreadable + unreadable.len();
        found
    }

    fn count(&mut self, events: &[Found]) {
        self.sent += events.len();
        for event in events {
            *self.known.entry(event.outcome()).or_default() += 1;
        }
        self.until = events.last().map(|event| event.at).or(self.until);
    }
}
