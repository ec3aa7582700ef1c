//! `tollgate events dismiss`.

use clap::Args;
use serde_json::json;
use tollgate_core::ports::{Clock, Ledger};
use tollgate_events::EventRef;
use tollgate_operator::{Dismissed, dismiss};

use super::name::{event, short};
use crate::cli::confirm::ConsentAnswer;
use crate::cli::on_record::{OnRecord, by};
use crate::cli::{Context, Exit, Failure, Io};

/// The options of `dismiss`.
#[derive(Debug, Args)]
pub(crate) struct Dismiss {
    /// Which one: evt_…, op_…, or source/id.
    #[arg(value_name = "EVENT", value_parser = event)]
    event: EventRef,
    #[command(flatten)]
    on_record: OnRecord,
}

pub(super) async fn run<C: Clock>(
    options: Dismiss,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let Dismiss { event, on_record: OnRecord { why, by: who, consent } } = options;
    let (by, ledger) = (by(who, context)?, context.ledger().await?);
    let name = short(&event);
    let Some(stored) = ledger.event(&event).await? else { return Err(not_on_record(&name)) };
    if !context.json {
        let (outcome, detail) = (stored.record.outcome.as_str(), stored.record.detail);
        writeln!(io.out, "{name} is {outcome}: {}", detail.unwrap_or_default())?;
    }
    let is_unsettled = stored.record.outcome.is_unsettled();
    match consent.ask(is_unsettled, context.json, io)? {
        ConsentAnswer::Nothing => Err(waits_for_nobody(&name, stored.record.outcome.as_str())),
        ConsentAnswer::DryRun => Ok(Exit::WouldChange),
        ConsentAnswer::Do => {
            match dismiss(&ledger, &event, (&by, &why), context.clock.now()).await? {
                Dismissed::NotOnRecord => Err(not_on_record(&name)),
                Dismissed::Settled(outcome) => Err(waits_for_nobody(&name, outcome.as_str())),
                Dismissed::Done => {
                    if context.json {
                        writeln!(io.out, "{:#}", json!({ "event": name, "outcome": "ignored" }))?;
                    } else {
                        writeln!(
                            io.out,
                            "Dismissed: it waits for nobody any more. Should it matter after all: \
                         `tollgate events replay {name}`"
                        )?;
                    }
                    Ok(Exit::Done)
                }
            }
        }
    }
}

fn not_on_record(name: &str) -> Failure {
    let mend = "`tollgate events list --outcome parked` lists what waits for a person.";
    Failure::usage(format!("event {name} is not on record"), mend)
}

fn waits_for_nobody(name: &str, outcome: &str) -> Failure {
    let problem = format!("{name} waits for nobody: it is {outcome}");
    Failure::refused(problem, "Only what is waiting or parked can be dismissed.")
}
