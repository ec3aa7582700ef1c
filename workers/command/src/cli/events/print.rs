//! Events for people and for programs.

use serde_json::{Value, json};
use tollgate_core::ledger::{Entry, StoredEvent};
use tollgate_operator::{Selected, Tally};

use super::filter::second;
use super::name::short;
use crate::cli::table::number;

/// The headings of [`row`].
pub(super) const HEADINGS: [&str; 7] =
    ["EVENT", "OUTCOME", "TIME", "TYPE", "ACCOUNT", "CUSTOMER", "ATTEMPTS"];

/// An event in a line.
pub(super) fn row(event: &Selected) -> Vec<String> {
    let envelope = event.envelope();
    let customer = envelope.and_then(|it| it.subject.customer.as_ref());
    vec![
        short(&event.name()),
        event.outcome().map_or("not on record", |outcome| outcome.as_str()).to_owned(),
        second(event.at),
        envelope.map_or_else(|| "(not an envelope)".to_owned(), |it| it.kind.clone()),
        event.account().map(ToString::to_string).unwrap_or_default(),
        customer.map(ToString::to_string).unwrap_or_default(),
        event.attempts().to_string(),
    ]
}

/// An event as JSON.
pub(super) fn as_json(event: &Selected) -> Value {
    let (name, envelope) = (event.name(), event.envelope());
    let subject = envelope.map(|it| &it.subject);
    json!({
        "time": event.at,
        "source": name.source,
        "id": name.id,
        "type": envelope.map(|it| &it.kind),
        "account": event.account(),
        "customer": subject.and_then(|it| it.customer.as_ref()),
        "charge": subject.and_then(|it| it.charge.as_ref()),
        "object": envelope.and_then(|it| it.object.as_ref()),
        "happened_at": envelope.map(|it| it.occurred_at),
        "outcome": event.outcome(),
        "attempts": event.attempts(),
        "record": event.record.as_ref().map(record_as_json),
    })
}

fn record_as_json(stored: &StoredEvent) -> Value {
    let record = &stored.record;
    json!({
        "first_recorded_at": stored.first_at,
        "first_outcome": stored.first_outcome,
        "last_handled_at": record.at,
        "last_outcome": record.outcome,
        "detail": record.detail,
        "account": record.account,
        "version": record.version,
        "via": record.envelope().map(|it| it.via),
        "run": record.envelope().and_then(|it| it.run.as_ref()),
        "livemode": record.envelope().and_then(|it| it.livemode),
        "connect_account": record.envelope().and_then(|it| it.connect_account.as_ref()),
        "hint": record.envelope().and_then(|it| it.hint.as_ref()),
    })
}

/// A history entry as JSON, with what changed.
pub(super) fn entry_as_json(entry: &Entry) -> Value {
    let steps = entry.steps.iter().map(|step| json!({ "step": step.step, "at": step.at }));
    json!({
        "version": entry.version,
        "at": entry.at,
        "before": { "plan": entry.before.plan, "status": entry.before.status },
        "after": { "plan": entry.after.plan, "status": entry.after.status },
        "reason": entry.reason.to_string(),
        "cause": entry.cause.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// `2 parked, 1 unchanged`: the most first.
pub(super) fn tally(tally: &Tally) -> String {
    let mut counts: Vec<_> = tally.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told = counts.into_iter().map(|(outcome, count)| {
        let outcome = outcome.map_or("not on record", |outcome| outcome.as_str());
        format!("{} {outcome}", number(*count))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The same as JSON.
pub(super) fn tally_as_json(tally: &Tally) -> Value {
    let counts = tally.iter().map(|(outcome, count)| {
        let outcome = outcome.map_or("not_on_record", |outcome| outcome.as_str());
        (outcome.to_owned(), json!(count))
    });
    Value::Object(counts.collect())
}

#[cfg(test)]
mod tests {
    use tollgate_core::ledger::Outcome;

    use super::*;

    #[test]
    fn counts_are_told_the_most_first() {
        let counts = [(None, 1_204), (Some(Outcome::Parked), 7), (Some(Outcome::Applied), 0)];
        assert_eq!(tally(&counts.into()), "1,204 not on record, 7 parked");
    }
}
