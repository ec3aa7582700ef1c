//! `tollgate events replay --dry-run`: what it would change.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_core::account::{PlanId, Status};
use tollgate_core::converge::Preview;
use tollgate_core::halt::Halt;
use tollgate_core::ports::{Clock, Ledger, Ports};
use tollgate_operator::{PutOff, Rehearsal, RehearsalStep, Rehearsed, What};

use super::filter::{Filter, Place};
use crate::cli::progress::Progress as Bar;
use crate::cli::stack::PlansOption;
use crate::cli::table::counted;
use crate::cli::{Colour, Context, Exit, Failure, Io, halts};

pub(super) async fn run<C: Clock>(
    (plans, per_second): (&PlansOption, u32),
    filter: &Filter,
    context: &Context<'_, C>,
    now: Timestamp,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let worker = context.worker(plans).await?;
    let (ledger, stripe) = (worker.ports.ledger(), Some(worker.ports.stripe()));
    let selection = filter.selection(None, now, context, ledger).await?;
    let mut source = filter.source(selection, &Place { ledger, stripe, now })?;
    let rehearsal = Rehearsal { worker: &worker, per_second };
    let (mut telling, interrupted) = (Telling::begin(context.json, io), io.interrupted);
    let told = |step: RehearsalStep<'_>| {
        telling.hear(&step, io);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // Boxed: it has the future of a whole convergence.
    let rehearsed = Box::pin(rehearsal.run(&mut source, told)).await?;
    filter.all_there(source.missing())?;
    let halts = ledger.stack().await?.halts();
    telling.finish(&rehearsed, &halts, io)?;
    Ok(match rehearsed {
        Rehearsed { stopped: true, .. } => Exit::Interrupted,
        Rehearsed { over_the_limit: 1.., .. } => Exit::Refused,
        _ if rehearsed.changes() => Exit::WouldChange,
        _ => Exit::Done,
    })
}

/// What is told on the way: each account that would change, as soon as that is known.
struct Telling {
    json: bool,
    bar: Bar,
    accounts: Vec<Value>,
    /// Who would stay as they are, by what would become of their events and why.
    held: BTreeMap<(bool, String), Vec<What>>,
    broken: std::io::Result<()>,
}

impl Telling {
    fn begin(json: bool, io: &Io<'_>) -> Self {
        let bar = Bar::begin("accounts looked at", None, json, io);
        Self { json, bar, accounts: Vec::new(), held: BTreeMap::new(), broken: Ok(()) }
    }

    fn hear(&mut self, step: &RehearsalStep<'_>, io: &mut Io<'_>) {
        let (so_far, preview) = match step {
            RehearsalStep::Assigned(_) => return,
            RehearsalStep::PutOff(so_far, held) => {
                self.bar.at(so_far.previewed);
                return self.hold(held);
            }
            RehearsalStep::Previewed(so_far, preview) => (so_far, preview),
        };
        self.bar.at(so_far.previewed);
        if !preview.changes() && preview.warnings.is_empty() && preview.held_back.is_empty() {
            return;
        }
        if self.json {
            self.accounts.push(as_json(preview));
        } else if self.broken.is_ok() {
            self.broken = self.bar.around(|| print(preview, io));
        }
    }

    fn hold(&mut self, held: &PutOff) {
        let alike = self.held.entry((held.parked, held.why.clone())).or_default();
        alike.push(held.what.clone());
    }

    fn finish(self, rehearsed: &Rehearsed, halts: &[Halt], io: &mut Io<'_>) -> Result<(), Failure> {
        let Self { json, bar, accounts, held, broken } = self;
        drop(bar);
        broken?;
        if json {
            let document = json!({
                "accounts": accounts,
                "held": held.iter().map(held_as_json).collect::<Vec<_>>(),
                "totals": totals(rehearsed),
                "halts": halts::json(halts),
            });
            writeln!(io.out, "{document:#}")?;
            return Ok(());
        }
        for alike in &held {
            print_held(alike, io)?;
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
        halts::print(halts, io)?;
        if rehearsed.stopped {
            let left = rehearsed.accounts - rehearsed.previewed;
            writeln!(io.err, "Stopped with {} left.", counted(left, "account"))?;
        }
        Ok(())
    }
}

/// How many of those of whom the same is told are named.
const LISTED: usize = 10;

fn print_held(
    ((parked, why), these): (&(bool, String), &Vec<What>),
    io: &mut Io<'_>,
) -> std::io::Result<()> {
    let (mark, becomes) = (io.paint(Colour::Yellow, "!"), becomes(*parked));
    let what = if matches!(these[0], What::Account(_)) { "account" } else { "event" };
    writeln!(io.out, "{mark} {} {becomes}: {why}", counted(these.len(), what))?;
    for one in these.iter().take(LISTED) {
        writeln!(io.out, "    {}", name(one))?;
    }
    if these.len() > LISTED {
        writeln!(io.out, "    … and {} more: --json", these.len() - LISTED)?;
    }
    Ok(())
}

fn becomes(parked: bool) -> &'static str {
    if parked { "would be parked" } else { "would wait" }
}

fn name(what: &What) -> String {
    match what {
        What::Account(id) => id.to_string(),
        What::Event(event) => event.to_string(),
    }
}

fn held_as_json(((parked, why), these): (&(bool, String), &Vec<What>)) -> Value {
    json!({
        "outcome": if *parked { "parked" } else { "waiting" },
        "why": why,
        "of": these.iter().map(name).collect::<Vec<_>>(),
    })
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
    for subscription in &preview.held_back {
        writeln!(io.out, "  ! {subscription} would not be cancelled yet")?;
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
        "not_cancelled_yet": preview.held_back,
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
        "untold": rehearsed.untold,
        "accounts_would_wait": rehearsed.put_off,
        "accounts_would_be_parked": rehearsed.held_back,
        "over_the_blast_limit": rehearsed.over_the_limit,
        "stopped": rehearsed.stopped,
    })
}
