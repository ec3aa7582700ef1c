//! The runbook's steps, as the command `tollgate` takes them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::planted::Bug;
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::binding::InUse;
use tollgate_core::converge::Worker;
use tollgate_core::halt::Halt;
use tollgate_core::ports::{PortResult, Stripe, Users};
use tollgate_core::scan::Progress;
use tollgate_core::sweep::DriftSweep;
use tollgate_operator::{
    Cursor, EventSource, OperateStack, Rebuild, Reconcile, Repaired, Replay, ReplayProgress,
    Selection, StackAct, Word, doubts, excesses,
};

use crate::executor::block_on;
use crate::market;
use crate::recovery::{Listed, StepReport};
use crate::run::Sim;
use crate::script::{Stream, dice};
use crate::settings::{WrongSetting, seen_through};
use crate::tasks::{Done, Label, Lease};

/// How many accounts a command holds at once: all that there are.
const AT_ONCE: usize = 1_000;

/// For how long somebody lets a step run.
const PATIENCE: SignedDuration = SignedDuration::from_hours(2);

/// A step of the runbook's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunbookStep {
    /// `events replay --from-stripe`.
    Replay,
    /// `reconcile`.
    Look,
    /// `reconcile --rebuild`.
    Rebuild,
    /// `reconcile --repair`.
    Repair,
}

/// The command, with the environment that it has.
struct Command {
    worker: Worker<World>,
    since: Timestamp,
    run: String,
    accepts: bool,
}

impl Command {
    async fn take(self, step: RunbookStep) -> StepReport {
        let done = match step {
            RunbookStep::Replay => self.replay().await,
            RunbookStep::Look | RunbookStep::Repair => {
                self.reconcile(step == RunbookStep::Repair).await
            }
            RunbookStep::Rebuild => self.rebuild().await,
        };
        let (line, listed) = match done {
            Ok((line, listed)) => (line, listed),
            Err(error) => (format!("{error}"), None),
        };
        StepReport { line: format!("{step:?}: {line}"), listed }
    }

    async fn replay(&self) -> PortResult<(String, Option<Listed>)> {
        let World { ledger, stripe, clock, .. } = &self.worker.ports;
        let now = clock.time();
        let selection = Selection::between(self.since, now);
        let Ok(mut source) = EventSource::listed(ledger, stripe, selection, false, now) else {
            return Ok(("that is too long ago".to_owned(), None));
        };
        let cursor = Cursor::begin(self.run.clone(), self.since);
        let queue = self.worker.ports.queue();
        let replay = Replay { ledger, queue: &queue, clock, per_second: 10, cursor };
        let mut progress = ReplayProgress::default();
        replay.run(&mut source, &mut progress, |_, _| ControlFlow::Continue(())).await?;
        Ok((format!("{} events", progress.sent), None))
    }

    async fn reconcile(&self, repairs: bool) -> PortResult<(String, Option<Listed>)> {
        let Worker { ports, catalog, policy, stack, .. } = &self.worker;
        let queue = ports.queue();
        let sweep = DriftSweep { ports, queue: &queue, catalog, policy, stack, at_once: AT_ONCE };
        let reconcile = Reconcile { sweep };
        let mut listed = Listed::default();
        let mut told = |news| {
            if let Progress::Found(finding) = &news {
                listed.add(stack, finding);
            }
        };
        let report = reconcile.look(&mut told).await?;
        listed.halts = match ports.gate.has(Bug::HaltsNotTold) {
            true => Vec::new(),
            false => reconcile.halts().await?,
        };
        let mut line = format!("found {:?}", report.found);
        if !repairs {
            return Ok((line, Some(listed)));
        }
        let too_much = excesses(&report);
        if !too_much.is_empty() && !self.accepts {
            return Ok((format!("{line}, refused: {too_much:?}"), None));
        }
        let accepted = self.accepts && (!too_much.is_empty() || !listed.halts.is_empty());
        if accepted {
            reconcile.accept().await?;
        }
        let word = Word { accepted, keys: BTreeSet::new() };
        let mut repaired = Repaired::default();
        reconcile.repair(&word, &mut repaired, &mut |_| ()).await?;
        let deleted: Vec<_> = repaired.deleted.iter().map(|key| &key.name).collect();
        line += &format!(", woken {:?}, deleted {deleted:?}", repaired.report.woken);
        Ok((line, None))
    }

    async fn rebuild(&self) -> PortResult<(String, Option<Listed>)> {
        let Worker { ports, catalog, policy, deriver, stack, .. } = &self.worker;
        let queue = ports.queue();
        let sweep = DriftSweep { ports, queue: &queue, catalog, policy, stack, at_once: AT_ONCE };
        let stale = &sweep.look(&mut |_| ()).await?.stale;
        let (by, at_once) = ("olga", AT_ONCE);
        let rebuild = Rebuild { ports, catalog, policy, deriver, stack, stale, by, at_once };
        let would = rebuild.look(&mut |_| ()).await?;
        let doubts = doubts(&would);
        if !doubts.is_empty() && !self.accepts {
            return Ok((format!("refused: {doubts:?}"), None));
        }
        let mut all = Vec::new();
        let mut heard = |news| {
            if let Progress::Found(rebuilt) = news {
                all.push(rebuilt);
            }
        };
        let report = rebuild.run(&mut heard).await?;
        let (busy, left) = (report.busy, report.left);
        Ok((format!("busy {busy}, left {left}, {all:?}"), None))
    }
}

impl Sim {
    /// The command as it is to be.
    fn command(&self, run: &str) -> Command {
        let worker = market::worker(&self.world, self.edition, self.secret);
        let since = self.recovery.as_ref().map_or(Timestamp::MIN, |it| it.since);
        Command { worker, since, run: run.to_owned(), accepts: true }
    }

    /// After an act, somebody takes any step, now and then with something wrong in their
    /// environment, twice, or not to its end.
    pub(super) fn take_steps_in_a_hurry(&mut self, act: usize) {
        let mut dice = dice(self.script.seed, Stream::Recovery, act as u64 + 100);
        if self.script.left_out.contains(&act) || !dice.random_bool(0.6) {
            return;
        }
        let steps = [
            RunbookStep::Replay,
            RunbookStep::Look,
            RunbookStep::Rebuild,
            RunbookStep::Repair,
            RunbookStep::Repair,
        ];
        let step = steps[dice.random_range(0..steps.len())];
        let (command, wrong) = self.hurried(&mut dice, act);
        let until = match dice.random_bool(0.3) {
            true => SignedDuration::from_millis(dice.random_range(1..20_000)),
            false => PATIENCE,
        };
        self.tell(&format!("[{act}] somebody in a hurry takes the step {step:?}{wrong}"));
        if dice.random_bool(0.2) {
            let (again, _) = (self.command(&format!("again-{act}")), ());
            self.begin_step(step, again, PATIENCE);
        }
        self.begin_step(step, command, until);
        if dice.random_bool(0.2) {
            self.act_on_stack(&StackAct::Freeze);
        }
    }

    /// As far as there is a table.
    fn act_on_stack(&mut self, act: &StackAct) {
        let World { ledger, clock, entropy, .. } = &self.world;
        let done = block_on(OperateStack { ledger, clock, entropy }.act(act, "olga", "recovery"));
        self.tell(&format!("{act:?}: {}", if done.is_ok() { "done" } else { "refused" }));
    }

    /// A command with something wrong in its environment, perhaps. Nobody accepts what looks wrong.
    fn hurried(&self, dice: &mut ChaCha8Rng, act: usize) -> (Command, String) {
        let mut command = self.command(&format!("hurried-{act}"));
        command.accepts = false;
        let (edition, secret) = (self.edition, self.secret);
        let wrong = match dice.random_range(0..10) {
            0 => Some(WrongSetting::StripeKey),
            1 => Some(WrongSetting::RestrictedKey),
            2 => Some(WrongSetting::UserPool),
            _ => None,
        };
        let edition = match dice.random_range(0..10) {
            0 => edition.before(),
            1 => edition.again(None),
            _ => edition,
        };
        let world = wrong.map_or(self.world.clone(), |wrong| seen_through(&self.world, wrong));
        command.worker = market::worker(&world, edition, secret);
        let told = wrong.map(|wrong| format!(", with a wrong {wrong:?}")).unwrap_or_default();
        let file = match edition == self.edition {
            true => String::new(),
            false => format!(", with the file of catalog {}", edition.revision),
        };
        (command, told + &file)
    }

    fn begin_step(&mut self, step: RunbookStep, command: Command, patience: SignedDuration) {
        self.tasks_begun += 1;
        let now = self.world.clock.time();
        let lease = Lease {
            id: self.tasks_begun,
            label: Label::Runbook,
            deadline: now + patience,
            polled: now,
            asleep_until: None,
            late: false,
        };
        self.tasks.spawn(lease, async move { Done::Runbook(command.take(step).await) });
    }

    /// A step is through.
    pub(crate) fn through(&mut self, told: StepReport) {
        self.tell(&told.line);
        let listed = told.listed.zip(self.recovery.as_mut());
        if let Some((listed, recovery)) = listed {
            recovery.listed = listed;
        }
    }

    /// It is calm, and somebody does what the runbook says, twice where it must be.
    pub(super) fn follow_the_runbook(&mut self) {
        self.calm_down(1);
        self.let_it_belong_to_what_is_in_use();
        self.take_step(RunbookStep::Replay);
        for _ in 0..2 {
            for step in [RunbookStep::Look, RunbookStep::Rebuild, RunbookStep::Repair] {
                self.take_step(step);
            }
            self.replay_what_is_unsettled();
        }
        self.take_step(RunbookStep::Look);
    }

    /// `stack rebind`, where somebody in a hurry had the key of another account, or another pool, when
    /// the table was empty.
    fn let_it_belong_to_what_is_in_use(&mut self) {
        let World { ledger, stripe, cognito, .. } = &self.world;
        let stripe_account = block_on(stripe.account_id()).expect("nothing fails");
        let in_use = InUse { stripe_account, pool: Some(cognito.pool_id()) };
        let act = StackAct::Rebind(in_use);
        let stack = ledger.stored_stack();
        let bound = stack.stripe_account.is_some() || stack.pool.is_some();
        if bound && act.change(&stack, "") != stack {
            self.act_on_stack(&act);
            self.come_to_rest();
        }
    }

    fn take_step(&mut self, step: RunbookStep) {
        let before = self.world.gate.count();
        let run = format!("{step:?}-{}", self.world.clock.time().as_second());
        let told = block_on(self.command(&run).take(step));
        self.witness(&self.world.gate.calls_since(before));
        self.through(told);
        self.come_to_rest();
        let listed = self.recovery.as_ref().map(|it| it.listed.halts.as_slice());
        if step == RunbookStep::Look && listed.is_some_and(|it| it.iter().any(is_frozen)) {
            self.act_on_stack(&StackAct::Unfreeze);
        }
    }
}

fn is_frozen(halt: &Halt) -> bool {
    matches!(halt, Halt::Frozen { .. })
}
