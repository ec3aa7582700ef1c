//! What becomes of the events that were sent: their records are read until each was handled
//! once more.
//!
//! Whether it was is told by the number of times it was handled, not by a time: the
//! operator's clock is not the worker's.

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::EventRef;

use super::Tally;
use super::selection::Selected;

/// How many records are read at once.
const AT_ONCE: usize = 10;

/// Events that were sent, and what became of them so far.
#[derive(Debug, Default)]
pub struct Sent {
    /// Those that were not handled yet, in the order in which they were sent, each with the
    /// number of times that it had been handled before.
    left: VecDeque<(EventRef, u64)>,
    /// What became of the others.
    pub handled: Tally,
}

impl Sent {
    /// Notes events that were sent.
    pub fn add(&mut self, events: &[Selected]) {
        self.left.extend(events.iter().map(|event| (event.name(), event.attempts())));
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// How many were handled.
    pub fn done(&self) -> usize {
        self.handled.values().sum()
    }

    /// Reads the records of those that are left, the first that were sent first, until it
    /// comes to some that are all still to be handled.
    ///
    /// # Errors
    /// The ledger failed; looking again goes on where it failed.
    pub async fn look<L: Ledger>(&mut self, ledger: &L) -> PortResult<()> {
        let mut behind = 0;
        while behind < self.left.len() {
            let some: Vec<_> = self.left.range(behind..).take(AT_ONCE).cloned().collect();
            let records = try_join_all(some.iter().map(|(name, _)| ledger.event(name))).await?;
            let before = behind;
            for ((_, attempts), record) in some.iter().zip(records) {
                match record.filter(|record| record.attempts > *attempts) {
                    None => behind += 1,
                    Some(record) => {
                        self.left.remove(behind);
                        *self.handled.entry(Some(record.record.outcome)).or_default() += 1;
                    }
                }
            }
            if behind - before == some.len() {
                break;
            }
        }
        Ok(())
    }
}
