//! `tollgate events replay`.

use std::ops::ControlFlow;

use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use tollgate_core::halt::Halt;
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::{Class, Clock, Entropy as _, Ledger as _, PortError};
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::sqs::SqsQueue;
use tollgate_functions::adapters::stripe::StripeApi;
use tollgate_functions::adapters::system::SystemEntropy;
use tollgate_operator::{Cursor, ReplayProgress, Selection, Sent, count, new_run};

use super::filter::{Filter, Place, clients, second};
use super::print::{tally, tally_as_json};
use super::rehearse;
use crate::cli::confirm::{Consent, ConsentAnswer};
use crate::cli::progress::Progress as Bar;
use crate::cli::stack::PlansOption;
use crate::cli::table::counted;
use crate::cli::time::duration;
use crate::cli::{Context, Exit, Failure, Io, halts};

const RATE: u32 = 5;
/// For how long it waits.
const WAIT: &str = "15m";
/// How often it looks for what was handled.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// The options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    filter: Filter,
    /// Events a second, at most 10: each costs calls of Stripe and of API Gateway.
    #[arg(long, value_name = "N", default_value_t = RATE, value_parser = clap::value_parser!(u32).range(1..=10))]
    rate: u32,
    #[command(flatten)]
    consent: Consent,
    /// Wait until all were handled again, and tell what became of them.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// For how long to wait.
    #[arg(long, value_name = "TIME", default_value = WAIT, value_parser = duration)]
    wait_for: SignedDuration,
    /// Go on where a replay was stopped, with the options that it had.
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["from", "since", "dry_run"])]
    resume: Option<Cursor>,
    #[command(flatten)]
    plans: PlansOption,
}

pub(super) async fn run<C: Clock>(
    options: &Replay,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let now = context.clock.now();
    if options.consent.dry_run {
        return rehearse::run((&options.plans, options.rate), &options.filter, context, now, io)
            .await;
    }
    let (ledger, stripe) = clients(&options.filter, context).await?;
    let resumed = options.resume.as_ref().map(|cursor| cursor.from);
    let mut selection = options.filter.selection(resumed, now, context, &ledger).await?;
    selection.from = resumed.unwrap_or(selection.from);
    let begin = || Cursor::begin(new_run(SystemEntropy.bytes()), selection.from);
    let cursor = options.resume.clone().unwrap_or_else(begin);
    let place = Place { ledger: &ledger, stripe: stripe.as_ref(), now };
    let mut replaying = Replaying {
        options,
        context,
        place,
        queue: context.queue().await?,
        selection,
        cursor,
        total: ReplayProgress::default(),
        done: ReplayProgress::default(),
        sent: Sent::default(),
    };
    replaying.run(io).await
}

/// A replay under way.
struct Replaying<'a, C> {
    options: &'a Replay,
    context: &'a Context<'a, C>,
    place: Place<'a, DynamoLedger, StripeApi>,
    queue: SqsQueue,
    selection: Selection,
    /// Where it begins.
    cursor: Cursor,
    /// What there is to do.
    total: ReplayProgress,
    /// What was done.
    done: ReplayProgress,
    sent: Sent,
}

impl<C: Clock> Replaying<'_, C> {
    async fn run(&mut self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        if self.count(io).await?.is_break() {
            self.context.progress("Stopped while counting: nothing was sent.", io)?;
            return Ok(Exit::Interrupted);
        }
        if !self.context.json {
            self.print_plan(io)?;
        }
        match self.options.consent.ask(self.total.sent > 0, self.context.json, io)? {
            ConsentAnswer::Nothing | ConsentAnswer::DryRun => {
                self.finish(None, &self.halts().await?, io)?;
            }
            ConsentAnswer::Do => {
                if self.send(io).await?.is_break() {
                    self.finish(Some(self.line()), &[], io)?;
                    return Ok(Exit::Interrupted);
                }
                let waited = if self.options.wait { self.wait(io).await } else { Ok(true) };
                // What was sent is told, whatever the ledger answers now.
                let halts = self.halts().await.unwrap_or_default();
                self.finish(None, &halts, io)?;
                // All were sent: to repeat the command would send them again.
                let mend = "All were sent: `tollgate queue status` tells how it goes.".to_owned();
                let in_time = waited.map_err(|failure| Failure { mend, ..failure })?;
                if in_time && self.sent.left() > 0 {
                    let left = counted(self.sent.left(), "event");
                    let told = format!("Stopped waiting for {left}: the worker goes on.");
                    self.context.progress(&told, io)?;
                    return Ok(Exit::Interrupted);
                }
                self.judge(in_time, &halts)?;
            }
        }
        Ok(Exit::Done)
    }

    /// How many there are, and that all are there that are named.
    async fn count(&mut self, io: &Io<'_>) -> Result<ControlFlow<()>, Failure> {
        let mut source = self.options.filter.source(self.selection.clone(), &self.place)?;
        let bar = Bar::begin("events looked at", None, self.context.json, io);
        let mut flow = ControlFlow::Continue(());
        let told = |progress: &ReplayProgress| {
            bar.at(progress.looked_at);
            flow = stop_if((io.interrupted)());
            flow
        };
        self.total = count(&mut source, told).await?;
        self.options.filter.all_there(source.missing())?;
        Ok(flow)
    }

    fn print_plan(&self, io: &mut Io<'_>) -> Result<(), Failure> {
        let ReplayProgress { sent, unreadable, known, .. } = &self.total;
        if *unreadable > 0 {
            let these = counted(*unreadable, "event");
            writeln!(io.out, "{these} cannot be replayed: they cannot be read.")?;
        }
        if *sent == 0 {
            return Ok(());
        }
        let outcomes = match self.options.filter.needs_stripe() {
            true => "from Stripe's list".to_owned(),
            false => format!("last time: {}", tally(known)),
        };
        let minutes = sent.div_ceil(self.options.rate as usize * 60);
        writeln!(io.out, "{} to replay ({outcomes}).", counted(*sent, "event"))?;
        if minutes > 1 {
            let (rate, time) = (self.options.rate, counted(minutes, "minute"));
            writeln!(io.out, "At {rate} a second this takes up to {time}.")?;
        }
        Ok(())
    }

    /// Sends them; it was stopped, if that breaks.
    async fn send(&mut self, io: &Io<'_>) -> Result<ControlFlow<()>, Failure> {
        let mut source = self.options.filter.source(self.selection.clone(), &self.place)?;
        let replay = tollgate_operator::Replay {
            ledger: self.place.ledger,
            queue: &self.queue,
            clock: &self.context.clock,
            per_second: self.options.rate,
            cursor: self.cursor.clone(),
        };
        let total = self.total.sent;
        let bar = Bar::begin("events sent", Some(total as u64), self.context.json, io);
        let (sent, wait) = (&mut self.sent, self.options.wait);
        let told = |progress: &ReplayProgress, some: &[tollgate_operator::Selected]| {
            bar.at(progress.sent);
            if wait {
                sent.add(some);
            }
            stop_if((io.interrupted)() && progress.sent < total)
        };
        let result = replay.run(&mut source, &mut self.done, told).await;
        drop(bar);
        result.map_err(|error| self.failed(error))?;
        Ok(stop_if((io.interrupted)() && self.done.sent < total))
    }

    /// Follows what was sent; `false` when the time is over.
    async fn wait(&mut self, io: &Io<'_>) -> Result<bool, Failure> {
        let clock = &self.context.clock;
        let until = clock.now().saturating_add(self.options.wait_for);
        let until = until.expect("it is a duration of time");
        let total = (self.sent.left() + self.sent.done()) as u64;
        let bar = Bar::begin("events handled", Some(total), self.context.json, io);
        loop {
            self.sent.look(self.place.ledger).await?;
            bar.at(self.sent.done());
            if self.sent.left() == 0 || (io.interrupted)() {
                return Ok(true);
            }
            if clock.now() >= until {
                return Ok(false);
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }

    /// What was sent stands; what was not goes on from the cursor.
    fn failed(&self, error: PortError) -> Failure {
        let sent = self.done.sent;
        // The line below is what to repeat.
        let passes =
            matches!(error.class, Class::Throttled { .. } | Class::Unavailable | Class::Conflict);
        let failure = Failure::from(error);
        let problem = format!("{} (after {} were sent)", failure.problem, counted(sent, "event"));
        let first = if passes { String::new() } else { format!("{} ", failure.mend) };
        let mend = format!("{first}To go on: `{}`", self.line());
        Failure { problem, mend, ..failure }
    }

    /// The command that goes on.
    fn line(&self) -> String {
        let cursor = self.cursor.after(&self.done);
        let mut words = vec![self.context.command(), "events replay".to_owned()];
        words.extend(self.options.filter.options(&self.selection));
        if self.options.rate != RATE {
            words.push(format!("--rate {}", self.options.rate));
        }
        words.extend(self.options.wait.then(|| "--wait".to_owned()));
        if Ok(self.options.wait_for) != duration(WAIT) {
            words.push(format!("--wait-for {}", self.options.wait_for));
        }
        words.push(format!("--resume {cursor}"));
        words.join(" ")
    }

    /// What holds losses back: who would lose something by it is parked again.
    async fn halts(&self) -> Result<Vec<Halt>, Failure> {
        Ok(self.place.ledger.stack().await?.halts())
    }

    fn finish(
        &self,
        resume: Option<String>,
        halts: &[Halt],
        io: &mut Io<'_>,
    ) -> Result<(), Failure> {
        let Self { total, done, sent, cursor, .. } = self;
        let run = &cursor.run;
        if self.context.json {
            let document = json!({
                "run": run,
                "selected": total.sent,
                "unreadable": total.unreadable,
                "sent": done.sent,
                "outcomes_before": tally_as_json(&done.known),
                "handled": self.options.wait.then(|| tally_as_json(&sent.handled)),
                "unhandled": self.options.wait.then(|| sent.left()),
                "resume": resume,
                "halts": halts::json(halts),
            });
            writeln!(io.out, "{document:#}")?;
            return Ok(());
        }
        if total.sent == 0 {
            writeln!(io.out, "Nothing to replay.")?;
            halts::print(halts, io)?;
            return Ok(());
        }
        let (count, before) = (counted(done.sent, "event"), tally(&done.known));
        let before = if before.is_empty() { before } else { format!("; before: {before}") };
        writeln!(io.out, "Sent {count} as replay {run}{before}.")?;
        if self.options.wait && sent.done() > 0 {
            writeln!(io.out, "Handled again: {}.", tally(&sent.handled))?;
        }
        halts::print(halts, io)?;
        if let Some(line) = resume {
            let left = counted(total.sent - done.sent, "event");
            writeln!(io.err, "Stopped with {left} left, none of them lost. To go on: `{line}`")?;
        }
        Ok(())
    }

    /// Waiting has found something that is not as it should be.
    fn judge(&self, in_time: bool, halts: &[Halt]) -> Result<(), Failure> {
        if !in_time {
            let left = counted(self.sent.left(), "event");
            let time = self.options.wait_for;
            let problem = format!("{left} were not handled within {time:#}");
            let mend = "They stay on the queue: `tollgate queue status` tells how it goes.";
            return Err(Failure::failed(problem, mend));
        }
        match self.sent.handled.get(&Some(Outcome::Parked)) {
            None | Some(0) => Ok(()),
            Some(parked) => {
                let since = second(self.place.now);
                let problem = format!("{} parked again", counted(*parked, "event"));
                if let Some(halt) = halts.iter().find(|it| matches!(it, Halt::Losses { .. })) {
                    return Err(Failure::refused(format!("{problem}; {halt}"), halt.mend()));
                }
                let mend = format!(
                    "Each record says why (sent since {since}): `tollgate events list --outcome parked`"
                );
                Err(Failure::failed(problem, mend))
            }
        }
    }
}

fn stop_if(stopped: bool) -> ControlFlow<()> {
    if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
