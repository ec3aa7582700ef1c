//! What a command runs on: settings and clients, each made when it is first asked for.

use aws_config::SdkConfig;
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use tollgate_billing::ports::Clock;

use super::exit::Failure;
use super::io::Io;
use super::settings::{Setting, StackSettings};
use crate::adapters::clients;
use crate::adapters::secrets::SecretStore;
use crate::config::StripeConfig;

/// What comes from outside the process.
pub struct Surroundings<'a, C> {
    /// Environment variables.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Region, credentials and endpoints; without it, the SDK looks for them when they
    /// are first needed.
    pub sdk: Option<SdkConfig>,
    /// Time.
    pub clock: C,
}

/// What a command runs on. Nothing is read or called before it is needed.
pub struct Context<'a, C> {
    /// Time.
    pub clock: C,
    /// Whether results are for programs.
    pub json: bool,
    environment: &'a dyn Fn(&str) -> Option<String>,
    stack: Option<String>,
    sdk: OnceCell<SdkConfig>,
    settings: OnceCell<StackSettings>,
}

impl<'a, C: Clock> Context<'a, C> {
    /// A context for the stack of this name, or for the one that the environment describes.
    pub fn new(surroundings: Surroundings<'a, C>, stack: Option<String>, json: bool) -> Self {
        let Surroundings { environment, sdk, clock } = surroundings;
        let sdk = OnceCell::new_with(sdk);
        Self { clock, json, environment, stack, sdk, settings: OnceCell::new() }
    }

    /// The AWS SDK's configuration; clients are made from it.
    pub async fn sdk(&self) -> &SdkConfig {
        self.sdk.get_or_init(clients::sdk_config).await
    }

    /// What is known of the stack.
    ///
    /// # Errors
    /// `--stack` names none, or CloudFormation failed.
    pub async fn settings(&self) -> Result<&StackSettings, Failure> {
        let load = async || match &self.stack {
            Some(name) => StackSettings::from_stack(name, self.sdk().await).await,
            None => Ok(StackSettings::from_environment(self.environment)),
        };
        self.settings.get_or_try_init(load).await
    }

    /// Tells people how far it is; programs read only results and errors.
    ///
    /// # Errors
    /// The errors' stream cannot be written to.
    pub fn progress(&self, text: &str, io: &mut Io<'_>) -> Result<(), Failure> {
        if !self.json {
            writeln!(io.err, "{text}")?;
        }
        Ok(())
    }

    /// Secrets Manager.
    pub async fn secrets(&self) -> SecretStore {
        SecretStore::new(aws_sdk_secretsmanager::Client::new(self.sdk().await))
    }

    /// Access to Stripe: `STRIPE_SECRET_KEY` of the operator's own environment, else the
    /// stack's secret.
    ///
    /// # Errors
    /// There is neither, it is of the wrong mode, or Secrets Manager failed.
    pub async fn stripe(&self) -> Result<StripeConfig, Failure> {
        let settings = self.settings().await?;
        let livemode = settings.livemode()?;
        let own = (self.environment)("STRIPE_SECRET_KEY").filter(|key| !key.trim().is_empty());
        let key = match (own, settings.get(Setting::StripeKeySecretArn)) {
            (None, Some(arn)) => self.secrets().await.get(arn).await?,
            (own, _) => own.map(Into::into),
        };
        let key = key.ok_or_else(|| {
            let mend = "Set STRIPE_SECRET_KEY to a key that may do this, or store the stack's \
                        own with `tollgate secrets set stripe-key`.";
            Failure::usage("there is no Stripe key", mend)
        })?;
        let get = |name: &str| match name {
            "STRIPE_SECRET_KEY" => Some(key.expose_secret().to_owned()),
            name => (self.environment)(name),
        };
        Ok(StripeConfig::read(get, livemode)?)
    }
}
