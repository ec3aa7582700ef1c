use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn asked(service: Service, operation: &str, writes: bool) -> Asked {
    Asked { service, operation: operation.to_owned(), writes }
}

/// What a thousand sends to a queue meet.
fn met(seed: u64) -> Vec<Option<Fault>> {
    let faults = Faults::seeded(seed);
    let send = asked(Service::Sqs, "SendMessage", true);
    (0..1000).map(|_| faults.meets(&send).map(|(fault, _)| fault)).collect()
}

#[test]
fn the_seed_decides_and_every_kind_comes() {
    assert_eq!(met(1), met(1));
    assert_ne!(met(1), met(2));
    for fault in Fault::of(Service::Sqs) {
        assert!(met(1)[..100].contains(&Some(*fault)), "{fault:?}");
    }
}

#[test]
fn only_what_can_conflict_does() {
    let faults = Faults::default();
    faults.order(Service::DynamoDb, &[Fault::Conflict]);
    assert_eq!(faults.meets(&asked(Service::DynamoDb, "GetItem", false)), None);
    assert_eq!(faults.meets(&asked(Service::Stripe, "GET /v1/customers", false)), None);
    let commit = asked(Service::DynamoDb, "TransactWriteItems", true);
    assert_eq!(faults.meets(&commit), Some((Fault::Conflict, 0)));
    assert_eq!(faults.meets(&commit), None);
}

#[test]
fn the_calm_keeps_back_what_comes_by_itself() {
    let (faults, send) = (Faults::seeded(1), asked(Service::Sqs, "SendMessage", true));
    faults.set_calm(true);
    assert!((0..100).all(|_| faults.meets(&send).is_none()));
    faults.order(Service::Sqs, &[Fault::Cut]);
    assert_eq!(faults.meets(&send), Some((Fault::Cut, 0)));
}

#[test]
fn a_cancelled_transaction_has_a_reason_for_each_write() {
    let request = serde_json::json!({ "TransactItems": [{}, {}, {}] }).to_string();
    let response = answers::conflict("TransactWriteItems", request.as_bytes());
    assert_eq!(response.status(), 400);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(to_bytes(response.into_body(), 10_000)).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let codes: Vec<_> =
        body["CancellationReasons"].as_array().unwrap().iter().map(|it| &it["Code"]).collect();
    assert_eq!(codes, ["TransactionConflict", "None", "None"]);
}

/// All that the server sends before it closes the connection.
fn bytes_from(address: std::net::SocketAddr) -> Vec<u8> {
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                   x-amz-target: AmazonSQS.SendMessage\r\ncontent-length: 2\r\n\r\n{}";
    connection.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A reset is as good as an end.
    let _ = connection.read_to_end(&mut bytes);
    bytes
}

#[tokio::test]
async fn a_cut_request_never_arrives_and_a_lost_answer_has_no_byte() {
    static ACTED: AtomicUsize = AtomicUsize::new(0);
    let act = || async {
        ACTED.fetch_add(1, Ordering::SeqCst);
        "done"
    };
    let faults = Faults::default();
    let router = faults.over_aws(Router::new().fallback(act));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    for (ordered, acted, answered) in
        [(vec![Fault::Cut], 0, false), (vec![Fault::Lost], 1, false), (vec![], 2, true)]
    {
        faults.order(Service::Sqs, &ordered);
        let bytes = tokio::task::spawn_blocking(move || bytes_from(address)).await.unwrap();
        assert_eq!((ACTED.load(Ordering::SeqCst), !bytes.is_empty()), (acted, answered));
    }
}
