//! What comes in at the webhook and from the queue though it should not: answered as the
//! table says, on record where it was accepted, and in nobody's way.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_core::ledger::RecordBody;
use tollgate_core::ports::Ledger;
use tollgate_events::{EventId, EventRef, Source};
use tollgate_standin::sqs::Outgoing;
use tollgate_standin::stripe::{Delivery, NewCustomer, NewEndpoint};
use tollgate_standin::world::EVENTS_QUEUE;

use crate::shop::{Shop, Told, on};

impl Shop {
    /// The header that Stripe would sign a body with now, for an endpoint.
    pub(crate) fn signature(&self, endpoint: &str, body: &str) -> String {
        self.stripe().sign(&Delivery {
            event: String::new(),
            kind: "",
            endpoint: endpoint.to_owned(),
            url: String::new(),
            body: body.to_owned(),
        })
    }

    pub(crate) fn endpoint(&self) -> String {
        let stripe = self.stripe();
        let endpoint = stripe.endpoints().next().map(|endpoint| endpoint.id.clone());
        endpoint.expect("the stack has one")
    }

    pub(crate) async fn posts(&self, signature: Option<&str>, body: &str) -> anyhow::Result<u16> {
        let url = format!("{}/webhook", self.stack.urls.tollgate);
        let mut request = self.stack.http.post(url).body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("Stripe-Signature", signature);
        }
        Ok(request.send().await?.status().as_u16())
    }
}

fn event(id: &str, kind: &str, customer: &str, livemode: bool) -> Value {
    json!({
        "id": id, "object": "event", "type": kind, "livemode": livemode, "created": 1_772_355_600,
        "data": { "object": {
            "id": "sub_1", "object": "subscription", "customer": customer, "status": "active",
        } },
    })
}

const UPDATED: &str = "customer.subscription.updated";

#[tokio::test]
async fn an_unsigned_word_is_not_listened_to() -> Told {
    let shop = Shop::open().await?;
    let ours = shop.endpoint();
    let (other, _) = shop.stripe().create_endpoint(NewEndpoint::for_all("http://other.invalid"));
    let body = event("evt_unsigned", UPDATED, "cus_1", false).to_string();
    let signed = shop.signature(&ours, &body);
    let stale = signed.clone();
    let wrong_secret = shop.signature(&other, &body);
    let tampered = body.replace("cus_1", "cus_2");
    for (what, signature, body) in [
        ("another body", Some(signed.as_str()), &tampered),
        ("another secret", Some(wrong_secret.as_str()), &body),
        ("no header", None, &body),
        ("no signature in it", Some("t=1772355600"), &body),
        ("nonsense", Some("v1=zz,,t=x"), &body),
    ] {
        assert_eq!(shop.posts(signature, body).await?, 400, "{what}");
    }
    shop.stack.clock().advance(SignedDuration::from_secs(301));
    assert_eq!(shop.posts(Some(&stale), &body).await?, 400, "stale");
    assert!(shop.stack.world.sqs.is_empty(EVENTS_QUEUE));
    Ok(())
}

#[tokio::test]
async fn what_stripe_signed_is_answered_by_the_table() -> Told {
    let shop = Shop::open().await?;
    let ours = shop.endpoint();
    let whole = event("evt_whole", UPDATED, "cus_1", false).to_string();
    let mut nameless = event("evt_nameless", UPDATED, "cus_1", false);
    nameless.as_object_mut().expect("it is one").remove("id");
    let mut disputed = event("evt_d", "charge.dispute.created", "cus_1", false);
    disputed["data"]["object"]["charge"] = Value::Null;
    let huge = json!({ "id": "evt_huge", "pad": "x".repeat(2 * 1024 * 1024) }).to_string();
    for (what, body, status) in [
        ("truncated", whole[..whole.len() - 9].to_owned(), 400),
        ("not JSON", "hello".to_owned(), 400),
        ("empty", String::new(), 400),
        ("a list", "[1]".to_owned(), 400),
        ("no id", nameless.to_string(), 400),
        ("2 MiB", huge, 413),
        (
            "a type that nothing needs",
            event("evt_u", "person.updated", "c", false).to_string(),
            200,
        ),
        ("thin", json!({ "id": "evt_t", "type": "v1.billing.meter.x" }).to_string(), 200),
        ("a customer of no form", event("evt_c", UPDATED, "cus\n1", false).to_string(), 200),
        ("nobody's charge", disputed.to_string(), 200),
    ] {
        let signature = shop.signature(&ours, &body);
        assert_eq!(shop.posts(Some(&signature), &body).await?, status, "{what}");
        assert!(shop.stack.world.sqs.is_empty(EVENTS_QUEUE), "{what} was queued");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_for_this_deployment_is_on_record() -> Told {
    let shop = Shop::open().await?;
    let ours = shop.endpoint();
    let stranger = shop.stripe().create_customer(NewCustomer::default());
    let mut connect = event("evt_connect", UPDATED, "cus_1", false);
    connect["account"] = json!("acct_1");
    for (body, outcome) in [
        (event("evt_live", UPDATED, "cus_1", true), "ignored"),
        (connect, "ignored"),
        (event("evt_stranger", UPDATED, &stranger, false), "ignored"),
    ] {
        let text = body.to_string();
        let signature = shop.signature(&ours, &text);
        assert_eq!(shop.posts(Some(&signature), &text).await?, 200);
        shop.settle().await?;
        let id = body["id"].as_str().expect("it has one");
        let stored = shop.record_of(id).await?;
        assert_eq!(stored.record.outcome.as_str(), outcome, "{id}");
        assert!(stored.record.detail.is_some(), "{id} does not say why");
    }
    shop.holds().await
}

/// Garbage and a future version on the queue, before a purchase in the same group: both
/// are parked with their text, and the purchase is served in the same batch.
#[tokio::test]
async fn what_nobody_can_read_blocks_nobody() -> Told {
    let shop = Shop::open().await?;
    let mut ann = shop.sign_up("ann").await?;
    let session = ann.opens_checkout("pro").await?;
    let future = r#"{"v":99,"source":"stripe","id":"evt_future","what":"is this"}"#;
    let garbage = "}{ not an envelope";
    let mut ids = Vec::new();
    for (dedup, body) in [("1", garbage), ("2", future)] {
        let sent = shop.stack.world.sqs.scene(|model, now| {
            let outgoing = Outgoing {
                body: body.to_owned(),
                group: Some(ann.id.to_string()),
                dedup: Some(dedup.to_owned()),
            };
            model.send_message(EVENTS_QUEUE, outgoing, now)
        });
        ids.push(sent.expect("SQS takes any text").id);
    }
    shop.stripe().complete_checkout(&session, tollgate_standin::stripe::Card::Pays)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    let stored = shop.record_of("evt_future").await?.record;
    assert_eq!(stored.outcome.as_str(), "parked");
    assert_eq!(stored.body, RecordBody::Unreadable(future.to_owned()));
    assert!(stored.detail.unwrap_or_default().contains("version 99"));
    let event = EventRef { source: Source::Queue, id: EventId::parse(ids[0].clone())? };
    let stored = shop.stack.ledger.event(&event).await?.expect("it is on record").record;
    assert_eq!(stored.outcome.as_str(), "parked");
    assert_eq!(stored.body, RecordBody::Unreadable(garbage.to_owned()));
    shop.holds().await
}
