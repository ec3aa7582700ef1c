//! The endpoints: those that Tollgate calls, and those that its tests and `doctor` need.

use serde_json::{Value, json};

use super::form::Form;
use super::page::{Created, Paging};
use crate::stripe::catalog::NewPrice;
use crate::stripe::checkout::NewSession;
use crate::stripe::customers::NewCustomer;
use crate::stripe::delivery::NewEndpoint;
use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::model::{
    Customer, Interval, MissingPaymentMethod, PauseBehavior, Subscription, SubscriptionData,
};
use crate::stripe::objects::list;
use crate::stripe::state::Stripe;
use crate::stripe::subscriptions::When;
use crate::stripe::transitions::Status;

/// Answers one request: the account, the id in the path, the parameters.
pub(super) type Handler = fn(&mut Stripe, &str, &mut Form) -> StripeResult<Value>;

/// Every endpoint, under the name that the gate logs.
const ROUTES: &[(&str, Handler)] = &[
    ("GET /v1/customers", list_customers),
    ("POST /v1/customers", create_customer),
    ("GET /v1/customers/{id}", get_customer),
    ("POST /v1/customers/{id}", update_customer),
    ("DELETE /v1/customers/{id}", delete_customer),
    ("GET /v1/products", list_products),
    ("POST /v1/products", create_product),
    ("GET /v1/products/{id}", get_product),
    ("GET /v1/prices", list_prices),
    ("POST /v1/prices", create_price),
    ("GET /v1/prices/{id}", get_price),
    ("POST /v1/prices/{id}", update_price),
    ("GET /v1/checkout/sessions", list_sessions),
    ("POST /v1/checkout/sessions", create_session),
    ("GET /v1/checkout/sessions/{id}", get_session),
    ("POST /v1/checkout/sessions/{id}/expire", expire_session),
    ("GET /v1/subscriptions", list_subscriptions),
    ("GET /v1/subscriptions/{id}", get_subscription),
    ("POST /v1/subscriptions/{id}", update_subscription),
    ("DELETE /v1/subscriptions/{id}", cancel_subscription),
    ("POST /v1/subscriptions/{id}/resume", resume_subscription),
    ("GET /v1/invoices", list_invoices),
    ("GET /v1/invoices/{id}", get_invoice),
    ("POST /v1/invoices/{id}/pay", pay_invoice),
    ("GET /v1/charges/{id}", get_charge),
    ("GET /v1/disputes", list_disputes),
    ("GET /v1/disputes/{id}", get_dispute),
    ("POST /v1/billing_portal/sessions", create_portal),
    ("GET /v1/events", list_events),
    ("GET /v1/events/{id}", get_event),
    ("GET /v1/webhook_endpoints", list_endpoints),
    ("POST /v1/webhook_endpoints", create_endpoint),
    ("GET /v1/webhook_endpoints/{id}", get_endpoint),
];

/// The endpoint for a method and a path, with the id in the path.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static str, String, Handler)> {
    ROUTES.iter().find_map(|(name, handler)| {
        let (verb, pattern) = name.split_once(' ')?;
        let id = if verb == method { matches(pattern, path)? } else { return None };
        Some((*name, id, *handler))
    })
}

fn matches(pattern: &str, path: &str) -> Option<String> {
    let mut id = String::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(id),
            (Some("{id}"), Some(part)) if !part.is_empty() => part.clone_into(&mut id),
            (Some(a), Some(b)) if a == b => {}
            _ => return None,
        }
    }
}

/// The object that an operation has just made or changed.
fn shown(stripe: &Stripe, id: &str) -> StripeResult<Value> {
    stripe.object(id).ok_or_else(|| StripeError::missing("object", id))
}

// -------------------------------------------------------------- customers

fn list_customers(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created, email) = (Paging::take(form)?, Created::take(form)?, form.take("email"));
    form.finish()?;
    let rows = stripe.customers.newest_first().filter(|row| {
        !row.deleted && created.holds(row.created) && (email.is_none() || row.email == email)
    });
    let (rows, more) = page.cut(rows, "customer", |row: &Customer| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_customer(row));
    Ok(list("/v1/customers", rows, more))
}

fn create_customer(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let new = NewCustomer {
        email: form.take("email"),
        name: form.take("name"),
        metadata: form.map("metadata"),
    };
    form.finish()?;
    let id = stripe.create_customer(new);
    shown(stripe, &id)
}

fn get_customer(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.customer(id).map(|row| stripe.show_customer(row))
}

fn update_customer(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    let metadata = form.map("metadata");
    form.finish()?;
    stripe.customer(id)?;
    stripe.set_customer_metadata(id, &metadata)?;
    shown(stripe, id)
}

fn delete_customer(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.delete_customer(id)?;
    shown(stripe, id)
}

// ---------------------------------------------------------------- catalog

fn list_products(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, active) = (Paging::take(form)?, form.flag("active")?.unwrap_or(true));
    form.finish()?;
    let rows = stripe.products.newest_first().filter(|_| active);
    let (rows, more) = page.cut(rows, "product", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_product(row));
    Ok(list("/v1/products", rows, more))
}

fn create_product(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (name, metadata) = (form.need("name")?, form.map("metadata"));
    form.finish()?;
    let id = stripe.create_product(&name, metadata);
    shown(stripe, &id)
}

fn get_product(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    let row = stripe.products.get(id).ok_or_else(|| StripeError::missing("product", id))?;
    Ok(stripe.show_product(row))
}

fn list_prices(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    let keys = form.list("lookup_keys");
    if keys.len() > 10 {
        let message = "Array must have at most 10 elements";
        return Err(StripeError::bad_parameter("lookup_keys", message));
    }
    let (product, active) = (form.take("product"), form.flag("active")?);
    form.finish()?;
    let rows = stripe.prices.newest_first().filter(|row| {
        let key = row.lookup_key.as_ref();
        (keys.is_empty() || key.is_some_and(|key| keys.contains(key)))
            && product.as_ref().is_none_or(|product| *product == row.product)
            && active.is_none_or(|active| active == row.active)
    });
    let (rows, more) = page.cut(rows, "price", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_price(row));
    Ok(list("/v1/prices", rows, more))
}

fn create_price(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let interval = form.word("recurring[interval]", Interval::parse)?;
    let interval = interval.ok_or_else(|| StripeError::not_implemented("a one-time price"))?;
    let amount = form.int("unit_amount")?;
    let new = NewPrice {
        product: form.need("product")?,
        currency: form.need("currency")?,
        unit_amount: amount.ok_or_else(|| StripeError::missing_parameter("unit_amount"))?,
        interval,
        interval_count: form.int("recurring[interval_count]")?.unwrap_or(1),
        lookup_key: form.take("lookup_key"),
        transfer_lookup_key: form.flag("transfer_lookup_key")?.unwrap_or(false),
        nickname: form.take("nickname"),
        metadata: form.map("metadata"),
    };
    form.finish()?;
    let id = stripe.create_price(new)?;
    shown(stripe, &id)
}

fn get_price(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.price(id).map(|row| stripe.show_price(row))
}

fn update_price(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    let active = form.flag("active")?;
    form.finish()?;
    stripe.price(id)?;
    if let Some(active) = active {
        stripe.set_price_active(id, active)?;
    }
    shown(stripe, id)
}

// --------------------------------------------------------------- checkout

fn list_sessions(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    let (customer, status) = (form.take("customer"), form.take("status"));
    let subscription = form.take("subscription");
    form.finish()?;
    if let Some(customer) = &customer {
        stripe.live_customer(customer)?;
    }
    let rows = stripe.sessions.newest_first().filter(|row| {
        (customer.is_none() || row.customer == customer)
            && (subscription.is_none() || row.subscription == subscription)
            && status.as_ref().is_none_or(|status| status == row.status.as_str())
    });
    let (rows, more) = page.cut(rows, "checkout.session", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_session(row));
    Ok(list("/v1/checkout/sessions", rows, more))
}

fn create_session(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    if form.need("mode")? != "subscription" {
        return Err(StripeError::not_implemented("a session in another mode than subscription"));
    }
    let mut line_items = Vec::new();
    while let Some(price) = form.take(&format!("line_items[{}][price]", line_items.len())) {
        let quantity = form.int(&format!("line_items[{}][quantity]", line_items.len()))?;
        line_items.push((price, quantity.unwrap_or(1)));
    }
    let missing = "subscription_data[trial_settings][end_behavior][missing_payment_method]";
    let collection = form.word("payment_method_collection", |word| match word {
        "always" => Some(false),
        "if_required" => Some(true),
        _ => None,
    })?;
    let new = NewSession {
        customer: form.take("customer"),
        customer_email: form.take("customer_email"),
        client_reference_id: form.take("client_reference_id"),
        metadata: form.map("metadata"),
        line_items,
        subscription_data: SubscriptionData {
            metadata: form.map("subscription_data[metadata]"),
            trial_period_days: form.int("subscription_data[trial_period_days]")?.unwrap_or(0),
            missing_payment_method: form
                .word(missing, MissingPaymentMethod::parse)?
                .unwrap_or_default(),
        },
        card_if_required: collection.unwrap_or(false),
        expires_at: form.time("expires_at")?,
        success_url: Some(form.need("success_url")?),
        cancel_url: form.take("cancel_url"),
    };
    form.finish()?;
    let id = stripe.open_checkout(new)?;
    shown(stripe, &id)
}

fn get_session(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.session(id).map(|row| stripe.show_session(row))
}

fn expire_session(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.expire_checkout(id)?;
    shown(stripe, id)
}

fn create_portal(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (customer, return_url) = (form.need("customer")?, form.take("return_url"));
    form.finish()?;
    let id = stripe.open_portal(&customer, return_url.as_deref())?;
    stripe.portal(&id).map(|row| stripe.show_portal(row))
}

// ---------------------------------------------------------- subscriptions

/// Without `status`, all that have not been canceled.
/// <https://docs.stripe.com/api/subscriptions/list>
fn listed(status: Option<&str>, row: &Subscription) -> bool {
    match status {
        None => row.status != Status::Canceled,
        Some("all") => true,
        Some("ended") => row.status.is_final(),
        Some(status) => status == row.status.as_str(),
    }
}

fn list_subscriptions(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created) = (Paging::take(form)?, Created::take(form)?);
    let (customer, price) = (form.take("customer"), form.take("price"));
    let known = |word: &str| {
        let known = Status::ALL.iter().any(|status| status.as_str() == word);
        (known || matches!(word, "all" | "ended")).then(|| word.to_owned())
    };
    let status = form.word("status", known)?;
    form.finish()?;
    let rows: Vec<&Subscription> = match &customer {
        Some(customer) => {
            stripe.live_customer(customer)?;
            stripe.subscriptions_of(customer)
        }
        None => stripe.subscriptions.newest_first().collect(),
    };
    let rows = rows.into_iter().filter(|row| {
        listed(status.as_deref(), row)
            && created.holds(row.created)
            && price.as_ref().is_none_or(|price| row.items.iter().any(|i| i.price == *price))
    });
    let (rows, more) = page.cut(rows, "subscription", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_subscription(row));
    Ok(list("/v1/subscriptions", rows, more))
}

fn get_subscription(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.subscription(id).map(|row| stripe.show_subscription(row))
}

fn update_subscription(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    let metadata = form.map("metadata");
    let (item, price) = (form.take("items[0][id]"), form.take("items[0][price]"));
    if form.take("proration_behavior").is_some_and(|word| word != "create_prorations") {
        return Err(StripeError::not_implemented("another proration_behavior"));
    }
    let at_end = form.flag("cancel_at_period_end")?;
    let cancel_at = match form.take("cancel_at").as_deref() {
        Some("") => Some(None),
        Some(text) => Some(Form::parse(&format!("cancel_at={text}")).time("cancel_at")?),
        None => None,
    };
    let unpause = form.take("pause_collection").is_some_and(|value| value.is_empty());
    let behavior = form.word("pause_collection[behavior]", PauseBehavior::parse)?;
    let resumes_at = form.time("pause_collection[resumes_at]")?;
    form.finish()?;
    stripe.subscription(id)?;
    if !metadata.is_empty() {
        stripe.set_metadata(id, &metadata)?;
    }
    match (item, price) {
        (Some(item), Some(price)) => stripe.change_item(id, &item, &price)?,
        (None, None) => {}
        _ => return Err(StripeError::not_implemented("adding or removing items")),
    }
    match (at_end, cancel_at) {
        (Some(true), _) => stripe.cancel(id, When::PeriodEnd)?,
        (_, Some(Some(time))) => stripe.cancel(id, When::At(time))?,
        (Some(false), _) | (_, Some(None)) => stripe.keep(id)?,
        (None, None) => {}
    }
    if unpause || behavior.is_some() {
        stripe.pause_collection(id, behavior.map(|behavior| (behavior, resumes_at)))?;
    }
    shown(stripe, id)
}

fn cancel_subscription(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.cancel(id, When::Now)?;
    shown(stripe, id)
}

fn resume_subscription(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    let anchor = form.take("billing_cycle_anchor");
    form.finish()?;
    if anchor.is_some_and(|anchor| anchor != "now") {
        return Err(StripeError::not_implemented("resuming with the old billing cycle"));
    }
    stripe.resume(id)?;
    shown(stripe, id)
}

// ------------------------------------------------ invoices, charges, disputes

fn list_invoices(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    let (customer, status) = (form.take("customer"), form.take("status"));
    let subscription = form.take("subscription");
    form.finish()?;
    if let Some(customer) = &customer {
        stripe.live_customer(customer)?;
    }
    let rows = stripe.invoices.newest_first().filter(|row| {
        customer.as_ref().is_none_or(|customer| *customer == row.customer)
            && subscription.as_ref().is_none_or(|id| *id == row.subscription)
            && status.as_ref().is_none_or(|status| status == row.status.as_str())
    });
    let (rows, more) = page.cut(rows, "invoice", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_invoice(row));
    Ok(list("/v1/invoices", rows, more))
}

fn get_invoice(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.invoice(id).map(|row| stripe.show_invoice(row))
}

fn pay_invoice(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.pay_invoice(id)?;
    shown(stripe, id)
}

fn get_charge(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.charge(id).map(|row| stripe.show_charge(row))
}

fn list_disputes(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created, charge) = (Paging::take(form)?, Created::take(form)?, form.take("charge"));
    form.finish()?;
    let rows = stripe.disputes.newest_first().filter(|row| {
        created.holds(row.created) && charge.as_ref().is_none_or(|charge| *charge == row.charge)
    });
    let (rows, more) = page.cut(rows, "dispute", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_dispute(row));
    Ok(list("/v1/disputes", rows, more))
}

fn get_dispute(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.dispute(id).map(|row| stripe.show_dispute(row))
}

// ------------------------------------------------------ events and webhooks

fn list_events(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created) = (Paging::take(form)?, Created::take(form)?);
    let (types, kind) = (form.list("types"), form.take("type"));
    if types.len() > 20 {
        let message = "Array must have at most 20 elements";
        return Err(StripeError::bad_parameter("types", message));
    }
    let delivered = form.flag("delivery_success")?;
    form.finish()?;
    let rows = stripe.events().filter(|row| {
        created.holds(row.created)
            && (types.is_empty() || types.iter().any(|t| t == row.kind))
            && kind.as_ref().is_none_or(|kind| kind == row.kind)
            && delivered.is_none_or(|delivered| delivered == row.delivered())
    });
    let (rows, more) = page.cut(rows, "event", |row| &row.id)?;
    let rows = rows.into_iter().map(crate::stripe::events::Event::render);
    Ok(list("/v1/events", rows, more))
}

fn get_event(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    let event = stripe.event(id).ok_or_else(|| StripeError::missing("event", id))?;
    Ok(event.render())
}

fn list_endpoints(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    form.finish()?;
    let rows = stripe.endpoints.newest_first();
    let (rows, more) = page.cut(rows, "webhook_endpoint", |row| &row.id)?;
    let live = stripe.settings.livemode;
    let rows = rows.into_iter().map(|row| row.show(live));
    Ok(list("/v1/webhook_endpoints", rows, more))
}

fn create_endpoint(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let enabled_events = form.list("enabled_events");
    if enabled_events.is_empty() {
        return Err(StripeError::missing_parameter("enabled_events"));
    }
    let new = NewEndpoint {
        url: form.need("url")?,
        enabled_events,
        api_version: form.take("api_version"),
    };
    form.finish()?;
    let (id, secret) = stripe.create_endpoint(new);
    let mut shown = show_endpoint(stripe, &id)?;
    shown["secret"] = json!(secret);
    Ok(shown)
}

fn get_endpoint(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    show_endpoint(stripe, id)
}

fn show_endpoint(stripe: &Stripe, id: &str) -> StripeResult<Value> {
    let row = stripe.endpoints.get(id);
    let row = row.ok_or_else(|| StripeError::missing("webhook_endpoint", id))?;
    Ok(row.show(stripe.settings.livemode))
}
