//! The local stack as CloudFormation would show it: what `tollgate --stack local` reads.

use tollgate_standin::world::{API_ID, BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, STAGE, World};

use crate::addresses::{TABLE, Urls, queue_url};
use crate::secrets::arns;

/// The stack's name.
pub const STACK: &str = "local";

/// Makes the stack's outputs.
pub(crate) fn publish(world: &World, urls: &Urls, pool: &str) {
    let outputs = [
        ("TableName", TABLE.to_owned()),
        ("EventsQueueUrl", queue_url(urls, EVENTS_QUEUE)),
        ("BulkQueueUrl", queue_url(urls, BULK_QUEUE)),
        ("EventsDeadLetterQueueUrl", queue_url(urls, DEAD_LETTER_QUEUES[0])),
        ("BulkDeadLetterQueueUrl", queue_url(urls, DEAD_LETTER_QUEUES[1])),
        ("UserPoolId", pool.to_owned()),
        ("ApiStage", format!("{API_ID}:{STAGE}")),
        ("Livemode", "false".to_owned()),
        ("WebhookUrl", format!("{}/webhook", urls.tollgate)),
        ("AccountUrl", urls.tollgate.clone()),
        ("CognitoTriggerArn", world.cognito.config().function()),
        ("StripeKeySecretArn", arns::STRIPE_KEY.to_owned()),
        ("SweepStripeKeySecretArn", arns::SWEEP_STRIPE_KEY.to_owned()),
        ("WebhookSecretsArn", arns::WEBHOOK.to_owned()),
        ("KeySecretsArn", arns::KEYS.to_owned()),
        ("ReturnUrl", format!("{}/account", urls.tollgate)),
        ("Catalog", world.plans_toml.clone()),
    ];
    let outputs = outputs.into_iter().map(|(name, value)| (name.to_owned(), value));
    world.cloudformation.set_stack(STACK, outputs);
    let clients = world.cognito.config().clients.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    let parameters = [("UserPoolClientIds".to_owned(), clients.join(","))];
    world.cloudformation.set_parameters(STACK, parameters);
}
