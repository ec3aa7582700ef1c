//! The example: what a pool and an API must have to work with Tollgate.

use serde_json::Value;

use super::view::{list, resources, text, texts};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "the pool has the attributes, and they can change",
        check: attributes,
        mistake: Mistake {
            place: "/Resources/UserPool/Properties/Schema/1/Mutable",
            value: "false",
        },
    },
    Assertion {
        name: "users cannot write the attributes, and can read them",
        check: client,
        mistake: Mistake {
            place: "/Resources/UserPoolClient/Properties/WriteAttributes",
            value: r#"["email", "custom:plan"]"#,
        },
    },
    Assertion {
        name: "the pool's triggers are Tollgate's function",
        check: triggers,
        mistake: Mistake {
            place: "/Resources/UserPool/Properties/LambdaConfig/PostAuthentication",
            value: GONE,
        },
    },
    Assertion {
        name: "the hosted page opens by its address",
        check: hosted_page,
        mistake: Mistake {
            place: "/Outputs/HostedUi/Value",
            value: r#"{"Fn::Sub": "https://${UserPoolDomain}.auth.${AWS::Region}.amazoncognito.com"}"#,
        },
    },
    Assertion {
        name: "methods need a key",
        check: methods,
        mistake: Mistake {
            place: "/Resources/HelloMethod/Properties/ApiKeyRequired",
            value: "false",
        },
    },
    Assertion {
        name: "usage plans count by periods that there are",
        check: periods,
        mistake: Mistake {
            place: "/Resources/UsagePlan",
            value: r#"{"Type": "AWS::ApiGateway::UsagePlan", "Properties": {"Quota": {"Limit": 1, "Period": "YEAR"}}}"#,
        },
    },
];

fn attributes(template: &Value) -> AssertionResult {
    let pools = resources(template, "AWS::Cognito::UserPool");
    let missing = ["apiid", "plan"].into_iter().filter(|name| {
        !pools.iter().any(|pool| {
            list(&pool.properties["Schema"]).iter().any(|it| {
                it["Name"] == *name && it["Mutable"] == true && it["AttributeDataType"] == "String"
            })
        })
    });
    verdict(missing.map(|name| format!("custom:{name}")))
}

/// A client without a list may write all attributes.
fn client(template: &Value) -> AssertionResult {
    let wrong = resources(template, "AWS::Cognito::UserPoolClient").into_iter().filter(|it| {
        let (read, write) = (&it.properties["ReadAttributes"], &it.properties["WriteAttributes"]);
        let own = ["custom:apiid", "custom:plan"];
        write.is_null()
            || own.iter().any(|name| texts(write).contains(name) || !texts(read).contains(name))
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}

fn triggers(template: &Value) -> AssertionResult {
    let wrong = resources(template, "AWS::Cognito::UserPool").into_iter().filter(|pool| {
        ["PostConfirmation", "PostAuthentication", "PreTokenGeneration"].iter().any(|trigger| {
            let function = text(&pool.properties["LambdaConfig"][trigger]).unwrap_or_default();
            !function.ends_with(":function:${TollgateStack}-cognito-trigger")
        })
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}

/// Cognito's `/login` refuses what its client does not allow:
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/login-endpoint.html>.
fn hosted_page(template: &Value) -> AssertionResult {
    let page = text(&template["Outputs"]["HostedUi"]["Value"]).unwrap_or_default();
    let query = page.split_once("/login?").map_or("", |(_, query)| query);
    let field = |name: &str| {
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        fields.find_map(|(key, value)| (key == name).then_some(value)).unwrap_or_default()
    };
    let wrong = resources(template, "AWS::Cognito::UserPoolClient").into_iter().filter(|it| {
        let allows = |list: &str, value: &str| texts(&it.properties[list]).contains(&value);
        let back = field("redirect_uri").trim_start_matches("${").trim_end_matches('}');
        field("client_id") != format!("${{{}}}", it.id)
            || !allows("AllowedOAuthFlows", field("response_type"))
            || !field("scope").split('+').all(|scope| allows("AllowedOAuthScopes", scope))
            || !allows("CallbackURLs", back)
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}

fn methods(template: &Value) -> AssertionResult {
    let open = resources(template, "AWS::ApiGateway::Method");
    let open = open.into_iter().filter(|it| it.properties["ApiKeyRequired"] != true);
    verdict(open.map(|it| it.id.to_owned()))
}

fn periods(template: &Value) -> AssertionResult {
    let wrong = resources(template, "AWS::ApiGateway::UsagePlan").into_iter().filter(|it| {
        let period = it.properties["Quota"]["Period"].as_str();
        period.is_some_and(|period| !["DAY", "WEEK", "MONTH"].contains(&period))
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}
