//! What a session of the billing portal is asked for with.

use serde_json::{Value, json};
use tollgate_core::ports::{NewPortal, PortalFlow};

/// <https://docs.stripe.com/api/customer_portal/sessions/create>
pub(super) fn form(portal: &NewPortal) -> Value {
    let NewPortal { customer, configuration, flow, return_url } = portal;
    let mut form = json!({ "customer": customer, "return_url": return_url });
    if let Some(configuration) = configuration {
        form["configuration"] = configuration.as_str().into();
    }
    if let Some(flow) = flow {
        let then = json!({ "type": "redirect", "redirect": { "return_url": return_url } });
        form["flow_data"] = flow_data(flow);
        form["flow_data"]["after_completion"] = then;
    }
    form
}

/// <https://docs.stripe.com/customer-management/portal-deep-links>
fn flow_data(flow: &PortalFlow) -> Value {
    match flow {
        PortalFlow::PaymentMethod => json!({ "type": "payment_method_update" }),
        PortalFlow::Cancel(subscription) => json!({
            "type": "subscription_cancel",
            "subscription_cancel": { "subscription": subscription },
        }),
        PortalFlow::Confirm { subscription, item, price } => json!({
            "type": "subscription_update_confirm",
            "subscription_update_confirm": {
                "subscription": subscription,
                "items": [{ "id": item, "price": price }],
            },
        }),
    }
}
