//! Invariant 6, call by call: whoever acts for an account holds it, and whoever commits
//! was not overtaken.
//!
//! The ledger's own conditions are not asked: who claimed what is seen from outside, by
//! the calls of each task and the epochs that they raise.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollgate_billing::ports::Service;
use tollgate_events::AccountId;
use tollgate_standin::gate::Call;
use tollgate_standin::world::World;

/// The newest claim on an account.
#[derive(Debug)]
struct Claim {
    epoch: u64,
    task: usize,
    until: Timestamp,
}

/// Who holds what.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    claims: BTreeMap<AccountId, Claim>,
    commits: BTreeMap<AccountId, Option<String>>,
    /// Whose each key is that was made through the gate.
    keys: BTreeMap<String, AccountId>,
}

/// A task that was polled: its number, and when it was polled before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polled {
    pub(crate) task: usize,
    /// When whatever it did now was begun.
    pub(crate) before: Timestamp,
    /// Whether its time was over already: then only the ledger takes its calls.
    pub(crate) late: bool,
}

impl Watch {
    /// Looks at the calls of a task's poll; tells what must not be.
    pub(crate) fn look(&mut self, world: &World, polled: Polled, calls: &[Call]) -> Vec<String> {
        let problem = |call: &Call| match (call.service, call.operation) {
            (Service::Ledger, "UpdateItem") => self.claim(world, polled, call),
            (Service::Ledger, "TransactWriteItems") => self.commit(world, polled, call),
            _ if polled.late => None,
            _ => self.step(world, polled, call),
        };
        calls.iter().filter_map(problem).collect()
    }

    fn claim(&mut self, world: &World, polled: Polled, call: &Call) -> Option<String> {
        let account = stored(world, &call.subject)?;
        let known = self.claims.get(&account.id).map_or(0, |claim| claim.epoch);
        if account.epoch > known {
            let until = account.lease_until.unwrap_or_default();
            let claim = Claim { epoch: account.epoch, task: polled.task, until };
            self.claims.insert(account.id, claim);
        }
        None
    }

    fn commit(&mut self, world: &World, polled: Polled, call: &Call) -> Option<String> {
        let account = stored(world, &call.subject)?;
        let known = self.commits.insert(account.id.clone(), account.commit_id.clone());
        let committed = account.commit_id.is_some() && known != Some(account.commit_id);
        let claim = self.claims.get(&account.id).filter(|_| committed)?;
        (claim.task != polled.task).then(|| {
            let (id, epoch) = (account.id, claim.epoch);
            format!("a commit on {id} succeeded after claim {epoch}, which was another's")
        })
    }

    fn step(&mut self, world: &World, polled: Polled, call: &Call) -> Option<String> {
        let account = self.acted_for(world, call)?;
        let operation = call.operation;
        match self.claims.get(&account) {
            None => Some(format!("{operation} for {account}, which nobody has claimed")),
            Some(claim) if claim.task != polled.task => {
                Some(format!("{operation} for {account}, which another had claimed since"))
            }
            Some(claim) if claim.until <= polled.before => {
                Some(format!("{operation} for {account} began after the lease's end"))
            }
            Some(_) => None,
        }
    }

    /// The account that a changing call is about; `None` for a call that changes nothing.
    fn acted_for(&mut self, world: &World, call: &Call) -> Option<AccountId> {
        let subject = call.subject.as_str();
        match call.operation {
            "CreateApiKey" => {
                self.note_keys(world);
                AccountId::parse(subject.split('/').nth(2)?).ok()
            }
            "UpdateApiKey" | "DeleteApiKey" => self.keys.get(subject).cloned(),
            "CreateUsagePlanKey" | "DeleteUsagePlanKey" => {
                self.keys.get(subject.rsplit('/').next()?).cloned()
            }
            "AdminUpdateUserAttributes" => AccountId::parse(subject).ok(),
            "DELETE /v1/subscriptions/{id}" => {
                let stripe = world.stripe.account();
                let customer = stripe.subscription(subject).ok()?.customer.clone();
                let links = world.ledger.links();
                links.into_iter().find(|(id, _)| id.as_str() == customer).map(|(_, owner)| owner)
            }
            _ => None,
        }
    }

    fn note_keys(&mut self, world: &World) {
        world.api_gateway.scene(|model, _| {
            for key in model.keys() {
                let owner = key.name.as_deref().and_then(|name| name.split('/').nth(2));
                if let Some(owner) = owner.and_then(|owner| AccountId::parse(owner).ok()) {
                    self.keys.entry(key.id.clone()).or_insert(owner);
                }
            }
        });
    }
}

fn stored(world: &World, id: &str) -> Option<tollgate_billing::account::Account> {
    world.ledger.stored(&AccountId::parse(id).ok()?)
}
