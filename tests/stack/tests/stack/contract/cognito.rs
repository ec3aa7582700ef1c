//! Cognito's users, their names and their attributes.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tollgate_core::account::{Attributes, KeyId};
use tollgate_core::person::VerifiedEmail;
use tollgate_core::ports::{Class, NameHolder, Ports as _, UserRecord, Users as _};
use tollgate_events::AccountId;
use tollgate_standin::cognito::{CustomAttribute, PoolConfig};
use tollgate_standin::world::POOL_ID;

use super::face::{self, Face, Stand};

impl<F: Face> Stand<F> {
    /// A local user who signed up and confirmed.
    fn local_user(&self, name: &str) -> AccountId {
        self.world.cognito.sign_up_confirmed(name, &format!("{name}@example.com")).unwrap()
    }

    /// A user of a third-party identity provider, with the user name `Google_1`.
    fn federated_user(&self) -> AccountId {
        self.world.cognito.federated_sign_in("Google", "1", "g@example.com").unwrap()
    }

    async fn read(&self, name: &str, id: &AccountId) -> Option<UserRecord> {
        self.ports.users().user(name, id).await.unwrap().account()
    }

    /// The same face of a world whose pool has these custom attributes only.
    async fn with_attributes(custom: Vec<CustomAttribute>) -> Self {
        let config = PoolConfig { custom, ..PoolConfig::tollgate(POOL_ID) };
        F::open(face::world().with_pool(config)).await
    }
}

fn attributes(api_id: Option<&str>, plan: Option<&str>) -> Attributes {
    let api_id = api_id.map(|id| KeyId::parse(id).unwrap());
    Attributes { api_id, plan: plan.map(str::to_owned) }
}

pub(super) async fn a_user_is_read_by_user_name<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    let expected = UserRecord {
        id: id.clone(),
        username: "ann".into(),
        federated: false,
        enabled: true,
        confirmed: true,
        email: VerifiedEmail::of(Some("ann@example.com"), true),
        attributes: Attributes::default(),
    };
    assert_eq!(stand.read("ann", &id).await, Some(expected));
}

pub(super) async fn an_unknown_or_deleted_user_is_none<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    assert_eq!(stand.read("ben", &id).await, None);
    stand.world.cognito.delete_user("ann").unwrap();
    assert_eq!(stand.read("ann", &id).await, None);
    assert_eq!(stand.ports.users().find(&id).await.unwrap(), None);
}

pub(super) async fn a_user_name_can_belong_to_another_sub_by_now<F: Face>(stand: Stand<F>) {
    let before = stand.local_user("ann");
    stand.world.cognito.delete_user("ann").unwrap();
    let after = stand.local_user("ann");
    assert_ne!(before, after);
    assert_eq!(stand.read("ann", &before).await, None);
    assert_eq!(stand.read("ann", &after).await.unwrap().id, after);
}

pub(super) async fn a_sub_is_a_user_name_for_local_users<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    assert_eq!(stand.read(id.as_str(), &id).await.unwrap().username, "ann");
    let plan = attributes(None, Some("free"));
    stand.ports.users().write_attributes(id.as_str(), &plan).await.unwrap();
    assert_eq!(stand.read("ann", &id).await.unwrap().attributes, plan);
}

pub(super) async fn a_sub_is_no_user_name_for_federated_users<F: Face>(stand: Stand<F>) {
    let id = stand.federated_user();
    assert_eq!(stand.read(id.as_str(), &id).await, None);
    let plan = attributes(None, Some("free"));
    let refused = stand.ports.users().write_attributes(id.as_str(), &plan).await.unwrap_err();
    assert_eq!(refused.class, Class::NotFound);
    let found = stand.ports.users().find(&id).await.unwrap().unwrap();
    stand.ports.users().write_attributes(&found.username, &plan).await.unwrap();
    assert_eq!(stand.read("Google_1", &id).await.unwrap().attributes, plan);
}

/// Where users choose their names: whoever is asked for by their sub may be hidden by them.
pub(super) async fn a_user_name_can_be_anothers_sub<F: Face>(stand: Stand<F>) {
    let users = stand.ports.users();
    let ann = stand.local_user("ann");
    let namesake = stand.local_user(ann.as_str());
    let holder = users.user(ann.as_str(), &ann).await.unwrap();
    assert_eq!(holder, NameHolder::Namesake(namesake.clone()));
    assert_eq!(users.find(&ann).await.unwrap().unwrap().username, "ann");
    let plan = attributes(None, Some("free"));
    users.write_attributes(ann.as_str(), &plan).await.unwrap();
    assert_eq!(stand.read(ann.as_str(), &namesake).await.unwrap().attributes, plan);
    assert_eq!(stand.read("ann", &ann).await.unwrap().attributes, Attributes::default());
}

pub(super) async fn an_address_is_told_once_it_is_verified<F: Face>(stand: Stand<F>) {
    let cognito = &stand.world.cognito;
    let claimed = cognito.sign_up_unconfirmed("ann", " Ann@Example.com").unwrap();
    assert_eq!(stand.read("ann", &claimed).await.unwrap().email, None);
    let write = |name: &str, value: &str| {
        cognito.write("ann", [(name.to_owned(), value.to_owned())].into()).unwrap();
    };
    write("email_verified", "true");
    let verified = VerifiedEmail::of(Some("ann@example.com"), true);
    assert_eq!(stand.read("ann", &claimed).await.unwrap().email, verified);
    assert_eq!(stand.ports.users().find(&claimed).await.unwrap().unwrap().email, verified);
    write("email", "ben@example.com");
    assert_eq!(stand.read("ann", &claimed).await.unwrap().email, None, "another is not");
}

pub(super) async fn list_users_finds_by_sub<F: Face>(stand: Stand<F>) {
    let local = stand.local_user("ann");
    let federated = stand.federated_user();
    for (id, name) in [(&local, "ann"), (&federated, "Google_1")] {
        let found = stand.ports.users().find(id).await.unwrap().unwrap();
        assert_eq!((&found.id, found.username.as_str()), (id, name));
        assert_eq!(found.federated, *id == federated);
        assert_eq!(found.admin_name(), if found.federated { name } else { id.as_str() });
    }
    for nobody in ["nobody", "a\"quote", "a\\backslash"] {
        let nobody = AccountId::parse(nobody).unwrap();
        assert_eq!(stand.ports.users().find(&nobody).await.unwrap(), None);
    }
}

pub(super) async fn list_users_finds_by_email<F: Face>(stand: Stand<F>) {
    let users = stand.ports.users();
    let local = stand.local_user("ann");
    assert_eq!(users.with_email("ann@example.com").await.unwrap()[0].id, local);
    let federated = stand.federated_user();
    stand.world.cognito.sign_up_confirmed("gus", "g@example.com").unwrap();
    let both = users.with_email("g@example.com").await.unwrap();
    let names: Vec<_> = both.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["Google_1", "gus"]);
    assert!(both.iter().any(|user| user.id == federated && user.federated));
    for nobody in ["ann@example", "a\"@example.com", "a\\@example.com", "\" or email ^= \"a"] {
        assert_eq!(users.with_email(nobody).await.unwrap(), [], "{nobody}");
    }
}

pub(super) async fn a_listing_tells_who_is_confirmed<F: Face>(stand: Stand<F>) {
    let (local, federated) = (stand.local_user("ann"), stand.federated_user());
    let by_administrator = stand.world.cognito.admin_create_user("cy", "c@example.com").unwrap();
    let unconfirmed = stand.world.cognito.sign_up_unconfirmed("dee", "d@example.com").unwrap();
    let listed = stand.ports.users().all_users(None).await.unwrap().items;
    let told: BTreeMap<_, _> = listed.into_iter().map(|user| (user.id, user.confirmed)).collect();
    let expected =
        [(local, true), (federated, true), (by_administrator, false), (unconfirmed, false)];
    assert_eq!(told, expected.into());
}

pub(super) async fn list_users_may_lag<F: Face>(stand: Stand<F>) {
    stand.world.cognito.set_list_lag(SignedDuration::from_secs(10));
    let id = stand.local_user("ann");
    assert_eq!(stand.ports.users().find(&id).await.unwrap(), None);
    assert!(stand.read("ann", &id).await.is_some());
    stand.world.clock.advance(SignedDuration::from_secs(10));
    assert!(stand.ports.users().find(&id).await.unwrap().is_some());
}

pub(super) async fn a_page_has_at_most_60_users<F: Face>(stand: Stand<F>) {
    for number in 0..61 {
        stand.local_user(&format!("user-{number}"));
    }
    let users = stand.ports.users();
    let first = users.all_users(None).await.unwrap();
    let second = users.all_users(first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (60, 1, None));
    assert!(!first.items.contains(&second.items[0]));
}

pub(super) async fn a_disabled_user_is_seen_disabled<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    stand.world.cognito.disable_user("ann").unwrap();
    assert!(!stand.read("ann", &id).await.unwrap().enabled);
    assert!(!stand.ports.users().find(&id).await.unwrap().unwrap().enabled);
    stand.world.cognito.enable_user("ann").unwrap();
    assert!(stand.read("ann", &id).await.unwrap().enabled);
}

pub(super) async fn attributes_read_back_as_written<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    let written = attributes(Some("key1"), Some("pro"));
    stand.ports.users().write_attributes("ann", &written).await.unwrap();
    assert_eq!(stand.read("ann", &id).await.unwrap().attributes, written);
    assert_eq!(stand.ports.users().find(&id).await.unwrap().unwrap().attributes, written);
}

pub(super) async fn an_absent_attribute_reads_back_as_none<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    let both = attributes(Some("key1"), Some("pro"));
    for written in [both, attributes(None, Some("closed")), attributes(None, None)] {
        stand.ports.users().write_attributes("ann", &written).await.unwrap();
        assert_eq!(stand.read("ann", &id).await.unwrap().attributes, written);
    }
}

pub(super) async fn an_undefined_attribute_is_invalid<F: Face>(_: Stand<F>) {
    let plan = CustomAttribute { name: "plan".into(), mutable: true };
    let stand = Stand::<F>::with_attributes(vec![plan]).await;
    let id = stand.local_user("ann");
    let written = attributes(Some("key1"), Some("pro"));
    let refused = stand.ports.users().write_attributes("ann", &written).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    assert_eq!(stand.read("ann", &id).await.unwrap().attributes, Attributes::default());
}

pub(super) async fn an_attribute_must_be_mutable_to_be_written<F: Face>(_: Stand<F>) {
    let fixed = |name: &str| CustomAttribute { name: name.into(), mutable: false };
    let stand = Stand::<F>::with_attributes(vec![fixed("apiid"), fixed("plan")]).await;
    stand.local_user("ann");
    let written = attributes(Some("key1"), Some("pro"));
    let refused = stand.ports.users().write_attributes("ann", &written).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
}

pub(super) async fn a_value_has_at_most_2048_characters<F: Face>(stand: Stand<F>) {
    let id = stand.local_user("ann");
    let longest = attributes(None, Some(&"p".repeat(2048)));
    stand.ports.users().write_attributes("ann", &longest).await.unwrap();
    let too_long = attributes(None, Some(&"p".repeat(2049)));
    let refused = stand.ports.users().write_attributes("ann", &too_long).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    assert_eq!(stand.read("ann", &id).await.unwrap().attributes, longest);
}

pub(super) async fn writing_for_an_unknown_user_is_not_found<F: Face>(stand: Stand<F>) {
    let written = attributes(None, Some("free"));
    let refused = stand.ports.users().write_attributes("ann@example.com", &written).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.class, Class::NotFound);
    assert!(!refused.to_string().contains("ann@example.com"), "{refused}");
}
