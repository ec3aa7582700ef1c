use super::*;

#[test]
fn only_an_enabled_key_on_a_plan_of_the_stage_gets_through() {
    let w = world();
    let (plan, key) = (w.plan(None, None), w.key(VALUE));
    assert_eq!(w.call(VALUE), FORBIDDEN, "on no plan");
    w.attach(&plan, &key).unwrap();
    assert_eq!(w.call(VALUE), HELLO);
    assert_eq!(w.call("unknown"), FORBIDDEN);
    assert_eq!(w.standin.call(&prod(), "GET /hello", None).status, 403);
    let elsewhere = ApiStage::new("api1", "test");
    assert_eq!(w.standin.call(&elsewhere, "GET /hello", Some(VALUE)).status, 403);
    let set = |enabled| {
        let patch = KeyPatch { enabled: Some(enabled), ..KeyPatch::default() };
        w.standin.scene(|model, now| model.update_api_key(&key, patch, now)).unwrap();
    };
    set(false);
    assert_eq!(w.call(VALUE), FORBIDDEN, "disabled");
    set(true);
    assert_eq!(w.call(VALUE), HELLO);
    w.standin.scene(|model, now| model.delete_api_key(&key, now)).unwrap();
    assert_eq!(w.call(VALUE), FORBIDDEN, "deleted");
}

#[test]
fn the_window_of_403_of_a_switch_can_be_measured() {
    let w = world();
    let (free, pro, key) = (w.plan(None, None), w.plan(None, None), w.key(VALUE));
    w.attach(&free, &key).unwrap();
    w.detach(&free, &key).unwrap();
    w.advance(1);
    w.call(VALUE);
    w.attach(&pro, &key).unwrap();
    w.advance(1);
    w.call(VALUE);
    let calls = w.standin.data_plane_calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.status, call.key_id.as_ref())).collect();
    assert_eq!(seen, [(403, Some(&key)), (200, Some(&key))]);
    assert_eq!(calls[1].at.duration_since(calls[0].at), SignedDuration::from_secs(1));
    assert!(w.calls.since(0).is_empty(), "the gate's log is the control plane's");
}

#[test]
fn a_key_and_its_moves_reach_the_data_plane_after_the_lag() {
    let w = world();
    w.standin.set_propagation_lag(SignedDuration::from_secs(10));
    let (plan, key) = (w.plan(None, None), w.key(VALUE));
    w.attach(&plan, &key).unwrap();
    w.advance(9);
    assert_eq!(w.call(VALUE), FORBIDDEN);
    w.advance(1);
    assert_eq!(w.call(VALUE), HELLO);
    w.detach(&plan, &key).unwrap();
    w.advance(9);
    assert_eq!(w.call(VALUE), HELLO, "what was, holds until the change arrives");
    w.advance(1);
    assert_eq!(w.call(VALUE), FORBIDDEN);
}

#[test]
fn a_spent_quota_is_limit_exceeded_until_its_period_ends_in_utc() {
    // The world begins on Friday, 2026-01-30, 12:00 UTC.
    for (period, ends) in [
        (Period::Day, "2026-01-31T00:00:00Z"),
        (Period::Week, "2026-02-02T00:00:00Z"),
        (Period::Month, "2026-02-01T00:00:00Z"),
    ] {
        let w = world();
        let quota = Some(Quota { limit: 1, offset: 0, period });
        let (plan, key) = (w.plan(None, quota), w.key(VALUE));
        w.attach(&plan, &key).unwrap();
        assert_eq!(w.call(VALUE), HELLO);
        assert_eq!(w.call(VALUE), LIMIT_EXCEEDED);
        let ends: Timestamp = ends.parse().unwrap();
        w.clock.advance_to(ends - SignedDuration::from_millis(1));
        assert_eq!(w.call(VALUE), LIMIT_EXCEEDED, "{period:?}");
        w.clock.advance_to(ends);
        assert_eq!(w.call(VALUE), HELLO, "{period:?}");
    }
}

#[test]
fn an_offset_takes_requests_off_the_first_period_only() {
    let w = world();
    let quota = Some(Quota { limit: 5, offset: 4, period: Period::Month });
    let (plan, key) = (w.plan(None, quota), w.key(VALUE));
    w.attach(&plan, &key).unwrap();
    assert_eq!([w.call(VALUE), w.call(VALUE)], [HELLO, LIMIT_EXCEEDED]);
    w.clock.advance_to("2026-02-01T00:00:00Z".parse().unwrap());
    w.call(VALUE);
    assert_eq!(w.remaining(&plan, &key), 4);
}

#[test]
fn a_throttle_is_a_bucket_for_each_key_and_spends_no_quota() {
    let w = world();
    let throttle = Some(Throttle { rate: 2.0, burst: 3 });
    let plan = w.plan(throttle, daily(100));
    let other = VALUE.to_uppercase();
    let (key, second) = (w.key(VALUE), w.key(&other));
    w.attach(&plan, &key).unwrap();
    w.attach(&plan, &second).unwrap();
    for _ in 0..3 {
        assert_eq!(w.call(VALUE), HELLO);
    }
    assert_eq!(w.call(VALUE), TOO_MANY);
    assert_eq!(w.call(&other), HELLO, "another key's bucket is full");
    w.clock.advance(SignedDuration::from_millis(500));
    assert_eq!([w.call(VALUE), w.call(VALUE)], [HELLO, TOO_MANY]);
    assert_eq!(w.remaining(&plan, &key), 96, "only what was served is counted");
}

#[test]
fn usage_belongs_to_a_key_on_a_plan_so_a_move_begins_afresh() {
    let w = world();
    let (free, pro, key) = (w.plan(None, daily(1)), w.plan(None, daily(3)), w.key(VALUE));
    w.attach(&free, &key).unwrap();
    assert_eq!([w.call(VALUE), w.call(VALUE)], [HELLO, LIMIT_EXCEEDED]);
    w.detach(&free, &key).unwrap();
    w.attach(&pro, &key).unwrap();
    assert_eq!(w.call(VALUE), HELLO);
    assert_eq!(w.remaining(&pro, &key), 2);
    w.detach(&pro, &key).unwrap();
    w.attach(&free, &key).unwrap();
    assert_eq!(w.call(VALUE), LIMIT_EXCEEDED, "the old count is still there");
}

#[test]
fn usage_is_told_day_by_day_and_not_beyond_today() {
    let w = world();
    let quota = Some(Quota { limit: 10, offset: 0, period: Period::Month });
    let (plan, key) = (w.plan(None, quota), w.key(VALUE));
    let range = ("2026-01-29", "2026-02-28");
    let usage = || w.standin.scene(|model, now| model.get_usage(&plan, None, range, now)).unwrap();
    w.attach(&plan, &key).unwrap();
    assert!(usage().is_empty(), "nothing was counted yet");
    w.call(VALUE);
    w.call(VALUE);
    w.advance(24 * 3600);
    w.call(VALUE);
    let lines: Vec<_> = usage()[&key].iter().map(|day| (day.used, day.remaining)).collect();
    assert_eq!(lines, [(0, 10), (2, 8), (1, 7)]);
}

#[test]
fn update_usage_sets_what_is_left_of_this_period_alone() {
    let w = world();
    let (plan, key) = (w.plan(None, daily(5)), w.key(VALUE));
    w.attach(&plan, &key).unwrap();
    w.call(VALUE);
    let set = |model: &mut Model, now| model.update_usage(&plan, &key, 1, now);
    w.standin.scene(set).unwrap();
    assert_eq!([w.call(VALUE), w.call(VALUE)], [HELLO, LIMIT_EXCEEDED]);
    w.advance(24 * 3600);
    w.call(VALUE);
    assert_eq!(w.remaining(&plan, &key), 4);
}
