//! `tollgate events show`.

use clap::Args;
use serde_json::json;
use tollgate_core::ledger::{Entry, StoredEvent};
use tollgate_core::ports::{Clock, Ledger};
use tollgate_events::{EventRef, Source};
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_operator::Selected;

use super::filter::second;
use super::name::{event, short};
use super::print;
use crate::cli::table::fields;
use crate::cli::{Context, Exit, Failure, Io};

/// How far back an account's history is searched for what an event changed.
const HISTORY: usize = 1000;

/// The options of `show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which one: evt_…, op_…, or source/id.
    #[arg(value_name = "EVENT", value_parser = event)]
    event: EventRef,
}

pub(super) async fn run<C: Clock>(
    options: &Show,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let ledger = context.ledger().await?;
    let Some(stored) = ledger.event(&options.event).await? else {
        return Err(not_on_record(&options.event));
    };
    let entries = caused(&stored, &ledger).await?;
    if context.json {
        let entries: Vec<_> = entries.iter().map(print::entry_as_json).collect();
        let mut shown = print::as_json(&Selected::recorded(stored));
        shown["history"] = json!(entries);
        writeln!(io.out, "{shown:#}")?;
        return Ok(Exit::Done);
    }
    fields(&lines(&stored), io)?;
    print_entries(&entries, io)?;
    Ok(Exit::Done)
}

fn not_on_record(event: &EventRef) -> Failure {
    let mend = match event.source {
        Source::Stripe => format!(
            "If it is younger than 30 days, Stripe has it: `tollgate events replay {} --from-stripe`",
            short(event)
        ),
        _ => "Look for it: `tollgate events list --since 30d`".to_owned(),
    };
    Failure::failed(format!("event {} is not on record", short(event)), mend)
}

/// The entries of its account's history that it caused, oldest first.
async fn caused(stored: &StoredEvent, ledger: &DynamoLedger) -> Result<Vec<Entry>, Failure> {
    let Some(account) = &stored.record.account else { return Ok(Vec::new()) };
    let mut entries = ledger.history(account, None, HISTORY).await?;
    entries.retain(|entry| entry.cause.contains(&stored.record.event));
    entries.reverse();
    Ok(entries)
}

/// All that is known of it.
fn lines(stored: &StoredEvent) -> Vec<(&'static str, String)> {
    let record = &stored.record;
    let mut lines = vec![("Event", record.event.to_string())];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    if let Some(envelope) = record.envelope() {
        let (subject, of_hint) = (&envelope.subject, envelope.hint.as_ref());
        add("Type", Some(envelope.kind.clone()));
        add("Object", envelope.object.clone());
        add("Happened", Some(second(envelope.occurred_at)));
        add("Customer", subject.customer.as_ref().map(ToString::to_string));
        add("Charge", subject.charge.as_ref().map(ToString::to_string));
        add("Names account", subject.account.as_ref().map(|named| named.id.to_string()));
        add("Object said", of_hint.map(|hint| hint.status.clone()));
        add("Livemode", envelope.livemode.map(|livemode| livemode.to_string()));
        add("Connect", envelope.connect_account.clone());
        add("Came last by", json!(envelope.via).as_str().map(str::to_owned));
        add("Replay", envelope.run.clone());
    } else {
        add("Type", Some("(not an envelope: it cannot be replayed)".to_owned()));
    }
    let first = format!("{}, {}", second(stored.first_at), stored.first_outcome.as_str());
    let last = format!("{}, {}", second(record.at), record.outcome.as_str());
    add("First handled", Some(first));
    add("Last handled", Some(last));
    add("Attempts", Some(stored.attempts.to_string()));
    add("Detail", record.detail.clone());
    add("Account", record.account.as_ref().map(ToString::to_string));
    add("Version", record.version.map(|version| version.to_string()));
    lines
}

fn print_entries(entries: &[Entry], io: &mut Io<'_>) -> std::io::Result<()> {
    for entry in entries {
        let plan = |plan: &Option<_>| match plan {
            Some(plan) => format!("{plan}"),
            None => "no plan".to_owned(),
        };
        let (before, after) = (plan(&entry.before.plan), plan(&entry.after.plan));
        let (version, at) = (entry.version, second(entry.at));
        writeln!(io.out, "\nversion {version} of the account, {at}: {before} → {after}")?;
        writeln!(io.out, "  {}", entry.reason)?;
        for step in &entry.steps {
            writeln!(io.out, "  {} {}", second(step.at), step.step)?;
        }
    }
    Ok(())
}
