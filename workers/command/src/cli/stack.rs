//! The clients of a stack: what [`Context`] builds of its settings.
//!
//! Each call builds a client; a command builds what it needs once, and keeps it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::SignedDuration;
use secrecy::SecretString;
use tollgate_core::binding::Binding;
use tollgate_core::catalog::{CatalogDraft, CatalogFile};
use tollgate_core::converge::{Stop, Worker};
use tollgate_core::derive::Deriver;
use tollgate_core::ports::{Class, Clock, Entropy};
use tollgate_core::share::Share;
use tollgate_functions::adapters::AwsPorts;
use tollgate_functions::adapters::api_gateway::ControlPlane;
use tollgate_functions::adapters::cognito::UserPool;
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::sqs::SqsQueue;
use tollgate_functions::adapters::system::SystemEntropy;
use tollgate_functions::config::{
    KEY_SECRETS, LedgerConfig, QueueConfig, StripeConfig, key_secrets,
};
use tollgate_functions::setup;

use super::{Context, Failure, Setting};

/// Where the catalog lies in a clone.
pub(super) const DEFAULT_FILE: &str = "infra/plans/plans.toml";

/// The catalog, where a command decides as the worker does.
#[derive(Debug, Args)]
pub(crate) struct PlansOption {
    /// The catalog that is deployed [default: infra/plans/plans.toml; TOLLGATE_CATALOG; the
    /// local stack's own].
    #[arg(long = "plans", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

/// The text of a catalog, and where it is from.
pub(super) struct PlansText {
    text: String,
    pub(super) from: String,
}

impl PlansText {
    /// As the functions read it.
    ///
    /// # Errors
    /// It breaks a rule.
    pub(super) fn catalog(&self) -> Result<CatalogFile, Failure> {
        Ok(CatalogFile::parse(&self.text).map_err(|error| error.of(&self.from))?)
    }

    /// As it is edited: a plan may have no usage plan yet.
    ///
    /// # Errors
    /// It breaks a rule.
    pub(super) fn draft(&self) -> Result<CatalogDraft, Failure> {
        Ok(CatalogDraft::parse(&self.text).map_err(|error| error.of(&self.from))?)
    }
}

/// How many share the control plane, as far as the command's own pace goes: it takes as much
/// as one of the workers.
const INSTANCES: u32 = 4;

impl<C: Clock> Context<'_, C> {
    /// The ledger.
    ///
    /// # Errors
    /// The stack or its table is not known.
    pub async fn ledger(&self) -> Result<DynamoLedger, Failure> {
        Ok(setup::ledger(&self.ledger_config().await?, self.sdk().await))
    }

    /// The queues.
    ///
    /// # Errors
    /// The stack or one of its queues is not known.
    pub async fn queue(&self) -> Result<SqsQueue, Failure> {
        let settings = self.settings().await?;
        let config = QueueConfig {
            events_url: settings.need(Setting::EventsQueueUrl)?.to_owned(),
            bulk_url: settings.need(Setting::BulkQueueUrl)?.to_owned(),
        };
        Ok(setup::queue(&config, self.sdk().await))
    }

    /// The user pool.
    ///
    /// # Errors
    /// The stack or its pool is not known.
    pub async fn users(&self) -> Result<UserPool, Failure> {
        let pool = self.settings().await?.need(Setting::UserPoolId)?;
        let client = aws_sdk_cognitoidentityprovider::Client::new(self.sdk().await);
        Ok(UserPool::new(client, pool))
    }

    /// API Gateway's control plane.
    pub async fn api_gateway(&self) -> ControlPlane {
        ControlPlane::new(aws_sdk_apigateway::Client::new(self.sdk().await))
    }

    /// Everything that a worker talks to.
    ///
    /// # Errors
    /// The stack, its table or its pool is not known, or there is no Stripe key.
    pub async fn ports(&self) -> Result<AwsPorts<&C>, Failure> {
        self.ports_with(self.stripe().await?).await
    }

    /// The same, with the Stripe key that the functions have.
    ///
    /// # Errors
    /// As for [`ports`](Self::ports).
    pub(super) async fn functions_ports(&self) -> Result<AwsPorts<&C>, Failure> {
        self.ports_with(self.functions_stripe().await?).await
    }

    async fn ports_with(&self, stripe: StripeConfig) -> Result<AwsPorts<&C>, Failure> {
        let pool = self.settings().await?.need(Setting::UserPoolId)?;
        let ledger = self.ledger_config().await?;
        Ok(AwsPorts::on(&ledger, pool, &stripe, self.sdk().await, &self.clock)?)
    }

    /// A worker that tells what it would do ([`Worker::preview`]), by this catalog.
    ///
    /// It has the stack's key-derivation secrets if the operator may read them. Without them,
    /// only an account whose key is being made cannot be previewed, and no proof in Stripe's
    /// metadata is believed.
    ///
    /// # Errors
    /// As for [`ports`](Self::ports), or the file cannot be read.
    pub(super) async fn worker(
        &self,
        plans: &PlansOption,
    ) -> Result<Worker<AwsPorts<&C>>, Failure> {
        let CatalogFile { catalog, policy, .. } = self.catalog(plans).await?;
        let settings = self.settings().await?;
        Ok(Worker {
            ports: self.ports().await?,
            share: Share::of(&policy, INSTANCES),
            catalog,
            policy,
            deriver: self.deriver().await?,
            stack: settings.need(Setting::Stack)?.to_owned(),
            binding: Binding::that_compares(),
            livemode: settings.livemode()?,
        })
    }

    /// The catalog, as the functions have it.
    ///
    /// # Errors
    /// It cannot be read, or breaks a rule.
    pub(super) async fn catalog(&self, plans: &PlansOption) -> Result<CatalogFile, Failure> {
        self.plans_text(plans).await?.catalog()
    }

    /// The catalog's text: the named file's, else the stack's own where it is known, else the
    /// usual file's.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn plans_text(&self, plans: &PlansOption) -> Result<PlansText, Failure> {
        if let Some(file) = &plans.file {
            return read(file);
        }
        match self.settings().await?.get(Setting::Catalog) {
            None => read(Path::new(DEFAULT_FILE)),
            // As the functions read their variable: a path has no line and no `=`.
            Some(file) if !file.contains(['\n', '=']) => read(Path::new(file)),
            Some(text) => {
                Ok(PlansText { text: text.to_owned(), from: "the stack's catalog".into() })
            }
        }
    }

    async fn ledger_config(&self) -> Result<LedgerConfig, Failure> {
        let settings = self.settings().await?;
        let table = settings.need(Setting::Table)?.to_owned();
        let days = settings.get(Setting::EventRetentionDays).and_then(|days| days.parse().ok());
        let event_retention =
            days.map(|days: u16| SignedDuration::from_hours(24 * i64::from(days)));
        Ok(LedgerConfig { table, event_retention })
    }

    async fn deriver(&self) -> Result<Deriver, Failure> {
        let stack = self.settings().await?.need(Setting::Stack)?.to_owned();
        match self.derivation_secrets().await? {
            Some(secrets) => Ok(key_secrets(&stack, &secrets)?),
            None => Ok(nobodys_deriver(&stack)),
        }
    }

    /// What tells our own proofs in Stripe's metadata from others'.
    ///
    /// # Errors
    /// The stack's key-derivation secrets are not known, or may not be read.
    pub(super) async fn proofs(&self) -> Result<Deriver, Failure> {
        let secrets = self.derivation_secrets().await?.ok_or_else(|| {
            let mend = "Allow secretsmanager:GetSecretValue on the stack's key secrets: they \
                        tell which subscriptions name their account.";
            Failure::usage("the stack's key-derivation secrets cannot be read", mend)
        })?;
        let stack = self.settings().await?.need(Setting::Stack)?;
        Ok(key_secrets(stack, &secrets)?)
    }

    /// The stack's key-derivation secrets; `None` where they are not known or not to be read.
    async fn derivation_secrets(&self) -> Result<Option<SecretString>, Failure> {
        let own = self.variable(KEY_SECRETS.variable).filter(|value| !value.trim().is_empty());
        let own = own.map(SecretString::from);
        let arn = self.settings().await?.get(Setting::KeySecretsArn);
        match (own, arn) {
            (None, Some(arn)) => match self.secrets().await.get(arn).await {
                Err(error) if error.class == Class::Denied => Ok(None),
                read => Ok(read?),
            },
            (own, _) => Ok(own),
        }
    }
}

/// One that finishes no key and believes no proof.
fn nobodys_deriver(stack: &str) -> Deriver {
    let secret = SecretString::from(SystemEntropy.hex() + &SystemEntropy.hex());
    Deriver::new(stack, BTreeMap::from([(u32::MAX, secret)])).expect("it has 64 characters")
}

/// Reads a file.
fn read(file: &Path) -> Result<PlansText, Failure> {
    let from = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let problem = format!("{from} cannot be read: {error}");
        Failure::usage(problem, "Name the catalog: --plans FILE")
    })?;
    Ok(PlansText { text, from })
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Port(error) => error.into(),
            Stop::CatalogOutdated => Self::usage(
                "the account was decided by a newer catalog than this one",
                "Name the file that is deployed: --plans FILE",
            ),
            Stop::Mismatch(mismatch) => mismatch.into(),
            Stop::BlastLimit => Self::refused(
                stop.to_string(),
                "Find out why; then mend it, or accept it with `tollgate reconcile --accept`.",
            ),
            Stop::Frozen { .. } => Self::refused(
                stop.to_string(),
                "When it is mended: `tollgate stack unfreeze --why TEXT`.",
            ),
            stop => Self::failed(stop.to_string(), "Repeat the command in a minute."),
        }
    }
}
