use jiff::SignedDuration;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_core::ports::{Class, NewPortal, Stripe as _};
use tollgate_events::CustomerId;
use tollgate_standin::stub::{Stub, StubAnswer};

use super::*;
use crate::adapters::stripe::StripeApi;

const CUSTOMER: &str = r#"{"id": "cus_1"}"#;

fn at(url: &str) -> StripeEndpoint {
    StripeEndpoint { base: Some(url.to_owned()), roots: None }
}

fn key() -> SecretString {
    SecretString::from("sk_test_hidden")
}

fn api(endpoint: &StripeEndpoint) -> StripeApi {
    StripeApi::new(&key(), endpoint).unwrap()
}

fn customer() -> CustomerId {
    CustomerId::parse("cus_1").unwrap()
}

fn portal() -> NewPortal {
    let return_url = "https://example.com".to_owned();
    NewPortal { customer: customer(), configuration: None, flow: None, return_url }
}

#[tokio::test]
async fn many_calls_have_one_connection() {
    let stub = Stub::answering((0..20).map(|_| StubAnswer::new(200, CUSTOMER))).await;
    let api = api(&at(&stub.url));
    for _ in 0..10 {
        api.customer(&customer()).await.unwrap();
        api.clone().customer(&customer()).await.unwrap();
    }
    assert_eq!((stub.asked().len(), stub.connections()), (20, 1));
}

#[tokio::test]
async fn a_refused_call_keeps_the_connection_too() {
    let stub =
        Stub::answering([StubAnswer::new(500, "<html>"), StubAnswer::new(200, CUSTOMER)]).await;
    let api = api(&at(&stub.url));
    api.customer(&customer()).await.unwrap();
    assert_eq!((stub.asked().len(), stub.connections()), (2, 1));
}

/// A read that failed for a moment is made again, twice; what was refused, and a write, is not.
#[tokio::test]
async fn a_read_that_may_do_better_is_tried_three_times() {
    let failed = || StubAnswer::new(503, "");
    let stub = Stub::answering([failed(), failed(), StubAnswer::new(200, CUSTOMER)]).await;
    api(&at(&stub.url)).customer(&customer()).await.unwrap();
    let stub =
        Stub::answering([failed(), failed(), failed(), StubAnswer::new(200, CUSTOMER)]).await;
    let error = api(&at(&stub.url)).customer(&customer()).await.unwrap_err();
    assert_eq!((error.class, stub.asked().len()), (Class::Unavailable, 3));
    let stub = Stub::answering([StubAnswer::new(429, ""), StubAnswer::new(200, CUSTOMER)]).await;
    let error = api(&at(&stub.url)).customer(&customer()).await.unwrap_err();
    assert_eq!((error.class, stub.asked().len()), (Class::Throttled { after: None }, 1));
    let stub = Stub::answering([failed(), StubAnswer::new(200, "{}")]).await;
    let error = api(&at(&stub.url)).create_portal(&portal()).await.unwrap_err();
    assert_eq!((error.class, stub.asked().len()), (Class::Unavailable, 1));
}

/// Answers one request on each connection as if more could come, and closes it.
async fn forgetful() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if connection.read(&mut request).await.unwrap() == 0 {
                continue;
            }
            let length = CUSTOMER.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{CUSTOMER}");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_call() {
    let url = forgetful().await;
    let api = api(&at(&url));
    for _ in 0..10 {
        api.customer(&customer()).await.unwrap();
        // It takes the next one when it has closed the last: an end that both see here.
        let mut probe = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
        probe.shutdown().await.unwrap();
        assert_eq!(probe.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn stripe_is_believed_for_its_certificate() {
    let answers = || [StubAnswer::new(200, CUSTOMER), StubAnswer::new(200, CUSTOMER)];
    let (stub, pem) = Stub::over_tls(answers()).await;
    let roots = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let trusting = api(&StripeEndpoint { roots: Some(roots), ..at(&stub.url) });
    trusting.customer(&customer()).await.unwrap();
    trusting.customer(&customer()).await.unwrap();
    assert_eq!((stub.asked().len(), stub.connections()), (2, 1), "one handshake");

    let failed = api(&at(&stub.url)).customer(&customer()).await.unwrap_err();
    assert_eq!(failed.class, Class::Unavailable);
    assert!(failed.detail.contains("UnknownIssuer"), "{failed}");
    assert_eq!(stub.asked().len(), 2, "the key is told to nobody else");
    let (_, other) = Stub::over_tls([]).await;
    let roots = vec![CertificateDer::from_pem_slice(other.as_bytes()).unwrap()];
    let mistaken = api(&StripeEndpoint { roots: Some(roots), ..at(&stub.url) });
    assert_eq!(mistaken.customer(&customer()).await.unwrap_err().class, Class::Unavailable);
}

#[tokio::test]
async fn a_throttle_says_for_how_long_and_which_limit() {
    let error = r#"{"error": {"type": "invalid_request_error", "code": "rate_limit"}}"#;
    let seven = Some(SignedDuration::from_secs(7));
    let cases = [
        (error, Some("7"), seven),
        (error, Some("Wed, 21 Oct 2026 07:28:00 GMT"), None),
        (error, None, None),
        ("<html>Too Many Requests", Some("7"), seven),
    ];
    for (body, header, after) in cases {
        let answer =
            StubAnswer::new(429, body).header("stripe-rate-limited-reason", "endpoint-rate");
        let answer = header.into_iter().fold(answer, |it, value| it.header("retry-after", value));
        let stub = Stub::answering([answer]).await;
        let failed = api(&at(&stub.url)).customer(&customer()).await.unwrap_err();
        assert_eq!(failed.class, Class::Throttled { after }, "{failed}");
        assert!(failed.detail.contains("endpoint-rate"), "{failed}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_a_replay_says_so() {
    let error = r#"{"error": {"type": "invalid_request_error", "message": "No such price"}}"#;
    let replay = StubAnswer::new(400, error).header("idempotent-replayed", "true");
    let stub = Stub::answering([StubAnswer::new(400, error), replay]).await;
    let api = api(&at(&stub.url));
    let first = api.customer(&customer()).await.unwrap_err();
    assert_eq!(first.detail, "HTTP 400: invalid_request_error: No such price");
    let second = api.customer(&customer()).await.unwrap_err();
    assert_eq!(second.detail, format!("{} (Idempotent-Replayed)", first.detail));
}

/// Fields that are not needed, in shapes that the library's own type refuses.
#[tokio::test]
async fn an_error_is_read_whatever_else_is_in_it() {
    let errors = [
        r#"{"type": "card_error", "code": "card_declined", "payment_intent": {"id": 7}}"#,
        r#"{"type": "card_error", "code": "card_declined", "message": "half a pair: \ud83d"}"#,
        r#"{"type": "card_error", "code": 17, "param": null, "source": [], "new": {}}"#,
    ];
    for error in errors {
        let answer = StubAnswer::new(402, format!(r#"{{"error": {error}, "other": null}}"#));
        let stub = Stub::answering([answer]).await;
        let failed = api(&at(&stub.url)).customer(&customer()).await.unwrap_err();
        assert_eq!(failed.class, Class::Invalid, "{failed}");
        assert!(failed.detail.starts_with("HTTP 402: card_error"), "{failed}");
    }
    for (status, page) in [(404, "<html>"), (403, r#"{"error": "no"}"#), (503, "")] {
        let stub = Stub::answering([StubAnswer::new(status, page)]).await;
        let failed = api(&at(&stub.url)).customer(&customer()).await.unwrap_err();
        assert_eq!(failed.class, Class::Unavailable, "{failed}: nothing that Stripe says");
    }
}

#[tokio::test]
async fn what_the_library_has_encoded_is_sent() {
    let stub = Stub::answering([StubAnswer::new(200, "{}"), StubAnswer::new(200, "{}")]).await;
    let client = Client::new(&key(), &at(&stub.url)).unwrap();
    let form = serde_json::json!({ "a": "b c" });
    let call = || RequestBuilder::new(StripeMethod::Post, "/customers").form(&form);
    client.send(call(), None).await.unwrap();
    client.send(call(), Some(&IdempotencyKey::new("key-1").unwrap())).await.unwrap();
    let asked = &stub.asked()[0];
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /v1/customers", "a=b+c"));
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!asked.headers.contains_key("idempotency-key"));
    assert_eq!(stub.asked()[1].headers["idempotency-key"], "key-1");
}

/// Takes the connection and says nothing.
#[tokio::test]
async fn a_call_does_not_wait_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&key(), &at(&format!("http://{}", silent.local_addr().unwrap())));
    let client = Client { timeout: Duration::from_millis(1), ..client.unwrap() };
    let call = RequestBuilder::new(StripeMethod::Get, "/customers/cus_1");
    let failed = client.send(call, None).await.unwrap_err();
    assert!(matches!(failed, CallError::TimedOut), "{failed}");
}

#[test]
fn a_client_is_made_of_a_key_and_a_url_and_tells_no_secret() {
    let client = format!("{:?}", Client::new(&key(), &StripeEndpoint::default()).unwrap());
    assert!(client.contains("https://api.stripe.com/v1") && !client.contains("hidden"), "{client}");
    let roots = Some(vec![CertificateDer::from(b"hidden".to_vec())]);
    let refused = [
        Client::new(&SecretString::from("sk_test_hidden\n"), &StripeEndpoint::default()),
        Client::new(&key(), &at("http://no host")),
        Client::new(&key(), &StripeEndpoint { base: None, roots }),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    }
}
