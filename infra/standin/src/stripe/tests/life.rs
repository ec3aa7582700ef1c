//! The life of customers and subscriptions: statuses, dates, and the events in order.

use serde_json::json;

use super::*;

#[test]
fn a_paid_checkout_tells_the_whole_story() {
    let mut world = world();
    let mut seen = world.stripe.events().count();
    let id = world.buy();
    assert_eq!(world.status(&id), Status::Active);
    assert_eq!(
        world.news(&mut seen),
        [
            "payment_method.attached",
            "customer.updated",
            "invoice.created",
            "invoice.finalized",
            "customer.subscription.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "checkout.session.completed",
        ]
    );
    let updated = world.stripe.events().find(|e| e.kind == "customer.subscription.updated");
    let updated = updated.unwrap();
    assert_eq!(updated.previous, Some(json!({ "status": "incomplete" })));
    let item = &updated.object["items"]["data"][0];
    // A month after 31 January is 28 February.
    assert_eq!(item["current_period_end"], START + 28 * 86_400);
    assert!(updated.object.get("current_period_end").is_none());
}

#[test]
fn periods_follow_the_calendar_from_the_anchor() {
    let mut world = world();
    let id = world.buy();
    let mut ends = Vec::new();
    for _ in 0..4 {
        let end = world.stripe.subscription(&id).unwrap().period.end;
        ends.push(end.to_string());
        world.stripe.advance(end);
    }
    assert_eq!(
        ends,
        [
            "2026-02-28T12:00:00Z",
            "2026-03-31T12:00:00Z",
            "2026-04-30T12:00:00Z",
            "2026-05-31T12:00:00Z"
        ]
    );
}

#[test]
fn a_renewal_is_a_draft_for_an_hour_and_then_paid() {
    let mut world = world();
    let id = world.buy();
    world.wait(days(27));
    let mut seen = world.stripe.events().count();
    world.wait(days(1));
    assert_eq!(world.news(&mut seen), ["invoice.created", "customer.subscription.updated"]);
    world.wait(DRAFT_TIME);
    assert_eq!(
        world.news(&mut seen),
        [
            "invoice.finalized",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
        ]
    );
    assert_eq!(world.status(&id), Status::Active);
}

#[test]
fn a_failing_renewal_is_past_due_and_retried_until_the_settings_decide() {
    for (setting, end) in [
        (WhenExhausted::Cancel, Status::Canceled),
        (WhenExhausted::MarkUnpaid, Status::Unpaid),
        (WhenExhausted::LeavePastDue, Status::PastDue),
    ] {
        let mut world = world();
        world.stripe.settings_mut().when_exhausted = setting;
        let id = world.buy();
        let customer = world.customer.clone();
        world.stripe.set_card(&customer, Card::Declines).unwrap();
        world.wait(days(28));
        let mut seen = world.stripe.events().count();
        world.wait(DRAFT_TIME);
        assert_eq!(
            world.news(&mut seen),
            [
                "invoice.finalized",
                "charge.failed",
                "payment_intent.payment_failed",
                "invoice.updated",
                "invoice.payment_failed",
                "customer.updated",
                "customer.subscription.updated",
            ]
        );
        assert_eq!(world.status(&id), Status::PastDue);
        world.wait(days(3 + 5));
        assert_eq!(world.status(&id), Status::PastDue, "two retries of three");
        world.wait(days(7));
        assert_eq!(world.status(&id), end, "{setting:?}");
        let invoice = world.stripe.subscription(&id).unwrap().latest_invoice.clone().unwrap();
        assert_eq!(world.stripe.invoice(&invoice).unwrap().attempt_count, 4);
    }
}

#[test]
fn periods_shorter_than_the_retries_end_with_the_oldest_invoice() {
    let mut world = world();
    world.pro = world.stripe.add_product_price("Week", Interval::Week, 700, "week").unwrap();
    let id = world.buy();
    let customer = world.customer.clone();
    world.stripe.set_card(&customer, Card::Declines).unwrap();
    world.wait(days(7 + 15));
    assert_eq!(world.status(&id), Status::PastDue);
    world.wait(DRAFT_TIME);
    assert_eq!(world.status(&id), Status::Canceled, "though two newer invoices are open");
    assert_eq!(world.stripe.subscription(&id).unwrap().invoices.len(), 4);
}

#[test]
fn a_trial_begins_with_a_card_that_will_not_pay() {
    let mut world = world();
    let session = NewSession {
        subscription_data: SubscriptionData { trial_period_days: 7, ..SubscriptionData::default() },
        ..NewSession::for_price(&world.pro)
    };
    let session = world.stripe.open_checkout(session).unwrap();
    assert!(world.stripe.complete_checkout_without_card(&session).is_err(), "a card is asked for");
    let id = world.stripe.complete_checkout(&session, Card::Declines).unwrap();
    assert_eq!(world.status(&id), Status::Trialing);
    let session = world.stripe.session(&session).unwrap();
    assert_eq!(session.payment_status, "no_payment_required");
}

#[test]
fn a_retry_with_a_better_card_recovers() {
    let mut world = world();
    let id = world.buy();
    let customer = world.customer.clone();
    world.stripe.set_card(&customer, Card::Declines).unwrap();
    world.wait(days(28) + DRAFT_TIME);
    world.stripe.set_card(&customer, Card::Pays).unwrap();
    world.wait(days(3));
    assert_eq!(world.status(&id), Status::Active);
    assert!(!world.stripe.customer(&customer).unwrap().delinquent);
}

#[test]
fn the_customer_can_pay_an_unpaid_subscription_back_to_life() {
    let mut world = world();
    world.stripe.settings_mut().when_exhausted = WhenExhausted::MarkUnpaid;
    let id = world.buy();
    let customer = world.customer.clone();
    world.stripe.set_card(&customer, Card::Declines).unwrap();
    world.wait(days(45));
    assert_eq!(world.status(&id), Status::Unpaid);
    assert_eq!(world.stripe.pay_latest_invoice(&id).unwrap_err().code, Some("card_declined"));
    assert_eq!(world.status(&id), Status::Unpaid);
    world.stripe.set_card(&customer, Card::Pays).unwrap();
    world.stripe.pay_latest_invoice(&id).unwrap();
    assert_eq!(world.status(&id), Status::Active);
}

#[test]
fn a_first_payment_has_23_hours() {
    let mut world = world();
    let (customer, pro) = (world.customer.clone(), world.pro.clone());
    world.stripe.set_card(&customer, Card::RequiresAction).unwrap();
    let data = SubscriptionData::default;
    let paid = world.stripe.subscribe(&customer, &[&pro], data()).unwrap();
    let expired = world.stripe.subscribe(&customer, &[&pro], data()).unwrap();
    assert_eq!(world.status(&paid), Status::Incomplete);
    world.wait(SignedDuration::from_hours(22));
    world.stripe.set_card(&customer, Card::Pays).unwrap();
    world.stripe.pay_latest_invoice(&paid).unwrap();
    world.wait(SignedDuration::from_hours(1));
    assert_eq!(world.status(&paid), Status::Active);
    assert_eq!(world.status(&expired), Status::IncompleteExpired);
    let refused = world.stripe.pay_latest_invoice(&expired).unwrap_err();
    assert_eq!(refused.status, 400);
}

#[test]
fn a_trial_is_announced_and_ends_as_its_settings_say() {
    let cases = [
        (Some(Card::Pays), MissingPaymentMethod::Cancel, Status::Active),
        (Some(Card::Declines), MissingPaymentMethod::Cancel, Status::PastDue),
        (None, MissingPaymentMethod::Cancel, Status::Canceled),
        (None, MissingPaymentMethod::Pause, Status::Paused),
        (None, MissingPaymentMethod::CreateInvoice, Status::PastDue),
    ];
    for (card, missing_payment_method, end) in cases {
        let mut world = world();
        let data = SubscriptionData {
            trial_period_days: 14,
            missing_payment_method,
            ..SubscriptionData::default()
        };
        let id = world.buy_with(data);
        let customer = world.customer.clone();
        world.stripe.set_card(&customer, card).unwrap();
        assert_eq!(world.status(&id), Status::Trialing);
        let announced = |world: &World| {
            world
                .stripe
                .events()
                .filter(|e| e.kind == "customer.subscription.trial_will_end")
                .count()
        };
        world.wait(days(11) - SignedDuration::from_secs(1));
        assert_eq!(announced(&world), 0);
        world.wait(SignedDuration::from_secs(1));
        assert_eq!(announced(&world), 1);
        world.wait(days(3) + DRAFT_TIME);
        assert_eq!(world.status(&id), end, "{card:?} {missing_payment_method:?}");
    }
}

#[test]
fn a_paused_subscription_resumes_with_a_paid_invoice() {
    let mut world = world();
    let data = SubscriptionData {
        trial_period_days: 7,
        missing_payment_method: MissingPaymentMethod::Pause,
        ..SubscriptionData::default()
    };
    let id = world.buy_with(data);
    let customer = world.customer.clone();
    world.stripe.set_card(&customer, None).unwrap();
    world.wait(days(7) - SignedDuration::from_secs(1));
    let mut seen = world.stripe.events().count();
    world.wait(SignedDuration::from_secs(1));
    assert_eq!(
        world.news(&mut seen),
        ["customer.subscription.updated", "customer.subscription.paused"]
    );
    world.wait(days(20));
    assert_eq!(world.status(&id), Status::Paused);
    assert!(world.news(&mut seen).is_empty(), "a paused subscription has no invoices");
    world.stripe.set_card(&customer, Card::Pays).unwrap();
    let mut seen = world.stripe.events().count();
    world.stripe.resume(&id).unwrap();
    assert_eq!(world.status(&id), Status::Active);
    let news = world.news(&mut seen);
    assert_eq!(news.last(), Some(&"customer.subscription.resumed"), "{news:?}");
    assert_eq!(world.stripe.subscription(&id).unwrap().anchor, world.stripe.now());
}

#[test]
fn a_change_of_price_shows_the_old_items_and_keeps_the_period() {
    let mut world = world();
    let id = world.buy();
    let (max, pro) = (world.max.clone(), world.pro.clone());
    let before = world.stripe.subscription(&id).unwrap().period;
    let mut seen = world.stripe.events().count();
    world.wait(days(14));
    world.stripe.change_price(&id, &max).unwrap();
    assert_eq!(
        world.news(&mut seen),
        ["invoiceitem.created", "invoiceitem.created", "customer.subscription.updated"]
    );
    let event = world.stripe.events().next().unwrap();
    let previous = event.previous.as_ref().unwrap();
    assert_eq!(previous["items"]["data"][0]["price"]["id"], pro.as_str());
    assert_eq!(event.object["items"]["data"][0]["price"]["id"], max.as_str());
    let row = world.stripe.subscription(&id).unwrap();
    assert_eq!(row.period, before);
    let pending: i64 = row.pending.iter().map(|line| line.amount).sum();
    assert_eq!(pending, (9900 - 2900) / 2, "half of the period is left");
}

#[test]
fn another_interval_begins_a_new_period_that_is_paid_at_once() {
    let mut world = world();
    let yearly = world.stripe.add_product_price("Year", Interval::Year, 29_000, "year").unwrap();
    let id = world.buy();
    world.wait(days(14));
    world.stripe.change_price(&id, &yearly).unwrap();
    let row = world.stripe.subscription(&id).unwrap();
    assert_eq!(row.period.end.to_string(), "2027-02-14T12:00:00Z");
    let invoice = world.stripe.invoice(row.latest_invoice.as_ref().unwrap()).unwrap();
    assert_eq!((invoice.status, invoice.amount), (InvoiceStatus::Paid, 29_000 - 2900 / 2));
    world.wait(days(30));
    let row = world.stripe.subscription(&id).unwrap();
    assert_eq!(row.invoices.len(), 2, "no monthly renewal");
    assert_eq!(row.cancel_at, None);
}

#[test]
fn a_cancellation_with_the_period_moves_with_the_period() {
    let mut world = world();
    let yearly = world.stripe.add_product_price("Year", Interval::Year, 29_000, "year").unwrap();
    let id = world.buy();
    world.stripe.cancel(&id, When::PeriodEnd).unwrap();
    world.stripe.change_price(&id, &yearly).unwrap();
    world.wait(days(29));
    assert_eq!(world.status(&id), Status::Active);
    world.wait(days(365 - 29));
    assert_eq!(world.status(&id), Status::Canceled);
}

#[test]
fn planned_cancellations_come_instead_of_the_renewal() {
    let ways = [(When::PeriodEnd, true), (When::PeriodEndInPortal, false)];
    for (when, flag) in ways {
        let mut world = world();
        let id = world.buy();
        world.stripe.cancel(&id, when).unwrap();
        let row = world.stripe.subscription(&id).unwrap();
        assert_eq!(row.cancel_at_period_end, flag);
        assert_eq!(row.cancel_at, Some(row.period.end));
        assert_eq!(row.status, Status::Active);
        world.wait(days(28));
        assert_eq!(world.status(&id), Status::Canceled);
        assert_eq!(world.stripe.subscription(&id).unwrap().invoices.len(), 1);
        let last = world.stripe.events().next().unwrap();
        assert_eq!(last.kind, "customer.subscription.deleted");
        assert_eq!(last.object["cancellation_details"]["reason"], "cancellation_requested");
    }
}

#[test]
fn a_cancellation_can_be_taken_back_but_not_after_it_came() {
    let mut world = world();
    let id = world.buy();
    world.stripe.cancel(&id, When::PeriodEnd).unwrap();
    world.stripe.keep(&id).unwrap();
    world.wait(days(29));
    assert_eq!(world.status(&id), Status::Active);
    world.stripe.cancel(&id, When::Now).unwrap();
    assert_eq!(world.stripe.keep(&id).unwrap_err().status, 400);
    let again = world.stripe.cancel(&id, When::Now).unwrap_err();
    assert_eq!((again.status, again.code), (404, Some("resource_missing")));
}

#[test]
fn paused_collection_keeps_the_status_and_puts_invoices_aside() {
    let cases = [
        (PauseBehavior::Void, InvoiceStatus::Void),
        (PauseBehavior::MarkUncollectible, InvoiceStatus::Uncollectible),
        (PauseBehavior::KeepAsDraft, InvoiceStatus::Draft),
    ];
    for (behavior, status) in cases {
        let mut world = world();
        let id = world.buy();
        let until = world.stripe.now() + days(40);
        world.stripe.pause_collection(&id, Some((behavior, Some(until)))).unwrap();
        world.wait(days(30));
        let row = world.stripe.subscription(&id).unwrap();
        assert_eq!(row.status, Status::Active);
        let invoice = world.stripe.invoice(row.latest_invoice.as_ref().unwrap()).unwrap();
        assert_eq!(invoice.status, status);
        world.wait(days(10));
        assert_eq!(world.stripe.subscription(&id).unwrap().pause_collection, None);
    }
}

#[test]
fn a_refund_gives_back_a_part_or_the_rest_and_leaves_the_invoice_paid() {
    let mut world = world();
    let id = world.buy();
    let invoice = world.stripe.subscription(&id).unwrap().latest_invoice.clone().unwrap();
    let charge = world.stripe.invoice(&invoice).unwrap().charge.clone().unwrap();
    let mut seen = world.stripe.events().count();
    let part = NewRefund { amount: Some(900), ..NewRefund::default() };
    world.stripe.refund(&charge, part.clone()).unwrap();
    let too_much = NewRefund { amount: Some(2001), ..part };
    assert!(world.stripe.refund(&charge, too_much).is_err(), "2000 are left");
    world.stripe.refund_latest(&id).unwrap();
    let again = world.stripe.refund(&charge, NewRefund::default()).unwrap_err();
    assert_eq!(again.code, Some("charge_already_refunded"));
    let told = ["refund.created", "charge.refunded"];
    assert_eq!(world.news(&mut seen), [told, told].concat());
    let shown: Vec<_> = world.stripe.events().filter(|it| it.kind == "charge.refunded").collect();
    let shown = |n: usize| {
        let charge = &shown[n].object;
        assert_eq!((&charge["customer"], charge.get("invoice")), (&json!(world.customer), None));
        (charge["amount_refunded"].clone(), charge["refunded"].clone())
    };
    assert_eq!((shown(1), shown(0)), ((json!(900), json!(false)), (json!(2900), json!(true))));
    assert_eq!(world.stripe.invoice(&invoice).unwrap().status, InvoiceStatus::Paid);
    assert_eq!(world.status(&id), Status::Active);
    let card = world.stripe.open_dispute(&world.customer.clone());
    assert!(card.is_ok(), "the bank may take it back once more");
}

#[test]
fn disputes_show_a_charge_and_no_customer() {
    let mut world = world();
    world.buy();
    let customer = world.customer.clone();
    let mut seen = world.stripe.events().count();
    let dispute = world.stripe.open_dispute(&customer).unwrap();
    world.stripe.submit_evidence(&dispute).unwrap();
    world.stripe.close_dispute(&dispute, true).unwrap();
    world.stripe.warn_of_fraud(&customer).unwrap();
    assert_eq!(
        world.news(&mut seen),
        [
            "charge.dispute.created",
            "charge.updated",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated",
            "radar.early_fraud_warning.created",
        ]
    );
    for event in world.stripe.events().filter(|e| e.kind.contains("dispute.")) {
        assert!(event.object.get("customer").is_none());
        let charge = event.object["charge"].as_str().unwrap();
        assert_eq!(world.stripe.charge(charge).unwrap().customer, customer);
    }
    assert!(world.stripe.close_dispute(&dispute, false).is_err(), "it is closed");
    let inquiry = world.stripe.open_inquiry(&customer).unwrap();
    world.stripe.close_dispute(&inquiry, false).unwrap();
    assert_eq!(world.stripe.dispute(&inquiry).unwrap().status, "warning_closed");
}

#[test]
fn a_deleted_customer_loses_the_subscriptions_first() {
    let mut world = world();
    let id = world.buy();
    let customer = world.customer.clone();
    let mut seen = world.stripe.events().count();
    world.stripe.delete_customer(&customer).unwrap();
    assert_eq!(world.news(&mut seen), ["customer.subscription.deleted", "customer.deleted"]);
    assert_eq!(world.status(&id), Status::Canceled);
    assert!(world.stripe.delete_customer(&customer).is_err());
}

#[test]
fn a_declined_card_leaves_the_session_open() {
    let mut world = world();
    let session =
        NewSession { customer: Some(world.customer.clone()), ..NewSession::for_price(&world.pro) };
    let session = world.stripe.open_checkout(session).unwrap();
    let refused = world.stripe.complete_checkout(&session, Card::Declines).unwrap_err();
    assert_eq!((refused.status, refused.code), (402, Some("card_declined")));
    assert_eq!(world.stripe.session(&session).unwrap().status, SessionStatus::Open);
    world.stripe.complete_checkout(&session, Card::Pays).unwrap();
    assert!(world.stripe.complete_checkout(&session, Card::Pays).is_err(), "only once");
}

#[test]
fn a_session_expires_after_a_day() {
    let mut world = world();
    let session = world.stripe.open_checkout(NewSession::for_price(&world.pro)).unwrap();
    world.wait(SESSION_LIFETIME - SignedDuration::from_secs(1));
    assert_eq!(world.stripe.session(&session).unwrap().status, SessionStatus::Open);
    world.wait(SignedDuration::from_secs(1));
    assert_eq!(world.stripe.session(&session).unwrap().status, SessionStatus::Expired);
    assert_eq!(world.stripe.events().next().unwrap().kind, "checkout.session.expired");
    assert!(world.stripe.expire_checkout(&session).is_err());
}

#[test]
fn a_payment_links_visitor_chooses_the_reference_and_gets_a_customer() {
    let mut world = world();
    let pro = world.pro.clone();
    let session =
        world.stripe.follow_payment_link(&pro, Some("someone-else"), "a@example.com").unwrap();
    assert_eq!(world.stripe.session(&session).unwrap().customer, None);
    let mut seen = world.stripe.events().count();
    world.stripe.complete_checkout(&session, Card::Pays).unwrap();
    let news = world.news(&mut seen);
    assert_eq!(
        (news.first(), news.last()),
        (Some(&"customer.created"), Some(&"checkout.session.completed"))
    );
    let completed = &world.stripe.events().next().unwrap().object;
    assert_eq!(completed["client_reference_id"], "someone-else");
    assert!(completed["customer"].as_str().unwrap().starts_with("cus_"));
    assert_eq!(completed["metadata"], json!({}));
}

#[test]
fn a_bank_debit_completes_unpaid_and_settles_later() {
    for (arrives, status, kind) in [
        (true, Status::Active, "checkout.session.async_payment_succeeded"),
        (false, Status::Incomplete, "checkout.session.async_payment_failed"),
    ] {
        let mut world = world();
        let session = world.stripe.open_checkout(NewSession::for_price(&world.pro)).unwrap();
        let id = world.stripe.complete_checkout_unpaid(&session).unwrap();
        assert_eq!(world.stripe.events().next().unwrap().object["payment_status"], "unpaid");
        assert_eq!(world.status(&id), Status::Incomplete);
        world.stripe.settle_delayed_payment(&session, arrives).unwrap();
        assert_eq!(world.status(&id), status);
        assert_eq!(world.stripe.events().next().unwrap().kind, kind);
    }
}

#[test]
fn a_lookup_key_moves_and_old_subscriptions_stay() {
    let mut world = world();
    let id = world.buy();
    let product = world.stripe.price(&world.pro).unwrap().product.clone();
    let taken = NewPrice {
        lookup_key: Some("pro".into()),
        ..NewPrice::new(&product, Interval::Month, 3900)
    };
    assert_eq!(world.stripe.create_price(taken).unwrap_err().param.as_deref(), Some("lookup_key"));
    let dearer = NewPrice::new(&product, Interval::Month, 3900).lookup_key("pro");
    let dearer = world.stripe.create_price(dearer).unwrap();
    assert_eq!(world.stripe.price_by_lookup_key("pro").unwrap().id, dearer);
    assert_eq!(world.stripe.price(&world.pro).unwrap().lookup_key, None);
    assert_eq!(world.stripe.subscription(&id).unwrap().items[0].price, world.pro);
}

#[test]
fn the_same_acts_make_the_same_world() {
    let run = || {
        let mut world = world();
        world.buy();
        world.wait(days(70));
        let events: Vec<_> = world.stripe.events().map(|e| e.render().to_string()).collect();
        events
    };
    assert_eq!(run(), run());
}
