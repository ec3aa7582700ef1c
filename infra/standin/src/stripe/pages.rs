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
use super::model::{Card, SessionStatus, Subscription};
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
    /// `switch`, `cancel_later`, `cancel_now` or `keep`.
    action: String,
    subscription: String,
    #[serde(default)]
    price: String,
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
        Ok(()) => Redirect::to(&format!("/portal/{id}")).into_response(),
        Err(error) => page(portal_page(&stripe, &id, Some(&error.message))),
    }
}

/// A portal shows, and changes, its own customer's subscriptions only.
fn portal_act(stripe: &mut Stripe, portal: &str, form: &PortalForm) -> StripeResult<()> {
    let customer = stripe.portal(portal)?.customer.clone();
    let id = form.subscription.as_str();
    if stripe.subscription(id)?.customer != customer {
        return Err(StripeError::missing("subscription", id));
    }
    match form.action.as_str() {
        "switch" => stripe.change_price(id, &form.price),
        "cancel_later" => stripe.cancel(id, When::PeriodEndInPortal),
        "cancel_now" => stripe.cancel(id, When::Now),
        "keep" => stripe.keep(id),
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
    let live = stripe.subscriptions_of(&portal.customer).into_iter();
    let live: String =
        live.filter(|row| !row.status.is_final()).map(|row| manage(stripe, row)).collect();
    let live = if live.is_empty() { "<p>No subscription.</p>".to_owned() } else { live };
    let back = portal
        .return_url
        .as_ref()
        .map_or(String::new(), |url| format!("<p><a href=\"{}\">Back</a></p>", escape(url)));
    Ok(document("Your subscriptions", &format!("{}{live}{back}", alert(refusal))))
}

fn manage(stripe: &Stripe, row: &Subscription) -> String {
    let id = escape(&row.id);
    let current: String = row.items.iter().map(|item| offer(stripe, &item.price)).collect();
    let others: String = stripe
        .prices
        .newest_first()
        .filter(|price| price.active && row.items.iter().all(|item| item.price != price.id))
        .map(|price| {
            let (id, offer) = (escape(&price.id), offer(stripe, &price.id));
            format!("<option value=\"{id}\">{offer}</option>")
        })
        .collect();
    let ends = row.cancel_at.map_or(String::new(), |time| format!("<p>Ends at {time}.</p>"));
    let button =
        |action: &str, label: &str| format!("<button name=action value={action}>{label}</button>");
    let cancel = if row.cancel_at.is_some() {
        button("keep", "Keep it")
    } else {
        button("cancel_later", "Cancel at the end of the period")
    };
    format!(
        "<section><h2>{current}</h2><p>{}</p>{ends}<form method=post>\
         <input type=hidden name=subscription value=\"{id}\">\
         <select name=price>{others}</select>{}{cancel}{}</form></section>",
        row.status.as_str(),
        button("switch", "Switch plan"),
        button("cancel_now", "Cancel now"),
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
