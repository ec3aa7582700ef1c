//! What was paid for, by Stripe's own invoices. On purpose without `decide`.

use jiff::Timestamp;
use tollgate_core::stripe::Price;
use tollgate_standin::stripe::{Invoice, InvoiceStatus, Stripe, Subscription};

use crate::market::Edition;

/// The highest rank that is given.
pub(super) type Most = usize;

/// The most that a past-due subscription gives, of what was paid until then; none where there was
/// a trial, and nothing was ever paid after it.
pub(super) fn most_paid(
    stripe: &Stripe,
    row: &Subscription,
    edition: Edition,
    until: Timestamp,
) -> Option<Most> {
    let invoices = row.invoices.iter().rev().filter_map(|id| stripe.invoice(id).ok());
    let is_paid = |invoice: &&Invoice| {
        invoice.status == InvoiceStatus::Paid && invoice.paid_at.is_some_and(|at| at <= until)
    };
    let paid: Vec<_> = invoices.filter(is_paid).collect();
    let worth: Vec<_> = paid.iter().copied().filter(|invoice| invoice.amount > 0).collect();
    let counted = match (worth.is_empty(), row.trial) {
        (true, Some(_)) => return None,
        (true, None) => paid,
        (false, _) => worth,
    };
    let is_whole = |invoice: &Invoice| invoice.lines.iter().any(|line| !line.proration);
    let newest_whole = counted.iter().position(|it| is_whole(it)).map_or(counted.len(), |n| n + 1);
    let lines = counted.iter().take(newest_whole).flat_map(|invoice| &invoice.lines);
    let bought = lines.filter(|line| line.amount >= 0);
    let ranks = bought.map(|line| rank_of(stripe, edition, &line.price));
    // Nothing was asked for yet.
    Some(ranks.max().unwrap_or(Most::MAX))
}

/// The newest invoice of a subscription that is paid and cost something, if all that was charged
/// for it was given back.
pub(crate) fn refunded<'a>(stripe: &'a Stripe, row: &Subscription) -> Option<&'a str> {
    let invoices = row.invoices.iter().rev().filter_map(|id| stripe.invoice(id).ok());
    let newest = invoices
        .into_iter()
        .find(|invoice| invoice.status == InvoiceStatus::Paid && invoice.amount > 0)?;
    let charge = stripe.charge(newest.charge.as_ref()?).ok()?;
    (charge.amount_refunded == charge.amount).then_some(newest.id.as_str())
}

/// What the ledger has that was paid for, if that was right at any time.
pub(super) fn agrees(
    stripe: &Stripe,
    row: &Subscription,
    edition: Edition,
    recorded: &[Price],
) -> Option<Option<Most>> {
    let ids = recorded.iter().filter_map(|price| price.id.as_ref());
    let best = ids.map(|id| rank_of(stripe, edition, id.as_str())).max();
    let told = match (best, row.trial) {
        (None, Some(_)) => None,
        (best, _) => Some(best.unwrap_or(Most::MAX)),
    };
    let paid = row.invoices.iter().filter_map(|id| stripe.invoice(id).ok()?.paid_at);
    let mut times = paid.chain([row.created - jiff::SignedDuration::from_secs(1)]);
    times.any(|at| most_paid(stripe, row, edition, at) == told).then_some(told)
}

fn rank_of(stripe: &Stripe, edition: Edition, price: &str) -> usize {
    let price = stripe.price(price).ok();
    let key = price.and_then(|price| price.lookup_key.as_deref());
    key.map_or(0, |key| edition.rank_of(key))
}
