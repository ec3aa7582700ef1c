//! What time does: renewals, trial ends, retries, planned cancellations, expiries.
//!
//! [`Stripe::advance`] works like a test clock: everything that falls due happens in
//! the order of its time. An entry on the agenda whose reason has gone is void.
//! <https://docs.stripe.com/billing/testing/test-clocks>
//!
//! Not modelled: Stripe holds an invoice back, for up to 72 hours, while the
//! endpoint does not answer `invoice.created`.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::model::{
    BillingReason, Due, InvoiceStatus, MissingPaymentMethod, Period, SessionStatus,
};
use super::state::{Stripe, whole_seconds};
use super::subscriptions::{TRIAL_NOTICE, period_after};
use super::transitions::{Action, Cell, Status, cell};

/// How long a renewal's invoice stays a draft.
/// <https://docs.stripe.com/billing/invoices/subscription#subscription-lifecycle-event>
pub const DRAFT_TIME: SignedDuration = SignedDuration::from_hours(1);

impl Stripe {
    /// Lets time pass up to `to`; never back.
    pub fn advance(&mut self, to: Timestamp) {
        let to = whole_seconds(to);
        self.pass_until(to);
        self.forget_old_events();
    }

    /// Everything that falls due up to a time happens.
    pub(super) fn pass_until(&mut self, to: Timestamp) {
        while let Some((time, _)) = self.agenda.first().filter(|(time, _)| *time <= to) {
            self.now = self.now.max(*time);
            let Some((time, due)) = self.agenda.pop_first() else { break };
            self.happen(time, due);
        }
        self.now = self.now.max(to);
    }

    /// When something is due next. It may turn out to be void.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(time, _)| *time)
    }

    fn happen(&mut self, time: Timestamp, due: Due) {
        match due {
            Due::CancelAt(id) => {
                if self.subscriptions.get(&id).is_some_and(|s| s.cancel_at == Some(time)) {
                    let _ = self.act(&id, Action::CancelAtReached);
                }
            }
            Due::FirstPaymentExpiry(id) => {
                let _ = self.act(&id, Action::FirstPaymentExpires);
            }
            Due::CollectionResumes(id) => {
                let pause = self.subscriptions.get(&id).and_then(|s| s.pause_collection);
                if pause.is_some_and(|(_, until)| until == Some(time)) {
                    let _ = self.pause_collection(&id, None);
                }
            }
            Due::TrialWillEnd(id) => {
                if self.in_trial(&id) {
                    self.tell("customer.subscription.trial_will_end", &id);
                }
            }
            Due::TrialEnd(id) => self.end_trial(&id, time),
            Due::Upcoming(id) => self.announce(&id, time),
            Due::PhaseBegins(id) => self.begin_phase(&id, time),
            Due::PeriodEnd(id) => self.renew(&id, time),
            Due::Finalize(id) => self.finalize_and_collect(&id),
            Due::Overdue(id) => self.is_due(&id),
            Due::Retry(id) => {
                if self.invoices.get(&id).is_some_and(|i| {
                    i.status == InvoiceStatus::Open && i.next_payment_attempt == Some(time)
                }) {
                    self.retry(&id);
                }
            }
            Due::SessionExpiry(id) => {
                if self.sessions.get(&id).is_some_and(|s| s.status == SessionStatus::Open) {
                    let _ = self.expire_checkout(&id);
                }
            }
        }
    }

    fn in_trial(&self, id: &str) -> bool {
        self.subscriptions.get(id).is_some_and(|s| s.status == Status::Trialing)
    }

    /// Events: `invoice.created` and `customer.subscription.updated`, or
    /// `customer.subscription.deleted`, or `.updated` and `.paused`.
    /// <https://docs.stripe.com/billing/subscriptions/trials#trial-end-behavior>
    fn end_trial(&mut self, id: &str, time: Timestamp) {
        let Some(row) = self.subscriptions.get(id) else { return };
        if row.status != Status::Trialing || row.trial.is_none_or(|trial| trial.end != time) {
            return;
        }
        let card = self.customers.get(&row.customer).and_then(|customer| customer.card);
        let is_paid_for = card.is_some() || row.days_until_due.is_some();
        let action = match row.missing_payment_method {
            _ if is_paid_for => Action::TrialEndsWithPaymentMethod,
            MissingPaymentMethod::Cancel => Action::TrialEndsCancel,
            MissingPaymentMethod::Pause => Action::TrialEndsPause,
            MissingPaymentMethod::CreateInvoice => Action::TrialEndsCreateInvoice,
        };
        match cell(Status::Trialing, action) {
            Cell::To(Status::Active) => self.next_period(id, action),
            _ => {
                let _ = self.act(id, action);
            }
        }
    }

    fn renew(&mut self, id: &str, time: Timestamp) {
        let due = self.subscriptions.get(id).is_some_and(|s| {
            s.period.end == time && cell(s.status, Action::PeriodEnds) != Cell::Never
        });
        if due {
            self.next_period(id, Action::PeriodEnds);
        }
    }

    /// Rolls the period and draws up its invoice.
    fn next_period(&mut self, id: &str, action: Action) {
        let Some(row) = self.subscriptions.get(id) else { return };
        let price = row.items.first().and_then(|item| self.prices.get(&item.price));
        let Some(price) = price else { return };
        let period = Period { start: self.now, end: period_after(row.anchor, price, self.now) };
        let (pause, pending) = (row.pause_collection, row.pending.clone());
        let collect = row.status != Status::Unpaid && pause.is_none();
        let lines = [pending, self.lines_of(id, false)].concat();
        let invoice = self.draw_up(id, BillingReason::Cycle, period, lines, collect);
        let _ = self.act_with(id, action, |row| {
            row.period = period;
            row.pending.clear();
            row.latest_invoice = Some(invoice.clone());
        });
        if let Some((behavior, _)) = pause {
            self.put_aside(&invoice, behavior);
        }
        if collect {
            self.agenda.insert((self.now + DRAFT_TIME, Due::Finalize(invoice)));
        }
        self.await_period_end(id);
    }

    fn finalize_and_collect(&mut self, id: &str) {
        let draft = self
            .invoices
            .get(id)
            .is_some_and(|i| i.status == InvoiceStatus::Draft && i.auto_advance);
        if draft {
            self.finalize(id);
            let subscription = self.invoices.get(id).map(|i| i.subscription.clone());
            if subscription.is_some_and(|id| self.sends_invoices(&id)) {
                return self.send(id);
            }
            let _ = self.collect(id, true, Action::RenewalPaid, Some(Action::RenewalFails));
        }
    }

    /// `invoice.upcoming`: an invoice without id.
    /// <https://docs.stripe.com/api/events/types#event_types-invoice.upcoming>
    fn announce(&mut self, id: &str, time: Timestamp) {
        let Some(row) = self.subscriptions.get(id) else { return };
        let renews = row.period.end == time + TRIAL_NOTICE && row.cancel_at.is_none();
        if !renews || cell(row.status, Action::PeriodEnds) == Cell::Never {
            return;
        }
        let invoice = json!({
            "object": "invoice",
            "amount_due": self.period_amount(id),
            "billing_reason": "upcoming",
            "customer": row.customer,
            "parent": {
                "subscription_details": { "metadata": row.metadata, "subscription": id },
                "type": "subscription_details",
            },
            "period_end": row.period.end.as_second(),
            "period_start": row.period.start.as_second(),
            "status": "draft",
        });
        self.emit("invoice.upcoming", invoice);
    }
}
