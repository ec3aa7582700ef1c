//! The Cognito user pool: who a user is, and Tollgate's two attributes.
//!
//! Deliberately not here: signing users in or out, creating or deleting them.

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, UserType};
use tollgate_billing::account::{Attributes, KeyId};
use tollgate_billing::ports::{Class, Page, PortError, PortResult, Service, UserRecord, Users};
use tollgate_events::AccountId;

use super::error::Operation;

/// The attribute with the key's id.
pub const API_ID: &str = "custom:apiid";
/// The attribute with the plan's id.
pub const PLAN: &str = "custom:plan";

/// The largest page that Cognito gives.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
const PAGE: i32 = 60;

fn operation(name: &'static str) -> Operation {
    Operation { service: Service::Cognito, name }
}

/// The users port on one user pool.
#[derive(Debug, Clone)]
pub struct UserPool {
    client: Client,
    pool: String,
}

impl UserPool {
    /// The pool with this id.
    pub fn new(client: Client, pool: impl Into<String>) -> Self {
        Self { client, pool: pool.into() }
    }

    async fn list(
        &self,
        filter: Option<String>,
        page: Option<String>,
    ) -> PortResult<Page<UserRecord>> {
        let answer = self
            .client
            .list_users()
            .user_pool_id(&self.pool)
            .limit(PAGE)
            .set_filter(filter)
            .set_pagination_token(page)
            .send()
            .await
            .map_err(|error| operation("ListUsers").sdk(&error))?;
        let items = answer.users().iter().map(read_listed).collect::<PortResult<_>>()?;
        Ok(Page { items, next: answer.pagination_token })
    }
}

impl Users for UserPool {
    async fn user(&self, username: &str, account: &AccountId) -> PortResult<Option<UserRecord>> {
        let operation = operation("AdminGetUser");
        let request = self.client.admin_get_user().user_pool_id(&self.pool).username(username);
        let answer = request.send().await.map_err(|e| unnamed(operation.sdk(&e), username));
        let found = match answer {
            Err(error) if error.class == Class::NotFound => return Ok(None),
            answer => answer?,
        };
        let user = read(operation, found.username(), found.enabled(), found.user_attributes())?;
        Ok(Some(user).filter(|user| user.id == *account))
    }

    async fn find(&self, account: &AccountId) -> PortResult<Option<UserRecord>> {
        let filter = format!("sub = \"{}\"", escape(account.as_str()));
        let mut token = None;
        loop {
            let page = self.list(Some(filter.clone()), token).await?;
            // Compared here too: not every implementation filters.
            if let Some(user) = page.items.into_iter().find(|user| user.id == *account) {
                return Ok(Some(user));
            }
            token = page.next;
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    async fn all_users(&self, page: Option<&str>) -> PortResult<Page<UserRecord>> {
        self.list(None, page.map(str::to_owned)).await
    }

    async fn write_attributes(&self, username: &str, attributes: &Attributes) -> PortResult<()> {
        let operation = operation("AdminUpdateUserAttributes");
        let api_id = attributes.api_id.as_ref().map_or("", KeyId::as_str);
        let plan = attributes.plan.as_deref().unwrap_or_default();
        self.client
            .admin_update_user_attributes()
            .user_pool_id(&self.pool)
            .username(username)
            .user_attributes(attribute(operation, API_ID, api_id)?)
            .user_attributes(attribute(operation, PLAN, plan)?)
            .send()
            .await
            .map_err(|error| unnamed(operation.sdk(&error), username))?;
        Ok(())
    }
}

/// A user name is often an e-mail address: it stays out of errors.
fn unnamed(mut error: PortError, username: &str) -> PortError {
    if !username.is_empty() {
        error.detail = error.detail.replace(username, "<username>");
    }
    error
}

/// Quotation marks within a filter are escaped with a backslash (`ListUsers`, `Filter`).
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

fn attribute(operation: Operation, name: &str, value: &str) -> PortResult<AttributeType> {
    let built = AttributeType::builder().name(name).value(value).build();
    built.map_err(|error| operation.error(Class::Invalid, error.to_string()))
}

fn read_listed(user: &UserType) -> PortResult<UserRecord> {
    read(
        operation("ListUsers"),
        user.username().unwrap_or_default(),
        user.enabled(),
        user.attributes(),
    )
}

fn read(
    operation: Operation,
    username: &str,
    enabled: bool,
    attributes: &[AttributeType],
) -> PortResult<UserRecord> {
    // An attribute once written cannot be removed, only emptied.
    let value = |name| {
        let found = attributes.iter().find(|attribute| attribute.name() == name)?;
        found.value().filter(|value| !value.is_empty())
    };
    let id = AccountId::parse(value("sub").unwrap_or_default());
    Ok(UserRecord {
        id: id
            .map_err(|error| operation.error(Class::Invalid, format!("a user's sub: {error}")))?,
        username: username.to_owned(),
        enabled,
        attributes: Attributes {
            api_id: value(API_ID).and_then(|id| KeyId::parse(id).ok()),
            plan: value(PLAN).map(str::to_owned),
        },
    })
}
