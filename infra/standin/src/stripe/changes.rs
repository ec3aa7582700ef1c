//! Changes that are asked for: another price, cancellation, paused collection, resumption.
//!
//! <https://docs.stripe.com/billing/subscriptions/change>

use jiff::Timestamp;
use serde_json::json;

use super::customers::merge;
use super::error::{StripeError, StripeResult};
use super::model::{
    BillingReason, Due, Item, Line, Metadata, PauseBehavior, Period, Proration, Subscription,
};
use super::state::{Stripe, whole_seconds};
use super::subscriptions::period_after;
use super::transitions::{Action, Cell, Status, cell};

/// When a subscription is to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// With the period, by the API: `cancel_at_period_end`.
    PeriodEnd,
    /// With the period, by the customer in the billing portal: since Clover
    /// (2025-09-30) that sets `cancel_at`.
    PeriodEndInPortal,
    /// At a time.
    At(Timestamp),
}

impl Stripe {
    /// `POST /v1/subscriptions/{id}` with another price for its first item. Events:
    /// `invoiceitem.created` for each proration and `customer.subscription.updated` with
    /// the old items; when the interval changes, a new period begins at once, with an
    /// invoice. <https://docs.stripe.com/billing/subscriptions/change-price>,
    /// <https://docs.stripe.com/billing/subscriptions/prorations>
    ///
    /// # Errors
    /// No such subscription, item or price; a final or incomplete subscription.
    pub fn change_price(&mut self, id: &str, price: &str) -> StripeResult<()> {
        let first = self.first_item(id)?;
        self.change_item(id, &first, price, Proration::default())
    }

    /// As [`change_price`](Self::change_price), for any of its items. With
    /// [`AlwaysInvoice`](Proration::AlwaysInvoice) an invoice of the prorations, and of those that
    /// wait, is drawn up and tried at once: where the card is refused, the change stands, and the
    /// subscription is past due.
    ///
    /// # Errors
    /// As for `change_price`.
    pub fn change_item(
        &mut self,
        id: &str,
        item: &str,
        price: &str,
        proration: Proration,
    ) -> StripeResult<()> {
        let (status, period, old) = self.item_to_change(id, item)?;
        let new = self.prices.get(price);
        let new =
            new.ok_or_else(|| StripeError::no_such("price", price, "items[0][price]"))?.clone();
        let same = self.prices.get(&old.price).is_some_and(|old| {
            (old.interval, old.interval_count) == (new.interval, new.interval_count)
        });
        let of_it = (old.id.as_str(), old.quantity);
        let credit = self.proration(of_it, &old.price, period, -1);
        let item = item.to_owned();
        let swap = move |row: &mut Subscription| {
            for line in row.items.iter_mut().filter(|line| line.id == item) {
                line.price.clone_from(&new.id);
            }
        };
        if status == Status::Trialing || status == Status::Paused {
            return self.act_with(id, Action::UpdatePrice, swap).map(drop);
        }
        if !same {
            let credit = (proration != Proration::None).then_some(credit);
            return self.begin_new_cycle(id, price, credit, swap);
        }
        if proration != Proration::None {
            let debit = self.proration(of_it, price, period, 1);
            self.prorate(id, vec![credit, debit]);
        }
        self.act_with(id, Action::UpdatePrice, swap)?;
        if proration == Proration::AlwaysInvoice {
            let pending =
                self.subscriptions.get_mut(id).map(|row| std::mem::take(&mut row.pending));
            self.bill_now(id, period, pending.unwrap_or_default())?;
        }
        Ok(())
    }

    /// `POST /v1/subscriptions/{id}` with another quantity of its first item; of none it sells
    /// nothing. Events: `invoiceitem.created` for each proration, `customer.subscription.updated`.
    /// <https://docs.stripe.com/billing/subscriptions/quantities>
    ///
    /// # Errors
    /// No such subscription or item; a final or incomplete subscription; a metered price.
    pub fn change_quantity(&mut self, id: &str, quantity: i64) -> StripeResult<()> {
        let first = self.first_item(id)?;
        self.change_item_quantity(id, &first, quantity)
    }

    /// As [`change_quantity`](Self::change_quantity), for any of its items.
    ///
    /// # Errors
    /// As for `change_quantity`.
    pub(super) fn change_item_quantity(
        &mut self,
        id: &str,
        item: &str,
        quantity: i64,
    ) -> StripeResult<()> {
        let (status, period, old) = self.item_to_change(id, item)?;
        if old.quantity.is_none() {
            let message = "Quantity should not be specified where usage_type is `metered`.";
            return Err(StripeError::bad_parameter("items[0][quantity]", message));
        }
        if quantity < 0 {
            return Err(StripeError::bad_parameter(
                "items[0][quantity]",
                "Invalid non-negative integer",
            ));
        }
        if status != Status::Trialing && status != Status::Paused {
            let credit = self.proration((item, old.quantity), &old.price, period, -1);
            let debit = self.proration((item, Some(quantity)), &old.price, period, 1);
            self.prorate(id, vec![credit, debit]);
        }
        let item = item.to_owned();
        let change = move |row: &mut Subscription| {
            for line in row.items.iter_mut().filter(|line| line.id == item) {
                line.quantity = Some(quantity);
            }
        };
        self.act_with(id, Action::UpdatePrice, change).map(drop)
    }

    fn first_item(&self, id: &str) -> StripeResult<String> {
        let first = self.subscription(id)?.items.first().map(|item| item.id.clone());
        first.ok_or_else(|| StripeError::invalid("the subscription has no item"))
    }

    /// An item that may be changed, and its subscription's status and period.
    fn item_to_change(&self, id: &str, item: &str) -> StripeResult<(Status, Period, Item)> {
        let row = self.subscription(id)?;
        if let Cell::Refused(refusal) = cell(row.status, Action::UpdatePrice) {
            return Err(refusal.error(id));
        }
        let found = row.items.iter().find(|it| it.id == item).cloned();
        let no_such = || StripeError::no_such("subscription_item", item, "items[0][id]");
        Ok((row.status, row.period, found.ok_or_else(no_such)?))
    }

    /// Proration items wait for the next invoice.
    fn prorate(&mut self, id: &str, lines: Vec<Line>) {
        for line in &lines {
            let item = json!({
                "id": self.mint("ii_1"),
                "object": "invoiceitem",
                "amount": line.amount,
                "customer": self.subscriptions.get(id).map(|s| &s.customer),
                "date": self.now.as_second(),
                "livemode": self.settings.livemode,
                "parent": {
                    "subscription_details": { "subscription": id }, "type": "subscription_details",
                },
                "proration": true,
            });
            self.emit("invoiceitem.created", item);
        }
        if let Some(row) = self.subscriptions.get_mut(id) {
            row.pending.extend(lines);
        }
    }

    /// Another interval: the period begins anew, and is paid for now.
    fn begin_new_cycle(
        &mut self,
        id: &str,
        price: &str,
        credit: Option<Line>,
        swap: impl FnOnce(&mut Subscription),
    ) -> StripeResult<()> {
        let (now, price) = (self.now, self.price(price)?.clone());
        let end = period_after(now, &price, now);
        self.act_with(id, Action::UpdatePrice, |row| {
            swap(row);
            row.anchor = now;
            row.period = Period { start: now, end };
            if row.cancel_at_period_end {
                row.cancel_at = Some(end);
            }
        })?;
        self.await_period_end(id);
        self.agenda.insert((end, Due::CancelAt(id.to_owned())));
        let lines = credit.into_iter().chain(self.lines_of(id, false)).collect();
        self.bill_now(id, Period { start: now, end }, lines)
    }

    /// What is due now is paid for now.
    fn bill_now(&mut self, id: &str, period: Period, lines: Vec<Line>) -> StripeResult<()> {
        if self.subscription(id)?.status == Status::Unpaid {
            return Ok(());
        }
        let pause = self.subscription(id)?.pause_collection;
        let invoice = self.draw_up(id, BillingReason::Update, period, lines, pause.is_none());
        self.act_with(id, Action::UpdatePrice, |row| row.latest_invoice = Some(invoice.clone()))?;
        if let Some((behavior, _)) = pause {
            self.put_aside(&invoice, behavior);
            return Ok(());
        }
        self.finalize(&invoice);
        if self.sends_invoices(id) {
            self.send(&invoice);
            return Ok(());
        }
        // A refused card makes the subscription past due; the update itself stands.
        let _ = self.collect(&invoice, true, Action::RenewalPaid, Some(Action::RenewalFails));
        Ok(())
    }

    /// `POST /v1/subscriptions/{id}` with metadata. Events: `customer.subscription.updated`.
    ///
    /// # Errors
    /// No such subscription; an expired one.
    pub fn set_metadata(&mut self, id: &str, metadata: &Metadata) -> StripeResult<()> {
        self.act_with(id, Action::UpdateMetadata, |row| merge(&mut row.metadata, metadata))?;
        Ok(())
    }

    /// Cancels now, or plans it. Events: `customer.subscription.deleted` or `.updated`.
    /// <https://docs.stripe.com/billing/subscriptions/cancel>
    ///
    /// # Errors
    /// No such subscription, or a final one; a time that has passed; for a planned
    /// cancellation also an incomplete one.
    pub fn cancel(&mut self, id: &str, when: When) -> StripeResult<()> {
        let (now, end) = (self.now, self.subscription(id)?.period.end);
        let (at, with_period) = match when {
            When::Now => return self.act(id, Action::CancelNow).map(drop),
            When::PeriodEnd => (end, true),
            When::PeriodEndInPortal => (end, false),
            When::At(time) if time <= now => {
                let message = "cancel_at must be in the future";
                return Err(StripeError::bad_parameter("cancel_at", message));
            }
            When::At(time) => (whole_seconds(time), false),
        };
        let action = if with_period { Action::SetCancelAtPeriodEnd } else { Action::SetCancelAt };
        self.act_with(id, action, |row| {
            row.cancel_at = Some(at);
            row.cancel_at_period_end = with_period;
            row.canceled_at = Some(now);
            row.cancel_reason = Some("cancellation_requested");
        })?;
        self.agenda.insert((at, Due::CancelAt(id.to_owned())));
        Ok(())
    }

    /// Takes a planned cancellation back. Events: `customer.subscription.updated`.
    ///
    /// # Errors
    /// No such subscription; a final or incomplete one.
    pub fn keep(&mut self, id: &str) -> StripeResult<()> {
        self.act_with(id, Action::ClearCancel, |row| {
            row.cancel_at = None;
            row.cancel_at_period_end = false;
            row.canceled_at = None;
            row.cancel_reason = None;
        })?;
        Ok(())
    }

    /// Pauses or continues collection; the status stays.
    /// <https://docs.stripe.com/billing/subscriptions/pause-payment>.
    /// Events: `customer.subscription.updated`.
    ///
    /// # Errors
    /// No such subscription; a final or incomplete one.
    pub fn pause_collection(
        &mut self,
        id: &str,
        pause: Option<(PauseBehavior, Option<Timestamp>)>,
    ) -> StripeResult<()> {
        let action =
            if pause.is_some() { Action::PauseCollection } else { Action::UnpauseCollection };
        self.act_with(id, action, |row| row.pause_collection = pause)?;
        if let Some((_, Some(until))) = pause {
            self.agenda.insert((until, Due::CollectionResumes(id.to_owned())));
        }
        Ok(())
    }

    /// `POST /v1/subscriptions/{id}/resume` with `billing_cycle_anchor=now`: a new period
    /// begins, and its invoice is paid or makes the subscription past due.
    /// <https://docs.stripe.com/api/subscriptions/resume>. Events: those of an invoice,
    /// `customer.subscription.updated`, `customer.subscription.resumed`.
    ///
    /// # Errors
    /// No such subscription; one that is not paused.
    pub fn resume(&mut self, id: &str) -> StripeResult<()> {
        let row = self.subscription(id)?;
        if let Cell::Refused(refusal) = cell(row.status, Action::ResumePaid) {
            return Err(refusal.error(id));
        }
        let now = self.now;
        let price = row.items.first().and_then(|item| self.prices.get(&item.price)).cloned();
        let price = price.ok_or_else(|| StripeError::invalid("the subscription has no price"))?;
        let period = Period { start: now, end: period_after(now, &price, now) };
        let lines = self.lines_of(id, false);
        let invoice = self.draw_up(id, BillingReason::Update, period, lines, true);
        self.finalize(&invoice);
        let paid = self.attempt(&invoice, true).is_ok();
        let action = if paid { Action::ResumePaid } else { Action::ResumeFails };
        self.act_with(id, action, |row| {
            row.anchor = now;
            row.period = period;
            row.latest_invoice = Some(invoice);
        })?;
        self.await_period_end(id);
        Ok(())
    }
}
