//! CloudFormation, as far as a stack's outputs are read: `DescribeStacks` by name or ARN, in the
//! query protocol. Nothing is deployed, and everything else answers 501.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::calls::Service;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::calls::Calls;

/// What a stack was made with, and what it shows.
#[derive(Debug, Default)]
struct Stack {
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

/// The CloudFormation stand-in; clones share one state.
#[derive(Clone)]
pub struct CloudFormationStandin {
    calls: Calls,
    stacks: Arc<Mutex<BTreeMap<String, Stack>>>,
}

impl CloudFormationStandin {
    /// An account and Region without stacks.
    pub fn new(calls: Calls) -> Self {
        Self { calls, stacks: Arc::default() }
    }

    /// A stack with these outputs, new or instead of the one with this name.
    pub fn set_stack(&self, name: &str, outputs: impl IntoIterator<Item = (String, String)>) {
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = outputs.into_iter().collect();
        stacks.insert(name.to_owned(), Stack { outputs, ..Stack::default() });
    }

    /// The parameters with which a stack was made; nothing, when there is no such stack.
    pub fn set_parameters(
        &self,
        name: &str,
        parameters: impl IntoIterator<Item = (String, String)>,
    ) {
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = stacks.get_mut(name) {
            stack.parameters = parameters.into_iter().collect();
        }
    }

    /// The service, to be the SDK's endpoint.
    pub fn service(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    fn describe(&self, name: &str) -> Response {
        self.calls.log(Service::CloudFormation, "DescribeStacks", name);
        let stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        match stacks.get_key_value(name).or_else(|| stacks.iter().find(|it| arn(it.0) == name)) {
            Some((name, stack)) => xml(StatusCode::OK, described(name, stack)),
            None => {
                let message = format!("Stack with id {} does not exist", escape(name));
                refuse(StatusCode::BAD_REQUEST, "ValidationError", &message)
            }
        }
    }
}

async fn serve(
    State(standin): State<CloudFormationStandin>,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let only_a_name = form.keys().all(|key| ["Action", "Version", "StackName"].contains(&&**key));
    let describes = form.get("Action").is_some_and(|action| action == "DescribeStacks");
    match form.get("StackName").filter(|_| describes && only_a_name) {
        Some(name) => standin.describe(name),
        None => {
            let message = "only DescribeStacks by name is implemented by the stand-in";
            refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
        }
    }
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>
fn described(name: &str, stack: &Stack) -> String {
    let outputs = members("Output", &stack.outputs);
    let parameters = members("Parameter", &stack.parameters);
    let (name, arn) = (escape(name), escape(&arn(name)));
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
         <DescribeStacksResult><Stacks><member>\
         <StackId>{arn}</StackId>\
         <StackName>{name}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>CREATE_COMPLETE</StackStatus><Parameters>{parameters}</Parameters>\
         <Outputs>{outputs}</Outputs>\
         </member></Stacks></DescribeStacksResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeStacksResponse>"
    )
}

fn arn(name: &str) -> String {
    format!("arn:aws:cloudformation:us-east-1:000000000000:stack/{name}/1")
}

fn members(kind: &str, pairs: &BTreeMap<String, String>) -> String {
    let mut members = String::new();
    for (key, value) in pairs {
        let (key, value) = (escape(key), escape(value));
        let _ = write!(
            members,
            "<member><{kind}Key>{key}</{kind}Key><{kind}Value>{value}</{kind}Value></member>"
        );
    }
    members
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    xml(status, body)
}

fn xml(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
