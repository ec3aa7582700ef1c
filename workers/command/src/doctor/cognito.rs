//! The user pool and its app clients.

use aws_config::SdkConfig;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{
    LambdaConfigType, PreTokenGenerationVersionConfigType, SchemaAttributeType, UserPoolClientType,
};
use tollgate_core::ports::Service;
use tollgate_functions::adapters::error::Operation;
use tollgate_operator::doctor::{
    AppClient, CustomAttribute, Expected, Look, Triggers, Unseen, UserPool,
};

use super::unseen::aws;

/// The largest page that Cognito gives.
const PAGE: i32 = 60;

const fn operation(name: &'static str) -> Operation {
    Operation { service: Service::Cognito, name }
}

pub(super) async fn look(
    expected: &Expected,
    sdk: &SdkConfig,
) -> (Look<UserPool>, Look<Vec<AppClient>>) {
    let client = Client::new(sdk);
    let pool = &expected.user_pool_id;
    tokio::join!(user_pool(&client, pool), clients(&client, pool))
}

async fn user_pool(client: &Client, pool: &str) -> Look<UserPool> {
    let answer = client.describe_user_pool().user_pool_id(pool).send().await;
    let answer = answer.map_err(|error| {
        aws(operation("DescribeUserPool"), "cognito-idp:DescribeUserPool", &error)
    })?;
    let found = answer.user_pool().ok_or(Unseen::Absent)?;
    let attributes = found.schema_attributes().iter();
    let attributes = attributes.filter_map(|it| Some((it.name()?.to_owned(), attribute(it))));
    let triggers = found.lambda_config().map(triggers).unwrap_or_default();
    let looks_first = found.lambda_config().and_then(LambdaConfigType::pre_sign_up);
    let names_are_free = found.username_attributes().is_empty() && looks_first.is_none();
    Ok(UserPool { attributes: attributes.collect(), triggers, names_are_free })
}

fn attribute(found: &SchemaAttributeType) -> CustomAttribute {
    let kind = found.attribute_data_type().map_or("", |kind| kind.as_str());
    let length = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    let lengths = found.string_attribute_constraints();
    CustomAttribute {
        kind: kind.to_owned(),
        mutable: found.mutable().unwrap_or_default(),
        min_length: lengths.and_then(|lengths| length(lengths.min_length())),
        max_length: lengths.and_then(|lengths| length(lengths.max_length())),
    }
}

/// `PreTokenGenerationConfig` stands above the older field, and Cognito shows both.
fn triggers(found: &LambdaConfigType) -> Triggers {
    let versioned = found.pre_token_generation_config();
    let versioned = versioned.map(PreTokenGenerationVersionConfigType::lambda_arn);
    let owned = |arn: Option<&str>| arn.filter(|arn| !arn.is_empty()).map(str::to_owned);
    Triggers {
        post_confirmation: owned(found.post_confirmation()),
        post_authentication: owned(found.post_authentication()),
        pre_token_generation: owned(versioned.or(found.pre_token_generation())),
    }
}

async fn clients(client: &Client, pool: &str) -> Look<Vec<AppClient>> {
    let (mut clients, mut page) = (Vec::new(), None);
    loop {
        let request = client.list_user_pool_clients().user_pool_id(pool).max_results(PAGE);
        let answer = request.set_next_token(page).send().await.map_err(|error| {
            aws(operation("ListUserPoolClients"), "cognito-idp:ListUserPoolClients", &error)
        })?;
        for listed in answer.user_pool_clients() {
            clients.push(app_client(client, pool, listed.client_id().unwrap_or_default()).await?);
        }
        page = answer.next_token;
        if page.is_none() {
            return Ok(clients);
        }
    }
}

async fn app_client(client: &Client, pool: &str, id: &str) -> Look<AppClient> {
    let request = client.describe_user_pool_client().user_pool_id(pool).client_id(id);
    let answer = request.send().await.map_err(|error| {
        aws(operation("DescribeUserPoolClient"), "cognito-idp:DescribeUserPoolClient", &error)
    })?;
    let UserPoolClientType { client_name, write_attributes, .. } =
        answer.user_pool_client.ok_or(Unseen::Absent)?;
    Ok(AppClient {
        id: id.to_owned(),
        name: client_name.unwrap_or_default(),
        writes: write_attributes,
    })
}
