//! Stripe's API: async-stripe's requests, our own client and our own minimal views.
//!
//! The library builds and encodes requests; none of its generated request crates is used
//! (`docs/adr/0003-async-stripe.md`). A write is tried once: what became of it is the engine's to
//! find out. A read that failed for a moment is tried three times, not one that was refused for its
//! rate or took all its time. An answer is read field by field; of a listing, a row that cannot be read is left out and told.

pub mod answer;
pub mod call;
mod class;
mod client;
mod events;
mod pages;
mod portal;
mod refusal;
mod signing;
pub mod views;
mod whole;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use tollgate_core::ports::{
    ChargeSeen, CheckoutRecord, Class, Clock, CustomerSeen, Entropy, NewCheckout, NewPortal, Page,
    PortResult, RecentCheckout, Stripe,
};
use tollgate_core::stripe::{Dispute, InvoiceId, ListedEvent, PaidInvoice, Price, Subscription};
use tollgate_events::stripe::METADATA_PRICE;
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, EventId, NamedAccount, PriceId, SubscriptionId,
};

use self::answer::{Object, Odd, StripeAnswer};
use self::call::{Call, operation, segment};
use self::class::classify;
pub use self::client::StripeApiError;
use self::client::{CallError, Client};
use self::pages::left_out;
pub use self::pages::{every_row, read_page};
pub use self::signing::{fingerprint, signing_secrets};
use self::views::SubscriptionView;
use super::error::readable;
pub use super::error::unless_not_found;
use super::system::{SystemClock, SystemEntropy};
use crate::config::StripeEndpoint;

/// The version of Stripe's API that the library sends with every request. The library's
/// version is pinned, and so is this: a test fails when it moves.
/// <https://docs.stripe.com/api/versioning>
pub const API_VERSION: &str = "2026-09-30.endive";
/// The largest page that Stripe gives.
pub const PAGE: u32 = 100;
/// How many of a customer's sessions are recent.
const RECENT: u32 = 20;
/// The code of a refusal: another request with the same idempotency key is still at work.
const KEY_IN_USE: &str = "idempotency_key_in_use";
/// How long is waited before the next try then: opening a session takes about a second.
const KEY_IN_USE_WAITS: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(600), Duration::from_millis(1200)];

/// How often a read is tried that may do better the next time.
const READS: u32 = 3;

/// Between two tries of a read: 0.1 to 0.4 s.
fn a_moment() -> SignedDuration {
    let [random, ..] = SystemEntropy.bytes();
    SignedDuration::from_millis(100 + 300 * i64::from(random) / 255)
}

/// The Stripe port on `api.stripe.com`, or wherever it is pointed.
#[derive(Debug, Clone)]
pub struct StripeApi {
    client: Client,
    /// Which prices were seen to be metered, and which not; every clone has the same.
    metered: Arc<Mutex<BTreeMap<PriceId, bool>>>,
}

impl StripeApi {
    /// A client with a secret (better: restricted) key.
    ///
    /// # Errors
    /// [`StripeApiError`] when the key or the URL cannot go into a request, or a certificate
    /// cannot be trusted.
    pub fn new(key: &SecretString, endpoint: &StripeEndpoint) -> Result<Self, StripeApiError> {
        Ok(Self { client: Client::new(key, endpoint)?, metered: Arc::default() })
    }

    fn seen_metered(&self, price: &PriceId) -> Option<bool> {
        let seen = self.metered.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(price).copied()
    }

    fn remember(&self, (price, metered): (PriceId, bool)) -> PriceId {
        let mut seen = self.metered.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(price.clone(), metered);
        price
    }

    /// Sends a request.
    ///
    /// # Errors
    /// It was refused, or not answered.
    pub async fn send(&self, call: Call) -> PortResult<StripeAnswer> {
        let mut tries = if call.is_read() { READS } else { 1 };
        loop {
            let (request, key) = call.build();
            let failed = match self.client.send(request, key.as_ref()).await {
                Ok(reply) => return Ok(StripeAnswer::new(call.operation, &reply)),
                Err(failed) => failed,
            };
            tries -= 1;
            let error = classify(call.operation, &failed);
            // What took all the time that it has would take it again.
            let timed_out = matches!(failed, CallError::TimedOut);
            if tries == 0 || timed_out || error.class != Class::Unavailable {
                return Err(error);
            }
            SystemClock.sleep(a_moment()).await;
        }
    }

    /// Sends what has an idempotency key: while another request with it is still at work, it is
    /// sent again. <https://docs.stripe.com/error-codes#idempotency-key-in-use>
    async fn send_when_free(
        &self,
        call: impl Fn() -> PortResult<Call>,
    ) -> PortResult<StripeAnswer> {
        for wait in KEY_IN_USE_WAITS {
            match self.send(call()?).await {
                Err(error) if error.detail.contains(KEY_IN_USE) => tokio::time::sleep(wait).await,
                answer => return answer,
            }
        }
        self.send(call()?).await
    }

    async fn checkout_by_id(&self, session: &str) -> PortResult<CheckoutRecord> {
        let path = format!("/checkout/sessions/{}", segment(session));
        let call = Call::get("GET /v1/checkout/sessions/:id", path);
        self.send(call).await?.read(views::checkout)
    }

    /// Every row of a list, page by page.
    ///
    /// # Errors
    /// A call failed.
    pub async fn list<T>(
        &self,
        name: &'static str,
        path: &str,
        query: Value,
        read: impl Fn(&Object<'_>) -> Result<T, Odd>,
    ) -> PortResult<Page<T>> {
        let mut all = Page::whole(Vec::new(), None);
        loop {
            let page = self.page(name, path, query.clone(), all.next.as_deref(), &read).await?;
            all.items.extend(page.items);
            all.unreadable.extend(page.unreadable);
            all.next = page.next;
            if all.next.is_none() {
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
        read: impl Fn(&Object<'_>) -> Result<T, Odd>,
    ) -> PortResult<Page<T>> {
        query["limit"] = PAGE.into();
        if let Some(after) = after {
            query["starting_after"] = after.into();
        }
        let answer = self.send(Call::get(name, path).query(query)).await?;
        let (rows, goes_on) = answer.list()?;
        let page = read_page(operation(name), &rows, goes_on, read)?;
        if after.is_some() && page.next.as_deref() == after {
            let detail = "the list goes on where it began";
            return Err(operation(name).error(Class::Invalid, detail));
        }
        Ok(page)
    }

    async fn price_answer(&self, price: &PriceId) -> PortResult<Option<StripeAnswer>> {
        let path = format!("/prices/{}", segment(price.as_str()));
        unless_not_found(self.send(Call::get("GET /v1/prices/:id", path)).await)
    }
}

impl Stripe for StripeApi {
    async fn account_id(&self) -> PortResult<Option<String>> {
        match self.send(Call::get("GET /v1/account", "/account")).await {
            // Of a key that it takes, Stripe says 403: it is a restricted one that may not read
            // this. Of one that it does not take, it says 401.
            Err(error) if error.detail.starts_with("HTTP 403") => Ok(None),
            // What is odd does not say it either.
            answer => Ok(answer?.object()?.text("id")),
        }
    }

    async fn subscriptions(&self, customer: &CustomerId) -> PortResult<Option<Vec<Subscription>>> {
        let name = "GET /v1/subscriptions";
        let expand = ["data.latest_invoice", "data.schedule"];
        let query = json!({ "customer": customer, "expand": expand });
        let read = |object: &Object<'_>| SubscriptionView::of(object, customer);
        let found = self.list(name, "/subscriptions", query, read).await;
        let Some(page) = unless_not_found(found)? else { return Ok(None) };
        let mut subscriptions = Vec::new();
        for view in every_row(operation(name), page)? {
            subscriptions.push(self.whole(view).await?);
        }
        Ok(Some(subscriptions))
    }

    async fn all_subscriptions(&self, page: Option<&str>) -> PortResult<Page<Subscription>> {
        let name = "GET /v1/subscriptions";
        let query = json!({ "expand": ["data.latest_invoice"] });
        let read = SubscriptionView::of_everybody;
        let page = self.page(name, "/subscriptions", query, page, read).await?;
        let mut read = Page { items: Vec::new(), next: page.next, unreadable: page.unreadable };
        for view in page.items {
            let known = view.subscription.clone();
            match self.with_all_items(view).await {
                Ok(subscription) => read.items.push(subscription),
                // What it sells cannot be read, or has ended since: it costs this row.
                Err(error) if matches!(error.class, Class::Invalid | Class::NotFound) => {
                    read.unreadable.push(left_out(&known, &error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    async fn subscription(&self, id: &SubscriptionId) -> PortResult<Option<Subscription>> {
        let path = format!("/subscriptions/{}", segment(id.as_str()));
        let query = json!({ "expand": ["latest_invoice", "schedule"] });
        let call = Call::get("GET /v1/subscriptions/:id", path).query(query);
        let Some(answer) = unless_not_found(self.send(call).await)? else { return Ok(None) };
        let view = answer.read(SubscriptionView::by_id)?;
        self.whole(view).await.map(Some)
    }

    async fn paid_invoices(&self, id: &SubscriptionId) -> PortResult<Vec<PaidInvoice>> {
        let name = "GET /v1/invoices";
        let query = json!({ "subscription": id, "status": "paid" });
        let page = self.page(name, "/invoices", query, None, views::paid_invoice).await?;
        every_row(operation(name), page)
    }

    async fn is_refunded(&self, invoice: &InvoiceId) -> PortResult<bool> {
        let expand = ["data.payment.payment_intent.latest_charge"];
        let query =
            json!({ "invoice": invoice, "status": "paid", "limit": PAGE, "expand": expand });
        let call = Call::get("GET /v1/invoice_payments", "/invoice_payments").query(query);
        let answer = self.send(call).await?;
        let (payments, goes_on) = answer.list()?;
        // One that cannot be read was not seen to be refunded.
        let refunded = |raw: &&str| Object::read(raw).is_some_and(|it| views::is_refunded(&it));
        Ok(!goes_on && !payments.is_empty() && payments.iter().all(refunded))
    }

    async fn customer(&self, customer: &CustomerId) -> PortResult<CustomerSeen> {
        let path = format!("/customers/{}", segment(customer.as_str()));
        let found = self.send(Call::get("GET /v1/customers/:id", path)).await;
        let missing = Ok(CustomerSeen::Missing);
        unless_not_found(found)?.map_or(missing, |answer| answer.read(views::customer))
    }

    async fn checkouts(&self, customer: &CustomerId) -> PortResult<Option<Vec<CheckoutRecord>>> {
        let name = "GET /v1/checkout/sessions";
        let query = json!({ "customer": customer });
        let found = self.list(name, "/checkout/sessions", query, views::checkout).await;
        // One that cannot be read proves nothing, and nobody is sent there.
        Ok(unless_not_found(found)?.map(readable))
    }

    async fn recent_checkouts(
        &self,
        customer: &CustomerId,
    ) -> PortResult<Option<Vec<RecentCheckout>>> {
        let name = "GET /v1/checkout/sessions";
        let expand = ["data.customer", "data.subscription.latest_invoice"];
        let query = json!({ "customer": customer, "limit": RECENT, "expand": expand });
        let call = Call::get(name, "/checkout/sessions").query(query);
        let Some(answer) = unless_not_found(self.send(call).await)? else { return Ok(None) };
        let (rows, _) = answer.list()?;
        if rows.iter().any(|raw| views::is_of_a_deleted_customer(raw)) {
            return Ok(None);
        }
        let page = read_page(operation(name), &rows, false, views::recent_checkout)?;
        // One that cannot be read may be of a payment under way.
        every_row(operation(name), page).map(Some)
    }

    async fn dispute(&self, dispute: &DisputeId) -> PortResult<Option<Dispute>> {
        let path = format!("/disputes/{}", segment(dispute.as_str()));
        let call = Call::get("GET /v1/disputes/:id", path).query(json!({ "expand": ["charge"] }));
        let found = unless_not_found(self.send(call).await)?;
        found.map(|answer| answer.read(views::dispute)).transpose()
    }

    async fn all_disputes(&self, from: Timestamp, page: Option<&str>) -> PortResult<Page<Dispute>> {
        let created = json!({ "gte": from.as_second() });
        let query = json!({ "created": created, "expand": ["data.charge"] });
        self.page("GET /v1/disputes", "/disputes", query, page, views::dispute).await
    }

    async fn charge(&self, charge: &ChargeId) -> PortResult<ChargeSeen> {
        let path = format!("/charges/{}", segment(charge.as_str()));
        let found = unless_not_found(self.send(Call::get("GET /v1/charges/:id", path)).await)?;
        let there = |answer: StripeAnswer| answer.read(views::charge).map(ChargeSeen::There);
        found.map_or(Ok(ChargeSeen::Missing), there)
    }

    /// Stripe answers that a canceled subscription is missing.
    async fn cancel_subscription(&self, subscription: &SubscriptionId) -> PortResult<()> {
        let path = format!("/subscriptions/{}", segment(subscription.as_str()));
        let call = Call::delete("DELETE /v1/subscriptions/:id", path);
        unless_not_found(self.send(call).await)?;
        Ok(())
    }

    async fn create_customer(
        &self,
        account: &NamedAccount,
        idempotency_key: &str,
    ) -> PortResult<CustomerId> {
        let call = || {
            let form = json!({ "metadata": account.to_metadata() });
            Call::post("POST /v1/customers", "/customers").form(form).idempotent(idempotency_key)
        };
        let made = self.send_when_free(call).await?;
        made.read(|object| object.need_id("id", CustomerId::parse))
    }

    async fn price_by_lookup_key(&self, lookup_key: &str) -> PortResult<Option<PriceId>> {
        let name = "GET /v1/prices";
        let query = json!({ "lookup_keys": [lookup_key], "active": true, "limit": 1 });
        let answer = self.send(Call::get(name, "/prices").query(query)).await?;
        let (rows, _) = answer.list()?;
        let prices = read_page(operation(name), &rows, false, views::price)?;
        let found = every_row(operation(name), prices)?.into_iter().next();
        Ok(found.map(|price| self.remember(price)))
    }

    async fn is_metered(&self, price: &PriceId) -> PortResult<Option<bool>> {
        if let Some(metered) = self.seen_metered(price) {
            return Ok(Some(metered));
        }
        let Some(answer) = self.price_answer(price).await? else { return Ok(None) };
        self.remember(answer.read(views::price)?);
        Ok(self.seen_metered(price))
    }

    async fn price(&self, price: &PriceId) -> PortResult<Option<Price>> {
        let found = self.price_answer(price).await?;
        found.map(|answer| answer.read(|price| Ok(views::read_price(price)))).transpose()
    }

    async fn create_checkout(&self, checkout: &NewCheckout) -> PortResult<CheckoutRecord> {
        let mut session = json!(checkout.account.to_metadata());
        session[METADATA_PRICE] = checkout.price.as_str().into();
        let mut item = json!({ "price": checkout.price });
        if !checkout.metered {
            item["quantity"] = 1.into();
        }
        let form = json!({
            "mode": "subscription",
            "customer": checkout.customer,
            "client_reference_id": checkout.account.id,
            "line_items": [item],
            "metadata": session,
            "subscription_data": { "metadata": checkout.account.to_metadata() },
            "success_url": checkout.success_url,
            "cancel_url": checkout.cancel_url,
        });
        let call = || {
            let call = Call::post("POST /v1/checkout/sessions", "/checkout/sessions");
            call.form(form.clone()).idempotent(&checkout.idempotency_key)
        };
        let answer = self.send_when_free(call).await?;
        let opened = answer.read(views::checkout)?;
        // A replay is the first answer, whatever became of the session since.
        if answer.is_replayed() { self.checkout_by_id(&opened.id).await } else { Ok(opened) }
    }

    async fn expire_checkout(&self, session: &str) -> PortResult<bool> {
        let path = format!("/checkout/sessions/{}", segment(session));
        let name = "POST /v1/checkout/sessions/:id/expire";
        let call = Call::post(name, format!("{path}/expire"));
        match self.send(call).await {
            // Stripe refuses one that is no longer open, in words only: look.
            Err(refused) if refused.class == Class::Invalid => {
                match self.checkout_by_id(session).await?.status.as_str() {
                    "open" => Err(refused),
                    status => Ok(status != "complete"),
                }
            }
            answer => unless_not_found(answer).map(|_| true),
        }
    }

    async fn create_portal(&self, portal: &NewPortal) -> PortResult<String> {
        let name = "POST /v1/billing_portal/sessions";
        let call = Call::post(name, "/billing_portal/sessions").form(portal::form(portal));
        self.send(call).await?.read(|session| session.need("url"))
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

#[cfg(test)]
mod tests;
