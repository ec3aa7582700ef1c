//! Products, prices and webhook endpoints: seen, made and changed.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use tollgate_core::account::PlanId;
use tollgate_core::catalog::{Interval, Offer};
use tollgate_core::ports::PortResult;
use tollgate_events::{CustomerId, PriceId, ProductId};
use tollgate_functions::adapters::stripe::answer::{Object, Odd};
use tollgate_functions::adapters::stripe::call::{Call, operation, segment};
use tollgate_functions::adapters::stripe::views::metadata;
use tollgate_functions::adapters::stripe::{API_VERSION, every_row, unless_not_found};
use tollgate_operator::storefront::{
    Endpoint, METADATA_PLAN, METADATA_SECRET, METADATA_STACK, ObservedPrice, ObservedProduct,
    PriceTerms, StorefrontOwner,
};

use super::{OperatorStripe, PRICES};

/// What an operator sees of a customer before linking it. Personal data: it is shown, and kept
/// nowhere. <https://docs.stripe.com/api/customers/object>
pub struct AboutCustomer {
    /// It was deleted; then nothing else is known.
    pub deleted: bool,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl OperatorStripe {
    /// What is known of a customer; `None` where there is none.
    ///
    /// # Errors
    /// The call failed.
    pub async fn about_customer(&self, id: &CustomerId) -> PortResult<Option<AboutCustomer>> {
        let path = format!("/customers/{}", segment(id.as_str()));
        let found = self.api.send(Call::get("GET /v1/customers/:id", path)).await;
        let about = |object: &Object<'_>| {
            let deleted = object.flag("deleted") == Some(true);
            let (email, name) = (object.text("email"), object.text("name"));
            Ok(AboutCustomer { deleted, email, name, created: object.time("created") })
        };
        unless_not_found(found)?.map(|answer| answer.read(about)).transpose()
    }

    /// Every active product.
    ///
    /// # Errors
    /// A call failed, or one of them cannot be read: what is there is not made again.
    pub async fn products(&self) -> PortResult<Vec<ObservedProduct>> {
        let (name, query) = ("GET /v1/products", json!({ "active": true }));
        every_row(operation(name), self.api.list(name, "/products", query, product).await?)
    }

    /// The prices that have these lookup keys, archived ones too.
    ///
    /// # Errors
    /// A call failed, or one of them cannot be read: what is there is not made again.
    pub async fn prices_of(&self, lookup_keys: &[String]) -> PortResult<Vec<ObservedPrice>> {
        every_row(operation(PRICES), self.by_lookup_keys(lookup_keys, price).await?)
    }

    /// A price that can be sold, and its product; `None` where there is none of this id, or it is
    /// archived.
    ///
    /// # Errors
    /// The call failed.
    pub async fn sold_price(&self, id: &str) -> PortResult<Option<(PriceId, ProductId)>> {
        let path = format!("/prices/{}", segment(id));
        let found = self.api.send(Call::get("GET /v1/prices/:id", path)).await;
        let read = |object: &Object<'_>| {
            let id = object.need_id("id", PriceId::parse)?;
            let product = object.need_id("product", ProductId::parse)?;
            Ok(Some((id, product)).filter(|_| object.flag("active") == Some(true)))
        };
        let read = unless_not_found(found)?.map(|answer| answer.read(read)).transpose()?;
        Ok(read.flatten())
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
        let call = Call::post(name, "/products").form(form).idempotent(key)?;
        self.api.send(call).await?.read(|object| object.need_id("id", ProductId::parse))
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
        let call = Call::post(name, "/prices").form(form).idempotent(key)?;
        self.api.send(call).await?.read(|object| object.need_id("id", PriceId::parse))
    }

    /// Every webhook endpoint, newest first.
    ///
    /// # Errors
    /// A call failed, or one of them cannot be read: what is there is not made again.
    pub async fn webhook_endpoints(&self) -> PortResult<Vec<Endpoint>> {
        let (name, path) = ("GET /v1/webhook_endpoints", "/webhook_endpoints");
        every_row(operation(name), self.api.list(name, path, json!({}), endpoint).await?)
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
        let call = Call::post(name, "/webhook_endpoints").form(form);
        self.api.send(call).await?.read(|made| Ok((made.need("id")?, made.need("secret")?.into())))
    }

    /// Writes down at an endpoint which signing secret is its own.
    ///
    /// # Errors
    /// The call failed.
    pub async fn mark_webhook_endpoint(&self, id: &str, fingerprint: &str) -> PortResult<()> {
        let path = format!("/webhook_endpoints/{}", segment(id));
        let form = json!({ "metadata": { METADATA_SECRET: fingerprint } });
        let call = Call::post("POST /v1/webhook_endpoints/:id", path).form(form);
        self.api.send(call).await.map(drop)
    }

    /// Makes an endpoint send exactly these types, and turns it on.
    ///
    /// # Errors
    /// The call failed.
    pub async fn update_webhook_endpoint(&self, id: &str, events: &[&str]) -> PortResult<()> {
        let path = format!("/webhook_endpoints/{}", segment(id));
        let form = json!({ "enabled_events": events, "disabled": false });
        let call = Call::post("POST /v1/webhook_endpoints/:id", path).form(form);
        self.api.send(call).await.map(drop)
    }

    /// Removes an endpoint; one that is gone already is removed.
    ///
    /// # Errors
    /// The call failed.
    pub async fn delete_webhook_endpoint(&self, id: &str) -> PortResult<()> {
        let path = format!("/webhook_endpoints/{}", segment(id));
        let call = Call::delete("DELETE /v1/webhook_endpoints/:id", path);
        unless_not_found(self.api.send(call).await).map(drop)
    }
}

/// <https://docs.stripe.com/api/products/object>
fn product(object: &Object<'_>) -> Result<ObservedProduct, Odd> {
    Ok(ObservedProduct { id: object.need_id("id", ProductId::parse)?, owner: owner(object) })
}

/// <https://docs.stripe.com/api/webhook_endpoints/object>
fn endpoint(object: &Object<'_>) -> Result<Endpoint, Odd> {
    let mut metadata = metadata(object);
    Ok(Endpoint {
        id: object.need("id")?,
        url: object.need("url")?,
        enabled_events: object.texts("enabled_events").into_iter().collect(),
        enabled: object.text("status").as_deref() == Some("enabled"),
        api_version: object.text("api_version"),
        stack: metadata.remove(METADATA_STACK),
        secret: metadata.remove(METADATA_SECRET),
    })
}

/// <https://docs.stripe.com/api/prices/object>
fn price(object: &Object<'_>) -> Result<ObservedPrice, Odd> {
    Ok(ObservedPrice {
        id: object.need_id("id", PriceId::parse)?,
        lookup_key: object.need("lookup_key")?,
        product: object.need_id("product", ProductId::parse)?,
        active: object.flag("active") == Some(true),
        terms: terms(object),
        owner: owner(object),
    })
}

/// The terms of a price that an offer may have; `None` of any other.
fn terms(price: &Object<'_>) -> Option<PriceTerms> {
    let recurring = price.object("recurring")?;
    let is = |field: Option<String>, word: &str| field.is_none_or(|it| it == word);
    let plain = is(price.text("billing_scheme"), "per_unit")
        && is(recurring.text("usage_type"), "licensed");
    let known = [Interval::Day, Interval::Week, Interval::Month, Interval::Year];
    let interval = recurring.text("interval")?;
    Some(PriceTerms {
        unit_amount: u64::try_from(price.whole("unit_amount").filter(|_| plain)?).ok()?,
        currency: price.text("currency")?,
        interval: known.into_iter().find(|it| it.as_str() == interval)?,
        interval_count: u32::try_from(recurring.whole("interval_count")?).ok()?,
    })
}

fn owner(object: &Object<'_>) -> Option<StorefrontOwner> {
    let mut metadata = metadata(object);
    let stack = metadata.remove(METADATA_STACK)?;
    Some(StorefrontOwner { stack, plan: metadata.remove(METADATA_PLAN).unwrap_or_default() })
}

fn mark(stack: &str, plan: &PlanId) -> Value {
    json!({ METADATA_STACK: stack, METADATA_PLAN: plan })
}
