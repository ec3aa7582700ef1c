//! The sweep: wakes what is due. It changes nothing itself.

use jiff::Timestamp;
use tollgate_events::{AccountId, ENVELOPE_VERSION, Envelope, EventId, Source, Subject, Via};

use crate::converge::DUE;
use crate::ledger::Outcome;
use crate::policy::Policy;
use crate::ports::{Clock, Ledger, PortResult, Queue, QueueName};

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Accounts woken because their `review_at` had come.
    pub due: usize,
    /// Events sent again because they had waited long enough for a link.
    pub waited: usize,
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
    let mut page = None;
    loop {
        let due = ledger.due(now, page.as_deref()).await?;
        for (account, review_at) in due.items {
            queue.send(QueueName::Bulk, &due_wake(account, review_at, now)).await?;
            report.due += 1;
        }
        page = due.next;
        if page.is_none() {
            break;
        }
    }
    loop {
        let stuck = ledger.stuck(page.as_deref()).await?;
        for event in stuck.items {
            let waiting = event.record.outcome == Outcome::Waiting;
            let Some(envelope) = event.record.envelope().filter(|_| waiting) else { continue };
            if now.duration_since(event.record.at) < policy.waiting() {
                continue;
            }
            let run = Some(format!("waited-{}", now.as_second()));
            queue.send(QueueName::Bulk, &Envelope { run, ..envelope.clone() }).await?;
            report.waited += 1;
        }
        page = stuck.next;
        if page.is_none() {
            break;
        }
    }
    Ok(report)
}

/// The wake of an account whose `review_at` has come. The time sets it apart for SQS: the
/// next due time of the same account within five minutes is not a duplicate.
fn due_wake(account: AccountId, review_at: Timestamp, now: Timestamp) -> Envelope {
    wake(DUE, account, Some(review_at.as_second().to_string()), now)
}

/// A wake of Tollgate's own: it has no id from outside.
pub fn wake(kind: &str, account: AccountId, run: Option<String>, now: Timestamp) -> Envelope {
    let id = EventId::parse(
        format!("{kind}:{}", account.as_str()).chars().take(128).collect::<String>(),
    )
    .expect("a kind and an account's id are visible ASCII");
    Envelope {
        v: ENVELOPE_VERSION,
        source: Source::Sweep,
        id,
        kind: kind.to_owned(),
        subject: Subject::account(account),
        object: None,
        occurred_at: now,
        received_at: now,
        livemode: None,
        connect_account: None,
        via: Via::Schedule,
        run,
        hint: None,
    }
}
