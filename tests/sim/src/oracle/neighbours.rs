//! What is none of this stack's business is left alone.

use std::collections::BTreeSet;

use tollgate_core::ledger::{EventRecord, Outcome};
use tollgate_events::ChargeId;

use super::Oracle;

impl Oracle<'_> {
    /// What other products' customers and another stack's do is on record as ignored, at the
    /// latest when what failed too often was replayed; and nothing of theirs is cancelled or shut.
    pub(super) fn neighbours(&mut self) {
        let neighbours = &self.sim.actors.neighbours;
        let mut problems = Vec::new();
        for record in self.sim.world.ledger.events().into_iter().map(|event| event.record) {
            let ignored = record.outcome == Outcome::Ignored && record.account.is_none();
            let failed = record.outcome == Outcome::Parked && !self.sim.replayed;
            if !ignored && !failed && self.is_about_a_neighbour(&record) {
                let (event, outcome, detail) = (&record.event, record.outcome, &record.detail);
                problems.push(format!("{event} is none of ours, and is {outcome:?}: {detail:?}"));
            }
        }
        let calls = self.sim.world.gate.calls();
        let touched: BTreeSet<_> = calls
            .iter()
            .filter(|call| {
                call.operation.starts_with("DELETE ") || call.operation.ends_with("/expire")
            })
            .map(|call| call.subject.as_str())
            .collect();
        let theirs = neighbours.subscriptions.iter().chain(&neighbours.sessions);
        for id in theirs.filter(|id| touched.contains(id.as_str())) {
            problems.push(format!("{id} is none of ours, and was ended by us"));
        }
        problems.into_iter().for_each(|problem| self.violate(10, problem));
    }

    /// Whether an event is about a customer who has nothing to do with this stack.
    fn is_about_a_neighbour(&self, record: &EventRecord) -> bool {
        let Some(subject) = record.envelope().map(|envelope| &envelope.subject) else {
            return false;
        };
        let is_neighbour = |id: &str| self.sim.actors.neighbours.customers.contains(id);
        let charge = subject.charge.as_ref().map(ChargeId::as_str);
        let charged = charge.is_some_and(|charge| {
            let stripe = self.sim.world.stripe.account();
            stripe.charge(charge).is_ok_and(|charge| is_neighbour(&charge.customer))
        });
        charged || subject.customer.as_ref().is_some_and(|id| is_neighbour(id.as_str()))
    }
}
