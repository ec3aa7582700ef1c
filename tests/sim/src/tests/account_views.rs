//! What an owner is shown: the account, a purchase, the keys, and what happened.

use tollgate_core::account::{PlanId, Status};
use tollgate_core::account_api::{
    Abilities, AccountApi, AccountView, KeyStatus, Mode, PurchaseState, Refusal, Via, Wanted,
};
use tollgate_core::catalog::CatalogFile;
use tollgate_core::words::{OwnerAction, ReasonCode};
use tollgate_events::AccountId;
use tollgate_operator::Act;
use tollgate_standin::stripe::{Card, Interval, Metadata, NewPrice, When};

use super::scene::Scene;
use crate::executor::block_on;
use crate::owner::Owner;
use crate::workers::worker_on;
use crate::world::World;

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), "https://shop.example/")
}

fn view(scene: &Scene, id: &AccountId) -> AccountView {
    block_on(api(scene).overview(id, None)).expect("nothing fails")
}

/// How the purchase stands whose session the browser names.
fn state(scene: &Scene, id: &AccountId, session: &str) -> Option<PurchaseState> {
    let view = block_on(api(scene).overview(id, Some(session))).expect("nothing fails");
    view.purchase.map(|purchase| purchase.state)
}

fn opens(scene: &Scene, id: &AccountId, plan: &str) -> String {
    let url = block_on(api(scene).checkout(id, plan)).expect("it is for sale");
    url.rsplit('/').next().expect("it names the session").to_owned()
}

fn handle_all(scene: &Scene) {
    for batch in scene.events().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
}

/// Nobody who has signed in is shown an error because the worker has not come to them yet.
#[test]
fn whose_account_is_not_made_yet_is_shown_one_that_is_being_made() {
    let scene = Scene::new();
    let ann = AccountId::parse("nobody-has-decided-it").unwrap();
    let seen = view(&scene, &ann);
    assert_eq!((seen.version, seen.status, seen.plan), (0, Status::New, None));
    assert_eq!(seen.reason.text, "Your account is being set up.");
    let keys = block_on(api(&scene).keys(&ann)).expect("nothing fails");
    assert_eq!((keys.limit, keys.items.len()), (1, 0));
    assert!(block_on(api(&scene).history(&ann, None, 20)).expect("nothing fails").items.is_empty());
    assert_eq!(block_on(api(&scene).key(&ann, "default")).err(), Some(Refusal::NotReady));
}

#[test]
fn an_owner_is_shown_what_they_pay_for_and_what_they_can_do() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let free = view(&scene, &ann);
    assert_eq!((free.mode, free.reason.code), (Mode::Test, ReasonCode::DefaultPlan));
    assert_eq!(free.can, Abilities { buy: true, change: false, portal: false });

    let bought = scene.buy(&ann, "pro_monthly");
    handle_all(&scene);
    let pro = view(&scene, &ann);
    assert_eq!((pro.plan.as_ref().map(PlanId::as_str), pro.purchase), (Some("pro"), None));
    assert_eq!(pro.can, Abilities { buy: false, change: true, portal: true });
    let subscription = pro.subscription.expect("she pays");
    assert_eq!(subscription.offer.map(String::from).as_deref(), Some("pro_monthly"));
    assert!(subscription.renews_at.is_some() && subscription.ends_at.is_none());

    scene.world.stripe.account().cancel(&bought, When::PeriodEndInPortal).expect("it is live");
    handle_all(&scene);
    let ending = view(&scene, &ann);
    let subscription = ending.subscription.expect("she has paid");
    assert_eq!(ending.reason.code, ReasonCode::Ending);
    assert_eq!((ending.reason.until, subscription.renews_at), (subscription.ends_at, None));
    assert!(ending.reason.until.is_some() && ending.reason.action.is_none());
}

/// Whoever is held can neither buy nor change, and is told whom to ask.
#[test]
fn an_owner_who_is_held_is_told_whom_to_ask() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.operate(&ann, Act::Hold);
    let held = view(&scene, &ann);
    assert_eq!(held.status, Status::Held);
    assert_eq!(held.reason.action, Some(OwnerAction::ContactSeller));
    assert!(!held.can.buy && !held.can.change);
    let keys = block_on(api(&scene).keys(&ann)).expect("nothing fails");
    assert_eq!(keys.items.iter().map(|it| it.status).collect::<Vec<_>>(), [KeyStatus::Disabled]);
    assert_eq!(block_on(api(&scene).checkout(&ann, "pro")), Err(Refusal::Held));
}

/// The browser comes back from paying: what became of it is asked of Stripe, whatever events come.
#[test]
fn a_purchase_is_shown_before_the_account_has_it() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let first = opens(&scene, &ann, "pro");
    assert_eq!(state(&scene, &ann, &first), Some(PurchaseState::Open));
    scene.world.stripe.account().expire_checkout(&first).expect("it is open");
    assert_eq!(state(&scene, &ann, &first), Some(PurchaseState::Expired));

    let debit = opens(&scene, &ann, "pro");
    scene.world.stripe.account().complete_checkout_unpaid(&debit).expect("it is open");
    assert_eq!(state(&scene, &ann, &debit), Some(PurchaseState::Processing));
    assert_eq!(view(&scene, &ann).purchase, None, "no event has come yet");
    handle_all(&scene);
    // Days later, in another browser.
    let shown = view(&scene, &ann).purchase.expect("it is under way");
    assert_eq!((shown.offer.as_str(), shown.state), ("pro_monthly", PurchaseState::Processing));
    assert!(!view(&scene, &ann).can.buy, "one at a time");
    scene.world.stripe.account().settle_delayed_payment(&debit, true).expect("it is awaited");
    assert_eq!(state(&scene, &ann, &debit), Some(PurchaseState::Paid));
    handle_all(&scene);
    assert_eq!(view(&scene, &ann).purchase, None, "the account shows it");

    let ben = scene.sign_up("ben");
    let failed = opens(&scene, &ben, "basic");
    scene.world.stripe.account().complete_checkout(&failed, Card::Pays).expect("it is open");
    // Somebody else's session tells nothing.
    assert_eq!(state(&scene, &ann, &failed), None);
    assert_eq!(state(&scene, &ben, &failed), Some(PurchaseState::Paid));
}

/// A yearly offer of a plan is another purchase than its monthly one.
#[test]
fn each_offer_of_a_plan_can_be_bought() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let offers = r#"[[plans.offers]]
lookup_key = "pro_monthly"
unit_amount = 2900
currency = "usd"
interval = "month"
[[plans.offers]]
lookup_key = "pro_yearly"
unit_amount = 29000
currency = "usd"
interval = "year"
"#;
    {
        let mut stripe = scene.world.stripe.account();
        let product = stripe.create_product("Pro", Metadata::new());
        let price = NewPrice::new(&product, Interval::Year, 29_000);
        let lookup_key = Some("pro_yearly".to_owned());
        stripe.create_price(NewPrice { lookup_key, ..price }).expect("the product is there");
    }
    let own = r#"lookup_keys = ["pro_monthly"]"#;
    let text = scene.world.plans_toml.replace(own, offers);
    let api = || {
        let mut api = api(&scene);
        api.worker.catalog = CatalogFile::parse(&text).expect("it is one").catalog;
        api
    };
    let choose = |wanted| block_on(api().choose(&ann, &wanted, None));
    let monthly = choose(Wanted::Offer("pro_monthly".into())).expect("it is sold");
    assert_eq!(monthly.via, Via::Checkout);
    assert_eq!(choose(Wanted::Plan("pro".into())).as_ref(), Ok(&monthly), "its first offer");
    let yearly = choose(Wanted::Offer("pro_yearly".into())).expect("it is sold");
    assert_ne!(yearly.url, monthly.url);
    let session = |url: &str| url.rsplit('/').next().map(str::to_owned).expect("it has one");
    let mut stripe = scene.world.stripe.account();
    assert!(stripe.complete_checkout(&session(&monthly.url), Card::Pays).is_err(), "it is over");
    let bought = stripe.complete_checkout(&session(&yearly.url), Card::Pays).expect("it is open");
    let sold = stripe.price_by_lookup_key("pro_yearly").expect("it is sold").id.clone();
    let items = &stripe.subscription(&bought).expect("it is bought").items;
    assert_eq!(items.iter().map(|it| it.price.clone()).collect::<Vec<_>>(), [sold]);
    drop(stripe);
    for unknown in ["pro", "free", "", "pro_monthly\n", "<script>"] {
        let refused = choose(Wanted::Offer(unknown.into()));
        assert!(matches!(refused, Err(Refusal::UnknownOffer(_))), "{unknown}: {refused:?}");
    }
    let free = choose(Wanted::Plan("free".into()));
    assert_eq!(free, Err(Refusal::SameOffer));
}

/// A link by itself changes nothing that its owner can see.
#[test]
fn history_tells_an_owner_what_changed_for_them_page_by_page() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    handle_all(&scene);
    scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
    handle_all(&scene);
    let entries = scene.world.ledger.entries(&ann).len();
    assert!(entries > 3, "a link has an entry too");
    let plan = |plan: &Option<PlanId>| plan.as_ref().map_or("-".to_owned(), ToString::to_string);
    for limit in [1, 2, 100] {
        let (mut before, mut lines, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = block_on(api(&scene).history(&ann, before, limit)).expect("nothing fails");
            lines.extend(page.items.iter().map(|it| (plan(&it.from), plan(&it.to))));
            pages += 1;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let line = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(lines, [line("pro", "free"), line("free", "pro"), line("-", "free")]);
        assert!(limit < 100 || pages == 1, "{pages} pages");
    }
}

/// The value is shown with its generation, and of no other key.
#[test]
fn a_key_is_shown_with_its_value_to_its_owner() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let shown = block_on(api(&scene).key(&ann, "default")).expect("she has one");
    assert_eq!(shown.generation, 1);
    let keys = block_on(api(&scene).keys(&ann)).expect("nothing fails");
    let [key] = keys.items.as_slice() else { panic!("{keys:?}") };
    assert_eq!((key.slot, key.generation, key.status), ("default", 1, KeyStatus::Enabled));
    for other in ["primary", "ci", ""] {
        assert_eq!(block_on(api(&scene).key(&ann, other)).err(), Some(Refusal::NoSuchSlot));
    }
}
