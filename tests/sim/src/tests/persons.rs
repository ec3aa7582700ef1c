//! Users are persons: they choose names, come back, and ask again and again.

use jiff::SignedDuration;
use tollgate_core::account::{Known, Status};
use tollgate_core::catalog::CatalogFile;
use tollgate_core::converge::DRIFT;
use tollgate_core::ledger::Outcome;
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, cognito};
use tollgate_operator::Act;

use super::scene::Scene;
use crate::comparison::compare;
use crate::market::{Edition, worker};

/// The systems are compared, and what that wakes is handled.
fn compared(scene: &Scene) {
    compare(&scene.worker, 100).expect("nothing fails");
    scene.later(SignedDuration::ZERO);
}

/// In a pool whose users choose their names, somebody chooses the sub of one who pays.
#[test]
fn a_user_name_that_is_anothers_sub_takes_nothing_from_them() {
    let scene = Scene::new();
    let payer = scene.sign_up("ann");
    scene.buy(&payer, "pro_monthly");
    scene.handle(&scene.events());
    assert_eq!(scene.seen(&payer), ("pro".into(), Status::Active, "pro".into()));
    let key = scene.account(&payer).key().unwrap().id.clone();

    let cognito = &scene.world.cognito;
    let thief = cognito.sign_up_confirmed(payer.as_str(), "t@example.com").unwrap();
    let report = scene.handle(&scene.events());
    assert_eq!((report.outcomes.get(&Outcome::Parked), report.systemic), (Some(&1), 1));
    assert!(scene.account(&thief).key().is_none(), "they get no key");

    // Hours of comparisons and renewals: the payer is there, and served by their own name.
    for _ in 0..3 {
        scene.later(SignedDuration::from_hours(2));
        compared(&scene);
        scene.handle(&scene.events());
    }
    scene.buy(&payer, "basic_monthly");
    scene.handle(&scene.events());
    assert_eq!(scene.seen(&payer), ("pro".into(), Status::Active, "pro".into()));
    let told = |id| cognito.user_by_id(id).unwrap().attribute("custom:apiid").map(str::to_owned);
    assert_eq!(told(&payer), Some(key.to_string()));
    assert_eq!(told(&thief), None, "what the payer has is told to nobody else");

    // The seller deletes the thief.
    cognito.delete_user(payer.as_str()).unwrap();
    scene.handle(&scene.told_of_the_pool());
    assert!(scene.account(&thief).known() == Known::Nothing);
    assert_eq!(scene.seen(&payer), ("pro".into(), Status::Active, "pro".into()));
}

/// Nobody is served by the sub of whoever is gone: to choose it as a name takes nothing.
#[test]
fn the_sub_of_whoever_is_gone_is_a_name_like_others() {
    let scene = Scene::new();
    let gone = scene.sign_up("ann");
    leave(&scene, "ann");
    assert_eq!(scene.account(&gone).access.status, Status::Closed);
    let heir = scene.sign_up(gone.as_str());
    assert_eq!(scene.seen(&heir), ("free".into(), Status::Active, "free".into()));
}

/// Written before the thief's own sign-up was seen, it lands on them, and does not stay.
#[test]
fn what_has_landed_on_a_namesake_is_taken_away() {
    let scene = Scene::new();
    let payer = scene.sign_up("ann");
    let cognito = &scene.world.cognito;
    let thief = cognito.sign_up_confirmed(payer.as_str(), "t@example.com").unwrap();
    let sign_up = scene.events();
    scene.buy(&payer, "pro_monthly");
    scene.handle(&scene.events());
    assert_eq!(scene.told_plan(&thief).as_deref(), Some("pro"), "it has landed on them");
    scene.handle(&sign_up);
    assert_eq!((scene.told_plan(&payer).as_deref(), scene.told_plan(&thief)), (Some("pro"), None));
}

/// The thief's own sub is yet another's name: what has landed on the thief is taken away from them,
/// and not from whoever has their sub for a name.
#[test]
fn whoever_has_a_thiefs_sub_for_a_name_loses_nothing() {
    let scene = Scene::new();
    let payer = scene.sign_up("ann");
    let cognito = &scene.world.cognito;
    let thief = cognito.sign_up_confirmed(payer.as_str(), "t@example.com").unwrap();
    let sign_up = scene.events();
    // The thief has no account yet, so that nothing says that this name is anybody's.
    let third = cognito.sign_up_confirmed(thief.as_str(), "u@example.com").unwrap();
    scene.handle(&scene.events());
    assert_eq!(scene.told_plan(&third).as_deref(), Some("free"));
    let landed = [("custom:plan".to_owned(), "pro".to_owned())].into();
    cognito.write(payer.as_str(), landed).unwrap();
    scene.handle(&sign_up);
    assert_eq!((scene.told_plan(&thief), scene.told_plan(&third).as_deref()), (None, Some("free")));
}

/// A pool with free names in which the sub does not work in admin calls tells nobody's absence.
#[test]
fn whoever_is_deleted_is_still_found_missing() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.cognito.delete_user("ann").unwrap();
    drop(scene.world.cognito.take_cloudtrail());
    compared(&scene);
    scene.later(SignedDuration::from_hours(1));
    assert_eq!(scene.account(&ann).access.status, Status::Closed);
}

/// Whoever is known to have no key wakes nobody, however often they ask for new tokens.
#[test]
fn who_has_no_plan_is_not_looked_at_with_every_token() {
    let mut scene = Scene::new();
    let text = scene.world.plans_toml.replace("default_plan = \"free\"\n", "");
    scene.worker.catalog = CatalogFile::parse(&text).expect("no plan need be for nothing").catalog;
    let ann = scene.world.cognito.sign_up_confirmed("ann", "a@example.com").unwrap();
    scene.handle(&scene.events());
    assert_eq!(scene.account(&ann).access.status, Status::Disabled);
    for _ in 0..24 {
        scene.world.cognito.refresh("ann").unwrap();
        for trigger in scene.world.cognito.take_triggers() {
            let read = cognito::read(&trigger, scene.world.clock.time()).unwrap().reading;
            assert_eq!(read, cognito::Reading::Nothing);
        }
    }
}

const ADDRESS: &str = "ann@example.com";

/// Signs up with an address that Cognito has verified.
fn sign_up(scene: &Scene, name: &str, address: &str) -> AccountId {
    let id = scene.world.cognito.sign_up_confirmed(name, address).expect("the name is free");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    id
}

/// Users delete themselves, and CloudTrail tells of it.
fn leave(scene: &Scene, name: &str) {
    scene.world.cognito.delete_self(name).unwrap();
    scene.handle(&scene.told_of_the_pool());
}

/// They were back before the first account's end was told of: what is remembered of the second one,
/// which is held for as long as it is there, is not given the end of the first.
#[test]
fn the_end_of_an_older_account_ends_no_memory_of_a_newer() {
    let scene = Scene::new();
    let first = sign_up(&scene, "ann", ADDRESS);
    scene.operate(&first, Act::Hold);
    scene.world.cognito.delete_self("ann").unwrap();
    let second = sign_up(&scene, "anna", ADDRESS);
    assert_eq!(scene.account(&second).access.status, Status::Held);
    scene.handle(&scene.told_of_the_pool());
    assert_eq!(scene.account(&first).access.status, Status::Closed);
    scene.later(SignedDuration::from_hours(366 * 24));
    scene.world.cognito.delete_self("anna").unwrap();
    let third = sign_up(&scene, "ann", ADDRESS);
    assert_eq!(scene.seen(&third), ("free".into(), Status::Held, "held".into()));
}

#[test]
fn who_is_held_and_comes_back_is_held_as_before() {
    let scene = Scene::new();
    let first = sign_up(&scene, "ann", ADDRESS);
    scene.operate(&first, Act::Hold);
    leave(&scene, "ann");
    assert_eq!(scene.account(&first).access.status, Status::Closed);
    assert_eq!(scene.account(&first).access.hold.as_deref(), Some("a story"), "it stays");

    // By another name, and the same address in other letters.
    let second = sign_up(&scene, "anna", " Ann@EXAMPLE.com");
    assert_eq!(scene.seen(&second), ("free".into(), Status::Held, "held".into()));
    let why = scene.account(&second).access.hold.unwrap();
    assert_eq!(why, format!("as account {first} of the same person: a story"));
    leave(&scene, "anna");
    let third = sign_up(&scene, "ann", ADDRESS);
    assert_eq!(scene.account(&third).access.hold, Some(why), "told as it was the first time");

    // An operator releases them: that is remembered as well.
    scene.operate(&third, Act::Release);
    assert_eq!(scene.seen(&third), ("free".into(), Status::Active, "free".into()));
    assert_eq!(scene.world.ledger.memories(), [].into());
    scene.later(SignedDuration::from_hours(1));
    compared(&scene);
    assert_eq!(scene.account(&third).access.status, Status::Active);
    leave(&scene, "ann");
    let fourth = sign_up(&scene, "ann", ADDRESS);
    assert_eq!(scene.account(&fourth).access.status, Status::Active);
}

/// The listing lags, and their user is found only at the second look.
#[test]
fn who_comes_back_and_is_not_found_at_first_is_held_as_before() {
    let scene = Scene::new();
    let first = sign_up(&scene, "ann", ADDRESS);
    scene.operate(&first, Act::Hold);
    leave(&scene, "ann");
    scene.world.cognito.set_list_lag(SignedDuration::from_secs(9));
    let second = sign_up(&scene, "ann", ADDRESS);
    let unseen = scene.account(&second);
    assert_eq!((unseen.access.status, unseen.access.hold), (Status::New, None));
    scene.later(SignedDuration::from_hours(1));
    assert_eq!(scene.seen(&second), ("free".into(), Status::Held, "held".into()));
    let why = scene.account(&second).access.hold.unwrap();
    assert!(why.starts_with(&format!("as account {first} ")), "{why}");
}

#[test]
fn a_dispute_is_remembered_and_others_are_not() {
    let scene = Scene::new();
    let ann = sign_up(&scene, "ann", ADDRESS);
    let subscription = scene.buy(&ann, "pro_monthly");
    scene.handle(&scene.events());
    let mut stripe = scene.world.stripe.account();
    let customer = stripe.subscription(&subscription).unwrap().customer.clone();
    stripe.open_dispute(&customer).unwrap();
    drop(stripe);
    scene.handle(&scene.events());
    assert_eq!(scene.account(&ann).access.status, Status::Held);
    let ben = sign_up(&scene, "ben", "ben@example.com");
    leave(&scene, "ben");
    let why: Vec<_> = scene.world.ledger.memories().into_values().map(|it| it.why).collect();
    assert_eq!(why.len(), 1, "of whom is held, and of nobody else");
    assert!(why[0].contains("dispute"), "{why:?}");
    assert_eq!(scene.account(&ben).person, None);
    let dump = scene.world.ledger.dump();
    assert!(!dump.contains("example.com"), "no address is kept");

    leave(&scene, "ann");
    let again = sign_up(&scene, "ann", ADDRESS);
    assert_eq!(scene.account(&again).access.status, Status::Held);
    let why = scene.account(&again).access.hold.unwrap();
    assert!(why.contains("dispute"), "{why}");
    let other = sign_up(&scene, "cy", "cy@example.com");
    assert_eq!(scene.account(&other).access.status, Status::Active);
}

/// Whoever is served already is not held because somebody with the same address is, later.
#[test]
fn only_who_begins_anew_is_taken_for_somebody_else() {
    let scene = Scene::new();
    let (ann, ben) = (sign_up(&scene, "ann", ADDRESS), sign_up(&scene, "ben", "ben@example.com"));
    scene.operate(&ann, Act::Hold);
    let address = [("email".to_owned(), ADDRESS.to_owned())];
    let verified = ("email_verified".to_owned(), "true".to_owned());
    let attributes = address.into_iter().chain([verified]).collect();
    scene.world.cognito.write("ben", attributes).unwrap();
    let look = wake(DRIFT, ben.clone(), None, scene.world.clock.time());
    assert_eq!(scene.handle(&[look]).failed, [""; 0]);
    assert_eq!(scene.account(&ben).access.status, Status::Active);
}

/// Anybody can claim an address: neither is whoever claims it held, nor is it remembered of whom
/// it is not verified.
#[test]
fn only_a_verified_address_is_a_person() {
    let scene = Scene::new();
    let cognito = &scene.world.cognito;
    let held = cognito.federated_sign_in("Google", "1", ADDRESS).unwrap();
    scene.handle(&scene.events());
    scene.operate(&held, Act::Hold);
    assert_eq!(scene.world.ledger.memories(), [].into());

    let ann = sign_up(&scene, "ann", ADDRESS);
    scene.operate(&ann, Act::Hold);
    let claims = cognito.federated_sign_in("Google", "2", ADDRESS).unwrap();
    scene.handle(&scene.events());
    assert_eq!(scene.account(&claims).access.status, Status::Active);

    // An address that is changed is the person's from when it is verified.
    let changed = [("email".to_owned(), "new@example.com".to_owned())];
    let verified = ("email_verified".to_owned(), "true".to_owned());
    cognito.write("ann", changed.into_iter().chain([verified]).collect()).unwrap();
    scene.operate(&ann, Act::Hold);
    let why: Vec<_> = scene.world.ledger.memories().into_values().map(|it| it.account).collect();
    assert_eq!(why, [ann], "of the address that they have now, and of no other");
}

#[test]
fn what_is_remembered_ends_and_can_be_erased() {
    let mut scene = Scene::new();
    for (name, forgets) in [("ann", false), ("ben", true)] {
        let address = format!("{name}@example.com");
        let first = sign_up(&scene, name, &address);
        scene.operate(&first, Act::Hold);
        let refused = scene.act(&first, Act::Forget).unwrap_err().to_string();
        assert!(refused.contains("is not closed"), "{refused}");
        leave(&scene, name);
        if forgets {
            scene.operate(&first, Act::Forget);
            assert_eq!(
                (scene.account(&first).person, scene.world.ledger.memories().len()),
                (None, 1)
            );
        } else {
            scene.later(SignedDuration::from_hours(364 * 24));
            let still = sign_up(&scene, name, &address);
            assert_eq!(scene.account(&still).access.status, Status::Held);
            leave(&scene, name);
            scene.later(SignedDuration::from_hours(366 * 24));
        }
        let again = sign_up(&scene, name, &address);
        assert_eq!(scene.account(&again).access.status, Status::Active);
    }
    // A seller may want nothing of it.
    scene.worker.policy.remember_days = 0;
    let cy = sign_up(&scene, "cy", "cy@example.com");
    scene.operate(&cy, Act::Hold);
    leave(&scene, "cy");
    let again = sign_up(&scene, "cy", "cy@example.com");
    assert_eq!(scene.account(&again).access.status, Status::Active);
    assert!(scene.account(&cy).person.is_none());
}

/// The secret is rotated between.
#[test]
fn a_person_is_known_by_any_secret_that_is_there() {
    let mut scene = Scene::new();
    scene.worker = worker(&scene.world, Edition::FIRST, 1);
    let first = sign_up(&scene, "ann", ADDRESS);
    scene.operate(&first, Act::Hold);
    leave(&scene, "ann");
    scene.worker = worker(&scene.world, Edition::FIRST, 2);
    let second = sign_up(&scene, "ann", ADDRESS);
    assert_eq!(scene.account(&second).access.status, Status::Held);
}
