//! The hosted pages: checkout and billing portal, as plain as can be.
//!
//! They stand for Stripe's own pages, so they ask for no key: whoever has the link may
//! use it. Nothing here is styled like Stripe's.

use crate::calls::Service;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use super::StripeStandin;
use super::changes::When;
use super::error::{StripeError, StripeResult};
use super::model::{Card, FlowKind, PortalFeatures, SessionStatus, Subscription};
use super::state::Stripe;

pub(super) fn router() -> Router<StripeStandin> {
    Router::new()
        .route("/pay/{session}", get(show_checkout).post(use_checkout))
        .route("/portal/{session}", get(show_portal).post(use_portal))
}

#[derive(Deserialize)]
struct CheckoutForm {
    /// `pays`, `declines` or `turn_back`.
    choice: String,
}

async fn show_checkout(State(standin): State<StripeStandin>, Path(id): Path<String>) -> Response {
    standin.calls.log(Service::Stripe, "GET /pay/{session}", id.as_str());
    page(checkout_page(&standin.account(), &id, None))
}

async fn use_checkout(
    State(standin): State<StripeStandin>,
    Path(id): Path<String>,
    Form(form): Form<CheckoutForm>,
) -> Response {
    standin.calls.log(Service::Stripe, "POST /pay/{session}", id.as_str());
    let mut stripe = standin.account();
    let Ok(session) = stripe.session(&id).cloned() else {
        return page(Err(StripeError::missing("checkout.session", &id)));
    };
    let card = match form.choice.as_str() {
        "pays" => Card::Pays,
        "declines" => Card::Declines,
        _ => return leave(session.cancel_url.as_deref(), &id),
    };
    match stripe.complete_checkout(&id, card) {
        Ok(_) => leave(session.success_url.as_deref(), &id),
        Err(error) => page(checkout_page(&stripe, &id, Some(&error.message))),
    }
}

#[derive(Deserialize)]
struct PortalForm {
    /// `switch`, `cancel_later`, `cancel_now`, `keep`, or `card`.
    action: String,
    #[serde(default)]
    subscription: String,
    #[serde(default)]
    price: String,
    /// `pays` or `declines`.
    #[serde(default)]
    card: String,
}

async fn show_portal(State(standin): State<StripeStandin>, Path(id): Path<String>) -> Response {
    standin.calls.log(Service::Stripe, "GET /portal/{session}", id.as_str());
    page(portal_page(&standin.account(), &id, None))
}

async fn use_portal(
    State(standin): State<StripeStandin>,
    Path(id): Path<String>,
    Form(form): Form<PortalForm>,
) -> Response {
    standin.calls.log(Service::Stripe, "POST /portal/{session}", id.as_str());
    let mut stripe = standin.account();
    match portal_act(&mut stripe, &id, &form) {
        Ok(()) => {
            let flow = stripe.portal(&id).ok().and_then(|row| row.flow.as_ref());
            let then = flow.and_then(|flow| flow.then.clone());
            Redirect::to(&then.unwrap_or_else(|| format!("/portal/{id}"))).into_response()
        }
        Err(error) => page(portal_page(&stripe, &id, Some(&error.message))),
    }
}

/// A portal shows, and changes, its own customer's subscriptions only.
fn portal_act(stripe: &mut Stripe, portal: &str, form: &PortalForm) -> StripeResult<()> {
    let (customer, features) = stripe.offered_by(portal)?;
    let id = form.subscription.as_str();
    if form.action == "card" {
        let card = if form.card == "declines" { Card::Declines } else { Card::Pays };
        return stripe.set_card_in_portal(portal, card);
    }
    if stripe.subscription(id)?.customer != customer {
        return Err(StripeError::missing("subscription", id));
    }
    match form.action.as_str() {
        "switch" => {
            let flow = stripe.portal(portal)?.flow.as_ref().map(|flow| flow.kind.clone());
            match flow {
                Some(FlowKind::Confirm { price, .. }) => {
                    stripe.change_in_portal(portal, id, &price)
                }
                _ => stripe.change_in_portal(portal, id, &form.price),
            }
        }
        "cancel_later" => stripe.cancel_in_portal(portal, id),
        "cancel_now" if features.is_none() => stripe.cancel(id, When::Now),
        "keep" => stripe.keep_in_portal(portal, id),
        _ => Err(StripeError::not_implemented("this action of the portal")),
    }
}

fn checkout_page(stripe: &Stripe, id: &str, refusal: Option<&str>) -> StripeResult<String> {
    let session = stripe.session(id)?;
    if session.status != SessionStatus::Open {
        let state = session.status.as_str();
        return Ok(document("Checkout", &format!("<p>This session is {state}.</p>")));
    }
    let lines: String = session
        .line_items
        .iter()
        .map(|(price, quantity)| {
            let quantity = quantity.map(|quantity| format!(" × {quantity}")).unwrap_or_default();
            format!("<li>{}{quantity}</li>", offer(stripe, price))
        })
        .collect();
    let trial = match session.subscription_data.trial_period_days {
        0 => String::new(),
        days => format!("<p>Free for {days} days.</p>"),
    };
    let body = format!(
        "{}<ul>{lines}</ul>{trial}<form method=post>\
         <p><label>Card <select name=choice>\
         <option value=pays>4242 4242 4242 4242 (pays)</option>\
         <option value=declines>4000 0000 0000 0002 (is declined)</option>\
         </select></label></p><button>Subscribe</button></form>\
         <form method=post><button name=choice value=turn_back>Cancel</button></form>",
        alert(refusal),
    );
    Ok(document("Checkout", &body))
}

fn portal_page(stripe: &Stripe, id: &str, refusal: Option<&str>) -> StripeResult<String> {
    let portal = stripe.portal(id)?;
    let (_, features) = stripe.offered_by(id)?;
    let body = match &portal.flow {
        Some(flow) => in_flow(stripe, &flow.kind),
        None => {
            let live = stripe.subscriptions_of(&portal.customer).into_iter();
            let live = live.filter(|row| !row.status.is_final());
            let live: String = live.map(|row| manage(stripe, row, features.as_ref())).collect();
            let live = if live.is_empty() { "<p>No subscription.</p>".to_owned() } else { live };
            let offers_card = features.as_ref().is_none_or(|it| it.payment_method_update);
            live + if offers_card { GIVE_CARD } else { "" }
        }
    };
    let back = portal
        .return_url
        .as_ref()
        .map_or(String::new(), |url| format!("<p><a href=\"{}\">Back</a></p>", escape(url)));
    Ok(document("Your subscriptions", &format!("{}{body}{back}", alert(refusal))))
}

const GIVE_CARD: &str = "<section><h2>Payment method</h2><form method=post>\
     <label>Card <select name=card>\
     <option value=pays>4242 4242 4242 4242 (pays)</option>\
     <option value=declines>4000 0000 0000 0341 (is declined later)</option>\
     </select></label><button name=action value=card>Save</button></form></section>";

/// The one thing that a flow is for.
fn in_flow(stripe: &Stripe, flow: &FlowKind) -> String {
    let form = |subscription: &str, price: &str, action: &str, label: &str| {
        format!(
            "<form method=post><input type=hidden name=subscription value=\"{}\">\
             <input type=hidden name=price value=\"{}\">\
             <button name=action value={action}>{label}</button></form>",
            escape(subscription),
            escape(price),
        )
    };
    match flow {
        FlowKind::PaymentMethod => GIVE_CARD.to_owned(),
        FlowKind::Cancel { subscription } => {
            let current = current(stripe, subscription);
            let form = form(subscription, "", "cancel_later", "Cancel");
            format!("<section><h2>Cancel {current}</h2>{form}</section>")
        }
        FlowKind::Confirm { subscription, price, .. } => {
            let (from, to) = (current(stripe, subscription), offer(stripe, price));
            let form = form(subscription, price, "switch", "Confirm");
            format!("<section><h2>From {from} to {to}</h2>{form}</section>")
        }
    }
}

/// What a subscription sells.
fn current(stripe: &Stripe, subscription: &str) -> String {
    let row = stripe.subscription(subscription);
    row.iter().flat_map(|row| &row.items).map(|item| offer(stripe, &item.price)).collect()
}

fn manage(stripe: &Stripe, row: &Subscription, features: Option<&PortalFeatures>) -> String {
    let id = escape(&row.id);
    let button =
        |action: &str, label: &str| format!("<button name=action value={action}>{label}</button>");
    let mut does = Vec::new();
    let (coming, keep) = match (&row.schedule, row.cancel_at) {
        (Some(next), _) => {
            (format!("Becomes {} at {}.", offer(stripe, &next.price), next.at), "Do not change it")
        }
        (None, Some(time)) => (format!("Ends at {time}."), "Keep it"),
        (None, None) => (String::new(), ""),
    };
    if coming.is_empty() {
        does.push(switch(stripe, row, features));
        if features.is_none_or(|it| it.subscription_cancel.is_some()) {
            does.push(button("cancel_later", "Cancel at the end of the period"));
        }
    } else {
        does.push(button("keep", keep));
    }
    if features.is_none() {
        does.push(button("cancel_now", "Cancel now"));
    }
    format!(
        "<section><h2>{}</h2><p>{}</p><p>{coming}</p><form method=post>\
         <input type=hidden name=subscription value=\"{id}\">{}</form></section>",
        current(stripe, &row.id),
        row.status.as_str(),
        does.concat(),
    )
}

/// The prices to which a portal lets a subscription be changed.
fn switch(stripe: &Stripe, row: &Subscription, features: Option<&PortalFeatures>) -> String {
    let update = features.map(|it| it.subscription_update.as_ref());
    let listed = |price: &str| match update {
        None => true,
        Some(None) => false,
        Some(Some(update)) => {
            update.products.iter().any(|(_, all)| all.iter().any(|it| it == price))
        }
    };
    let others = stripe.prices.newest_first().filter(|price| {
        price.active && listed(&price.id) && row.items.iter().all(|item| item.price != price.id)
    });
    let others: String = others
        .map(|price| {
            let (id, offer) = (escape(&price.id), offer(stripe, &price.id));
            format!("<option value=\"{id}\">{offer}</option>")
        })
        .collect();
    if others.is_empty() {
        return String::new();
    }
    format!(
        "<select name=price>{others}</select><button name=action value=switch>Switch plan</button>"
    )
}

/// "Pro, 29.00 usd per month".
fn offer(stripe: &Stripe, price: &str) -> String {
    let Ok(price) = stripe.price(price) else { return String::new() };
    let name = stripe.products.get(&price.product).map_or("", |product| &product.name);
    let (whole, cents) = (price.unit_amount / 100, price.unit_amount % 100);
    let interval = price.interval.as_str();
    format!("{}, {whole}.{cents:02} {} per {interval}", escape(name), escape(&price.currency))
}

fn alert(refusal: Option<&str>) -> String {
    refusal.map_or(String::new(), |text| format!("<p role=alert>{}</p>", escape(text)))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem}}\
         button,select{{font:inherit;margin:.2rem}}[role=alert]{{color:#a00}}</style>\
         <h1>{title}</h1>{body}<p><small>A stand-in for Stripe. No money moves.</small></p></html>"
    )
}

fn page(html: StripeResult<String>) -> Response {
    match html {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            let body = format!("<p>{}</p>", escape(&error.message));
            (status, Html(document("Error", &body))).into_response()
        }
    }
}

/// Back to the seller. <https://docs.stripe.com/payments/checkout/custom-success-page>
fn leave(url: Option<&str>, session: &str) -> Response {
    match url {
        Some(url) => Redirect::to(&url.replace("{CHECKOUT_SESSION_ID}", session)).into_response(),
        None => Html(document("Thank you", "<p>You may close this page.</p>")).into_response(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
