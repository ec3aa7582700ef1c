//! Refunds of what subscriptions have cost, where the seller lets the plan end with one.
//!
//! An event tells that a charge was refunded in full, and since Basil (2025-03-31) a charge does
//! not tell what it paid. So each subscription's newest paid invoice is asked about, once for
//! each such event, and once when a customer is linked: a refund that was told of before was nobody's.
//! What is found stands in the account until something newer is paid; nothing else is asked.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_events::kind::About;
use tollgate_events::stripe::REFUNDED;
use tollgate_events::{Envelope, SubscriptionId};

use super::Run;
use crate::decide::{is_newest_paid, is_ours};
use crate::policy::PlanThen;
use crate::ports::{PortResult, Ports, Stripe};
use crate::stripe::{InvoiceId, Subscription};

impl<P: Ports> Run<'_, P> {
    /// Of each live subscription of ours that has to be asked about: its newest paid invoice, if
    /// that was refunded.
    pub(super) async fn refunds(
        &mut self,
        subscriptions: &[Subscription],
        proven: &BTreeSet<SubscriptionId>,
    ) -> PortResult<BTreeMap<SubscriptionId, Option<InvoiceId>>> {
        let mut refunds = BTreeMap::new();
        if self.worker.policy.on_full_refund == PlanThen::Keep {
            return Ok(refunds);
        }
        self.account.refund_told |= self.inbox.events.iter().any(tells_of_refund);
        let (access, catalog) = (&self.account.access, &self.worker.catalog);
        let ours = |it: &&Subscription| it.is_live() && is_ours(it, proven, access, catalog);
        let asked = subscriptions.iter().filter(ours).filter(|it| self.is_to_be_asked(it));
        for subscription in asked {
            let refunded = self.refunded_invoice(subscription).await?;
            refunds.insert(subscription.id.clone(), refunded);
        }
        Ok(refunds)
    }

    /// A refund was told of; or one that is known is of an invoice that may not be the newest paid
    /// one any more, and the subscription does not tell.
    fn is_to_be_asked(&self, subscription: &Subscription) -> bool {
        let known = self.account.access.refunded.get(&subscription.id);
        self.account.refund_told
            || known.is_some_and(|invoice| is_newest_paid(subscription, invoice).is_none())
    }

    async fn refunded_invoice(&self, subscription: &Subscription) -> PortResult<Option<InvoiceId>> {
        let Some(invoice) = self.newest_paid(subscription).await? else { return Ok(None) };
        self.worker.note_stripe_calls(1);
        let refunded = self.worker.ports.stripe().is_refunded(&invoice).await?;
        Ok(Some(invoice).filter(|_| refunded))
    }

    /// The subscription tells of its latest invoice; while that is a draft or open, or is for
    /// nothing, another was paid last.
    async fn newest_paid(&self, subscription: &Subscription) -> PortResult<Option<InvoiceId>> {
        if let Some(latest) = subscription.latest_invoice.as_ref().filter(|it| it.is_paid_for) {
            return Ok(latest.id.clone());
        }
        self.worker.note_stripe_calls(1);
        let paid = self.worker.ports.stripe().paid_invoices(&subscription.id).await?;
        Ok(paid.into_iter().find(|invoice| invoice.total > 0).and_then(|invoice| invoice.id))
    }
}

/// Whether an event tells that all of a charge was refunded.
pub(super) fn tells_of_refund(event: &Envelope) -> bool {
    event.about() == About::Refund && event.hint.as_ref().is_some_and(|it| it.status == REFUNDED)
}
