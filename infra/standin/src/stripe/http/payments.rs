//! What pays invoices, charges, refunds, disputes.

use serde_json::Value;

use super::form::Form;
use super::page::{Created, Paging};
use super::shown::shown;
use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::objects::list;
use crate::stripe::refunds::NewRefund;
use crate::stripe::state::Stripe;

/// <https://docs.stripe.com/api/invoice-payment/list>
pub(super) fn list_invoice_payments(
    stripe: &mut Stripe,
    _: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    let (page, created) = (Paging::take(form)?, Created::take(form)?);
    let (invoice, status) = (form.take("invoice"), form.take("status"));
    let intent = form.take("payment[payment_intent]");
    if form.take("payment[type]").is_some_and(|kind| kind != "payment_intent") {
        return Err(StripeError::not_implemented("a payment of another type than payment_intent"));
    }
    form.finish()?;
    if let Some(invoice) = &invoice {
        let found = stripe.invoice(invoice);
        found.map_err(|_| StripeError::no_such("invoice", invoice, "invoice"))?;
    }
    let wanted = |wanted: &Option<String>, is: &Value| {
        wanted.as_ref().is_none_or(|wanted| is.as_str() == Some(wanted))
    };
    let rows = stripe.invoices.newest_first();
    let rows = rows.filter(|row| row.finalized_at.is_some_and(|at| created.holds(at)));
    let rows = rows.filter_map(|row| stripe.show_invoice_payment(row));
    let rows = rows.filter(|row| {
        wanted(&invoice, &row["invoice"])
            && wanted(&status, &row["status"])
            && wanted(&intent, &row["payment"]["payment_intent"])
    });
    let rows: Vec<_> = rows.collect();
    let (cut, more) =
        page.cut(rows.iter(), "invoice_payment", |row| row["id"].as_str().unwrap_or_default())?;
    Ok(list("/v1/invoice_payments", cut.into_iter().cloned(), more))
}

pub(super) fn get_invoice_payment(
    stripe: &mut Stripe,
    id: &str,
    form: &mut Form,
) -> StripeResult<Value> {
    form.finish()?;
    let invoice = stripe.invoice_of_payment(id);
    let payment = invoice.and_then(|invoice| stripe.show_invoice_payment(invoice));
    payment.ok_or_else(|| StripeError::missing("invoice_payment", id))
}

/// <https://docs.stripe.com/api/refunds/create>
pub(super) fn create_refund(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (charge, intent) = (form.take("charge"), form.take("payment_intent"));
    let known = |word: &str| {
        let known = matches!(word, "duplicate" | "fraudulent" | "requested_by_customer");
        known.then(|| word.to_owned())
    };
    let new = NewRefund {
        amount: form.int("amount")?,
        reason: form.word("reason", known)?,
        metadata: form.map("metadata"),
    };
    form.finish()?;
    let charge = match (charge, intent) {
        (Some(charge), _) => charge,
        (None, Some(intent)) => stripe.charge_of_intent(&intent)?,
        (None, None) => return Err(StripeError::missing_parameter("charge")),
    };
    let id = stripe.refund(&charge, new)?;
    shown(stripe, &id)
}

pub(super) fn list_refunds(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created, charge) = (Paging::take(form)?, Created::take(form)?, form.take("charge"));
    form.finish()?;
    let rows = stripe.refunds.newest_first().filter(|row| {
        created.holds(row.created) && charge.as_ref().is_none_or(|charge| *charge == row.charge)
    });
    let (rows, more) = page.cut(rows, "refund", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_refund(row));
    Ok(list("/v1/refunds", rows, more))
}

pub(super) fn get_refund(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    let row = stripe.refunds.get(id).ok_or_else(|| StripeError::missing("refund", id))?;
    Ok(stripe.show_refund(row))
}

pub(super) fn get_charge(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.charge(id).map(|row| stripe.show_charge(row))
}

pub(super) fn list_disputes(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let (page, created, charge) = (Paging::take(form)?, Created::take(form)?, form.take("charge"));
    form.finish()?;
    let rows = stripe.disputes.newest_first().filter(|row| {
        created.holds(row.created) && charge.as_ref().is_none_or(|charge| *charge == row.charge)
    });
    let (rows, more) = page.cut(rows, "dispute", |row| &row.id)?;
    let rows = rows.into_iter().map(|row| stripe.show_dispute(row));
    Ok(list("/v1/disputes", rows, more))
}

pub(super) fn get_dispute(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.dispute(id).map(|row| stripe.show_dispute(row))
}
