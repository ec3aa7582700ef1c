//! The person behind an account: whoever is held and comes back is held as before.

use super::{Run, Stop};
use crate::account::Status;
use crate::decide::Desired;
use crate::person::{Memory, PersonId, Remembered, carried_over};
use crate::ports::{Ledger, PortResult, Ports};

impl<P: Ports> Run<'_, P> {
    /// Holds the account as another was that its person had, before it is first served. Whoever is
    /// held already, or was and has been released, is not looked for.
    pub(super) async fn recall(&mut self) -> Result<(), Stop> {
        let (Some(email), Some(_)) = (&self.email, self.worker.policy.remembered_for()) else {
            return Ok(());
        };
        let is_known = self.account.person.is_some() || self.account.access.hold.is_some();
        if is_known || self.account.is_closed() || !self.account.is_unserved() {
            return Ok(());
        }
        for person in self.worker.deriver.persons(email) {
            let remembered = self.ledger().remembered(&person).await?;
            let lasts = |it: &Remembered| it.until.is_none_or(|until| until > self.now);
            let others = |it: &Remembered| it.account != self.account.id && lasts(it);
            if let Some(remembered) = remembered.filter(others) {
                self.account.access.hold = Some(carried_over(&remembered));
                return Ok(());
            }
        }
        Ok(())
    }

    /// What is remembered from now on, and what is not any more. An address is known while its
    /// user is there; what was written then is given an end when the account is closed. What is
    /// remembered of another account of the same person is not shortened, nor forgotten for a new
    /// address: only whoever releases one forgives all.
    pub(super) async fn memories(&mut self, desired: &Desired) -> PortResult<Vec<Memory>> {
        let kept_for = self.worker.policy.remembered_for();
        let known = self.account.person.clone();
        let (person, until) = match (desired.status, kept_for) {
            (Status::Held, Some(_)) => (self.person().or_else(|| known.clone()), None),
            (Status::Closed, Some(kept_for)) => {
                (known.clone(), self.now.checked_add(kept_for).ok())
            }
            _ => (None, None),
        };
        let is_new = person != known || desired.status != self.committed().status;
        let forgotten = known.filter(|known| Some(known) != person.as_ref());
        self.account.person.clone_from(&person);
        let (account, at) = (self.account.id.clone(), self.now);
        let mut memories = Vec::new();
        if let Some(person) = person.filter(|_| is_new) {
            let anothers = match until {
                Some(_) => self.anothers(&person).await?,
                None => None,
            };
            let lasts = |it: &Remembered| it.until.is_none_or(|at| Some(at) > until);
            if !anothers.as_ref().is_some_and(lasts) {
                let keep = Remembered { account, why: self.why_held(desired), until };
                memories.push(Memory { person, keep: Some(keep), at });
            }
        }
        if let Some(person) = forgotten {
            let moved = desired.status == Status::Held;
            if !moved || self.anothers(&person).await?.is_none() {
                memories.push(Memory { person, keep: None, at });
            }
        }
        Ok(memories)
    }

    /// What is remembered of a person for the sake of another account.
    async fn anothers(&self, person: &PersonId) -> PortResult<Option<Remembered>> {
        let remembered = self.ledger().remembered(person).await?;
        Ok(remembered.filter(|it| it.account != self.account.id))
    }

    /// What the user's person is remembered under. What stands already is kept as long as its
    /// secret is there: workers that do not have the newest yet must find it too.
    fn person(&self) -> Option<PersonId> {
        let (email, deriver) = (self.email.as_ref()?, &self.worker.deriver);
        let known = self.account.person.as_ref();
        let stands = known.filter(|known| deriver.persons(email).contains(known));
        Some(stands.cloned().unwrap_or_else(|| deriver.person(email)))
    }

    /// What holds the account, or did when it was closed.
    fn why_held(&self, desired: &Desired) -> String {
        let reason = match desired.status {
            Status::Held => &desired.reason,
            _ => &self.committed().reason,
        };
        self.account.access.hold.clone().unwrap_or_else(|| reason.to_string())
    }
}
