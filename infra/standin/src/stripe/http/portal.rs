//! The portal's configurations and sessions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::form::Form;
use super::page::Paging;
use super::shown::shown;
use crate::stripe::customers::merge;
use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::model::{
    CancelMode, FlowKind, PortalConfiguration, PortalFeatures, PortalFlow, PortalUpdate, Proration,
};
use crate::stripe::objects::list;
use crate::stripe::portal::NewPortal;
use crate::stripe::state::Stripe;

pub(super) fn create_session(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let new = NewPortal {
        customer: form.need("customer")?,
        configuration: form.take("configuration"),
        flow: flow(form)?,
        return_url: form.take("return_url"),
    };
    form.finish()?;
    let id = stripe.open_portal(new)?;
    stripe.portal(&id).map(|row| stripe.show_portal(row))
}

/// <https://docs.stripe.com/api/customer_portal/sessions/create#create_portal_session-flow_data>
fn flow(form: &mut Form) -> StripeResult<Option<PortalFlow>> {
    let Some(kind) = form.take("flow_data[type]") else { return Ok(None) };
    let kind = match kind.as_str() {
        "payment_method_update" => FlowKind::PaymentMethod,
        "subscription_cancel" => FlowKind::Cancel {
            subscription: form.need("flow_data[subscription_cancel][subscription]")?,
        },
        "subscription_update_confirm" => {
            let within = "flow_data[subscription_update_confirm]";
            let item = format!("{within}[items][0]");
            // Whatever it is, the portal shows it, and a customer pays for it.
            if form.int(&format!("{item}[quantity]"))?.is_some_and(|quantity| quantity != 1) {
                return Err(StripeError::not_implemented("another quantity"));
            }
            FlowKind::Confirm {
                subscription: form.need(&format!("{within}[subscription]"))?,
                item: form.need(&format!("{item}[id]"))?,
                price: form.need(&format!("{item}[price]"))?,
            }
        }
        _ => return Err(StripeError::not_implemented("this flow of the portal")),
    };
    let then = match form.take("flow_data[after_completion][type]").as_deref() {
        None | Some("portal_homepage") => None,
        Some("redirect") => Some(form.need("flow_data[after_completion][redirect][return_url]")?),
        Some(_) => return Err(StripeError::not_implemented("this end of a flow")),
    };
    Ok(Some(PortalFlow { kind, then }))
}

pub(super) fn list_configurations(
    stripe: &mut Stripe,
    _: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let (page, active) = (Paging::take(form)?, form.flag("active")?);
    let default = form.flag("is_default")?;
    form.finish()?;
    let rows = stripe.configurations.newest_first().filter(|row: &&PortalConfiguration| {
        default != Some(true) && active.is_none_or(|active| active == row.active)
    });
    let (rows, more) = page.cut(rows, "billing_portal.configuration", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_configuration(row));
    Ok(list("/v1/billing_portal/configurations", rows, more))
}

pub(super) fn get_configuration(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    stripe.configuration(id).map(|row| stripe.show_configuration(row))
}

pub(super) fn create_configuration(
    stripe: &mut Stripe,
    _: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let metadata = form.map("metadata");
    let mut features = PortalFeatures::default();
    change(&mut features, form)?;
    let profile = profile(form);
    form.finish()?;
    let id = stripe.create_configuration(features, metadata)?;
    stripe.update_configuration(&id, profile)?;
    shown(stripe, &id)
}

pub(super) fn update_configuration(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let (metadata, active) = (form.map("metadata"), form.flag("active")?);
    let mut features = stripe.configuration(id)?.features.clone();
    change(&mut features, form)?;
    let profile = profile(form);
    form.finish()?;
    stripe.update_configuration(id, |row| {
        profile(row);
        merge(&mut row.metadata, &metadata);
        row.active = active.unwrap_or(row.active);
        row.features = features;
    })?;
    shown(stripe, id)
}

/// An empty text takes an address away.
fn profile(form: &mut Form) -> impl FnOnce(&mut PortalConfiguration) + use<> {
    let terms = form.take("business_profile[terms_of_service_url]");
    let privacy = form.take("business_profile[privacy_policy_url]");
    let or = |new: Option<String>, old: &mut Option<String>| {
        if let Some(new) = new {
            *old = Some(new).filter(|url| !url.is_empty());
        }
    };
    move |row| {
        or(terms, &mut row.terms_of_service_url);
        or(privacy, &mut row.privacy_policy_url);
    }
}

/// Each feature that is given is given whole.
fn change(features: &mut PortalFeatures, form: &mut Form) -> StripeResult<()> {
    let enabled =
        |form: &mut Form, feature: &str| form.flag(&format!("features[{feature}][enabled]"));
    if let Some(on) = enabled(form, "customer_update")? {
        let allowed = form.list("features[customer_update][allowed_updates]");
        features.customer_update = allowed.into_iter().filter(|_| on).collect();
    }
    features.invoice_history =
        enabled(form, "invoice_history")?.unwrap_or(features.invoice_history);
    features.payment_method_update =
        enabled(form, "payment_method_update")?.unwrap_or(features.payment_method_update);
    if let Some(on) = enabled(form, "subscription_cancel")? {
        let mode = form.word("features[subscription_cancel][mode]", CancelMode::parse)?;
        features.subscription_cancel = on.then(|| mode.unwrap_or(CancelMode::AtPeriodEnd));
    }
    if let Some(on) = enabled(form, "subscription_update")? {
        let update = update(form)?;
        features.subscription_update = on.then_some(update);
    }
    Ok(())
}

/// By default nothing is prorated.
/// <https://docs.stripe.com/api/customer_portal/configurations/create>
fn update(form: &mut Form) -> StripeResult<PortalUpdate> {
    let within = "features[subscription_update]";
    let allowed: BTreeSet<_> =
        form.list(&format!("{within}[default_allowed_updates]")).into_iter().collect();
    if allowed.iter().any(|it| it != "price") {
        return Err(StripeError::not_implemented("changing anything but the price"));
    }
    let mut products = Vec::new();
    while let Some(product) = form.take(&format!("{within}[products][{}][product]", products.len()))
    {
        let prices = form.list(&format!("{within}[products][{}][prices]", products.len()));
        products.push((product, prices));
    }
    let proration = form.word(&format!("{within}[proration_behavior]"), Proration::parse)?;
    let conditions = format!("{within}[schedule_at_period_end][conditions]");
    let mut at_period_end = BTreeSet::new();
    while let Some(word) = form
        .word(&format!("{conditions}[{}][type]", at_period_end.len()), |it| {
            ["decreasing_item_amount", "shortening_interval"].contains(&it).then(|| it.to_owned())
        })?
    {
        at_period_end.insert(word);
    }
    let proration = proration.unwrap_or(Proration::None);
    Ok(PortalUpdate { allowed, products, proration, at_period_end })
}
