//! What becomes of a plan that is paid for: a better one, a lesser one, its end, and back; and what
//! it costs whoever tries to have more than they pay for.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::ManagedBy;
use tollgate_core::account_api::{
    AccountApi, AccountView, Chosen, Flow, ProblemCode, Refusal, Via, Wanted,
};
use tollgate_core::words::ReasonCode;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::Act;
use tollgate_standin::stripe::{
    Card, FlowKind, Interval, InvoiceStatus, NewPrice, PortalFlow, Status, SubscriptionData, When,
};

use super::scene::Scene;
use crate::executor::block_on;
use crate::market::sell;
use crate::workers::worker_on;
use crate::world::World;

/// What basic and pro cost in a month, in cents.
const BASIC: i64 = 900;
const PRO: i64 = 4_900;

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), "https://shop.example/")
}

fn choose(scene: &Scene, id: &AccountId, plan: &str) -> Result<Chosen, Refusal> {
    block_on(api(scene).choose(id, &Wanted::Plan(plan.to_owned()), None))
}

fn view(scene: &Scene, id: &AccountId) -> AccountView {
    block_on(api(scene).overview(id, None)).expect("nothing fails")
}

fn plan(scene: &Scene, id: &AccountId) -> String {
    scene.seen(id).0
}

fn handle_all(scene: &Scene) {
    for batch in scene.events().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
}

fn wait(scene: &Scene, time: SignedDuration) {
    scene.world.clock.advance(time);
    handle_all(scene);
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn session(chosen: &Chosen) -> String {
    chosen.url.rsplit('/').next().expect("it names the session").to_owned()
}

/// Does on Stripe's page what it was opened for.
fn confirm(scene: &Scene, chosen: &Chosen) {
    let portal = session(chosen);
    let mut stripe = scene.world.stripe.account();
    let flow = stripe.portal(&portal).expect("it is there").flow.clone();
    let PortalFlow { kind, then } = flow.expect("it is for one thing");
    assert_eq!(then.as_deref(), Some("https://shop.example/"), "and back");
    let done = match kind {
        FlowKind::Confirm { subscription, price, .. } => {
            stripe.change_in_portal(&portal, &subscription, &price)
        }
        FlowKind::Cancel { subscription } => stripe.cancel_in_portal(&portal, &subscription),
        FlowKind::PaymentMethod => panic!("it is for a card"),
    };
    done.expect("the portal offers it");
}

/// Changes to a plan, and sees what comes of it.
fn change(scene: &Scene, id: &AccountId, to: &str) {
    let chosen = choose(scene, id, to).expect("it can be had");
    assert!(chosen.via != Via::Checkout);
    confirm(scene, &chosen);
    handle_all(scene);
}

/// Takes back on the portal's first page what is to come.
fn keep(scene: &Scene, id: &AccountId, subscription: &str) {
    let url = block_on(api(scene).portal(id, None, None)).expect("she has bought something");
    let portal = url.rsplit('/').next().expect("it names the session").to_owned();
    scene.world.stripe.account().keep_in_portal(&portal, subscription).expect("it is hers");
    handle_all(scene);
}

fn card(scene: &Scene, subscription: &str, card: Card) {
    let mut stripe = scene.world.stripe.account();
    let customer = stripe.subscription(subscription).expect("it is there").customer.clone();
    stripe.set_card(&customer, card).expect("she is there");
}

/// What was paid in all, in cents.
fn paid(scene: &Scene) -> i64 {
    let stripe = scene.world.stripe.account();
    let paid = stripe.invoices().filter(|it| it.status == InvoiceStatus::Paid);
    paid.map(|it| it.amount).sum()
}

fn row(scene: &Scene, subscription: &str) -> (Status, Timestamp) {
    let stripe = scene.world.stripe.account();
    let row = stripe.subscription(subscription).expect("it is there");
    (row.status, row.period.end)
}

/// Ann, who pays for a plan.
fn subscribed(lookup_key: &str) -> (Scene, AccountId, String) {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, lookup_key);
    handle_all(&scene);
    (scene, ann, bought)
}

#[test]
fn a_better_plan_comes_at_once_and_a_lesser_one_with_the_period() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    change(&scene, &ann, "pro");
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("pro", PRO), "the rest of a month");

    change(&scene, &ann, "basic");
    let (_, end) = row(&scene, &bought);
    let shown = view(&scene, &ann);
    let next = shown.subscription.and_then(|it| it.next).expect("it is scheduled");
    assert_eq!(shown.plan.as_ref().map(ToString::to_string).as_deref(), Some("pro"));
    assert_eq!(next.offer.map(String::from).as_deref(), Some("basic_monthly"));
    assert_eq!((next.at, shown.reason.until), (Some(end), Some(end)));
    assert_eq!(shown.reason.code, ReasonCode::Changing);
    assert_eq!(shown.reason.text, "You have Pro until 15 February 2026, then Basic.");
    assert!(!shown.can.change && !shown.can.buy && shown.can.portal);

    // A second one would come on top of the first, so it is taken back before.
    let refused = choose(&scene, &ann, "basic").expect_err("one is scheduled");
    assert_eq!(refused, Refusal::ChangeScheduled { ends: false, at: Some(end) });
    assert!(refused.to_string().contains("on 15 February 2026"), "{refused}");
    keep(&scene, &ann, &bought);
    assert_eq!(view(&scene, &ann).reason.code, ReasonCode::Subscription);
    assert!(view(&scene, &ann).can.change);

    change(&scene, &ann, "basic");
    wait(&scene, end.duration_since(scene.world.clock.time()) + days(1));
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("basic", PRO + BASIC));
    assert!(view(&scene, &ann).subscription.expect("she pays").next.is_none());
}

#[test]
fn the_default_plan_is_had_by_ending_what_is_paid_for() {
    let (scene, ann, bought) = subscribed("pro_monthly");
    let chosen = choose(&scene, &ann, "free").expect("it ends");
    assert_eq!(chosen.via, Via::Cancel);
    confirm(&scene, &chosen);
    handle_all(&scene);
    let (_, end) = row(&scene, &bought);
    assert_eq!(view(&scene, &ann).reason.until, Some(end));
    for plan in ["free", "basic", "pro"] {
        let refused = choose(&scene, &ann, plan).expect_err("the end is on its way");
        assert_eq!(refused, Refusal::ChangeScheduled { ends: true, at: Some(end) }, "{plan}");
    }
    keep(&scene, &ann, &bought);
    assert_eq!(view(&scene, &ann).reason.code, ReasonCode::Subscription);
    confirm(&scene, &choose(&scene, &ann, "free").expect("it ends"));
    wait(&scene, days(32));
    assert_eq!(plan(&scene, &ann), "free");
    assert_eq!(choose(&scene, &ann, "free"), Err(Refusal::SameOffer));
}

/// The webhook is dead: what is asked of Stripe is what is, not what is known.
#[test]
fn what_has_changed_unheard_is_asked_of_stripe() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    confirm(&scene, &choose(&scene, &ann, "pro").expect("it can be had"));
    assert_eq!(plan(&scene, &ann), "basic", "no event has come yet");
    assert_eq!(choose(&scene, &ann, "pro"), Err(Refusal::SameOffer));
    scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
    assert_eq!(choose(&scene, &ann, "pro").expect("it is for sale").via, Via::Checkout);
}

/// The webhook is dead when she pays first, and when she changes: whoever has come back asks for a look,
/// which is one message, and has what they paid for.
#[test]
fn who_comes_back_from_paying_needs_no_webhook() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let looks = |scene: &Scene| {
        let queue = scene.world.queue();
        for _ in 0..2 {
            block_on(api(scene).refresh(&ann, &queue)).expect("she may ask");
        }
        let wakes = scene.wakes();
        assert_eq!(wakes.len(), 1, "two clicks within a second are one");
        assert_eq!(scene.handle(&wakes).failed, [""; 0]);
    };
    let chosen = choose(&scene, &ann, "basic").expect("it is for sale");
    looks(&scene);
    assert_eq!(plan(&scene, &ann), "free", "nothing is paid");
    scene.world.clock.advance(SignedDuration::from_secs(20));
    scene.world.stripe.account().complete_checkout(&session(&chosen), Card::Pays).expect("open");
    looks(&scene);
    assert_eq!(plan(&scene, &ann), "basic");
    assert_eq!(scene.account(&ann).access.customers.len(), 1, "and she is linked");

    scene.world.clock.advance(SignedDuration::from_mins(1));
    confirm(&scene, &choose(&scene, &ann, "pro").expect("it can be had"));
    looks(&scene);
    assert_eq!(plan(&scene, &ann), "pro");
    // The events come all the same, hours late, and change nothing.
    let version = scene.account(&ann).version;
    handle_all(&scene);
    assert_eq!((plan(&scene, &ann).as_str(), scene.account(&ann).version), ("pro", version));
}

/// Whose the customer is who was to pay, Stripe says, and not the row: an operator has given them to
/// somebody else.
#[test]
fn a_look_gives_nobody_anothers_customer() {
    let scene = Scene::new();
    let (ann, ben) = (scene.sign_up("ann"), scene.sign_up("ben"));
    let chosen = choose(&scene, &ann, "pro").expect("it is for sale");
    let customer = {
        let mut stripe = scene.world.stripe.account();
        stripe.complete_checkout(&session(&chosen), Card::Pays).expect("it is open");
        stripe.session(&session(&chosen)).expect("it is there").customer.clone()
    };
    let customer = CustomerId::parse(customer.expect("somebody has paid")).expect("it is an id");
    scene.operate(&ben, Act::Link { customer });
    block_on(api(&scene).refresh(&ann, &scene.world.queue())).expect("she may ask");
    assert_eq!(scene.handle(&scene.wakes()).failed, [""; 0]);
    assert_eq!((plan(&scene, &ann), plan(&scene, &ben)), ("free".into(), "pro".into()));
}

/// What the portal cannot change is the seller's to change, and is told as that before anybody
/// clicks; its end is the owner's.
#[test]
fn what_the_seller_has_made_is_the_sellers_to_change() {
    for made in ["by hand", "of two", "of several products", "with invoices", "beside another"] {
        let (scene, ann, bought) = subscribed("basic_monthly");
        {
            let mut stripe = scene.world.stripe.account();
            let customer = stripe.subscription(&bought).expect("it is there").customer.clone();
            let named = scene.worker.deriver.name(&ann).to_metadata();
            let price = |key| stripe.price_by_lookup_key(key).expect("it is sold").id.clone();
            let (basic, pro) = (price("basic_monthly"), price("pro_monthly"));
            let mut prices = vec![pro.as_str()];
            let mut data = SubscriptionData { metadata: named, ..SubscriptionData::default() };
            match made {
                "by hand" => data.metadata.clear(),
                "of several products" => prices.push(&basic),
                "with invoices" => data.days_until_due = Some(14),
                _ => {}
            }
            let new = stripe.subscribe(&customer, &prices, data).expect("it is sold");
            if made == "of two" {
                stripe.change_quantity(&new, 2).expect("it has one item");
            }
            if made != "beside another" {
                stripe.cancel(&bought, When::Now).expect("it is live");
            }
        }
        handle_all(&scene);
        let shown = view(&scene, &ann);
        assert!(!shown.can.change, "{made}");
        if made != "beside another" {
            let managed_by = shown.subscription.expect("she has one").managed_by;
            assert_eq!(managed_by, ManagedBy::Seller, "{made}");
        }
        let refused = choose(&scene, &ann, "basic").expect_err("it is not hers to change");
        assert_eq!(refused.code(), ProblemCode::ChangeBySeller, "{made}");
        assert_eq!(choose(&scene, &ann, "free").expect("it can end").via, Via::Cancel, "{made}");
    }
}

/// What is not paid is paid first: where, is said.
#[test]
fn who_owes_pays_before_anything_changes() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    card(&scene, &bought, Card::Declines);
    wait(&scene, days(32));
    assert_eq!(row(&scene, &bought).0, Status::PastDue);
    assert!(!view(&scene, &ann).can.change);
    let refused = choose(&scene, &ann, "pro").expect_err("she owes");
    assert_eq!(refused.code(), ProblemCode::PaymentFailed);
    assert!(refused.url().is_some_and(|url| url.contains("/invoice/in_")), "{refused:?}");
    let flow = Some(Flow::PaymentMethodUpdate);
    let url = block_on(api(&scene).portal(&ann, flow, None)).expect("she gives another card");
    let portal = url.rsplit('/').next().expect("it names the session").to_owned();
    scene.world.stripe.account().set_card_in_portal(&portal, Card::Pays).expect("it is offered");
    scene.world.stripe.account().pay_latest_invoice(&bought).expect("it pays");
    handle_all(&scene);
    assert_eq!(choose(&scene, &ann, "pro").expect("she has paid").via, Via::Change);
}

/// A configuration that does not offer it, or is of another mode, is the seller's to mend.
#[test]
fn a_portal_that_does_not_offer_it_is_told_as_the_sellers_to_mend() {
    let (scene, ann, _) = subscribed("basic_monthly");
    let configuration = scene.world.catalog().catalog.portal.expect("the sample has one");
    let mut api = api(&scene);
    let wanted = Wanted::Plan("pro".to_owned());
    for broken in ["lists no pro", "is not active", "is not there"] {
        let mut stripe = scene.world.stripe.account();
        let changed = stripe.update_configuration(&configuration, |row| {
            let update = row.features.subscription_update.as_mut().expect("it offers it");
            update.products.truncate(1);
            row.active = broken != "is not active";
        });
        changed.expect("it is there");
        drop(stripe);
        if broken == "is not there" {
            api.worker.catalog.portal = Some("bpc_ofAnotherMode".to_owned());
        }
        let refused = block_on(api.choose(&ann, &wanted, None)).expect_err(broken);
        assert_eq!(refused.code(), ProblemCode::NotConfigured, "{broken}");
        assert!(refused.mend().is_some_and(|it| it.contains("plans apply")), "{broken}");
    }
    let refused = block_on(api.portal(&ann, None, None)).expect_err("it is not there");
    assert_eq!(refused.code(), ProblemCode::NotConfigured);
}

/// One who takes the better plan, uses it, and goes at once has paid for the rest of the month, of
/// which nothing comes back. With `create_prorations` it would have cost nothing.
#[test]
fn attack_upgrade_use_and_cancel_at_once() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    change(&scene, &ann, "pro");
    assert_eq!(plan(&scene, &ann), "pro");
    scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
    handle_all(&scene);
    wait(&scene, days(90));
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("free", PRO));
}

/// A card that is refused pays for nothing, and gives nothing.
#[test]
fn attack_upgrade_with_a_card_that_is_refused() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    card(&scene, &bought, Card::Declines);
    change(&scene, &ann, "pro");
    assert_eq!((row(&scene, &bought).0, paid(&scene)), (Status::PastDue, BASIC));
    assert_eq!(plan(&scene, &ann), "basic", "what was paid for, and no more");
}

/// Up and down within a day: the rest of the month is paid once, and it is pro all the month.
#[test]
fn attack_upgrade_and_downgrade_on_the_same_day() {
    let (scene, ann, _) = subscribed("basic_monthly");
    change(&scene, &ann, "pro");
    change(&scene, &ann, "basic");
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("pro", PRO));
    wait(&scene, days(32));
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("basic", PRO + BASIC));
}

/// On the last day a better plan costs a day, and is there for a day.
#[test]
fn attack_upgrade_on_the_last_day_and_cancel() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    let (_, end) = row(&scene, &bought);
    wait(&scene, end.duration_since(scene.world.clock.time()) - days(1));
    change(&scene, &ann, "pro");
    confirm(&scene, &choose(&scene, &ann, "free").expect("it ends"));
    wait(&scene, days(3));
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("free", BASIC + (PRO - BASIC) / 31));
}

/// A page that was opened before is used after all is over: it changes what it was opened for, or
/// nothing.
#[test]
fn attack_a_page_that_was_kept() {
    let (scene, ann, bought) = subscribed("basic_monthly");
    let kept = choose(&scene, &ann, "pro").expect("it can be had");
    scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
    handle_all(&scene);
    let (portal, mut stripe) = (session(&kept), scene.world.stripe.account());
    let pro = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
    stripe.change_in_portal(&portal, &bought, &pro).expect_err("it is over");
    drop(stripe);
    handle_all(&scene);
    assert_eq!((plan(&scene, &ann).as_str(), paid(&scene)), ("free", BASIC));
}

/// Another's subscription is nobody's to change, nor any price but those of the catalog.
#[test]
fn attack_what_is_not_theirs() {
    let (scene, ann, _) = subscribed("basic_monthly");
    let ben = scene.sign_up("ben");
    let bens = scene.buy(&ben, "basic_monthly");
    handle_all(&scene);
    let portal = session(&choose(&scene, &ann, "pro").expect("it can be had"));
    let mut stripe = scene.world.stripe.account();
    let pro = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
    let product = stripe.price(&pro).expect("it is there").product.clone();
    let cheap = stripe.create_price(NewPrice::new(&product, Interval::Month, 1)).expect("it is");
    stripe.change_in_portal(&portal, &bens, &pro).expect_err("it is ben's");
    let own = stripe.portal(&portal).expect("it is there").flow.clone().map(|flow| flow.kind);
    let Some(FlowKind::Confirm { subscription, .. }) = own else { panic!("{own:?}") };
    stripe.change_in_portal(&portal, &subscription, &cheap).expect_err("it is not listed");
}

/// Whoever asks all the time is told to wait, and costs the others nothing.
#[test]
fn attack_a_flood_of_changes() {
    let (scene, ann, _) = subscribed("basic_monthly");
    let mut told = Vec::new();
    for _ in 0..40 {
        told.extend(choose(&scene, &ann, "pro").err().map(|refused| refused.code()));
    }
    assert_eq!(told, [ProblemCode::TooManyRequests; 10]);
    let ben = scene.sign_up("ben");
    choose(&scene, &ben, "pro").expect("it is for sale");
}

/// A change that a seller has scheduled is told as one, whatever the catalog knows of it.
#[test]
fn a_change_to_what_the_catalog_does_not_sell_is_told_too() {
    let (scene, ann, bought) = subscribed("pro_monthly");
    sell(&scene.world);
    {
        let mut stripe = scene.world.stripe.account();
        let price = stripe.price_by_lookup_key("team_monthly").expect("it is sold").id.clone();
        stripe.schedule(&bought, &price).expect("it has one item");
    }
    handle_all(&scene);
    let shown = view(&scene, &ann);
    let next = shown.subscription.and_then(|it| it.next).expect("it is scheduled");
    assert_eq!((next.offer, next.plan, next.at), (None, None, shown.reason.until));
    assert_eq!(shown.reason.code, ReasonCode::Changing);
    let refused = choose(&scene, &ann, "basic").expect_err("one is scheduled");
    assert_eq!(refused.code(), ProblemCode::ChangeScheduled);
}
