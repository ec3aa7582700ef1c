//! The longest 403 of a plan switch: measured, bounded and printed.

use jiff::SignedDuration;
use tollgate_standin::world::VISIBILITY;

use crate::switch::measure;

#[test]
fn a_switch_answers_403_for_two_calls_and_after_a_crash_until_the_redelivery() {
    for switch in measure() {
        println!("{switch}");
        assert_eq!(switch.undisturbed, ["DeleteUsagePlanKey", "CreateUsagePlanKey"]);
        assert_eq!(switch.redelivered_after, VISIBILITY);
        let calls = switch.after_redelivery;
        let attached: Vec<_> = calls.iter().filter(|call| **call == "CreateUsagePlanKey").collect();
        assert_eq!((attached.len(), calls.last()), (1, Some(&"CreateUsagePlanKey")));
        assert!(calls.len() <= 7, "{calls:?}");
        assert!(switch.redelivered_after > SignedDuration::ZERO);
    }
}
