//! The wire: awsJson 1.1, as the SDKs speak it.

use std::future::IntoFuture as _;

use serde_json::{Value, json};

use super::*;

struct Served {
    url: String,
    calls: Calls,
}

impl Served {
    async fn call(&self, operation: &str, body: Value) -> (u16, Value) {
        let response = reqwest::Client::new()
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn put(&self, arn: &str, token: &str, value: &str) -> (u16, Value) {
        let body = json!({ "SecretId": arn, "ClientRequestToken": token, "SecretString": value });
        self.call("PutSecretValue", body).await
    }
}

async fn served() -> (SecretsManagerStandin, Served) {
    let calls = Calls::default();
    let standin = SecretsManagerStandin::new(calls.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(standin.clone())).into_future());
    (standin, Served { url, calls })
}

#[tokio::test]
async fn a_secret_has_no_value_then_one_then_another_and_the_one_before() {
    let (standin, served) = served().await;
    let arn = standin.create("stack/stripe-key");
    let get = json!({ "SecretId": arn });
    let (status, body) = served.call("GetSecretValue", get.clone()).await;
    assert_eq!((status, &body["__type"]), (400, &json!("ResourceNotFoundException")));
    assert!(body["Message"].as_str().unwrap().contains("staging label: AWSCURRENT"));
    for (token, value) in [("t1", "one"), ("t2", "two"), ("t2", "two")] {
        assert_eq!(served.put(&arn, token, value).await.0, 200);
        let (_, body) = served.call("GetSecretValue", get.clone()).await;
        assert_eq!(body["SecretString"], value);
    }
    let previous = json!({ "SecretId": "stack/stripe-key", "VersionStage": "AWSPREVIOUS" });
    let (_, body) = served.call("GetSecretValue", previous).await;
    assert_eq!(body["SecretString"], "one");
    let (_, body) = served.call("DescribeSecret", get).await;
    assert_eq!(body["VersionIdsToStages"], json!({ "t2": ["AWSCURRENT"], "t1": ["AWSPREVIOUS"] }));
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_no_value_is_logged() {
    let (standin, served) = served().await;
    let arn = standin.create_with("name", "very-secret");
    let cases = [
        (served.put(&arn, "first", "other").await, 400, "ResourceExistsException"),
        (served.put(&arn, "t", "").await, 400, "InvalidParameterException"),
        (served.put("elsewhere", "t", "v").await, 400, "ResourceNotFoundException"),
        (served.call("DeleteSecret", json!({})).await, 501, "NotImplemented"),
        (
            served.call("GetSecretValue", json!({ "SecretId": arn, "Odd": 1 })).await,
            501,
            "NotImplemented",
        ),
    ];
    for ((status, body), expected, name) in cases {
        assert_eq!((status, body["__type"].as_str()), (expected, Some(name)), "{body}");
    }
    assert!(!format!("{:?}", served.calls.since(0)).contains("very-secret"));
}
