//! Configurations of the customer portal: seen, made and changed.
//! <https://docs.stripe.com/api/customer_portal/configurations>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tollgate_core::ports::PortResult;
use tollgate_events::{PriceId, ProductId};
use tollgate_functions::adapters::stripe::answer::{Object, Odd};
use tollgate_functions::adapters::stripe::call::{Call, operation, segment};
use tollgate_functions::adapters::stripe::views::metadata;
use tollgate_functions::adapters::stripe::{every_row, unless_not_found};
use tollgate_operator::storefront::{METADATA_STACK, ObservedPortal, PortalSettings};

use super::OperatorStripe;

const PATH: &str = "/billing_portal/configurations";

impl OperatorStripe {
    /// Every active configuration of the portal.
    ///
    /// # Errors
    /// A call failed, or one of them cannot be read: what is there is not made again.
    pub async fn portals(&self) -> PortResult<Vec<ObservedPortal>> {
        let (name, query) = ("GET /v1/billing_portal/configurations", json!({ "active": true }));
        every_row(operation(name), self.api.list(name, PATH, query, portal).await?)
    }

    /// A configuration by its id, active or not; `None` where there is none.
    ///
    /// # Errors
    /// The call failed.
    pub async fn portal(&self, id: &str) -> PortResult<Option<ObservedPortal>> {
        let path = format!("{PATH}/{}", segment(id));
        let found =
            self.api.send(Call::get("GET /v1/billing_portal/configurations/:id", path)).await;
        unless_not_found(found)?.map(|answer| answer.read(portal)).transpose()
    }

    /// Makes a configuration, with a stack's mark; its id.
    ///
    /// # Errors
    /// The call failed; when its answer was lost, the configuration may be there.
    pub async fn create_portal_configuration(
        &self,
        stack: &str,
        settings: &PortalSettings,
        key: &str,
    ) -> PortResult<String> {
        let mut form = form(settings);
        form["metadata"] = json!({ METADATA_STACK: stack });
        let call = Call::post("POST /v1/billing_portal/configurations", PATH);
        self.api.send(call.form(form).idempotent(key)?).await?.read(|object| object.need("id"))
    }

    /// Changes what a configuration offers, and makes it active.
    ///
    /// # Errors
    /// The call failed.
    pub async fn update_portal_configuration(
        &self,
        id: &str,
        settings: &PortalSettings,
    ) -> PortResult<()> {
        let mut form = form(settings);
        form["active"] = true.into();
        let path = format!("{PATH}/{}", segment(id));
        let call = Call::post("POST /v1/billing_portal/configurations/:id", path).form(form);
        self.api.send(call).await.map(drop)
    }
}

fn form(settings: &PortalSettings) -> Value {
    let product =
        |(id, prices): (&ProductId, &BTreeSet<PriceId>)| json!({ "product": id, "prices": prices });
    let conditions = settings.at_period_end.iter().map(|word| json!({ "type": word }));
    json!({
        "business_profile": {
            "terms_of_service_url": settings.terms.as_deref().unwrap_or_default(),
            "privacy_policy_url": settings.privacy.as_deref().unwrap_or_default(),
        },
        "features": {
            "customer_update": {
                "enabled": !settings.customer_updates.is_empty(),
                "allowed_updates": settings.customer_updates,
            },
            "invoice_history": { "enabled": settings.invoices },
            "payment_method_update": { "enabled": settings.payment_methods },
            "subscription_cancel": {
                "enabled": settings.cancels.is_some(),
                "mode": settings.cancels.as_deref().unwrap_or("at_period_end"),
            },
            "subscription_update": {
                "enabled": !settings.updates.is_empty(),
                "default_allowed_updates": settings.updates,
                "products": settings.products.iter().map(product).collect::<Vec<_>>(),
                "proration_behavior": settings.proration,
                "schedule_at_period_end": { "conditions": conditions.collect::<Vec<_>>() },
            },
        },
    })
}

/// <https://docs.stripe.com/api/customer_portal/configurations/object>
fn portal(object: &Object<'_>) -> Result<ObservedPortal, Odd> {
    let features = object.object("features").ok_or_else(|| Odd::new("features", "no object"))?;
    let feature = |name: &str| features.object(name).filter(|it| it.flag("enabled") == Some(true));
    let (update, cancel) = (feature("subscription_update"), feature("subscription_cancel"));
    let update_texts = |name: &str| {
        update.as_ref().map(|it| it.texts(name)).unwrap_or_default().into_iter().collect()
    };
    let customer = feature("customer_update").map(|it| it.texts("allowed_updates"));
    let profile = object.object("business_profile");
    let url = |name: &str| profile.as_ref().and_then(|it| it.text(name));
    Ok(ObservedPortal {
        id: object.need("id")?,
        active: object.flag("active") == Some(true),
        stack: metadata(object).remove(METADATA_STACK),
        settings: PortalSettings {
            products: products(update.as_ref())?,
            updates: update_texts("default_allowed_updates"),
            proration: update
                .as_ref()
                .and_then(|it| it.text("proration_behavior"))
                .unwrap_or_default(),
            at_period_end: conditions(update.as_ref()),
            cancels: cancel.and_then(|it| it.text("mode")),
            customer_updates: customer.unwrap_or_default().into_iter().collect(),
            invoices: feature("invoice_history").is_some(),
            payment_methods: feature("payment_method_update").is_some(),
            terms: url("terms_of_service_url"),
            privacy: url("privacy_policy_url"),
        },
    })
}

fn products(update: Option<&Object<'_>>) -> Result<BTreeMap<ProductId, BTreeSet<PriceId>>, Odd> {
    let rows = update.and_then(|it| it.rows("products")).unwrap_or_default();
    let read = |raw: &str| {
        let row = Object::read(raw).ok_or_else(|| Odd::new("products", "no object"))?;
        let prices = row.texts("prices").into_iter().map(PriceId::parse).collect::<Result<_, _>>();
        let prices = prices.map_err(|error| Odd::new("prices", error.to_string()))?;
        Ok((row.need_id("product", ProductId::parse)?, prices))
    };
    rows.into_iter().map(read).collect()
}

fn conditions(update: Option<&Object<'_>>) -> BTreeSet<String> {
    let schedule = update.and_then(|it| it.object("schedule_at_period_end"));
    let rows = schedule.and_then(|it| it.rows("conditions")).unwrap_or_default();
    rows.into_iter().filter_map(|raw| Object::read(raw)?.text("type")).collect()
}
