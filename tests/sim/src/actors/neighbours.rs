//! Who else is in the seller's Stripe account: customers of other products, another stack
//! with its own, and what the seller sells without us to customers of ours. None of it is this
//! stack's business.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::World;
use rand::RngExt;
use secrecy::SecretString;
use tollgate_core::derive::Deriver;
use tollgate_events::AccountId;
use tollgate_operator::storefront::METADATA_STACK;
use tollgate_standin::stripe::{
    Card, Metadata, NewCustomer, NewSession, Stripe, SubscriptionData, When,
};

use crate::actors::{ActContext, Actors, pick};
use crate::market::OTHER_PRODUCTS;

/// What the other stack is called.
pub(crate) const OTHER_STACK: &str = "staging";

/// Everybody else, and what they have.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// Customers who have nothing to do with this stack.
    pub customers: BTreeSet<String>,
    /// What has been sold to them, and to customers of ours beside what we sell.
    pub subscriptions: Vec<String>,
    /// Sessions that the seller has opened for customers of ours.
    pub sessions: Vec<String>,
    /// Whether rows of our customers may be shown as they are not.
    pub reach_ours: bool,
    /// Subscriptions of our customers that are shown as no page describes them.
    pub odd: BTreeSet<String>,
}

/// Where a subscription is shown otherwise than Stripe's pages describe it, and as what.
const ODD: [(&str, &str); 6] = [
    ("/customer", "null"),
    ("/status", "17"),
    ("/items", "null"),
    ("/items/data/0/price", "null"),
    ("/metadata", "[]"),
    ("/cancel_at", "1.5"),
];

impl Actors {
    /// Something happens that is none of our business; tells what.
    pub(crate) fn neighbours_act(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        match context.rng.random_range(0..12) {
            10 => self.a_row_is_odd(context),
            0..2 => self.stranger_buys_another_product(context),
            2 => self.customer_buys_another_product(context),
            3 => self.other_stack_sells(context),
            4 => self.other_stack_sells_to_ours(context),
            5 => self.seller_opens_a_session(context),
            6 => self.neighbour_disputes(context),
            _ => self.neighbours_subscription(context),
        }
    }

    /// Sellers put their users' ids on every product's link.
    fn stranger_buys_another_product(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let reference = self.somebody(context).map(|(_, id)| id);
        let reference = reference.filter(|_| context.rng.random_bool(0.5));
        let mut stripe = context.world.stripe.account();
        let price = another_product(&stripe, context.rng.random_range(0..OTHER_PRODUCTS.len()))?;
        let reference = reference.as_ref().map(AccountId::as_str);
        let session = stripe.follow_payment_link(&price, reference, "n@example.com").ok()?;
        let subscription = stripe.complete_checkout(&session, Card::Pays).ok()?;
        let customer = stripe.subscription(&subscription).ok()?.customer.clone();
        let told = format!("{customer} buys another product: {subscription}");
        self.neighbours.customers.insert(customer);
        self.neighbours.subscriptions.push(subscription);
        Some(told)
    }

    fn customer_buys_another_product(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let customer = self.payer(context)?;
        let mut stripe = context.world.stripe.account();
        let price = another_product(&stripe, context.rng.random_range(0..OTHER_PRODUCTS.len()))?;
        let data = SubscriptionData::default();
        let subscription = stripe.subscribe(&customer, &[&price], data).ok()?;
        let told = format!("{customer} buys another product as well: {subscription}");
        self.neighbours.subscriptions.push(subscription);
        Some(told)
    }

    fn other_stack_sells(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let metadata = named_by_the_other_stack(context.rng.random_range(0..3));
        let mut stripe = context.world.stripe.account();
        let new = NewCustomer { metadata: metadata.clone(), ..NewCustomer::default() };
        let customer = stripe.create_customer(new);
        stripe.set_card(&customer, Card::Pays).ok()?;
        self.neighbours.customers.insert(customer.clone());
        let subscription = sold_by_the_other_stack(&mut stripe, &customer, metadata)?;
        let told = format!("{OTHER_STACK} sells to {customer}: {subscription}");
        self.neighbours.subscriptions.push(subscription);
        Some(told)
    }

    /// One customer of the seller's pays for both stacks.
    fn other_stack_sells_to_ours(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let customer = self.payer(context)?;
        let metadata = named_by_the_other_stack(context.rng.random_range(0..3));
        let mut stripe = context.world.stripe.account();
        let subscription = sold_by_the_other_stack(&mut stripe, &customer, metadata)?;
        let told = format!("{OTHER_STACK} sells to {customer} as well: {subscription}");
        self.neighbours.subscriptions.push(subscription);
        Some(told)
    }

    fn seller_opens_a_session(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let customer = self.payer(context)?;
        let mut stripe = context.world.stripe.account();
        let price = another_product(&stripe, context.rng.random_range(0..OTHER_PRODUCTS.len()))?;
        let new = NewSession { customer: Some(customer.clone()), ..NewSession::for_price(&price) };
        let session = stripe.open_checkout(new).ok()?;
        let told = format!("the seller opens {session} for {customer}");
        self.neighbours.sessions.push(session);
        Some(told)
    }

    fn neighbour_disputes(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let place = context.rng.random_range(0..self.neighbours.customers.len().max(1));
        let customer = self.neighbours.customers.iter().nth(place)?;
        let mut stripe = context.world.stripe.account();
        if context.rng.random_bool(0.3) {
            return stripe.warn_of_fraud(customer).ok();
        }
        let dispute = stripe.open_dispute(customer).ok()?;
        Some(format!("{customer}, who is no customer of ours, disputes: {dispute}"))
    }

    fn neighbours_subscription(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let id = pick(&self.neighbours.subscriptions, context.rng)?;
        let mut stripe = context.world.stripe.account();
        let row = stripe.subscription(&id).ok()?;
        let (customer, other_stacks) = (row.customer.clone(), is_other_stacks(&row.metadata));
        let told = match context.rng.random_range(0..6) {
            0..2 => {
                stripe.cancel(&id, When::Now).ok()?;
                "is cancelled"
            }
            2 if self.neighbours.customers.contains(&customer) => {
                stripe.set_card(&customer, Card::Declines).ok()?;
                "has a failing card"
            }
            3 if self.neighbours.customers.contains(&customer) => {
                stripe.delete_customer(&customer).ok()?;
                "is gone with its customer"
            }
            // Between products that are not ours: what is sold at a price of ours is ours.
            4 if !other_stacks => {
                let other = context.rng.random_range(0..OTHER_PRODUCTS.len());
                let price = another_product(&stripe, other)?;
                stripe.change_price(&id, &price).ok()?;
                "changes to another price"
            }
            _ => {
                let note = Metadata::from([("note".to_owned(), stripe.now().to_string())]);
                stripe.set_metadata(&id, &note).ok()?;
                "has a note"
            }
        };
        Some(format!("{id}, which is not ours, {told}"))
    }

    /// A subscription is shown as no page describes it: a neighbour's for good, one of a customer
    /// of ours until everything is put right: meanwhile the comparison leaves its account alone.
    fn a_row_is_odd(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let sold_by_us = context.rng.random_bool(0.3);
        let rows = if sold_by_us { &self.subscriptions } else { &self.neighbours.subscriptions };
        let id = pick(rows, context.rng)?;
        let (pointer, raw) = ODD[context.rng.random_range(0..ODD.len())];
        let mut stripe = context.world.stripe.account();
        let row = stripe.subscription(&id).ok()?;
        let reaches_ours = !self.neighbours.customers.contains(&row.customer);
        // Without its metadata nothing tells any more whose it is that sells what we sell.
        let is_unlinked = is_other_stacks(&row.metadata) && pointer == "/metadata";
        if is_unlinked || reaches_ours && !self.neighbours.reach_ours {
            return None;
        }
        stripe.make_odd(&id, pointer, raw);
        if reaches_ours {
            self.neighbours.odd.insert(id.clone());
        }
        Some(format!("{id} is shown with {raw} at {pointer}"))
    }

    /// What is ours is shown as it is again; whether anything was not.
    pub(crate) fn mend_odd_rows(&mut self, world: &World) -> bool {
        let mut stripe = world.stripe.account();
        let odd = std::mem::take(&mut self.neighbours.odd);
        odd.iter().for_each(|id| stripe.mend(id));
        !odd.is_empty()
    }

    /// One of those who went through a checkout of ours.
    fn payer(&self, context: &mut ActContext<'_>) -> Option<String> {
        let place = context.rng.random_range(0..self.pays_for.len().max(1));
        self.pays_for.keys().nth(place).cloned()
    }
}

/// Whether the other stack has made something.
pub(crate) fn is_other_stacks(metadata: &Metadata) -> bool {
    metadata.get(METADATA_STACK).is_some_and(|stack| stack == OTHER_STACK)
}

fn another_product(stripe: &Stripe, place: usize) -> Option<String> {
    stripe.price_by_lookup_key(OTHER_PRODUCTS[place]).map(|price| price.id.clone())
}

/// What the other stack writes on all that it makes, for one of its users.
fn named_by_the_other_stack(user: usize) -> Metadata {
    let secret = SecretString::from("staging-0123456789abcdef0123456789abcdef");
    let deriver = Deriver::new(OTHER_STACK, BTreeMap::from([(1, secret)]));
    let account = AccountId::parse(format!("{OTHER_STACK}-user-{user}")).expect("it is a word");
    deriver.expect("it is long enough").name(&account).to_metadata()
}

/// The other stack sells the same plans.
fn sold_by_the_other_stack(
    stripe: &mut Stripe,
    customer: &str,
    metadata: Metadata,
) -> Option<String> {
    let price = stripe.price_by_lookup_key("pro_monthly")?.id.clone();
    let data = SubscriptionData { metadata, ..SubscriptionData::default() };
    stripe.subscribe(customer, &[&price], data).ok()
}
