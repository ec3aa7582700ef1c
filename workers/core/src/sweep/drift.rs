//! The comparison of Stripe, API Gateway, Cognito and the ledger, in bulk pages.
//!
//! # Expected flow
//! The Stripe account and the user pool must be those that the stack belongs to; where it belongs
//! to none yet, it does when what the ledger knows was met there. API Gateway's keys are read
//! once. Then, for each [part](Part) of the accounts: the accounts, all subscriptions, all users;
//! with the first, the disputes of some months.
//! An account is compared as soon as its user is seen, and is forgotten. In the end, keys of ours
//! that no account took are orphans.
//!
//! # Guarantees
//! - Calls grow with pages, never with accounts; wakes go ten to a call.
//! - At most [`DriftSweep::at_once`] accounts are held, however many there are; more are
//!   looked at in more parts, for each of which ledger, Stripe and Cognito are read again.
//! - A row that cannot be read costs that row: it is counted and told, and whose it is, is left
//!   alone, as far as that can be read.
//! - Nothing is concluded from a list that leaves something out: who has a subscription that is not
//!   listed is asked by their customers.
//! - API Gateway's control plane, which allows everybody together 10 calls a second, gets
//!   one a second; Stripe and Cognito get ten.
//!
//! # Caveats
//! The four systems are read one after the other, so an account that changes meanwhile may
//! be woken for nothing.

mod judging;
mod reading;

use jiff::Timestamp;
use tollgate_events::Envelope;

use super::disputes::Disputes;
use super::part::Part;
use super::{Drift, DriftReport, Finding, FindingAbout};
use crate::binding::{Binding, Met};
use crate::boundary::{Boundary, Marks};
use crate::budget::Caller;
use crate::catalog::Catalog;
use crate::ledger::{KeyCount, StackRecord};
use crate::policy::Policy;
use crate::ports::{Clock, Ledger, PortResult, Ports, Queue, QueueName};
use crate::scan::{ProgressSink, Scan};

/// How many accounts are held at once unless told otherwise; about 2 KB each. It is a little more
/// than half of the keys that a Region may have: as many accounts are compared in two parts.
pub const ACCOUNTS_AT_ONCE: usize = 5_200;

/// How often the note of what was counted is tried.
const NOTE_ROUNDS: u32 = 3;
/// What `SendMessageBatch` takes.
const WAKES_TO_A_CALL: usize = 10;

/// What the comparison works on.
#[derive(Debug)]
pub struct DriftSweep<'a, P, Q> {
    /// The world, of which it only reads.
    pub ports: &'a P,
    /// Where wakes go.
    pub queue: &'a Q,
    /// The plans.
    pub catalog: &'a Catalog,
    /// The seller's choices.
    pub policy: &'a Policy,
    /// The deployment's name, part of every key's name.
    pub stack: &'a str,
    /// How many accounts are held at once, at least 1: [`ACCOUNTS_AT_ONCE`].
    pub at_once: usize,
}

impl<P: Ports, Q: Queue> DriftSweep<'_, P, Q> {
    /// Compares everything, and wakes what differs.
    ///
    /// # Errors
    /// A call failed. What was sent so far is sent; the next sweep begins anew. A usage plan
    /// of the catalog that API Gateway does not have fails it too, before any wake; so does a
    /// Stripe account or a pool that is not the stack's.
    pub async fn run(&self) -> PortResult<DriftReport> {
        self.run_told(&mut |_| ()).await
    }

    /// As [`run`](Self::run), telling how far it is and of each finding.
    ///
    /// # Errors
    /// As there.
    pub async fn run_told(&self, told: ProgressSink<'_, Finding>) -> PortResult<DriftReport> {
        self.under_way(true, told).compare().await
    }

    /// Compares everything, tells how far it is and of each finding, and leaves it there:
    /// nothing is sent, nothing is written.
    ///
    /// # Errors
    /// A call failed.
    pub async fn look(&self, told: ProgressSink<'_, Finding>) -> PortResult<DriftReport> {
        self.under_way(false, told).compare().await
    }

    fn boundary(&self) -> Boundary<'_> {
        Boundary { catalog: self.catalog, marks: Marks::Name(self.stack) }
    }

    fn under_way<'a>(&'a self, acts: bool, told: ProgressSink<'a, Finding>) -> UnderWay<'a, P, Q> {
        UnderWay {
            sweep: self,
            begun: self.ports.clock().now(),
            acts,
            scan: Scan::of(self.ports, Caller::Sweep, self.policy, told),
            report: DriftReport::default(),
            wakes: Vec::new(),
            known: Sightings::default(),
            disputes: None,
        }
    }
}

/// A comparison under way.
struct UnderWay<'a, P, Q> {
    sweep: &'a DriftSweep<'a, P, Q>,
    begun: Timestamp,
    /// Whether it wakes and takes notes, or only tells.
    acts: bool,
    scan: Scan<'a, P, Finding>,
    report: DriftReport,
    wakes: Vec<Envelope>,
    known: Sightings,
    /// Listed with the first part.
    disputes: Option<Disputes>,
}

/// How much of what the ledger knows was met.
#[derive(Debug, Clone, Copy, Default)]
struct Sightings {
    /// Subscriptions of linked customers.
    subscriptions: usize,
    /// Users who have an account.
    users: usize,
    /// Accounts whose users are not in the pool.
    gone: usize,
}

impl Sightings {
    /// Some users may be gone, and nobody told; in another pool nearly all are.
    fn met(self) -> Met {
        Met { in_stripe: self.subscriptions > 0, in_pool: self.users > self.gone }
    }
}

impl<P: Ports, Q: Queue> UnderWay<'_, P, Q> {
    async fn compare(mut self) -> PortResult<DriftReport> {
        let binding = if self.acts { Binding::that_binds() } else { Binding::that_compares() };
        binding.check(self.sweep.ports).await?;
        let mut keys = self.keys().await?;
        // At once: what workers add from now on counts on top.
        let listed = KeyCount { count: count(self.report.keys), at: self.begun };
        self.note(|stack| stack.keys = Some(listed)).await?;
        let mut parts = vec![Part::all()];
        while let Some(part) = parts.pop() {
            let mut held = self.accounts(part, &mut parts, &mut keys).await?;
            held.take_keys(&mut keys);
            self.subscriptions(&mut held).await?;
            self.unlisted(&mut held).await?;
            self.disputes(&mut held).await?;
            self.users(held, &mut keys).await?;
        }
        self.report.known_owners = keys.known_owners();
        self.nobodys(keys.nobodys()).await?;
        self.send().await?;
        let paying = count(self.report.paying);
        let several = self.report.several_listed.iter().map(|(account, _)| account.clone());
        let several: Vec<_> = several.collect();
        self.note(|stack| (stack.paying, stack.several) = (paying, several.clone())).await?;
        binding.met(self.sweep.ports, self.known.met()).await?;
        Ok(self.report)
    }

    /// Leaves word of what was counted: the reserve of keys and the blast limit go by it. When
    /// somebody else writes first, and again, the next sweep will do.
    async fn note(&self, change: impl Fn(&mut StackRecord)) -> PortResult<()> {
        let ledger = self.sweep.ports.ledger();
        if !self.acts {
            return Ok(());
        }
        for _ in 0..NOTE_ROUNDS {
            let mut stack = ledger.stack().await?;
            change(&mut stack);
            if ledger.put_stack(&stack).await? {
                break;
            }
        }
        Ok(())
    }

    async fn found(
        &mut self,
        drift: Drift,
        about: FindingAbout,
        wake: Option<Envelope>,
    ) -> PortResult<()> {
        *self.report.found.entry(drift).or_default() += 1;
        self.scan.found(Finding { drift, about });
        let Some(wake) = wake.filter(|_| self.acts) else { return Ok(()) };
        tracing::debug!(drift = drift.as_str(), wake = %wake.id, "drift");
        *self.report.woken.entry(drift).or_default() += 1;
        self.wakes.push(wake);
        if self.wakes.len() >= WAKES_TO_A_CALL { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> PortResult<()> {
        let wakes = std::mem::take(&mut self.wakes);
        // Boxed: it stands at the end of every chain of calls here, and its type is deep.
        Box::pin(self.sweep.queue.send_all(QueueName::Bulk, &wakes)).await
    }

    /// Sets the wakes of this sweep apart from the last one's: SQS must not take a new
    /// suspicion for one that the worker has dealt with.
    fn run(&self) -> String {
        self.begun.as_second().to_string()
    }

    fn now(&self) -> Timestamp {
        self.sweep.ports.clock().now()
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
