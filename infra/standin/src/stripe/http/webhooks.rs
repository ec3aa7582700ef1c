//! Events and webhook endpoints.

use serde_json::{Value, json};

use super::form::Form;
use super::page::{Created, Paging};
use crate::stripe::delivery::{EndpointUpdate, NewEndpoint};
use crate::stripe::error::StripeError;
use crate::stripe::error::StripeResult;
use crate::stripe::model::Event;
use crate::stripe::objects::list;
use crate::stripe::state::Stripe;

pub(super) fn list_events(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
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
    let rows = rows.into_iter().map(Event::render);
    Ok(list("/v1/events", rows, more))
}

pub(super) fn get_event(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    let event = stripe.event(id).ok_or_else(|| StripeError::missing("event", id))?;
    Ok(event.render())
}

pub(super) fn list_endpoints(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    form.finish()?;
    let rows = stripe.endpoints.newest_first();
    let (rows, more) = page.cut(rows, "webhook_endpoint", |row| &row.id)?;
    let live = stripe.settings.livemode;
    let rows = rows.into_iter().map(|row| row.show(live));
    Ok(list("/v1/webhook_endpoints", rows, more))
}

pub(super) fn create_endpoint(
    stripe: &mut Stripe,
    _: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let enabled_events = form.list("enabled_events");
    if enabled_events.is_empty() {
        return Err(StripeError::missing_parameter("enabled_events"));
    }
    let new = NewEndpoint {
        url: form.need("url")?,
        enabled_events,
        api_version: form.take("api_version"),
        metadata: form.map("metadata"),
    };
    // For people; kept by Stripe, not by the stand-in.
    form.take("description");
    form.finish()?;
    let (id, secret) = stripe.create_endpoint(new);
    let mut shown = show_endpoint(stripe, &id)?;
    shown["secret"] = json!(secret);
    Ok(shown)
}

pub(super) fn get_endpoint(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    show_endpoint(stripe, id)
}

/// A parameter that is not there leaves its field as it is. An `api_version` is no
/// parameter of this: an endpoint keeps the one that it was made with.
/// <https://docs.stripe.com/api/webhook_endpoints/update>
pub(super) fn update_endpoint(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let update = EndpointUpdate {
        enabled_events: Some(form.list("enabled_events")).filter(|events| !events.is_empty()),
        disabled: form.flag("disabled")?,
        metadata: form.map("metadata"),
    };
    form.finish()?;
    stripe.update_endpoint(id, update)?;
    show_endpoint(stripe, id)
}

/// <https://docs.stripe.com/api/webhook_endpoints/delete>
pub(super) fn delete_endpoint(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    stripe.delete_endpoint(id)?;
    Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
}

fn show_endpoint(stripe: &Stripe, id: &str) -> StripeResult<Value> {
    let row = stripe.endpoints.get(id);
    let row = row.ok_or_else(|| StripeError::missing("webhook_endpoint", id))?;
    Ok(row.show(stripe.settings.livemode))
}
