//! The sweep's schedule: wakes what is due.

use lambda_runtime::Diagnostic;
use tollgate_billing::policy::Policy;
use tollgate_billing::ports::{Clock, Ledger, Queue};
use tollgate_billing::sweep::{SweepReport, sweep};

use super::diagnostic;

/// Runs one sweep.
///
/// # Errors
/// The ledger or the queue failed; the next run goes on from what is still due.
pub async fn handle<L: Ledger, Q: Queue, C: Clock>(
    ledger: &L,
    queue: &Q,
    clock: &C,
    policy: &Policy,
) -> Result<SweepReport, Diagnostic> {
    let result = sweep(ledger, queue, clock, policy).await;
    let report = result.map_err(|error| diagnostic("SweepFailed", error))?;
    tracing::info!(due = report.due, waited = report.waited, "sweep");
    Ok(report)
}
