//! The few fields of Stripe's objects that Tollgate reads, and what must be among them.
//!
//! Fields that we do not know are skipped, those that a version leaves out are absent, an
//! expandable field may be an id or an object, and statuses are text. What else is odd about
//! a field is [`answer`](super::answer)'s business.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollgate_core::ports::{Bought, CheckoutRecord, CustomerRecord, CustomerSeen, RecentCheckout};
use tollgate_core::stripe::{
    Dispute, DisputeStatus, InvoiceId, LatestInvoice, PaidInvoice, Price, Scheduled, Subscription,
    SubscriptionStatus,
};
use tollgate_events::stripe::METADATA_PRICE;
use tollgate_events::{
    ChargeId, CustomerId, DisputeId, NamedAccount, PriceId, ProductId, SubscriptionId,
};

use super::answer::{Object, Odd};

/// <https://docs.stripe.com/api/subscriptions/object>
pub(super) struct SubscriptionView {
    pub(super) subscription: Subscription,
    /// Its items are more than were embedded.
    pub(super) goes_on: bool,
}

impl SubscriptionView {
    /// One of a list of everybody's: whoever looks through it must know what it says.
    pub(super) fn of_everybody(object: &Object<'_>) -> Result<Self, Odd> {
        let read = Self::by_id(object)?;
        object.need("status").map(|_| read)
    }

    /// One that was asked for by its id.
    pub(super) fn by_id(object: &Object<'_>) -> Result<Self, Odd> {
        let customer = object.need_id("customer", CustomerId::parse)?;
        Self::of(object, &customer)
    }

    /// One of those that were asked for by their customer.
    pub(super) fn of(object: &Object<'_>, asked: &CustomerId) -> Result<Self, Odd> {
        let customer = object.id("customer", CustomerId::parse).unwrap_or_else(|| asked.clone());
        if !says_metadata(object) {
            return Err(Odd::new("metadata", "no object"));
        }
        let status = object.text("status");
        let status = status.as_deref().map_or(SubscriptionStatus::Unreadable, Into::into);
        let list = object.object("items");
        let mut subscription = Subscription {
            sends_invoices: object.text("collection_method").as_deref() == Some("send_invoice"),
            next: scheduled(object),
            cancel_at: object.time("cancel_at"),
            cancel_at_period_end: object.flag("cancel_at_period_end") == Some(true),
            // Before Basil (2025-03-31); later on each item.
            current_period_end: object.time("current_period_end"),
            latest_invoice: object.object("latest_invoice").map(|it| latest_invoice(&it)),
            had_trial: object.says("trial_end"),
            latest_invoice_url: object
                .object("latest_invoice")
                .and_then(|invoice| invoice.text("hosted_invoice_url")),
            voids_invoices: object
                .object("pause_collection")
                .and_then(|pause| pause.text("behavior"))
                .as_deref()
                == Some("void"),
            named: named(object),
            ..Subscription::new(object.need_id("id", SubscriptionId::parse)?, customer, status)
        };
        let goes_on = list.as_ref().is_some_and(|list| list.flag("has_more") == Some(true));
        let rows = list.and_then(|list| list.rows("data"));
        // What is sold by items that cannot be read is not known; that is not nothing.
        let unread = || vec![ItemView::default()];
        let item = |raw| Object::read(raw).map(|item| ItemView::read(&item)).unwrap_or_default();
        let items = rows.map_or_else(unread, |rows| rows.into_iter().map(item).collect());
        give_items(&mut subscription, items);
        Ok(Self { subscription, goes_on })
    }
}

/// <https://docs.stripe.com/api/subscription_items/object>
#[derive(Default)]
pub(super) struct ItemView {
    id: Option<String>,
    price: Price,
    period_end: Option<Timestamp>,
}

impl ItemView {
    /// Whatever it is, it is an item: of a price that may not be known.
    pub(super) fn read(item: &Object<'_>) -> Self {
        let quantity = item.whole("quantity").and_then(|number| number.try_into().ok());
        let price = item.object("price").map(|price| read_price(&price)).unwrap_or_default();
        let period_end = item.time("current_period_end");
        Self { id: item.text("id"), price: Price { quantity, ..price }, period_end }
    }
}

/// Says what a subscription sells, and until when.
pub(super) fn give_items(subscription: &mut Subscription, items: Vec<ItemView>) {
    let period_end = items.iter().filter_map(|item| item.period_end).max();
    subscription.current_period_end = period_end.or(subscription.current_period_end);
    subscription.only_item = match items.as_slice() {
        [only] => only.id.clone(),
        _ => None,
    };
    subscription.prices = items.into_iter().map(|item| item.price).collect();
}

/// <https://docs.stripe.com/api/prices/object>
pub(super) fn read_price(price: &Object<'_>) -> Price {
    Price {
        id: price.id("id", PriceId::parse),
        lookup_key: price.text("lookup_key"),
        product: price.id("product", ProductId::parse),
        quantity: None,
    }
}

/// A price, and whether it is billed by usage.
pub(super) fn price(object: &Object<'_>) -> Result<(PriceId, bool), Odd> {
    Ok((object.need_id("id", PriceId::parse)?, is_metered(object)))
}

/// <https://docs.stripe.com/api/prices/object#price_object-recurring-usage_type>
pub fn is_metered(price: &Object<'_>) -> bool {
    let recurring = price.object("recurring");
    recurring.and_then(|it| it.text("usage_type")).as_deref() == Some("metered")
}

/// What an expanded schedule changes next. Of one that is not expanded nothing more is known than
/// that it is there.
/// <https://docs.stripe.com/api/subscription_schedules/object#subscription_schedule_object-phases>
fn scheduled(subscription: &Object<'_>) -> Option<Scheduled> {
    if !subscription.says("schedule") {
        return None;
    }
    let Some(schedule) = subscription.object("schedule") else {
        return Some(Scheduled::default());
    };
    let turn = schedule.object("current_phase").and_then(|phase| phase.time("end_date"));
    let (Some(turn), Some(phases)) = (turn, schedule.rows("phases")) else {
        return Some(Scheduled::default());
    };
    let phases = phases.into_iter().filter_map(Object::read);
    let begins = phases.filter_map(|phase| Some((phase.time("start_date")?, phase)));
    let (at, phase) = begins.filter(|(at, _)| *at >= turn).min_by_key(|(at, _)| *at)?;
    let price = match phase.rows("items").unwrap_or_default().as_slice() {
        [only] => Object::read(only).and_then(|item| item.id("price", PriceId::parse)),
        _ => None,
    };
    let price = price.map(|id| Price { id: Some(id), ..Price::default() });
    Some(Scheduled { price, at: Some(at) })
}

/// An expanded invoice.
/// <https://docs.stripe.com/api/invoices/object#invoice_object-status_transitions>
fn latest_invoice(invoice: &Object<'_>) -> LatestInvoice {
    LatestInvoice {
        id: invoice.id("id", InvoiceId::parse),
        finalized_at: invoice.object("status_transitions").and_then(|it| it.time("finalized_at")),
        due_date: invoice.time("due_date"),
        is_paid_for: invoice.text("status").as_deref() == Some("paid")
            && invoice.whole("total").is_some_and(|total| total > 0),
    }
}

/// <https://docs.stripe.com/api/invoices/object>. What is sold by lines that are not shown or
/// cannot be read is not known; that is not nothing.
pub(super) fn paid_invoice(invoice: &Object<'_>) -> Result<PaidInvoice, Odd> {
    let total = invoice.whole("total").ok_or_else(|| Odd::new("total", "missing, or no number"))?;
    let list = invoice.object("lines");
    let goes_on = list.as_ref().is_none_or(|list| list.flag("has_more") != Some(false));
    let rows = list.and_then(|list| list.rows("data")).unwrap_or_default();
    let line = |raw| Object::read(raw).map(|line| LineView::read(&line));
    let lines: Vec<_> = rows.into_iter().map(line).collect();
    let is_of_a_period = lines.iter().flatten().any(|line| !line.proration);
    let sold = lines.into_iter().filter(|line| line.as_ref().is_none_or(|it| !it.is_credit));
    let mut prices: Vec<_> =
        sold.filter_map(|line| line.map_or_else(unknown, |it| it.price)).collect();
    prices.extend(goes_on.then(Price::default));
    Ok(PaidInvoice { id: invoice.id("id", InvoiceId::parse), total, prices, is_of_a_period })
}

/// Whether what was charged by a payment of an invoice has all been refunded: the payment's
/// intent is expanded, with its charge. <https://docs.stripe.com/api/invoice-payment/object>
pub(super) fn is_refunded(payment: &Object<'_>) -> bool {
    let intent = payment.object("payment").and_then(|it| it.object("payment_intent"));
    let charge = intent.and_then(|intent| intent.object("latest_charge"));
    charge.and_then(|charge| charge.flag("refunded")) == Some(true)
}

fn unknown() -> Option<Price> {
    Some(Price::default())
}

/// <https://docs.stripe.com/api/invoice-line-item/object>
struct LineView {
    /// `None` where it is for no price.
    price: Option<Price>,
    is_credit: bool,
    proration: bool,
}

impl LineView {
    fn read(line: &Object<'_>) -> Self {
        let parent = line.object("parent");
        let details = parent.and_then(|parent| {
            let item = parent.object("subscription_item_details");
            item.or_else(|| parent.object("invoice_item_details"))
        });
        let proration = details.and_then(|it| it.flag("proration")).or(line.flag("proration"));
        Self {
            price: line_price(line),
            is_credit: line.whole("amount").is_some_and(|amount| amount < 0),
            proration: proration == Some(true),
        }
    }
}

/// Since Basil under `pricing`, before that the price itself.
fn line_price(line: &Object<'_>) -> Option<Price> {
    let Some(pricing) = line.object("pricing") else {
        let older = line.object("price").map(|price| read_price(&price));
        return older.or_else(|| line.says("pricing").then(Price::default));
    };
    let details = pricing.object("price_details").unwrap_or(pricing);
    let id = details.id("price", PriceId::parse);
    let product = details.id("product", ProductId::parse);
    Some(Price { id, product, ..Price::default() })
}

/// <https://docs.stripe.com/api/customers/object>
pub(super) fn customer(object: &Object<'_>) -> Result<CustomerSeen, Odd> {
    if object.flag("deleted") == Some(true) {
        return Ok(CustomerSeen::Deleted);
    }
    let (id, named) = (object.need_id("id", CustomerId::parse)?, named(object));
    Ok(CustomerSeen::There(CustomerRecord { id, named }))
}

/// <https://docs.stripe.com/api/checkout/sessions/object>
pub(super) fn checkout(object: &Object<'_>) -> Result<CheckoutRecord, Odd> {
    let metadata = object.object("metadata");
    Ok(CheckoutRecord {
        id: object.need("id")?,
        status: object.text("status").unwrap_or_default(),
        url: object.text("url"),
        named: named(object),
        client_reference_id: object.text("client_reference_id"),
        price: metadata.and_then(|metadata| metadata.id(METADATA_PRICE, PriceId::parse)),
        subscription: object.id("subscription", SubscriptionId::parse),
    })
}

/// A session whose subscription is expanded, with its latest invoice. One that says nothing of
/// its subscription has led to none yet.
pub(super) fn recent_checkout(object: &Object<'_>) -> Result<RecentCheckout, Odd> {
    let bought = object.object("subscription").map(|subscription| {
        let status = subscription.text("status");
        let invoice = subscription.object("latest_invoice");
        Bought {
            status: status.as_deref().map_or(SubscriptionStatus::Unreadable, Into::into),
            invoice_url: invoice.and_then(|invoice| invoice.text("hosted_invoice_url")),
        }
    });
    Ok(RecentCheckout { session: checkout(object)?, bought })
}

/// Whether a session's customer is expanded, and is no more.
pub(super) fn is_of_a_deleted_customer(raw: &str) -> bool {
    let customer = Object::read(raw).and_then(|session| session.object("customer"));
    customer.is_some_and(|customer| customer.flag("deleted") == Some(true))
}

/// <https://docs.stripe.com/api/disputes/object>
pub(super) fn dispute(object: &Object<'_>) -> Result<Dispute, Odd> {
    // Whose it is decides whom it holds: what cannot be read is not nobody.
    let charged = object.object("charge").ok_or_else(|| Odd::new("charge", "not expanded"))?;
    Ok(Dispute {
        id: object.need_id("id", DisputeId::parse)?,
        status: DisputeStatus::from(object.need("status")?.as_str()),
        charge: object.need_id("charge", ChargeId::parse)?,
        customer: charge(&charged)?,
    })
}

/// The customer of a charge, if it has one. <https://docs.stripe.com/api/charges/object>
pub(super) fn charge(object: &Object<'_>) -> Result<Option<CustomerId>, Odd> {
    if object.says("customer") {
        object.need_id("customer", CustomerId::parse).map(Some)
    } else {
        Ok(None)
    }
}

/// Any object, of which only the id matters.
pub fn id(object: &Object<'_>) -> Result<String, Odd> {
    object.need("id")
}

/// The texts of an object's metadata. <https://docs.stripe.com/api/metadata>
pub fn metadata(object: &Object<'_>) -> BTreeMap<String, String> {
    object.object("metadata").map(|metadata| metadata.all_texts()).unwrap_or_default()
}

/// Whether it can be read who made an object: another deployment may have.
fn says_metadata(object: &Object<'_>) -> bool {
    !object.says("metadata") || object.object("metadata").is_some()
}

/// The account that an object's metadata names. An id that cannot be one names nobody.
pub(super) fn named(object: &Object<'_>) -> Option<NamedAccount> {
    let metadata = metadata(object);
    NamedAccount::from_metadata(|key| metadata.get(key).map(String::as_str))
}

#[cfg(test)]
mod tests;
