//! The portal's configurations and sessions, and schedules, as shown.

use serde_json::{Value, json};

use crate::stripe::model::{FlowKind, Portal, PortalConfiguration, PortalFlow};
use crate::stripe::state::Stripe;

/// What a session without a configuration has: the one that was saved in the dashboard.
const SAVED: &str = "bpc_1Standin";

impl Stripe {
    /// <https://docs.stripe.com/api/customer_portal/configurations/object>
    pub(in crate::stripe) fn show_configuration(&self, row: &PortalConfiguration) -> Value {
        let features = &row.features;
        let update = features.subscription_update.as_ref();
        let products = update.map(|it| {
            let product = |(product, prices): &(String, Vec<String>)| {
                let adjustable = json!({ "enabled": false, "maximum": null, "minimum": 1 });
                json!({ "adjustable_quantity": adjustable, "prices": prices, "product": product })
            };
            it.products.iter().map(product).collect::<Value>()
        });
        let conditions = update.map_or_else(
            || json!([]),
            |it| it.at_period_end.iter().map(|word| json!({ "type": word })).collect(),
        );
        let cancel = features.subscription_cancel;
        json!({
            "id": row.id,
            "object": "billing_portal.configuration",
            "active": row.active,
            "application": null,
            "business_profile": {
                "headline": null,
                "privacy_policy_url": row.privacy_policy_url,
                "terms_of_service_url": row.terms_of_service_url,
            },
            "created": row.created.as_second(),
            "default_return_url": null,
            "features": {
                "customer_update": {
                    "allowed_updates": features.customer_update,
                    "enabled": !features.customer_update.is_empty(),
                },
                "invoice_history": { "enabled": features.invoice_history },
                "payment_method_update": { "enabled": features.payment_method_update },
                "subscription_cancel": {
                    "cancellation_reason": { "enabled": false, "options": [] },
                    "enabled": cancel.is_some(),
                    "mode": cancel.map_or("at_period_end", |it| it.as_str()),
                    "proration_behavior": "none",
                },
                "subscription_update": {
                    "billing_cycle_anchor": null,
                    "default_allowed_updates":
                        update.map(|it| &it.allowed).into_iter().flatten().collect::<Vec<_>>(),
                    "enabled": update.is_some(),
                    "products": products,
                    "proration_behavior": update.map_or("none", |it| it.proration.as_str()),
                    "schedule_at_period_end": { "conditions": conditions },
                    "trial_update_behavior": "end_trial",
                },
            },
            "is_default": false,
            "livemode": self.settings.livemode,
            "login_page": { "enabled": false, "url": null },
            "metadata": row.metadata,
            "name": null,
            "updated": row.updated.as_second(),
        })
    }

    /// <https://docs.stripe.com/api/customer_portal/sessions/object>
    pub(in crate::stripe) fn show_portal(&self, portal: &Portal) -> Value {
        json!({
            "id": portal.id,
            "object": "billing_portal.session",
            "configuration": portal.configuration.as_deref().unwrap_or(SAVED),
            "created": portal.created.as_second(),
            "customer": portal.customer,
            "customer_account": null,
            "flow": portal.flow.as_ref().map(show_flow),
            "livemode": self.settings.livemode,
            "locale": null,
            "on_behalf_of": null,
            "return_url": portal.return_url,
            "url": self.portal_url(&portal.id),
        })
    }

    /// Where a session's page is.
    pub fn portal_url(&self, portal: &str) -> String {
        format!("{}/portal/{portal}", self.settings.base_url)
    }

    /// A subscription's schedule, by its own id.
    /// <https://docs.stripe.com/api/subscription_schedules/object>
    pub(in crate::stripe) fn show_schedule(&self, id: &str) -> Option<Value> {
        let has_it = |it: &&crate::stripe::model::Subscription| {
            it.schedule.as_ref().is_some_and(|schedule| schedule.id == id)
        };
        let row = self.subscriptions().find(has_it)?;
        let schedule = row.schedule.as_ref()?;
        let item = row.items.first()?;
        let phase = |price: &str, (start, end): (i64, Option<i64>)| {
            json!({
                "add_invoice_items": [],
                "currency": self.currency_of(&row.id),
                "end_date": end,
                "items": [{ "metadata": {}, "price": price, "quantity": item.quantity }],
                "metadata": {},
                "proration_behavior": "none",
                "start_date": start,
                "trial_end": null,
            })
        };
        let (start, turn) = (row.period.start.as_second(), schedule.at.as_second());
        Some(json!({
            "id": schedule.id,
            "object": "subscription_schedule",
            "canceled_at": null,
            "completed_at": null,
            "created": schedule.created.as_second(),
            "current_phase": { "end_date": turn, "start_date": start },
            "customer": row.customer,
            "end_behavior": "release",
            "livemode": self.settings.livemode,
            "metadata": {},
            "phases": [phase(&item.price, (start, Some(turn))), phase(&schedule.price, (turn, None))],
            "released_at": null,
            "released_subscription": null,
            "status": "active",
            "subscription": row.id,
        }))
    }
}

fn show_flow(flow: &PortalFlow) -> Value {
    let (kind, cancel, confirm) = match &flow.kind {
        FlowKind::PaymentMethod => ("payment_method_update", Value::Null, Value::Null),
        FlowKind::Cancel { subscription } => {
            let cancel = json!({ "retention": null, "subscription": subscription });
            ("subscription_cancel", cancel, Value::Null)
        }
        FlowKind::Confirm { subscription, item, price } => {
            let item = json!({ "id": item, "price": price, "quantity": 1 });
            let confirm =
                json!({ "discounts": null, "items": [item], "subscription": subscription });
            ("subscription_update_confirm", Value::Null, confirm)
        }
    };
    let redirect = flow.then.as_ref().map(|url| json!({ "return_url": url }));
    let then = if flow.then.is_some() { "redirect" } else { "portal_homepage" };
    json!({
        "after_completion": { "hosted_confirmation": null, "redirect": redirect, "type": then },
        "subscription_cancel": cancel,
        "subscription_update": null,
        "subscription_update_confirm": confirm,
        "type": kind,
    })
}
