//! SQS FIFO: what is sent through the port, as whoever receives it finds it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tollgate_core::ports::{Class, Queue as _, QueueName};
use tollgate_events::{Envelope, EventId, Source, Subject, Via};
use tollgate_standin::sqs::Message;
use tollgate_standin::world::{
    BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, MAX_RECEIVES, VISIBILITY,
};

use super::face::{self, Face, Stand};
use super::ledger::{at, customer, odd_ids};

/// An event about a customer, whose group it is in.
pub(super) fn envelope(event: &str, customer_id: &str) -> Envelope {
    Envelope {
        object: Some("sub_1".into()),
        livemode: Some(false),
        ..Envelope::received(
            Source::Stripe,
            Via::Webhook,
            EventId::parse(event).unwrap(),
            "customer.subscription.updated",
            Subject::customer(customer(customer_id)),
            at(0),
        )
    }
}

impl<F: Face> Stand<F> {
    async fn send(&self, event: &str, customer_id: &str) {
        let envelope = envelope(event, customer_id);
        self.queue.send(QueueName::Events, &envelope).await.unwrap();
    }

    /// Up to ten messages of the events queue.
    fn receive(&self) -> Vec<Message> {
        self.world.sqs.receive(EVENTS_QUEUE, 10).unwrap()
    }

    /// The events in up to ten messages of the events queue.
    fn received(&self) -> Vec<String> {
        self.receive().into_iter().map(|message| message.dedup).collect()
    }

    fn delete(&self, message: &Message) {
        self.world.sqs.delete(EVENTS_QUEUE, &message.receipt).unwrap();
    }
}

pub(super) async fn a_message_is_the_envelope_with_its_group<F: Face>(stand: Stand<F>) {
    let sent = envelope("evt_1", "cus_1");
    stand.queue.send(QueueName::Bulk, &sent).await.unwrap();
    assert!(stand.world.sqs.is_empty(EVENTS_QUEUE));
    let [message] = &stand.world.sqs.receive(BULK_QUEUE, 10).unwrap()[..] else {
        panic!("one message")
    };
    assert_eq!(Envelope::decode(&message.body).unwrap(), sent);
    assert_eq!((message.group.as_str(), message.dedup.as_str()), ("cus_1", "evt_1"));
}

pub(super) async fn groups_and_deduplication_ids_are_words<F: Face>(stand: Stand<F>) {
    let mut groups = BTreeSet::new();
    let replays = odd_ids().into_iter().enumerate().map(|(n, id)| {
        let run = Some("r1".to_owned());
        Envelope { run, ..envelope(&format!("evt_{n}{}", "x".repeat(120)), &id) }
    });
    let replays: Vec<_> = replays.collect();
    stand.queue.send_all(QueueName::Events, &replays).await.unwrap();
    for message in stand.receive() {
        let envelope = Envelope::decode(&message.body).unwrap();
        assert!(replays.contains(&envelope));
        assert_eq!(message.group, envelope.group());
        groups.insert(message.group);
    }
    assert_eq!(groups.len(), replays.len(), "each customer has a group");
}

pub(super) async fn a_group_comes_in_the_order_in_which_it_was_sent<F: Face>(stand: Stand<F>) {
    for event in ["evt_2", "evt_1", "evt_3"] {
        stand.send(event, "cus_1").await;
    }
    assert_eq!(stand.received(), ["evt_2", "evt_1", "evt_3"]);
}

pub(super) async fn duplicates_within_five_minutes_are_swallowed<F: Face>(stand: Stand<F>) {
    stand.send("evt_1", "cus_1").await;
    stand.world.clock.advance(SignedDuration::from_secs(299));
    stand.send("evt_1", "cus_1").await;
    let [message] = &stand.receive()[..] else { panic!("one message") };
    stand.delete(message);
    stand.world.clock.advance(SignedDuration::from_secs(1));
    stand.send("evt_1", "cus_1").await;
    assert_eq!(stand.received(), ["evt_1"], "SQS forgets: the ledger is the guard");
}

pub(super) async fn a_replay_is_no_duplicate<F: Face>(stand: Stand<F>) {
    stand.send("evt_1", "cus_1").await;
    let again = Envelope { run: Some("run-1".into()), ..envelope("evt_1", "cus_1") };
    stand.queue.send(QueueName::Events, &again).await.unwrap();
    assert_eq!(stand.received(), ["evt_1", "run-1@stripe/evt_1"]);
}

pub(super) async fn many_messages_go_ten_to_a_call<F: Face>(stand: Stand<F>) {
    let many: Vec<_> = (0..23).map(|n| envelope(&format!("evt_{n}"), "cus_1")).collect();
    stand.take_operations();
    stand.queue.send_all(QueueName::Events, &many).await.unwrap();
    assert_eq!(stand.take_operations(), ["SendMessageBatch"; 3]);
    let mut received = Vec::new();
    while let messages @ [_, ..] = &stand.receive()[..] {
        received.extend(messages.iter().map(|message| Envelope::decode(&message.body).unwrap()));
        messages.iter().for_each(|message| stand.delete(message));
    }
    assert_eq!(received, many);
    stand.queue.send_all(QueueName::Events, &[]).await.unwrap();
    assert!(stand.take_operations().is_empty(), "nothing to send is no call");
    stand.world.sqs.set_down(true);
    let refused = stand.queue.send_all(QueueName::Events, &many).await;
    assert_eq!(refused.unwrap_err().class, Class::Unavailable);
}

pub(super) async fn a_group_is_blocked_while_in_flight<F: Face>(stand: Stand<F>) {
    stand.send("evt_1", "cus_1").await;
    let [first] = &stand.receive()[..] else { panic!("one message") };
    stand.send("evt_2", "cus_1").await;
    stand.send("evt_3", "cus_2").await;
    assert_eq!(stand.received(), ["evt_3"]);
    stand.delete(first);
    assert_eq!(stand.received(), ["evt_2"]);
}

pub(super) async fn what_is_not_deleted_comes_back<F: Face>(stand: Stand<F>) {
    for event in ["evt_1", "evt_2", "evt_3"] {
        stand.send(event, "cus_1").await;
    }
    stand.delete(&stand.receive()[0]);
    assert!(stand.receive().is_empty());
    stand.world.clock.advance(VISIBILITY);
    assert_eq!(stand.received(), ["evt_2", "evt_3"]);
}

pub(super) async fn a_message_received_too_often_is_a_dead_letter<F: Face>(stand: Stand<F>) {
    stand.send("evt_1", "cus_1").await;
    for _ in 0..MAX_RECEIVES {
        assert_eq!(stand.received(), ["evt_1"]);
        stand.world.clock.advance(VISIBILITY);
    }
    assert!(stand.receive().is_empty());
    let [dead] = &stand.world.sqs.receive(DEAD_LETTER_QUEUES[0], 10).unwrap()[..] else {
        panic!("one dead letter")
    };
    assert_eq!(Envelope::decode(&dead.body).unwrap(), envelope("evt_1", "cus_1"));
}

pub(super) async fn a_queue_that_is_down_is_unavailable<F: Face>(stand: Stand<F>) {
    stand.world.sqs.set_down(true);
    let refused = stand.queue.send(QueueName::Events, &envelope("evt_1", "cus_1")).await;
    assert_eq!(refused.unwrap_err().class, Class::Unavailable);
}

pub(super) async fn a_queue_that_is_missing_is_a_wrong_configuration<F: Face>(_: Stand<F>) {
    let stand = F::open(face::world().without_queues()).await;
    let refused = stand.queue.send(QueueName::Events, &envelope("evt_1", "cus_1")).await;
    assert_eq!(refused.unwrap_err().class, Class::Denied);
}
