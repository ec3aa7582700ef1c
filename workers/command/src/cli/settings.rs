//! What the command knows of a stack: its outputs in CloudFormation, or, without
//! `--stack`, the variables that the functions have too.
//!
//! Each setting is optional: a command asks for what it needs, and the error names both
//! ways to give it.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack;
use tollgate_core::ports::{Class, PortError, Service};
use tollgate_functions::adapters::error::Operation;

use super::exit::Failure;

/// One thing to know of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// The stack's name.
    Stack,
    /// The ledger's table.
    Table,
    /// The URL of the queue `events`.
    EventsQueueUrl,
    /// The URL of the queue `bulk`.
    BulkQueueUrl,
    /// The URL of the dead-letter queue behind `events`.
    EventsDeadLetterQueueUrl,
    /// The URL of the dead-letter queue behind `bulk`.
    BulkDeadLetterQueueUrl,
    /// The Cognito user pool's id.
    UserPoolId,
    /// The protected API, `<rest api id>:<stage>`.
    ApiStage,
    /// `true` or `false`.
    Livemode,
    /// Where Stripe sends its events.
    WebhookUrl,
    /// The base of the account API.
    AccountUrl,
    /// The function that the user pool triggers.
    CognitoTriggerArn,
    /// The secret with Stripe's key.
    StripeKeySecretArn,
    /// The secret with the sweep's own key, if it has one.
    SweepStripeKeySecretArn,
    /// The secret with the webhook's signing secrets.
    WebhookSecretsArn,
    /// The secret with the key-derivation secrets.
    KeySecretsArn,
    /// Where Stripe's pages send the browser back to.
    ReturnUrl,
    /// The app clients whose tokens the account API takes, separated by commas.
    UserPoolClientIds,
    /// For how many days settled event records are kept; not known: for ever.
    EventRetentionDays,
    /// The catalog: its text, or the path of its file. Of the local stack, and of the
    /// functions' own variables; a deployed stack has it in a layer, and does not show it.
    Catalog,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Stack,
        Self::Table,
        Self::EventsQueueUrl,
        Self::BulkQueueUrl,
        Self::EventsDeadLetterQueueUrl,
        Self::BulkDeadLetterQueueUrl,
        Self::UserPoolId,
        Self::ApiStage,
        Self::Livemode,
        Self::WebhookUrl,
        Self::AccountUrl,
        Self::CognitoTriggerArn,
        Self::StripeKeySecretArn,
        Self::SweepStripeKeySecretArn,
        Self::WebhookSecretsArn,
        Self::KeySecretsArn,
        Self::ReturnUrl,
        Self::UserPoolClientIds,
        Self::EventRetentionDays,
        Self::Catalog,
    ];

    /// The template's output, or parameter; the stack's name is neither.
    pub fn output(self) -> &'static str {
        self.names().0
    }

    /// The environment's variable.
    pub fn variable(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Stack => ("", "TOLLGATE_STACK"),
            Self::Table => ("TableName", "TOLLGATE_TABLE"),
            Self::EventsQueueUrl => ("EventsQueueUrl", "TOLLGATE_EVENTS_QUEUE_URL"),
            Self::BulkQueueUrl => ("BulkQueueUrl", "TOLLGATE_BULK_QUEUE_URL"),
            Self::EventsDeadLetterQueueUrl => {
                ("EventsDeadLetterQueueUrl", "TOLLGATE_EVENTS_DEAD_LETTER_QUEUE_URL")
            }
            Self::BulkDeadLetterQueueUrl => {
                ("BulkDeadLetterQueueUrl", "TOLLGATE_BULK_DEAD_LETTER_QUEUE_URL")
            }
            Self::UserPoolId => ("UserPoolId", "TOLLGATE_USER_POOL_ID"),
            Self::ApiStage => ("ApiStage", "TOLLGATE_API_STAGE"),
            Self::Livemode => ("Livemode", "TOLLGATE_LIVEMODE"),
            Self::WebhookUrl => ("WebhookUrl", "TOLLGATE_WEBHOOK_URL"),
            Self::AccountUrl => ("AccountUrl", "TOLLGATE_ACCOUNT_URL"),
            Self::CognitoTriggerArn => ("CognitoTriggerArn", "TOLLGATE_COGNITO_TRIGGER_ARN"),
            Self::StripeKeySecretArn => ("StripeKeySecretArn", "STRIPE_SECRET_KEY_ARN"),
            Self::SweepStripeKeySecretArn => {
                ("SweepStripeKeySecretArn", "SWEEP_STRIPE_SECRET_KEY_ARN")
            }
            Self::WebhookSecretsArn => ("WebhookSecretsArn", "STRIPE_WEBHOOK_SECRETS_ARN"),
            Self::KeySecretsArn => ("KeySecretsArn", "TOLLGATE_KEY_SECRETS_ARN"),
            Self::ReturnUrl => ("ReturnUrl", "TOLLGATE_RETURN_URL"),
            Self::UserPoolClientIds => ("UserPoolClientIds", "TOLLGATE_USER_POOL_CLIENT_IDS"),
            Self::EventRetentionDays => ("EventRetentionDays", "TOLLGATE_EVENT_RETENTION_DAYS"),
            Self::Catalog => ("Catalog", "TOLLGATE_CATALOG"),
        }
    }
}

/// What is known of a stack. No secret is among it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackSettings(BTreeMap<Setting, String>);

impl StackSettings {
    /// Settings that are known already; a blank one counts as not known.
    pub fn new(known: impl IntoIterator<Item = (Setting, String)>) -> Self {
        let known = known.into_iter().map(|(setting, value)| (setting, value.trim().to_owned()));
        Self(known.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// From the environment's variables.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let all = Setting::ALL.into_iter();
        Self::new(all.filter_map(|setting| Some((setting, get(setting.variable())?))))
    }

    /// From a stack's outputs and parameters. `--stack` may be the stack's name or its ARN;
    /// marks have the name.
    ///
    /// # Errors
    /// There is no such stack, or CloudFormation failed.
    pub async fn from_stack(name: &str, sdk: &SdkConfig) -> Result<Self, Failure> {
        const DESCRIBE: Operation =
            Operation { service: Service::CloudFormation, name: "DescribeStacks" };
        let client = aws_sdk_cloudformation::Client::new(sdk);
        let answer = client.describe_stacks().stack_name(name).send().await;
        let answer = answer.map_err(|error| no_such_stack(name, DESCRIBE.sdk(&error)))?;
        let own = answer.stacks().iter();
        let called = own.clone().find_map(Stack::stack_name).unwrap_or(name).to_owned();
        let parameters = own.clone().flat_map(Stack::parameters);
        let parameters = parameters.map(|it| (it.parameter_key(), it.parameter_value()));
        let outputs = own.flat_map(Stack::outputs);
        let outputs = outputs.map(|output| (output.output_key(), output.output_value()));
        // Of two with one name, the output stays.
        let known = parameters.chain(outputs).filter_map(|(key, value)| {
            let setting = Setting::ALL.into_iter().find(|setting| Some(setting.output()) == key)?;
            Some((setting, value?.to_owned()))
        });
        Ok(Self::new(known.chain([(Setting::Stack, called)])))
    }

    /// A setting, if it is known.
    pub fn get(&self, setting: Setting) -> Option<&str> {
        self.0.get(&setting).map(String::as_str)
    }

    /// A setting that is needed.
    ///
    /// # Errors
    /// It is not known; says how to give it.
    pub fn need(&self, setting: Setting) -> Result<&str, Failure> {
        self.get(setting).ok_or_else(|| {
            let (output, variable) = setting.names();
            let problem = if output.is_empty() {
                "the stack's name is not known".to_owned()
            } else {
                format!("the stack's {output} is not known")
            };
            let mend = format!("Name the stack with --stack, or set {variable}.");
            Failure::usage(problem, mend)
        })
    }

    /// Whether the stack takes real payments.
    ///
    /// # Errors
    /// It is not known, or is neither `true` nor `false`.
    pub fn livemode(&self) -> Result<bool, Failure> {
        let text = self.need(Setting::Livemode)?;
        text.parse().map_err(|_| {
            Failure::usage(
                "Livemode is neither `true` nor `false`",
                "Set TOLLGATE_LIVEMODE to one.",
            )
        })
    }
}

/// CloudFormation calls a missing stack a validation error.
fn no_such_stack(name: &str, error: PortError) -> Failure {
    if error.class == Class::Invalid && error.detail.contains("does not exist") {
        let problem = format!("there is no stack `{name}` in this account and Region");
        return Failure::usage(problem, "Check the name, AWS_REGION and AWS_PROFILE.");
    }
    error.into()
}
