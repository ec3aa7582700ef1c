//! Upgrades while others use the control plane too: nobody is without a plan for long.

use jiff::SignedDuration;

use crate::upgrades::{HEAD, upgrades, upgrades_in_a_loop};

#[test]
fn nobody_is_without_a_plan_for_two_minutes_though_others_use_the_control_plane_too() {
    println!("{HEAD}");
    for seed in 0..3 {
        let came = upgrades(40, 4, seed);
        println!("{came}");
        assert_eq!((came.upgraded, came.left, came.dead_letters), (40, 0, 0), "{came:?}");
        assert!(came.without_a_plan.len() >= 40, "{came:?}");
        assert!(came.median() <= SignedDuration::from_secs(10), "{came:?}");
        assert!(came.longest() <= SignedDuration::from_secs(120), "{came:?}");
    }
}

/// Within the limits a switch is its two calls; one that meets another's waits a moment, or two.
#[test]
fn where_nobody_is_in_the_way_a_switch_is_two_calls() {
    let came = upgrades(40, 1, 0);
    assert_eq!((came.upgraded, came.left), (40, 0), "{came:?}");
    assert_eq!(came.without_a_plan.len(), 40, "{came:?}");
    assert!(came.median() <= SignedDuration::from_millis(20), "{came:?}");
    assert!(came.longest() <= SignedDuration::from_millis(2_100), "{came:?}");
}

/// Who asks for their account and their key in a loop is in nobody's way: not in the others' at
/// the account API, and not in that of a switch.
#[test]
fn an_owner_who_asks_in_a_loop_keeps_no_key_without_a_plan() {
    let without = upgrades(40, 1, 0);
    let (with, asked) = upgrades_in_a_loop(40, 0);
    assert_eq!((with.upgraded, with.left, with.dead_letters), (40, 0, 0), "{with:?}");
    assert_eq!(with.without_a_plan.len(), without.without_a_plan.len());
    assert!(with.median() <= without.median(), "{with:?}");
    assert!(with.longest() <= SignedDuration::from_millis(2_100), "{with:?}");
    assert!(with.took <= without.took + SignedDuration::from_secs(5), "{with:?}");
    // A call a second is the account API's share, and the loop is refused long before.
    let seconds = usize::try_from(with.took.as_secs()).expect("it is short") + 1;
    assert!(asked.asked > 20 * seconds && asked.calls <= seconds, "{asked:?} in {seconds} s");
    assert!(asked.looks >= 3 && asked.shut == 0, "{asked:?}");
}
