//! Rehearsal: what a replay would do, decided against live state, and nothing is written.
//!
//! The events are assigned to their accounts as the worker would do it, and each account is
//! previewed once, whatever the number of its events.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::SignedDuration;
use tollgate_events::{AccountId, CustomerId, Envelope};

use super::replay::Supply;
use crate::converge::{Preview, Stop, Worker};
use crate::error_policy::{Judgement, Verdict};
use crate::ports::{Clock, Ledger, PortResult, Ports, Stripe};
use crate::resolve::{Resolutions, Resolved};

/// How often an account is previewed that cannot be at first.
const TRIES: u32 = 3;
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

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
    /// Accounts that would be looked at.
    pub accounts: usize,
    /// Those that were previewed so far.
    pub previewed: usize,
    /// Those that would change.
    pub changed: usize,
    /// Those that would have another plan.
    pub moved: usize,
    /// Keys that would be made.
    pub minted: usize,
    /// Keys that would be refused from then on.
    pub disabled: usize,
    /// It was stopped.
    pub stopped: bool,
}

/// What is told on the way.
#[derive(Debug)]
pub enum Step<'a> {
    /// Events are being assigned.
    Assigned(&'a Rehearsed),
    /// An account was previewed.
    Previewed(&'a Rehearsed, &'a Preview),
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
    /// [`Stop`]: an account could not be previewed.
    pub async fn run<S: Stripe>(
        &self,
        supply: &mut Supply<'_, P::Ledger, S>,
        mut told: impl FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Rehearsed, Stop> {
        let mut rehearsed = Rehearsed::default();
        let accounts = self.assign(supply, &mut rehearsed, &mut told).await?;
        let mut accounts = accounts.into_iter();
        while !rehearsed.stopped
            && let Some((account, events)) = accounts.next()
        {
            let preview = self.preview(&account, &events).await?;
            rehearsed.count(&preview);
            rehearsed.stopped = told(Step::Previewed(&rehearsed, &preview)).is_break();
            self.pause().await;
        }
        Ok(rehearsed)
    }

    async fn assign<S: Stripe>(
        &self,
        supply: &mut Supply<'_, P::Ledger, S>,
        rehearsed: &mut Rehearsed,
        told: &mut impl FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Accounts, Stop> {
        let (mut accounts, mut known) = (Accounts::new(), Known::default());
        while let Some(few) = supply.next().await? {
            rehearsed.parked += few.unreadable;
            for event in few.found {
                let Some(mut envelope) = event.envelope().cloned() else {
                    rehearsed.parked += 1;
                    continue;
                };
                rehearsed.events += 1;
                match self.owner(&mut envelope, &mut known).await? {
                    Owner::Account(account) => add(&mut accounts, account, envelope),
                    Owner::Unlinked => rehearsed.waiting += 1,
                    Owner::Nobody => rehearsed.parked += 1,
                    Owner::Elsewhere => rehearsed.ignored += 1,
                }
            }
            rehearsed.accounts = accounts.len();
            rehearsed.stopped = told(Step::Assigned(rehearsed)).is_break();
            if rehearsed.stopped {
                break;
            }
        }
        Ok(accounts)
    }

    /// Whose it is, as the worker finds it: a customer's event is its account's, whomever it
    /// names.
    async fn owner(&self, envelope: &mut Envelope, known: &mut Known) -> PortResult<Owner> {
        if self.worker.not_ours(envelope).await?.is_some() {
            return Ok(Owner::Elsewhere);
        }
        let named = match self.worker.resolve(envelope, &mut known.resolutions).await? {
            Resolved::Account(account) => account,
            Resolved::Unlinked(_) | Resolved::BrokenProof => return Ok(Owner::Unlinked),
            Resolved::Elsewhere(_) => return Ok(Owner::Elsewhere),
            Resolved::Nobody => return Ok(Owner::Nobody),
            Resolved::Stack => return Ok(Owner::Elsewhere),
        };
        let linked = match envelope.subject.customer.clone() {
            Some(customer) => known.linked(self.worker.ports.ledger(), customer).await?,
            None => None,
        };
        Ok(Owner::Account(linked.unwrap_or(named)))
    }

    async fn preview(&self, account: &AccountId, events: &[Envelope]) -> Result<Preview, Stop> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.worker.preview(account, events.to_vec(), None).await {
                Err(stop) if tries > 0 => match stop.judge() {
                    Judgement { verdict: Verdict::Wait(after), systemic: false } => {
                        self.worker.ports.clock().sleep(after).await;
                    }
                    Judgement { verdict: Verdict::Redeliver, systemic: false } => {
                        self.worker.ports.clock().sleep(PAUSE).await;
                    }
                    Judgement { .. } => return Err(stop),
                },
                answer => return answer,
            }
        }
    }

    async fn pause(&self) {
        let pause = SignedDuration::from_millis(1000 / i64::from(self.per_second.max(1)));
        self.worker.ports.clock().sleep(pause).await;
    }
}

impl Rehearsed {
    /// Whether a replay would change an account.
    pub fn changes(&self) -> bool {
        self.changed > 0
    }

    fn count(&mut self, preview: &Preview) {
        self.previewed += 1;
        self.changed += usize::from(preview.changes());
        self.moved += usize::from(preview.before.0 != preview.after.0);
        self.minted += usize::from(preview.mints());
        self.disabled += usize::from(preview.disables());
    }
}

enum Owner {
    Account(AccountId),
    Unlinked,
    Nobody,
    Elsewhere,
}

/// What has been looked up already.
#[derive(Default)]
struct Known {
    resolutions: Resolutions,
    links: BTreeMap<CustomerId, Option<AccountId>>,
}

impl Known {
    async fn linked<L: Ledger>(
        &mut self,
        ledger: &L,
        customer: CustomerId,
    ) -> PortResult<Option<AccountId>> {
        if let Some(known) = self.links.get(&customer) {
            return Ok(known.clone());
        }
        let account = ledger.account_of(&customer).await?;
        self.links.insert(customer, account.clone());
        Ok(account)
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
