//! The local stack as CloudFormation and Secrets Manager would show it: what
//! `tollgate --stack local` reads.

use std::collections::BTreeMap;

use tollgate_standin::world::{
    API_ID, BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, POOL_ID, STAGE, World,
};

use crate::stack::{TABLE, Urls, queue_url};

/// The stack's name.
pub const STACK: &str = "local";

/// Makes the secrets and the stack's outputs, from what the functions' environment holds.
pub(crate) fn publish(world: &World, urls: &Urls, settings: &BTreeMap<&'static str, String>) {
    let secret = |name: &str, variable: &str| {
        let name = format!("{STACK}/{name}");
        match settings.get(variable) {
            Some(value) => world.secrets.create_with(&name, value),
            None => world.secrets.create(&name),
        }
    };
    let outputs = [
        ("TableName", TABLE.to_owned()),
        ("EventsQueueUrl", queue_url(urls, EVENTS_QUEUE)),
        ("BulkQueueUrl", queue_url(urls, BULK_QUEUE)),
        ("EventsDeadLetterQueueUrl", queue_url(urls, DEAD_LETTER_QUEUES[0])),
        ("BulkDeadLetterQueueUrl", queue_url(urls, DEAD_LETTER_QUEUES[1])),
        ("UserPoolId", POOL_ID.to_owned()),
        ("ApiStage", format!("{API_ID}:{STAGE}")),
        ("Livemode", "false".to_owned()),
        ("WebhookUrl", format!("{}/webhook", urls.tollgate)),
        ("AccountUrl", urls.tollgate.clone()),
        ("CognitoTriggerArn", world.cognito.config().function()),
        ("StripeKeySecretArn", secret("stripe-key", "STRIPE_SECRET_KEY")),
        ("WebhookSecretsArn", secret("webhook-secrets", "STRIPE_WEBHOOK_SECRETS")),
        ("KeySecretsArn", secret("key-secrets", "TOLLGATE_KEY_SECRETS")),
        ("ReturnUrl", format!("{}/account", urls.tollgate)),
    ];
    let outputs = outputs.into_iter().map(|(name, value)| (name.to_owned(), value));
    world.cloudformation.set_stack(STACK, outputs);
    let clients = world.cognito.config().clients.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    let parameters = [("UserPoolClientIds".to_owned(), clients.join(","))];
    world.cloudformation.set_parameters(STACK, parameters);
}
