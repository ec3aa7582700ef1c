//! CloudFormation as `sam deploy` uses it: a change set, its changes, its execution.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, ChangeSource, Parameter,
    ResourceChange, StackEvent, StackStatus,
};
use serde_json::Value;

use super::aws::{Aws, REGION};
use super::package::{BUCKET, fingerprint};
use super::wait::until;

/// A stack's outputs, by name.
pub type Outputs = BTreeMap<String, String>;

/// What a deployment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deployed {
    /// The template is what is deployed.
    Unchanged,
    /// What the template changes, sorted. A change set also names what only refers to that,
    /// because CloudFormation finds out on the way whether it changes too: left out here.
    Changed(Vec<Change>),
}

/// A change of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// `Add`, `Modify`, `Remove`.
    pub action: String,
    /// Its name in the template.
    pub resource: String,
    /// Its type.
    pub kind: String,
}

/// CloudFormation.
pub struct Stacks {
    client: Client,
    aws: Aws,
}

impl Stacks {
    /// CloudFormation at this address.
    pub fn new(aws: &Aws) -> Self {
        Self { client: Client::new(&sdk(aws.url())), aws: aws.clone() }
    }

    /// Creates or updates a stack, and waits until that is done.
    ///
    /// # Errors
    /// The template is refused, or a resource fails; then its events are in the message.
    pub async fn deploy(
        &self,
        stack: &str,
        template: &Value,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Deployed> {
        let kind = match self.status(stack).await? {
            None => ChangeSetType::Create,
            Some(_) => ChangeSetType::Update,
        };
        let change_set = self.create_change_set(stack, template, parameters, kind).await?;
        let Some(changes) = self.changes(&change_set).await? else {
            self.client.delete_change_set().change_set_name(&change_set).send().await?;
            return Ok(Deployed::Unchanged);
        };
        self.client.execute_change_set().change_set_name(&change_set).send().await?;
        self.settled(stack).await?;
        Ok(Deployed::Changed(changes))
    }

    /// All events of a stack, the newest first.
    ///
    /// # Errors
    /// There is no such stack.
    pub async fn events(&self, stack: &str) -> anyhow::Result<Vec<StackEvent>> {
        let pages = self.client.describe_stack_events().stack_name(stack).into_paginator();
        Ok(pages.items().send().collect::<Result<_, _>>().await?)
    }

    async fn create_change_set(
        &self,
        stack: &str,
        template: &Value,
        parameters: &[(&str, &str)],
        kind: ChangeSetType,
    ) -> anyhow::Result<String> {
        let text = serde_json::to_string_pretty(template)?;
        let name = fingerprint(format!("{text}{parameters:?}").as_bytes());
        let key = format!("{stack}-{name}.template.json");
        // A template of more than 51,200 bytes is taken from S3 only.
        self.aws.put_object(BUCKET, &key, text.into_bytes()).await?;
        let parameters = parameters.iter().map(|(name, value)| {
            Parameter::builder().parameter_key(*name).parameter_value(*value).build()
        });
        let made = self
            .client
            .create_change_set()
            .stack_name(stack)
            .change_set_name(format!("deployed-{name}-{}", kind.as_str()))
            .change_set_type(kind)
            .template_url(format!("{}/{BUCKET}/{key}", self.aws.url()))
            .set_parameters(Some(parameters.collect()))
            .capabilities(Capability::CapabilityNamedIam)
            .send()
            .await
            .map_err(aws_sdk_cloudformation::error::DisplayErrorContext)
            .map_err(|error| anyhow::anyhow!("CreateChangeSet of {stack}: {error}"))?;
        made.id.context("a change set has an id")
    }

    /// Waits until the change set is made, and returns its changes; `None` for none.
    async fn changes(&self, change_set: &str) -> anyhow::Result<Option<Vec<Change>>> {
        let described = until("the change set is made", async || {
            let described =
                self.client.describe_change_set().change_set_name(change_set).send().await?;
            let done = matches!(
                described.status,
                Some(ChangeSetStatus::CreateComplete | ChangeSetStatus::Failed)
            );
            Ok(done.then_some(described))
        })
        .await?;
        if described.status == Some(ChangeSetStatus::CreateComplete) {
            let changes = described.changes().iter().filter_map(|it| it.resource_change());
            let mut changes: Vec<_> = changes.filter(|it| is_direct(it)).map(change).collect();
            changes.sort();
            return Ok(Some(changes));
        }
        let reason = described.status_reason().unwrap_or_default();
        // The words that `sam deploy` looks for, too.
        let nothing = reason.contains("didn't contain changes")
            || reason.contains("No updates are to be performed");
        ensure!(nothing, "the change set failed: {reason}");
        Ok(None)
    }

    /// Waits until the stack has settled.
    async fn settled(&self, stack: &str) -> anyhow::Result<()> {
        let status = until("the stack has settled", async || {
            let status = self.status(stack).await?.context("the stack is gone")?;
            Ok((!status.as_str().ends_with("_IN_PROGRESS")).then_some(status))
        })
        .await?;
        if matches!(status, StackStatus::CreateComplete | StackStatus::UpdateComplete) {
            return Ok(());
        }
        let failures = self.failures(stack).await?.join("\n  ");
        bail!("{stack} is {}:\n  {failures}", status.as_str());
    }

    async fn failures(&self, stack: &str) -> anyhow::Result<Vec<String>> {
        let events = self.events(stack).await?;
        let failed = events.iter().filter(|event| {
            event.resource_status().is_some_and(|status| status.as_str().ends_with("FAILED"))
        });
        Ok(failed
            .map(|event| {
                let name = event.logical_resource_id().unwrap_or_default();
                let kind = event.resource_type().unwrap_or_default();
                let reason = event.resource_status_reason().unwrap_or_default();
                format!("{name} ({kind}): {reason}")
            })
            .collect())
    }

    /// Where the stack stands; `None` when there is none of this name.
    async fn status(&self, stack: &str) -> anyhow::Result<Option<StackStatus>> {
        match self.client.describe_stacks().stack_name(stack).send().await {
            Ok(described) => {
                let status = described.stacks().first().and_then(|it| it.stack_status().cloned());
                Ok(status.filter(|status| *status != StackStatus::DeleteComplete))
            }
            Err(error) => {
                let error = error.into_service_error();
                let text = error.meta().message().unwrap_or_default().to_owned();
                if text.contains("does not exist") { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// What the stack tells of itself.
    ///
    /// # Errors
    /// There is no such stack.
    pub async fn outputs(&self, stack: &str) -> anyhow::Result<Outputs> {
        let described = self.client.describe_stacks().stack_name(stack).send().await?;
        let stack = described.stacks().first().context("the stack is gone")?;
        let outputs = stack.outputs().iter();
        Ok(outputs
            .filter_map(|it| Some((it.output_key()?.to_owned(), it.output_value()?.to_owned())))
            .collect())
    }

    /// The stack's resources: name in the template and physical id.
    ///
    /// # Errors
    /// There is no such stack.
    pub async fn resources(&self, stack: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let found = self.client.describe_stack_resources().stack_name(stack).send().await?;
        let found = found.stack_resources().iter().filter_map(|resource| {
            let name = resource.logical_resource_id()?;
            Some((name.to_owned(), resource.physical_resource_id()?.to_owned()))
        });
        Ok(found.collect())
    }

    /// Deletes a stack, and waits until it is gone.
    ///
    /// # Errors
    /// A resource cannot be deleted.
    pub async fn delete(&self, stack: &str) -> anyhow::Result<()> {
        self.client.delete_stack().stack_name(stack).send().await?;
        until("the stack is gone", async || match self.status(stack).await? {
            None => Ok(Some(())),
            Some(StackStatus::DeleteFailed) => {
                bail!("deleting {stack} failed:\n  {}", self.failures(stack).await?.join("\n  "))
            }
            Some(_) => Ok(None),
        })
        .await
    }
}

/// Whether the template itself changes it, or only something that it refers to.
fn is_direct(change: &ResourceChange) -> bool {
    let modified = change.action() == Some(&ChangeAction::Modify);
    let mut details = change.details().iter();
    !modified || details.any(|it| it.change_source() == Some(&ChangeSource::DirectModification))
}

fn change(change: &ResourceChange) -> Change {
    Change {
        action: change.action().map_or("?", ChangeAction::as_str).to_owned(),
        resource: change.logical_resource_id().unwrap_or_default().to_owned(),
        kind: change.resource_type().unwrap_or_default().to_owned(),
    }
}

/// The SDK's configuration, for any service.
pub fn sdk(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}
