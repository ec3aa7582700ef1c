//! The Cognito user pool.

use std::future::Future;

use tollgate_events::AccountId;

use super::failure::PortResult;
use super::page::Page;
use crate::account::{Attributes, is_like_a_sub};
use crate::person::VerifiedEmail;

/// A Cognito user, as far as Tollgate looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The `sub`.
    pub id: AccountId,
    /// The user name.
    pub username: String,
    /// Whether they come from a third-party identity provider (`EXTERNAL_PROVIDER`).
    pub federated: bool,
    /// Whether they may sign in.
    pub enabled: bool,
    /// Whether they have signed in, or could, without anything left to do: `CONFIRMED`, or
    /// of an identity provider. Not those who never gave the code (`UNCONFIRMED`), nor those
    /// for whom an administrator chose a password that they have not changed yet.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html>
    pub confirmed: bool,
    /// The e-mail address, where Cognito has verified it. Anybody can claim another's.
    pub email: Option<VerifiedEmail>,
    /// Tollgate's attributes.
    pub attributes: Attributes,
}

impl UserRecord {
    /// Whether what stands in their attributes was meant for them: what is written to another user
    /// by their sub lands on whoever has chosen that for a name.
    pub fn is_meant(&self) -> bool {
        !is_like_a_sub(&self.username) || self.username == self.id.as_str()
    }

    /// What admin calls are best made with: the sub, which is never given again and is no
    /// personal data; for federated users only the user name works.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUpdateUserAttributes.html>
    pub fn admin_name(&self) -> &str {
        if self.federated { &self.username } else { self.id.as_str() }
    }
}

/// Who has a user name. A name is free again after its user's deletion, a sub never is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameHolder {
    /// The account that was asked for.
    Account(UserRecord),
    /// Another account, by now.
    Namesake(AccountId),
    /// Nobody.
    Nobody,
}

impl NameHolder {
    /// The account that was asked for, if it has the name.
    pub fn account(self) -> Option<UserRecord> {
        match self {
            Self::Account(user) => Some(user),
            Self::Namesake(_) | Self::Nobody => None,
        }
    }
}

/// The Cognito user pool.
pub trait Users: Send + Sync {
    /// Which pool is asked: its id. No call.
    fn pool_id(&self) -> String;

    /// `AdminGetUser`, by user name: who has it now.
    fn user(
        &self,
        username: &str,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<NameHolder>> + Send;

    /// `ListUsers` filtered by sub; may lag behind. Works for federated users too.
    fn find(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<UserRecord>>> + Send;

    /// `ListUsers` filtered by e-mail address, every page; may lag behind. Several users can have
    /// one address: a local one, and one of each identity provider. The address is never logged.
    fn with_email(&self, email: &str) -> impl Future<Output = PortResult<Vec<UserRecord>>> + Send;

    /// `ListUsers`: all users, one page of up to 60.
    fn all_users(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<UserRecord>>> + Send;

    /// `AdminUpdateUserAttributes`: writes both attributes (an absent one as empty).
    /// [`Class::Invalid`](super::Class::Invalid) when the pool does not define them, [`Class::NotFound`](super::Class::NotFound) without the user.
    fn write_attributes(
        &self,
        username: &str,
        attributes: &Attributes,
    ) -> impl Future<Output = PortResult<()>> + Send;
}
