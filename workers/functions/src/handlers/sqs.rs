//! The worker and the dead-letter drain: batches from SQS, with partial failures.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Diagnostic;
use tollgate_core::batch::{BatchReport, Message, park_dead_letters};
use tollgate_core::converge::Worker;
use tollgate_core::ports::{Clock, Ledger, Ports};

use super::diagnostic;
use crate::adapters::sqs::SqsQueue;

/// What is kept back of an invocation's time: to commit, and to answer.
pub const RESERVED: SignedDuration = SignedDuration::from_secs(3);

/// Handles a batch of events; `deadline` is the invocation's.
///
/// # Errors
/// A message without an id, which SQS never sends: the whole batch comes again.
pub async fn handle<P: Ports>(
    worker: &Worker<P>,
    queue: &SqsQueue,
    event: SqsEvent,
    deadline: Timestamp,
) -> Result<SqsBatchResponse, Diagnostic> {
    let receipts = receipts(&event);
    let messages = messages(event)?;
    let lease_until = deadline.checked_sub(RESERVED).unwrap_or(deadline);
    // Boxed: with everything that a worker does inside, the type is too deep for the compiler.
    let report = worker.handle(queue, &messages, lease_until).boxed().await;
    log("worker", messages.len(), &report);
    show_again(queue, &receipts, &report).await;
    Ok(response(report))
}

/// Records dead letters as parked.
///
/// # Errors
/// As for [`handle`].
pub async fn dead_letters<L: Ledger, C: Clock>(
    ledger: &L,
    clock: &C,
    event: SqsEvent,
) -> Result<SqsBatchResponse, Diagnostic> {
    let messages = messages(event)?;
    let report = park_dead_letters(ledger, clock, &messages).await;
    log("dead letters", messages.len(), &report);
    Ok(response(report))
}

/// Where the messages are from that were received for the first time, by their ids: the queue's ARN,
/// and what SQS knows the receive by.
type Receipts = BTreeMap<String, (String, String)>;

fn receipts(event: &SqsEvent) -> Receipts {
    let first = event.records.iter().filter(|record| is_first(record)).filter_map(|record| {
        let (arn, receipt) = (record.event_source_arn.clone()?, record.receipt_handle.clone()?);
        Some((record.message_id.clone()?, (arn, receipt)))
    });
    first.collect()
}

/// Whether a message was received for the first time.
fn is_first(record: &SqsMessage) -> bool {
    let count = record.attributes.get("ApproximateReceiveCount");
    count.is_some_and(|count| count == "1")
}

/// A partial batch response leaves a failed message to its visibility timeout, three minutes. What
/// failed for a moment, and for the first time, is shown again in a moment. Where that cannot be
/// said, it comes when it would have come anyway.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
async fn show_again(queue: &SqsQueue, receipts: &Receipts, report: &BatchReport) {
    for (id, soon) in &report.again {
        let Some((arn, receipt)) = receipts.get(id) else { continue };
        if let Err(error) = queue.show_again(arn, receipt, *soon).await {
            tracing::warn!(%error, "a message comes again later than it could");
        }
    }
}

/// A message that cannot be named cannot be reported failed, and an empty identifier
/// fails the whole batch anyway: say so at once.
fn messages(event: SqsEvent) -> Result<Vec<Message>, Diagnostic> {
    let read = event.records.into_iter().map(|record| {
        let again = !is_first(&record);
        let id = record.message_id.filter(|id| !id.is_empty())?;
        let group = record.attributes.get("MessageGroupId").cloned().unwrap_or_default();
        Some(Message { id, group, body: record.body.unwrap_or_default(), again })
    });
    read.collect::<Option<_>>()
        .ok_or_else(|| diagnostic("MessageWithoutId", "a message of the batch has no id"))
}

fn response(report: BatchReport) -> SqsBatchResponse {
    let failures = report.failed.into_iter().map(|id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    });
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures.collect();
    response
}

/// One record for each invocation.
fn log(function: &str, messages: usize, report: &BatchReport) {
    let count = |outcome| report.outcomes.get(&outcome).copied().unwrap_or_default();
    use tollgate_core::ledger::Outcome;
    tracing::info!(
        function,
        messages,
        failed = report.failed.len(),
        converged = report.converged,
        applied = count(Outcome::Applied),
        unchanged = count(Outcome::Unchanged),
        waiting = count(Outcome::Waiting),
        parked = count(Outcome::Parked),
        ignored = count(Outcome::Ignored),
        deferred = count(Outcome::Deferred),
        systemic = report.systemic,
        "batch"
    );
}
