//! Templates of the same form as the translated ones, for tests without Python: small, with
//! the same names, and right in everything that the assertions ask.

use serde_json::{Map, Value, json};
use tollgate_functions::adapters::dynamodb::table::{EXPIRES_AT, INDEXES};
use tollgate_functions::handlers::routes::{PageRoute, PublicRoute, Route};

/// The form of `infra/template.yaml`.
pub(super) fn main() -> Value {
    let mut all = Map::new();
    all.insert("Table".into(), table());
    for name in ["Events", "Bulk"] {
        all.insert(
            format!("{name}DeadLetterQueue"),
            queue(&format!("{name}-dead"), 1_209_600, None),
        );
        let target = json!({"Fn::GetAtt": [format!("{name}DeadLetterQueue"), "Arn"]});
        all.insert(format!("{name}Queue"), queue(name, 345_600, Some(target)));
        all.insert(
            format!("WorkerFunction{name}"),
            mapping(&format!("{name}Queue"), "WorkerFunction"),
        );
        let dead = mapping(&format!("{name}DeadLetterQueue"), "DeadletterFunction");
        all.insert(format!("DeadletterFunction{name}"), dead);
    }
    secrets(&mut all);
    functions(&mut all);
    starts(&mut all);
    http(&mut all);
    alarms(&mut all);
    json!({
        "Parameters": {
            "EventsConcurrency": {"AllowedValues": [2, 3]},
            "BulkConcurrency": {"AllowedValues": [2, 3]},
            "LogLevel": {"Default": "info", "AllowedPattern": "(info|debug)"},
        },
        "Mappings": {"Workers": {"2": {"2": "4", "3": "5"}, "3": {"2": "5", "3": "6"}}},
        "Resources": all,
        "Outputs": outputs(),
    })
}

/// The form of `infra/example/template.yaml`.
pub(super) fn example() -> Value {
    let attribute = |name| json!({"Name": name, "AttributeDataType": "String", "Mutable": true});
    let function = json!({"Fn::Sub": "arn:${AWS::Partition}:lambda:x:function:${TollgateStack}-cognito-trigger"});
    let page = "https://x/login?client_id=${UserPoolClient}&response_type=code&scope=openid+email&redirect_uri=${ReturnUrl}";
    json!({"Resources": {
        "UserPool": {"Type": "AWS::Cognito::UserPool", "Properties": {
            "Schema": [attribute("apiid"), attribute("plan")],
            "LambdaConfig": {
                "PostConfirmation": function,
                "PostAuthentication": function,
                "PreTokenGeneration": function,
            },
        }},
        "UserPoolClient": {"Type": "AWS::Cognito::UserPoolClient", "Properties": {
            "ReadAttributes": ["email", "custom:apiid", "custom:plan"],
            "WriteAttributes": ["email"],
            "AllowedOAuthFlows": ["code"],
            "AllowedOAuthScopes": ["openid", "email"],
            "CallbackURLs": [{"Ref": "ReturnUrl"}],
        }},
        "HelloMethod": {"Type": "AWS::ApiGateway::Method", "Properties": {"ApiKeyRequired": true}},
    }, "Outputs": {"HostedUi": {"Value": {"Fn::Sub": page}}}})
}

fn arn(id: &str) -> Value {
    json!({"Fn::GetAtt": [id, "Arn"]})
}

fn table() -> Value {
    let key = |name, kind| json!({"AttributeName": name, "KeyType": kind});
    let indexes = INDEXES.map(|index| {
        json!({
            "IndexName": index.name,
            "KeySchema": [key(index.hash, "HASH"), key(index.range, "RANGE")],
            "Projection": {"ProjectionType": if index.whole { "ALL" } else { "KEYS_ONLY" }},
        })
    });
    json!({
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": true,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
            "SSESpecification": {"SSEEnabled": true},
            "TimeToLiveSpecification": {"AttributeName": EXPIRES_AT, "Enabled": true},
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": indexes,
        },
    })
}

fn queue(name: &str, kept: u32, dead: Option<Value>) -> Value {
    let mut queue = json!({"Type": "AWS::SQS::Queue", "Properties": {
        "QueueName": {"Fn::Sub": format!("${{AWS::StackName}}-{name}.fifo")},
        "FifoQueue": true,
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "SqsManagedSseEnabled": true,
        "VisibilityTimeout": 180,
        "MessageRetentionPeriod": kept,
    }});
    if let Some(target) = dead {
        queue["Properties"]["RedrivePolicy"] =
            json!({"deadLetterTargetArn": target, "maxReceiveCount": 6});
    }
    queue
}

fn mapping(queue: &str, function: &str) -> Value {
    json!({"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
        "EventSourceArn": arn(queue),
        "FunctionName": {"Ref": function},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }})
}

fn secrets(all: &mut Map<String, Value>) {
    for id in ["StripeKeySecret", "SweepStripeKeySecret", "WebhookSecrets"] {
        all.insert(id.into(), json!({"Type": "AWS::SecretsManager::Secret", "Properties": {}}));
    }
    let kept = json!({
        "Type": "AWS::SecretsManager::Secret",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"GenerateSecretString": {"GenerateStringKey": "1"}},
    });
    all.insert("KeySecrets".into(), kept);
}

/// Logical name, binary, secrets by variable, and what it may do beside logging.
type Function = (&'static str, &'static str, Vec<(&'static str, Value)>, Vec<Value>);

fn roster() -> Vec<Function> {
    let secret = |id: &str| json!({"Fn::GetAtt": [id, "Id"]});
    let stripe = || ("STRIPE_SECRET_KEY_ARN", secret("StripeKeySecret"));
    let derive = || ("TOLLGATE_KEY_SECRETS_ARN", secret("KeySecrets"));
    let either =
        json!({"Fn::If": ["X", secret("SweepStripeKeySecret"), secret("StripeKeySecret")]});
    let send = |queue: &str| allow(&["sqs:SendMessage"], &arn(queue));
    let receive = || allow(&["sqs:ReceiveMessage"], &json!([arn("EventsQueue"), arn("BulkQueue")]));
    let get = |path: &str| allow(&["apigateway:GET"], &gateway(path));
    let nothing = || allow(&["dynamodb:GetItem"], &arn("Table"));
    let index = json!({"Fn::Sub": "${Table.Arn}/index/stuck"});
    let mut own = allow(&["dynamodb:UpdateItem"], &arn("Table"));
    own["Condition"] = json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["STACK"]}});
    let mut rows = allow(&["dynamodb:UpdateItem"], &arn("Table"));
    let keys = json!(["BUY#*", "BUDGET#*", "RATE#*", "USE#*"]);
    rows["Condition"] = json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}});
    let worker = vec![
        receive(),
        nothing(),
        nothing(),
        nothing(),
        allow(&["apigateway:GET", "apigateway:POST"], &gateway("/apikeys")),
        allow(&["apigateway:PATCH", "apigateway:DELETE"], &gateway("/apikeys/*")),
        get("/usageplans"),
    ];
    let sweep =
        vec![send("BulkQueue"), nothing(), nothing(), allow(&["dynamodb:Scan"], &index), own];
    vec![
        (
            "Account",
            "account",
            vec![stripe(), derive()],
            vec![nothing(), rows, send("EventsQueue"), get("/usageplans/*/usage")],
        ),
        ("CognitoTrigger", "cognito-trigger", vec![], vec![send("BulkQueue")]),
        ("Deadletter", "deadletter", vec![], vec![receive()]),
        ("Eventbridge", "eventbridge", vec![], vec![send("EventsQueue")]),
        (
            "StripeWebhook",
            "stripe-webhook",
            vec![("STRIPE_WEBHOOK_SECRETS_ARN", secret("WebhookSecrets"))],
            vec![send("EventsQueue")],
        ),
        ("Site", "site", vec![], vec![]),
        ("Sweep", "sweep", vec![("STRIPE_SECRET_KEY_ARN", either)], sweep),
        ("Worker", "worker", vec![stripe(), derive()], worker),
    ]
}

fn allow(actions: &[&str], resource: &Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn gateway(path: &str) -> Value {
    json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::{path}")})
}

fn functions(all: &mut Map<String, Value>) {
    for (name, binary, secrets, permissions) in roster() {
        let logs = format!("{name}Logs");
        let mut statements =
            vec![allow(&["logs:CreateLogStream", "logs:PutLogEvents"], &arn(&logs))];
        statements.extend(permissions);
        if !secrets.is_empty() {
            let readable: Vec<_> = secrets.iter().map(|(_, secret)| secret.clone()).collect();
            statements.push(allow(&["secretsmanager:GetSecretValue"], &json!(readable)));
        }
        let mut variables: Map<_, _> =
            secrets.into_iter().map(|(name, secret)| (name.to_owned(), secret)).collect();
        variables.insert("TOLLGATE_LOG".into(), json!({"Ref": "LogLevel"}));
        let mut function = json!({"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": {"Fn::Sub": format!("${{AWS::StackName}}-{binary}")},
            "Code": {"S3Bucket": "code", "S3Key": format!("{binary}.zip")},
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Architectures": [{"Ref": "Architecture"}],
            "Timeout": 30,
            "Role": arn(&format!("{name}Role")),
            "ReservedConcurrentExecutions": {"Fn::If": ["ReservesConcurrency", 2, {"Ref": "AWS::NoValue"}]},
            "LoggingConfig": {"LogGroup": {"Ref": &logs}},
        }});
        if ["Account", "Sweep", "Worker"].contains(&name) {
            variables.insert("TOLLGATE_CATALOG".into(), json!("/opt/plans.toml"));
            function["Properties"]["Layers"] = json!([{"Ref": "Plans"}]);
        }
        function["Properties"]["Environment"] = json!({"Variables": variables});
        all.insert(format!("{name}Function"), function);
        all.insert(format!("{name}Role"), role(&statements));
        let group = json!({"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}});
        all.insert(logs, group);
    }
}

fn role(statements: &[Value]) -> Value {
    let lambda = json!({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}});
    json!({"Type": "AWS::IAM::Role", "Properties": {
        "AssumeRolePolicyDocument": {"Statement": [lambda]},
        "Policies": [{"PolicyDocument": {"Statement": statements}}],
    }})
}

/// Schedules, the rule for users, and the permissions to invoke.
fn starts(all: &mut Map<String, Value>) {
    for (id, schedule, sweep) in
        [("Due", "rate(1 minute)", "due"), ("Drift", "rate(1 hour)", "drift")]
    {
        let target =
            json!({"Arn": arn("SweepFunction"), "Input": json!({"sweep": sweep}).to_string()});
        let rule = json!({"Type": "AWS::Events::Rule", "Properties": {
            "ScheduleExpression": schedule,
            "Targets": [target],
        }});
        all.insert(format!("SweepFunction{id}"), rule);
    }
    let rule = json!({"Type": "AWS::Events::Rule", "Properties": {
        "EventPattern": {
            "source": ["aws.cognito-idp"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventSource": ["cognito-idp.amazonaws.com"],
                "eventName": ["AdminDeleteUser", "DeleteUser", "AdminDisableUser", "AdminEnableUser"],
            },
        },
        "Targets": [{"Arn": arn("EventbridgeFunction"), "RetryPolicy": {"MaximumRetryAttempts": 1}}],
    }});
    all.insert("UserChangesRule".into(), rule);
    let permission =
        json!({"Type": "AWS::Lambda::Permission", "Properties": {"SourceArn": "arn:of:the:pool"}});
    all.insert("CognitoTriggerPermission".into(), permission);
}

fn http(all: &mut Map<String, Value>) {
    let account = Route::ALL.map(|route| (format!("{route:?}Route"), route.key()));
    let public = PublicRoute::ALL.map(|route| (format!("{route:?}Route"), route.key()));
    let webhook = ("WebhookRoute".to_owned(), "POST /webhook");
    let page = PageRoute::ALL.map(|route| (format!("{route:?}Route"), route.key()));
    let routes: Vec<_> = account.into_iter().chain(public).chain(page).chain([webhook]).collect();
    let ids: Vec<_> = routes.iter().map(|(id, _)| id.clone()).collect();
    for (id, key) in routes {
        let mut route =
            json!({"Type": "AWS::ApiGatewayV2::Route", "Properties": {"RouteKey": key}});
        if key.contains(" /account") {
            route["Properties"]["AuthorizationType"] = json!("JWT");
            route["Properties"]["AuthorizerId"] = json!({"Ref": "Authorizer"});
        }
        all.insert(id, route);
    }
    let limit = json!({"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1});
    let stage = json!({"Type": "AWS::ApiGatewayV2::Stage", "DependsOn": ids, "Properties": {
        "DefaultRouteSettings": limit,
        "RouteSettings": {"POST /webhook": limit},
        "AccessLogSettings": {"Format": r#"{"status":"$context.status"}"#},
    }});
    all.insert("HttpApiStage".into(), stage);
}

fn alarms(all: &mut Map<String, Value>) {
    let ours = json!({"Fn::Sub": "Tollgate/${AWS::StackName}"});
    for (metric, pattern) in [
        ("AccountFailed", r#"{ $.message = "account request failed" }"#),
        ("ApiKeys", r#"{ $.message = "drift" && $.keys = * }"#),
        ("BadSignature", r#"{ $.outcome = "bad_signature" }"#),
        ("BlastLimit", r#"{ $.message = "the blast limit holds" }"#),
        ("CancellationLimit", r#"{ $.message = "the cancellation limit holds" }"#),
        ("CheckoutRejected", r#"{ $.message = "Stripe will not do this" }"#),
        ("DeadletterFailed", r#"{ $.message = "batch" && $.failed > 0 }"#),
        ("DriftFailed", r#"{ $.message = "drift failed" }"#),
        ("FraudWarning", r#"{ $.message = "early fraud warning" }"#),
        ("Parked", r#"{ $.message = "batch" && $.parked > 0 }"#),
        ("QueueUnavailable", r#"{ $.outcome = "queue_unavailable" }"#),
        ("StagesLost", r#"{ $.message = "a usage plan has lost a stage" }"#),
        ("RowsLeftOut", r#"{ $.message = "drift" && $.unreadable > 0 }"#),
        ("SeveralSubscriptions", r#"{ $.message = "several subscriptions" }"#),
        ("Systemic", r#"{ $.message = "batch" && $.systemic > 0 }"#),
        ("UnknownPrice", r#"{ $.message = "unknown price" }"#),
        ("Unreadable", r#"{ $.outcome = "unreadable" }"#),
    ] {
        let filter = json!({"Type": "AWS::Logs::MetricFilter", "Properties": {
            "FilterPattern": pattern,
            "MetricTransformations": [{"MetricName": metric, "MetricNamespace": ours}],
        }});
        all.insert(format!("{metric}Filter"), filter);
        let alarm = json!({"MetricName": metric, "Namespace": ours, "AlarmActions": ["topic"]});
        all.insert(format!("{metric}Alarm"), alarm_of(&alarm));
    }
    let functions: Vec<_> = roster().iter().map(|it| format!("{}Function", it.0)).collect();
    let queues = ["EventsQueue", "BulkQueue", "EventsDeadLetterQueue", "BulkDeadLetterQueue"];
    for (metric, whose) in [
        ("Errors", functions.clone()),
        ("Throttles", functions),
        ("ApproximateAgeOfOldestMessage", queues[..2].iter().map(ToString::to_string).collect()),
        (
            "ApproximateNumberOfMessagesVisible",
            queues[2..].iter().map(ToString::to_string).collect(),
        ),
        ("FailedInvocations", vec!["UserChangesRule".to_owned()]),
    ] {
        for id in whose {
            let dimensions = json!([{"Name": "Name", "Value": {"Ref": &id}}]);
            let alarm =
                json!({"MetricName": metric, "Dimensions": dimensions, "AlarmActions": ["topic"]});
            all.insert(format!("{id}{metric}Alarm"), alarm_of(&alarm));
        }
    }
}

fn alarm_of(properties: &Value) -> Value {
    json!({"Type": "AWS::CloudWatch::Alarm", "Properties": properties})
}

fn outputs() -> Map<String, Value> {
    super::secrets::OUTPUTS
        .iter()
        .map(|name| ((*name).to_owned(), json!({"Value": {"Ref": "Something"}})))
        .collect()
}
