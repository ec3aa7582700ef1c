//! What a person finds in the console is explained in `docs/deploy.md`.

use serde_json::Value;

use super::view::{resources, text};
use super::{Assertion, AssertionResult, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "each parameter is explained",
        check: parameters,
        mistake: Mistake { place: "/Parameters/Mystery", value: r#"{"Type": "String"}"# },
    },
    Assertion {
        name: "each alarm is explained",
        check: alarms,
        mistake: Mistake {
            place: "/Resources/ParkedAlarm/Properties/AlarmName",
            value: r#"{"Fn::Sub": "${AWS::StackName}-mystery"}"#,
        },
    },
];

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/deploy.md"));

fn explained(name: &str) -> bool {
    PAGE.contains(&format!("`{name}`"))
}

fn parameters(template: &Value) -> AssertionResult {
    let all = template["Parameters"].as_object().into_iter().flatten();
    verdict(all.map(|(name, _)| name.clone()).filter(|name| !explained(name)))
}

/// Those of the functions are explained together.
fn alarms(template: &Value) -> AssertionResult {
    let unknown = resources(template, "AWS::CloudWatch::Alarm").into_iter().filter_map(|alarm| {
        let name = text(&alarm.properties["AlarmName"])?.strip_prefix("${AWS::StackName}-")?;
        let of_function = ["errors", "throttles"].iter().any(|kind| {
            name.ends_with(&format!("-{kind}")) && explained(&format!("<function>-{kind}"))
        });
        (!of_function && !explained(name)).then(|| name.to_owned())
    });
    verdict(unknown)
}
