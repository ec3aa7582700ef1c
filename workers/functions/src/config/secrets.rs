//! A function's secrets, read from Secrets Manager once, when it starts.
//!
//! For each secret there is a variable `<NAME>_ARN`. When it is set, the value is what
//! Secrets Manager has, and stands for the `read` functions under the plain name. What
//! no variable names is not asked for, so that without secrets there is neither a call
//! nor a client. Nothing is read again later: a rotated secret reaches new instances
//! (`docs/adr/0015`).

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, Problem};

/// A setting that is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// The variable that has the value itself, on a developer's machine.
    pub variable: &'static str,
    /// The variable that has the secret's ARN, on AWS.
    pub arn_variable: &'static str,
    /// What `tollgate secrets set` calls it.
    pub name: &'static str,
}

/// `STRIPE_SECRET_KEY`.
pub const STRIPE_KEY: Secret = Secret {
    variable: "STRIPE_SECRET_KEY",
    arn_variable: "STRIPE_SECRET_KEY_ARN",
    name: "stripe-key",
};

/// `STRIPE_WEBHOOK_SECRETS`.
pub const WEBHOOK_SECRETS: Secret = Secret {
    variable: "STRIPE_WEBHOOK_SECRETS",
    arn_variable: "STRIPE_WEBHOOK_SECRETS_ARN",
    name: "webhook-secrets",
};

/// `TOLLGATE_KEY_SECRETS`.
pub const KEY_SECRETS: Secret = Secret {
    variable: "TOLLGATE_KEY_SECRETS",
    arn_variable: "TOLLGATE_KEY_SECRETS_ARN",
    name: "key-secrets",
};

/// The settings, those that are secrets included.
#[derive(Debug)]
pub struct Settings<G> {
    get: G,
    fetched: BTreeMap<&'static str, SecretString>,
    /// Why some of the secrets are not there.
    problems: Vec<Problem>,
}

impl<G: Fn(&str) -> Option<String>> Settings<G> {
    /// Fetches a function's secrets, all at the same time; `get` reads the environment. What
    /// cannot be fetched is told by [`read`](Self::read).
    pub async fn load(get: G, secrets: &[Secret], sdk: &SdkConfig) -> Self {
        let (wanted, mut problems) = wanted(&get, secrets);
        let mut fetched = BTreeMap::new();
        if !wanted.is_empty() {
            let client = Client::new(sdk);
            let stack = stack(&get);
            let values = join_all(wanted.iter().map(|(_, arn)| fetch(&client, arn))).await;
            for ((secret, arn), value) in wanted.iter().zip(values) {
                match value {
                    Ok(value) => drop(fetched.insert(secret.variable, value)),
                    Err(failure) => problems.push(failure.problem(secret, arn, &stack)),
                }
            }
        }
        Self { get, fetched, problems }
    }

    /// A function's configuration, by its own `read`.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong: secrets that are not
    /// there, and all else.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&dyn Fn(&str) -> Option<String>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let config = read(&|name| self.get(name));
        if self.problems.is_empty() {
            return config;
        }
        let is_told = |variable: &str| {
            let mut secrets = self.problems.iter();
            secrets.any(|secret| secret.variable.strip_suffix("_ARN") == Some(variable))
        };
        let others = config.err().into_iter().flat_map(|error| error.problems);
        let others = others.filter(|problem| !is_told(problem.variable));
        Err(ConfigError { problems: self.problems.iter().cloned().chain(others).collect() })
    }

    fn get(&self, name: &str) -> Option<String> {
        let fetched = self.fetched.get(name).map(|value| value.expose_secret().to_owned());
        fetched.or_else(|| (self.get)(name))
    }
}

/// A variable; blank counts as not set.
fn set(get: impl Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    get(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The stack's name, for commands to run; the webhook knows it from its own name only.
fn stack(get: &impl Fn(&str) -> Option<String>) -> String {
    let function = || set(get, "AWS_LAMBDA_FUNCTION_NAME");
    let before = || Some(function()?.strip_suffix("-stripe-webhook")?.to_owned());
    set(get, "TOLLGATE_STACK").or_else(before).unwrap_or_else(|| "<stack>".into())
}

/// The secrets to fetch, with their ARNs; a problem for each that is set twice.
fn wanted(
    get: &impl Fn(&str) -> Option<String>,
    secrets: &[Secret],
) -> (Vec<(Secret, String)>, Vec<Problem>) {
    let (mut wanted, mut problems) = (Vec::new(), Vec::new());
    for secret in secrets {
        let Some(arn) = set(get, secret.arn_variable) else { continue };
        if set(get, secret.variable).is_some() {
            let advice = format!("is set, and {} too: unset one", secret.variable);
            problems.push(Problem { variable: secret.arn_variable, advice });
        } else {
            wanted.push((*secret, arn));
        }
    }
    (wanted, problems)
}

/// Why a secret cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// It exists, and nobody has given it a value.
    NoValue,
    /// It does not exist.
    Missing,
    /// The role may not read it.
    Denied,
    /// The key that it is encrypted with may not be used.
    Undecipherable,
    /// Anything else: the error's code, or what happened instead of an answer.
    Other(String),
}

impl Failure {
    /// In a deployer's words.
    fn problem(self, secret: &Secret, arn: &str, stack: &str) -> Problem {
        // The sweep may have a key of its own, in a secret that the template names so.
        let sweep = if arn.contains("Sweep") { "sweep-" } else { "" };
        let advice = match self {
            Self::NoValue => format!(
                "names a secret that has no value yet: \
                 run `tollgate secrets set {sweep}{} --stack {stack}`",
                secret.name
            ),
            Self::Missing => {
                format!("names a secret that does not exist ({arn}): deploy the stack again")
            }
            Self::Denied => format!(
                "names a secret that this function may not read: \
                 allow its role secretsmanager:GetSecretValue on {arn}"
            ),
            Self::Undecipherable => "names a secret whose encryption key this function may not \
                                     use: allow its role kms:Decrypt on that key"
                .to_owned(),
            Self::Other(what) => {
                format!("names a secret that Secrets Manager does not give: {what}")
            }
        };
        Problem { variable: secret.arn_variable, advice }
    }
}

/// One secret's value.
async fn fetch(client: &Client, arn: &str) -> Result<SecretString, Failure> {
    let answer = client.get_secret_value().secret_id(arn).send().await;
    // Binary secrets, and blank ones, are no values of ours.
    let value = answer.map_err(|error| failure(&error))?.secret_string;
    let value = value.filter(|value| !value.trim().is_empty());
    value.map(SecretString::from).ok_or(Failure::NoValue)
}

/// By code; the text only tells a secret without a value from one that is not there,
/// for which there is one code.
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
fn failure<R>(error: &SdkError<GetSecretValueError, R>) -> Failure {
    let Some(error) = error.as_service_error() else {
        return Failure::Other("no answer; look at the function's network and Region".into());
    };
    let message = error.message().unwrap_or_default();
    match error.code().unwrap_or("no error code") {
        "ResourceNotFoundException" if message.contains("staging label") => Failure::NoValue,
        "ResourceNotFoundException" => Failure::Missing,
        "AccessDeniedException" if message.contains("KMS") => Failure::Undecipherable,
        "AccessDeniedException" => Failure::Denied,
        "DecryptionFailure" => Failure::Undecipherable,
        code => Failure::Other(code.to_owned()),
    }
}
