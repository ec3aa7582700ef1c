use super::*;

#[test]
fn a_duplicate_within_five_minutes_is_a_success_with_the_first_id() {
    let w = world();
    let first = w.send("g", "1");
    w.advance(299);
    assert_eq!(w.send("g", "1"), first);
    assert_eq!(w.sqs.len(QUEUE), 1);
    w.advance(1);
    assert_ne!(w.send("g", "1"), first, "counted from the first acceptance, not from the last");
    assert_eq!(w.sqs.len(QUEUE), 2);
}

#[test]
fn a_duplicate_is_recognised_after_the_message_is_deleted() {
    let w = world();
    let first = w.send("g", "1");
    let [message] = &w.receive(10)[..] else { panic!("one message is there") };
    w.delete(message).unwrap();
    assert_eq!(w.send("g", "1"), first);
    assert!(w.sqs.is_empty(QUEUE));
}

#[test]
fn deduplication_is_by_group_or_by_queue_as_set() {
    for (deduplicate_per_group, messages) in [(true, 2), (false, 1)] {
        let w = world_with(Settings { deduplicate_per_group, ..Settings::default() });
        w.send("a", "1");
        w.send("b", "1");
        assert_eq!(w.sqs.len(QUEUE), messages, "{deduplicate_per_group}");
    }
}

#[test]
fn the_body_stands_in_for_the_deduplication_id_only_where_set() {
    let message = || Outgoing { dedup: None, ..outgoing("g", "1") };
    let refused = world().try_send(message()).unwrap_err();
    let parameter = "MessageDeduplicationId";
    assert!(
        matches!(refused, SqsError::InvalidParameterValue { parameter: p, .. } if p == parameter)
    );
    let w = world_with(Settings { content_based_deduplication: true, ..Settings::default() });
    let first = w.try_send(message()).unwrap();
    assert_eq!(w.try_send(message()).unwrap(), first);
    let other = Outgoing { body: "other".into(), ..message() };
    assert_ne!(w.try_send(other).unwrap(), first);
}

#[test]
fn a_group_is_required() {
    let message = Outgoing { group: None, ..outgoing("g", "1") };
    assert_eq!(world().try_send(message), Err(SqsError::MissingParameter("MessageGroupId")));
}

#[test]
fn ids_have_1_to_128_visible_characters() {
    let w = world();
    for good in ["a".repeat(128), "!/:@[`{~".into()] {
        w.send(&good, &good);
    }
    for bad in ["a".repeat(129), "a b".into(), String::new(), "é".into()] {
        for message in [outgoing(&bad, "1"), outgoing("g", &bad)] {
            let refused = w.try_send(message).unwrap_err();
            assert!(matches!(refused, SqsError::InvalidParameterValue { .. }), "{bad}");
        }
    }
}

#[test]
fn a_body_has_at_most_one_mebibyte_and_no_control_characters() {
    let w = world();
    let send = |body: String| w.try_send(Outgoing { body, ..outgoing("g", "1") });
    let mebibyte = 1024 * 1024;
    assert!(matches!(
        send("a".repeat(mebibyte + 1)),
        Err(SqsError::InvalidParameterValue { parameter: "MessageBody", .. })
    ));
    assert_eq!(send("\u{1}".into()), Err(SqsError::InvalidMessageContents));
    assert_eq!(send(String::new()), Err(SqsError::MissingParameter("MessageBody")));
    send("a".repeat(mebibyte)).unwrap();
}

#[test]
fn a_batch_is_judged_as_a_whole_and_then_entry_by_entry() {
    let w = world();
    let send = |entries: &[(&str, &str)]| {
        let entry = |(id, group): &(&str, &str)| ((*id).to_owned(), outgoing(group, id));
        let entries = entries.iter().map(entry).collect();
        w.sqs.scene(|model, now| model.send_message_batch(QUEUE, entries, now))
    };
    assert_eq!(send(&[]), Err(SqsError::EmptyBatchRequest));
    assert_eq!(send(&[("a", "g"), ("a", "g")]), Err(SqsError::BatchEntryIdsNotDistinct));
    assert_eq!(send(&[("a b", "g")]), Err(SqsError::InvalidBatchEntryId));
    let eleven = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a"].map(|id| (id, "g"));
    assert_eq!(send(&eleven), Err(SqsError::TooManyEntriesInBatchRequest));
    assert!(w.sqs.is_empty(QUEUE), "nothing of a refused batch is sent");
    let results = send(&[("a", "g"), ("b", "not a group"), ("c", "g")]).unwrap();
    let sent: Vec<_> = results.iter().map(|(id, result)| (id.as_str(), result.is_ok())).collect();
    assert_eq!(sent, [("a", true), ("b", false), ("c", true)]);
    assert_eq!(w.received(), ["a", "c"]);
}

#[test]
fn a_queue_is_made_once_with_settings_that_fit() {
    let w = world();
    w.sqs.create_queue(QUEUE, settings()).unwrap();
    let other = Settings { retention: SignedDuration::from_hours(1), ..settings() };
    assert!(matches!(w.sqs.create_queue(QUEUE, other), Err(SqsError::QueueNameExists(_))));
    let is_refused = |name: &str, settings| w.sqs.create_queue(name, settings).is_err();
    assert!(is_refused("events", Settings::default()), "the name of a FIFO ends in .fifo");
    assert!(is_refused("e.x.fifo", Settings::default()));
    let throughput_per_group = true;
    assert!(is_refused("a.fifo", Settings { throughput_per_group, ..Settings::default() }));
    let redrive = |dead_letter_queue: &str, max_receive_count| {
        let dead_letter_queue = dead_letter_queue.into();
        let redrive = Some(Redrive { dead_letter_queue, max_receive_count });
        Settings { redrive, ..Settings::default() }
    };
    assert!(is_refused("a.fifo", redrive("nowhere.fifo", 3)));
    assert!(is_refused("a.fifo", redrive(DEAD, 0)));
    assert!(is_refused(
        "a.fifo",
        Settings { retention: SignedDuration::from_secs(59), ..settings() }
    ));
    let visibility_timeout = SignedDuration::from_secs(12 * 3600 + 1);
    assert!(is_refused("a.fifo", Settings { visibility_timeout, ..Settings::default() }));
    w.sqs.create_queue("a.fifo", redrive(DEAD, 1000)).unwrap();
}
