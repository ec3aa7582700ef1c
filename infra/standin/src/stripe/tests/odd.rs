//! Metered prices, and objects that are shown otherwise than they are.

use serde_json::{Value, json};

use super::*;

fn metered(world: &mut World) -> String {
    let product = world.stripe.create_product("Usage", Metadata::new());
    let price = NewPrice::new(&product, Interval::Month, 1).metered();
    world.stripe.create_price(price).unwrap()
}

/// <https://docs.stripe.com/billing/subscriptions/usage-based>
#[test]
fn a_metered_price_takes_no_quantity_and_a_licensed_one_needs_one() {
    let mut world = world();
    let price = metered(&mut world);
    let session = |price: &str, quantity| NewSession {
        customer: Some(world.customer.clone()),
        line_items: vec![(price.to_owned(), quantity)],
        ..NewSession::default()
    };
    let (with, without) = (session(&price, Some(1)), session(&price, None));
    let licensed = session(&world.pro, None);
    let refused = world.stripe.open_checkout(with).unwrap_err();
    let message = "Quantity should not be specified where usage_type is `metered`. Remove \
                   quantity from `line_items[0]`";
    assert_eq!((refused.status, refused.message.as_str()), (400, message));
    let refused = world.stripe.open_checkout(licensed).unwrap_err();
    assert!(refused.message.starts_with("Quantity is required."), "{refused:?}");

    let session = world.stripe.open_checkout(without).unwrap();
    let bought = world.stripe.complete_checkout(&session, Card::Pays).unwrap();
    assert_eq!(world.status(&bought), Status::Active, "nothing is due yet, and that is paid");
    let shown = world.stripe.object(&bought).unwrap();
    let item = &shown["items"]["data"][0];
    assert_eq!(item["price"]["recurring"]["usage_type"], "metered");
    assert!(item.get("quantity").is_none(), "{item}");
}

#[test]
fn an_oddity_is_shown_wherever_its_object_is() {
    let mut world = world();
    let bought = world.buy();
    let shown = |world: &World| world.stripe.text_of(world.stripe.object(&bought).unwrap());
    let plain = shown(&world);
    world.stripe.make_odd(&bought, "/metadata/emoji", r#""\ud83d""#);
    world.stripe.make_odd(&bought, "/cancel_at", "1e999");
    let (pro, customer) = (world.pro.clone(), world.customer.clone());
    world.stripe.make_odd(&pro, "", "null");
    world.stripe.make_odd(&customer, "/name", "7");
    let odd = shown(&world);
    for text in [r#""emoji":"\ud83d""#, r#""cancel_at":1e999"#, r#""price":null"#] {
        assert!(odd.contains(text), "{odd}");
    }
    assert!(!odd.contains("odd 0"), "{odd}");
    let event = world.stripe.events().find(|event| event.object["id"] == bought.as_str()).unwrap();
    assert!(world.stripe.text_of(event.render()).contains(r#""cancel_at":1e999"#));
    for id in [bought.as_str(), &pro] {
        world.stripe.mend(id);
    }
    assert_eq!(shown(&world), plain);
}

#[test]
fn what_is_odd_is_told_as_far_as_it_is_json() {
    let mut world = world();
    let bought = world.buy();
    for (raw, told) in
        [("17", json!(17)), ("{\"a\": 1}", json!({"a": 1})), ("nonsense", Value::Null)]
    {
        world.stripe.make_odd(&bought, "/status", raw);
        let shown = world.stripe.as_told(world.stripe.object(&bought).unwrap());
        assert_eq!(shown["status"], told);
    }
}
