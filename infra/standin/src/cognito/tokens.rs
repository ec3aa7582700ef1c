//! ID and access tokens: RS256 JSON Web Tokens with Cognito's claims.
//!
//! Verifying is what an authorizer does: signature, issuer, audience, use and
//! time. Whether the user still exists is no part of it, as with Cognito.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-with-identity-providers.html>

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::CognitoStandin;
use super::error::CognitoError;
use super::model::Session;
use super::signing::{SigningKey, TokenError};
use super::user::User;

/// The scope of tokens that come from the API, not from the hosted page.
pub(super) const SCOPE: &str = "aws.cognito.signin.user.admin";

/// ID and access tokens live an hour.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Refresh tokens live 30 days.
pub(super) const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a sign-in returns.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Says who the user is, with their attributes.
    pub id_token: String,
    /// Lets the user act on themselves.
    pub access_token: String,
    /// Gets new tokens; absent where it was just used for that.
    pub refresh_token: Option<String>,
    /// How long the first two live.
    pub expires_in: SignedDuration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// An ID token's claims, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The `sub`.
    pub sub: String,
    /// All of them, as the token has them.
    pub all: Map<String, Value>,
}

impl CognitoStandin {
    /// Who the tokens say they come from.
    pub fn issuer(&self) -> String {
        format!("{}/{}", self.lock().endpoint, self.config().pool_id)
    }

    /// The pool's JSON Web Key Set, as served at `/<pool>/.well-known/jwks.json`.
    pub fn jwks(&self) -> Value {
        self.signing_key().jwks()
    }

    /// Verifies an ID token as an authorizer of this pool does.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify_id_token(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = self.verify(token, "id", "aud")?;
        Ok(Claims { sub: subject(&claims)?, all: claims })
    }

    /// The user and the app client of an access token.
    pub(super) fn verify_access_token(&self, token: &str) -> Result<(String, String), TokenError> {
        let claims = self.verify(token, "access", "client_id")?;
        let client = claims["client_id"].as_str().ok_or(TokenError::Malformed)?;
        Ok((subject(&claims)?, client.to_owned()))
    }

    /// Makes the tokens of a session from the user as they are now.
    pub(super) fn issue(&self, session: &Session) -> Result<Tokens, CognitoError> {
        let user = self.user_of(session)?;
        let common = self.common_claims(session);
        let id = with(&common, id_claims(&user, session));
        let access = with(&common, access_claims(&user, session));
        let key = self.signing_key();
        Ok(Tokens {
            id_token: key.sign(&id),
            access_token: key.sign(&access),
            refresh_token: None,
            expires_in: LIFE,
        })
    }

    fn common_claims(&self, session: &Session) -> Map<String, Value> {
        let now = self.clock.time();
        let issuer = self.issuer();
        let token = self.lock().uuid();
        let claims = json!({
            "sub": session.sub,
            "iss": issuer,
            "origin_jti": session.origin,
            "jti": token,
            "auth_time": session.signed_in.as_second(),
            "iat": now.as_second(),
            "exp": (now + LIFE).as_second(),
        });
        claims.as_object().cloned().unwrap_or_default()
    }

    fn verify(
        &self,
        token: &str,
        used_for: &str,
        audience: &str,
    ) -> Result<Map<String, Value>, TokenError> {
        let claims = self.signing_key().open(token)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("iss") != self.issuer() {
            return Err(TokenError::Issuer);
        }
        if text("token_use") != used_for {
            return Err(TokenError::Use);
        }
        if self.config().client(text(audience)).is_err() {
            return Err(TokenError::Audience);
        }
        if expiry(&claims)? <= self.clock.time() {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    fn signing_key(&self) -> &SigningKey {
        self.key.get_or_init(SigningKey::generate)
    }
}

fn subject(claims: &Map<String, Value>) -> Result<String, TokenError> {
    let sub = claims.get("sub").and_then(Value::as_str).ok_or(TokenError::Malformed)?;
    Ok(sub.to_owned())
}

fn expiry(claims: &Map<String, Value>) -> Result<Timestamp, TokenError> {
    let second = claims.get("exp").and_then(Value::as_i64).ok_or(TokenError::Malformed)?;
    Timestamp::from_second(second).map_err(|_| TokenError::Malformed)
}

fn id_claims(user: &User, session: &Session) -> Map<String, Value> {
    let mut claims: Map<String, Value> =
        user.attributes.iter().map(|(name, value)| (name.clone(), claim(name, value))).collect();
    claims.insert("token_use".into(), json!("id"));
    claims.insert("aud".into(), json!(session.client));
    claims.insert("cognito:username".into(), json!(user.username));
    if let Some(nonce) = &session.nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    claims
}

fn access_claims(user: &User, session: &Session) -> Map<String, Value> {
    let claims = [
        ("token_use", json!("access")),
        ("client_id", json!(session.client)),
        ("scope", json!(session.scope)),
        ("username", json!(user.username)),
    ];
    claims.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// An attribute as a claim: two are booleans there, one is JSON.
fn claim(name: &str, value: &str) -> Value {
    match name {
        "email_verified" | "phone_number_verified" => json!(value == "true"),
        "identities" => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        _ => json!(value),
    }
}

fn with(common: &Map<String, Value>, own: Map<String, Value>) -> Value {
    Value::Object(common.clone().into_iter().chain(own).collect())
}
