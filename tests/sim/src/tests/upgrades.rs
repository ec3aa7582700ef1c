//! Upgrades while others use the control plane too: nobody is without a plan for long.

use jiff::SignedDuration;

use crate::upgrades::{HEAD, upgrades};

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

/// Within the limits a switch is its two calls; one that meets another's waits a moment.
#[test]
fn where_nobody_is_in_the_way_a_switch_is_two_calls() {
    let came = upgrades(40, 1, 0);
    assert_eq!((came.upgraded, came.left), (40, 0), "{came:?}");
    assert_eq!(came.without_a_plan.len(), 40, "{came:?}");
    assert!(came.median() <= SignedDuration::from_millis(20), "{came:?}");
    assert!(came.longest() <= SignedDuration::from_millis(1_100), "{came:?}");
}
