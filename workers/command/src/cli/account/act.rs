//! What an operator does to an account: asked for, put on record, and followed until the worker
//! has seen to it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tollgate_core::account::{PlanId, RetiringKey};
use tollgate_core::converge::Preview;
use tollgate_core::ports::Clock;
use tollgate_events::AccountId;
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::sqs::SqsQueue;
use tollgate_functions::adapters::system::SystemEntropy;
use tollgate_operator::{
    Act, ActError, ActReceipt, Aftermath, Operate, OperatorAct, State, aftermath,
};

use super::{Doing, customer};
use crate::cli::confirm::ConsentAnswer;
use crate::cli::on_record::{OnRecord, by};
use crate::cli::stack::PlansOption;
use crate::cli::table::fields;
use crate::cli::{Context, Exit, Failure, Io, who};

/// How long the command tries while a worker has the account: longer than a worker may.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// How long it waits for what follows.
const FOLLOWS_FOR: SignedDuration = SignedDuration::from_mins(2);
/// How often it looks.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

type Operating<'a, C> = Operate<'a, DynamoLedger, SqsQueue, C, SystemEntropy>;

/// An act under way.
struct Doer<'a, 'c, C> {
    context: &'a Context<'c, C>,
    ledger: &'a DynamoLedger,
    operate: Operating<'a, C>,
    id: &'a AccountId,
    act: &'a OperatorAct,
}

pub(super) async fn run<C: Clock>(
    name: &str,
    act: Act,
    doing: Doing,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let Doing { on_record: OnRecord { why, by: who_does, consent }, no_wait, plans } = doing;
    let act = &OperatorAct { act, by: by(who_does, context)?, why };
    let (ledger, queue) = (&context.ledger().await?, &context.queue().await?);
    let id = &who::id(name, context, ledger).await?;
    let operate = Operate { ledger, queue, clock: &context.clock, entropy: &SystemEntropy };
    if let Act::Link { customer } = &act.act {
        customer::must_be_there(customer, context, io).await?;
    }
    let doer = Doer { context, ledger, operate, id, act };
    let changes = doer.patiently(io, async || doer.operate.check(id, act).await).await?;
    if consent.dry_run {
        return doer.preview(changes, &plans, io).await;
    }
    if !consent.yes {
        context.progress(&format!("{} on account {id}: {}", act.act, act.why), io)?;
    }
    // On record it is even when it changes nothing: the worker then looks.
    if consent.ask(true, context.json, io)? != ConsentAnswer::Do {
        return Ok(Exit::Done);
    }
    let acted = doer.patiently(io, async || doer.operate.act(id, act).await).await?;
    doer.follow(&acted, no_wait, io).await
}

/// Refuses a plan that is not in the catalog, if there is a catalog.
pub(super) async fn must_be_sold<C: Clock>(
    plan: &PlanId,
    plans: &PlansOption,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let text = match context.plans_text(plans).await {
        Ok(text) => text,
        Err(failure) if plans.file.is_some() => return Err(failure),
        Err(Failure { problem, .. }) => {
            let note = format!("{problem}; so nobody knows here whether there is a plan `{plan}`");
            return context.progress(&note, io);
        }
    };
    let known: Vec<_> = text.draft()?.plans.into_iter().map(|it| it.id).collect();
    if known.contains(plan) {
        return Ok(());
    }
    let names: Vec<_> = known.iter().map(PlanId::as_str).collect();
    let mend = format!("It has {}. Name the file that is deployed: --plans FILE", names.join(", "));
    Err(Failure::usage(format!("there is no plan `{plan}` in {}", text.from), mend))
}

impl<C: Clock> Doer<'_, '_, C> {
    /// Tries again while a worker has the account.
    async fn patiently<T>(
        &self,
        io: &mut Io<'_>,
        call: impl AsyncFn() -> Result<T, ActError>,
    ) -> Result<T, Failure> {
        let clock = &self.context.clock;
        let give_up = clock.now().checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
        let mut told = false;
        loop {
            let error = match call().await {
                Err(error @ (ActError::Leased { .. } | ActError::Fenced)) => error,
                done => return Ok(done?),
            };
            if clock.now() >= give_up || (io.interrupted)() {
                return Err(error.into());
            }
            if !std::mem::replace(&mut told, true) {
                self.context.progress("The account is being worked on: waiting.", io)?;
            }
            clock.sleep(PAUSE).await;
        }
    }

    async fn preview(
        &self,
        changes: bool,
        plans: &PlansOption,
        io: &mut Io<'_>,
    ) -> Result<Exit, Failure> {
        let worker = self.context.worker(plans).await?;
        let preview = Box::pin(self.act.preview(&worker, self.id)).await?;
        let changes = changes || preview.changes();
        if self.context.json {
            writeln!(io.out, "{:#}", foreseen(&preview, changes))?;
        } else if changes {
            fields(&foreseen_rows(&preview), io)?;
        } else {
            writeln!(io.out, "Nothing would change.")?;
        }
        Ok(if changes { Exit::WouldChange } else { Exit::Done })
    }

    /// Waits until the worker has seen to it, and tells what came of it.
    async fn follow(
        &self,
        acted: &ActReceipt,
        no_wait: bool,
        io: &mut Io<'_>,
    ) -> Result<Exit, Failure> {
        let clock = &self.context.clock;
        let give_up = clock.now().checked_add(FOLLOWS_FOR).unwrap_or(Timestamp::MAX);
        loop {
            let seen = aftermath(self.ledger, self.id, acted).await?;
            let interrupted = (io.interrupted)();
            let goes_on = match &seen.state {
                State::Settled | State::Parked { .. } => false,
                State::Waits { until, .. } => until.is_some_and(|until| until < give_up),
                State::Pending => acted.woken,
            };
            if no_wait || interrupted || !goes_on || clock.now() >= give_up {
                self.tell(acted, &seen, io)?;
                return Ok(match seen.state {
                    State::Settled | State::Waits { .. } => Exit::Done,
                    State::Pending if no_wait || !acted.woken => Exit::Done,
                    State::Pending if interrupted => Exit::Interrupted,
                    State::Pending | State::Parked { .. } => Exit::Failed,
                });
            }
            clock.sleep(PAUSE).await;
        }
    }

    fn tell(&self, acted: &ActReceipt, seen: &Aftermath, io: &mut Io<'_>) -> Result<(), Failure> {
        if self.context.json {
            writeln!(io.out, "{:#}", document(&self.act.act, acted, seen))?;
            return Ok(());
        }
        let access = &seen.account.access;
        let plan = access.plan.as_ref().map_or("none".to_owned(), ToString::to_string);
        let mut rows = vec![
            ("Account", self.id.to_string()),
            ("Act", self.act.act.to_string()),
            ("On record", acted.event.to_string()),
            ("Plan", plan),
            ("Status", access.status.to_string()),
            ("Reason", access.reason.to_string()),
        ];
        let steps: Vec<_> = seen.steps.iter().map(|taken| taken.step.as_str()).collect();
        rows.extend((!steps.is_empty()).then(|| ("Steps", steps.join("\n"))));
        rows.extend(old_keys(&access.retiring));
        fields(&rows, io)?;
        if !acted.changed {
            writeln!(io.out, "\nNothing to change: it stood in the ledger already.")?;
        }
        if let Some(text) = outlook(acted, &seen.state, self.id) {
            writeln!(io.out, "\n{text}")?;
        }
        Ok(())
    }
}

/// Until when each replaced key works.
fn old_keys(retiring: &[RetiringKey]) -> Option<(&'static str, String)> {
    let works = |key: &RetiringKey| {
        format!("{} works until {:.0}, unless held or closed", key.id, key.until)
    };
    let keys: Vec<_> = retiring.iter().map(works).collect();
    (!keys.is_empty()).then(|| ("Old keys", keys.join("\n")))
}

/// What is still to come.
fn outlook(acted: &ActReceipt, state: &State, id: &AccountId) -> Option<String> {
    match state {
        State::Settled => None,
        State::Waits { why, until: Some(until) } => Some(format!("It waits until {until:.0}: {why}")),
        State::Waits { why, until: None } => Some(format!("It waits: {why}")),
        State::Parked { why } => Some(format!(
            "It is on record, and cannot be carried out: {why}\n\
             When that is mended: `tollgate events replay {}`",
            acted.event
        )),
        State::Pending if !acted.woken => Some(
            "It is on record. The worker could not be woken: the next sweep does it, within minutes."
                .to_owned(),
        ),
        State::Pending => Some(format!(
            "It is on record, and the worker is still to see to it: `tollgate account show {id}` \
             tells how it stands"
        )),
    }
}

fn document(act: &Act, acted: &ActReceipt, seen: &Aftermath) -> Value {
    let access = &seen.account.access;
    let (state, why, until) = match &seen.state {
        State::Settled => ("settled", None, None),
        State::Waits { why, until } => ("waits", Some(why), *until),
        State::Parked { why } => ("parked", Some(why), None),
        State::Pending => ("pending", None, None),
    };
    json!({
        "account": seen.account.id,
        "act": act.to_string(),
        "event": acted.event.to_string(),
        "changed": acted.changed,
        "state": state,
        "waits_for": why,
        "waits_until": until,
        "plan": access.plan,
        "status": access.status,
        "reason": access.reason.to_string(),
        "old_keys": access.retiring,
        "steps": seen.steps,
    })
}

fn foreseen_rows(preview: &Preview) -> Vec<(&'static str, String)> {
    let plan = |plan: &Option<PlanId>| plan.as_ref().map_or("none".into(), ToString::to_string);
    let (before, after) = (&preview.before, &preview.after);
    let move_of =
        |from: String, to: String| if from == to { to } else { format!("{from} → {to}") };
    let mut rows = vec![
        ("Account", preview.account.to_string()),
        ("Plan", move_of(plan(&before.0), plan(&after.0))),
        ("Status", move_of(before.1.to_string(), after.1.to_string())),
        ("Reason", preview.reason.to_string()),
    ];
    let lines = |label, lines: Vec<String>| (!lines.is_empty()).then(|| (label, lines.join("\n")));
    rows.extend(lines("Steps", preview.steps.iter().map(ToString::to_string).collect()));
    rows.extend(lines("Warnings", preview.warnings.iter().map(ToString::to_string).collect()));
    let not_yet = preview.held_back.iter().map(ToString::to_string).collect();
    rows.extend(lines("Not cancelled yet", not_yet));
    rows.extend(old_keys(&preview.retiring));
    rows.extend(preview.review_at.iter().map(|at| ("Next look", format!("{at:.0}"))));
    rows
}

fn foreseen(preview: &Preview, changes: bool) -> Value {
    let side = |(plan, status): &(Option<PlanId>, _)| json!({ "plan": plan, "status": status });
    let words = |it: Vec<String>| json!(it);
    json!({
        "account": preview.account,
        "would_change": changes,
        "before": side(&preview.before),
        "after": side(&preview.after),
        "reason": preview.reason.to_string(),
        "steps": words(preview.steps.iter().map(ToString::to_string).collect()),
        "warnings": words(preview.warnings.iter().map(ToString::to_string).collect()),
        "not_cancelled_yet": preview.held_back,
        "old_keys": preview.retiring,
        "review_at": preview.review_at,
    })
}

impl From<ActError> for Failure {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(why) => {
                Self::refused(why, "`tollgate account show WHO` tells what the account has.")
            }
            ActError::Leased { .. } | ActError::Fenced => {
                Self::failed(error.to_string(), "Nothing was done: repeat the command.")
            }
            ActError::Port(error) => error.into(),
        }
    }
}
