//! Secrets Manager: secrets that exist, their current and previous values.
//!
//! Three operations, as the real SDK calls them: `GetSecretValue`, `PutSecretValue`,
//! `DescribeSecret`. A secret is made by [`SecretsManagerStandin::create`], as a template
//! does. Not modelled: binary values, rotation, replication, deletion, staging labels
//! other than `AWSCURRENT` and `AWSPREVIOUS`; what is asked for of them answers 501.

mod http;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

pub use http::router;

use crate::calls::Calls;

/// The largest value, in bytes.
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>
const MAX_VALUE_BYTES: usize = 65_536;

/// The Secrets Manager stand-in; clones share one state.
#[derive(Clone)]
pub struct SecretsManagerStandin {
    calls: Calls,
    secrets: Arc<Mutex<BTreeMap<String, Secret>>>,
}

/// A secret's values, oldest first; the last is `AWSCURRENT`, the one before it
/// `AWSPREVIOUS`.
struct Secret {
    name: String,
    versions: Vec<(String, SecretString)>,
}

/// Why an operation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct SecretsManagerError {
    /// The exception's name.
    pub name: &'static str,
    /// What it says.
    pub message: String,
}

impl SecretsManagerError {
    fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }

    fn no_secret() -> Self {
        let message = "Secrets Manager can't find the specified secret.";
        Self::new("ResourceNotFoundException", message)
    }

    fn no_value(label: &str) -> Self {
        let message = format!(
            "Secrets Manager can't find the specified secret value for staging label: {label}"
        );
        Self::new("ResourceNotFoundException", message)
    }
}

impl SecretsManagerStandin {
    /// An account and Region without secrets.
    pub fn new(calls: Calls) -> Self {
        Self { calls, secrets: Arc::default() }
    }

    /// Makes a secret without a value, as a template does; its ARN.
    pub fn create(&self, name: &str) -> String {
        let mut secrets = self.lock();
        // The six characters that AWS adds; here they count.
        let arn = format!(
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-{:06}",
            secrets.len()
        );
        secrets.insert(arn.clone(), Secret { name: name.to_owned(), versions: Vec::new() });
        arn
    }

    /// Makes a secret with a value; its ARN.
    pub fn create_with(&self, name: &str, value: &str) -> String {
        let arn = self.create(name);
        self.put(&arn, "first", value).expect("the secret is new and its value is not empty");
        arn
    }

    /// A secret's current value, for whoever wants to look. Not logged.
    pub fn value(&self, id: &str) -> Option<String> {
        let secrets = self.lock();
        let (_, secret) = find(&secrets, id).ok()?;
        secret.versions.last().map(|(_, value)| value.expose_secret().to_owned())
    }

    /// `PutSecretValue`: a new current value. A token that was used before must come with
    /// the same value, and changes nothing.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `InvalidParameterException`, `ResourceExistsException`.
    pub fn put(&self, id: &str, token: &str, value: &str) -> Result<(), SecretsManagerError> {
        if value.is_empty() || value.len() > MAX_VALUE_BYTES {
            let message = "the value has 1 to 65536 bytes";
            return Err(SecretsManagerError::new("InvalidParameterException", message));
        }
        let mut secrets = self.lock();
        let arn = find(&secrets, id)?.0.clone();
        let secret = secrets.get_mut(&arn).ok_or_else(SecretsManagerError::no_secret)?;
        if let Some((_, kept)) = secret.versions.iter().find(|(version, _)| version == token) {
            if kept.expose_secret() == value {
                return Ok(());
            }
            let message = "You can't modify an existing version, you can only create a new one.";
            return Err(SecretsManagerError::new("ResourceExistsException", message));
        }
        secret.versions.push((token.to_owned(), SecretString::from(value)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret by its ARN or its name.
fn find<'a>(
    secrets: &'a BTreeMap<String, Secret>,
    id: &str,
) -> Result<(&'a String, &'a Secret), SecretsManagerError> {
    secrets
        .iter()
        .find(|(arn, secret)| *arn == id || secret.name == id)
        .ok_or_else(SecretsManagerError::no_secret)
}
