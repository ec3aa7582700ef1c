//! Who is held and comes back is held as before, and nobody else.

use tollgate_core::account::{Account, Status};
use tollgate_core::ledger::Entry;
use tollgate_core::person::{Remembered, VerifiedEmail};
use tollgate_events::AccountId;

use super::{A_CONVERGENCE, Oracle};
use crate::operator::Operated;

impl Oracle<'_> {
    /// Whether an account is held because another was that its person had.
    pub(super) fn is_carried_over(&self, account: &Account, problems: &mut Vec<String>) -> bool {
        let carried = account.access.hold.as_ref().filter(|why| why.starts_with("as account "));
        let was_held = |id: &AccountId| self.first_held(id).is_some();
        if let Some(why) = carried {
            let named = why.split(' ').nth(2).and_then(|id| AccountId::parse(id).ok());
            if !named.is_some_and(|id| was_held(&id)) {
                problems.push(format!("it is held `{why}`, and that one never was"));
            }
            return true;
        }
        if let Some(remembered) = self.remembered(account) {
            problems.push(format!("{remembered:?} of its person is forgotten"));
        }
        false
    }

    /// What was remembered of the account's person before its user signed up, unless an operator
    /// has released it since.
    fn remembered(&self, account: &Account) -> Option<Remembered> {
        let acts = self.sim.actors.operated.get(&account.id);
        if acts.is_some_and(Operated::releases) || account.access.hold.is_some() {
            return None;
        }
        let user = self.sim.world.cognito.user_by_id(&account.id)?;
        let verified = user.attribute("email_verified") == Some("true");
        let email = VerifiedEmail::of(user.attribute("email"), verified)?;
        // A worker that did not have the newest secret yet may have decided.
        if self.sim.secret > 1 && user.created < self.sim.settled_at {
            return None;
        }
        let deriver = &self.sim.workers.last()?.deriver;
        let memories = self.sim.world.ledger.memories();
        let mut known =
            deriver.persons(&email).into_iter().filter_map(|it| memories.get(&it).cloned());
        known.find(|remembered| {
            let lasts = remembered.until.is_none_or(|until| until > self.now);
            let since = self.first_held(&remembered.account);
            remembered.account != account.id
                && lasts
                && since.is_some_and(|entry| entry.at + A_CONVERGENCE < user.created)
        })
    }

    fn first_held(&self, id: &AccountId) -> Option<Entry> {
        let entries = self.sim.world.ledger.entries(id).into_iter();
        entries.into_iter().find(|entry| entry.after.status == Status::Held)
    }
}
