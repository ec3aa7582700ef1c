//! Stripe as a port.

use jiff::Timestamp;
use serde_json::json;
use tollgate_core::ports::{
    Bought, ChargeSeen, CheckoutRecord, Class, CustomerRecord, CustomerSeen, NewCheckout,
    NewPortal, Page, PortError, PortResult, PortalFlow, RecentCheckout, Service, Unreadable,
};
use tollgate_core::stripe as seen;
use tollgate_events::stripe::{ACTED_ON, METADATA_PRICE};
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, EventId, NamedAccount, PriceId, ProductId, SubscriptionId,
};

use tollgate_standin::stripe::{
    self as standin, Dispute, ErrorKind, Event, FlowKind, Invoice, InvoiceStatus, Item, Line,
    Metadata, NewCustomer, NewSession, Paging, PauseBehavior, Session, SessionStatus, Status,
    Stripe, StripeError, StripeResult, StripeStandin, Subscription, SubscriptionData, When,
};

use super::Gated;
use crate::gate::failure;
use crate::planted::Bug;

impl Gated<StripeStandin> {
    /// One call through the gate.
    async fn call<T>(
        &self,
        operation: &'static str,
        subject: &str,
        act: impl FnOnce(&mut Stripe) -> StripeResult<T>,
    ) -> PortResult<T> {
        let act = || {
            let mut stripe = self.account();
            let answer = stripe.admit(operation).and_then(|()| act(&mut stripe));
            answer.map_err(|error| classify(operation, &error))
        };
        self.gate.pass(Service::Stripe, operation, subject, act).await
    }
}

/// How Stripe's errors are classified, as the adapter does it.
fn classify(operation: &'static str, error: &StripeError) -> PortError {
    let class = match (error.status, error.code) {
        (404, _) | (_, Some("resource_missing")) => Class::NotFound,
        _ if error.kind == ErrorKind::Idempotency => Class::Conflict,
        (401 | 403, _) => Class::Denied,
        (409, _) => Class::Conflict,
        (429, _) => Class::Throttled { after: None },
        (500.., _) => Class::Unavailable,
        _ => Class::Invalid,
    };
    failure(Service::Stripe, operation, class, error.message.clone())
}

/// What is not there is `None`.
fn found<T>(result: PortResult<T>) -> PortResult<Option<T>> {
    match result {
        Err(error) if error.class == Class::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The model mints these ids itself, or a test has chosen them.
macro_rules! id {
    ($kind:ident, $text:expr) => {
        $kind::parse($text.as_str()).expect("the model's ids can be ids")
    };
}

fn named_in(metadata: &Metadata) -> Option<NamedAccount> {
    NamedAccount::from_metadata(|key| metadata.get(key).map(String::as_str))
}

fn see_price(stripe: &Stripe, id: &str) -> seen::Price {
    let price = stripe.price(id).ok();
    seen::Price {
        id: Some(PriceId::parse(id).expect("the model's ids can be ids")),
        lookup_key: price.and_then(|price| price.lookup_key.clone()),
        product: price.map(|price| id!(ProductId, price.product)),
        quantity: None,
    }
}

fn see_item(stripe: &Stripe, item: &Item) -> seen::Price {
    let quantity = item.quantity.and_then(|number| number.try_into().ok());
    seen::Price { quantity, ..see_price(stripe, &item.price) }
}

/// Credits are for what was not used up, and sell nothing; a line tells no lookup key.
fn see_paid_invoice(stripe: &Stripe, row: &Invoice) -> seen::PaidInvoice {
    let sold = row.lines.iter().filter(|line| line.amount >= 0);
    let price = |line: &Line| seen::Price { lookup_key: None, ..see_price(stripe, &line.price) };
    seen::PaidInvoice {
        id: seen::InvoiceId::parse(row.id.as_str()).ok(),
        total: row.amount,
        prices: sold.map(price).collect(),
        is_of_a_period: row.lines.iter().any(|line| !line.proration),
    }
}

fn see_subscription(stripe: &Stripe, row: &Subscription) -> seen::Subscription {
    let invoice = row.latest_invoice.as_ref().and_then(|id| stripe.invoice(id).ok());
    let only = match row.items.as_slice() {
        [only] => Some(only.id.clone()),
        _ => None,
    };
    let next = row.schedule.as_ref().map(|schedule| seen::Scheduled {
        price: Some(see_price(stripe, &schedule.price)),
        at: Some(schedule.at),
    });
    let (id, customer) = (id!(SubscriptionId, row.id), id!(CustomerId, row.customer));
    seen::Subscription {
        prices: row.items.iter().map(|item| see_item(stripe, item)).collect(),
        only_item: only,
        sends_invoices: row.days_until_due.is_some(),
        next,
        cancel_at: row.cancel_at,
        cancel_at_period_end: row.cancel_at_period_end,
        current_period_end: Some(row.period.end),
        latest_invoice: invoice.map(|invoice| seen::LatestInvoice {
            id: seen::InvoiceId::parse(invoice.id.as_str()).ok(),
            finalized_at: invoice.finalized_at,
            due_date: invoice.due_date,
            is_paid_for: invoice.status == InvoiceStatus::Paid && invoice.amount > 0,
        }),
        had_trial: row.trial.is_some(),
        latest_invoice_url: invoice.and_then(|invoice| stripe.invoice_url(invoice)),
        voids_invoices: matches!(row.pause_collection, Some((PauseBehavior::Void, _))),
        named: named_in(&row.metadata),
        ..seen::Subscription::new(id, customer, row.status.as_str().into())
    }
}

/// What is not there, as somebody would read it who takes that for an end.
fn ended(id: &SubscriptionId) -> seen::Subscription {
    let nobody = CustomerId::parse("cus_nobody").expect("it is an id");
    seen::Subscription::new(id.clone(), nobody, Status::Canceled.as_str().into())
}

/// What a row of a list of everybody's subscriptions must say, one that was asked for by its id,
/// and one that was asked for by its customer.
const OF_EVERYBODY: &[&str] = &["id", "customer", "metadata", "status"];
const BY_ID: &[&str] = &["id", "customer", "metadata"];
const OF_A_CUSTOMER: &[&str] = &["id", "metadata"];

/// A subscription as far as it can be read, with what tests have made odd about it. What it does
/// not say and need not is unknown.
fn read_subscription(
    stripe: &Stripe,
    row: &Subscription,
    needed: &[&str],
) -> Result<seen::Subscription, Box<Unreadable>> {
    let mut read = see_subscription(stripe, row);
    if stripe.is_plain() {
        return Ok(read);
    }
    let shown = stripe.as_told(stripe.show_subscription(row));
    let says_metadata = shown["metadata"].is_object() || shown["metadata"].is_null();
    if !shown["metadata"].is_object() {
        read.named = None;
    }
    if !shown["status"].is_string() {
        read.status = seen::SubscriptionStatus::Unreadable;
    }
    let missing = |field: &&&str| match **field {
        "metadata" => !says_metadata,
        field => !shown[field].is_string(),
    };
    if let Some(field) = needed.iter().find(missing) {
        let text = |field: &str| shown[field].as_str();
        let listing = (Service::Stripe, "GET /v1/subscriptions");
        let (owner, why) = (text("customer").map(str::to_owned), format!("{field}: missing"));
        let row = Unreadable::new(listing, text("id"), owner, why);
        return Err(Box::new(Unreadable { named: read.named, ..row }));
    }
    let items = shown["items"]["data"].as_array();
    if items.is_none() {
        read.prices = vec![seen::Price::default()];
    }
    for (price, item) in read.prices.iter_mut().zip(items.into_iter().flatten()) {
        if !item["price"]["id"].is_string() {
            *price = seen::Price::default();
        }
    }
    Ok(read)
}

/// One that was asked for, and not in bulk.
fn must_be_read<T>(operation: &'static str, row: Result<T, Box<Unreadable>>) -> PortResult<T> {
    row.map_err(|row| failure(Service::Stripe, operation, Class::Invalid, row.to_string()))
}

fn see_checkout(stripe: &Stripe, row: &Session) -> CheckoutRecord {
    let open = row.status == SessionStatus::Open;
    CheckoutRecord {
        id: row.id.clone(),
        status: row.status.as_str().to_owned(),
        url: open.then(|| stripe.checkout_url(&row.id)),
        named: named_in(&row.metadata),
        client_reference_id: row.client_reference_id.clone(),
        subscription: row.subscription.as_ref().map(|id| id!(SubscriptionId, id)),
        price: row.metadata.get(METADATA_PRICE).and_then(|id| PriceId::parse(id.as_str()).ok()),
    }
}

/// A dispute with its charge's customer.
fn see_dispute(stripe: &Stripe, row: &Dispute) -> seen::Dispute {
    let shown = stripe.charge(&row.charge).map(|it| stripe.as_told(stripe.show_charge(it)));
    let customer = shown.ok().and_then(|it| it["customer"].as_str().map(str::to_owned));
    seen::Dispute {
        id: id!(DisputeId, row.id),
        status: row.status.into(),
        charge: id!(ChargeId, row.charge),
        customer: customer.map(|id| id!(CustomerId, id)),
    }
}

fn see_recent(stripe: &Stripe, row: &Session) -> RecentCheckout {
    let bought = row.subscription.as_ref().and_then(|id| stripe.subscription(id).ok());
    let bought = bought.map(|row| {
        let subscription = see_subscription(stripe, row);
        Bought { status: subscription.status, invoice_url: subscription.latest_invoice_url }
    });
    RecentCheckout { session: see_checkout(stripe, row), bought }
}

fn see_event(stripe: &Stripe, row: &Event) -> seen::ListedEvent {
    seen::ListedEvent::read(stripe.text_of(row.render()).as_bytes())
}

fn session_for(checkout: &NewCheckout) -> NewSession {
    let named = checkout.account.to_metadata();
    let mut metadata = named.clone();
    metadata.insert(METADATA_PRICE.into(), checkout.price.to_string());
    NewSession {
        customer: Some(checkout.customer.to_string()),
        client_reference_id: Some(checkout.account.id.to_string()),
        metadata,
        subscription_data: SubscriptionData { metadata: named, ..SubscriptionData::default() },
        success_url: Some(checkout.success_url.clone()),
        cancel_url: Some(checkout.cancel_url.clone()),
        line_items: vec![(checkout.price.to_string(), (!checkout.metered).then_some(1))],
        ..NewSession::default()
    }
}

impl tollgate_core::ports::Stripe for Gated<StripeStandin> {
    async fn account_id(&self) -> PortResult<Option<String>> {
        self.call("GET /v1/account", "", |stripe| {
            let settings = stripe.settings_mut();
            Ok(settings.restricted_keys_read_account.then(|| settings.account_id.clone()))
        })
        .await
    }

    async fn subscriptions(
        &self,
        customer: &CustomerId,
    ) -> PortResult<Option<Vec<seen::Subscription>>> {
        let rows = self
            .call("GET /v1/subscriptions", customer.as_str(), |stripe| {
                stripe.listed_customer(customer.as_str())?;
                let rows = stripe.subscriptions_of(customer.as_str()).into_iter();
                let rows = rows.filter_map(|row| stripe.as_read_now(row));
                let rows = rows.filter(|row| row.status != Status::Canceled);
                let mut seen: Vec<_> =
                    rows.map(|row| read_subscription(stripe, row, OF_A_CUSTOMER)).collect();
                if self.gate.has(Bug::MetadataOfCustomer) {
                    let customer = stripe.customer(customer.as_str())?;
                    let named = || named_in(&customer.metadata);
                    let rows = seen.iter_mut().flatten();
                    rows.for_each(|row| row.named = row.named.take().or_else(named));
                }
                if self.gate.has(Bug::NewestSubscriptionOnly) {
                    seen = seen.pop().into_iter().collect();
                }
                Ok(seen)
            })
            .await;
        let Some(rows) = found(rows)? else {
            return Ok(self.gate.has(Bug::MissingIsNone).then(Vec::new));
        };
        let rows = rows.into_iter().map(|row| must_be_read("GET /v1/subscriptions", row));
        rows.collect::<PortResult<_>>().map(Some)
    }

    async fn all_subscriptions(&self, page: Option<&str>) -> PortResult<Page<seen::Subscription>> {
        let page = self.call("GET /v1/subscriptions", "all", |stripe| {
            let rows = stripe.subscriptions();
            let listed = |row: &&Subscription| {
                row.status != Status::Canceled && stripe.clock_of(&row.customer).is_none()
            };
            let rows = rows.filter(listed);
            let (rows, more) = Paging::after(page).cut(rows, "subscription", |row| &row.id)?;
            let next = rows.last().filter(|_| more).map(|row| row.id.clone());
            let mut page = Page::whole(Vec::new(), next);
            for row in rows {
                match read_subscription(stripe, row, OF_EVERYBODY) {
                    Ok(read) => page.items.push(read),
                    Err(row) => page.unreadable.push(*row),
                }
            }
            Ok(page)
        });
        let page = page.await?;
        match page.unreadable.first().filter(|_| self.gate.has(Bug::OddRowStopsPage)) {
            Some(row) => must_be_read("GET /v1/subscriptions", Err(Box::new(row.clone()))),
            None => Ok(page),
        }
    }

    async fn subscription(&self, id: &SubscriptionId) -> PortResult<Option<seen::Subscription>> {
        let row = self
            .call("GET /v1/subscriptions/{id}", id.as_str(), |stripe| {
                Ok(read_subscription(stripe, stripe.subscription(id.as_str())?, BY_ID))
            })
            .await;
        let read = |row| must_be_read("GET /v1/subscriptions/{id}", row);
        let row = found(row)?.map(read).transpose()?;
        if self.gate.has(Bug::EndedIsMissing) {
            return Ok(row.filter(|row| row.status != seen::SubscriptionStatus::Canceled));
        }
        Ok(row.or_else(|| self.gate.has(Bug::MissingIsNone).then(|| ended(id))))
    }

    async fn paid_invoices(&self, id: &SubscriptionId) -> PortResult<Vec<seen::PaidInvoice>> {
        let (zero_counts, open_count) =
            (self.gate.has(Bug::NothingIsPaid), self.gate.has(Bug::OpenIsPaid));
        self.call("GET /v1/invoices", id.as_str(), |stripe| {
            let is_paid = |row: &&Invoice| row.status == InvoiceStatus::Paid || open_count;
            let rows = stripe.invoices();
            let rows = rows.filter(|row| row.subscription == id.as_str()).filter(is_paid).take(100);
            let total = |total: i64| if zero_counts { total.max(1) } else { total };
            Ok(rows
                .map(|row| see_paid_invoice(stripe, row))
                .map(|seen| seen::PaidInvoice { total: total(seen.total), ..seen })
                .collect())
        })
        .await
    }

    async fn is_refunded(&self, invoice: &seen::InvoiceId) -> PortResult<bool> {
        self.call("GET /v1/invoice_payments", invoice.as_str(), |stripe| {
            let row = stripe.invoice(invoice.as_str())?;
            let charge = row.charge.as_ref().filter(|_| row.paid_at.is_some());
            let charge = charge.and_then(|id| stripe.charge(id).ok());
            Ok(charge.is_some_and(|it| it.amount_refunded == it.amount))
        })
        .await
    }

    async fn price(&self, price: &PriceId) -> PortResult<Option<seen::Price>> {
        let row = self
            .call("GET /v1/prices/{id}", price.as_str(), |stripe| {
                stripe.price(price.as_str())?;
                Ok(see_price(stripe, price.as_str()))
            })
            .await;
        found(row)
    }

    async fn customer(&self, customer: &CustomerId) -> PortResult<CustomerSeen> {
        let row = self
            .call("GET /v1/customers/{id}", customer.as_str(), |stripe| {
                let row = stripe.customer(customer.as_str())?;
                if row.deleted {
                    return Ok(CustomerSeen::Deleted);
                }
                let (id, named) = (customer.clone(), named_in(&row.metadata));
                Ok(CustomerSeen::There(CustomerRecord { id, named }))
            })
            .await;
        let missing = match self.gate.has(Bug::MissingIsNone) {
            true => CustomerSeen::Deleted,
            false => CustomerSeen::Missing,
        };
        Ok(found(row)?.unwrap_or(missing))
    }

    async fn checkouts(&self, customer: &CustomerId) -> PortResult<Option<Vec<CheckoutRecord>>> {
        let rows = self
            .call("GET /v1/checkout/sessions", customer.as_str(), |stripe| {
                let row = stripe.listed_customer(customer.as_str())?;
                let rows = row.sessions.iter().rev().filter_map(|id| stripe.session(id).ok());
                Ok(rows.map(|row| see_checkout(stripe, row)).collect())
            })
            .await;
        found(rows)
    }

    async fn recent_checkouts(
        &self,
        customer: &CustomerId,
    ) -> PortResult<Option<Vec<RecentCheckout>>> {
        let rows = self
            .call("GET /v1/checkout/sessions", customer.as_str(), |stripe| {
                let row = stripe.listed_customer(customer.as_str())?;
                let rows = row.sessions.iter().rev().take(20);
                let rows = rows.filter_map(|id| stripe.session(id).ok());
                let rows: Vec<_> = rows.map(|row| see_recent(stripe, row)).collect();
                Ok((!row.deleted || rows.is_empty()).then_some(rows))
            })
            .await;
        let rows = found(rows)?.flatten();
        Ok(if self.gate.has(Bug::PendingNotAsked) { rows.map(|_| Vec::new()) } else { rows })
    }

    async fn dispute(&self, dispute: &DisputeId) -> PortResult<Option<seen::Dispute>> {
        let row = self
            .call("GET /v1/disputes/{id}", dispute.as_str(), |stripe| {
                Ok(see_dispute(stripe, stripe.dispute(dispute.as_str())?))
            })
            .await;
        found(row)
    }

    async fn all_disputes(
        &self,
        from: Timestamp,
        page: Option<&str>,
    ) -> PortResult<Page<seen::Dispute>> {
        self.call("GET /v1/disputes", "all", |stripe| {
            let rows = stripe.disputes();
            let rows = rows.filter(|row| row.created.as_second() >= from.as_second());
            let (rows, more) = Paging::after(page).cut(rows, "dispute", |row| &row.id)?;
            let next = rows.last().filter(|_| more).map(|row| row.id.clone());
            Ok(Page::whole(rows.into_iter().map(|row| see_dispute(stripe, row)).collect(), next))
        })
        .await
    }

    async fn charge(&self, charge: &ChargeId) -> PortResult<ChargeSeen> {
        let customer = self
            .call("GET /v1/charges/{id}", charge.as_str(), |stripe| {
                let shown = stripe.as_told(stripe.show_charge(stripe.charge(charge.as_str())?));
                let customer = shown["customer"].as_str();
                Ok(customer.and_then(|customer| CustomerId::parse(customer).ok()))
            })
            .await;
        Ok(found(customer)?.map_or(ChargeSeen::Missing, ChargeSeen::There))
    }

    async fn cancel_subscription(&self, subscription: &SubscriptionId) -> PortResult<()> {
        const OPERATION: &str = "DELETE /v1/subscriptions/{id}";
        let (this, id) = (self.clone(), subscription.to_string());
        let act = move || {
            let late = this.gate.has(Bug::CancelledWithPeriod);
            let when = if late { When::PeriodEnd } else { When::Now };
            let cancelled = this.account().cancel(&id, when);
            cancelled.map_err(|error| classify(OPERATION, &error))
        };
        let subject = subscription.as_str();
        let cancelled = self.gate.pass_write(Service::Stripe, OPERATION, subject, act).await;
        found(cancelled).map(|_| ())
    }

    async fn create_customer(
        &self,
        account: &NamedAccount,
        idempotency_key: &str,
    ) -> PortResult<CustomerId> {
        let metadata = account.to_metadata();
        self.call("POST /v1/customers", account.id.as_str(), |stripe| {
            stripe.wait_for_key(3);
            let fingerprint = format!("POST /v1/customers {metadata:?}");
            let (made, _) = stripe.idempotent(idempotency_key, &fingerprint, |stripe| {
                let new = NewCustomer { metadata, ..NewCustomer::default() };
                Ok(json!({ "id": stripe.create_customer(new) }))
            });
            made.map(|made| CustomerId::parse(text(&made)).expect("the model's ids are ASCII"))
        })
        .await
    }

    async fn price_by_lookup_key(&self, lookup_key: &str) -> PortResult<Option<PriceId>> {
        self.call("GET /v1/prices", lookup_key, |stripe| {
            let found = stripe.price_by_lookup_key(lookup_key).filter(|price| price.active);
            Ok(found.map(|price| id!(PriceId, price.id)))
        })
        .await
    }

    async fn is_metered(&self, price: &PriceId) -> PortResult<Option<bool>> {
        let row = self
            .call("GET /v1/prices/{id}", price.as_str(), |stripe| {
                Ok(stripe.price(price.as_str())?.meter.is_some())
            })
            .await;
        found(row)
    }

    async fn create_checkout(&self, checkout: &NewCheckout) -> PortResult<CheckoutRecord> {
        let operation = "POST /v1/checkout/sessions";
        self.call(operation, checkout.customer.as_str(), |stripe| {
            stripe.wait_for_key(3);
            let fingerprint = format!("{operation} {checkout:?}");
            let new = session_for(checkout);
            let (made, _) = stripe.idempotent(&checkout.idempotency_key, &fingerprint, |stripe| {
                Ok(json!({ "id": stripe.open_checkout(new)? }))
            });
            let id = made.map(|made| text(&made).to_owned())?;
            Ok(see_checkout(stripe, stripe.session(&id)?))
        })
        .await
    }

    async fn expire_checkout(&self, session: &str) -> PortResult<bool> {
        let expired = self
            .call("POST /v1/checkout/sessions/{id}/expire", session, |stripe| {
                match stripe.session(session)?.status {
                    SessionStatus::Open => stripe.expire_checkout(session).map(|()| true),
                    status => Ok(status != SessionStatus::Complete),
                }
            })
            .await;
        found(expired).map(|expired| expired.unwrap_or(true))
    }

    async fn create_portal(&self, portal: &NewPortal) -> PortResult<String> {
        self.call("POST /v1/billing_portal/sessions", portal.customer.as_str(), |stripe| {
            let flow = portal.flow.as_ref().map(|flow| standin::PortalFlow {
                kind: match flow {
                    PortalFlow::PaymentMethod => FlowKind::PaymentMethod,
                    PortalFlow::Cancel(id) => FlowKind::Cancel { subscription: id.to_string() },
                    PortalFlow::Confirm { subscription, item, price } => FlowKind::Confirm {
                        subscription: subscription.to_string(),
                        item: item.clone(),
                        price: price.to_string(),
                    },
                },
                then: Some(portal.return_url.clone()),
            });
            let id = stripe.open_portal(standin::NewPortal {
                customer: portal.customer.to_string(),
                configuration: portal.configuration.clone(),
                flow,
                return_url: Some(portal.return_url.clone()),
            })?;
            Ok(stripe.portal_url(&id))
        })
        .await
    }

    async fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        undelivered_only: bool,
        page: Option<&str>,
    ) -> PortResult<Page<seen::ListedEvent>> {
        self.call("GET /v1/events", "all", |stripe| {
            let within = from.as_second()..=to.as_second();
            let rows = stripe.events().filter(|row| {
                within.contains(&row.created.as_second())
                    && ACTED_ON.contains(&row.kind)
                    && !(undelivered_only && row.delivered())
            });
            let (rows, more) = Paging::after(page).cut(rows, "event", |row| &row.id)?;
            let next = rows.last().filter(|_| more).map(|row| row.id.clone());
            Ok(Page::whole(rows.into_iter().map(|row| see_event(stripe, row)).collect(), next))
        })
        .await
    }

    async fn event(&self, event: &EventId) -> PortResult<Option<seen::ListedEvent>> {
        let row = self
            .call("GET /v1/events/{id}", event.as_str(), |stripe| {
                let row = stripe.event(event.as_str());
                row.map(|row| see_event(stripe, row))
                    .ok_or_else(|| StripeError::missing("event", event.as_str()))
            })
            .await;
        found(row)
    }
}

fn text(made: &serde_json::Value) -> &str {
    made["id"].as_str().unwrap_or_default()
}
