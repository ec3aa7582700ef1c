//! The lease check from within: where each task is, so that it can be killed or paused there, and
//! whether it keeps to its claim and its lease (invariant 6).

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::Call;
use jiff::Timestamp;
use tollgate_core::ports::Service;

use crate::call_step::CallStep;
use crate::coverage::{Coverage, Point};
use crate::faults::FaultKind;

/// A task's trace.
#[derive(Debug)]
struct Trace {
    deadline: Timestamp,
    /// The calls that it waits at, and whether each took effect: one for each account that it sees
    /// to at once.
    at: Vec<(Call, bool)>,
    last_fault: Option<FaultKind>,
    /// The accounts that it has claimed.
    claimed: BTreeSet<String>,
}

/// Whose account a write of the ledger is about.
fn account(call: &Call) -> &str {
    call.subject.split(' ').next().unwrap_or_default()
}

/// All tasks' traces.
#[derive(Debug, Default)]
pub(crate) struct LeaseCheck {
    tasks: BTreeMap<u64, Trace>,
    current: Option<u64>,
    pub(crate) coverage: Coverage,
    broken: Vec<String>,
    /// Whether an account was written since this was asked last.
    wrote: bool,
    since_last_look: SinceLastLook,
}

/// What has happened since this was asked last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SinceLastLook {
    /// A key's plan or state was changed.
    pub(crate) moved: bool,
    /// Somebody was stopped, otherwise than by what passes of API Gateway.
    pub(crate) disturbed: bool,
    /// A call was not allowed.
    pub(crate) denied: bool,
}

impl LeaseCheck {
    /// A task runs up to its next await.
    pub(crate) fn enter(&mut self, task: u64, deadline: Timestamp) {
        self.current = Some(task);
        let new = || Trace { deadline, at: Vec::new(), last_fault: None, claimed: BTreeSet::new() };
        self.tasks.entry(task).or_insert_with(new);
    }

    /// It waits.
    pub(crate) fn leave(&mut self) {
        self.current = None;
    }

    /// The task that runs, and its deadline.
    pub(crate) fn current(&self) -> Option<(u64, Timestamp)> {
        let task = self.current?;
        Some((task, self.tasks.get(&task)?.deadline))
    }

    /// Whether a task waits for a step that changes the world, and has not taken effect.
    pub(crate) fn is_acting(&self, task: u64) -> bool {
        let acts = |(call, done): &(Call, bool)| CallStep::of(call).changes_the_world() && !done;
        self.tasks.get(&task).is_some_and(|trace| trace.at.iter().any(acts))
    }

    /// Whether the task that runs sees to several accounts.
    pub(crate) fn is_parted(&self) -> bool {
        self.current.and_then(|task| self.tasks.get(&task)).is_some_and(|it| it.at.len() > 1)
    }

    /// Whether an account was written since this was asked last.
    pub(crate) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    /// What has happened since this was asked last.
    pub(crate) fn take_since_last_look(&mut self) -> SinceLastLook {
        std::mem::take(&mut self.since_last_look)
    }

    /// A late effect lands: whoever asked for it has perhaps written down what to wait for.
    pub(crate) fn lands(&mut self) {
        self.since_last_look = SinceLastLook { moved: true, disturbed: true, denied: true };
    }

    /// What broke invariant 6, since this was asked last.
    pub(crate) fn take_broken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.broken)
    }

    /// A call is about to be made.
    pub(crate) fn starts(&mut self, call: &Call, now: Timestamp) {
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        let step = CallStep::of(call);
        trace.at.push((call.clone(), false));
        if step.changes_the_world() && now >= trace.deadline {
            let late = now.duration_since(trace.deadline);
            self.broken.push(format!("{step:?} of {} starts {late:#} late", call.subject));
        }
        match step {
            // Whose a fact is does not always stand in the call: some account must be claimed.
            CallStep::Facts | CallStep::Observe if !trace.claimed.is_empty() => {}
            CallStep::Commit | CallStep::Act if trace.claimed.contains(account(call)) => {}
            CallStep::Facts | CallStep::Observe | CallStep::Commit | CallStep::Act => {
                self.broken.push(format!("{step:?} of {} comes before a claim", call.subject));
            }
            _ => {}
        }
    }

    /// A call takes effect.
    pub(crate) fn takes_effect(&mut self, call: &Call) {
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        let Some((_, done)) = trace.at.iter_mut().find(|(at, _)| at == call) else { return };
        *done = true;
        let step = CallStep::of(call);
        self.wrote |= step.writes_the_account();
        self.since_last_look.moved |= step.changes_the_world();
        if step == CallStep::Claim {
            trace.claimed.insert(account(call).to_owned());
        }
        self.coverage.hit(step, Point::Ran, None);
    }

    /// A call is answered, or fails.
    pub(crate) fn ends(&mut self, call: &Call) {
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        if let Some(place) = trace.at.iter().position(|(at, _)| at == call) {
            trace.at.remove(place);
        }
    }

    /// Something goes wrong with a call.
    pub(crate) fn fault(&mut self, call: &Call, kind: FaultKind) {
        let passes =
            matches!(kind, FaultKind::Throttled | FaultKind::Unavailable | FaultKind::Conflict);
        self.since_last_look.denied |= kind == FaultKind::Denied;
        self.since_last_look.disturbed |= !passes || call.service != Service::ApiGateway;
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        trace.last_fault = Some(kind);
        self.coverage.hit(CallStep::of(call), Point::Ran, Some(kind));
    }

    /// A task is killed where it waits.
    pub(crate) fn killed(&mut self, task: u64) {
        let points = [Point::KilledBefore, Point::KilledAfter];
        self.stopped(task, points);
        self.tasks.remove(&task);
    }

    /// A task sleeps where it waits.
    pub(crate) fn paused(&mut self, task: u64) {
        self.stopped(task, [Point::PausedBefore, Point::PausedAfter]);
    }

    /// A task has come to its end.
    pub(crate) fn done(&mut self, task: u64) {
        self.tasks.remove(&task);
    }

    fn stopped(&mut self, task: u64, [before, after]: [Point; 2]) {
        self.since_last_look.disturbed = true;
        let Some(trace) = self.tasks.get(&task) else { return };
        for (call, done) in &trace.at {
            let point = if *done { after } else { before };
            self.coverage.hit(CallStep::of(call), point, trace.last_fault);
        }
    }
}
