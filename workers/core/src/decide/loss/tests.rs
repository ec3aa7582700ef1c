use tollgate_events::{AccountId, CustomerId, DisputeId, Hint, Subject, Via};

use super::super::tests::*;
use super::*;
use crate::account::User;
use crate::decide::{UserFact, decide};
use crate::policy::PlanThen;
use crate::stripe::{InvoiceId, Price};
use crate::sweep::wake;

/// What an account on pro by `sub_1` loses on these subscriptions, by a catalog of this
/// revision that sells `price_pro` as this plan; what speaks for it.
struct Stage {
    facts: Facts,
    catalog: Catalog,
    events: Vec<Envelope>,
    policy: Policy,
    now: Timestamp,
}

impl Stage {
    fn on(subscriptions: Vec<Subscription>) -> Self {
        let mut facts = facts(subscriptions);
        facts.access.plan = Some(plan_id("pro"));
        facts.access.given = Some(given("sub_1", "pro", "price_pro"));
        facts.access.reason = Reason::Subscription { subscription: sub_1() };
        let policy = Policy::default();
        Self { facts, catalog: catalog(), events: Vec::new(), policy, now: now() }
    }

    fn evidence(&self) -> Option<Evidence> {
        let desired = decide(&self.facts, &self.catalog, &self.policy, self.now);
        let before = &self.facts.access;
        let case = Case {
            before,
            decided_by: 1,
            desired: &desired,
            facts: &self.facts,
            events: &self.events,
            catalog: &self.catalog,
            policy: &self.policy,
            now: self.now,
        };
        loss(before, &desired, &self.catalog).map(|loss| case.evidence(loss))
    }
}

fn sub_1() -> SubscriptionId {
    SubscriptionId::parse("sub_1").unwrap()
}

/// A catalog in which pro's price is basic's, of a newer revision.
fn demoting() -> Catalog {
    let text = catalog_text(true).replace("revision = 1", "revision = 2");
    let text = text.replace("price_basic", "x").replace("price_pro", "price_basic");
    let text = text.replace("\"x\"", "\"price_pro\"");
    crate::catalog::CatalogFile::parse(&text).unwrap().catalog
}

#[test]
fn a_subscription_that_is_read_and_says_so_explains_its_loss() {
    for (status, explained) in [
        ("unpaid", true),
        ("paused", true),
        ("incomplete_expired", true),
        ("canceled", true),
        ("a_status_of_the_future", false),
    ] {
        let stage = Stage::on(vec![subscription("sub_1", status, "price_pro")]);
        let expected = if explained { Evidence::Explained } else { Evidence::Counted };
        assert_eq!(stage.evidence(), Some(expected), "{status}");
    }
    let active = Stage::on(vec![subscription("sub_1", "active", "price_pro")]);
    assert_eq!(active.evidence(), None);
    let cheaper = Stage::on(vec![subscription("sub_1", "active", "price_basic")]);
    assert_eq!(cheaper.evidence(), Some(Evidence::Explained), "its customer changed it");
    let ended =
        Subscription { cancel_at: Some(now()), ..subscription("sub_1", "active", "price_pro") };
    assert_eq!(Stage::on(vec![ended]).evidence(), Some(Evidence::Explained));
}

#[test]
fn grace_explains_a_loss_when_it_is_over() {
    let mut stage = Stage::on(vec![subscription("sub_1", "past_due", "price_pro")]);
    assert_eq!(stage.evidence(), None);
    stage.facts.access.grace = [(sub_1(), at(-7 * DAY))].into();
    assert_eq!(stage.evidence(), Some(Evidence::Explained));
    // While it lasts, what takes the plan is the catalog.
    stage.facts.access.grace = [(sub_1(), at(-DAY))].into();
    stage.catalog = demoting();
    assert_eq!(stage.evidence(), Some(Evidence::Counted));
}

/// What was never paid for is no loss of what was; the catalog's doing is none of that.
#[test]
fn what_was_not_paid_explains_that_it_is_not_kept() {
    let price = |id: &str| vec![Price { id: Some(price_id(id)), ..Price::default() }];
    let mut stage = Stage::on(vec![subscription("sub_1", "past_due", "price_pro")]);
    stage.facts.paid_for = [(sub_1(), price("price_basic"))].into();
    assert_eq!(stage.evidence(), Some(Evidence::Explained), "an upgrade that nobody paid");
    stage.facts.paid_for = [(sub_1(), price("price_pro"))].into();
    assert_eq!(stage.evidence(), None);
    stage.catalog = demoting();
    assert_eq!(stage.evidence(), Some(Evidence::Counted));
    stage.facts.paid_for = [(sub_1(), price("price_basic"))].into();
    assert_eq!(stage.evidence(), Some(Evidence::Counted), "what gave the plan gives another now");

    let mut tried = Stage::on(vec![subscription("sub_1", "past_due", "price_pro")]);
    tried.facts.subscriptions[0].had_trial = true;
    tried.facts.paid_for = [(sub_1(), Vec::new())].into();
    assert_eq!(tried.evidence(), Some(Evidence::Explained), "a trial that nobody paid");
}

#[test]
fn an_item_of_none_explains_that_it_gives_nothing() {
    let mut stage = Stage::on(vec![subscription("sub_1", "active", "price_pro")]);
    stage.facts.subscriptions[0].prices[0].quantity = Some(0);
    assert_eq!(stage.evidence(), Some(Evidence::Explained));
}

type Does<T> = dyn Fn(&mut T);

/// Where the seller has chosen so: what is given back, and what is not asked for any more.
#[test]
fn what_ends_by_the_sellers_choice_explains_itself() {
    let refunded = |stage: &mut Stage| {
        stage.facts.refunds = [(sub_1(), InvoiceId::parse("in_1").ok())].into();
    };
    let paused = |stage: &mut Stage| stage.facts.subscriptions[0].voids_invoices = true;
    let cases: [(&Does<Stage>, &Does<Policy>); 2] = [
        (&refunded, &|it: &mut Policy| it.on_full_refund = PlanThen::End),
        (&paused, &|it: &mut Policy| it.pause_collection_void = PlanThen::End),
    ];
    for (change, then_ends) in cases {
        let mut stage = Stage::on(vec![subscription("sub_1", "active", "price_pro")]);
        change(&mut stage);
        assert_eq!(stage.evidence(), None);
        then_ends(&mut stage.policy);
        assert_eq!(stage.evidence(), Some(Evidence::Explained));
    }
}

#[test]
fn a_catalog_is_never_explained() {
    let live = || vec![subscription("sub_1", "active", "price_pro")];
    // The same price gives less.
    let mut stage = Stage { catalog: demoting(), ..Stage::on(live()) };
    assert_eq!(stage.evidence(), Some(Evidence::Counted));
    // Of accounts that were written before prices were recorded too, under another catalog.
    stage.facts.access.given = None;
    assert_eq!(stage.evidence(), Some(Evidence::Counted));
    let mut older = Stage::on(vec![subscription("sub_1", "active", "price_basic")]);
    older.facts.access.given = None;
    assert_eq!(older.evidence(), Some(Evidence::Explained), "the same catalog");

    // Beside a lower one there is an item of which nobody knows what it sells, for too long.
    let mut odd = Stage::on(vec![subscription("sub_1", "active", "price_basic")]);
    assert_eq!(odd.evidence(), Some(Evidence::Explained), "they have changed it");
    odd.facts.subscriptions[0].prices.push(Price::default());
    assert_eq!(odd.evidence(), None, "it keeps its plan");
    let since = Given { unknown_since: Some(at(-7 * DAY)), ..given("sub_1", "pro", "price_pro") };
    odd.facts.access.given = Some(since);
    assert_eq!(odd.evidence(), Some(Evidence::Counted));

    // The plan is gone from it, and so is the price.
    let mut gone = Stage::on(live());
    gone.facts.access.plan = Some(plan_id("gone"));
    gone.facts.access.given = Some(given("sub_1", "gone", "price_gone"));
    gone.facts.subscriptions = vec![subscription("sub_1", "active", "price_gone")];
    assert_eq!(gone.evidence(), Some(Evidence::Counted));

    // Nor on the seventh day, when an unknown price keeps its plan no longer.
    let mut unknown = Stage::on(vec![subscription("sub_1", "active", "price_new")]);
    assert_eq!(unknown.evidence(), None);
    let since = Given { unknown_since: Some(at(-7 * DAY)), ..given("sub_1", "pro", "price_pro") };
    unknown.facts.access.given = Some(since);
    let (price, until) = (price_id("price_new"), Some(now()));
    unknown.facts.access.reason = Reason::UnknownPrice { price, until };
    assert_eq!(unknown.evidence(), Some(Evidence::Counted));
}

#[test]
fn a_subscription_that_is_not_listed_is_read_unless_an_event_shows_its_end() {
    let mut stage = Stage::on(vec![subscription("sub_2", "active", "price_basic")]);
    assert_eq!(stage.evidence(), Some(Evidence::Unread(sub_1())));
    let event = |object: &str, kind: &str, status: &str| Envelope {
        source: tollgate_events::Source::Stripe,
        kind: kind.into(),
        subject: Subject::default(),
        object: Some(object.into()),
        via: Via::Replay,
        hint: Some(Hint { status: status.into(), ..Hint::default() }),
        ..wake("x", AccountId::parse("ann").unwrap(), None, now())
    };
    let deleted = "customer.subscription.deleted";
    for (object, kind, status) in [
        ("sub_2", deleted, "canceled"),
        ("sub_1", "customer.subscription.updated", "active"),
        ("sub_1", "charge.dispute.closed", "canceled"),
    ] {
        stage.events = vec![event(object, kind, status)];
        assert_eq!(stage.evidence(), Some(Evidence::Unread(sub_1())), "{object} {kind} {status}");
    }
    stage.events.push(event("sub_1", deleted, "canceled"));
    assert_eq!(stage.evidence(), Some(Evidence::Explained));
    // A list that lags shows it as it was, and a catalog gives less for that.
    stage.catalog = demoting();
    stage.facts.subscriptions = vec![subscription("sub_1", "active", "price_pro")];
    assert_eq!(stage.evidence(), Some(Evidence::Explained));
    stage.events.clear();
    assert_eq!(stage.evidence(), Some(Evidence::Counted));
}

#[test]
fn a_time_that_was_known_explains_a_loss_and_not_before() {
    let evidence = |reason: Reason| {
        let mut stage = Stage::on(vec![]);
        stage.facts.access.given = None;
        stage.facts.access.reason = reason;
        stage.evidence()
    };
    let ending = |at| Reason::Ending { subscription: sub_1(), at };
    assert_eq!(evidence(ending(now())), Some(Evidence::Explained));
    assert_eq!(evidence(ending(at(1))), Some(Evidence::Unread(sub_1())));
    let grace = |until| Reason::Grace { subscription: sub_1(), until };
    assert_eq!(evidence(grace(now())), Some(Evidence::Explained));
    assert_eq!(evidence(grace(at(1))), Some(Evidence::Unread(sub_1())));
}

/// A plan, and until when.
type Granted = (&'static str, Option<i64>);

/// By the grants themselves, whatever hides them: those that are over, or were revoked, are no reason
/// to wonder; one in force is.
#[test]
fn a_grant_that_has_ended_explains_a_loss_and_one_in_force_does_not() {
    let evidence = |reason: &Reason, grants: &[Granted]| {
        let mut stage = Stage::on(vec![]);
        (stage.facts.access.given, stage.facts.access.reason) = (None, reason.clone());
        // So that it has less even where the grant goes on.
        stage.facts.access.plan = Some(plan_id("gone"));
        let grant = |(plan, until): &Granted| Grant {
            plan: plan_id(plan),
            until: until.map(at),
            why: "a friend".into(),
        };
        stage.facts.access.grants = grants.iter().map(grant).collect();
        stage.evidence().expect("the catalog does not have it any more")
    };
    let (explained, counted) = (Evidence::Explained, Evidence::Counted);
    let granted = Reason::Grant { until: Some(at(0)) };
    let cases: [(&[Granted], &Evidence); 6] = [
        (&[("gone", Some(0))], &explained),
        (&[("gone", Some(1))], &counted),
        (&[("gone", None)], &counted),
        (&[("gone", Some(0)), ("gone", Some(1))], &counted),
        (&[("gone", Some(0)), ("basic", None)], &explained),
        (&[], &explained),
    ];
    for (grants, expected) in cases {
        assert_eq!(evidence(&granted, grants), *expected, "{grants:?}");
        // What was revoked under a hold is told by nothing.
        let hidden = if grants.is_empty() { &counted } else { expected };
        for reason in [
            Reason::OperatorHold { why: "why".into() },
            Reason::Dispute { dispute: DisputeId::parse("dp_1").unwrap() },
            Reason::UserDisabled,
            Reason::UserMissing,
        ] {
            assert_eq!(evidence(&reason, grants), *hidden, "{reason:?} {grants:?}");
        }
    }
}

/// A grant that was over long before gave nothing: the plan came from the subscription.
#[test]
fn a_grant_that_was_over_before_explains_nothing() {
    let over = Grant { plan: plan_id("pro"), until: Some(at(-DAY)), why: "a friend".into() };
    let live = || Stage::on(vec![subscription("sub_1", "active", "price_pro")]);
    for reason in [Reason::Subscription { subscription: sub_1() }, Reason::UserDisabled] {
        let mut stage = Stage { catalog: demoting(), ..live() };
        (stage.facts.access.grants, stage.facts.access.reason) = (vec![over.clone()], reason);
        assert_eq!(stage.evidence(), Some(Evidence::Counted));
        stage.facts.subscriptions = vec![subscription("sub_1", "canceled", "price_pro")];
        assert_eq!(stage.evidence(), Some(Evidence::Explained), "nor does it hide what does");
    }
}

#[test]
fn a_closing_is_explained_by_whoever_wanted_it() {
    let evidence = |change: &dyn Fn(&mut Facts)| {
        let mut stage = Stage::on(vec![subscription("sub_1", "active", "price_pro")]);
        change(&mut stage.facts);
        stage.evidence()
    };
    let explained = Some(Evidence::Explained);
    // Whatever the catalog says of the plan.
    let mut told = Stage { catalog: demoting(), ..Stage::on(Vec::new()) };
    told.facts.user = UserFact::NotFound { delete_seen: true };
    assert_eq!(told.evidence(), explained);
    told.facts.user = UserFact::NotFound { delete_seen: false };
    told.facts.last_seen = User::Missing { since: at(-3600), username: None, disabled: false };
    assert_eq!(told.evidence(), Some(Evidence::Counted), "nobody told of it");
    assert_eq!(evidence(&|f| f.user = UserFact::NotFound { delete_seen: true }), explained);
    assert_eq!(evidence(&|f| f.access.closed = Some("asked".into())), explained);
    assert_eq!(evidence(&|f| f.last_seen = User::Deleted), Some(Evidence::Counted));
    assert_eq!(
        evidence(&|f| {
            f.last_seen = User::Deleted;
            f.access.status = Status::Closed;
        }),
        None,
        "it is closed already"
    );
    let nothing = |f: &mut Facts| {
        f.last_seen = User::Deleted;
        f.access = Access::default();
    };
    assert_eq!(evidence(&nothing), None, "there is nothing to take");
}

/// What the limit counts and what the reports tell are the same accounts.
#[test]
fn who_pays_has_more_than_for_nothing() {
    let paying = |plan: Option<&str>, reason: Reason| {
        let access = Access { plan: plan.map(plan_id), reason, ..Access::default() };
        pays(&access, &catalog())
    };
    assert!(paying(Some("pro"), Reason::Subscription { subscription: sub_1() }));
    assert!(paying(Some("free"), Reason::Subscription { subscription: sub_1() }), "free is sold");
    assert!(paying(Some("pro"), Reason::Grant { until: None }));
    assert!(paying(Some("pro"), Reason::OperatorHold { why: "why".into() }));
    assert!(!paying(Some("free"), Reason::OperatorHold { why: "why".into() }));
    assert!(!paying(Some("free"), Reason::DefaultPlan));
    assert!(!paying(None, Reason::Subscription { subscription: sub_1() }));
}

/// Only an operator releases the customer who pays for it; an end stays an end.
#[test]
fn a_subscription_is_still_the_accounts_while_it_lives_and_its_customer_is_linked() {
    let linked = |customers: &[&str]| Access {
        customers: customers.iter().map(|id| CustomerId::parse(*id).unwrap()).collect(),
        ..Access::default()
    };
    let live = subscription("sub_1", "active", "price_pro");
    assert!(is_still(&live, &linked(&["cus_1"])));
    assert!(!is_still(&live, &linked(&["cus_2"])));
    let ended = subscription("sub_1", "canceled", "price_pro");
    assert!(!is_still(&ended, &linked(&["cus_1"])));
    assert!(!is_still(&ended, &linked(&[])));
}

/// Whoever has a plan without a key, or a key without a plan, has something to lose.
#[test]
fn a_closing_takes_a_plan_or_a_key() {
    let closes = |access: Access| {
        let facts =
            Facts { access, user: UserFact::NotFound { delete_seen: true }, ..facts(Vec::new()) };
        let desired = decide(&facts, &catalog(), &Policy::default(), now());
        loss(&facts.access, &desired, &catalog())
    };
    let with_both = facts(Vec::new()).access;
    let without_key = Access { keys: Default::default(), ..with_both.clone() };
    let without_plan = Access { plan: None, ..with_both.clone() };
    let nothing = Access { keys: Default::default(), ..without_plan.clone() };
    assert_eq!(closes(with_both), Some(Loss::Closed));
    assert_eq!(closes(without_key), Some(Loss::Closed));
    assert_eq!(closes(without_plan), Some(Loss::Closed));
    assert_eq!(closes(nothing), None);
}
