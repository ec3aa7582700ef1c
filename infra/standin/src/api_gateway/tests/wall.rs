use super::*;

#[test]
fn the_wall_lets_forty_calls_through_at_once_and_then_ten_a_second() {
    let w = world();
    w.standin.set_wall(Some(Wall::default()));
    let call = || w.standin.control("GetApiKeys", |_, _| Ok(())).map_err(|r| r.exception);
    assert_eq!((0..60).filter(|_| call().is_ok()).count(), 40);
    let Err(Exception::TooManyRequests { after }) = call() else { panic!("the wall is open") };
    assert_eq!(after, SignedDuration::from_secs(1), "whole seconds");
    w.advance(1);
    assert_eq!((0..60).filter(|_| call().is_ok()).count(), 10);
    w.advance(3600);
    assert_eq!((0..60).filter(|_| call().is_ok()).count(), 40, "rest saves up no more");
}

#[test]
fn the_wall_has_narrower_doors_for_keys_and_plans() {
    for (operation, at_once, after) in
        [("CreateApiKey", 5, 1), ("DeleteApiKey", 5, 1), ("UpdateUsagePlan", 1, 20)]
    {
        let w = world();
        w.standin.set_wall(Some(Wall::default()));
        let call = || w.standin.control(operation, |_, _| Ok(())).map_err(|r| r.exception);
        assert_eq!((0..20).filter(|_| call().is_ok()).count(), at_once, "{operation}");
        let wait = SignedDuration::from_secs(after);
        assert_eq!(call(), Err(Exception::TooManyRequests { after: wait }), "{operation}");
        w.clock.advance(wait);
        assert_eq!(call(), Ok(()), "{operation}: Retry-After is enough");
    }
}

#[test]
fn keys_are_put_on_plans_one_at_a_time() {
    let w = world();
    w.standin.set_wall(Some(Wall::default()));
    let attach = || w.standin.control("CreateUsagePlanKey", |_, _| Ok(())).map_err(|r| r.exception);
    assert_eq!(attach(), Ok(()));
    assert_eq!(attach(), Err(Exception::Conflict));
    w.clock.advance(SignedDuration::from_millis(50));
    assert_eq!(attach(), Ok(()));
}
