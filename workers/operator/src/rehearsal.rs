//! Rehearsal: what a replay would do, decided against live state, and nothing is written.
//!
//! The events are assigned to their accounts as the worker would do it, and each account is
//! previewed once, whatever the number of its events. What cannot be told of one is told as such,
//! and costs no other.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::SignedDuration;
use tollgate_core::converge::{Preview, Stop, Worker};
use tollgate_core::error_policy::{Judgement, Verdict};
use tollgate_core::ledger::StackRecord;
use tollgate_core::ports::{Clock, Ledger, PortResult, Ports, Stripe};
use tollgate_core::resolve::{Resolutions, Resolved};
use tollgate_events::{AccountId, Envelope, EventRef};

use super::replay::EventSource;

/// How often it is tried what fails at first.
const TRIES: u32 = 3;
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// What takes longer to pass is told, and not waited for.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// What the events come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// Events that would be sent.
    pub events: usize,
    /// Those whose customer is not linked, so that they would wait.
    pub waiting: usize,
    /// Those that would be parked: they name nobody, or cannot be read.
    pub parked: usize,
    /// Those that are not for this deployment.
    pub ignored: usize,
    /// Events of which it cannot be told now whose they are.
    pub untold: usize,
    /// Accounts that would be looked at.
    pub accounts: usize,
    /// Those that were previewed so far.
    pub previewed: usize,
    /// Those that would change.
    pub changed: usize,
    /// Those that would have another plan.
    pub moved: usize,
    /// Those of which nothing can be decided now: they would wait.
    pub put_off: usize,
    /// Those that would stay as they are, and be parked.
    pub held_back: usize,
    /// Of these, those that the blast limit holds back.
    pub over_the_limit: usize,
    /// Keys that would be made.
    pub minted: usize,
    /// Keys that would be refused from then on.
    pub disabled: usize,
    /// It was stopped.
    pub stopped: bool,
}

/// What is told on the way.
#[derive(Debug)]
pub enum RehearsalStep<'a> {
    /// Events are being assigned.
    Assigned(&'a Rehearsed),
    /// An account was previewed.
    Previewed(&'a Rehearsed, &'a Preview),
    /// This would wait, or be parked, and why.
    PutOff(&'a Rehearsed, &'a PutOff),
}

/// What would stay as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOff {
    /// Of what.
    pub what: What,
    /// A person must see to it: it would be parked.
    pub parked: bool,
    /// Why.
    pub why: String,
}

/// Of what something is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An account.
    Account(AccountId),
    /// An event of which nobody can say whose it is.
    Event(EventRef),
}

/// The events of each account; of those that say the same, one.
type Accounts = BTreeMap<AccountId, Vec<Envelope>>;

/// A rehearsal.
#[derive(Debug)]
pub struct Rehearsal<'a, P> {
    /// Who decides.
    pub worker: &'a Worker<P>,
    /// Accounts a second, at most.
    pub per_second: u32,
}

impl<P: Ports> Rehearsal<'_, P> {
    /// Previews the accounts of the selected events. `told` hears of each, and may stop it.
    ///
    /// # Errors
    /// The events could not be listed, or the ledger does not tell how the limits stand.
    pub async fn run<S: Stripe>(
        &self,
        source: &mut EventSource<'_, P::Ledger, S>,
        mut told: impl FnMut(RehearsalStep<'_>) -> ControlFlow<()>,
    ) -> PortResult<Rehearsed> {
        let mut rehearsed = Rehearsed::default();
        let accounts = self.assign(source, &mut rehearsed, &mut told).await?;
        // What each takes, the next has less of.
        let mut stack = self.worker.ports.ledger().stack().await?;
        let mut accounts = accounts.into_iter();
        while !rehearsed.stopped
            && let Some((account, events)) = accounts.next()
        {
            rehearsed.previewed += 1;
            let flow = match self.preview(&account, &events, &mut stack).await {
                Ok(preview) => {
                    rehearsed.count(&preview);
                    told(RehearsalStep::Previewed(&rehearsed, &preview))
                }
                Err(stop) => {
                    let held = PutOff::of(What::Account(account), &stop);
                    rehearsed.hold(&held, &stop);
                    told(RehearsalStep::PutOff(&rehearsed, &held))
                }
            };
            rehearsed.stopped = flow.is_break();
            self.pause().await;
        }
        Ok(rehearsed)
    }

    async fn assign<S: Stripe>(
        &self,
        source: &mut EventSource<'_, P::Ledger, S>,
        rehearsed: &mut Rehearsed,
        told: &mut impl FnMut(RehearsalStep<'_>) -> ControlFlow<()>,
    ) -> PortResult<Accounts> {
        let (mut accounts, mut known) = (Accounts::new(), Resolutions::default());
        while let Some(few) = source.next().await? {
            rehearsed.parked += few.unreadable;
            for event in few.found {
                let Some(mut envelope) = event.envelope().cloned() else {
                    rehearsed.parked += 1;
                    continue;
                };
                rehearsed.events += 1;
                match self.owner(&mut envelope, &mut known).await {
                    Ok(Resolved::Account(account)) => add(&mut accounts, account, envelope),
                    Ok(Resolved::Unlinked(_) | Resolved::BrokenProof) => rehearsed.waiting += 1,
                    Ok(Resolved::Nobody) => rehearsed.parked += 1,
                    Ok(Resolved::Elsewhere(_) | Resolved::Stack) => rehearsed.ignored += 1,
                    Err(stop) => {
                        let what = What::Event(envelope.event_ref());
                        let held = PutOff::of(what, &stop);
                        match held.parked {
                            true => rehearsed.parked += 1,
                            false => rehearsed.untold += 1,
                        }
                        rehearsed.stopped |=
                            told(RehearsalStep::PutOff(rehearsed, &held)).is_break();
                    }
                }
            }
            rehearsed.accounts = accounts.len();
            rehearsed.stopped |= told(RehearsalStep::Assigned(rehearsed)).is_break();
            if rehearsed.stopped {
                break;
            }
        }
        Ok(accounts)
    }

    async fn owner(
        &self,
        envelope: &mut Envelope,
        known: &mut Resolutions,
    ) -> Result<Resolved, Stop> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let resolved = match self.worker.not_ours(envelope).await {
                Ok(Some(why)) => Ok(Resolved::Elsewhere(why)),
                Ok(None) => self.worker.settle_on(envelope, known).await,
                Err(error) => Err(error),
            };
            match resolved.map_err(Stop::from) {
                Err(stop) if tries > 0 => self.may_pass(stop).await?,
                answer => return answer,
            }
        }
    }

    async fn preview(
        &self,
        account: &AccountId,
        events: &[Envelope],
        stack: &mut StackRecord,
    ) -> Result<Preview, Stop> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.worker.preview_within(account, events.to_vec(), stack).await {
                Err(stop) if tries > 0 => self.may_pass(stop).await?,
                answer => return answer,
            }
        }
    }

    /// Waits a little, if that may help.
    async fn may_pass(&self, stop: Stop) -> Result<(), Stop> {
        let pause = match stop.judge() {
            Judgement { verdict: Verdict::Wait(after), systemic: false } => after,
            Judgement { verdict: Verdict::Redeliver, systemic: false } => PAUSE,
            Judgement { .. } => return Err(stop),
        };
        if pause > LONGEST_PAUSE {
            return Err(stop);
        }
        self.worker.ports.clock().sleep(pause).await;
        Ok(())
    }

    async fn pause(&self) {
        let pause = SignedDuration::from_millis(1000 / i64::from(self.per_second.max(1)));
        self.worker.ports.clock().sleep(pause).await;
    }
}

impl PutOff {
    fn of(what: What, stop: &Stop) -> Self {
        Self { what, parked: stop.judge().verdict == Verdict::Park, why: stop.to_string() }
    }
}

impl Rehearsed {
    /// Whether a replay would change an account.
    pub fn changes(&self) -> bool {
        self.changed > 0
    }

    fn count(&mut self, preview: &Preview) {
        self.changed += usize::from(preview.changes());
        self.moved += usize::from(preview.before.0 != preview.after.0);
        self.minted += usize::from(preview.mints());
        self.disabled += usize::from(preview.disables());
    }

    fn hold(&mut self, held: &PutOff, stop: &Stop) {
        self.over_the_limit += usize::from(matches!(stop, Stop::BlastLimit));
        match held.parked {
            true => self.held_back += 1,
            false => self.put_off += 1,
        }
    }
}

/// A preview rests on what its events name, not on their number.
fn add(accounts: &mut Accounts, account: AccountId, envelope: Envelope) {
    let says = |event: &Envelope| {
        (event.source, event.kind.clone(), event.subject.clone(), event.object.clone())
    };
    let events = accounts.entry(account).or_default();
    if !events.iter().any(|event| says(event) == says(&envelope)) {
        events.push(envelope);
    }
}
