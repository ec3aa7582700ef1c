//! What a run came to, and what many came to.

use std::collections::BTreeMap;
use std::fmt;

use crate::coverage::Coverage;
use crate::faults::FaultKind;
use crate::script::Script;

/// How a violation begins in the transcript; its invariant follows.
pub(crate) const VIOLATION: &str = "VIOLATION ";

/// Something that must not be.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// Which invariant of the design; 0 for what no invariant names.
    pub invariant: u8,
    /// What was found.
    pub problem: String,
    /// What shows it again.
    pub command: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, invariant, problem, command } = self;
        write!(f, "seed {seed}, invariant {invariant}: {problem}\n  {command}")
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// What it followed from.
    pub script: Script,
    /// What was found wrong.
    pub violations: Vec<Violation>,
    /// What usage plans and users are called, by id.
    pub names: Vec<(String, String)>,
    /// The acts of which something came: their numbers, and what they were.
    pub acts: Vec<(usize, String)>,
    /// What is counted.
    pub tally: Tally,
    /// What was reached.
    pub coverage: Coverage,
    /// What happened, line by line.
    pub transcript: Vec<String>,
    /// A digest of the transcript, of every call, and of the ledger in the end.
    pub digest: u64,
}

/// What is counted, of one run or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub seeds: usize,
    /// Simulated days.
    pub days: usize,
    /// Events that were accepted.
    pub events: usize,
    /// What went wrong, by kind.
    pub faults: BTreeMap<FaultKind, usize>,
    /// Keys that were made.
    pub mints: usize,
    /// Times that a key was put on a usage plan.
    pub switches: usize,
    /// Broken invariants.
    pub violations: usize,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.days += other.days;
        self.events += other.events;
        self.mints += other.mints;
        self.switches += other.switches;
        self.violations += other.violations;
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        writeln!(f, "{} seeds, {} days, {} events", self.seeds, self.days, self.events)?;
        writeln!(f, "{} switches, {} mints, {faults} faults:", self.switches, self.mints)?;
        for kind in FaultKind::ALL {
            let count = self.faults.get(&kind).copied().unwrap_or(0);
            writeln!(f, "  {:14}{count:>9}", kind.as_str())?;
        }
        write!(f, "{} violations", self.violations)
    }
}
