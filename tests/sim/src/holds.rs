//! Invariant 6, step by step: whoever changes something for an account holds it.
//!
//! The ledger's own conditions are not asked: who holds what is seen from outside, by the
//! epochs that each task's claims raise.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollgate_events::AccountId;
use tollgate_standin::gate::Call;
use tollgate_standin::world::World;

use crate::run::Sim;

/// Whose each key is, as its name tells.
pub(crate) type KeyOwners = BTreeMap<String, AccountId>;

impl Sim {
    /// Looks at the calls that a task has just made; what it did now was begun at `begun`.
    pub(crate) fn check_holds(&mut self, task: u64, begun: Timestamp, calls: &[Call]) {
        for call in calls {
            let Some(account) = acted_for(&self.world, &mut self.key_owners, call) else {
                continue;
            };
            let stored = self.world.ledger.stored(&account);
            let lease = stored.and_then(|stored| stored.lease_until);
            let holder = self.fences.get(&account).and_then(|fence| fence.holder);
            let operation = call.operation;
            if holder != Some(task) {
                let problem = format!("{operation} for {account} by one who does not hold it");
                self.violate(6, problem);
            } else if lease.is_none_or(|until| until <= begun) {
                self.violate(6, format!("{operation} for {account} began after the lease"));
            }
        }
    }
}

/// The account that a changing call is about; `None` for a call that changes nothing, and
/// for a write of attributes: that takes a name, which may be another user's by now.
fn acted_for(world: &World, owners: &mut KeyOwners, call: &Call) -> Option<AccountId> {
    let subject = call.subject.as_str();
    match call.operation {
        "CreateApiKey" => AccountId::parse(subject.split('/').nth(2)?).ok(),
        "UpdateApiKey" | "DeleteApiKey" => owner_of(world, owners, subject.split(' ').next()?),
        "CreateUsagePlanKey" | "DeleteUsagePlanKey" => {
            owner_of(world, owners, subject.rsplit('/').next()?)
        }
        "DELETE /v1/subscriptions/{id}" => {
            let stripe = world.stripe.account();
            let customer = stripe.subscription(subject).ok()?.customer.clone();
            let links = world.ledger.links();
            links.into_iter().find(|(id, _)| id.as_str() == customer).map(|(_, owner)| owner)
        }
        _ => None,
    }
}

fn owner_of(world: &World, owners: &mut KeyOwners, key: &str) -> Option<AccountId> {
    if !owners.contains_key(key) {
        world.api_gateway.scene(|model, _| {
            for key in model.keys() {
                let owner = key.name.as_deref().and_then(|name| name.split('/').nth(2));
                let owner = owner.and_then(|owner| AccountId::parse(owner).ok());
                owners.extend(owner.map(|owner| (key.id.clone(), owner)));
            }
        });
    }
    owners.get(key).cloned()
}
