//! The operations of the HTTP face: request in, response out.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::CognitoStandin;
use super::error::{Code, CognitoError};
use super::requests::{self, read};
use super::schema::AppClient;
use super::triggers::Occasion;
use super::views::{
    admin_view, by_mail, lambda_view, schema_view, sign_in_view, tokens_view, user_view,
};

type Reply = Result<Value, CognitoError>;

/// The operations that are modelled.
pub(super) const OPERATIONS: [&str; 18] = [
    "AdminCreateUser",
    "AdminDeleteUser",
    "AdminDisableUser",
    "AdminEnableUser",
    "AdminGetUser",
    "AdminUpdateUserAttributes",
    "ConfirmForgotPassword",
    "ConfirmSignUp",
    "DeleteUser",
    "DescribeUserPool",
    "DescribeUserPoolClient",
    "ForgotPassword",
    "InitiateAuth",
    "ListUserPoolClients",
    "ListUsers",
    "RespondToAuthChallenge",
    "SignUp",
    "UpdateUserAttributes",
];

impl CognitoStandin {
    /// Carries out an operation.
    pub(super) async fn perform(&self, operation: &str, body: Value) -> Reply {
        match operation {
            "AdminGetUser" => self.admin(body, |name| self.lookup(name).map(|it| admin_view(&it))),
            "AdminDisableUser" => self.admin(body, |name| self.disable_user(name).map(nothing)),
            "AdminEnableUser" => self.admin(body, |name| self.enable_user(name).map(nothing)),
            "AdminDeleteUser" => self.admin(body, |name| self.delete_user(name).map(nothing)),
            "AdminUpdateUserAttributes" => self.admin_update(read(body)?),
            "AdminCreateUser" => self.admin_create_over_http(read(body)?),
            "ListUsers" => self.list_users(&read(body)?),
            "DescribeUserPool" => self.describe_pool(&read(body)?),
            "ListUserPoolClients" => self.list_clients(&read(body)?),
            "DescribeUserPoolClient" => self.describe_client(&read(body)?),
            "SignUp" => self.sign_up_over_http(read(body)?),
            "ConfirmSignUp" => self.confirm_over_http(read(body)?).await,
            "ForgotPassword" => self.forgot_over_http(&read(body)?),
            "ConfirmForgotPassword" => self.confirm_forgot_over_http(read(body)?).await,
            "InitiateAuth" => self.initiate_auth(read(body)?).await,
            "RespondToAuthChallenge" => self.respond(read(body)?).await,
            "DeleteUser" => self.delete_own(&read(body)?),
            "UpdateUserAttributes" => self.update_own(read(body)?),
            other => Err(not_implemented(&format!("the operation {other}"))),
        }
    }

    fn admin(&self, body: Value, act: impl FnOnce(&str) -> Reply) -> Reply {
        let request: requests::AdminUser = read(body)?;
        self.check_pool(&request.user_pool_id)?;
        act(&request.username)
    }

    fn admin_update(&self, request: requests::AdminUpdateUserAttributes) -> Reply {
        self.check_pool(&request.user_pool_id)?;
        self.write(&request.username, request.user_attributes).map(nothing)
    }

    fn admin_create_over_http(&self, request: requests::AdminCreateUser) -> Reply {
        self.check_pool(&request.user_pool_id)?;
        let (name, password) = (&request.username, request.temporary_password);
        let user = self.admin_create(name, password, request.user_attributes)?;
        Ok(json!({ "User": user_view(&user, None) }))
    }

    fn list_users(&self, request: &requests::ListUsers) -> Reply {
        self.check_pool(&request.user_pool_id)?;
        let wanted = request.attributes_to_get.as_deref();
        let undefined =
            |name: &String| self.config().check_new(&[(name.clone(), String::new())].into());
        if wanted.into_iter().flatten().any(|name| undefined(name).is_err()) {
            return Err(CognitoError::invalid("One or more requested attributes do not exist."));
        }
        let token = request.pagination_token.as_deref();
        let (users, next) = self.list(request.filter.as_deref(), request.limit, token)?;
        let users: Vec<Value> = users.iter().map(|user| user_view(user, wanted)).collect();
        let mut reply = json!({ "Users": users });
        if let Some(next) = next {
            reply["PaginationToken"] = json!(next);
        }
        Ok(reply)
    }

    fn describe_pool(&self, request: &requests::DescribeUserPool) -> Reply {
        self.check_pool(&request.user_pool_id)?;
        let config = &*self.config();
        let mut pool = json!({
            "Id": config.pool_id,
            "Name": "stand-in",
            "Arn": config.arn(),
            "SchemaAttributes": schema_view(config),
            "LambdaConfig": lambda_view(config),
            "EstimatedNumberOfUsers": self.lock().users.all().count(),
        });
        if config.email_as_username {
            pool["UsernameAttributes"] = json!(["email"]);
        }
        Ok(json!({ "UserPool": pool }))
    }

    /// Pages of at most 60 (1 when not said: AWS says no default, so who relies on one page
    /// is found out). <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUserPoolClients.html>
    fn list_clients(&self, request: &requests::ListUserPoolClients) -> Reply {
        self.check_pool(&request.user_pool_id)?;
        let limit = request.max_results.unwrap_or(1);
        if !(1..=60).contains(&limit) {
            return Err(CognitoError::invalid("MaxResults must be between 1 and 60"));
        }
        let from = request.next_token.as_deref().map_or(Ok(0), str::parse);
        let from: usize = from.map_err(|_| CognitoError::invalid("Invalid pagination token"))?;
        let config = self.config();
        let page = config.clients.iter().skip(from).take(limit);
        let view = |client: &AppClient| json!({ "ClientId": client.id, "ClientName": client.id, "UserPoolId": config.pool_id });
        let mut reply = json!({ "UserPoolClients": page.map(view).collect::<Vec<_>>() });
        if from + limit < config.clients.len() {
            reply["NextToken"] = json!((from + limit).to_string());
        }
        Ok(reply)
    }

    fn describe_client(&self, request: &requests::DescribeUserPoolClient) -> Reply {
        self.check_pool(&request.user_pool_id)?;
        let config = self.config();
        let client = config.client(&request.client_id)?;
        let mut view = json!({
            "UserPoolId": config.pool_id,
            "ClientName": client.id,
            "ClientId": client.id,
            "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH"],
            "PreventUserExistenceErrors": "ENABLED",
        });
        if let Some(names) = &client.write_attributes {
            view["WriteAttributes"] = json!(names);
        }
        Ok(json!({ "UserPoolClient": view }))
    }

    fn sign_up_over_http(&self, request: requests::SignUp) -> Reply {
        let config = self.config();
        let client = config.client(&request.client_id)?;
        let (name, password) = (&request.username, &request.password);
        let user = self.sign_up(client, name, password, request.user_attributes)?;
        Ok(json!({ "UserConfirmed": false, "UserSub": user.sub, "CodeDeliveryDetails": by_mail() }))
    }

    async fn confirm_over_http(&self, request: requests::ConfirmSignUp) -> Reply {
        self.config().client(&request.client_id)?;
        let confirmed = self.confirm_sign_up(&request.username, &request.confirmation_code);
        let user = confirmed.map_err(conceal)?;
        // The user stays confirmed when the trigger fails.
        self.fire(&user, &request.client_id, &[Occasion::ConfirmSignUp]).await.map(nothing)
    }

    /// Whether there is such a user is not told.
    fn forgot_over_http(&self, request: &requests::ForgotPassword) -> Reply {
        self.config().client(&request.client_id)?;
        match self.forgot_password(&request.username) {
            Err(error) if error.code != Code::UserNotFound => Err(error),
            _ => Ok(json!({ "CodeDeliveryDetails": by_mail() })),
        }
    }

    async fn confirm_forgot_over_http(&self, request: requests::ConfirmForgotPassword) -> Reply {
        self.config().client(&request.client_id)?;
        let (name, code) = (&request.username, &request.confirmation_code);
        let user = self.confirm_forgot_password(name, code, request.password).map_err(conceal)?;
        let occasion = [Occasion::ConfirmForgotPassword];
        self.fire(&user, &request.client_id, &occasion).await.map(nothing)
    }

    async fn initiate_auth(&self, request: requests::InitiateAuth) -> Reply {
        let (client, parameters) = (&request.client_id, &request.auth_parameters);
        match request.auth_flow.as_str() {
            "USER_PASSWORD_AUTH" => {
                let name = parameter(parameters, "USERNAME")?.expose_secret();
                let password = parameter(parameters, "PASSWORD")?;
                self.sign_in_with_password(client, name, password).await.map(|it| sign_in_view(&it))
            }
            "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => {
                let token = parameter(parameters, "REFRESH_TOKEN")?.expose_secret();
                let tokens = self.sign_in_with_refresh_token(client, token).await?;
                Ok(tokens_view(&tokens))
            }
            other => Err(not_implemented(&format!("the flow {other}"))),
        }
    }

    async fn respond(&self, request: requests::RespondToAuthChallenge) -> Reply {
        if request.challenge_name != "NEW_PASSWORD_REQUIRED" {
            let what = format!("the challenge {}", request.challenge_name);
            return Err(not_implemented(&what));
        }
        let name = parameter(&request.challenge_responses, "USERNAME")?.expose_secret();
        let password = parameter(&request.challenge_responses, "NEW_PASSWORD")?.clone();
        let (client, session) = (&request.client_id, &request.session);
        let tokens = self.answer_new_password(client, session, name, password).await?;
        Ok(tokens_view(&tokens))
    }

    fn delete_own(&self, request: &requests::DeleteUser) -> Reply {
        let (user, _) = self.user_of_access_token(&request.access_token)?;
        self.delete_self(&user.username).map(nothing)
    }

    fn update_own(&self, request: requests::UpdateUserAttributes) -> Reply {
        self.write_own(&request.access_token, request.user_attributes).map(nothing)
    }

    fn check_pool(&self, id: &str) -> Result<(), CognitoError> {
        if id == self.config().pool_id {
            return Ok(());
        }
        let message = format!("User pool {id} does not exist.");
        Err(CognitoError::new(Code::ResourceNotFound, message))
    }
}

fn not_implemented(what: &str) -> CognitoError {
    CognitoError::new(Code::NotImplemented, format!("not implemented by the stand-in: {what}"))
}

fn nothing((): ()) -> Value {
    json!({})
}

/// Whether there is such a user is not told: a code for nobody has expired.
fn conceal(error: CognitoError) -> CognitoError {
    if error.code != Code::UserNotFound {
        return error;
    }
    let message = "Invalid code provided, please request a code again.";
    CognitoError::new(Code::ExpiredCode, message)
}

fn parameter<'a>(
    parameters: &'a BTreeMap<String, SecretString>,
    name: &str,
) -> Result<&'a SecretString, CognitoError> {
    let message = || CognitoError::invalid(format!("Missing required parameter {name}"));
    parameters.get(name).ok_or_else(message)
}
