use std::collections::BTreeMap;

use super::*;
use crate::account::{PlanId, Reason, Status, User};

fn usage_plan(id: &str) -> UsagePlanId {
    UsagePlanId::parse(id).unwrap()
}

fn desired(plan: &str, key: KeyState) -> Desired {
    Desired {
        plan: Some(PlanId::parse(plan).unwrap()),
        usage_plan: Some(usage_plan(plan)),
        key,
        retiring: Vec::new(),
        status: Status::Active,
        reason: Reason::DefaultPlan,
        given: None,
        plan_attribute: Some(plan.to_owned()),
        review_at: None,
        expire: Vec::new(),
        cancel: Vec::new(),
        to_cancel: BTreeSet::new(),
        user: User::Unseen,
        disputes: BTreeMap::new(),
        grace: BTreeMap::new(),
        paid_for: BTreeMap::new(),
        refunded: BTreeMap::new(),
        grants: Vec::new(),
        warnings: Vec::new(),
    }
}

fn on(plan: &str) -> Observed {
    let id = KeyId::parse("key1").unwrap();
    Observed {
        key: Some(ObservedKey {
            id: Some(id.clone()),
            enabled: true,
            usage_plans: BTreeSet::from([usage_plan(plan)]),
        }),
        retiring: Vec::new(),
        attributes: Attributes { api_id: Some(id), plan: Some(plan.to_owned()) },
        ..Observed::default()
    }
}

fn written(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_account_gets_a_key_a_plan_and_attributes_in_this_order() {
    let steps = plan(&desired("free", KeyState::Enabled), &Observed::default());
    assert_eq!(
        written(&steps),
        ["mint key", "attach to usage plan free", "write attributes (custom:plan=free)"]
    );
}

#[test]
fn a_switch_detaches_then_attaches_then_tells_the_user() {
    let steps = plan(&desired("pro", KeyState::Enabled), &on("free"));
    assert_eq!(
        written(&steps),
        [
            "detach from usage plan free",
            "attach to usage plan pro",
            "write attributes (custom:plan=pro)"
        ]
    );
}

#[test]
fn an_interrupted_switch_only_attaches() {
    let mut halfway = on("free");
    halfway.key.as_mut().unwrap().usage_plans.clear();
    halfway.attributes.plan = Some("pro".into());
    let steps = plan(&desired("pro", KeyState::Enabled), &halfway);
    assert_eq!(written(&steps), ["attach to usage plan pro"]);
}

#[test]
fn access_is_taken_first_and_given_last() {
    let disabled = plan(&desired("pro", KeyState::Disabled), &on("free"));
    assert_eq!(disabled[0], Step::DisableKey);
    let mut off = on("free");
    off.key.as_mut().unwrap().enabled = false;
    let enabled = plan(&desired("pro", KeyState::Enabled), &off);
    assert_eq!(
        written(&enabled)[..3],
        ["detach from usage plan free", "attach to usage plan pro", "enable key"]
    );
}

#[test]
fn closing_deletes_the_key_and_cancels_what_is_paid() {
    let mut closed = desired("free", KeyState::Closed);
    (closed.plan, closed.usage_plan, closed.plan_attribute) = (None, None, None);
    closed.cancel = vec![SubscriptionId::parse("sub_1").unwrap()];
    closed.expire = vec!["cs_1".into()];
    let mut observed = on("pro");
    let steps = plan(&closed, &observed);
    let told = ["delete key", "expire checkout session cs_1", "cancel subscription sub_1"];
    assert_eq!(written(&steps), told);
    steps.iter().for_each(|step| observed.note(step));
    assert_eq!(plan(&closed, &observed), []);
}

#[test]
fn a_replaced_key_whose_time_is_over_goes_last_and_one_that_gives_other_access_goes_first() {
    let until = jiff::Timestamp::UNIX_EPOCH;
    let id = KeyId::parse("key0").unwrap();
    let old = |plan| RetiringKey {
        id: id.clone(),
        generation: 1,
        minted_at: None,
        usage_plan: Some(usage_plan(plan)),
        until,
    };
    let observed = Observed { key: None, retiring: vec![old("free")], ..on("free") };
    let free = desired("free", KeyState::Enabled);
    let last = plan(&free, &observed).pop();
    assert_eq!(last, Some(Step::RetireKey(id.clone())));
    for other in [desired("pro", KeyState::Enabled), desired("free", KeyState::Disabled)] {
        assert_eq!(plan(&other, &observed)[0], Step::RetireKey(id.clone()));
    }
    let kept = Desired { retiring: vec![old("free")], ..free };
    assert!(!plan(&kept, &observed).contains(&Step::RetireKey(id.clone())));
}

/// Each key's two calls are back to back, and are a part of their own.
#[test]
fn a_replaced_key_that_stays_follows_when_the_users_key_has_moved() {
    let old = |plan: Option<&str>| RetiringKey {
        id: KeyId::parse("key0").unwrap(),
        generation: 1,
        minted_at: None,
        usage_plan: plan.map(usage_plan),
        until: jiff::Timestamp::UNIX_EPOCH,
    };
    let pro = desired("pro", KeyState::Enabled);
    let pro = Desired { retiring: vec![old(Some("pro"))], ..pro };
    let steps = plan(&pro, &Observed { retiring: vec![old(Some("free"))], ..on("free") });
    let told: Vec<_> = parts(&steps).map(written).collect();
    assert_eq!(
        told,
        [
            vec![
                "detach from usage plan free",
                "attach to usage plan pro",
                "write attributes (custom:plan=pro)"
            ],
            vec![
                "detach retiring key key0 from usage plan free",
                "attach retiring key key0 to usage plan pro"
            ]
        ]
    );
    let halfway = plan(&pro, &Observed { retiring: vec![old(None)], ..on("pro") });
    assert_eq!(written(&halfway), ["attach retiring key key0 to usage plan pro"]);
    assert_eq!(plan(&pro, &Observed { retiring: vec![old(Some("pro"))], ..on("pro") }), []);
}

#[test]
fn where_all_is_well_nothing_is_done() {
    assert_eq!(plan(&desired("pro", KeyState::Enabled), &on("pro")), []);
}

/// Only these count against API Gateway's control plane.
#[test]
fn the_steps_on_a_key_are_told_from_the_others() {
    let sub = SubscriptionId::parse("sub_1").unwrap();
    let on_a_key = [
        Step::MintKey,
        Step::DetachPlan(usage_plan("free")),
        Step::AttachPlan(usage_plan("pro")),
        Step::EnableKey,
        Step::DisableKey,
        Step::DeleteKey,
        Step::DetachRetiring(KeyId::parse("key0").unwrap(), usage_plan("free")),
        Step::AttachRetiring(KeyId::parse("key0").unwrap(), usage_plan("pro")),
        Step::RetireKey(KeyId::parse("key0").unwrap()),
    ];
    assert!(on_a_key.iter().all(Step::is_on_a_key));
    let in_stripe = [Step::ExpireSession("cs_1".into()), Step::CancelSubscription(sub)];
    assert!(in_stripe.iter().all(|step| step.is_in_stripe() && !step.is_on_a_key()));
    let in_cognito = Step::WriteAttributes("pro".into());
    assert!(!in_cognito.is_on_a_key() && !in_cognito.is_in_stripe());
    assert!(!on_a_key.iter().any(Step::is_in_stripe));
}
