//! The pages: sign in, sign up, the code of a mail, another password.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;

use super::authorize::{Asked, parameter, signed_in};
use super::html::{alert, escape, field, page};
use crate::calls::Service;
use crate::cognito::CognitoStandin;
use crate::cognito::error::{Code, CognitoError};
use crate::cognito::triggers::Occasion;

type Pool = State<CognitoStandin>;

/// A page that was asked for as an app has asked; or why not.
fn asked(
    pool: &CognitoStandin,
    query: Option<&str>,
    page: &'static str,
) -> Result<Asked, Box<Response>> {
    pool.calls.log(Service::Cognito, page, "");
    Asked::read(pool, query)
}

macro_rules! asked {
    ($pool:expr, $query:expr, $page:literal) => {
        match asked(&$pool, $query.as_deref(), $page) {
            Ok(asked) => asked,
            Err(refused) => return *refused,
        }
    };
}

pub(super) async fn login(State(pool): Pool, RawQuery(query): RawQuery) -> Response {
    let asked = asked!(pool, query, "GET /login");
    login_page(&asked, "", None)
}

fn login_page(asked: &Asked, name: &str, refused: Option<&CognitoError>) -> Response {
    let query = escape(&asked.query);
    let body = format!(
        "{}<form method=post action=\"/login?{query}\">{}{}<button>Sign in</button></form>\
         <p><a href=\"/forgotPassword?{query}\">Forgot your password?</a></p>\
         <p>New here? <a href=\"/signup?{query}\">Create an account</a></p>",
        alert(refused),
        field("username", "User name or e-mail", "text", "username", name),
        field("password", "Password", "password", "current-password", ""),
    );
    page("Sign in", &body)
}

pub(super) async fn log_in(State(pool): Pool, RawQuery(query): RawQuery, form: String) -> Response {
    let asked = asked!(pool, query, "POST /login");
    let name = parameter(&form, "username").unwrap_or_default();
    let password = SecretString::from(parameter(&form, "password").unwrap_or_default());
    let user = match pool.with_password(&name, &password) {
        Ok(user) => user,
        Err(error) if error.code == Code::UserNotConfirmed => {
            return Redirect::to(&to_confirm(&asked, &name)).into_response();
        }
        Err(error) => return login_page(&asked, &name, Some(&error)),
    };
    match pool.fire(&user, asked.client(), &[Occasion::PostAuthentication]).await {
        Ok(()) => signed_in(&pool, &asked, &user),
        Err(error) => login_page(&asked, &name, Some(&error)),
    }
}

pub(super) async fn sign_up_page(State(pool): Pool, RawQuery(query): RawQuery) -> Response {
    let asked = asked!(pool, query, "GET /signup");
    sign_up_form(&pool, &asked, ["", ""], None)
}

fn sign_up_form(
    pool: &CognitoStandin,
    asked: &Asked,
    [name, email]: [&str; 2],
    refused: Option<&CognitoError>,
) -> Response {
    let query = escape(&asked.query);
    // Where the address is the name, no other is asked for.
    let name = match pool.config().email_as_username {
        true => String::new(),
        false => field("username", "User name", "text", "username", name),
    };
    let body = format!(
        "{}<form method=post action=\"/signup?{query}\">{name}{}{}<button>Sign up</button></form>\
         <p>Have an account? <a href=\"/login?{query}\">Sign in</a></p>",
        alert(refused),
        field("email", "E-mail", "email", "email", email),
        field("password", "Password, at least 8 characters", "password", "new-password", ""),
    );
    page("Sign up", &body)
}

pub(super) async fn sign_up(
    State(pool): Pool,
    RawQuery(query): RawQuery,
    form: String,
) -> Response {
    let asked = asked!(pool, query, "POST /signup");
    let email = parameter(&form, "email").unwrap_or_default();
    let name = parameter(&form, "username").unwrap_or_else(|| email.clone());
    let password = SecretString::from(parameter(&form, "password").unwrap_or_default());
    let config = pool.config();
    let attributes = [("email".to_owned(), email.clone())].into();
    let made = config
        .client(asked.client())
        .and_then(|client| pool.sign_up(client, &name, &password, attributes));
    match made {
        Ok(_) => Redirect::to(&to_confirm(&asked, &name)).into_response(),
        Err(error) => sign_up_form(&pool, &asked, [&name, &email], Some(&error)),
    }
}

/// The page for the code of a sign-up's mail.
fn to_confirm(asked: &Asked, name: &str) -> String {
    format!("/confirmUser?{}&login_name={}", asked.query, encoded(name))
}

pub(super) async fn confirm_page(State(pool): Pool, RawQuery(query): RawQuery) -> Response {
    let asked = asked!(pool, query, "GET /confirmUser");
    code_page(&pool, &asked, None)
}

fn login_name(asked: &Asked) -> String {
    parameter(&asked.query, "login_name").unwrap_or_default()
}

fn code_page(pool: &CognitoStandin, asked: &Asked, refused: Option<&CognitoError>) -> Response {
    let query = escape(&asked.query);
    let body = format!(
        "{}{}<form method=post action=\"/confirmUser?{query}\">{}<button>Confirm</button></form>\
         <form method=post action=\"/resendcode?{query}\"><button>Send another code</button></form>",
        alert(refused),
        mail(pool, &login_name(asked)),
        field("code", "The code that was mailed to you", "text", "one-time-code", ""),
    );
    page("Confirm your account", &body)
}

/// Whoever has confirmed is signed in.
pub(super) async fn confirm(
    State(pool): Pool,
    RawQuery(query): RawQuery,
    form: String,
) -> Response {
    let asked = asked!(pool, query, "POST /confirmUser");
    let code = parameter(&form, "code").unwrap_or_default();
    let user = match pool.confirm_sign_up(&login_name(&asked), code.trim()) {
        Ok(user) => user,
        Err(error) => return code_page(&pool, &asked, Some(&error)),
    };
    match pool.fire(&user, asked.client(), &[Occasion::ConfirmSignUp]).await {
        Ok(()) => signed_in(&pool, &asked, &user),
        Err(error) => code_page(&pool, &asked, Some(&error)),
    }
}

pub(super) async fn resend(State(pool): Pool, RawQuery(query): RawQuery) -> Response {
    let asked = asked!(pool, query, "POST /resendcode");
    let sent = pool.resend_code(&login_name(&asked));
    code_page(&pool, &asked, sent.err().as_ref())
}

pub(super) async fn forgot_page(State(pool): Pool, RawQuery(query): RawQuery) -> Response {
    let asked = asked!(pool, query, "GET /forgotPassword");
    let query = escape(&asked.query);
    let body = format!(
        "<form method=post action=\"/forgotPassword?{query}\">{}<button>Send a code</button></form>",
        field("username", "User name or e-mail", "text", "username", ""),
    );
    page("Forgot your password?", &body)
}

/// Whether there is such a user is not told.
pub(super) async fn forgot(State(pool): Pool, RawQuery(query): RawQuery, form: String) -> Response {
    let asked = asked!(pool, query, "POST /forgotPassword");
    let name = parameter(&form, "username").unwrap_or_default();
    let _ = pool.forgot_password(&name);
    let next = format!("/confirmForgotPassword?{}&login_name={}", asked.query, encoded(&name));
    Redirect::to(&next).into_response()
}

pub(super) async fn reset_page(State(pool): Pool, RawQuery(query): RawQuery) -> Response {
    let asked = asked!(pool, query, "GET /confirmForgotPassword");
    reset_form(&pool, &asked, None)
}

fn reset_form(pool: &CognitoStandin, asked: &Asked, refused: Option<&CognitoError>) -> Response {
    let query = escape(&asked.query);
    let body = format!(
        "{}{}<form method=post action=\"/confirmForgotPassword?{query}\">{}{}\
         <button>Change the password</button></form>",
        alert(refused),
        mail(pool, &login_name(asked)),
        field("code", "The code that was mailed to you", "text", "one-time-code", ""),
        field("password", "New password, at least 8 characters", "password", "new-password", ""),
    );
    page("Another password", &body)
}

pub(super) async fn reset(State(pool): Pool, RawQuery(query): RawQuery, form: String) -> Response {
    let asked = asked!(pool, query, "POST /confirmForgotPassword");
    let code = parameter(&form, "code").unwrap_or_default();
    let password = SecretString::from(parameter(&form, "password").unwrap_or_default());
    let changed = pool.confirm_forgot_password(&login_name(&asked), code.trim(), password);
    let user = match changed {
        Ok(user) => user,
        Err(error) => return reset_form(&pool, &asked, Some(&error)),
    };
    match pool.fire(&user, asked.client(), &[Occasion::ConfirmForgotPassword]).await {
        Ok(()) => Redirect::to(&format!("/login?{}", asked.query)).into_response(),
        Err(error) => reset_form(&pool, &asked, Some(&error)),
    }
}

/// What the mail would say.
fn mail(pool: &CognitoStandin, name: &str) -> String {
    let code = pool.code(name);
    code.map_or(String::new(), |code| {
        format!("<p class=mail>No mail is sent here. It would say: <b id=mailed>{code}</b></p>")
    })
}

/// A text as a parameter's value.
fn encoded(text: &str) -> String {
    let mut url = reqwest::Url::parse("http://query.invalid/").expect("it is one");
    url.query_pairs_mut().append_pair("v", text);
    url.query().and_then(|query| query.strip_prefix("v=")).unwrap_or_default().to_owned()
}
