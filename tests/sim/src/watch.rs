//! What each task is doing: where it can be killed or paused, and whether it keeps to its
//! claim and its lease (invariant 6).

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollgate_billing::ports::Service;
use tollgate_standin::gate::Call;

use crate::coverage::{Coverage, Point, Step};
use crate::faults::FaultKind;

/// A task's trace.
#[derive(Debug)]
struct Trace {
    deadline: Timestamp,
    /// The call that it waits at, and whether that took effect.
    at: Option<(Step, bool)>,
    last_fault: Option<FaultKind>,
    /// Whether it has claimed an account since it began with it.
    claimed: bool,
}

/// All tasks' traces.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    tasks: BTreeMap<u64, Trace>,
    current: Option<u64>,
    pub(crate) coverage: Coverage,
    broken: Vec<String>,
    /// Whether an account was written since this was asked last.
    wrote: bool,
    seen: Seen,
}

/// What has happened since this was asked last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// A key's plan or state was changed.
    pub(crate) moved: bool,
    /// Somebody was stopped, otherwise than by what passes of API Gateway.
    pub(crate) disturbed: bool,
    /// A call was not allowed.
    pub(crate) denied: bool,
}

impl Watch {
    /// A task runs up to its next await.
    pub(crate) fn enter(&mut self, task: u64, deadline: Timestamp) {
        self.current = Some(task);
        let new = || Trace { deadline, at: None, last_fault: None, claimed: false };
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

    /// Where a task waits: at which step, and whether that took effect.
    pub(crate) fn place(&self, task: u64) -> Option<(Step, bool)> {
        self.tasks.get(&task)?.at
    }

    /// Whether an account was written since this was asked last.
    pub(crate) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    /// What has happened since this was asked last.
    pub(crate) fn take_seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    /// A late effect lands: whoever asked for it has perhaps written down what to wait for.
    pub(crate) fn lands(&mut self) {
        self.seen = Seen { moved: true, disturbed: true, denied: true };
    }

    /// What broke invariant 6, since this was asked last.
    pub(crate) fn take_broken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.broken)
    }

    /// A call is about to be made.
    pub(crate) fn starts(&mut self, call: &Call, now: Timestamp) {
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        let step = Step::of(call);
        trace.at = Some((step, false));
        if step.changes_the_world() && now >= trace.deadline {
            let late = now.duration_since(trace.deadline);
            self.broken.push(format!("{step:?} of {} starts {late:#} late", call.subject));
        }
        match step {
            Step::Claim => trace.claimed = false,
            Step::Facts | Step::Observe | Step::Commit | Step::Act if !trace.claimed => {
                self.broken.push(format!("{step:?} of {} comes before a claim", call.subject));
            }
            _ => {}
        }
    }

    /// A call takes effect.
    pub(crate) fn takes_effect(&mut self) {
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        if let Some((step, done)) = &mut trace.at {
            *done = true;
            self.wrote |=
                matches!(step, Step::Claim | Step::Link | Step::Intent | Step::Commit | Step::Act);
            self.seen.moved |= step.changes_the_world();
            trace.claimed |= *step == Step::Claim;
            self.coverage.hit(*step, Point::Ran, None);
        }
    }

    /// Something goes wrong with the call under way.
    pub(crate) fn fault(&mut self, call: &Call, kind: FaultKind) {
        let passes =
            matches!(kind, FaultKind::Throttled | FaultKind::Unavailable | FaultKind::Conflict);
        self.seen.denied |= kind == FaultKind::Denied;
        self.seen.disturbed |= !passes || call.service != Service::ApiGateway;
        let Some(trace) = self.current.and_then(|task| self.tasks.get_mut(&task)) else { return };
        trace.last_fault = Some(kind);
        if let Some((step, _)) = trace.at {
            self.coverage.hit(step, Point::Ran, Some(kind));
        }
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
        self.seen.disturbed = true;
        let Some(trace) = self.tasks.get(&task) else { return };
        if let Some((step, done)) = trace.at {
            let point = if done { after } else { before };
            self.coverage.hit(step, point, trace.last_fault);
        }
    }
}
