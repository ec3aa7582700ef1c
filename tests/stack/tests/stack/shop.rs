//! A shop that sells an API, and the people who come to it: what scenarios are told with.

use std::cell::RefCell;
use std::sync::MutexGuard;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tollgate_core::account::{Account, Status};
use tollgate_core::ledger::StoredEvent;
use tollgate_core::ports::Ledger;
use tollgate_events::{AccountId, EventId, EventRef, Source};
use tollgate_functions::handlers;
use tollgate_local::customer::{Customer, HttpAnswer};
use tollgate_local::faults::Faults;
use tollgate_local::invariants::check;
use tollgate_local::stack::{Options, Stack};
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{
    Card, Delivery, DeliveryAnswer, Stripe, Subscription, SubscriptionData,
};
use tollgate_standin::world::POOL_ID;

use crate::openapi::must_fit;

pub(crate) type Told = anyhow::Result<()>;

/// What the shop's requests to AWS and Stripe meet.
#[derive(Clone)]
pub(crate) enum Conditions {
    /// Nothing goes wrong.
    Calm,
    /// Throttles, failures, cut connections and lost answers.
    Faulty(Faults),
}

/// A shop, open since nine o'clock on the first of March.
pub(crate) struct Shop {
    pub(crate) stack: Stack,
    conditions: Conditions,
    /// The value of every key that anybody was ever shown.
    shown: RefCell<Vec<String>>,
}

impl Shop {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        Self::open_in(&Conditions::Calm).await
    }

    pub(crate) async fn open_in(conditions: &Conditions) -> anyhow::Result<Self> {
        let start = "2026-03-01T09:00:00Z".parse()?;
        let faults = match conditions {
            Conditions::Calm => None,
            Conditions::Faulty(faults) => Some(faults.clone()),
        };
        let stack = Stack::start(Options { start, faults, ..Options::default() }).await?;
        Ok(Self { stack, conditions: conditions.clone(), shown: RefCell::default() })
    }

    /// Whether everything happens at once. Under faults some of it comes minutes later,
    /// so that a story cannot ask what is in between.
    pub(crate) fn is_prompt(&self) -> bool {
        matches!(self.conditions, Conditions::Calm)
    }

    /// Stripe, to be scripted; everything due is done. Not to be held over an `await`.
    pub(crate) fn stripe(&self) -> MutexGuard<'_, Stripe> {
        self.stack.world.stripe.account()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.stack.clock().time()
    }

    /// The price that a lookup key points to.
    pub(crate) fn price(&self, lookup_key: &str) -> String {
        let stripe = self.stripe();
        stripe.price_by_lookup_key(lookup_key).expect("the shop sells it").id.clone()
    }

    /// Everything under way arrives; under faults, what failed comes again until it does.
    pub(crate) async fn settle(&self) -> Told {
        match self.conditions {
            Conditions::Calm => self.stack.settle().await,
            Conditions::Faulty(_) => self.stack.wait_out().await,
        }
    }

    /// Time passes, and what came due in it arrives.
    async fn pass(&self, time: SignedDuration) -> Told {
        self.stack.advance(time).await?;
        if self.is_prompt() { Ok(()) } else { self.stack.wait_out().await }
    }

    pub(crate) async fn minutes(&self, minutes: i64) -> Told {
        self.pass(SignedDuration::from_mins(minutes)).await
    }

    pub(crate) async fn hours(&self, hours: i64) -> Told {
        self.pass(SignedDuration::from_hours(hours)).await
    }

    pub(crate) async fn days(&self, days: i64) -> Told {
        self.hours(24 * days).await
    }

    /// Up to a second before a time.
    pub(crate) async fn until_just_before(&self, time: Timestamp) -> Told {
        let wait = time.duration_since(self.now()) - SignedDuration::from_secs(1);
        self.stack.advance(wait).await
    }

    pub(crate) async fn a_second(&self) -> Told {
        self.pass(SignedDuration::from_secs(1)).await
    }

    /// Stripe sends an event, again and again until it is taken.
    pub(crate) async fn deliver(&self, delivery: &Delivery) -> Told {
        for _ in 0..50 {
            let answer = self.stack.world.stripe.deliver(&self.stack.http, delivery).await;
            match answer {
                DeliveryAnswer::Status(200..=299) => return Ok(()),
                answer => anyhow::ensure!(!self.is_prompt(), "{}: {answer:?}", delivery.kind),
            }
        }
        anyhow::bail!("{} is never taken", delivery.kind)
    }

    /// What happens from now on in Stripe is never told: the endpoint is off.
    pub(crate) fn lose_webhooks(&self, lose: bool) {
        let mut stripe = self.stripe();
        let ids: Vec<_> = stripe.endpoints().map(|endpoint| endpoint.id.clone()).collect();
        for id in ids {
            stripe.enable_endpoint(&id, !lose).expect("it was listed");
        }
    }

    /// Somebody signs up, confirms, and looks up their key.
    pub(crate) async fn sign_up(&self, name: &'static str) -> anyhow::Result<Person<'_>> {
        Customer::new(&self.stack, name).sign_up().await?;
        self.settle().await?;
        self.welcome(name).await
    }

    /// Somebody who has signed up signs in and looks up their key. Under faults the
    /// queue may have missed it, and who has no key yet signs in again.
    pub(crate) async fn welcome(&self, name: &'static str) -> anyhow::Result<Person<'_>> {
        let mut customer = Customer::new(&self.stack, name);
        customer.sign_in().await?;
        self.settle().await?;
        while !self.is_prompt() && self.account(&customer.id()?).await?.is_none() {
            customer.sign_in().await?;
            self.settle().await?;
        }
        let (id, key) = (customer.id()?, customer.key().await?);
        self.shown.borrow_mut().push(key.clone());
        Ok(Person { shop: self, name, customer, id, key })
    }

    /// An account as the ledger has it, whoever's it is.
    pub(crate) async fn account(&self, id: &AccountId) -> anyhow::Result<Option<Account>> {
        Ok(self.stack.ledger.account(id).await?)
    }

    /// How an account looks from all sides.
    pub(crate) async fn seen(&self, id: &AccountId, key: Option<&str>) -> anyhow::Result<SeenUser> {
        let account = self.account(id).await?.context("no account")?;
        let nobody = Customer::new(&self.stack, "nobody");
        let user = self.stack.world.cognito.user_by_sub(id.as_str());
        let attribute = user.and_then(|user| user.attribute("custom:plan").map(str::to_owned));
        Ok(SeenUser {
            plan: account.access.plan.as_ref().map_or("none".into(), ToString::to_string),
            status: account.access.status,
            key_on: self.key_on(&account),
            attribute: attribute.unwrap_or_default(),
            opens: key.is_some() && nobody.hello(key).await?.status != 403,
        })
    }

    fn key_on(&self, account: &Account) -> String {
        let Some(key) = account.key().map(|key| key.id.to_string()) else { return "none".into() };
        let plans: Vec<_> = self.stack.world.api_gateway.scene(|model, _| {
            let on = model.plans().filter(|plan| plan.keys.contains_key(&key));
            on.map(|plan| plan.name.clone()).collect()
        });
        plans.join("+")
    }

    /// The record of the latest Stripe event of a type.
    pub(crate) async fn record(&self, kind: &str) -> anyhow::Result<StoredEvent> {
        let id = {
            let stripe = self.stripe();
            stripe.events().find(|event| event.kind == kind).map(|event| event.id.clone())
        };
        self.record_of(&id.with_context(|| format!("no {kind}"))?).await
    }

    /// The record of a Stripe event.
    pub(crate) async fn record_of(&self, id: &str) -> anyhow::Result<StoredEvent> {
        let event = EventRef { source: Source::Stripe, id: EventId::parse(id)? };
        let stored = self.stack.ledger.event(&event).await?;
        stored.with_context(|| format!("{id} has no record"))
    }

    /// Every invariant holds.
    pub(crate) async fn holds(&self) -> Told {
        self.holds_but("none").await
    }

    /// Every invariant holds but the one of this number, which a story breaks on purpose:
    /// an event that was lost for good has no record, and what is kept beyond Stripe's
    /// word (grace, the last plan) is more than Stripe's word.
    pub(crate) async fn holds_but(&self, number: &str) -> Told {
        self.nothing_was_given_up().await?;
        let shown = self.shown.borrow().clone();
        for check in check(&self.stack, &shown).await? {
            if !check.name.starts_with(number) {
                anyhow::ensure!(
                    check.violations.is_empty(),
                    "{}: {:?}",
                    check.name,
                    check.violations
                );
            }
        }
        Ok(())
    }

    /// No event was parked because a call failed: whatever failed was to be tried again.
    async fn nothing_was_given_up(&self) -> Told {
        use Service::{ApiGateway, Cognito, DynamoDb, Sqs, Stripe};
        let services = [ApiGateway, Cognito, DynamoDb, Sqs, Stripe].map(|it| it.to_string());
        for event in self.stack.ledger.unsettled(None).await?.items {
            let (name, detail) = (event.record.event, event.record.detail.unwrap_or_default());
            let a_call_failed = services.iter().any(|service| detail.starts_with(service));
            let too_often = detail.contains("failed too often");
            anyhow::ensure!(!a_call_failed && !too_often, "{name} was given up: {detail}");
        }
        Ok(())
    }

    /// Cognito calls its trigger: for the users whom no password brings in.
    pub(crate) async fn triggers(&self) -> Told {
        for event in self.stack.world.cognito.take_triggers() {
            let echo =
                handlers::trigger::handle(&self.stack.functions().trigger, event.clone()).await;
            anyhow::ensure!(echo == event, "the event was not echoed");
        }
        self.settle().await
    }

    /// An administrator's act on a user, over HTTP.
    pub(crate) async fn administrator(&self, operation: &str, username: &str) -> Told {
        let body = json!({ "UserPoolId": POOL_ID, "Username": username });
        Customer::new(&self.stack, "administrator").cognito(operation, body).await?;
        Ok(())
    }
}

/// How an account looks from all sides: ledger, API Gateway, Cognito, the protected API.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenUser {
    plan: String,
    status: Status,
    key_on: String,
    attribute: String,
    /// Whether the protected API takes the key.
    pub(crate) opens: bool,
}

/// Served on a plan.
pub(crate) fn on(plan: &str) -> SeenUser {
    let (name, status) = (plan.to_owned(), Status::Active);
    SeenUser { plan: name.clone(), status, key_on: name.clone(), attribute: name, opens: true }
}

/// On a plan still, but the key is disabled; `custom:plan` says why.
pub(crate) fn locked(plan: &str, word: &str) -> SeenUser {
    let status = if word == "held" { Status::Held } else { Status::Disabled };
    SeenUser { status, attribute: word.to_owned(), opens: false, ..on(plan) }
}

/// Closed for good.
pub(crate) fn gone() -> SeenUser {
    SeenUser { status: Status::Closed, attribute: String::new(), opens: false, ..on("none") }
}

/// Closed by an operator; `custom:plan` says so.
pub(crate) fn closed() -> SeenUser {
    SeenUser { attribute: "closed".to_owned(), ..gone() }
}

/// Somebody with an account and a key.
pub(crate) struct Person<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) name: &'static str,
    pub(crate) customer: Customer<'a>,
    pub(crate) id: AccountId,
    pub(crate) key: String,
}

impl Person<'_> {
    pub(crate) async fn seen(&self) -> anyhow::Result<SeenUser> {
        self.shop.seen(&self.id, Some(&self.key)).await
    }

    pub(crate) async fn account(&self) -> anyhow::Result<Account> {
        self.shop.account(&self.id).await?.context("no account")
    }

    /// Why the account has what it has, in words.
    pub(crate) async fn reason(&self) -> anyhow::Result<String> {
        Ok(self.account().await?.access.reason.to_string())
    }

    pub(crate) async fn review_at(&self) -> anyhow::Result<Option<Timestamp>> {
        Ok(self.account().await?.review_at)
    }

    /// Signs in anew (tokens end after an hour) and asks the account API.
    pub(crate) async fn asks(
        &mut self,
        method: &str,
        path: &str,
        body: Value,
    ) -> anyhow::Result<HttpAnswer> {
        self.customer.sign_in().await?;
        let answer = self.customer.account(method, path, Some(body)).await?;
        must_fit(method, path, &answer);
        Ok(answer)
    }

    /// Buys a plan on the checkout page, and waits until it arrived; the subscription.
    pub(crate) async fn buys(&mut self, plan: &str) -> anyhow::Result<String> {
        self.customer.sign_in().await?;
        self.customer.buy(plan).await?;
        self.shop.settle().await?;
        self.subscription()
    }

    /// Opens a checkout page and leaves it; its session.
    pub(crate) async fn opens_checkout(&mut self, plan: &str) -> anyhow::Result<String> {
        let opened = self.asks("POST", "/account/plan", json!({ "plan": plan })).await?;
        let url = opened.json()["url"].as_str().map(str::to_owned);
        let url = url.with_context(|| format!("{}: {}", opened.status, opened.body))?;
        let session = url.rsplit('/').next().map(str::to_owned);
        session.context("no session in the URL")
    }

    /// Does something in the billing portal, and waits until it arrived.
    pub(crate) async fn in_portal(
        &mut self,
        action: &str,
        subscription: &str,
        price: &str,
    ) -> Told {
        self.customer.sign_in().await?;
        self.customer.portal(action, subscription, price).await?;
        self.shop.settle().await
    }

    /// A subscription that the shop's own back office made for them, with a trial.
    pub(crate) async fn gets_a_trial(&mut self, data: SubscriptionData) -> anyhow::Result<String> {
        self.opens_checkout("basic").await?;
        let (customer, price) = (self.payer(), self.shop.price("basic_monthly"));
        let id = self.shop.stripe().subscribe(&customer, &[&price], data)?;
        self.shop.settle().await?;
        Ok(id)
    }

    /// Their first Stripe customer.
    pub(crate) fn payer(&self) -> String {
        let stripe = self.shop.stripe();
        let theirs = |metadata: &tollgate_standin::stripe::Metadata| {
            metadata.get("tollgate_account").is_some_and(|id| id == self.id.as_str())
        };
        let mut customers = stripe.customers().filter(|customer| theirs(&customer.metadata));
        customers.next().expect("they opened a checkout page").id.clone()
    }

    /// Their first customer's newest subscription.
    pub(crate) fn subscription(&self) -> anyhow::Result<String> {
        let payer = self.payer();
        let stripe = self.shop.stripe();
        let newest = stripe.subscriptions_of(&payer).first().map(|row| row.id.clone());
        newest.context("no subscription")
    }

    pub(crate) fn row(&self) -> anyhow::Result<Subscription> {
        let id = self.subscription()?;
        Ok(self.shop.stripe().subscription(&id)?.clone())
    }

    pub(crate) fn card(&self, card: Card) -> Told {
        let payer = self.payer();
        Ok(self.shop.stripe().set_card(&payer, card)?)
    }
}
