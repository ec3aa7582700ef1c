//! Hunting planted bugs: which seed catches each first.

use crate::planted::Bug;

use crate::report::Violation;
use crate::run::run_script;
use crate::script::Script;

/// A bug that was caught.
#[derive(Debug)]
pub struct Catch {
    /// The first seed that broke the bug's invariant.
    pub seed: u64,
    /// How many seeds that took.
    pub seeds: u64,
    /// What was found.
    pub violation: Violation,
}

/// Runs seeds from `from` on, at most `seeds`, until one breaks the invariant that this
/// bug is said to break, and does not break it without the bug.
pub fn hunt(bug: Bug, from: u64, seeds: u64) -> Option<Catch> {
    (from..from.saturating_add(seeds)).find_map(|seed| {
        let violation = breaks(&Script::of(seed).with_bug(Some(bug)), bug.invariant())?;
        let alone = breaks(&Script::of(seed), bug.invariant()).is_none();
        alone.then_some(Catch { seed, seeds: seed - from + 1, violation })
    })
}

fn breaks(script: &Script, invariant: u8) -> Option<Violation> {
    run_script(script).violations.into_iter().find(|found| found.invariant == invariant)
}
