//! What is derived from the key-derivation secret: key values, and the proof that
//! a Stripe object was made by us for an account.
//!
//! A key's value is HMAC-SHA256(secret, account ‖ slot ‖ generation ‖ nonce) in
//! hexadecimal: whoever resumes an interrupted mint derives the same value, and
//! API Gateway itself refuses a second key with it. Values are never stored.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tollgate_events::{AccountId, NamedAccount};

use crate::account::{MintIntent, Slot};
use crate::person::{PersonId, VerifiedEmail};

/// An API key's value: shown to its owner, and nowhere else.
#[derive(Clone)]
pub struct KeyValue(SecretString);

impl KeyValue {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself, for API Gateway and for its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyValue(…)")
    }
}

/// The key-derivation secrets, by version. The newest makes new keys and proofs;
/// older ones finish what they began.
#[derive(Debug, Clone)]
pub struct Deriver {
    stack: String,
    secrets: BTreeMap<u32, SecretString>,
    newest: u32,
}

/// What the naming of an account on a Stripe object tells of whose the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Ours: the proof is this deployment's.
    Ours,
    /// Another deployment's on the same Stripe account, by the name that stands there.
    AnotherStack,
    /// This deployment's, by the name that stands there, and the proof is none: somebody wrote
    /// it by hand, or the secret that made it is gone.
    Broken,
    /// No deployment's name, and no proof of ours.
    Unmarked,
}

/// Why derivation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeriveError {
    /// No secret was given.
    #[error("no key-derivation secret is configured; set one of at least 32 characters")]
    NoSecret,
    /// A secret was too short to be one.
    #[error("key-derivation secret {version} has fewer than 32 characters; use a longer one")]
    TooShort {
        /// Which one.
        version: u32,
    },
    /// A key was begun with a secret that is not configured any more.
    #[error("key-derivation secret {version} is not configured; put it back to finish the key")]
    Missing {
        /// Which one.
        version: u32,
    },
}

impl Deriver {
    /// Takes the deployment's name and the secrets, by version.
    ///
    /// # Errors
    /// [`DeriveError`] when there is none, or one has fewer than 32 characters.
    pub fn new(
        stack: impl Into<String>,
        secrets: BTreeMap<u32, SecretString>,
    ) -> Result<Self, DeriveError> {
        let newest = *secrets.keys().next_back().ok_or(DeriveError::NoSecret)?;
        if let Some((&version, _)) =
            secrets.iter().find(|(_, secret)| secret.expose_secret().len() < 32)
        {
            return Err(DeriveError::TooShort { version });
        }
        Ok(Self { stack: stack.into(), secrets, newest })
    }

    /// The version that new keys are made with.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// The value of the key that an intent names: 64 hexadecimal digits (API Gateway
    /// takes 20 to 128 alphanumeric characters).
    ///
    /// # Errors
    /// [`DeriveError::Missing`] when the intent's secret is gone.
    pub fn key_value(
        &self,
        account: &AccountId,
        intent: &MintIntent,
    ) -> Result<KeyValue, DeriveError> {
        let generation = intent.generation.to_string();
        let parts =
            ["key", account.as_str(), Slot::as_str(intent.slot), &generation, &intent.nonce];
        let mac = self.mac(intent.secret_version, &parts)?;
        Ok(KeyValue::new(hex::encode(mac.finalize().into_bytes())))
    }

    /// The account with our proof and this deployment's name, for the metadata of a Stripe object.
    pub fn name(&self, account: &AccountId) -> NamedAccount {
        let mac = self.mac(self.newest, &["account", account.as_str()]).expect("newest is there");
        let proof = format!("{}:{}", self.newest, hex::encode(mac.finalize().into_bytes()));
        let stack = Some(self.stack.clone());
        NamedAccount { id: account.clone(), proof: Some(proof), stack }
    }

    /// What the person with an address is remembered under: by the newest secret.
    pub fn person(&self, email: &VerifiedEmail) -> PersonId {
        self.person_by(self.newest, email).expect("newest is there")
    }

    /// What the person may be remembered under: by each secret that is there.
    pub fn persons(&self, email: &VerifiedEmail) -> Vec<PersonId> {
        let versions = self.secrets.keys().rev();
        versions.filter_map(|version| self.person_by(*version, email).ok()).collect()
    }

    fn person_by(&self, version: u32, email: &VerifiedEmail) -> Result<PersonId, DeriveError> {
        let mac = self.mac(version, &["person", email.expose()])?;
        let id = format!("{version}-{}", hex::encode(mac.finalize().into_bytes()));
        Ok(PersonId::parse(id).expect("it is short, and digits and letters"))
    }

    /// Whose an object is that names an account. Constant time in the proof.
    pub fn reads(&self, named: &NamedAccount) -> Mark {
        match &named.stack {
            Some(stack) if *stack != self.stack => Mark::AnotherStack,
            _ if self.is_proof(named) => Mark::Ours,
            Some(_) => Mark::Broken,
            None => Mark::Unmarked,
        }
    }

    /// Whether an account was named by this deployment.
    pub fn verifies(&self, named: &NamedAccount) -> bool {
        self.reads(named) == Mark::Ours
    }

    fn is_proof(&self, named: &NamedAccount) -> bool {
        let Some((version, digest)) = named.proof.as_deref().and_then(|p| p.split_once(':')) else {
            return false;
        };
        let (Ok(version), Ok(digest)) = (version.parse(), hex::decode(digest)) else {
            return false;
        };
        self.mac(version, &["account", named.id.as_str()])
            .is_ok_and(|mac| mac.verify_slice(&digest).is_ok())
    }

    /// HMAC over length-prefixed parts, so that no two lists of parts are alike.
    fn mac(&self, version: u32, parts: &[&str]) -> Result<Hmac<Sha256>, DeriveError> {
        let secret = self.secrets.get(&version).ok_or(DeriveError::Missing { version })?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deriver(versions: &[u32]) -> Deriver {
        let secret = |v: u32| SecretString::from(format!("{v}-0123456789abcdef0123456789abcdef"));
        Deriver::new("shop", versions.iter().map(|&v| (v, secret(v))).collect()).unwrap()
    }

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).unwrap()
    }

    fn intent(generation: u32, secret_version: u32) -> MintIntent {
        MintIntent { slot: Slot::Primary, generation, secret_version, nonce: "00ff".into() }
    }

    #[test]
    fn a_value_is_reproducible_and_its_own() {
        let d = deriver(&[1, 2]);
        let value = |a: &str, g, v| d.key_value(&account(a), &intent(g, v)).unwrap();
        assert_eq!(value("a", 1, 1).expose(), value("a", 1, 1).expose());
        assert_ne!(value("a", 1, 1).expose(), value("b", 1, 1).expose());
        assert_ne!(value("a", 1, 1).expose(), value("a", 2, 1).expose());
        assert_ne!(value("a", 1, 1).expose(), value("a", 1, 2).expose());
        assert!(value("a", 1, 1).expose().chars().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(value("a", 1, 1).expose().len(), 64);
    }

    #[test]
    fn a_value_survives_the_rotation_of_the_secret_and_says_when_it_cannot() {
        let before = deriver(&[1]).key_value(&account("a"), &intent(1, 1)).unwrap();
        let after = deriver(&[1, 2]).key_value(&account("a"), &intent(1, 1)).unwrap();
        assert_eq!(before.expose(), after.expose());
        let gone = deriver(&[2]).key_value(&account("a"), &intent(1, 1)).unwrap_err();
        assert_eq!(gone, DeriveError::Missing { version: 1 });
    }

    #[test]
    fn only_our_own_proof_of_that_very_account_is_accepted() {
        let d = deriver(&[1]);
        let named = d.name(&account("a"));
        assert!(d.verifies(&named));
        assert!(deriver(&[1, 2]).verifies(&named), "a rotation keeps old proofs");
        let unmarked =
            |id: &str, proof: Option<String>| NamedAccount { id: account(id), proof, stack: None };
        let other = |id: &str, proof: Option<String>| NamedAccount {
            stack: Some("shop".into()),
            ..unmarked(id, proof)
        };
        assert!(d.verifies(&unmarked("a", named.proof.clone())), "made before it was marked");
        assert!(!d.verifies(&other("b", named.proof.clone())));
        assert!(!d.verifies(&other("a", None)));
        for bad in ["", "1:", "1:zz", "x:00", "2:00", "00"] {
            assert_eq!(d.reads(&other("a", Some(bad.into()))), Mark::Broken, "{bad}");
            assert_eq!(d.reads(&unmarked("a", Some(bad.into()))), Mark::Unmarked, "{bad}");
        }
    }

    /// Several deployments share a Stripe account; two of them may share their secrets too.
    #[test]
    fn what_another_stack_made_is_not_ours() {
        let d = deriver(&[1]);
        let theirs = NamedAccount { stack: Some("staging".into()), ..d.name(&account("a")) };
        assert_eq!(d.reads(&theirs), Mark::AnotherStack);
        assert!(!d.verifies(&theirs));
    }

    #[test]
    fn a_value_never_shows_in_debug_output() {
        let value = KeyValue::new("visible");
        assert!(!format!("{value:?}").contains("visible"));
        assert!(!format!("{:?}", deriver(&[1])).contains("0123456789"));
    }

    #[test]
    fn refuses_to_begin_without_a_real_secret() {
        assert_eq!(Deriver::new("shop", BTreeMap::new()).unwrap_err(), DeriveError::NoSecret);
        let short = BTreeMap::from([(3, SecretString::from("short"))]);
        assert_eq!(Deriver::new("shop", short).unwrap_err(), DeriveError::TooShort { version: 3 });
    }
}
