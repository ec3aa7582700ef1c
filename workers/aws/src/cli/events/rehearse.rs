//! `tollgate events replay --dry-run`: what it would change.

use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_billing::account::{PlanId, Status};
use tollgate_billing::converge::Preview;
use tollgate_billing::ops::{Rehearsal, Rehearsed, Step};
use tollgate_billing::ports::{Clock, Ports};

use super::filter::{Filter, Place};
use super::replay::Replay;
use crate::cli::progress::Progress as Bar;
use crate::cli::table::counted;
use crate::cli::{Colour, Context, Exit, Failure, Io};

pub(super) async fn run<C: Clock>(
    options: &Replay,
    filter: &Filter,
    context: &Context<'_, C>,
    now: Timestamp,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let worker = context.worker(&options.plans).await?;
    let (ledger, stripe) = (worker.ports.ledger(), Some(worker.ports.stripe()));
    let selection = filter.selection(None, now, context, ledger).await?;
    let mut supply = filter.supply(selection, &Place { ledger, stripe, now })?;
    let rehearsal = Rehearsal { worker: &worker, per_second: options.rate };
    let (mut telling, interrupted) = (Telling::begin(context.json, io), io.interrupted);
    let told = |step: Step<'_>| {
        telling.hear(&step, io);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // Boxed: it has the future of a whole convergence.
    let rehearsed = Box::pin(rehearsal.run(&mut supply, told)).await?;
    filter.all_there(supply.missing())?;
    telling.finish(&rehearsed, io)?;
    Ok(match (rehearsed.stopped, rehearsed.changes()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::WouldChange,
        (false, false) => Exit::Done,
    })
}

/// What is told on the way: each account that would change, as soon as that is known.
struct Telling {
    json: bool,
    bar: Bar,
    accounts: Vec<Value>,
    broken: std::io::Result<()>,
}

impl Telling {
    fn begin(json: bool, io: &Io<'_>) -> Self {
        let bar = Bar::begin("accounts looked at", None, json, io);
        Self { json, bar, accounts: Vec::new(), broken: Ok(()) }
    }

    fn hear(&mut self, step: &Step<'_>, io: &mut Io<'_>) {
        let Step::Previewed(so_far, preview) = step else { return };
        self.bar.at(so_far.previewed);
        if !preview.changes() && preview.warnings.is_empty() {
            return;
        }
        if self.json {
            self.accounts.push(as_json(preview));
        } else if self.broken.is_ok() {
            self.broken = self.bar.around(|| print(preview, io));
        }
    }

    fn finish(self, rehearsed: &Rehearsed, io: &mut Io<'_>) -> Result<(), Failure> {
        let Self { json, bar, accounts, broken } = self;
        drop(bar);
        broken?;
        if json {
            let document = json!({ "accounts": accounts, "totals": totals(rehearsed) });
            writeln!(io.out, "{document:#}")?;
            return Ok(());
        }
        writeln!(io.out, "{}", in_short(rehearsed))?;
        for (count, what) in [
            (rehearsed.waiting, "would wait: the customer is linked to no account"),
            (rehearsed.parked, "would be parked: no account or customer is named"),
            (rehearsed.ignored, "would be ignored: not for this deployment"),
        ] {
            if count > 0 {
                writeln!(io.out, "{} {what}.", counted(count, "event"))?;
            }
        }
        if rehearsed.stopped {
            let left = rehearsed.accounts - rehearsed.previewed;
            writeln!(io.err, "Stopped with {} left.", counted(left, "account"))?;
        }
        Ok(())
    }
}

fn in_short(rehearsed: &Rehearsed) -> String {
    let Rehearsed { events, previewed, changed, moved, minted, disabled, .. } = *rehearsed;
    let of = format!("{} of {}", counted(events, "event"), counted(previewed, "account"));
    if changed == 0 {
        return format!("Nothing would change ({of}).");
    }
    let others = changed.saturating_sub(moved);
    let parts = [
        (moved, format!("move {}", counted(moved, "account"))),
        (minted, format!("mint {}", counted(minted, "key"))),
        (disabled, format!("disable {}", counted(disabled, "key"))),
        (
            usize::from(moved + minted + disabled == 0),
            format!("mend {}", counted(others, "account")),
        ),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text);
    format!("Would {} ({of}).", parts.collect::<Vec<_>>().join(", "))
}

fn print(preview: &Preview, io: &mut Io<'_>) -> std::io::Result<()> {
    let mark = match preview {
        _ if preview.disables() => (Colour::Red, "-"),
        _ if preview.mints() => (Colour::Green, "+"),
        _ if preview.changes() => (Colour::Yellow, "~"),
        _ => (Colour::Yellow, "!"),
    };
    let mark = io.paint(mark.0, mark.1);
    let (before, after) = (standing(&preview.before), standing(&preview.after));
    writeln!(io.out, "{mark} {}: {before} → {after}; {}", preview.account, preview.reason)?;
    for step in &preview.steps {
        writeln!(io.out, "    {step}")?;
    }
    for warning in &preview.warnings {
        writeln!(io.out, "  ! {warning}")?;
    }
    Ok(())
}

fn standing((plan, status): &(Option<PlanId>, Status)) -> String {
    let plan = plan.as_ref().map_or("no plan", PlanId::as_str);
    let status = json!(status);
    let status = status.as_str().unwrap_or_default().replace('_', " ");
    if status == "active" { plan.to_owned() } else { format!("{plan} ({status})") }
}

fn as_json(preview: &Preview) -> Value {
    let strings = |it: Vec<String>| json!(it);
    json!({
        "account": preview.account,
        "before": { "plan": preview.before.0, "status": preview.before.1 },
        "after": { "plan": preview.after.0, "status": preview.after.1 },
        "reason": preview.reason.to_string(),
        "steps": strings(preview.steps.iter().map(ToString::to_string).collect()),
        "warnings": strings(preview.warnings.iter().map(ToString::to_string).collect()),
        "review_at": preview.review_at,
    })
}

fn totals(rehearsed: &Rehearsed) -> Value {
    json!({
        "events": rehearsed.events,
        "accounts": rehearsed.accounts,
        "previewed": rehearsed.previewed,
        "would_change": rehearsed.changed,
        "would_move": rehearsed.moved,
        "would_mint": rehearsed.minted,
        "would_disable": rehearsed.disabled,
        "would_wait": rehearsed.waiting,
        "would_be_parked": rehearsed.parked,
        "would_be_ignored": rehearsed.ignored,
        "stopped": rehearsed.stopped,
    })
}
