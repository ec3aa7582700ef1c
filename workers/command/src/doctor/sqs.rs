//! The queues' attributes.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use jiff::SignedDuration;
use serde_json::Value;
use tollgate_core::ports::Service;
use tollgate_functions::adapters::error::Operation;
use tollgate_operator::doctor::{Look, Messages, ObservedQueue, QueuePair, Redrive, Unseen};

use super::QueuePlace;
use super::unseen::aws;

const GET: Operation = Operation { service: Service::Queue, name: "GetQueueAttributes" };

/// Looks at both queues and their dead-letter queues.
pub async fn look(places: &[QueuePlace; 2], sdk: &SdkConfig) -> [QueuePair; 2] {
    let client = Client::new(sdk);
    let [events, bulk] = places;
    let (events, bulk) = tokio::join!(pair(&client, events), pair(&client, bulk));
    [events, bulk]
}

async fn pair(client: &Client, place: &QueuePlace) -> QueuePair {
    let queue = match &place.url {
        Ok(url) => attributes(client, url).await,
        Err(unseen) => Err(unseen.clone()),
    };
    let dead_letters = match place.dead_letters.clone().or_else(|| named(place, &queue)) {
        Some(url) => attributes(client, &url).await,
        None => Err(match &queue {
            Ok(_) => Unseen::Absent,
            Err(why) => why.clone(),
        }),
    };
    QueuePair { name: place.name, queue, dead_letters }
}

/// The dead-letter queue that a queue names: it is in the same account and Region, so its
/// URL differs in the name only.
fn named(place: &QueuePlace, queue: &Look<ObservedQueue>) -> Option<String> {
    let (base, _) = place.url.as_ref().ok()?.rsplit_once('/')?;
    let target = &queue.as_ref().ok()?.redrive.as_ref()?.target;
    Some(format!("{base}/{}", target.rsplit(':').next()?))
}

async fn attributes(client: &Client, url: &str) -> Look<ObservedQueue> {
    let request = client.get_queue_attributes().queue_url(url).attribute_names(Name::All);
    let answer = request.send().await;
    let answer = answer.map_err(|error| aws(GET, "sqs:GetQueueAttributes", &error))?;
    Ok(read(answer.attributes().ok_or(Unseen::Absent)?))
}

fn read(attributes: &HashMap<Name, String>) -> ObservedQueue {
    let text = |name: &Name| attributes.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &Name| text(name).parse::<i64>().unwrap_or_default();
    let seconds = |name: &Name| SignedDuration::from_secs(number(name));
    let count = |name: &Name| number(name).unsigned_abs();
    ObservedQueue {
        arn: text(&Name::QueueArn).to_owned(),
        fifo: text(&Name::FifoQueue) == "true",
        high_throughput: text(&Name::DeduplicationScope) == "messageGroup"
            && text(&Name::FifoThroughputLimit) == "perMessageGroupId",
        visibility: seconds(&Name::VisibilityTimeout),
        retention: seconds(&Name::MessageRetentionPeriod),
        redrive: redrive(text(&Name::RedrivePolicy)),
        messages: Messages {
            visible: count(&Name::ApproximateNumberOfMessages),
            in_flight: count(&Name::ApproximateNumberOfMessagesNotVisible),
            delayed: count(&Name::ApproximateNumberOfMessagesDelayed),
        },
    }
}

/// `maxReceiveCount` comes as a number or as a string of one.
fn redrive(policy: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let receives = &policy["maxReceiveCount"];
    let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok())?;
    Some(Redrive {
        target: policy["deadLetterTargetArn"].as_str()?.to_owned(),
        max_receives: receives.try_into().ok()?,
    })
}
