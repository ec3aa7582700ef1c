//! Subscriptions: how they begin, change and end.
//!
//! The status after each act is read from [`transitions`](super::transitions); here
//! stand periods, dates and the events.
//!
//! Events of a new subscription (<https://docs.stripe.com/billing/subscriptions/webhooks>):
//! `invoice.created`, `invoice.finalized`, `customer.subscription.created` (incomplete),
//! those of the payment ([`billing`](super::billing)), `customer.subscription.updated`
//! (active). With a trial: `customer.subscription.created` (trialing), then an invoice of
//! zero, created, finalized and paid. Stripe promises no order.

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde_json::json;

use super::clockwork::Due;
use super::customers::merge;
use super::error::{StripeError, StripeResult};
use super::model::{
    BillingReason, InvoiceStatus, Item, Metadata, PauseBehavior, Period, Price, Subscription,
    SubscriptionData,
};
use super::state::Stripe;
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

/// When the first invoice's payment is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstPayment {
    Now,
    Later,
}

/// How long a first invoice can be paid.
/// <https://docs.stripe.com/billing/subscriptions/overview#payment-window>
pub const FIRST_PAYMENT_WINDOW: SignedDuration = SignedDuration::from_hours(23);

/// How long before its end a trial is announced.
/// <https://docs.stripe.com/billing/subscriptions/webhooks>
pub const TRIAL_NOTICE: SignedDuration = SignedDuration::from_hours(72);

impl Stripe {
    /// A subscription that somebody else's code made with `POST /v1/subscriptions`: no
    /// session, `payment_behavior=allow_incomplete`.
    ///
    /// # Errors
    /// No such customer or price.
    pub fn subscribe(
        &mut self,
        customer: &str,
        prices: &[&str],
        data: SubscriptionData,
    ) -> StripeResult<String> {
        self.live_customer(customer)?;
        let items: Vec<_> = prices.iter().map(|price| ((*price).to_owned(), 1)).collect();
        self.begin_subscription(customer, &items, data, FirstPayment::Now)
    }

    pub(super) fn begin_subscription(
        &mut self,
        customer: &str,
        items: &[(String, i64)],
        data: SubscriptionData,
        payment: FirstPayment,
    ) -> StripeResult<String> {
        let first = items.first().ok_or_else(|| StripeError::missing_parameter("items"))?;
        let price = self.prices.get(&first.0);
        let price =
            price.ok_or_else(|| StripeError::no_such("price", &first.0, "items[0][price]"))?;
        let period = Period { start: self.now, end: period_after(self.now, price, self.now) };
        let trial = (data.trial_period_days > 0).then(|| Period {
            start: self.now,
            end: self.now + SignedDuration::from_hours(24 * data.trial_period_days),
        });
        let items = items
            .iter()
            .map(|(price, quantity)| Item {
                id: self.mint("si_"),
                created: self.now,
                price: price.clone(),
                quantity: *quantity,
            })
            .collect();
        let id = self.mint("sub_1");
        let subscription = Subscription {
            id: id.clone(),
            created: self.now,
            customer: customer.to_owned(),
            status: if trial.is_some() { Status::Trialing } else { Status::Incomplete },
            metadata: data.metadata,
            items,
            period: trial.unwrap_or(period),
            anchor: trial.map_or(self.now, |trial| trial.end),
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            cancel_reason: None,
            pause_collection: None,
            trial,
            missing_payment_method: data.missing_payment_method,
            latest_invoice: None,
            invoices: Vec::new(),
            pending_amount: 0,
        };
        self.subscriptions.insert(&id, subscription);
        if let Some(row) = self.customers.get_mut(customer) {
            row.subscriptions.push(id.clone());
        }
        match trial {
            Some(trial) => self.begin_trial(&id, trial),
            None => self.begin_paying(&id, period, payment),
        }
        Ok(id)
    }

    fn begin_trial(&mut self, id: &str, trial: Period) {
        let invoice = self.draw_up(id, BillingReason::Create, trial, 0, true);
        self.set_latest(id, &invoice);
        self.tell("customer.subscription.created", id);
        self.finalize(&invoice);
        // Nothing is due, so nothing can fail.
        let _ = self.attempt(&invoice, true);
        self.agenda.insert((trial.end, Due::TrialEnd(id.to_owned())));
        let notice = (trial.end - TRIAL_NOTICE).max(self.now);
        self.agenda.insert((notice, Due::TrialWillEnd(id.to_owned())));
    }

    fn begin_paying(&mut self, id: &str, period: Period, payment: FirstPayment) {
        let amount = self.period_amount(id);
        let invoice = self.draw_up(id, BillingReason::Create, period, amount, true);
        self.set_latest(id, &invoice);
        self.finalize(&invoice);
        self.tell("customer.subscription.created", id);
        let expiry = self.now + FIRST_PAYMENT_WINDOW;
        self.agenda.insert((expiry, Due::FirstPaymentExpiry(id.to_owned())));
        self.await_period_end(id);
        if payment == FirstPayment::Now {
            // A refused card is no error of the request: the subscription is incomplete.
            let _ = self.collect(
                &invoice,
                true,
                Action::FirstPaymentSucceeds,
                Some(Action::FirstPaymentFails),
            );
        }
    }

    /// What a period costs.
    pub(super) fn period_amount(&self, id: &str) -> i64 {
        let items = self.subscriptions.get(id).map_or(&[][..], |s| &s.items);
        items.iter().map(|item| self.amount_of(&item.price) * item.quantity).sum()
    }

    /// Puts the end of the current period, and its announcement, on the agenda.
    pub(super) fn await_period_end(&mut self, id: &str) {
        let Some(end) = self.subscriptions.get(id).map(|s| s.period.end) else { return };
        self.agenda.insert((end, Due::PeriodEnd(id.to_owned())));
        let notice = end - SignedDuration::from_hours(72);
        if notice > self.now {
            self.agenda.insert((notice, Due::Upcoming(id.to_owned())));
        }
    }

    /// Does what the table says, and nothing else.
    pub(super) fn act(&mut self, id: &str, action: Action) -> StripeResult<Status> {
        self.act_with(id, action, |_| {})
    }

    /// Does what the table says, with other changes in the same event. Where the table
    /// says that this never happens, nothing does.
    pub(super) fn act_with(
        &mut self,
        id: &str,
        action: Action,
        mutate: impl FnOnce(&mut Subscription),
    ) -> StripeResult<Status> {
        let status = self.subscription(id)?.status;
        match cell(status, action) {
            Cell::Never => Ok(status),
            Cell::Refused(refusal) => Err(refusal.error(id)),
            Cell::To(Status::Canceled) if status != Status::Canceled => {
                self.end(id, action, mutate);
                Ok(Status::Canceled)
            }
            Cell::To(next) => {
                self.enter(id, status, next, mutate);
                Ok(next)
            }
        }
    }

    /// Into a status that is not the end. Events: `customer.subscription.updated` when
    /// anything shows, and `.paused` or `.resumed`.
    fn enter(
        &mut self,
        id: &str,
        from: Status,
        to: Status,
        mutate: impl FnOnce(&mut Subscription),
    ) {
        let now = self.now;
        self.change("customer.subscription.updated", id, |stripe| {
            let Some(row) = stripe.subscriptions.get_mut(id) else { return };
            mutate(row);
            row.status = to;
            if to == Status::IncompleteExpired {
                row.canceled_at = Some(now);
                row.ended_at = Some(now);
            }
        });
        match (from, to) {
            (Status::Incomplete, Status::IncompleteExpired) => self.void_first_invoice(id),
            (Status::Trialing, Status::Paused) => self.tell("customer.subscription.paused", id),
            (Status::Paused, Status::Active | Status::PastDue) => {
                self.tell("customer.subscription.resumed", id);
            }
            (_, Status::Unpaid) if from != Status::Unpaid => self.stop_collecting(id),
            _ => {}
        }
    }

    /// The end. Events: `customer.subscription.deleted`.
    fn end(&mut self, id: &str, action: Action, mutate: impl FnOnce(&mut Subscription)) {
        let now = self.now;
        let reason = match action {
            Action::CancelNow => Some("cancellation_requested"),
            Action::RetriesExhaustedCancel => Some("payment_failed"),
            _ => None,
        };
        if let Some(row) = self.subscriptions.get_mut(id) {
            mutate(row);
            row.status = Status::Canceled;
            row.canceled_at = row.canceled_at.or(Some(now));
            row.ended_at = Some(now);
            row.cancel_reason = reason.or(row.cancel_reason);
        }
        self.stop_collecting(id);
        self.tell("customer.subscription.deleted", id);
    }

    /// What is owed stays owed, but Stripe asks for it no more.
    fn stop_collecting(&mut self, id: &str) {
        let invoices = self.subscriptions.get(id).map_or(Vec::new(), |s| s.invoices.clone());
        for invoice in invoices {
            self.change("invoice.updated", &invoice, |stripe| {
                let row = stripe.invoices.get_mut(&invoice);
                let pending = |s| matches!(s, InvoiceStatus::Draft | InvoiceStatus::Open);
                if let Some(row) = row.filter(|row| pending(row.status)) {
                    row.auto_advance = false;
                    row.next_payment_attempt = None;
                }
            });
        }
    }

    /// `POST /v1/subscriptions/{id}` with another price for its first item. Events:
    /// `invoiceitem.created` for each proration and `customer.subscription.updated` with
    /// the old items; when the interval changes, a new period begins at once, with an
    /// invoice. <https://docs.stripe.com/billing/subscriptions/change-price>,
    /// <https://docs.stripe.com/billing/subscriptions/prorations>
    ///
    /// # Errors
    /// No such subscription, item or price; a final or incomplete subscription.
    pub fn change_price(&mut self, id: &str, price: &str) -> StripeResult<()> {
        let first = self.subscription(id)?.items.first().map(|item| item.id.clone());
        let first = first.ok_or_else(|| StripeError::invalid("the subscription has no item"))?;
        self.change_item(id, &first, price)
    }

    /// As [`change_price`](Self::change_price), for any of its items.
    ///
    /// # Errors
    /// As for `change_price`.
    pub fn change_item(&mut self, id: &str, item: &str, price: &str) -> StripeResult<()> {
        let row = self.subscription(id)?;
        if let Cell::Refused(refusal) = cell(row.status, Action::UpdatePrice) {
            return Err(refusal.error(id));
        }
        let (status, period) = (row.status, row.period);
        let old = row.items.iter().find(|i| i.id == item).map(|i| i.price.clone());
        let old =
            old.ok_or_else(|| StripeError::no_such("subscription_item", item, "items[0][id]"))?;
        let new = self.prices.get(price);
        let new =
            new.ok_or_else(|| StripeError::no_such("price", price, "items[0][price]"))?.clone();
        let same = self.prices.get(&old).is_some_and(|old| {
            (old.interval, old.interval_count) == (new.interval, new.interval_count)
        });
        let credit = prorated(self.amount_of(&old), period, self.now);
        let item = item.to_owned();
        let swap = move |row: &mut Subscription| {
            for line in row.items.iter_mut().filter(|line| line.id == item) {
                line.price.clone_from(&new.id);
            }
        };
        if status == Status::Trialing || status == Status::Paused {
            return self.act_with(id, Action::UpdatePrice, swap).map(drop);
        }
        if same {
            let debit = prorated(self.amount_of(price), period, self.now);
            self.prorate(id, debit - credit, &[-credit, debit]);
            return self.act_with(id, Action::UpdatePrice, swap).map(drop);
        }
        self.begin_new_cycle(id, price, -credit, swap)
    }

    /// Proration items wait for the next invoice.
    fn prorate(&mut self, id: &str, total: i64, amounts: &[i64]) {
        for amount in amounts {
            let item = json!({
                "id": self.mint("ii_1"),
                "object": "invoiceitem",
                "amount": amount,
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
            row.pending_amount += total;
        }
    }

    /// Another interval: the period begins anew, and is paid for now.
    fn begin_new_cycle(
        &mut self,
        id: &str,
        price: &str,
        credit: i64,
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
        if self.subscription(id)?.status == Status::Unpaid {
            return Ok(());
        }
        let amount = (self.period_amount(id) + credit).max(0);
        let pause = self.subscription(id)?.pause_collection;
        let period = Period { start: now, end };
        let invoice = self.draw_up(id, BillingReason::Update, period, amount, pause.is_none());
        self.act_with(id, Action::UpdatePrice, |row| row.latest_invoice = Some(invoice.clone()))?;
        if let Some((behavior, _)) = pause {
            self.put_aside(&invoice, behavior);
            return Ok(());
        }
        self.finalize(&invoice);
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
            When::At(time) => (super::state::whole_seconds(time), false),
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
        let amount = self.period_amount(id);
        let invoice = self.draw_up(id, BillingReason::Update, period, amount, true);
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

/// The end of the period that holds `now`, in periods counted from `anchor` by the
/// calendar in UTC: a month after 31 January is 28 or 29 February, two months after it
/// is 31 March. <https://docs.stripe.com/billing/subscriptions/billing-cycle>
pub(super) fn period_after(anchor: Timestamp, price: &Price, now: Timestamp) -> Timestamp {
    let start = anchor.to_zoned(TimeZone::UTC);
    let span = |periods: i64| {
        let count = periods * price.interval_count;
        match price.interval {
            super::model::Interval::Day => Span::new().days(count),
            super::model::Interval::Week => Span::new().weeks(count),
            super::model::Interval::Month => Span::new().months(count),
            super::model::Interval::Year => Span::new().years(count),
        }
    };
    (1..)
        .map(|periods| {
            let end = start.checked_add(span(periods));
            end.expect("periods are years, not millennia").timestamp()
        })
        .find(|end| *end > now)
        .expect("periods go on without end")
}

/// The part of an amount that the rest of a period is worth.
fn prorated(amount: i64, period: Period, now: Timestamp) -> i64 {
    let whole = period.end.as_second() - period.start.as_second();
    let rest = period.end.as_second() - now.as_second();
    if whole <= 0 { 0 } else { amount * rest / whole }
}
