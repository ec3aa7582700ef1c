//! The events on whose behalf an account is looked at, and what becomes of those that turn out to be
//! somebody else's.

use std::collections::BTreeSet;

use tollgate_events::kind::About;
use tollgate_events::{AccountId, CustomerId, Envelope, EventRef, Source, Via};

use super::DRIFT;

/// The events of one convergence.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Those that are settled with it.
    pub(super) events: Vec<Envelope>,
    /// Those whose customer is another account's: look at that one.
    pub(super) strays: Vec<(AccountId, Envelope)>,
    /// Those whose customer is not the account's any more, and which wait for the customer's
    /// own: they were deferred, or an operator has released the customer.
    pub(super) waits: Vec<Envelope>,
    /// Customers who are named, and whom an operator has released.
    pub(super) released: BTreeSet<CustomerId>,
}

impl Inbox {
    pub(super) fn of(events: Vec<Envelope>) -> Self {
        Self { events, strays: Vec::new(), waits: Vec::new(), released: BTreeSet::new() }
    }

    /// Adds the events that are not there yet.
    pub(super) fn join(&mut self, more: &[Envelope]) {
        for envelope in more {
            if !self.events.iter().any(|event| event.event_ref() == envelope.event_ref()) {
                self.events.push(envelope.clone());
            }
        }
    }

    /// Takes events out.
    pub(super) fn take(&mut self, which: impl Fn(&Envelope) -> bool) -> Vec<Envelope> {
        let (taken, left) = std::mem::take(&mut self.events).into_iter().partition(which);
        self.events = left;
        taken
    }

    /// How many a commit settles.
    pub(super) fn len(&self) -> usize {
        self.events.len() + self.waits.len()
    }

    /// Those of a customer.
    pub(super) fn of_customer<'a>(
        &'a self,
        customer: &'a CustomerId,
    ) -> impl Iterator<Item = &'a Envelope> {
        self.events.iter().filter(move |event| event.subject.customer.as_ref() == Some(customer))
    }

    /// The causes of what is done, for history.
    pub(super) fn causes(&self) -> Vec<EventRef> {
        self.events.iter().map(Envelope::event_ref).collect()
    }

    /// Whether an operator has released the event's customer.
    pub(super) fn is_released(&self, event: &Envelope) -> bool {
        let customer = event.subject.customer.as_ref();
        customer.is_some_and(|customer| self.released.contains(customer))
    }

    /// Whether an event of this kind is among them.
    pub(super) fn woken_by(&self, kind: &str) -> bool {
        self.events.iter().any(|event| event.kind == kind)
    }

    /// Whether anything but Stripe's own delivery woke the account: then the rest of the
    /// world is looked at as well.
    pub(super) fn woken_from_elsewhere(&self) -> bool {
        self.events.iter().any(|event| event.source != Source::Stripe || event.via == Via::Replay)
    }

    /// Whether somebody wants all of the account to be looked at: whoever replays, an operator, the
    /// comparison.
    pub(super) fn asks_for_a_look(&self) -> bool {
        self.events.iter().any(|event| {
            event.via == Via::Replay || event.source == Source::Operator || event.kind == DRIFT
        })
    }

    /// Whether an event tells of a dispute: what that holds is remembered under the user's address.
    pub(super) fn tells_of_dispute(&self) -> bool {
        self.events.iter().any(|event| event.about() == About::Dispute)
    }
}
