//! What an operator does to an event that waits for a person and that is nobody's business: a
//! message that is none, or what a stranger's customer did.

use jiff::Timestamp;
use tollgate_core::ledger::{EventRecord, Outcome};
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::EventRef;

use super::acts::said;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissed {
    /// It is ignored from now on. It can still be replayed.
    Done,
    /// There is no such event on record.
    NotOnRecord,
    /// It is settled, and waits for nobody: this is what became of it.
    Settled(Outcome),
}

/// Lets an event wait for nobody any more: it is on record who said so, and why. What it was parked
/// for stays below that.
///
/// # Errors
/// The ledger failed.
pub async fn dismiss<L: Ledger>(
    ledger: &L,
    event: &EventRef,
    (by, why): (&str, &str),
    now: Timestamp,
) -> PortResult<Dismissed> {
    let Some(stored) = ledger.event(event).await? else { return Ok(Dismissed::NotOnRecord) };
    let record = stored.record;
    if !record.outcome.is_unsettled() {
        return Ok(Dismissed::Settled(record.outcome));
    }
    let said = format!("dismissed by {}", said(by, why));
    let detail = record.detail.iter().fold(said, |said, before| format!("{said}\n{before}"));
    let record = EventRecord { outcome: Outcome::Ignored, detail: Some(detail), at: now, ..record };
    ledger.record(&[record]).await?;
    Ok(Dismissed::Done)
}
