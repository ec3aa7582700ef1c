//! What a command runs on: settings and clients, each made when it is first asked for.

use aws_config::SdkConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tollgate_core::ports::Clock;
use tollgate_core::shell::quoted;
use tollgate_functions::adapters::clients;
use tollgate_functions::config::StripeConfig;

use super::exit::Failure;
use super::io::Io;
use super::local::Local;
use super::settings::{Setting, StackSettings};
use crate::adapters::secrets::SecretStore;

/// Which stack a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The one that the environment describes.
    Environment,
    /// The CloudFormation stack of this name.
    Named(String),
    /// The local one.
    Local(Local),
}

impl Target {
    /// What `--stack` and `--local` say.
    pub(super) fn new(stack: Option<String>, local: Option<u16>) -> Self {
        match (local, stack) {
            (Some(port), _) => Self::Local(Local { port }),
            (None, Some(name)) => Self::Named(name),
            (None, None) => Self::Environment,
        }
    }

    /// The command as it was called, up to what it is to do.
    pub(super) fn command(&self) -> String {
        match self {
            Self::Environment => "tollgate".to_owned(),
            Self::Named(name) => format!("tollgate --stack {}", quoted(name)),
            Self::Local(local) => format!("tollgate {}", local.option()),
        }
    }
}

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
    target: Target,
    sdk: OnceCell<SdkConfig>,
    settings: OnceCell<StackSettings>,
}

impl<'a, C: Clock> Context<'a, C> {
    /// A context for a stack.
    pub fn new(surroundings: Surroundings<'a, C>, target: Target, json: bool) -> Self {
        let Surroundings { environment, sdk, clock } = surroundings;
        let sdk = match &target {
            Target::Local(local) => Some(local.sdk()),
            Target::Named(_) | Target::Environment => sdk,
        };
        let sdk = OnceCell::new_with(sdk);
        Self { clock, json, environment, target, sdk, settings: OnceCell::new() }
    }

    /// The stack that `--stack` or `--local` names.
    pub fn named_stack(&self) -> Option<&str> {
        match &self.target {
            Target::Environment => None,
            Target::Named(name) => Some(name),
            Target::Local(_) => Some(Local::STACK),
        }
    }

    /// Whether it is about the local stack.
    pub fn is_local(&self) -> bool {
        matches!(self.target, Target::Local(_))
    }

    /// The command as it was called, up to what it is to do: for commands to paste.
    pub fn command(&self) -> String {
        self.target.command()
    }

    /// A variable of the operator's environment. What it says of Stripe and of a stack is not
    /// meant for the local one.
    pub fn variable(&self, name: &str) -> Option<String> {
        match (&self.target, name) {
            (Target::Local(local), "STRIPE_API_BASE") => Some(local.stripe()),
            (Target::Local(_), name) if name.starts_with("STRIPE_") => None,
            (Target::Local(_), name) if name.starts_with("TOLLGATE_") => None,
            _ => (self.environment)(name),
        }
    }

    /// The AWS SDK's configuration; clients are made from it.
    pub async fn sdk(&self) -> &SdkConfig {
        self.sdk.get_or_init(clients::sdk_config).await
    }

    /// What is known of the stack.
    ///
    /// # Errors
    /// `--stack` names none, nothing runs where `--local` says, or CloudFormation failed.
    pub async fn settings(&self) -> Result<&StackSettings, Failure> {
        let load = async || match &self.target {
            Target::Environment => Ok(StackSettings::from_environment(self.environment)),
            Target::Named(name) => StackSettings::from_stack(name, self.sdk().await).await,
            Target::Local(local) => {
                local.must_run().await?;
                StackSettings::from_stack(Local::STACK, self.sdk().await).await
            }
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
        match self.own_stripe_key() {
            None => self.functions_stripe().await,
            own => self.stripe_with(own).await,
        }
    }

    /// Access to Stripe as the functions have it: the stack's secret, else, where it is not known
    /// which that is, `STRIPE_SECRET_KEY` of the environment.
    ///
    /// # Errors
    /// As for [`stripe`](Self::stripe).
    pub async fn functions_stripe(&self) -> Result<StripeConfig, Failure> {
        let key = match self.settings().await?.get(Setting::StripeKeySecretArn) {
            Some(arn) => self.secrets().await.get(arn).await?,
            None => self.own_stripe_key(),
        };
        self.stripe_with(key).await
    }

    fn own_stripe_key(&self) -> Option<SecretString> {
        let own = self.variable("STRIPE_SECRET_KEY").filter(|key| !key.trim().is_empty());
        own.map(Into::into)
    }

    async fn stripe_with(&self, key: Option<SecretString>) -> Result<StripeConfig, Failure> {
        let livemode = self.settings().await?.livemode()?;
        let key = key.ok_or_else(|| {
            let mend = "Set STRIPE_SECRET_KEY to a key that may do this, or store the stack's \
                        own with `tollgate secrets set stripe-key`.";
            Failure::usage("there is no Stripe key", mend)
        })?;
        let get = |name: &str| match name {
            "STRIPE_SECRET_KEY" => Some(key.expose_secret().to_owned()),
            name => self.variable(name),
        };
        Ok(StripeConfig::read(get, livemode)?)
    }
}
