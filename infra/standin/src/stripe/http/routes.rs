//! The endpoints: those that Tollgate calls, and those that its tests and `doctor` need.

use serde_json::Value;

use super::form::Form;
use super::{billing, catalog, parameters, payments, portal, test_clocks, webhooks};
use crate::stripe::error::StripeResult;
use crate::stripe::state::Stripe;

/// Answers one request: the account, the id in the path, the parameters.
pub(super) type Handler = fn(&mut Stripe, &str, &mut Form) -> StripeResult<Value>;

/// Whose the key is: what a restricted key may not be allowed to ask.
pub(super) const ACCOUNT: &str = "GET /v1/account";

/// Every endpoint, under the name that the gate logs.
const ROUTES: &[(&str, Handler)] = &[
    (ACCOUNT, catalog::get_account),
    ("GET /v1/customers", catalog::list_customers),
    ("POST /v1/customers", catalog::create_customer),
    ("GET /v1/customers/{id}", catalog::get_customer),
    ("POST /v1/customers/{id}", catalog::update_customer),
    ("DELETE /v1/customers/{id}", catalog::delete_customer),
    ("GET /v1/products", catalog::list_products),
    ("POST /v1/products", catalog::create_product),
    ("GET /v1/products/{id}", catalog::get_product),
    ("GET /v1/prices", catalog::list_prices),
    ("POST /v1/prices", catalog::create_price),
    ("GET /v1/prices/{id}", catalog::get_price),
    ("POST /v1/prices/{id}", catalog::update_price),
    ("GET /v1/checkout/sessions", billing::list_sessions),
    ("POST /v1/checkout/sessions", billing::create_session),
    ("GET /v1/checkout/sessions/{id}", billing::get_session),
    ("POST /v1/checkout/sessions/{id}/expire", billing::expire_session),
    ("GET /v1/subscriptions", billing::list_subscriptions),
    ("GET /v1/subscriptions/{id}", billing::get_subscription),
    ("POST /v1/subscriptions/{id}", billing::update_subscription),
    ("DELETE /v1/subscriptions/{id}", billing::cancel_subscription),
    ("POST /v1/subscriptions/{id}/resume", billing::resume_subscription),
    ("GET /v1/invoices", billing::list_invoices),
    ("GET /v1/invoices/{id}", billing::get_invoice),
    ("POST /v1/invoices/{id}/pay", billing::pay_invoice),
    ("GET /v1/invoice_payments", payments::list_invoice_payments),
    ("GET /v1/invoice_payments/{id}", payments::get_invoice_payment),
    ("GET /v1/charges/{id}", payments::get_charge),
    ("GET /v1/refunds", payments::list_refunds),
    ("POST /v1/refunds", payments::create_refund),
    ("GET /v1/refunds/{id}", payments::get_refund),
    ("GET /v1/disputes", payments::list_disputes),
    ("GET /v1/disputes/{id}", payments::get_dispute),
    ("POST /v1/billing_portal/sessions", portal::create_session),
    ("GET /v1/billing_portal/configurations", portal::list_configurations),
    ("POST /v1/billing_portal/configurations", portal::create_configuration),
    ("GET /v1/billing_portal/configurations/{id}", portal::get_configuration),
    ("POST /v1/billing_portal/configurations/{id}", portal::update_configuration),
    ("POST /v1/test_helpers/test_clocks", test_clocks::create),
    ("GET /v1/test_helpers/test_clocks/{id}", test_clocks::get),
    ("POST /v1/test_helpers/test_clocks/{id}/advance", test_clocks::advance),
    ("GET /v1/events", webhooks::list_events),
    ("GET /v1/events/{id}", webhooks::get_event),
    ("GET /v1/webhook_endpoints", webhooks::list_endpoints),
    ("POST /v1/webhook_endpoints", webhooks::create_endpoint),
    ("GET /v1/webhook_endpoints/{id}", webhooks::get_endpoint),
    ("POST /v1/webhook_endpoints/{id}", webhooks::update_endpoint),
    ("DELETE /v1/webhook_endpoints/{id}", webhooks::delete_endpoint),
];

/// The endpoint for a method and a path, with the id in the path.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static str, String, Handler)> {
    // `search` is no id.
    let itself = format!("{method} {path}");
    if parameters::knows(&itself) && !ROUTES.iter().any(|(name, _)| *name == itself) {
        return None;
    }
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
            (Some("{id}"), Some(part)) if !part.is_empty() => id = decoded(part)?,
            (Some(a), Some(b)) if a == b => {}
            _ => return None,
        }
    }
}

/// A segment of a path without its percent-encoding, if that is one.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = part.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => *hex::decode([bytes.next()?, bytes.next()?]).ok()?.first()?,
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a parameter of Stripe's would be called unknown.
    #[test]
    fn the_parameters_of_every_operation_are_known() {
        let unknown = ROUTES.iter().map(|(name, _)| *name).filter(|name| !parameters::knows(name));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&str>::new(), "list it in parameters.py");
    }
}
