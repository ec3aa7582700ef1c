//! What the seeds have reached: step × crash point × fault.

use std::collections::BTreeMap;
use std::fmt;

use crate::call_step::CallStep;
use crate::faults::FaultKind;

/// What became of a task at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// It went on, or failed there.
    Ran,
    /// It was killed before the call took effect.
    KilledBefore,
    /// It was killed after the call took effect.
    KilledAfter,
    /// It slept before the call took effect.
    PausedBefore,
    /// It slept after the call took effect.
    PausedAfter,
}

impl Point {
    /// Every point.
    pub const ALL: [Self; 5] =
        [Self::Ran, Self::KilledBefore, Self::KilledAfter, Self::PausedBefore, Self::PausedAfter];

    fn title(self) -> &'static str {
        match self {
            Self::Ran => "faults at the step itself",
            Self::KilledBefore => "killed before the step, after this fault in the same task",
            Self::KilledAfter => "killed after the step, after this fault in the same task",
            Self::PausedBefore => "paused before the step, after this fault in the same task",
            Self::PausedAfter => "paused after the step, after this fault in the same task",
        }
    }
}

/// One cell: the step, what became of the task there, and the fault: at the step itself,
/// or the last one in the life of the task that was killed or paused there.
pub type Cell = (CallStep, Point, Option<FaultKind>);

/// How often each cell was hit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Cell, usize>);

impl Coverage {
    /// Counts a hit.
    pub fn hit(&mut self, step: CallStep, point: Point, fault: Option<FaultKind>) {
        *self.0.entry((step, point, fault)).or_default() += 1;
    }

    /// Adds another's hits.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.0 {
            *self.0.entry(*cell).or_default() += count;
        }
    }

    /// How often a cell was hit.
    pub fn of(&self, cell: Cell) -> usize {
        self.0.get(&cell).copied().unwrap_or(0)
    }

    /// How many cells were hit, of all that can be.
    pub fn reached(&self) -> (usize, usize) {
        let all = possible().count();
        (all - self.never().len(), all)
    }

    /// The cells that can be hit and never were.
    pub fn never(&self) -> Vec<Cell> {
        possible().filter(|cell| self.of(*cell) == 0).collect()
    }
}

/// The cells that can be hit: any task can be killed or paused at any step after any fault
/// of a call; at a step itself only its own faults strike.
fn possible() -> impl Iterator<Item = Cell> {
    let faults = || std::iter::once(None).chain(FaultKind::OF_CALLS.into_iter().map(Some));
    let cells = CallStep::ALL.into_iter().flat_map(move |step| {
        let points = Point::ALL.into_iter();
        points.flat_map(move |point| faults().map(move |fault| (step, point, fault)))
    });
    cells.filter(|(step, point, fault)| match (point, fault) {
        (Point::Ran, Some(kind)) => kind.strikes_at(*step),
        _ => true,
    })
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = || std::iter::once(None).chain(FaultKind::OF_CALLS.into_iter().map(Some));
        for point in Point::ALL {
            writeln!(f, "{}", point.title())?;
            write!(f, "{:20}", "")?;
            for fault in faults() {
                write!(f, "{:>14}", fault.map_or("none", FaultKind::as_str))?;
            }
            for step in CallStep::ALL {
                write!(f, "\n{:20}", format!("{step:?}"))?;
                for fault in faults() {
                    write!(f, "{:>14}", self.shown((step, point, fault)))?;
                }
            }
            writeln!(f, "\n")?;
        }
        let (all, never) = (possible().count(), self.never());
        writeln!(f, "{} of {all} cells hit; never hit:", all - never.len())?;
        for (step, point, fault) in never {
            writeln!(f, "  {step:?} {point:?} {}", fault.map_or("none", FaultKind::as_str))?;
        }
        Ok(())
    }
}

impl Coverage {
    /// A cell's count; `-` where nothing can strike.
    fn shown(&self, cell: Cell) -> String {
        let (step, point, fault) = cell;
        let cannot = point == Point::Ran && fault.is_some_and(|kind| !kind.strikes_at(step));
        if cannot { "-".into() } else { self.of(cell).to_string() }
    }
}
