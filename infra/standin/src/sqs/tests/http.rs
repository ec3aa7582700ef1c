use serde_json::{Value, json};

use super::*;

struct Http(String);

struct Reply {
    status: u16,
    query_error: String,
    body: Value,
}

impl Http {
    /// Serves the stand-in on a free port of this machine.
    async fn serve(sqs: &SqsStandin) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = sqs.service();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(format!("http://{address}/"))
    }

    async fn send(&self, operation: &str, body: Value) -> Reply {
        let request = reqwest::Client::new()
            .post(&self.0)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.0");
        let query_error = response.headers().get("x-amzn-query-error");
        let query_error = query_error.map_or("", |value| value.to_str().unwrap()).to_owned();
        let status = response.status().as_u16();
        let body = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        Reply { status, query_error, body }
    }

    async fn ok(&self, operation: &str, body: Value) -> Value {
        let reply = self.send(operation, body).await;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.body);
        reply.body
    }
}

#[tokio::test]
async fn http_carries_a_message_from_sending_to_deleting() {
    let w = world();
    let http = Http::serve(&w.sqs).await;
    let url = http.ok("GetQueueUrl", json!({ "QueueName": QUEUE })).await["QueueUrl"].clone();
    assert!(url.as_str().unwrap().ends_with("/000000000000/events.fifo"));
    let message = |body: &str, dedup: &str| {
        json!({
            "QueueUrl": url,
            "MessageBody": body,
            "MessageGroupId": "g",
            "MessageDeduplicationId": dedup,
        })
    };
    let sent = http.ok("SendMessage", message("This is a test message", "1")).await;
    // The sum that AWS's own example of this body shows.
    assert_eq!(sent["MD5OfMessageBody"], "fafb00f5732ab283681e124bf8747ed1");
    assert_eq!(http.ok("SendMessage", message("other", "1")).await["MessageId"], sent["MessageId"]);
    let receive = |attributes: Value| {
        json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": attributes,
            "WaitTimeSeconds": 20,
            "VisibilityTimeout": 5,
        })
    };
    let got = http.ok("ReceiveMessage", receive(json!(["All"]))).await["Messages"][0].clone();
    assert_eq!(got["Body"], "This is a test message");
    assert_eq!(got["MD5OfBody"], sent["MD5OfMessageBody"]);
    let attributes = &got["Attributes"];
    assert_eq!(attributes["ApproximateReceiveCount"], "1");
    assert_eq!(attributes["MessageGroupId"], "g");
    assert_eq!(attributes["MessageDeduplicationId"], "1");
    assert_eq!(attributes["SentTimestamp"], w.clock.time().as_millisecond().to_string());
    assert_eq!(http.ok("ReceiveMessage", receive(json!([]))).await, json!({}), "in flight");
    w.advance(5);
    let got = http.ok("ReceiveMessage", receive(json!([]))).await["Messages"][0].clone();
    assert_eq!(got.get("Attributes"), None, "attributes only when asked for");
    let receipt = json!({ "QueueUrl": url, "ReceiptHandle": got["ReceiptHandle"] });
    http.ok("DeleteMessage", receipt).await;
    assert!(w.sqs.is_empty(QUEUE));
}

#[tokio::test]
async fn http_answers_batches_entry_by_entry() {
    let w = world();
    let http = Http::serve(&w.sqs).await;
    let entry = |id: &str, group: Value| {
        json!({
            "Id": id,
            "MessageBody": id,
            "MessageGroupId": group,
            "MessageDeduplicationId": id,
        })
    };
    let entries = [entry("a", json!("g")), entry("b", Value::Null)];
    let sent = http.ok("SendMessageBatch", json!({ "QueueUrl": QUEUE, "Entries": entries })).await;
    assert_eq!(sent["Successful"][0]["Id"], "a");
    assert_eq!(sent["Successful"][0]["MD5OfMessageBody"], "0cc175b9c0f1b6a831c399e269772661");
    let failed = &sent["Failed"][0];
    assert_eq!((&failed["Id"], &failed["Code"]), (&json!("b"), &json!("MissingParameter")));
    let receipt = w.receive(1)[0].receipt.clone();
    let entries = json!([
        { "Id": "x", "ReceiptHandle": receipt },
        { "Id": "y", "ReceiptHandle": "junk" },
    ]);
    let gone =
        http.ok("DeleteMessageBatch", json!({ "QueueUrl": QUEUE, "Entries": entries })).await;
    assert_eq!(gone["Successful"], json!([{ "Id": "x" }]));
    assert_eq!(gone["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn http_makes_a_queue_and_shows_what_it_is() {
    let w = world();
    let http = Http::serve(&w.sqs).await;
    let policy = format!(
        r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:{DEAD}","maxReceiveCount":"5"}}"#
    );
    let attributes = json!({
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "VisibilityTimeout": "180",
        "RedrivePolicy": policy,
    });
    let create = json!({ "QueueName": "new.fifo", "Attributes": attributes });
    let url = http.ok("CreateQueue", create).await["QueueUrl"].clone();
    let ask = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let shown = http.ok("GetQueueAttributes", ask).await["Attributes"].clone();
    assert_eq!(shown["VisibilityTimeout"], "180");
    assert_eq!(shown["MessageRetentionPeriod"], "345600");
    assert_eq!(shown["QueueArn"], "arn:aws:sqs:us-east-1:000000000000:new.fifo");
    let policy: Value = serde_json::from_str(shown["RedrivePolicy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["maxReceiveCount"], 5);
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    w.send("a", "1");
    w.send("b", "2");
    w.receive(1);
    let ask = json!({ "QueueUrl": QUEUE, "AttributeNames": names });
    let counts = http.ok("GetQueueAttributes", ask).await;
    assert_eq!(counts, json!({ "Attributes": { names[0]: "1", names[1]: "1" } }));
}

#[tokio::test]
async fn http_names_errors_in_both_protocols() {
    let w = world();
    let http = Http::serve(&w.sqs).await;
    let reply = http.send("PurgeQueue", json!({ "QueueUrl": "http://x/0/nowhere.fifo" })).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    assert_eq!(reply.query_error, "AWS.SimpleQueueService.NonExistentQueue;Sender");
    let reply = http.send("StartMessageMoveTask", json!({})).await;
    assert_eq!(reply.status, 501);
    let delayed = json!({ "QueueUrl": QUEUE, "MessageBody": "b", "DelaySeconds": 1 });
    assert_eq!(http.send("SendMessage", delayed).await.status, 501);
    let standard = json!({ "QueueName": "standard" });
    assert_eq!(http.send("CreateQueue", standard).await.status, 501);
    w.sqs.set_down(true);
    let reply = http.send("PurgeQueue", json!({ "QueueUrl": QUEUE })).await;
    assert_eq!((reply.status, reply.query_error.as_str()), (503, "ServiceUnavailable;Receiver"));
}

#[test]
fn settings_can_be_changed_to_what_is_allowed() {
    let w = world();
    let hour = SignedDuration::from_hours(1);
    w.sqs.change_settings(QUEUE, |settings| settings.visibility_timeout = hour).unwrap();
    let shown = |model: &Model, now| model.get_queue_attributes(QUEUE, now).unwrap();
    let shown = w.sqs.scene(|model, now| shown(model, now));
    assert!(shown.contains(&("VisibilityTimeout", "3600".to_owned())), "{shown:?}");
    let refused = w.sqs.change_settings(QUEUE, |settings| settings.visibility_timeout = hour * 13);
    assert_eq!(refused, Err(SqsError::InvalidAttributeValue("VisibilityTimeout")));
    assert!(w.sqs.change_settings("nobody.fifo", |_| {}).is_err());
}
