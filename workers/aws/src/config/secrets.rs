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

/// The same for the sweep, which may have a key of its own.
pub const SWEEP_STRIPE_KEY: Secret = Secret { name: "sweep-stripe-key", ..STRIPE_KEY };

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
}

impl<G: Fn(&str) -> Option<String>> Settings<G> {
    /// Fetches a function's secrets, all at the same time; `get` reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`], which lists every secret that cannot be read, and why.
    pub async fn load(get: G, secrets: &[Secret], sdk: &SdkConfig) -> Result<Self, ConfigError> {
        let (wanted, mut problems) = wanted(&get, secrets);
        let mut fetched = BTreeMap::new();
        if !wanted.is_empty() {
            let client = Client::new(sdk);
            let stack = set(&get, "TOLLGATE_STACK");
            for (secret, value) in join_all(wanted.iter().map(|it| fetch(&client, it))).await {
                match value {
                    Ok(value) => drop(fetched.insert(secret.variable, value)),
                    Err(failure) => problems.push(failure.problem(secret, stack.as_deref())),
                }
            }
        }
        if problems.is_empty() { Ok(Self { get, fetched }) } else { Err(ConfigError { problems }) }
    }

    /// A setting, for the `read` functions.
    pub fn get(&self, name: &str) -> Option<String> {
        let fetched = self.fetched.get(name).map(|value| value.expose_secret().to_owned());
        fetched.or_else(|| (self.get)(name))
    }
}

/// A variable; blank counts as not set.
fn set(get: impl Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    get(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
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
    Missing { arn: String },
    /// The role may not read it.
    Denied { arn: String },
    /// The key that it is encrypted with may not be used.
    Undecipherable,
    /// Anything else: the error's code, or what happened instead of an answer.
    Other(String),
}

impl Failure {
    /// In a deployer's words.
    fn problem(self, secret: Secret, stack: Option<&str>) -> Problem {
        let set = format!(
            "run `tollgate secrets set {} --stack {}`",
            secret.name,
            stack.unwrap_or("<stack>")
        );
        let advice = match self {
            Self::NoValue => format!("names a secret that has no value yet: {set}"),
            Self::Missing { arn } => {
                format!("names a secret that does not exist ({arn}): deploy the stack again")
            }
            Self::Denied { arn } => format!(
                "names a secret that this function may not read: allow its role \
                 secretsmanager:GetSecretValue on {arn}"
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
async fn fetch(
    client: &Client,
    (secret, arn): &(Secret, String),
) -> (Secret, Result<SecretString, Failure>) {
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let value = match answer {
        // Binary secrets, and blank ones, are no values of ours.
        Ok(output) => output.secret_string.filter(|value| !value.trim().is_empty()),
        Err(error) => return (*secret, Err(failure(arn, &error))),
    };
    (*secret, value.map(SecretString::from).ok_or(Failure::NoValue))
}

/// By code; the text only tells a secret without a value from one that is not there,
/// for which there is one code.
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
fn failure<R>(arn: &str, error: &SdkError<GetSecretValueError, R>) -> Failure {
    let Some(error) = error.as_service_error() else {
        return Failure::Other("no answer; look at the function's network and Region".into());
    };
    let message = error.message().unwrap_or_default();
    match error.code().unwrap_or("no error code") {
        "ResourceNotFoundException" if message.contains("staging label") => Failure::NoValue,
        "ResourceNotFoundException" => Failure::Missing { arn: arn.to_owned() },
        "AccessDeniedException" if message.contains("KMS") => Failure::Undecipherable,
        "AccessDeniedException" => Failure::Denied { arn: arn.to_owned() },
        "DecryptionFailure" => Failure::Undecipherable,
        code => Failure::Other(code.to_owned()),
    }
}
