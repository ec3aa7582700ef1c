//! Upgrades while others use API Gateway's control plane too: how long a key is without a plan.
//!
//! A key can be on one usage plan for each API stage only, so that every switch takes it off one
//! plan before it puts it on the other. [`switch`](crate::switch) counts that in calls, while
//! nothing fails; here it is measured in time, while a seller's deployments spend the same ten calls a
//! second, so that one in so many of ours gets through.

use std::collections::BTreeMap;
use std::fmt;

use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account_api::AccountApi;
use tollgate_core::ports::Service;
use tollgate_events::AccountId;
use tollgate_standin::api_gateway::Wall;

use crate::executor::block_on;
use crate::region::{MINUTE, Neighbour, Nobody, Region};
use crate::workers::{API_URL, reads_only, worker_on};

/// For how long it goes on.
const HOURS: i32 = 12;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Upgrades {
    /// Of our control-plane calls, one in so many got through; 1 for all that fit the limits.
    pub one_in: u64,
    /// How many upgraded.
    pub accounts: usize,
    /// How many were on their new plan in the end.
    pub upgraded: usize,
    /// For how long each key was on no plan, shortest first.
    pub without_a_plan: Vec<SignedDuration>,
    /// How many were still on none in the end.
    pub left: usize,
    /// From the first event to the last key on its new plan, or to the end.
    pub took: SignedDuration,
    /// Messages that became dead letters.
    pub dead_letters: usize,
}

impl Upgrades {
    /// The median of the times without a plan.
    pub fn median(&self) -> SignedDuration {
        self.without_a_plan.get(self.without_a_plan.len() / 2).copied().unwrap_or_default()
    }

    /// The longest time without a plan.
    pub fn longest(&self) -> SignedDuration {
        self.without_a_plan.last().copied().unwrap_or_default()
    }
}

/// The head of the table of which [`Upgrades`] are the rows.
pub const HEAD: &str = "one in  upgrades  upgraded  median 403  longest 403  left on none  took";

impl fmt::Display for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { one_in, accounts, upgraded, left, .. } = self;
        let seconds = |it: SignedDuration| format!("{:.1} s", it.as_secs_f64());
        let (median, longest) = (seconds(self.median()), seconds(self.longest()));
        let took = self.took.as_secs() / 60;
        write!(
            f,
            "{one_in:>6}  {accounts:>8}  {upgraded:>8}  {median:>10}  {longest:>11}  {left:>12}  \
             {took} min"
        )
    }
}

/// How often an owner asks who asks in a loop: for the account and for its key, each.
const LOOP_EVERY: SignedDuration = SignedDuration::from_millis(50);

/// Lets so many upgrade at once, while of Tollgate's calls one in so many gets through.
pub fn upgrades(accounts: usize, one_in: u64, seed: u32) -> Upgrades {
    upgrades_beside(accounts, one_in, seed, |_| Nobody).0
}

/// The same within the limits, while one owner asks the account API for the account and for its
/// key in a loop, each twenty times a second, and another looks at their page every ten seconds.
pub fn upgrades_in_a_loop(accounts: usize, seed: u32) -> (Upgrades, Loop) {
    let (came, owners) = upgrades_beside(accounts, 1, seed, |region| {
        let [owner, other] = ["ann", "ben"].map(|name| region.signs_up(name));
        let api = AccountApi::new(reads_only(worker_on(&region.world)), API_URL);
        let now = region.now();
        Owners { api, owner, other, next: now, looks: now, asked: Loop::default() }
    });
    (came, owners.asked)
}

/// What came of asking in a loop.
#[derive(Debug, Clone, Default)]
pub struct Loop {
    /// How often was asked.
    pub asked: usize,
    /// How many calls of API Gateway's control plane that cost.
    pub calls: usize,
    /// How often the other owner looked at their page.
    pub looks: usize,
    /// How often that was refused.
    pub shut: usize,
}

struct Owners {
    api: AccountApi<World>,
    owner: AccountId,
    other: AccountId,
    next: Timestamp,
    looks: Timestamp,
    asked: Loop,
}

impl Neighbour for Owners {
    fn turn(&mut self, world: &World) -> Option<Timestamp> {
        let now = world.clock.time();
        let asked = &mut self.asked;
        if now >= self.next {
            self.next = now + LOOP_EVERY;
            let before = world.gate.count();
            asked.asked += 2;
            let _ = block_on(self.api.overview(&self.owner, None));
            let _ = block_on(self.api.key(&self.owner, "default"));
            let calls = world.gate.calls_since(before);
            asked.calls += calls.iter().filter(|it| it.service == Service::ApiGateway).count();
        }
        if now >= self.looks {
            self.looks = now + SignedDuration::from_secs(10);
            asked.looks += 1;
            asked.shut += usize::from(block_on(self.api.overview(&self.other, None)).is_err());
        }
        Some(self.next.min(self.looks))
    }
}

fn upgrades_beside<N: Neighbour>(
    accounts: usize,
    one_in: u64,
    seed: u32,
    neighbour: impl FnOnce(&mut Region) -> N,
) -> (Upgrades, N) {
    let mut region = Region::new(u64::from(seed));
    let subscriptions: Vec<_> =
        (0..accounts).map(|n| region.subscribes(&format!("u{n}"), "basic_monthly").1).collect();
    let neighbour = neighbour(&mut region);
    region.until(region.now() + MINUTE * 120, &mut Nobody, Region::is_at_rest);
    let wall = if one_in > 1 { Wall::shared(one_in, seed) } else { Wall::default() };
    region.world.api_gateway.set_wall(Some(wall));
    let start = region.now();
    for subscription in &subscriptions {
        region.changes(subscription, "pro_monthly");
    }
    let mut gaps = GapTimes { since: BTreeMap::new(), ended: Vec::new(), beside: neighbour };
    region.until(start + MINUTE * 60 * HOURS, &mut gaps, |region| {
        region.is_at_rest() && on_pro(&region.world) == accounts
    });
    let now = region.now();
    gaps.turn(&region.world);
    let GapTimes { since, ended, beside } = gaps;
    let left = since.len();
    let still = since.into_values().map(|since| now.duration_since(since));
    let mut without_a_plan: Vec<_> = ended.into_iter().chain(still).collect();
    without_a_plan.sort_unstable();
    let came = Upgrades {
        one_in,
        accounts,
        upgraded: on_pro(&region.world),
        without_a_plan,
        left,
        took: now.duration_since(start),
        dead_letters: region.dead_letters,
    };
    (came, beside)
}

/// Looks which keys are on no plan, whoever else is there.
struct GapTimes<N> {
    since: BTreeMap<String, Timestamp>,
    ended: Vec<SignedDuration>,
    beside: N,
}

impl<N: Neighbour> Neighbour for GapTimes<N> {
    fn turn(&mut self, world: &World) -> Option<Timestamp> {
        let now = world.clock.time();
        world.api_gateway.scene(|model, _| {
            for key in model.keys() {
                if key.plans.is_empty() {
                    self.since.entry(key.id.clone()).or_insert(now);
                } else if let Some(since) = self.since.remove(&key.id) {
                    self.ended.push(now.duration_since(since));
                }
            }
        });
        self.beside.turn(world)
    }
}

fn on_pro(world: &World) -> usize {
    let accounts = world.ledger.accounts().into_iter();
    let plans = accounts.filter_map(|account| account.access.plan);
    plans.filter(|plan| plan.as_str() == "pro").count()
}
