//! Invoices that are sent and not charged: `collection_method=send_invoice`.
//!
//! The subscription is active at once. An invoice is a draft for an hour, is finalized and sent,
//! and has some days; when it is not paid by then, the subscription is past due, and active again
//! when it is paid. <https://docs.stripe.com/billing/collection-method>
//!
//! Not modelled: what follows after a further deadline, reminders, `invoice.sent` and
//! `invoice.overdue`.

use jiff::SignedDuration;

use super::clockwork::DRAFT_TIME;
use super::model::{BillingReason, Due, InvoiceStatus, Period};
use super::state::Stripe;
use super::transitions::Action;

impl Stripe {
    /// Whether a subscription's invoices are sent.
    pub(super) fn sends_invoices(&self, subscription: &str) -> bool {
        self.subscriptions.get(subscription).is_some_and(|row| row.days_until_due.is_some())
    }

    /// A new subscription's first invoice.
    pub(super) fn begin_sending(&mut self, id: &str, period: Period) {
        let lines = self.lines_of(id, false);
        let invoice = self.draw_up(id, BillingReason::Create, period, lines, true);
        self.set_latest(id, &invoice);
        self.tell("customer.subscription.created", id);
        self.agenda.insert((self.now + DRAFT_TIME, Due::Finalize(invoice)));
        self.await_period_end(id);
    }

    /// An invoice that has just been finalized is sent; one of which nothing is left to pay is
    /// paid.
    pub(super) fn send(&mut self, id: &str) {
        let Some(row) = self.invoices.get(id) else { return };
        let (nothing_due, due_date) = (row.due() == 0, row.due_date);
        if nothing_due {
            let _ = self.collect(id, false, Action::RenewalPaid, None);
        } else if let Some(due_date) = due_date {
            self.agenda.insert((due_date, Due::Overdue(id.to_owned())));
        }
    }

    /// The time that an invoice gives is over.
    pub(super) fn is_due(&mut self, id: &str) {
        let Ok(invoice) = self.invoice(id) else { return };
        if invoice.status != InvoiceStatus::Open || !self.decides(id) {
            return;
        }
        let (subscription, customer) = (invoice.subscription.clone(), invoice.customer.clone());
        self.set_delinquent(&customer, true);
        let _ = self.act(&subscription, Action::RenewalFails);
    }

    /// Whether a subscription's status follows from an invoice: from its latest; where invoices
    /// are sent, from the latest that is final, for a newer draft may be there when it is due.
    pub(super) fn decides(&self, id: &str) -> bool {
        let Ok(invoice) = self.invoice(id) else { return false };
        let Ok(row) = self.subscription(&invoice.subscription) else { return false };
        if row.days_until_due.is_none() {
            return row.latest_invoice.as_deref() == Some(id);
        }
        let is_final = |other: &&String| {
            self.invoices.get(other).is_some_and(|it| it.status != InvoiceStatus::Draft)
        };
        row.invoices.iter().rev().find(is_final).is_some_and(|latest| latest == id)
    }

    /// When an invoice that is finalized now must be paid.
    pub(super) fn due_date(&self, subscription: &str) -> Option<jiff::Timestamp> {
        let days = self.subscriptions.get(subscription)?.days_until_due?;
        Some(self.now + SignedDuration::from_hours(24 * days))
    }
}
