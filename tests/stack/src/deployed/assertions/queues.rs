//! The queues, and who is behind them.

use serde_json::Value;
use tollgate_standin::world::MAX_RECEIVES;

use super::view::{Resource, list, referenced, resource, resources, text};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "names of FIFO queues end with .fifo",
        check: fifo_names,
        mistake: Mistake {
            place: "/Resources/EventsQueue/Properties/QueueName",
            value: r#"{"Fn::Sub": "${AWS::StackName}-events"}"#,
        },
    },
    Assertion {
        name: "queues have high throughput",
        check: high_throughput,
        mistake: Mistake {
            place: "/Resources/BulkQueue/Properties/FifoThroughputLimit",
            value: r#""perQueue""#,
        },
    },
    Assertion {
        name: "messages stay hidden for six times the function's timeout",
        check: visibility,
        mistake: Mistake {
            place: "/Resources/BulkQueue/Properties/VisibilityTimeout",
            value: "179",
        },
    },
    Assertion {
        name: "a message is received six times before it is a dead letter",
        check: receives,
        mistake: Mistake {
            place: "/Resources/EventsQueue/Properties/RedrivePolicy/maxReceiveCount",
            value: "5",
        },
    },
    Assertion {
        name: "dead letters are kept for longer than messages",
        check: retention,
        mistake: Mistake {
            place: "/Resources/EventsDeadLetterQueue/Properties/MessageRetentionPeriod",
            value: "345600",
        },
    },
    Assertion {
        name: "queues are encrypted",
        check: encryption,
        mistake: Mistake {
            place: "/Resources/EventsQueue/Properties/SqsManagedSseEnabled",
            value: GONE,
        },
    },
    Assertion {
        name: "every queue is read in batches that can fail in part",
        check: partial_batches,
        mistake: Mistake {
            place: "/Resources/WorkerFunctionEvents/Properties/FunctionResponseTypes",
            value: GONE,
        },
    },
];

fn queues(template: &Value) -> Vec<Resource<'_>> {
    resources(template, "AWS::SQS::Queue")
}

fn mappings(template: &Value) -> Vec<Resource<'_>> {
    resources(template, "AWS::Lambda::EventSourceMapping")
}

/// Linters see this in a literal name, not within `Fn::Sub`.
fn fifo_names(template: &Value) -> AssertionResult {
    let wrong = queues(template).into_iter().filter(|queue| {
        let name = text(&queue.properties["QueueName"]).unwrap_or_default();
        queue.properties["FifoQueue"] != true || !name.ends_with(".fifo")
    });
    verdict(wrong.map(|queue| format!("{} is not named as a FIFO queue", queue.id)))
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html>
fn high_throughput(template: &Value) -> AssertionResult {
    let wrong = queues(template).into_iter().filter(|queue| {
        queue.properties["DeduplicationScope"] != "messageGroup"
            || queue.properties["FifoThroughputLimit"] != "perMessageGroupId"
    });
    verdict(wrong.map(|queue| format!("{} is limited as a whole", queue.id)))
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
fn visibility(template: &Value) -> AssertionResult {
    let wrong = mappings(template).into_iter().filter_map(|mapping| {
        let queue = referenced(&mapping.properties["EventSourceArn"])?;
        let function = referenced(&mapping.properties["FunctionName"])?;
        let hidden = resource(template, queue)["Properties"]["VisibilityTimeout"].as_u64();
        let timeout = resource(template, function)["Properties"]["Timeout"].as_u64()?;
        (hidden < Some(6 * timeout))
            .then(|| format!("{queue}: {hidden:?} s, {function}: {timeout} s"))
    });
    verdict(wrong)
}

fn receives(template: &Value) -> AssertionResult {
    let count = |queue: &Value| queue["RedrivePolicy"]["maxReceiveCount"].as_u64();
    let dead = dead_letter_queues(template);
    let alive = queues(template).into_iter().filter(|queue| !dead.contains(&queue.id));
    let wrong = alive.filter(|queue| count(queue.properties) != Some(MAX_RECEIVES.into()));
    verdict(wrong.map(|queue| format!("{}: {:?}", queue.id, count(queue.properties))))
}

fn dead_letter_queues(template: &Value) -> Vec<&str> {
    let target = |queue: Resource<'_>| -> Option<&str> {
        referenced(
            &resource(template, queue.id)["Properties"]["RedrivePolicy"]["deadLetterTargetArn"],
        )
    };
    queues(template).into_iter().filter_map(target).collect()
}

/// A message keeps its age when it becomes a dead letter.
fn retention(template: &Value) -> AssertionResult {
    let kept =
        |queue: &str| resource(template, queue)["Properties"]["MessageRetentionPeriod"].as_u64();
    let wrong = queues(template).into_iter().filter_map(|queue| {
        let dead = referenced(&queue.properties["RedrivePolicy"]["deadLetterTargetArn"])?;
        (kept(dead) <= kept(queue.id)).then(|| format!("{dead} does not outlive {}", queue.id))
    });
    verdict(wrong)
}

fn encryption(template: &Value) -> AssertionResult {
    let wrong = queues(template).into_iter().filter(|queue| {
        queue.properties["SqsManagedSseEnabled"] != true
            && queue.properties["KmsMasterKeyId"].is_null()
    });
    verdict(wrong.map(|queue| format!("{} is not", queue.id)))
}

fn partial_batches(template: &Value) -> AssertionResult {
    let unread = queues(template).into_iter().filter_map(|queue| {
        let of_queue = |mapping: &Resource<'_>| {
            referenced(&mapping.properties["EventSourceArn"]) == Some(queue.id)
        };
        let mapping = mappings(template).into_iter().find(of_queue);
        mapping.is_none().then(|| format!("nobody reads {}", queue.id))
    });
    let whole = mappings(template).into_iter().filter(|mapping| {
        !list(&mapping.properties["FunctionResponseTypes"])
            .contains(&&Value::from("ReportBatchItemFailures"))
            || mapping.properties["ScalingConfig"]["MaximumConcurrency"].is_null()
    });
    verdict(
        unread.chain(
            whole.map(|mapping| format!("{} fails as a whole, or has no limit", mapping.id)),
        ),
    )
}
