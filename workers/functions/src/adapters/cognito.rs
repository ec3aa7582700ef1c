//! The Cognito user pool: who a user is, and Tollgate's two attributes.
//!
//! Deliberately not here: signing users in or out, creating or deleting them.

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, UserStatusType, UserType};
use tollgate_core::account::{Attributes, KeyId};
use tollgate_core::person::VerifiedEmail;
use tollgate_core::ports::{
    Class, NameHolder, Page, PortError, PortResult, Service, UserRecord, Users,
};
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
        let mut page = Page::whole(Vec::new(), answer.pagination_token.clone());
        for user in answer.users() {
            match read_listed(user) {
                Ok(user) => page.items.push(user),
                // A user name may be an e-mail address.
                Err(error) => {
                    page.unreadable.push(operation("ListUsers").left_out(None, None, &error));
                }
            }
        }
        Ok(page)
    }
}

impl Users for UserPool {
    fn pool_id(&self) -> String {
        self.pool.clone()
    }

    async fn user(&self, username: &str, account: &AccountId) -> PortResult<NameHolder> {
        let operation = operation("AdminGetUser");
        let request = self.client.admin_get_user().user_pool_id(&self.pool).username(username);
        let answer = request.send().await.map_err(|e| unnamed(operation.sdk(&e), username));
        let found = match answer {
            Err(error) if error.class == Class::NotFound => return Ok(NameHolder::Nobody),
            answer => answer?,
        };
        let status = found.user_status();
        let about = (found.username(), status, found.enabled());
        let user = read(operation, about, found.user_attributes())?;
        Ok(if user.id == *account {
            NameHolder::Account(user)
        } else {
            NameHolder::Namesake(user.id)
        })
    }

    async fn find(&self, account: &AccountId) -> PortResult<Option<UserRecord>> {
        let filter = format!("sub = \"{}\"", escape(account.as_str()));
        let mut token = None;
        loop {
            let page = self.list(Some(filter.clone()), token).await?;
            token = page.next.clone();
            // Compared here too: not every implementation filters.
            if let Some(user) = every_user(page)?.into_iter().find(|user| user.id == *account) {
                return Ok(Some(user));
            }
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    async fn with_email(&self, email: &str) -> PortResult<Vec<UserRecord>> {
        let filter = format!("email = \"{}\"", escape(email));
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page =
                self.list(Some(filter.clone()), token).await.map_err(|e| unnamed(e, email))?;
            token = page.next.clone();
            found.extend(every_user(page)?);
            if token.is_none() {
                return Ok(found);
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

/// The users of a listing that is asked for somebody: one who cannot be read may be them.
fn every_user(page: Page<UserRecord>) -> PortResult<Vec<UserRecord>> {
    match page.unreadable.into_iter().next() {
        None => Ok(page.items),
        Some(row) => Err(operation("ListUsers").error(Class::Invalid, row.why)),
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
    let about = (user.username().unwrap_or_default(), user.user_status(), user.enabled());
    read(operation("ListUsers"), about, user.attributes())
}

fn read(
    operation: Operation,
    (username, status, enabled): (&str, Option<&UserStatusType>, bool),
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
        federated: status == Some(&UserStatusType::ExternalProvider),
        enabled,
        confirmed: matches!(
            status,
            Some(UserStatusType::Confirmed | UserStatusType::ExternalProvider)
        ),
        email: VerifiedEmail::of(value("email"), value("email_verified") == Some("true")),
        attributes: Attributes {
            api_id: value(API_ID).and_then(|id| KeyId::parse(id).ok()),
            plan: value(PLAN).map(str::to_owned),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate_standin::stub::{Stub, StubAnswer};

    use super::*;
    use crate::adapters::clients::stubbed;

    fn pool(stub: &Stub) -> UserPool {
        UserPool::new(Client::new(&stubbed(&stub.url)), "pool-1")
    }

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).unwrap()
    }

    fn attributes(sub: &str) -> serde_json::Value {
        json!([
            { "Name": "sub", "Value": sub },
            { "Name": "email", "Value": "someone@example.com" },
            { "Name": "custom:apiid", "Value": "k1" },
            { "Name": "custom:plan", "Value": "" },
        ])
    }

    fn refused(code: &str, message: &str) -> StubAnswer {
        StubAnswer::new(400, json!({ "__type": code, "message": message }))
    }

    #[tokio::test]
    async fn a_user_is_read_and_an_emptied_attribute_is_absent() {
        let user =
            json!({ "Username": "someone", "Enabled": false, "UserAttributes": attributes("a") });
        let stub =
            Stub::answering([StubAnswer::new(200, &user), StubAnswer::new(200, &user)]).await;
        let read = pool(&stub).user("someone", &account("a")).await.unwrap().account().unwrap();
        assert!(!read.enabled);
        let api_id = KeyId::parse("k1").ok();
        assert_eq!(read.attributes, Attributes { api_id, plan: None });
        let other = pool(&stub).user("someone", &account("b")).await.unwrap();
        let namesake = NameHolder::Namesake(account("a"));
        assert_eq!(other, namesake, "the name belongs to another user by now");
    }

    /// A wrong pool id must never read as "the user is gone".
    #[tokio::test]
    async fn a_missing_user_is_none_and_a_missing_pool_is_not() {
        let stub = Stub::answering([
            refused("UserNotFoundException", "User does not exist."),
            refused("ResourceNotFoundException", "User pool pool-1 does not exist."),
        ])
        .await;
        assert_eq!(pool(&stub).user("someone", &account("a")).await.unwrap(), NameHolder::Nobody);
        let failed = pool(&stub).user("someone", &account("a")).await.unwrap_err();
        assert_eq!(failed.class, Class::Denied);
    }

    #[tokio::test]
    async fn a_user_is_found_by_an_escaped_sub_on_whatever_page() {
        let user = json!({ "Username": "u", "Enabled": true, "Attributes": attributes("a\"b\\") });
        let stub = Stub::answering([
            StubAnswer::new(200, json!({ "Users": [], "PaginationToken": "next" })),
            StubAnswer::new(200, json!({ "Users": [user] })),
        ])
        .await;
        let found = pool(&stub).find(&account("a\"b\\")).await.unwrap().unwrap();
        assert_eq!(found.username, "u");
        let body: serde_json::Value = serde_json::from_str(&stub.asked()[1].body).unwrap();
        assert_eq!(body["Filter"], r#"sub = "a\"b\\""#);
        assert_eq!(body["PaginationToken"], "next");
    }

    #[tokio::test]
    async fn absent_attributes_are_written_empty_and_names_stay_out_of_errors() {
        let text = "someone@example.com: custom:plan: Attribute does not exist in the schema.";
        let stub = Stub::answering([
            StubAnswer::new(200, json!({})),
            refused("InvalidParameterException", text),
        ])
        .await;
        let pool = pool(&stub);
        let attributes = Attributes { api_id: None, plan: Some("pro".into()) };
        pool.write_attributes("someone@example.com", &attributes).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
        let expected = json!([
            { "Name": "custom:apiid", "Value": "" },
            { "Name": "custom:plan", "Value": "pro" },
        ]);
        assert_eq!(body["UserAttributes"], expected);
        let failed = pool.write_attributes("someone@example.com", &attributes).await.unwrap_err();
        assert_eq!(failed.class, Class::Invalid);
        assert!(failed.detail.contains("Attribute does not exist"), "{failed}");
        assert!(!failed.detail.contains("someone@example.com"), "{failed}");
    }

    #[tokio::test]
    async fn a_user_who_cannot_be_read_is_left_out_and_not_named() {
        let user = |sub: &str| json!({ "Username": "someone@example.com", "Enabled": true, "Attributes": attributes(sub) });
        let users = json!({ "Users": [user("a"), user(""), user("b")] });
        let stub = Stub::answering([StubAnswer::new(200, users)]).await;
        let page = pool(&stub).all_users(None).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|user| user.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        let told = page.unreadable[0].to_string();
        assert!(told.contains("a user's sub") && !told.contains("someone"), "{told}");

        // Who is looked for may be the very one: that is not nobody.
        let users = json!({ "Users": [user("")] });
        let stub =
            Stub::answering([StubAnswer::new(200, &users), StubAnswer::new(200, &users)]).await;
        let failed = pool(&stub).find(&account("a")).await.unwrap_err();
        assert_eq!(failed.class, Class::Invalid);
        let failed = pool(&stub).with_email("someone@example.com").await.unwrap_err();
        assert!(!failed.to_string().contains("someone"), "{failed}");
    }
}
