//! How objects are shown: Stripe's newest API version, with every field that a
//! sensible consumer reads. Fields of features that the model does not have carry
//! the value that they have while unused.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{
    Charge, Customer, Dispute, Invoice, InvoiceStatus, Item, Period, Portal, Price, Product,
    Session, SessionStatus, Subscription, Warning,
};
use super::state::Stripe;

/// The API version of the shapes shown here.
pub const API_VERSION: &str = "2026-09-30.endive";

pub(super) fn unix(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| json!(time.as_second()))
}

/// A list object.
pub(super) fn list(url: &str, data: impl Iterator<Item = Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data.collect::<Value>(), "has_more": has_more, "url": url })
}

/// Fields of an invoice that are null while no feature uses them.
#[rustfmt::skip]
const UNUSED_IN_INVOICES: [&str; 27] = [
    "account_name", "account_tax_ids", "application", "automatically_finalizes_at",
    "custom_fields", "customer_account", "customer_address", "customer_phone",
    "customer_shipping", "default_payment_method", "default_source", "description",
    "due_date", "footer", "from_invoice", "hosted_invoice_url", "invoice_pdf",
    "last_finalization_error", "latest_revision", "number", "on_behalf_of",
    "receipt_number", "rendering", "shipping_cost", "shipping_details",
    "statement_descriptor", "test_clock",
];

fn nulls(fields: &[&str]) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), Value::Null)).collect()
}

/// One object of two; `unused` are the fields of features that the model does not have.
fn join(mut shown: Value, mut unused: Value) -> Value {
    if let (Some(shown), Some(unused)) = (shown.as_object_mut(), unused.as_object_mut()) {
        shown.append(unused);
    }
    shown
}

impl Stripe {
    /// Any object, by its id's prefix: what `expand` needs.
    pub(super) fn object(&self, id: &str) -> Option<Value> {
        let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
        match prefix {
            "cus" => self.customers.get(id).map(|c| self.show_customer(c)),
            "prod" => self.products.get(id).map(|p| self.show_product(p)),
            "price" => self.prices.get(id).map(|p| self.show_price(p)),
            "cs" => self.sessions.get(id).map(|s| self.show_session(s)),
            "sub" => self.subscriptions.get(id).map(|s| self.show_subscription(s)),
            "in" => self.invoices.get(id).map(|i| self.show_invoice(i)),
            "ch" => self.charges.get(id).map(|c| self.show_charge(c)),
            "dp" => self.disputes.get(id).map(|d| self.show_dispute(d)),
            "issfr" => self.warnings.get(id).map(|w| self.show_warning(w)),
            _ => None,
        }
    }

    /// <https://docs.stripe.com/api/customers/object>; deleted ones are a stub.
    pub(super) fn show_customer(&self, customer: &Customer) -> Value {
        if customer.deleted {
            return json!({ "id": customer.id, "object": "customer", "deleted": true });
        }
        json!({
            "id": customer.id,
            "object": "customer",
            "address": null,
            "balance": 0,
            "created": customer.created.as_second(),
            "currency": customer.subscriptions.first().map(|_| "usd"),
            "customer_account": null,
            "default_source": null,
            "delinquent": customer.delinquent,
            "description": null,
            "discount": null,
            "email": customer.email,
            "invoice_prefix": &customer.id[customer.id.len().saturating_sub(8)..],
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method":
                    customer.card.map(|_| customer.id.replace("cus_", "pm_1")),
                "footer": null,
                "rendering_options": null,
            },
            "livemode": self.settings.livemode,
            "metadata": customer.metadata,
            "name": customer.name,
            "next_invoice_sequence": 1,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }

    /// <https://docs.stripe.com/api/products/object>
    pub(super) fn show_product(&self, product: &Product) -> Value {
        json!({
            "id": product.id,
            "object": "product",
            "active": true,
            "created": product.created.as_second(),
            "default_price": null,
            "description": null,
            "images": [],
            "livemode": self.settings.livemode,
            "marketing_features": [],
            "metadata": product.metadata,
            "name": product.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "type": "service",
            "unit_label": null,
            "updated": product.created.as_second(),
            "url": null,
        })
    }

    /// <https://docs.stripe.com/api/prices/object>
    pub(super) fn show_price(&self, price: &Price) -> Value {
        json!({
            "id": price.id,
            "object": "price",
            "active": price.active,
            "billing_scheme": "per_unit",
            "created": price.created.as_second(),
            "currency": price.currency,
            "custom_unit_amount": null,
            "livemode": self.settings.livemode,
            "lookup_key": price.lookup_key,
            "metadata": price.metadata,
            "nickname": price.nickname,
            "product": price.product,
            "recurring": {
                "interval": price.interval.as_str(),
                "interval_count": price.interval_count,
                "meter": null,
                "trial_period_days": null,
                "usage_type": "licensed",
            },
            "tax_behavior": "unspecified",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": "recurring",
            "unit_amount": price.unit_amount,
            "unit_amount_decimal": price.unit_amount.to_string(),
        })
    }

    /// The `plan` that subscription items still show beside their price.
    pub(super) fn show_plan(&self, price: &Price) -> Value {
        json!({
            "id": price.id,
            "object": "plan",
            "active": price.active,
            "amount": price.unit_amount,
            "amount_decimal": price.unit_amount.to_string(),
            "billing_scheme": "per_unit",
            "created": price.created.as_second(),
            "currency": price.currency,
            "interval": price.interval.as_str(),
            "interval_count": price.interval_count,
            "livemode": self.settings.livemode,
            "metadata": price.metadata,
            "meter": null,
            "nickname": price.nickname,
            "product": price.product,
            "tiers_mode": null,
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        })
    }

    /// <https://docs.stripe.com/api/checkout/sessions/object>
    pub(super) fn show_session(&self, session: &Session) -> Value {
        let open = session.status == SessionStatus::Open;
        let total: i64 = session.line_items.iter().map(|(p, q)| self.amount_of(p) * q).sum();
        let due = if session.subscription_data.trial_period_days > 0 { 0 } else { total };
        let invoice = session
            .subscription
            .as_ref()
            .and_then(|id| self.subscriptions.get(id))
            .and_then(|subscription| subscription.latest_invoice.as_ref());
        let unused = json!({
            "adaptive_pricing": null,
            "after_expiration": null,
            "allow_promotion_codes": null,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": null,
            "client_secret": null,
            "collected_information": null,
            "consent": null,
            "consent_collection": null,
            "currency": "usd",
            "currency_conversion": null,
            "custom_fields": [],
            "custom_text": {
                "after_submit": null, "shipping_address": null, "submit": null,
                "terms_of_service_acceptance": null,
            },
            "customer_account": null,
            "discounts": [],
            "invoice_creation": null,
            "locale": null,
            "mode": "subscription",
            "origin_context": null,
            "payment_intent": null,
            "payment_method_configuration_details": null,
            "payment_method_options": {},
            "permissions": null,
            "phone_number_collection": { "enabled": false },
            "recovered_from": null,
            "saved_payment_method_options": null,
            "setup_intent": null,
            "shipping_address_collection": null,
            "shipping_cost": null,
            "shipping_options": [],
            "submit_type": null,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted",
            "wallet_options": null,
        });
        let shown = json!({
            "id": session.id,
            "object": "checkout.session",
            "amount_subtotal": due,
            "amount_total": due,
            "cancel_url": session.cancel_url,
            "client_reference_id": session.client_reference_id,
            "created": session.created.as_second(),
            "customer": session.customer,
            "customer_creation": if session.payment_link.is_some() { json!("always") } else { Value::Null },
            "customer_details": session.customer_email.as_ref().map(|email| json!({
                "address": null, "email": email, "name": null, "phone": null,
                "tax_exempt": "none", "tax_ids": null,
            })),
            "customer_email": session.customer_email,
            "expires_at": session.expires_at.as_second(),
            "invoice": invoice,
            "livemode": self.settings.livemode,
            "metadata": session.metadata,
            "payment_link": session.payment_link,
            "payment_method_collection":
                if session.collect_always { "always" } else { "if_required" },
            "payment_method_types": ["card"],
            "payment_status": session.payment_status,
            "status": session.status.as_str(),
            "subscription": session.subscription,
            "success_url": session.success_url,
            "url": open.then(|| self.checkout_url(&session.id)),
        });
        join(shown, unused)
    }

    /// Where the hosted checkout page of a session is.
    pub(super) fn checkout_url(&self, session: &str) -> String {
        format!("{}/pay/{session}", self.settings.base_url)
    }

    /// <https://docs.stripe.com/api/subscription_items/object>
    fn show_item(&self, subscription: &Subscription, item: &Item) -> Value {
        let price = self.prices.get(&item.price);
        json!({
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
            "quantity": item.quantity,
            "subscription": subscription.id,
            "tax_rates": [],
        })
    }

    /// <https://docs.stripe.com/api/subscriptions/object>
    pub(super) fn show_subscription(&self, subscription: &Subscription) -> Value {
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
            "collection_method": "charge_automatically",
            "customer_account": null,
            "days_until_due": null,
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
            "schedule": null,
            "test_clock": null,
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
            "created": subscription.created.as_second(),
            "currency": self.currency_of(&subscription.id),
            "customer": subscription.customer,
            "ended_at": unix(subscription.ended_at),
            "items": items,
            "latest_invoice": subscription.latest_invoice,
            "livemode": self.settings.livemode,
            "metadata": subscription.metadata,
            "pause_collection": subscription.pause_collection.map(|(behavior, resumes_at)| json!({
                "behavior": behavior.as_str(), "resumes_at": unix(resumes_at),
            })),
            "start_date": subscription.created.as_second(),
            "status": subscription.status.as_str(),
            "trial_end": unix(trial_end),
            "trial_settings": { "end_behavior": {
                "missing_payment_method": subscription.missing_payment_method.as_str(),
            } },
            "trial_start": unix(trial_start),
        });
        join(shown, unused)
    }

    /// <https://docs.stripe.com/api/invoices/object>
    pub(super) fn show_invoice(&self, invoice: &Invoice) -> Value {
        let paid = invoice.status == InvoiceStatus::Paid;
        let due = invoice.amount;
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
            "collection_method": "charge_automatically",
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
            "starting_balance": 0,
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
            "created": invoice.created.as_second(),
            "currency": invoice.currency,
            "customer": invoice.customer,
            "customer_email": customer.and_then(|c| c.email.as_ref()),
            "customer_name": customer.and_then(|c| c.name.as_ref()),
            "effective_at": unix(invoice.finalized_at),
            "ending_balance": invoice.finalized_at.map(|_| 0),
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
            "status": invoice.status.as_str(),
            "status_transitions": {
                "finalized_at": unix(invoice.finalized_at),
                "marked_uncollectible_at": unix(invoice.uncollectible_at),
                "paid_at": unix(invoice.paid_at),
                "voided_at": unix(invoice.voided_at),
            },
            "subtotal": due,
            "subtotal_excluding_tax": due,
            "total": due,
            "total_excluding_tax": due,
            "webhooks_delivered_at": invoice.created.as_second(),
        });
        join(join(shown, unused), nulls(&UNUSED_IN_INVOICES))
    }

    fn show_line(&self, invoice: &Invoice, line: &Item) -> Value {
        let Period { start, end } = invoice.period;
        let amount = self.amount_of(&line.price) * line.quantity;
        let product = self.prices.get(&line.price).map(|price| &price.product);
        json!({
            "id": line.id.replace("si_", "il_1"),
            "object": "line_item",
            "amount": if invoice.amount == 0 { 0 } else { amount },
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
                    "invoice_item": null, "proration": false, "proration_details": null,
                    "subscription": invoice.subscription, "subscription_item": line.id,
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
            "quantity": line.quantity,
            "subtotal": amount,
            "taxes": [],
        })
    }

    /// <https://docs.stripe.com/api/charges/object>
    pub(super) fn show_charge(&self, charge: &Charge) -> Value {
        let succeeded = charge.failure.is_none();
        let unused = json!({
            "amount_refunded": 0,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": null,
            "billing_details": {
                "address": null, "email": null, "name": null, "phone": null, "tax_id": null,
            },
            "description": "Subscription update",
            "failure_balance_transaction": null,
            "fraud_details": {},
            "metadata": {},
            "on_behalf_of": null,
            "payment_method_details": {
                "card": { "brand": "visa", "country": "US", "last4": "4242" }, "type": "card",
            },
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": null,
            "refunded": false,
            "review": null,
            "shipping": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "transfer_data": null,
            "transfer_group": null,
        });
        let shown = json!({
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": if succeeded { charge.amount } else { 0 },
            "captured": succeeded,
            "created": charge.created.as_second(),
            "currency": charge.currency,
            "customer": charge.customer,
            "disputed": charge.disputed,
            "failure_code": charge.failure,
            "failure_message": charge.failure.map(|_| "Your card was declined."),
            "livemode": self.settings.livemode,
            "outcome": {
                "network_status":
                    if succeeded { "approved_by_network" } else { "declined_by_network" },
                "reason": charge.failure, "risk_level": "normal",
                "seller_message": null,
                "type": if succeeded { "authorized" } else { "issuer_declined" },
            },
            "paid": succeeded,
            "payment_intent": charge.invoice.as_ref().map(|id| id.replace("in_", "pi_")),
            "payment_method": charge.customer.replace("cus_", "pm_1"),
            "status": if succeeded { "succeeded" } else { "failed" },
        });
        join(shown, unused)
    }

    /// <https://docs.stripe.com/api/disputes/object>: a charge, no customer.
    pub(super) fn show_dispute(&self, dispute: &Dispute) -> Value {
        let charge = self.charges.get(&dispute.charge);
        let intent = charge.and_then(|c| c.invoice.as_ref()).map(|id| id.replace("in_", "pi_"));
        let inquiry = dispute.status.starts_with("warning_");
        json!({
            "id": dispute.id,
            "object": "dispute",
            "amount": dispute.amount,
            "balance_transactions": [],
            "charge": dispute.charge,
            "created": dispute.created.as_second(),
            "currency": dispute.currency,
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": null, "enhanced_eligibility": {}, "has_evidence": false,
                "past_due": false, "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": self.settings.livemode,
            "metadata": {},
            "payment_intent": intent,
            "payment_method_details": {
                "card": {
                    "brand": "visa", "case_type": if inquiry { "inquiry" } else { "chargeback" },
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": dispute.status,
        })
    }

    /// <https://docs.stripe.com/api/radar/early_fraud_warnings/object>
    pub(super) fn show_warning(&self, warning: &Warning) -> Value {
        json!({
            "id": warning.id,
            "object": "radar.early_fraud_warning",
            "actionable": true,
            "charge": warning.charge,
            "created": warning.created.as_second(),
            "fraud_type": "unauthorized_use_of_card",
            "livemode": self.settings.livemode,
        })
    }

    /// <https://docs.stripe.com/api/customer_portal/sessions/object>
    pub(super) fn show_portal(&self, portal: &Portal) -> Value {
        json!({
            "id": portal.id,
            "object": "billing_portal.session",
            "configuration": "bpc_1Standin",
            "created": portal.created.as_second(),
            "customer": portal.customer,
            "customer_account": null,
            "flow": null,
            "livemode": self.settings.livemode,
            "locale": null,
            "on_behalf_of": null,
            "return_url": portal.return_url,
            "url": format!("{}/portal/{}", self.settings.base_url, portal.id),
        })
    }

    /// The currency of a subscription: that of its first price.
    pub(super) fn currency_of(&self, subscription: &str) -> String {
        let items = self.subscriptions.get(subscription).map(|row| &row.items);
        let price = items.and_then(|items| self.prices.get(&items.first()?.price));
        price.map_or_else(|| "usd".to_owned(), |price| price.currency.clone())
    }

    /// What one unit of a price costs.
    pub(super) fn amount_of(&self, price: &str) -> i64 {
        self.prices.get(price).map_or(0, |price| price.unit_amount)
    }
}
