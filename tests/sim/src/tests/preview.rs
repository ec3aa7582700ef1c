//! What a preview tells is what the convergence then does.

use jiff::SignedDuration;
use tollgate_core::account::{PlanId, Status};
use tollgate_core::converge::{Preview, Stop};
use tollgate_events::AccountId;
use tollgate_operator::{Act, OperatorAct};
use tollgate_standin::stripe::SubscriptionData;

use crate::executor::block_on;
use crate::scene::Scene;
use crate::tests::scene::Scene as Told;

/// The operations that only read.
const READS: [&str; 6] = ["Get", "List", "Query", "Scan", "AdminGet", "BatchGet"];

/// Previews, and makes sure that nothing was written.
fn preview(scene: &Scene, account: &AccountId, act: Option<&OperatorAct>) -> Preview {
    scene.world.gate.take_calls();
    let preview = match act {
        Some(act) => block_on(act.preview(&scene.worker, account)),
        None => block_on(scene.worker.preview(account, Vec::new())),
    };
    let preview = preview.unwrap();
    for call in scene.world.gate.take_calls() {
        let reads = READS.iter().any(|read| call.operation.starts_with(read))
            || call.operation.starts_with("GET ");
        assert!(reads, "a preview calls {}", call.operation);
    }
    preview
}

/// The steps of the account's newest history entry.
fn steps_taken(scene: &Scene, account: &AccountId) -> Vec<String> {
    let entries = scene.world.ledger.entries(account);
    entries.last().unwrap().steps.iter().map(|step| step.step.clone()).collect()
}

fn steps_of(preview: &Preview) -> Vec<String> {
    preview.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_change_of_plan_is_foreseen() {
    let scene = Scene::default();
    let bought = scene.paying("basic");
    let account = scene.world.ledger.accounts()[0].id.clone();
    assert!(!preview(&scene, &account, None).changes(), "at rest");
    scene.change(&bought, "pro");
    let foreseen = preview(&scene, &account, None);
    let pro = PlanId::parse("pro").unwrap();
    assert_eq!(foreseen.after.0, Some(pro));
    assert!(!foreseen.mints() && !foreseen.disables());
    scene.come_to_rest();
    assert_eq!(steps_of(&foreseen), steps_taken(&scene, &account));
}

#[test]
fn a_sign_up_and_a_hold_are_foreseen() {
    let scene = Scene::default();
    let account = scene.sign_up();
    let foreseen = preview(&scene, &account, None);
    assert!(foreseen.mints() && foreseen.changes());
    scene.come_to_rest();
    assert_eq!(steps_of(&foreseen), steps_taken(&scene, &account));

    let act = OperatorAct { act: Act::Hold, by: "ops".into(), why: "abuse".into() };
    let foreseen = preview(&scene, &account, Some(&act));
    assert!(foreseen.disables());
    scene.operate(&act.act);
    assert_eq!(steps_of(&foreseen), steps_taken(&scene, &account));
}

/// What follows from edited attributes is no other plan, and is a change all the same.
#[test]
fn an_edit_by_hand_is_foreseen() {
    let scene = Scene::default();
    let account = scene.sign_up();
    scene.come_to_rest();
    let user = scene.world.cognito.user_by_id(&account).unwrap();
    let edit = [("custom:plan".to_owned(), "pro".to_owned())].into();
    scene.world.cognito.write(&user.username, edit).unwrap();
    let foreseen = preview(&scene, &account, None);
    assert_eq!(foreseen.before, foreseen.after);
    assert!(foreseen.changes());
}

/// The old key stays, and nothing is unknown about it, for the account is at rest.
#[test]
fn a_rotation_with_an_overlap_is_foreseen() {
    let scene = Scene::default();
    let account = scene.sign_up();
    scene.come_to_rest();
    let overlap = SignedDuration::from_hours(1);
    let act = OperatorAct { act: Act::RotateKey { overlap }, by: "ops".into(), why: "old".into() };
    let foreseen = preview(&scene, &account, Some(&act));
    assert!(foreseen.mints() && !foreseen.disables());
    assert_eq!(foreseen.retiring.len(), 1);
}

/// API Gateway does not show a new key yet: it is looked for a few times, and not taken for gone.
#[test]
fn a_key_that_is_not_shown_yet_is_waited_for() {
    for (lag, is_seen) in [(1, true), (60, false)] {
        let scene = Told::new();
        scene.world.api_gateway.set_read_lag(SignedDuration::from_secs(lag));
        let ann = scene.sign_up("ann");
        scene.world.gate.take_calls();
        let foreseen = block_on(scene.worker.preview(&ann, Vec::new()));
        let looks = scene.world.gate.take_calls().into_iter();
        let looks = looks.filter(|call| call.operation == "GetApiKey").count();
        match foreseen {
            Ok(foreseen) => assert!(is_seen && !foreseen.changes() && (2..=6).contains(&looks)),
            Err(stop) => assert!(!is_seen && looks == 6, "{stop}: {looks} looks"),
        }
    }
}

/// Of a dispute that the ledger has not heard of: it concerns the account of its customer, and
/// no other.
#[test]
fn an_event_is_foreseen_for_whom_it_concerns() {
    let scene = Told::new();
    let (ann, bob) = (scene.sign_up("ann"), scene.sign_up("bob"));
    scene.buy(&bob, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let customer = scene.account(&bob).access.customers.first().unwrap().clone();
    scene.world.stripe.account().open_dispute(customer.as_str()).unwrap();
    let events = scene.events();
    let after = |account| {
        let preview = scene.worker.preview(account, events.clone());
        block_on(preview).unwrap().after.1
    };
    assert_eq!((after(&ann), after(&bob)), (Status::Active, Status::Held));
}

/// What another account pays is no payment on one that is closed.
#[test]
fn a_closed_account_is_not_warned_of_what_others_pay() {
    let scene = Told::new();
    let (ann, bob) = (scene.sign_up("ann"), scene.sign_up("bob"));
    scene.operate(&ann, Act::Close);
    scene.buy(&bob, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    // By the seller's hand: it names nobody.
    let customer = scene.account(&bob).access.customers.first().unwrap().clone();
    let mut stripe = scene.world.stripe.account();
    let price = stripe.price_by_lookup_key("basic_monthly").unwrap().id.clone();
    stripe.subscribe(customer.as_str(), &[&price], SubscriptionData::default()).unwrap();
    drop(stripe);
    let events = scene.events();
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    let foreseen = block_on(scene.worker.preview(&ann, events)).unwrap();
    assert_eq!((foreseen.after.1, foreseen.warnings), (Status::Closed, Vec::new()));
    assert_eq!(foreseen.steps, [], "nor is it cancelled");
}

/// What a worker would take away from somebody with another's sub as their name, a preview leaves.
#[test]
fn what_has_landed_on_a_namesake_is_left_there() {
    let scene = Told::new();
    let payer = scene.sign_up("ann");
    let cognito = &scene.world.cognito;
    let thief = cognito.sign_up_confirmed(payer.as_str(), "t@example.com").unwrap();
    drop(scene.events());
    scene.buy(&payer, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let told = || scene.told_plan(&thief);
    assert_eq!(told().as_deref(), Some("pro"), "it has landed on them");
    let refused = block_on(scene.worker.preview(&thief, Vec::new())).unwrap_err();
    assert!(matches!(refused, Stop::NamedAsSub { .. }), "{refused}");
    assert_eq!(told().as_deref(), Some("pro"));
}
