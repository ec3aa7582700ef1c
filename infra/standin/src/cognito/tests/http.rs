//! The wire: awsJson 1.1 in and out, as the SDKs speak it.

use std::future::IntoFuture as _;

use serde_json::{Value, json};

use super::*;

/// A pool behind HTTP.
struct Served {
    pool: CognitoStandin,
    calls: Calls,
    url: String,
}

async fn serve(config: PoolConfig) -> Served {
    let calls = Calls::default();
    let pool = CognitoStandin::new(clock(), calls.clone(), config).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    pool.set_endpoint(&url);
    tokio::spawn(axum::serve(listener, router([pool.clone()])).into_future());
    Served { pool, calls, url }
}

impl Served {
    async fn call(&self, operation: &str, body: Value) -> (u16, Value) {
        let response = reqwest::Client::new()
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    async fn ok(&self, operation: &str, body: Value) -> Value {
        let (status, reply) = self.call(operation, body).await;
        assert_eq!(status, 200, "{operation}: {reply}");
        reply
    }

    async fn refused(&self, operation: &str, body: Value) -> String {
        let (status, reply) = self.call(operation, body).await;
        assert_eq!(status, 400, "{operation}: {reply}");
        assert!(reply["message"].is_string());
        reply["__type"].as_str().unwrap().to_owned()
    }

    async fn admin(&self, operation: &str, username: &str) -> Value {
        self.ok(operation, json!({ "UserPoolId": POOL, "Username": username })).await
    }

    /// Ada signs up, confirms and signs in, as a browser does it.
    async fn ada(&self) -> Value {
        let signed_up = self.ok("SignUp", sign_up("ada", &[("email", "ada@example.com")])).await;
        let code = self.pool.code("ada").unwrap();
        self.ok(
            "ConfirmSignUp",
            json!({ "ClientId": CLIENT, "Username": "ada", "ConfirmationCode": code }),
        )
        .await;
        let tokens = self.ok("InitiateAuth", password("ada", "correct horse")).await;
        assert!(signed_up["UserSub"].is_string());
        tokens["AuthenticationResult"].clone()
    }
}

const CLIENT: &str = "tollgate-local";

fn sign_up(username: &str, attributes: &[(&str, &str)]) -> Value {
    let attributes: Vec<Value> =
        attributes.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    json!({
        "ClientId": CLIENT,
        "Username": username,
        "Password": "correct horse",
        "UserAttributes": attributes,
    })
}

fn password(username: &str, password: &str) -> Value {
    json!({
        "ClientId": CLIENT,
        "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": { "USERNAME": username, "PASSWORD": password },
    })
}

fn attribute<'a>(user: &'a Value, list: &str, name: &str) -> Option<&'a str> {
    let found = user[list].as_array().unwrap().iter().find(|it| it["Name"] == name);
    found.and_then(|it| it["Value"].as_str())
}

#[tokio::test]
async fn a_user_signs_up_confirms_signs_in_and_refreshes() {
    let served = serve(config()).await;
    let unconfirmed = sign_up("bob", &[]);
    served.ok("SignUp", unconfirmed.clone()).await;
    assert_eq!(served.refused("SignUp", unconfirmed).await, "UsernameExistsException");
    let early = served.refused("InitiateAuth", password("bob", "correct horse")).await;
    assert_eq!(early, "UserNotConfirmedException");

    let tokens = served.ada().await;
    assert_eq!(tokens["ExpiresIn"], 3600);
    let claims = served.pool.verify_id_token(tokens["IdToken"].as_str().unwrap()).unwrap();
    assert_eq!(claims.all["iss"], format!("{}/{POOL}", served.url));
    let refreshed = served
        .ok(
            "InitiateAuth",
            json!({
                "ClientId": CLIENT,
                "AuthFlow": "REFRESH_TOKEN_AUTH",
                "AuthParameters": { "REFRESH_TOKEN": tokens["RefreshToken"] },
            }),
        )
        .await;
    assert!(refreshed["AuthenticationResult"]["IdToken"].is_string());
    assert_eq!(
        sources(&served.pool.take_triggers()),
        [
            "PostConfirmation_ConfirmSignUp",
            "PostAuthentication_Authentication",
            "TokenGeneration_Authentication",
            "TokenGeneration_RefreshTokens",
        ]
    );
}

#[tokio::test]
async fn a_code_is_good_once_and_only_if_right() {
    let served = serve(config()).await;
    served.ok("SignUp", sign_up("ada", &[])).await;
    let code = served.pool.code("ada").unwrap();
    let confirm = |username: &str, code: &str| {
        let body = json!({ "ClientId": CLIENT, "Username": username, "ConfirmationCode": code });
        let served = &served;
        async move { served.call("ConfirmSignUp", body).await.1["__type"].clone() }
    };
    assert_eq!(confirm("ada", "wrong").await, "CodeMismatchException");
    assert_eq!(confirm("nobody", &code).await, "ExpiredCodeException");
    assert_eq!(confirm("ada", &code).await, Value::Null);
    assert_eq!(confirm("ada", &code).await, "NotAuthorizedException");
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_fires_its_own_trigger() {
    let served = serve(config()).await;
    served.ada().await;
    served.pool.take_triggers();
    for username in ["ada", "nobody"] {
        let body = json!({ "ClientId": CLIENT, "Username": username });
        served.ok("ForgotPassword", body).await;
    }
    let body = json!({
        "ClientId": CLIENT,
        "Username": "ada",
        "ConfirmationCode": served.pool.code("ada").unwrap(),
        "Password": "another horse",
    });
    served.ok("ConfirmForgotPassword", body).await;
    let triggers = served.pool.take_triggers();
    assert_eq!(sources(&triggers), ["PostConfirmation_ConfirmForgotPassword"]);
    let old = served.refused("InitiateAuth", password("ada", "correct horse")).await;
    assert_eq!(old, "NotAuthorizedException");
    served.ok("InitiateAuth", password("ada", "another horse")).await;
}

#[tokio::test]
async fn users_cannot_write_what_their_app_client_leaves_out() {
    let served = serve(config()).await;
    let tokens = served.ada().await;
    let write = |name: &str| {
        json!({
            "AccessToken": tokens["AccessToken"],
            "UserAttributes": [{ "Name": name, "Value": "x" }],
        })
    };
    for name in ["custom:plan", "custom:apiid", "email_verified", "locale"] {
        let refused = served.refused("UpdateUserAttributes", write(name)).await;
        assert_eq!(refused, "NotAuthorizedException", "{name}");
        let refused = served.refused("SignUp", sign_up("eve", &[(name, "x")])).await;
        assert_eq!(refused, "NotAuthorizedException", "{name}");
    }
    served.ok("UpdateUserAttributes", write("name")).await;

    let mut open = config();
    open.clients[0].write_attributes = None;
    let served = serve(open).await;
    served.ok("SignUp", sign_up("eve", &[("locale", "de")])).await;
    let refused = served.refused("SignUp", sign_up("mal", &[("custom:plan", "pro")])).await;
    assert_eq!(refused, "NotAuthorizedException", "standard attributes only");
}

#[tokio::test]
async fn administrators_read_write_disable_enable_and_delete() {
    let served = serve(config()).await;
    served.ada().await;
    let body = json!({
        "UserPoolId": POOL,
        "Username": "ada",
        "UserAttributes": [
            { "Name": "custom:plan", "Value": "pro" }, { "Name": "custom:apiid", "Value": "" },
        ],
    });
    served.ok("AdminUpdateUserAttributes", body).await;
    served.admin("AdminDisableUser", "ada").await;
    let user = served.admin("AdminGetUser", "ada").await;
    assert_eq!(user["Username"], "ada");
    assert_eq!(user["Enabled"], false);
    assert_eq!(user["UserStatus"], "CONFIRMED");
    assert_eq!(user["UserCreateDate"], 1_700_000_000.0);
    assert_eq!(attribute(&user, "UserAttributes", "custom:plan"), Some("pro"));
    assert_eq!(attribute(&user, "UserAttributes", "custom:apiid"), None);
    assert!(attribute(&user, "UserAttributes", "sub").is_some());
    served.admin("AdminEnableUser", "ada").await;
    served.admin("AdminDeleteUser", "ada").await;
    let gone = json!({ "UserPoolId": POOL, "Username": "ada" });
    assert_eq!(served.refused("AdminGetUser", gone).await, "UserNotFoundException");
    assert_eq!(served.pool.take_cloudtrail().len(), 3);
}

#[tokio::test]
async fn an_administrators_user_answers_the_new_password_challenge() {
    let served = serve(config()).await;
    let body = json!({
        "UserPoolId": POOL,
        "Username": "bob",
        "TemporaryPassword": "temporary",
        "UserAttributes": [{ "Name": "email", "Value": "bob@example.com" }],
    });
    let made = served.ok("AdminCreateUser", body).await;
    assert_eq!(made["User"]["UserStatus"], "FORCE_CHANGE_PASSWORD");
    let challenge = served.ok("InitiateAuth", password("bob", "temporary")).await;
    assert_eq!(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    let body = json!({
        "ClientId": CLIENT,
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "Session": challenge["Session"],
        "ChallengeResponses": { "USERNAME": "bob", "NEW_PASSWORD": "my own password" },
    });
    let reply = served.ok("RespondToAuthChallenge", body).await;
    assert!(reply["AuthenticationResult"]["IdToken"].is_string());
}

#[tokio::test]
async fn users_are_listed_by_filter_and_page() {
    let served = serve(config()).await;
    let google = served.pool.federated_sign_in("Google", "1", "gus@example.com").unwrap();
    for name in ["ada", "adam", "bob"] {
        served.pool.sign_up_confirmed(name, &format!("{name}@example.com")).unwrap();
    }
    let list = |more: Value| {
        let mut body = json!({ "UserPoolId": POOL });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (filter, names) in [
        (format!("sub = \"{google}\""), vec!["Google_1"]),
        ("username = \"ada\"".to_owned(), vec!["ada"]),
        ("username ^= \"ada\"".to_owned(), vec!["ada", "adam"]),
        ("email=\"bob@example.com\"".to_owned(), vec!["bob"]),
        ("email ^= \"ada\"".to_owned(), vec!["ada", "adam"]),
        ("cognito:user_status = \"EXTERNAL_PROVIDER\"".to_owned(), vec!["Google_1"]),
        ("sub = \"none\"".to_owned(), vec![]),
    ] {
        let reply = served.ok("ListUsers", list(json!({ "Filter": filter }))).await;
        let found: Vec<&str> = reply["Users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["Username"].as_str().unwrap())
            .collect();
        assert_eq!(found, names, "{filter}");
    }
    let page = json!({ "Limit": 3, "AttributesToGet": ["email"] });
    let first = served.ok("ListUsers", list(page)).await;
    assert_eq!(first["Users"].as_array().unwrap().len(), 3);
    assert_eq!(first["Users"][1]["Attributes"].as_array().unwrap().len(), 1);
    let token = &first["PaginationToken"];
    let second = served.ok("ListUsers", list(json!({ "PaginationToken": token }))).await;
    assert_eq!(second["Users"].as_array().unwrap().len(), 1);
    assert_eq!(second.get("PaginationToken"), None);
    for bad in [
        json!({ "Filter": "custom:plan = \"pro\"" }),
        json!({ "Filter": "email = bob" }),
        json!({ "Limit": 61 }),
        json!({ "PaginationToken": "?" }),
        json!({ "AttributesToGet": ["custom:none"] }),
    ] {
        let refused = served.refused("ListUsers", list(bad.clone())).await;
        assert_eq!(refused, "InvalidParameterException", "{bad}");
    }
}

#[tokio::test]
async fn the_pool_and_its_client_describe_themselves() {
    let mut config = config();
    config.triggers.pre_token_generation = Some(TokenEvent::V2);
    let served = serve(config).await;
    let pool = served.ok("DescribeUserPool", json!({ "UserPoolId": POOL })).await;
    let schema = pool["UserPool"]["SchemaAttributes"].as_array().unwrap();
    let plan = schema.iter().find(|it| it["Name"] == "custom:plan").unwrap();
    assert_eq!(plan["Mutable"], true);
    let versions = &pool["UserPool"]["LambdaConfig"]["PreTokenGenerationConfig"];
    assert_eq!(versions["LambdaVersion"], "V2_0");
    let body = json!({ "UserPoolId": POOL, "ClientId": CLIENT });
    let client = served.ok("DescribeUserPoolClient", body).await;
    assert_eq!(client["UserPoolClient"]["WriteAttributes"], json!(["email", "name"]));
    assert_eq!(plan["StringAttributeConstraints"]["MaxLength"], "2048");
    for body in [
        json!({ "UserPoolId": "eu-central-1_Other" }),
        json!({ "UserPoolId": POOL.to_lowercase() }),
    ] {
        let refused = served.refused("DescribeUserPool", body).await;
        assert_eq!(refused, "ResourceNotFoundException");
    }
}

#[tokio::test]
async fn clients_are_listed_in_pages_and_can_be_changed() {
    let served = serve(config()).await;
    served.pool.change_config(|config| {
        let second = AppClient { id: "second".into(), ..AppClient::default() };
        config.clients.push(second);
        config.triggers.post_confirmation = false;
    });
    let page = |more: Value| {
        let mut body = json!({ "UserPoolId": POOL });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let first = served.ok("ListUserPoolClients", page(json!({ "MaxResults": 1 }))).await;
    assert_eq!(first["UserPoolClients"][0]["ClientId"], CLIENT);
    let next = json!({ "MaxResults": 60, "NextToken": first["NextToken"] });
    let last = served.ok("ListUserPoolClients", page(next)).await;
    assert_eq!(last["UserPoolClients"][0]["ClientId"], "second");
    assert_eq!(last.get("NextToken"), None);
    let refused = served.refused("ListUserPoolClients", page(json!({ "MaxResults": 61 }))).await;
    assert_eq!(refused, "InvalidParameterException");
    let body = json!({ "UserPoolId": POOL, "ClientId": "second" });
    let second = served.ok("DescribeUserPoolClient", body).await;
    assert_eq!(second["UserPoolClient"].get("WriteAttributes"), None);
    let pool = served.ok("DescribeUserPool", json!({ "UserPoolId": POOL })).await;
    let triggers = &pool["UserPool"]["LambdaConfig"];
    assert_eq!(triggers.get("PostConfirmation"), None);
    assert_eq!(triggers["PostAuthentication"], served.pool.config().function());
}

#[tokio::test]
async fn a_user_deletes_themselves_with_their_access_token() {
    let served = serve(config()).await;
    let tokens = served.ada().await;
    let with = |token: &Value| json!({ "AccessToken": token });
    let wrong = served.refused("DeleteUser", with(&tokens["IdToken"])).await;
    assert_eq!(wrong, "NotAuthorizedException");
    served.ok("DeleteUser", with(&tokens["AccessToken"])).await;
    assert!(served.pool.users().is_empty());
    assert_eq!(served.pool.take_cloudtrail()[0]["detail"]["eventName"], "DeleteUser");
    let again = served.refused("DeleteUser", with(&tokens["AccessToken"])).await;
    assert_eq!(again, "UserNotFoundException");
}

/// The key set alone is enough for an authorizer that knows nothing else.
#[tokio::test]
async fn the_key_set_verifies_the_tokens() {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
    use base64::Engine as _;
    let decode =
        |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    let served = serve(config()).await;
    let token = served.ada().await["IdToken"].as_str().unwrap().to_owned();
    let url = format!("{}/{POOL}/.well-known/jwks.json", served.url);
    let keys: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let part = |name: &str| decode(keys["keys"][0][name].as_str().unwrap());
    let (text, signature) = token.rsplit_once('.').unwrap();
    let key = RsaPublicKeyComponents { n: part("n"), e: part("e") };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &decode(signature)).unwrap();
    let header: Value = serde_json::from_slice(&decode(text.split('.').next().unwrap())).unwrap();
    assert_eq!(header["kid"], keys["keys"][0]["kid"]);
}

#[tokio::test]
async fn what_is_not_modelled_says_so() {
    let served = serve(config()).await;
    for (operation, body) in [
        ("AdminSetUserPassword", json!({ "UserPoolId": POOL })),
        ("", json!({})),
        (
            "InitiateAuth",
            json!({ "ClientId": CLIENT, "AuthFlow": "USER_SRP_AUTH", "AuthParameters": {} }),
        ),
    ] {
        let (status, reply) = served.call(operation, body).await;
        assert_eq!(status, 501, "{operation}");
        assert_eq!(reply["__type"], "UnsupportedOperation");
    }
    let with = |name: &str, value: &str| {
        let mut body = json!({ "UserPoolId": POOL, "Username": "bob" });
        body[name] = json!(value);
        body
    };
    assert_eq!(served.call("AdminGetUser", with("Sort", "email")).await.0, 501);
    assert_eq!(served.call("AdminCreateUser", with("MessageAction", "RESEND")).await.0, 501);
    assert_eq!(served.call("AdminCreateUser", with("MessageAction", "SUPPRESS")).await.0, 200);
    assert_eq!(served.refused("AdminGetUser", json!([])).await, "SerializationException");
}

#[tokio::test]
async fn every_call_is_logged_by_sub() {
    let served = serve(config()).await;
    served.ada().await;
    served.admin("AdminGetUser", "ada").await;
    let calls = served.calls.since(0);
    let operations: Vec<&str> = calls.iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["SignUp", "ConfirmSignUp", "InitiateAuth", "AdminGetUser"]);
    let sub = served.pool.users()[0].sub.clone();
    assert_eq!(calls[3].subject, sub);
    assert!(calls.iter().all(|call| call.subject.is_empty() || call.subject == sub));
}

#[tokio::test]
async fn a_browser_of_any_origin_may_call() {
    let served = serve(config()).await;
    let preflight =
        reqwest::Client::new().request(reqwest::Method::OPTIONS, &served.url).send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
}
