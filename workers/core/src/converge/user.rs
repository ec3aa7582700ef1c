//! The Cognito user of an account: who they are, and by which name admin calls reach them.

use tollgate_events::{AccountId, cloudtrail};

use super::namesake::Namesake;
use super::{Run, Stop};
use crate::account::{Attributes, User, is_like_a_sub};
use crate::decide::UserFact;
use crate::ports::{Ledger, NameHolder, PortResult, Ports, UserRecord, Users};

impl<P: Ports> Run<'_, P> {
    /// Looks the user up where there is a reason to: they were never seen or were
    /// missing, the account was found open, or not (only) Stripe woke it.
    pub(super) async fn user(&mut self) -> Result<(UserFact, Vec<Namesake>), Stop> {
        self.account.deletion_told |= self.inbox.woken_by(cloudtrail::USER_DELETED);
        match &self.account.user {
            // Nobody looks for them any more, but somebody may tell only now.
            User::Deleted if self.account.deletion_told => {
                return Ok((UserFact::NotFound { delete_seen: true }, Vec::new()));
            }
            User::Deleted => return Ok((UserFact::AsLastSeen, Vec::new())),
            User::Present { .. }
                if !self.look_at_user
                    && !self.claimed.found_open()
                    && !self.inbox.woken_from_elsewhere()
                    && !self.inbox.tells_of_dispute() =>
            {
                return Ok((UserFact::AsLastSeen, Vec::new()));
            }
            User::Present { .. } | User::Missing { .. } | User::Unseen => {}
        }
        let mut namesakes = Vec::new();
        let Some((username, user)) = self.find_user(&mut namesakes).await? else {
            let delete_seen = self.account.deletion_told;
            return Ok((UserFact::NotFound { delete_seen }, namesakes));
        };
        namesakes.extend(self.whose_sub_is_the_name(&username, &user).await?);
        self.evidence.is_meant = user.is_meant();
        self.attributes_read = Some(user.attributes);
        self.email = user.email;
        Ok((UserFact::Found { username, enabled: user.enabled }, namesakes))
    }

    /// The user, and the name by which they were found.
    ///
    /// A local user is asked for by their sub. That nobody answers to it proves nothing, and that
    /// somebody else does proves less: in a pool whose users choose their names, one may choose
    /// another's sub. So the listing is asked, which compares subs; and whoever it shows is read by
    /// name, because the listing lags and this does not.
    async fn find_user(
        &self,
        namesakes: &mut Vec<Namesake>,
    ) -> PortResult<Option<(String, UserRecord)>> {
        let (users, id) = (self.worker.ports.users(), &self.account.id);
        let name = self.account.user.username();
        if let Some(name) = name {
            match users.user(name, id).await? {
                NameHolder::Account(user) => return Ok(Some((name.to_owned(), user))),
                NameHolder::Namesake(other) if name != id.as_str() => {
                    namesakes.push(Namesake::HasTheName { name: name.to_owned(), other });
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

    /// Whose sub the user has chosen as their name, where that is another account's.
    async fn whose_sub_is_the_name(
        &self,
        found_by: &str,
        user: &UserRecord,
    ) -> PortResult<Option<Namesake>> {
        let is_own = user.username == user.id.as_str();
        if is_own || !is_like_a_sub(&user.username) || !self.account.is_unserved() {
            return Ok(None);
        }
        let Ok(other) = AccountId::parse(&user.username) else { return Ok(None) };
        let known = self.ledger().account(&other).await?;
        if known.is_none_or(|it| it.is_left_blank() || it.is_closed()) {
            return Ok(None);
        }
        let (found_by, told) = (found_by.to_owned(), user.attributes != Attributes::default());
        Ok(Some(Namesake::NamedAsSub { other, found_by, told }))
    }
}
