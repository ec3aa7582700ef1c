//! What administrators and users do to the pool, for tests and simulation, and
//! the same without their triggers for the HTTP face.
//!
//! The public actions keep the triggers that come due for
//! [`take_triggers`](CognitoStandin::take_triggers).

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tollgate_events::AccountId;

use super::CognitoStandin;
use super::cloudtrail::Act;
use super::error::{Code, CognitoError};
use super::model::{State, User, UserStatus};
use super::schema::AppClient;
use super::triggers::{Occasion, Token};

/// The client named in triggers that no app client caused.
const BY_ADMINISTRATOR: &str = "CLIENT_ID_NOT_APPLICABLE";

type Attributes = BTreeMap<String, String>;
type Result<T> = std::result::Result<T, CognitoError>;

impl CognitoStandin {
    /// A local user signs up and confirms: `PostConfirmation_ConfirmSignUp` comes due.
    ///
    /// # Errors
    /// [`Code::UsernameExists`].
    pub fn sign_up_confirmed(&self, username: &str, email: &str) -> Result<AccountId> {
        let attributes = [("email".to_owned(), email.to_owned())].into();
        let user = self.add(username, None, attributes, UserStatus::Unconfirmed)?;
        let user = self.confirmed(&user.username)?;
        self.keep(&user, self.any_client(), &[Occasion::ConfirmSignUp]);
        Ok(user.id)
    }

    /// An administrator makes a user: no trigger comes due, ever, until they sign in.
    ///
    /// # Errors
    /// [`Code::UsernameExists`].
    pub fn admin_create_user(&self, username: &str, email: &str) -> Result<AccountId> {
        let attributes = [("email".to_owned(), email.to_owned())].into();
        Ok(self.add(username, None, attributes, UserStatus::ForceChangePassword)?.id)
    }

    /// A user of a third-party identity provider (`Google`, `123`) signs in on the
    /// hosted page. The first time they are made, and only `PostConfirmation` comes
    /// due; after that `PostAuthentication` and `TokenGeneration_HostedAuth`.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
    ///
    /// # Errors
    /// [`Code::NotAuthorized`] when the user is disabled.
    pub fn federated_sign_in(
        &self,
        provider: &str,
        user_id: &str,
        email: &str,
    ) -> Result<AccountId> {
        let username = format!("{provider}_{user_id}");
        let found = self.lock().users.get(&username).cloned();
        let (user, occasions) = match found {
            Some(user) if !user.enabled => return Err(disabled()),
            Some(user) => {
                let token = Occasion::Token(Token::HostedAuth);
                (user, vec![Occasion::PostAuthentication, token])
            }
            None => {
                let identity = json!([{
                    "userId": user_id, "providerName": provider, "providerType": provider,
                    "issuer": null, "primary": true,
                    "dateCreated": self.clock.time().as_millisecond(),
                }]);
                let attributes = [("email", email), ("identities", &identity.to_string())]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
                let user =
                    self.add(&username, None, attributes.into(), UserStatus::ExternalProvider)?;
                (user, vec![Occasion::ConfirmSignUp])
            }
        };
        self.keep(&user, self.any_client(), &occasions);
        Ok(user.id)
    }

    /// A user signs in; no password is asked. One whom an administrator made changes
    /// their temporary password on the way.
    ///
    /// # Errors
    /// [`Code::UserNotFound`], [`Code::UserNotConfirmed`], or [`Code::NotAuthorized`]
    /// when the user is disabled.
    pub fn sign_in(&self, username: &str) -> Result<()> {
        let user = self.may_sign_in(username)?;
        let token = match user.status {
            UserStatus::ForceChangePassword => Token::NewPasswordChallenge,
            UserStatus::ExternalProvider => Token::HostedAuth,
            UserStatus::Unconfirmed | UserStatus::Confirmed => Token::Authentication,
        };
        let user = match user.status {
            UserStatus::ForceChangePassword => self.confirmed(&user.username)?,
            _ => user,
        };
        let occasions = [Occasion::PostAuthentication, Occasion::Token(token)];
        self.keep(&user, self.any_client(), &occasions);
        Ok(())
    }

    /// A signed-in user asks for new tokens: only `TokenGeneration_RefreshTokens`.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub fn refresh(&self, username: &str) -> Result<()> {
        let user = self.may_sign_in(username)?;
        self.keep(&user, self.any_client(), &[Occasion::Token(Token::RefreshTokens)]);
        Ok(())
    }

    /// `AdminDisableUser`: leaves a CloudTrail record.
    ///
    /// # Errors
    /// [`Code::UserNotFound`].
    pub fn disable_user(&self, username: &str) -> Result<()> {
        self.set_enabled(username, false)
    }

    /// `AdminEnableUser`: leaves a CloudTrail record.
    ///
    /// # Errors
    /// [`Code::UserNotFound`].
    pub fn enable_user(&self, username: &str) -> Result<()> {
        self.set_enabled(username, true)
    }

    /// `AdminDeleteUser`: leaves a CloudTrail record.
    ///
    /// # Errors
    /// [`Code::UserNotFound`].
    pub fn delete_user(&self, username: &str) -> Result<()> {
        self.remove(username, Act::AdminDelete)
    }

    /// `DeleteUser`: users delete themselves; leaves a CloudTrail record.
    ///
    /// # Errors
    /// [`Code::UserNotFound`].
    pub fn delete_self(&self, username: &str) -> Result<()> {
        self.remove(username, Act::Delete)
    }

    /// `AdminUpdateUserAttributes`. An empty value deletes.
    ///
    /// # Errors
    /// [`Code::UserNotFound`]; [`Code::InvalidParameter`] when the schema is in the way.
    pub fn write(&self, username: &str, attributes: Attributes) -> Result<()> {
        self.change(username, |user| {
            self.config.check_update(&attributes)?;
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
    pub fn user_by_id(&self, id: &AccountId) -> Option<User> {
        self.lock().users.all().find(|user| user.id == *id).cloned()
    }

    /// The code that was sent to a user last, while it is good.
    pub fn code(&self, username: &str) -> Option<String> {
        let state = self.lock();
        let user = state.users.find(username, self.config.email_as_username)?;
        state.codes.get(&user.username).cloned()
    }

    /// `SignUp`. The code is kept for [`code`](Self::code).
    pub(super) fn sign_up(
        &self,
        client: &AppClient,
        username: &str,
        password: &SecretString,
        attributes: Attributes,
    ) -> Result<User> {
        check_password(password)?;
        self.config.check_user_may_write(client, &attributes)?;
        self.config.check_new(&attributes)?;
        let user =
            self.add(username, Some(password.clone()), attributes, UserStatus::Unconfirmed)?;
        self.send_code(&user.username);
        Ok(user)
    }

    /// `AdminCreateUser`.
    pub(super) fn admin_create(
        &self,
        username: &str,
        temporary: Option<SecretString>,
        attributes: Attributes,
    ) -> Result<User> {
        temporary.as_ref().map_or(Ok(()), check_password)?;
        self.config.check_new(&attributes)?;
        self.add(username, temporary, attributes, UserStatus::ForceChangePassword)
    }

    /// `ConfirmSignUp`, up to its trigger.
    pub(super) fn confirm_sign_up(&self, username: &str, code: &str) -> Result<User> {
        let user = self.lookup(username)?;
        if user.status != UserStatus::Unconfirmed {
            let status = user.status.name();
            let message = format!("User cannot be confirmed. Current status is {status}");
            return Err(CognitoError::not_authorized(message));
        }
        self.use_code(&user.username, code)?;
        self.confirmed(&user.username)
    }

    /// `ForgotPassword`. The code is kept for [`code`](Self::code).
    pub(super) fn forgot_password(&self, username: &str) -> Result<()> {
        let user = self.lookup(username)?;
        if user.is_federated() || user.status == UserStatus::ForceChangePassword {
            let message = "User password cannot be reset in the current state.";
            return Err(CognitoError::not_authorized(message));
        }
        self.send_code(&user.username);
        Ok(())
    }

    /// `ConfirmForgotPassword`, up to its trigger.
    pub(super) fn confirm_forgot_password(
        &self,
        username: &str,
        code: &str,
        password: SecretString,
    ) -> Result<User> {
        check_password(&password)?;
        let user = self.lookup(username)?;
        self.use_code(&user.username, code)?;
        self.set_password(&user.username, password)
    }

    /// Gives a user a password of their own; they are confirmed by that.
    pub(super) fn set_password(&self, username: &str, password: SecretString) -> Result<User> {
        self.change(username, |user| {
            user.password = Some(password);
            user.status = UserStatus::Confirmed;
            Ok(())
        })
    }

    /// The user by any name that admin calls take.
    pub(super) fn lookup(&self, name: &str) -> Result<User> {
        let state = self.lock();
        let found = state.users.find(name, self.config.email_as_username);
        found.cloned().ok_or_else(CognitoError::user_not_found)
    }

    /// The user, if nothing but a password stands between them and their tokens.
    pub(super) fn may_sign_in(&self, name: &str) -> Result<User> {
        let user = self.lookup(name)?;
        if !user.enabled {
            return Err(disabled());
        }
        if user.status == UserStatus::Unconfirmed {
            return Err(CognitoError::new(Code::UserNotConfirmed, "User is not confirmed."));
        }
        Ok(user)
    }

    fn confirmed(&self, username: &str) -> Result<User> {
        self.change(username, |user| {
            user.status = UserStatus::Confirmed;
            if user.attributes.contains_key("email") {
                user.attributes.insert("email_verified".into(), "true".into());
            }
            Ok(())
        })
    }

    fn add(
        &self,
        name: &str,
        password: Option<SecretString>,
        mut attributes: Attributes,
        status: UserStatus,
    ) -> Result<User> {
        let now = self.clock.time();
        let mut state = self.lock();
        let by_email = self.config.email_as_username && status != UserStatus::ExternalProvider;
        if by_email && !name.contains('@') {
            return Err(CognitoError::invalid("Username should be an email."));
        }
        if state.users.find(name, by_email).is_some() {
            return Err(CognitoError::new(Code::UsernameExists, "User already exists"));
        }
        let id = AccountId::parse(state.uuid()).expect("a UUID is an identifier");
        if by_email {
            attributes.insert("email".into(), name.into());
        }
        if attributes.contains_key("email") {
            attributes.entry("email_verified".into()).or_insert_with(|| "false".into());
        }
        let mut user = User {
            username: if by_email { id.to_string() } else { name.to_owned() },
            id,
            status,
            enabled: true,
            attributes: Attributes::new(),
            created: now,
            modified: now,
            password,
        };
        user.write(attributes);
        state.users.put(user.clone(), now);
        Ok(user)
    }

    fn set_enabled(&self, name: &str, enabled: bool) -> Result<()> {
        let user = self.change(name, |user| {
            user.enabled = enabled;
            Ok(())
        })?;
        let act = if enabled { Act::AdminEnable } else { Act::AdminDisable };
        self.recorded(act, &user, |state| {
            // A user who is disabled is signed out everywhere.
            if !enabled {
                state.sign_out(&user.username);
            }
        });
        Ok(())
    }

    fn remove(&self, name: &str, act: Act) -> Result<()> {
        let user = self.lookup(name)?;
        let now = self.clock.time();
        self.recorded(act, &user, |state| {
            state.users.remove(&user.username, now);
            state.codes.remove(&user.username);
            state.sign_out(&user.username);
        });
        Ok(())
    }

    fn recorded(&self, act: Act, user: &User, done: impl FnOnce(&mut State)) {
        let now = self.clock.time();
        let mut state = self.lock();
        done(&mut state);
        state.record(act, user, &self.config, now);
    }

    /// Changes a user, or not at all when `act` refuses.
    fn change(&self, name: &str, act: impl FnOnce(&mut User) -> Result<()>) -> Result<User> {
        let now: Timestamp = self.clock.time();
        let mut state = self.lock();
        let found = state.users.find(name, self.config.email_as_username);
        let mut user = found.cloned().ok_or_else(CognitoError::user_not_found)?;
        act(&mut user)?;
        user.modified = now;
        state.users.put(user.clone(), now);
        Ok(user)
    }

    fn send_code(&self, username: &str) {
        let mut state = self.lock();
        let code = state.code();
        state.codes.insert(username.to_owned(), code);
    }

    fn use_code(&self, username: &str, code: &str) -> Result<()> {
        let mut state = self.lock();
        let sent = state.codes.get(username).ok_or_else(|| {
            let message = "Invalid code provided, please request a code again.";
            CognitoError::new(Code::ExpiredCode, message)
        })?;
        if sent != code {
            let message = "Invalid verification code provided, please try again.";
            return Err(CognitoError::new(Code::CodeMismatch, message));
        }
        state.codes.remove(username);
        Ok(())
    }

    fn any_client(&self) -> &str {
        self.config.clients.first().map_or(BY_ADMINISTRATOR, |client| client.id.as_str())
    }
}

fn disabled() -> CognitoError {
    CognitoError::not_authorized("User is disabled.")
}

/// A pool's default policy asks for more; its length is enough to have a rule to break.
pub(super) fn check_password(password: &SecretString) -> Result<()> {
    if password.expose_secret().chars().count() >= 8 {
        return Ok(());
    }
    let message = "Password did not conform with policy: Password not long enough";
    Err(CognitoError::new(Code::InvalidPassword, message))
}
