//! The Cognito user of an account: who they are, and by which name admin calls reach them.

use tollgate_events::kind::About;
use tollgate_events::{AccountId, cloudtrail};

use super::{DRIFT, Run, Stop};
use crate::account::{Attributes, Known, User, is_like_a_sub};
use crate::decide::UserFact;
use crate::decide::stale::says_refused;
use crate::ports::{Ledger, NameHolder, Ports, UserRecord, Users};
use crate::sweep::wake;

impl<P: Ports> Run<'_, P> {
    /// Looks the user up where there is a reason to: they were never seen or were
    /// missing, the account was found open, or not (only) Stripe woke it.
    pub(super) async fn user(&mut self) -> Result<UserFact, Stop> {
        self.account.deletion_told |= self.woken_by(cloudtrail::USER_DELETED);
        match &self.account.user {
            // Nobody looks for them any more, but somebody may tell only now.
            User::Deleted if self.account.deletion_told => {
                return Ok(UserFact::NotFound { delete_seen: true });
            }
            User::Deleted => return Ok(UserFact::AsLastSeen),
            User::Present { .. }
                if !self.look_at_user
                    && !self.claimed.found_open()
                    && !self.woken_from_elsewhere()
                    && !self.is_disputed() =>
            {
                return Ok(UserFact::AsLastSeen);
            }
            User::Present { .. } | User::Missing { .. } | User::Unseen => {}
        }
        let Some((username, user)) = self.find_user().await? else {
            return Ok(UserFact::NotFound { delete_seen: self.account.deletion_told });
        };
        self.must_be_nobody_elses_sub(&username, &user).await?;
        self.evidence.is_meant = user.is_meant();
        self.attributes_read = Some(user.attributes);
        self.email = user.email;
        Ok(UserFact::Found { username, enabled: user.enabled })
    }

    /// Whether an event tells of a dispute: what that holds is remembered under the user's address.
    fn is_disputed(&self) -> bool {
        self.events.iter().any(|event| event.about() == About::Dispute)
    }

    /// The user, and the name by which they were found.
    ///
    /// A local user is asked for by their sub. That nobody answers to it proves nothing, and that
    /// somebody else does proves less: in a pool whose users choose their names, one may choose
    /// another's sub. So the listing is asked, which compares subs; and whoever it shows is read by
    /// name, because the listing lags and this does not.
    async fn find_user(&self) -> Result<Option<(String, UserRecord)>, Stop> {
        let (users, id) = (self.worker.ports.users(), &self.account.id);
        let name = self.account.user.username();
        if let Some(name) = name {
            match users.user(name, id).await? {
                NameHolder::Account(user) => return Ok(Some((name.to_owned(), user))),
                NameHolder::Namesake(other) if name != id.as_str() => {
                    self.take_back_what_landed(name, &other).await?;
                    self.look_at_namesake(&other).await?;
                }
                NameHolder::Namesake(_) | NameHolder::Nobody => {}
            }
            if self.account.deletion_told {
                return Ok(None);
            }
        }
        let Some(listed) = users.find(id).await? else { return Ok(None) };
        let by_sub = (listed.admin_name() != listed.username).then(|| listed.admin_name());
        // It was asked for already.
        let by_sub = by_sub.filter(|sub| Some(*sub) != name);
        for name in by_sub.into_iter().chain([listed.username.as_str()]) {
            if let NameHolder::Account(user) = users.user(name, id).await? {
                return Ok(Some((name.to_owned(), user)));
            }
        }
        Ok(None)
    }

    /// What was written to this user by name, and came to effect late, may have landed on
    /// whoever has the name by now. They are looked at before this account is closed, so that a
    /// crash in between repeats it. Nothing lands later: it was begun under a lease that ended
    /// before this claim.
    async fn look_at_namesake(&self, other: &AccountId) -> Result<(), Stop> {
        if !self.claimed.is_held() {
            return Ok(());
        }
        let look = wake(DRIFT, other.clone(), None, self.now);
        self.worker.converge_boxed(other, vec![look], self.invocation).await
    }

    /// That they are held, or closed, was perhaps written to whoever has the name by now. Whose
    /// account was never decided would look like one that the ledger has forgotten.
    async fn take_back_what_landed(&self, name: &str, other: &AccountId) -> Result<(), Stop> {
        let access = self.committed();
        let told = access.attributes.plan.as_deref().is_some_and(says_refused);
        let refused = told || access.hold.is_some() || access.closed.is_some() || self.account.open;
        if !refused || !self.claimed.is_held() {
            return Ok(());
        }
        if self.ledger().account(other).await?.is_none_or(|it| it.known() < Known::Decided) {
            self.in_time()?;
            self.worker.ports.users().write_attributes(name, &Attributes::default()).await?;
        }
        Ok(())
    }

    /// Stops where the user has chosen another account's sub as their name: whatever is written
    /// to that account's user by its sub would land here. That account is looked at first, and
    /// known by its user's own name from then on; and nothing that has landed here stays. Whoever
    /// was served before the other had an account has never been taken for them.
    async fn must_be_nobody_elses_sub(
        &self,
        found_by: &str,
        user: &UserRecord,
    ) -> Result<(), Stop> {
        let is_own = user.username == user.id.as_str();
        if is_own || !is_like_a_sub(&user.username) || !self.account.is_unserved() {
            return Ok(());
        }
        let Ok(other) = AccountId::parse(&user.username) else { return Ok(()) };
        let known = self.ledger().account(&other).await?;
        if known.is_none_or(|it| it.is_left_blank() || it.is_closed()) {
            return Ok(());
        }
        self.look_at_namesake(&other).await?;
        if self.claimed.is_held() && user.attributes != Attributes::default() {
            self.in_time()?;
            // By the name that led here: their own sub may be yet another user's name.
            self.worker.ports.users().write_attributes(found_by, &Attributes::default()).await?;
        }
        Err(Stop::NamedAsSub { other })
    }
}
