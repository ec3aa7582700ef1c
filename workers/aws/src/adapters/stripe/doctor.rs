//! What `tollgate doctor` reads of Stripe.

use std::collections::BTreeMap;

use jiff::Timestamp;
use miniserde::Deserialize;
use miniserde::json::Value as Json;
use serde_json::json;
use tollgate_billing::doctor::{CheckoutCustomer, Endpoint, Product, SeenPrice};
use tollgate_billing::ports::{Class, PortResult};
use tollgate_billing::storefront::METADATA_STACK;
use tollgate_events::stripe::ACTED_ON;

use super::views::{IdView, ListView, Listed, id_of};
use super::{Call, PAGE, StripeApi, segment, unless_not_found};

/// At most so many lookup keys in one request. <https://docs.stripe.com/api/prices/list>
const LOOKUP_KEYS: usize = 10;

impl StripeApi {
    /// Whether Stripe takes the key; one that may not do this very thing is taken too.
    ///
    /// # Errors
    /// Stripe did not answer.
    pub async fn accepts_key(&self) -> PortResult<bool> {
        let call = Call::<ListView<IdView>>::get("GET /v1/prices", "/prices");
        match self.send(call.query(json!({ "limit": 1 }))).await {
            Err(error) if error.class == Class::Denied => Ok(!error.detail.starts_with("HTTP 401")),
            answer => answer.map(|_| true),
        }
    }

    /// Prices by their lookup keys, archived ones too.
    ///
    /// # Errors
    /// The call failed.
    pub async fn prices_by_lookup_keys(&self, keys: &[String]) -> PortResult<Vec<SeenPrice>> {
        let mut prices = Vec::new();
        for keys in keys.chunks(LOOKUP_KEYS) {
            let query = json!({ "lookup_keys": keys });
            prices.extend(self.list::<PriceView>("GET /v1/prices", "/prices", query).await?);
        }
        Ok(prices.into_iter().map(PriceView::read).collect())
    }

    /// A price by its id.
    ///
    /// # Errors
    /// The call failed; not: there is no such price.
    pub async fn price(&self, id: &str) -> PortResult<Option<SeenPrice>> {
        let path = format!("/prices/{}", segment(id));
        let found = self.send(Call::<PriceView>::get("GET /v1/prices/:id", path)).await;
        Ok(unless_not_found(found)?.map(PriceView::read))
    }

    /// A product by its id.
    ///
    /// # Errors
    /// The call failed; not: there is no such product.
    pub async fn product(&self, id: &str) -> PortResult<Option<Product>> {
        let path = format!("/products/{}", segment(id));
        let found = self.send(Call::<ProductView>::get("GET /v1/products/:id", path)).await;
        let read = |view: ProductView| Product { id: view.id, active: view.active == Some(true) };
        Ok(unless_not_found(found)?.map(read))
    }

    /// Every webhook endpoint.
    ///
    /// # Errors
    /// The call failed.
    pub async fn observed_endpoints(&self) -> PortResult<Vec<Endpoint>> {
        let (name, path) = ("GET /v1/webhook_endpoints", "/webhook_endpoints");
        let found = self.list::<EndpointView>(name, path, json!({})).await?;
        Ok(found.into_iter().map(EndpointView::read).collect())
    }

    /// How many events that we act on were made in this time and not delivered to all who
    /// want them; counts to a page's end, 100.
    ///
    /// # Errors
    /// The call failed.
    pub async fn undelivered(&self, from: Timestamp, until: Timestamp) -> PortResult<usize> {
        let query = json!({
            "delivery_success": false,
            "types": ACTED_ON,
            "created": { "gte": from.as_second(), "lt": until.as_second() },
            "limit": PAGE,
        });
        let call = Call::<ListView<IdView>>::get("GET /v1/events", "/events").query(query);
        Ok(self.send(call).await?.data.len())
    }

    /// Whom the newest completed Checkout session names that sold a subscription, if one is
    /// among the newest hundred.
    ///
    /// # Errors
    /// The call failed.
    pub async fn newest_checkout(&self) -> PortResult<Option<CheckoutCustomer>> {
        let name = "GET /v1/checkout/sessions";
        let query = json!({ "status": "complete", "limit": PAGE });
        let call = Call::<ListView<SessionView>>::get(name, "/checkout/sessions").query(query);
        let sessions = self.send(call).await?.data;
        let newest = sessions.iter().find(|it| it.mode.as_deref() == Some("subscription"));
        Ok(newest.map(|session| CheckoutCustomer {
            customer: session.customer.is_some(),
            customer_account: session.customer_account.is_some(),
        }))
    }
}

/// <https://docs.stripe.com/api/prices/object>
#[derive(Debug, Deserialize)]
struct PriceView {
    id: String,
    lookup_key: Option<String>,
    product: Option<Json>,
    active: Option<bool>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Listed for PriceView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl PriceView {
    fn read(self) -> SeenPrice {
        let product = self.product.as_ref().and_then(id_of).unwrap_or_default().to_owned();
        SeenPrice {
            product,
            active: self.active == Some(true),
            recurring: self.kind.as_deref() == Some("recurring"),
            id: self.id,
            lookup_key: self.lookup_key,
        }
    }
}

/// <https://docs.stripe.com/api/products/object>
#[derive(Debug, Deserialize)]
struct ProductView {
    id: String,
    active: Option<bool>,
}

/// <https://docs.stripe.com/api/webhook_endpoints/object>
#[derive(Debug, Deserialize)]
struct EndpointView {
    id: String,
    url: String,
    status: Option<String>,
    enabled_events: Vec<String>,
    api_version: Option<String>,
    livemode: Option<bool>,
    application: Option<Json>,
    metadata: Option<BTreeMap<String, String>>,
}

impl Listed for EndpointView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl EndpointView {
    fn read(self) -> Endpoint {
        Endpoint {
            id: self.id,
            url: self.url,
            enabled: self.status.as_deref() == Some("enabled"),
            events: self.enabled_events,
            api_version: self.api_version,
            livemode: self.livemode == Some(true),
            connect: self.application.is_some(),
            stack: self.metadata.and_then(|mut metadata| metadata.remove(METADATA_STACK)),
        }
    }
}

/// <https://docs.stripe.com/api/checkout/sessions/object>
#[derive(Debug, Deserialize)]
struct SessionView {
    mode: Option<String>,
    customer: Option<Json>,
    customer_account: Option<Json>,
}
