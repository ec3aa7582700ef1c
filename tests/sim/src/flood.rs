//! A flood of sign-ups against API Gateway's wall, and one customer who pays in the middle.
//!
//! The stand-in's control plane lets ten calls a second through and no more, of which the
//! seller's own deployments take their part.

use crate::gate::Call;
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{KeyId, PlanId};
use tollgate_core::ports::{ApiGateway, Class, Service};
use tollgate_standin::api_gateway::Wall;

use crate::actors::address;
use crate::executor::block_on;
use crate::region::{MINUTE, Neighbour, Nobody, Region};

/// How often the seller's own deployments call the control plane.
const OWNERS_PACE: SignedDuration = SignedDuration::from_millis(500);

/// What they ask for.
const OWNERS_KEY: &str = "owners";

/// What a flood came to.
#[derive(Debug)]
pub struct FloodReport {
    /// How many signed up.
    pub sign_ups: usize,
    /// From the payment's event on the queue to the key on its new plan.
    pub upgrade_took: SignedDuration,
    /// From the first sign-up to the last key.
    pub flood_took: SignedDuration,
    /// Keys on the free plan in the end.
    pub served: usize,
    /// Control-plane calls that Tollgate made.
    pub calls: usize,
    /// Those that the wall refused.
    pub throttled: usize,
    /// Of the seller's own calls, those that the wall refused.
    pub owner_throttled: usize,
    /// Messages that became dead letters.
    pub dead_letters: usize,
    /// Events that were put off.
    pub deferred: usize,
}

/// The seller's own deployments.
struct Owner {
    next: Timestamp,
    throttled: usize,
}

impl Neighbour for Owner {
    fn turn(&mut self, world: &World) -> Option<Timestamp> {
        if world.clock.time() >= self.next {
            self.next = world.clock.time() + OWNERS_PACE;
            let key = KeyId::parse(OWNERS_KEY).expect("it is an id");
            if let Err(error) = block_on(world.api_gateway.plans_of(&key)) {
                self.throttled += usize::from(matches!(error.class, Class::Throttled { .. }));
            }
        }
        Some(self.next)
    }
}

/// Floods a world with sign-ups, in the middle of which somebody upgrades.
pub fn flood(sign_ups: usize) -> FloodReport {
    let mut region = Region::new(1);
    let (payer, subscription) = region.subscribes("payer", "basic_monthly");
    region.until(region.now() + MINUTE * 10, &mut Nobody, Region::is_at_rest);
    region.world.api_gateway.set_wall(Some(Wall::default()));
    region.world.gate.take_calls();
    let start = region.now();
    let mut owner = Owner { next: start, throttled: 0 };
    for n in 0..sign_ups {
        let name = format!("u{n}");
        region.world.cognito.sign_up_confirmed(&name, &address(&name)).expect("free");
    }
    region.carry_triggers();
    // The flood is under way when somebody pays for more.
    region.until(start + MINUTE, &mut owner, |_| false);
    region.changes(&subscription, "pro_monthly");
    let paid = region.now();
    let pro = PlanId::parse("pro").expect("it is an id");
    let is_on_pro = |region: &Region| {
        region.access(&payer).is_some_and(|access| access.plan.as_ref() == Some(&pro))
    };
    region.until(paid + MINUTE * 60, &mut owner, is_on_pro);
    let upgrade_took = region.now().duration_since(paid);
    region.until(start + MINUTE * 60 * 24, &mut owner, Region::is_at_rest);
    let calls = region.world.gate.take_calls();
    let ours = |call: &&Call| call.service == Service::ApiGateway && call.subject != OWNERS_KEY;
    FloodReport {
        sign_ups,
        upgrade_took,
        flood_took: region.now().duration_since(start),
        served: on_free(&region.world),
        calls: calls.iter().filter(ours).count(),
        throttled: region.world.api_gateway.throttled() - owner.throttled,
        owner_throttled: owner.throttled,
        dead_letters: region.dead_letters,
        deferred: region.deferred,
    }
}

fn on_free(world: &World) -> usize {
    let free = PlanId::parse("free").expect("it is an id");
    let accounts = world.ledger.accounts();
    let served = accounts
        .iter()
        .filter(|account| account.key().is_some() && account.access.plan.as_ref() == Some(&free));
    served.count()
}
