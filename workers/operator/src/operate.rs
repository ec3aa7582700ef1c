//! An operator's act: one commit to the ledger, and a wake. The worker does the rest.
//!
//! # Expected flow
//! 1. The account is read: what is refused now costs no claim.
//! 2. It is claimed, as a worker does, so that no convergence is under way.
//! 3. One commit: what the ledger holds, a history entry, links, and the event's record with
//!    who and why. The account is due at once, and the event waits in it.
//! 4. A wake with the event's own id goes to the queue.
//!
//! # Guarantees
//! - The act is in the ledger as a whole or not at all; once it is, the account converges:
//!   when the wake is lost, the sweep finds the account due, and the event in it.
//! - The wake carries no act. Replayed, copied or forged it makes the worker look, like any
//!   other event, and nothing more.
//!
//! **Architecture invariant:** no call of Stripe, API Gateway or Cognito here, no catalog and no
//! secret: an operator's process needs the ledger and the queue.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, DisputeMark};
use tollgate_core::accounts::{Accounts, Change, Claimed, CommitAnswer};
use tollgate_core::converge::{Preview, Stop, Supposed, Worker};
use tollgate_core::ledger::{CustomerLink, EventRecord, Outcome, StepTaken};
use tollgate_core::person::Memory;
use tollgate_core::policy::MOST_DEFERRED;
use tollgate_core::ports::{
    Clock, Entropy, Ledger, PortError, PortResult, Ports, Queue, QueueName,
};
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, CustomerId, Envelope, EventId, EventRef, Source, Subject, Via};

use super::acts::{Act, OperatorAct, refuse_link};

/// How long an act excludes others: a read and a write of the ledger.
const LEASE: SignedDuration = SignedDuration::from_secs(15);

/// What an act needs: the ledger, and a queue for its wake.
#[derive(Debug)]
pub struct Operate<'a, L, Q, C, E> {
    /// What is changed.
    pub ledger: &'a L,
    /// Where the wake goes.
    pub queue: &'a Q,
    /// Time.
    pub clock: &'a C,
    /// For the event's id.
    pub entropy: &'a E,
}

/// An act that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActReceipt {
    /// The act's event: what follows from it is on its record.
    pub event: EventRef,
    /// The account's version: of the act's history entry, or as it was when nothing changed.
    pub version: u64,
    /// Whether the ledger holds anything else than before.
    pub changed: bool,
    /// Whether the wake was sent. If not, the next sweep wakes the account.
    pub woken: bool,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The account as it is does not allow it: why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// A worker or another operator has the account: try again then.
    #[error("the account is being worked on, until {until} at the latest")]
    Leased {
        /// Until when, at most.
        until: Timestamp,
    },
    /// The claim was lost to another before the commit: try again.
    #[error("somebody else claimed the account in between")]
    Fenced,
    /// A call failed. When it was the commit whose answer was lost, the act may stand: doing it
    /// again is harmless.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl<L: Ledger, Q: Queue, C: Clock, E: Entropy> Operate<'_, L, Q, C, E> {
    /// Does something to an account, on record, and wakes it.
    ///
    /// # Errors
    /// [`ActError`]: nothing was done. The act can be repeated as it is.
    pub async fn act(
        &self,
        account: &AccountId,
        act: &OperatorAct,
    ) -> Result<ActReceipt, ActError> {
        self.check(account, act).await?;
        let now = self.clock.now();
        let lease_until = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
        let claim = self.accounts().claim(account, now, lease_until).await?;
        let (found, mut claimed) = claim.map_err(|until| ActError::Leased { until })?;
        let mut next = found.clone();
        if let Err(why) = act.change(&mut next, now) {
            return Err(give_back(claimed, found, now, why).await);
        }
        bring_disputes(self.ledger, &act.act, &mut next).await?;
        let event = self.event(account, &act.act, now);
        let changed = match claimed.commit(self.change(&found, next, act, &event)).await? {
            CommitAnswer::Committed { entry } => entry,
            CommitAnswer::LinkTaken { owner, .. } => {
                let link = CustomerLink::Account(owner);
                let why = refuse_link(account, link).unwrap_or_default();
                return Err(give_back(claimed, found, now, why).await);
            }
            CommitAnswer::LinkReleased { .. } | CommitAnswer::Lost(_) => {
                return Err(ActError::Fenced);
            }
        };
        let sent = self.queue.send(QueueName::Events, &event).await;
        if let Err(error) = &sent {
            tracing::warn!(%account, %error, "the act stands; the next sweep wakes the account");
        }
        Ok(ActReceipt {
            event: event.event_ref(),
            version: claimed.version(),
            changed,
            woken: sent.is_ok(),
        })
    }

    fn accounts(&self) -> Accounts<'_, L, E> {
        Accounts { ledger: self.ledger, entropy: self.entropy }
    }

    /// Whether an act would be refused as the account is now, and else whether it would change
    /// what the ledger holds. Changes nothing, and claims nothing.
    ///
    /// # Errors
    /// [`ActError::Refused`], [`ActError::Leased`], or a call failed.
    pub async fn check(&self, id: &AccountId, act: &OperatorAct) -> Result<bool, ActError> {
        let account = self.ledger.account(id).await?;
        let mut account = account.unwrap_or_else(|| Account::new(id.clone()));
        let now = self.clock.now();
        if let Some(until) = account.lease_until.filter(|until| *until > now) {
            return Err(ActError::Leased { until });
        }
        let before = (account.access.clone(), account.person.clone());
        act.change(&mut account, now).map_err(ActError::Refused)?;
        if let Some(customer) = act.act.links() {
            let link = self.ledger.link_of(customer).await?;
            if let Some(why) = refuse_link(id, link) {
                return Err(ActError::Refused(why));
            }
        }
        Ok((account.access, account.person) != before)
    }

    /// The wake: it names the account, and of a link the customer, whose waiting events the
    /// worker then settles.
    fn event(&self, account: &AccountId, act: &Act, now: Timestamp) -> Envelope {
        let id = format!("op_{}", self.entropy.hex());
        let customer = act.links().cloned();
        Envelope {
            source: Source::Operator,
            id: EventId::parse(id).expect("it is letters and digits"),
            via: Via::Operator,
            subject: Subject { customer, ..Subject::account(account.clone()) },
            ..wake(act.kind(), account.clone(), None, now)
        }
    }

    /// What the act changes. What the claim found open stays open.
    fn change(
        &self,
        found: &Account,
        mut next: Account,
        act: &OperatorAct,
        event: &Envelope,
    ) -> Change {
        let at = self.clock.now();
        next.lease_until = None;
        next.review_at = Some(at);
        next.refund_told |= act.act.links().is_some();
        // What an operator did explains what the account loses by it, whoever wakes it.
        if act.act.takes() {
            next.let_through = Some(next.catalog_revision);
        }
        if next.deferred.len() < MOST_DEFERRED {
            next.deferred.push(event.clone());
        }
        let changes = (&next.access, &next.person) != (&found.access, &found.person);
        let step = StepTaken { step: act.act.to_string(), at };
        let forgotten = found.person.clone().filter(|_| next.person.is_none());
        let forget = forgotten.map(|person| Memory { person, keep: None, at });
        let outcome = if changes { Outcome::Applied } else { Outcome::Unchanged };
        let record = EventRecord {
            detail: Some(act.told()),
            account: Some(next.id.clone()),
            ..EventRecord::of(event.clone(), outcome, at)
        };
        let one = |customer: Option<&CustomerId>| customer.into_iter().cloned().collect();
        Change {
            causes: vec![event.event_ref()],
            steps: Some(step).filter(|_| changes).into_iter().collect(),
            link: one(act.act.links()),
            unlink: one(act.act.unlinks()),
            by_operator: true,
            memories: forget.into_iter().collect(),
            records: vec![record],
            ..Change::to(next, at)
        }
    }
}

/// Gives a claim back, as if it had not been made.
async fn give_back<L: Ledger, E: Entropy>(
    claimed: Claimed<'_, L, E>,
    found: Account,
    at: Timestamp,
    why: String,
) -> ActError {
    if let Err(error) = claimed.give_back(found, at).await {
        tracing::warn!(%error, "the account stays claimed for some seconds");
    }
    ActError::Refused(why)
}

impl OperatorAct {
    /// What would come of it: what a worker would do that finds the account as the act leaves it. What
    /// is refused leaves it as it is.
    ///
    /// # Errors
    /// As [`Worker::preview`].
    pub async fn preview<P: Ports>(
        &self,
        worker: &Worker<P>,
        id: &AccountId,
    ) -> Result<Preview, Stop> {
        let (ledger, now) = (worker.ports.ledger(), worker.ports.clock().now());
        let found = ledger.account(id).await?.unwrap_or_else(|| Account::new(id.clone()));
        let mut left = found.clone();
        let supposed = match self.change(&mut left, now) {
            Err(_) => Supposed { left: found.clone(), found, links: None },
            Ok(()) => {
                bring_disputes(ledger, &self.act, &mut left).await?;
                Supposed { found, left, links: self.act.links().cloned() }
            }
        };
        worker.preview_after(supposed).await
    }
}

/// A customer's disputes go with them, and Stripe does not list them by customer: those of
/// the account that had the customer last. The worker tells which of them are the customer's.
/// What was lifted stays lifted, whoever the customer pays for.
async fn bring_disputes<L: Ledger>(ledger: &L, act: &Act, account: &mut Account) -> PortResult<()> {
    let Some(customer) = act.links() else { return Ok(()) };
    let CustomerLink::Released { from } = ledger.link_of(customer).await? else { return Ok(()) };
    let last = ledger.account(&from).await?;
    for (dispute, mark) in last.map(|account| account.access.disputes).unwrap_or_default() {
        let known = account.access.disputes.entry(dispute).or_insert(DisputeMark::Elsewhere);
        if mark == DisputeMark::Lifted {
            *known = mark;
        }
    }
    Ok(())
}
