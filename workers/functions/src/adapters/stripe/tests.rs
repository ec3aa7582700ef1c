use tollgate_core::stripe::SubscriptionStatus;
use tollgate_events::AccountId;
use tollgate_standin::stub::{Stub, StubAnswer};

use super::*;

fn api(stub: &Stub) -> StripeApi {
    at(&stub.url)
}

fn at(url: &str) -> StripeApi {
    let endpoint = StripeEndpoint { base: Some(url.to_owned()), roots: None };
    StripeApi::new(&SecretString::from("sk_test_1"), &endpoint).unwrap()
}

fn customer() -> CustomerId {
    CustomerId::parse("cus_1").unwrap()
}

fn portal() -> NewPortal {
    let return_url = "https://example.com".to_owned();
    NewPortal { customer: customer(), configuration: None, flow: None, return_url }
}

fn missing() -> StubAnswer {
    let error =
        json!({ "code": "resource_missing", "type": "invalid_request_error", "param": "id" });
    StubAnswer::new(404, json!({ "error": error }))
}

#[test]
fn the_version_sent_is_the_one_we_mean() {
    assert_eq!(stripe_client_core::VERSION.as_str(), API_VERSION);
}

#[tokio::test]
async fn every_page_is_read_and_each_request_says_who_and_which_version() {
    let subscription = |id: &str| json!({ "id": id, "customer": "cus_1", "status": "active" });
    let page = |id: &str, more| json!({ "data": [subscription(id)], "has_more": more });
    let answers =
        [StubAnswer::new(200, page("sub_1", true)), StubAnswer::new(200, page("sub_2", false))];
    let stub = Stub::answering(answers).await;
    let found = api(&stub).subscriptions(&customer()).await.unwrap().unwrap();
    assert_eq!(found.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["sub_1", "sub_2"]);
    let expand = "expand[0]=data.latest_invoice&expand[1]=data.schedule";
    let first = format!("GET /v1/subscriptions?customer=cus_1&{expand}&limit=100");
    let lines: Vec<_> = stub.lines().iter().map(|line| unescape(line)).collect();
    assert_eq!(lines, [first.clone(), format!("{first}&starting_after=sub_1")]);
    let headers = &stub.asked()[0].headers;
    assert_eq!(headers["authorization"], "Bearer sk_test_1");
    assert_eq!(headers["stripe-version"], API_VERSION);
}

#[tokio::test]
async fn the_subscriptions_of_everybody_come_page_by_page() {
    let subscription = json!({ "id": "sub_1", "customer": "cus_7", "status": "active" });
    let nobodys = json!({ "id": "sub_2", "status": "active" });
    let stub = Stub::answering([
        StubAnswer::new(200, json!({ "data": [subscription], "has_more": true })),
        StubAnswer::new(200, json!({ "data": [], "has_more": false })),
        StubAnswer::new(200, json!({ "data": [nobodys], "has_more": false })),
    ])
    .await;
    let first = api(&stub).all_subscriptions(None).await.unwrap();
    assert_eq!(first.items[0].customer.as_str(), "cus_7");
    assert_eq!(first.next.as_deref(), Some("sub_1"));
    let last = api(&stub).all_subscriptions(first.next.as_deref()).await.unwrap();
    assert_eq!(last, Page::whole(vec![], None));
    let line = "GET /v1/subscriptions?expand[0]=data.latest_invoice&limit=100";
    let lines: Vec<_> = stub.lines().iter().map(|line| unescape(line)).collect();
    assert_eq!(lines, [line.to_owned(), format!("{line}&starting_after=sub_1")]);
    let told = api(&stub).all_subscriptions(None).await.unwrap();
    assert!(told.items.is_empty());
    let row = "Stripe GET /v1/subscriptions: sub_2: customer: missing, or no id";
    assert_eq!(told.unreadable[0].to_string(), row);
}

fn row(id: &str) -> Value {
    json!({ "id": id, "customer": "cus_1", "status": "active" })
}

fn ids(page: &Page<Subscription>) -> Vec<&str> {
    page.items.iter().map(|it| it.id.as_str()).collect()
}

/// One row of somebody else's costs that row, wherever in a page it stands.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_and_told() {
    let long = "x".repeat(300);
    let odd = [
        (json!({ "id": "sub_odd", "customer": "cus_odd", "status": null }), "sub_odd"),
        (json!({ "id": "sub_odd\n\u{202e}", "customer": 7, "status": "active" }), "\\n\\u{202e}"),
        (json!({ "id": 7, "customer": "cus_odd", "status": "active" }), "a row without an id"),
        (json!(null), "no object"),
        (json!([row("sub_9")]), "no object"),
        (json!({ "id": long, "customer": "cus_odd" }), "300 bytes"),
    ];
    for (odd, told) in odd {
        let rows = json!({ "data": [row("sub_1"), odd, row("sub_2")], "has_more": false });
        let stub = Stub::answering([StubAnswer::new(200, rows)]).await;
        let page = api(&stub).all_subscriptions(None).await.unwrap();
        assert_eq!(ids(&page), ["sub_1", "sub_2"], "{odd}");
        let [row] = &page.unreadable[..] else { panic!("{page:?}") };
        let line = row.to_string();
        assert!(line.contains(told) && line.len() < 200 && !line.contains('\n'), "{line}");
        let owner = odd.get("customer").and_then(Value::as_str);
        assert_eq!(row.owner.as_deref(), owner);
    }
}

/// The last row says where the next page begins, readable or not.
#[tokio::test]
async fn a_page_ends_where_its_last_id_is() {
    let odd = |id: Value| json!({ "id": id, "customer": null, "status": "active" });
    let page =
        |rows: &[Value], more| StubAnswer::new(200, json!({ "data": rows, "has_more": more }));
    let stub = Stub::answering([
        page(&[row("sub_1"), odd("sub_2".into())], true),
        page(&[row("sub_3"), odd(Value::Null), json!(7)], true),
        page(&[odd(Value::Null), json!(7), row("sub_4")], false),
    ])
    .await;
    let api = api(&stub);
    let (mut found, mut left_out, mut next) = (Vec::new(), 0, None);
    loop {
        let page = api.all_subscriptions(next.as_deref()).await.unwrap();
        found.extend(ids(&page).into_iter().map(str::to_owned));
        left_out += page.unreadable.len();
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((found, left_out), (["sub_1", "sub_3", "sub_4"].map(str::to_owned).into(), 3));
    let lines = stub.lines();
    assert!(lines[1].ends_with("starting_after=sub_2"), "{lines:?}");
    assert!(lines[2].ends_with("starting_after=sub_3"), "{lines:?}");
}

/// Whose items go on, and cannot be read to their end, costs that row; a failed call is no row's.
#[tokio::test]
async fn a_subscription_whose_items_cannot_be_read_is_left_out() {
    let long = |id: &str| {
        let items = json!({ "data": [{ "id": "si_1", "price": null }], "has_more": true });
        json!({ "id": id, "customer": "cus_1", "status": "active", "items": items })
    };
    let page =
        || StubAnswer::new(200, json!({ "data": [row("sub_1"), long("sub_2"), row("sub_3")] }));
    let without_ids = json!({ "data": [{ "id": null }], "has_more": true });
    let failed = json!({ "error": { "type": "api_error" } });
    let answers = [
        page(),
        StubAnswer::new(200, without_ids),
        page(),
        missing(),
        page(),
        StubAnswer::new(500, failed),
    ];
    let stub = Stub::answering(answers).await;
    let api = api(&stub);
    for _ in 0..2 {
        let page = api.all_subscriptions(None).await.unwrap();
        assert_eq!(ids(&page), ["sub_1", "sub_3"]);
        assert_eq!((page.unreadable[0].row.as_str(), page.unreadable.len()), ("sub_2", 1));
        assert_eq!(page.unreadable[0].owner.as_deref(), Some("cus_1"));
    }
    assert_eq!(api.all_subscriptions(None).await.unwrap_err().class, Class::Unavailable);
}

/// What cannot be gone on with is an error, and no end.
#[tokio::test]
async fn a_list_that_cannot_go_on_is_not_over() {
    let rows = |row: Value| StubAnswer::new(200, json!({ "data": [row], "has_more": true }));
    let stub = Stub::answering([
        rows(json!({ "id": null })),
        StubAnswer::new(200, json!({ "data": [], "has_more": true })),
        rows(row("sub_1")),
        StubAnswer::new(200, json!({ "data": null, "has_more": false })),
        StubAnswer::new(200, json!([])),
    ])
    .await;
    let api = api(&stub);
    for (after, class) in [
        (None, Class::Invalid),
        (None, Class::Invalid),
        (Some("sub_1"), Class::Invalid),
        (None, Class::Unavailable),
        (None, Class::Unavailable),
    ] {
        assert_eq!(api.all_subscriptions(after).await.unwrap_err().class, class);
    }
}

/// Of one customer's subscriptions what cannot be read is not nothing.
#[tokio::test]
async fn of_one_customer_every_row_counts() {
    let list = |odd: Value| StubAnswer::new(200, json!({ "data": [row("sub_1"), odd] }));
    let stub = Stub::answering([
        list(json!({ "id": "sub_2", "status": null })),
        list(json!({ "id": null, "status": "active" })),
        list(json!({ "id": "sub_2", "status": "active", "customer": null })),
        list(
            json!({ "id": "sub_2", "status": "active", "items": { "data": [{ "price": null }] } }),
        ),
    ])
    .await;
    let api = api(&stub);
    let found = api.subscriptions(&customer()).await.unwrap().unwrap();
    assert_eq!(found[1].status, SubscriptionStatus::Unreadable, "the engine asks whose it is");
    let failed = api.subscriptions(&customer()).await.unwrap_err();
    assert_eq!(failed.class, Class::Invalid);
    assert_eq!(failed.detail, "in the answer: a row without an id: id: missing, or no id");
    let found = api.subscriptions(&customer()).await.unwrap().unwrap();
    assert_eq!(found[1].customer, customer(), "the one who was asked for");
    let found = api.subscriptions(&customer()).await.unwrap().unwrap();
    assert!(found[1].has_unreadable_price());
}

/// Whatever is in an answer besides, in whatever shape.
#[tokio::test]
async fn an_answer_is_read_whatever_else_is_in_it() {
    let odd = r#"{"id": "cus_0", "name": "\ud83d", "id": "cus_1", "balance": 1e999,
                  "\ud83d": 1.5, "created": 99999999999999999999, "metadata": {"a": null}}"#;
    let stub = Stub::answering([StubAnswer::new(200, odd)]).await;
    let seen = api(&stub).customer(&customer()).await.unwrap();
    let CustomerSeen::There(record) = seen else { panic!("{seen:?}") };
    assert_eq!((record.id, record.named), (customer(), None));
}

fn unescape(text: &str) -> String {
    text.replace("%5B", "[").replace("%5D", "]")
}

#[tokio::test]
async fn a_subscription_with_more_items_than_embedded_is_read_whole() {
    let item = |n: u32| json!({ "id": format!("si_{n}"), "price": { "id": format!("price_{n}") } });
    let items = json!({ "data": [item(1)], "has_more": true });
    let subscription = json!({ "id": "sub_1", "status": "active", "items": items });
    let stub = Stub::answering([
        StubAnswer::new(200, json!({ "data": [subscription], "has_more": false })),
        StubAnswer::new(200, json!({ "data": [item(1), item(2)], "has_more": false })),
    ])
    .await;
    let found = api(&stub).subscriptions(&customer()).await.unwrap().unwrap();
    assert_eq!(found[0].prices.len(), 2);
    assert_eq!(stub.lines()[1], "GET /v1/subscription_items?limit=100&subscription=sub_1");
}

#[tokio::test]
async fn what_stripe_does_not_know_is_missing_rather_than_an_error_or_nothing() {
    let stub = Stub::answering((0..6).map(|_| missing())).await;
    let api = api(&stub);
    assert_eq!(api.subscriptions(&customer()).await.unwrap(), None);
    assert_eq!(api.customer(&customer()).await.unwrap(), CustomerSeen::Missing);
    let charge = ChargeId::parse("ch_1/../x").unwrap();
    assert_eq!(api.charge(&charge).await.unwrap(), ChargeSeen::Missing);
    assert_eq!(api.dispute(&DisputeId::parse("dp_1").unwrap()).await.unwrap(), None);
    api.cancel_subscription(&SubscriptionId::parse("sub_1").unwrap()).await.unwrap();
    let lines = stub.lines();
    assert_eq!(lines[2], "GET /v1/charges/ch_1%2F%2E%2E%2Fx", "an id never leaves its segment");
    assert_eq!(unescape(&lines[3]), "GET /v1/disputes/dp_1?expand[0]=charge");
    assert_eq!(lines[4], "DELETE /v1/subscriptions/sub_1");
    assert_eq!(api.checkouts(&customer()).await.unwrap(), None);
}

#[tokio::test]
async fn whose_the_key_is_may_not_be_told() {
    let refused = |status| {
        let error = json!({ "type": "invalid_request_error", "message": "You may not." });
        StubAnswer::new(status, json!({ "error": error }))
    };
    let account = StubAnswer::new(200, json!({ "id": "acct_1", "object": "account" }));
    let odd = StubAnswer::new(200, json!({ "id": null, "object": "account" }));
    let stub = Stub::answering([account, refused(403), odd, refused(401)]).await;
    let api = api(&stub);
    assert_eq!(api.account_id().await.unwrap().as_deref(), Some("acct_1"));
    assert_eq!(api.account_id().await.unwrap(), None);
    assert_eq!(api.account_id().await.unwrap(), None);
    assert_eq!(api.account_id().await.unwrap_err().class, Class::Denied, "nobody's key");
    assert_eq!(stub.lines()[0], "GET /v1/account");
}

#[tokio::test]
async fn a_deleted_customer_is_told_from_a_missing_one() {
    let deleted = json!({ "id": "cus_1", "object": "customer", "deleted": true });
    let empty = json!({ "data": [], "has_more": false });
    let stub = Stub::answering([StubAnswer::new(200, deleted), StubAnswer::new(200, empty)]).await;
    let api = api(&stub);
    assert_eq!(api.customer(&customer()).await.unwrap(), CustomerSeen::Deleted);
    assert_eq!(api.subscriptions(&customer()).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn a_checkout_is_opened_in_the_name_of_the_account() {
    let session = json!({ "id": "cs_1", "status": "open", "url": "https://stripe/cs_1" });
    let stub = Stub::answering([StubAnswer::new(200, session)]).await;
    let account = NamedAccount {
        id: AccountId::parse("sub-1").unwrap(),
        proof: Some("1:ff".into()),
        stack: None,
    };
    let checkout = NewCheckout {
        account,
        customer: customer(),
        price: PriceId::parse("price_1").unwrap(),
        metered: false,
        success_url: "https://example.com/ok?a=b&c=d+e%20#{ID}".into(),
        cancel_url: "https://example.com/back".into(),
        idempotency_key: "key-1".into(),
    };
    let opened = api(&stub).create_checkout(&checkout).await.unwrap();
    assert_eq!(opened.url.as_deref(), Some("https://stripe/cs_1"));
    let asked = &stub.asked()[0];
    assert_eq!(asked.headers["idempotency-key"], "key-1");
    let mut fields: Vec<_> = asked.body.split('&').map(unescape).collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "cancel_url=https://example.com/back",
            "client_reference_id=sub-1",
            "customer=cus_1",
            "line_items[0][price]=price_1",
            "line_items[0][quantity]=1",
            "metadata[tollgate_account]=sub-1",
            "metadata[tollgate_price]=price_1",
            "metadata[tollgate_proof]=1:ff",
            "mode=subscription",
            "subscription_data[metadata][tollgate_account]=sub-1",
            "subscription_data[metadata][tollgate_proof]=1:ff",
            "success_url=https://example.com/ok?a%3Db%26c%3Dd%2Be%2520%23{ID}",
        ]
    );
}

/// A metered price has no quantity, and what was seen of a price is not asked for again.
#[tokio::test]
async fn whether_a_price_is_metered_is_asked_for_once() {
    let price = |id: &str, usage: Value| json!({ "id": id, "recurring": { "interval": "month", "usage_type": usage } });
    let session = json!({ "id": "cs_1", "status": "open", "url": "https://stripe/cs_1" });
    let stub = Stub::answering([
        StubAnswer::new(200, json!({ "data": [price("price_1", "metered".into())] })),
        StubAnswer::new(200, price("price_2", "licensed".into())),
        StubAnswer::new(200, price("price_3", Value::Null)),
        missing(),
        StubAnswer::new(200, session),
    ])
    .await;
    let api = api(&stub);
    let id = |id: &str| PriceId::parse(id).unwrap();
    assert_eq!(api.price_by_lookup_key("usage").await.unwrap(), Some(id("price_1")));
    for (price, metered) in [("price_1", true), ("price_2", false), ("price_3", false)] {
        for _ in 0..2 {
            let asked = api.clone().is_metered(&id(price)).await.unwrap();
            assert_eq!(asked, Some(metered), "{price}");
        }
    }
    assert_eq!(api.is_metered(&id("price_4")).await.unwrap(), None);
    let checkout = NewCheckout {
        account: NamedAccount { id: AccountId::parse("a").unwrap(), proof: None, stack: None },
        customer: customer(),
        price: id("price_1"),
        metered: true,
        success_url: "https://example.com".into(),
        cancel_url: "https://example.com".into(),
        idempotency_key: "key-1".into(),
    };
    api.create_checkout(&checkout).await.unwrap();
    let asked = stub.asked();
    assert_eq!(asked.len(), 5);
    assert!(!asked[4].body.contains("quantity"), "{}", asked[4].body);
}

#[tokio::test]
async fn a_customer_is_made_once_for_a_key() {
    let made = |id: &str| StubAnswer::new(200, json!({ "id": id, "object": "customer" }));
    let stub = Stub::answering([made("cus_9"), made("cus_10")]).await;
    let account = NamedAccount { id: AccountId::parse("sub-1").unwrap(), proof: None, stack: None };
    for (key, id) in [("key-1", "cus_9"), ("key-2", "cus_10")] {
        assert_eq!(api(&stub).create_customer(&account, key).await.unwrap().as_str(), id);
    }
    let asked = &stub.asked()[0];
    assert_eq!(asked.headers["idempotency-key"], "key-1");
    assert_eq!(stub.asked()[1].headers["idempotency-key"], "key-2");
    assert_eq!(unescape(&asked.body), "metadata[tollgate_account]=sub-1");
}

#[tokio::test]
async fn expiring_a_session_that_is_no_longer_open_is_no_error() {
    let refused = || StubAnswer::new(400, json!({ "error": { "type": "invalid_request_error" } }));
    for (status, expired) in [("complete", Some(false)), ("expired", Some(true)), ("open", None)] {
        let session = StubAnswer::new(200, json!({ "id": "cs_1", "status": status }));
        let stub = Stub::answering([refused(), session]).await;
        assert_eq!(api(&stub).expire_checkout("cs_1").await.ok(), expired, "{status}");
    }
}

/// One that cannot be read may be of a payment under way.
#[tokio::test]
async fn of_recent_sessions_every_row_counts() {
    let listed = |rows: Value| StubAnswer::new(200, json!({ "data": rows, "has_more": true }));
    let customer_deleted = json!({ "id": "cus_1", "deleted": true });
    let stub = Stub::answering([
        listed(json!([{ "id": "cs_2", "status": "complete", "subscription": null }])),
        listed(json!([{ "id": "cs_2" }, { "id": 17 }])),
        listed(json!([{ "id": "cs_2", "customer": customer_deleted }])),
        missing(),
    ])
    .await;
    let api = api(&stub);
    let found = api.recent_checkouts(&customer()).await.unwrap().unwrap();
    assert_eq!((found.len(), &found[0].bought), (1, &None));
    let odd = api.recent_checkouts(&customer()).await.unwrap_err();
    assert_eq!(odd.class, Class::Invalid);
    assert_eq!(api.recent_checkouts(&customer()).await.unwrap(), None);
    assert_eq!(api.recent_checkouts(&customer()).await.unwrap(), None);
    assert_eq!(stub.asked().len(), 4, "one page each, whatever it says of more");
}

#[tokio::test]
async fn a_failure_is_classified_tried_once_and_says_nothing_personal() {
    let error = |kind: &str, code: &str| {
        let message = "No, someone@example.com";
        json!({ "error": { "type": kind, "code": code, "message": message } }).to_string()
    };
    let invalid = "invalid_request_error";
    let cases = [
        (429, error(invalid, "rate_limit"), Class::Throttled { after: None }),
        (401, error(invalid, ""), Class::Denied),
        (403, error(invalid, "more_permissions_required"), Class::Denied),
        (409, error(invalid, "lock_timeout"), Class::Conflict),
        (400, error("idempotency_error", ""), Class::Conflict),
        (402, error("card_error", "card_declined"), Class::Invalid),
        (424, error("api_error", ""), Class::Unavailable),
        (500, error("api_error", ""), Class::Unavailable),
        (502, "<html>Bad Gateway".to_owned(), Class::Unavailable),
        (200, "{}".to_owned(), Class::Invalid),
        (200, "[]".to_owned(), Class::Unavailable),
        (200, r#"{"url": "https://stri"#.to_owned(), Class::Unavailable),
    ];
    for (status, body, class) in cases {
        let stub = Stub::answering([StubAnswer::new(status, body)]).await;
        let failed = api(&stub).create_portal(&portal()).await.unwrap_err();
        assert_eq!(failed.class, class, "{status}: {failed}");
        assert!(!failed.to_string().contains("someone@example.com"), "{failed}");
        assert_eq!(stub.asked().len(), 1);
    }
    let failed = at("http://127.0.0.1:1").customer(&customer()).await.unwrap_err();
    assert_eq!(failed.class, Class::Unavailable);
}
