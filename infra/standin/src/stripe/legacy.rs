//! The shapes of older API versions, for endpoints that were made long ago.
//!
//! Basil (2025-03-31) moved a subscription's period to its items, and the
//! subscription of an invoice under `parent`. Both are put back here.
//! <https://docs.stripe.com/changelog/basil>
//! Other differences between versions are not modelled.

use serde_json::{Value, json};

/// The version that moved them.
const BASIL: &str = "2025-03-31";

/// An event as an endpoint of the given version gets it.
pub(super) fn event_in(version: &str, mut event: Value) -> Value {
    event["api_version"] = json!(version);
    if version < BASIL {
        let data = &mut event["data"];
        before_basil(&mut data["object"]);
        if let Some(previous) = data.get_mut("previous_attributes") {
            period_from_items(previous);
        }
    }
    event
}

/// An object in the shape before Basil.
fn before_basil(object: &mut Value) {
    match object["object"].as_str() {
        Some("subscription") => {
            period_from_items(object);
            for item in items(object) {
                if let Some(item) = item.as_object_mut() {
                    item.remove("current_period_start");
                    item.remove("current_period_end");
                }
            }
        }
        Some("invoice") => invoice_before_basil(object),
        _ => {}
    }
}

fn items(subscription: &mut Value) -> impl Iterator<Item = &mut Value> {
    subscription["items"]["data"].as_array_mut().into_iter().flatten()
}

fn period_from_items(subscription: &mut Value) {
    let Some(first) = subscription.pointer("/items/data/0").cloned() else { return };
    for field in ["current_period_start", "current_period_end"] {
        if let Some(time) = first.get(field) {
            subscription[field] = time.clone();
        }
    }
}

fn invoice_before_basil(invoice: &mut Value) {
    let details = invoice["parent"]["subscription_details"].take();
    invoice["subscription"] = details["subscription"].clone();
    invoice["subscription_details"] = json!({ "metadata": details["metadata"] });
    invoice["paid"] = json!(invoice["status"] == "paid");
    for line in invoice["lines"]["data"].as_array_mut().into_iter().flatten() {
        let price = line.pointer("/pricing/price_details/price").cloned();
        line["subscription"] = details["subscription"].clone();
        line["price"] = json!({ "id": price, "object": "price" });
        line["type"] = json!("subscription");
        if let Some(line) = line.as_object_mut() {
            line.remove("pricing");
            line.remove("parent");
        }
    }
    if let Some(invoice) = invoice.as_object_mut() {
        invoice.remove("parent");
    }
}
