//! What the deployed templates have otherwise than on AWS, all of it: each substitution is
//! printed, so that a reader sees what was not tried.

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::package::{BUCKET, Packages};

/// What the substitutions take.
pub struct Substitutes<'a> {
    /// Where the functions' packages are.
    pub packages: &'a Packages,
    /// Where the catalog's layer is.
    pub layer: &'a str,
    /// The catalog.
    pub catalog: &'a str,
    /// The Stripe stand-in.
    pub stripe: &'a str,
}

/// Makes a translated template one that ministack can run; says what was done.
///
/// # Errors
/// The template has a function that is not ours.
pub fn substitute(template: &mut Value, by: &Substitutes<'_>) -> anyhow::Result<Vec<String>> {
    let resources = template["Resources"].as_object_mut().context("a template has resources")?;
    let mut done = vec![
        "every function's Code and the layer's Content: packages of this build, in ministack's S3"
            .to_owned(),
        "TOLLGATE_CATALOG: the catalog's text, for ministack mounts no layer at /opt".to_owned(),
        format!("STRIPE_API_BASE={}: the stand-in instead of Stripe", by.stripe),
    ];
    let mut functions = 0;
    for (name, resource) in resources.iter_mut() {
        match resource["Type"].as_str() {
            Some("AWS::Lambda::Function") => {
                functions += 1;
                function(&mut resource["Properties"], by).with_context(|| name.clone())?;
            }
            Some("AWS::Lambda::LayerVersion") => {
                resource["Properties"]["Content"] = s3_object(by.layer);
            }
            _ => {}
        }
    }
    ensure!(functions == by.packages.len(), "the template has {functions} functions");
    done.extend(without_metric_math(resources));
    Ok(done)
}

fn function(properties: &mut Value, by: &Substitutes<'_>) -> anyhow::Result<()> {
    let name = &properties["FunctionName"];
    let name = name["Fn::Sub"].as_str().or_else(|| name.as_str()).unwrap_or_default();
    let mut packages = by.packages.iter();
    let package = packages.find(|(binary, _)| name.ends_with(&format!("-{binary}")));
    let (_, key) = package.with_context(|| format!("no binary belongs to {name:?}"))?;
    properties["Code"] = s3_object(key);
    let Some(variables) = properties["Environment"]["Variables"].as_object_mut() else {
        return Ok(());
    };
    if variables.contains_key("TOLLGATE_CATALOG") {
        variables.insert("TOLLGATE_CATALOG".into(), json!(by.catalog));
    }
    if variables.contains_key("STRIPE_SECRET_KEY_ARN") {
        variables.insert("STRIPE_API_BASE".into(), json!(by.stripe));
    }
    Ok(())
}

fn s3_object(key: &str) -> Value {
    json!({ "S3Bucket": BUCKET, "S3Key": key })
}

/// ministack refuses alarms that compute with several metrics.
fn without_metric_math(resources: &mut Map<String, Value>) -> Option<String> {
    let refused = |resource: &Value| {
        resource["Type"] == "AWS::CloudWatch::Alarm" && resource["Properties"]["Metrics"].is_array()
    };
    let names: Vec<_> =
        resources.iter().filter(|(_, it)| refused(it)).map(|(name, _)| name.clone()).collect();
    resources.retain(|name, _| !names.contains(name));
    (!names.is_empty()).then(|| format!("left out, alarms with metric math: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_substituted_is_all_that_changes() {
        let packages = Packages::from([("worker".to_owned(), "worker-1.zip".to_owned())]);
        let by = Substitutes {
            packages: &packages,
            layer: "plans-1.zip",
            catalog: "revision = 1",
            stripe: "http://127.0.0.1:1",
        };
        let variables = json!({ "TOLLGATE_CATALOG": "/opt/plans.toml", "TOLLGATE_TABLE": "t",
                                "STRIPE_SECRET_KEY_ARN": "arn" });
        let mut template = json!({ "Resources": {
            "WorkerFunction": { "Type": "AWS::Lambda::Function", "Properties": {
                "FunctionName": { "Fn::Sub": "${AWS::StackName}-worker" },
                "Timeout": 30,
                "Environment": { "Variables": variables } } },
            "Sum": { "Type": "AWS::CloudWatch::Alarm", "Properties": { "Metrics": [] } },
            "One": { "Type": "AWS::CloudWatch::Alarm", "Properties": { "MetricName": "m" } },
        } });
        let done = substitute(&mut template, &by).unwrap();
        let expected = json!({ "Resources": {
            "WorkerFunction": { "Type": "AWS::Lambda::Function", "Properties": {
                "FunctionName": { "Fn::Sub": "${AWS::StackName}-worker" },
                "Timeout": 30,
                "Code": { "S3Bucket": BUCKET, "S3Key": "worker-1.zip" },
                "Environment": { "Variables": {
                    "TOLLGATE_CATALOG": "revision = 1", "TOLLGATE_TABLE": "t",
                    "STRIPE_SECRET_KEY_ARN": "arn", "STRIPE_API_BASE": "http://127.0.0.1:1" } } } },
            "One": { "Type": "AWS::CloudWatch::Alarm", "Properties": { "MetricName": "m" } },
        } });
        assert_eq!(template, expected);
        assert!(done.iter().any(|line| line.contains("Sum")), "{done:?}");
        template["Resources"]["Other"] = json!({ "Type": "AWS::Lambda::Function",
            "Properties": { "FunctionName": "somebody-elses" } });
        assert!(substitute(&mut template, &by).is_err(), "a function that is not ours");
    }
}
