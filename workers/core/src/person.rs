//! Persons: who deletes their user and signs up again is the same one.
//!
//! A hold ends with its account, and a new sub is a new account. So that nobody gets rid of a
//! hold that way, what holds an account is remembered under an HMAC of its user's verified e-mail
//! address: only while it is held, and for some days after it is closed. Whoever has the same
//! address then begins as the other ended.
//!
//! Nothing else is remembered, of nobody else; the address itself is kept nowhere.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tollgate_events::{AccountId, identifier};

identifier!(
    /// An HMAC of a verified e-mail address, with the version of the secret that made it.
    word PersonId
);

/// An e-mail address that Cognito has verified, as people mean it: lower-case, trimmed.
#[derive(Clone)]
pub struct VerifiedEmail(SecretString);

impl VerifiedEmail {
    /// An address, if there is one and it is verified.
    pub fn of(email: Option<&str>, is_verified: bool) -> Option<Self> {
        let email = email.filter(|_| is_verified)?.trim().to_lowercase();
        (!email.is_empty()).then(|| Self(SecretString::from(email)))
    }

    /// The address itself, for the HMAC.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for VerifiedEmail {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for VerifiedEmail {}

impl fmt::Debug for VerifiedEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedEmail(…)")
    }
}

/// What is remembered of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The account that is, or was, held.
    pub account: AccountId,
    /// What holds it.
    pub why: String,
    /// When it is forgotten; not before the account is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A change of what is remembered of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Of whom.
    pub person: PersonId,
    /// What is remembered from now on; `None` to forget.
    pub keep: Option<Remembered>,
    /// When that changes.
    pub at: Timestamp,
}

/// How the hold of an account begins that is held because another was.
const CARRIED_OVER: &str = "as account ";

/// The hold of an account whose person had another that was held.
pub(crate) fn carried_over(remembered: &Remembered) -> String {
    if remembered.why.starts_with(CARRIED_OVER) {
        return remembered.why.clone();
    }
    format!("{CARRIED_OVER}{} of the same person: {}", remembered.account, remembered.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_however_it_is_written_and_is_printed_nowhere() {
        let ann = VerifiedEmail::of(Some(" Ann@Example.com"), true);
        assert_eq!(ann, VerifiedEmail::of(Some("ann@example.com "), true));
        assert_ne!(ann, VerifiedEmail::of(Some("anna@example.com"), true));
        assert_eq!(VerifiedEmail::of(Some("ann@example.com"), false), None);
        assert_eq!(VerifiedEmail::of(Some("  "), true), None);
        assert_eq!(format!("{ann:?}"), "Some(VerifiedEmail(…))");
    }
}
