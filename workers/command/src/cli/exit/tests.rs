//! What a person is told of a call that never got its answer: through the real SDKs.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_sqs::config::SharedCredentialsProvider;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tollgate_core::ports::Stripe as _;
use tollgate_events::CustomerId;
use tollgate_functions::adapters::error::Operation;
use tollgate_functions::adapters::stripe::StripeApi;
use tollgate_functions::config::StripeEndpoint;
use tollgate_standin::stub::{Stub, StubAnswer};

use super::*;
use crate::adapters::stubbed;

/// Where nothing listens any more.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A profile of a file with this text, as the SDK reads it.
fn profile(text: &str) -> SharedCredentialsProvider {
    let files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, text).build();
    let provider = ProfileFileCredentialsProvider::builder().profile_files(files);
    SharedCredentialsProvider::new(provider.profile_name("shop").build())
}

async fn asked(sdk: &SdkConfig) -> Failure {
    let table = aws_sdk_dynamodb::Client::new(sdk).describe_table().table_name("shop");
    let operation = Operation { service: Service::Ledger, name: "DescribeTable" };
    operation.sdk(&table.send().await.unwrap_err()).into()
}

/// One line and its mend, without the SDK's inside, and the exit code of a wrong setting.
fn assert_told(failure: &Failure, problem: &str, mend: &str) {
    assert_eq!(failure.exit, Exit::Usage, "{failure:?}");
    assert!(failure.problem.contains(problem), "{failure:?}");
    assert!(failure.mend.contains(mend), "{failure:?}");
    for text in [&failure.problem, &failure.mend] {
        assert!(!text.contains(['\n', '{', '}']) && text.len() < 240, "{text}");
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_had_are_told_in_a_line() {
    let stub = Stub::answering([]).await;
    for (text, problem, mend) in [
        ("", "no AWS credentials", "AWS_PROFILE"),
        (
            "[profile other]\naws_access_key_id = a\naws_secret_access_key = b",
            "no AWS",
            "AWS_PROFILE",
        ),
        (
            "[profile shop]\nsso_start_url = https://a\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = b",
            "only the AWS CLI knows",
            "export-credentials",
        ),
        (
            "[profile shop]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = gone",
            "profile `gone`",
            "AWS_PROFILE",
        ),
    ] {
        let aws = stubbed(&stub.url).into_builder().credentials_provider(profile(text)).build();
        assert_told(&asked(&aws).await, problem, mend);
    }
    assert_eq!(stub.lines(), Vec::<String>::new(), "nothing was sent");
    let credentials = stubbed(&stub.url).credentials_provider();
    let mut nowhere = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
    nowhere.set_credentials_provider(credentials);
    let aws = nowhere.build();
    assert_told(&asked(&aws).await, "no AWS Region", "AWS_REGION");
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_told_in_a_line() {
    let (tls, _) = Stub::over_tls([]).await;
    let aws = "AWS_ENDPOINT_URL";
    for (url, problem, mend) in [
        (closed().await, "nothing listens there", aws),
        ("http://nowhere.invalid".to_owned(), "no such host", "AWS_REGION"),
        (tls.url.clone(), "certificate is not trusted", aws),
    ] {
        let aws = stubbed(&tls.url).into_builder().endpoint_url(&url).build();
        assert_told(&asked(&aws).await, problem, mend);
        let endpoint = StripeEndpoint { base: Some(url), roots: None };
        let stripe = StripeApi::new(&SecretString::from("sk_test_1"), &endpoint).unwrap();
        let failed = stripe.customer(&CustomerId::parse("cus_1").unwrap()).await.unwrap_err();
        assert_told(&failed.into(), problem, "STRIPE_API_BASE");
    }
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
#[tokio::test]
async fn credentials_that_a_service_refuses_are_told_with_their_mend() {
    for (code, mend) in [
        ("ExpiredTokenException", "aws sso login"),
        ("UnrecognizedClientException", "AWS_PROFILE"),
        ("InvalidSignatureException", "clock"),
        ("RequestExpired", "timedatectl"),
        ("ResourceNotFoundException", "AWS_REGION"),
    ] {
        let body = format!(r#"{{"__type": "{code}", "message": "no"}}"#);
        let stub = Stub::answering([StubAnswer::new(400, body)]).await;
        assert_told(&asked(&stubbed(&stub.url)).await, code, mend);
    }
    let refused = r#"{"error": {"type": "invalid_request_error", "code": "api_key_expired"}}"#;
    let stub = Stub::answering([StubAnswer::new(401, refused)]).await;
    let endpoint = StripeEndpoint { base: Some(stub.url.clone()), roots: None };
    let stripe = StripeApi::new(&SecretString::from("sk_test_1"), &endpoint).unwrap();
    let failed = stripe.customer(&CustomerId::parse("cus_1").unwrap()).await.unwrap_err();
    assert_told(&failed.into(), "api_key_expired", "secrets set stripe-key");
}

/// What a service answers for its own reasons is no setting, and helps by being repeated.
#[tokio::test]
async fn a_service_that_fails_is_asked_again() {
    let body = r#"{"__type": "InternalServiceError", "message": "no"}"#;
    let stub = Stub::answering([StubAnswer::new(500, body)]).await;
    let aws = stubbed(&stub.url).into_builder().retry_config(RetryConfig::disabled()).build();
    let failure = asked(&aws).await;
    assert_eq!(
        (failure.exit, failure.mend.as_str()),
        (Exit::Failed, "Repeat the command: it goes on.")
    );
}
