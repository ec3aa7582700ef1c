//! Sign-ups come in floods; who pays goes ahead of them.

use jiff::SignedDuration;

use crate::flood::flood;

#[test]
fn an_upgrade_goes_ahead_of_five_thousand_sign_ups_and_nothing_dies_by_waiting() {
    let report = flood(5_000);
    println!("{report:?}");
    assert!(report.upgrade_took < SignedDuration::from_secs(15), "{report:?}");
    assert_eq!((report.served, report.dead_letters), (5_000, 0), "{report:?}");
    assert!(report.calls >= 10_000, "{report:?}");
    // Below our share, the wall is not met; and the seller's deployments never notice us.
    assert_eq!((report.throttled, report.owner_throttled), (0, 0), "{report:?}");
}
