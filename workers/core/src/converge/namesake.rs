//! Two users and one name: what was written to the one may have landed on the other.

use tollgate_events::AccountId;

use super::{DRIFT, Run, Stop};
use crate::account::{Attributes, Known};
use crate::decide::stale::says_refused;
use crate::ports::{Ledger, Ports, Users};
use crate::sweep::wake;

/// Another account's user, met while this account's was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Namesake {
    /// The name by which this account's user was known is another's by now.
    HasTheName {
        /// The name.
        name: String,
        /// Whose it is.
        other: AccountId,
    },
    /// This account's user has chosen the other's sub as their name: whatever is written to that
    /// account's user by its sub would land here.
    NamedAsSub {
        /// Whose sub.
        other: AccountId,
        /// By what name this user was found: their own sub may be yet another user's name.
        found_by: String,
        /// Whether something was written to them.
        told: bool,
    },
}

impl Namesake {
    /// Whoever is named as another is served nothing.
    fn stops(&self) -> Result<(), Stop> {
        match self {
            Self::HasTheName { .. } => Ok(()),
            Self::NamedAsSub { other, .. } => Err(Stop::NamedAsSub { other: other.clone() }),
        }
    }
}

/// Stops where the user has chosen the sub of another account that is known, or was, as their name.
/// Whoever was served before the other had an account has never been taken for them.
pub(super) fn must_be_nobody_else(namesakes: &[Namesake]) -> Result<(), Stop> {
    namesakes.iter().try_for_each(Namesake::stops)
}

impl<P: Ports> Run<'_, P> {
    /// Sees to whoever has the name, and takes back what has landed on them; then stops, where this
    /// account's user is named as another.
    pub(super) async fn see_to_namesakes(&self, namesakes: &[Namesake]) -> Result<(), Stop> {
        for namesake in namesakes {
            match namesake {
                Namesake::HasTheName { name, other } => {
                    self.take_back_what_landed(name, other).await?;
                    self.look_at_namesake(other).await?;
                }
                Namesake::NamedAsSub { other, found_by, told } => {
                    // From then on their user is known by their own name.
                    self.look_at_namesake(other).await?;
                    if *told {
                        self.write_nothing(found_by).await?;
                    }
                }
            }
            namesake.stops()?;
        }
        Ok(())
    }

    /// What was written to this user by name, and came to effect late, may have landed on
    /// whoever has the name by now. They are looked at before this account is closed, so that a
    /// crash in between repeats it. Nothing lands later: it was begun under a lease that ended
    /// before this claim.
    async fn look_at_namesake(&self, other: &AccountId) -> Result<(), Stop> {
        let look = wake(DRIFT, other.clone(), None, self.now);
        self.worker.converge_boxed(other, vec![look], self.invocation).await
    }

    /// That they are held, or closed, was perhaps written to whoever has the name by now. Whose
    /// account was never decided would look like one that the ledger has forgotten.
    async fn take_back_what_landed(&self, name: &str, other: &AccountId) -> Result<(), Stop> {
        let access = self.committed();
        let told = access.attributes.plan.as_deref().is_some_and(says_refused);
        let refused = told || access.hold.is_some() || access.closed.is_some() || self.account.open;
        if !refused {
            return Ok(());
        }
        match self.ledger().account(other).await? {
            Some(account) if account.known() == Known::Decided => Ok(()),
            _ => self.write_nothing(name).await,
        }
    }

    async fn write_nothing(&self, name: &str) -> Result<(), Stop> {
        self.in_time()?;
        Ok(self.worker.ports.users().write_attributes(name, &Attributes::default()).await?)
    }
}
