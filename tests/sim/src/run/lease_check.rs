//! The lease check from outside, call by call: whoever changes something for an account holds it
//! (invariant 6).
//!
//! The ledger's own conditions are not asked: who holds what is seen from outside, by the
//! epochs that each task's claims raise.

use std::collections::BTreeMap;

use crate::gate::Call;
use crate::world::World;
use jiff::Timestamp;
use tollgate_events::AccountId;

use crate::run::Sim;

/// Whose each key is, as its name tells.
pub(crate) type KeyOwners = BTreeMap<String, AccountId>;

impl Sim {
    /// Looks at the calls that a task has just made; what it did now was begun at `begun`. Who holds
    /// what is asked as it was before: of several accounts that it sees to, it may have given one
    /// back since.
    pub(crate) fn check_leases(&mut self, task: u64, begun: Timestamp, calls: &[Call]) {
        for call in calls {
            // Whose a subscription is stands in a link, and that may be lost.
            if self.recovery.is_some() && call.operation.starts_with("DELETE ") {
                continue;
            }
            let accounts = acted_for(&self.world, &mut self.key_owners, call);
            let problems: Vec<_> =
                accounts.iter().filter_map(|account| self.lacks(task, begun, account)).collect();
            if problems.len() == accounts.len()
                && let Some(problem) = problems.first()
            {
                self.violate(6, format!("{} for {problem}", call.operation));
            }
        }
    }

    /// Why a task may do nothing for an account.
    fn lacks(&self, task: u64, begun: Timestamp, account: &AccountId) -> Option<String> {
        let fence = self.fences.get(account);
        let holder = fence.and_then(|fence| fence.holder);
        let lease = fence.and_then(|fence| fence.lease_until);
        if holder != Some(task) {
            Some(format!("{account} by one who does not hold it"))
        } else if lease.is_none_or(|until| until <= begun) {
            Some(format!("{account} began after the lease"))
        } else {
            None
        }
    }
}

/// Whose account a changing call may be about; nobody's for a call that changes nothing, and
/// for a write of attributes: that takes a name, which may be another user's by now.
fn acted_for(world: &World, owners: &mut KeyOwners, call: &Call) -> Vec<AccountId> {
    let subject = call.subject.as_str();
    let owner = match call.operation {
        "CreateApiKey" => subject.split('/').nth(2).and_then(|id| AccountId::parse(id).ok()),
        "UpdateApiKey" | "DeleteApiKey" => {
            subject.split(' ').next().and_then(|key| owner_of(world, owners, key))
        }
        "CreateUsagePlanKey" | "DeleteUsagePlanKey" => {
            subject.rsplit('/').next().and_then(|key| owner_of(world, owners, key))
        }
        "DELETE /v1/subscriptions/{id}" => return payers(world, subject),
        _ => None,
    };
    owner.into_iter().collect()
}

/// Whoever has the subscription's customer, and whoever it was bought for: with a closed account
/// that ends, whose the customer is by now.
fn payers(world: &World, subscription: &str) -> Vec<AccountId> {
    let stripe = world.stripe.account();
    let Ok(row) = stripe.subscription(subscription) else { return Vec::new() };
    let named = row.metadata.get("tollgate_account").and_then(|id| AccountId::parse(id).ok());
    let links = world.ledger.links().into_iter();
    let linked = links.filter(|(id, _)| id.as_str() == row.customer).map(|(_, owner)| owner);
    linked.chain(named).collect()
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
