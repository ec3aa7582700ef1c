//! How long a key answers 403 while it moves from one usage plan to another.
//!
//! A key can be on one usage plan for each API stage only, so a switch takes it off one
//! and puts it on the other; in between it is on none. Measured at the data plane,
//! wherever the worker waits, and counted in calls: how long a call takes is the
//! Region's to say, and so is how long the data plane takes to learn of a change.

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use tollgate_operator::Act;
use tollgate_standin::world::EVENTS_QUEUE;

use crate::scene::{Fault, Scene};

/// Brings a scene to where a switch's events are waiting.
type SetUp = fn(&Scene);

/// The switches that are measured.
const SWITCHES: [(&str, SetUp); 4] = [
    ("purchase", |scene| {
        let ann = scene.free();
        scene.buy(&ann, "pro");
    }),
    ("upgrade", |scene| scene.change(&scene.paying("basic"), "pro")),
    ("downgrade", |scene| scene.change(&scene.paying("pro"), "basic")),
    ("cancellation", |scene| scene.cancel(&scene.paying("pro"))),
];

/// One switch of plans, as the data plane saw it.
#[derive(Debug, Clone)]
pub struct Switch {
    /// What made the key move.
    pub name: &'static str,
    /// Without faults: the calls from the one whose effect began the 403 to the one whose
    /// effect ended it.
    pub undisturbed: Vec<&'static str>,
    /// The worker was killed inside: how long until SQS delivered the events again.
    pub redelivered_after: SignedDuration,
    /// The calls from that redelivery to the one whose effect ended the 403.
    pub after_redelivery: Vec<&'static str>,
}

/// Measures every switch, without a fault and with a crash inside.
pub fn measure() -> Vec<Switch> {
    SWITCHES.iter().map(|(name, set_up)| measure_one(name, *set_up)).collect()
}

/// The longest 403 without a fault, and the longest with a crash inside: a line each.
pub fn longest(switches: &[Switch]) -> [String; 2] {
    let quiet = switches.iter().max_by_key(|switch| switch.undisturbed.len());
    let crashed = switches
        .iter()
        .max_by_key(|switch| (switch.redelivered_after, switch.after_redelivery.len()));
    let list = |calls: &[&str]| format!("{} calls ({})", calls.len(), calls.join(", "));
    [
        quiet.map(|it| format!("longest 403 of a plan switch: {}", list(&it.undisturbed))),
        crashed.map(|it| {
            let seconds = it.redelivered_after.as_secs();
            let calls = list(&it.after_redelivery);
            format!(
                "longest 403 with a worker killed inside: until the redelivery, {seconds} s, \
                 and the first {calls} of it"
            )
        }),
    ]
    .map(Option::unwrap_or_default)
}

/// The calls of each key's 403, of an account whose old key still works.
pub fn of_each_key() -> Vec<Vec<&'static str>> {
    let set_up = |scene: &Scene| {
        let bought = scene.paying("basic");
        scene.operate(&Act::RotateKey { overlap: SignedDuration::from_hours(24) });
        scene.change(&bought, "pro");
    };
    [0, 1].map(|nth| undisturbed(&SwitchScene::of_key(set_up, nth)).0).into()
}

fn measure_one(name: &'static str, set_up: SetUp) -> Switch {
    let (undisturbed, began) = undisturbed(&SwitchScene::new(set_up));
    let (redelivered_after, after_redelivery) = interrupted(&SwitchScene::new(set_up), began);
    Switch { name, undisturbed, redelivered_after, after_redelivery }
}

/// The window's calls, and which call (from 1) began it.
fn undisturbed(switch: &SwitchScene) -> (Vec<&'static str>, usize) {
    let refused = switch.refused_after();
    let calls = switch.operations();
    let (Some(first), Some(last)) = (refused.first(), refused.last()) else {
        return (Vec::new(), 0);
    };
    (calls[first - 1..=*last].to_vec(), *first)
}

/// The worker dies as soon as the key is on no plan.
fn interrupted(switch: &SwitchScene, began: usize) -> (SignedDuration, Vec<&'static str>) {
    let SwitchScene { scene, .. } = switch;
    scene.arm(began, Fault::KilledAfter);
    switch.refused_after();
    let killed_at = scene.world.clock.time();
    scene.world.gate.take_calls();
    let again = scene.world.sqs.next_visible_at(EVENTS_QUEUE).expect("the events are in flight");
    scene.world.stripe.advance_to(again);
    let refused = switch.refused_after();
    let calls = switch.operations();
    let ends = refused.last().map_or(0, |last| last + 1);
    (again.duration_since(killed_at), calls[..ends].to_vec())
}

/// A scene with a switch's events on the queue, and the key that moves.
struct SwitchScene {
    scene: Scene,
    value: String,
}

impl SwitchScene {
    fn new(set_up: SetUp) -> Self {
        Self::of_key(set_up, 0)
    }

    fn of_key(set_up: SetUp, nth: usize) -> Self {
        let scene = Scene::default();
        set_up(&scene);
        scene.collect();
        scene.world.gate.take_calls();
        let value = scene.world.api_gateway.scene(|model, _| {
            model.keys().nth(nth).expect("the account has a key").value.expose_secret().to_owned()
        });
        Self { scene, value }
    }

    /// Delivers a batch; after how many calls' effects the key was refused. A spent quota
    /// or throttle (429) is no refusal: the key is on a plan.
    fn refused_after(&self) -> Vec<usize> {
        let mut refused = Vec::new();
        let mut look = || {
            let world = &self.scene.world;
            let answer = world.api_gateway.call(&world.stage(), "GET /hello", Some(&self.value));
            if answer.status == 403 {
                refused.push(world.gate.calls().len());
            }
        };
        self.scene.deliver(EVENTS_QUEUE, &mut look);
        refused.dedup();
        refused
    }

    fn operations(&self) -> Vec<&'static str> {
        self.scene.world.gate.calls().iter().map(|call| call.operation).collect()
    }
}
