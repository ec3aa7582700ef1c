//! Planted bugs of the transport: what somebody gets wrong who receives, acknowledges and
//! configures. Without a planted bug nothing here does anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::planted::Bug;
use crate::world::World;
use jiff::Timestamp;
use tollgate_core::converge::Worker;
use tollgate_core::ledger::{EventRecord, Outcome, is_wake};
use tollgate_core::ports::Ledger;
use tollgate_events::{Envelope, Source};
use tollgate_standin::sqs::Message;

use crate::executor::block_on;

/// What they remember.
#[derive(Debug, Default)]
pub(crate) struct TransportBugs {
    /// The newest event of each account that the worker has seen.
    newest: BTreeMap<String, Timestamp>,
    /// What was recorded before it was acted on.
    begun: BTreeSet<String>,
}

impl TransportBugs {
    /// Whether this message is dropped before the worker sees it.
    pub(crate) fn drop(&mut self, world: &World, message: &Message) -> bool {
        let Ok(envelope) = Envelope::decode(&message.body) else { return false };
        if world.gate.has(Bug::TimestampOrdering) {
            self.is_older(world, envelope)
        } else if world.gate.has(Bug::RecordAsCondition) {
            self.is_begun(world, envelope)
        } else {
            false
        }
    }

    /// Notes the newest event of each account; what is older goes on record as ignored.
    fn is_older(&mut self, world: &World, envelope: Envelope) -> bool {
        if envelope.source != Source::Stripe {
            return false;
        }
        let newest = self.newest.entry(whose(world, &envelope)).or_default();
        let older = envelope.occurred_at < *newest;
        *newest = envelope.occurred_at.max(*newest);
        older && record(world, envelope, Outcome::Ignored)
    }

    /// Records an event before it is acted on; one that is recorded already is a duplicate.
    fn is_begun(&mut self, world: &World, envelope: Envelope) -> bool {
        if is_wake(&envelope) {
            return false;
        }
        let name = format!("{:?} {}", envelope.source, envelope.deduplication_id());
        if self.begun.contains(&name) {
            return true;
        }
        if record(world, envelope, Outcome::Unchanged) {
            self.begun.insert(name);
        }
        false
    }
}

/// The account of an event as far as it is known, else whatever the event names.
fn whose(world: &World, envelope: &Envelope) -> String {
    let subject = &envelope.subject;
    if let Some(account) = &subject.account {
        return account.id.to_string();
    }
    let charged = subject.charge.as_ref().and_then(|charge| {
        let stripe = world.stripe.account();
        stripe.charge(charge.as_str()).ok().map(|charge| charge.customer.clone())
    });
    let customer = subject.customer.as_ref().map(ToString::to_string).or(charged);
    let links = world.ledger.links();
    let owner = links.iter().find(|(id, _)| Some(id.as_str()) == customer.as_deref());
    owner.map(|(_, account)| account.to_string()).or(customer).unwrap_or_default()
}

/// The worker as somebody would configure it who believes a payment link's visitor.
pub(crate) fn as_planted(mut worker: Worker<World>) -> Worker<World> {
    worker.policy.trust_payment_links |= worker.ports.gate.has(Bug::StrangerTrusted);
    worker
}

/// Whether the ledger took the record.
fn record(world: &World, envelope: Envelope, outcome: Outcome) -> bool {
    let record = EventRecord::of(envelope, outcome, world.clock.time());
    block_on(world.ledger.record(&[record])).is_ok()
}
