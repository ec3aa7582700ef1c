use super::*;

#[test]
fn a_batch_takes_several_messages_of_a_group_in_order() {
    let w = world();
    for (group, dedup) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        w.send(group, dedup);
    }
    assert_eq!(w.received(), ["1", "2", "3", "4"]);
}

#[test]
fn a_receive_takes_one_to_ten_messages() {
    let w = world();
    for n in 0..12 {
        w.send(&format!("group-{n}"), "1");
    }
    assert_eq!(w.receive(10).len(), 10);
    assert_eq!(w.receive(10).len(), 2);
    for max in [0, 11] {
        assert!(w.sqs.receive(QUEUE, max).is_err(), "{max}");
    }
}

#[test]
fn a_group_is_blocked_while_any_message_of_it_is_in_flight() {
    let w = world();
    w.send("a", "1");
    w.send("a", "2");
    let [first] = &w.receive(1)[..] else { panic!("one message is there") };
    w.send("b", "3");
    assert_eq!(w.received(), ["3"], "another group is not");
    w.delete(first).unwrap();
    assert_eq!(w.received(), ["2"]);
}

#[test]
fn what_is_not_deleted_comes_back_in_its_place_with_its_group() {
    let w = world();
    for dedup in ["1", "2", "3"] {
        w.send("a", dedup);
    }
    let batch = w.receive(10);
    w.delete(&batch[0]).unwrap();
    w.send("a", "4");
    w.advance(29);
    assert!(w.receive(10).is_empty());
    w.advance(1);
    let again = w.receive(10);
    let seen: Vec<_> = again.iter().map(|m| (m.dedup.as_str(), m.receive_count)).collect();
    assert_eq!(seen, [("2", 2), ("3", 2), ("4", 1)]);
}

#[test]
fn a_changed_visibility_frees_a_group_only_when_all_of_it_is_free() {
    let w = world();
    w.send("a", "1");
    w.send("a", "2");
    let batch = w.receive(10);
    let change = |message: &Message, seconds| {
        w.sqs.change_visibility(QUEUE, &message.receipt, SignedDuration::from_secs(seconds))
    };
    change(&batch[0], 0).unwrap();
    assert!(w.receive(10).is_empty(), "the second is still in flight");
    change(&batch[1], 60).unwrap();
    w.advance(59);
    assert!(w.receive(10).is_empty());
    w.advance(1);
    assert_eq!(w.received(), ["1", "2"]);
    assert!(change(&batch[0], -1).is_err() && change(&batch[0], 12 * 3600 + 1).is_err());
}

#[test]
fn an_expired_receipt_deletes_nothing_and_says_so() {
    let w = world();
    w.send("a", "1");
    let [first] = &w.receive(1)[..] else { panic!("one message is there") };
    w.advance(30);
    assert_eq!(w.delete(first), Err(SqsError::EXPIRED), "its timeout has passed");
    let [second] = &w.receive(1)[..] else { panic!("it came back") };
    assert_eq!(w.delete(first), Err(SqsError::EXPIRED), "it was received again");
    assert_eq!(w.sqs.len(QUEUE), 1);
    w.delete(second).unwrap();
    w.delete(second).expect("deleting twice is no error");
    assert_eq!(w.sqs.delete(QUEUE, "junk"), Err(SqsError::ReceiptHandleIsInvalid));
    assert_eq!(w.sqs.delete(DEAD, &second.receipt), Err(SqsError::ReceiptHandleIsInvalid));
    let in_batch = w.sqs.scene(|model, now| {
        model.delete_message_batch(QUEUE, vec![("e".into(), "junk".into())], now)
    });
    assert_eq!(in_batch.unwrap()[0].1, Err(SqsError::ReceiptHandleIsInvalid));
}

#[test]
fn the_receive_after_the_last_allowed_moves_a_message_to_the_dead_letter_queue() {
    let w = world();
    let id = w.send("a", "1");
    w.send("a", "2");
    for _ in 0..2 {
        w.receive(1);
        w.advance(30);
    }
    assert_eq!(w.sqs.len(DEAD), 0, "it is moved by a receive, not by time");
    assert_eq!(w.received(), ["2"], "the group goes on");
    let [dead] = &w.sqs.receive(DEAD, 10).unwrap()[..] else { panic!("one dead letter") };
    assert_eq!((&dead.id, dead.group.as_str(), dead.dedup.as_str()), (&id, "a", "1"));
    assert_eq!((dead.body.as_str(), dead.moved_from.as_deref()), ("body 1", Some(QUEUE)));
    assert_eq!(dead.sent_at, w.clock.time(), "a FIFO queue's enqueue time begins anew");
}

#[test]
fn a_message_that_is_sent_again_after_it_died_is_a_new_one() {
    let w = world();
    let id = w.send("a", "1");
    for _ in 0..3 {
        w.receive(1);
        w.advance(30);
    }
    assert_eq!(w.send("a", "1"), id, "within five minutes it is still a duplicate");
    w.advance(300);
    assert_ne!(w.send("a", "1"), id);
    assert_eq!((w.sqs.len(QUEUE), w.sqs.len(DEAD)), (1, 1));
}

#[test]
fn a_message_is_gone_when_its_retention_ends() {
    let w =
        world_with(Settings { retention: SignedDuration::from_secs(60), ..Settings::default() });
    w.send("a", "1");
    w.advance(59);
    assert_eq!(w.sqs.len(QUEUE), 1);
    w.advance(1);
    assert_eq!((w.sqs.len(QUEUE), w.sqs.next_visible_at(QUEUE)), (0, None));
    assert!(w.receive(10).is_empty());
}

#[test]
fn the_next_visible_time_is_that_of_the_first_group_to_be_free() {
    let w = world();
    assert_eq!(w.sqs.next_visible_at(QUEUE), None);
    let start = w.clock.time();
    w.send("a", "1");
    w.send("a", "2");
    assert_eq!(w.sqs.next_visible_at(QUEUE), Some(start));
    let batch = w.receive(10);
    let free_at = |seconds| Some(start + SignedDuration::from_secs(seconds));
    assert_eq!(w.sqs.next_visible_at(QUEUE), free_at(30));
    assert!(!w.sqs.is_empty(QUEUE), "what is in flight is not gone");
    w.sqs.change_visibility(QUEUE, &batch[0].receipt, SignedDuration::ZERO).unwrap();
    assert_eq!(w.sqs.next_visible_at(QUEUE), free_at(30), "the group is blocked by its second");
    w.send("b", "3");
    assert_eq!(w.sqs.next_visible_at(QUEUE), Some(start));
}

#[test]
fn a_purge_empties_the_queue_once_a_minute() {
    let w = world();
    w.send("a", "1");
    let purge = || w.sqs.scene(|model, now| model.purge_queue(QUEUE, now));
    purge().unwrap();
    assert!(w.sqs.is_empty(QUEUE));
    assert_eq!(purge(), Err(SqsError::PurgeQueueInProgress));
    w.advance(60);
    purge().unwrap();
}
