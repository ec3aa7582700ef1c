//! Subscriptions and their invoices, as shown.

use serde_json::{Value, json};

use super::{join, list, unix};
use crate::stripe::model::{Invoice, InvoiceStatus, Item, Line, Period, Subscription};
use crate::stripe::state::Stripe;

/// Fields of an invoice that are null while no feature uses them.
#[rustfmt::skip]
const UNUSED_IN_INVOICES: [&str; 24] = [
    "account_name", "account_tax_ids", "application", "automatically_finalizes_at",
    "custom_fields", "customer_account", "customer_address", "customer_phone",
    "customer_shipping", "default_payment_method", "default_source", "description",
    "footer", "from_invoice", "invoice_pdf",
    "last_finalization_error", "latest_revision", "number", "on_behalf_of",
    "receipt_number", "rendering", "shipping_cost", "shipping_details",
    "statement_descriptor",
];

/// <https://docs.stripe.com/billing/collection-method>
fn collection_method(sends_invoices: bool) -> &'static str {
    if sends_invoices { "send_invoice" } else { "charge_automatically" }
}

fn nulls(fields: &[&str]) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), Value::Null)).collect()
}

impl Stripe {
    /// <https://docs.stripe.com/api/subscription_items/object>
    fn show_item(&self, subscription: &Subscription, item: &Item) -> Value {
        let price = self.prices.get(&item.price);
        let mut shown = json!({
            "id": item.id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": item.created.as_second(),
            "current_period_end": subscription.period.end.as_second(),
            "current_period_start": subscription.period.start.as_second(),
            "discounts": [],
            "metadata": {},
            "plan": price.map(|price| self.show_plan(price)),
            "price": price.map(|price| self.show_price(price)),
            "subscription": subscription.id,
            "tax_rates": [],
        });
        if let Some(quantity) = item.quantity {
            shown["quantity"] = json!(quantity);
        }
        shown
    }

    /// As the API shows a subscription. <https://docs.stripe.com/api/subscriptions/object>
    pub fn show_subscription(&self, subscription: &Subscription) -> Value {
        let items = subscription.items.iter().map(|i| self.show_item(subscription, i));
        let items_url = format!("/v1/subscription_items?subscription={}", subscription.id);
        let mut items = list(&items_url, items, false);
        items["total_count"] = json!(subscription.items.len());
        let (trial_start, trial_end) = subscription.trial.map(|t| (t.start, t.end)).unzip();
        let unused = json!({
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
            "billing_cycle_anchor_config": null,
            "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible" },
            "billing_schedules": [],
            "billing_thresholds": null,
            "customer_account": null,
            "default_payment_method": null,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "payment_settings": {
                "payment_method_options": null, "payment_method_types": null,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": null,
            "transfer_data": null,
        });
        let shown = json!({
            "id": subscription.id,
            "object": "subscription",
            "billing_cycle_anchor": subscription.anchor.as_second(),
            "cancel_at": unix(subscription.cancel_at),
            "cancel_at_period_end": subscription.cancel_at_period_end,
            "canceled_at": unix(subscription.canceled_at),
            "cancellation_details": {
                "comment": null, "feedback": null, "reason": subscription.cancel_reason,
            },
            "collection_method": collection_method(subscription.days_until_due.is_some()),
            "created": subscription.created.as_second(),
            "currency": self.currency_of(&subscription.id),
            "customer": subscription.customer,
            "days_until_due": subscription.days_until_due,
            "ended_at": unix(subscription.ended_at),
            "items": items,
            "latest_invoice": subscription.latest_invoice,
            "livemode": self.settings.livemode,
            "metadata": subscription.metadata,
            "pause_collection": subscription.pause_collection.map(|(behavior, resumes_at)| json!({
                "behavior": behavior.as_str(), "resumes_at": unix(resumes_at),
            })),
            "schedule": subscription.schedule.as_ref().map(|schedule| &schedule.id),
            "start_date": subscription.created.as_second(),
            "status": subscription.status.as_str(),
            "test_clock": self.clock_of(&subscription.customer),
            "trial_end": unix(trial_end),
            "trial_settings": { "end_behavior": {
                "missing_payment_method": subscription.missing_payment_method.as_str(),
            } },
            "trial_start": unix(trial_start),
        });
        join(shown, unused)
    }

    /// The page on which an invoice can be seen and paid, once it is finalized.
    pub fn invoice_url(&self, invoice: &Invoice) -> Option<String> {
        invoice.finalized_at.map(|_| format!("{}/invoice/{}", self.settings.base_url, invoice.id))
    }

    /// <https://docs.stripe.com/api/invoices/object>
    pub(in crate::stripe) fn show_invoice(&self, invoice: &Invoice) -> Value {
        let paid = invoice.status == InvoiceStatus::Paid;
        let due = invoice.due();
        let lines = invoice.lines.iter().map(|line| self.show_line(invoice, line));
        let customer = self.customers.get(&invoice.customer);
        let unused = json!({
            "account_country": "US",
            "amount_overpaid": 0,
            "amount_shipping": 0,
            "automatic_tax": {
                "disabled_reason": null, "enabled": false, "liability": null, "provider": null,
                "status": null,
            },
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_tax_rates": [],
            "discounts": [],
            "issuer": { "type": "self" },
            "metadata": {},
            "payment_settings": {
                "default_mandate": null, "payment_method_options": null,
                "payment_method_types": null,
            },
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "total_discount_amounts": [],
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
        });
        let shown = json!({
            "id": invoice.id,
            "object": "invoice",
            "amount_due": due,
            "amount_paid": if paid { due } else { 0 },
            "amount_remaining": if paid { 0 } else { due },
            "attempt_count": invoice.attempt_count,
            "attempted": invoice.attempt_count > 0 || paid,
            "auto_advance": invoice.auto_advance,
            "billing_reason": invoice.reason.as_str(),
            "collection_method": collection_method(self.sends_invoices(&invoice.subscription)),
            "created": invoice.created.as_second(),
            "currency": invoice.currency,
            "customer": invoice.customer,
            "customer_email": customer.and_then(|c| c.email.as_ref()),
            "customer_name": customer.and_then(|c| c.name.as_ref()),
            "due_date": unix(invoice.due_date),
            "effective_at": unix(invoice.finalized_at),
            "ending_balance":
                invoice.finalized_at.map(|_| invoice.starting_balance + invoice.from_balance),
            "hosted_invoice_url": self.invoice_url(invoice),
            "lines": list(&format!("/v1/invoices/{}/lines", invoice.id), lines, false),
            "livemode": self.settings.livemode,
            "next_payment_attempt": unix(invoice.next_payment_attempt),
            "parent": {
                "quote_details": null,
                "subscription_details": {
                    "metadata": invoice.metadata, "subscription": invoice.subscription,
                },
                "type": "subscription_details",
            },
            "period_end": invoice.period.start.as_second(),
            "period_start": invoice.period.start.as_second(),
            "starting_balance": invoice.starting_balance,
            "status": invoice.status.as_str(),
            "status_transitions": {
                "finalized_at": unix(invoice.finalized_at),
                "marked_uncollectible_at": unix(invoice.uncollectible_at),
                "paid_at": unix(invoice.paid_at),
                "voided_at": unix(invoice.voided_at),
            },
            "test_clock": self.clock_of(&invoice.customer),
            "subtotal": invoice.amount,
            "subtotal_excluding_tax": invoice.amount,
            "total": invoice.amount,
            "total_excluding_tax": invoice.amount,
            "webhooks_delivered_at": invoice.created.as_second(),
        });
        join(join(shown, unused), nulls(&UNUSED_IN_INVOICES))
    }

    fn show_line(&self, invoice: &Invoice, line: &Line) -> Value {
        let Period { start, end } = invoice.period;
        let quantity = line.quantity.unwrap_or(0);
        let product = self.prices.get(&line.price).map(|price| &price.product);
        json!({
            "id": line.item.replace("si_", if line.proration { "il_2" } else { "il_1" }),
            "object": "line_item",
            "amount": line.amount,
            "currency": invoice.currency,
            "description": null,
            "discount_amounts": [],
            "discountable": true,
            "discounts": [],
            "invoice": invoice.id,
            "livemode": self.settings.livemode,
            "metadata": invoice.metadata,
            "parent": {
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null, "proration": line.proration, "proration_details": null,
                    "subscription": invoice.subscription, "subscription_item": line.item,
                },
                "type": "subscription_item_details",
            },
            "period": { "end": end.as_second(), "start": start.as_second() },
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": { "price": line.price, "product": product },
                "type": "price_details",
                "unit_amount_decimal": self.amount_of(&line.price).to_string(),
            },
            "quantity": quantity,
            "subtotal": line.amount,
            "taxes": [],
        })
    }

    /// The currency of a subscription: that of its first price.
    pub(in crate::stripe) fn currency_of(&self, subscription: &str) -> String {
        let items = self.subscriptions.get(subscription).map(|row| &row.items);
        let price = items.and_then(|items| self.prices.get(&items.first()?.price));
        price.map_or_else(|| "usd".to_owned(), |price| price.currency.clone())
    }

    /// What one unit of a price costs.
    pub(in crate::stripe) fn amount_of(&self, price: &str) -> i64 {
        self.prices.get(price).map_or(0, |price| price.unit_amount)
    }
}
