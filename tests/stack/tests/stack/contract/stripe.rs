//! Stripe's customers, subscriptions, Checkout sessions, disputes and idempotency keys.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ports::{
    ChargeSeen, CheckoutRecord, Class, CustomerRecord, CustomerSeen, NewCheckout, NewPortal,
    PortalFlow, Ports as _, Stripe as _,
};
use tollgate_core::stripe::{
    DisputeStatus, InvoiceId, ListedEvent, PaidInvoice, Subscription, SubscriptionStatus,
};
use tollgate_events::stripe::ACTED_ON;
use tollgate_events::{
    AccountId, ChargeId, CustomerId, DisputeId, EventId, NamedAccount, PriceId, ProductId,
    SubscriptionId, Via,
};
use tollgate_standin::stripe::{
    Card, FlowKind, Interval, Metadata, MissingPaymentMethod, NewCustomer, NewEndpoint, NewPrice,
    NewRefund, NewSession, PauseBehavior, SubscriptionData, When,
};

use super::face::{Face, Stand};
use super::ledger::odd_ids;

const UNKNOWN: &str = "unknown";

fn named() -> NamedAccount {
    NamedAccount {
        id: AccountId::parse("sub-1").unwrap(),
        proof: Some("1:proof".into()),
        stack: Some("shop".into()),
    }
}

/// A plan's Checkout session for the account.
fn new_checkout(customer: &CustomerId, price: &PriceId, idempotency_key: &str) -> NewCheckout {
    NewCheckout {
        account: named(),
        customer: customer.clone(),
        price: price.clone(),
        metered: false,
        success_url: "https://shop.example/done".into(),
        cancel_url: "https://shop.example/back".into(),
        idempotency_key: idempotency_key.into(),
    }
}

/// The portal as it was saved in the dashboard.
fn portal_of(customer: &CustomerId) -> NewPortal {
    let return_url = "https://shop.example/account".to_owned();
    NewPortal { customer: customer.clone(), configuration: None, flow: None, return_url }
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn finalized_at(subscription: &Subscription) -> Option<Timestamp> {
    subscription.latest_invoice.as_ref()?.finalized_at
}

impl<F: Face> Stand<F> {
    /// A customer with a card, whom no account is named in.
    fn customer(&self) -> CustomerId {
        let mut stripe = self.world.stripe.account();
        let id = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&id, Card::Pays).unwrap();
        CustomerId::parse(id).unwrap()
    }

    /// The price that a plan is sold at.
    fn price(&self, lookup_key: &str) -> PriceId {
        let stripe = self.world.stripe.account();
        PriceId::parse(stripe.price_by_lookup_key(lookup_key).unwrap().id.as_str()).unwrap()
    }

    /// A subscription to a plan, made by somebody else's code.
    fn subscribe(&self, customer: &CustomerId, lookup_key: &str) -> SubscriptionId {
        self.subscribe_with(customer, lookup_key, SubscriptionData::default())
    }

    fn subscribe_with(
        &self,
        customer: &CustomerId,
        lookup_key: &str,
        data: SubscriptionData,
    ) -> SubscriptionId {
        let price = self.price(lookup_key);
        let mut stripe = self.world.stripe.account();
        let made = stripe.subscribe(customer.as_str(), &[price.as_str()], data);
        SubscriptionId::parse(made.unwrap()).unwrap()
    }

    fn cancel(&self, subscription: &SubscriptionId, when: When) {
        self.world.stripe.account().cancel(subscription.as_str(), when).unwrap();
    }

    /// The subscriptions of a customer whom Stripe knows.
    async fn subscriptions(&self, customer: &CustomerId) -> Vec<Subscription> {
        self.ports.stripe().subscriptions(customer).await.unwrap().unwrap()
    }

    /// A customer who is there.
    async fn there(&self, customer: &CustomerId) -> CustomerRecord {
        match self.ports.stripe().customer(customer).await.unwrap() {
            CustomerSeen::There(record) => record,
            other => panic!("{other:?}"),
        }
    }

    /// A customer's only subscription.
    async fn subscription(&self, customer: &CustomerId) -> Subscription {
        let mut found = self.subscriptions(customer).await;
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    async fn checkout(&self, customer: &CustomerId, idempotency_key: &str) -> CheckoutRecord {
        let new = new_checkout(customer, &self.price("basic_monthly"), idempotency_key);
        self.ports.stripe().create_checkout(&new).await.unwrap()
    }

    async fn checkouts(&self, customer: &CustomerId) -> Vec<CheckoutRecord> {
        self.ports.stripe().checkouts(customer).await.unwrap().unwrap()
    }

    /// The object in the newest event of a type, as Stripe's JSON has it.
    fn object_of(&self, kind: &str) -> serde_json::Value {
        let stripe = self.world.stripe.account();
        let event = stripe.events().find(|event| event.kind == kind).unwrap();
        event.render()["data"]["object"].clone()
    }

    fn now(&self) -> Timestamp {
        self.world.clock.time()
    }
}

pub(super) async fn a_key_tells_whose_it_is_if_it_may<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let mine = stand.world.stripe.account().settings_mut().account_id.clone();
    assert!(mine.starts_with("acct_"));
    assert_eq!(stripe.account_id().await.unwrap(), Some(mine));
    stand.world.stripe.account().settings_mut().restricted_keys_read_account = false;
    assert_eq!(stripe.account_id().await.unwrap(), None);
    // It is no worse for that.
    assert_eq!(stripe.all_subscriptions(None).await.unwrap().items, []);
}

pub(super) async fn subscriptions_without_canceled_ones<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let (kept, ended) =
        (stand.subscribe(&customer, "pro_monthly"), stand.subscribe(&customer, "basic_monthly"));
    stand.subscribe(&stand.customer(), "pro_monthly");
    stand.cancel(&ended, When::Now);
    let found = stand.subscription(&customer).await;
    assert_eq!((&found.id, &found.customer), (&kept, &customer));
    assert_eq!(found.status, SubscriptionStatus::Active);
}

pub(super) async fn a_subscription_tells_what_it_sells<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let (basic, pro) = (stand.price("basic_monthly"), stand.price("pro_monthly"));
    let prices = [basic.as_str(), pro.as_str()];
    let made = stand.world.stripe.account().subscribe(
        customer.as_str(),
        &prices,
        SubscriptionData::default(),
    );
    made.unwrap();
    let found = stand.subscription(&customer).await.prices;
    assert_eq!(
        found.iter().map(|price| price.id.clone()).collect::<Vec<_>>(),
        [Some(basic), Some(pro.clone())]
    );
    assert_eq!(found[1].lookup_key.as_deref(), Some("pro_monthly"));
    let product = stand.world.stripe.account().price(pro.as_str()).unwrap().product.clone();
    assert_eq!(found[1].product.as_ref().unwrap().as_str(), product);
}

pub(super) async fn subscriptions_are_found_on_every_page<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    for _ in 0..101 {
        stand.subscribe(&customer, "basic_monthly");
    }
    let mut found = stand.subscriptions(&customer).await;
    assert_eq!(found.len(), 101);
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found.dedup_by(|a, b| a.id == b.id);
    assert_eq!(found.len(), 101);
}

pub(super) async fn all_subscriptions_come_in_pages<F: Face>(stand: Stand<F>) {
    let price = stand.price("pro_monthly");
    let mut made = BTreeMap::new();
    for n in 0..120 {
        let customer = stand.customer();
        let subscription = stand.subscribe(&customer, "pro_monthly");
        if n % 40 == 0 {
            stand.cancel(&subscription, When::Now);
        } else {
            made.insert(subscription, customer);
        }
    }
    let first = stand.ports.stripe().all_subscriptions(None).await.unwrap();
    assert_eq!(first.items.len(), 100);
    let rest = stand.ports.stripe().all_subscriptions(first.next.as_deref()).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (17, None));
    let found = first.items.into_iter().chain(rest.items);
    let found: BTreeMap<_, _> = found
        .map(|subscription| {
            assert_eq!(subscription.prices[0].id.as_ref(), Some(&price));
            assert!(subscription.latest_invoice.unwrap().finalized_at.is_some());
            (subscription.id, subscription.customer)
        })
        .collect();
    assert_eq!(found, made);
}

pub(super) async fn who_is_on_a_test_clock_is_listed_by_customer_alone<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let (clock, customer) = {
        let mut account = stand.world.stripe.account();
        let now = account.now();
        let clock = account.create_test_clock(now, None);
        let test_clock = Some(clock.clone());
        let new = NewCustomer { test_clock, ..NewCustomer::default() };
        let customer = account.create_customer(new);
        account.set_card(&customer, Card::Pays).unwrap();
        (clock, CustomerId::parse(customer).unwrap())
    };
    let id = stand.subscribe(&customer, "pro_monthly");
    let other = stand.subscribe(&stand.customer(), "pro_monthly");
    let all = stripe.all_subscriptions(None).await.unwrap().items;
    assert_eq!(all.into_iter().map(|it| it.id).collect::<Vec<_>>(), [other]);
    let first = stand.subscription(&customer).await;
    assert_eq!(first.id, id);
    assert_eq!(stripe.subscription(&id).await.unwrap(), Some(first.clone()));
    let next = stand.now() + days(40);
    stand.world.stripe.account().advance_test_clock(&clock, next).unwrap();
    let renewed = stand.subscription(&customer).await;
    assert!(renewed.current_period_end > first.current_period_end);
    assert!(renewed.latest_invoice.unwrap().is_paid_for);
}

pub(super) async fn a_missing_customer_is_told_from_one_without_subscriptions<F: Face>(
    stand: Stand<F>,
) {
    let stripe = stand.ports.stripe();
    let idle = stand.customer();
    assert_eq!(stripe.subscriptions(&idle).await.unwrap(), Some(vec![]));
    assert_eq!(stripe.checkouts(&idle).await.unwrap(), Some(vec![]));
    let nobody = CustomerId::parse(UNKNOWN).unwrap();
    assert_eq!(stripe.subscriptions(&nobody).await.unwrap(), None);
    assert_eq!(stripe.checkouts(&nobody).await.unwrap(), None);
    assert_eq!(stripe.customer(&nobody).await.unwrap(), CustomerSeen::Missing);
}

pub(super) async fn a_deleted_customer_is_read_as_deleted<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let customer = stand.customer();
    let opened = stand.checkout(&customer, "c-1").await;
    stand.subscribe(&customer, "basic_monthly");
    stand.world.stripe.account().delete_customer(customer.as_str()).unwrap();
    assert_eq!(stripe.customer(&customer).await.unwrap(), CustomerSeen::Deleted);
    assert_eq!(stripe.subscriptions(&customer).await.unwrap(), Some(vec![]), "all were canceled");
    assert_eq!(stand.checkouts(&customer).await[0].id, opened.id);
    // Of this list Stripe promises nothing: it may as well be refused.
    stand.world.stripe.account().settings_mut().lists_deleted_customers = false;
    assert_eq!(stripe.subscriptions(&customer).await.unwrap(), None);
    assert_eq!(stripe.checkouts(&customer).await.unwrap(), None);
    assert_eq!(stripe.customer(&customer).await.unwrap(), CustomerSeen::Deleted);
}

pub(super) async fn a_deleted_customer_can_be_used_for_nothing<F: Face>(stand: Stand<F>) {
    let (customer, price) = (stand.customer(), stand.price("basic_monthly"));
    stand.world.stripe.account().delete_customer(customer.as_str()).unwrap();
    let new = new_checkout(&customer, &price, "c-1");
    let refused = stand.ports.stripe().create_checkout(&new).await.unwrap_err();
    assert_eq!(refused.class, Class::NotFound);
    let refused = stand.ports.stripe().create_portal(&portal_of(&customer)).await;
    assert_eq!(refused.unwrap_err().class, Class::NotFound);
}

pub(super) async fn periods_stand_on_items<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.subscribe(&customer, "pro_monthly");
    let object = stand.object_of("customer.subscription.created");
    assert!(object.get("current_period_end").is_none());
    assert!(object["items"]["data"][0]["current_period_end"].is_i64());
    let month = stand.now() + days(31);
    assert_eq!(stand.subscription(&customer).await.current_period_end, Some(month));
}

pub(super) async fn a_cancellation_is_planned_in_two_ways<F: Face>(stand: Stand<F>) {
    for (when, with_period) in [(When::PeriodEnd, true), (When::PeriodEndInPortal, false)] {
        let customer = stand.customer();
        let id = stand.subscribe(&customer, "pro_monthly");
        assert_eq!(stand.subscription(&customer).await.ends_at(), None);
        stand.cancel(&id, when);
        let found = stand.subscription(&customer).await;
        assert_eq!(found.status, SubscriptionStatus::Active);
        assert_eq!(found.cancel_at_period_end, with_period);
        assert_eq!(found.ends_at(), found.current_period_end);
        stand.world.clock.advance_to(found.ends_at().unwrap());
        assert!(stand.subscriptions(&customer).await.is_empty());
    }
}

pub(super) async fn past_due_tells_when_its_invoice_was_final<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.subscribe(&customer, "pro_monthly");
    let first = stand.now();
    assert_eq!(finalized_at(&stand.subscription(&customer).await), Some(first));
    stand.world.stripe.account().set_card(customer.as_str(), Card::Declines).unwrap();
    stand.world.clock.advance(days(32));
    let found = stand.subscription(&customer).await;
    assert_eq!(found.status, SubscriptionStatus::PastDue);
    let finalized = finalized_at(&found).unwrap();
    assert!((first + days(31)..=stand.now()).contains(&finalized), "{finalized}");
}

pub(super) async fn paid_invoices_tell_what_they_were_for<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let id = stand.subscribe(&customer, "basic_monthly");
    let (basic, pro) = (stand.price("basic_monthly"), stand.price("pro_monthly"));
    let read = async || stand.ports.stripe().paid_invoices(&id).await.unwrap();
    let ids = |invoice: &PaidInvoice| -> Vec<_> {
        invoice.prices.iter().map(|price| price.id.clone().unwrap()).collect()
    };
    let first = read().await;
    assert_eq!((first.len(), first[0].is_of_a_period), (1, true));
    assert!(first[0].total > 0);
    assert_eq!(ids(&first[0]), [basic]);
    assert!(first[0].prices[0].product.is_some());
    assert_eq!(first[0].prices[0].lookup_key, None, "that is told by the price alone");

    // Changed within the period: a credit, which is for nothing, and what is sold now.
    stand.world.stripe.account().change_price(id.as_str(), pro.as_str()).unwrap();
    stand.world.clock.advance(days(32));
    let paid = read().await;
    assert_eq!((paid.len(), ids(&paid[0])), (2, vec![pro.clone(), pro.clone()]));
    // What is not paid is not among them.
    stand.world.stripe.account().set_card(customer.as_str(), Card::Declines).unwrap();
    stand.world.clock.advance(days(31));
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::PastDue);
    assert_eq!(read().await, paid);
    assert_eq!(
        stand.ports.stripe().price(&pro).await.unwrap().unwrap().lookup_key.unwrap(),
        "pro_monthly"
    );
    let unknown = PriceId::parse(UNKNOWN).unwrap();
    assert_eq!(stand.ports.stripe().price(&unknown).await.unwrap(), None);
}

pub(super) async fn a_balance_pays_too<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.world.stripe.account().set_card(customer.as_str(), None).unwrap();
    stand.world.stripe.account().set_balance(customer.as_str(), -1_000_000).unwrap();
    let id = stand.subscribe(&customer, "pro_monthly");
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Active);
    let paid = stand.ports.stripe().paid_invoices(&id).await.unwrap();
    assert!(paid[0].total > 0);
    let shown = stand.object_of("invoice.paid");
    assert_eq!((&shown["amount_paid"], &shown["total"]), (&0.into(), &paid[0].total.into()));
}

pub(super) async fn a_refund_leaves_the_invoice_paid<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let id = stand.subscribe(&customer, "pro_monthly");
    let latest = async || stand.subscription(&customer).await.latest_invoice.unwrap();
    let invoice = latest().await.id.unwrap();
    let is_refunded = async || stand.ports.stripe().is_refunded(&invoice).await.unwrap();
    assert!(!is_refunded().await);
    let charge = stand.object_of("charge.succeeded")["id"].as_str().unwrap().to_owned();
    let part = NewRefund { amount: Some(100), ..NewRefund::default() };
    stand.world.stripe.account().refund(&charge, part).unwrap();
    assert!(!is_refunded().await, "in part");
    assert_eq!(stand.object_of("charge.refunded")["refunded"], false, "and told all the same");
    stand.world.stripe.account().refund(&charge, NewRefund::default()).unwrap();
    assert!(is_refunded().await);
    let told = stand.object_of("charge.refunded");
    assert_eq!(
        (&told["refunded"], &told["customer"], told.get("invoice")),
        (&true.into(), &customer.as_str().into(), None)
    );
    let found = stand.subscription(&customer).await;
    assert_eq!((&found.id, &found.status), (&id, &SubscriptionStatus::Active));
    assert!(latest().await.is_paid_for, "what was given back was paid");
}

pub(super) async fn what_was_not_charged_is_not_refunded<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.world.stripe.account().set_balance(customer.as_str(), -1_000_000).unwrap();
    stand.subscribe(&customer, "pro_monthly");
    let latest = async || stand.subscription(&customer).await.latest_invoice.unwrap();
    let by_balance = latest().await;
    assert!(by_balance.is_paid_for);
    let stripe = stand.ports.stripe();
    assert!(!stripe.is_refunded(&by_balance.id.unwrap()).await.unwrap());
    // The next one is a draft first.
    stand.world.clock.advance(days(31));
    let draft = latest().await;
    assert!(!draft.is_paid_for);
    assert!(!stripe.is_refunded(&draft.id.unwrap()).await.unwrap());
    let unknown = stripe.is_refunded(&InvoiceId::parse(UNKNOWN).unwrap()).await;
    assert_eq!(unknown.unwrap_err().class, Class::NotFound);
}

pub(super) async fn an_item_tells_how_many<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let id = stand.subscribe(&customer, "pro_monthly");
    let quantity = async || stand.subscription(&customer).await.prices[0].quantity;
    assert_eq!(quantity().await, Some(1));
    for many in [0, 7] {
        stand.world.stripe.account().change_quantity(id.as_str(), many).unwrap();
        assert_eq!(quantity().await, u64::try_from(many).ok());
        assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Active);
    }
    let metered = {
        let mut account = stand.world.stripe.account();
        let product = account.create_product("Usage", Metadata::new());
        account.create_price(NewPrice::new(&product, Interval::Month, 1).metered()).unwrap()
    };
    let user = stand.customer();
    let made = SubscriptionData::default();
    stand.world.stripe.account().subscribe(user.as_str(), &[&metered], made).unwrap();
    assert_eq!(stand.subscription(&user).await.prices[0].quantity, None);
}

pub(super) async fn a_sent_invoice_is_past_due_on_its_due_date<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let data = SubscriptionData { days_until_due: Some(20), ..SubscriptionData::default() };
    let id = stand.subscribe_with(&customer, "pro_monthly", data);
    let final_at = stand.now() + SignedDuration::from_hours(1);
    let due = final_at + days(20);
    stand.world.clock.advance_to(due - SignedDuration::from_secs(1));
    let found = stand.subscription(&customer).await;
    assert_eq!(found.status, SubscriptionStatus::Active, "nothing was paid yet");
    let latest = found.latest_invoice.unwrap();
    assert_eq!((latest.finalized_at, latest.due_date), (Some(final_at), Some(due)));
    assert_eq!(latest.late_since(), Some(due));
    stand.world.clock.advance_to(due);
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::PastDue);
    assert_eq!(stand.ports.stripe().paid_invoices(&id).await.unwrap(), []);
    stand.world.stripe.account().pay_latest_invoice(id.as_str()).unwrap();
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Active);
    assert_eq!(stand.ports.stripe().paid_invoices(&id).await.unwrap().len(), 1);
}

pub(super) async fn a_trial_is_trialing<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let data = SubscriptionData { trial_period_days: 7, ..SubscriptionData::default() };
    let id = stand.subscribe_with(&customer, "pro_monthly", data);
    let found = stand.subscription(&customer).await;
    assert_eq!((found.status, found.had_trial), (SubscriptionStatus::Trialing, true));
    let paid = stand.ports.stripe().paid_invoices(&id).await.unwrap();
    assert_eq!((paid.len(), paid[0].total), (1, 0), "its first invoice is for nothing, and paid");
    stand.world.clock.advance(days(8));
    let found = stand.subscription(&customer).await;
    assert_eq!((found.status, found.had_trial), (SubscriptionStatus::Active, true));
    let other = stand.customer();
    stand.subscribe(&other, "pro_monthly");
    assert!(!stand.subscription(&other).await.had_trial);
}

pub(super) async fn a_trial_without_a_card_can_end_in_a_pause<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.world.stripe.account().set_card(customer.as_str(), None).unwrap();
    let data = SubscriptionData {
        trial_period_days: 7,
        missing_payment_method: MissingPaymentMethod::Pause,
        ..SubscriptionData::default()
    };
    stand.subscribe_with(&customer, "pro_monthly", data);
    stand.world.clock.advance(days(8));
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Paused);
}

pub(super) async fn paused_collection_keeps_the_status<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let id = stand.subscribe(&customer, "pro_monthly");
    let pause = Some((PauseBehavior::Void, None));
    stand.world.stripe.account().pause_collection(id.as_str(), pause).unwrap();
    stand.world.clock.advance(days(40));
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Active);
}

pub(super) async fn paused_collection_tells_what_becomes_of_invoices<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let id = stand.subscribe(&customer, "pro_monthly");
    let pauses = [
        (Some(PauseBehavior::Void), true),
        (Some(PauseBehavior::KeepAsDraft), false),
        (Some(PauseBehavior::MarkUncollectible), false),
        (None, false),
    ];
    for (behavior, voids) in pauses {
        let pause = behavior.map(|behavior| (behavior, None));
        stand.world.stripe.account().pause_collection(id.as_str(), pause).unwrap();
        assert_eq!(stand.subscription(&customer).await.voids_invoices, voids, "{behavior:?}");
    }
}

pub(super) async fn a_first_payment_has_23_hours<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.world.stripe.account().set_card(customer.as_str(), Card::Declines).unwrap();
    stand.subscribe(&customer, "pro_monthly");
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Incomplete);
    stand.world.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::IncompleteExpired);
}

pub(super) async fn a_dispute_has_its_charges_customer<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.subscribe(&customer, "pro_monthly");
    let id = stand.world.stripe.account().open_dispute(customer.as_str()).unwrap();
    let object = stand.object_of("charge.dispute.created");
    assert!(object.get("customer").is_none(), "a dispute shows a charge only");
    let id = DisputeId::parse(id).unwrap();
    let found = stand.ports.stripe().dispute(&id).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.status), (&id, &DisputeStatus::NeedsResponse));
    assert_eq!(found.customer, Some(customer.clone()));
    let charge = stand.ports.stripe().charge(&found.charge).await.unwrap();
    assert_eq!(charge, ChargeSeen::There(Some(customer)));
}

pub(super) async fn a_dispute_is_read_as_it_stands<F: Face>(stand: Stand<F>) {
    for (won, status) in [(true, DisputeStatus::Won), (false, DisputeStatus::Lost)] {
        let customer = stand.customer();
        stand.subscribe(&customer, "pro_monthly");
        let id = stand.world.stripe.account().open_dispute(customer.as_str()).unwrap();
        stand.world.stripe.account().submit_evidence(&id).unwrap();
        let dispute = DisputeId::parse(id.as_str()).unwrap();
        let read = async || stand.ports.stripe().dispute(&dispute).await.unwrap().unwrap().status;
        assert_eq!(read().await, DisputeStatus::UnderReview);
        stand.world.stripe.account().close_dispute(&id, won).unwrap();
        assert_eq!(read().await, status);
    }
}

pub(super) async fn disputes_are_listed_with_their_charges_customers<F: Face>(stand: Stand<F>) {
    let old = stand.customer();
    stand.subscribe(&old, "pro_monthly");
    let before = stand.world.stripe.account().open_dispute(old.as_str()).unwrap();
    stand.world.clock.advance(SignedDuration::from_hours(24));
    let from = stand.world.clock.time();
    let mut expected = Vec::new();
    for _ in 0..101 {
        let customer = stand.customer();
        stand.subscribe(&customer, "pro_monthly");
        let id = stand.world.stripe.account().open_dispute(customer.as_str()).unwrap();
        expected.push((DisputeId::parse(id).unwrap(), Some(customer)));
    }
    stand.world.stripe.account().close_dispute(expected[0].0.as_str(), true).unwrap();
    let stripe = stand.ports.stripe();
    let first = stripe.all_disputes(from, None).await.unwrap();
    let second = stripe.all_disputes(from, first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (100, 1, None));
    let all = first.items.into_iter().chain(second.items);
    let mut all: Vec<_> = all.map(|it| (it.id, it.customer, it.status)).collect();
    all.reverse();
    let found: Vec<_> =
        all.iter().map(|(id, customer, _)| (id.clone(), customer.clone())).collect();
    assert_eq!(found, expected, "newest first, and none of before");
    assert_eq!((&all[0].2, &all[1].2), (&DisputeStatus::Won, &DisputeStatus::NeedsResponse));
    let older = stripe.all_disputes(from - SignedDuration::from_hours(25), None).await.unwrap();
    let older = stripe.all_disputes(from - SignedDuration::from_hours(25), older.next.as_deref());
    assert_eq!(older.await.unwrap().items.pop().unwrap().id.as_str(), before);
}

pub(super) async fn an_inquiry_moves_no_money<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.subscribe(&customer, "pro_monthly");
    let id = stand.world.stripe.account().open_inquiry(customer.as_str()).unwrap();
    let dispute = DisputeId::parse(id.as_str()).unwrap();
    let read = async || stand.ports.stripe().dispute(&dispute).await.unwrap().unwrap().status;
    assert_eq!(read().await, DisputeStatus::Inquiry);
    stand.world.stripe.account().close_dispute(&id, true).unwrap();
    assert_eq!(read().await, DisputeStatus::Withdrawn);
}

pub(super) async fn an_unknown_dispute_or_charge_is_missing<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    assert_eq!(stripe.dispute(&DisputeId::parse(UNKNOWN).unwrap()).await.unwrap(), None);
    let charge = stripe.charge(&ChargeId::parse(UNKNOWN).unwrap()).await.unwrap();
    assert_eq!(charge, ChargeSeen::Missing);
}

pub(super) async fn a_subscription_is_read_by_its_id_whatever_its_status<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let live = stand.subscribe(&customer, "pro_monthly");
    let ended = stand.subscribe(&customer, "basic_monthly");
    stand.world.stripe.account().cancel(ended.as_str(), When::Now).unwrap();
    let unknown = SubscriptionId::parse(format!("sub_{UNKNOWN}")).unwrap();
    let read = async |id: &SubscriptionId| {
        stand.ports.stripe().subscription(id).await.unwrap().map(|it| (it.customer, it.status))
    };
    let of_customer = |status| Some((customer.clone(), status));
    assert_eq!(read(&live).await, of_customer(SubscriptionStatus::Active));
    assert_eq!(read(&ended).await, of_customer(SubscriptionStatus::Canceled));
    assert_eq!(read(&unknown).await, None);
}

pub(super) async fn cancelling_twice_is_no_error<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let id = stand.subscribe(&customer, "pro_monthly");
    for _ in 0..2 {
        stand.ports.stripe().cancel_subscription(&id).await.unwrap();
        assert!(stand.subscriptions(&customer).await.is_empty());
    }
    let unknown = SubscriptionId::parse(UNKNOWN).unwrap();
    stand.ports.stripe().cancel_subscription(&unknown).await.unwrap();
}

pub(super) async fn an_expired_subscription_is_cancelled_without_error<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.world.stripe.account().set_card(customer.as_str(), Card::Declines).unwrap();
    let id = stand.subscribe(&customer, "pro_monthly");
    stand.world.clock.advance(days(1));
    stand.ports.stripe().cancel_subscription(&id).await.unwrap();
}

pub(super) async fn a_lookup_key_moves<F: Face>(stand: Stand<F>) {
    let (customer, old) = (stand.customer(), stand.price("pro_monthly"));
    stand.subscribe(&customer, "pro_monthly");
    let new = {
        let mut stripe = stand.world.stripe.account();
        let product = stripe.price(old.as_str()).unwrap().product.clone();
        let dearer = NewPrice::new(&product, Interval::Month, 5900).lookup_key("pro_monthly");
        PriceId::parse(stripe.create_price(dearer).unwrap()).unwrap()
    };
    let found = stand.ports.stripe().price_by_lookup_key("pro_monthly").await.unwrap();
    assert_eq!(found, Some(new));
    let paid = &stand.subscription(&customer).await.prices[0];
    assert_eq!(
        (&paid.id, &paid.lookup_key),
        (&Some(old), &None),
        "who pays the old price stays on it"
    );
}

pub(super) async fn a_lookup_key_is_taken_literally<F: Face>(stand: Stand<F>) {
    for key in ["pro & more", "a=b", "100%+", "[0]", "größer"] {
        let made =
            stand.world.stripe.account().add_product_price("P", Interval::Month, 100, key).unwrap();
        let found = stand.ports.stripe().price_by_lookup_key(key).await.unwrap();
        assert_eq!(found, Some(PriceId::parse(made).unwrap()), "{key}");
    }
}

pub(super) async fn a_lookup_key_finds_no_archived_price<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    assert_eq!(stripe.price_by_lookup_key("no_such_key").await.unwrap(), None);
    let price = stand.price("pro_monthly");
    stand.world.stripe.account().set_price_active(price.as_str(), false).unwrap();
    assert_eq!(stripe.price_by_lookup_key("pro_monthly").await.unwrap(), None);
}

pub(super) async fn a_metered_price_takes_no_quantity<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let metered = {
        let mut account = stand.world.stripe.account();
        let product = account.create_product("Usage", Metadata::new());
        let price = NewPrice::new(&product, Interval::Month, 1).metered();
        PriceId::parse(account.create_price(price).unwrap()).unwrap()
    };
    let licensed = stand.price("basic_monthly");
    let unknown = PriceId::parse(UNKNOWN).unwrap();
    for (price, expected) in [(&metered, Some(true)), (&licensed, Some(false)), (&unknown, None)] {
        assert_eq!(stripe.is_metered(price).await.unwrap(), expected);
    }
    let customer = stand.customer();
    let with_quantity = new_checkout(&customer, &metered, "c-1");
    let refused = stripe.create_checkout(&with_quantity).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    assert!(refused.detail.contains("Remove quantity from `line_items[0]`"), "{refused}");
    let without = NewCheckout { metered: true, idempotency_key: "c-2".into(), ..with_quantity };
    let opened = stripe.create_checkout(&without).await.unwrap();
    stand.world.stripe.account().complete_checkout(&opened.id, Card::Pays).unwrap();
    let bought = stand.subscription(&customer).await;
    assert_eq!(
        (&bought.status, bought.price_ids()),
        (&SubscriptionStatus::Active, [metered].into())
    );
    let needs_one = new_checkout(&customer, &licensed, "c-3");
    let without = NewCheckout { metered: true, ..needs_one };
    assert_eq!(stripe.create_checkout(&without).await.unwrap_err().class, Class::Invalid);
}

/// Not Stripe's rule but the ports': what is not read is not nothing.
pub(super) async fn a_row_that_cannot_be_read_costs_that_row<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let customers = [stand.customer(), stand.customer(), stand.customer()];
    let made: Vec<_> =
        customers.iter().map(|customer| stand.subscribe(customer, "pro_monthly")).collect();
    let make_odd = |field: &str, raw: &str| {
        let mut account = stand.world.stripe.account();
        account.mend(made[1].as_str());
        account.make_odd(made[1].as_str(), field, raw);
    };
    for field in ["/status", "/id", "/customer", "/metadata"] {
        make_odd(field, if field == "/metadata" { "[]" } else { "null" });
        let page = stripe.all_subscriptions(None).await.unwrap();
        let read: Vec<_> = page.items.iter().map(|it| &it.id).collect();
        assert_eq!(read, [&made[2], &made[0]], "{field}");
        let [row] = &page.unreadable[..] else { panic!("{page:?}") };
        let owner = Some(customers[1].as_str()).filter(|_| field != "/customer");
        assert_eq!(row.owner.as_deref(), owner);
        assert!(row.why.starts_with(&field[1..]), "{row}");

        // Whoever asks for it says what need not be said again, and learns what is not.
        let theirs = stripe.subscriptions(&customers[1]).await.map(|rows| rows.unwrap().remove(0));
        let by_id = stripe.subscription(&made[1]).await.map(Option::unwrap);
        let unreadable = |read: tollgate_core::ports::PortResult<Subscription>| match read {
            Ok(read) => {
                (read.customer == customers[1], read.status == SubscriptionStatus::Unreadable)
            }
            Err(error) => (error.class != Class::Invalid, true),
        };
        let (theirs, by_id) = (unreadable(theirs), unreadable(by_id));
        let (missed, not_said, said) = ((false, true), (true, true), (true, false));
        let expected = match field {
            // Whose it is nobody can tell.
            "/id" | "/metadata" => (missed, missed),
            "/customer" => (said, missed),
            _ => (not_said, not_said),
        };
        assert_eq!((theirs, by_id), expected, "{field}");
        assert_eq!(stand.subscriptions(&customers[0]).await.len(), 1);
    }
}

pub(super) async fn what_an_item_sells_may_not_be_said<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let made = stand.subscribe(&customer, "pro_monthly");
    for (field, raw) in [("/items/data/0/price", "null"), ("/items", "null"), ("/items/data", "7")]
    {
        {
            let mut account = stand.world.stripe.account();
            account.mend(made.as_str());
            account.make_odd(made.as_str(), field, raw);
        }
        let read = stand.subscription(&customer).await;
        assert_eq!((read.prices.len(), read.has_unreadable_price()), (1, true), "{field}");
        assert_eq!(read.status, SubscriptionStatus::Active);
    }
}

pub(super) async fn a_customer_is_made_once_for_a_key<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let first = stripe.create_customer(&named(), "c-1").await.unwrap();
    stand.world.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(stripe.create_customer(&named(), "c-1").await.unwrap(), first);
    // Even when it was deleted: only another key makes another.
    stand.world.stripe.account().delete_customer(first.as_str()).unwrap();
    assert_eq!(stripe.create_customer(&named(), "c-1").await.unwrap(), first);
    let second = stripe.create_customer(&named(), "c-2").await.unwrap();
    assert_ne!(second, first);
    assert_eq!(stripe.create_customer(&named(), "c-2").await.unwrap(), second);
    let other = NamedAccount { id: AccountId::parse("sub-2").unwrap(), proof: None, stack: None };
    let refused = stripe.create_customer(&other, "c-2").await.unwrap_err();
    assert_eq!(refused.class, Class::Conflict, "the key is another request's");
}

pub(super) async fn a_customer_names_its_account<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let made = stripe.create_customer(&named(), "c-1").await.unwrap();
    let found = stand.there(&made).await;
    assert_eq!((found.id, found.named), (made, Some(named())));
    assert_eq!(stand.there(&stand.customer()).await.named, None);
}

pub(super) async fn a_checkout_carries_account_and_proof<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let opened = stand.checkout(&customer, "c-1").await;
    assert_eq!(opened.named, Some(named()));
    assert_eq!(opened.client_reference_id.as_deref(), Some("sub-1"));
    assert_eq!(opened.price, Some(stand.price("basic_monthly")));
    assert_eq!((opened.status.as_str(), opened.url.is_some()), ("open", true));
    assert_eq!(stand.checkouts(&customer).await, std::slice::from_ref(&opened));

    let bought = {
        let mut stripe = stand.world.stripe.account();
        let bought = stripe.complete_checkout(&opened.id, Card::Pays).unwrap();
        stripe.subscription(&bought).unwrap().metadata.clone()
    };
    let expected: Metadata =
        [("tollgate_account", "sub-1"), ("tollgate_proof", "1:proof"), ("tollgate_stack", "shop")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    assert_eq!(bought, expected, "the subscription names the account too");
    let read = stand.subscription(&customer).await;
    let subscription = Some(read.id);
    let complete = CheckoutRecord { status: "complete".into(), url: None, subscription, ..opened };
    assert_eq!(stand.checkouts(&customer).await, [complete]);
    assert_eq!(read.status, SubscriptionStatus::Active);
}

pub(super) async fn a_completed_checkout_may_not_be_paid_yet<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let opened = stand.checkout(&customer, "c-1").await;
    stand.world.stripe.account().complete_checkout_unpaid(&opened.id).unwrap();
    assert_eq!(stand.checkouts(&customer).await[0].status, "complete");
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Incomplete);
    stand.world.stripe.account().settle_delayed_payment(&opened.id, true).unwrap();
    assert_eq!(stand.subscription(&customer).await.status, SubscriptionStatus::Active);
}

pub(super) async fn a_declined_card_leaves_the_checkout_open<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let opened = stand.checkout(&customer, "c-1").await;
    let declined = stand.world.stripe.account().complete_checkout(&opened.id, Card::Declines);
    assert_eq!(declined.unwrap_err().status, 402);
    assert_eq!(stand.checkouts(&customer).await, [opened]);
    assert!(stand.subscriptions(&customer).await.is_empty());
}

pub(super) async fn a_payment_links_reference_is_the_visitors<F: Face>(stand: Stand<F>) {
    let price = stand.price("basic_monthly");
    let customer = {
        let mut stripe = stand.world.stripe.account();
        let session =
            stripe.follow_payment_link(price.as_str(), Some("sub-9"), "v@example.com").unwrap();
        stripe.complete_checkout(&session, Card::Pays).unwrap();
        stripe.session(&session).unwrap().customer.clone().unwrap()
    };
    let found = stand.checkouts(&CustomerId::parse(customer).unwrap()).await;
    assert_eq!(found[0].client_reference_id.as_deref(), Some("sub-9"));
    assert_eq!((&found[0].named, &found[0].price), (&None, &None));
}

pub(super) async fn checkouts_come_newest_first_on_every_page<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let price = stand.price("basic_monthly");
    let mut expected = Vec::new();
    for _ in 0..101 {
        let new = NewSession {
            customer: Some(customer.to_string()),
            ..NewSession::for_price(price.as_str())
        };
        expected.insert(0, stand.world.stripe.account().open_checkout(new).unwrap());
    }
    let found = stand.checkouts(&customer).await;
    assert_eq!(found.into_iter().map(|checkout| checkout.id).collect::<Vec<_>>(), expected);
}

pub(super) async fn an_idempotency_key_replays<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let first = stand.checkout(&customer, "c-1").await;
    stand.world.stripe.account().complete_checkout(&first.id, Card::Pays).unwrap();
    stand.world.clock.advance(SignedDuration::from_hours(23));
    let again = stand.checkout(&customer, "c-1").await;
    assert_eq!((&again.id, again.status.as_str()), (&first.id, "complete"), "as it is now");
    assert_eq!(again.url, None);
    assert_ne!(stand.checkout(&customer, "c-2").await.id, first.id);
}

pub(super) async fn an_idempotency_key_replays_errors_too<F: Face>(stand: Stand<F>) {
    let price = stand.price("basic_monthly");
    let new = new_checkout(&stand.customer(), &price, "c-1");
    stand.world.stripe.account().set_price_active(price.as_str(), false).unwrap();
    let stripe = stand.ports.stripe();
    assert_eq!(stripe.create_checkout(&new).await.unwrap_err().class, Class::Invalid);
    stand.world.stripe.account().set_price_active(price.as_str(), true).unwrap();
    assert_eq!(stripe.create_checkout(&new).await.unwrap_err().class, Class::Invalid);
    let again = NewCheckout { idempotency_key: "c-2".into(), ..new };
    stripe.create_checkout(&again).await.unwrap();
}

/// Another request with the key is not answered yet: it is sent again, and not for ever.
pub(super) async fn an_idempotency_key_in_use_is_waited_for<F: Face>(stand: Stand<F>) {
    let (customer, price) = (stand.customer(), stand.price("basic_monthly"));
    stand.world.stripe.account().keys_are_in_use(2);
    let opened = stand.checkout(&customer, "c-1").await;
    assert_eq!(opened.status, "open");
    stand.world.stripe.account().keys_are_in_use(9);
    let new = new_checkout(&customer, &price, "c-2");
    let refused = stand.ports.stripe().create_checkout(&new).await.unwrap_err();
    assert_eq!(refused.class, Class::Conflict);
}

pub(super) async fn recent_checkouts_tell_what_they_led_to<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let (paid, pending, open) = (
        stand.checkout(&customer, "c-1").await,
        stand.checkout(&customer, "c-2").await,
        stand.checkout(&customer, "c-3").await,
    );
    {
        let mut stripe = stand.world.stripe.account();
        let bought = stripe.complete_checkout(&paid.id, Card::Pays).unwrap();
        stripe.cancel(&bought, When::Now).unwrap();
        stripe.complete_checkout_unpaid(&pending.id).unwrap();
    }
    let found = stand.ports.stripe().recent_checkouts(&customer).await.unwrap().unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.session.id.as_str(), it.bought.as_ref().map(|it| it.status.as_str())))
        .collect();
    let expected = [
        (open.id.as_str(), None),
        (pending.id.as_str(), Some("incomplete")),
        (paid.id.as_str(), Some("canceled")),
    ];
    assert_eq!(told, expected);
    assert_eq!(found[0].session, open);
    let invoice = found[1].bought.as_ref().and_then(|it| it.invoice_url.clone());
    assert!(invoice.as_ref().is_some_and(|url| url.contains("/invoice/in_")), "{invoice:?}");
    let listed = stand.subscription(&customer).await;
    assert_eq!(listed.latest_invoice_url, invoice);
}

pub(super) async fn the_newest_twenty_checkouts_are_recent<F: Face>(stand: Stand<F>) {
    let (customer, price) = (stand.customer(), stand.price("basic_monthly"));
    let mut expected = Vec::new();
    for _ in 0..21 {
        let new = NewSession {
            customer: Some(customer.to_string()),
            ..NewSession::for_price(price.as_str())
        };
        expected.insert(0, stand.world.stripe.account().open_checkout(new).unwrap());
    }
    expected.truncate(20);
    let stripe = stand.ports.stripe();
    let found = stripe.recent_checkouts(&customer).await.unwrap().unwrap();
    assert_eq!(found.into_iter().map(|it| it.session.id).collect::<Vec<_>>(), expected);
    stand.world.stripe.account().delete_customer(customer.as_str()).unwrap();
    assert_eq!(stripe.recent_checkouts(&customer).await.unwrap(), None, "they are no more");
    let nobody = CustomerId::parse(UNKNOWN).unwrap();
    assert_eq!(stripe.recent_checkouts(&nobody).await.unwrap(), None);
}

pub(super) async fn an_idempotency_key_is_for_one_request<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.checkout(&customer, "c-1").await;
    let other = new_checkout(&customer, &stand.price("pro_monthly"), "c-1");
    let refused = stand.ports.stripe().create_checkout(&other).await.unwrap_err();
    assert_eq!(refused.class, Class::Conflict);
}

pub(super) async fn an_idempotency_key_has_at_most_255_characters<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.checkout(&customer, &"k".repeat(255)).await;
    let new = new_checkout(&customer, &stand.price("basic_monthly"), &"k".repeat(256));
    let refused = stand.ports.stripe().create_checkout(&new).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
}

pub(super) async fn what_a_parameter_names_must_exist<F: Face>(stand: Stand<F>) {
    let (customer, price) = (stand.customer(), stand.price("basic_monthly"));
    let nobody = CustomerId::parse(UNKNOWN).unwrap();
    let nothing = PriceId::parse(UNKNOWN).unwrap();
    let stripe = stand.ports.stripe();
    for new in [new_checkout(&nobody, &price, "c-1"), new_checkout(&customer, &nothing, "c-2")] {
        assert_eq!(stripe.create_checkout(&new).await.unwrap_err().class, Class::NotFound);
    }
    let refused = stripe.create_portal(&portal_of(&nobody)).await.unwrap_err();
    assert_eq!(refused.class, Class::NotFound);
}

pub(super) async fn a_checkout_expires_once_and_without_error<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let (first, second) =
        (stand.checkout(&customer, "c-1").await, stand.checkout(&customer, "c-2").await);
    stand.world.stripe.account().complete_checkout(&second.id, Card::Pays).unwrap();
    for (id, expired) in [(&first.id, true), (&first.id, true), (&second.id, false)] {
        assert_eq!(stand.ports.stripe().expire_checkout(id).await.unwrap(), expired);
    }
    assert!(stand.ports.stripe().expire_checkout(UNKNOWN).await.unwrap());
    let statuses: Vec<_> =
        stand.checkouts(&customer).await.into_iter().map(|checkout| checkout.status).collect();
    assert_eq!(statuses, ["complete", "expired"]);
}

pub(super) async fn a_checkout_expires_by_itself_after_a_day<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    stand.checkout(&customer, "c-1").await;
    stand.world.clock.advance(days(1));
    let found = &stand.checkouts(&customer).await[0];
    assert_eq!((found.status.as_str(), &found.url), ("expired", &None));
}

pub(super) async fn a_portal_opens_for_a_customer<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let url = stand.ports.stripe().create_portal(&portal_of(&customer)).await.unwrap();
    assert!(url.starts_with("https://stripe.test/portal/"), "{url}");
}

pub(super) async fn a_portal_needs_settings_that_were_saved<F: Face>(stand: Stand<F>) {
    let (stripe, customer) = (stand.ports.stripe(), stand.customer());
    stand.world.stripe.account().settings_mut().portal_is_saved = false;
    let refused = stripe.create_portal(&portal_of(&customer)).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    assert!(refused.detail.contains("configuration"), "{refused}");
    stand.world.stripe.account().settings_mut().portal_is_saved = true;
    stripe.create_portal(&portal_of(&customer)).await.unwrap();
}

pub(super) async fn a_portal_flow_is_for_one_thing<F: Face>(stand: Stand<F>) {
    let (stripe, customer) = (stand.ports.stripe(), stand.customer());
    let id = stand.subscribe(&customer, "basic_monthly");
    let found = stand.subscription(&customer).await;
    let (subscription, item) = (id.clone(), found.only_item.clone().unwrap());
    let confirm = PortalFlow::Confirm { subscription, item, price: stand.price("pro_monthly") };
    let configuration = stand.world.catalog().catalog.portal;
    let opened = |flow: &PortalFlow| {
        let (configuration, flow) = (configuration.clone(), Some(flow.clone()));
        NewPortal { configuration, flow, ..portal_of(&customer) }
    };
    for flow in [PortalFlow::PaymentMethod, PortalFlow::Cancel(id.clone()), confirm.clone()] {
        let url = stripe.create_portal(&opened(&flow)).await.unwrap();
        let session = url.rsplit('/').next().unwrap();
        let account = stand.world.stripe.account();
        let seen = account.portal(session).unwrap().flow.clone().unwrap();
        let kind = match &flow {
            PortalFlow::PaymentMethod => FlowKind::PaymentMethod,
            PortalFlow::Cancel(id) => FlowKind::Cancel { subscription: id.to_string() },
            PortalFlow::Confirm { subscription, item, price } => FlowKind::Confirm {
                subscription: subscription.to_string(),
                item: item.clone(),
                price: price.to_string(),
            },
        };
        assert_eq!((seen.kind, seen.then.as_deref()), (kind, Some("https://shop.example/account")));
    }
    let unknown = NewPortal { configuration: Some("bpc_1".into()), ..opened(&confirm) };
    assert_eq!(stripe.create_portal(&unknown).await.unwrap_err().class, Class::NotFound);
    stand.cancel(&id, When::PeriodEndInPortal);
    let twice = stripe.create_portal(&opened(&PortalFlow::Cancel(id))).await.unwrap_err();
    assert_eq!(twice.class, Class::Invalid, "{twice}");
}

pub(super) async fn a_schedule_tells_what_comes_next<F: Face>(stand: Stand<F>) {
    let (stripe, customer) = (stand.ports.stripe(), stand.customer());
    let id = stand.subscribe(&customer, "pro_monthly");
    let before = stand.subscription(&customer).await;
    assert_eq!((&before.next, before.sends_invoices), (&None, false));
    let basic = stand.price("basic_monthly");
    stand.world.stripe.account().schedule(id.as_str(), basic.as_str()).unwrap();
    let by_id = stripe.subscription(&id).await.unwrap().unwrap();
    for found in [stand.subscription(&customer).await, by_id] {
        let next = found.next.unwrap();
        let price = next.price.unwrap();
        assert_eq!((next.at, price.id.as_ref()), (found.current_period_end, Some(&basic)));
        assert_eq!(price.lookup_key.as_deref(), Some("basic_monthly"), "and its product");
        assert!(price.product.is_some());
        assert_eq!(found.prices[0].lookup_key.as_deref(), Some("pro_monthly"), "not yet");
    }
    stand.world.clock.advance_to(before.current_period_end.unwrap());
    let after = stand.subscription(&customer).await;
    assert_eq!((after.next, &after.prices[0].id), (None, &Some(basic)));
}

pub(super) async fn what_the_portal_cannot_change_is_told<F: Face>(stand: Stand<F>) {
    let customer = stand.customer();
    let data = SubscriptionData { days_until_due: Some(14), ..SubscriptionData::default() };
    let sent = stand.subscribe_with(&customer, "basic_monthly", data);
    let found = stand.subscription(&customer).await;
    assert!(found.sends_invoices && found.only_item.is_some());
    stand.cancel(&sent, When::Now);
    {
        let (basic, pro) = (stand.price("basic_monthly"), stand.price("pro_monthly"));
        let mut account = stand.world.stripe.account();
        let both = [basic.as_str(), pro.as_str()];
        account.subscribe(customer.as_str(), &both, SubscriptionData::default()).unwrap();
    }
    assert_eq!(stand.subscription(&customer).await.only_item, None);
}

pub(super) async fn a_customer_pays_in_one_currency_at_a_time<F: Face>(stand: Stand<F>) {
    let (stripe, customer) = (stand.ports.stripe(), stand.customer());
    let newsletter = {
        let mut account = stand.world.stripe.account();
        let product = account.create_product("Newsletter", Metadata::new());
        let price = NewPrice::new(&product, Interval::Month, 500);
        let price = account.create_price(NewPrice { currency: "eur".into(), ..price }).unwrap();
        account.subscribe(customer.as_str(), &[&price], SubscriptionData::default()).unwrap()
    };
    let new = new_checkout(&customer, &stand.price("basic_monthly"), "c-1");
    let refused = stripe.create_checkout(&new).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    assert!(refused.detail.contains("currencies"), "{refused}");
    stand.world.stripe.account().cancel(&newsletter, When::Now).unwrap();
    let new = NewCheckout { idempotency_key: "c-2".into(), ..new };
    assert_eq!(stripe.create_checkout(&new).await.unwrap().status, "open");
}

pub(super) async fn an_endpoint_takes_so_many_requests_a_second<F: Face>(stand: Stand<F>) {
    let (stripe, customer) = (stand.ports.stripe(), stand.customer());
    stand.world.stripe.account().settings_mut().requests_per_second = Some(25);
    for _ in 0..25 {
        stripe.subscriptions(&customer).await.unwrap();
    }
    let refused = stripe.subscriptions(&customer).await.unwrap_err();
    assert!(matches!(refused.class, Class::Throttled { .. }), "{refused}");
    stand.there(&customer).await;
    stand.world.stripe.advance_to(stand.world.clock.time() + SignedDuration::from_secs(1));
    stripe.subscriptions(&customer).await.unwrap();
}

pub(super) async fn an_id_may_be_one_that_a_seller_chose<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    for id in odd_ids() {
        let (product, price) = (format!("{id}+product"), format!("{id}+price"));
        {
            let mut stripe = stand.world.stripe.account();
            stripe.with_id(&id, |it| it.create_customer(NewCustomer::default()));
            stripe.set_card(&id, Card::Pays).unwrap();
            stripe.with_id(&product, |it| it.create_product("API", Metadata::new()));
            let new = NewPrice::new(&product, Interval::Month, 900).lookup_key(&id);
            stripe.with_id(&price, |it| it.create_price(new)).unwrap();
        }
        let customer = CustomerId::parse(id.as_str()).unwrap();
        let missing = CustomerId::parse(format!("{id}?")).unwrap();
        assert_eq!(stand.there(&customer).await.id, customer);
        assert_eq!(stripe.customer(&missing).await.unwrap(), CustomerSeen::Missing);
        let price = PriceId::parse(price).unwrap();
        assert_eq!(stripe.price_by_lookup_key(&id).await.unwrap(), Some(price.clone()));

        let opened = stripe.create_checkout(&new_checkout(&customer, &price, &product)).await;
        let opened = opened.unwrap();
        assert_eq!(stand.checkouts(&customer).await, std::slice::from_ref(&opened));
        stand.world.stripe.account().complete_checkout(&opened.id, Card::Pays).unwrap();
        let read = stand.subscription(&customer).await;
        assert_eq!((&read.customer, &read.prices[0].id), (&customer, &Some(price.clone())));
        assert_eq!(read.prices[0].product.as_ref().map(ProductId::as_str), Some(&*product));
        assert_eq!(stripe.subscription(&read.id).await.unwrap(), Some(read.clone()));

        let dispute = stand.world.stripe.account().open_dispute(&id).unwrap();
        let dispute = stripe.dispute(&DisputeId::parse(dispute).unwrap()).await.unwrap().unwrap();
        assert_eq!(dispute.customer.as_ref(), Some(&customer));
        let charge = stripe.charge(&dispute.charge).await.unwrap();
        assert_eq!(charge, ChargeSeen::There(Some(customer.clone())));
        stripe.create_portal(&portal_of(&customer)).await.unwrap();
        stripe.cancel_subscription(&read.id).await.unwrap();
        stand.world.stripe.account().delete_customer(&id).unwrap();
        assert_eq!(stripe.customer(&customer).await.unwrap(), CustomerSeen::Deleted);
    }
}

/// The ids of the events that are to be acted on.
fn needed(events: &[ListedEvent]) -> Vec<&str> {
    let needed = events.iter().map(|event| match event {
        ListedEvent::Needed(envelope) => envelope.id.as_str(),
        other => panic!("{other:?}"),
    });
    needed.collect()
}

/// The ids of Stripe's own events of types that are acted on, newest first.
fn made<F: Face>(stand: &Stand<F>) -> Vec<String> {
    let stripe = stand.world.stripe.account();
    let made = stripe.events().filter(|event| ACTED_ON.contains(&event.kind));
    made.map(|event| event.id.clone()).collect()
}

pub(super) async fn events_are_listed_newest_first_in_pages<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    let before = stand.now();
    for _ in 0..40 {
        stand.subscribe(&stand.customer(), "pro_monthly");
    }
    let first_second = stand.now();
    stand.world.stripe.advance_to(first_second + SignedDuration::from_secs(10));
    stand.subscribe(&stand.customer(), "pro_monthly");
    let (now, made) = (stand.now(), made(&stand));
    assert_eq!(made.len(), 123, "made, active, and its invoice paid");

    let first = stripe.events(before, now, false, None).await.unwrap();
    let rest = stripe.events(before, now, false, first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), rest.next), (100, None));
    let all: Vec<_> = first.items.into_iter().chain(rest.items).collect();
    assert_eq!(needed(&all), made);
    let ListedEvent::Needed(envelope) = &all[0] else { unreachable!("all are needed") };
    assert_eq!((envelope.via, envelope.received_at), (Via::Replay, envelope.occurred_at));

    let late = first_second + SignedDuration::from_secs(1);
    let late = stripe.events(late, now, false, None).await.unwrap();
    assert_eq!(needed(&late.items), made[..3]);
    let early = stripe.events(before, first_second, false, None).await.unwrap();
    assert_eq!(needed(&early.items), made[3..103]);
}

pub(super) async fn undelivered_events_are_listed_alone<F: Face>(stand: Stand<F>) {
    let endpoint = NewEndpoint::for_all("https://tollgate.invalid/webhook");
    stand.world.stripe.account().create_endpoint(endpoint);
    let from = stand.now();
    let undelivered =
        async || stand.ports.stripe().events(from, stand.now(), true, None).await.unwrap().items;
    stand.subscribe(&stand.customer(), "pro_monthly");
    assert_eq!(needed(&undelivered().await), made(&stand));
    stand.world.stripe.account().take_pending();
    assert_eq!(undelivered().await, []);
    let all = stand.ports.stripe().events(from, from, false, None).await.unwrap();
    assert_eq!(all.items.len(), 3);
}

pub(super) async fn an_event_is_read_by_its_id_for_30_days<F: Face>(stand: Stand<F>) {
    let stripe = stand.ports.stripe();
    stand.subscribe(&stand.customer(), "pro_monthly");
    let id_of = |kind: &str| {
        let stripe = stand.world.stripe.account();
        let event = stripe.events().find(|event| event.kind == kind).map(|event| event.id.clone());
        EventId::parse(event.expect("it was made")).unwrap()
    };
    let made = id_of("customer.subscription.created");
    let found = stripe.event(&made).await.unwrap().expect("it is there");
    assert_eq!(needed(std::slice::from_ref(&found)), [made.as_str()]);
    let other = stripe.event(&id_of("customer.created")).await.unwrap();
    assert_eq!(other, Some(ListedEvent::NotNeeded));
    let unknown = EventId::parse("evt_unknown").unwrap();
    assert_eq!(stripe.event(&unknown).await.unwrap(), None);
    stand.world.stripe.advance_to(stand.now() + days(31));
    assert_eq!(stripe.event(&made).await.unwrap(), None);
}
