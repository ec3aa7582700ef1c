//! The commit: state, history and event records, all or nothing.

use jiff::Timestamp;
use tollgate_events::{Envelope, Via};

use super::{Run, Stop};
use crate::account::{Account, Attributes, Status};
use crate::decide::{Desired, KeyState};
use crate::ledger::{Commit, CommitResult, Entry, EventRecord, Outcome, is_wake};
use crate::policy::{SECOND_LOOK_AFTER, SECOND_LOOKS};
use crate::ports::{Entropy, Ledger, Ports};

/// What a person must be told of an event, whatever becomes of the account: an early
/// fraud warning closes nobody, but the charge should be refunded before it is disputed.
/// <https://docs.stripe.com/api/radar/early_fraud_warnings>
fn alarm(event: &Envelope) -> Option<&'static str> {
    let warns = event.kind == "radar.early_fraud_warning.created";
    warns.then(|| {
        tracing::error!(event = %event.id, "early fraud warning");
        "Stripe warns of fraud on this charge; refund it before it becomes a dispute"
    })
}

impl<P: Ports> Run<'_, P> {
    /// Names a commit, so that a lost response is recognised as our own success.
    pub(super) fn commit_id(&self) -> String {
        hex::encode(self.worker.ports.entropy().bytes())
    }

    /// Commits the intent, still open. The access stays as history last told it: what
    /// this run has found and done so far gets its entry at the end, and when the run
    /// does not live to see that, whoever comes next observes.
    pub(super) async fn save(&mut self) -> Result<(), Stop> {
        self.account.commit_id = Some(self.commit_id());
        let account = Account { access: self.committed.clone(), ..self.account.clone() };
        self.write(account, None, Vec::new()).await
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
            self.committed.status == Status::Closed && !desired.warnings.is_empty();
        self.account.review_at = self.review_at(&desired, lagging);
        let desired_key = desired.key;
        self.settle(desired);
        self.account.open = false;
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
        self.close(outcome, detail).await?;
        Ok(outcome)
    }

    /// Commits what was achieved; the account stays open, the events are parked.
    pub(super) async fn park(&mut self, why: String) -> Result<(), Stop> {
        self.close(Outcome::Parked, Some(why)).await
    }

    fn changed(&self) -> bool {
        self.account.access != self.committed || !self.steps.is_empty()
    }

    async fn close(&mut self, outcome: Outcome, detail: Option<String>) -> Result<(), Stop> {
        let at = self.clock_now();
        self.account.lease_until = None;
        self.account.commit_id = Some(self.commit_id());
        let entry = self.changed().then(|| self.entry(at));
        let records = self.records(outcome, detail.as_deref(), at);
        self.write(self.account.clone(), entry, records).await
    }

    fn entry(&mut self, at: Timestamp) -> Entry {
        self.account.version += 1;
        Entry {
            version: self.account.version,
            at,
            before: self.committed.clone(),
            after: self.account.access.clone(),
            cause: self.events.iter().map(Envelope::event_ref).collect(),
            reason: self.account.access.reason.clone(),
            steps: self.steps.clone(),
        }
    }

    /// A record for each event; a wake leaves one only when it changed something, or
    /// when an operator replays it: then there is a record of its being parked to settle.
    fn records(&self, outcome: Outcome, detail: Option<&str>, at: Timestamp) -> Vec<EventRecord> {
        let silent = |event: &&Envelope| {
            is_wake(event) && event.via != Via::Replay && outcome == Outcome::Unchanged
        };
        let events = self.events.iter().filter(|event| !silent(event));
        events
            .map(|event| EventRecord {
                detail: detail.or_else(|| alarm(event)).map(str::to_owned),
                account: Some(self.account.id.clone()),
                version: Some(self.account.version),
                ..EventRecord::of(event.clone(), outcome, at)
            })
            .collect()
    }

    async fn write(
        &mut self,
        account: Account,
        entry: Option<Entry>,
        records: Vec<EventRecord>,
    ) -> Result<(), Stop> {
        let commit = Commit { account, entry, link: Vec::new(), records };
        match self.ledger().commit(&commit).await? {
            CommitResult::Committed => {
                if commit.entry.is_some() {
                    self.committed = commit.account.access;
                }
                Ok(())
            }
            CommitResult::Fenced | CommitResult::LinkTaken { .. } => Err(Stop::Fenced),
            CommitResult::CatalogOutdated => Err(Stop::CatalogOutdated),
        }
    }

    /// Writes the decision into the account's access.
    fn settle(&mut self, desired: Desired) {
        let access = &mut self.account.access;
        access.plan = desired.plan;
        access.status = desired.status;
        access.reason = desired.reason;
        access.disputes = desired.disputes;
        access.grace = desired.grace;
        if let Some(read) = self.attributes_read.take()
            && self.steps.is_empty()
        {
            access.attributes = read;
        }
        if desired.key == KeyState::Closed {
            access.keys.clear();
            access.usage_plan = None;
            access.attributes = Attributes::default();
            access.grants.clear();
            access.hold = None;
        }
    }

    /// When to look again: when the decision says so, or soon, when a read lagged.
    fn review_at(&mut self, desired: &Desired, lagging: bool) -> Option<Timestamp> {
        let mut times: Vec<_> = desired.review_at.into_iter().collect();
        let looks = if lagging { SECOND_LOOKS } else { self.account.second_looks };
        if looks > 0 {
            times.extend(self.now.checked_add(SECOND_LOOK_AFTER));
        }
        self.account.second_looks = looks.saturating_sub(1);
        times.into_iter().filter(|at| *at > self.now).min()
    }
}
