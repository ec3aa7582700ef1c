//! Metered prices, and objects that are shown otherwise than they are.

use serde_json::{Value, json};
use tollgate_core::ports::Stripe as _;
use tollgate_core::stripe::SubscriptionStatus;
use tollgate_events::{CustomerId, SubscriptionId};

use super::*;
use crate::gate::Gate;

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

/// The port tells of a row what the adapter would.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_in_bulk_and_told_to_whoever_asks_for_it() {
    let standin = StripeStandin::new(
        VirtualClock::starting_at(start()),
        Gate::default(),
        Settings::default(),
    );
    let (ids, customer) = {
        let mut account = standin.account();
        let price = account.add_product_price("Pro", Interval::Month, 2900, "pro").unwrap();
        let customer = account.create_customer(NewCustomer::default());
        let mut buy =
            || account.subscribe(&customer, &[&price], SubscriptionData::default()).unwrap();
        ([buy(), buy(), buy()], customer)
    };
    let customer = CustomerId::parse(customer).unwrap();
    standin.account().make_odd(&ids[1], "/status", "null");
    let page = standin.all_subscriptions(None).await.unwrap();
    let read: Vec<_> = page.items.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(read, [&ids[2], &ids[0]]);
    assert_eq!(page.unreadable[0].owner.as_deref(), Some(customer.as_str()));
    assert!(page.unreadable[0].to_string().contains(&ids[1]));
    let theirs = standin.subscriptions(&customer).await.unwrap().unwrap();
    let unreadable = theirs.iter().filter(|it| it.status == SubscriptionStatus::Unreadable);
    assert_eq!((theirs.len(), unreadable.count()), (3, 1));
    let odd = SubscriptionId::parse(ids[1].as_str()).unwrap();
    let read = standin.subscription(&odd).await.unwrap().unwrap();
    assert_eq!(read.status, SubscriptionStatus::Unreadable);

    standin.account().mend(&ids[1]);
    standin.account().make_odd(&ids[1], "/customer", "null");
    assert_eq!(standin.all_subscriptions(None).await.unwrap().items.len(), 2);
    assert_eq!(
        standin.subscriptions(&customer).await.unwrap().unwrap().len(),
        3,
        "it was asked for"
    );

    standin.account().mend(&ids[1]);
    standin.account().make_odd(&ids[1], "/items/data/0/price", "null");
    let read = standin.subscription(&odd).await.unwrap().unwrap();
    assert!(read.has_unreadable_price());
}
