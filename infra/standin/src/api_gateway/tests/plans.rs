use super::*;

#[test]
fn a_key_is_on_one_plan_of_a_stage() {
    let w = world();
    let (free, pro, key) = (w.plan(None, None), w.plan(None, None), w.key(VALUE));
    w.attach(&free, &key).unwrap();
    assert_eq!(w.attach(&free, &key), Err(Exception::Conflict), "already there");
    assert_eq!(w.attach(&pro, &key), Err(Exception::Conflict), "on another of the stage");
    w.detach(&free, &key).unwrap();
    assert_eq!(w.detach(&free, &key), Err(Exception::NotFound));
    w.attach(&pro, &key).unwrap();
}

#[test]
fn plans_of_different_stages_do_not_conflict_until_they_share_one() {
    let w = world();
    let (free, other, key) = (w.plan(None, None), w.plan(None, None), w.key(VALUE));
    w.patch(&other, PatchOp::Remove, "/apiStages", "api1:prod").unwrap();
    w.patch(&other, PatchOp::Add, "/apiStages", "api1:test").unwrap();
    w.attach(&free, &key).unwrap();
    w.attach(&other, &key).unwrap();
    let shared = w.patch(&other, PatchOp::Add, "/apiStages", "api1:prod");
    assert_eq!(shared.unwrap_err(), Exception::Conflict);
}

#[test]
fn attaching_needs_both_the_key_and_the_plan() {
    let w = world();
    let (plan, key) = (w.plan(None, None), w.key(VALUE));
    assert_eq!(w.attach("nosuchplan", &key), Err(Exception::NotFound));
    assert_eq!(w.attach(&plan, "nosuchkey0"), Err(Exception::NotFound));
}

#[test]
fn the_next_attaches_conflict_by_chance_when_asked_to_and_leave_nothing_behind() {
    let w = world();
    let (plan, key) = (w.plan(None, None), w.key(VALUE));
    w.standin.conflict_next(2);
    assert_eq!(w.attach(&plan, &key), Err(Exception::Conflict));
    assert_eq!(w.attach(&plan, &key), Err(Exception::Conflict));
    assert!(w.standin.scene(|model, _| model.get_usage_plan_key(&plan, &key).is_err()));
    assert_eq!(w.attach(&plan, &key), Ok(()));
}

#[test]
fn a_deleted_key_leaves_its_plans() {
    let w = world();
    let (plan, key) = (w.plan(None, None), w.key(VALUE));
    w.attach(&plan, &key).unwrap();
    w.standin.scene(|model, now| model.delete_api_key(&key, now)).unwrap();
    let on = |model: &mut Model, _| model.get_usage_plan_keys(&plan, &Listing::default());
    assert!(w.standin.scene(on).unwrap().items.is_empty());
    assert_eq!(w.detach(&plan, &key), Err(Exception::NotFound));
}

#[test]
fn a_plan_with_stages_cannot_be_deleted() {
    let w = world();
    let (plan, key) = (w.plan(None, None), w.key(VALUE));
    w.attach(&plan, &key).unwrap();
    let delete = || w.standin.scene(|model, now| model.delete_usage_plan(&plan, now));
    assert_eq!(delete().unwrap_err().exception, Exception::BadRequest);
    w.patch(&plan, PatchOp::Remove, "/apiStages", "api1:prod").unwrap();
    delete().unwrap();
    assert_eq!(delete().unwrap_err().exception, Exception::NotFound);
    let key = w.standin.scene(|model, _| model.get_api_key(&key).cloned()).unwrap();
    assert!(key.plans.is_empty());
}

#[test]
fn the_quotas_of_plans_end_in_limit_exceeded() {
    let w = world();
    w.standin.set_quotas(Quotas { plans: 2, plans_of_a_key: 1, ..Quotas::default() });
    let (plan, other, key) = (w.plan(None, None), w.plan(None, None), w.key(VALUE));
    let third = NewPlan { name: "third".into(), ..NewPlan::default() };
    let refused = w.standin.scene(|model, _| model.create_usage_plan(third)).unwrap_err();
    assert_eq!(refused.exception, Exception::LimitExceeded);
    w.patch(&other, PatchOp::Remove, "/apiStages", "api1:prod").unwrap();
    w.attach(&plan, &key).unwrap();
    assert_eq!(w.attach(&other, &key), Err(Exception::LimitExceeded));
}

#[test]
fn a_quota_has_a_known_period_and_an_offset_that_fits_it() {
    let w = world();
    for bad in ["YEAR", "month", ""] {
        assert_eq!(Period::parse(bad).unwrap_err().exception, Exception::BadRequest, "{bad}");
    }
    for (period, offset, fits) in [
        (Period::Day, 0, true),
        (Period::Day, 1, false),
        (Period::Week, 6, true),
        (Period::Week, 7, false),
        (Period::Month, 27, true),
        (Period::Month, 28, false),
        (Period::Month, -1, false),
    ] {
        let quota = Some(Quota { limit: 100, offset, period });
        let new = NewPlan { name: "plan".into(), quota, ..NewPlan::default() };
        let made = w.standin.scene(|model, _| model.create_usage_plan(new));
        assert_eq!(made.is_ok(), fits, "{period:?} {offset}");
    }
}

#[test]
fn a_plan_is_patched_as_a_whole_or_not_at_all() {
    let w = world();
    let plan = w.plan(None, None);
    let patches = [("/quota/limit", "5"), ("/quota/period", "DAY"), ("/throttle/rateLimit", "no")];
    let patch = |(path, value): (&str, &str)| Patch {
        op: PatchOp::Replace,
        path: path.into(),
        value: Some(value.into()),
    };
    let update =
        |patches: &[Patch]| w.standin.scene(|model, _| model.update_usage_plan(&plan, patches));
    let refused = update(&patches.map(patch)).unwrap_err();
    assert_eq!(refused.exception, Exception::BadRequest);
    assert_eq!(
        w.standin.scene(|model, _| model.get_usage_plan(&plan).cloned()).unwrap().quota,
        None
    );
    let patched = update(&[patch(patches[0]), patch(patches[1])]).unwrap();
    assert_eq!(patched.quota, daily(5));
}

#[test]
fn a_stage_is_there_when_it_was_deployed() {
    let w = world();
    let stage = ApiStage::new("api1", "prod");
    let get = || w.standin.scene(|model, _| model.get_stage(&stage).cloned());
    assert_eq!(get().unwrap_err().exception, Exception::NotFound);
    w.standin.scene(|model, _| model.add_stage(stage.clone()));
    assert_eq!(get().unwrap(), stage);
}
