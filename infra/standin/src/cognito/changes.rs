//! The steps that actions are made of: users added, changed and removed, codes
//! sent and used. No trigger is fired here.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::CognitoStandin;
use super::cloudtrail::Act;
use super::error::{Code, CognitoError};
use super::model::State;
use super::schema::AppClient;
use super::user::{User, UserStatus};

type Attributes = BTreeMap<String, String>;
type Result<T> = std::result::Result<T, CognitoError>;

impl CognitoStandin {
    /// `SignUp`. The code is kept for [`code`](Self::code).
    pub(super) fn sign_up(
        &self,
        client: &AppClient,
        username: &str,
        password: &SecretString,
        attributes: Attributes,
    ) -> Result<User> {
        check_password(password)?;
        self.config().check_user_may_write(client, &attributes)?;
        self.config().check_new(&attributes)?;
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
        self.config().check_new(&attributes)?;
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

    /// `ResendConfirmationCode`. The code is kept for [`code`](Self::code).
    pub(super) fn resend_code(&self, username: &str) -> Result<()> {
        let user = self.lookup(username)?;
        if user.status != UserStatus::Unconfirmed {
            return Err(CognitoError::invalid("User is already confirmed."));
        }
        self.send_code(&user.username);
        Ok(())
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

    /// `AdminSetUserPassword`, permanent: gives a user a password of their own; they
    /// are confirmed by that.
    ///
    /// # Errors
    /// [`Code::UserNotFound`]; [`Code::InvalidPassword`] when it is too short.
    pub fn set_password(&self, username: &str, password: SecretString) -> Result<User> {
        check_password(&password)?;
        self.change(username, |user| {
            user.password = Some(password);
            user.status = UserStatus::Confirmed;
            Ok(())
        })
    }

    /// What a call is logged under: the sub, since a user name may be personal data.
    pub fn subject(&self, username: &str) -> String {
        self.lookup(username).map(|user| user.sub).unwrap_or_default()
    }

    /// The user by any name that admin calls take.
    ///
    /// # Errors
    /// `UserNotFoundException`.
    pub fn lookup(&self, name: &str) -> Result<User> {
        let state = self.lock();
        let found = state.users.find(name, self.config().email_as_username);
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

    pub(super) fn confirmed(&self, username: &str) -> Result<User> {
        self.change(username, |user| {
            user.status = UserStatus::Confirmed;
            if user.attributes.contains_key("email") {
                user.attributes.insert("email_verified".into(), "true".into());
            }
            Ok(())
        })
    }

    pub(super) fn add(
        &self,
        name: &str,
        password: Option<SecretString>,
        mut attributes: Attributes,
        status: UserStatus,
    ) -> Result<User> {
        let now = self.clock.time();
        let mut state = self.lock();
        let by_email = self.config().email_as_username && status != UserStatus::ExternalProvider;
        if by_email && !name.contains('@') {
            return Err(CognitoError::invalid("Username should be an email."));
        }
        if state.users.has_name(name, by_email) {
            return Err(CognitoError::new(Code::UsernameExists, "User already exists"));
        }
        let sub = state.uuid();
        if by_email {
            attributes.insert("email".into(), name.into());
        }
        if attributes.contains_key("email") {
            attributes.entry("email_verified".into()).or_insert_with(|| "false".into());
        }
        let mut user = User {
            username: if by_email { sub.clone() } else { name.to_owned() },
            sub,
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

    pub(super) fn set_enabled(&self, name: &str, enabled: bool) -> Result<()> {
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

    pub(super) fn remove(&self, name: &str, act: Act) -> Result<()> {
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
        state.record(act, user, &self.config(), now);
    }

    /// Changes a user, or not at all when `act` refuses.
    pub(super) fn change(
        &self,
        name: &str,
        act: impl FnOnce(&mut User) -> Result<()>,
    ) -> Result<User> {
        let now = self.clock.time();
        let mut state = self.lock();
        let found = state.users.find(name, self.config().email_as_username);
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
}

pub(super) fn disabled() -> CognitoError {
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
