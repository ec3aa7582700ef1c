//! The longest 403 of a plan switch: measured, bounded and printed.

use tollgate_standin::world::VISIBILITY;

use crate::switch::{longest, measure};

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
