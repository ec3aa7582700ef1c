//! What is due: accounts whose `review_at` has come, and events that have waited long
//! enough for a link.

use jiff::Timestamp;
use tollgate_events::{AccountId, Envelope};

use super::wake;
use crate::converge::DUE;
use crate::ledger::{Outcome, StoredEvent, WAITED};
use crate::policy::Policy;
use crate::ports::{Clock, Ledger, LeftOut, PortResult, Queue, QueueName};
use crate::scan::Pages;

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Accounts woken because their `review_at` had come.
    pub due: usize,
    /// Events sent again because they had waited long enough for a link.
    pub waited: usize,
    /// Accounts and events of the ledger that cannot be read.
    pub unreadable: LeftOut,
}

/// Wakes every account whose time has come, and sends every event again that has waited
/// too long for its customer's link: the worker parks it, unless the link is there by now.
///
/// # Errors
/// The ledger or the queue failed; what was sent so far is sent.
pub async fn sweep<L: Ledger, Q: Queue, C: Clock>(
    ledger: &L,
    queue: &Q,
    clock: &C,
    policy: &Policy,
) -> PortResult<SweepReport> {
    let now = clock.now();
    let mut report = SweepReport::default();
    let mut at = Pages::start();
    while let Some(token) = at.turn() {
        let due = at.past(ledger.due(now, token.as_deref()).await?);
        report.unreadable.add(&due.unreadable);
        let wakes: Vec<_> = due.items.into_iter().map(|(id, at)| due_wake(id, at, now)).collect();
        queue.send_all(QueueName::Bulk, &wakes).await?;
        report.due += wakes.len();
    }
    let mut at = Pages::start();
    while let Some(token) = at.turn() {
        let unsettled = at.past(ledger.unsettled(token.as_deref()).await?);
        report.unreadable.add(&unsettled.unreadable);
        let again: Vec<_> =
            unsettled.items.iter().filter_map(|event| waited(event, policy, now)).collect();
        queue.send_all(QueueName::Bulk, &again).await?;
        report.waited += again.len();
    }
    Ok(report)
}

/// The wake of an account whose `review_at` has come. The time sets it apart for SQS: the
/// next due time of the same account within five minutes is not a duplicate.
fn due_wake(account: AccountId, review_at: Timestamp, now: Timestamp) -> Envelope {
    wake(DUE, account, Some(review_at.as_second().to_string()), now)
}

/// The event once more, if it has waited long enough.
fn waited(event: &StoredEvent, policy: &Policy, now: Timestamp) -> Option<Envelope> {
    let waiting = event.record.outcome == Outcome::Waiting;
    let envelope = event.record.envelope().filter(|_| waiting)?;
    let long_enough = now.duration_since(event.record.at) >= policy.waiting();
    let run = Some(format!("{WAITED}{}", now.as_second()));
    long_enough.then(|| Envelope { run, ..envelope.clone() })
}
