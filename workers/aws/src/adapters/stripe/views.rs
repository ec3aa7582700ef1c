//! The few fields of Stripe's objects that Tollgate reads.
//!
//! Tolerant on purpose: fields that we do not know are skipped, those that a version
//! leaves out are absent, an expandable field may be an id or an object, and statuses
//! are text. <https://docs.stripe.com/expand>

use std::collections::BTreeMap;

use jiff::Timestamp;
use miniserde::Deserialize;
use miniserde::json::{Number, Object, Value};
use tollgate_billing::ports::{CheckoutRecord, CustomerRecord, CustomerSeen};
use tollgate_billing::stripe::{Dispute, DisputeStatus, Price, Subscription, SubscriptionStatus};
use tollgate_events::stripe::METADATA_PRICE;
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, IdError, NamedAccount, PriceId, ProductId, SubscriptionId,
};

type Metadata = Option<BTreeMap<String, String>>;

/// A page of a list. <https://docs.stripe.com/api/pagination>
#[derive(Debug, Deserialize)]
pub(super) struct ListView<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: Option<bool>,
}

/// Any object, of which only the id matters.
#[derive(Debug, Deserialize)]
pub(super) struct IdView {
    pub(super) id: String,
}

/// An object whose id says where the next page begins.
pub(super) trait Listed {
    fn id(&self) -> &str;
}

impl Listed for IdView {
    fn id(&self) -> &str {
        &self.id
    }
}

/// <https://docs.stripe.com/api/subscriptions/object>
#[derive(Debug, Deserialize)]
pub(super) struct SubscriptionView {
    id: String,
    customer: Option<Value>,
    status: String,
    pub(super) items: Option<ListView<ItemView>>,
    cancel_at: Option<i64>,
    cancel_at_period_end: Option<bool>,
    /// Before Basil (2025-03-31); later on each item.
    current_period_end: Option<i64>,
    latest_invoice: Option<Value>,
    metadata: Metadata,
}

/// <https://docs.stripe.com/api/subscription_items/object>
#[derive(Debug, Deserialize)]
pub(super) struct ItemView {
    id: String,
    price: PriceView,
    current_period_end: Option<i64>,
}

/// <https://docs.stripe.com/api/prices/object>
#[derive(Debug, Deserialize)]
struct PriceView {
    id: String,
    lookup_key: Option<String>,
    product: Option<Value>,
}

impl Listed for SubscriptionView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for ItemView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl SubscriptionView {
    /// The subscription; of the customer whose subscriptions were asked for, if it was one's.
    pub(super) fn read(&self, asked: Option<&CustomerId>) -> Result<Subscription, IdError> {
        let items = self.items.as_ref().map_or(&[][..], |items| &items.data);
        let period_end = items.iter().filter_map(|item| item.current_period_end).max();
        let customer = self.customer.as_ref().and_then(id_of);
        let customer = customer.or(asked.map(CustomerId::as_str)).unwrap_or_default();
        Ok(Subscription {
            id: SubscriptionId::parse(&self.id)?,
            customer: CustomerId::parse(customer)?,
            status: SubscriptionStatus::from(self.status.as_str()),
            prices: items.iter().map(|item| item.price.read()).collect::<Result<_, _>>()?,
            cancel_at: self.cancel_at.and_then(time),
            cancel_at_period_end: self.cancel_at_period_end.unwrap_or(false),
            current_period_end: period_end.or(self.current_period_end).and_then(time),
            latest_invoice_finalized_at: self.latest_invoice.as_ref().and_then(finalized_at),
            named: named(&self.metadata),
        })
    }
}

impl PriceView {
    fn read(&self) -> Result<Price, IdError> {
        let product = self.product.as_ref().and_then(id_of);
        Ok(Price {
            id: PriceId::parse(&self.id)?,
            lookup_key: self.lookup_key.clone(),
            product: product.map(ProductId::parse).transpose()?,
        })
    }
}

/// `status_transitions.finalized_at` of an expanded invoice.
/// <https://docs.stripe.com/api/invoices/object#invoice_object-status_transitions>
fn finalized_at(invoice: &Value) -> Option<Timestamp> {
    let transitions = object(object(invoice)?.get("status_transitions")?)?;
    time(whole(transitions.get("finalized_at")?)?)
}

/// <https://docs.stripe.com/api/customers/object>
#[derive(Debug, Deserialize)]
pub(super) struct CustomerView {
    id: String,
    deleted: Option<bool>,
    metadata: Metadata,
}

impl CustomerView {
    pub(super) fn read(&self) -> Result<CustomerSeen, IdError> {
        if self.deleted == Some(true) {
            return Ok(CustomerSeen::Deleted);
        }
        let (id, named) = (CustomerId::parse(&self.id)?, named(&self.metadata));
        Ok(CustomerSeen::There(CustomerRecord { id, named }))
    }
}

/// <https://docs.stripe.com/api/checkout/sessions/object>
#[derive(Debug, Deserialize)]
pub(super) struct CheckoutView {
    id: String,
    status: Option<String>,
    url: Option<String>,
    metadata: Metadata,
    client_reference_id: Option<String>,
    subscription: Option<Value>,
}

impl Listed for CheckoutView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl CheckoutView {
    pub(super) fn read(self) -> CheckoutRecord {
        let price = self.metadata.as_ref().and_then(|metadata| metadata.get(METADATA_PRICE));
        CheckoutRecord {
            price: price.and_then(|price| PriceId::parse(price.as_str()).ok()),
            named: named(&self.metadata),
            subscription: self
                .subscription
                .as_ref()
                .and_then(|it| SubscriptionId::parse(id_of(it)?).ok()),
            id: self.id,
            status: self.status.unwrap_or_default(),
            url: self.url,
            client_reference_id: self.client_reference_id,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.status.as_deref() == Some("open")
    }
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Debug, Deserialize)]
pub(super) struct DisputeView {
    id: String,
    status: String,
    charge: Value,
}

impl DisputeView {
    pub(super) fn read(&self) -> Result<Dispute, IdError> {
        let customer = object(&self.charge).and_then(|charge| id_of(charge.get("customer")?));
        Ok(Dispute {
            id: DisputeId::parse(&self.id)?,
            status: DisputeStatus::from(self.status.as_str()),
            charge: ChargeId::parse(id_of(&self.charge).unwrap_or_default())?,
            customer: customer.map(CustomerId::parse).transpose()?,
        })
    }
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Debug, Deserialize)]
pub(super) struct ChargeView {
    customer: Option<Value>,
}

impl ChargeView {
    pub(super) fn read(&self) -> Result<Option<CustomerId>, IdError> {
        self.customer.as_ref().and_then(id_of).map(CustomerId::parse).transpose()
    }
}

/// <https://docs.stripe.com/api/customer_portal/sessions/object>
#[derive(Debug, Deserialize)]
pub(super) struct PortalView {
    pub(super) url: String,
}

/// The account that an object's metadata names. An id that cannot be one names nobody.
fn named(metadata: &Metadata) -> Option<NamedAccount> {
    let metadata = metadata.as_ref()?;
    NamedAccount::from_metadata(|key| metadata.get(key).map(String::as_str))
}

/// The id in an expandable field.
pub(super) fn id_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(id) => Some(id),
        Value::Object(object) => id_of(object.get("id")?),
        _ => None,
    }
}

fn object(value: &Value) -> Option<&Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(Number::I64(number)) => Some(*number),
        Value::Number(Number::U64(number)) => i64::try_from(*number).ok(),
        _ => None,
    }
}

fn time(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests;
