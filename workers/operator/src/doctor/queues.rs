//! The queues and their dead-letter queues.

use jiff::SignedDuration;

use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{Look, ObservedQueue, ObservedStack, QueuePair};

/// Six times the worker's timeout of 30 seconds.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
pub const MIN_VISIBILITY: SignedDuration = SignedDuration::from_secs(180);

/// Fewer, and throttling alone makes dead letters. From the same page.
pub const MIN_RECEIVES: u32 = 5;

/// A long weekend, on which nobody sees that dead letters are not recorded.
const MIN_LETTERS: SignedDuration = SignedDuration::from_hours(4 * 24);

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    let finding = |check, looked_at| CheckFinding::of(check, System::Sqs, looked_at);
    let pairs = &observed.queues;
    vec![
        exist(finding("queues-exist", "both queues and their dead-letter queues"), pairs),
        all(finding("queues-fifo", "FIFO, high throughput"), pairs, fifo),
        sources(
            finding("queues-visibility", "hidden for three minutes or more"),
            pairs,
            visibility,
        ),
        redrive(finding("queues-redrive", "five receives or more, then dead letters"), pairs),
        retention(
            finding("queues-retention", "dead letters are kept for four days or more"),
            pairs,
        ),
        letters(finding("queues-dead-letters", "no dead letters"), pairs, expected),
    ]
}

const DEPLOY: &str = "somebody has changed it by hand: deploy the stack again, or set it back";

fn exist(mut finding: CheckFinding, pairs: &[QueuePair]) -> CheckFinding {
    for pair in pairs {
        let mend = "deploy the stack again";
        let (queue, letters) = names(pair);
        finding = finding.look_for(&queue, &pair.queue, mend, |_, _| {});
        finding = finding.look_for(&letters, &pair.dead_letters, mend, |_, _| {});
    }
    finding
}

fn names(pair: &QueuePair) -> (String, String) {
    (format!("queue `{}`", pair.name), format!("dead-letter queue of `{}`", pair.name))
}

fn all(
    finding: CheckFinding,
    pairs: &[QueuePair],
    judge: fn(&mut CheckFinding, &str, &ObservedQueue),
) -> CheckFinding {
    pairs.iter().fold(finding, |finding, pair| {
        let (queue, letters) = names(pair);
        let finding =
            finding.look(&queue, &pair.queue, |finding, seen| judge(finding, &queue, seen));
        finding.look(&letters, &pair.dead_letters, |finding, seen| judge(finding, &letters, seen))
    })
}

fn sources(
    finding: CheckFinding,
    pairs: &[QueuePair],
    judge: fn(&mut CheckFinding, &str, &ObservedQueue),
) -> CheckFinding {
    pairs.iter().fold(finding, |finding, pair| {
        let (queue, _) = names(pair);
        finding.look(&queue, &pair.queue, |finding, seen| judge(finding, &queue, seen))
    })
}

fn fifo(finding: &mut CheckFinding, name: &str, queue: &ObservedQueue) {
    if !queue.fifo {
        finding.fail(format!("{name} is not FIFO"), "it cannot be changed: deploy the stack again");
    } else if !queue.high_throughput {
        finding.warn(format!("{name} is not in high-throughput mode: one pace for all"), DEPLOY);
    }
}

fn visibility(finding: &mut CheckFinding, name: &str, queue: &ObservedQueue) {
    if queue.visibility < MIN_VISIBILITY {
        let seconds = queue.visibility.as_secs();
        finding.fail(
            format!("{name} hides a message for {seconds} s: the worker gets it twice at once"),
            DEPLOY,
        );
    }
}

fn redrive(finding: CheckFinding, pairs: &[QueuePair]) -> CheckFinding {
    pairs.iter().fold(finding, |finding, pair| {
        let (name, letters_name) = names(pair);
        finding.look(&name, &pair.queue, |finding, queue| {
            let Some(redrive) = &queue.redrive else {
                let found =
                    format!("{name} has no dead-letter queue: a bad message blocks its group");
                return finding.fail(found, DEPLOY);
            };
            if redrive.max_receives < MIN_RECEIVES {
                let receives = redrive.max_receives;
                finding
                    .fail(format!("{name} gives a message up after {receives} receives"), DEPLOY);
            }
            match &pair.dead_letters {
                Ok(letters) if letters.arn != redrive.target => finding.fail(
                    format!("{name} sends dead letters to {}, where nobody looks", redrive.target),
                    DEPLOY,
                ),
                Ok(_) => {}
                Err(unseen) => finding.unseen(&letters_name, unseen),
            }
        })
    })
}

/// In a FIFO queue the age of a message begins anew when it becomes a dead letter. In a standard
/// queue it goes on, so that a dead-letter queue that keeps no longer could drop it at once.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
fn retention(finding: CheckFinding, pairs: &[QueuePair]) -> CheckFinding {
    pairs.iter().fold(finding, |mut finding, pair| {
        let both: Look<_> = pair
            .queue
            .as_ref()
            .and_then(|queue| Ok((queue, pair.dead_letters.as_ref()?)))
            .map_err(Clone::clone);
        let (name, letters_name) = names(pair);
        match both {
            Ok((queue, letters)) if !letters.fifo && letters.retention <= queue.retention => {
                finding
                    .fail(format!("{letters_name} keeps no longer than the queue itself"), DEPLOY);
            }
            Ok((_, letters)) if letters.retention < MIN_LETTERS => {
                let hours = letters.retention.as_hours();
                let found =
                    format!("{letters_name} keeps for {hours} h what nobody has recorded yet");
                finding.warn(found, DEPLOY);
            }
            Ok(_) => {}
            Err(unseen) => finding.unseen(&name, &unseen),
        }
        finding
    })
}

fn letters(finding: CheckFinding, pairs: &[QueuePair], expected: &Expected) -> CheckFinding {
    pairs.iter().fold(finding, |finding, pair| {
        let (_, name) = names(pair);
        finding.look(&name, &pair.dead_letters, |finding, queue| {
            let messages = queue.messages.all();
            if messages > 0 {
                finding.warn(
                    format!("{name} has {messages} messages: they are not recorded yet"),
                    format!("aws logs tail /aws/lambda/{}-deadletter --since 1d", expected.stack),
                );
            }
        })
    })
}
