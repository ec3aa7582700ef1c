//! API Gateway's keys, usage plans and their conflicts.

use jiff::SignedDuration;
use tollgate_core::account::{KeyId, PlanId, UsagePlanId};
use tollgate_core::derive::KeyValue;
use tollgate_core::ports::{ApiGateway as _, Class, NewKey, PortResult, Ports as _, Usage};
use tollgate_events::AccountId;
use tollgate_standin::api_gateway::{ApiStage, NewApiKey, NewPlan, Quotas, Wall};
use tollgate_standin::world::API_ID;

use super::face::{Face, Stand};

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

/// A key with this value for the account.
fn new_key(account_id: &str, value: &str) -> NewKey {
    NewKey {
        name: format!("tollgate/contract/{account_id}/primary/1"),
        value: KeyValue::new(value),
        customer_id: account(account_id),
        description: "primary 1".into(),
    }
}

const VALUE: &str = "value0123456789value0123456789";

impl<F: Face> Stand<F> {
    async fn make(&self, account_id: &str, value: &str) -> PortResult<KeyId> {
        self.ports.api_gateway().create_key(&new_key(account_id, value)).await
    }

    /// An account's key.
    async fn key(&self) -> KeyId {
        self.make("sub-1", VALUE).await.unwrap()
    }

    /// The usage plan of one of the sample API's plans.
    fn plan(&self, id: &str) -> UsagePlanId {
        let id = PlanId::parse(id).unwrap();
        self.world.catalog().catalog.plan(&id).unwrap().usage_plan.clone()
    }

    /// A usage plan that sells another stage.
    fn plan_of_stage(&self, stage: &str) -> UsagePlanId {
        let stages = [ApiStage::new(API_ID, stage)].into();
        let new = NewPlan { name: stage.to_owned(), stages, ..NewPlan::default() };
        let made = self.world.api_gateway.scene(|model, _| model.create_usage_plan(new));
        UsagePlanId::parse(made.unwrap().id).unwrap()
    }

    /// Many keys, put there without the port.
    fn many_keys(&self, customer: &str, count: usize) {
        self.world.api_gateway.scene(|model, now| {
            for _ in 0..count {
                let customer_id = Some(customer.to_owned());
                let new = NewApiKey { customer_id, ..NewApiKey::default() };
                model.create_api_key(new, now).unwrap();
            }
        });
    }
}

pub(super) async fn a_new_key_is_enabled_and_shown_without_its_value<F: Face>(stand: Stand<F>) {
    let api = stand.ports.api_gateway();
    let id = stand.key().await;
    let key = api.key(&id).await.unwrap().unwrap();
    assert_eq!((key.id, key.enabled), (id, true));
    assert_eq!(key.name, "tollgate/contract/sub-1/primary/1");
    assert_eq!(key.customer_id, Some(account("sub-1")));
    assert!(key.value.is_none());
}

pub(super) async fn a_value_that_exists_is_refused_with_conflict<F: Face>(stand: Stand<F>) {
    stand.key().await;
    let refused = stand.make("sub-2", VALUE).await.unwrap_err();
    assert_eq!(refused.class, Class::Conflict);
    assert!(!refused.to_string().contains(VALUE), "{refused}");
}

pub(super) async fn one_of_two_keys_with_one_value_is_made<F: Face>(stand: Stand<F>) {
    let (one, other) = tokio::join!(stand.make("sub-1", VALUE), stand.make("sub-1", VALUE));
    assert!(one.is_ok() != other.is_ok());
    let refused = one.and(other).unwrap_err();
    assert_eq!(refused.class, Class::Conflict);
    assert_eq!(stand.ports.api_gateway().keys_of(&account("sub-1")).await.unwrap().len(), 1);
}

pub(super) async fn a_value_has_20_to_128_letters_and_digits<F: Face>(stand: Stand<F>) {
    for bad in ["a".repeat(19), "a".repeat(129), format!("{}-", "a".repeat(30))] {
        assert_eq!(stand.make("sub-1", &bad).await.unwrap_err().class, Class::Invalid);
    }
    for good in ["b".repeat(20), "c".repeat(128)] {
        stand.make("sub-1", &good).await.unwrap();
    }
}

pub(super) async fn names_are_not_unique<F: Face>(stand: Stand<F>) {
    let first = stand.make("sub-1", &"a".repeat(20)).await.unwrap();
    let second = stand.make("sub-1", &"b".repeat(20)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(stand.ports.api_gateway().keys_of(&account("sub-1")).await.unwrap().len(), 2);
}

pub(super) async fn values_only_when_asked_for<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    let value = api.key_value(&id).await.unwrap().unwrap();
    assert_eq!(value.expose(), VALUE);
    let own = api.keys_of(&account("sub-1")).await.unwrap();
    assert_eq!(own[0].value.as_ref().unwrap().expose(), VALUE);
    assert!(api.all_keys(None).await.unwrap().items[0].value.is_none());
}

pub(super) async fn keys_are_found_by_customer_id_on_every_page<F: Face>(stand: Stand<F>) {
    stand.many_keys("sub-1", 501);
    stand.many_keys("sub-11", 3);
    stand.many_keys("a+b&c=%20", 1);
    let keys = stand.ports.api_gateway().keys_of(&account("sub-1")).await.unwrap();
    assert_eq!(keys.len(), 501);
    assert!(keys.iter().all(|key| key.customer_id == Some(account("sub-1"))));
    for (id, count) in [("sub-2", 0), ("a+b&c=%20", 1)] {
        let keys = stand.ports.api_gateway().keys_of(&account(id)).await.unwrap();
        assert_eq!(keys.len(), count, "{id}");
    }
}

pub(super) async fn a_page_has_at_most_500_keys<F: Face>(stand: Stand<F>) {
    stand.many_keys("sub-1", 501);
    let api = stand.ports.api_gateway();
    let first = api.all_keys(None).await.unwrap();
    let second = api.all_keys(first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (500, 1, None));
    let refused = api.all_keys(Some("no position")).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
}

pub(super) async fn a_key_is_disabled_and_enabled<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    for enabled in [false, false, true] {
        api.set_enabled(&id, enabled).await.unwrap();
        assert_eq!(api.key(&id).await.unwrap().unwrap().enabled, enabled);
    }
}

pub(super) async fn a_deleted_key_is_not_found<F: Face>(stand: Stand<F>) {
    let (api, id, free) = (stand.ports.api_gateway(), stand.key().await, stand.plan("free"));
    api.attach(&free, &id).await.unwrap();
    api.delete_key(&id).await.unwrap();
    assert!(api.key(&id).await.unwrap().is_none());
    assert!(api.key_value(&id).await.unwrap().is_none());
    assert!(api.keys_of(&account("sub-1")).await.unwrap().is_empty());
    assert!(api.keys_on(&free, None).await.unwrap().items.is_empty());
    let refusals = [
        api.delete_key(&id).await,
        api.set_enabled(&id, true).await,
        api.attach(&free, &id).await,
        api.detach(&free, &id).await,
    ];
    assert!(refusals.into_iter().all(|refusal| refusal.unwrap_err().class == Class::NotFound));
}

pub(super) async fn a_key_can_be_on_one_usage_plan_per_stage<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    let (free, basic, beta) =
        (stand.plan("free"), stand.plan("basic"), stand.plan_of_stage("beta"));
    api.attach(&free, &id).await.unwrap();
    assert_eq!(api.attach(&basic, &id).await.unwrap_err().class, Class::Conflict);
    api.attach(&beta, &id).await.unwrap();
    api.detach(&free, &id).await.unwrap();
    api.attach(&basic, &id).await.unwrap();
}

async fn plans_of<F: Face>(stand: &Stand<F>, key: &KeyId) -> Vec<UsagePlanId> {
    let plans = stand.ports.api_gateway().plans_of(key).await.unwrap();
    let mut plans: Vec<_> = plans.into_iter().map(|plan| plan.id).collect();
    plans.sort();
    plans
}

pub(super) async fn attaching_twice_is_a_conflict<F: Face>(stand: Stand<F>) {
    let (api, id, free) = (stand.ports.api_gateway(), stand.key().await, stand.plan("free"));
    api.attach(&free, &id).await.unwrap();
    assert_eq!(api.attach(&free, &id).await.unwrap_err().class, Class::Conflict);
    assert_eq!(plans_of(&stand, &id).await, [free]);
}

pub(super) async fn conflict_also_means_try_again<F: Face>(stand: Stand<F>) {
    let (api, id, free) = (stand.ports.api_gateway(), stand.key().await, stand.plan("free"));
    stand.world.api_gateway.conflict_next(1);
    assert_eq!(api.attach(&free, &id).await.unwrap_err().class, Class::Conflict);
    assert!(api.plans_of(&id).await.unwrap().is_empty());
    api.attach(&free, &id).await.unwrap();
}

pub(super) async fn detaching_what_is_not_attached_is_not_found<F: Face>(stand: Stand<F>) {
    let (api, id, free) = (stand.ports.api_gateway(), stand.key().await, stand.plan("free"));
    assert_eq!(api.detach(&free, &id).await.unwrap_err().class, Class::NotFound);
    api.attach(&free, &id).await.unwrap();
    api.detach(&free, &id).await.unwrap();
    assert_eq!(api.detach(&free, &id).await.unwrap_err().class, Class::NotFound);
}

pub(super) async fn an_unknown_usage_plan_is_not_found<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    let nowhere = UsagePlanId::parse("nowhere").unwrap();
    let refusals = [
        api.attach(&nowhere, &id).await.unwrap_err(),
        api.detach(&nowhere, &id).await.unwrap_err(),
        api.keys_on(&nowhere, None).await.unwrap_err(),
        api.usage(&nowhere, &id, "2027-01-01", "2027-01-31").await.unwrap_err(),
    ];
    assert!(refusals.iter().all(|refusal| refusal.class == Class::NotFound), "{refusals:?}");
}

pub(super) async fn usage_plans_of_a_key<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    let (free, beta) = (stand.plan("free"), stand.plan_of_stage("beta"));
    let other = stand.make("sub-2", &"b".repeat(20)).await.unwrap();
    api.attach(&free, &other).await.unwrap();
    assert!(api.plans_of(&id).await.unwrap().is_empty());
    api.attach(&free, &id).await.unwrap();
    api.attach(&beta, &id).await.unwrap();
    let mut expected = [free.clone(), beta];
    expected.sort();
    assert_eq!(plans_of(&stand, &id).await, expected);
    // With the stages that each covers, as in the list of all plans.
    let all = api.all_plans(None).await.unwrap().items;
    let found = api.plans_of(&id).await.unwrap();
    assert!(found.iter().all(|plan| !plan.stages.is_empty() && all.contains(plan)), "{found:?}");
}

pub(super) async fn keys_on_a_usage_plan_come_in_pages<F: Face>(stand: Stand<F>) {
    let (api, free) = (stand.ports.api_gateway(), stand.plan("free"));
    stand.many_keys("sub-1", 501);
    stand.world.api_gateway.scene(|model, now| {
        let ids: Vec<String> = model.keys().map(|key| key.id.clone()).collect();
        for id in ids {
            model.create_usage_plan_key(free.as_str(), &id, now).unwrap();
        }
    });
    let first = api.keys_on(&free, None).await.unwrap();
    let second = api.keys_on(&free, first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (500, 1, None));
}

pub(super) async fn the_number_of_keys_is_limited<F: Face>(stand: Stand<F>) {
    stand.world.api_gateway.set_quotas(Quotas { keys: 1, ..Quotas::default() });
    let id = stand.key().await;
    let refused = stand.make("sub-2", &"b".repeat(20)).await.unwrap_err();
    assert_eq!(refused.class, Class::LimitExceeded);
    stand.ports.api_gateway().delete_key(&id).await.unwrap();
    stand.make("sub-2", &"b".repeat(20)).await.unwrap();
}

pub(super) async fn a_key_can_be_on_ten_usage_plans<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    for stage in 0..10 {
        api.attach(&stand.plan_of_stage(&format!("s{stage}")), &id).await.unwrap();
    }
    let refused = api.attach(&stand.plan("free"), &id).await.unwrap_err();
    assert_eq!(refused.class, Class::LimitExceeded);
    assert_eq!(api.plans_of(&id).await.unwrap().len(), 10);
}

pub(super) async fn usage_counts_per_plan_and_key<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    let (free, basic) = (stand.plan("free"), stand.plan("basic"));
    let other = stand.make("sub-2", &"b".repeat(20)).await.unwrap();
    for key in [&id, &other] {
        api.attach(&free, key).await.unwrap();
    }
    assert_eq!(api.usage(&free, &id, "2027-01-01", "2027-01-31").await.unwrap(), None);
    for status in [200, 200] {
        let answer = stand.world.api_gateway.call(&stand.world.stage(), "GET /hello", Some(VALUE));
        assert_eq!(answer.status, status);
    }
    let usage = async |plan, key| api.usage(plan, key, "2027-01-01", "2027-01-31").await.unwrap();
    assert_eq!(usage(&free, &id).await, Some(Usage { used: 2, remaining: 3 }));
    assert_eq!(usage(&free, &other).await, None);
    assert_eq!(usage(&basic, &id).await, None);
}

pub(super) async fn usage_adds_up_the_days_asked_for<F: Face>(stand: Stand<F>) {
    let (api, id, free) = (stand.ports.api_gateway(), stand.key().await, stand.plan("free"));
    api.attach(&free, &id).await.unwrap();
    for _ in 0..3 {
        stand.world.api_gateway.call(&stand.world.stage(), "GET /hello", Some(VALUE));
        stand.world.clock.advance(SignedDuration::from_hours(24));
    }
    let usage = async |from, to| api.usage(&free, &id, from, to).await.unwrap().unwrap();
    assert_eq!(usage("2027-01-15", "2027-01-31").await, Usage { used: 3, remaining: 2 });
    assert_eq!(usage("2027-01-16", "2027-01-16").await, Usage { used: 1, remaining: 3 });
    let backwards = api.usage(&free, &id, "2027-01-31", "2027-01-15").await.unwrap_err();
    assert_eq!(backwards.class, Class::Invalid);
}

pub(super) async fn too_many_calls_are_told_how_long_to_wait<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    stand.world.api_gateway.set_wall(Some(Wall::default()));
    for _ in 0..40 {
        api.key(&id).await.unwrap();
    }
    let after = Some(SignedDuration::from_secs(1));
    assert_eq!(api.key(&id).await.unwrap_err().class, Class::Throttled { after });
    stand.world.clock.advance(SignedDuration::from_secs(1));
    api.key(&id).await.unwrap();
}

/// Others of the account and Region spend the same calls.
pub(super) async fn others_leave_room_for_a_part_of_the_calls<F: Face>(stand: Stand<F>) {
    let (api, id) = (stand.ports.api_gateway(), stand.key().await);
    stand.world.api_gateway.set_wall(Some(Wall::shared(4, 7)));
    let mut passed = 0;
    for _ in 0..80 {
        stand.world.clock.advance(SignedDuration::from_secs(1));
        match api.key(&id).await {
            Ok(_) => passed += 1,
            Err(error) => assert!(matches!(error.class, Class::Throttled { .. }), "{error}"),
        }
    }
    assert!((10..=30).contains(&passed), "{passed} of 80 calls pass");
    stand.world.api_gateway.set_wall(None);
    api.key(&id).await.unwrap();
}
