//! The weather: what goes wrong, by kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_billing::ports::{Class, PortError, PortResult};
use tollgate_standin::gate::{Call, Weather, failure};

use crate::script::{Script, Stream, dice};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A call is refused: too many.
    Throttled,
    /// A call fails and has no effect.
    Unavailable,
    /// A call takes effect and its answer is lost.
    AnswerLost,
    /// A conflict of API Gateway's by chance.
    Conflict,
    /// A task is killed where it waits.
    Kill,
    /// A webhook that was delivered comes once more.
    Duplicate,
    /// `ListUsers` answers as of a few seconds ago.
    UsersLag,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Throttled,
        Self::Unavailable,
        Self::AnswerLost,
        Self::Conflict,
        Self::Kill,
        Self::Duplicate,
        Self::UsersLag,
    ];

    /// The word for it, in reports and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::AnswerLost => "answer-lost",
            Self::Conflict => "conflict",
            Self::Kill => "kill",
            Self::Duplicate => "duplicate",
            Self::UsersLag => "users-lag",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether only a drift sweep can heal what it does.
    pub fn only_when_lossy(self) -> bool {
        false
    }
}

/// A storm that follows from the script, until it is told to end.
#[derive(Debug)]
pub struct Storm(Mutex<State>);

#[derive(Debug)]
struct State {
    seed: u64,
    kinds: BTreeSet<FaultKind>,
    dice: ChaCha8Rng,
    /// How many calls of a thousand fail, before or after taking effect.
    of_a_thousand: u32,
    counts: BTreeMap<FaultKind, usize>,
}

impl Storm {
    /// A storm; some seeds have a mild one, some a bad one.
    pub fn new(script: &Script) -> Self {
        let mut dice = dice(script.seed, Stream::Fault, 0);
        let of_a_thousand = [8, 30, 80][dice.random_range(0..3)];
        let (seed, kinds) = (script.seed, script.faults.clone());
        Self(Mutex::new(State { seed, kinds, dice, of_a_thousand, counts: BTreeMap::new() }))
    }

    /// The storm's next step: whatever goes wrong in it follows from its number.
    pub fn step(&self, number: u64) {
        let mut state = self.lock();
        state.dice = dice(state.seed, Stream::Fault, number + 1);
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.lock().kinds.clear();
    }

    /// Whether a kind of fault is to be reckoned with.
    pub fn has(&self, kind: FaultKind) -> bool {
        self.lock().kinds.contains(&kind)
    }

    /// Counts a fault that was made elsewhere.
    pub fn count(&self, kind: FaultKind) {
        *self.lock().counts.entry(kind).or_default() += 1;
    }

    /// How many there were of each kind.
    pub fn counts(&self) -> BTreeMap<FaultKind, usize> {
        self.lock().counts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Draws one of the kinds that can strike here; one that is switched off does nothing.
    fn strikes(&mut self, kinds: &[FaultKind]) -> Option<FaultKind> {
        let strikes = self.dice.random_range(0..2000) < self.of_a_thousand;
        let kind = kinds[self.dice.random_range(0..kinds.len())];
        if !strikes || !self.kinds.contains(&kind) {
            return None;
        }
        *self.counts.entry(kind).or_default() += 1;
        Some(kind)
    }
}

/// What can go wrong with a call before it takes effect.
fn possible(call: &Call) -> &'static [FaultKind] {
    use FaultKind::{Conflict, Throttled, Unavailable};
    match call.operation {
        "CreateUsagePlanKey" => &[Conflict, Conflict, Throttled, Unavailable],
        "CreateApiKey" => &[Conflict, Throttled, Unavailable],
        _ => &[Throttled, Unavailable, Unavailable],
    }
}

impl Weather for Storm {
    fn before(&self, call: &Call) -> PortResult<()> {
        let mut state = self.lock();
        let Some(kind) = state.strikes(possible(call)) else { return Ok(()) };
        let (class, detail) = match kind {
            FaultKind::Conflict => {
                (Class::Conflict, "ConflictException: concurrent modification, try again")
            }
            FaultKind::Throttled => {
                let after = Some(SignedDuration::from_secs(state.dice.random_range(1..5)));
                (Class::Throttled { after }, "too many requests")
            }
            _ => (Class::Unavailable, "the service failed"),
        };
        Err(failed(call, class, detail))
    }

    fn after(&self, call: &Call) -> PortResult<()> {
        match self.lock().strikes(&[FaultKind::AnswerLost]) {
            Some(_) => Err(failed(call, Class::Unavailable, "the answer was lost")),
            None => Ok(()),
        }
    }
}

fn failed(call: &Call, class: Class, detail: &str) -> PortError {
    failure(call.service, call.operation, class, detail)
}
