//! The HTTP API: who may call what, how often, and what is noted of it.

use serde_json::Value;

use super::view::{Resource, resources};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "all routes but the webhook are for signed-in users",
        check: authorization,
        mistake: Mistake {
            place: "/Resources/AccountKeyRoute/Properties/AuthorizationType",
            value: r#""NONE""#,
        },
    },
    Assertion {
        name: "routes are throttled",
        check: throttling,
        mistake: Mistake {
            place: "/Resources/HttpApiStage/Properties/DefaultRouteSettings",
            value: GONE,
        },
    },
    Assertion {
        name: "access logs are JSON, without personal data",
        check: access_logs,
        mistake: Mistake {
            place: "/Resources/HttpApiStage/Properties/AccessLogSettings/Format",
            value: r#""{\"from\":\"$context.identity.sourceIp\"}""#,
        },
    },
    Assertion {
        name: "access logs stay JSON when there is an error",
        check: quoted_once,
        mistake: Mistake {
            place: "/Resources/HttpApiStage/Properties/AccessLogSettings/Format",
            value: r#""{\"error\":\"$context.error.messageString\"}""#,
        },
    },
];

const ROUTES: [&str; 5] = [
    "GET /account",
    "GET /account/key",
    "POST /account/checkout",
    "POST /account/portal",
    "POST /webhook",
];

fn authorization(template: &Value) -> AssertionResult {
    let routes = resources(template, "AWS::ApiGatewayV2::Route");
    let key =
        |route: &Resource<'_>| route.properties["RouteKey"].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = routes.iter().map(key).collect();
    found.sort();
    let differ = (found != ROUTES).then(|| format!("they are {found:?}"));
    let open = routes.iter().filter(|route| {
        let needs = route.properties["AuthorizationType"] == "JWT"
            && !route.properties["AuthorizerId"].is_null();
        route.properties["RouteKey"] != "POST /webhook" && !needs
    });
    verdict(differ.into_iter().chain(open.map(|route| format!("{} is open", route.id))))
}

fn stages(template: &Value) -> Vec<Resource<'_>> {
    resources(template, "AWS::ApiGatewayV2::Stage")
}

fn throttling(template: &Value) -> AssertionResult {
    let limited =
        |it: &Value| !it["ThrottlingRateLimit"].is_null() && !it["ThrottlingBurstLimit"].is_null();
    let wrong = stages(template).into_iter().filter(|stage| {
        !limited(&stage.properties["DefaultRouteSettings"])
            || !limited(&stage.properties["RouteSettings"]["POST /webhook"])
    });
    verdict(wrong.map(|stage| stage.id.to_owned()))
}

fn log_format<'a>(stage: &Resource<'a>) -> &'a str {
    stage.properties["AccessLogSettings"]["Format"].as_str().unwrap_or_default()
}

fn access_logs(template: &Value) -> AssertionResult {
    let wrong = stages(template).into_iter().filter(|stage| {
        let format = log_format(stage);
        let personal = ["identity", "authorizer.claims", "authorizer.jwt", "userAgent", "path"];
        serde_json::from_str::<Value>(format).is_err()
            || personal.iter().any(|it| format.contains(it))
    });
    verdict(wrong.map(|stage| stage.id.to_owned()))
}

/// `messageString` is a message in quotes, which must not stand in quotes once more:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html>.
fn quoted_once(template: &Value) -> AssertionResult {
    let wrong = stages(template).into_iter().filter(|stage| {
        let mut texts = log_format(stage).split('"').skip(1).step_by(2);
        texts.any(|text| text.contains("messageString"))
    });
    verdict(wrong.map(|stage| stage.id.to_owned()))
}
