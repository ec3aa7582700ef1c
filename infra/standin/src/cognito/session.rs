//! Signing in: passwords, the new-password challenge, refresh tokens.
//!
//! Triggers are called before tokens are made, and tokens hold the attributes as
//! they are then.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::CognitoStandin;
use super::changes::check_password;
use super::error::CognitoError;
use super::model::Session;
use super::tokens::{REFRESH_LIFE, SCOPE, Tokens};
use super::triggers::{Occasion, Token};
use super::user::{User, UserStatus};

/// What a sign-in came to.
#[derive(Debug)]
pub enum SignIn {
    /// Signed in.
    Tokens(Tokens),
    /// The temporary password was right, and must be changed now
    /// (`NEW_PASSWORD_REQUIRED`).
    NewPassword {
        /// To be handed back with the new password.
        session: String,
        /// Who signs in.
        username: String,
    },
}

impl CognitoStandin {
    /// `InitiateAuth` with `USER_PASSWORD_AUTH`.
    ///
    /// # Errors
    /// [`CognitoError`], a trigger's failure among them.
    pub async fn sign_in_with_password(
        &self,
        client: &str,
        username: &str,
        password: &SecretString,
    ) -> Result<SignIn, CognitoError> {
        self.config().client(client)?;
        let user = self.with_password(username, password)?;
        if user.status == UserStatus::ForceChangePassword {
            return Ok(self.challenge(user.username, client));
        }
        self.enter(&user, client, Token::Authentication).await.map(SignIn::Tokens)
    }

    /// The user whose password it is, and who may sign in.
    pub(super) fn with_password(
        &self,
        username: &str,
        password: &SecretString,
    ) -> Result<User, CognitoError> {
        let wrong = || CognitoError::not_authorized("Incorrect username or password.");
        let user = self.lookup(username).map_err(|_| wrong())?;
        let set = user.password.as_ref().ok_or_else(wrong)?;
        if set.expose_secret() != password.expose_secret() {
            return Err(wrong());
        }
        self.may_sign_in(&user.username)
    }

    /// `RespondToAuthChallenge` with `NEW_PASSWORD_REQUIRED`.
    ///
    /// # Errors
    /// [`CognitoError`], a trigger's failure among them.
    pub async fn answer_new_password(
        &self,
        client: &str,
        session: &str,
        username: &str,
        password: SecretString,
    ) -> Result<Tokens, CognitoError> {
        check_password(&password)?;
        let user = self.lookup(username)?;
        let expected = (user.username.clone(), client.to_owned());
        if self.lock().challenges.get(session) != Some(&expected) {
            let message = "Invalid session for the user.";
            return Err(CognitoError::not_authorized(message));
        }
        self.lock().challenges.remove(session);
        self.may_sign_in(&user.username)?;
        let user = self.set_password(&user.username, password)?;
        self.enter(&user, client, Token::NewPasswordChallenge).await
    }

    /// `InitiateAuth` with `REFRESH_TOKEN_AUTH`; answers no new refresh token.
    ///
    /// # Errors
    /// [`CognitoError`], a trigger's failure among them.
    pub async fn sign_in_with_refresh_token(
        &self,
        client: &str,
        token: &str,
    ) -> Result<Tokens, CognitoError> {
        self.config().client(client)?;
        let invalid = || CognitoError::not_authorized("Invalid Refresh Token");
        let session = self.lock().sessions.get(token).cloned();
        let session = session.filter(|session| session.client == client).ok_or_else(invalid)?;
        if self.clock.time().duration_since(session.signed_in) > REFRESH_LIFE {
            return Err(CognitoError::not_authorized("Refresh Token has expired"));
        }
        let user = self.may_sign_in(&session.username)?;
        self.fire(&user, client, &[Occasion::Token(Token::RefreshTokens)]).await?;
        self.issue(&session)
    }

    fn challenge(&self, username: String, client: &str) -> SignIn {
        let mut state = self.lock();
        let session = state.opaque();
        state.challenges.insert(session.clone(), (username.clone(), client.to_owned()));
        SignIn::NewPassword { session, username }
    }

    async fn enter(&self, user: &User, client: &str, token: Token) -> Result<Tokens, CognitoError> {
        let occasions = [Occasion::PostAuthentication, Occasion::Token(token)];
        self.fire(user, client, &occasions).await?;
        let session = Session {
            username: user.username.clone(),
            sub: user.sub.clone(),
            client: client.to_owned(),
            signed_in: self.clock.time(),
            origin: self.lock().uuid(),
            scope: SCOPE.to_owned(),
            nonce: None,
        };
        self.begin_session(session)
    }

    /// The first tokens of a session; later ones repeat no nonce.
    pub(super) fn begin_session(&self, session: Session) -> Result<Tokens, CognitoError> {
        let tokens = self.issue(&session)?;
        let mut state = self.lock();
        let refresh = state.opaque();
        state.sessions.insert(refresh.clone(), Session { nonce: None, ..session });
        Ok(Tokens { refresh_token: Some(refresh), ..tokens })
    }

    /// The user of an access token.
    pub(super) fn user_of_access_token(&self, token: &str) -> Result<(User, String), CognitoError> {
        let (sub, client) = self
            .verify_access_token(token)
            .map_err(|_| CognitoError::not_authorized("Invalid Access Token"))?;
        let user = self.user_by_sub(&sub).ok_or_else(CognitoError::user_not_found)?;
        Ok((user, client))
    }

    /// `UpdateUserAttributes`: what users write of themselves.
    pub(super) fn write_own(
        &self,
        token: &str,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), CognitoError> {
        let (user, client) = self.user_of_access_token(token)?;
        self.config().check_user_may_write(self.config().client(&client)?, &attributes)?;
        self.write(&user.username, attributes)
    }

    /// The user of a session that is still the one who signed in.
    pub(super) fn user_of(&self, session: &Session) -> Result<User, CognitoError> {
        let user = self.lookup(&session.username)?;
        if user.sub != session.sub {
            return Err(CognitoError::not_authorized("Invalid Refresh Token"));
        }
        Ok(user)
    }
}
