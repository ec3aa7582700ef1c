//! A new catalog takes plans, the limit has stopped, and meanwhile people go and times come: what is
//! an account's own is never the catalog's.

use jiff::SignedDuration;
use tollgate_core::account::{Access, PlanId, Status};
use tollgate_core::converge::Worker;
use tollgate_core::ledger::Outcome;
use tollgate_events::{AccountId, Envelope};
use tollgate_operator::{Act, changes};
use tollgate_standin::stripe::{Status as Subscribed, When};

use super::blast::{demoting, drift, fourteen, look_at_all, on_pro, passes};
use super::scene::Scene;
use crate::workers::worker_on;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn grant(plan: &str, until: Option<SignedDuration>, scene: &Scene) -> Act {
    let plan = PlanId::parse(plan).expect("it is an id");
    Act::Grant { plan, until: until.map(|until| scene.world.clock.time() + until) }
}

/// The limit has stopped at a catalog of a new revision: of fourteen who paid for pro the last four
/// have it still. Whom `before` is about was there before.
fn stopped(before: impl FnOnce(&Scene, &[AccountId])) -> (Scene, Vec<AccountId>, Vec<String>) {
    stopped_in(Scene::new(), before)
}

fn stopped_in(
    mut scene: Scene,
    before: impl FnOnce(&Scene, &[AccountId]),
) -> (Scene, Vec<AccountId>, Vec<String>) {
    let (mut ids, mut bought) = fourteen(&scene);
    before(&scene, &ids);
    scene.worker = Worker { catalog: demoting(&scene.world), ..worker_on(&scene.world) };
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "1")), 4);
    assert!(scene.world.ledger.stored_stack().blast.stopped);
    (ids, bought) = (ids.split_off(10), bought.split_off(10));
    assert_eq!(on_pro(&scene, &ids), 4);
    (scene, ids, bought)
}

/// Nothing of it waits for anybody.
fn goes_on(scene: &Scene, events: &[Envelope]) {
    let report = scene.handle(events);
    assert_eq!((report.failed.len(), report.outcomes.get(&Outcome::Parked)), (0, None));
}

/// Whoever deletes themselves has no key, and pays no more.
#[test]
fn a_catalog_is_never_why_a_user_is_gone() {
    let (scene, ids, bought) = stopped(|_, _| ());
    let status = |place: usize| {
        scene.world.stripe.account().subscription(&bought[place]).expect("it was bought").status
    };
    scene.world.cognito.delete_self("u10").expect("they are there");
    goes_on(&scene, &scene.told_of_the_pool());
    assert_eq!(scene.seen(&ids[0]), ("-".into(), Status::Closed, "-".into()));
    assert!(scene.account(&ids[0]).key().is_none());
    assert_eq!(status(0), Subscribed::Canceled);
    // Nor is it why an operator closes one.
    scene.operate(&ids[1], Act::Close);
    assert_eq!((scene.seen(&ids[1]).1, status(1)), (Status::Closed, Subscribed::Canceled));
    // Of whom nobody told, nobody knows.
    scene.world.cognito.delete_self("u12").expect("they are there");
    let late = scene.told_of_the_pool();
    look_at_all(&scene, &drift(&scene, &ids[2..3], "2"));
    passes(&scene, HOUR * 2);
    assert_eq!((scene.seen(&ids[2]).0.as_str(), status(2)), ("pro", Subscribed::Active));
    goes_on(&scene, &late);
    assert_eq!((scene.seen(&ids[2]).1, status(2)), (Status::Closed, Subscribed::Canceled));
}

/// What Stripe told is so, also where its list still shows it as it was.
#[test]
fn an_end_that_was_told_is_explained_while_the_list_lags() {
    let scene = Scene::new();
    scene.world.stripe.set_read_lag(SignedDuration::from_secs(50));
    let (scene, ids, bought) = stopped_in(scene, |_, _| ());
    scene.world.stripe.account().cancel(&bought[0], When::Now).expect("it is live");
    goes_on(&scene, &scene.events());
    passes(&scene, SignedDuration::ZERO);
    assert_eq!(scene.seen(&ids[0]), ("free".into(), Status::Active, "free".into()));
}

/// It is gone from the ledger with the first decision after its time, which history tells; who has
/// another plan cancels it like everybody.
#[test]
fn a_grant_that_is_long_over_holds_up_no_cancellation() {
    let (scene, ids, bought) = stopped(|scene, ids| {
        for plan in ["basic", "pro"] {
            scene.operate(&ids[13], grant(plan, Some(HOUR), scene));
            scene.world.clock.advance(SignedDuration::from_secs(60));
        }
        assert_eq!(scene.account(&ids[13]).access.grants.len(), 2);
        passes(scene, HOUR);
        assert_eq!(scene.account(&ids[13]).access.grants, []);
        assert_eq!(scene.seen(&ids[13]).0, "pro", "it is paid for");
        let told = scene.world.ledger.entries(&ids[13]).pop().expect("it has a history");
        let told = changes(&told.before, &told.after);
        assert_eq!(told, ["grant of basic ended", "grant of pro ended"]);
    });
    scene.world.stripe.account().cancel(&bought[3], When::Now).expect("it is live");
    goes_on(&scene, &scene.events());
    assert_eq!(scene.seen(&ids[3]), ("free".into(), Status::Active, "free".into()));
}

/// By its time or by an operator, and whatever hides it.
#[test]
fn a_grant_that_ends_is_never_the_catalogs() {
    let mut granted = Vec::new();
    let (scene, _, _) = stopped(|scene, _| {
        granted = ["ann", "ben", "cy"].map(|name| scene.sign_up(name)).into();
        for (id, until) in granted.iter().zip([Some(HOUR * 24), Some(HOUR * 24), None]) {
            scene.operate(id, grant("pro", until, scene));
            scene.world.clock.advance(SignedDuration::from_secs(60));
        }
        scene.operate(&granted[0], Act::Hold);
        let plan = |id: &AccountId| scene.account(id).access.plan;
        assert!(granted.iter().all(|id| plan(id) == PlanId::parse("pro").ok()));
    });
    let plan = PlanId::parse("pro").expect("it is an id");
    scene.operate(&granted[2], Act::RevokeGrant { plan });
    passes(&scene, HOUR * 24);
    let seen: Vec<_> = granted.iter().map(|id| scene.seen(id)).collect();
    let has = |status, word: &str| ("free".to_owned(), status, word.to_owned());
    let active = has(Status::Active, "free");
    assert_eq!(seen, [has(Status::Held, "held"), active.clone(), active]);
    let left = |id: &AccountId| -> Access { scene.account(id).access };
    assert!(granted.iter().all(|id| left(id).grants.is_empty()));
}
