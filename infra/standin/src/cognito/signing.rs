//! The key that a pool signs its tokens with.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Map, Value, json};

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is no RS256 token with Cognito's claims.
    #[error("the token is not one of a user pool")]
    Malformed,
    /// It is signed with another key, or was changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// Its time has passed.
    #[error("the token has expired")]
    Expired,
    /// It is of another pool.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is for another app client.
    #[error("the token is for another app client")]
    Audience,
    /// It is an access token where an ID token is asked for, or the other way round.
    #[error("the token is for another use")]
    Use,
}

/// The pool's signing key.
pub(super) struct SigningKey {
    pair: KeyPair,
    id: String,
    public: PublicKeyComponents<Vec<u8>>,
}

impl SigningKey {
    pub(super) fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
        let public = PublicKeyComponents::from(pair.public_key());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public.n);
        Self { pair, id: BASE64.encode(digest), public }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "kid": self.id, "alg": "RS256" });
        let [header, claims] = [&header, claims].map(|part| BASE64.encode(part.to_string()));
        let text = format!("{header}.{claims}");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("the buffer has the modulus's length");
        format!("{text}.{}", BASE64.encode(signature))
    }

    /// The claims of a token that this key signed.
    pub(super) fn open(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        let (text, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = text.split_once('.').ok_or(TokenError::Malformed)?;
        let header = decode(header)?;
        if header.get("alg") != Some(&json!("RS256")) {
            return Err(TokenError::Malformed);
        }
        let signature = BASE64.decode(signature).map_err(|_| TokenError::Malformed)?;
        self.public
            .verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        decode(claims)
    }

    pub(super) fn jwks(&self) -> Value {
        let [n, e] = [&self.public.n, &self.public.e].map(|number| BASE64.encode(number));
        json!({ "keys": [
            { "kid": self.id, "alg": "RS256", "kty": "RSA", "use": "sig", "n": n, "e": e }
        ] })
    }
}

fn decode(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = BASE64.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}
