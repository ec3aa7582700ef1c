use jiff::SignedDuration;
use proptest::prelude::*;
use tollgate_events::{ChargeId, CustomerId, PriceId};

use super::*;
use crate::account::{Attributes, Given, KeyId, KeyRecord, OfferId, PlanId, Slot};
use crate::catalog::CatalogFile;
use crate::plan::{Observed, ObservedKey, Step, plan};
use crate::policy::PlanThen;
use crate::stripe::{Dispute, LatestInvoice, Price};

const NOW: i64 = 1_800_000_000;
pub(super) const DAY: i64 = 86_400;

pub(super) fn at(offset: i64) -> Timestamp {
    Timestamp::from_second(NOW + offset).unwrap()
}

pub(super) fn now() -> Timestamp {
    at(0)
}

pub(super) fn catalog_text(default: bool) -> String {
    let default = if default { "default_plan = \"free\"\n" } else { "" };
    let plans: String = [("free", 0), ("basic", 10), ("pro", 20)]
        .map(|(id, rank)| {
            format!(
                "[[plans]]\nid = \"{id}\"\nrank = {rank}\nusage_plan = \"up-{id}\"\n\
                 prices = [\"price_{id}\"]\n"
            )
        })
        .concat();
    format!("revision = 1\nstages = [\"api:prod\"]\n{default}{plans}")
}

pub(super) fn catalog() -> Catalog {
    CatalogFile::parse(&catalog_text(true)).unwrap().catalog
}

fn catalog_without_default() -> Catalog {
    let text = catalog_text(false).replace(
        "[[plans]]\nid = \"free\"\nrank = 0\nusage_plan = \"up-free\"\nprices = [\"price_free\"]\n",
        "",
    );
    CatalogFile::parse(&text).unwrap().catalog
}

pub(super) fn subscription(id: &str, status: &str, price: &str) -> Subscription {
    let (id, customer) = (SubscriptionId::parse(id), CustomerId::parse("cus_1"));
    Subscription {
        prices: vec![Price { id: PriceId::parse(price).ok(), ..Price::default() }],
        current_period_end: Some(at(20 * DAY)),
        latest_invoice: finalized(at(-DAY)),
        ..Subscription::new(id.unwrap(), customer.unwrap(), status.into())
    }
}

fn finalized(at: Timestamp) -> Option<LatestInvoice> {
    Some(LatestInvoice { finalized_at: Some(at), ..LatestInvoice::default() })
}

fn dispute(status: &str) -> Dispute {
    Dispute {
        id: DisputeId::parse("dp_1").unwrap(),
        status: status.into(),
        charge: ChargeId::parse("ch_1").unwrap(),
        customer: CustomerId::parse("cus_1").ok(),
    }
}

pub(super) fn price_id(id: &str) -> PriceId {
    PriceId::parse(id).unwrap()
}

pub(super) fn given(by: &str, plan: &str, price: &str) -> Given {
    Given {
        by: SubscriptionId::parse(by).unwrap(),
        plan: plan_id(plan),
        prices: [price_id(price)].into(),
        unknown_since: None,
    }
}

pub(super) fn plan_id(id: &str) -> PlanId {
    PlanId::parse(id).unwrap()
}

/// A user who is there and has a key on the free plan.
pub(super) fn facts(subscriptions: Vec<Subscription>) -> Facts {
    let key = KeyRecord { id: KeyId::parse("key1").unwrap(), generation: 1, minted_at: at(-DAY) };
    Facts {
        access: Access {
            plan: Some(plan_id("free")),
            status: Status::Active,
            customers: [CustomerId::parse("cus_1").unwrap()].into(),
            keys: BTreeMap::from([(Slot::Primary, key)]),
            ..Access::default()
        },
        last_seen: User::Present { username: "ann".into(), enabled: true },
        subscriptions,
        proven: BTreeSet::new(),
        paid_for: BTreeMap::new(),
        refunds: BTreeMap::new(),
        disputes: Vec::new(),
        user: UserFact::AsLastSeen,
        room_for_free_key: true,
    }
}

fn decided(facts: &Facts) -> Desired {
    decide(facts, &catalog(), &Policy::default(), now())
}

fn plan_of(desired: &Desired) -> &str {
    desired.plan.as_ref().map_or("-", PlanId::as_str)
}

/// What a grant gives now is the last plan next time: the reason stays the grant all the same.
#[test]
fn a_plan_renews_with_the_subscription_that_gives_it() {
    let seen = |subscriptions| {
        let facts = facts(subscriptions);
        decided(&facts).subscription(&facts, &catalog())
    };
    let renews_at = |subscriptions| seen(subscriptions).and_then(|it| it.renews_at);
    let pro = || subscription("sub_2", "active", "price_pro");
    let basic = || Subscription {
        current_period_end: Some(at(5 * DAY)),
        ..subscription("sub_1", "active", "price_basic")
    };
    assert_eq!(renews_at(vec![basic(), pro()]), Some(at(20 * DAY)));
    assert_eq!(renews_at(vec![basic()]), Some(at(5 * DAY)));
    let ending = Subscription { cancel_at: Some(at(20 * DAY)), ..pro() };
    let ending = seen(vec![ending]).expect("it is live");
    assert_eq!((ending.renews_at, ending.ends_at), (None, Some(at(20 * DAY))));
    let trial = seen(vec![subscription("sub_2", "trialing", "price_pro")]).expect("it is live");
    assert_eq!(trial.trial_ends_at, Some(at(20 * DAY)));
    assert_eq!(trial.offer, OfferId::parse("price_pro").ok());
    assert_eq!(renews_at(Vec::new()), None);
}

#[test]
fn an_unknown_price_beside_a_grant_keeps_the_grants_reason() {
    let mut facts = facts(vec![subscription("sub_1", "trialing", "price_new")]);
    facts.access.given = Some(given("sub_1", "basic", "price_basic"));
    facts.access.grants =
        vec![Grant { plan: plan_id("basic"), until: None, why: "a friend".into() }];
    let desired = decided(&facts);
    assert_eq!((plan_of(&desired), &desired.reason), ("basic", &Reason::Grant { until: None }));
    assert_eq!(desired.warnings.len(), 1, "the price is told of all the same");
}

#[test]
fn who_pays_gets_a_key_when_hardly_any_are_left_and_nobody_loses_theirs() {
    let without_key = |subscriptions| {
        let facts = facts(subscriptions);
        let access = Access { keys: BTreeMap::new(), ..facts.access };
        Facts { access, room_for_free_key: false, ..facts }
    };
    let free = decided(&without_key(vec![]));
    assert_eq!((free.key, free.status), (KeyState::Disabled, Status::WaitingForKey));
    assert_eq!(free.plan_attribute.as_deref(), Some("waiting"));
    assert_eq!(free.review_at, Some(at(3600)));
    let paying = decided(&without_key(vec![subscription("sub_1", "active", "price_pro")]));
    assert_eq!((paying.key, paying.status), (KeyState::Enabled, Status::Active));
    let has_one = decided(&Facts { room_for_free_key: false, ..facts(vec![]) });
    assert_eq!((has_one.key, has_one.status), (KeyState::Enabled, Status::Active));
}

#[test]
fn of_two_that_give_the_same_the_first_is_the_reason() {
    let twins = ["sub_2", "sub_1"].map(|id| subscription(id, "active", "price_pro"));
    let reason = decided(&facts(twins.into())).reason;
    let subscription = SubscriptionId::parse("sub_1").unwrap();
    assert_eq!(reason, Reason::Subscription { subscription });
}

#[test]
fn what_ends_now_has_ended_and_is_not_looked_at_again() {
    let mut over = facts(vec![]);
    over.access.grants =
        vec![Grant { plan: plan_id("pro"), until: Some(now()), why: "a week".into() }];
    let desired = decided(&over);
    assert_eq!((plan_of(&desired), desired.review_at), ("free", None));
    let missing = User::Missing { since: at(-3600), username: None, disabled: false };
    let looked_for = Facts { last_seen: missing, ..facts(vec![]) };
    assert_eq!(decided(&looked_for).review_at, None, "later than now, or none");
}

#[test]
fn what_has_ended_already_is_not_cancelled_again() {
    let states = ["canceled", "incomplete_expired", "unpaid", "a_status_of_the_future"];
    let subscriptions = states.map(|status| subscription(status, status, "price_pro"));
    let mut gone = Facts { last_seen: User::Deleted, ..facts(subscriptions.into()) };
    gone.user = UserFact::NotFound { delete_seen: true };
    let cancel: Vec<_> = decided(&gone).cancel.iter().map(ToString::to_string).collect();
    assert_eq!(cancel, ["unpaid", "a_status_of_the_future"]);
}

#[test]
fn a_warning_names_what_to_look_at() {
    let subscription = SubscriptionId::parse("sub_1").unwrap();
    for (warning, name) in [
        (Warning::UnknownPrice { price: price_id("price_new"), until: None }, "price_new"),
        (Warning::UnknownPrice { price: price_id("price_new"), until: Some(now()) }, "2027-01"),
        (Warning::PaymentOfAbsentUser(subscription.clone()), "sub_1"),
        (Warning::UnknownGrant(plan_id("gold")), "gold"),
        (Warning::PaymentOnClosedAccount(subscription.clone()), "sub_1"),
        (Warning::CancelledOnClosedAccount(subscription), "sub_1"),
    ] {
        assert!(warning.to_string().contains(name), "{warning}");
    }
}

#[test]
fn each_status_gives_what_the_table_says() {
    for (status, plan) in [
        ("trialing", "pro"),
        ("active", "pro"),
        ("past_due", "pro"),
        ("unpaid", "free"),
        ("canceled", "free"),
        ("incomplete", "free"),
        ("incomplete_expired", "free"),
        ("paused", "free"),
        ("a_status_of_the_future", "free"),
    ] {
        let desired = decided(&facts(vec![subscription("sub_1", status, "price_pro")]));
        assert_eq!((status, plan_of(&desired)), (status, plan));
        assert_eq!(desired.key, KeyState::Enabled, "{status}");
        assert_eq!(desired.plan_attribute.as_deref(), Some(plan), "{status}");
    }
}

#[test]
fn a_subscription_that_ends_keeps_its_plan_until_then() {
    let mut ending = subscription("sub_1", "active", "price_pro");
    ending.cancel_at = Some(at(DAY));
    let desired = decided(&facts(vec![ending.clone()]));
    assert_eq!((plan_of(&desired), desired.review_at), ("pro", Some(at(DAY))));

    ending.cancel_at = Some(now());
    let desired = decided(&facts(vec![ending.clone()]));
    assert_eq!((plan_of(&desired), desired.review_at), ("free", None));

    ending.cancel_at = None;
    ending.cancel_at_period_end = true;
    let desired = decided(&facts(vec![ending]));
    assert_eq!((plan_of(&desired), desired.review_at), ("pro", Some(at(20 * DAY))));
}

#[test]
fn grace_counts_from_the_invoice_and_no_later_invoice_moves_it() {
    let mut late = subscription("sub_1", "past_due", "price_pro");
    let first = decided(&facts(vec![late.clone()]));
    assert_eq!(first.grace.values().collect::<Vec<_>>(), [&at(-DAY)]);
    assert_eq!(first.review_at, Some(at(6 * DAY)));

    late.latest_invoice = finalized(at(2 * DAY));
    let mut again = facts(vec![late.clone()]);
    again.access.grace.clone_from(&first.grace);
    let later = |offset| decide(&again, &catalog(), &Policy::default(), at(offset));
    assert_eq!(
        (plan_of(&later(6 * DAY - 1)), later(5 * DAY).review_at),
        ("pro", Some(at(6 * DAY)))
    );
    assert_eq!((plan_of(&later(6 * DAY)), later(6 * DAY).review_at), ("free", None));
    assert_eq!(later(6 * DAY).grace, first.grace, "kept until it is seen not past due");

    let paid = Facts { subscriptions: vec![subscription("sub_1", "active", "price_pro")], ..again };
    assert!(decided(&paid).grace.is_empty());
}

#[test]
fn the_best_of_all_live_subscriptions_wins() {
    let mut all = facts(vec![
        subscription("sub_1", "canceled", "price_free"),
        subscription("sub_2", "active", "price_basic"),
        subscription("sub_3", "active", "price_pro"),
    ]);
    assert_eq!(plan_of(&decided(&all)), "pro");
    all.subscriptions.remove(2);
    assert_eq!(plan_of(&decided(&all)), "basic");
    all.access.grants =
        vec![Grant { plan: plan_id("pro"), until: Some(at(DAY)), why: "a friend".into() }];
    let granted = decided(&all);
    assert_eq!((plan_of(&granted), granted.review_at), ("pro", Some(at(DAY))));
}

/// The subscription that gave the plan keeps it for some days when its price is unknown.
#[test]
fn an_unknown_price_keeps_the_plan_that_its_subscription_gave_for_some_days() {
    let mut unknown = facts(vec![subscription("sub_1", "active", "price_new")]);
    unknown.access.plan = Some(plan_id("pro"));
    unknown.access.given = Some(given("sub_1", "pro", "price_pro"));
    let until = Some(at(7 * DAY));
    let desired = decided(&unknown);
    assert_eq!((plan_of(&desired), desired.review_at), ("pro", until));
    let price = price_id("price_new");
    assert_eq!(desired.reason, Reason::UnknownPrice { price: price.clone(), until });
    assert_eq!(desired.warnings, [Warning::UnknownPrice { price: price.clone(), until }]);

    // The days are counted from the first sight of it, however often it is looked at.
    unknown.access.given = desired.given;
    unknown.access.reason = desired.reason;
    let later = |facts: &Facts, offset| decide(facts, &catalog(), &Policy::default(), at(offset));
    assert_eq!(plan_of(&later(&unknown, 7 * DAY - 1)), "pro");
    let over = later(&unknown, 7 * DAY);
    assert_eq!((plan_of(&over), &over.reason, &over.given), ("free", &Reason::DefaultPlan, &None));
    assert_eq!(over.warnings, [Warning::UnknownPrice { price, until: None }]);

    // What the catalog learns counts at once; an unknown add-on beside it changes nothing.
    let mut add_on = subscription("sub_1", "active", "price_basic");
    add_on.prices.push(subscription("x", "active", "price_new").prices.remove(0));
    unknown.subscriptions = vec![add_on];
    let desired = later(&unknown, DAY);
    assert_eq!((plan_of(&desired), desired.warnings.len()), ("basic", 0));
    assert_eq!(desired.given.unwrap().unknown_since, None);
}

/// What an item sells whose price cannot be read may be anything: also what it sold before.
#[test]
fn a_price_that_cannot_be_read_is_unknown_also_beside_a_known_one() {
    let mut odd = facts(vec![subscription("sub_1", "active", "price_basic")]);
    odd.subscriptions[0].prices.push(Price::default());
    odd.access.plan = Some(plan_id("pro"));
    odd.access.given = Some(given("sub_1", "pro", "price_pro"));
    let until = Some(at(7 * DAY));
    let desired = decided(&odd);
    let price = Price::default().name();
    assert_eq!((plan_of(&desired), desired.review_at), ("pro", until));
    assert_eq!(desired.reason, Reason::UnknownPrice { price: price.clone(), until });
    assert_eq!(desired.warnings, [Warning::UnknownPrice { price, until }]);

    // It gives nothing itself, and takes nothing from what else is there.
    odd.access.given = None;
    assert_eq!(plan_of(&decided(&odd)), "basic");
    odd.subscriptions[0].prices.remove(0);
    assert_eq!(plan_of(&decided(&odd)), "free");
}

/// A newsletter of the same seller's is nobody's business here, and keeps no plan.
#[test]
fn an_unknown_price_of_another_subscription_gives_nothing_and_is_not_told() {
    let mut both = facts(vec![
        subscription("sub_1", "active", "price_pro"),
        subscription("sub_2", "active", "price_newsletter"),
    ]);
    let paid = decided(&both);
    assert_eq!((plan_of(&paid), paid.warnings.len()), ("pro", 0));
    (both.access.plan, both.access.given) = (paid.plan, paid.given);
    both.subscriptions.remove(0);
    let left = decided(&both);
    assert_eq!((plan_of(&left), left.warnings.len()), ("free", 0));

    // But what our own checkout sold is told, whatever the catalog knows.
    both.proven = [SubscriptionId::parse("sub_2").unwrap()].into();
    let price = price_id("price_newsletter");
    assert_eq!(decided(&both).warnings, [Warning::UnknownPrice { price, until: None }]);
}

/// Accounts that were written before it was recorded what gave their plan.
#[test]
fn what_gave_the_plan_is_known_by_the_reason_of_older_accounts() {
    let kept = |reason: Reason| {
        let mut unknown = facts(vec![subscription("sub_1", "active", "price_new")]);
        (unknown.access.plan, unknown.access.reason) = (Some(plan_id("pro")), reason);
        plan_of(&decided(&unknown)).to_owned()
    };
    let named =
        |id: &str| Reason::Subscription { subscription: SubscriptionId::parse(id).unwrap() };
    assert_eq!(kept(named("sub_1")), "pro");
    assert_eq!(kept(named("sub_2")), "free");
    assert_eq!(kept(Reason::UnknownPrice { price: price_id("price_new"), until: None }), "pro");
    assert_eq!(kept(Reason::UnknownPrice { price: price_id("price_x"), until: None }), "free");
}

/// Nothing is cancelled that nobody ended: a user who is missing may be in another pool.
#[test]
fn a_closing_by_absence_cancels_nothing_until_somebody_tells_of_it() {
    let mut absent = facts(vec![subscription("sub_1", "active", "price_pro")]);
    absent.last_seen = User::Deleted;
    let desired = decided(&absent);
    assert_eq!((desired.key, &desired.reason), (KeyState::Closed, &Reason::UserDeleted));
    let id = SubscriptionId::parse("sub_1").unwrap();
    assert_eq!((desired.cancel.len(), &desired.to_cancel), (0, &[id.clone()].into()));
    assert_eq!(desired.warnings, [Warning::PaymentOfAbsentUser(id.clone())]);

    (absent.access.status, absent.access.to_cancel) = (Status::Closed, desired.to_cancel);
    let again = decided(&absent);
    assert_eq!((again.cancel.len(), again.to_cancel), (0, [id].into()), "and not later either");
    let mut by_operator = absent.clone();
    by_operator.access.closed = Some("asked".into());
    assert_eq!(decided(&by_operator).cancel.len(), 1);
    absent.user = UserFact::NotFound { delete_seen: true };
    let deleted = decided(&absent);
    assert_eq!((deleted.cancel.len(), deleted.to_cancel.len()), (1, 0));
}

/// The user is deleted, and reads a newsletter of the same seller's: that goes on, and is told to
/// nobody. What was sold by us ends, whether the catalog still knows it or not.
#[test]
fn what_else_a_customer_has_bought_goes_on_when_their_account_is_closed() {
    let sold = [
        ("sub_newsletter", "price_newsletter"),
        ("sub_plan", "price_pro"),
        ("sub_proven", "price_gone"),
        ("sub_gave", "price_gone"),
    ];
    let mut user = facts(sold.map(|(id, price)| subscription(id, "active", price)).into());
    user.proven = [SubscriptionId::parse("sub_proven").unwrap()].into();
    user.access.given = Some(given("sub_gave", "pro", "price_gone"));
    user.user = UserFact::NotFound { delete_seen: true };
    let desired = decided(&user);
    let ended: Vec<_> = desired.cancel.iter().map(SubscriptionId::as_str).collect();
    assert_eq!((ended, desired.warnings), (vec!["sub_plan", "sub_proven", "sub_gave"], vec![]));
    user.user = UserFact::AsLastSeen;
    (user.last_seen, user.access.status) = (User::Deleted, Status::Closed);
    user.subscriptions.truncate(1);
    assert_eq!(decided(&user).warnings, [], "nor is it a payment on a closed account");
}

/// Until their time: an account that is closed keeps them like any other.
#[test]
fn grants_are_kept_while_they_are_in_force() {
    let grant = |plan: &str, until: Option<i64>| Grant {
        plan: plan_id(plan),
        until: until.map(at),
        why: "a friend".into(),
    };
    let mut granted = facts(vec![]);
    granted.access.grants =
        vec![grant("pro", Some(0)), grant("basic", Some(1)), grant("basic", None)];
    let kept = vec![grant("basic", Some(1)), grant("basic", None)];
    assert_eq!(decided(&granted).grants, kept);
    granted.user = UserFact::NotFound { delete_seen: true };
    let closed = decided(&granted);
    assert_eq!((closed.key, closed.grants), (KeyState::Closed, kept));
}

/// What the limit held back is cancelled later; what is bought after the closing is told.
#[test]
fn a_closed_account_cancels_what_was_held_back_and_what_begins_later_and_tells_of_that() {
    let subscriptions = ["sub_1", "sub_2"].map(|id| subscription(id, "active", "price_pro"));
    let mut closed = facts(subscriptions.into());
    closed.last_seen = User::Deleted;
    closed.user = UserFact::NotFound { delete_seen: true };
    closed.access.status = Status::Closed;
    closed.access.to_cancel = [SubscriptionId::parse("sub_2").unwrap()].into();
    let desired = decided(&closed);
    let (new, held_back) = ("sub_1", "sub_2");
    let ids = |ids: &[&str]| -> BTreeSet<_> {
        ids.iter().map(|id| SubscriptionId::parse(*id).unwrap()).collect()
    };
    assert_eq!(desired.cancel, ids(&[new, held_back]).into_iter().collect::<Vec<_>>());
    let told = SubscriptionId::parse(new).unwrap();
    assert_eq!(desired.warnings, [Warning::CancelledOnClosedAccount(told.clone())]);

    let policy = Policy { cancel_when_user_deleted: false, ..Policy::default() };
    let kept = decide(&closed, &catalog(), &policy, now());
    assert_eq!(kept.cancel, []);
    assert!(kept.warnings.contains(&Warning::PaymentOnClosedAccount(told.clone())));

    // Nobody is cancelled for being absent.
    closed.user = UserFact::NotFound { delete_seen: false };
    let absent = decided(&closed);
    assert_eq!((absent.cancel.len(), absent.to_cancel), (0, ids(&[new, held_back])));
    assert!(absent.warnings.contains(&Warning::PaymentOfAbsentUser(told)));
}

#[test]
fn a_dispute_holds_until_it_is_won_or_lifted() {
    for (status, held) in [
        ("needs_response", true),
        ("under_review", true),
        ("lost", true),
        ("won", false),
        ("warning_needs_response", false),
        ("warning_closed", false),
        ("a_status_of_the_future", false),
    ] {
        let mut disputed = facts(vec![subscription("sub_1", "active", "price_pro")]);
        disputed.disputes = vec![dispute(status)];
        let desired = decided(&disputed);
        assert_eq!(desired.key == KeyState::Disabled, held, "{status}");
        assert_eq!(plan_of(&desired), "pro", "the plan is decided all the same");
        assert_eq!(desired.disputes.len(), usize::from(held), "{status}");

        disputed.access.disputes.insert(dispute(status).id, DisputeMark::Lifted);
        assert_eq!(decided(&disputed).key, KeyState::Enabled, "lifted: {status}");
    }
    let mut recorded = facts(vec![]);
    recorded.access.disputes.insert(dispute("x").id, DisputeMark::Holding);
    recorded.disputes = vec![dispute("a_status_of_the_future")];
    assert_eq!(decided(&recorded).status, Status::Held, "an unknown status frees nobody");
}

#[test]
fn a_disabled_user_has_a_disabled_key_and_an_enabled_one_has_it_back() {
    let mut user = facts(vec![subscription("sub_1", "active", "price_pro")]);
    user.user = UserFact::Found { username: "ann".into(), enabled: false };
    let desired = decided(&user);
    assert_eq!((desired.key, desired.reason), (KeyState::Disabled, Reason::UserDisabled));
    user.last_seen = desired.user;
    user.user = UserFact::Found { username: "ann".into(), enabled: true };
    assert_eq!(decided(&user).key, KeyState::Enabled);
}

#[test]
fn a_deleted_user_is_closed_for_good() {
    let mut user = facts(vec![subscription("sub_1", "active", "price_pro")]);
    user.user = UserFact::NotFound { delete_seen: true };
    let desired = decided(&user);
    assert_eq!((desired.key, desired.status), (KeyState::Closed, Status::Closed));
    assert_eq!(desired.cancel.len(), 1);

    user.last_seen = desired.user;
    user.access.status = Status::Closed;
    user.user = UserFact::Found { username: "ann".into(), enabled: true };
    let again = decided(&user);
    assert_eq!(again.status, Status::Closed, "a tombstone is final");
    assert_eq!(again.cancel, [], "somebody is there by that sub: that is a person's business");
    assert!(matches!(again.warnings[..], [Warning::PaymentOfAbsentUser(_)]));
}

#[test]
fn a_user_who_is_not_found_is_closed_only_by_a_second_look_an_hour_later() {
    let mut user = facts(vec![subscription("sub_1", "active", "price_pro")]);
    user.user = UserFact::NotFound { delete_seen: false };
    let first = decided(&user);
    assert_eq!((plan_of(&first), first.key), ("pro", KeyState::Enabled));
    assert_eq!(first.plan_attribute, None, "nobody to write to");
    assert_eq!(first.review_at, Some(at(3600)));

    user.last_seen = first.user;
    let later = |offset| decide(&user, &catalog(), &Policy::default(), at(offset));
    assert_eq!(later(3599).status, Status::Active);
    assert_eq!(later(3600).status, Status::Closed);
}

/// A closed account whose user is missing is looked at once more: it is to be known whether they
/// are deleted.
#[test]
fn whoever_is_missing_from_a_closed_account_is_looked_for_again() {
    let mut user = facts(vec![]);
    user.access.closed = Some("fraud".into());
    user.user = UserFact::NotFound { delete_seen: false };
    let first = decided(&user);
    assert_eq!((first.status, first.review_at), (Status::Closed, Some(at(3600))));
    user.last_seen = first.user;
    user.user = UserFact::AsLastSeen;
    let later = |offset| decide(&user, &catalog(), &Policy::default(), at(offset)).review_at;
    assert_eq!((later(3599), later(3600)), (Some(at(3600)), None));
}

#[test]
fn nothing_is_made_for_a_user_whom_nobody_has_seen() {
    let mut stranger = facts(vec![]);
    stranger.access = Access::default();
    stranger.last_seen = User::Unseen;
    stranger.user = UserFact::NotFound { delete_seen: false };
    let desired = decided(&stranger);
    assert_eq!((desired.key, desired.status), (KeyState::Disabled, Status::New));
    assert_eq!(plan(&desired, &Observed::default()), []);
}

#[test]
fn without_a_default_plan_the_key_is_disabled() {
    let desired = decide(&facts(vec![]), &catalog_without_default(), &Policy::default(), now());
    assert_eq!((desired.key, desired.reason), (KeyState::Disabled, Reason::NoPlan));
    assert_eq!(desired.plan_attribute.as_deref(), Some("none"));
}

#[test]
fn an_operators_hold_beats_everything_but_deletion() {
    let mut held = facts(vec![subscription("sub_1", "active", "price_pro")]);
    held.access.hold = Some("abuse".into());
    assert_eq!(decided(&held).status, Status::Held);
    held.user = UserFact::NotFound { delete_seen: true };
    assert_eq!(decided(&held).status, Status::Closed);
}

// ------------------------------------------------------------- properties

fn any_subscription() -> impl Strategy<Value = Subscription> {
    let status = prop::sample::select(vec![
        "incomplete",
        "incomplete_expired",
        "trialing",
        "active",
        "past_due",
        "canceled",
        "unpaid",
        "paused",
        "newer",
    ]);
    let price = prop::sample::select(vec!["price_free", "price_basic", "price_pro", "price_new"]);
    let when = || prop::option::of((-30 * DAY..30 * DAY).prop_map(at));
    let flags = (any::<bool>(), any::<bool>());
    (0..5_u8, status, price, when(), flags, when(), when()).prop_map(
        |(id, status, price, cancel_at, flags, current_period_end, final_at)| {
            let (cancel_at_period_end, had_trial) = flags;
            Subscription {
                cancel_at,
                cancel_at_period_end,
                current_period_end,
                latest_invoice: final_at.and_then(finalized),
                had_trial,
                ..subscription(&format!("sub_{id}"), status, price)
            }
        },
    )
}

fn any_user() -> impl Strategy<Value = User> {
    prop_oneof![
        Just(User::Unseen),
        any::<bool>().prop_map(|enabled| User::Present { username: "ann".into(), enabled }),
        (-2 * 3600..0_i64, any::<bool>()).prop_map(|(since, disabled)| {
            User::Missing { since: at(since), username: None, disabled }
        }),
        Just(User::Deleted),
    ]
}

fn retiring(id: &str, usage_plan: &str, until: Timestamp) -> RetiringKey {
    let usage_plan = UsagePlanId::parse(usage_plan).ok();
    RetiringKey { id: KeyId::parse(id).unwrap(), generation: 1, minted_at: None, usage_plan, until }
}

fn any_retiring() -> impl Strategy<Value = Vec<RetiringKey>> {
    let key = (prop::sample::select(vec!["up-free", "up-pro"]), (-DAY..DAY).prop_map(at));
    prop::collection::vec(key, 0..2).prop_map(|keys| {
        keys.into_iter().map(|(plan, until)| retiring("key0", plan, until)).collect()
    })
}

fn any_access() -> impl Strategy<Value = Access> {
    let plan = prop::option::of(prop::sample::select(vec!["free", "basic", "pro", "gone"]));
    let mark = prop::option::of(prop_oneof![Just(DisputeMark::Holding), Just(DisputeMark::Lifted)]);
    let grant = prop::option::of((
        prop::sample::select(vec!["basic", "pro", "gone"]),
        prop::option::of((-DAY..DAY).prop_map(at)),
    ));
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    (plan, mark, grant, flags, any_retiring()).prop_map(|(plan, mark, grant, flags, retiring)| {
        let (hold, key, closed) = flags;
        Access {
            retiring,
            closed: closed.then(|| "why".into()),
            plan: plan.map(plan_id),
            keys: if key { facts(vec![]).access.keys } else { BTreeMap::new() },
            disputes: mark.map(|mark| (dispute("x").id, mark)).into_iter().collect(),
            grants: grant
                .map(|(plan, until)| Grant { plan: plan_id(plan), until, why: "w".into() })
                .into_iter()
                .collect(),
            hold: hold.then(|| "why".into()),
            ..Access::default()
        }
    })
}

/// Of each subscription: nothing is known, nothing was paid, or this.
fn paid_for(paid: &[Option<Option<&str>>]) -> BTreeMap<SubscriptionId, Vec<Price>> {
    let price = |id: &&str| Price { id: PriceId::parse(*id).ok(), ..Price::default() };
    let row = |(n, paid): (usize, &Option<Option<&str>>)| {
        let id = SubscriptionId::parse(format!("sub_{n}")).unwrap();
        Some((id, paid.as_ref()?.iter().map(price).collect()))
    };
    paid.iter().enumerate().filter_map(row).collect()
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let user = prop_oneof![
        Just(UserFact::AsLastSeen),
        any::<bool>().prop_map(|enabled| UserFact::Found { username: "ann".into(), enabled }),
        any::<bool>().prop_map(|delete_seen| UserFact::NotFound { delete_seen }),
    ];
    let disputes = prop::collection::vec(
        prop::sample::select(vec!["needs_response", "won", "lost", "newer"]).prop_map(dispute),
        0..2,
    );
    let paid = prop::sample::select(vec!["price_free", "price_basic", "price_pro", "price_new"]);
    let paid = prop::collection::vec(prop::option::of(prop::option::of(paid)), 5);
    let read = (prop::collection::vec(any_subscription(), 0..4), paid, disputes);
    (any_access(), any_user(), read, user, any::<bool>()).prop_map(
        |(access, last_seen, (subscriptions, paid, disputes), user, room_for_free_key)| Facts {
            access,
            last_seen,
            subscriptions,
            proven: BTreeSet::new(),
            paid_for: paid_for(&paid),
            refunds: BTreeMap::new(),
            disputes,
            user,
            room_for_free_key,
        },
    )
}

fn any_observed() -> impl Strategy<Value = Observed> {
    let plans = prop::collection::btree_set(
        prop::sample::select(vec!["up-free", "up-basic", "up-pro", "up-old"])
            .prop_map(|id| UsagePlanId::parse(id).unwrap()),
        0..3,
    );
    let key = prop::option::of((any::<bool>(), plans)).prop_map(|key| {
        key.map(|(enabled, usage_plans)| ObservedKey {
            id: Some(KeyId::parse("key1").unwrap()),
            enabled,
            usage_plans,
        })
    });
    let word = prop::option::of(prop::sample::select(vec!["free", "pro", "held", "none"]));
    (key, word, any::<bool>(), any_retiring()).prop_map(|(key, word, api_id, retiring)| Observed {
        retiring,
        attributes: Attributes {
            api_id: key.as_ref().filter(|_| api_id).and_then(|key: &ObservedKey| key.id.clone()),
            plan: word.map(str::to_owned),
        },
        key,
        ..Observed::default()
    })
}

fn any_catalog() -> impl Strategy<Value = Catalog> {
    any::<bool>().prop_map(|default| if default { catalog() } else { catalog_without_default() })
}

proptest! {
    /// Total (it returns), deterministic, and blind to the order of what Stripe lists.
    #[test]
    fn the_same_facts_give_the_same_decision(facts in any_facts(), catalog in any_catalog()) {
        let policy = Policy::default();
        let desired = decide(&facts, &catalog, &policy, now());
        prop_assert_eq!(&decide(&facts, &catalog, &policy, now()), &desired);
        let ids: BTreeSet<_> = facts.subscriptions.iter().map(|s| &s.id).collect();
        if ids.len() == facts.subscriptions.len() {
            let mut reversed = facts.clone();
            reversed.subscriptions.reverse();
            let mirrored = decide(&reversed, &catalog, &policy, now());
            prop_assert_eq!(&mirrored.plan, &desired.plan);
            prop_assert_eq!(&mirrored.reason, &desired.reason);
        }
    }

    #[test]
    fn a_review_is_later_than_now(facts in any_facts(), catalog in any_catalog()) {
        let desired = decide(&facts, &catalog, &Policy::default(), now());
        prop_assert!(desired.review_at.is_none_or(|at| at > now()));
    }

    /// What is decided is stable: deciding again on the state it leads to changes nothing.
    #[test]
    fn a_decision_is_its_own_fixed_point(facts in any_facts()) {
        let desired = decided(&facts);
        let mut settled = facts.clone();
        settled.access.plan.clone_from(&desired.plan);
        settled.access.status = desired.status;
        settled.last_seen.clone_from(&desired.user);
        settled.access.disputes.clone_from(&desired.disputes);
        settled.access.grace.clone_from(&desired.grace);
        settled.access.paid_for.clone_from(&desired.paid_for);
        settled.subscriptions.retain(|s| !desired.cancel.contains(&s.id));
        let again = decided(&settled);
        prop_assert_eq!(again.plan, desired.plan);
        prop_assert_eq!(again.key, desired.key);
        prop_assert_eq!(again.reason, desired.reason);
        prop_assert_eq!(again.review_at, desired.review_at);
    }

    /// Another subscription, whatever its state, never makes the plan worse.
    #[test]
    fn an_old_subscription_never_demotes(facts in any_facts(), extra in any_subscription()) {
        let rank = |facts: &Facts| {
            let desired = decided(facts);
            desired.plan.and_then(|id| catalog().plan(&id).map(|plan| plan.rank))
        };
        let mut more = facts.clone();
        more.subscriptions.retain(|s| s.id != extra.id);
        let before = rank(&more);
        more.subscriptions.push(extra);
        prop_assert!(rank(&more) >= before);
    }

    /// Where an active subscription to the best plan is, that plan is what the account has.
    #[test]
    fn the_best_plan_wins(facts in any_facts()) {
        let mut facts = facts;
        facts.subscriptions.push(subscription("sub_best", "active", "price_pro"));
        let desired = decided(&facts);
        if desired.status != Status::Closed {
            prop_assert_eq!(desired.plan, Some(plan_id("pro")));
        }
    }

    /// Taking the planned steps leaves nothing to plan, from wherever one begins.
    #[test]
    fn a_plan_leads_where_it_should(facts in any_facts(), observed in any_observed()) {
        let desired = decided(&facts);
        let mut world = observed;
        let is_missing = matches!(desired.user, User::Missing { .. });
        let steps = plan(&desired, &world);
        for step in &steps {
            world.note(step);
            if *step == Step::MintKey {
                world.key.as_mut().unwrap().id = Some(KeyId::parse("key2").unwrap());
            }
        }
        prop_assert_eq!(plan(&desired, &world), []);
        let mints = steps.contains(&Step::MintKey);
        prop_assert!(!(is_missing && mints), "nothing is made for whom Cognito does not show");
        if let (KeyState::Enabled, Some(key)) = (desired.key, &world.key) {
            prop_assert!(key.enabled);
            let usage_plan = &desired.usage_plan;
            prop_assert_eq!(&key.usage_plans, &usage_plan.clone().into_iter().collect());
            prop_assert!(world.retiring.iter().all(|old| old.usage_plan == *usage_plan));
        }
        // Detach and attach stand back to back: nothing lengthens the moment of 403.
        let detach = steps.iter().rposition(|step| matches!(step, Step::DetachPlan(_)));
        let attach = steps.iter().position(|step| matches!(step, Step::AttachPlan(_)));
        if let (Some(detach), Some(attach)) = (detach, attach) {
            prop_assert_eq!(detach + 1, attach);
        }
    }
}

/// A key that was replaced has what its account has, or is gone; when it ends is known.
#[test]
fn a_retiring_key_has_the_accounts_plan_until_its_time() {
    let kept = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts(vec![]);
        facts.access.retiring = vec![retiring("key0", "up-free", at(DAY))];
        change(&mut facts);
        let desired = decided(&facts);
        let stays = desired.retiring.len() == 1;
        assert_eq!(desired.review_at == Some(at(DAY)), stays);
        assert!(desired.retiring.iter().all(|old| old.usage_plan == desired.usage_plan));
        stays
    };
    assert!(kept(&|_| {}));
    assert!(kept(&|facts| facts.access.keys.clear()), "its successor is being made");
    assert!(kept(&|facts| {
        facts.access.keys.clear();
        facts.room_for_free_key = false;
    }));
    assert!(!kept(&|facts| facts.access.retiring[0].until = now()));
    assert!(!kept(&|facts| facts.access.hold = Some("why".into())));
    assert!(!kept(&|facts| facts.access.closed = Some("why".into())));
    assert!(kept(&|facts| {
        facts.subscriptions = vec![subscription("sub_1", "active", "price_pro")];
    }));
}

#[test]
fn what_an_operator_closes_is_cancelled_and_told_and_stays_theirs() {
    let mut closed = facts(vec![subscription("sub_1", "active", "price_pro")]);
    closed.access.closed = Some("asked".into());
    let desired = decided(&closed);
    assert_eq!((desired.key, desired.status), (KeyState::Closed, Status::Closed));
    assert_eq!(desired.reason, Reason::ClosedByOperator { why: "asked".into() });
    assert_eq!(desired.plan_attribute.as_deref(), Some("closed"));
    assert_eq!((desired.plan, desired.cancel.len()), (None, 1));
    closed.access.status = Status::Closed;
    let again = decided(&closed);
    let (cancel, told) = (again.cancel.len(), again.warnings.len());
    assert_eq!((cancel, told), (1, 1), "what is bought later is cancelled, and told");
    closed.user = UserFact::NotFound { delete_seen: true };
    let gone = decided(&closed);
    assert_eq!((gone.reason, gone.plan_attribute), (desired.reason, None), "they are gone as well");
}

#[test]
fn a_dispute_of_a_customer_who_is_not_linked_any_more_is_not_the_accounts() {
    let mut facts = facts(vec![]);
    let customer = CustomerId::parse("cus_1").unwrap();
    facts.access.customers.clear();
    facts.disputes = vec![Dispute { customer: Some(customer.clone()), ..dispute("lost") }];
    facts.access.disputes = [(dispute("lost").id, DisputeMark::Holding)].into();
    let moved = decided(&facts);
    assert_eq!(moved.status, Status::Active);
    facts.access.disputes = moved.disputes;
    let read_in_bulk = Facts { disputes: Vec::new(), ..facts.clone() };
    assert_eq!(decided(&read_in_bulk).status, Status::Active, "nothing need be read to know it");
    facts.access.customers.insert(customer);
    assert_eq!(decided(&facts).status, Status::Held, "and it is not forgotten");
}

#[test]
fn an_absurdly_long_grace_is_no_panic() {
    let policy = Policy { grace_days: u32::MAX, ..Policy::default() };
    let late = facts(vec![subscription("sub_1", "past_due", "price_pro")]);
    let desired = decide(&late, &catalog(), &policy, now());
    assert_eq!(desired.plan, Some(plan_id("pro")));
    assert!(policy.grace() > SignedDuration::ZERO);
}

/// However an account came to pay for two: the best plan wins, and a person is told.
#[test]
fn several_subscriptions_of_ours_are_told() {
    let ids = |ids: &[&str]| ids.iter().map(|id| SubscriptionId::parse(*id).unwrap()).collect();
    let two = facts(vec![
        subscription("sub_1", "active", "price_basic"),
        subscription("sub_2", "past_due", "price_pro"),
        subscription("sub_3", "canceled", "price_pro"),
        subscription("sub_4", "active", "price_newsletter"),
    ]);
    let desired = decided(&two);
    assert_eq!(desired.plan, Some(plan_id("pro")));
    assert!(desired.warnings.contains(&Warning::SeveralSubscriptions(ids(&["sub_1", "sub_2"]))));
    assert_eq!(desired.several(), Some(&ids(&["sub_1", "sub_2"])));
    assert_eq!(desired.cancel, []);
    let one = facts(vec![
        subscription("sub_1", "active", "price_basic"),
        subscription("sub_4", "active", "price_newsletter"),
    ]);
    assert_eq!(decided(&one).several(), None, "a newsletter is another matter");
}

#[test]
fn an_item_of_none_sells_nothing_and_one_without_a_number_does() {
    let with = |quantity| {
        let mut paid = subscription("sub_1", "active", "price_pro");
        paid.prices[0].quantity = quantity;
        plan_of(&decided(&facts(vec![paid]))).to_owned()
    };
    assert_eq!(
        (with(Some(0)), with(Some(1)), with(None)),
        ("free".into(), "pro".into(), "pro".into())
    );
    // What it sold before is no plan to keep.
    let mut none = subscription("sub_1", "active", "price_new");
    none.prices[0].quantity = Some(0);
    let mut facts = facts(vec![none]);
    facts.access.given = Some(given("sub_1", "pro", "price_pro"));
    assert_eq!((plan_of(&decided(&facts)), decided(&facts).warnings.len()), ("free", 0));
}

#[test]
fn a_voided_invoice_ends_the_plan_where_the_seller_says_so() {
    let paused =
        Subscription { voids_invoices: true, ..subscription("sub_1", "active", "price_pro") };
    let facts = facts(vec![paused]);
    assert_eq!(plan_of(&decided(&facts)), "pro", "as its status says");
    let policy = Policy { pause_collection_void: PlanThen::End, ..Policy::default() };
    assert_eq!(plan_of(&decide(&facts, &catalog(), &policy, now())), "free");
}

/// A dispute holds whoever has its charge's customer, and nobody where there is none.
#[test]
fn a_dispute_without_a_customer_holds_nobody() {
    let mut facts = facts(vec![]);
    facts.access.customers = [CustomerId::parse("cus_1").unwrap()].into();
    facts.disputes = vec![dispute("needs_response")];
    assert_eq!(decided(&facts).status, Status::Held);
    facts.disputes[0].customer = None;
    let guests = decided(&facts);
    assert_eq!((guests.status, guests.disputes.len()), (Status::Active, 0));
}
