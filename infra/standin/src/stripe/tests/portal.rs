//! The customer portal: what a configuration offers, and what becomes of a change.

use reqwest::Method;
use serde_json::json;

use super::api::api;
use super::*;

/// A world whose portal changes prices: a better one at once, a lesser one with the period.
struct Shop {
    world: World,
    bought: String,
    item: String,
    configuration: String,
}

fn shop(proration: Proration) -> Shop {
    let mut world = world();
    let bought = world.buy();
    let item = world.stripe.subscription(&bought).unwrap().items[0].id.clone();
    let products = [&world.pro, &world.max]
        .map(|price| (world.stripe.price(price).unwrap().product.clone(), vec![price.clone()]));
    let waits = ["decreasing_item_amount", "shortening_interval"].map(str::to_owned);
    let update = PortalUpdate {
        at_period_end: waits.into(),
        ..PortalUpdate::of_prices(products.into(), proration)
    };
    let features = PortalFeatures {
        payment_method_update: true,
        subscription_cancel: Some(CancelMode::AtPeriodEnd),
        subscription_update: Some(update),
        ..PortalFeatures::default()
    };
    let configuration = world.stripe.create_configuration(features, Metadata::new()).unwrap();
    Shop { world, bought, item, configuration }
}

impl Shop {
    fn open(&mut self, flow: Option<FlowKind>) -> StripeResult<String> {
        let (customer, configuration) =
            (self.world.customer.clone(), Some(self.configuration.clone()));
        let flow = flow.map(|kind| PortalFlow { kind, then: None });
        self.world.stripe.open_portal(NewPortal { customer, configuration, flow, return_url: None })
    }

    fn to(&self, price: &str) -> FlowKind {
        let (subscription, item) = (self.bought.clone(), self.item.clone());
        FlowKind::Confirm { subscription, item, price: price.to_owned() }
    }

    fn change_to(&mut self, price: &str) -> StripeResult<()> {
        let session = self.open(None)?;
        self.world.stripe.change_in_portal(&session, &self.bought, price)
    }

    fn row(&self) -> &Subscription {
        self.world.stripe.subscription(&self.bought).unwrap()
    }

    fn price(&self) -> &str {
        &self.row().items[0].price
    }

    fn paid(&self) -> i64 {
        let invoices = self.world.stripe.invoices();
        invoices.filter(|it| it.status == InvoiceStatus::Paid).map(|it| it.amount).sum()
    }
}

/// 2026-01-31 to 2026-02-28 are 28 days; half of it is left.
#[test]
fn a_better_plan_is_paid_at_once_where_the_configuration_says_so() {
    let mut shop = shop(Proration::AlwaysInvoice);
    shop.world.wait(days(14));
    let max = shop.world.max.clone();
    shop.change_to(&max).unwrap();
    assert_eq!((shop.price(), shop.paid()), (max.as_str(), 2900 + (9900 - 2900) / 2));
    let bought = shop.bought.clone();
    shop.world.stripe.cancel(&bought, When::Now).unwrap();
    assert_eq!(shop.paid(), 2900 + (9900 - 2900) / 2, "and it stays paid");
}

/// "Pending prorations will be removed."
/// <https://docs.stripe.com/billing/subscriptions/cancel>
#[test]
fn whoever_cancels_at_once_never_pays_what_waits_for_the_next_invoice() {
    let mut shop = shop(Proration::CreateProrations);
    let max = shop.world.max.clone();
    shop.change_to(&max).unwrap();
    let bought = shop.bought.clone();
    shop.world.stripe.cancel(&bought, When::Now).unwrap();
    shop.world.wait(days(60));
    assert_eq!(shop.paid(), 2900);
}

#[test]
fn a_refused_card_leaves_the_better_plan_owed() {
    let mut shop = shop(Proration::AlwaysInvoice);
    let (max, customer) = (shop.world.max.clone(), shop.world.customer.clone());
    shop.world.stripe.set_card(&customer, Card::Declines).unwrap();
    shop.change_to(&max).unwrap();
    assert_eq!((shop.price(), shop.row().status), (max.as_str(), Status::PastDue));
}

#[test]
fn a_lesser_plan_waits_for_the_periods_end_and_can_be_taken_back() {
    let mut shop = shop(Proration::AlwaysInvoice);
    let (pro, max) = (shop.world.pro.clone(), shop.world.max.clone());
    shop.change_to(&max).unwrap();
    let paid = shop.paid();
    shop.change_to(&pro).unwrap();
    let schedule = shop.row().schedule.clone().unwrap();
    assert_eq!((shop.price(), schedule.at), (max.as_str(), shop.row().period.end));
    let shown = shop.world.stripe.object(&schedule.id).unwrap();
    assert_eq!(shown["phases"][1]["items"][0]["price"], json!(pro));
    assert_eq!(shown["phases"][1]["start_date"], json!(schedule.at.as_second()));

    let session = shop.open(None).unwrap();
    let bought = shop.bought.clone();
    shop.world.stripe.keep_in_portal(&session, &bought).unwrap();
    assert_eq!(shop.row().schedule, None);
    shop.change_to(&pro).unwrap();
    shop.world.wait(days(29));
    assert_eq!((shop.price(), &shop.row().schedule), (pro.as_str(), &None));
    assert_eq!(shop.paid(), paid + 2900, "the next period is paid at the lesser price");
}

#[test]
fn a_flow_is_for_what_the_configuration_offers_and_would_change_something() {
    let mut shop = shop(Proration::AlwaysInvoice);
    let (pro, max) = (shop.world.pro.clone(), shop.world.max.clone());
    let other = shop.world.stripe.add_product_price("Ads", Interval::Month, 1, "ads").unwrap();
    for (price, told) in [(&pro, "change nothing"), (&other, "not in the portal's configuration")] {
        let refused = shop.open(Some(shop.to(price))).unwrap_err();
        assert!(refused.message.contains(told), "{refused:?}");
    }
    let cancel = FlowKind::Cancel { subscription: shop.bought.clone() };
    for flow in [shop.to(&max), cancel.clone(), FlowKind::PaymentMethod] {
        shop.open(Some(flow)).unwrap();
    }
    let bought = shop.bought.clone();
    shop.world.stripe.cancel(&bought, When::PeriodEndInPortal).unwrap();
    assert!(shop.open(Some(cancel)).unwrap_err().message.contains("already set"));
    let nothing = |row: &mut PortalConfiguration| row.features = PortalFeatures::default();
    let configuration = shop.configuration.clone();
    shop.world.stripe.update_configuration(&configuration, nothing).unwrap();
    for flow in [shop.to(&max), FlowKind::PaymentMethod] {
        assert!(shop.open(Some(flow)).unwrap_err().message.contains("not enabled"));
    }
}

#[tokio::test]
async fn a_configuration_is_made_changed_and_listed() {
    let api = api().await;
    let (customer, session) = api.session().await;
    let path = "/v1/billing_portal/configurations";
    let bought = session["id"].as_str().unwrap();
    let bought = api.standin.account().complete_checkout(bought, Card::Pays).unwrap();
    let sold = api.standin.account().subscription(&bought).unwrap().items[0].clone();
    let product = api.standin.account().price(&sold.price).unwrap().product.clone();
    let update = "features[subscription_update]";
    let form = [
        ("metadata[of]", "us"),
        ("features[payment_method_update][enabled]", "true"),
        (&format!("{update}[enabled]"), "true"),
        (&format!("{update}[default_allowed_updates][0]"), "price"),
        (&format!("{update}[products][0][product]"), product.as_str()),
        (&format!("{update}[products][0][prices][0]"), sold.price.as_str()),
        (&format!("{update}[proration_behavior]"), "always_invoice"),
        (&format!("{update}[schedule_at_period_end][conditions][0][type]"), "shortening_interval"),
    ];
    let made = api.post(path, &form).await;
    let shown = &made["features"]["subscription_update"];
    assert_eq!(shown["proration_behavior"], "always_invoice");
    assert_eq!(shown["products"][0]["prices"], json!([sold.price]));
    assert_eq!(
        shown["schedule_at_period_end"]["conditions"],
        json!([{ "type": "shortening_interval" }])
    );
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let off = api.post(&one, &[("features[payment_method_update][enabled]", "false")]).await;
    assert_eq!(off["features"]["payment_method_update"]["enabled"], false);
    assert_eq!(off["features"]["subscription_update"], *shown, "what is not given stays");
    assert_eq!(api.get(path, &[("active", "true")]).await["data"], json!([off]));

    let open = |kind: &'static str| {
        vec![
            ("customer", customer.clone()),
            ("configuration", made["id"].as_str().unwrap().to_owned()),
            ("flow_data[type]", kind.to_owned()),
        ]
    };
    let (status, refused) = api
        .call_owned(Method::POST, "/v1/billing_portal/sessions", &open("payment_method_update"))
        .await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("flow_data[type]")), "{refused}");
    let (status, unknown) = api
        .call_owned(Method::POST, "/v1/billing_portal/sessions", &open("subscription_update"))
        .await;
    assert_eq!(status, 501, "{unknown}");
}
