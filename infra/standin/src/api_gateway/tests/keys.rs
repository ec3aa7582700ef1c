use secrecy::ExposeSecret;

use super::*;

#[test]
fn a_value_that_exists_conflicts_until_its_key_is_deleted() {
    let w = world();
    let first = w.key(VALUE);
    let again = || NewApiKey { value: Some(SecretString::from(VALUE)), ..NewApiKey::default() };
    let refused = w.standin.scene(|model, now| model.create_api_key(again(), now)).unwrap_err();
    assert_eq!(refused.exception, Exception::Conflict);
    w.standin.scene(|model, now| model.delete_api_key(&first, now)).unwrap();
    w.standin.scene(|model, now| model.create_api_key(again(), now)).unwrap();
}

#[test]
fn a_value_has_20_to_128_letters_and_digits() {
    let w = world();
    let create = |value: String| {
        let new = NewApiKey { value: Some(SecretString::from(value)), ..NewApiKey::default() };
        w.standin.scene(|model, now| model.create_api_key(new, now)).map(drop)
    };
    for good in ["a".repeat(20), "Z9".repeat(64)] {
        assert_eq!(create(good.clone()), Ok(()), "{good}");
    }
    for bad in ["a".repeat(19), "a".repeat(129), format!("{}-", "a".repeat(30)), "é".repeat(20)] {
        let refused = create(bad.clone()).unwrap_err();
        assert_eq!(refused.exception, Exception::BadRequest, "{bad}");
        assert!(!refused.to_string().contains(&bad), "a value never stands in an error");
    }
}

#[test]
fn a_key_is_disabled_unless_said_and_its_value_is_generated() {
    let w = world();
    let create = |model: &mut Model, now| model.create_api_key(NewApiKey::default(), now);
    let (a, b) = (w.standin.scene(create).unwrap(), w.standin.scene(create).unwrap());
    assert!(!a.enabled);
    assert_eq!(a.value.expose_secret().len(), 40);
    assert_ne!(a.value.expose_secret(), b.value.expose_secret());
}

#[test]
fn names_are_not_unique() {
    let w = world();
    let new = NewApiKey { name: Some("same".into()), ..NewApiKey::default() };
    for _ in 0..2 {
        w.standin.scene(|model, now| model.create_api_key(new.clone(), now)).unwrap();
    }
    assert_eq!(w.standin.scene(|model, _| model.keys().count()), 2);
}

#[test]
fn ids_are_ten_letters_and_digits_and_the_same_in_every_run() {
    let ids = || {
        let w = world();
        (0..50).map(|_| w.plan(None, None)).collect::<Vec<_>>()
    };
    let (mut run, again) = (ids(), ids());
    assert_eq!(run, again);
    let form = |id: &String| {
        id.len() == 10 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    assert!(run.iter().all(form), "{run:?}");
    run.sort();
    run.dedup();
    assert_eq!(run.len(), 50);
}

#[test]
fn the_quota_of_keys_ends_in_limit_exceeded() {
    let w = world();
    w.standin.set_quotas(Quotas { keys: 1, ..Quotas::default() });
    let key = w.key(VALUE);
    let create = |model: &mut Model, now| model.create_api_key(NewApiKey::default(), now);
    assert_eq!(w.standin.scene(create).unwrap_err().exception, Exception::LimitExceeded);
    w.standin.scene(|model, now| model.delete_api_key(&key, now)).unwrap();
    w.standin.scene(create).unwrap();
}

#[test]
fn listings_have_25_items_unless_said_at_most_500_and_lose_none() {
    let w = world();
    for _ in 0..60 {
        w.standin.scene(|model, now| model.create_api_key(NewApiKey::default(), now)).unwrap();
    }
    let get = |limit, position| {
        let page = Listing { limit, position };
        let query = KeyQuery { page, ..KeyQuery::default() };
        w.standin.scene(|model, _| model.get_api_keys(&query))
    };
    let (mut seen, mut position, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let page = get(None, position).unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items.into_iter().map(|key| key.id));
        position = page.position;
        if position.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [25, 25, 10]);
    seen.dedup();
    assert_eq!(seen.len(), 60);
    assert_eq!(get(Some(60), None).unwrap().position, None, "no page follows a full last one");
    for (limit, position) in [(Some(501), None), (Some(0), None), (None, Some("junk!".into()))] {
        assert_eq!(get(limit, position).unwrap_err().exception, Exception::BadRequest);
    }
}

#[test]
fn keys_are_found_by_their_customer_exactly_and_by_the_beginning_of_their_name() {
    let w = world();
    for (name, customer) in [("tollgate/a", "sub-1"), ("tollgate/b", "sub-10"), ("x", "sub-1")] {
        let (name, customer_id) = (Some(name.into()), Some(customer.into()));
        let new = NewApiKey { name, customer_id, ..NewApiKey::default() };
        w.standin.scene(|model, now| model.create_api_key(new, now)).unwrap();
    }
    let count = |query: KeyQuery| {
        w.standin.scene(|model, _| model.get_api_keys(&query)).unwrap().items.len()
    };
    let customer_id = Some("sub-1".to_owned());
    assert_eq!(count(KeyQuery { customer_id, ..KeyQuery::default() }), 2);
    let name = Some("tollgate/".to_owned());
    assert_eq!(count(KeyQuery { name, ..KeyQuery::default() }), 2);
}
