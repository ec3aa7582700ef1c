//! A batch from the queue: parsed, resolved, grouped by account, coalesced.
//!
//! All events of one account in a batch cost one convergence, and several accounts are converged at
//! once: one whose calls are slow is in nobody's way. A group that fails, or whose time is over, is
//! reported failed, with every later message of its FIFO groups; other groups are not touched, and
//! a panic stays within its group.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use crate::timing::SORTED_WITHIN;
use futures_util::FutureExt;
use futures_util::future::{Either, select, select_all};
use jiff::{SignedDuration, Timestamp};
use tollgate_events::{AccountId, CustomerId, Envelope, EnvelopeError, EventId, EventRef, Source};

use crate::converge::{BETWEEN_PLANS, Converged, Invocation, OLD_KEY_BETWEEN_PLANS, Stop, Worker};
use crate::error_policy::{Judgement, Verdict, error_policy};
use crate::ledger::{EventRecord, Outcome};
use crate::ports::{Clock, Ledger, PortResult, Ports, Queue, QueueName};
use crate::resolve::{Resolutions, Resolved};
use crate::shell::quoted;
use crate::sweep::wake;

/// A message as the queue delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's message id.
    pub id: String,
    /// SQS's message group.
    pub group: String,
    /// The body.
    pub body: String,
    /// It was received before: whoever had it did not come to an end with it, or could not say so.
    pub again: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// The ids of the messages that must come again, in the batch's order.
    pub failed: Vec<String>,
    /// How soon each of them may come again, where that is sooner than the queue would have it. Who
    /// carries them sees to it, the first time that a message fails: what does not pass in a moment
    /// must not use up the receives that a message has.
    pub again: BTreeMap<String, SignedDuration>,
    /// How many events had each outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Convergences made.
    pub converged: usize,
    /// Failures that concern everybody: a person must act.
    pub systemic: usize,
}

/// What is told of an event that bears this deployment's name, and whose proof is none.
const BROKEN_PROOF: &str = "it bears this stack's name and an account, and a proof that none of the \
                            key-derivation secrets made: put the lost one back, or link the \
                            customer with `tollgate account link WHO CUSTOMER --why TEXT`";

/// How many accounts are converged at once.
const AT_ONCE: usize = 4;

/// What is told of a dead letter.
const FAILED_TOO_OFTEN: &str = "it failed too often; see the worker's log, then replay it";

/// The events of one account, with the places of their messages in the batch.
type Group = Vec<(usize, Envelope)>;

/// An account that has been seen to: what came of it; nothing, where that panicked.
type Done = (AccountId, Group, Option<Result<Converged, Stop>>);

impl<P: Ports> Worker<P> {
    /// Handles a batch; no step starts after `deadline`. An account that has to be left between
    /// two plans is woken by the `queue`.
    pub async fn handle<Q: Queue>(
        &self,
        queue: &Q,
        messages: &[Message],
        deadline: Timestamp,
    ) -> BatchReport {
        let mut batch = Batch::new(messages);
        self.sort_all(&mut batch, deadline).await;
        let invocation = Invocation::until(deadline).with(batch.come_again());
        let mut under_way = Vec::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some((account, group)) = batch.next_group()
            {
                under_way.push(self.see_to(queue, account, group, &invocation).boxed());
            }
            if under_way.is_empty() {
                return batch.report();
            }
            let (done, _, others) = select_all(under_way).await;
            batch.note(done, self.ports.clock().now());
            under_way = others;
        }
    }

    /// Puts every message where it belongs.
    async fn sort_all(&self, batch: &mut Batch<'_>, deadline: Timestamp) {
        let mut known = Resolutions::default();
        for (place, message) in batch.messages.iter().enumerate() {
            let now = self.ports.clock().now();
            let until = now.checked_add(SORTED_WITHIN).map_or(deadline, |at| at.min(deadline));
            let sorted = self.sort(place, message, &mut known, batch).boxed();
            let sorted = self.within(until, sorted).await.unwrap_or(Err(Stop::OutOfTime));
            if let Err(stop) = sorted {
                batch.fail(&[place], &stop, self.ports.clock().now());
            }
        }
        // They are served by their customer's link; new ones would not be.
        if known.broken_proofs > 0 {
            batch.systemic(&BROKEN_PROOF);
        }
    }

    /// Sees to one account, until the lease ends at most.
    async fn see_to<Q: Queue>(
        &self,
        queue: &Q,
        account: AccountId,
        group: Group,
        invocation: &Invocation,
    ) -> Done {
        let events = group.iter().map(|(_, event)| event.clone()).collect();
        // Boxed: the future of a whole convergence is large, and its type deep.
        let work = self.converge_and_wake(queue, &account, events, invocation).boxed();
        let work = AssertUnwindSafe(work).catch_unwind();
        let done = match self.within(invocation.deadline, work).await {
            Some(Ok(converged)) => Some(converged),
            Some(Err(_panic)) => None,
            None => Some(Err(Stop::OutOfTime)),
        };
        (account, group, done)
    }

    /// What comes of some work until then. What is given up is as if its process had died there.
    async fn within<T>(
        &self,
        until: Timestamp,
        work: impl Future<Output = T> + Unpin,
    ) -> Option<T> {
        match select(work, pin!(self.ports.clock().reaches(until))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Converges an account, and wakes it where it must go on at once: with what was paid for,
    /// whatever woke it.
    async fn converge_and_wake<Q: Queue>(
        &self,
        queue: &Q,
        account: &AccountId,
        events: Vec<Envelope>,
        invocation: &Invocation,
    ) -> Result<Converged, Stop> {
        let converged = self.converge(account, events, invocation).await?;
        if let Some(kind) = converged.between_plans {
            let now = self.ports.clock().now();
            let run = Some(now.as_millisecond().to_string());
            let wake = wake(kind, account.clone(), run, now);
            queue.send(QueueName::Events, &wake).await?;
        }
        Ok(converged)
    }

    /// Puts one message where it belongs: in an account's group, or on record.
    async fn sort(
        &self,
        place: usize,
        message: &Message,
        known: &mut Resolutions,
        batch: &mut Batch<'_>,
    ) -> Result<(), Stop> {
        let now = self.ports.clock().now();
        let mut envelope = match Envelope::decode(&message.body) {
            Ok(envelope) => envelope,
            Err(error) => {
                let record = unreadable(message, &error, now);
                return Ok(self.put_on_record(record, batch).await?);
            }
        };
        let (outcome, why) = if let Some(why) = self.not_ours(&envelope).await? {
            (Outcome::Ignored, why.to_owned())
        } else {
            // Boxed: it is long, and seldom all of it is gone.
            let resolved = Box::pin(self.resolve(&mut envelope, known)).await;
            if let Err(error) = &resolved {
                self.share.heed(error, now);
            }
            match resolved {
                Err(error) => match error_policy(&error) {
                    Judgement { verdict: Verdict::Park, .. } => {
                        (Outcome::Parked, error.to_string())
                    }
                    // Whose it is cannot be asked for now, nor by anybody else: the sweep
                    // sends it again.
                    Judgement { verdict: Verdict::Wait(_), systemic: true } => {
                        batch.systemic(&error);
                        (Outcome::Waiting, error.to_string())
                    }
                    Judgement { .. } => return Err(error.into()),
                },
                Ok(Resolved::Account(account)) => {
                    batch.groups.entry(account).or_default().push((place, envelope));
                    return Ok(());
                }
                Ok(Resolved::Elsewhere(why)) => (Outcome::Ignored, why.to_owned()),
                // The sweep sends it again: the secret may be back by then.
                Ok(Resolved::BrokenProof) => {
                    batch.systemic(&BROKEN_PROOF);
                    (Outcome::Waiting, BROKEN_PROOF.to_owned())
                }
                Ok(Resolved::Unlinked(customer)) => self.unlinked(&customer, &envelope, now),
                // It is done, and there is no account to look at.
                Ok(Resolved::Stack) => {
                    (Outcome::Unchanged, "it is about the whole stack".to_owned())
                }
                Ok(Resolved::Nobody) => {
                    (Outcome::Parked, "it names neither an account nor a customer".to_owned())
                }
            }
        };
        let record = EventRecord { detail: Some(why), ..EventRecord::of(envelope, outcome, now) };
        Ok(self.put_on_record(record, batch).await?)
    }

    /// An event of a customer whom nobody is linked to waits for the link, but not for ever.
    fn unlinked(
        &self,
        customer: &CustomerId,
        envelope: &Envelope,
        now: Timestamp,
    ) -> (Outcome, String) {
        if now.duration_since(envelope.received_at) < self.policy.waiting() {
            return (Outcome::Waiting, format!("{customer} is not linked to an account yet"));
        }
        let mend = format!(
            "link it with `tollgate account link WHO {} --why TEXT`, then replay the event",
            quoted(customer)
        );
        (Outcome::Parked, format!("{customer} is not linked to an account; {mend}"))
    }

    /// Why an event is not for this deployment, if it is not. A user's own `DeleteUser`
    /// names no pool, so CloudTrail tells of users of every pool in the account: those
    /// that the ledger has never seen are other pools'.
    ///
    /// # Errors
    /// A call failed.
    pub async fn not_ours(&self, envelope: &Envelope) -> PortResult<Option<&'static str>> {
        if envelope.connect_account.is_some() {
            return Ok(Some("it is of a connected account (Stripe Connect)"));
        }
        if envelope.livemode.is_some_and(|livemode| livemode != self.livemode) {
            return Ok(Some("its livemode is not this deployment's"));
        }
        if envelope.source == Source::Cloudtrail
            && let Some(named) = &envelope.subject.account
            && self.ports.ledger().account(&named.id).await?.is_none_or(|it| it.is_left_blank())
        {
            return Ok(Some("the ledger has no such account"));
        }
        Ok(None)
    }

    async fn put_on_record(&self, record: EventRecord, batch: &mut Batch<'_>) -> PortResult<()> {
        let outcome = record.outcome;
        // Boxed: it stands at the end of a chain of calls, and its type is deep.
        let record = Box::pin(self.with_who(record)).await?;
        self.ports.ledger().record(&[record]).await?;
        batch.count(outcome, 1);
        Ok(())
    }
}

/// Records dead letters as parked, so that nothing expires with a queue. What became of another
/// copy that was handled after this one was sent stays: that one has looked at the same.
pub async fn park_dead_letters<L: Ledger, C: Clock>(
    ledger: &L,
    clock: &C,
    messages: &[Message],
) -> BatchReport {
    let mut batch = Batch::new(messages);
    for (place, message) in messages.iter().enumerate() {
        let now = clock.now();
        let parked = match Envelope::decode(&message.body) {
            Err(error) => ledger.record(&[unreadable(message, &error, now)]).await.map(|()| true),
            // What is on record of an operator's act is the act, not that its account was looked at
            // since. Who did it and why stays: this function may not read what is there.
            Ok(envelope) if envelope.source == Source::Operator => {
                let record = EventRecord::of(envelope, Outcome::Parked, now);
                ledger.record(&[record]).await.map(|()| true)
            }
            Ok(envelope) => {
                let (sent_at, detail) = (envelope.received_at, Some(FAILED_TOO_OFTEN.to_owned()));
                let parked = EventRecord::of(envelope, Outcome::Parked, now);
                ledger.record_unless_settled(&EventRecord { detail, ..parked }, sent_at).await
            }
        };
        match parked {
            Ok(parked) => batch.count(Outcome::Parked, usize::from(parked)),
            Err(error) => batch.fail(&[place], &Stop::Port(error), clock.now()),
        }
    }
    batch.report()
}

/// The record of a message that is no envelope: under the event it names, if that much
/// can be read, else under the message's own id.
fn unreadable(message: &Message, error: &EnvelopeError, now: Timestamp) -> EventRecord {
    let event = match error {
        EnvelopeError::FutureVersion { event: Some(event), .. } => event.clone(),
        _ => EventRef { source: Source::Queue, id: EventId::standing_for(&message.id) },
    };
    EventRecord::unreadable(event, message.body.clone(), error.to_string(), now)
}

/// A batch under way.
struct Batch<'a> {
    messages: &'a [Message],
    groups: BTreeMap<AccountId, Group>,
    /// Accounts that are being seen to.
    under_way: BTreeSet<AccountId>,
    /// Accounts that an event has been looked at for already: a stray goes on once to
    /// each, never in circles.
    tried: BTreeSet<(usize, AccountId)>,
    failed: BTreeSet<usize>,
    /// How soon a failed message may come again.
    again: BTreeMap<usize, SignedDuration>,
    report: BatchReport,
}

impl<'a> Batch<'a> {
    fn new(messages: &'a [Message]) -> Self {
        Self {
            messages,
            groups: BTreeMap::new(),
            under_way: BTreeSet::new(),
            tried: BTreeSet::new(),
            failed: BTreeSet::new(),
            again: BTreeMap::new(),
            report: BatchReport::default(),
        }
    }

    /// The events whose messages were received before.
    fn come_again(&self) -> BTreeSet<EventRef> {
        let events = self.groups.values().flatten();
        let again = events.filter(|(place, _)| self.messages[*place].again);
        again.map(|(_, event)| event.event_ref()).collect()
    }

    /// The next account, to which nobody sees now: first those that were left between two plans,
    /// and of them those whose own key was.
    fn next_group(&mut self) -> Option<(AccountId, Group)> {
        let turn = |group: &Group| {
            let wakes = [BETWEEN_PLANS, OLD_KEY_BETWEEN_PLANS];
            let woken_by = |kind| group.iter().any(|(_, it)| it.kind == kind);
            wakes.into_iter().position(woken_by).unwrap_or(wakes.len())
        };
        let free = self.groups.iter().filter(|(account, _)| !self.under_way.contains(*account));
        let next = free.min_by_key(|(_, group)| turn(group));
        let account = next.map(|(account, _)| account.clone())?;
        self.under_way.insert(account.clone());
        self.groups.remove_entry(&account)
    }

    fn note(&mut self, (account, group, done): Done, now: Timestamp) {
        self.under_way.remove(&account);
        let places: Vec<_> = group.iter().map(|(place, _)| *place).collect();
        match done {
            Some(Ok(converged)) => self.settle(&group, converged),
            Some(Err(stop)) => self.fail(&places, &stop, now),
            None => {
                tracing::error!(%account, "a convergence panicked; its messages come again");
                self.panicked(&places);
            }
        }
    }

    fn count(&mut self, outcome: Outcome, events: usize) {
        if events > 0 {
            *self.report.outcomes.entry(outcome).or_default() += events;
        }
    }

    /// Counts what a convergence settled and sends its strays on to their own account.
    fn settle(&mut self, group: &Group, converged: Converged) {
        self.report.converged += 1;
        self.report.systemic += usize::from(converged.systemic);
        let waits = |(_, event): &&(usize, Envelope)| converged.waits.contains(&event.event_ref());
        let waits = group.iter().filter(waits).count();
        self.count(Outcome::Waiting, waits);
        let elsewhere = waits + converged.strays.len();
        self.count(converged.outcome, group.len().saturating_sub(elsewhere));
        for (owner, event) in converged.strays {
            let name = event.event_ref();
            for (place, _) in group.iter().filter(|(_, other)| other.event_ref() == name) {
                if self.tried.insert((*place, owner.clone())) {
                    self.groups.entry(owner.clone()).or_default().push((*place, event.clone()));
                } else {
                    self.failed.insert(*place);
                }
            }
        }
    }

    fn fail(&mut self, places: &[usize], stop: &Stop, now: Timestamp) {
        let again = stop.comes_again_in(now);
        self.again.extend(again.iter().flat_map(|soon| places.iter().map(|at| (*at, *soon))));
        if stop.judge().systemic {
            self.systemic(stop);
        } else {
            tracing::warn!(error = %stop, "messages come again");
        }
        self.failed.extend(places);
    }

    fn systemic(&mut self, error: &dyn std::fmt::Display) {
        self.report.systemic += 1;
        tracing::error!(%error, "a failure that concerns everybody");
    }

    fn panicked(&mut self, places: &[usize]) {
        self.report.systemic += 1;
        self.failed.extend(places);
    }

    /// A failed message takes every later one of its FIFO group with it, so that SQS
    /// keeps their order; they come again together.
    fn report(mut self) -> BatchReport {
        let mut blocked = BTreeMap::new();
        for (place, message) in self.messages.iter().enumerate() {
            let own = self.failed.contains(&place).then(|| self.again.get(&place).copied());
            let Some(again) = blocked.get(&message.group).copied().or(own) else { continue };
            blocked.insert(&message.group, again);
            self.report.failed.push(message.id.clone());
            self.report.again.extend(again.map(|soon| (message.id.clone(), soon)));
        }
        self.report
    }
}
