//! What was last paid for of a subscription whose payment is late.
//!
//! Asked once, when it is first seen past due; from then on it stands in the account. Which
//! invoices those are follows from the invoices alone and from no catalog: a wrong one must not
//! leave behind what nobody would ask for again.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_events::SubscriptionId;

use super::Run;
use crate::decide::is_ours;
use crate::ports::{PortResult, Ports, Stripe};
use crate::stripe::{PaidInvoice, Price, Subscription, SubscriptionStatus};

impl<P: Ports> Run<'_, P> {
    /// What was last paid for of those that are past due and that the ledger knows nothing of.
    pub(super) async fn paid_for(
        &self,
        subscriptions: &[Subscription],
        proven: &BTreeSet<SubscriptionId>,
    ) -> PortResult<BTreeMap<SubscriptionId, Vec<Price>>> {
        let (access, catalog) = (&self.account.access, &self.worker.catalog);
        let is_new = |it: &&Subscription| {
            it.status == SubscriptionStatus::PastDue
                && !access.paid_for.contains_key(&it.id)
                && is_ours(it, proven, access, catalog)
        };
        let mut paid_for = BTreeMap::new();
        for late in subscriptions.iter().filter(is_new) {
            self.worker.note_stripe_calls(1);
            let invoices = self.worker.ports.stripe().paid_invoices(&late.id).await?;
            let mut prices = last_paid(&invoices, late.had_trial);
            for price in &mut prices {
                self.complete(price, late).await?;
            }
            paid_for.insert(late.id.clone(), prices);
        }
        Ok(paid_for)
    }

    /// An invoice does not tell its prices' lookup keys. The subscription does, of those that
    /// it still has; of the others Stripe is asked, where the catalog may need it.
    async fn complete(&self, price: &mut Price, late: &Subscription) -> PortResult<()> {
        let Some(id) = &price.id else { return Ok(()) };
        if let Some(known) = late.prices.iter().find(|known| known.id.as_ref() == Some(id)) {
            price.clone_from(known);
        } else if self.worker.catalog.plan_of(price).is_none()
            && let Some(read) = self.worker.ports.stripe().price(id).await?
        {
            *price = read;
        }
        Ok(())
    }
}

/// What was last paid for, of a subscription's paid invoices, newest first: what the newest of a
/// whole period was for, and those of changes since then. What cost nothing counts only where
/// there was no trial: billed by usage, the first period does.
fn last_paid(invoices: &[PaidInvoice], had_trial: bool) -> Vec<Price> {
    let cost_something = invoices.iter().any(|invoice| invoice.total > 0);
    let least = i64::from(cost_something || had_trial);
    let mut prices: Vec<Price> = Vec::new();
    for invoice in invoices.iter().filter(|invoice| invoice.total >= least) {
        let new = invoice.prices.iter().filter(|new| !prices.contains(new)).cloned();
        prices.extend(new.collect::<Vec<_>>());
        if invoice.is_of_a_period {
            break;
        }
    }
    prices
}

#[cfg(test)]
mod tests {
    use tollgate_events::PriceId;

    use super::*;

    fn invoice(total: i64, prices: &[&str], is_of_a_period: bool) -> PaidInvoice {
        let price = |id: &&str| Price { id: PriceId::parse(*id).ok(), ..Price::default() };
        PaidInvoice { id: None, total, prices: prices.iter().map(price).collect(), is_of_a_period }
    }

    fn paid(invoices: &[PaidInvoice], had_trial: bool) -> Vec<String> {
        let prices = last_paid(invoices, had_trial);
        prices.iter().map(|price| price.name().to_string()).collect()
    }

    #[test]
    fn the_newest_period_counts_and_what_changed_since() {
        let basic = invoice(300, &["basic"], true);
        assert_eq!(paid(&[basic.clone(), invoice(900, &["pro"], true)], false), ["basic"]);
        let add_on = invoice(5, &["add_on"], false);
        let upgrade = invoice(400, &["pro", "basic"], false);
        let all = [add_on, upgrade, basic, invoice(1, &["x"], true)];
        assert_eq!(paid(&all, false), ["add_on", "pro", "basic"]);
    }

    #[test]
    fn what_cost_nothing_counts_only_without_a_trial() {
        let free = invoice(0, &["pro"], true);
        assert_eq!(paid(std::slice::from_ref(&free), true), [""; 0]);
        assert_eq!(paid(std::slice::from_ref(&free), false), ["pro"], "it is billed by usage");
        assert_eq!(paid(&[free.clone(), invoice(300, &["basic"], true)], true), ["basic"]);
        assert_eq!(paid(&[free, invoice(300, &["basic"], true)], false), ["basic"]);
        assert_eq!(paid(&[], false), [""; 0]);
    }
}
