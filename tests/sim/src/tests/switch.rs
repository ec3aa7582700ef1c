//! The longest 403 of a plan switch: measured, bounded and printed.

use tollgate_standin::world::VISIBILITY;

use crate::switch::{longest, measure, of_each_key};

#[test]
fn a_switch_answers_403_for_two_calls_and_after_a_crash_until_the_redelivery() {
    let switches = measure();
    longest(&switches).iter().for_each(|line| println!("{line}"));
    for switch in switches {
        assert_eq!(switch.undisturbed, ["DeleteUsagePlanKey", "CreateUsagePlanKey"]);
        assert_eq!(switch.redelivered_after, VISIBILITY);
        let calls = switch.after_redelivery;
        let attached: Vec<_> = calls.iter().filter(|call| **call == "CreateUsagePlanKey").collect();
        assert_eq!((attached.len(), calls.last()), (1, Some(&"CreateUsagePlanKey")));
        assert!(calls.len() <= 7, "{calls:?}");
    }
}

/// A replaced key that still works is switched after its account's own.
#[test]
fn each_of_two_keys_answers_403_for_two_calls() {
    for calls in of_each_key() {
        assert_eq!(calls, ["DeleteUsagePlanKey", "CreateUsagePlanKey"]);
    }
}
