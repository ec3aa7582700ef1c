//! The commit: state, history and event records, all or nothing.

use jiff::{SignedDuration, Timestamp};
use tollgate_events::kind::About;
use tollgate_events::{Envelope, Source};

use super::{DRIFT, Run, Stop, Worker};
use crate::account::{Access, Account, Attributes, Status, User};
use crate::accounts::{Change, CommitAnswer};
use crate::decide::{Desired, KeyState, Warning};
use crate::ledger::{EventRecord, Outcome, comes_again, is_wake};
use crate::person::Memory;
use crate::policy::MOST_DEFERRED;
use crate::ports::{Class, Ledger as _, PortResult, Ports, Service};

/// What a person must be told of an event, whatever becomes of the account: an early
/// fraud warning closes nobody, but the charge should be refunded before it is disputed.
/// <https://docs.stripe.com/api/radar/early_fraud_warnings>
fn fraud_warning(event: &Envelope) -> Option<&'static str> {
    (event.about() == About::FraudWarning).then(|| {
        tracing::error!(event = %event.id, "early fraud warning");
        "Stripe warns of fraud on this charge; refund it before it becomes a dispute"
    })
}

/// What is told of an event whose customer has been linked to another account meanwhile.
const LINKED_ELSEWHERE: &str = "its customer is another account's";

/// What is told of an event whose customer an operator has released.
const RELEASED: &str = "an operator has unlinked its customer; `tollgate account link WHO CUSTOMER --why TEXT` links \
     the customer again";

/// Whether it stopped by a call that was refused for its rate.
fn was_refused(stop: &Stop) -> bool {
    matches!(stop, Stop::Port(error) if matches!(error.class, Class::Throttled { .. }))
}

impl<P: Ports> Worker<P> {
    /// A record, with who did it and why where it tells of an operator's act.
    pub(crate) async fn with_who(&self, record: EventRecord) -> PortResult<EventRecord> {
        if !record.is_of_an_act() {
            return Ok(record);
        }
        let stored = self.ports.ledger().event(&record.event).await?;
        Ok(record.with_who(stored.as_ref()))
    }
}

impl<P: Ports> Run<'_, P> {
    /// Commits the account in the middle of a run. The access stays as history last told it: what
    /// this run has found and done so far gets its entry at the end.
    pub(super) async fn save(&mut self) -> Result<(), Stop> {
        let account = self.unfinished(self.committed().clone());
        self.write(Change::to(account, self.clock_now())).await
    }

    /// The account as it is written in the middle of a run: due as the claim left it.
    pub(super) fn unfinished(&self, access: Access) -> Account {
        let review_at = self.look_if_unfinished();
        Account { access, review_at, user: self.user_so_far(), ..self.account.clone() }
    }

    /// The user as to be noted where the account is not closed yet: that they are gone for good is
    /// concluded by the closing, unless somebody told. Until then they may turn out to be there.
    fn user_so_far(&self) -> User {
        match &self.account.user {
            User::Deleted if !self.account.deletion_told => self.found_user.clone(),
            user => user.clone(),
        }
    }

    /// Commits what was desired and is now so.
    pub(super) async fn finish(
        &mut self,
        desired: Desired,
        lagging: bool,
    ) -> Result<Outcome, Stop> {
        let detail = (!desired.warnings.is_empty()).then(|| {
            let warnings: Vec<_> = desired.warnings.iter().map(ToString::to_string).collect();
            warnings.join("; ")
        });
        let paid_for_nothing =
            self.committed().status == Status::Closed && !desired.warnings.is_empty();
        self.tell_of(&desired.warnings);
        self.account.several = desired.several().cloned().unwrap_or_default();
        self.look_as_decided(&desired, lagging);
        // It is looked for as long as there are second looks.
        self.account.refund_told &= desired.refunded.is_empty() && self.account.second_looks > 0;
        let desired_key = desired.key;
        let memories = self.memories(&desired).await?;
        self.settle(desired);
        self.account.end();
        self.account.released = false;
        self.account.deferred = self.looked_for(desired_key);
        self.account.let_through = None;
        self.account.may_cancel.clear();
        let fulfilled = self.account.key().map(|key| key.generation);
        self.account.intent.take_if(|intent| {
            Some(intent.generation) == fulfilled || desired_key == KeyState::Closed
        });
        self.account.catalog_revision = self.worker.catalog.revision;
        let outcome = match self.changed() {
            _ if paid_for_nothing => Outcome::Parked,
            true => Outcome::Applied,
            false => Outcome::Unchanged,
        };
        self.close(outcome, detail, memories).await?;
        Ok(outcome)
    }

    /// What was bought on a closed account, and is not listed yet. Nobody is linked to it, so the second
    /// looks know of the customer by the event alone.
    fn looked_for(&self, key: KeyState) -> Vec<Envelope> {
        let customers = &self.account.access.customers;
        let is_strange = |event: &&Envelope| {
            let customer = event.subject.customer.as_ref();
            event.source == Source::Stripe && customer.is_some_and(|it| !customers.contains(it))
        };
        let looks = key == KeyState::Closed && self.account.second_looks > 0;
        let events = self.inbox.events.iter().filter(|_| looks).filter(is_strange);
        events.take(MOST_DEFERRED).cloned().collect()
    }

    /// Logs what has an alarm of its own.
    fn tell_of(&self, warnings: &[Warning]) {
        let account = &self.account.id;
        for warning in warnings {
            match warning {
                Warning::UnknownPrice { price, .. } => {
                    tracing::error!(%account, %price, "unknown price");
                }
                Warning::SeveralSubscriptions(_) => {
                    tracing::error!(%account, %warning, "several subscriptions");
                }
                Warning::UnknownGrant(_)
                | Warning::PaymentOnClosedAccount(_)
                | Warning::CancelledOnClosedAccount(_)
                | Warning::PaymentOfAbsentUser(_) => {}
            }
        }
    }

    /// Closes the account as it was found: nothing was about it.
    pub(super) async fn leave(&mut self) -> Result<Outcome, Stop> {
        self.close(Outcome::Unchanged, None, Vec::new()).await?;
        Ok(Outcome::Unchanged)
    }

    /// Commits what was achieved; the events are parked. The account is looked at again in a day, or
    /// when it would have been anyway.
    pub(super) async fn park(&mut self, stop: &Stop) -> Result<Outcome, Stop> {
        if matches!(stop, Stop::BlastLimit) {
            tracing::error!(account = %self.account.id, "the blast limit holds");
        }
        if matches!(stop, Stop::NamedAsSub { .. }) {
            // Nothing of what was begun stays.
            self.account.end();
        }
        self.account.user = self.user_so_far();
        self.look_though_parked(stop);
        self.account.deferred.clear();
        self.fulfil();
        self.close(Outcome::Parked, Some(stop.to_string()), Vec::new()).await?;
        Ok(Outcome::Parked)
    }

    /// Commits what was achieved; the account is due when the wait is over, and its events wait in it.
    /// The messages are done with: waiting costs no receive.
    pub(super) async fn defer(
        &mut self,
        after: SignedDuration,
        stop: Stop,
    ) -> Result<Outcome, Stop> {
        let contradicted = matches!(stop, Stop::StaleLedger(_) | Stop::LedgerLost);
        // A due account is woken anyway; that somebody is to look at all of it is not forgotten, but
        // where that has found what a person is called for.
        let looks = |event: &Envelope| event.kind == DRIFT && !contradicted;
        let waiting = self.inbox.events.iter().filter(|event| !is_wake(event) || looks(event));
        let waiting: Vec<_> = waiting.cloned().collect();
        if waiting.len() > MOST_DEFERRED {
            return Err(stop);
        }
        self.account.deferred = waiting;
        self.account.user = self.user_so_far();
        let refused = was_refused(&stop) && self.steps.is_empty();
        if (refused || contradicted) && !self.in_doubt && !self.claimed.found_open() {
            // What was refused for its rate had no effect; what is contradicted is judged again, as
            // it was found.
            self.account.end();
        }
        if contradicted {
            // Neither of the two is believed.
            match self.steps.is_empty() {
                true => self.account.access = self.committed().clone(),
                // What was done so far stands; the word that contradicts it is not the ledger's.
                false => self.account.access.attributes = self.committed().attributes.clone(),
            }
        }
        self.look_after(after);
        self.fulfil();
        self.close(Outcome::Deferred, Some(stop.to_string()), Vec::new()).await?;
        Ok(Outcome::Deferred)
    }

    /// A key that is named, and has been on a plan, is its intent's no more: whoever finds it on none
    /// is to know that somebody waits for it.
    fn fulfil(&mut self) {
        let placed = self.account.key().filter(|_| self.placed).map(|key| key.generation);
        self.account.intent.take_if(|intent| Some(intent.generation) == placed);
    }

    /// Ends the claim of a run whose messages come again, so that they are not refused for it. Should
    /// that fail, it ends with its lease.
    pub(super) async fn let_go(&mut self, stop: &Stop) {
        let is_over = match stop {
            Stop::Fenced | Stop::CatalogOutdated | Stop::OutOfTime => true,
            // A commit whose answer was lost may stand, and must not be overwritten.
            Stop::Port(error) => error.service == Service::Ledger,
            _ => false,
        };
        if is_over || self.in_doubt {
            return;
        }
        let left = Account { lease_until: None, ..self.unfinished(self.committed().clone()) };
        if let Err(error) = self.write(Change::to(left, self.clock_now())).await {
            tracing::debug!(account = %self.account.id, %error, "the claim was not given back");
        }
    }

    /// What was begun and not answered may still take effect, and must not meet another claim.
    fn lease_left(&self) -> Option<Timestamp> {
        self.in_doubt.then_some(self.invocation.deadline)
    }

    fn changed(&self) -> bool {
        self.account.access != *self.committed() || !self.steps.is_empty()
    }

    async fn close(
        &mut self,
        outcome: Outcome,
        detail: Option<String>,
        memories: Vec<Memory>,
    ) -> Result<(), Stop> {
        let at = self.clock_now();
        self.account.lease_until = self.lease_left();
        let mut records = Vec::new();
        for record in self.records(outcome, detail.as_deref(), at) {
            records.push(Box::pin(self.worker.with_who(record)).await?);
        }
        let causes = self.inbox.causes();
        let steps = self.steps.clone();
        let account = Change::to(self.account.clone(), at);
        self.write(Change { causes, steps, records, memories, ..account }).await
    }

    /// What a person is told of an event: what went wrong, what to look at.
    fn detail(&self, event: &Envelope, detail: Option<&str>) -> Option<String> {
        let parts = detail.or_else(|| fraud_warning(event)).into_iter();
        let parts: Vec<_> =
            parts.chain(self.inbox.is_released(event).then_some(RELEASED)).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// A record for each event; a wake leaves one only when it changed something, or when it has
    /// one already that is to be settled.
    fn records(&self, outcome: Outcome, detail: Option<&str>, at: Timestamp) -> Vec<EventRecord> {
        let nothing_to_tell = matches!(outcome, Outcome::Unchanged | Outcome::Deferred);
        let silent = |event: &&Envelope| is_wake(event) && !comes_again(event) && nothing_to_tell;
        let waits = self.inbox.waits.iter().map(|event| {
            let why = if self.inbox.is_released(event) { RELEASED } else { LINKED_ELSEWHERE };
            let record = EventRecord::of(event.clone(), Outcome::Waiting, at);
            EventRecord { detail: Some(why.to_owned()), ..record }
        });
        let events = self.inbox.events.iter().filter(|event| !silent(event));
        events
            .map(|event| EventRecord {
                detail: self.detail(event, detail),
                account: Some(self.account.id.clone()),
                ..EventRecord::of(event.clone(), outcome, at)
            })
            .chain(waits)
            .collect()
    }

    async fn write(&mut self, change: Change) -> Result<(), Stop> {
        match self.claimed.commit(change).await? {
            CommitAnswer::Committed { .. } => Ok(()),
            CommitAnswer::Lost(lost) => Err(lost.into()),
            // It links nobody.
            CommitAnswer::LinkTaken { .. } | CommitAnswer::LinkReleased { .. } => Err(Stop::Fenced),
        }
    }

    /// Writes the decision into the account's access.
    fn settle(&mut self, desired: Desired) {
        let Desired {
            plan,
            status,
            reason,
            given,
            to_cancel,
            disputes,
            grace,
            paid_for,
            refunded,
            grants,
            key,
            // What was done, is noted elsewhere, or is told: nothing of it is kept here.
            usage_plan: _,
            retiring: _,
            plan_attribute: _,
            review_at: _,
            expire: _,
            cancel: _,
            user: _,
            warnings: _,
        } = desired;
        let decided = Access {
            plan,
            status,
            reason,
            given,
            to_cancel,
            disputes,
            grace,
            paid_for,
            refunded,
            grants,
            ..std::mem::take(&mut self.account.access)
        };
        let access = &mut self.account.access;
        *access = decided;
        if let Some(read) = self.attributes_read.take()
            && self.steps.is_empty()
        {
            access.attributes = read;
        }
        if key == KeyState::Closed {
            access.keys.clear();
            access.usage_plan = None;
        }
        if self.account.user == User::Deleted {
            access.attributes = Attributes::default();
        }
    }
}
