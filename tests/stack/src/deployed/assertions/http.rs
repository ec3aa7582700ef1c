//! The HTTP API: who may call what, how often, and what is noted of it.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_functions::handlers::routes::{PageRoute, PublicRoute, Route};

use super::view::{Resource, resources, texts};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "what is an account's is for signed-in users, and nothing is there but what is meant",
        check: authorization,
        mistake: Mistake {
            place: "/Resources/KeyValueRoute/Properties/AuthorizationType",
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
        name: "the stage waits for its routes",
        check: waits,
        mistake: Mistake {
            place: "/Resources/HttpApiStage/DependsOn/0",
            value: r#""AccountKeyRoute""#,
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

fn authorization(template: &Value) -> AssertionResult {
    let routes = resources(template, "AWS::ApiGatewayV2::Route");
    let key =
        |route: &Resource<'_>| route.properties["RouteKey"].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = routes.iter().map(key).collect();
    found.sort();
    let mut wanted: Vec<_> = Route::ALL.map(|route| route.key().to_owned()).into();
    wanted.extend(PublicRoute::ALL.map(|route| route.key().to_owned()));
    wanted.extend(PageRoute::ALL.map(|route| route.key().to_owned()));
    wanted.push("POST /webhook".to_owned());
    wanted.sort();
    let differ = (found != wanted).then(|| format!("they are {found:?}, not {wanted:?}"));
    let open = routes.iter().filter(|route| {
        let needs = route.properties["AuthorizationType"] == "JWT"
            && !route.properties["AuthorizerId"].is_null();
        key(route).contains(" /account") && !needs
    });
    verdict(differ.into_iter().chain(open.map(|route| format!("{} is open", route.id))))
}

/// Route settings can name only routes that are there, and what is not there cannot be waited for.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-dependson.html>
fn waits(template: &Value) -> AssertionResult {
    let routes: BTreeSet<_> =
        resources(template, "AWS::ApiGatewayV2::Route").iter().map(|it| it.id.to_owned()).collect();
    let waited = texts(&template["Resources"]["HttpApiStage"]["DependsOn"]);
    let waited: BTreeSet<_> = waited.into_iter().map(str::to_owned).collect();
    verdict(routes.symmetric_difference(&waited).cloned())
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
