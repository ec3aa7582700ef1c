//! `tollgate account history`: each change, and what was behind it.

use serde_json::{Value, json};
use tollgate_core::ports::Clock;
use tollgate_operator::{Cause, Change, changes, history};

use crate::cli::table::fields;
use crate::cli::{Context, Exit, Failure, Io, who};

pub(super) async fn run<C: Clock>(
    name: &str,
    limit: usize,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let ledger = context.ledger().await?;
    let account = who::account(name, context, &ledger).await?;
    let changes = history(&ledger, &account.id, limit).await?;
    if context.json {
        let told: Vec<_> = changes.iter().map(document).collect();
        writeln!(io.out, "{:#}", json!({ "account": account.id, "changes": told }))?;
        return Ok(Exit::Done);
    }
    writeln!(io.out, "{}", account.id)?;
    for change in &changes {
        writeln!(io.out)?;
        fields(&rows(change), io)?;
    }
    let left = account.version.saturating_sub(changes.len() as u64);
    if left > 0 {
        writeln!(io.out, "\n{left} older changes: --limit {}", account.version)?;
    }
    Ok(Exit::Done)
}

fn rows(change: &Change) -> Vec<(&'static str, String)> {
    let entry = &change.entry;
    let mut what = changes(&entry.before, &entry.after).join(", ");
    if what.is_empty() {
        what = "the reason only".to_owned();
    }
    let mut rows = vec![
        ("Change", format!("{}, at {:.0}", entry.version, entry.at)),
        ("What", what),
        ("Why", entry.reason.to_string()),
    ];
    let causes: Vec<_> = change.causes.iter().map(cause).collect();
    rows.extend((!causes.is_empty()).then(|| ("After", causes.join("\n"))));
    let steps: Vec<_> = entry.steps.iter().map(|step| step.step.as_str()).collect();
    rows.extend((!steps.is_empty()).then(|| ("Steps", steps.join("\n"))));
    rows
}

/// An event: which, of what type, when, and who of an operator's.
fn cause(cause: &Cause) -> String {
    let Some(stored) = &cause.record else { return cause.event.to_string() };
    let kind = stored.record.envelope().map_or("unreadable", |envelope| &envelope.kind);
    let told = format!("{} {kind}, {:.0}", cause.event, stored.first_at);
    match &stored.record.detail {
        Some(detail) => format!("{told}\n  {}", detail.replace('\n', "\n  ")),
        None => told,
    }
}

fn document(change: &Change) -> Value {
    let entry = &change.entry;
    let event = |cause: &Cause| {
        let record = cause.record.as_ref();
        json!({
            "event": cause.event.to_string(),
            "type": record.and_then(|it| it.record.envelope()).map(|it| &it.kind),
            "at": record.map(|it| it.first_at),
            "outcome": record.map(|it| it.record.outcome),
            "detail": record.and_then(|it| it.record.detail.as_ref()),
        })
    };
    json!({
        "version": entry.version,
        "at": entry.at,
        "changes": changes(&entry.before, &entry.after),
        "reason": entry.reason.to_string(),
        "plan": { "before": entry.before.plan, "after": entry.after.plan },
        "status": { "before": entry.before.status, "after": entry.after.status },
        "events": change.causes.iter().map(event).collect::<Vec<_>>(),
        "steps": entry.steps,
    })
}
