//! What the operator's command does in Stripe: products, prices, webhook endpoints.
//!
//! The functions never call these, and their key need not allow them.

use std::collections::BTreeMap;

use miniserde::Deserialize;
use secrecy::SecretString;
use serde_json::{Value, json};
use tollgate_billing::account::PlanId;
use tollgate_billing::catalog::{Interval, Offer};
use tollgate_billing::ports::{Class, PortResult, Service};
use tollgate_billing::storefront::{
    Endpoint, METADATA_PLAN, METADATA_SECRET, METADATA_STACK, ObservedPrice, ObservedProduct,
    Owner, PriceTerms,
};
use tollgate_events::{PriceId, ProductId};

use super::views::{IdView, Listed};
use super::{API_VERSION, Call, StripeApi, readable, segment};
use crate::adapters::error::Operation;

/// How many lookup keys one request takes.
/// <https://docs.stripe.com/api/prices/list#list_prices-lookup_keys>
const LOOKUP_KEYS: usize = 10;

type Metadata = Option<BTreeMap<String, String>>;

/// <https://docs.stripe.com/api/products/object>
#[derive(Deserialize)]
struct ProductView {
    id: String,
    metadata: Metadata,
}

/// <https://docs.stripe.com/api/prices/object>
#[derive(Deserialize)]
struct OfferedView {
    id: String,
    lookup_key: Option<String>,
    product: String,
    active: bool,
    unit_amount: Option<i64>,
    currency: String,
    billing_scheme: Option<String>,
    recurring: Option<RecurringView>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct RecurringView {
    interval: String,
    interval_count: u32,
    usage_type: Option<String>,
}

/// <https://docs.stripe.com/api/webhook_endpoints/object>
#[derive(Deserialize)]
struct EndpointView {
    id: String,
    url: String,
    enabled_events: Vec<String>,
    status: String,
    api_version: Option<String>,
    metadata: Metadata,
    secret: Option<String>,
}

impl Listed for ProductView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for OfferedView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for EndpointView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl StripeApi {
    /// Every active product.
    ///
    /// # Errors
    /// A call failed.
    pub async fn products(&self) -> PortResult<Vec<ObservedProduct>> {
        let name = "GET /v1/products";
        let found = self.list::<ProductView>(name, "/products", json!({ "active": true })).await?;
        let read = |view: ProductView| {
            let id = readable(name, ProductId::parse(view.id))?;
            Ok(ObservedProduct { id, owner: owner(view.metadata) })
        };
        found.into_iter().map(read).collect()
    }

    /// The prices that have these lookup keys, archived ones too.
    ///
    /// # Errors
    /// A call failed.
    pub async fn prices_of(&self, lookup_keys: &[String]) -> PortResult<Vec<ObservedPrice>> {
        let name = "GET /v1/prices";
        let mut prices = Vec::new();
        for keys in lookup_keys.chunks(LOOKUP_KEYS) {
            let query = json!({ "lookup_keys": keys });
            for view in self.list::<OfferedView>(name, "/prices", query).await? {
                prices.extend(readable(name, view.read())?);
            }
        }
        Ok(prices)
    }

    /// Makes the product of a stack's plan, with our mark. `key` makes a repeated request
    /// the same request.
    ///
    /// # Errors
    /// The call failed; when its answer was lost, the product may be there.
    pub async fn create_product(
        &self,
        stack: &str,
        plan: &PlanId,
        key: &str,
    ) -> PortResult<ProductId> {
        let name = "POST /v1/products";
        let form = json!({ "name": plan, "metadata": mark(stack, plan) });
        let call = Call::<IdView>::post(name, "/products").form(form).idempotent(key)?;
        readable(name, ProductId::parse(self.send(call).await?.id))
    }

    /// Makes the price of an offer, with our mark; with `takes_key` it takes the lookup key
    /// from the price that has it.
    ///
    /// # Errors
    /// The call failed; when its answer was lost, the price may be there.
    pub async fn create_price(
        &self,
        stack: &str,
        plan: &PlanId,
        (offer, product): (&Offer, &ProductId),
        takes_key: bool,
        key: &str,
    ) -> PortResult<PriceId> {
        let name = "POST /v1/prices";
        let form = json!({
            "product": product,
            "unit_amount": offer.unit_amount,
            "currency": offer.currency,
            "recurring": {
                "interval": offer.interval.as_str(),
                "interval_count": offer.interval_count,
            },
            "lookup_key": offer.lookup_key,
            "transfer_lookup_key": takes_key,
            "metadata": mark(stack, plan),
        });
        let call = Call::<IdView>::post(name, "/prices").form(form).idempotent(key)?;
        readable(name, PriceId::parse(self.send(call).await?.id))
    }

    /// Every webhook endpoint, newest first.
    ///
    /// # Errors
    /// A call failed.
    pub async fn webhook_endpoints(&self) -> PortResult<Vec<Endpoint>> {
        let name = "GET /v1/webhook_endpoints";
        let found = self.list::<EndpointView>(name, "/webhook_endpoints", json!({})).await?;
        Ok(found.into_iter().map(EndpointView::read).collect())
    }

    /// Makes a webhook endpoint in the shape of [`API_VERSION`], with our mark; its id and
    /// its signing secret, which Stripe shows only now. Not repeated by a key: a second
    /// endpoint can be seen and removed, a lost secret cannot be had again.
    ///
    /// # Errors
    /// The call failed; when its answer was lost, the endpoint may be there.
    pub async fn create_webhook_endpoint(
        &self,
        stack: &str,
        url: &str,
        events: &[&str],
    ) -> PortResult<(String, SecretString)> {
        let name = "POST /v1/webhook_endpoints";
        let form = json!({
            "url": url,
            "enabled_events": events,
            "api_version": API_VERSION,
            "description": format!("Tollgate, stack {stack}"),
            "metadata": { METADATA_STACK: stack },
        });
        let call = Call::<EndpointView>::post(name, "/webhook_endpoints").form(form);
        let made = self.send(call).await?;
        let operation = Operation { service: Service::Stripe, name };
        let no_secret = || operation.error(Class::Invalid, "no secret in the answer");
        Ok((made.id, made.secret.map(SecretString::from).ok_or_else(no_secret)?))
    }

    /// Writes down at an endpoint which signing secret is its own.
    ///
    /// # Errors
    /// The call failed.
    pub async fn mark_webhook_endpoint(&self, id: &str, fingerprint: &str) -> PortResult<()> {
        let path = format!("/webhook_endpoints/{}", segment(id));
        let form = json!({ "metadata": { METADATA_SECRET: fingerprint } });
        let call = Call::<IdView>::post("POST /v1/webhook_endpoints/:id", path).form(form);
        self.send(call).await.map(drop)
    }

    /// Makes an endpoint send exactly these types, and turns it on.
    ///
    /// # Errors
    /// The call failed.
    pub async fn update_webhook_endpoint(&self, id: &str, events: &[&str]) -> PortResult<()> {
        let path = format!("/webhook_endpoints/{}", segment(id));
        let form = json!({ "enabled_events": events, "disabled": false });
        let call = Call::<IdView>::post("POST /v1/webhook_endpoints/:id", path).form(form);
        self.send(call).await.map(drop)
    }

    /// Removes an endpoint; one that is gone already is removed.
    ///
    /// # Errors
    /// The call failed.
    pub async fn delete_webhook_endpoint(&self, id: &str) -> PortResult<()> {
        let path = format!("/webhook_endpoints/{}", segment(id));
        let call = Call::<IdView>::delete("DELETE /v1/webhook_endpoints/:id", path);
        super::unless_not_found(self.send(call).await).map(drop)
    }
}

impl EndpointView {
    fn read(self) -> Endpoint {
        let mut metadata = self.metadata.unwrap_or_default();
        Endpoint {
            id: self.id,
            url: self.url,
            enabled_events: self.enabled_events.into_iter().collect(),
            enabled: self.status == "enabled",
            api_version: self.api_version,
            stack: metadata.remove(METADATA_STACK),
            secret: metadata.remove(METADATA_SECRET),
        }
    }
}

impl OfferedView {
    fn read(self) -> Result<Option<ObservedPrice>, tollgate_events::IdError> {
        let terms = self.terms();
        let Some(lookup_key) = self.lookup_key else { return Ok(None) };
        Ok(Some(ObservedPrice {
            id: PriceId::parse(self.id)?,
            lookup_key,
            product: ProductId::parse(self.product)?,
            active: self.active,
            terms,
            owner: owner(self.metadata),
        }))
    }

    fn terms(&self) -> Option<PriceTerms> {
        let recurring = self.recurring.as_ref()?;
        let is = |field: &Option<String>, word: &str| field.as_ref().is_none_or(|it| it == word);
        let plain = is(&self.billing_scheme, "per_unit") && is(&recurring.usage_type, "licensed");
        let known = [Interval::Day, Interval::Week, Interval::Month, Interval::Year];
        Some(PriceTerms {
            unit_amount: u64::try_from(self.unit_amount.filter(|_| plain)?).ok()?,
            currency: self.currency.clone(),
            interval: known.into_iter().find(|it| it.as_str() == recurring.interval)?,
            interval_count: recurring.interval_count,
        })
    }
}

fn owner(metadata: Metadata) -> Option<Owner> {
    let mut metadata = metadata?;
    let stack = metadata.remove(METADATA_STACK)?;
    Some(Owner { stack, plan: metadata.remove(METADATA_PLAN).unwrap_or_default() })
}

fn mark(stack: &str, plan: &PlanId) -> Value {
    json!({ METADATA_STACK: stack, METADATA_PLAN: plan })
}
