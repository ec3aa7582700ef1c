//! The account, customers, products and prices.

use serde_json::Value;

use super::form::Form;
use super::page::{Created, Paging};
use super::shown::shown;
use crate::stripe::catalog::NewPrice;
use crate::stripe::customers::NewCustomer;
use crate::stripe::error::StripeError;
use crate::stripe::error::StripeResult;
use crate::stripe::model::Customer;
use crate::stripe::model::Interval;
use crate::stripe::objects::list;
use crate::stripe::state::Stripe;

pub(super) fn get_account(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    Ok(stripe.show_account())
}

pub(super) fn list_customers(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created, email) = (Paging::take(form)?, Created::take(form)?, form.take("email"));
    // Those on a test clock are listed by their clock alone.
    let clock = form.take("test_clock");
    form.finish()?;
    let rows = stripe.customers.newest_first().filter(|row| {
        !row.deleted
            && created.holds(row.created)
            && row.test_clock == clock
            && (email.is_none() || row.email == email)
    });
    let (rows, more) = page.cut(rows, "customer", |row: &Customer| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_customer(row));
    Ok(list("/v1/customers", rows, more))
}

pub(super) fn create_customer(
    stripe: &mut Stripe,
    _: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let new = NewCustomer {
        email: form.take("email"),
        name: form.take("name"),
        metadata: form.map("metadata"),
        test_clock: form.take("test_clock"),
    };
    form.finish()?;
    if let Some(clock) = &new.test_clock {
        let found = stripe.test_clock(clock).map(drop);
        found.map_err(|_| StripeError::no_such("test_clock", clock, "test_clock"))?;
    }
    let id = stripe.create_customer(new);
    shown(stripe, &id)
}

pub(super) fn get_customer(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.customer(id).map(|row| stripe.show_customer(row))
}

pub(super) fn update_customer(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let (metadata, balance) = (form.map("metadata"), form.int("balance")?);
    form.finish()?;
    stripe.customer(id)?;
    stripe.set_customer_metadata(id, &metadata)?;
    if let Some(balance) = balance {
        stripe.set_balance(id, balance)?;
    }
    shown(stripe, id)
}

pub(super) fn delete_customer(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    stripe.delete_customer(id)?;
    shown(stripe, id)
}

pub(super) fn list_products(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, active) = (Paging::take(form)?, form.flag("active")?.unwrap_or(true));
    form.finish()?;
    let rows = stripe.products.newest_first().filter(|_| active);
    let (rows, more) = page.cut(rows, "product", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_product(row));
    Ok(list("/v1/products", rows, more))
}

pub(super) fn create_product(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (name, metadata) = (form.need("name")?, form.map("metadata"));
    let chosen = form.take("id");
    form.finish()?;
    let id = match chosen {
        Some(chosen) => {
            check_chosen(stripe, &chosen)?;
            stripe.with_id(&chosen, |stripe| stripe.create_product(&name, metadata))
        }
        None => stripe.create_product(&name, metadata),
    };
    shown(stripe, &id)
}

/// What an id may be that is chosen today.
/// <https://docs.stripe.com/changelog/2018-05-21/valid-characters-ids-coupons-skus-customers-products-plans>
fn check_chosen(stripe: &Stripe, id: &str) -> StripeResult<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || !id.bytes().all(allowed) {
        let message = "Invalid id: only alphanumeric characters, `_` and `-` are allowed.";
        return Err(StripeError::bad_parameter("id", message));
    }
    match stripe.object(id) {
        Some(_) => Err(StripeError::exists("Product", id)),
        None => Ok(()),
    }
}

pub(super) fn get_product(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    let row = stripe.products.get(id).ok_or_else(|| StripeError::missing("product", id))?;
    Ok(stripe.show_product(row))
}

pub(super) fn list_prices(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let page = Paging::take(form)?;
    let keys = form.list("lookup_keys");
    if keys.len() > 10 {
        let message = "Array must have at most 10 elements";
        return Err(StripeError::bad_parameter("lookup_keys", message));
    }
    let (product, active) = (form.take("product"), form.flag("active")?);
    form.finish()?;
    let rows = stripe.prices.newest_first().filter(|row| {
        let key = row.lookup_key.as_ref();
        (keys.is_empty() || key.is_some_and(|key| keys.contains(key)))
            && product.as_ref().is_none_or(|product| *product == row.product)
            && active.is_none_or(|active| active == row.active)
    });
    let (rows, more) = page.cut(rows, "price", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_price(row));
    Ok(list("/v1/prices", rows, more))
}

pub(super) fn create_price(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let interval = form.word("recurring[interval]", Interval::parse)?;
    let interval = interval.ok_or_else(|| StripeError::not_implemented("a one-time price"))?;
    let amount = form.int("unit_amount")?;
    let meter = form.take("recurring[meter]");
    let usage_type = form.take("recurring[usage_type]");
    if (usage_type.as_deref() == Some("metered")) != meter.is_some() {
        // <https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-legacy-usage-based-billing>
        let message = "A metered price must have a meter, and a licensed one has none.";
        return Err(StripeError::bad_parameter("recurring[usage_type]", message));
    }
    let new = NewPrice {
        product: form.need("product")?,
        currency: form.need("currency")?,
        unit_amount: amount.ok_or_else(|| StripeError::missing_parameter("unit_amount"))?,
        interval,
        interval_count: form.int("recurring[interval_count]")?.unwrap_or(1),
        meter,
        lookup_key: form.take("lookup_key"),
        transfer_lookup_key: form.flag("transfer_lookup_key")?.unwrap_or(false),
        nickname: form.take("nickname"),
        metadata: form.map("metadata"),
    };
    form.finish()?;
    let id = stripe.create_price(new)?;
    shown(stripe, &id)
}

pub(super) fn get_price(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.price(id).map(|row| stripe.show_price(row))
}

pub(super) fn update_price(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    let active = form.flag("active")?;
    form.finish()?;
    stripe.price(id)?;
    if let Some(active) = active {
        stripe.set_price_active(id, active)?;
    }
    shown(stripe, id)
}
