//! Subscriptions: how they begin, step from status to status, and end.
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

use super::error::{StripeError, StripeResult};
use super::lines::total;
use super::model::{
    BillingReason, Due, Interval, InvoiceStatus, Item, Period, Price, Subscription,
    SubscriptionData,
};
use super::state::Stripe;
use super::transitions::{Action, Cell, Status, cell};

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
        let item = |price: &&str| ((*price).to_owned(), self.one_of(price));
        let items: Vec<_> = prices.iter().map(item).collect();
        self.begin_subscription(customer, &items, data, FirstPayment::Now)
    }

    pub(super) fn begin_subscription(
        &mut self,
        customer: &str,
        items: &[(String, Option<i64>)],
        data: SubscriptionData,
        payment: FirstPayment,
    ) -> StripeResult<String> {
        self.in_time_of(customer, |stripe| stripe.begin(customer, items, data, payment))
    }

    fn begin(
        &mut self,
        customer: &str,
        items: &[(String, Option<i64>)],
        data: SubscriptionData,
        payment: FirstPayment,
    ) -> StripeResult<String> {
        let (first, _) = items.first().ok_or_else(|| StripeError::missing_parameter("items"))?;
        for (price, _) in items {
            let found = self.prices.get(price);
            found.ok_or_else(|| StripeError::no_such("price", price, "items[0][price]"))?;
        }
        let price = self.price(first)?;
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
            status: match (trial, data.days_until_due) {
                (Some(_), _) => Status::Trialing,
                (None, Some(_)) => Status::Active,
                (None, None) => Status::Incomplete,
            },
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
            schedule: None,
            pending: Vec::new(),
            days_until_due: data.days_until_due,
        };
        self.subscriptions.insert(&id, subscription);
        if let Some(row) = self.customers.get_mut(customer) {
            row.subscriptions.push(id.clone());
        }
        match trial {
            Some(trial) => self.begin_trial(&id, trial),
            None if data.days_until_due.is_some() => self.begin_sending(&id, period),
            None => self.begin_paying(&id, period, payment),
        }
        Ok(id)
    }

    fn begin_trial(&mut self, id: &str, trial: Period) {
        let lines = self.lines_of(id, true);
        let invoice = self.draw_up(id, BillingReason::Create, trial, lines, true);
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
        let lines = self.lines_of(id, false);
        let invoice = self.draw_up(id, BillingReason::Create, period, lines, true);
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
        total(&self.lines_of(id, false))
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
}

/// The end of the period that holds `now`, in periods counted from `anchor` by the
/// calendar in UTC: a month after 31 January is 28 or 29 February, two months after it
/// is 31 March. <https://docs.stripe.com/billing/subscriptions/billing-cycle>
pub(super) fn period_after(anchor: Timestamp, price: &Price, now: Timestamp) -> Timestamp {
    let start = anchor.to_zoned(TimeZone::UTC);
    let span = |periods: i64| {
        let count = periods * price.interval_count;
        match price.interval {
            Interval::Day => Span::new().days(count),
            Interval::Week => Span::new().weeks(count),
            Interval::Month => Span::new().months(count),
            Interval::Year => Span::new().years(count),
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
