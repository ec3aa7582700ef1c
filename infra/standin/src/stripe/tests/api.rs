//! HTTP as Stripe's libraries speak it.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::webhooks::serve;
use super::*;

pub(super) struct Api {
    pub(super) standin: StripeStandin,
    base: String,
    http: Client,
}

pub(super) async fn api() -> Api {
    let standin = standin();
    let base = serve(router(standin.clone())).await;
    standin.account().settings_mut().base_url.clone_from(&base);
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Api { standin, base, http }
}

impl Api {
    pub(super) async fn call_owned(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, String)],
    ) -> (u16, Value) {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.call(method, path, &form).await
    }

    async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.call_with(method, path, form, None).await
    }

    async fn call_with(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> (u16, Value) {
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        let request = request.bearer_auth("sk_test_1");
        let request = if method == Method::GET { request.query(form) } else { request.form(form) };
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(super) async fn get(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.call(Method::GET, path, form).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.call(Method::POST, path, form).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Product, price, customer and session, all over HTTP.
    pub(super) async fn session(&self) -> (String, Value) {
        let product = self.post("/v1/products", &[("name", "<Pro>")]).await;
        let price = [
            ("product", product["id"].as_str().unwrap()),
            ("currency", "usd"),
            ("unit_amount", "2900"),
            ("recurring[interval]", "month"),
            ("lookup_key", "pro"),
        ];
        let price = self.post("/v1/prices", &price).await;
        let customer = self.post("/v1/customers", &[("metadata[tollgate_account]", "sub-1")]).await;
        let customer = customer["id"].as_str().unwrap().to_owned();
        let session = [
            ("mode", "subscription"),
            ("customer", &customer),
            ("line_items[0][price]", price["id"].as_str().unwrap()),
            ("line_items[0][quantity]", "1"),
            ("success_url", "https://shop.invalid/done?s={CHECKOUT_SESSION_ID}"),
            ("cancel_url", "https://shop.invalid/back"),
            ("metadata[tollgate_account]", "sub-1"),
            ("subscription_data[metadata][tollgate_account]", "sub-1"),
        ];
        let session = self.post("/v1/checkout/sessions", &session).await;
        (customer, session)
    }
}

/// Customers and prices have no `id` to choose any more; a product's has few characters.
#[tokio::test]
async fn a_products_id_may_be_chosen() {
    let api = api().await;
    let made = api.post("/v1/products", &[("name", "API"), ("id", "the-api_1")]).await;
    assert_eq!(made["id"], "the-api_1");
    assert_eq!(api.get("/v1/products/the%2Dapi_1", &[]).await["name"], "API");
    for (path, form, code) in [
        ("/v1/products", [("name", "API"), ("id", "the-api_1")], json!("resource_already_exists")),
        ("/v1/products", [("name", "API"), ("id", "the API")], Value::Null),
        ("/v1/customers", [("name", "John"), ("id", "John Doe")], json!("parameter_unknown")),
    ] {
        let (status, refused) = api.call(Method::POST, path, &form).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &code), "{refused}");
        assert_eq!(refused["error"]["param"], "id");
    }
}

/// 400 is Stripe's own refusal. What only the stand-in lacks is told as that, by its name.
#[tokio::test]
async fn what_stripe_takes_and_the_stand_in_does_not_is_not_implemented() {
    let api = api().await;
    let hosted = [("mode", "subscription"), ("success_url", "https://shop.invalid/")];
    let sessions = "/v1/checkout/sessions";
    for (path, form, param) in [
        (sessions, vec![("allow_promotion_codes", "true")], "allow_promotion_codes"),
        (sessions, vec![("automatic_tax[enabled]", "true")], "automatic_tax[enabled]"),
        (
            sessions,
            vec![("ui_mode", "embedded_page"), ("return_url", "https://shop.invalid/")],
            "ui_mode",
        ),
        (
            sessions,
            vec![("line_items[0][price_data][currency]", "usd")],
            "line_items[0][price_data][currency]",
        ),
        ("/v1/billing_portal/sessions", vec![("customer", "cus_1"), ("locale", "de")], "locale"),
        (
            "/v1/subscriptions/sub_1",
            vec![("items[0][tax_rates][0]", "t")],
            "items[0][tax_rates][0]",
        ),
        ("/v1/customers", vec![("address[city]", "Bonn")], "address[city]"),
    ] {
        let session = if path == sessions { &hosted[..] } else { &[] };
        let (status, refused) = api.call(Method::POST, path, &[session, &form].concat()).await;
        let error = &refused["error"];
        assert_eq!((status, &error["code"]), (501, &json!("not_implemented")), "{path} {form:?}");
        assert_eq!(error["param"], param, "{path} {form:?}");
        assert!(error["message"].as_str().unwrap().contains(param), "{error}");
        // Beside one that Stripe refuses, it is what Stripe refuses that is told.
        let wrong = [session, &form, &[("colour", "red")]].concat();
        let (status, refused) = api.call(Method::POST, path, &wrong).await;
        if param != "ui_mode" {
            assert_eq!((status, &refused["error"]["param"]), (400, &json!("colour")), "{refused}");
        }
    }
    let (status, search) =
        api.call(Method::GET, "/v1/customers/search", &[("query", "email:'a@b.c'")]).await;
    assert_eq!((status, &search["error"]["code"]), (501, &json!("not_implemented")), "{search}");
}

/// Since Basil a charge does not tell its invoice: the payments of an invoice do.
#[tokio::test]
async fn an_invoice_is_paid_by_payments_and_refunded_by_its_charge() {
    let api = api().await;
    let (customer, session) = api.session().await;
    let session = session["id"].as_str().unwrap();
    api.standin.account().complete_checkout(session, Card::Pays).unwrap();
    let invoices = api.get("/v1/invoices", &[("customer", &customer)]).await;
    let invoice = invoices["data"][0]["id"].as_str().unwrap();
    let expand = ("expand[]", "data.payment.payment_intent.latest_charge");
    let payments = [("invoice", invoice), ("status", "paid"), expand];
    let paid = api.get("/v1/invoice_payments", &payments).await;
    let payment = &paid["data"][0];
    assert_eq!((&payment["invoice"], &payment["amount_paid"]), (&json!(invoice), &json!(2900)));
    let intent = &payment["payment"]["payment_intent"];
    let charge = &intent["latest_charge"];
    assert_eq!((&charge["refunded"], charge.get("invoice")), (&json!(false), None));
    let by_intent = [("payment[payment_intent]", intent["id"].as_str().unwrap())];
    let found = api.get("/v1/invoice_payments", &by_intent).await;
    assert_eq!(found["data"][0]["id"], payment["id"]);
    let path = format!("/v1/invoice_payments/{}", payment["id"].as_str().unwrap());
    assert_eq!(api.get(&path, &[]).await["payment"]["payment_intent"], intent["id"]);

    let refund = [("payment_intent", intent["id"].as_str().unwrap())];
    let refund = api.post("/v1/refunds", &refund).await;
    assert_eq!((&refund["amount"], &refund["charge"]), (&json!(2900), &charge["id"]));
    let again = [("charge", charge["id"].as_str().unwrap())];
    let (status, again) = api.call(Method::POST, "/v1/refunds", &again).await;
    assert_eq!((status, &again["error"]["code"]), (400, &json!("charge_already_refunded")));
    let paid = api.get("/v1/invoice_payments", &payments).await;
    let charge = &paid["data"][0]["payment"]["payment_intent"]["latest_charge"];
    assert_eq!(charge["refunded"], true);
    let (status, unknown) =
        api.call(Method::GET, "/v1/invoice_payments", &[("invoice", "in_1")]).await;
    assert_eq!((status, &unknown["error"]["code"]), (400, &json!("resource_missing")));
}

/// Who is on a test clock has a time of their own, and is in no list of everybody.
#[tokio::test]
async fn a_test_clock_is_made_and_advanced_over_http() {
    let api = api().await;
    let (clocks, later) = ("/v1/test_helpers/test_clocks", (START + 1000).to_string());
    let clock = api.post(clocks, &[("frozen_time", &later), ("name", "renewals")]).await;
    let clock = clock["id"].as_str().unwrap().to_owned();
    let customer = api.post("/v1/customers", &[("test_clock", &clock)]).await;
    assert_eq!(customer["test_clock"], clock.as_str());
    let customer = customer["id"].as_str().unwrap().to_owned();
    let made = {
        let mut stripe = api.standin.account();
        let pro = stripe.add_product_price("Pro", Interval::Month, 2900, "pro").unwrap();
        stripe.set_card(&customer, Card::Pays).unwrap();
        stripe.subscribe(&customer, &[&pro], SubscriptionData::default()).unwrap()
    };
    let path = format!("/v1/subscriptions/{made}");
    let shown = api.get(&path, &[]).await;
    assert_eq!(
        (&shown["test_clock"], &shown["created"]),
        (&json!(clock), &json!(START + 1000)),
        "it began at the clock's time"
    );
    for list in ["/v1/subscriptions", "/v1/customers"] {
        assert_eq!(api.get(list, &[]).await["data"], json!([]), "{list}");
        let of_it = api.get(list, &[("test_clock", &clock)]).await;
        assert_eq!(of_it["data"].as_array().unwrap().len(), 1, "{list}");
    }
    let theirs = api.get("/v1/subscriptions", &[("customer", &customer)]).await;
    assert_eq!(theirs["data"][0]["id"], made.as_str());

    let advance = format!("{clocks}/{clock}/advance");
    let next = (START + 1000 + 40 * 86_400).to_string();
    let at = api.post(&advance, &[("frozen_time", &next)]).await;
    assert_eq!(at["frozen_time"].to_string(), next);
    let end = |shown: &Value| shown["items"]["data"][0]["current_period_end"].as_i64().unwrap();
    assert!(end(&api.get(&path, &[]).await) > end(&shown), "it was renewed");
    assert_eq!(api.standin.account().now(), start(), "for everybody else nothing has passed");
    let newest = api.get("/v1/events", &[]).await["data"][0]["created"].clone();
    assert_eq!(newest, START, "and events come now");
    let (status, back) = api.call(Method::POST, &advance, &[("frozen_time", &later)]).await;
    assert_eq!((status, &back["error"]["param"]), (400, &json!("frozen_time")));
    let unknown = [("test_clock", "clock_1")];
    let (status, unknown) = api.call(Method::POST, "/v1/customers", &unknown).await;
    assert_eq!((status, &unknown["error"]["code"]), (400, &json!("resource_missing")));
    let (status, _) = api.call(Method::GET, clocks, &[]).await;
    assert_eq!(status, 501, "the rest is not modelled");
}

#[tokio::test]
async fn from_checkout_page_to_cancellation_over_http() {
    let api = api().await;
    let (customer, session) = api.session().await;
    let url = session["url"].as_str().unwrap();
    assert!(url.starts_with(&api.base));
    let page = api.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("&lt;Pro&gt;, 29.00 usd per month"), "{page}");

    let choose = |choice: &'static str| api.http.post(url).form(&[("choice", choice)]).send();
    let declined = choose("declines").await.unwrap();
    assert!(declined.text().await.unwrap().contains("Your card was declined."));
    let paid = choose("pays").await.unwrap();
    assert_eq!(paid.status(), StatusCode::SEE_OTHER);
    let id = session["id"].as_str().unwrap();
    assert_eq!(paid.headers()["location"], format!("https://shop.invalid/done?s={id}"));

    let query = [("customer", customer.as_str()), ("expand[]", "data.latest_invoice")];
    let subscriptions = api.get("/v1/subscriptions", &query).await;
    let row = &subscriptions["data"][0];
    assert_eq!(row["status"], "active");
    assert_eq!(row["metadata"], json!({ "tollgate_account": "sub-1" }));
    assert_eq!(row["latest_invoice"]["status_transitions"]["finalized_at"], START);
    let dispute = api.standin.account().open_dispute(&customer).unwrap();
    let dispute = format!("/v1/disputes/{dispute}");
    assert!(api.get(&dispute, &[]).await.get("customer").is_none());
    let expanded = api.get(&dispute, &[("expand[0]", "charge")]).await;
    assert_eq!(expanded["charge"]["customer"], customer.as_str());
    let (status, _) = api.call(Method::GET, &dispute, &[("expand[]", "reason")]).await;
    assert_eq!(status, 400, "a word is no id");
    let done = api.get(&format!("/v1/checkout/sessions/{id}"), &[]).await;
    assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!(done["url"], Value::Null);

    let path = format!("/v1/subscriptions/{}", row["id"].as_str().unwrap());
    let (status, canceled) = api.call(Method::DELETE, &path, &[]).await;
    assert_eq!((status, &canceled["status"]), (200, &json!("canceled")));
    let (status, again) = api.call(Method::DELETE, &path, &[]).await;
    assert_eq!((status, &again["error"]["code"]), (404, &json!("resource_missing")));
    let rest = api.get("/v1/subscriptions", &[("customer", &customer)]).await;
    assert_eq!(rest["data"], json!([]), "canceled ones are listed only when asked for");
    let all = api.get("/v1/subscriptions", &[("customer", &customer), ("status", "all")]).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_portal_switches_and_cancels_its_own_customers_plan_only() {
    let api = api().await;
    let (customer, session) = api.session().await;
    let session = session["id"].as_str().unwrap();
    let id = api.standin.account().complete_checkout(session, Card::Pays).unwrap();
    let max = api.standin.account().add_product_price("Max", Interval::Month, 9900, "max").unwrap();
    let open = [("customer", customer.as_str()), ("return_url", "https://shop.invalid/\"><b>")];
    let portal = api.post("/v1/billing_portal/sessions", &open).await;
    let url = portal["url"].as_str().unwrap();
    let page = api.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("<b>") && page.contains("Max, 99.00"), "{page}");

    let act = |form: [(&'static str, String); 3]| api.http.post(url).form(&form).send();
    let form = |action: &str, id: &str, price: &str| {
        [("action", action.to_owned()), ("subscription", id.into()), ("price", price.into())]
    };
    act(form("switch", &id, &max)).await.unwrap();
    act(form("cancel_later", &id, "")).await.unwrap();
    {
        let account = api.standin.account();
        let row = account.subscription(&id).unwrap();
        assert_eq!((&row.items[0].price, row.cancel_at), (&max, Some(row.period.end)));
        assert!(!row.cancel_at_period_end, "as portals do since Clover");
    }
    let stranger = api.standin.account().create_customer(NewCustomer::default());
    let other = api.standin.account().subscribe(&stranger, &[&max], SubscriptionData::default());
    let other = other.unwrap();
    let refused = act(form("cancel_now", &other, "")).await.unwrap().text().await.unwrap();
    assert!(refused.contains("No such subscription"));
    assert_ne!(api.standin.account().subscription(&other).unwrap().status, Status::Canceled);
}

#[tokio::test]
async fn lists_come_in_pages_both_ways() {
    let api = api().await;
    let made: Vec<String> =
        (0..25).map(|_| api.standin.account().create_customer(NewCustomer::default())).collect();
    let newest_first: Vec<&str> = made.iter().rev().map(String::as_str).collect();
    let ids = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = api.get("/v1/customers", &[]).await;
    assert_eq!(ids(&first), newest_first[..10], "ten unless told otherwise");
    assert_eq!(first["has_more"], true);
    let last = [("starting_after", newest_first[19]), ("limit", "100")];
    let last = api.get("/v1/customers", &last).await;
    assert_eq!(ids(&last), newest_first[20..]);
    assert_eq!(last["has_more"], false);
    let back = [("ending_before", newest_first[20]), ("limit", "5")];
    let back = api.get("/v1/customers", &back).await;
    assert_eq!(ids(&back), newest_first[15..20], "the nearest five, newest first");
    assert_eq!(back["has_more"], true);
    for (limit, status) in [("100", 200), ("101", 400), ("0", 400)] {
        let (found, _) = api.call(Method::GET, "/v1/customers", &[("limit", limit)]).await;
        assert_eq!(found, status, "limit {limit}");
    }
    let (status, body) =
        api.call(Method::GET, "/v1/customers", &[("starting_after", "cus_x")]).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("starting_after")));
}

#[tokio::test]
async fn an_idempotency_key_replays_answers_and_errors_and_refuses_other_parameters() {
    let api = api().await;
    let post = |path: &'static str, form: Vec<(&'static str, &'static str)>, key: &'static str| {
        let api = &api;
        async move { api.call_with(Method::POST, path, &form, Some(key)).await }
    };
    let first = post("/v1/customers", vec![("name", "a")], "k1").await;
    assert_eq!(post("/v1/customers", vec![("name", "a")], "k1").await, first);
    let (status, other) = post("/v1/customers", vec![("name", "b")], "k1").await;
    assert_eq!((status, &other["error"]["type"]), (400, &json!("idempotency_error")));
    assert_eq!(api.standin.account().customers().count(), 1);

    let portal = vec![("customer", "cus_x")];
    let missing = post("/v1/billing_portal/sessions", portal.clone(), "k2").await;
    assert_eq!(missing.1["error"]["message"], "No such customer: 'cus_x'");
    assert_eq!(post("/v1/billing_portal/sessions", portal, "k2").await, missing, "errors too");

    let (status, _) = post("/v1/customers", vec![("nonsense", "1")], "k3").await;
    assert_eq!(status, 400);
    let (status, _) = post("/v1/customers", vec![("name", "c")], "k3").await;
    assert_eq!(status, 200, "bad parameters use no key up");

    api.standin.advance_to(start() + KEY_LIFETIME);
    assert_eq!(post("/v1/customers", vec![("name", "a")], "k1").await, first, "for a day");
    api.standin.advance_to(start() + KEY_LIFETIME + SignedDuration::from_secs(1));
    assert_ne!(post("/v1/customers", vec![("name", "a")], "k1").await, first, "and no longer");
}

#[tokio::test]
async fn refusals_are_spelled_as_stripe_spells_them() {
    let api = api().await;
    let error = |method: Method, path: &'static str, form: Vec<(&'static str, &'static str)>| {
        let api = &api;
        async move {
            let (status, body) = api.call(method, path, &form).await;
            (status, body["error"]["code"].clone(), body["error"]["param"].clone())
        }
    };
    let get = Method::GET;
    for (path, form, expected) in [
        ("/v1/customers/cus_x", vec![], (404, json!("resource_missing"), json!("id"))),
        (
            "/v1/subscriptions",
            vec![("customer", "cus_x")],
            (400, json!("resource_missing"), json!("customer")),
        ),
        (
            "/v1/subscriptions",
            vec![("colour", "red")],
            (400, json!("parameter_unknown"), json!("colour")),
        ),
        ("/v1/coupons", vec![], (501, json!("not_implemented"), Value::Null)),
        ("/v1/customers/", vec![], (501, json!("not_implemented"), Value::Null)),
    ] {
        assert_eq!(error(get.clone(), path, form).await, expected, "{path}");
    }
    let price = api.standin.account().add_product_price("Pro", Interval::Month, 1, "pro").unwrap();
    let price: &'static str = price.leak();
    for (name, value) in [
        ("subscription_data[trial_period_days]", "99999999999"),
        ("line_items[0][quantity]", "0"),
        ("expires_at", "1"),
    ] {
        let mut form = vec![
            ("mode", "subscription"),
            ("line_items[0][price]", price),
            ("success_url", "https://shop.invalid/"),
            (name, value),
        ];
        if !name.ends_with("[quantity]") {
            form.push(("line_items[0][quantity]", "1"));
        }
        let (status, _, param) = error(Method::POST, "/v1/checkout/sessions", form).await;
        assert_eq!((status, param), (400, json!(name)));
    }
    let product = api.standin.account().create_product("Odd", Metadata::new());
    for count in ["0", "37", "-1"] {
        let form = vec![
            ("product", product.clone().leak() as &str),
            ("currency", "usd"),
            ("unit_amount", "1"),
            ("recurring[interval]", "month"),
            ("recurring[interval_count]", count),
        ];
        let (status, _, param) = error(Method::POST, "/v1/prices", form).await;
        assert_eq!((status, param), (400, json!("recurring[interval_count]")));
    }
    let missing = error(Method::POST, "/v1/checkout/sessions", vec![]).await;
    assert_eq!(missing, (400, json!("parameter_missing"), json!("mode")));
    let url = format!("{}/v1/customers", api.base);
    for request in [api.http.get(&url), api.http.get(&url).bearer_auth("sk_live_1")] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let basic = api.http.get(&url).basic_auth("rk_test_1", Some("")).send().await.unwrap();
    assert_eq!(basic.status(), StatusCode::OK);
    api.standin.account().settings_mut().expired_keys.push("sk_test_1".to_owned());
    let expired = error(get, "/v1/customers", vec![]).await;
    assert_eq!(expired, (401, json!("api_key_expired"), Value::Null));
}

#[tokio::test]
async fn events_are_filtered_by_type_time_and_delivery_and_kept_30_days() {
    let api = api().await;
    api.standin.account().create_customer(NewCustomer::default());
    let webhook = [("url", "https://a.invalid"), ("enabled_events[]", "customer.created")];
    let webhook = api.post("/v1/webhook_endpoints", &webhook).await;
    assert!(webhook["secret"].as_str().unwrap().starts_with("whsec_"));
    api.standin.advance_to(start() + days(10));
    api.standin.account().create_customer(NewCustomer::default());
    api.standin.account().add_product_price("Pro", Interval::Month, 1, "pro").unwrap();

    let count = |query: Vec<(&'static str, String)>| {
        let api = &api;
        async move {
            let query: Vec<_> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
            api.get("/v1/events", &query).await["data"].as_array().unwrap().len()
        }
    };
    let created = || ("types[]", "customer.created".to_owned());
    assert_eq!(count(vec![]).await, 5);
    assert_eq!(count(vec![created()]).await, 2);
    assert_eq!(count(vec![created(), ("types[]", "price.created".into())]).await, 3);
    assert_eq!(count(vec![created(), ("created[gt]", START.to_string())]).await, 1);
    assert_eq!(count(vec![("delivery_success", "false".into())]).await, 1);
    assert_eq!(api.standin.account().take_pending().len(), 1);
    assert_eq!(count(vec![("delivery_success", "false".into())]).await, 0);
    api.standin.advance_to(start() + days(31));
    assert_eq!(count(vec![created()]).await, 1);
}
