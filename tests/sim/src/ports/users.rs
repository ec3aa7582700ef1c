//! Cognito as a port: what the workers ask of a user pool, and its people by their accounts.

use std::collections::BTreeMap;
use std::ops::Deref;

use tollgate_core::account::{Attributes, KeyId};
use tollgate_core::person::VerifiedEmail;
use tollgate_core::ports::{
    Class, NameHolder, Page, PortError, PortResult, Service, UserRecord, Users,
};
use tollgate_events::AccountId;

use tollgate_standin::cognito::{Code, CognitoError, CognitoStandin, PAGE, User, UserStatus};

use super::Gated;
use crate::gate::failure;
use crate::planted::Bug;

const API_ID: &str = "custom:apiid";
const PLAN: &str = "custom:plan";

impl Users for Gated<CognitoStandin> {
    fn pool_id(&self) -> String {
        self.config().pool_id.clone()
    }

    async fn user(&self, username: &str, id: &AccountId) -> PortResult<NameHolder> {
        let act = || match self.lookup(username) {
            Ok(user) if user.sub == id.as_str() || self.gate.has(Bug::NamesakeTaken) => {
                Ok(NameHolder::Account(self.read(&user)))
            }
            Ok(user) => Ok(NameHolder::Namesake(account(&user.sub))),
            Err(error) if error.code == Code::UserNotFound => Ok(NameHolder::Nobody),
            Err(error) => Err(classified("AdminGetUser", &error)),
        };
        self.gate.pass(Service::Cognito, "AdminGetUser", id.as_str(), act).await
    }

    async fn find(&self, account: &AccountId) -> PortResult<Option<UserRecord>> {
        let filter = format!("sub = \"{account}\"");
        let act = || {
            let (users, _) = self
                .list(Some(&filter), 1, None)
                .map_err(|error| classified("ListUsers", &error))?;
            Ok(users.first().map(record))
        };
        self.gate.pass(Service::Cognito, "ListUsers", account.as_str(), act).await
    }

    async fn with_email(&self, email: &str) -> PortResult<Vec<UserRecord>> {
        let escaped = email.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = format!("email = \"{escaped}\"");
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let act = || {
                self.list(Some(&filter), PAGE, page.as_deref())
                    .map_err(|error| classified("ListUsers", &error))
            };
            let (users, next) = self.gate.pass(Service::Cognito, "ListUsers", "", act).await?;
            found.extend(users.iter().map(record));
            page = next;
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    async fn all_users(&self, page: Option<&str>) -> PortResult<Page<UserRecord>> {
        let act = || {
            let (users, next) =
                self.list(None, PAGE, page).map_err(|error| classified("ListUsers", &error))?;
            Ok(Page::whole(users.iter().map(|user| self.listed(user)).collect(), next))
        };
        self.gate.pass(Service::Cognito, "ListUsers", "", act).await
    }

    async fn write_attributes(&self, username: &str, attributes: &Attributes) -> PortResult<()> {
        let operation = "AdminUpdateUserAttributes";
        let (this, name, attributes) = (self.clone(), username.to_owned(), wire(attributes));
        let act =
            move || this.write(&name, attributes).map_err(|error| classified(operation, &error));
        self.gate.pass_write(Service::Cognito, operation, self.subject(username), act).await
    }
}

impl Gated<CognitoStandin> {
    fn listed(&self, user: &User) -> UserRecord {
        let mut read = record(user);
        let word = read.attributes.plan.as_deref();
        let is_shut = matches!(word, Some("held" | "closed"));
        if is_shut && self.gate.has(Bug::WordNotRead) {
            read.attributes.plan = None;
        }
        read
    }

    fn read(&self, user: &User) -> UserRecord {
        let read = self.listed(user);
        let blind = self.gate.has(Bug::AttributesNotRead);
        if blind { UserRecord { attributes: Attributes::default(), ..read } } else { read }
    }
}

/// People who sign up, by their accounts.
impl Gated<CognitoStandin> {
    /// As [`CognitoStandin::sign_up_confirmed`].
    ///
    /// # Errors
    /// As there.
    pub fn sign_up_confirmed(
        &self,
        username: &str,
        email: &str,
    ) -> Result<AccountId, CognitoError> {
        (**self).sign_up_confirmed(username, email).map(|sub| account(&sub))
    }

    /// As [`CognitoStandin::sign_up_unconfirmed`].
    ///
    /// # Errors
    /// As there.
    pub fn sign_up_unconfirmed(
        &self,
        username: &str,
        email: &str,
    ) -> Result<AccountId, CognitoError> {
        (**self).sign_up_unconfirmed(username, email).map(|sub| account(&sub))
    }

    /// As [`CognitoStandin::admin_create_user`].
    ///
    /// # Errors
    /// As there.
    pub fn admin_create_user(
        &self,
        username: &str,
        email: &str,
    ) -> Result<AccountId, CognitoError> {
        (**self).admin_create_user(username, email).map(|sub| account(&sub))
    }

    /// As [`CognitoStandin::federated_sign_in`].
    ///
    /// # Errors
    /// As there.
    pub fn federated_sign_in(
        &self,
        provider: &str,
        user_id: &str,
        email: &str,
    ) -> Result<AccountId, CognitoError> {
        (**self).federated_sign_in(provider, user_id, email).map(|sub| account(&sub))
    }

    /// Every user as they are, by user name.
    pub fn users(&self) -> Vec<PoolUser> {
        (**self).users().into_iter().map(PoolUser::from).collect()
    }

    /// The user of an account.
    pub fn user_by_id(&self, id: &AccountId) -> Option<PoolUser> {
        (**self).user_by_sub(id.as_str()).map(PoolUser::from)
    }
}

/// A user of the pool by their account.
#[derive(Debug, Clone)]
pub struct PoolUser {
    /// Their account.
    pub id: AccountId,
    user: User,
}

impl From<User> for PoolUser {
    fn from(user: User) -> Self {
        Self { id: account(&user.sub), user }
    }
}

impl Deref for PoolUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

/// The account of a user is their `sub`.
fn account(sub: &str) -> AccountId {
    AccountId::parse(sub).expect("a sub is a UUID")
}

fn record(user: &User) -> UserRecord {
    let api_id = user.attribute(API_ID).and_then(|value| KeyId::parse(value).ok());
    let plan = user.attribute(PLAN).map(str::to_owned);
    UserRecord {
        id: account(&user.sub),
        username: user.username.clone(),
        federated: user.is_federated(),
        enabled: user.enabled,
        confirmed: matches!(user.status, UserStatus::Confirmed | UserStatus::ExternalProvider),
        email: VerifiedEmail::of(
            user.attribute("email"),
            user.attribute("email_verified") == Some("true"),
        ),
        attributes: Attributes { api_id, plan },
    }
}

fn wire(attributes: &Attributes) -> BTreeMap<String, String> {
    let api_id = attributes.api_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let plan = attributes.plan.clone().unwrap_or_default();
    [(API_ID.to_owned(), api_id), (PLAN.to_owned(), plan)].into()
}

fn classified(operation: &'static str, error: &CognitoError) -> PortError {
    let class = match error.code {
        Code::UserNotFound => Class::NotFound,
        // A missing pool must not read as "the user is gone".
        Code::ResourceNotFound | Code::NotAuthorized => Class::Denied,
        _ => Class::Invalid,
    };
    failure(Service::Cognito, operation, class, error.to_string())
}
