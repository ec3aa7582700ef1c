//! What `tollgate doctor` reads of Stripe.

use jiff::Timestamp;
use serde_json::json;
use tollgate_core::ports::{Class, Page, PortResult};
use tollgate_events::stripe::ACTED_ON;
use tollgate_functions::adapters::stripe::answer::{Object, Odd};
use tollgate_functions::adapters::stripe::call::{Call, operation, segment};
use tollgate_functions::adapters::stripe::views::{is_metered, metadata};
use tollgate_functions::adapters::stripe::{PAGE, read_page, unless_not_found};
use tollgate_operator::doctor::{CheckoutCustomer, Endpoint, Product, SeenPrice};
use tollgate_operator::storefront::{METADATA_SECRET, METADATA_STACK};

use super::{OperatorStripe, PRICES};

/// A Stripe account. <https://docs.stripe.com/api/accounts/object>
pub struct AboutAccount {
    /// Its id, `acct_…`.
    pub id: String,
    /// What its business is called; empty where nobody has said.
    pub business_name: String,
}

impl OperatorStripe {
    /// Whether Stripe takes the key; one that may not do this very thing is taken too.
    ///
    /// # Errors
    /// Stripe did not answer.
    pub async fn accepts_key(&self) -> PortResult<bool> {
        let call = Call::get(PRICES, "/prices");
        match self.api.send(call.query(json!({ "limit": 1 }))).await {
            Err(error) if error.class == Class::Denied => Ok(!error.detail.starts_with("HTTP 401")),
            answer => answer.map(|_| true),
        }
    }

    /// Whose the key is; `None` where it is a restricted one that may not read that.
    ///
    /// # Errors
    /// The call failed.
    pub async fn about_account(&self) -> PortResult<Option<AboutAccount>> {
        let about = match self.api.send(Call::get("GET /v1/account", "/account")).await {
            Err(error) if error.detail.starts_with("HTTP 403") => return Ok(None),
            answer => answer?,
        };
        about.read(|object| {
            let profile = object.object("business_profile");
            let business_name = profile.and_then(|it| it.text("name")).unwrap_or_default();
            Ok(Some(AboutAccount { id: object.need("id")?, business_name }))
        })
    }

    /// Prices by their lookup keys, archived ones too.
    ///
    /// # Errors
    /// The call failed.
    pub async fn prices_by_lookup_keys(&self, keys: &[String]) -> PortResult<Page<SeenPrice>> {
        self.by_lookup_keys(keys, price).await
    }

    /// A price by its id.
    ///
    /// # Errors
    /// The call failed; not: there is no such price.
    pub async fn price(&self, id: &str) -> PortResult<Option<SeenPrice>> {
        let path = format!("/prices/{}", segment(id));
        let found = self.api.send(Call::get("GET /v1/prices/:id", path)).await;
        unless_not_found(found)?.map(|answer| answer.read(price)).transpose()
    }

    /// A product by its id.
    ///
    /// # Errors
    /// The call failed; not: there is no such product.
    pub async fn product(&self, id: &str) -> PortResult<Option<Product>> {
        let path = format!("/products/{}", segment(id));
        let found = self.api.send(Call::get("GET /v1/products/:id", path)).await;
        unless_not_found(found)?.map(|answer| answer.read(product)).transpose()
    }

    /// Every webhook endpoint.
    ///
    /// # Errors
    /// The call failed.
    pub async fn observed_endpoints(&self) -> PortResult<Page<Endpoint>> {
        let (name, path) = ("GET /v1/webhook_endpoints", "/webhook_endpoints");
        self.api.list(name, path, json!({}), endpoint).await
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
        let answer = self.api.send(Call::get("GET /v1/events", "/events").query(query)).await?;
        Ok(answer.list()?.0.len())
    }

    /// Whom the newest completed Checkout session names that sold a subscription, if one is
    /// among the newest hundred.
    ///
    /// # Errors
    /// The call failed.
    pub async fn newest_checkout(&self) -> PortResult<Option<CheckoutCustomer>> {
        let name = "GET /v1/checkout/sessions";
        let query = json!({ "status": "complete", "limit": PAGE });
        let answer = self.api.send(Call::get(name, "/checkout/sessions").query(query)).await?;
        let sessions = read_page(operation(name), &answer.list()?.0, false, session)?;
        Ok(sessions.items.into_iter().flatten().next())
    }
}

/// <https://docs.stripe.com/api/prices/object>
fn price(object: &Object<'_>) -> Result<SeenPrice, Odd> {
    Ok(SeenPrice {
        id: object.need("id")?,
        lookup_key: object.text("lookup_key"),
        product: object.id_in("product").unwrap_or_default(),
        active: object.flag("active") == Some(true),
        recurring: object.text("type").as_deref() == Some("recurring"),
        metered: is_metered(object),
        currency: object.text("currency").unwrap_or_default(),
    })
}

/// <https://docs.stripe.com/api/products/object>
fn product(object: &Object<'_>) -> Result<Product, Odd> {
    Ok(Product { id: object.need("id")?, active: object.flag("active") == Some(true) })
}

/// <https://docs.stripe.com/api/webhook_endpoints/object>
fn endpoint(object: &Object<'_>) -> Result<Endpoint, Odd> {
    let mut metadata = metadata(object);
    Ok(Endpoint {
        id: object.need("id")?,
        url: object.need("url")?,
        enabled: object.text("status").as_deref() == Some("enabled"),
        events: object.texts("enabled_events"),
        api_version: object.text("api_version"),
        livemode: object.flag("livemode") == Some(true),
        connect: object.says("application"),
        stack: metadata.remove(METADATA_STACK),
        secret: metadata.remove(METADATA_SECRET),
    })
}

/// Whom a session names that sold a subscription.
/// <https://docs.stripe.com/api/checkout/sessions/object>
fn session(object: &Object<'_>) -> Result<Option<CheckoutCustomer>, Odd> {
    let sold = object.text("mode").as_deref() == Some("subscription");
    Ok(sold.then(|| CheckoutCustomer {
        customer: object.says("customer"),
        customer_account: object.says("customer_account"),
    }))
}
