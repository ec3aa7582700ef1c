//! How customers pay, beside a card that pays or does not: by invoice, by what stands to their
//! credit, after a trial, and not at all for what they have changed to; and what is given back.

use rand::RngExt;
use tollgate_standin::stripe::{Card, NewCustomer, NewRefund, SubscriptionData};

use crate::actors::{ActContext, Actors, pick, some_price};

/// Longer, and shorter, than the period that is bought.
const DAYS_UNTIL_DUE: [i64; 3] = [3, 14, 40];

impl Actors {
    /// Something about how somebody pays; tells what, or `None` when nothing came of it.
    pub(crate) fn pays_oddly(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        match context.rng.random_range(0..12) {
            0..2 => self.buys_by_invoice(context),
            2 => self.has_credit(context),
            8..10 => self.changes_the_quantity(context),
            10..12 => self.is_refunded(context),
            3..5 => self.tries_and_does_not_pay(context),
            _ => self.upgrades_and_does_not_pay(context),
        }
    }

    /// A customer of ours whom the seller sends invoices.
    fn buys_by_invoice(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let metadata = context.api.worker.deriver.name(&id).to_metadata();
        let days = DAYS_UNTIL_DUE[context.rng.random_range(0..DAYS_UNTIL_DUE.len())];
        let mut stripe = context.world.stripe.account();
        let price = some_price(&stripe, context.rng)?;
        let customer = stripe.create_customer(NewCustomer::default());
        if context.rng.random_bool(0.5) {
            stripe.set_card(&customer, Card::Pays).ok()?;
        }
        let data = SubscriptionData {
            metadata,
            days_until_due: Some(days),
            ..SubscriptionData::default()
        };
        let subscription = stripe.subscribe(&customer, &[&price], data).ok()?;
        let told = format!("{name} buys by invoice: {customer} {subscription}");
        self.pays_for.insert(customer, vec![id]);
        self.subscriptions.push(subscription);
        Some(told)
    }

    fn has_credit(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let place = context.rng.random_range(0..self.pays_for.len().max(1));
        let customer = self.pays_for.keys().nth(place)?;
        let credit = context.rng.random_range(1..200) * 100;
        context.world.stripe.account().set_balance(customer, -credit).ok()?;
        Some(format!("{customer} has a credit of {credit}"))
    }

    /// A trial, and a card that will not pay what follows.
    fn tries_and_does_not_pay(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let metadata = context.api.worker.deriver.name(&id).to_metadata();
        let mut stripe = context.world.stripe.account();
        let price = some_price(&stripe, context.rng)?;
        let customer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&customer, Card::Declines).ok()?;
        let data =
            SubscriptionData { metadata, trial_period_days: 3, ..SubscriptionData::default() };
        let subscription = stripe.subscribe(&customer, &[&price], data).ok()?;
        let told = format!("{name} tries: {customer} {subscription}");
        self.pays_for.insert(customer, vec![id]);
        self.subscriptions.push(subscription);
        Some(told)
    }

    /// To none, and back to some.
    fn changes_the_quantity(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let id = pick(&self.subscriptions, context.rng)?;
        let quantity = context.rng.random_range(0..2);
        context.world.stripe.account().change_quantity(&id, quantity).ok()?;
        Some(format!("{id} is for {quantity} of its price"))
    }

    /// What was paid last is given back, in part or all of it.
    fn is_refunded(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let id = pick(&self.subscriptions, context.rng)?;
        let part = context.rng.random_bool(0.3);
        let mut stripe = context.world.stripe.account();
        if part {
            let latest = stripe.subscription(&id).ok()?.latest_invoice.clone()?;
            let charge = stripe.invoice(&latest).ok()?.charge.clone()?;
            let some = NewRefund { amount: Some(1), ..NewRefund::default() };
            stripe.refund(&charge, some).ok()?;
        } else {
            stripe.refund_latest(&id).ok()?;
        }
        Some(format!("{} of what {id} has cost is refunded", if part { "some" } else { "all" }))
    }

    fn upgrades_and_does_not_pay(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let id = pick(&self.subscriptions, context.rng)?;
        let mut stripe = context.world.stripe.account();
        let customer = stripe.subscription(&id).ok()?.customer.clone();
        let price = some_price(&stripe, context.rng)?;
        stripe.set_card(&customer, Card::Declines).ok()?;
        stripe.change_price(&id, &price).ok()?;
        Some(format!("{id} changes its price, and its card does not pay"))
    }
}
