//! Usage plans, keys, stages and methods. One call after the other: the control plane
//! allows an account ten a second in all.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_apigateway::Client;
use tollgate_core::ports::Service;
use tollgate_functions::adapters::error::Operation;
use tollgate_operator::doctor::{Api, Look};
use tollgate_operator::storefront::ObservedPlan;

use super::unseen::{aws, port};
use crate::adapters::usage_plans::UsagePlans;

/// The largest page that API Gateway gives.
const PAGE: i32 = 500;

const fn operation(name: &'static str) -> Operation {
    Operation { service: Service::ApiGateway, name }
}

pub(super) struct Gateway {
    pub(super) usage_plans: Look<Vec<ObservedPlan>>,
    pub(super) api_keys: Look<usize>,
    pub(super) stages: BTreeMap<String, Look<()>>,
    pub(super) apis: BTreeMap<String, Look<Api>>,
}

pub(super) async fn look(wanted: &BTreeSet<String>, sdk: &SdkConfig) -> Gateway {
    let client = Client::new(sdk);
    let usage_plans = UsagePlans::new(client.clone()).all().await;
    let usage_plans = usage_plans.map_err(|error| port("apigateway:GET on /usageplans", &error));
    let api_keys = api_keys(&client).await;
    let (mut stages, mut apis) = (BTreeMap::new(), BTreeMap::new());
    for wanted in wanted {
        let (id, name) = wanted.split_once(':').unwrap_or((wanted, ""));
        stages.insert(wanted.clone(), stage(&client, id, name).await);
        if !apis.contains_key(id) {
            apis.insert(id.to_owned(), api(&client, id).await);
        }
    }
    Gateway { usage_plans, api_keys, stages, apis }
}

/// How many keys there are; their values are not asked for.
async fn api_keys(client: &Client) -> Look<usize> {
    let (mut count, mut position) = (0, None);
    loop {
        let request = client.get_api_keys().limit(PAGE).include_values(false);
        let answer =
            request.set_position(position).send().await.map_err(|error| {
                aws(operation("GetApiKeys"), "apigateway:GET on /apikeys", &error)
            })?;
        count += answer.items().len();
        position = answer.position;
        if position.is_none() {
            return Ok(count);
        }
    }
}

async fn stage(client: &Client, api: &str, stage: &str) -> Look<()> {
    let answer = client.get_stage().rest_api_id(api).stage_name(stage).send().await;
    answer.map(drop).map_err(|error| {
        let needs = format!("apigateway:GET on /restapis/{api}/stages/{stage}");
        aws(operation("GetStage"), &needs, &error)
    })
}

async fn api(client: &Client, id: &str) -> Look<Api> {
    let answer = client.get_rest_api().rest_api_id(id).send().await.map_err(|error| {
        aws(operation("GetRestApi"), &format!("apigateway:GET on /restapis/{id}"), &error)
    })?;
    let key_source = answer.api_key_source().map_or("HEADER", |source| source.as_str()).to_owned();
    let (mut api, mut position) = (Api { key_source, methods: 0, methods_with_key: 0 }, None);
    loop {
        let request = client.get_resources().rest_api_id(id).embed("methods").limit(PAGE);
        let answer = request.set_position(position).send().await.map_err(|error| {
            let needs = format!("apigateway:GET on /restapis/{id}/resources");
            aws(operation("GetResources"), &needs, &error)
        })?;
        let methods = answer.items().iter().filter_map(|resource| resource.resource_methods());
        // A browser asks OPTIONS without a key, so it never requires one.
        for (_, method) in methods.flatten().filter(|(name, _)| *name != "OPTIONS") {
            api.methods += 1;
            api.methods_with_key += usize::from(method.api_key_required() == Some(true));
        }
        position = answer.position;
        if position.is_none() {
            return Ok(api);
        }
    }
}
