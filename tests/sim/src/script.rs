//! All that a run follows from.
//!
//! Each act, each step under faults and each fault draws from dice of its own, thrown
//! for the seed and the act's or step's number: leaving one out leaves the others as they were.

use std::collections::BTreeSet;

use crate::planted::Bug;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::faults::FaultKind;

/// How many acts a run has: at least, and less than.
const ACTS: std::ops::Range<usize> = 8..60;

/// How many acts there are more where the ledger is lost: at least, and less than.
const ACTS_OF_LOSS: std::ops::Range<usize> = 4..16;

/// All that a run follows from. Two runs of one script are the same to the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What everything is drawn from.
    pub seed: u64,
    /// The acts that do not happen, by their number from 0.
    pub left_out: BTreeSet<usize>,
    /// What may go wrong.
    pub faults: BTreeSet<FaultKind>,
    /// Whether events may be lost for good, and people edit by hand.
    pub lossy: bool,
    /// How many pay already when it begins: more than the blast limit lets go in a day, or none.
    pub payers: usize,
    /// Whether settings may go wrong, and rows of ours be shown as they are not: what that
    /// leaves behind, the comparison of the systems has to find.
    pub misconfigured: bool,
    /// Whether the ledger is lost when all else has been judged, or restored from a backup.
    pub loses: bool,
    /// A bug that is planted in the world.
    pub bug: Option<Bug>,
}

impl Script {
    /// The script that follows from a seed: all its acts; some kinds of faults, so that each
    /// also meets the others' absence; a quarter of the seeds are lossy.
    pub fn of(seed: u64) -> Self {
        let mut dice = dice(seed, Stream::Script, 0);
        let lossy = dice.random_bool(0.25);
        let calm = dice.random_bool(0.1);
        let drawn = FaultKind::ALL.into_iter().filter(|_| dice.random_bool(0.6));
        let drawn: BTreeSet<_> = drawn.collect();
        let is_big = dice.random_bool(0.02);
        let payers = if is_big { dice.random_range(11..15) } else { 0 };
        let misconfigured = is_big || dice.random_bool(0.2);
        let loses =
            !lossy && !misconfigured && self::dice(seed, Stream::Recovery, 0).random_bool(0.28);
        let allowed = |kind: &FaultKind| !calm && (lossy || !kind.only_when_lossy());
        Self {
            seed,
            left_out: BTreeSet::new(),
            faults: drawn.into_iter().filter(allowed).collect(),
            lossy,
            payers,
            misconfigured,
            loses,
            bug: None,
        }
    }

    /// How many acts the seed has, those that are left out among them.
    pub fn acts(&self) -> usize {
        dice(self.seed, Stream::Script, 1).random_range(ACTS)
    }

    /// How many acts there are after that in which the ledger is lost.
    pub fn acts_of_loss(&self) -> usize {
        let acts = || dice(self.seed, Stream::Recovery, 1).random_range(ACTS_OF_LOSS);
        if self.loses { acts() } else { 0 }
    }

    /// The numbers of all acts, those that are left out among them.
    fn numbers(&self) -> std::ops::Range<usize> {
        0..self.acts() + self.acts_of_loss()
    }

    /// The same without some acts.
    #[must_use]
    pub fn without_acts(mut self, acts: impl IntoIterator<Item = usize>) -> Self {
        self.left_out.extend(acts);
        self
    }

    /// The same with these acts alone.
    #[must_use]
    pub fn with_only_acts(self, acts: &[usize]) -> Self {
        let others: Vec<_> = self.numbers().filter(|act| !acts.contains(act)).collect();
        self.without_acts(others)
    }

    /// The same without a kind of fault.
    #[must_use]
    pub fn without_fault(mut self, kind: FaultKind) -> Self {
        self.faults.remove(&kind);
        self
    }

    /// The same in a world in which a bug is planted.
    #[must_use]
    pub fn with_bug(mut self, bug: Option<Bug>) -> Self {
        self.bug = bug;
        self
    }

    /// The acts that happen, by number.
    pub fn kept(&self) -> Vec<usize> {
        self.numbers().filter(|act| !self.left_out.contains(act)).collect()
    }

    /// What happens now and then beside the acts, in a part of the seeds only, with dice of its
    /// own, so that the other seeds' stories stay as they are: the dice, if it is to happen after
    /// this act.
    pub(crate) fn now_and_then(
        &self,
        stream: Stream,
        act: usize,
        [of_seeds, of_acts]: [f64; 2],
    ) -> Option<ChaCha8Rng> {
        if !dice(self.seed, stream, 0).random_bool(of_seeds) {
            return None;
        }
        let mut dice = dice(self.seed, stream, act as u64 + 1);
        dice.random_bool(of_acts).then_some(dice)
    }

    /// The command that runs it again and tells what happens.
    pub fn command(&self) -> String {
        let mut command = format!("cargo sim --from {} --seeds 1 --transcript", self.seed);
        let mut add = |option: &str, words: Vec<String>| {
            if !words.is_empty() {
                command += &format!(" {option} {}", words.join(","));
            }
        };
        let kept = self.kept();
        if kept.len() < self.left_out.len() && !kept.is_empty() {
            add("--only-acts", kept.iter().map(usize::to_string).collect());
        } else {
            add("--without-acts", self.left_out.iter().map(usize::to_string).collect());
        }
        let drawn = Self::of(self.seed).faults;
        let gone = drawn.difference(&self.faults);
        add("--without-faults", gone.map(|kind| kind.as_str().to_owned()).collect());
        add("--bug", self.bug.iter().map(ToString::to_string).collect());
        command
    }
}

/// What dice are thrown for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// The script itself.
    Script = 1,
    /// The world that the run begins with.
    World,
    /// A step under faults.
    Step,
    /// What goes wrong in a step.
    Fault,
    /// An act.
    Act,
    /// The calm after the faults.
    Calm,
    /// What a person does instead of an act.
    Person,
    /// How customers pay beside the acts.
    Payment,
    /// Impatient owners.
    Clicks,
    /// The seller's own deployments.
    Deployments,
    /// The loss of the ledger, and the way back.
    Recovery,
}

/// The dice of a seed for one purpose.
pub(crate) fn dice(seed: u64, stream: Stream, number: u64) -> ChaCha8Rng {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream((stream as u64) << 48 | number);
    dice
}
