//! Stripe's API: async-stripe's requests, our own client and our own minimal views.
//!
//! Requests implement the library's public [`StripeRequest`]; none of its generated
//! request crates is used (`docs/adr/0003-async-stripe.md`). Every call is tried once:
//! the number of calls stays predictable under Stripe's rate limits, and the queue
//! retries.

mod client;
mod doctor;
mod events;
mod operator;
mod refusal;
mod views;

use std::marker::PhantomData;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use stripe_client_core::{
    IdempotencyKey, IdempotentKeyError, RequestBuilder, RequestStrategy, StripeMethod,
    StripeRequest,
};
use tollgate_billing::ports::{
    ChargeSeen, CheckoutRecord, Class, CustomerSeen, NewCheckout, Page, PortError, PortResult,
    Service, Stripe,
};
use tollgate_billing::stripe::{Dispute, ListedEvent, Subscription};
use tollgate_events::stripe::METADATA_PRICE;
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, EventId, IdError, NamedAccount, PriceId, SubscriptionId,
};

pub use self::client::StripeApiError;
use self::client::{CallError, Client};
use self::refusal::Refusal;
use self::views::{
    ChargeView, CheckoutView, CustomerView, DisputeView, IdView, ListView, Listed, PortalView,
    SubscriptionView,
};
use super::error::Operation;
use crate::config::StripeEndpoint;

/// The version of Stripe's API that the library sends with every request. The library's
/// version is pinned, and so is this: a test fails when it moves.
/// <https://docs.stripe.com/api/versioning>
pub const API_VERSION: &str = "2026-09-30.endive";
/// The largest page that Stripe gives.
const PAGE: u32 = 100;

/// The Stripe port on `api.stripe.com`, or wherever it is pointed.
#[derive(Debug, Clone)]
pub struct StripeApi {
    client: Client,
}

impl StripeApi {
    /// A client with a secret (better: restricted) key.
    ///
    /// # Errors
    /// [`StripeApiError`] when the key or the URL cannot go into a request, or a certificate
    /// cannot be trusted.
    pub fn new(key: &SecretString, endpoint: &StripeEndpoint) -> Result<Self, StripeApiError> {
        Ok(Self { client: Client::new(key, endpoint)? })
    }

    async fn send<T: miniserde::Deserialize>(&self, call: Call<T>) -> PortResult<T> {
        let operation = call.operation;
        let request = call.customize().request_strategy(call.strategy());
        request.send(&self.client).await.map_err(|error| classify(operation, &error))
    }

    /// Every item of a list, page by page.
    async fn list<T>(&self, name: &'static str, path: &str, query: Value) -> PortResult<Vec<T>>
    where
        T: miniserde::Deserialize + Listed,
    {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(name, path, query.clone(), after.as_deref()).await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// One page of a list, after an object.
    async fn page<T>(
        &self,
        name: &'static str,
        path: &str,
        mut query: Value,
        after: Option<&str>,
    ) -> PortResult<Page<T>>
    where
        T: miniserde::Deserialize + Listed,
    {
        query["limit"] = PAGE.into();
        if let Some(after) = after {
            query["starting_after"] = after.into();
        }
        let page = self.send(Call::<ListView<T>>::get(name, path).query(query)).await?;
        let last = page.data.last().filter(|_| page.has_more == Some(true));
        Ok(Page { next: last.map(|last| last.id().to_owned()), items: page.data })
    }

    /// Stripe embeds the first items of a subscription; a list that goes on is read whole.
    async fn with_all_items(&self, view: &mut SubscriptionView) -> PortResult<()> {
        if view.items.as_ref().is_some_and(|items| items.has_more == Some(true)) {
            let query = json!({ "subscription": view.id() });
            let name = "GET /v1/subscription_items";
            let data = self.list(name, "/subscription_items", query).await?;
            view.items = Some(ListView { data, has_more: Some(false) });
        }
        Ok(())
    }
}

impl Stripe for StripeApi {
    async fn account_id(&self) -> PortResult<Option<String>> {
        let call = Call::<IdView>::get("GET /v1/account", "/account");
        match self.send(call).await {
            // Of a key that it takes, Stripe says 403: it is a restricted one that may not read
            // this. Of one that it does not take, it says 401.
            Err(error) if error.detail.starts_with("HTTP 403") => Ok(None),
            answer => answer.map(|view| Some(view.id)),
        }
    }

    async fn subscriptions(&self, customer: &CustomerId) -> PortResult<Option<Vec<Subscription>>> {
        let name = "GET /v1/subscriptions";
        let query = json!({ "customer": customer, "expand": ["data.latest_invoice"] });
        let found = self.list::<SubscriptionView>(name, "/subscriptions", query).await;
        let Some(views) = unless_not_found(found)? else { return Ok(None) };
        let mut subscriptions = Vec::new();
        for mut view in views {
            self.with_all_items(&mut view).await?;
            subscriptions.push(readable(name, view.read(Some(customer)))?);
        }
        Ok(Some(subscriptions))
    }

    async fn all_subscriptions(&self, page: Option<&str>) -> PortResult<Page<Subscription>> {
        let name = "GET /v1/subscriptions";
        let query = json!({ "expand": ["data.latest_invoice"] });
        let page = self.page::<SubscriptionView>(name, "/subscriptions", query, page).await?;
        let mut items = Vec::new();
        for mut view in page.items {
            self.with_all_items(&mut view).await?;
            items.push(readable(name, view.read(None))?);
        }
        Ok(Page { items, next: page.next })
    }

    async fn subscription(&self, id: &SubscriptionId) -> PortResult<Option<Subscription>> {
        let name = "GET /v1/subscriptions/:id";
        let path = format!("/subscriptions/{}", segment(id.as_str()));
        let query = json!({ "expand": ["latest_invoice"] });
        let found = self.send(Call::<SubscriptionView>::get(name, path).query(query)).await;
        let Some(mut view) = unless_not_found(found)? else { return Ok(None) };
        self.with_all_items(&mut view).await?;
        readable(name, view.read(None)).map(Some)
    }

    async fn customer(&self, customer: &CustomerId) -> PortResult<CustomerSeen> {
        let name = "GET /v1/customers/:id";
        let path = format!("/customers/{}", segment(customer.as_str()));
        let found = self.send(Call::<CustomerView>::get(name, path)).await;
        let missing = Ok(CustomerSeen::Missing);
        unless_not_found(found)?.map_or(missing, |view| readable(name, view.read()))
    }

    async fn checkouts(&self, customer: &CustomerId) -> PortResult<Option<Vec<CheckoutRecord>>> {
        let name = "GET /v1/checkout/sessions";
        let query = json!({ "customer": customer });
        let found = self.list::<CheckoutView>(name, "/checkout/sessions", query).await;
        let read = |views: Vec<CheckoutView>| views.into_iter().map(CheckoutView::read).collect();
        Ok(unless_not_found(found)?.map(read))
    }

    async fn dispute(&self, dispute: &DisputeId) -> PortResult<Option<Dispute>> {
        let name = "GET /v1/disputes/:id";
        let path = format!("/disputes/{}", segment(dispute.as_str()));
        let call = Call::<DisputeView>::get(name, path).query(json!({ "expand": ["charge"] }));
        let found = unless_not_found(self.send(call).await)?;
        found.map(|view| readable(name, view.read())).transpose()
    }

    async fn charge(&self, charge: &ChargeId) -> PortResult<ChargeSeen> {
        let name = "GET /v1/charges/:id";
        let path = format!("/charges/{}", segment(charge.as_str()));
        let found = self.send(Call::<ChargeView>::get(name, path)).await;
        let there = |view: ChargeView| readable(name, view.read()).map(ChargeSeen::There);
        unless_not_found(found)?.map_or(Ok(ChargeSeen::Missing), there)
    }

    /// Stripe answers that a canceled subscription is missing.
    async fn cancel_subscription(&self, subscription: &SubscriptionId) -> PortResult<()> {
        let path = format!("/subscriptions/{}", segment(subscription.as_str()));
        let call = Call::<IdView>::delete("DELETE /v1/subscriptions/:id", path);
        unless_not_found(self.send(call).await)?;
        Ok(())
    }

    async fn create_customer(
        &self,
        account: &NamedAccount,
        attempt: u32,
    ) -> PortResult<CustomerId> {
        let name = "POST /v1/customers";
        let form = json!({ "metadata": metadata(account) });
        let again = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let key = format!("tollgate-customer-{}{again}", account.id);
        let call = Call::<IdView>::post(name, "/customers").form(form).idempotent(&key)?;
        readable(name, CustomerId::parse(self.send(call).await?.id))
    }

    async fn price_by_lookup_key(&self, lookup_key: &str) -> PortResult<Option<PriceId>> {
        let name = "GET /v1/prices";
        let query = json!({ "lookup_keys": [lookup_key], "active": true, "limit": 1 });
        let call = Call::<ListView<IdView>>::get(name, "/prices").query(query);
        let found = self.send(call).await?.data.into_iter().next();
        found.map(|price| readable(name, PriceId::parse(price.id))).transpose()
    }

    async fn create_checkout(&self, checkout: &NewCheckout) -> PortResult<CheckoutRecord> {
        let mut session = metadata(&checkout.account);
        session[METADATA_PRICE] = checkout.price.as_str().into();
        let form = json!({
            "mode": "subscription",
            "customer": checkout.customer,
            "client_reference_id": checkout.account.id,
            "line_items": [{ "price": checkout.price, "quantity": 1 }],
            "metadata": session,
            "subscription_data": { "metadata": metadata(&checkout.account) },
            "success_url": checkout.success_url,
            "cancel_url": checkout.cancel_url,
        });
        let call = Call::<CheckoutView>::post("POST /v1/checkout/sessions", "/checkout/sessions");
        let call = call.form(form).idempotent(&checkout.idempotency_key)?;
        Ok(self.send(call).await?.read())
    }

    async fn expire_checkout(&self, session: &str) -> PortResult<()> {
        let path = format!("/checkout/sessions/{}", segment(session));
        let name = "POST /v1/checkout/sessions/:id/expire";
        let call = Call::<IdView>::post(name, format!("{path}/expire"));
        match self.send(call).await {
            // Stripe refuses one that is no longer open, in words only: look.
            Err(refused) if refused.class == Class::Invalid => {
                let call = Call::<CheckoutView>::get("GET /v1/checkout/sessions/:id", path);
                if self.send(call).await?.is_open() { Err(refused) } else { Ok(()) }
            }
            answer => unless_not_found(answer).map(|_| ()),
        }
    }

    async fn create_portal(&self, customer: &CustomerId, return_url: &str) -> PortResult<String> {
        let form = json!({ "customer": customer, "return_url": return_url });
        let name = "POST /v1/billing_portal/sessions";
        let call = Call::<PortalView>::post(name, "/billing_portal/sessions").form(form);
        Ok(self.send(call).await?.url)
    }

    async fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        undelivered_only: bool,
        page: Option<&str>,
    ) -> PortResult<Page<ListedEvent>> {
        self.list_events(from, to, undelivered_only, page).await
    }

    async fn event(&self, event: &EventId) -> PortResult<Option<ListedEvent>> {
        self.read_event(event).await
    }
}

fn metadata(account: &NamedAccount) -> Value {
    json!(account.to_metadata())
}

/// One request, and what its answer is read as.
struct Call<T> {
    operation: Operation,
    method: StripeMethod,
    path: String,
    query: Option<Value>,
    form: Option<Value>,
    key: Option<IdempotencyKey>,
    output: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    fn new(name: &'static str, method: StripeMethod, path: impl Into<String>) -> Self {
        let operation = Operation { service: Service::Stripe, name };
        let path = path.into();
        Self { operation, method, path, query: None, form: None, key: None, output: PhantomData }
    }

    fn get(name: &'static str, path: impl Into<String>) -> Self {
        Self::new(name, StripeMethod::Get, path)
    }

    fn post(name: &'static str, path: impl Into<String>) -> Self {
        Self::new(name, StripeMethod::Post, path)
    }

    fn delete(name: &'static str, path: impl Into<String>) -> Self {
        Self::new(name, StripeMethod::Delete, path)
    }

    fn query(self, query: Value) -> Self {
        Self { query: Some(query), ..self }
    }

    fn form(self, form: Value) -> Self {
        Self { form: Some(form), ..self }
    }

    fn idempotent(self, key: &str) -> PortResult<Self> {
        let invalid =
            |error: IdempotentKeyError| self.operation.error(Class::Invalid, error.to_string());
        Ok(Self { key: Some(IdempotencyKey::new(key).map_err(invalid)?), ..self })
    }

    fn strategy(&self) -> RequestStrategy {
        self.key.clone().map_or(RequestStrategy::Once, RequestStrategy::Idempotent)
    }
}

impl<T> StripeRequest for Call<T> {
    type Output = T;

    fn build(&self) -> RequestBuilder {
        let mut request = RequestBuilder::new(self.method, &self.path);
        if let Some(query) = &self.query {
            request = request.query(query);
        }
        match &self.form {
            Some(form) => request.form(form),
            None => request,
        }
    }
}

/// An id as one segment of a path: whatever an id holds, it stays a segment.
fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    id.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn unless_not_found<T>(answer: PortResult<T>) -> PortResult<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn readable<T>(name: &'static str, answer: Result<T, IdError>) -> PortResult<T> {
    let operation = Operation { service: Service::Stripe, name };
    answer.map_err(|error| operation.error(Class::Invalid, format!("in the answer: {error}")))
}

fn classify(operation: Operation, error: &CallError) -> PortError {
    let class = match error {
        CallError::Refused(refusal) => class(refusal),
        CallError::Unsendable(_) => Class::Invalid,
        // Whatever became of the answer, the call may have taken effect.
        CallError::Unreadable(_) | CallError::Lost(_) | CallError::TimedOut => Class::Unavailable,
    };
    operation.error(class, error.to_string())
}

/// <https://docs.stripe.com/api/errors>
fn class(refusal: &Refusal) -> Class {
    match refusal.status {
        _ if refusal.code == "resource_missing" => Class::NotFound,
        _ if refusal.kind == "idempotency_error" => Class::Conflict,
        429 => Class::Throttled { after: refusal.after },
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        409 => Class::Conflict,
        // A dependency of Stripe's own failed.
        424 => Class::Unavailable,
        400..=499 => Class::Invalid,
        _ => Class::Unavailable,
    }
}

#[cfg(test)]
mod tests;
