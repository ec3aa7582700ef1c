//! Which events: what an operator can ask for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tollgate_core::ledger::{Outcome, StoredEvent};
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::{AccountId, CustomerId, Envelope, EventRef};

/// Which events. What is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Of this time or later: when they were first recorded, or, of Stripe's own list, made.
    pub from: Timestamp,
    /// Of this time or earlier.
    pub to: Timestamp,
    /// These events alone.
    pub ids: BTreeSet<EventRef>,
    /// Types, whole (`invoice.paid`) or with all that begin so (`customer.subscription.*`).
    pub kinds: Vec<String>,
    /// Whom they are about.
    pub about: Option<AboutWhom>,
    /// What became of them last.
    pub outcomes: BTreeSet<Outcome>,
}

/// Whom events are about: it is enough that one of these is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AboutWhom {
    /// The account that they were found to be about, or that they name.
    pub account: Option<AccountId>,
    /// The Stripe customers that they name.
    pub customers: BTreeSet<CustomerId>,
}

impl AboutWhom {
    /// An account, and the customers that are linked to it: events that nobody could
    /// assign when they came are found by these.
    ///
    /// # Errors
    /// The ledger failed.
    pub async fn account<L: Ledger>(ledger: &L, account: AccountId) -> PortResult<Self> {
        let known = ledger.account(&account).await?;
        let customers = known.map(|known| known.access.customers).unwrap_or_default();
        Ok(Self { account: Some(account), customers })
    }

    /// One customer.
    pub fn customer(customer: CustomerId) -> Self {
        Self { account: None, customers: [customer].into() }
    }

    fn takes(&self, event: &Selected) -> bool {
        let account = self.account.as_ref();
        let customer = event.envelope().and_then(|envelope| envelope.subject.customer.as_ref());
        (account.is_some() && event.account() == account)
            || customer.is_some_and(|customer| self.customers.contains(customer))
    }
}

impl Selection {
    /// Everything between two times.
    pub fn between(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            ids: BTreeSet::new(),
            kinds: Vec::new(),
            about: None,
            outcomes: BTreeSet::new(),
        }
    }

    /// Whether an event is one of them.
    pub fn takes(&self, event: &Selected) -> bool {
        let outcome = event.outcome();
        (self.from..=self.to).contains(&event.at)
            && (self.ids.is_empty() || self.ids.contains(&event.name()))
            && (self.kinds.is_empty() || event.envelope().is_some_and(|it| self.fits(&it.kind)))
            && self.about.as_ref().is_none_or(|about| about.takes(event))
            && (self.outcomes.is_empty() || outcome.is_some_and(|it| self.outcomes.contains(&it)))
    }

    /// Whether all of them stand in the ledger's index of what waits or is parked.
    pub fn is_unsettled(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|outcome| outcome.is_unsettled())
    }

    fn fits(&self, kind: &str) -> bool {
        self.kinds.iter().any(|pattern| fits(pattern, kind))
    }
}

fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == pattern,
    }
}

/// An event: as the ledger has it on record, as Stripe lists it, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// When it was first recorded, or, of Stripe's list, made.
    pub at: Timestamp,
    /// As Stripe lists it.
    pub listed: Option<Box<Envelope>>,
    /// As the ledger has it; of Stripe's list, once it was looked for.
    pub record: Option<StoredEvent>,
    /// How often it had been handled when an earlier part of a replay sent it.
    pub(super) sent_after: Option<u64>,
    name: EventRef,
}

impl Selected {
    /// An event of the ledger's.
    pub fn recorded(record: StoredEvent) -> Self {
        let (at, name) = (record.first_at, record.record.event.clone());
        Self { at, listed: None, record: Some(record), sent_after: None, name }
    }

    /// An event of Stripe's.
    pub fn listed(envelope: Box<Envelope>) -> Self {
        let (at, name) = (envelope.occurred_at, envelope.event_ref());
        Self { at, listed: Some(envelope), record: None, sent_after: None, name }
    }

    /// What names it.
    pub fn name(&self) -> EventRef {
        self.name.clone()
    }

    /// What can be put on the queue again; of what could not be read, nothing.
    pub fn envelope(&self) -> Option<&Envelope> {
        let recorded = self.record.as_ref().and_then(|record| record.record.envelope());
        self.listed.as_deref().or(recorded)
    }

    /// What became of it last, if it is on record.
    pub fn outcome(&self) -> Option<Outcome> {
        self.record.as_ref().map(|record| record.record.outcome)
    }

    /// The account that it was found to be about, else the one that it names.
    pub fn account(&self) -> Option<&AccountId> {
        let known = self.record.as_ref().and_then(|record| record.record.account.as_ref());
        let named = || Some(&self.envelope()?.subject.account.as_ref()?.id);
        known.or_else(named)
    }

    /// How often it had been handled before this replay.
    pub fn attempts(&self) -> u64 {
        self.sent_after.unwrap_or(self.record.as_ref().map_or(0, |record| record.attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_type_is_whole_or_a_beginning() {
        assert!(fits("invoice.paid", "invoice.paid"));
        assert!(!fits("invoice", "invoice.paid"));
        assert!(fits("invoice.*", "invoice.paid") && !fits("invoice.*", "charge.dispute.closed"));
    }
}
