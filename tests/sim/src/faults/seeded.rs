//! Which of a run's calls fail, and how: it follows from the script.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::gate::{Call, Effect, Faults, failure};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::ports::{Class, PortError, PortResult, Service};
use tollgate_standin::clock::VirtualClock;

use crate::call_step::CallStep;
use crate::coverage::Coverage;
use crate::faults::FaultKind;
use crate::lease_check::LeaseCheck;
use crate::script::{Script, Stream, dice};

/// Faults that follow from the script, until they are told to end.
#[derive(Debug)]
pub struct SeededFaults {
    state: Mutex<State>,
    clock: OnceLock<VirtualClock>,
}

struct State {
    seed: u64,
    kinds: BTreeSet<FaultKind>,
    dice: ChaCha8Rng,
    /// How many calls of a thousand fail, before or after taking effect.
    of_a_thousand: u32,
    counts: BTreeMap<FaultKind, usize>,
    lease_check: LeaseCheck,
    /// Effects that have not landed yet: when they will, and whose they are.
    kept: Vec<(Timestamp, u64, Effect)>,
    /// When the next late effect lands.
    lands: Option<(Timestamp, u64)>,
    /// There is no table.
    table_gone: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeededFaults({}, {:?})", self.seed, self.counts)
    }
}

impl SeededFaults {
    /// The faults of a script; some seeds have few of them, some many.
    pub fn new(script: &Script) -> Self {
        let mut dice = dice(script.seed, Stream::Fault, 0);
        let of_a_thousand = [8, 30, 80][dice.random_range(0..3)];
        let state = State {
            seed: script.seed,
            kinds: script.faults.clone(),
            dice,
            of_a_thousand,
            counts: BTreeMap::new(),
            lease_check: LeaseCheck::default(),
            kept: Vec::new(),
            lands: None,
            table_gone: false,
        };
        Self { state: Mutex::new(state), clock: OnceLock::new() }
    }

    /// The clock by which effects are late.
    pub fn set_clock(&self, clock: VirtualClock) {
        let _ = self.clock.set(clock);
    }

    /// The next step: whatever goes wrong in it follows from its number.
    pub fn step(&self, number: u64) {
        let mut state = self.lock();
        state.dice = dice(state.seed, Stream::Fault, number + 1);
    }

    /// Nothing goes wrong until it is [resumed](Self::resume).
    pub(crate) fn suspend(&self) -> BTreeSet<FaultKind> {
        std::mem::take(&mut self.lock().kinds)
    }

    /// What was suspended goes wrong again.
    pub(crate) fn resume(&self, kinds: BTreeSet<FaultKind>) {
        self.lock().kinds = kinds;
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.lock().kinds.clear();
    }

    /// From now on there is no table, or there is one again.
    pub(crate) fn set_table_gone(&self, gone: bool) {
        self.lock().table_gone = gone;
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

    /// What was reached.
    pub fn coverage(&self) -> Coverage {
        self.lock().lease_check.coverage.clone()
    }

    /// Looks at, or tells, what tasks are doing.
    pub(crate) fn lease_check<T>(&self, act: impl FnOnce(&mut LeaseCheck) -> T) -> T {
        act(&mut self.lock().lease_check)
    }

    /// When the next late effect lands.
    pub(crate) fn next_landing(&self) -> Option<Timestamp> {
        self.lock().kept.iter().map(|(at, ..)| *at).min()
    }

    /// Takes the first effect that is to land by now, and whose it is.
    pub(crate) fn take_landing(&self, now: Timestamp) -> Option<(u64, Effect)> {
        let mut state = self.lock();
        let due = state.kept.iter().enumerate().filter(|(_, (at, ..))| *at <= now);
        let (place, _) = due.min_by_key(|(_, (at, ..))| *at)?;
        let (_, task, effect) = state.kept.remove(place);
        Some((task, effect))
    }

    fn now(&self) -> Timestamp {
        self.clock.get().map_or(Timestamp::MIN, VirtualClock::time)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Draws one of the kinds that can strike here; one that is switched off does nothing.
    /// Steps that change the world are few among the calls, so they are struck more often.
    fn strikes(&mut self, call: &Call, kinds: &[FaultKind]) -> Option<FaultKind> {
        let step = CallStep::of(call);
        let rarely = !step.changes_the_world()
            && !matches!(step, CallStep::Link | CallStep::Intent | CallStep::Begin);
        let of_a_thousand = self.of_a_thousand * if rarely { 1 } else { 4 };
        let strikes = self.dice.random_range(0..2000) < of_a_thousand;
        let kind = kinds[self.dice.random_range(0..kinds.len())];
        let rare = kind != FaultKind::Denied || self.dice.random_bool(0.25);
        if strikes && rare { self.struck(call, kind) } else { None }
    }

    /// Attaching in effect runs one at a time in a Region, so that conflicts are common.
    fn is_crowded(&mut self, call: &Call) -> Option<FaultKind> {
        let crowded = CallStep::of(call) == CallStep::AttachPlan && self.dice.random_bool(0.1);
        if crowded { self.struck(call, FaultKind::Conflict) } else { None }
    }

    /// Notes a fault of this kind, if the kind is on.
    fn struck(&mut self, call: &Call, kind: FaultKind) -> Option<FaultKind> {
        if !self.kinds.contains(&kind) {
            return None;
        }
        *self.counts.entry(kind).or_default() += 1;
        self.lease_check.fault(call, kind);
        Some(kind)
    }
}

/// What can go wrong with a call before it takes effect.
fn possible(call: &Call) -> &'static [FaultKind] {
    use FaultKind::{Conflict, Denied, Throttled, TransactionConflict, Unavailable};
    match CallStep::of(call) {
        CallStep::AttachPlan => &[Conflict, Conflict, Throttled, Unavailable, Denied],
        CallStep::MintKey => &[Conflict, Throttled, Unavailable, Denied],
        step if step.writes_the_ledger() => &[TransactionConflict, Throttled, Unavailable, Denied],
        _ => &[Throttled, Unavailable, Unavailable, Denied],
    }
}

impl Faults for SeededFaults {
    fn starts(&self, call: &Call) {
        let now = self.now();
        self.lock().lease_check.starts(call, now);
    }

    /// Of several accounts that a worker sees to at once, any may be faster.
    fn delays(&self, _call: &Call) -> bool {
        let mut state = self.lock();
        state.lease_check.is_parted() && state.dice.random_bool(0.3)
    }

    fn before(&self, call: &Call) -> PortResult<()> {
        let mut state = self.lock();
        if state.table_gone && call.service == Service::Ledger {
            state.lease_check.ends(call);
            return Err(failed(call, Class::Invalid, "ResourceNotFoundException"));
        }
        let kind = state.strikes(call, possible(call)).or_else(|| state.is_crowded(call));
        let Some(kind) = kind else {
            state.lease_check.takes_effect(call);
            return Ok(());
        };
        state.lease_check.ends(call);
        let (class, detail) = match kind {
            FaultKind::Conflict => {
                (Class::Conflict, "ConflictException: concurrent modification, try again")
            }
            FaultKind::TransactionConflict => (Class::Conflict, "TransactionConflict"),
            FaultKind::Denied => (Class::Denied, "the credentials do not allow it"),
            FaultKind::Throttled => {
                let after = Some(SignedDuration::from_secs(state.dice.random_range(1..5)));
                (Class::Throttled { after }, "too many requests")
            }
            _ => (Class::Unavailable, "the service failed"),
        };
        Err(failed(call, class, detail))
    }

    fn late(&self, call: &Call) -> Option<PortError> {
        let now = self.now();
        let mut state = self.lock();
        let (task, deadline) = state.lease_check.current()?;
        let kinds = [FaultKind::LateEffect, FaultKind::LateEffect, FaultKind::AfterLease];
        let kind = state.strikes(call, &kinds)?;
        let left = i64::try_from(deadline.duration_since(now).as_millis()).unwrap_or(0).max(1);
        let wait = match kind {
            FaultKind::AfterLease => left + state.dice.random_range(1..60_000),
            _ => state.dice.random_range(0..left),
        };
        state.lands = Some((now + SignedDuration::from_millis(wait), task));
        state.lease_check.ends(call);
        Some(failed(call, Class::Unavailable, "it timed out"))
    }

    fn keep(&self, _call: &Call, effect: Effect) {
        let mut state = self.lock();
        if let Some((at, task)) = state.lands.take() {
            state.kept.push((at, task, effect));
        }
    }

    fn after(&self, call: &Call) -> PortResult<()> {
        let mut state = self.lock();
        let lost = state.strikes(call, &[FaultKind::AnswerLost]);
        state.lease_check.ends(call);
        match lost {
            Some(_) => Err(failed(call, Class::Unavailable, "the answer was lost")),
            None => Ok(()),
        }
    }
}

fn failed(call: &Call, class: Class, detail: &str) -> PortError {
    failure(call.service, call.operation, class, detail)
}
