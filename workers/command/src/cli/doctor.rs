//! `tollgate doctor`: looks, compares, says.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::dynamodb::table::EXPIRES_AT;
use tollgate_functions::config::StripeEndpoint;
use tollgate_operator::doctor::{CheckVerdict, Expected, Look, Unseen, examine};

use super::stack::PlansOption;
use super::{Colour, Context, Exit, Failure, Io, Setting, StackSettings};
use crate::doctor::{Place, QueuePlace, SecretPlace, json, observe, table_shape, text};

const EXAMPLES: &str = "\
Examples:
  tollgate --stack shop doctor             what is wrong, and what mends it
  tollgate --stack shop doctor --strict    warnings fail too, in CI";

/// How to look.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Warnings, and what could not be looked at, fail too.
    #[arg(long)]
    strict: bool,

    /// The catalog [default: infra/plans/plans.toml; the local stack's own].
    file: Option<PathBuf>,
}

pub(crate) async fn run<C: Clock>(
    command: Doctor,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let settings = context.settings().await?;
    let catalog = catalog(command.file, context).await;
    let expected = expected(settings, context.named_stack(), context.command(), catalog)?;
    let place = place(settings, context.named_stack(), &|name| context.variable(name))?;
    let observed = observe(&place, &expected, context.sdk().await, &context.clock).await;
    let findings = examine(&observed, &expected);
    if context.json {
        writeln!(io.out, "{:#}", json(&expected.stack, &findings))?;
    } else {
        let paint = |verdict, mark: &str| io.paint(colour(verdict), mark);
        let text = text(&findings, paint);
        write!(io.out, "{text}")?;
    }
    Ok(if findings.passes(command.strict) { Exit::Done } else { Exit::Failed })
}

fn colour(verdict: CheckVerdict) -> Colour {
    match verdict {
        CheckVerdict::Ok => Colour::Green,
        CheckVerdict::Warning | CheckVerdict::CouldNotLook => Colour::Yellow,
        CheckVerdict::Failure => Colour::Red,
    }
}

async fn catalog<C: Clock>(
    file: Option<PathBuf>,
    context: &Context<'_, C>,
) -> Result<CatalogFile, String> {
    let text = context.plans_text(&PlansOption { file }).await;
    text.and_then(|text| text.catalog()).map_err(|failure| failure.problem)
}

/// What the stack should be like. Without its name, mode, pool and table there is nothing
/// to look at; the rest may be unknown.
fn expected(
    settings: &StackSettings,
    named: Option<&str>,
    command: String,
    catalog: Result<CatalogFile, String>,
) -> Result<Expected, Failure> {
    let known = |setting| known(settings, setting, named);
    let list = |text: String| {
        text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
    };
    // The template requires this parameter: a stack without a value has an empty one.
    let audience = known(Setting::UserPoolClientIds).or_else(|unseen| match named {
        Some(_) => Ok(String::new()),
        None => Err(unseen),
    });
    Ok(Expected {
        stack: settings.need(Setting::Stack)?.to_owned(),
        command,
        livemode: settings.livemode()?,
        catalog,
        user_pool_id: settings.need(Setting::UserPoolId)?.to_owned(),
        audience: audience.map(list),
        trigger: known(Setting::CognitoTriggerArn),
        api_stage: known(Setting::ApiStage),
        webhook_url: known(Setting::WebhookUrl),
        table_name: settings.need(Setting::Table)?.to_owned(),
        table: table_shape(),
        expires_at: EXPIRES_AT.to_owned(),
        events_end: settings.get(Setting::EventRetentionDays).is_some(),
    })
}

fn known(settings: &StackSettings, setting: Setting, named: Option<&str>) -> Look<String> {
    settings.get(setting).map(str::to_owned).ok_or_else(|| Unseen::Unknown {
        why: "it is not known".into(),
        mend: match named {
            Some(_) => format!("deploy a template that tells {}", setting.output()),
            None => format!("name the stack with --stack, or set {}", setting.variable()),
        },
    })
}

fn place(
    settings: &StackSettings,
    named: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Place, Failure> {
    let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let secret = |arn, name: &str| match (settings.get(arn), value(name)) {
        (Some(arn), _) => SecretPlace::Arn(arn.to_owned()),
        (None, Some(value)) => SecretPlace::Value(SecretString::from(value)),
        (None, None) => SecretPlace::Unknown(Unseen::Unknown {
            why: "it is not known where it is".into(),
            mend: format!("name the stack with --stack, or set {name}_ARN"),
        }),
    };
    use Setting::{KeySecretsArn, StripeKeySecretArn, SweepStripeKeySecretArn, WebhookSecretsArn};
    let sweep = settings.get(SweepStripeKeySecretArn);
    let sweep = sweep.filter(|arn| settings.get(StripeKeySecretArn) != Some(arn));
    Ok(Place {
        queues: queues(settings, named),
        stripe_key: secret(StripeKeySecretArn, "STRIPE_SECRET_KEY"),
        sweep_key: sweep.map(|arn| SecretPlace::Arn(arn.to_owned())),
        webhook_secrets: secret(WebhookSecretsArn, "STRIPE_WEBHOOK_SECRETS"),
        key_secrets: secret(KeySecretsArn, "TOLLGATE_KEY_SECRETS"),
        own_stripe_key: value("STRIPE_SECRET_KEY").map(SecretString::from),
        stripe_endpoint: StripeEndpoint::read(variable)?,
    })
}

/// Where the queues are.
pub(super) fn queues(settings: &StackSettings, named: Option<&str>) -> [QueuePlace; 2] {
    use Setting::{BulkDeadLetterQueueUrl, BulkQueueUrl, EventsDeadLetterQueueUrl, EventsQueueUrl};
    let queue = |name, url, letters| QueuePlace {
        name,
        url: known(settings, url, named),
        dead_letters: settings.get(letters).map(str::to_owned),
    };
    [
        queue("events", EventsQueueUrl, EventsDeadLetterQueueUrl),
        queue("bulk", BulkQueueUrl, BulkDeadLetterQueueUrl),
    ]
}
