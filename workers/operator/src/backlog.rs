//! What is still to be done, and what nobody will do without a person.

use jiff::Timestamp;
use tollgate_core::ledger::{Outcome, StackRecord};
use tollgate_core::ports::{Ledger, LeftOut, PortResult};
use tollgate_core::scan::Pages;

/// How many there are, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// Since when the oldest of them is.
    pub oldest: Option<Timestamp>,
}

impl Count {
    fn add(&mut self, since: Timestamp) {
        self.count += 1;
        self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
    }
}

/// What the ledger has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Accounts whose time has come: the next sweep wakes them.
    pub due: Count,
    /// Events whose customer is linked to nobody yet.
    pub waiting: Count,
    /// Events that need a person.
    pub parked: Count,
    /// Accounts and events that cannot be read, and are in none of these.
    pub unreadable: LeftOut,
}

/// Counts them all, page by page (indexes; may lag).
///
/// # Errors
/// The ledger failed.
pub async fn backlog<L: Ledger>(ledger: &L, now: Timestamp) -> PortResult<Backlog> {
    let mut backlog = Backlog::default();
    let mut at = Pages::start();
    while let Some(token) = at.turn() {
        let due = at.past(ledger.due(now, token.as_deref()).await?);
        backlog.unreadable.add(&due.unreadable);
        due.items.iter().for_each(|(_, since)| backlog.due.add(*since));
    }
    let mut at = Pages::start();
    while let Some(token) = at.turn() {
        let unsettled = at.past(ledger.unsettled(token.as_deref()).await?);
        backlog.unreadable.add(&unsettled.unreadable);
        for event in &unsettled.items {
            match event.record.outcome {
                Outcome::Waiting => backlog.waiting.add(event.first_at),
                Outcome::Parked => backlog.parked.add(event.first_at),
                Outcome::Applied | Outcome::Unchanged | Outcome::Ignored | Outcome::Deferred => {}
            }
        }
    }
    Ok(backlog)
}

/// What does not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Messages that nobody could handle, and that are not on record yet.
    DeadLetters(u64),
    /// Parked events.
    Parked(u64),
    /// The blast limit holds demotions back.
    BlastLimit,
}

/// What a person has to see to.
pub fn troubles(dead_letters: u64, backlog: &Backlog, stack: &StackRecord) -> Vec<Trouble> {
    let parked = backlog.parked.count;
    [
        (dead_letters > 0).then_some(Trouble::DeadLetters(dead_letters)),
        (parked > 0).then_some(Trouble::Parked(parked)),
        stack.blast.stopped.then_some(Trouble::BlastLimit),
    ]
    .into_iter()
    .flatten()
    .collect()
}
