//! Shrinking: from a run that breaks an invariant to a small one that still does.
//!
//! Delta debugging: acts are left out, by halves first and then one by one, and kinds of
//! faults switched off, for as long as the same invariant breaks. Since each act and each
//! fault has dice of its own, what is left is as it was.

use std::collections::BTreeSet;

use crate::report::Report;
use crate::run::run_script;
use crate::script::Script;

/// A run that was made small.
#[derive(Debug)]
pub struct Shrunk {
    /// The small run.
    pub report: Report,
    /// The invariant that it breaks.
    pub invariant: u8,
    /// How many runs it took to find.
    pub runs: usize,
}

/// Shrinks a run that breaks `invariant`, in at most `limit` runs; `None` when it does not.
pub fn shrink(script: &Script, invariant: u8, limit: usize) -> Option<Shrunk> {
    let report = breaks(script, invariant)?;
    let mut search = Search { invariant, report, runs: 1, limit };
    search.calm_down();
    while search.leave_out_acts() | search.switch_off_faults() && search.runs < limit {}
    Some(Shrunk { report: search.report, invariant, runs: search.runs })
}

/// The report of a run, if it breaks the invariant.
fn breaks(script: &Script, invariant: u8) -> Option<Report> {
    let report = run_script(script);
    report.violations.iter().any(|found| found.invariant == invariant).then_some(report)
}

/// The smallest failing run so far.
struct Search {
    invariant: u8,
    report: Report,
    runs: usize,
    limit: usize,
}

impl Search {
    fn script(&self) -> Script {
        self.report.script.clone()
    }

    /// Keeps a smaller script if it fails as well.
    fn try_out(&mut self, script: &Script) -> bool {
        if self.runs >= self.limit {
            return false;
        }
        self.runs += 1;
        let smaller = breaks(script, self.invariant);
        let found = smaller.is_some();
        if let Some(report) = smaller {
            self.report = report;
        }
        found
    }

    /// The two long shots: no faults at all, and none of the acts that came to nothing.
    fn calm_down(&mut self) {
        let script = Script { faults: BTreeSet::new(), ..self.script() };
        self.try_out(&script);
        let happened: BTreeSet<_> = self.report.acts.iter().map(|(number, _)| *number).collect();
        let idle = self.script().kept().into_iter().filter(|act| !happened.contains(act));
        let script = self.script().without_acts(idle);
        self.try_out(&script);
    }

    /// Leaves acts out, half of them at a time, then quarters, then single ones; later
    /// ones first, since what comes first is what the rest stands on.
    fn leave_out_acts(&mut self) -> bool {
        let mut smaller = false;
        let mut size = self.script().kept().len().div_ceil(2);
        while size > 0 {
            let kept = self.script().kept();
            for chunk in kept.rchunks(size) {
                let script = self.script().without_acts(chunk.iter().copied());
                smaller |= self.try_out(&script);
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        smaller
    }

    fn switch_off_faults(&mut self) -> bool {
        let mut smaller = false;
        for kind in self.script().faults {
            let script = self.script().without_fault(kind);
            smaller |= self.try_out(&script);
        }
        smaller
    }
}
