//! Secrets Manager: values in and out, never shown.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use secrecy::{ExposeSecret, SecretString};
use tollgate_core::ports::{PortResult, Service};
use tollgate_functions::adapters::error::Operation;

const GET: Operation = operation("GetSecretValue");
const PUT: Operation = operation("PutSecretValue");

const fn operation(name: &'static str) -> Operation {
    Operation { service: Service::SecretsManager, name }
}

/// Secrets Manager, for secrets that exist: none is made or removed here.
#[derive(Debug, Clone)]
pub struct SecretStore {
    client: Client,
}

impl SecretStore {
    /// On this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// A secret's current value; `None` when it has none yet.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
    ///
    /// # Errors
    /// There is no such secret, or the call failed.
    pub async fn get(&self, arn: &str) -> PortResult<Option<SecretString>> {
        match self.client.get_secret_value().secret_id(arn).send().await {
            Ok(answer) => Ok(answer.secret_string.map(SecretString::from)),
            // The same code as for a secret that does not exist; only the text tells.
            Err(error) if error.message().is_some_and(|text| text.contains("staging label")) => {
                Ok(None)
            }
            Err(error) => Err(GET.sdk(&error)),
        }
    }

    /// Gives a secret a new current value; the one before stays readable as
    /// `AWSPREVIOUS`.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>
    ///
    /// # Errors
    /// There is no such secret, or the call failed.
    pub async fn put(&self, arn: &str, value: &SecretString) -> PortResult<()> {
        let put = self.client.put_secret_value().secret_id(arn);
        let sent = put.secret_string(value.expose_secret()).send().await;
        sent.map(drop).map_err(|error| PUT.sdk(&error))
    }
}
