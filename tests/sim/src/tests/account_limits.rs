//! What one owner may ask of the account API, and all together.

use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account_api::{AccountApi, Refusal};
use tollgate_core::ports::{Class, Request};

use super::scene::{Refuses, Scene};
use crate::executor::block_on;
use crate::workers::worker_on;

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), "https://shop.example/account")
}

/// Calls of API Gateway's control plane since the last time.
fn control_plane(scene: &Scene) -> Vec<&'static str> {
    let calls = scene.world.gate.take_calls().into_iter().map(|call| call.operation);
    calls.filter(|operation| matches!(*operation, "GetUsage" | "GetApiKey")).collect()
}

#[test]
fn whoever_asks_in_a_loop_is_told_so_and_nobody_else() {
    let scene = Scene::new();
    let (ann, ben) = (scene.sign_up("ann"), scene.sign_up("ben"));
    let api = api(&scene);
    control_plane(&scene);
    let (mut pages, mut keys) = (0, 0);
    for _ in 0..200 {
        pages += u32::from(block_on(api.overview(&ann, None)).is_ok());
        keys += u32::from(block_on(api.key(&ann, "default")).is_ok());
    }
    assert_eq!(pages, Request::Overview.most());
    // The account API's share of the control plane is smaller than that for some seconds.
    assert!((1..=Request::Key.most()).contains(&keys), "{keys}");
    assert!(control_plane(&scene).len() <= Request::Key.most() as usize + 1);
    for refused in
        [block_on(api.overview(&ann, None)).err(), block_on(api.key(&ann, "default")).err()]
    {
        let Some(Refusal::TooMany { after }) = refused else { panic!("{refused:?}") };
        assert!(after.is_positive() && after <= SignedDuration::from_mins(1), "{after}");
    }
    block_on(api.overview(&ben, None)).expect("he has not asked before");
    scene.world.clock.advance(SignedDuration::from_secs(5));
    block_on(api.key(&ben, "default")).expect("a share is left for him");
    scene.world.clock.advance(SignedDuration::from_mins(1));
    block_on(api.overview(&ann, None)).expect("the minute is over");
}

/// Requests are counted by the clock's minutes: what is left of one is how long to wait.
#[test]
fn whoever_asked_too_often_waits_for_the_next_minute() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    let second = scene.world.clock.time().as_second();
    scene.world.clock.advance(SignedDuration::from_secs(80 - second.rem_euclid(60)));
    let most = Request::Overview.most();
    let asked = || (0..=most).map(|_| block_on(api.overview(&ann, None))).find_map(Result::err);
    let Some(Refusal::TooMany { after }) = asked() else { panic!("it was too often") };
    assert_eq!(after.as_secs(), 40);
    scene.world.clock.advance(after);
    block_on(api.overview(&ann, None)).expect("the minute is over");
}

/// A page waits for no count, and a setting that is wrong is told.
#[test]
fn a_page_is_a_page_without_its_usage() {
    let throttled = Class::Throttled { after: None };
    for (class, is_shown) in [(throttled, true), (Class::Unavailable, true), (Class::Denied, false)]
    {
        let faults = Refuses::new(class, |call| call.operation == "GetUsage");
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        faults.switch(true);
        let view = block_on(api(&scene).overview(&ann, None));
        assert_eq!(view.is_ok(), is_shown, "{class:?}");
        assert!(view.is_err() || view.is_ok_and(|it| it.usage.is_some_and(|it| it.used.is_none())));
    }
}

#[test]
fn usage_is_asked_for_once_a_minute_and_says_as_of_when_it_is() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    control_plane(&scene);
    let began = scene.world.clock.time();
    let mut seen = Vec::new();
    for _ in 0..7 {
        let view = block_on(api.overview(&ann, None)).expect("nothing fails");
        let usage = view.usage.expect("the free plan has a quota");
        assert_eq!(usage.used, Some(0));
        seen.push(usage.as_of.expect("it was counted").duration_since(began).as_secs());
        scene.world.clock.advance(SignedDuration::from_secs(20));
    }
    assert_eq!(seen, [0, 0, 0, 60, 60, 60, 120]);
    assert_eq!(control_plane(&scene), ["GetUsage"; 3]);
}

/// Of what all owners ask together, as much comes to API Gateway as is the account API's share;
/// a page without a count is a page.
#[test]
fn all_owners_together_have_a_share_of_the_control_plane() {
    let scene = Scene::new();
    let owners: Vec<_> = (0..30).map(|n| scene.sign_up(&format!("user-{n}"))).collect();
    let api = api(&scene);
    // A new window begins.
    let second = scene.world.clock.time().as_second();
    scene.world.clock.advance(SignedDuration::from_secs(5 - second.rem_euclid(5)));
    control_plane(&scene);
    let mut counted = 0;
    for owner in &owners {
        let view = block_on(api.overview(owner, None)).expect("no page is shut");
        let usage = view.usage.expect("the free plan has a quota");
        counted += u32::from(usage.as_of.is_some());
        assert_eq!(usage.used.is_some(), usage.as_of.is_some());
    }
    assert_eq!(counted, 5, "a call a second, in five seconds");
    assert_eq!(control_plane(&scene).len(), 5);
    assert_eq!(block_on(api.key(&owners[0], "default")).err(), Some(Refusal::Busy));
    scene.world.clock.advance(SignedDuration::from_secs(5));
    block_on(api.key(&owners[0], "default")).expect("there is room again");
}
