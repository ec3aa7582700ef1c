//! Users, customers, banks and administrators, and what they do, at random.
//!
//! Every act may be refused (there is nothing to cancel, the card was declined, the
//! account API is down): then nothing happened, as in life. What was done is kept, so
//! that later acts find somebody to act on, and the oracle knows who meant to pay for whom.

pub(crate) mod clicks;
pub(crate) mod neighbours;
mod payments;
mod persons;

use std::collections::BTreeMap;

use crate::owner::Owner;
use crate::world::World;
use jiff::SignedDuration;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account_api::{AccountApi, Chosen, Via, Wanted};
use tollgate_events::{AccountId, NamedAccount};
use tollgate_standin::api_gateway::NewApiKey;
use tollgate_standin::stripe::{
    Card, FlowKind, Metadata, MissingPaymentMethod, NewCustomer, NewSession, PauseBehavior, Stripe,
    SubscriptionData, When,
};

use self::clicks::Clicks;
use self::neighbours::Neighbours;
use crate::executor::block_on;
use crate::market::SOLD;
use crate::operator::{Moves, Operated};

/// The plans that the account API sells.
pub(crate) const PLANS: [&str; 2] = ["basic", "pro"];

/// A price that is sold, any.
pub(crate) fn some_price(stripe: &Stripe, rng: &mut ChaCha8Rng) -> Option<String> {
    let (key, _) = SOLD[rng.random_range(0..SOLD.len())];
    stripe.price_by_lookup_key(key).map(|price| price.id.clone())
}

/// A person's address: whoever signs up again under a name is the same person.
pub(crate) fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// Everybody, and what they have.
#[derive(Debug, Default)]
pub struct Actors {
    /// Users by name; a name can be taken again after a deletion.
    pub users: BTreeMap<String, AccountId>,
    /// Every user there ever was.
    pub ever: Vec<AccountId>,
    /// What every user is called, told apart from others of the same name.
    pub called: BTreeMap<AccountId, String>,
    /// Customers who went through a checkout of ours: for whom they pay. One who went
    /// through checkouts for several accounts stands here with the first.
    pub pays_for: BTreeMap<String, Vec<AccountId>>,
    /// Every subscription.
    pub subscriptions: Vec<String>,
    /// Every dispute.
    pub disputes: Vec<String>,
    /// What operators have done, and got through.
    pub operated: BTreeMap<AccountId, Operated>,
    /// What operators have tried to do with customers.
    pub moves: Moves,
    /// Keys that the owner made by hand, and the usage plan that each is on.
    pub owners_keys: BTreeMap<String, String>,
    /// What was bought by clicking in our checkout.
    pub clicks: Clicks,
    /// Who else has to do with the seller's Stripe account.
    pub neighbours: Neighbours,
    /// Whether somebody has chosen another's sub for a name: what was written to the other may
    /// have landed on them, and if they leave before they are seen, the comparison finds it.
    pub takes_subs: bool,
    born: usize,
}

/// What an act has to do with.
pub struct ActContext<'a> {
    /// The world.
    pub world: &'a World,
    /// The account API.
    pub api: &'a AccountApi<World>,
    /// The seed's randomness.
    pub rng: &'a mut ChaCha8Rng,
}

impl Actors {
    /// Does something; tells what, or `None` when nothing came of it.
    pub fn act(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let pick = context.rng.random_range(0..110);
        match pick {
            _ if self.users.is_empty() => self.sign_up(context),
            0..12 => self.sign_up(context),
            12..16 => self.admin_create(context),
            16..20 => self.federated(context),
            20..26 => self.sign_in(context),
            26..43 => self.checkout(context),
            43..48 => self.second_customer(context),
            48..49 => self.checkout_for_another(context),
            49..50 => Self::stranger(context, self),
            50..51 => self.owner_makes_a_key(context),
            51..53 => self.switch_user(context, false),
            53..57 => self.switch_user(context, true),
            57..60 => self.delete_user(context),
            60..61 => self.delete_customer(context),
            61..66 => self.dispute(context),
            66..71 => self.settle_dispute(context),
            71..100 => self.subscription(context),
            _ => self.neighbours_act(context),
        }
    }

    pub(crate) fn born(&mut self, name: String, id: AccountId) {
        let namesakes = self.called.values().filter(|other| other.starts_with(&name)).count();
        let mark = "'".repeat(namesakes);
        self.called.insert(id.clone(), format!("{name}{mark}"));
        self.ever.push(id.clone());
        self.users.insert(name, id);
    }

    fn sign_up(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        // Names are few, so that the name of a deleted user is taken again.
        let name = format!("user-{}", context.rng.random_range(0..8));
        let id = context.world.cognito.sign_up_confirmed(&name, &address(&name)).ok()?;
        let told = format!("{name} signs up as {id}");
        self.born(name, id);
        Some(told)
    }

    /// Somebody has signed up before it all begins.
    pub(crate) fn pays_already(&mut self, world: &World, name: String) {
        let id = world.cognito.sign_up_confirmed(&name, &address(&name)).expect("it is free");
        self.born(name, id);
    }

    /// And has bought a plan.
    pub(crate) fn buys(
        &mut self,
        world: &World,
        api: &AccountApi<World>,
        id: &AccountId,
        plan: &str,
    ) {
        let url = block_on(api.checkout(id, plan)).expect("nothing fails");
        let session = url.rsplit('/').next().expect("it ends in the session");
        let mut stripe = world.stripe.account();
        let subscription = stripe.complete_checkout(session, Card::Pays).expect("it is open");
        let customer = stripe.subscription(&subscription).expect("it is new").customer.clone();
        self.pays_for.insert(customer, vec![id.clone()]);
        self.subscriptions.push(subscription);
    }

    fn admin_create(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        self.born += 1;
        let name = format!("made-{}", self.born);
        let id = context.world.cognito.admin_create_user(&name, "b@example.com").ok()?;
        let told = format!("an administrator makes {name} as {id}");
        self.born(name, id);
        Some(told)
    }

    fn federated(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let number = context.rng.random_range(0..3).to_string();
        let name = format!("Google_{number}");
        // Some leave, and come back at once under the same name.
        let leaves = context.rng.random_bool(0.3);
        if leaves && context.world.cognito.delete_self(&name).is_ok() {
            self.users.remove(&name);
        }
        let id =
            context.world.cognito.federated_sign_in("Google", &number, "c@example.com").ok()?;
        let told = format!("{name} signs in as {id}");
        if self.users.get(&name) != Some(&id) {
            self.born(name, id);
        }
        Some(told)
    }

    fn sign_in(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, _) = self.somebody(context)?;
        if context.rng.random_bool(0.5) {
            context.world.cognito.sign_in(&name).ok()?;
        } else {
            context.world.cognito.refresh(&name).ok()?;
        }
        Some(format!("{name} signs in"))
    }

    fn switch_user(&mut self, context: &mut ActContext<'_>, on: bool) -> Option<String> {
        let (name, _) = self.somebody(context)?;
        let cognito = &context.world.cognito;
        if on { cognito.enable_user(&name) } else { cognito.disable_user(&name) }.ok()?;
        Some(format!("{name} is {}", if on { "enabled" } else { "disabled" }))
    }

    fn delete_user(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, _) = self.somebody(context)?;
        let cognito = &context.world.cognito;
        let by_self = context.rng.random_bool(0.5);
        if by_self { cognito.delete_self(&name) } else { cognito.delete_user(&name) }.ok()?;
        self.users.remove(&name);
        Some(format!("{name} is deleted"))
    }

    fn checkout(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let plan = PLANS[context.rng.random_range(0..PLANS.len())];
        let wanted = Wanted::Plan(plan.to_owned());
        let Chosen { via, url } = match block_on(context.api.choose(&id, &wanted, None)) {
            Ok(chosen) => chosen,
            Err(refusal) => return Some(format!("{name} may not have {plan}: {refusal}")),
        };
        let session = url.rsplit('/').next()?.to_owned();
        if via != Via::Checkout {
            return Self::confirm(context, &session, &format!("{name} wants {plan}"));
        }
        let owners = self.owners_with(context, &session, id.clone());
        let bought = self.subscriptions.len();
        let told = self.complete(context, &session, owners, &format!("{name} buys {plan}"))?;
        if let Some(subscription) = self.subscriptions.get(bought).cloned() {
            self.clicked(context, &id, subscription);
        }
        Some(told)
    }

    /// Somebody does in the portal what it was opened for.
    fn confirm(context: &mut ActContext<'_>, portal: &str, told: &str) -> Option<String> {
        let mut stripe = context.world.stripe.account();
        let flow = stripe.portal(portal).ok()?.flow.clone()?;
        match flow.kind {
            FlowKind::Confirm { subscription, price, .. } => {
                stripe.change_in_portal(portal, &subscription, &price).ok()?;
                Some(format!("{told}: {subscription} changes to {price}"))
            }
            FlowKind::Cancel { subscription } => {
                stripe.cancel_in_portal(portal, &subscription).ok()?;
                Some(format!("{told}: {subscription} is cancelled"))
            }
            FlowKind::PaymentMethod => None,
        }
    }

    /// The accounts for which a session's customer has paid so far, and this one.
    fn owners_with(
        &self,
        context: &ActContext<'_>,
        session: &str,
        id: AccountId,
    ) -> Vec<AccountId> {
        let stripe = context.world.stripe.account();
        let customer = stripe.session(session).ok().and_then(|row| row.customer.as_deref());
        let known = customer.and_then(|customer| self.pays_for.get(customer));
        known.into_iter().flatten().cloned().chain([id]).collect()
    }

    /// A customer of the account's whom Tollgate did not choose: two browsers at once.
    fn second_customer(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let named = context.api.worker.deriver.name(&id);
        let customer = context.world.stripe.account().create_customer(NewCustomer::default());
        let session = open(context, &customer, &named)?;
        self.complete(context, &session, vec![id], &format!("{name} buys with {customer}"))
    }

    /// A customer of one account goes through a checkout of another's.
    fn checkout_for_another(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let place = context.rng.random_range(0..self.pays_for.len().max(1));
        let (customer, mut owners) =
            self.pays_for.iter().nth(place).map(|(c, o)| (c.clone(), o.clone()))?;
        let session = open(context, &customer, &context.api.worker.deriver.name(&id))?;
        owners.push(id);
        // The open session alone carries our proof: the customer may be linked by it.
        self.pays_for.insert(customer.clone(), owners.clone());
        self.complete(context, &session, owners, &format!("{customer} buys for {name} as well"))
    }

    fn complete(
        &mut self,
        context: &mut ActContext<'_>,
        session: &str,
        owners: Vec<AccountId>,
        told: &str,
    ) -> Option<String> {
        let card = if context.rng.random_bool(0.9) { Card::Pays } else { Card::Declines };
        let mut stripe = context.world.stripe.account();
        let customer = stripe.session(session).ok()?.customer.clone()?;
        let trial = stripe.session(session).ok()?.subscription_data.trial_period_days > 0;
        let subscription = if trial && context.rng.random_bool(0.5) {
            stripe.complete_checkout_without_card(session).ok()?
        } else if context.rng.random_bool(0.1) {
            let id = stripe.complete_checkout_unpaid(session).ok()?;
            let _ = stripe.settle_delayed_payment(session, context.rng.random_bool(0.7));
            id
        } else {
            stripe.complete_checkout(session, card).ok()?
        };
        self.pays_for.insert(customer.clone(), owners);
        self.subscriptions.push(subscription.clone());
        Some(format!("{told}: {customer} {subscription}"))
    }

    /// Somebody who names a user and has no proof: through a payment link, or a
    /// subscription that other code made.
    fn stranger(context: &mut ActContext<'_>, actors: &mut Self) -> Option<String> {
        let (name, id) = actors.somebody(context)?;
        let mut stripe = context.world.stripe.account();
        let price = stripe.price_by_lookup_key("pro_monthly")?.id.clone();
        if context.rng.random_bool(0.5) {
            let session =
                stripe.follow_payment_link(&price, Some(id.as_str()), "m@example.com").ok()?;
            stripe.complete_checkout(&session, Card::Pays).ok()?;
        } else {
            let customer = stripe.create_customer(NewCustomer::default());
            stripe.set_card(&customer, Card::Pays).ok()?;
            let metadata = Metadata::from([("tollgate_account".to_owned(), id.to_string())]);
            let data = SubscriptionData { metadata, ..SubscriptionData::default() };
            stripe.subscribe(&customer, &[&price], data).ok()?;
        }
        Some(format!("a stranger pays and names {name}"))
    }

    /// The API's owner makes a key by hand and puts it on one of our usage plans.
    fn owner_makes_a_key(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let name = format!("partner-{}", self.owners_keys.len());
        let plan = PLANS[context.rng.random_range(0..PLANS.len())];
        let customer_id = context.rng.random_bool(0.5).then(|| self.somebody(context)).flatten();
        let customer_id = customer_id.map(|(_, id)| id.to_string());
        let made = context.world.api_gateway.scene(|model, now| {
            let plans = model.get_usage_plans(None, &Default::default()).ok()?.items;
            let plan = plans.into_iter().find(|it| it.name == plan)?.id;
            let new =
                NewApiKey { name: Some(name), customer_id, enabled: true, ..NewApiKey::default() };
            let key = model.create_api_key(new, now).ok()?.id;
            model.create_usage_plan_key(&plan, &key, now).ok().map(|_| (key, plan))
        });
        let (key, on) = made?;
        self.owners_keys.insert(key.clone(), on);
        Some(format!("the owner makes the key {key} by hand"))
    }

    fn delete_customer(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let place = context.rng.random_range(0..self.pays_for.len().max(1));
        let customer = self.pays_for.keys().nth(place)?;
        context.world.stripe.account().delete_customer(customer).ok()?;
        Some(format!("{customer} is deleted"))
    }

    fn dispute(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let place = context.rng.random_range(0..self.pays_for.len().max(1));
        let customer = self.pays_for.keys().nth(place)?;
        let mut stripe = context.world.stripe.account();
        let dispute = match context.rng.random_range(0..4) {
            0 => stripe.open_inquiry(customer).ok()?,
            1 => return stripe.warn_of_fraud(customer).ok(),
            _ => stripe.open_dispute(customer).ok()?,
        };
        self.disputes.push(dispute.clone());
        Some(format!("{customer} disputes: {dispute}"))
    }

    fn settle_dispute(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let dispute = pick(&self.disputes, context.rng)?;
        let mut stripe = context.world.stripe.account();
        let (told, done) = match context.rng.random_range(0..5) {
            0 => ("escalates", stripe.escalate_inquiry(&dispute)),
            1 => ("is answered", stripe.submit_evidence(&dispute)),
            2 => ("is lost", stripe.close_dispute(&dispute, false)),
            _ => ("is won", stripe.close_dispute(&dispute, true)),
        };
        done.ok().map(|()| format!("{dispute} {told}"))
    }

    fn subscription(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let id = pick(&self.subscriptions, context.rng)?;
        let mut stripe = context.world.stripe.account();
        let customer = stripe.subscription(&id).ok()?.customer.clone();
        let (told, done) = change(&mut stripe, &id, &customer, context.rng)?;
        done.then(|| format!("{id} {told}"))
    }

    pub(crate) fn somebody(&self, context: &mut ActContext<'_>) -> Option<(String, AccountId)> {
        let place = context.rng.random_range(0..self.users.len().max(1));
        self.users.iter().nth(place).map(|(name, id)| (name.clone(), id.clone()))
    }
}

/// Something that happens to a subscription: what, and whether Stripe let it.
fn change(
    stripe: &mut Stripe,
    id: &str,
    customer: &str,
    rng: &mut ChaCha8Rng,
) -> Option<(&'static str, bool)> {
    Some(match rng.random_range(0..20) {
        0..3 => {
            let price = some_price(stripe, rng)?;
            ("changes its price", stripe.change_price(id, &price).is_ok())
        }
        3..5 => ("is cancelled", stripe.cancel(id, When::Now).is_ok()),
        5 => ("will end with its period", stripe.cancel(id, When::PeriodEnd).is_ok()),
        6 => (
            "will end with its period (portal)",
            stripe.cancel(id, When::PeriodEndInPortal).is_ok(),
        ),
        7 => {
            let at = stripe.now() + SignedDuration::from_hours(rng.random_range(1..200));
            ("will end", stripe.cancel(id, When::At(at)).is_ok())
        }
        8 => ("is kept", stripe.keep(id).is_ok()),
        9..13 => ("has a failing card", stripe.set_card(customer, Card::Declines).is_ok()),
        13..15 => {
            let _ = stripe.set_card(customer, Card::Pays);
            let _ = stripe.pay_latest_invoice(id);
            ("is paid up", true)
        }
        15 => {
            let pause = (PauseBehavior::Void, None);
            ("collects no more", stripe.pause_collection(id, Some(pause)).is_ok())
        }
        18..20 => ("is resumed", stripe.resume(id).is_ok()),
        16 => ("collects again", stripe.pause_collection(id, None).is_ok()),
        _ => ("has no card", stripe.set_card(customer, None).is_ok()),
    })
}

/// A session for a customer that names an account with our proof.
fn open(context: &mut ActContext<'_>, customer: &str, named: &NamedAccount) -> Option<String> {
    let mut stripe = context.world.stripe.account();
    let price = some_price(&stripe, context.rng)?;
    let metadata = named.to_metadata();
    let ends = [
        MissingPaymentMethod::Cancel,
        MissingPaymentMethod::Pause,
        MissingPaymentMethod::CreateInvoice,
    ];
    let data = SubscriptionData {
        metadata: metadata.clone(),
        trial_period_days: if context.rng.random_bool(0.4) { 5 } else { 0 },
        missing_payment_method: ends[context.rng.random_range(0..ends.len())],
        ..SubscriptionData::default()
    };
    let new = NewSession {
        customer: Some(customer.to_owned()),
        metadata,
        card_if_required: data.trial_period_days > 0,
        subscription_data: data,
        ..NewSession::for_price(&price)
    };
    stripe.open_checkout(new).ok()
}

pub(crate) fn pick(from: &[String], rng: &mut ChaCha8Rng) -> Option<String> {
    (!from.is_empty()).then(|| from[rng.random_range(0..from.len())].clone())
}
