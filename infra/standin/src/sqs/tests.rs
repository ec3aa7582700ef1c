//! One test for each rule that Tollgate relies on.

mod delivery;
mod http;
mod sending;

use super::*;

const QUEUE: &str = "events.fifo";
const DEAD: &str = "events-dead.fifo";

struct World {
    clock: VirtualClock,
    sqs: SqsStandin,
}

/// Tollgate's settings: high throughput, two receives, then the dead-letter queue.
fn settings() -> Settings {
    Settings {
        deduplicate_per_group: true,
        throughput_per_group: true,
        redrive: Some(Redrive { dead_letter_queue: DEAD.into(), max_receive_count: 2 }),
        ..Settings::default()
    }
}

fn world() -> World {
    world_with(settings())
}

fn world_with(settings: Settings) -> World {
    let clock = VirtualClock::starting_at("2026-01-30T12:00:00Z".parse().unwrap());
    let sqs = SqsStandin::new(clock.clone(), Calls::default());
    sqs.create_queue(DEAD, Settings::default()).unwrap();
    sqs.create_queue(QUEUE, settings).unwrap();
    World { clock, sqs }
}

fn outgoing(group: &str, dedup: &str) -> Outgoing {
    Outgoing { body: format!("body {dedup}"), group: Some(group.into()), dedup: Some(dedup.into()) }
}

impl World {
    fn try_send(&self, outgoing: Outgoing) -> Result<Sent, SqsError> {
        self.sqs.scene(|model, now| model.send_message(QUEUE, outgoing, now))
    }

    fn send(&self, group: &str, dedup: &str) -> String {
        self.try_send(outgoing(group, dedup)).unwrap().id
    }

    fn receive(&self, max: usize) -> Vec<Message> {
        self.sqs.receive(QUEUE, max).unwrap()
    }

    /// The deduplication ids of the messages received now.
    fn received(&self) -> Vec<String> {
        self.receive(10).into_iter().map(|message| message.dedup).collect()
    }

    fn delete(&self, message: &Message) -> Result<(), SqsError> {
        self.sqs.delete(QUEUE, &message.receipt)
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}
