//! Invoices and their payment.
//!
//! Events (<https://docs.stripe.com/billing/subscriptions/webhooks>,
//! <https://docs.stripe.com/invoicing/integration/workflow-transitions>):
//! - drawn up: `invoice.created`; finalized: `invoice.finalized`
//! - paid: `charge.succeeded`, `payment_intent.succeeded`, `invoice.updated`,
//!   `invoice.paid`, `invoice.payment_succeeded`
//! - failed: `charge.failed`, `payment_intent.payment_failed`, `invoice.updated`,
//!   `invoice.payment_failed`; waiting for the customer: `payment_intent.requires_action`,
//!   `invoice.updated`, `invoice.payment_action_required`, `invoice.payment_failed`
//! - then `customer.updated` when the customer became delinquent or ceased to be, and the
//!   subscription's own event.

use serde_json::{Value, json};

use super::error::{StripeError, StripeResult};
use super::lines::total;
use super::model::{
    BillingReason, Card, Charge, Due, Invoice, InvoiceStatus, Line, PauseBehavior, Period,
    WhenExhausted,
};
use super::state::Stripe;
use super::transitions::{Action, Refusal, Status};

impl Stripe {
    /// Draws up a subscription's invoice for a period. It becomes the subscription's latest
    /// when the caller says so, for that shows in an event of its own.
    pub(super) fn draw_up(
        &mut self,
        subscription: &str,
        reason: BillingReason,
        period: Period,
        lines: Vec<Line>,
        auto_advance: bool,
    ) -> String {
        let id = self.mint("in_1");
        let currency = self.currency_of(subscription);
        let now = self.now;
        let Some(row) = self.subscriptions.get_mut(subscription) else { return id };
        row.invoices.push(id.clone());
        let invoice = Invoice {
            id: id.clone(),
            created: now,
            customer: row.customer.clone(),
            subscription: subscription.to_owned(),
            metadata: row.metadata.clone(),
            amount: total(&lines),
            lines,
            period,
            reason,
            status: InvoiceStatus::Draft,
            starting_balance: 0,
            from_balance: 0,
            currency,
            due_date: None,
            auto_advance,
            attempt_count: 0,
            next_payment_attempt: None,
            finalized_at: None,
            paid_at: None,
            voided_at: None,
            uncollectible_at: None,
            charge: None,
        };
        self.invoices.insert(&id, invoice);
        self.tell("invoice.created", &id);
        id
    }

    /// Makes an invoice the latest, where another event will show it.
    pub(super) fn set_latest(&mut self, subscription: &str, invoice: &str) {
        if let Some(row) = self.subscriptions.get_mut(subscription) {
            row.latest_invoice = Some(invoice.to_owned());
        }
    }

    /// The customer's balance pays first.
    pub(super) fn finalize(&mut self, id: &str) {
        let now = self.now;
        let Some(invoice) = self.invoices.get(id).cloned() else { return };
        let due_date = self.due_date(&invoice.subscription);
        let customer = self.customers.get_mut(&invoice.customer);
        let mut starting_balance = 0;
        let mut from_balance = 0;
        if let Some(customer) = customer {
            starting_balance = customer.balance;
            from_balance = invoice.amount.min(-customer.balance).max(0);
            customer.balance += from_balance;
        }
        if let Some(row) = self.invoices.get_mut(id) {
            row.status = InvoiceStatus::Open;
            row.finalized_at = Some(now);
            row.due_date = due_date;
            (row.starting_balance, row.from_balance) = (starting_balance, from_balance);
        }
        self.tell("invoice.finalized", id);
    }

    /// While collection is paused, a new invoice is put aside.
    pub(super) fn put_aside(&mut self, id: &str, behavior: PauseBehavior) {
        let now = self.now;
        match behavior {
            PauseBehavior::KeepAsDraft => {}
            PauseBehavior::MarkUncollectible => {
                self.finalize(id);
                if let Some(row) = self.invoices.get_mut(id) {
                    row.status = InvoiceStatus::Uncollectible;
                    row.uncollectible_at = Some(now);
                }
                self.tell("invoice.marked_uncollectible", id);
            }
            PauseBehavior::Void => {
                self.finalize(id);
                self.void(id);
            }
        }
    }

    fn void(&mut self, id: &str) {
        let now = self.now;
        if let Some(row) = self.invoices.get_mut(id) {
            row.status = InvoiceStatus::Void;
            row.voided_at = Some(now);
            row.next_payment_attempt = None;
        }
        self.tell("invoice.voided", id);
    }

    /// An expired subscription's invoice is void.
    pub(super) fn void_first_invoice(&mut self, subscription: &str) {
        let invoice = self.subscriptions.get(subscription).and_then(|s| s.latest_invoice.clone());
        if let Some(invoice) = invoice {
            self.void(&invoice);
        }
    }

    /// Tries to pay an invoice and lets the subscription follow: with `paid` or `failed`
    /// if it is the latest invoice. Without `failed`, a failure changes nothing.
    ///
    /// # Errors
    /// The card's refusal.
    pub(super) fn collect(
        &mut self,
        id: &str,
        automatic: bool,
        paid: Action,
        failed: Option<Action>,
    ) -> StripeResult<()> {
        let outcome = self.attempt(id, automatic);
        let subscription = self.invoice(id)?.subscription.clone();
        let latest = self.decides(id);
        let action = if outcome.is_ok() { Some(paid) } else { failed };
        if let Some(action) = action.filter(|_| latest) {
            self.act(&subscription, action)?;
        }
        outcome
    }

    /// One attempt at payment; the subscription is not touched.
    ///
    /// # Errors
    /// The card's refusal.
    pub(super) fn attempt(&mut self, id: &str, automatic: bool) -> StripeResult<()> {
        let invoice = self.invoice(id)?.clone();
        let card = self.customers.get(&invoice.customer).and_then(|customer| customer.card);
        let failure = match card {
            _ if invoice.due() == 0 => None,
            Some(Card::Pays) => None,
            Some(Card::Declines) => Some(("card_declined", "Your card was declined.")),
            Some(Card::RequiresAction) => Some((
                "invoice_payment_intent_requires_action",
                "This invoice requires additional user action before it can be paid successfully.",
            )),
            None => Some((
                "missing_payment_method",
                "There is no payment method on file for this customer.",
            )),
        };
        match failure {
            None => {
                self.record_payment(&invoice);
                Ok(())
            }
            Some((code, message)) => {
                self.record_failure(&invoice, card, automatic);
                Err(StripeError::card(code, message))
            }
        }
    }

    fn record_payment(&mut self, invoice: &Invoice) {
        let now = self.now;
        let charge = (invoice.due() > 0).then(|| self.charge_for(invoice, None));
        if let Some(charge) = &charge {
            self.tell("charge.succeeded", charge);
            let intent = self.intent(invoice, "succeeded", Some(charge));
            self.emit("payment_intent.succeeded", intent);
        }
        self.change("invoice.updated", &invoice.id, |stripe| {
            let Some(row) = stripe.invoices.get_mut(&invoice.id) else { return };
            row.status = InvoiceStatus::Paid;
            row.paid_at = Some(now);
            row.next_payment_attempt = None;
            row.attempt_count += usize::from(charge.is_some());
            row.charge = charge;
        });
        self.tell("invoice.paid", &invoice.id);
        self.tell("invoice.payment_succeeded", &invoice.id);
        self.set_delinquent(&invoice.customer, false);
    }

    fn record_failure(&mut self, invoice: &Invoice, card: Option<Card>, automatic: bool) {
        let waits = card == Some(Card::RequiresAction);
        let declined = card == Some(Card::Declines);
        let charge = declined.then(|| self.charge_for(invoice, Some("card_declined")));
        if let Some(charge) = &charge {
            self.tell("charge.failed", charge);
            let intent = self.intent(invoice, "requires_payment_method", Some(charge));
            self.emit("payment_intent.payment_failed", intent);
        }
        if waits {
            let intent = self.intent(invoice, "requires_action", None);
            self.emit("payment_intent.requires_action", intent);
        }
        let next = self.next_attempt(invoice, automatic);
        self.change("invoice.updated", &invoice.id, |stripe| {
            let Some(row) = stripe.invoices.get_mut(&invoice.id) else { return };
            row.attempt_count += usize::from(automatic);
            row.next_payment_attempt = next;
            row.charge = charge.or(row.charge.take());
        });
        if let Some(next) = next {
            self.agenda.insert((next, Due::Retry(invoice.id.clone())));
        }
        if waits {
            self.tell("invoice.payment_action_required", &invoice.id);
        }
        self.tell("invoice.payment_failed", &invoice.id);
        self.set_delinquent(&invoice.customer, true);
    }

    /// The retry after this failure. A first invoice is not retried, and what the
    /// customer tries does not move the schedule.
    fn next_attempt(&self, invoice: &Invoice, automatic: bool) -> Option<jiff::Timestamp> {
        if !automatic {
            return invoice.next_payment_attempt;
        }
        if invoice.reason == BillingReason::Create || !invoice.auto_advance {
            return None;
        }
        self.settings.retries.get(invoice.attempt_count).map(|wait| self.now + *wait)
    }

    /// A retry is due. When it was the last, the account's setting decides.
    pub(super) fn retry(&mut self, id: &str) {
        let Ok(subscription) = self.invoice(id).map(|i| i.subscription.clone()) else { return };
        let last =
            self.invoices.get(id).is_some_and(|i| i.attempt_count >= self.settings.retries.len());
        let failed = match self.settings.when_exhausted {
            _ if !last => Action::RetryFails,
            WhenExhausted::Cancel => Action::RetriesExhaustedCancel,
            WhenExhausted::MarkUnpaid => Action::RetriesExhaustedUnpaid,
            WhenExhausted::LeavePastDue => Action::RetriesExhaustedLeave,
        };
        let paid = self.attempt(id, true).is_ok();
        let latest = self.decides(id);
        // Exhausted retries of any invoice end a subscription that is still past due.
        if latest || (last && !paid) {
            let _ = self.act(&subscription, if paid { Action::OpenInvoicePaid } else { failed });
        }
    }

    /// `POST /v1/invoices/{id}/pay`, or the customer on the hosted invoice page. A draft
    /// is finalized first. <https://docs.stripe.com/api/invoices/pay>
    ///
    /// # Errors
    /// No such invoice; it is paid or void; the card's refusal.
    pub fn pay_invoice(&mut self, id: &str) -> StripeResult<()> {
        let invoice = self.invoice(id)?;
        let status = self.subscription(&invoice.subscription)?.status;
        match invoice.status {
            InvoiceStatus::Paid => return Err(StripeError::invalid("Invoice is already paid")),
            InvoiceStatus::Void => return Err(Refusal::InvoiceVoid.error(id)),
            InvoiceStatus::Draft => self.finalize(id),
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => {}
        }
        if status == Status::Incomplete {
            let failed = Some(Action::FirstPaymentFails);
            return self.collect(id, false, Action::FirstPaymentSucceeds, failed);
        }
        self.collect(id, false, Action::OpenInvoicePaid, None)
    }

    /// Pays the latest invoice of a subscription.
    ///
    /// # Errors
    /// No such subscription, nothing to pay, or the card's refusal.
    pub fn pay_latest_invoice(&mut self, subscription: &str) -> StripeResult<()> {
        let invoice = self.subscription(subscription)?.latest_invoice.clone();
        let invoice = invoice.ok_or_else(|| StripeError::invalid("there is no invoice"))?;
        self.pay_invoice(&invoice)
    }

    /// A card refused on the checkout page. The charge is told of when its customer is
    /// known; no invoice comes of it.
    pub(super) fn refuse_card(&mut self, session: &str, card: Card) -> StripeError {
        let customer = self.sessions.get(session).and_then(|s| s.customer.clone());
        if card == Card::RequiresAction {
            return StripeError::card(
                "authentication_required",
                "Your card was declined. This transaction requires authentication.",
            );
        }
        if let Some(customer) = customer {
            let id = self.mint("ch_3");
            let amount = self.sessions.get(session).map_or(0, |s| {
                let amount = |(price, quantity): &(String, Option<i64>)| {
                    self.amount_of(price) * quantity.unwrap_or(0)
                };
                s.line_items.iter().map(amount).sum()
            });
            let charge = Charge {
                id: id.clone(),
                created: self.now,
                customer,
                invoice: None,
                amount,
                amount_refunded: 0,
                currency: "usd".into(),
                failure: Some("card_declined"),
                disputed: false,
            };
            self.keep_charge(charge);
            self.tell("charge.failed", &id);
        }
        StripeError::card("card_declined", "Your card was declined.")
    }

    fn charge_for(&mut self, invoice: &Invoice, failure: Option<&'static str>) -> String {
        let id = self.mint("ch_3");
        let charge = Charge {
            id: id.clone(),
            created: self.now,
            customer: invoice.customer.clone(),
            invoice: Some(invoice.id.clone()),
            amount: invoice.due(),
            amount_refunded: 0,
            currency: invoice.currency.clone(),
            failure,
            disputed: false,
        };
        self.keep_charge(charge);
        id
    }

    fn keep_charge(&mut self, charge: Charge) {
        if let Some(customer) = self.customers.get_mut(&charge.customer) {
            customer.charges.push(charge.id.clone());
        }
        let id = charge.id.clone();
        self.charges.insert(&id, charge);
    }

    /// <https://docs.stripe.com/api/payment_intents/object>: as much as an event's reader
    /// may look at.
    pub(super) fn intent(&self, invoice: &Invoice, status: &str, charge: Option<&str>) -> Value {
        json!({
            "id": invoice.id.replace("in_", "pi_"),
            "object": "payment_intent",
            "amount": invoice.due(),
            "created": invoice.created.as_second(),
            "currency": invoice.currency,
            "customer": invoice.customer,
            "latest_charge": charge,
            "livemode": self.settings.livemode,
            "metadata": {},
            "status": status,
        })
    }
}
