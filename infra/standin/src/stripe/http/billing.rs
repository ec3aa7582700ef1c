//! Checkout sessions, subscriptions, invoices.

use serde_json::Value;

use super::form::Form;
use super::page::{Created, Paging};
use super::shown::shown;
use crate::stripe::changes::When;
use crate::stripe::checkout::NewSession;
use crate::stripe::error::StripeError;
use crate::stripe::error::StripeResult;
use crate::stripe::model::MissingPaymentMethod;
use crate::stripe::model::PauseBehavior;
use crate::stripe::model::Proration;
use crate::stripe::model::Subscription;
use crate::stripe::model::SubscriptionData;
use crate::stripe::objects::list;
use crate::stripe::state::Stripe;
use crate::stripe::transitions::Status;

pub(super) fn list_sessions(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    let (customer, status) = (form.take("customer"), form.take("status"));
    let subscription = form.take("subscription");
    form.finish()?;
    if let Some(customer) = &customer {
        stripe.listed_customer(customer)?;
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

pub(super) fn create_session(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    if form.need("mode")? != "subscription" {
        return Err(StripeError::not_implemented("a session in another mode than subscription"));
    }
    if form.take("ui_mode").is_some_and(|mode| !matches!(mode.as_str(), "hosted" | "hosted_page")) {
        return Err(StripeError::unmodelled_parameter("ui_mode"));
    }
    let mut line_items = Vec::new();
    while let Some(price) = form.take(&format!("line_items[{}][price]", line_items.len())) {
        let quantity = form.int(&format!("line_items[{}][quantity]", line_items.len()))?;
        line_items.push((price, quantity));
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
            days_until_due: None,
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

pub(super) fn get_session(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.session(id).map(|row| stripe.show_session(row))
}

pub(super) fn expire_session(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    stripe.expire_checkout(id)?;
    shown(stripe, id)
}

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

pub(super) fn list_subscriptions(
    stripe: &mut Stripe,
    _: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let (page, created) = (Paging::take(form)?, Created::take(form)?);
    let (customer, price) = (form.take("customer"), form.take("price"));
    let clock = form.take("test_clock");
    let known = |word: &str| {
        let known = Status::ALL.iter().any(|status| status.as_str() == word);
        (known || matches!(word, "all" | "ended")).then(|| word.to_owned())
    };
    let status = form.word("status", known)?;
    form.finish()?;
    let rows: Vec<&Subscription> = match &customer {
        Some(customer) => {
            stripe.listed_customer(customer)?;
            stripe.subscriptions_of(customer)
        }
        None => stripe.subscriptions.newest_first().collect(),
    };
    // "The response will not include subscriptions with test clocks if this and the customer
    // parameter is not set." <https://docs.stripe.com/api/subscriptions/list>
    let any_clock = customer.is_some() && clock.is_none();
    let rows = rows.into_iter().filter(|row| {
        listed(status.as_deref(), row)
            && (any_clock || stripe.clock_of(&row.customer) == clock.as_deref())
            && created.holds(row.created)
            && price.as_ref().is_none_or(|price| row.items.iter().any(|i| i.price == *price))
    });
    let (rows, more) = page.cut(rows, "subscription", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_subscription(row));
    Ok(list("/v1/subscriptions", rows, more))
}

pub(super) fn get_subscription(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    stripe.subscription(id).map(|row| stripe.show_subscription(row))
}

pub(super) fn update_subscription(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let metadata = form.map("metadata");
    let (item, price) = (form.take("items[0][id]"), form.take("items[0][price]"));
    let quantity = form.int("items[0][quantity]")?;
    let proration = form.word("proration_behavior", Proration::parse)?.unwrap_or_default();
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
    match (item, price, quantity) {
        (Some(item), Some(price), None) => stripe.change_item(id, &item, &price, proration)?,
        (Some(item), None, Some(quantity)) if proration == Proration::CreateProrations => {
            stripe.change_item_quantity(id, &item, quantity)?;
        }
        (Some(_), None, Some(_)) => {
            return Err(StripeError::not_implemented("another proration_behavior of a quantity"));
        }
        (None, None, None) => {}
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

pub(super) fn cancel_subscription(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    stripe.cancel(id, When::Now)?;
    shown(stripe, id)
}

pub(super) fn resume_subscription(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let anchor = form.take("billing_cycle_anchor");
    form.finish()?;
    if anchor.is_some_and(|anchor| anchor != "now") {
        return Err(StripeError::not_implemented("resuming with the old billing cycle"));
    }
    stripe.resume(id)?;
    shown(stripe, id)
}

pub(super) fn list_invoices(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    let (customer, status) = (form.take("customer"), form.take("status"));
    let subscription = form.take("subscription");
    form.finish()?;
    if let Some(customer) = &customer {
        stripe.listed_customer(customer)?;
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

pub(super) fn get_invoice(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.invoice(id).map(|row| stripe.show_invoice(row))
}

pub(super) fn pay_invoice(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.pay_invoice(id)?;
    shown(stripe, id)
}
