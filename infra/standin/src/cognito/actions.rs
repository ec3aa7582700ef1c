//! What administrators and users do to the pool, for tests and simulation.
//!
//! Nobody is asked for a password here. The actions keep the triggers that come due for
//! [`take_triggers`](CognitoStandin::take_triggers).

use std::collections::BTreeMap;

use serde_json::json;

use super::CognitoStandin;
use super::changes::disabled;
use super::cloudtrail::Act;
use super::error::CognitoError;
use super::triggers::{Occasion, Token};
use super::user::{User, UserStatus};

/// The client named in triggers that no app client caused.
const BY_ADMINISTRATOR: &str = "CLIENT_ID_NOT_APPLICABLE";

/// What comes due when tokens are asked for on the hosted page.
const HOSTED: Occasion = Occasion::Token(Token::HostedAuth);

type Attributes = BTreeMap<String, String>;
type Result<T> = std::result::Result<T, CognitoError>;

impl CognitoStandin {
    /// A local user signs up and confirms: `PostConfirmation_ConfirmSignUp` comes due.
    ///
    /// # Errors
    /// `UsernameExistsException`.
    pub fn sign_up_confirmed(&self, username: &str, email: &str) -> Result<String> {
        let attributes = [("email".to_owned(), email.to_owned())].into();
        let user = self.add(username, None, attributes, UserStatus::Unconfirmed)?;
        let user = self.confirmed(&user.username)?;
        self.keep(&user, &self.any_client(), &[Occasion::ConfirmSignUp]);
        Ok(user.sub)
    }

    /// A local user signs up and never gives the code.
    ///
    /// # Errors
    /// `UsernameExistsException`.
    pub fn sign_up_unconfirmed(&self, username: &str, email: &str) -> Result<String> {
        let attributes = [("email".to_owned(), email.to_owned())].into();
        Ok(self.add(username, None, attributes, UserStatus::Unconfirmed)?.sub)
    }

    /// An administrator makes a user: no trigger comes due, ever, until they sign in.
    ///
    /// # Errors
    /// `UsernameExistsException`.
    pub fn admin_create_user(&self, username: &str, email: &str) -> Result<String> {
        let attributes = [("email".to_owned(), email.to_owned())].into();
        Ok(self.add(username, None, attributes, UserStatus::ForceChangePassword)?.sub)
    }

    /// A user of a third-party identity provider (`Google`, `123`) signs in on the
    /// hosted page. The first time they are made, and only `PostConfirmation` comes
    /// due; after that `PostAuthentication` and `TokenGeneration_HostedAuth`.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
    ///
    /// # Errors
    /// `NotAuthorizedException` when the user is disabled.
    pub fn federated_sign_in(&self, provider: &str, user_id: &str, email: &str) -> Result<String> {
        let username = format!("{provider}_{user_id}");
        let found = self.lock().users.get(&username).cloned();
        let (user, occasions) = match found {
            Some(user) if !user.enabled => return Err(disabled()),
            Some(user) => (user, &[Occasion::PostAuthentication, HOSTED][..]),
            None => {
                let attributes = self.mapped(provider, user_id, email);
                let status = UserStatus::ExternalProvider;
                (self.add(&username, None, attributes, status)?, &[Occasion::ConfirmSignUp][..])
            }
        };
        self.keep(&user, &self.any_client(), occasions);
        Ok(user.sub)
    }

    /// A user signs in; no password is asked. One whom an administrator made changes
    /// their temporary password on the way.
    ///
    /// # Errors
    /// `UserNotFoundException`, `UserNotConfirmedException`, or `NotAuthorizedException`
    /// when the user is disabled.
    pub fn sign_in(&self, username: &str) -> Result<()> {
        let user = self.may_sign_in(username)?;
        let token = match user.status {
            UserStatus::ForceChangePassword => Token::NewPasswordChallenge,
            UserStatus::ExternalProvider => Token::HostedAuth,
            UserStatus::Unconfirmed | UserStatus::Confirmed => Token::Authentication,
        };
        let user = match user.status {
            UserStatus::ForceChangePassword => self.change(&user.username, |user| {
                user.status = UserStatus::Confirmed;
                Ok(())
            })?,
            _ => user,
        };
        let occasions = [Occasion::PostAuthentication, Occasion::Token(token)];
        self.keep(&user, &self.any_client(), &occasions);
        Ok(())
    }

    /// A signed-in user asks for new tokens: only `TokenGeneration_RefreshTokens`.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub fn refresh(&self, username: &str) -> Result<()> {
        let user = self.may_sign_in(username)?;
        self.keep(&user, &self.any_client(), &[Occasion::Token(Token::RefreshTokens)]);
        Ok(())
    }

    /// `AdminDisableUser`: leaves a CloudTrail record.
    ///
    /// # Errors
    /// `UserNotFoundException`.
    pub fn disable_user(&self, username: &str) -> Result<()> {
        self.set_enabled(username, false)
    }

    /// `AdminEnableUser`: leaves a CloudTrail record.
    ///
    /// # Errors
    /// `UserNotFoundException`.
    pub fn enable_user(&self, username: &str) -> Result<()> {
        self.set_enabled(username, true)
    }

    /// `AdminDeleteUser`: leaves a CloudTrail record.
    ///
    /// # Errors
    /// `UserNotFoundException`.
    pub fn delete_user(&self, username: &str) -> Result<()> {
        self.remove(username, Act::AdminDelete)
    }

    /// `DeleteUser`: users delete themselves; leaves a CloudTrail record.
    ///
    /// # Errors
    /// `UserNotFoundException`.
    pub fn delete_self(&self, username: &str) -> Result<()> {
        self.remove(username, Act::Delete)
    }

    /// `AdminUpdateUserAttributes`. An empty value deletes.
    ///
    /// # Errors
    /// `UserNotFoundException`; `InvalidParameterException` when the schema is in the way.
    pub fn write(&self, username: &str, attributes: Attributes) -> Result<()> {
        self.change(username, |user| {
            self.config().check_update(&attributes)?;
            user.write(attributes);
            Ok(())
        })
        .map(drop)
    }

    /// Every user as they are, by user name.
    pub fn users(&self) -> Vec<User> {
        self.lock().users.all().cloned().collect()
    }

    /// A user as they are, by sub, whichever kind they are.
    pub fn user_by_sub(&self, sub: &str) -> Option<User> {
        self.lock().users.all().find(|user| user.sub == sub).cloned()
    }

    /// The code that was sent to a user last, while it is good.
    pub fn code(&self, username: &str) -> Option<String> {
        let state = self.lock();
        let user = state.users.find(username, self.config().email_as_username)?;
        state.codes.get(&user.username).cloned()
    }

    /// The attributes that a third-party identity provider's user begins with.
    fn mapped(&self, provider: &str, user_id: &str, email: &str) -> Attributes {
        let identity = json!([{
            "userId": user_id,
            "providerName": provider,
            "providerType": provider,
            "issuer": null,
            "primary": true,
            "dateCreated": self.clock.time().as_millisecond(),
        }]);
        [("email".to_owned(), email.to_owned()), ("identities".to_owned(), identity.to_string())]
            .into()
    }

    fn any_client(&self) -> String {
        let config = self.config();
        config.clients.first().map_or(BY_ADMINISTRATOR, |client| client.id.as_str()).to_owned()
    }
}
