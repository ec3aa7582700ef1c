//! Checkout sessions, as shown.

use serde_json::{Value, json};

use super::join;
use crate::stripe::model::{Session, SessionStatus};
use crate::stripe::state::Stripe;

impl Stripe {
    /// <https://docs.stripe.com/api/checkout/sessions/object>
    pub(in crate::stripe) fn show_session(&self, session: &Session) -> Value {
        let open = session.status == SessionStatus::Open;
        let amount = |(price, quantity): &(String, Option<i64>)| {
            self.amount_of(price) * quantity.unwrap_or(0)
        };
        let total: i64 = session.line_items.iter().map(amount).sum();
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
    pub fn checkout_url(&self, session: &str) -> String {
        format!("{}/pay/{session}", self.settings.base_url)
    }
}
