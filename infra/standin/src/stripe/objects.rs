//! How objects are shown: Stripe's newest API version, with every field that a
//! sensible consumer reads. Fields of features that the model does not have carry
//! the value that they have while unused.

mod billing;
mod checkout;
mod payments;
mod portal;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{Customer, Price, Product};
use super::state::Stripe;

/// The API version of the shapes shown here.
pub const API_VERSION: &str = "2026-09-30.endive";

pub(in crate::stripe) fn unix(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| json!(time.as_second()))
}

/// A list object.
pub(in crate::stripe) fn list(
    url: &str,
    data: impl Iterator<Item = Value>,
    has_more: bool,
) -> Value {
    json!({ "object": "list", "data": data.collect::<Value>(), "has_more": has_more, "url": url })
}

/// One object of two; `unused` are the fields of features that the model does not have.
fn join(mut shown: Value, mut unused: Value) -> Value {
    if let (Some(shown), Some(unused)) = (shown.as_object_mut(), unused.as_object_mut()) {
        shown.append(unused);
    }
    shown
}

/// The id of a customer's only card.
pub(in crate::stripe) fn payment_method(customer: &str) -> String {
    let tail = customer.strip_prefix("cus_");
    format!("pm_1{}", tail.map_or_else(|| hex::encode(customer), str::to_owned))
}

/// The last characters of a customer's id.
fn invoice_prefix(customer: &str) -> String {
    let more = customer.chars().count().saturating_sub(8);
    customer.chars().skip(more).collect()
}

impl Stripe {
    /// Any object, by its id's prefix if it has one: what `expand` needs.
    pub(super) fn object(&self, id: &str) -> Option<Value> {
        let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
        match prefix {
            "cus" => self.customers.get(id).map(|c| self.show_customer(c)),
            "prod" => self.products.get(id).map(|p| self.show_product(p)),
            "price" => self.prices.get(id).map(|p| self.show_price(p)),
            "bpc" => self.configurations.get(id).map(|c| self.show_configuration(c)),
            "cs" => self.sessions.get(id).map(|s| self.show_session(s)),
            "sub" if id.starts_with("sub_sched_") => self.show_schedule(id),
            "sub" => self.subscriptions.get(id).map(|s| self.show_subscription(s)),
            "in" => self.invoices.get(id).map(|i| self.show_invoice(i)),
            "ch" => self.charges.get(id).map(|c| self.show_charge(c)),
            "re" => self.refunds.get(id).map(|r| self.show_refund(r)),
            "pi" => self.show_intent(id),
            "inpay" => self.show_invoice_payment(self.invoice_of_payment(id)?),
            "dp" => self.disputes.get(id).map(|d| self.show_dispute(d)),
            "clock" => self.test_clocks.get(id).map(|c| self.show_test_clock(c)),
            "issfr" => self.warnings.get(id).map(|w| self.show_warning(w)),
            _ => None,
        }
        .or_else(|| self.object_of_chosen_id(id))
    }

    fn object_of_chosen_id(&self, id: &str) -> Option<Value> {
        let customer = || self.customers.get(id).map(|it| self.show_customer(it));
        let product = || self.products.get(id).map(|it| self.show_product(it));
        let price = || self.prices.get(id).map(|it| self.show_price(it));
        customer().or_else(product).or_else(price)
    }

    /// <https://docs.stripe.com/api/accounts/object>
    pub(super) fn show_account(&self) -> Value {
        json!({
            "id": self.settings.account_id,
            "object": "account",
            "business_profile": { "name": self.settings.business_name, "url": null },
            "business_type": null,
            "capabilities": { "card_payments": "active", "transfers": "active" },
            "charges_enabled": true,
            "country": "US",
            "default_currency": "usd",
            "details_submitted": true,
            "email": null,
            "metadata": {},
            "payouts_enabled": true,
            "type": "standard",
        })
    }

    /// <https://docs.stripe.com/api/customers/object>; deleted ones are a stub.
    pub(super) fn show_customer(&self, customer: &Customer) -> Value {
        if customer.deleted {
            return json!({ "id": customer.id, "object": "customer", "deleted": true });
        }
        json!({
            "id": customer.id,
            "object": "customer",
            "address": null,
            "balance": customer.balance,
            "created": customer.created.as_second(),
            "currency": customer.subscriptions.first().map(|_| "usd"),
            "customer_account": null,
            "default_source": null,
            "delinquent": customer.delinquent,
            "description": null,
            "discount": null,
            "email": customer.email,
            "invoice_prefix": invoice_prefix(&customer.id),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method":
                    customer.card.map(|_| payment_method(&customer.id)),
                "footer": null,
                "rendering_options": null,
            },
            "livemode": self.settings.livemode,
            "metadata": customer.metadata,
            "name": customer.name,
            "next_invoice_sequence": 1,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": customer.test_clock,
        })
    }

    /// <https://docs.stripe.com/api/products/object>
    pub(super) fn show_product(&self, product: &Product) -> Value {
        json!({
            "id": product.id,
            "object": "product",
            "active": true,
            "created": product.created.as_second(),
            "default_price": null,
            "description": null,
            "images": [],
            "livemode": self.settings.livemode,
            "marketing_features": [],
            "metadata": product.metadata,
            "name": product.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "type": "service",
            "unit_label": null,
            "updated": product.created.as_second(),
            "url": null,
        })
    }

    /// <https://docs.stripe.com/api/prices/object>
    pub(super) fn show_price(&self, price: &Price) -> Value {
        json!({
            "id": price.id,
            "object": "price",
            "active": price.active,
            "billing_scheme": "per_unit",
            "created": price.created.as_second(),
            "currency": price.currency,
            "custom_unit_amount": null,
            "livemode": self.settings.livemode,
            "lookup_key": price.lookup_key,
            "metadata": price.metadata,
            "nickname": price.nickname,
            "product": price.product,
            "recurring": {
                "interval": price.interval.as_str(),
                "interval_count": price.interval_count,
                "meter": price.meter,
                "trial_period_days": null,
                "usage_type": price.usage_type(),
            },
            "tax_behavior": "unspecified",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": "recurring",
            "unit_amount": price.unit_amount,
            "unit_amount_decimal": price.unit_amount.to_string(),
        })
    }

    /// The `plan` that subscription items still show beside their price.
    pub(super) fn show_plan(&self, price: &Price) -> Value {
        json!({
            "id": price.id,
            "object": "plan",
            "active": price.active,
            "amount": price.unit_amount,
            "amount_decimal": price.unit_amount.to_string(),
            "billing_scheme": "per_unit",
            "created": price.created.as_second(),
            "currency": price.currency,
            "interval": price.interval.as_str(),
            "interval_count": price.interval_count,
            "livemode": self.settings.livemode,
            "metadata": price.metadata,
            "meter": price.meter,
            "nickname": price.nickname,
            "product": price.product,
            "tiers_mode": null,
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": price.usage_type(),
        })
    }
}
