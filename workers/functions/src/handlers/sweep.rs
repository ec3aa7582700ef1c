//! The sweeps' schedules: `{"sweep": "due"}` wakes what is due, `{"sweep": "drift"}`
//! compares all four systems. An event that names neither, such as EventBridge's own, is
//! the first.

use lambda_runtime::Diagnostic;
use serde_json::Value;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ports::{LeftOut, Ports, Queue};
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, DriftReport, DriftSweep, SweepReport, sweep};

use super::diagnostic;

/// What the sweeps work on.
#[derive(Debug)]
pub struct Sweep<P, Q> {
    /// The world, of which they only read.
    pub ports: P,
    /// Where wakes go.
    pub queue: Q,
    /// Plans and policy.
    pub catalog: CatalogFile,
    /// The deployment's name, part of every key's name.
    pub stack: String,
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept {
    /// What was due.
    Due(SweepReport),
    /// What differed.
    Drift(Box<DriftReport>),
}

/// Runs the sweep that the event names.
///
/// # Errors
/// A call failed, and the next run begins anew; or the event names a sweep that there is not.
pub async fn handle<P: Ports, Q: Queue>(
    sweep: &Sweep<P, Q>,
    event: &Value,
) -> Result<Swept, Diagnostic> {
    // Boxed: the future of a whole sweep is large, and its type deep.
    match event.get("sweep").map(Value::as_str) {
        None | Some(Some("due")) => Box::pin(due(sweep)).await.map(Swept::Due),
        Some(Some("drift")) => {
            Box::pin(drift(sweep)).await.map(|report| Swept::Drift(Box::new(report)))
        }
        Some(_) => Err(diagnostic("SweepUnknown", "`sweep` is neither \"due\" nor \"drift\"")),
    }
}

async fn due<P: Ports, Q: Queue>(on: &Sweep<P, Q>) -> Result<SweepReport, Diagnostic> {
    let policy = &on.catalog.policy;
    let result = sweep(on.ports.ledger(), &on.queue, on.ports.clock(), policy).await;
    let report = result.map_err(|error| diagnostic("SweepFailed", error))?;
    let unreadable = report.unreadable.count;
    tracing::info!(due = report.due, waited = report.waited, unreadable, "sweep");
    tell_left_out(&report.unreadable);
    Ok(report)
}

async fn drift<P: Ports, Q: Queue>(on: &Sweep<P, Q>) -> Result<DriftReport, Diagnostic> {
    let comparison = DriftSweep {
        ports: &on.ports,
        queue: &on.queue,
        catalog: &on.catalog.catalog,
        policy: &on.catalog.policy,
        stack: &on.stack,
        at_once: ACCOUNTS_AT_ONCE,
    };
    let report = comparison.run().await.map_err(|error| {
        // An alarm counts these: what fails once an hour never shows among a minute's errors.
        tracing::error!(%error, "drift failed");
        diagnostic("DriftFailed", error)
    })?;
    log(&report);
    Ok(report)
}

/// A metric counts these, and the runbook says what to do.
fn tell_left_out(rows: &LeftOut) {
    if !rows.is_empty() {
        tracing::warn!(unreadable = rows.count, listed = %rows, "rows that cannot be read");
    }
}

/// One wide record, and a warning for a person when there are keys that nobody has.
fn log(report: &DriftReport) {
    let woken = report.woken.iter().map(|(drift, count)| format!("{}={count}", drift.as_str()));
    tracing::info!(
        accounts = report.accounts,
        paying = report.paying,
        would_lose = report.would_lose,
        would_end = report.would_end,
        left_alone = report.left_alone,
        users = report.users,
        subscriptions = report.subscriptions,
        disputes = report.disputes,
        keys = report.keys,
        keys_of_ours = report.keys_of_ours,
        wakes = report.wakes(),
        woken = woken.collect::<Vec<_>>().join(" "),
        orphans = report.orphans,
        replaced = report.replaced,
        unknown_owners = report.unknown_owners,
        stale = report.stale.len(),
        unreadable = report.unreadable.count,
        parts = report.parts,
        "drift"
    );
    tell_left_out(&report.unreadable);
    if report.disputes_denied {
        tracing::warn!("disputes were not compared: the Stripe key may not read them");
    }
    for lost in &report.stages_lost {
        tracing::error!(%lost, "a usage plan has lost a stage");
    }
    if !report.stale.is_empty() {
        tracing::error!(
            accounts = report.stale.len(),
            "the ledger is older than the other systems: was its table restored from a backup? \
             See `tollgate reconcile --rebuild`"
        );
    }
    if report.unknown_owners > 0 {
        tracing::error!(
            keys = report.unknown_owners,
            "keys of users whom the ledger does not know: was the table lost? \
             See `tollgate reconcile --rebuild`"
        );
    }
    if report.orphans > 0 {
        let listed = report.orphans_listed.iter().map(|key| format!("{} {}", key.id, key.name));
        let listed = listed.collect::<Vec<_>>().join(", ");
        tracing::warn!(orphans = report.orphans, listed, "keys of ours that no account names");
    }
}
