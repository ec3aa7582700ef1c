//! Workers, and the stack that they belong to, as the sample API's seller deploys them.

use std::collections::BTreeMap;

use secrecy::SecretString;
use tollgate_core::binding::Binding;
use tollgate_core::converge::Worker;
use tollgate_core::derive::Deriver;
use tollgate_core::ledger::StackRecord;
use tollgate_core::share::Share;

use crate::world::World;

/// Where Stripe's pages send a customer's browser back to.
pub(crate) const API_URL: &str = "https://api.invalid";

/// A worker on a world, as the sample API's seller would deploy it.
pub fn worker_on(world: &World) -> Worker<World> {
    let secret = SecretString::from("simulated-0123456789abcdef0123456789abcdef");
    let file = world.catalog();
    Worker {
        ports: world.clone(),
        catalog: file.catalog,
        policy: file.policy.clone(),
        deriver: Deriver::new("sim", BTreeMap::from([(1, secret)])).expect("it is long enough"),
        stack: "sim".into(),
        livemode: false,
        share: Share::of(&file.policy, 4),
        binding: Binding::that_binds(),
    }
}

/// The stack is one in operation: what it belongs to stands in the ledger.
pub fn bind(world: &World) {
    let stripe_account = Some(world.stripe.account().settings_mut().account_id.clone());
    let pool = Some(world.cognito.config().pool_id.clone());
    world
        .ledger
        .change_stack(|stack| *stack = StackRecord { stripe_account, pool, ..stack.clone() });
}

/// A worker as the account API has it: it writes nothing to the ledger.
pub fn reads_only(worker: Worker<World>) -> Worker<World> {
    Worker { binding: Binding::that_compares(), ..worker }
}
