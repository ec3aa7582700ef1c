//! A run is judged: by the oracle, and by what replays must and must not change.

use std::collections::BTreeMap;

use tollgate_core::account::{Access, Status};
use tollgate_core::ledger::{EventRecord, Outcome};
use tollgate_core::ports::{Queue, QueueName};
use tollgate_events::kind::CHARGE_REFUNDED as REFUNDED;
use tollgate_events::{CustomerId, Envelope, Source, Via, cloudtrail};

use crate::executor::block_on;
use crate::oracle;
use crate::run::Sim;

impl Sim {
    /// Compares the world at rest with what it should be.
    pub fn judge(&mut self) {
        oracle::judge(self).into_iter().for_each(|violation| self.found(violation));
    }

    /// After a replay in the calm, only what nobody can act on is still parked.
    pub fn judge_what_is_unsettled(&mut self) {
        oracle::unsettled(self).into_iter().for_each(|violation| self.found(violation));
    }

    /// The operator replays what is parked; after that nothing that could be acted on
    /// may be left.
    pub fn replay_what_is_unsettled(&mut self) {
        let unsettled = self.world.ledger.events().into_iter();
        // Of a deletion that came before the ledger knew the account, nothing was kept but this.
        let came_first = |record: &EventRecord| {
            let kind = record.envelope().map(|envelope| envelope.kind.as_str());
            record.outcome == Outcome::Ignored && kind == Some(cloudtrail::USER_DELETED)
        };
        let unsettled = unsettled
            .filter(|event| event.record.outcome.is_unsettled() || came_first(&event.record));
        let unsettled: Vec<_> =
            unsettled.filter_map(|event| event.record.envelope().cloned()).collect();
        self.replay(unsettled, "unsettled");
        self.accept_cancellations();
        self.replayed = true;
    }

    /// Invariant 5: replay with unchanged facts changes nothing but event records.
    pub fn replay_everything(&mut self) {
        let before = oracle::accounts(self);
        let now = self.world.clock.time();
        let next = self.world.stripe.account().next_due();
        let recorded = self.world.ledger.events().into_iter().map(|event| event.record);
        let acts = recorded.filter(|record| record.event.source == Source::Operator);
        let acts: Vec<_> = acts.filter_map(|record| record.envelope().cloned()).collect();
        self.replay(self.accepted.values().cloned().chain(acts).collect(), "all");
        if next.is_some_and(|at| at <= self.world.clock.time()) {
            return;
        }
        let mut before: BTreeMap<_, _> = before.into_iter().map(|it| (it.id.clone(), it)).collect();
        let mut found_lost = false;
        for new in oracle::accounts(self) {
            let Some(mut old) = before.remove(&new.id) else {
                // Somebody whom an event names that is another account's was looked at and left.
                if new.version > 0 {
                    self.violate(5, format!("replay made\n  {new:?}"));
                }
                continue;
            };
            // What was to be deleted, and somebody has deleted by hand, is forgotten by a look.
            if self.script.lossy && new.access.retiring.len() < old.access.retiring.len() {
                old.access.retiring.clone_from(&new.access.retiring);
                old.version = new.version;
            }
            // A dispute that was told while a closed account alone was named is not told to another
            // that the customer turns out to pay for.
            if old.access.disputes != new.access.disputes && self.pays_for_several(&new.access) {
                continue;
            }
            // A closed account has nothing to lose by what it hears of a dispute later, or by a
            // subscription that is cancelled when the parked purchase comes again.
            let both_closed = [&old, &new].iter().all(|it| it.access.status == Status::Closed);
            if both_closed {
                old.access.disputes.clone_from(&new.access.disputes);
                old.version = new.version;
            }
            // Nobody looks again at whose name is another's sub, and what else is wrong comes first or
            // last.
            if oracle::named_as_sub(self, &new.id) {
                old.review_at = new.review_at;
            }
            if self.knows_of_a_lost_refund(&old.access, &new.access) {
                found_lost = true;
                continue;
            }
            let due = old.review_at.is_some_and(|at| at <= self.world.clock.time() && at >= now);
            if old != new && !due {
                self.violate(5, format!("replay changed\n  {old:?}\n  into\n  {new:?}"));
            }
        }
        for lost in before.into_values() {
            self.violate(5, format!("replay lost\n  {lost:?}"));
        }
        if found_lost {
            self.judge();
        }
    }

    /// Whether a refund is known now whose own event was lost for good: all of an account's refunds
    /// are asked for when any is told of, and another's was replayed.
    fn knows_of_a_lost_refund(&self, old: &Access, new: &Access) -> bool {
        let stripe = self.world.stripe.account();
        let known = |(id, invoice): &(&_, &_)| old.refunded.get(*id) == Some(*invoice);
        let new = new.refunded.iter().filter(|it| !known(it));
        let mut charges =
            new.filter_map(|(_, invoice)| stripe.invoice(invoice.as_str()).ok()?.charge.as_ref());
        let tells = |body: &str, charge: &str| body.contains(REFUNDED) && body.contains(charge);
        charges.any(|charge| self.lost.iter().any(|body| tells(body, charge)))
    }

    fn pays_for_several(&self, access: &Access) -> bool {
        let owners = |customer: &CustomerId| self.actors.pays_for.get(customer.as_str());
        access.customers.iter().filter_map(owners).any(|owners| owners.len() > 1)
    }

    pub(crate) fn replay(&mut self, events: Vec<Envelope>, run: &str) {
        self.tell(&format!("replay {run}: {}", events.len()));
        for envelope in events {
            let copy = Envelope { via: Via::Replay, run: Some(run.to_owned()), ..envelope };
            let sent = block_on(self.world.queue().send(QueueName::Bulk, &copy));
            sent.expect("nothing fails");
        }
        self.come_to_rest();
    }
}
